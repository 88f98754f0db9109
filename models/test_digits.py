# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The committed network does what its sidecar says, and what the project demands of it. Needs no PyTorch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from golden.config import load
from golden.layer import Layer
from scripts.nir_import import Imported, read_nir

NIR = Path(__file__).parent / "digits" / "digits.nir"


@pytest.fixture(scope="module")
def imported() -> Imported:
    return read_nir(NIR)


@pytest.fixture(scope="module")
def held_out(imported: Imported) -> tuple[np.ndarray, np.ndarray]:
    data = load_digits()
    index = imported.sidecar["split"]["test_indices"]
    return data.data[index].astype(np.int64), data.target[index]


def loop(layers: list[Layer], pixels: np.ndarray, T: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Integer logits, and the spikes (images, neurons, T) of every spiking layer, one timestep after the other."""
    x = np.repeat(pixels[:, :, None], T, axis=2)
    spikes: list[np.ndarray] = []
    for layer in layers:
        sums = np.stack([x[:, :, t] @ layer.weights.astype(np.int64) for t in range(T)], axis=2)
        if layer.readout:
            return sums.sum(axis=2) + T * layer.bias.astype(np.int64), spikes
        u = np.zeros(sums.shape[:2], np.int64)
        x = np.zeros_like(sums)
        for t in range(T):
            v = sums[:, :, t] + layer.bias + u
            x[:, :, t] = v >= layer.threshold
            u = np.where(x[:, :, t] == 1, 0, np.floor_divide(layer.leak * v, 256))
        spikes.append(x)
    raise AssertionError("the last layer must be a readout")


def test_split_is_the_fixed_one(imported: Imported) -> None:
    target = load_digits().target
    test = train_test_split(np.arange(len(target)), test_size=0.2, random_state=0, stratify=target)[1]
    assert list(test) == imported.sidecar["split"]["test_indices"] and len(set(test)) == 360


def test_file_belongs_to_sidecar(imported: Imported) -> None:
    assert hashlib.sha256(NIR.read_bytes()).hexdigest() == imported.sidecar["network_sha256"]


def test_accuracy_and_activity(imported: Imported, held_out: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, labels = held_out
    expected = imported.sidecar["expected"]
    logits, spikes = loop(imported.host + imported.network.layers, pixels, imported.network.T)
    correct = int((logits.argmax(axis=1) == labels).sum())
    assert correct / len(labels) >= 0.96
    assert (correct, len(labels)) == (expected["correct"], expected["images"])
    assert hashlib.sha256(np.ascontiguousarray(logits, "<i4").tobytes()).hexdigest() == expected["logits_sha256"]
    fired = [(s != 0).any(axis=2) for s in spikes]
    for name, s, f in zip(("encoder", "fc1", "fc2"), spikes, fired, strict=True):
        assert 1 - f.mean() == pytest.approx(expected["silent_fraction"][name])
        assert (s == 0).mean() == pytest.approx(expected["spike_zero_fraction"][name])
    for layer, f in zip(imported.network.layers, fired, strict=True):
        assert (f.sum(axis=0) * (layer.weights != 0).sum(axis=1)).sum() == expected["matches"][layer.name]


def test_golden_model_agrees_with_the_loop(imported: Imported, held_out: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, _ = held_out
    logits, spikes = loop(imported.host + imported.network.layers, pixels, imported.network.T)
    inputs = imported.encode(pixels)
    assert np.array_equal(inputs, spikes[0])
    for got, wanted in zip(imported.network.run(inputs), [*spikes[1:], logits], strict=True):
        assert np.array_equal(got, wanted)


def test_weights_are_sparse_and_unrounded(imported: Imported) -> None:
    import nir

    expected = imported.sidecar["expected"]
    weights = [layer.weights for layer in imported.network.layers]
    zeros, total = sum(int((w == 0).sum()) for w in weights), sum(w.size for w in weights)
    assert zeros / total >= 0.90
    assert (zeros, total) == (expected["zero_weights"], expected["machine_weights"])
    nodes = nir.read(NIR).nodes
    for layer in imported.host + imported.network.layers:  # every float is an integer times a power of two
        W = nodes[layer.name].weight.T.astype(np.float64)
        peak = np.abs(W).max() if layer.readout else np.abs(W).max(axis=0)
        mantissa, _ = np.frexp(peak / 127)
        assert (mantissa == 0.5).all() and np.array_equal(W, layer.weights * (peak / 127))


@pytest.mark.parametrize("config", ["paper", "tiny"])
def test_no_column_can_overflow(imported: Imported, config: str) -> None:
    imported.network.check(load(config))
