"""Fixtures of all pytest files: the simulators, and the import paths."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from lib.sim import SIMULATORS  # noqa: E402  the path is set just above


@pytest.fixture(params=SIMULATORS)
def sim(request: pytest.FixtureRequest) -> str:
    """Every test that takes `sim` runs on Icarus and on Verilator."""
    return str(request.param)
