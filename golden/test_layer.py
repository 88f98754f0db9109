# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of golden/layer.py and golden/bounds.py: naive against vectorised, and the overflow bounds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden.bench import MOST_BYTES, vgg16_layers
from golden.bounds import BoundError, check_layer, column_sums, membrane_range, signed_width
from golden.config import load
from golden.image import parse_layout, write_image
from golden.layer import Layer, NetworkError, layer_fast, layer_naive, run_layers, work
from golden.network import Network

make: Any = Layer  # takes lists and other integer types too


def random_case(rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], Layer]:
    """Spikes and a layer of random shape, density, values and kind; extremes are frequent."""
    M, K, N, T = (int(rng.integers(1, top + 1)) for top in (4, 24, 5, 16))
    density = float(rng.choice([0.0, 0.05, 0.3, 0.7, 1.0]))
    A = (rng.random((M, K, T)) < density).astype(np.uint8)
    extreme = rng.random() < 0.3
    W = rng.choice([-128, 127, 0], (K, N)) if extreme else rng.integers(-128, 128, (K, N))
    W = W * (rng.random((K, N)) < rng.choice([0.0, 0.1, 0.5, 1.0]))
    # thresholds near reachable values, so that ties and both outcomes happen often
    reach = int(rng.choice([1, 10, 300, 3000]))
    bias = rng.integers(-reach, reach + 1, N)
    theta = rng.integers(-reach, reach + 1, N)
    readout = rng.random() < 0.15
    layer = make(W.astype(np.int8), bias, theta, int(rng.choice([0, 1, 64, 255, 256, int(rng.integers(257))])),
                  soft=not readout and rng.random() < 0.5, readout=readout,
                  drop_once=not readout and rng.random() < 0.3)  # fmt: skip
    return A, layer


@pytest.mark.parametrize("seed", range(12))
def test_naive_equals_vectorised(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for case in range(100):
        A, layer = random_case(rng)
        naive, fast = layer_naive(A, layer), layer_fast(A, layer)
        assert np.array_equal(naive, fast), f"seed {seed} case {case}: {A.shape} {layer}"


def test_row_groups_join_up() -> None:
    rng = np.random.default_rng(5)
    A = (rng.random((70, 4096, 16)) < 0.1).astype(np.uint8)
    layer = make(rng.integers(-128, 128, (4096, 3), dtype=np.int8), np.zeros(3), np.full(3, 500), 64)
    whole = layer_fast(A, layer)
    assert np.array_equal(whole, np.concatenate([layer_fast(A[m : m + 1], layer) for m in range(70)]))


def test_hand_worked_example() -> None:
    # one input, weight 5, theta 5, bias -1, leak 1/2: X = 4, 6 -> fires; floor of negatives: (-1 * 128) >> 8 = -1
    A = np.array([[[1, 1, 0, 0]]], np.uint8)
    assert layer_fast(A, make([[5]], [-1], [5], 128))[0, 0].tolist() == [0, 1, 0, 0]
    assert layer_fast(A, make([[5]], [-1], [4], 128))[0, 0].tolist() == [1, 1, 0, 0]  # a tie fires
    assert layer_fast(A, make([[5]], [-1], [5], 128, drop_once=True))[0, 0].tolist() == [0, 0, 0, 0]
    assert layer_fast(A, make([[5]], [-1], [0], readout=True))[0, 0] == 6
    # soft: X0 = 4, U = 4; X1 = 8 fires, U = 4; X2 = 3; X3 = 2
    assert layer_fast(A, make([[5]], [-1], [4], 256, soft=True))[0, 0].tolist() == [1, 1, 0, 0]


def test_work_counts() -> None:
    rng = np.random.default_rng(1)
    cfg = load("tiny")
    A = (rng.random((3, 70, 4)) < 0.3).astype(np.uint8)
    W = (rng.integers(-3, 4, (70, 6)) * (rng.random((70, 6)) < 0.2)).astype(np.int8)
    matches = corrections = empty = 0
    for m, n in itertools.product(range(3), range(6)):
        for start in range(0, 70, cfg.window_w):
            pairs = [k for k in range(start, min(70, start + cfg.window_w)) if A[m, k].any() and W[k, n]]
            matches += len(pairs)
            corrections += sum(not A[m, k].all() for k in pairs)
            empty += not pairs
    got = work(A, W, cfg)
    assert (got.matches, got.corrections, got.empty_chunks) == (matches, corrections, empty)
    assert got.floor == -(-matches // 2)
    assert work(A, W, cfg.override(LAGGY=0)).corrections == 0


@pytest.mark.parametrize("T", [3, 4, 10])
def test_work_counts_of_timesteps_in_sequence(T: int) -> None:
    """A match for each spike that meets a weight, an empty window for each timestep without any; also of a part of a chunk."""
    rng = np.random.default_rng(T)
    cfg = load("tiny").override(LAGGY=0, SEQUENTIAL=1)
    A = (rng.random((3, 70, T)) < 0.3).astype(np.uint8)
    W = (rng.integers(-3, 4, (70, 6)) * (rng.random((70, 6)) < 0.2)).astype(np.int8)
    steps = -(-T // cfg.T) * cfg.T  # the machine always walks T planes
    matches = empty = 0
    for m, n, t in itertools.product(range(3), range(6), range(steps)):
        for start in range(0, 70, cfg.window_w):
            pairs = [k for k in range(start, min(70, start + cfg.window_w)) if t < T and A[m, k, t] and W[k, n]]
            matches += len(pairs)
            empty += not pairs
    got = work(A, W, cfg)
    assert (got.matches, got.corrections, got.empty_chunks, got.floor) == (matches, 0, empty, -(-matches // 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros((2, 3, 1))}, r"weights: shape \(2, 3, 1\) is not legal"),
        ({"weights": np.zeros((0, 3))}, r"weights: shape \(0, 3\) is not legal"),
        ({"weights": np.full((2, 3), np.nan)}, r"weights\[0, 0\] = nan is not legal: must be an integer"),
        ({"weights": np.full((2, 3), 0.5)}, r"weights\[0, 0\] = 0.5 is not legal: must be an integer"),
        ({"weights": np.full((2, 3), 128)}, r"weights\[0, 0\] = 128 is not legal: must be -128 to 127"),
        ({"weights": np.array([["a", "b", "c"]])}, "type <U1 is not legal"),
        ({"bias": np.zeros(2)}, r"bias: shape \(2,\) is not legal: must be \(3,\)"),
        ({"threshold": np.full(3, 2**31)}, r"threshold\[0\] = 2147483648 is not legal"),
        ({"threshold": np.full(3, np.inf)}, r"threshold\[0\] = inf is not legal"),
        ({"leak": 257}, "leak = 257 is not legal"),
        ({"leak": 0.5}, "leak = 0.5 is not legal"),
        ({"readout": True, "soft": True}, "mean nothing in a readout"),
    ],
)
def test_malformed_layers(change: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {"weights": np.zeros((2, 3)), "bias": np.zeros(3), "threshold": np.ones(3), "name": "fc"}
    with pytest.raises(NetworkError, match="^fc: .*" + message if "type" not in message else message):
        make(**{**fields, **change})


# ---- bounds --------------------------------------------------------------------------------------
def test_signed_width() -> None:
    for value, width in [(0, 1), (1, 2), (-1, 1), (127, 8), (-128, 8), (128, 9), (-129, 9), (2**31, 33), (-(2**31), 32)]:
        assert signed_width(np.array([value]), np.array([0]))[0] == width
        assert signed_width(np.array([0]), np.array([value]))[0] == width


@pytest.mark.parametrize("seed", range(6))
def test_membrane_range_holds_every_reachable_value(seed: int) -> None:
    """All inputs of small columns, each timestep free: the interval holds X, U and X - theta."""
    rng = np.random.default_rng(seed)
    for _ in range(25):
        K, T = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        layer = make(rng.integers(-20, 21, (K, 1)), rng.integers(-15, 16, 1), rng.integers(-25, 26, 1),
                      int(rng.choice([0, 64, 200, 256])), soft=rng.random() < 0.5)  # fmt: skip
        low, high = (int(v[0]) for v in membrane_range(layer, T))
        neg, pos = (int(v[0]) for v in column_sums(layer.weights))
        bias, theta = int(layer.bias[0]), int(layer.threshold[0])
        sums = {sum(c) for r in range(K + 1) for c in itertools.combinations(layer.weights[:, 0].tolist(), r)}
        assert min(sums) == neg and max(sums) == pos
        reached: set[int] = set()
        states = {0}
        for _t in range(T):
            after: set[int] = set()
            for o, u in itertools.product(sums, states):
                x = o + bias + u
                fires = x >= theta
                rest = (x - theta if layer.soft else 0) if fires else x
                reached |= {x, rest}
                after.add((layer.leak * rest) >> 8)
            states = after
            reached |= states
        assert low <= min(reached) and max(reached) <= high
        if T == 1:
            assert low == min(reached | {0}) and high == max(reached | {0})


def bounded(**kw: object) -> Layer:
    fields: dict[str, object] = {"weights": np.zeros((300, 2)), "bias": np.zeros(2), "threshold": np.ones(2), "name": "fc"}
    layer: Layer = make(**{**fields, **kw})
    return layer


@pytest.mark.parametrize(
    ("kw", "message"),
    [
        ({"weights": np.array([[0, 127]] * 259)}, "fc: column 1: the accumulated sum can reach 0 to 32893 and needs 17 bits"),
        ({"weights": np.array([[0, -128]] * 257)}, "fc: column 1: the accumulated sum can reach -32896 to 0 and needs 17 bits"),
        ({"bias": np.array([0, 1 << 23])}, "fc: column 1: the bias .* needs 25 bits: MEM_W of configuration paper is 24"),
        ({"threshold": np.array([-(1 << 23) - 1, 0])}, "fc: column 0: the threshold .* needs 25 bits"),
        ({"bias": np.array([0, 1 << 22]), "threshold": np.array([0, (1 << 23) - 1])},
         "fc: column 1: the membrane potential can reach .* needs 25 bits"),
        ({"bias": np.array([1 << 22, 0]), "threshold": np.array([-(1 << 22) - 5, 0]), "soft": True},
         "fc: column 0: the membrane potential can reach .* needs 2[5-9] bits"),
    ],
)  # fmt: skip
def test_overflow_is_refused(kw: dict[str, object], message: str) -> None:
    with pytest.raises(BoundError, match=message):
        check_layer(bounded(**kw), load("paper"))


def test_readout_needs_32_bits() -> None:
    cfg = load("paper").override(MEM_W=32)
    layer = bounded(bias=np.array([0, 1 << 30]), readout=True)
    with pytest.raises(BoundError, match="column 1: the readout can reach .* needs 34 bits: the readout integer .* is 32"):
        check_layer(layer, cfg)
    check_layer(bounded(bias=np.array([0, (1 << 29) - 1]), readout=True), cfg)


def test_edges_just_fit() -> None:
    cfg = load("paper")
    check_layer(bounded(weights=np.array([[0, 127]] * 258)), cfg)  # 32766
    check_layer(bounded(weights=np.array([[0, -128]] * 256)), cfg)  # -32768
    with pytest.raises(BoundError, match=r"weights\[0, 0\] = 8 is not legal: WEIGHT_W = 4"):
        check_layer(bounded(weights=np.array([[8, 0]])), cfg.override(WEIGHT_W=4))


def test_run_layers_chains() -> None:
    rng = np.random.default_rng(0)
    A = (rng.random((2, 9, 4)) < 0.5).astype(np.uint8)
    first = make(rng.integers(-9, 10, (9, 7)), np.zeros(7), np.full(7, 3), 64)
    last = make(rng.integers(-9, 10, (7, 3)), np.zeros(3), np.zeros(3), readout=True)
    outputs = run_layers(A, [first, last])
    assert np.array_equal(outputs[0], layer_naive(A, first))
    assert np.array_equal(outputs[1], layer_naive(outputs[0], last))
    with pytest.raises(NetworkError, match="K must be 7"):
        layer_fast(A, last)


def test_vgg16_weights_stay_small() -> None:
    """The demand on the format: at most 2.2 bytes a nonzero weight over VGG16's convolutions, all told."""
    cfg, size, nonzero = load("paper"), 0, 0
    for layer in vgg16_layers(np.random.default_rng(1)):
        assert layer.conv is not None
        image = write_image(Network("n", 4, [layer]), np.zeros((layer.conv.pixels_in, layer.conv.cin, 4), np.uint8), cfg)
        size += parse_layout(image).layers[0].weight_bytes(cfg)
        nonzero += int(np.count_nonzero(layer.weights))
    assert size / nonzero <= MOST_BYTES
