# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The memory image: write, read with every check, and extract results from a memory dump.

Word numbers come from ``spec/image.toml``; docs/image-format.md describes the format bit by bit.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import fiber
from golden.config import Config
from golden.fiber import FiberError, align
from golden.layer import Branch, Layer, NetworkError, as_spikes, pad_rows, sources
from golden.layout import (
    BLOCK_BYTES,
    COUNTERS,
    DESCRIPTOR,
    DESCRIPTOR_BYTES,
    HEADER,
    HEADER_BYTES,
    KIND_CONV,
    MAGIC,
    MAX_BYTES,
    MOST_ROWS,
    PERF_BYTES,
    VERSION,
    WALK,
    WALK_BYTES,
    LayerLayout,
    Layout,
    Region,
    check_tiling,
    choose_tiling,
    row_strides,
    spike_buffers,
)
from golden.network import Network, check_inputs
from golden.parse import image_config, parse_layout
from golden.record import ImageError, Memory

__all__ = [
    "COUNTERS", "DESCRIPTOR", "HEADER", "MAX_BYTES", "VERSION", "WALK", "Image", "ImageError", "LayerLayout", "Layout", "Memory", "Region",
    "choose_tiling", "image_config", "parse_layout", "read_image", "read_outputs", "read_perf", "read_rows", "reseal", "write_image",
]  # fmt: skip


@dataclass
class Image:
    """An image taken apart.

    Attributes:
        cfg: Configuration it is for.
        network: Its network; layers are called layer0, layer1, ...
        spikes: (M, K, T) uint8 input spikes; rows are pixels where the first layer is a convolution.
        layout: Where everything lies.
    """

    cfg: Config
    network: Network
    spikes: npt.NDArray[np.uint8]
    layout: Layout


def _seal(image: bytearray) -> None:
    """Writes the checksum of the header."""
    struct.pack_into("<I", image, 4 * HEADER["crc"], 0)
    struct.pack_into("<I", image, 4 * HEADER["crc"], zlib.crc32(image))


def write_image(
    network: Network,
    spikes: npt.NDArray[np.integer],
    cfg: Config,
    tilings: Sequence[tuple[int, int]] | None = None,
    *,
    keep: bool = True,
    index: Sequence[bool] | None = None,
    layer_done: Callable[[], None] | None = None,
) -> bytes:
    """Packs a network and its input spikes to a memory image.

    Args:
        network: Layers; every column is checked against overflow.
        spikes: (M, K, T) input spikes, 0 or 1, T of the network; (pixels of all images, channels, T) before a convolution.
        cfg: The machine it is for.
        tilings: (block columns, tile rows) of each layer, by default :func:`golden.layout.choose_tiling`.
        keep: Every layer's output stays in memory, to be compared; else buffers are used again.
        index: For each layer whether the places of its weights are an index code; by default where that is smaller and the
            machine has a decoder.
        layer_done: Called after each layer, for progress.

    Returns:
        The image; output, membrane and performance regions are zero.

    Raises:
        NetworkError: Sizes, timesteps or index codes do not fit the configuration, rows are no whole images, or the image would
            reach 2^31 bytes.
        BoundError: A column could overflow.
    """
    spikes = as_spikes("input spikes", spikes)
    check_inputs(network, spikes)
    network.check(cfg)
    chunks = -(-network.T // cfg.T)
    if chunks * len(network.layers) > 65535:
        raise NetworkError(
            f"{network.name}: {chunks} chunks of {len(network.layers)} layers are not legal: must be at most 65535 descriptors"
        )
    counts = network.rows(spikes.shape[0])
    for what, m in (("input spikes", len(spikes)), *((layer.name, m) for layer, m in zip(network.layers, counts, strict=True))):
        if m > MOST_ROWS:
            raise NetworkError(f"{network.name}: {what}: M = {m} rows are not legal: must be 1 to {MOST_ROWS}")
    if index and True in index and not cfg.INDEX_RATE:
        name = network.layers[list(index).index(True)].name
        raise NetworkError(f"{network.name}: {name}: index = True is not legal: INDEX_RATE of configuration {cfg.name} is 0")
    if tilings is None:
        tilings = [choose_tiling(layer, m, cfg, chunks > 1) for layer, m in zip(network.layers, counts, strict=True)]
    line = cfg.line_bytes
    position = align(HEADER_BYTES, max(64, line))

    def take(size: int, step: int = line) -> int:
        nonlocal position
        start = align(position, step)
        position = align(start + size, line)
        return start

    desc_offset = take(DESCRIPTOR_BYTES * len(network.layers) * chunks, max(64, line))
    first: list[LayerLayout] = []
    data: list[npt.NDArray[np.uint8]] = []
    for i, (layer, m, (cols, rows)) in enumerate(zip(network.layers, counts, tilings, strict=True)):
        weights = pad_rows(layer.weights, layer.convs, cfg.SLICE_W)
        lay = LayerLayout(
            m, len(weights), layer.n, layer.leak, layer.soft, layer.readout, layer.drop_once, cols, rows, layer.conv, layer.pool,
            layer.branch.conv if layer.branch else None, layer.late, carry_out=chunks > 1, sources=sources(layer, i),
        )  # fmt: skip
        check_tiling(lay, cfg, layer.name)
        packed, table, lay.index = fiber.compress_blocks(weights, layer.bias, layer.threshold, cols, cfg, index[i] if index else None)
        lay.block_table = take(BLOCK_BYTES * lay.num_blocks)
        lay.b_base = take(packed.size)
        lay.b_end = lay.b_base + align(packed.size, line)
        lay.blocks = [(lay.b_base + params, lay.b_base + masks, lay.b_base + some, nnz) for params, masks, some, nnz in table]
        first.append(lay)
        data.append(packed)
        if layer_done:
            layer_done()
    base = [take(len(spikes) * fiber.row_stride(spikes.shape[1], cfg)) for _ in range(chunks)]
    sizes = [lay.m * row_strides(layer, cfg) for layer, lay in zip(network.layers, first, strict=True)]
    outputs = spike_buffers(network.layers, sizes, chunks, keep, take)
    for lay in first:
        if chunks > 1:
            lay.state = take(lay.state_bytes(cfg))
    layouts: list[LayerLayout] = []
    for c in range(chunks):
        for i, (layer, one) in enumerate(zip(network.layers, first, strict=True)):
            lay = dataclasses.replace(one, steps=min(cfg.T, network.T - c * cfg.T), carry_in=c > 0, carry_out=c < chunks - 1)
            reads = [(base[c], fiber.row_stride(spikes.shape[1], cfg)) if source < 0 else
                     (outputs[c][source], row_strides(network.layers[source], cfg)) for source in lay.sources]  # fmt: skip
            lay.a_base, lay.a_stride = reads[0]
            lay.branch_base, lay.branch_stride = reads[1] if lay.branch else (0, 0)
            lay.out_base, lay.out_stride = outputs[c][i], row_strides(layer, cfg)
            lay.walk = take(WALK_BYTES, max(64, line)) if lay.conv else 0
            lay.branch_walk = take(WALK_BYTES, max(64, line)) if lay.branch else 0
            lay.perf_ptr = take(PERF_BYTES)
            layouts.append(lay)
    if position >= MAX_BYTES:
        raise NetworkError(f"{network.name}: the image would have {position} bytes: must be less than {MAX_BYTES}")

    image = np.zeros(position, np.uint8)

    def put(start: int, some: npt.NDArray[Any]) -> None:
        flat = np.ascontiguousarray(some).view(np.uint8).reshape(-1)
        image[start : start + flat.size] = flat

    header = {
        "magic": MAGIC, "version": VERSION, "size": position, "desc_offset": desc_offset, "num_layers": len(layouts),
        "input_offset": base[0], "input_rows": len(spikes), "output_offset": layouts[-1].out_base,
        "input_channels": first[0].conv.cin if first[0].conv else 0, "steps": network.T,
        **{f"config{i}": word for i, word in enumerate(cfg.image_words)},
    }  # fmt: skip
    words = np.zeros(16, "<u4")
    for name, value in header.items():
        words[HEADER[name]] = value
    put(0, words)
    put(desc_offset, np.array([lay.words() for lay in layouts], "<u4"))
    for lay, packed in zip(first, data, strict=True):
        put(lay.block_table, np.array(lay.blocks, "<u4"))
        put(lay.b_base, packed)
    for lay in layouts:
        if lay.conv:
            put(lay.walk, np.array(lay.walk_words(cfg), "<u4"))
        if lay.branch:
            put(lay.branch_walk, np.array(lay.branch_words(cfg), "<u4"))
    for c, at in enumerate(base):
        part = spikes[:, :, c * cfg.T : (c + 1) * cfg.T]
        part = np.pad(part, ((0, 0), (0, 0), (0, cfg.T - part.shape[2])))
        put(at, fiber.compress_rows(part, cfg))
    words[HEADER["crc"]] = zlib.crc32(image.data)
    put(0, words)
    return image.tobytes()


def read_image(
    data: Memory, cfg: Config | None = None, *, verify_crc: bool = True, layer_done: Callable[[], None] | None = None
) -> Image:
    """Takes an image apart with every check; the inverse of :func:`write_image`.

    Args:
        data: The whole image, or a memory dump after a run (``verify_crc=False``).
        cfg: Demand this configuration; by default the image's own.
        verify_crc: Check the checksum, and that outputs are still zero.
        layer_done: Called after each layer, for progress.

    Raises:
        ImageError: Names offset, field, value and what is legal.
    """
    layout = parse_layout(data, cfg, verify_crc=verify_crc)
    cfg = layout.cfg
    view = np.frombuffer(data, np.uint8)
    layers = []
    for index, lay in enumerate(layout.network):
        parts, end = [], lay.b_base
        for i, (params, masks, some, nnz) in enumerate(lay.blocks):
            cols = min(lay.block_cols, lay.n - i * lay.block_cols)
            index_bytes = some - masks if lay.index else None
            end = params + fiber.block_bytes(cols, lay.k, nnz, cfg, index_bytes)[2]
            try:
                parts.append(fiber.decompress_block(view[params:end], cols, lay.k, nnz, cfg, index_bytes))
            except FiberError as err:
                raise ImageError(f"offset {params + err.offset:#x}: layer {index}: block {i}: {err}") from err
        weights, bias, threshold = (np.concatenate([p[j] for p in parts], axis=-1) for j in range(3))
        if view[end : lay.b_end].any():
            raise ImageError(f"offset {end:#x}: layer {index}: bytes after the last block are not zero")
        windows, first = [], 0
        for conv in (lay.conv, lay.branch):
            if conv:
                wide = conv.padded(cfg.SLICE_W)
                taps = weights[first : first + wide.taps * wide.cin].reshape(conv.taps, wide.cin, lay.n)
                first += wide.taps * wide.cin
                if taps[:, conv.cin :].any():
                    raise ImageError(f"offset {lay.b_base:#x}: layer {index}: a weight of a channel at or after {conv.cin} is not zero")
                windows.append(taps[:, : conv.cin].reshape(-1, lay.n))
        weights = np.ascontiguousarray(np.concatenate(windows) if windows else weights)
        layers.append(Layer(
            weights, bias, threshold, lay.leak, lay.soft, lay.readout, lay.drop_once, f"layer{index}", lay.conv, lay.pool,
            Branch(lay.sources[1], lay.branch) if lay.branch else None, None if lay.sources[0] == index - 1 else lay.sources[0], lay.late,
        ))  # fmt: skip
        if layer_done:
            layer_done()
    try:
        network = Network("image", layout.steps, layers)
    except NetworkError as err:  # what no single word says
        raise ImageError(f"offset {layout.desc_offset:#x}: layers do not join: {err}") from err
    columns = network.input_shape()[0]
    parts_in = [read_rows(data, base, stride, layout.input_rows, columns, cfg, clean=True) for base, stride in layout.inputs]
    spikes = np.concatenate(parts_in, axis=2).astype(np.uint8)
    if spikes[:, :, layout.steps :].any():
        raise ImageError(f"offset {layout.inputs[-1][0]:#x}: the input fires at or after timestep {layout.steps}, the last of the network")
    return Image(cfg, network, np.ascontiguousarray(spikes[:, :, : layout.steps]), layout)


def read_rows(
    memory: Memory, base: int, stride: int, m: int, n: int, cfg: Config, *, readout: bool = False, clean: bool = False
) -> npt.NDArray[np.integer]:
    """Rows of spikes or readout integers from a memory dump.

    Args:
        memory: The memory, from the start of the image.
        base: Offset of the first row.
        stride: Bytes from row to row.
        m: Rows.
        n: Neurons of a row.
        cfg: For T, chunk and word width.
        readout: The rows hold integers.
        clean: Demand zeros after the end of each fiber.

    Returns:
        (m, n, T) uint8 spikes, or (m, n) int64 integers.

    Raises:
        ImageError: A row leaves the memory or is no legal fiber.
    """
    if base < 0 or stride < 1 or base + m * stride > len(memory):
        raise ImageError(f"offset {base:#x}: {m} rows of {stride} bytes leave the memory of {len(memory)} bytes")
    rows = np.frombuffer(memory, np.uint8, m * stride, base).reshape(m, stride)
    if readout:
        return np.ascontiguousarray(rows[:, : 4 * n]).view("<i4").astype(np.int64)
    try:
        return fiber.decompress_rows(rows, n, cfg, clean=clean)
    except FiberError as err:
        raise ImageError(f"offset {base + err.offset:#x}: rows at {base:#x}: {err}") from err


def read_outputs(memory: Memory, layout: Layout) -> list[npt.NDArray[np.integer] | None]:
    """The output of every layer after a run, shaped like :meth:`Network.run`'s; None where others were written over it."""
    lasting, outputs = layout.lasting(), list[npt.NDArray[np.integer] | None]()
    for place, one in enumerate(layout.network):
        if one.readout:
            last = layout.over_time(place)[-1]
            outputs.append(read_rows(memory, last.out_base, last.out_stride, last.m, last.n, layout.cfg, readout=True))
        elif all(lasting[place :: len(layout.network)]):
            parts = [read_rows(memory, lay.out_base, lay.out_stride, lay.m, lay.n, layout.cfg) for lay in layout.over_time(place)]
            outputs.append(np.concatenate(parts, axis=2)[:, :, : layout.steps])
        else:
            outputs.append(None)
    return outputs


def read_perf(memory: Memory, layout: Layout) -> list[dict[str, int]]:
    """The performance record of every layer after a run, all chunks of timesteps together: counter name to value."""
    records = []
    for place in range(len(layout.network)):
        values = sum(np.frombuffer(memory, "<u8", 16, lay.perf_ptr) for lay in layout.over_time(place))
        records.append({name: int(values[i]) for name, i in COUNTERS.items()})  # type: ignore[index]
    return records


def reseal(image: Memory) -> bytes:
    """A copy with a fresh header checksum and fresh checksums of descriptors and walk records (for tests and tools that edit images)."""
    data = bytearray(image)
    desc, count = (struct.unpack_from("<I", data, 4 * HEADER[name])[0] for name in ("desc_offset", "num_layers"))
    for i in range(count):
        at = desc + DESCRIPTOR_BYTES * i
        if at % 4 or at + DESCRIPTOR_BYTES > len(data):
            break
        words = list(struct.unpack_from("<15I", data, at))
        struct.pack_into("<I", data, at + 60, -sum(words) % (1 << 32))
        walk = words[DESCRIPTOR["walk"]] if words[DESCRIPTOR["control"]] & 255 == KIND_CONV else 0
        for _ in range(2):  # its own, and that of a branch
            if HEADER_BYTES <= walk <= len(data) - WALK_BYTES:
                words = list(struct.unpack_from("<15I", data, walk))
                struct.pack_into("<I", data, walk + 60, -sum(words) % (1 << 32))
                walk = words[WALK["branch"]]
    _seal(data)
    return bytes(data)
