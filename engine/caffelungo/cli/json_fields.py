"""What `--json` writes, by verb: each field of the document and its meaning. docs/json.md is made of this table.

The fields of all verbs come first: ``caffelungo``, ``verb`` and ``status``; ``problems`` is the last.
"""

from __future__ import annotations

COMMON = {
    "caffelungo": "Version of Caffelungo.",
    "verb": "The verb.",
    "status": "Exit status: 0 done, 1 failed while running or compared and found unequal, 2 the input is wrong.",
    "problems": "Everything that is wrong: `what`, `file`, `line`, `column` (both from 1), `received`, `remedy`; null "
    "where unknown. Empty when nothing is.",
}
"""Fields of every document."""

_FILES = "The files written."
_NOTICES = "What is allowed, but worth a look."
_NOTES = "What was done, a line each."
_COMMANDS = "What to run next: `command`, `purpose`."
_PROJECT = {
    "counts": "Pictures by class.",
    "train": "Number of training pictures.",
    "val": "Number of test pictures.",
}
_REWRITE = {
    "written": _FILES,
    "notes": "What the passes did, a line each.",
    "notices": _NOTICES,
    "diff": "The change of the net as a unified diff.",
    "commands": _COMMANDS,
}
_EXPORT = {
    "path": "The file written.",
    "bytes": "Its size (ONNX).",
    "inputs": "Names of its inputs (ONNX).",
    "outputs": "Names of its outputs.",
    "operators": "Number of nodes by operator (ONNX).",
    "parity": "Comparison with the net in PyTorch: `largest_relative_difference`, `largest_blob_difference`, "
    "`blobs_compared`, `random_inputs`, `real_inputs`, `batches`, `tolerance`, `top1_agreement`, `device`; of files "
    "for Caffe also `layers_compared` and `opencv`, the differences from OpenCV's reader by output.",
    "precision": "fp32, fp16 or int8 (ONNX).",
    "lowered": "Comparison with the fp32 file (`--precision`): sizes, differences, speed by batch size; else null.",
    "accuracy": "On the lists of `--test`: `pictures`, `first`, `within_top`; else null.",
    "notes": "What is worth a look.",
}

FIELDS: dict[str, dict[str, str]] = {
    "finetune": {
        "folder": "The folder written.",
        "files": "Its files: name and path.",
        "classes": "Names of the classes, in the order of their numbers.",
        **_PROJECT,
        "heads": "Names of the new classifiers.",
        "weights": "Weights that training starts from; null without any.",
        "iterations": "Iterations of training.",
        "batch_size": "Pictures per iteration.",
        "layers": "Linear classifiers by layer, as `lungo probe` reports them; null where training starts otherwise.",
        "chosen": "The layers whose classifier training starts from; null where it starts otherwise.",
        "balance": "What is done about classes of different sizes: none, inverse, effective, sampling or logits.",
        "numbers": "Numbers to predict in the place of classes: `name` and `unit` of each; empty for classes. `layers` "
        "then are ridge regressions: `mean_squared_error` of standardised numbers, `r2` and `rmse` of each. Of several "
        "labels per picture they are logistic regressions: `mean_average_precision`, and `loss` per label.",
        "notes": _NOTES,
        "notices": _NOTICES,
        "commands": _COMMANDS,
    },
    "advise": {
        "decision": "What to do: `what` (features only, fine-tune or not sure), `quadrant`, `freeze_to` "
        "(null: all learns), `expected` (`value`, `low`, `high` of the accuracy, `judged` pictures, and the parts "
        "`more` and `trained` of it), `sentences`.",
        "net": "The net to use.",
        "size": "Its input size in pixels.",
        "chosen_layers": "The layers to read.",
        "rate": "Learning rate of the project.",
        "iterations": "Iterations of the project.",
        "batch_size": "Pictures per iteration.",
        "pictures": "The pictures: `pictures` (their number), `classes`, `counts` by class, `largest_to_smallest`, "
        "`median_width`, `median_height`, `smallest_side`, `unreadable` (file and reason), `equal_pairs`, "
        "`near_pairs`, `pairs_across_classes`.",
        "source": "Per `net` and `size`: `frechet` and `domain_classifier` (distances to the `source`; null without "
        "one), `logme`, `h_score`, `h_score_most`, `leep`, `leep_floor`, `nce` (null without a classifier).",
        "layers": "Linear classifiers per `net`, `size` and `layers`: `features`, `penalty`, `accuracy` with its 95 % "
        "interval (`low`, `high`), `balanced_accuracy`, `loss`.",
        "probe": "Accuracy to expect of the linear classifier: `value`, `low`, `high`, `judged`, `more`, `trained`, "
        "and `balanced_accuracy`.",
        "learning_curve": "`accuracy` by pictures `per_class`, `gain_of_twice` the pictures with interval; or null.",
        "trials": "Fine-tunings that were tried: what `learns`, `freeze_to`, `accuracy`, `probe_accuracy`, their "
        "`difference` with its interval (`low`, `high`), `pictures`, `passes`, `full_passes`, `seconds`.",
        "doubtful_labels": "Pictures whose label is the least believed: `picture`, `label`, `likely`, `confidence`.",
        "notices": _NOTICES,
        "files": "The files written: name and path.",
        "commands": _COMMANDS,
    },
    "probe": {
        "classes": "Names of the classes.",
        "pictures": "Number of pictures to learn from.",
        "layers": "The candidates: `layers`, `blobs`, `features`, `penalty`, `accuracy` with its 95 % interval (`low`, "
        "`high`), `balanced_accuracy`, `loss`, `right`, `held_out`, `converged`.",
        "chosen": "The chosen one: `layers`, `blobs`, `penalty`, `features`, `converged`.",
        "test": "Its result on `--test`: `accuracy`, `low`, `high`, `balanced`, `samples`; else null.",
        "test_by_layer": "The same for each candidate that was tested.",
        "kept_as_trained": "Whether the classifier stayed as it was (`--layers head`).",
        "notices": _NOTICES,
        "files": _FILES,
        "commands": _COMMANDS,
    },
    "test": {
        "samples": "Number of samples.",
        "outputs": "Mean of each scalar output of the net, by blob.",
        "heads": "Classifiers: `layer`, `title`, `accuracy`, `interval` (95 %, Wilson), `balanced_accuracy` (mean "
        "recall), `macro_f1`, `top5`, `right`, `samples`, `classes` (`name`, `samples`, `right`, `recall`, "
        "`precision`).",
        "labels": "Several labels per picture: `mean_average_precision`, `micro_f1`, `macro_f1`, `absent` (labels "
        "without a positive picture), `labels` (`label`, `positives`, `known`, `average_precision`, `threshold`, "
        "`precision`, `recall`, `f1`); null for a net that tells none.",
        "numbers": "Numbers that the net predicts: of each `name`, `unit`, `mae` and `rmse` in that unit, `r2` "
        "(against the mean of the targets), `spearman` (null where all are equal); null for a net that predicts none.",
        "files": _FILES,
    },
    "train": {
        "ending": "How it ended: done, stopped or terminated.",
        "iteration": "Iterations done.",
        "snapshot": "The newest solver state; null without any.",
        "weights": "The weights of that snapshot; null without any.",
        "best": "The best weights, if they are kept; else null.",
        "folder": "The folder of the run: log, metrics, curves; null without one.",
    },
    "time": {
        "iterations": "Passes averaged over.",
        "forward_ms": "Milliseconds of a forward pass.",
        "backward_ms": "Milliseconds of a backward pass.",
        "total_ms": "Milliseconds of both.",
        "layers": "The same by layer: `name`, `forward_ms`, `backward_ms`.",
    },
    "inspect": {
        "page": "The page written.",
        "model": "The net.",
        "weights": "Its weights.",
        "before": "The weights before training; null where unknown.",
        "samples": "Number of test pictures; with `--labels` of those judged.",
        "accuracy": "Share of them that is right; with `--labels` how often cross-validated classifiers agree.",
        "interval": "Its 95 % interval (Wilson).",
        "groups": "By group of units that the classifier reads: `layers`, `units`, `accuracy` with that group alone.",
        "nearest_neighbour_of_the_same_class": "Share of pictures whose nearest neighbour, by features, has the "
        "same class, by net (before, after).",
        "map": "How features were drawn on a plane.",
        "units": "The units shown.",
        "dead": "Number of dead units by layer, where there are any.",
        "notices": _NOTICES,
        "pictures_a_unit": "Pictures shown per unit.",
        "corrections": "The table to edit and give back (`--labels`).",
        "data": "The pictures whose labels were inspected (`--labels`).",
        "layers": "What the classifiers read (`--labels`).",
        "classes": "Names of the classes (`--labels`).",
        "suspects": "Number of labels in doubt (`--labels`).",
        "doubtful": "The pictures listed, the likeliest wrong first: `path`, `label`, `suggested`, `score` "
        "(probability of the label), `probability` (of the suggested class), `suspect` (`--labels`).",
        "two_labels": "Copies with different labels: `paths`, `labels`, whether `equal` (`--labels`).",
    },
    "check": {
        "files": "The files that were checked: `path`, `kind`, `summary`.",
        "notices": _NOTICES,
    },
    "diff": {
        "before": "The first file (two files).",
        "after": "The second file (two files).",
        "layers": "Change by layer and blob: `name`, `type`, `status`, `relative`, `blobs` (two files).",
        "notices": "What is worth a look (two files).",
        "differences": "The same four fields for each later file (three or more files).",
    },
    "grow": {
        **_REWRITE,
        "parameters": "Number of parameters `before` and `after`.",
        "folder": "The folder written (`--task`).",
        "task": "Name of the new task (`--task`).",
        "tasks": "All tasks of the net (`--task`).",
        "head": "Name of the new classifier (`--task`).",
        **{name: f"{text.rstrip('.')} (`--task`)." for name, text in _PROJECT.items()},
        "iterations": "Iterations of training (`--task`).",
        "batch_size": "Pictures per iteration (`--task`).",
        "balance": "What is done about classes of different sizes: none, inverse, effective, sampling or logits "
        "(`--task`).",
        "fitted": "The classifier that training starts from, as `lungo probe` reports `layers` (`--task`); null where "
        "it starts otherwise.",
    },
    "rewrite": _REWRITE,
    "init": {
        "path": "The weights written.",
        "layers": "What was done, a line per layer.",
        "notices": _NOTICES,
    },
    "verify": {
        "before": "The first net.",
        "after": "The second net.",
        "inputs": "What was fed to both.",
        "blobs": "Each blob: `blob`, `layer`, `type`, `shape`, `status` (identical, equal, changed, new ...), largest "
        "relative `difference`, `was` and `was_blob` (its layer and name in the first net), `why`.",
        "parameters": "The weights of each layer: `layer`, `type`, `status`, `note`.",
        "answers": "The classifiers of the first net in the second: `layer`, `status`, `difference`, `same`, `now`.",
        "notices": _NOTICES,
        "verdict": "The result in a sentence.",
        "kept": "Whether everything old is identical or equal.",
    },
    "upgrade_net_proto_text": {
        "output": "The file written.",
        "notes": "What was out of date.",
        "diff": "The change as a unified diff.",
    },
    "upgrade_solver_proto_text": {
        "output": "The file written.",
        "notes": "What was out of date.",
        "diff": "The change as a unified diff.",
    },
    "compare": {
        "folder": "The study's folder.",
        "candidates": "Number of arms, each with what learns.",
        "estimate": "Expected time: `seconds`, `measured` (number of nets whose steps were timed) (`--dry-run`); null "
        "where nothing can be trained.",
        "files": _FILES,
        "setting": "Net, pictures and iterations in a sentence.",
        "command": "The command that continues the study.",
        "cpu_seconds": "CPU time of all trainings.",
        "trainings": "Number of trainings.",
        "failed": "Number of trainings that failed.",
        "advice": "What to use, in sentences.",
        "results": "Each arm: accuracy, its interval, and its gains over the bar and over fine-tuning, with p values.",
        "claims": "What the paper says of two arms, and what was found.",
        "recalls": "What is left of an earlier task (`--via`).",
    },
    "export": {**_EXPORT, "weights": "The weights written (`--format caffe`)."},
    "convert": _EXPORT,
    "classify": {
        "pictures": "Each picture: `picture`, `classes` (`index`, `label`, `probability`), `head` if several. Of a net "
        "that tells several labels: `labels` from their thresholds on, `scores` (the probability of each label). Of "
        "one that predicts numbers: `numbers`.",
        "output": "The file written; null without `-o`.",
    },
    "infer": {
        "pictures": "Number of pictures.",
        "seconds": "Time taken, without the warm-up.",
        "warm_up": "Seconds of the warm-up.",
        "where": "Where the net ran.",
        "classifier": "Whether the net is a classifier.",
        "outputs": "Names of the outputs written.",
        "listed": "Number of pictures whose class was listed.",
        "first": "How many of these have it first; null without any.",
        "within_top": "How many of these have it within the `top`; null without any.",
        "top": "Number of classes per picture.",
        "output": "The file written; null without `-o`.",
    },
    "bench": {
        "where": "The machine and the settings.",
        "rows": "Each side at each batch size: `batch`, `side`, `runs`, `p50`, `p90`, `p99` (ms), `rate` (pictures a "
        "second), `ratio` with its quartiles `low` and `high`.",
        "rounds": "Rounds by batch size.",
        "notes": "What was not measured.",
    },
    "convert_imageset": {
        "path": "The database written.",
        "pictures": "Number of records.",
        "left_out": "Pictures that were left out (`--skip-missing`), as problems.",
    },
    "compute_image_mean": {
        "channels": "Mean of each channel.",
        "records": "Number of records.",
        "output": "The file written; null without one.",
    },
    "features": {
        "path": "The file written.",
        "pictures": "Number of pictures.",
        "before": "Pictures that an interrupted run had done.",
        "labelled": "Whether the file has labels.",
        "blobs": "Shape of one picture's features, by blob.",
        "notices": _NOTICES,
    },
    "extract_features": {"databases": "The databases written: `path`, `records`."},
    "triton": {
        "folder": "The model's folder in the repository.",
        "version": "Its version.",
        "config": "The text of its config.pbtxt.",
        "notes": "What is worth a look.",
    },
    "doctor": {
        "facts": "What was found: `machine`, `packages`, their `wanted` versions, `driver`, and the trials of `torch` "
        "and `onnxruntime` by device.",
        "findings": "The lines of the report: `area`, `state` (ok, -- or !!), `text`, `remedy`.",
    },
    "nets": {
        "nets": "The nets: `name`, `family`, `summary`, `weights` (null where none ship).",
        "card": "The card of the net (`show`).",
        "files": "The files written (`copy`).",
    },
    "layers": {
        "types": "The layer types, or the one described.",
        "text": "What is printed.",
    },
}
"""Verb -> field -> meaning. Those with a condition in brackets are missing without it.

A verb that failed writes the common fields only.
"""


def markdown() -> str:
    """The tables of docs/json.md."""
    lines = ["### Fields of every document", "", *_table(COMMON)]
    for verb, fields in FIELDS.items():
        lines += ["", f"### `lungo {verb}`", "", *_table(fields)]
    return "\n".join(lines) + "\n"


def _table(fields: dict[str, str]) -> list[str]:
    return ["| field | meaning |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in fields.items())]
