# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The benchmark's inputs are what they are said to be, and a demand that is missed is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from golden.compare import CATEGORIES
from golden.config import load
from golden.errors import LoasError
from golden.image import write_image
from golden.synthetic import random_spikes
from scripts import bench
from scripts.bench import DENSITIES, Figure, Run, figures, measure, windows
from scripts.simulate import Result, SimulationError


@pytest.mark.parametrize("name", DENSITIES)
def test_random_spikes_have_the_densities(name: str) -> None:
    silent, zeros, _ = DENSITIES[name]
    spikes = random_spikes(np.random.default_rng(0), 300, 1000, 4, silent, zeros)
    assert spikes.shape == (300, 1000, 4) and set(np.unique(spikes)) == {0, 1}
    assert 1 - spikes.any(axis=2).mean() == pytest.approx(silent, abs=0.005)
    assert 1 - spikes.mean() == pytest.approx(zeros, abs=0.005)
    assert np.allclose(spikes.mean(axis=(0, 1)), 1 - zeros, atol=0.005)  # no timestep is special
    with pytest.raises(LoasError, match="zeros = 0.5 is not legal"):
        random_spikes(np.random.default_rng(0), 1, 1, 4, silent, 0.5)


def test_windows_are_those_of_a_convolution() -> None:
    rng = np.random.default_rng(0)
    T, C, H, W = 2, 3, 4, 5
    maps = rng.integers(0, 2, (T, C, H, W)).astype(np.uint8)
    rows = windows(maps)
    assert rows.shape == (H * W, 9 * C, T)
    for y, x, kh, kw, c, t in np.ndindex(H, W, 3, 3, C, T):
        at_y, at_x = y + kh - 1, x + kw - 1
        inside = 0 <= at_y < H and 0 <= at_x < W
        assert rows[y * W + x, (3 * kh + kw) * C + c, t] == (maps[t, c, at_y, at_x] if inside else 0)


def test_directed_layers_are_what_they_are_called() -> None:
    for one in bench.directed_cases(np.random.default_rng(0), 4):
        live, nonzero = one.spikes.any(axis=2), one.network.layers[0].weights != 0
        matches = int(live.sum(axis=0) @ nonzero.sum(axis=1))
        assert matches == (live.size * nonzero.shape[1] if one.group == bench.DENSE else 0)
        write_image(one.network, one.spikes, load("paper"))


def run_of(group: str, laggy: bool, cycles: int, busy: int = 0, matches: int = 0, empty: int = 0) -> Run:
    spikes = np.zeros((1, 1, 4), np.uint8)
    one = bench.case(np.random.default_rng(0), group, "x", spikes, np.ones((1, 1), np.int8))
    count = dict.fromkeys(CATEGORIES, 0) | {"cycles": cycles, "matches": matches, "stall_b": busy - matches, "idle": 1000}
    return Run(one, laggy, count, 4, speed=39_999.0, empty=empty)


def test_figures_see_what_is_missed() -> None:
    pairs = [
        (run_of(bench.DEMO, True, 115), run_of(bench.DEMO, False, 100)),
        (run_of(bench.RANDOM, True, 116), run_of(bench.RANDOM, False, 100)),
        (run_of(bench.DENSE, True, 9, busy=105, matches=100), run_of(bench.DENSE, False, 9, busy=106, matches=100)),
        (run_of(bench.EMPTY, True, 9, busy=200, empty=200), run_of(bench.EMPTY, False, 9, busy=211, empty=200)),
        (run_of(bench.WAIT, True, 9, busy=900, empty=200), run_of(bench.WAIT, False, 9, busy=900, empty=200)),
        (run_of(bench.TRACE, True, 300), run_of(bench.TRACE, False, 100)),
    ]
    assert [f.ok for f in figures(pairs)] == [True, False, False, True, False, True, False, True, True, True]
    for r in pairs[3]:
        r.window = 2   # the same windows hold twice as many chunks
    assert [(f.name.split(",")[0], f.value, f.ok) for f in figures(pairs[3:4])[:2]] == [
        ("cycles an empty chunk", 0.5, True), ("cycles an empty window of 2", 1.0, True)]  # fmt: skip
    pairs[-1][1].mismatches = 1
    assert not figures(pairs)[-1].ok
    assert not Figure("failed", None, 1.0).ok


def test_a_failed_run_is_a_mismatch() -> None:
    one = next(bench.directed_cases(np.random.default_rng(0), 4))

    def dies(cfg: object, image: bytes) -> Result:
        raise SimulationError("no simulator")

    outcome = measure(one, load("paper"), b"", dies)
    assert (outcome.mismatches, outcome.faults, outcome.steady) == (1, ["no simulator"], None)
    hung = measure(one, load("paper"), b"", lambda cfg, image: Result(b"", 0, 0, 0, 0, 5, 1.0))
    assert hung.mismatches == 1 and "not finished after 5 cycles" in hung.faults[0]
    assert [f.ok for f in figures([(outcome, hung)])] == [False, False, False]


def test_help_shows_an_example_and_bad_input_is_refused(tmp_path: Path) -> None:
    assert "Example: python -m scripts.bench" in CliRunner().invoke(bench.main, ["--help"]).output
    result = CliRunner().invoke(bench.main, ["--only", "trace", "--traces", str(tmp_path), "--out", str(tmp_path)])
    assert result.exit_code == 2 and "no recorded spikes" in result.output
