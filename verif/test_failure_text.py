# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What a failing test prints: of cocotb place, expected, got, seed, log, and of all a command that fails in the same way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from verif.lib.sim import ROOT, SIMULATORS

FAILING = ROOT / "verif" / "lib" / "failing.py"
SEED = "4711"


def clean() -> dict[str, str]:
    """The environment without settings of this run."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LOAS_", "COCOTB_"))}


@pytest.fixture(scope="module")
def printed() -> str:
    """What pytest prints of verif/lib/failing.py with a seed of its own."""
    ended = subprocess.run([sys.executable, "-m", "pytest", "-n", "0", str(FAILING)], cwd=ROOT, env=clean() | {"LOAS_SEED": SEED},
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return ended.stdout


def of(sim: str, text: str) -> str:
    """The part of pytest's output that is about a simulator."""
    match = re.search(rf"_ test_failing\[{sim}\] _+$(.*?)(?=^_+ test_|^-+ Captured|^=+ )", text, re.MULTILINE | re.DOTALL)
    assert match, text
    return match[1]


@pytest.mark.parametrize("sim", SIMULATORS)
def test_failure_text(sim: str, printed: str) -> None:
    text = of(sim, printed)
    assert f"1 of 2 cocotb tests of lib.failing failed on {sim}, loas_cut with {{'W': 12, 'CUT': 0}}" in text
    line = next(number for number, code in enumerate(FAILING.read_text().splitlines(), 1) if "assert got" in code)
    assert "verif.lib.failing.wrong:" in text and f'failing.py", line {line}, in wrong' in text, text
    said = re.search(r"AssertionError: word (\d+): (\d+), expected (\d+)", text)
    assert said and said[1] == said[2] and int(said[3]) == int(said[2]) + 1, text
    assert f"seed: {SEED}" in text
    log = re.search(r"log: (.*)$", text, re.MULTILINE)
    assert log and said[0] in Path(log[1]).read_text(), text
    command = re.search(r"repeat with: (.*)$", text, re.MULTILINE)
    assert command, text
    # from anywhere, without this environment's settings
    again = subprocess.run(command[1], shell=True, cwd="/", env=clean(), capture_output=True, text=True, check=False)
    assert again.returncode == 1 and of(sim, again.stdout) == text, again.stdout + again.stderr
    assert not [other for other in SIMULATORS if other != sim and f"test_failing[{other}]" in again.stdout], "more than was asked for"


def test_plain_failure(printed: str) -> None:
    """A test without a simulator."""
    command = re.search(r"^-+ repeat with -+\n(.*)$", printed, re.MULTILINE)
    assert command and command[1].endswith("failing.py::test_plain") and f"LOAS_SEED={SEED}" in command[1], printed
