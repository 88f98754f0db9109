# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""LoAS against SparTen-SNN: which machines run, the sums over layers, and what is refused. The machines themselves are a stand-in."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from golden.compare import CATEGORIES
from golden.config import Config, load
from golden.layer import work
from scripts import sparten
from scripts.execute import STALLS
from scripts.nets import SUMS, Job
from scripts.test_nets import TEXT, write_trace


def call(folder: Path, *more: str) -> Result:
    (folder / "shapes.toml").write_text(TEXT)
    (folder / "data").mkdir(exist_ok=True)
    fixed = ["--shapes", str(folder / "shapes.toml"), "--data", str(folder / "data"), "--config", "tiny", "--out", str(folder / "out")]
    return CliRunner().invoke(sparten.main, [*fixed, *more])


def stand_in(monkeypatch: pytest.MonkeyPatch, wrong: str = "") -> list[Config]:
    """Machines that take one cycle for each match and empty window of the golden model; ``wrong``: the layer with a mismatch."""
    built: list[Config] = []

    def build(cfg: Config, size: int, **more: object) -> Path:
        built.append(cfg)
        return Path("none")

    def run_all(jobs: list[Job], workers: int, console: object, cfg: Config, program: Path, latency: int) -> None:
        for job in jobs:
            layer = job.net.layers[0]
            done = work(job.spikes, layer.weights, cfg, layer.conv)
            job.record = dict.fromkeys((*SUMS, *STALLS, *CATEGORIES), 0)
            job.record |= {"name": job.shape.name, "kind": "conv" if layer.conv else "full", "cycles": done.matches + done.empty_chunks,
                           "matches": done.matches, "empty_chunks": done.empty_chunks, "ratio": None, "compared": 7,
                           "mismatches": int(job.shape.name == wrong)}  # fmt: skip
            job.faults = ["a spike"] if job.shape.name == wrong else []

    monkeypatch.setattr(sparten, "build", build)
    monkeypatch.setattr(sparten, "run_all", run_all)
    return built


def test_four_machines_that_differ_in_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = stand_in(monkeypatch)
    write_trace(tmp_path / "small.npz")
    done = call(tmp_path, "--seed", "3")
    assert done.exit_code == 0, done.output
    found = [(cfg.LAGGY, cfg.SEQUENTIAL, cfg.WINDOW) for cfg in built]
    assert found == [(1, 0, 2), (1, 0, 1), (0, 1, 1), (0, 1, 2)]
    assert all(cfg.override(LAGGY=1, SEQUENTIAL=0, WINDOW=2).verilog_parameters() == load("tiny").verilog_parameters() for cfg in built)
    value = json.loads((tmp_path / "out/result.json").read_text())
    (network,) = value["networks"]
    layers = network["layers"]
    assert [layer["name"] for layer in layers] == ["conv1", "down", "short", "wide", "fc1", "fc2"]
    for layer in layers:
        loas2, loas1, sparten1, sparten2 = layer["cycles"].values()
        assert layer["speedup"] == {"as built": sparten1 / loas2, "window 1": sparten1 / loas1, "window 2": sparten2 / loas2}
        # a timestep after the other is never faster, and never more than T times slower
        assert loas1 <= sparten1 <= 4 * loas1 and loas2 <= sparten2 <= 4 * loas2
    sums = [sum(list(layer["cycles"].values())[i] for layer in layers) for i in range(4)]
    total = value["totals"]["total"]
    assert list(total["cycles"].values()) == sums and total["speedup"]["as built"] == sums[2] / sums[0]
    parts = {kind: sum(layer["cycles"]["LoAS, window 1"] for layer in layers if layer["kind"] == kind) for kind in ("conv", "full")}
    assert {kind: network[f"{kind}_total"]["cycles"]["LoAS, window 1"] for kind in parts} == parts
    assert (value["compared"], value["mismatches"]) == (7 * 4 * len(layers), 0)
    for split in value["cycle_parts"].values():
        assert sum(split.values()) == pytest.approx(1) and set(split) == set(CATEGORIES)
    assert f"as built {total['speedup']['as built']:.2f}" in done.output


def test_a_mismatch_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, wrong="down")
    done = call(tmp_path, "--layers", "down,fc1")
    assert done.exit_code == 1 and "SparTen, window 2, small down: a spike" in done.output
    assert json.loads((tmp_path / "out/result.json").read_text())["mismatches"] == 4


def test_a_machine_that_fails_leaves_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)

    def dies(jobs: list[Job], *more: object) -> None:
        for job in jobs:
            job.faults.append("machine: error 1")

    monkeypatch.setattr(sparten, "run_all", dies)
    done = call(tmp_path, "--layers", "fc1")
    assert done.exit_code == 1 and "LoAS, window 2, small fc1: machine: error 1" in done.output and not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--network", "vgg"], "--network vgg is not legal: must be one of small, other"),
        (["--layers", "conv9"], "--layers conv9 is not legal"),
        (["--config", "none"], "configuration 'none' does not exist"),
        (["--data", "/nowhere"], "--data /nowhere is not legal: must be a folder of traces"),
    ],
)
def test_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str) -> None:
    built = stand_in(monkeypatch)
    done = call(tmp_path, *arguments)
    assert done.exit_code == 2 and text in done.output and not built


def test_sums_and_speedups_by_hand() -> None:
    def records(cycles: list[int]) -> list[dict[str, Any]]:
        return [
            {"name": "a", "spikes": "recorded", "layers": [{"name": f"l{i}", "kind": "conv", "cycles": c} for i, c in enumerate(cycles)]}
        ]

    value = sparten.comparison([records([10, 20]), records([20, 20]), records([70, 50]), records([30, 30])])
    assert value["networks"][0]["layers"][0]["speedup"] == {"as built": 7.0, "window 1": 3.5, "window 2": 3.0}
    assert value["totals"]["total"]["speedup"] == {"as built": 4.0, "window 1": 3.0, "window 2": 2.0}
    assert value["totals"]["full_total"] is None
    rng = random.Random(1)
    some = [[rng.randrange(1, 99) for _ in range(3)] for _ in range(4)]
    total = sparten.comparison([records(one) for one in some])["totals"]["conv_total"]["cycles"]
    assert list(total.values()) == [sum(one) for one in some]
