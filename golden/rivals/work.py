# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A layer's workload as every model takes it: which neurons fire when, and which weights are not zero."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import Config
from golden.errors import LoasError
from golden.layer import Conv, Layer, as_spikes, conv_rows, images_in, pad_rows
from golden.layout import LayerLayout

MOST_STEPS = 16  # bits of a packed word, as spec/configs.toml allows a machine


class WorkError(LoasError):
    """A workload or a request to a model is not legal; names field, value and what is legal."""


Words = npt.NDArray[np.uint16]
Mask = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]


def pack_words(spikes: npt.NDArray[np.integer]) -> Words:
    """(..., T) spikes, 0 or 1, as (...) packed words: bit t is timestep t."""
    steps = np.arange(spikes.shape[-1], dtype=np.uint16)
    return np.asarray((spikes.astype(np.uint16) << steps).sum(axis=-1, dtype=np.uint16))


def pack_bits(mask: npt.NDArray[np.bool_], width: int) -> Bits:
    """(rows, K) bool as (rows, width / 64) uint64, bit k % 64 of word k // 64; ``width`` is a multiple of 64 from K."""
    wide = np.zeros((mask.shape[0], width), np.bool_)
    wide[:, : mask.shape[1]] = mask
    return np.ascontiguousarray(np.packbits(wide, axis=1, bitorder="little")).view(np.uint64)


def windows_of(words: Words, conv: Conv | None) -> Words:
    """(rows, channels) packed words of a map as (M, K) of the rows of the spMspM; without a geometry they are that already."""
    return words if conv is None else conv_rows(words[:, :, None], conv)[:, :, 0]


@dataclass(eq=False)
class Work:
    """What a layer asks of a machine, whichever it is.

    Attributes:
        layer: The layer.
        maps: For each operand (two with a branch) the (rows, channels) uint16 packed words that are stored, bit t is timestep t.
        T: Timesteps.
        place: Where an image for LoAS puts it, which decides the banks of its lines; by default an image of its own.
    """

    layer: Layer
    maps: tuple[Words, ...]
    T: int
    place: LayerLayout | None = None

    @staticmethod
    def of(layer: Layer, spikes: npt.ArrayLike, second: npt.ArrayLike | None = None, *, place: LayerLayout | None = None) -> Work:
        """The work of a layer on given spikes.

        Args:
            layer: The layer.
            spikes: (M, K, T), 0 or 1; (images * in_h * in_w, cin, T) of a convolution.
            second: What the layer's branch reads, likewise.
            place: Where an image for LoAS puts it.

        Raises:
            WorkError: T is not 1 to 16, or the channels do not fit the layer.
            NetworkError: Values other than 0 and 1, or rows of a convolution that are no whole images.
        """
        given = [spikes] + ([] if second is None else [second])
        if len(given) != len(layer.operands):
            raise WorkError(f"{layer.name}: operands = {len(given)} is not legal: must be {len(layer.operands)}, with a branch two")
        maps: list[Words] = []
        steps = 0
        for what, one, conv in zip(("spikes", "second"), given, layer.operands, strict=False):
            array = as_spikes(f"{layer.name}: {what}", one)
            rows, channels, T = array.shape
            if not 1 <= T <= MOST_STEPS:
                raise WorkError(f"{layer.name}: {what}: T = {T} is not legal: must be 1 to {MOST_STEPS}")
            if steps not in (0, T):
                raise WorkError(f"{layer.name}: {what}: T = {T} is not legal: must be {steps}, as of the spikes")
            want = conv.cin if conv else layer.k
            if channels != want:
                raise WorkError(f"{layer.name}: {what}: {channels} channels are not legal: must be {want}")
            if conv:
                images_in(layer.name, conv, rows)
            steps = T
            maps.append(pack_words(array))
        return Work(layer, tuple(maps), steps, place)

    # ---- sizes
    @functools.cached_property
    def M(self) -> int:
        """Rows of the spMspM: output pixels before pooling."""
        conv = self.layer.conv
        return len(self.maps[0]) // conv.pixels_in * conv.pixels_out if conv else len(self.maps[0])

    @property
    def K(self) -> int:
        """Inputs of an output."""
        return self.layer.k

    @property
    def N(self) -> int:
        """Columns."""
        return self.layer.n

    @property
    def rows_out(self) -> int:
        """Output rows, after pooling."""
        return self.M // self.layer.pool_size

    # ---- contents
    @functools.cached_property
    def words(self) -> Words:
        """(M, K) uint16 packed words of all rows; zero where a neuron is silent or outside of the map."""
        parts = [windows_of(words, conv) for words, conv in zip(self.maps, self.layer.operands, strict=True)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    @functools.cached_property
    def nonzero(self) -> Mask:
        """(K, N) bool: weights that are not zero."""
        return np.asarray(self.layer.weights != 0)

    @functools.cached_property
    def matches(self) -> int:
        """Pairs (m, k, n) of a neuron that is not silent and a weight that is not zero."""
        return int(np.count_nonzero(self.words, axis=0).astype(np.int64) @ self.nonzero.sum(axis=1, dtype=np.int64))

    @functools.cached_property
    def matches_t(self) -> tuple[int, ...]:
        """Likewise of spikes, for each timestep: accumulations of a machine that runs the timesteps one by one."""
        per_k = self.nonzero.sum(axis=1, dtype=np.int64)
        return tuple(int(np.count_nonzero(self.words >> t & 1, axis=0).astype(np.int64) @ per_k) for t in range(self.T))

    @functools.cached_property
    def corrections(self) -> int:
        """Matches whose packed word is not all ones."""
        partial = (self.words != 0) & (self.words != (1 << self.T) - 1)
        return int(partial.sum(axis=0, dtype=np.int64) @ self.nonzero.sum(axis=1, dtype=np.int64))

    def pad(self, step: int) -> tuple[Words, Mask]:
        """``words`` and ``nonzero`` with the channels of every pixel rounded up to a multiple of ``step``, as LoAS lays them out."""
        convs = self.layer.convs
        if not any(conv.cin % step for conv in convs):
            return self.words, self.nonzero
        parts = []
        for words, conv in zip(self.maps, convs, strict=True):
            wide = conv.padded(step)
            parts.append(windows_of(np.pad(words, ((0, 0), (0, wide.cin - conv.cin))), wide))
        return (parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)), pad_rows(self.nonzero, convs, step)

    def chunks(self, steps: int) -> list[Work]:
        """The work cut into chunks of at most ``steps`` timesteps."""
        if self.T <= steps:
            return [self]
        mask = np.uint16((1 << steps) - 1)
        return [Work(self.layer, tuple((words >> t & mask).astype(np.uint16) for words in self.maps), min(steps, self.T - t))
                for t in range(0, self.T, steps)]  # fmt: skip

    @functools.cached_property
    def output_words(self) -> Words:
        """(rows_out, N) uint16 packed output words of the layer, by the golden model; zeros of a readout."""
        if self.layer.readout:
            return np.zeros((self.rows_out, self.N), np.uint16)
        from golden.layer import layer_fast

        steps = np.arange(self.T, dtype=np.uint16)
        spikes = [np.asarray((words[:, :, None] >> steps & 1).astype(np.uint8)) for words in self.maps]
        return pack_words(layer_fast(spikes[0], self.layer, spikes[1] if len(spikes) > 1 else None))


def need(ok: bool, cfg: Config, field: str, value: object, legal: str) -> None:
    """Refuses a request.

    Raises:
        WorkError: Not ``ok``; names configuration, field, value and what is legal.
    """
    if not ok:
        raise WorkError(f"configuration {cfg.name}: {field} = {value} is not legal: must be {legal}")
