# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A fully connected spiking layer: its data, a naive statement of what it computes, and a fast one.

Semantics: docs/numerics.md. ``layer_naive`` is written to be read beside that page; ``layer_fast`` is
what everything uses. The tests compare the two on random layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import Config
from golden.errors import LoasError

IntArray = npt.NDArray[np.integer]


class NetworkError(LoasError):
    """A layer or network is malformed; names layer, field, value and what is legal."""


def as_integers(where: str, value: npt.ArrayLike, dtype: type[np.integer], ndim: int) -> npt.NDArray[np.integer]:
    """Converts to an integer dtype without ever changing a value.

    Args:
        where: Names the field in errors.
        value: Integers, booleans, or floats with integer values.
        dtype: Wanted numpy integer type.
        ndim: Wanted number of axes.

    Raises:
        NetworkError: Wrong number of axes, NaN or infinity, fractions, or values outside of the type.
    """
    array = np.asarray(value)
    if array.ndim != ndim:
        raise NetworkError(f"{where}: shape {array.shape} is not legal: must have {ndim} axes")
    if array.dtype == np.dtype(dtype):
        return array
    if array.dtype.kind not in "biuf":
        raise NetworkError(f"{where}: type {array.dtype} is not legal: must be integers")
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if not bad.any():
            bad = array != np.rint(array)
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NetworkError(f"{where}{list(index)} = {array[index]} is not legal: must be an integer")
    info = np.iinfo(dtype)
    if array.dtype.kind != "b":
        bad = (array < info.min) | (array > info.max)
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NetworkError(f"{where}{list(index)} = {array[index]} is not legal: must be {info.min} to {info.max}")
    return array.astype(dtype)


@dataclass(eq=False)
class Layer:
    """One fully connected layer.

    Attributes:
        weights: (K, N) int8, B of the specification.
        bias: (N,) int32, added at every timestep.
        threshold: (N,) int32, fires at X >= threshold; ignored by a readout.
        leak: lambda in 1/256: 0 (no memory) to 256 (integrate and fire).
        soft: Reset by subtracting the threshold instead of to zero.
        readout: Outputs the integers sum over t of O[t] + T * bias, no spikes.
        drop_once: Outputs that fire in exactly one timestep are dropped.
        name: For messages.

    Raises:
        NetworkError: A field has a wrong shape, type or range.
    """

    weights: npt.NDArray[Any]
    bias: npt.NDArray[Any]
    threshold: npt.NDArray[Any]
    leak: int = 256
    soft: bool = False
    readout: bool = False
    drop_once: bool = False
    name: str = "layer"

    def __post_init__(self) -> None:
        self.weights = as_integers(f"{self.name}: weights", self.weights, np.int8, 2)
        k, n = self.weights.shape
        if k < 1 or n < 1:
            raise NetworkError(f"{self.name}: weights: shape {(k, n)} is not legal: (K, N), both at least 1")
        for field in ("bias", "threshold"):
            array = as_integers(f"{self.name}: {field}", getattr(self, field), np.int32, 1)
            if array.shape != (n,):
                raise NetworkError(f"{self.name}: {field}: shape {array.shape} is not legal: must be ({n},), one a column")
            setattr(self, field, array)
        leak = self.leak
        if isinstance(leak, bool) or not isinstance(leak, (int, np.integer)) or not 0 <= int(leak) <= 256:
            raise NetworkError(f"{self.name}: leak = {leak!r} is not legal: must be an integer, 0 to 256")
        self.leak = int(leak)
        self.soft, self.readout, self.drop_once = bool(self.soft), bool(self.readout), bool(self.drop_once)
        if self.readout and (self.soft or self.drop_once):
            raise NetworkError(f"{self.name}: soft and drop_once mean nothing in a readout layer: must be false")

    @property
    def k(self) -> int:
        """Inputs."""
        return int(self.weights.shape[0])

    @property
    def n(self) -> int:
        """Outputs."""
        return int(self.weights.shape[1])

    def same(self, other: Layer) -> bool:
        """True if both compute the same in every case that an image can express (names may differ)."""
        return (
            (self.leak, self.soft, self.readout, self.drop_once) == (other.leak, other.soft, other.readout, other.drop_once)
            and np.array_equal(self.weights, other.weights)
            and np.array_equal(self.bias, other.bias)
            and np.array_equal(self.threshold, other.threshold)
        )


def as_spikes(where: str, spikes: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Checks spikes: (M, K, T), every value 0 or 1.

    Raises:
        NetworkError: Wrong shape or values.
    """
    array = as_integers(where, spikes, np.uint8, 3)
    if min(array.shape) < 1:
        raise NetworkError(f"{where}: shape {array.shape} is not legal: (M, K, T), all at least 1")
    if array.max() > 1:
        index = tuple(int(i) for i in np.argwhere(array > 1)[0])
        raise NetworkError(f"{where}{list(index)} = {array[index]} is not legal: must be 0 or 1")
    return array  # type: ignore[return-value]


def layer_naive(A: npt.NDArray[np.integer], layer: Layer) -> npt.NDArray[np.integer]:
    """The layer as plain loops over Python integers, after docs/numerics.md.

    Args:
        A: (M, K, T) spikes, 0 or 1.
        layer: The layer.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout.
    """
    M, K, T = A.shape
    N = layer.n
    spikes = np.zeros((M, N, T), np.uint8)
    values = np.zeros((M, N), np.int64)
    for m in range(M):
        for n in range(N):
            bias, threshold = int(layer.bias[n]), int(layer.threshold[n])
            membrane = 0
            for t in range(T):
                total = 0
                for k in range(K):
                    if A[m, k, t]:
                        total += int(layer.weights[k, n])
                values[m, n] += total + bias
                x = total + bias + membrane
                fires = x >= threshold
                spikes[m, n, t] = fires
                if layer.soft:
                    membrane = (layer.leak * (x - threshold if fires else x)) >> 8
                else:
                    membrane = 0 if fires else (layer.leak * x) >> 8
            if layer.drop_once and spikes[m, n].sum() == 1:
                spikes[m, n] = 0
    return values if layer.readout else spikes


def sums_fast(A: npt.NDArray[np.integer], weights: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """All sums O of a spMspM by one floating-point matrix product that is exact.

    Every partial sum is an integer of magnitude at most K * 128: exact in float32 up to K = 2^17 (24-bit
    significand), in float64 far beyond.

    Args:
        A: (M, K, T) spikes.
        weights: (K, N) int8.

    Returns:
        (M, T, N) int64.
    """
    M, K, T = A.shape
    dtype = np.float32 if K <= 1 << 17 else np.float64
    left = np.ascontiguousarray(A.transpose(0, 2, 1)).reshape(M * T, K).astype(dtype)
    sums: npt.NDArray[np.int64] = (left @ weights.astype(dtype)).astype(np.int64)
    return sums.reshape(M, T, -1)


def neurons_fast(sums: npt.NDArray[np.int64], layer: Layer) -> npt.NDArray[np.integer]:
    """The neurons of a layer on given sums: what P-LIF and the drop of once-firing neurons do.

    Args:
        sums: (M, T, N) int64, O of the specification.
        layer: The layer.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout.
    """
    M, T, N = sums.shape
    bias, threshold = layer.bias.astype(np.int64), layer.threshold.astype(np.int64)
    if layer.readout:
        return np.asarray(sums.sum(axis=1) + T * bias)
    spikes = np.empty((M, N, T), np.uint8)
    membrane = np.zeros((M, N), np.int64)
    for t in range(T):
        x = sums[:, t] + bias + membrane
        fires = x >= threshold
        spikes[:, :, t] = fires
        rest = x - fires * threshold if layer.soft else np.where(fires, 0, x)
        membrane = (layer.leak * rest) >> 8
    if layer.drop_once:
        spikes[spikes.sum(axis=2) == 1] = 0
    return spikes


def layer_fast(A: npt.NDArray[np.integer], layer: Layer) -> npt.NDArray[np.integer]:
    """The same as :func:`layer_naive`, vectorised; rows are taken in groups to bound the memory.

    Args:
        A: (M, K, T) spikes, 0 or 1.
        layer: The layer.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout.

    Raises:
        NetworkError: A does not have K inputs.
    """
    M, K, T = A.shape
    if layer.k != K:
        raise NetworkError(f"{layer.name}: inputs of shape {A.shape} do not fit: K must be {layer.k}")
    group = max(1, (1 << 24) // (T * max(K, layer.n)))
    parts = [neurons_fast(sums_fast(A[m : m + group], layer.weights), layer) for m in range(0, M, group)]
    return np.concatenate(parts)


def run_layers(A: npt.NDArray[np.integer], layers: Sequence[Layer]) -> list[npt.NDArray[np.integer]]:
    """Runs layers one after the other.

    Args:
        A: (M, K, T) input spikes of the first layer.
        layers: Layers; a readout may only be the last.

    Returns:
        The output of every layer, (M, N, T) uint8 spikes or (M, N) int64 of a readout.
    """
    outputs: list[npt.NDArray[np.integer]] = []
    for layer in layers:
        outputs.append(layer_fast(A, layer))
        A = outputs[-1]
    return outputs


@dataclass(frozen=True)
class Work:
    """What a layer costs, independent of any timing; the RTL's counters must agree.

    Attributes:
        matches: Pairs (m, k, n) with a neuron that is not silent and a weight that is not zero.
        corrections: Those of them whose packed word is not all ones; none in FAST, which does not speculate.
        empty_chunks: Triples (m, n, chunk) without any match.
        floor: ceil(matches / NUM_TPPES), cycles that no machine with one match a cycle and TPPE can beat.
    """

    matches: int
    corrections: int
    empty_chunks: int
    floor: int


def work(A: npt.NDArray[np.integer], weights: npt.NDArray[np.integer], cfg: Config) -> Work:
    """Counts the work of one layer.

    Args:
        A: (M, K, T) spikes.
        weights: (K, N).
        cfg: For CHUNK_W, NUM_TPPES and LAGGY.
    """
    _, K, T = A.shape
    count = A.sum(axis=2, dtype=np.int64)
    live = count > 0
    nonzero = weights != 0
    per_k = nonzero.sum(axis=1, dtype=np.int64)
    matches = int(live.sum(axis=0, dtype=np.int64) @ per_k)
    corrections = int((live & (count < T)).sum(axis=0, dtype=np.int64) @ per_k) if cfg.LAGGY else 0
    empty = 0
    left, right = live.astype(np.float32), nonzero.astype(np.float32)
    for k in range(0, K, cfg.CHUNK_W):
        empty += int(np.count_nonzero(left[:, k : k + cfg.CHUNK_W] @ right[k : k + cfg.CHUNK_W] == 0))
    return Work(matches, corrections, empty, -(-matches // cfg.NUM_TPPES))
