# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""``loas run`` on the machine's RTL: networks from NIR, every spike compared with the golden model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner

from scripts import loas
from scripts.importer.network import read_nir
from scripts.importer.reference import run as reference
from scripts.test_nir_mapping import affine, conv, fire, flatten, graph, lif, pool, write


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(loas.main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def network() -> Any:
    """A convolution with a max pool, a residual block on it, and a readout."""
    nodes = {"a": conv(4, 1, 3, padding=1), "la": lif(), "p": pool("SumPool2d"), "t": nir.Threshold(np.array([0.5]))}
    nodes |= {"b": conv(4, 4, 3, padding=1), "lb": lif(), "c": conv(4, 4, 3, padding=1), "lc": fire(), "f": flatten(), "o": affine(3, 64)}
    chain = ["input", *nodes, "output"]
    return graph((1, 8, 8), **nodes, edges=[*zip(chain, chain[1:], strict=False), ("t", "lc")])


@pytest.mark.parametrize("reset", ["hard", "subtract-delayed"])
def test_pools_branches_and_more_timesteps_than_the_machine_has(tmp_path: Path, reset: str) -> None:
    write(tmp_path / "net.nir", network())
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.random((2, 1, 8, 8, 6)) < 0.4, y=np.array([0, 1]))
    rules = ("--T", 6, "--dt", 1, "--reset", reset, "--comparison", ">=", "--encoding", "spikes")
    data = ("--data", tmp_path / "x.npz", "--data-array", "x", "--labels-array", "y")
    # what a toolkit with a hard reset would record, at nodes of neurons before and behind the pool, and of the readout
    net = read_nir(tmp_path / "net.nir", alone=True, T=6, dt=1.0, reset="hard", comparison=">=", encoding="spikes")
    with np.load(tmp_path / "x.npz") as arrays:
        trace = reference(net.graph, net.contract, net.shapes, arrays["x"])
    recorded = {node: np.moveaxis(trace.values[node], 0, -1) for node in ("la", "t", "lb", "lc")}
    np.savez(tmp_path / "r.npz", output=np.moveaxis(trace.values["output"], 0, -1).sum(axis=-1), **recorded)  # type: ignore[arg-type]
    right = reset == "hard"
    text = run("run", tmp_path / "net.nir", *rules, *data, "--config", "tiny", "--out", tmp_path / "r.json", "--expect",
               tmp_path / "r.npz", *(() if right else ("--batch", 1)), code=0 if right else 1)  # fmt: skip
    assert ", 0 mismatches" in text and "of 2 right" in text
    figures = json.loads((tmp_path / "r.json").read_text())
    assert figures["compared"] == 2 * (3 * 16 * 4 * 6 + 3) and figures["contract"]["reset"] == reset
    assert figures["expect"]["agrees"] == right
    assert [r["node"] for r in figures["expect"]["recordings"]] == ["la", "t", "lb", "lc", "output"]
    for r in figures["expect"]["recordings"]:
        assert (r["RTL"]["different"], r["RTL"]["first"]) == (r["integers"]["different"], r["integers"]["first"])
        assert not right or r["RTL"]["different"] == 0
    assert ("RTL first part: nowhere" in text) == right and ("first part: layer a before its pool, image" in text) == (not right)
    for layer, pixels in zip(figures["activity"], (64, 64, 64), strict=True):
        assert layer["RTL"] == layer["golden"] and layer["RTL"]["possible"] == 2 * pixels * 6 and layer["RTL"]["spikes"] > 0
        assert not right or layer["float_reference"] == layer["RTL"]
    assert figures["warnings"] == [] and set(figures["reference"]) == {"agreement", "decided", "different_spikes"}
    # the same through the integer network
    run("import", tmp_path / "net.nir", "-o", tmp_path / "net.npz", *rules)
    with np.load(tmp_path / "x.npz") as arrays:
        rows = np.moveaxis(arrays["x"], 1, 3).reshape(-1, 1, 6)
    np.savez(tmp_path / "rows.npz", spikes=rows)
    batch = () if right else ("--batch", 1)
    text = run("run", tmp_path / "net.npz", "--data", tmp_path / "rows.npz", "--config", "tiny", *batch, "--out", tmp_path / "s.json")
    alone = json.loads((tmp_path / "s.json").read_text())["activity"]
    assert f"{figures['cycles']} cycles" in text
    assert alone == [{key: layer[key] for key in ("name", "RTL", "golden")} for layer in figures["activity"]]
