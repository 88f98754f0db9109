"""Of all pytest files: the simulators, the import paths, and how to repeat what failed."""
from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from lib.sim import SIMULATORS, repeat  # noqa: E402  the path is set just above


@pytest.fixture(params=SIMULATORS)
def sim(request: pytest.FixtureRequest) -> str:
    """Every test that takes `sim` runs on Icarus and on Verilator."""
    return str(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the command that repeats a failed test, where its own text has none."""
    report = yield
    if report.failed and "repeat with: " not in report.longreprtext:
        report.sections.append(("repeat with", repeat()))
    return report
