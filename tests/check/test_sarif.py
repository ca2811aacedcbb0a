"""SARIF: the log has the structure that the standard requires, and each result names its place.

The tables are the objects of sarif-schema-2.1.0.json (OASIS, errata 01) that are written here: what an object must
have (``required``), and all that it may have (the schema forbids others: ``additionalProperties`` is false).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from caffelungo.check import check
from caffelungo.check.sarif import rule_of, sarif, uri
from caffelungo.errors import Location, Problem
from tests.lungo import lungo

REQUIRED = {
    "log": {"version", "runs"}, "run": {"tool"}, "tool": {"driver"}, "component": {"name"}, "rule": {"id"},
    "result": {"message"}, "message": {"text"}, "location": set(), "physical": set(), "artifact": set(),
    "region": set(), "snippet": set(), "invocation": {"executionSuccessful"},
}  # fmt: skip
ALLOWED = {
    "log": {"$schema", "version", "runs", "inlineExternalProperties", "properties"},
    "run": {"tool", "invocations", "conversion", "language", "versionControlProvenance", "originalUriBaseIds",
            "artifacts", "logicalLocations", "graphs", "results", "automationDetails", "runAggregates",
            "baselineGuid", "redactionTokens", "defaultEncoding", "defaultSourceLanguage",
            "newlineSequences", "columnKind", "externalPropertyFileReferences", "threadFlowLocations",
            "taxonomies", "addresses", "translations", "policies", "webRequests", "webResponses",
            "specialLocations", "properties"},
    "tool": {"driver", "extensions", "properties"},
    "component": {"guid", "name", "organization", "product", "productSuite", "shortDescription",
                  "fullDescription", "fullName", "version", "semanticVersion", "dottedQuadFileVersion",
                  "releaseDateUtc", "downloadUri", "informationUri", "globalMessageStrings", "notifications",
                  "rules", "taxa", "locations", "language", "contents", "isComprehensive",
                  "localizedDataSemanticVersion", "minimumRequiredLocalizedDataSemanticVersion",
                  "associatedComponent", "translationMetadata", "supportedTaxonomies", "properties"},
    "rule": {"id", "deprecatedIds", "guid", "deprecatedGuids", "name", "deprecatedNames", "shortDescription",
             "fullDescription", "messageStrings", "defaultConfiguration", "helpUri", "help", "relationships",
             "properties"},
    "result": {"ruleId", "ruleIndex", "rule", "kind", "level", "message", "analysisTarget", "locations", "guid",
               "correlationGuid", "occurrenceCount", "partialFingerprints", "fingerprints", "stacks", "codeFlows",
               "graphs", "graphTraversals", "relatedLocations", "suppressions", "baselineState", "rank",
               "attachments", "hostedViewerUri", "workItemUris", "provenance", "fixes", "taxa", "webRequest",
               "webResponse", "properties"},
    "message": {"text", "markdown", "id", "arguments", "properties"},
    "location": {"id", "physicalLocation", "logicalLocations", "message", "annotations", "relationships",
                 "properties"},
    "physical": {"address", "artifactLocation", "region", "contextRegion", "properties"},
    "artifact": {"uri", "uriBaseId", "index", "description", "properties"},
    "region": {"startLine", "startColumn", "endLine", "endColumn", "charOffset", "charLength", "byteOffset",
               "byteLength", "snippet", "message", "sourceLanguage", "properties"},
    "snippet": {"text", "binary", "rendered", "properties"},
    "invocation": {"executionSuccessful", "commandLine", "arguments", "exitCode", "startTimeUtc", "endTimeUtc",
                   "machine", "account", "processId", "workingDirectory", "properties"},
}  # fmt: skip


def objects(log: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of ``log`` with the name of its definition above."""
    yield "log", log
    for run in log["runs"]:
        yield "run", run
        yield "tool", run["tool"]
        yield "component", run["tool"]["driver"]
        for rule in run["tool"]["driver"]["rules"]:
            yield "rule", rule
            yield "message", rule["shortDescription"]
        for invocation in run["invocations"]:
            yield "invocation", invocation
        for result in run["results"]:
            yield "result", result
            yield "message", result["message"]
            for location in result.get("locations", []):
                yield "location", location
                physical = location["physicalLocation"]
                yield "physical", physical
                yield "artifact", physical["artifactLocation"]
                if "region" in physical:
                    yield "region", physical["region"]
                    if "snippet" in physical["region"]:
                        yield "snippet", physical["region"]["snippet"]


def assert_valid(log: dict[str, Any]) -> None:
    assert log["version"] == "2.1.0"
    assert log["$schema"].startswith("https://")
    for kind, found in objects(log):
        assert REQUIRED[kind] <= set(found) <= ALLOWED[kind], (kind, found)
    for run in log["runs"]:
        assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(rules) == len(set(rules))
        for result in run["results"]:
            assert result["level"] in ("none", "note", "warning", "error")
            assert rules[result["ruleIndex"]] == result["ruleId"]
            assert result["message"]["text"]
    for kind, found in objects(log):
        if kind == "artifact":
            parts = urlsplit(found["uri"])
            assert parts.scheme in ("", "file")
            assert found["uri"].isascii()
            assert " " not in found["uri"]
        if kind == "region":
            assert all(isinstance(found[name], int) and found[name] >= 1 for name in found if name != "snippet")


NET = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
    'layer { name: "ä" type: "Convolutoin" bottom: "data" top: "c" }\n'
    'layer { name: "d" type: "Convolutoin" bottom: "data" top: "d" }\n'
    'layer { name: "r" type: "ReLU" bottom: "nothing" top: "r" }\n'
)


def test_a_log_has_the_structure_of_the_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text('net: "my net.prototxt"\nbase_lr: 0.1 lr_policy: "setp"\n')
    found = lungo("check", "solver.prototxt", "--sarif", "report.sarif")
    assert found.status == 2
    log = json.loads(Path("report.sarif").read_text())
    assert_valid(log)
    results = log["runs"][0]["results"]
    places = [
        (unquote(one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]),
         one["locations"][0]["physicalLocation"].get("region", {}).get("startLine"))
        for one in results if one["level"] == "error"
    ]  # fmt: skip
    assert sorted(places) == [
        ("my net.prototxt", 2), ("my net.prototxt", 3), ("my net.prototxt", 4), ("solver.prototxt", 2)
    ]  # fmt: skip
    region = next(one for one in results if "setp" in one["message"]["text"])["locations"][0]["physicalLocation"][
        "region"
    ]
    assert region["snippet"]["text"][region["startColumn"] - 1 :].startswith('"setp"')
    assert any(one["level"] == "note" for one in results)


def test_nothing_wrong_is_a_log_without_results(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(NET.splitlines()[0] + "\n")
    log = sarif(check([path]))
    assert_valid(log)
    assert [one["level"] for one in log["runs"][0]["results"]] == []


def test_the_log_can_go_to_standard_output_and_nothing_else_does(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    ran = lungo("check", path, "--sarif", "-", "--github")
    assert_valid(json.loads(ran.out))
    assert "::error " in ran.err


def test_a_rule_is_a_kind_of_mistake_whatever_its_names() -> None:
    first = Problem("unknown bottom blob `a b` of layer `c` in phase TRAIN")
    second = Problem("unknown bottom blob `x` of layer `longer, and: odd` in phase TEST with stage mine")
    assert rule_of(first) == rule_of(second) == "unknown-bottom-blob-of-layer-in-phase"
    assert rule_of(Problem("`5`")) == "problem"
    assert len(rule_of(Problem("many words " * 40))) <= 80


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("a/b.prototxt", "a/b.prototxt"), ("my net.prototxt", "my%20net.prototxt"), ("a:b", "a%3Ab"),
        ("/tmp/x y", "file:///tmp/x%20y"), ("ä#1", "%C3%A4%231"), ("100%", "100%25"),
    ],
)  # fmt: skip
def test_a_path_is_a_uri_reference(file: str, expected: str) -> None:
    assert uri(file) == expected


def test_a_place_without_a_line_has_no_region(tmp_path: Path) -> None:
    ran = check([tmp_path / "nowhere.prototxt"])
    assert ran.problems
    ran.problems.append(Problem("without place"))
    ran.problems.append(Problem("in a file", Location("x.caffemodel")))
    log = sarif(ran)
    assert_valid(log)
    assert "region" not in log["runs"][0]["results"][-1]["locations"][0]["physicalLocation"]


def test_every_result_has_a_location(tmp_path: Path) -> None:
    """Code scanning on GitHub refuses the whole log otherwise: "expected at least one location"."""
    ran = check([tmp_path / "nowhere.prototxt"])
    ran.problems.append(Problem("without place"))
    ran.notices.append("a notice without place")
    log = sarif(ran)
    for result in log["runs"][0]["results"]:
        [location] = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"].endswith("nowhere.prototxt"), result
    assert_valid(log)


PLAIN = {"blob": "data2", "layer": "conv", "field": "stridee", "type": "Zork", "file": "pictures.txt", "stage": "one"}
ODD = {
    "blob": "the 3 blobs, of layer x", "layer": "a`b (Conv): 7/8 \\n", "field": "no_such_thing_at_all",
    "type": "My 'Own' Type", "file": "a folder/the list 2.txt", "stage": "two-2",
}  # fmt: skip


def layer(kind: str, rest: str, name: str = "{layer}") -> str:
    return f'layer {{{{ name: "{name}" type: "{kind}" {rest} }}}}\n'


IN, OUT = 'bottom: "data" ', 'bottom: "data" top: "t" '
MISTAKES = {
    "type": layer("{type}", OUT),
    "bottom": layer("ReLU", 'bottom: "{blob}" top: "t"'),
    "bottom in a stage": layer("ReLU", 'bottom: "{blob}" top: "t" include {{ stage: "{stage}" }}'),
    "field": layer("ReLU", OUT + "{field}: 1"),
    "range": layer("LRN", OUT + "lrn_param {{ local_size: 0 }}"),
    "arity": layer("Pooling", 'top: "{blob}" pooling_param {{ kernel_size: 2 }}'),
    "option": layer("Convolution", OUT + "convolution_param {{ num_output: 2 }}"),
    "empty": layer("Pooling", IN + 'top: "{blob}" pooling_param {{ kernel_size: 99 }}'),
    "top": layer("ReLU", IN + 'top: "{blob}"') + layer("ReLU", IN + 'top: "{blob}"', "y"),
    "in place": layer("TanH", IN + 'top: "u"', "u") + layer("ReLU", IN + 'top: "data"'),
    "rules": layer("ReLU", OUT + "include {{ phase: TEST }} exclude {{ }}"),
    "names": layer("PReLU", OUT) + layer("PReLU", IN + 'top: "u" prelu_param {{ channel_shared: true }}'),
    "shared": layer("PReLU", OUT + 'param {{ name: "{blob}" }}')
    + layer("PReLU", IN + 'top: "u" param {{ name: "{blob}" }} prelu_param {{ channel_shared: true }}', "y"),
    "list": layer("ImageData", 'top: "t" top: "u" image_data_param {{ source: "{file}" batch_size: 2 }}'),
    "database": layer("Data", 'top: "t" data_param {{ source: "{file}" batch_size: 2 }}'),
    "mean": layer("ImageData", 'top: "t" top: "u" image_data_param {{ source: "." batch_size: 2 }} '
                  "transform_param {{ mean_value: 1 mean_value: 2 }}"),
    "filler": layer("InnerProduct", OUT + 'inner_product_param {{ num_output: 2 weight_filler {{ type: "{type}" }} }}'),
}  # fmt: skip


def rules(mistake: str, names: dict[str, str], folder: Path) -> list[str]:
    folder.mkdir()
    given = {key: name.replace("\\", "\\\\") for key, name in names.items()}
    path = folder / f"{names['type']}.prototxt"
    path.write_text(NET.splitlines()[0] + "\n" + MISTAKES[mistake].format(**given) + "\n")
    return sorted(rule_of(one) for one in check([path]).problems)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_rules_of_one_mistake_are_the_same_whatever_its_names(mistake: str, tmp_path: Path) -> None:
    plain, odd = (rules(mistake, names, tmp_path / str(k)) for k, names in enumerate((PLAIN, ODD)))
    assert plain == odd
    assert plain


def test_each_mistake_has_its_own_rule(tmp_path: Path) -> None:
    found = {
        mistake: tuple(rules(mistake, PLAIN, tmp_path / mistake)) for mistake in MISTAKES if "stage" not in mistake
    }
    assert len(set(found.values())) == len(found)
