"""Tests that load torch run in a process of their own, because TensorFlow and torch cannot share one.

With the CUDA build of torch, loading both ends the process with a segmentation fault. The processes of pytest load
TensorFlow when they collect the tests. The tests of a file that are marked with ``torch`` are therefore run by another
pytest, whose reports are passed on. A test after which both libraries are loaded fails.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPORTS = "CCDCGAN_TEST_REPORTS"
"""Environment variable of the other pytest: the file to which it writes its reports, one JSON object a line."""

LIBRARIES = ("tensorflow", "torch")

done = pytest.StashKey[dict[str, list[dict]]]()
"""Reports of tests that the other pytest has run, by the id of the test."""


def run_marked(session: pytest.Session, item: pytest.Item) -> dict[str, list[dict]]:
    """Run the marked tests of a file in another pytest and return their reports, by the id of the test."""
    items = [other for other in session.items if other.path == item.path and other.get_closest_marker("torch")]
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:xdist", "-p", "no:cacheprovider", "-q"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reports.jsonl"
        ended = subprocess.run(
            [*command, f"--basetemp={folder}/tests", *(other.nodeid for other in items)],
            cwd=session.config.rootpath,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
            | {REPORTS: str(file)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    reports: dict[str, list[dict]] = {}
    for report in map(json.loads, lines):
        reports.setdefault(report["nodeid"], []).append(report)
    for other in items:
        if not any(report["when"] == "teardown" for report in reports.get(other.nodeid, [])):
            text = f"the process of this test ended with status {ended.returncode}:\n{ended.stdout[-4000:]}"
            failed = pytest.TestReport(other.nodeid, other.location, {}, "failed", text, "call")
            hook = session.config.hook
            reports.setdefault(other.nodeid, []).append(
                hook.pytest_report_to_serializable(config=session.config, report=failed)
            )
    return reports


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a marked test elsewhere, together with those of its file, and report what happened there.

    Fixtures of its file and folder that earlier tests have set up end here unless the next test uses them.
    """
    if REPORTS in os.environ or item.get_closest_marker("torch") is None:
        return None
    reports = item.session.stash.setdefault(done, {})
    if item.nodeid not in reports:
        reports |= run_marked(item.session, item)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for data in reports[item.nodeid]:
        report = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
        if isinstance(report.longrepr, list):  # JSON has no tuples: file, line and reason of a skipped test
            report.longrepr = tuple(report.longrepr)
        item.ihook.pytest_runtest_logreport(report=report)
    item.session._setupstate.teardown_exact(nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test after which both libraries are loaded."""
    before = [name for name in LIBRARIES if name in sys.modules]
    result = yield
    if all(name in sys.modules for name in LIBRARIES):
        pytest.fail(
            f"TensorFlow and torch are both loaded (before: {', '.join(before) or 'neither'}), which ends in a "
            "segmentation fault with the CUDA build of torch; mark tests that load torch with pytest.mark.torch"
        )
    return result


class ReportWriter:
    """Plugin of the other pytest: write each report to the file that REPORTS names."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._path = config, os.environ[REPORTS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Append one report."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(data) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Write reports if this is the other pytest."""
    if REPORTS in os.environ:
        config.pluginmanager.register(ReportWriter(config))
