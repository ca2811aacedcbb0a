"""What a study is made of: cells, the place they run at, their inputs and results, and what runs them.

def double(cell: Cell, place: CellPlace) -> dict[str, JSON]:    # in a module with VERSION = 1
    return {"value": 2 * cell.fields["value"]}

cell = Cell("package.module:double", {"value": 4}, title="twice four")
results = CellRunner("study", workers=2).run([cell])
results[cell.key].values["value"]
"""

from caffelungo.study.cells.cell import JSON, Cell, CellResult, in_order, load
from caffelungo.study.cells.input_files import Inputs
from caffelungo.study.cells.place import CellPlace
from caffelungo.study.cells.progress import RunningCell, Standing
from caffelungo.study.cells.runner import CellRunner

__all__ = [
    "JSON", "Cell", "CellPlace", "CellResult", "CellRunner", "Inputs", "RunningCell", "Standing", "in_order", "load",
]  # fmt: skip
