# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Fibers: compression of spike rows and weight blocks to bytes, and back with every check.

The layout is docs/image-format.md. Everything is vectorised over rows, or over the columns of a block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden import index_code
from golden.config import Config
from golden.errors import LoasError

Bytes = npt.NDArray[np.uint8]


class FiberError(LoasError):
    """A fiber contradicts itself; ``offset`` is the byte within the row or block."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(text)
        self.offset = offset


def align(value: int, step: int) -> int:
    """The smallest multiple of ``step`` at or above ``value``."""
    return -(-value // step) * step


def row_bytes(k: int, cfg: Config) -> int:
    """Bytes of the longest fiber of a row of ``k`` neurons: header, masks, words, in whole chunks."""
    words = -(-k * cfg.word_w // cfg.CHUNK_W)
    return cfg.chunk_bytes * (1 + cfg.num_chunks(k) + words)


def row_stride(k: int, cfg: Config) -> int:
    """Line-aligned bytes that hold every fiber of ``k`` neurons."""
    return align(row_bytes(k, cfg), cfg.line_bytes)


def readout_stride(n: int, cfg: Config) -> int:
    """Line-aligned bytes of a readout row of ``n`` integers."""
    return align(4 * n, cfg.line_bytes)


def pack_fields(values: npt.NDArray[np.integer], width: int) -> Bytes:
    """Packs values of 1, 2, 4, 8 or 16 bits tightly, low bits first.

    Args:
        values: (rows, count) nonnegative, below 2^width.
        width: Bits of a value.

    Returns:
        (rows, ceil(count * width / 8)) uint8, the last bits zero.
    """
    rows, count = values.shape
    if width >= 8:
        return np.ascontiguousarray(values.astype(f"<u{width // 8}")).view(np.uint8).reshape(rows, -1)
    per = 8 // width
    padded = np.zeros((rows, align(count, per)), np.uint8)
    padded[:, :count] = values
    parts = padded.reshape(rows, -1, per)
    packed = parts[:, :, 0].copy()
    for i in range(1, per):
        packed |= parts[:, :, i] << np.uint8(i * width)
    return packed


def unpack_fields(data: Bytes, width: int) -> npt.NDArray[np.uint16]:
    """The inverse of :func:`pack_fields`.

    Args:
        data: (rows, bytes) uint8.
        width: Bits of a value: 1, 2, 4, 8 or 16.

    Returns:
        (rows, bytes * 8 / width) uint16.
    """
    rows = data.shape[0]
    if width >= 8:
        return np.ascontiguousarray(data).view(f"<u{width // 8}").reshape(rows, -1).astype(np.uint16)
    shifts = np.arange(0, 8, width, dtype=np.uint8)
    parts = (data[:, :, None] >> shifts) & np.uint8((1 << width) - 1)
    return parts.reshape(rows, -1).astype(np.uint16)


def pack_masks(mask: npt.NDArray[np.bool_], cfg: Config) -> Bytes:
    """Bitmask chunks.

    Args:
        mask: (rows, K) bool.

    Returns:
        (rows, num_chunks(K) * chunk_bytes) uint8; padding bits are zero.
    """
    rows, k = mask.shape
    out = np.zeros((rows, cfg.num_chunks(k) * cfg.chunk_bytes), np.uint8)
    out[:, : -(-k // 8)] = np.packbits(mask, axis=1, bitorder="little")
    return out


def compress_rows(spikes: npt.NDArray[np.integer], cfg: Config, stride: int | None = None) -> Bytes:
    """Compresses rows of spikes to fibers.

    Args:
        spikes: (M, K, T) 0 or 1, T as in the configuration.
        cfg: For chunk and word width.
        stride: Bytes of a row in the result, by default :func:`row_stride`.

    Returns:
        (M, stride) uint8, zero after the end of each fiber.
    """
    M, K, T = spikes.shape
    stride = row_stride(K, cfg) if stride is None else stride
    words = spikes.astype(np.uint16) @ (1 << np.arange(T, dtype=np.uint16)).astype(np.uint16)
    mask = words != 0
    counts = mask.sum(axis=1)
    out = np.zeros((M, stride), np.uint8)
    out[:, :4] = counts.astype("<u4")[:, None].view(np.uint8)
    masks = pack_masks(mask, cfg)
    start = cfg.chunk_bytes
    out[:, start : start + masks.shape[1]] = masks
    start += masks.shape[1]
    rows, cols = np.nonzero(mask)
    dense = np.zeros((M, K), np.uint16)
    rank = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    dense[rows, rank] = words[rows, cols]
    packed = pack_fields(dense, cfg.word_w)
    out[:, start : start + packed.shape[1]] = packed
    return out


def fiber_bytes(rows: Bytes, k: int, cfg: Config) -> npt.NDArray[np.int64]:
    """Bytes that each row's fiber takes, in whole chunks, from its header.

    Args:
        rows: (M, stride) uint8.
    """
    counts = rows[:, :4].copy().view("<u4")[:, 0].astype(np.int64)
    return cfg.chunk_bytes * (1 + cfg.num_chunks(k) + -(-counts * cfg.word_w // cfg.CHUNK_W))


def decompress_rows(rows: Bytes, k: int, cfg: Config, *, clean: bool = False) -> npt.NDArray[np.uint8]:
    """Decompresses fibers with every check.

    Args:
        rows: (M, stride) uint8, stride at least the longest fiber.
        k: Neurons of a row.
        cfg: For T, chunk and word width.
        clean: Also demand zeros from the end of the fiber to the end of the stride.

    Returns:
        (M, k, T) uint8 spikes.

    Raises:
        FiberError: Count and mask disagree, a word is zero or has bits at or above T, or padding is not zero.
    """
    M = rows.shape[0]
    cb, nch = cfg.chunk_bytes, cfg.num_chunks(k)

    def refuse(bad: npt.NDArray[np.bool_], base: int, text: str) -> None:
        if bad.any():
            row, at = (int(v) for v in np.argwhere(bad)[0])
            raise FiberError(row * rows.shape[1] + base + at, f"row {row}: {text}")

    refuse(rows[:, 4:cb] != 0, 4, "header chunk is not zero after the word count")
    masks = rows[:, cb : cb + nch * cb]
    bits = np.unpackbits(masks, axis=1, bitorder="little")
    refuse(bits[:, k:] != 0, cb, f"bitmask has a bit at or after neuron {k}")
    mask = bits[:, :k].astype(bool)
    ones = mask.sum(axis=1)
    counts = np.ascontiguousarray(rows[:, :4]).view("<u4")[:, 0].astype(np.int64)
    if (counts != ones).any():
        row = int(np.argmax(counts != ones))
        raise FiberError(row * rows.shape[1], f"row {row}: word count = {counts[row]} is not legal: the bitmask has {ones[row]} ones")
    start = cb * (1 + nch)
    area = rows[:, start : start + -(-k * cfg.word_w // 8)]
    dense = unpack_fields(area, cfg.word_w)[:, : max(k, 1)]
    used = np.arange(dense.shape[1])[None, :] < counts[:, None]
    refuse(used & (dense == 0), start, "a packed word is zero though its neuron is marked not silent")
    refuse(used & (dense >> cfg.T != 0), start, f"a packed word has a bit at or above T = {cfg.T}")
    end = start + -(-counts * cfg.word_w // 8)
    stop = np.full(M, rows.shape[1]) if clean else fiber_bytes(rows, k, cfg)
    place = np.arange(rows.shape[1])[None, :]
    refuse((rows != 0) & (place >= end[:, None]) & (place < stop[:, None]), 0, "bytes after the last word are not zero")
    if cfg.word_w < 8:  # the words that share the last byte
        refuse(~used & (dense != 0) & (np.arange(dense.shape[1])[None, :] * cfg.word_w // 8 < (end - start)[:, None]),
               start, "bits after the last word are not zero")  # fmt: skip
    words = np.zeros((M, k), np.uint16)
    words[mask] = dense[used]
    return ((words[:, :, None] >> np.arange(cfg.T, dtype=np.uint16)) & 1).astype(np.uint8)


def block_bytes(cols: int, k: int, nnz: int, cfg: Config, index_bytes: int | None = None) -> tuple[int, int, int]:
    """Where the parts of a weight block lie, in bytes from its start.

    Args:
        cols: Columns of the block.
        k: Inputs.
        nnz: Nonzero weights.
        cfg: For chunk width and weight width.
        index_bytes: Bytes of the index code; None: bitmasks.

    Returns:
        Offset of the masks, offset of the weights, length with padding.
    """
    masks = align(8 * cols, cfg.chunk_bytes)
    places = cols * cfg.num_chunks(k) * cfg.chunk_bytes if index_bytes is None else align(index_bytes, cfg.chunk_bytes)
    weights = masks + places
    return masks, weights, align(weights + -(-nnz * cfg.wslot_w // 8), max(8, cfg.chunk_bytes))


def compress_blocks(
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.int32],
    block_cols: int,
    cfg: Config,
    index: bool | None = None,
) -> tuple[Bytes, list[tuple[int, int, int, int]], bool]:
    """Compresses the weights of a layer to consecutive blocks of columns.

    Args:
        weights: (K, N) int8.
        bias: (N,) int32.
        threshold: (N,) int32.
        block_cols: Columns of a block; the last may have fewer.
        cfg: For chunk width, weight width and INDEX_RATE.
        index: Places as an index code (:mod:`golden.index_code`), or as bitmasks; None: what is smaller.

    Returns:
        The blocks, (bytes,) uint8; for each the offsets of records, places and weights, and its number of nonzero weights;
        and whether places are an index code.
    """
    K, N = weights.shape
    columns = np.ascontiguousarray(weights.T)
    mask = columns != 0
    counts = np.count_nonzero(mask, axis=1)
    params = np.stack([bias, threshold], axis=1).astype("<i4").view(np.uint8).reshape(N, 8)
    masks = pack_masks(mask, cfg)
    firsts = range(0, N, block_cols)
    strings = None
    if index or (index is None and cfg.INDEX_RATE and counts.sum() < masks.size):  # a weight takes a byte at least
        flat, width = np.flatnonzero(mask), align(K, cfg.window_w)
        parts = np.split(flat + flat // K * (width - K), np.cumsum(np.add.reduceat(counts, firsts))[:-1])
        strings = [index_code.encode_places(part - first * width) for part, first in zip(parts, firsts, strict=True)]
        if index is None and sum(align(len(some), cfg.chunk_bytes) for some in strings) >= masks.size:
            strings = None
    table: list[tuple[int, int, int, int]] = []
    position = 0
    for i, first in enumerate(firsts):
        part = counts[first : first + block_cols]
        nnz = int(part.sum())
        to_masks, to_weights, size = block_bytes(part.size, K, nnz, cfg, len(strings[i]) if strings else None)
        table.append((position, position + to_masks, position + to_weights, nnz))
        position += size
    out = np.zeros(position, np.uint8)
    values = columns[mask]
    done = 0
    for i, (first, (start, places, some, nnz)) in enumerate(zip(firsts, table, strict=True)):
        def put(at: int, data: Bytes) -> None:
            out[at : at + data.size] = data

        put(start, params[first : first + block_cols].reshape(-1))
        put(places, np.frombuffer(strings[i], np.uint8) if strings else masks[first : first + block_cols].reshape(-1))
        block = values[done : done + nnz].view(np.uint8)
        done += nnz
        put(some, pack_fields((block & 15)[None, :], 4)[0] if cfg.wslot_w < 8 else block)
    return out, table, strings is not None


def decompress_block(
    data: Bytes, cols: int, k: int, nnz: int, cfg: Config, index_bytes: int | None = None
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Decompresses one weight block with every check.

    Args:
        data: (bytes,) uint8, as long as :func:`block_bytes` says.
        cols: Columns of the block.
        k: Inputs.
        nnz: Nonzero weights, from the block table.
        cfg: For chunk width and weight width.
        index_bytes: Bytes of the index code with its padding; None: bitmasks.

    Returns:
        Weights (k, cols) int8, bias (cols,) int32, threshold (cols,) int32.

    Raises:
        FiberError: Count and masks disagree, a stored weight is zero or too wide, or padding is not zero.
    """
    to_masks, to_weights, end = block_bytes(cols, k, nnz, cfg, index_bytes)
    params = np.ascontiguousarray(data[: 8 * cols]).view("<i4").reshape(cols, 2).astype(np.int32)
    if data[8 * cols : to_masks].any():
        raise FiberError(8 * cols, "bytes after the parameter records are not zero")
    width = cfg.num_chunks(k) * cfg.CHUNK_W if index_bytes is None else align(k, cfg.window_w)
    if index_bytes is None:
        bits = np.unpackbits(data[to_masks:to_weights].reshape(cols, -1), axis=1, bitorder="little")
    else:
        try:
            places = index_code.decode(np.ascontiguousarray(data[to_masks:to_weights]), nnz, cols * width)
            bits = places.view(np.uint8).reshape(cols, width)
        except index_code.IndexCodeError as err:
            raise FiberError(to_masks + err.offset, str(err)) from err
        spare = index_code.used(np.ascontiguousarray(data[to_masks:to_weights]), nnz)
        if index_bytes - spare >= cfg.chunk_bytes:
            raise FiberError(to_masks + spare, f"the index has {index_bytes} bytes: must be the chunks of its {spare} bytes")
    if bits[:, k:].any():
        col = int(np.argmax(bits[:, k:].any(axis=1)))
        raise FiberError(to_masks + col * width // 8 * (index_bytes is None), f"column {col}: bitmask has a bit at or after input {k}")
    mask = bits[:, :k].astype(bool)
    ones = int(np.count_nonzero(mask))
    if ones != nnz:
        raise FiberError(to_masks, f"the bitmasks have {ones} ones: must be nnz = {nnz}")
    stop = to_weights + -(-nnz * cfg.wslot_w // 8)
    stored = data[to_weights:stop]
    if cfg.wslot_w < 8:
        nibbles = unpack_fields(stored[None, :], 4)[0].astype(np.int16)
        if nibbles[nnz:].any():
            raise FiberError(stop - 1, "bits after the last weight are not zero")
        values = (np.where(nibbles[:nnz] < 8, nibbles[:nnz], nibbles[:nnz] - 16)).astype(np.int8)
    else:
        values = stored.view(np.int8)
    bad = (values == 0) | (values < cfg.weight_min) | (values > cfg.weight_max)
    if bad.any():
        at = int(np.argmax(bad))
        raise FiberError(
            to_weights + at * cfg.wslot_w // 8,
            f"stored weight {at} = {values[at]} is not legal: must be {cfg.weight_min} to {cfg.weight_max}, not 0",
        )
    if data[stop:end].any():
        raise FiberError(stop, "bytes after the last weight are not zero")
    weights = np.zeros((cols, k), np.int8)
    weights[mask] = values
    return weights.T, params[:, 0].copy(), params[:, 1].copy()
