"""Whatever option a message of the engine names is one that the user's command has, as a search of the texts says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer.main

from caffelungo.cli.main import VERBS, app
from caffelungo.passes.registry import passes

ENGINE = Path(__file__).parents[2] / "engine" / "caffelungo"
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z_-]*[a-z]")
COMMAND = re.compile(r"(?:lungo |`)(" + "|".join(VERBS) + r")\b")
OTHERS = re.compile(r"python -m|docker run|in a container|nvidia-smi|--query-gpu|--format=csv")
"""Texts about other programs."""

READS = (
    "check", "compare", "convert", "export", "features", "finetune", "grow", "init", "inspect", "probe", "rewrite",
    "test", "time", "verify",
)  # fmt: skip
"""The verbs that read a net in its stages."""
GROWS, OUT, SHOWN = ["grow"], ["export", "convert"], ["classify", "infer", "serve"]
TAKES_IN = ["finetune", "probe", "compare"]
"""The verbs that give a net the user's pictures."""
PICTURES = [*TAKES_IN, "features", "test"]
"""The verbs that name the columns of a table of pictures."""

SPEAKERS: dict[str, list[str]] = {
    "solve/choose_head.py": ["test"], "solve/open_test_net.py": ["test"], "solve/snapshot_retention.py": ["train"],
    "rewriting/rewrite_steps.py": ["rewrite"],
    "data/convert_imageset.py": ["convert_imageset"],
    "data/lmdb_writer.py": ["convert_imageset", "features", "extract_features"],
    "data/preprocess.py": ["export"],
    "definition/decoding.py": ["train", "test", "time", "export", "grow", "rewrite", "verify", "finetune"],
    "definition/reader.py": ["test", "time", "export", "grow", "rewrite", "verify", "finetune", "probe", "features"],
    "definition/solver_settings.py": ["train"],
    "definition/template.py": [*READS, "train", "extract_features"],
    "deploy/recorded_accuracy.py": OUT, "inference/classify_files.py": ["classify", "infer"],
    "deploy/requested_size.py": OUT,
    "deploy/bench.py": ["bench"], "inference/classify.py": SHOWN, "deploy/convert.py": ["convert"],
    "deploy/stated_preprocessing.py": ["convert"],
    "deploy/exportable_part.py": ["convert"], "inference/doctor.py": ["doctor"], "deploy/export.py": OUT,
    "deploy/picture_operators.py": OUT,
    "deploy/deploy_net.py": OUT, "deploy/classifier_labels.py": OUT,
    "deploy/baselines.py": ["bench"],
    "deploy/parity.py": OUT, "deploy/resize_proof.py": OUT, "deploy/lower_precision.py": OUT,
    "inference/runtime.py": [*OUT, *SHOWN, "bench"],
    "deploy/free_sizes.py": OUT, "inference/triton.py": ["triton"], "deploy/untraceable.py": OUT,
    "passes/stage_ends.py": ["features", "probe", "finetune", "compare", "grow", "rewrite"],
    "passes/picture_data.py": TAKES_IN,
    "features/run_features.py": ["features"], "features/open_net.py": ["features"],
    "data/picture_views.py": ["features", "test"],
    "files.py": ["probe"],
    "advising/decide.py": ["advise"], "advising/run_advise.py": ["advise"], "advising/options.py": ["advise"],
    "advising/source_distance.py": ["advise"],
    "rewriting/grow_steps.py": GROWS, "plan/memory_limits.py": [], "plan/states.py": [*READS],
    "passes/adapters.py": ["rewrite"], "passes/new_units.py": GROWS, "passes/cast.py": ["rewrite"],
    "passes/unit_copies.py": GROWS, "passes/deepen.py": GROWS, "passes/deploy.py": ["rewrite", "grow"],
    "passes/enlarge.py": GROWS, "passes/finetune.py": TAKES_IN, "passes/fold.py": ["rewrite"],
    "passes/freeze.py": ["rewrite", "finetune"], "passes/fresh_head.py": ["grow", "rewrite"],
    "passes/joined_units.py": GROWS,
    "passes/joint.py": GROWS, "passes/rates.py": ["rewrite"], "passes/normalize.py": ["rewrite"],
    "passes/picture_size.py": [verb for verb in READS if verb not in ("check", "diff", "grow", "init")],
    "passes/read.py": ["rewrite", "grow"], "passes/recursive.py": GROWS, "passes/remember.py": ["rewrite", "finetune"],
    "passes/resize.py": ["rewrite", "finetune", "grow"], "passes/side.py": ["rewrite"],
    "passes/replace_classifier.py": [*TAKES_IN, "grow", "rewrite"], "passes/task.py": GROWS,
    "passes/unfreeze.py": ["rewrite"],
    "passes/view.py": [*TAKES_IN, "grow", "rewrite", "inspect"], "passes/widen.py": GROWS,
    "rewriting/retarget.py": TAKES_IN, "probes/candidates.py": ["probe", "finetune"],
    "probes/choose_candidate.py": ["probe"],
    "data/named_pictures.py": PICTURES, "data/picture_groups.py": TAKES_IN,
    "probes/picture_entries.py": ["probe"], "probes/feature_matrix.py": ["probe", "finetune"],
    "probes/run_probe.py": ["probe"], "probes/probed_net.py": ["probe"],
    "projects/finetune_project.py": ["finetune"], "projects/class_choice.py": ["finetune", "probe", "grow"],
    "projects/project_pictures.py": ["finetune", "grow"], "projects/augmentation_choice.py": ["finetune"],
    "projects/label_project.py": ["finetune"], "projects/started_net.py": ["finetune", "grow"],
    "projects/number_project.py": ["finetune"], "projects/pair_project.py": ["finetune"],
    "probes/label_start.py": ["finetune"],
    "passes/predict_numbers.py": ["finetune"], "passes/augment.py": ["finetune"], "solve/average_views.py": ["test"],
    "data/table_columns.py": PICTURES,
    "rewriting/folder_files.py": ["finetune", "grow", "probe"],
    "rewriting/rewrite.py": ["grow", "rewrite"], "serving/bodies.py": ["serve"], "serving/hosts.py": ["serve"],
    "serving/options.py": ["serve"],
    "serving/screening.py": ["serve"], "serving/server.py": ["serve"], "solve/resolve_options.py": ["train"],
    "solve/diverging.py": ["train"],
    "solve/engine.py": ["train", "test", "time", "inspect", "features", "probe", "init"],
    "solve/evaluate.py": ["test", "inspect"], "solve/missing_weights.py": ["train"], "solve/near_start.py": ["train"],
    "solve/init/placing.py": ["init"], "solve/init/run_init.py": ["init"], "solve/feature_length.py": GROWS,
    "solve/memory.py": ["train"], "solve/nets.py": ["test", "init", "inspect"], "solve/run_training.py": ["train"],
    "solve/snapshot.py": ["train"], "solve/starting_point.py": ["train"], "solve/resume_state.py": ["train"],
    "solve/timing.py": ["time"], "solve/validate.py": ["train"], "study/compare.py": ["compare"],
    "study/demo/demo.py": ["demo"], "study/demo/written_files.py": ["demo"],
    "study/inspect/group_accuracy.py": ["inspect"],
    "study/inspect/inspected_nets.py": ["inspect"],
    "study/inspect/options.py": ["inspect"], "study/inspect/run_inspect.py": ["inspect"],
    "study/inspect/snapshots.py": ["inspect"], "study/inspect/single_units.py": ["inspect"],
    "study/wrong_labels/find.py": ["inspect"], "study/wrong_labels/options.py": ["inspect"],
    "features/picture_list.py": ["features"],
    "study/options.py": ["compare"],
    "study/picture_splits.py": ["compare"], "verify/same_inputs.py": ["verify"], "verify/verify.py": ["verify"],
    "projects/task_project.py": GROWS, "weights/match_layers.py": ["train"], "weights/compare_weights.py": ["diff"],
    "weights/task_heads.py": ["test", "inspect"], "weights/sniff.py": ["train", "test", "export", "grow", "verify"],
}  # fmt: skip
"""The verbs on whose way the messages of a module lie. A module that names an option stands here."""

COMMANDS = (
    "option_ranges.py", "rewriting/next_steps.py", "passes/suggested_solver.py", "probes/write_net.py",
    "projects/finetune_texts.py", "projects/project_commands.py",
    "shell.py",
    "study/demo/demo.py", "projects/task_texts.py",
)  # fmt: skip
"""Modules that put commands of other verbs together: each option is one of some verb (their own tests run them)."""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("data/label_pictures.py", "--predict"): "said only where it was given",
    ("data/named_pictures.py", "--predict"): "said only where it was given",
    ("data/target_rows.py", "--predict"): "of `finetune`, which alone guesses what a table asks for",
    ("option_text.py", "--size"): "said only where it was given",
    ("report/json_output.py", "--json"): "said only where it was given",
    ("passes/documentation.py", "--all"): "of the module itself, which prints a page",
    ("data/documentation.py", "--all"): "of the module itself, which prints a page",
    ("definition/decoding.py", "--snapshot"): "says what a file of another kind is for, whatever the verb",
    ("weights/sniff.py", "--model"): "says what a file of another kind is for, whatever the verb",
    ("weights/sniff.py", "--solver"): "says what a file of another kind is for, whatever the verb",
    ("weights/sniff.py", "--snapshot"): "says what a file of another kind is for, whatever the verb",
    ("inference/runtime.py", "--provider"): "said only where it was given",
    ("solve/engine.py", "--memory-format"): "said only where it was given",
    ("solve/engine.py", "--precision"): "said only where it was given",
    ("passes/read.py", "--read"): "of a recipe it is the layer that `read` names",
    ("passes/freeze.py", "--freeze"): "said only where it was given",
    ("passes/freeze.py", "--shape"): "finetune knows the size of its pictures",
    ("passes/joined_units.py", "--start"): "said only where it was given",
    ("passes/resize.py", "--resize"): "said only where it was given",
    ("rewriting/retarget.py", "--resize"): "said only where it was given",
    ("rewriting/rewrite.py", "--freeze-to"): "`lungo grow` says first that nothing is to be added",
    ("solve/run_training.py", "--model"): "of the commands that are printed as next",
    ("solve/run_training.py", "--sighup_effect"): "Caffe's spelling, which is understood, too",
    ("solve/run_training.py", "--sigint_effect"): "Caffe's spelling, which is understood, too",
    ("solve/init/placing.py", "--no-normalize"): "of `grow`, as the text says",
    ("solve/init/run_init.py", "--no-normalize"): "of `grow`, as the text says",
    ("solve/init/run_init.py", "--widen"): "of `grow`, as the text says",
}
"""(module, option) that a speaker lacks, and why that is no fault."""


OWN_EXCEPTIONS = {
    ("json_fields.py", "--task"): "of `grow`, after the name of a field, `layers`, that is a verb's name, too",
    ("diff.py", "--weights"): "what that option of other verbs takes is given here as an argument",
    ("main.py", "--debug"): "of `lungo` itself, before the verb",
    ("main.py", "--version"): "of `lungo` itself, before the verb",
}


def texts(source: str) -> Iterator[str]:
    """Every string of a module but its docstrings and the flags that it declares; of an f-string the fixed parts."""
    nodes = list(ast.walk(ast.parse(source)))
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    silent |= {id(node.value) for node in nodes if isinstance(node, ast.keyword) and node.arg == "flag"}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            silent.update(id(part) for part in ast.walk(node) if isinstance(part, ast.Constant))
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


@cache
def verbs_of_passes() -> dict[str, list[str]]:
    """The verbs on whose way the messages of a pass lie: the one that it says it belongs to."""
    found: dict[str, list[str]] = {}
    for one in passes().values():
        module = one.function.__module__.removeprefix("caffelungo.").replace(".", "/")
        found.setdefault(f"{module}.py", []).append(one.verb)
    return found


@cache
def options() -> dict[str, frozenset[str]]:
    """The options of each verb, as they are typed."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {
        verb: frozenset(word for param in command.params for word in (*param.opts, *param.secondary_opts)) | {"--help"}
        for verb, command in commands.items()
    }


@cache
def named() -> tuple[tuple[str, str, str | None], ...]:
    """(module, option, verb that the text names it with or None) of every option in a text of the engine."""
    found = {}
    for path in sorted(ENGINE.rglob("*.py")):
        module = path.relative_to(ENGINE).as_posix()
        if module.startswith("cli/"):
            continue
        for text in texts(path.read_text()):
            for match in FLAG.finditer("" if OTHERS.search(text) else text):
                verb = ([None, *COMMAND.findall(text[: match.start()])])[-1]
                found[module, match[0], verb] = None
    return tuple(found)


def test_an_option_that_is_named_with_its_command_is_one_of_that_command() -> None:
    wrong = [one for one in named() if one[2] is not None and one[1] not in options()[one[2]]]
    assert wrong == []


def api(module: str) -> bool:
    """Whether ``module`` is of the Python interface, which speaks for its verb, or for all."""
    return module.startswith("api/")


def test_options_that_the_python_interface_names_exist_in_their_verb() -> None:
    every = frozenset().union(*options().values())
    wrong = []
    for module, option, verb in named():
        if api(module):
            known = options().get(verb or module.removeprefix("api/verbs/").removesuffix(".py"), every)
            wrong += [(module, option, verb)] if option not in known else []
    assert wrong == []


def test_an_option_that_is_named_alone_is_one_of_every_command_that_can_say_so() -> None:
    lacking = []
    for module, option, verb in named():
        if verb is None and module not in COMMANDS and (module, option) not in EXCEPTIONS and not api(module):
            verbs = SPEAKERS.get(module) or verbs_of_passes().get(module)
            assert verbs, f"{module} names {option}: add the verbs that can print it to SPEAKERS"
            lacking += [(module, option, one) for one in verbs if option not in options()[one]]
    assert lacking == []


def test_commands_that_are_put_together_have_options_that_exist() -> None:
    every = frozenset().union(*options().values())
    assert [one for one in named() if one[0] in COMMANDS and one[1] not in every] == []


def test_options_of_the_command_line_s_own_texts_exist_in_their_verb() -> None:
    """cli/VERB.py speaks for its verb; what several share speaks for those that have the option."""
    every = frozenset().union(*options().values())
    wrong = []
    for path in sorted((ENGINE / "cli").glob("*.py")):
        mine = options().get(path.stem, every)
        for text in texts(path.read_text()):
            for match in FLAG.finditer(text):
                verb = ([None, *COMMAND.findall(text[: match.start()])])[-1]
                known = mine if verb is None else options()[verb]
                if match[0] not in known and (path.name, match[0]) not in OWN_EXCEPTIONS:
                    wrong.append((path.name, match[0], verb))
    assert wrong == []


def test_the_tables_hold_nothing_that_is_over() -> None:
    spoken = {one[0] for one in named()}
    assert sorted(set(SPEAKERS) - spoken - {"plan/memory_limits.py", "inference/doctor.py", "data/preprocess.py"}) == []
    pairs = {(module, option) for module, option, verb in named() if verb is None}
    assert sorted(set(EXCEPTIONS) - pairs) == []
