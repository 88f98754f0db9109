# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The committed convolutional networks do what their sidecars say, and what the project demands. Needs no PyTorch.

The integers come from the NIR files by `conv_integers.recover`, and the golden model runs them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from golden.bounds import check_layer
from golden.config import load
from golden.layer import Layer, layer_fast, work
from models.conv_integers import encode, machine_cost, recover

FOLDER = Path(__file__).parent
MNIST = FOLDER.parents[1] / "shared" / "data" / "mnist.npz"
NETWORKS = ("digits_conv", "mnist_conv", "mnist_small")
ZEROS = {"digits_conv": 0.90, "mnist_conv": 0.90, "mnist_small": 0.88}      # of all weights, at least
ACCURACY = {"digits_conv": 0.975, "mnist_conv": 0.985, "mnist_small": 0.985}


@dataclass
class Model:
    """A committed network: nodes and edges of the NIR graph, sidecar, and the golden model's layers."""

    path: Path
    nodes: dict[str, Any]
    edges: list[tuple[str, str]]
    side: dict[str, Any]
    layers: list[Layer]

    @property
    def machine(self) -> dict[str, Layer]:
        """The layers with weights of their own: all but the poolings."""
        return {layer.name: layer for layer in self.layers if layer.name in {entry["name"] for entry in self.side["layers"]}}


@cache
def model(name: str) -> Model:
    path = FOLDER / name / f"{name}.nir"
    graph = nir.read(path)
    side = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Model(path, graph.nodes, graph.edges, side, recover(graph.nodes, side))


@cache
def held_out() -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    index = model("digits_conv").side["split"]["test_indices"]
    return data.images[index].astype(np.int64), data.target[index]


@cache
def first_of_mnist() -> tuple[np.ndarray, np.ndarray]:
    if not MNIST.exists():
        pytest.skip(f"{MNIST} is not there: it is no part of the project")
    count = model("mnist_conv").side["expected"]["first"]["images"]
    with np.load(MNIST) as file:
        return file["x_test"][:count], file["y_test"][:count]


def run(m: Model, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Output of every layer, and the input spikes as "input"."""
    out: dict[str, np.ndarray] = {"input": encode(pixels, m.side["input"]["thresholds"])}
    x = out["input"]
    for layer in m.layers:
        x = out[layer.name] = layer_fast(x, layer)
    return out


def digest(logits: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(logits, "<i4").tobytes()).hexdigest()


@pytest.mark.parametrize("name", NETWORKS)
def test_file_belongs_to_sidecar(name: str) -> None:
    m = model(name)
    assert (m.side["format"], m.side["version"], m.side["name"], m.side["network"]) == ("loas-nir-sidecar", 1, name, m.path.name)
    assert hashlib.sha256(m.path.read_bytes()).hexdigest() == m.side["network_sha256"]
    assert m.side["T"] == len(m.side["input"]["thresholds"]) == 4


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_is_the_chain_of_the_sidecar(name: str) -> None:
    m = model(name)
    chain = ["input"]
    for entry in m.side["layers"]:
        node = m.nodes[entry["affine"]]
        if node.weight.ndim == 4:
            assert (*map(int, node.input_type["input"]),) == (*entry["input_shape"],)
            assert (*map(int, node.dilation),) == (1, 1) if np.ndim(node.dilation) else int(node.dilation) == 1
            assert int(node.groups) == 1
        elif len(entry["input_shape"]) == 3:
            chain.append("flatten")
            assert (*map(int, m.nodes["flatten"].input_type["input"]),) == (*entry["input_shape"],)
        assert node.weight[0].size == entry["k"] and len(node.weight) == entry["n"]
        chain.append(entry["affine"])
        if entry["kind"] == "spiking":
            neuron = m.nodes[entry["neuron"]]
            assert neuron.v_threshold.shape == (*entry["neuron_shape"],)
            assert (np.rint(256 * (1 - m.side["dt"] / neuron.tau)) == entry["leak"]).all()
            assert (neuron.r * m.side["dt"] == neuron.tau).all() and not neuron.v_leak.any() and not neuron.v_reset.any()
            chain.append(entry["neuron"])
        if entry["pool"]:
            pool, spike = entry["pool"]["nodes"]
            assert list(m.nodes[pool].kernel_size) == list(m.nodes[pool].stride) == entry["pool"]["size"] == [2, 2]
            assert not np.any(m.nodes[pool].padding)
            assert m.nodes[spike].threshold.shape == (*entry["output_shape"],) and (m.nodes[spike].threshold == 0.5).all()
            chain += [pool, spike]
    chain.append("output")
    assert sorted(m.nodes) == sorted(chain)
    assert sorted(m.edges) == sorted(zip(chain, chain[1:], strict=False))


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_sparse_and_unrounded(name: str) -> None:
    m = model(name)
    expected = m.side["expected"]
    weights = {layer.name: layer.weights for layer in m.machine.values()}
    zeros, total = sum(int((w == 0).sum()) for w in weights.values()), sum(w.size for w in weights.values())
    assert zeros / total >= ZEROS[m.side["name"]]
    assert (zeros, total) == (expected["zero_weights"], expected["machine_weights"])
    for name, w in weights.items():
        assert (w == 0).mean() == pytest.approx(expected["zero_weight_fraction_by_layer"][name])
    for entry in m.side["layers"]:  # every float is an integer times a power of two, every output has a 127
        layer, n = m.machine[entry["name"]], entry["n"]
        integers = np.abs(layer.weights.T.astype(np.int64))
        floats = np.abs(m.nodes[entry["affine"]].weight.astype(np.float64).reshape(n, -1))
        peak = np.full(n, floats.max()) if layer.readout else floats.max(axis=1)
        mantissa, _ = np.frexp(peak / 127)
        assert (mantissa == 0.5).all()
        assert np.array_equal(np.sort(floats / (peak / 127)[:, None]), np.sort(integers))  # the order is the golden model's
        assert integers.max() == 127 and (layer.readout or (integers.max(axis=1) == 127).all())


@pytest.mark.parametrize("name", NETWORKS)
def test_no_column_can_overflow(name: str) -> None:
    for layer in model(name).layers:
        check_layer(layer, load("paper"))


@pytest.mark.parametrize("name", NETWORKS)
def test_cost_and_demands(name: str) -> None:
    m = model(name)
    expected = m.side["expected"]
    cost = machine_cost(m.layers, tuple(m.machine))
    assert {**cost, "total": sum(cost.values())} == expected["tppe_cycles_estimate"]
    assert expected["correct"] / expected["images"] == pytest.approx(expected["accuracy"]) and expected["accuracy"] >= ACCURACY[name]
    assert m.side["training"]["table"][-1]["correct"] == expected["correct"]


def test_split_is_the_fixed_one() -> None:
    target = load_digits().target
    test = train_test_split(np.arange(len(target)), test_size=0.2, random_state=0, stratify=target)[1]
    assert list(test) == model("digits_conv").side["split"]["test_indices"] and len(set(test)) == 360


def test_digits_accuracy_and_activity() -> None:
    m, (pixels, labels) = model("digits_conv"), held_out()
    expected, out = m.side["expected"], run(m, pixels)
    logits = out["readout"]
    assert (int((logits.argmax(axis=1) == labels).sum()), len(labels)) == (expected["correct"], expected["images"])
    assert digest(logits) == expected["logits_sha256"]
    for entry in m.side["layers"][:-1]:
        s = out[entry["pool"]["nodes"][0] if entry["pool"] else entry["name"]]
        assert (s.max(axis=2) == 0).mean() == pytest.approx(expected["silent_fraction"][entry["name"]])
        assert (s == 0).mean() == pytest.approx(expected["spike_zero_fraction"][entry["name"]])
    assert (out["input"].max(axis=2) == 0).mean() == pytest.approx(expected["silent_fraction"]["input"])


@pytest.mark.parametrize("name", ["mnist_conv", "mnist_small"])
def test_first_images_of_mnist(name: str) -> None:
    pixels, labels = first_of_mnist()
    m = model(name)
    expected, logits = m.side["expected"]["first"], run(m, pixels)["readout"]
    assert int((logits.argmax(axis=1) == labels).sum()) == expected["correct"]
    assert digest(logits) == expected["logits_sha256"]


def test_digits_work() -> None:
    m, (pixels, _) = model("digits_conv"), held_out()
    x: np.ndarray = encode(pixels, m.side["input"]["thresholds"])
    for layer in m.layers:
        if layer.name in m.machine:
            done = work(x, layer.weights, load("paper").override(WINDOW=1), layer.conv)  # the paper's join
            assert done.matches == m.side["expected"]["first"]["matches"][layer.name]
            assert done.empty_chunks == m.side["expected"]["first"]["empty_chunks"][layer.name]
        x = layer_fast(x, layer)


def test_nir_in_floats_decides_the_same() -> None:
    """The graph as its nodes are defined, in floats, channels first: knows none of the rules for integers.

    Only the floor in the machine's leak differs, so a decision may change where two logits are all but equal.
    """
    m, (pixels, _) = model("digits_conv"), held_out()
    wanted = run(m, pixels)["readout"]
    after = dict(m.edges)
    state: dict[str, np.ndarray] = {}
    total = np.zeros(wanted.shape)
    for threshold in m.side["input"]["thresholds"]:
        x = (pixels[:, None] >= threshold).astype(np.float64)
        name = after["input"]
        while name != "output":
            x = step(m.nodes[name], x, state, name)
            name = after[name]
        total += x
    scale = np.abs(m.nodes["readout"].weight).max() / 127
    same = (np.rint(total / scale) == wanted).all(axis=1)
    assert same.mean() >= 0.5 and (total.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.98


def step(node: Any, x: np.ndarray, state: dict[str, np.ndarray], name: str) -> np.ndarray:
    """One timestep of one NIR node on a batch, dt = 1 and r = tau; membranes are kept in `state`."""
    kind = type(node).__name__
    if kind == "Conv2d":
        (top, left), (dy, dx) = node.padding, node.stride
        x = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
        windows = np.lib.stride_tricks.sliding_window_view(x, node.weight.shape[2:], axis=(2, 3))[:, :, ::dy, ::dx]
        return np.einsum("bcyxij,ocij->boyx", windows, node.weight.astype(np.float64)) + node.bias[:, None, None]
    if kind == "Affine":
        return x @ node.weight.T.astype(np.float64) + node.bias
    if kind == "LIF":
        v = state.get(name, np.zeros_like(x)) + x
        spikes = v >= node.v_threshold
        state[name] = np.where(spikes, 0, v * (1 - 1 / node.tau))
        return spikes.astype(np.float64)
    if kind == "SumPool2d":
        b, c, h, w = x.shape
        return x.reshape(b, c, h // 2, 2, w // 2, 2).sum(axis=(3, 5))
    if kind == "Threshold":
        return (x > node.threshold).astype(np.float64)
    assert kind == "Flatten"
    return x.reshape(len(x), -1)
