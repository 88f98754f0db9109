# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The simulator's process: what happens when it hangs or dies (runs that work: verif/test_machine_fast.py)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from golden.config import load
from scripts.simulate import SimulationError, read_hex, run, write_hex

CFG = load("tiny")


def program(folder: Path, script: str) -> Path:
    """A stand-in for the simulator."""
    path = folder / "fake_tb"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_hang_is_killed(tmp_path: Path) -> None:
    fake = program(tmp_path, "echo PROGRESS layer=2 row=3 cycle=400\nexec sleep 100")
    seen: list[tuple[int, int, int]] = []
    begin = time.perf_counter()
    with pytest.raises(SimulationError, match=r"fake_tb was killed, not finished after 0.5 s .* last: .*layer=2 row=3 cycle=400"):
        run(fake, CFG, bytes(64), timeout=0.5, progress=lambda *at: seen.append(at))
    assert time.perf_counter() - begin < 50
    assert seen == [(2, 3, 400)]


def test_error_in_progress_does_not_wait(tmp_path: Path) -> None:
    fake = program(tmp_path, "echo PROGRESS layer=0 row=0 cycle=0\nexec sleep 100")

    def stop(layer: int, row: int, cycle: int) -> None:
        raise KeyboardInterrupt

    begin = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        run(fake, CFG, bytes(64), progress=stop)
    assert time.perf_counter() - begin < 50


def test_death_shows_the_output(tmp_path: Path) -> None:
    fake = program(tmp_path, "echo no such memory\nexit 3")
    with pytest.raises(SimulationError, match=r"code 3 without a result:\nno such memory"):
        run(fake, CFG, bytes(64))


@pytest.mark.parametrize("width", [32, 1024])
def test_hex_goes_back(tmp_path: Path, width: int) -> None:
    data = bytes(range(256)) * 2
    write_hex(tmp_path / "image.hex", data, width)
    assert read_hex(tmp_path / "image.hex", width) == data
    with pytest.raises(SimulationError, match="513 bytes is not a whole number"):
        write_hex(tmp_path / "image.hex", data + b"x", width)
