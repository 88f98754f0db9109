"""Of all pytest files: the simulators, and how to repeat what failed."""
from __future__ import annotations

from collections.abc import Generator

import pytest

from verif.lib.sim import SIMULATORS, repeat


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
