"""At the end of a test run: Grand Challenge's 40 requirements, and what the tests named after them came to.

A test belongs to a requirement by its name, test_r07_... A conftest imports the two hooks.
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

TITLES = {
    1: "the image's user is set, is not root and is known to the image",
    2: "the image is for linux/amd64",
    3: "the entry point is a list and needs no arguments",
    4: "the label tells invoke from exec",
    5: "the archive holds one image, named by a digest",
    6: "nothing lies where the platform mounts folders",
    7: "model.tar.gz unpacks by Python's data filter to what the code expects",
    8: "an empty /opt/ml/model means the baked weights, a filled one its own",
    9: "/input may be a link to a read-only folder",
    10: "images may have any name; TIFF is refused in plain words",
    11: "no image or two in a socket is a failure that names it",
    12: "inputs.json is read with socket, interface or both, in any order",
    13: "the set of slugs decides; an unknown set is a failure that lists both",
    14: "relative_path wins over the slug; without inputs.json it is ISLES'22's layout",
    15: "settings come from their file; booleans are strict, unknown keys pass",
    16: "ISLES'22's parameter files change nothing",
    17: "float64, int16, uint16, oblique, flipped, FLAIR on its own grid",
    18: "without FLAIR it runs",
    19: "one mask file, .mha",
    20: "the mask is uint8, one channel, 3-D, 0 and 1",
    21: "the mask has the DWI's size, spacing, origin and direction",
    22: "the platform's importer (panimg) takes the mask",
    23: "a lesion keeps its place under all 48 flips and permutations",
    24: "the volume is a number and the written mask's",
    25: "the count is a whole number and the written mask's",
    26: "JSON without NaN, UTF-8, number and integer",
    27: "no lesion: a mask of zeros, 0.0, 0",
    28: "every declared output, and nothing else",
    29: "results.json has ISLES'22's shape",
    30: "the thumbnail is a PNG, where it is declared",
    31: "the same case twice gives the same bytes",
    32: "exit code 0 only for success; a failed member fails the case unless allowed",
    33: "a failure's last line on stderr is one sentence without names",
    34: "success leaves stderr empty; no names in the log",
    35: "no process survives, and stdout closes",
    36: "no network, no root, read-only but for /output, /tmp and $HOME",
    37: "RLIMIT_DATA is kept; running out of memory is a failure",
    38: "without a GPU it says so; threads by scheduler and control group",
    39: "invoke: /health, /invoke, and life after a failed case",
    40: "invoke: cases in one process are as fresh ones; SIGTERM within 5 s",
}

_outcomes: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
_reasons: dict[int, dict[str, None]] = defaultdict(dict)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what became of a requirement's tests."""
    named = re.search(r"::test_r(\d\d)_", report.nodeid)
    if named is None:
        return
    number = int(named[1])
    if report.skipped:
        _outcomes[number]["skipped"] += 1
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _reasons[number][reason.removeprefix("Skipped: ")] = None
    elif report.failed:
        _outcomes[number]["failed"] += 1
    elif report.when == "call":
        _outcomes[number]["passed"] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if any of its tests were part of the run."""
    if not _outcomes:
        return
    terminalreporter.section("Grand Challenge's requirements (docs/grand-challenge.md)")
    for number, title in TITLES.items():
        terminalreporter.write_line(f"R{number:02d} {judge(_outcomes[number]):<7} {title}{_explain(number)}")
    verdicts = [judge(_outcomes[number]) for number in TITLES]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("pass", "FAIL", "not run"))
    terminalreporter.write_line(f"requirements: {counts}")


def judge(outcome: dict[str, int]) -> str:
    """Sum up a requirement's tests: one that failed fails it, one that passed is needed to pass it."""
    if outcome["failed"]:
        return "FAIL"
    return "pass" if outcome["passed"] else "not run"


def _explain(number: int) -> str:
    """Say what was left out, and why."""
    if not _reasons[number]:
        return ""
    part = "in part: " if _outcomes[number]["passed"] else ""
    return f" ({part}{'; '.join(_reasons[number])})"
