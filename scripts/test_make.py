# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A checkout in a path that Verilator's makefiles cannot take is refused before anything is done."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[1] / "Makefile"


def make(folder: Path, *goals: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True)
    shutil.copy(MAKEFILE, folder)
    return subprocess.run(["make", "-C", str(folder), "--no-print-directory", *goals], capture_output=True, text=True, check=False)


ODD = ["a b", "a/ b", "b /c", "a\tb", "a:b", "a#b", "a$b", "a'b", "a;b", "a&b", "a(b", "a*b"]


@pytest.mark.parametrize(("name", "goal"), [*((name, "test") for name in ODD), ("a b", "demo"), ("a b", "clean"), ("a b", "help")])
def test_odd_paths_are_refused_in_one_line(tmp_path: Path, name: str, goal: str) -> None:
    folder = tmp_path / name
    done = make(folder, goal)
    assert done.returncode == 2 and not done.stdout, done
    assert done.stderr.count("\n") == 1 and "has a character that Verilator and make cannot take: move it to a path of" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["Makefile"]


@pytest.mark.parametrize("name", ["loas", "LoAS-1.0_x", "c++,~@", "grün"])
def test_other_paths_are_taken(tmp_path: Path, name: str) -> None:
    done = make(tmp_path / name, "help")
    assert done.returncode == 0 and "make test" in done.stdout, done
