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


@dataclass(frozen=True)
class Branch:
    """The second operand of a residual layer: its window is joined to the first one's along K, before the neuron.

    Attributes:
        source: Layer whose output is read, by its place in the network; -1: the network's input.
        conv: Which of its pixels; the output pixels are those of the layer's own convolution.
    """

    source: int
    conv: Conv


@dataclass(eq=False)
class Layer:
    """One layer: fully connected from the columns of a row, or a convolution over rows that are pixels.

    Attributes:
        weights: (K, N) int8, B of the specification; K of a convolution is ordered (kh, kw, cin), K of a branch follows.
        bias: (N,) int32, added at every timestep.
        threshold: (N,) int32, fires at X >= threshold; ignored by a readout.
        leak: lambda in 1/256: 0 (no memory) to 256 (integrate and fire).
        soft: Reset by subtracting the threshold instead of to zero.
        late: The membrane keeps its value when the neuron fires. With soft the threshold is subtracted after the leak, as
            toolkits do that reset a step later; without soft never: the neuron has no reset.
        readout: Outputs the integers sum over t of O[t] + T * bias, no spikes.
        drop_once: Outputs that fire in exactly one timestep are dropped (of a chunk of the machine's T; after pooling).
        name: For messages.
        conv: Geometry of a convolution; None: fully connected. A fully connected layer behind maps is a convolution
            whose kernel is the whole map.
        pool: (ph, pw): max pooling, the OR of the output words over windows of the output map that do not overlap.
        branch: A second operand that is summed before the neuron.
        source: Layer whose output is read, by its place in the network; None: the layer before; -1: the network's input.

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
    pool: tuple[int, int] | None = None
    branch: Branch | None = None
    source: int | None = None
    late: bool = False

    def __post_init__(self) -> None:
        self.weights = as_integers(f"{self.name}: weights", self.weights, np.int8, 2)
        k, n = self.weights.shape
        if k < 1 or n < 1:
            raise NetworkError(f"{self.name}: weights: shape {(k, n)} is not legal: (K, N), both at least 1")
        want, terms = 0, []
        for c in self.convs:
            want += c.taps * c.cin
            terms.append(f"{c.kh} * {c.kw} * {c.cin}")
        if self.conv and k != want:
            raise NetworkError(f"{self.name}: weights: K = {k} is not legal: must be {want}, kh * kw * cin = {' + '.join(terms)}")
        self._check_shape()
        for field in ("bias", "threshold"):
            array = as_integers(f"{self.name}: {field}", getattr(self, field), np.int32, 1)
            if array.shape != (n,):
                raise NetworkError(f"{self.name}: {field}: shape {array.shape} is not legal: must be ({n},), one a column")
            setattr(self, field, array)
        leak = self.leak
        if isinstance(leak, bool) or not isinstance(leak, (int, np.integer)) or not 0 <= int(leak) <= 256:
            raise NetworkError(f"{self.name}: leak = {leak!r} is not legal: must be an integer, 0 to 256")
        self.leak = int(leak)
        for flag in ("soft", "readout", "drop_once", "late"):
            setattr(self, flag, bool(getattr(self, flag)))
        if self.readout and (self.soft or self.late or self.drop_once or self.pool):
            raise NetworkError(f"{self.name}: soft, late, drop_once and pool mean nothing in a readout layer: must be false")

    def _check_shape(self) -> None:
        """Refuses pooling and branches that do not fit the convolution."""
        for field in ("pool", "branch"):
            if getattr(self, field) is not None and self.conv is None:
                raise NetworkError(f"{self.name}: {field} is not legal in a fully connected layer: must be None, or conv be given")
        if self.pool is not None:
            assert self.conv is not None
            for letter, value, size in zip("hw", self.pool, (self.conv.out_h, self.conv.out_w), strict=True):
                if not isinstance(value, (int, np.integer)) or not 1 <= value <= 255 or size % value:
                    raise NetworkError(f"{self.name}: pool: p{letter} = {value!r} is not legal: must be an integer, 1 to 255, that divides "
                                       f"out_{letter} = {size}")  # fmt: skip
            self.pool = (int(self.pool[0]), int(self.pool[1]))
            if self.pool == (1, 1):
                self.pool = None
        if self.branch is not None:
            assert self.conv is not None
            if self.pool:
                raise NetworkError(f"{self.name}: pool is not legal beside a branch: must be None, and pooling a layer of its own")
            out, want = self.branch.conv, self.conv
            if (out.out_h, out.out_w) != (want.out_h, want.out_w):
                raise NetworkError(f"{self.name}: branch: {out.out_h} x {out.out_w} output pixels are not legal: must be "
                                   f"{want.out_h} x {want.out_w}, those of the layer's convolution")  # fmt: skip

    @property
    def convs(self) -> list[Conv]:
        """The windows that make a row: none of a fully connected layer, two with a branch."""
        return [c for c in (self.conv, self.branch.conv if self.branch else None) if c]

    @property
    def operands(self) -> list[Conv | None]:
        """Geometry of everything that is read: of a fully connected layer one without."""
        return list(self.convs) or [None]

    @property
    def pool_size(self) -> int:
        """Output pixels of the convolution that make one output row."""
        return self.pool[0] * self.pool[1] if self.pool else 1

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
            all(getattr(self, name) == getattr(other, name) for name in ("leak", "soft", "late", "readout", "drop_once", "conv", "pool"))
            and (self.branch.conv if self.branch else None) == (other.branch.conv if other.branch else None)
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
    return images_in(layer.name, layer.conv, m_in) * layer.conv.pixels_out // layer.pool_size


def images_in(name: str, conv: Conv, m_in: int) -> int:
    """Images that ``m_in`` rows of a map are.

    Raises:
        NetworkError: No whole images.
    """
    images, rest = divmod(m_in, conv.pixels_in)
    if rest or not images:
        raise NetworkError(f"{name}: {m_in} input rows are not legal: must be a multiple of {conv.pixels_in}, images of "
                           f"{conv.in_h} x {conv.in_w} pixels")  # fmt: skip
    return images


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


def row_groups(operands: Sequence[tuple[npt.NDArray[Any], Conv | None]], group: int) -> Iterator[npt.NDArray[Any]]:
    """The input rows of all outputs, before pooling, at most ``group`` at a time; operands are joined along K."""
    A, conv = operands[0]
    last = len(A) // conv.pixels_in * conv.pixels_out if conv else len(A)
    for m in range(0, last, group):
        to = min(m + group, last)
        rows = [conv_rows(a, c, m, to) if c else a[m:to] for a, c in operands]
        yield rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


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


def layer_naive(
    A: npt.NDArray[np.integer], layer: Layer, second: npt.NDArray[np.integer] | None = None, chunk: int | None = None
) -> npt.NDArray[np.integer]:
    """The layer as plain loops over Python integers, after docs/numerics.md.

    Args:
        A: (M, K, T) spikes, 0 or 1; (images * in_h * in_w, cin, T) of a convolution.
        layer: The layer.
        second: What the layer's branch reads, likewise.
        chunk: Timesteps that the machine runs at once, by default all: what once-firing is counted over.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout; M is :func:`rows_out`.
    """
    K, N, T = layer.k, layer.n, A.shape[2]
    images = A.shape[0] // layer.conv.pixels_in if layer.conv else A.shape[0]
    M = images * layer.conv.pixels_out if layer.conv else images
    spikes = np.zeros((M, N, T), np.uint8)
    values = np.zeros((M, N), np.int64)
    for m in range(M):
        row = naive_row(A, layer.conv, m) if layer.conv else A[m].tolist()
        if layer.branch and second is not None:
            row += naive_row(second, layer.branch.conv, m)
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
                if layer.late:
                    membrane = ((layer.leak * x) >> 8) - (threshold if fires and layer.soft else 0)
                elif layer.soft:
                    membrane = (layer.leak * (x - threshold if fires else x)) >> 8
                else:
                    membrane = 0 if fires else (layer.leak * x) >> 8
    if layer.readout:
        return values
    if layer.pool and layer.conv:
        (ph, pw), width = layer.pool, layer.conv.out_w
        pooled = np.zeros((M // (ph * pw), N, T), np.uint8)
        for m in range(M):
            line, x = divmod(m, width)
            pooled[line // ph * (width // pw) + x // pw] |= spikes[m]
        spikes = pooled
    return drop_once(spikes, chunk) if layer.drop_once else spikes


def drop_once(spikes: npt.NDArray[np.uint8], chunk: int | None = None) -> npt.NDArray[np.uint8]:
    """Silences the outputs that fire in exactly one timestep of a chunk.

    Args:
        spikes: (M, N, T), changed in place.
        chunk: Timesteps of a chunk, by default T.
    """
    T = spikes.shape[2]
    for t in range(0, T, chunk or T):
        part = spikes[:, :, t : t + (chunk or T)]
        part[part.sum(axis=2) == 1] = 0
    return spikes


def or_pool(spikes: npt.NDArray[np.uint8], layer: Layer) -> npt.NDArray[np.uint8]:
    """Max pooling: the OR of the words over windows of the layer's output map.

    Args:
        spikes: (images * out_h * out_w, N, T).
        layer: For ``conv`` and ``pool``.

    Returns:
        (images * out_h / ph * out_w / pw, N, T); the same array if there is no pooling.
    """
    if layer.pool is None or layer.conv is None:
        return spikes
    (ph, pw), (_, n, T) = layer.pool, spikes.shape
    windows = spikes.reshape(-1, layer.conv.out_h // ph, ph, layer.conv.out_w // pw, pw, n, T)
    return np.ascontiguousarray(windows.max(axis=(2, 4))).reshape(-1, n, T)


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
    """The neurons of a layer on given sums: what P-LIF does.

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
        if layer.late:
            membrane = ((layer.leak * x) >> 8) - (fires * threshold if layer.soft else 0)
        else:
            rest = x - fires * threshold if layer.soft else np.where(fires, 0, x)
            membrane = (layer.leak * rest) >> 8
    return spikes


def layer_fast(
    A: npt.NDArray[np.integer], layer: Layer, second: npt.NDArray[np.integer] | None = None, chunk: int | None = None
) -> npt.NDArray[np.integer]:
    """The same as :func:`layer_naive`, vectorised; rows are taken in groups to bound the memory.

    Args:
        A: (M, K, T) spikes, 0 or 1; (images * in_h * in_w, cin, T) of a convolution.
        layer: The layer.
        second: What the layer's branch reads, likewise.
        chunk: Timesteps that the machine runs at once, by default all: what once-firing is counted over.

    Returns:
        (M, N, T) uint8 spikes, or (M, N) int64 integers of a readout; M is :func:`rows_out`.

    Raises:
        NetworkError: A or second does not have the layer's inputs, or no whole images.
    """
    operands = [(A, layer.conv)] + ([(second, layer.branch.conv)] if layer.branch and second is not None else [])
    if (layer.branch is None) != (second is None):
        raise NetworkError(f"{layer.name}: {len(operands)} operands are not legal: must be {2 if layer.branch else 1}")
    for a, conv in operands:
        want = conv.cin if conv else layer.k
        if want != a.shape[1]:
            what = "channels" if conv else "K"
            raise NetworkError(f"{layer.name}: inputs of shape {a.shape} do not fit: {what} must be {want}")
        if conv and images_in(layer.name, conv, len(a)) != len(A) // operands[0][1].pixels_in:  # type: ignore[union-attr]
            raise NetworkError(f"{layer.name}: inputs of {len(A)} and {len(a)} rows do not fit: must be of as many images")
    group = max(1, (1 << 24) // (A.shape[2] * max(layer.k, layer.n)))
    parts = [neurons_fast(sums_fast(rows, layer.weights), layer) for rows in row_groups(operands, group)]
    out = np.concatenate(parts)
    if layer.readout:
        return out
    out = or_pool(out.astype(np.uint8, copy=False), layer)
    return drop_once(out, chunk) if layer.drop_once else out


def run_layers(A: npt.NDArray[np.integer], layers: Sequence[Layer], chunk: int | None = None) -> list[npt.NDArray[np.integer]]:
    """Runs layers one after the other.

    Args:
        A: (M, K, T) input spikes of the first layer.
        layers: Layers; a readout may only be the last.
        chunk: Timesteps that the machine runs at once, by default all.

    Returns:
        The output of every layer, (M, N, T) uint8 spikes or (M, N) int64 of a readout.
    """
    outputs: list[npt.NDArray[np.integer]] = []
    for i, layer in enumerate(layers):
        operands = [A if source < 0 else outputs[source] for source in sources(layer, i)]
        outputs.append(layer_fast(operands[0], layer, operands[1] if layer.branch else None, chunk))
    return outputs


def sources(layer: Layer, place: int) -> list[int]:
    """What the layer at a place in a network reads: layers by their places, -1 for the network's input; the branch last."""
    return [place - 1 if layer.source is None else layer.source, *([layer.branch.source] if layer.branch else [])]


@dataclass(frozen=True)
class Work:
    """What a layer costs, independent of any timing; the RTL's counters must agree.

    Attributes:
        matches: Pairs (m, k, n) with a neuron that is not silent and a weight that is not zero; in SEQUENTIAL one for each of its spikes.
        corrections: Those of them whose packed word is not all ones; none in FAST and SEQUENTIAL, which do not speculate.
        empty_chunks: Triples (m, n, window of chunks) without any match; in SEQUENTIAL for each timestep.
        floor: ceil(matches / NUM_TPPES), cycles that no machine with one match a cycle and TPPE can beat.
    """

    matches: int
    corrections: int
    empty_chunks: int
    floor: int


def work(
    A: npt.NDArray[np.integer], weights: npt.NDArray[np.integer], cfg: Config, conv: Conv | None = None,
    branch: tuple[npt.NDArray[np.integer], Conv] | None = None,
) -> Work:  # fmt: skip
    """Counts the work of one layer.

    Args:
        A: (M, K, T) spikes; (images * in_h * in_w, cin, T) of a convolution. Chunks of the machine's T count apart.
        weights: (K, N).
        cfg: For T, CHUNK_W, WINDOW, NUM_TPPES, LAGGY and SEQUENTIAL; of a convolution also SLICE_W, to which the machine pads the channels.
        conv: Geometry of a convolution.
        branch: Spikes and geometry of a second operand.
    """
    operands = [(A, conv), *([branch] if branch else [])]
    weights, operands = pad_operands(operands, weights, cfg.SLICE_W)
    nonzero = weights != 0
    per_k, right = nonzero.sum(axis=1, dtype=np.int64), nonzero.astype(np.float32)
    matches = corrections = empty = 0
    # in sequence the machine walks every timestep of a chunk, also those behind the last
    together, steps = (1, -(-A.shape[2] // cfg.T) * cfg.T) if cfg.SEQUENTIAL else (cfg.T, A.shape[2])
    for t in range(0, steps, together):
        counts = [(a[:, :, t : t + together].sum(axis=2, dtype=np.uint8)[:, :, None], c) for a, c in operands]
        for rows in row_groups(counts, max(1, (1 << 24) // max(nonzero.shape))):
            spikes = rows[:, :, 0]
            live = spikes > 0
            matches += int(live.sum(axis=0, dtype=np.int64) @ per_k)
            corrections += int((live & (spikes < cfg.T)).sum(axis=0, dtype=np.int64) @ per_k) if cfg.LAGGY else 0
            left = live.astype(np.float32)
            for k in range(0, len(nonzero), cfg.window_w):
                empty += int(np.count_nonzero(left[:, k : k + cfg.window_w] @ right[k : k + cfg.window_w] == 0))
    return Work(matches, corrections, empty, -(-matches // cfg.NUM_TPPES))


def pad_operands(
    operands: Sequence[tuple[npt.NDArray[Any], Conv | None]], weights: npt.NDArray[Any], step: int
) -> tuple[npt.NDArray[Any], list[tuple[npt.NDArray[Any], Conv | None]]]:
    """Weights and spikes of a layer with the channels of every pixel rounded up to a multiple of ``step``."""
    convs = [c for _, c in operands if c]
    wide = pad_rows(weights, convs, step)
    padded = [(np.pad(a, ((0, 0), (0, c.padded(step).cin - c.cin), (0, 0))), c.padded(step)) if c else (a, c) for a, c in operands]
    return wide, padded


def pad_rows(weights: npt.NDArray[Any], convs: Sequence[Conv], step: int) -> npt.NDArray[Any]:
    """(K, N) weights of one or two windows with zero rows for the channels that :meth:`Conv.padded` adds to each."""
    if not convs:
        return weights
    parts, start = [], 0
    for conv in convs:
        end = start + conv.taps * conv.cin
        parts.append(conv.pad_weights(weights[start:end], step))
        start = end
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
