# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A spiking layer, fully connected or convolution: its data, a naive statement of what it computes, and a fast one.

Semantics: docs/numerics.md. ``layer_naive`` is written to be read beside that page; ``layer_fast`` is
what everything uses. The tests compare the two on random layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import Config
from golden.errors import LoasError

FARTHEST = 1 << 17  # pixel coordinates are 18-bit two's complement in the machine

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


@dataclass(frozen=True)
class Conv:
    """Geometry of a 2-D convolution: which pixels of a map make the input row of an output pixel.

    A map of ``in_h`` x ``in_w`` pixels is as many rows of A, (y, x) row-major, image after image; its channels are the
    columns. Output pixel (y, x) sees input pixels (y * stride_y - pad_top + ky, x * stride_x - pad_left + kx); those
    outside of the map are silent. Padding at the bottom and the right is what ``out_h`` and ``out_w`` imply, up to
    coordinate 2^17 - 1.

    Raises:
        NetworkError: A value is no integer or out of range.
    """

    in_h: int
    in_w: int
    cin: int
    kh: int
    kw: int
    stride_y: int
    stride_x: int
    pad_top: int
    pad_left: int
    out_h: int
    out_w: int

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            low, high = 1, 65535
            if name in ("kh", "kw", "stride_y", "stride_x"):
                high = 255
            elif name in ("pad_top", "pad_left"):
                low, high = 0, (self.kh if name == "pad_top" else self.kw) - 1
            elif name == "cin":
                high = (1 << 17) - 1
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
                raise NetworkError(f"convolution: {name} = {value!r} is not legal: must be an integer, {low} to {high}")
            object.__setattr__(self, name, int(value))
        for axis, last in (
            ("out_h", (self.out_h - 1) * self.stride_y - self.pad_top + self.kh - 1),
            ("out_w", (self.out_w - 1) * self.stride_x - self.pad_left + self.kw - 1),
        ):
            if last >= FARTHEST:
                raise NetworkError(
                    f"convolution: {axis} = {getattr(self, axis)} is not legal: the last window reaches coordinate {last}, "
                    f"must be below {FARTHEST}"
                )

    @staticmethod
    def of(
        size: tuple[int, int],
        cin: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int] = (0, 0),
    ) -> Conv:
        """The usual geometry: padding on all sides, as many outputs as fit. All pairs are (y, x)."""
        out = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, pad, strict=True)]
        return Conv(*size, cin, *kernel, *stride, *pad, *out)

    @property
    def taps(self) -> int:
        """Pixels under the kernel."""
        return self.kh * self.kw

    @property
    def pixels_in(self) -> int:
        """Input rows of an image."""
        return self.in_h * self.in_w

    @property
    def pixels_out(self) -> int:
        """Output rows of an image."""
        return self.out_h * self.out_w

    def padded(self, step: int) -> Conv:
        """The same with the channels of a pixel rounded up to a multiple of ``step``."""
        return replace(self, cin=-(-self.cin // step) * step)

    def pad_weights(self, weights: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
        """(kh * kw * cin, N) weights with zero rows for the channels that :meth:`padded` adds."""
        taps = weights.reshape(self.taps, self.cin, -1)
        wide = np.zeros((self.taps, self.padded(step).cin, taps.shape[2]), weights.dtype)
        wide[:, : self.cin] = taps
        return wide.reshape(-1, taps.shape[2])


@dataclass(eq=False)
class Layer:
    """One layer: fully connected from the columns of a row, or a convolution over rows that are pixels.

    Attributes:
        weights: (K, N) int8, B of the specification; K of a convolution is ordered (kh, kw, cin).
        bias: (N,) int32, added at every timestep.
        threshold: (N,) int32, fires at X >= threshold; ignored by a readout.
        leak: lambda in 1/256: 0 (no memory) to 256 (integrate and fire).
        soft: Reset by subtracting the threshold instead of to zero.
        readout: Outputs the integers sum over t of O[t] + T * bias, no spikes.
        drop_once: Outputs that fire in exactly one timestep are dropped.
        name: For messages.
        conv: Geometry of a convolution; None: fully connected. A fully connected layer behind maps is a convolution
            whose kernel is the whole map.

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
    conv: Conv | None = None

    def __post_init__(self) -> None:
        self.weights = as_integers(f"{self.name}: weights", self.weights, np.int8, 2)
        k, n = self.weights.shape
        if k < 1 or n < 1:
            raise NetworkError(f"{self.name}: weights: shape {(k, n)} is not legal: (K, N), both at least 1")
        if self.conv and k != self.conv.taps * self.conv.cin:
            c = self.conv
            raise NetworkError(
                f"{self.name}: weights: K = {k} is not legal: must be {c.taps * c.cin}, kh * kw * cin = {c.kh} * {c.kw} * {c.cin}"
            )
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
        """Inputs of an output: rows of the weights."""
        return int(self.weights.shape[0])

    @property
    def inputs(self) -> int:
        """Columns of an input row: K, or the channels of a pixel."""
        return self.conv.cin if self.conv else self.k

    @property
    def n(self) -> int:
        """Outputs."""
        return int(self.weights.shape[1])

    def same(self, other: Layer) -> bool:
        """True if both compute the same in every case that an image can express (names may differ)."""
        return (
            (self.leak, self.soft, self.readout, self.drop_once) == (other.leak, other.soft, other.readout, other.drop_once)
            and self.conv == other.conv
            and np.array_equal(self.weights, other.weights)
            and np.array_equal(self.bias, other.bias)
            and np.array_equal(self.threshold, other.threshold)
        )


def max_pool(conv: Conv, name: str = "pool") -> Layer:
    """Max pooling of spikes, exactly: the OR of the packed words under the kernel, for each channel.

    It is a convolution with the weights of an identity: O[t] counts the spikes under the kernel, and threshold 1
    without memory fires at one or more.
    """
    weights = np.tile(np.eye(conv.cin, dtype=np.int8), (conv.taps, 1))
    return Layer(weights, np.zeros(conv.cin, np.int32), np.ones(conv.cin, np.int32), leak=0, name=name, conv=conv)


def rows_out(layer: Layer, m_in: int) -> int:
    """Output rows of a layer for ``m_in`` input rows.

    Raises:
        NetworkError: The rows of a convolution are not whole images.
    """
    if layer.conv is None:
        return m_in
    images, rest = divmod(m_in, layer.conv.pixels_in)
    if rest or not images:
        c = layer.conv
        raise NetworkError(f"{layer.name}: {m_in} input rows are not legal: must be a multiple of {c.pixels_in}, images of "
                           f"{c.in_h} x {c.in_w} pixels")  # fmt: skip
    return images * layer.conv.pixels_out


def conv_rows(A: npt.NDArray[Any], conv: Conv, first: int = 0, last: int | None = None) -> npt.NDArray[Any]:
    """The input rows of the output pixels of a convolution: what makes it a spMspM.

    Args:
        A: (images * in_h * in_w, cin, T).
        conv: The geometry.
        first: First output row wanted.
        last: One past the last, by default all.

    Returns:
        (last - first, kh * kw * cin, T), zero outside of the map.
    """
    last = len(A) // conv.pixels_in * conv.pixels_out if last is None else last
    image, place = np.divmod(np.arange(first, last), conv.pixels_out)
    y, x = np.divmod(place, conv.out_w)
    y = (y * conv.stride_y - conv.pad_top)[:, None, None] + np.arange(conv.kh)[:, None]
    x = (x * conv.stride_x - conv.pad_left)[:, None, None] + np.arange(conv.kw)
    inside = (y >= 0) & (y < conv.in_h) & (x >= 0) & (x < conv.in_w)
    pixel = np.where(inside, (image[:, None, None] * conv.in_h + y) * conv.in_w + x, 0)
    rows = A[pixel]
    rows[~inside] = 0
    return rows.reshape(last - first, conv.taps * conv.cin, A.shape[2])


def row_groups(A: npt.NDArray[Any], conv: Conv | None, group: int) -> Iterator[npt.NDArray[Any]]:
    """The input rows of all outputs, at most ``group`` at a time."""
    if conv is None:
        yield from (A[m : m + group] for m in range(0, len(A), group))
        return
    last = len(A) // conv.pixels_in * conv.pixels_out
    yield from (conv_rows(A, conv, m, min(m + group, last)) for m in range(0, last, group))


def naive_row(A: npt.NDArray[np.integer], conv: Conv, m: int) -> list[list[int]]:
    """The K x T inputs of output row m of a convolution, by plain loops."""
    image, place = divmod(m, conv.out_h * conv.out_w)
    y, x = divmod(place, conv.out_w)
    row = []
    for ky in range(conv.kh):
        for kx in range(conv.kw):
            iy, ix = y * conv.stride_y - conv.pad_top + ky, x * conv.stride_x - conv.pad_left + kx
            inside = 0 <= iy < conv.in_h and 0 <= ix < conv.in_w
            for c in range(conv.cin):
                pixel = A[(image * conv.in_h + iy) * conv.in_w + ix, c] if inside else [0] * A.shape[2]
                row.append([int(spike) for spike in pixel])
    return row


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
        A: (M, K, T) spikes, 0 or 1; (images * in_h * in_w, cin, T) of a convolution.
        layer: The layer.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout; M is :func:`rows_out`.
    """
    M, K, T = rows_out(layer, A.shape[0]), layer.k, A.shape[2]
    N = layer.n
    spikes = np.zeros((M, N, T), np.uint8)
    values = np.zeros((M, N), np.int64)
    for m in range(M):
        row = naive_row(A, layer.conv, m) if layer.conv else A[m].tolist()
        for n in range(N):
            bias, threshold = int(layer.bias[n]), int(layer.threshold[n])
            membrane = 0
            for t in range(T):
                total = 0
                for k in range(K):
                    if row[k][t]:
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
        A: (M, K, T) spikes, 0 or 1; (images * in_h * in_w, cin, T) of a convolution.
        layer: The layer.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout; M is :func:`rows_out`.

    Raises:
        NetworkError: A does not have the layer's inputs, or no whole images.
    """
    if layer.inputs != A.shape[1]:
        what = "channels" if layer.conv else "K"
        raise NetworkError(f"{layer.name}: inputs of shape {A.shape} do not fit: {what} must be {layer.inputs}")
    rows_out(layer, len(A))
    group = max(1, (1 << 24) // (A.shape[2] * max(layer.k, layer.n)))
    parts = [neurons_fast(sums_fast(rows, layer.weights), layer) for rows in row_groups(A, layer.conv, group)]
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


def work(A: npt.NDArray[np.integer], weights: npt.NDArray[np.integer], cfg: Config, conv: Conv | None = None) -> Work:
    """Counts the work of one layer.

    Args:
        A: (M, K, T) spikes; (images * in_h * in_w, cin, T) of a convolution.
        weights: (K, N).
        cfg: For CHUNK_W, NUM_TPPES and LAGGY; of a convolution also SLICE_W, to which the machine pads the channels.
        conv: Geometry of a convolution.
    """
    T = A.shape[2]
    count = A.sum(axis=2, dtype=np.uint8)[:, :, None]
    if conv:
        weights = conv.pad_weights(weights, cfg.SLICE_W)
        padding = conv.padded(cfg.SLICE_W).cin - conv.cin
        conv, count = conv.padded(cfg.SLICE_W), np.pad(count, ((0, 0), (0, padding), (0, 0)))
    nonzero = weights != 0
    per_k, right = nonzero.sum(axis=1, dtype=np.int64), nonzero.astype(np.float32)
    matches = corrections = empty = 0
    for rows in row_groups(count, conv, max(1, (1 << 24) // max(nonzero.shape))):
        spikes = rows[:, :, 0]
        live = spikes > 0
        matches += int(live.sum(axis=0, dtype=np.int64) @ per_k)
        corrections += int((live & (spikes < T)).sum(axis=0, dtype=np.int64) @ per_k) if cfg.LAGGY else 0
        left = live.astype(np.float32)
        for k in range(0, len(nonzero), cfg.CHUNK_W):
            empty += int(np.count_nonzero(left[:, k : k + cfg.CHUNK_W] @ right[k : k + cfg.CHUNK_W] == 0))
    return Work(matches, corrections, empty, -(-matches // cfg.NUM_TPPES))
