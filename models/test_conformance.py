# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the toolkits computed with the networks that they exported: the import must give the same, bit for bit. Needs no toolkit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.config import load
from scripts.importer.diff import compare, layer_rows
from scripts.importer.network import Imported
from scripts.nir_import import read_nir

HERE = Path(__file__).parent / "conformance"
CASES: dict[str, dict[str, Any]] = json.loads((HERE / "cases.json").read_text())
NEURONS = ("LIF", "IF", "CubaLIF")


def imported(name: str, **options: Any) -> Imported:
    case = CASES[name]
    rules = {key: case[key] for key in ("T", "dialect", "reset") if key in case} | {"encoding": "spikes"}
    return read_nir(HERE / f"{name}.nir", alone=True, **{**rules, **options})


def recorded(name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Input and the toolkit's spikes by node; SpikingJelly's nodes have a _ in front of the module's name."""
    with np.load(HERE / f"{name}.npz") as data:
        arrays = {key: data[key] for key in data.files}
    return arrays.pop("input"), arrays


def of_node(name: str, spikes: dict[str, np.ndarray]) -> np.ndarray:
    return spikes[name if name in spikes else name.removeprefix("_")]


EXACT = [name for name, case in CASES.items() if not {"several_spikes", "near"} & set(case)]


@pytest.mark.parametrize("name", EXACT)
def test_spikes_are_the_toolkits(name: str) -> None:
    """Every neuron, every timestep: the float reference and the integers."""
    net = imported(name)
    x, spikes = recorded(name)
    diff, outputs, trace = compare(net, x)
    ties = 0
    assert [stage.node for stage in net.stages] == [n for n, node in net.graph.nodes.items() if node.kind in NEURONS]
    for stage, q, got in zip(net.stages, net.quantised, outputs, strict=True):
        want = np.moveaxis(of_node(stage.node, spikes), -1, 0).astype(float)
        assert np.array_equal(trace.values[stage.node], want.reshape(trace.values[stage.node].shape)), f"reference, {stage.name}"
        assert np.array_equal(got, layer_rows(stage, want)), f"integers, {stage.name}"
        assert q.exact and 0.02 < want.mean() < 0.8
        ties += int((trace.margin[stage.node] == 0).sum())
    assert diff.first is None and diff.agreement == 1
    assert ties > 0, "no tie at a threshold: the comparison is not tested"
    for config in ("paper", "tiny"):
        net.network.check(load(config))


@pytest.mark.parametrize("name", EXACT)
def test_the_other_comparison_is_seen(name: str) -> None:
    """The vectors tell > from >=."""
    net = imported(name)
    other = imported(name, comparison=">" if net.contract.comparison == ">=" else ">=")
    x, spikes = recorded(name)
    _, outputs, _ = compare(other, x)
    last = layer_rows(other.stages[-1], np.moveaxis(of_node(other.stages[-1].node, spikes), -1, 0).astype(float))
    assert not np.array_equal(outputs[-1], last)


def test_several_spikes_a_step_are_not_the_machines() -> None:
    """sinabs by default: the file is the same as with one spike a step, so only the recorded spikes tell, and a note warns."""
    one, several = imported("sinabs_conv_iaf"), imported("sinabs_conv_iaf_multi")
    assert one.network.same(several.network)
    assert any("several times a step" in note for note in several.notes)
    _, spikes = recorded("sinabs_conv_iaf_multi")
    assert max(int(v.max()) for v in spikes.values()) > 1


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "near" in case])
def test_what_cannot_be_equal_is_near(name: str) -> None:
    """beta = 0.9 is 230 / 256 to the machine and remainders are rounded down: the reference is equal, the integers are near."""
    net = imported(name)
    x, spikes = recorded(name)
    diff, _, trace = compare(net, x)
    for stage in net.stages:
        want = np.moveaxis(of_node(stage.node, spikes), -1, 0)
        assert np.array_equal(trace.values[stage.node].reshape(want.shape), want)
    assert 0 < diff.spike_fraction < 0.04
    assert any("a step more than the reference" in note for note in net.notes)
    assert any("leak 230.400 / 256 becomes 230 / 256" in note for note in net.notes)
