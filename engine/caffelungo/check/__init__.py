"""`lungo check`: everything wrong with a net, a solver, a list of pictures or a weights file, in one go. No torch."""

from caffelungo.check.files import Checked, Report, check, check_files

__all__ = ["Checked", "Report", "check", "check_files"]
