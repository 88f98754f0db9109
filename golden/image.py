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

from golden import config as configs
from golden import fiber
from golden.config import Config
from golden.fiber import FiberError, align
from golden.layer import Branch, Conv, Layer, NetworkError, as_spikes, pad_rows, sources
from golden.layout import (
    BLOCK_BYTES,
    CONTROL,
    COUNTERS,
    DESCRIPTOR,
    DESCRIPTOR_BYTES,
    FLAGS,
    HEADER,
    HEADER_BYTES,
    KIND_CONV,
    KIND_FULL,
    MAGIC,
    MOST_ROWS,
    PERF_BYTES,
    TAG,
    VERSION,
    WALK,
    WALK_BYTES,
    ImageError,
    LayerLayout,
    Layout,
    Region,
    check_tiling,
    choose_tiling,
    row_strides,
    spike_buffers,
)
from golden.network import MOST_STEPS, Network, check_inputs

Memory = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
MAX_BYTES = 1 << 31

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
        index: For each layer whether the places of its weights are an index code; by default where that is smaller.
        layer_done: Called after each layer, for progress.

    Returns:
        The image; output, membrane and performance regions are zero.

    Raises:
        NetworkError: Sizes do not fit the configuration, rows are no whole images, or the image would reach 2^31 bytes.
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
    outputs = [spike_buffers(network.layers, sizes, keep, take) for _ in range(chunks)]
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

    channels = [conv.cin for lay in first for source, conv in zip(lay.sources, (lay.conv, lay.branch), strict=False) if conv and source < 0]
    header = {
        "magic": MAGIC, "version": VERSION, "size": position, "desc_offset": desc_offset, "num_layers": len(layouts),
        "input_offset": base[0], "input_rows": len(spikes), "output_offset": layouts[-1].out_base,
        "input_channels": channels[0] if channels else 0, "steps": network.T,
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


def image_config(data: Memory) -> Config:
    """The configuration an image was packed for: a named one, or one rebuilt from the header.

    Raises:
        ImageError: The header is cut off or its words are no legal configuration.
    """
    words = _header_words(data)
    have = tuple(words[HEADER[f"config{i}"]] for i in range(4))
    for cfg in configs.load_all().values():
        if cfg.image_words == have:
            return cfg
    c0, c1, c2, c3 = have
    line, chunk = c1 >> 10 & 0xFFF, c1 & 0x3FF
    try:  # fields that no image depends on get a value that is legal beside the others
        cfg = Config(
            name="image", source="image header", T=c0 & 31, WEIGHT_W=c0 >> 8 & 15, SLICE_W=c0 >> 16 & 255, WINDOW=c0 >> 24, CHUNK_W=chunk,
            LINE_W=line, ACC_W=c1 >> 22 & 63, K_MAX=c2 & 0x1FFFF, MEM_W=c2 >> 17 & 63, OUT_ENTRIES=c3 & 0x1FFFF,
            NUM_SLOTS=c3 >> 17 & 255, NUM_TPPES=2, LAGGY=1, FIFO_DEPTH=8, INDEX_RATE=1, CARRY=1, AXI_W=max(32, min(1024, line // 2)),
            NUM_BANKS=2, NUM_WAYS=2, NUM_SETS=4, OUTSTANDING=4,
        ).check()  # fmt: skip
    except configs.ConfigError as err:
        raise ImageError(f"offset {4 * HEADER['config0']:#x}: config0 to config3 = {[hex(w) for w in have]}: {err}") from err
    if cfg.image_words != have:
        i = next(i for i in range(4) if cfg.image_words[i] != have[i])
        raise ImageError(f"offset {4 * HEADER[f'config{i}']:#x}: config{i} = {have[i]:#010x} is not legal: has undefined bits")
    return cfg


def _header_words(data: Memory) -> list[int]:
    if len(data) < HEADER_BYTES:
        raise ImageError(f"offset {len(data):#x}: image has {len(data)} bytes: must be at least {HEADER_BYTES}, the header")
    return list(struct.unpack("<16I", bytes(data[:HEADER_BYTES])))


def parse_layout(data: Memory, cfg: Config | None = None, *, verify_crc: bool = True) -> Layout:
    """Checks header, descriptors, walk records and block tables.

    Args:
        data: The whole image, or a memory dump after a run (``verify_crc=False``).
        cfg: Demand this configuration; by default the image's own.
        verify_crc: Check the checksum; also demands that outputs are still zero.

    Raises:
        ImageError: Names offset, field, value and what is legal.
    """
    words = _header_words(data)

    def refuse(at: int, name: str, value: int, legal: str) -> None:
        raise ImageError(f"offset {at:#x}: {name} = {value:#x} ({value}) is not legal: must be {legal}")

    def head(name: str) -> int:
        return words[HEADER[name]]

    def need_head(name: str, ok: bool, legal: str) -> None:
        if not ok:
            refuse(4 * HEADER[name], name, head(name), legal)

    need_head("magic", head("magic") == MAGIC, f"{MAGIC:#x}, the bytes LoAS")
    need_head("version", head("version") == VERSION, str(VERSION))
    need_head("size", head("size") == len(data), f"{len(data)}, the bytes present (truncated or over-long?)")
    if cfg is None:
        cfg = image_config(data)
    for i, word in enumerate(cfg.image_words):
        need_head(f"config{i}", head(f"config{i}") == word, f"{word:#010x} for configuration {cfg.name}")
    line, size = cfg.line_bytes, len(data)
    need_head("size", size % line == 0 and size < MAX_BYTES, f"a multiple of LINE_W / 8 = {line}, below 2^31")
    if verify_crc:
        zeroed = bytearray(data[:HEADER_BYTES])
        struct.pack_into("<I", zeroed, 4 * HEADER["crc"], 0)
        crc = zlib.crc32(np.frombuffer(data, np.uint8)[HEADER_BYTES:].data, zlib.crc32(zeroed))
        need_head("crc", head("crc") == crc, f"{crc:#010x}, the CRC-32 of the content")
    if words[15]:
        refuse(4 * 15, "header word 15", words[15], "0")
    need_head("steps", 1 <= head("steps") <= MOST_STEPS, f"1 to {MOST_STEPS}")
    chunks = -(-head("steps") // cfg.T)
    count = head("num_layers")
    need_head("num_layers", 1 <= count <= 65535 and count % chunks == 0, f"1 to 65535, a multiple of {chunks}, the chunks of timesteps")
    desc = head("desc_offset")
    need_head("desc_offset", desc % 64 == 0 and HEADER_BYTES <= desc <= size - DESCRIPTOR_BYTES * count,
              f"a multiple of 64, {HEADER_BYTES} to {size - DESCRIPTOR_BYTES * count}")  # fmt: skip
    need_head("input_channels", head("input_channels") <= cfg.K_MAX, f"0 to K_MAX = {cfg.K_MAX}")
    layout = Layout(cfg, size, desc, head("steps"), [], [])
    regions = [Region("header", 0, HEADER_BYTES), Region("descriptors", desc, desc + DESCRIPTOR_BYTES * count)]
    reader = _Reader(data, layout, count // chunks, head("input_channels"))
    for index in range(count):
        regions += reader.descriptor(index)
    layers = layout.layers
    need_head("output_offset", head("output_offset") == layers[-1].out_base, f"{layers[-1].out_base:#x}, the last out_base")
    need_head("input_offset", head("input_offset") == reader.inputs[0].base, f"{reader.inputs[0].base:#x}, where the first layer reads it")
    need_head("input_rows", head("input_rows") == reader.inputs[0].rows, f"{reader.inputs[0].rows}, the input rows of the first layer")
    if not reader.inputs[0].pixels:
        need_head("input_channels", head("input_channels") == 0, "0: the input is read by a fully connected layer")
    unique = {(region.start, region.end, region.name): region for region in regions}
    regions = sorted(unique.values(), key=lambda region: (region.start, region.end))
    view = np.frombuffer(data, np.uint8)
    end, last = 0, "the start"
    for region in [*regions, Region("the end", size, size)]:
        shared = region.name.endswith(".output") and last.endswith(".output")  # buffers that are used again
        if align(end, line) > region.start and not shared:
            raise ImageError(f"offset {region.start:#x}: {region.name} is not legal here: {last} lies there or shares its line")
        if view[end : region.start].any():
            gap = end + int(np.argmax(view[end : region.start] != 0))
            raise ImageError(f"offset {gap:#x}: byte between {last} and {region.name} = {view[gap]:#x} is not legal: must be 0")
        if verify_crc and region.name.endswith((".output", ".perf", ".state")) and view[region.start : region.end].any():
            raise ImageError(f"offset {region.start:#x}: {region.name} is not legal: must be zero in a packed image")
        if region.end >= end:
            end, last = region.end, region.name
    layout.regions = regions
    layout.inputs = [(rows.base, rows.stride) for rows in reader.inputs]
    layout.input_rows = reader.inputs[0].rows
    return layout


@dataclass(frozen=True)
class _Rows:
    """Rows in memory: what a layer wrote (-1: the input), where, how many columns, and how many rows make an image if known."""

    writer: int
    base: int
    stride: int
    rows: int
    columns: int
    pixels: int | None

    @property
    def end(self) -> int:
        return self.base + self.rows * self.stride


class _Reader:
    """Reads and checks descriptors one after the other, into ``layout.layers``."""

    def __init__(self, data: Memory, layout: Layout, places: int, channels: int) -> None:
        self.data, self.layout, self.places, self.channels = data, layout, places, channels
        self.inputs: list[_Rows] = []  # of every chunk
        self.written: list[_Rows] = []  # of this chunk

    def descriptor(self, index: int) -> list[Region]:
        """The descriptor of a layer in a chunk, with its walk records and block table.

        Raises:
            ImageError: Names offset, field, value and what is legal.
        """
        data, layout, cfg = self.data, self.layout, self.layout.cfg
        line, size = cfg.line_bytes, layout.size
        chunk, place = divmod(index, self.places)
        at = layout.desc_offset + DESCRIPTOR_BYTES * index
        words = [int(word) for word in np.frombuffer(data, "<u4", 16, at)]
        d = {name: words[word] for name, word in DESCRIPTOR.items()}

        def need(name: str, ok: bool, legal: str) -> None:
            if not ok:
                here = f"offset {at + 4 * DESCRIPTOR[name]:#x}: layer {index}: {name}"
                raise ImageError(f"{here} = {d[name]:#x} ({d[name]}) is not legal: must be {legal}")

        total = sum(words) % (1 << 32)
        need("checksum", total == 0, f"{(d['checksum'] - total) % (1 << 32):#010x}, so that the words add up to zero")
        bits = {name: d["control"] >> lsb & ((1 << width) - 1) for name, (lsb, width) in CONTROL.items()}
        defined = sum(((1 << width) - 1) << lsb for lsb, width in CONTROL.values())
        need("control", bits["tag"] == TAG, f"tagged {TAG:#x} in bits 31:16")
        need("control", bits["kind"] in (KIND_FULL, KIND_CONV), "of kind 1 (fully connected) or 2 (convolution) in bits 7:0")
        need("control", d["control"] & ~defined == 0, "zero in undefined bits")
        readout = bool(bits["readout"])
        need("control", not (readout and (bits["soft"] or bits["drop_once"])), "without soft and drop_once in a readout")
        need("control", not readout or place == self.places - 1, "a readout only in the last layer")
        need("control", not bits["late"] or bool(bits["soft"]), "late only with soft")
        need("control", bits["carry_in"] == (chunk > 0), f"with carry_in = {int(chunk > 0)} in chunk {chunk} of timesteps")
        out = chunk < layout.chunks - 1
        need("control", bits["carry_out"] == out, f"with carry_out = {int(out)} in chunk {chunk} of {layout.chunks} of timesteps")
        most = min(cfg.K_MAX, cfg.OUT_ENTRIES // 2) if readout else cfg.K_MAX
        m, leak, steps = d["rows"] & MOST_ROWS, d["neuron"] & 0x1FF, d["neuron"] >> 9 & 31
        need("rows", m >= 1, f"1 to {MOST_ROWS} in bits 23:0")
        need("k", 1 <= d["k"] <= cfg.K_MAX, f"1 to K_MAX = {cfg.K_MAX}")
        need("n", 1 <= d["n"] <= most, f"1 to {most}")
        need("neuron", leak <= 256, "a leak of 0 to 256 in bits 8:0")
        want = min(cfg.T, layout.steps - chunk * cfg.T)
        need("neuron", steps == want, f"of {want} timesteps in bits 13:9")
        need("neuron", d["neuron"] >> 14 & 3 == 0, "zero in bits 15:14")
        flags = {name: bool(bits[name]) for name in (*FLAGS, "index", "carry_in", "carry_out")}
        lay = LayerLayout(m=m, k=d["k"], n=d["n"], leak=leak, steps=steps, block_cols=d["neuron"] >> 16, tile_rows=d["rows"] >> 24,
                          **flags)  # type: ignore[arg-type]  # fmt: skip
        for name in ("a_base", "a_stride", "block_table", "b_base", "b_end", "out_base", "out_stride", "state", "perf_ptr", "walk"):
            step = {"block_table": 16, "walk": 64}.get(name, line)
            need(name, d[name] % step == 0 and d[name] <= size, f"a multiple of {step}, at most {size}, the image's size")
            setattr(lay, name, d[name])
        if not place:
            self.written = []
        source = self.find(lay.a_base)
        if bits["kind"] == KIND_CONV:
            top = size - WALK_BYTES
            need("walk", HEADER_BYTES <= lay.walk <= top, f"{HEADER_BYTES} to {top}: it has {WALK_BYTES} bytes")
            self.walk(lay, index, source)
            assert lay.conv is not None
            batch, rest = divmod(lay.m * lay.pool_size, lay.conv.pixels_out)
            legal = f"a multiple of {lay.conv.pixels_out // lay.pool_size}, the pixels that the walk record makes of an image"
            need("rows", rest == 0, legal)
            if source and source.pixels:
                images = source.rows // source.pixels
                legal = f"{images * lay.conv.pixels_out // lay.pool_size}, the output pixels of {images} images"
                need("rows", batch == images, legal)
        else:
            need("walk", lay.walk == 0, "0 in a fully connected layer")
        check_tiling(lay, cfg, f"layer {index}", at)
        least = fiber.row_stride(lay.inputs, cfg)
        need("a_stride", lay.a_stride >= least, f"at least {least} for rows of {lay.inputs}")
        least = fiber.readout_stride(lay.n, cfg) if readout else fiber.row_stride(lay.n, cfg)
        need("out_stride", lay.out_stride >= least, f"at least {least} for N = {lay.n}")
        for name, length in (
            ("a_base", lay.rows_in * lay.a_stride), ("out_base", lay.m * lay.out_stride), ("perf_ptr", PERF_BYTES),
            ("block_table", BLOCK_BYTES * lay.num_blocks), ("state", lay.state_bytes(cfg) if lay.carries else 0),
        ):  # fmt: skip
            if length:
                need(name, HEADER_BYTES <= d[name] <= size - length, f"{HEADER_BYTES} to {size - length}: it has {length} bytes")
        need("state", lay.carries or lay.state == 0, "0 without carry_in and carry_out")
        need("b_base", HEADER_BYTES <= lay.b_base < lay.b_end, f"{HEADER_BYTES} to below b_end = {lay.b_end:#x}")
        lay.sources = [self.read(index, lay.a_base, lay.a_stride, lay.rows_in, lay.inputs, lay.conv, source, need)]
        if lay.branch:
            rows = lay.images * lay.branch.pixels_in
            other = self.find(lay.branch_base)
            lay.sources.append(self.read(index, lay.branch_base, lay.branch_stride, rows, lay.branch.cin, lay.branch, other, need))
        out_end = lay.out_base + lay.m * lay.out_stride
        for rows_read in [self.find(lay.a_base), self.find(lay.branch_base) if lay.branch else None]:
            if rows_read:
                free = out_end <= rows_read.base or rows_read.end <= lay.out_base
                need("out_base", free, f"outside of {rows_read.base:#x} to {rows_read.end:#x}, which the layer reads")
        pixels = lay.conv.pixels_out // lay.pool_size if lay.conv else source.pixels if source else None
        mine = _Rows(place, lay.out_base, lay.out_stride, lay.m, lay.n, pixels)
        self.written = [w for w in self.written if w.end <= mine.base or mine.end <= w.base] + [mine]
        if chunk:
            self.same_layer(lay, index, need)
        _parse_blocks(data, lay, index, cfg, at)
        layout.layers.append(lay)
        p, shared = f"layer{index}.", f"layer{place}."
        regions = [
            Region(shared + "blocks", lay.block_table, lay.block_table + BLOCK_BYTES * lay.num_blocks),
            Region(shared + "weights", lay.b_base, lay.b_end),
            Region(p + "output", lay.out_base, out_end),
            Region(p + "perf", lay.perf_ptr, lay.perf_ptr + PERF_BYTES),
        ]
        if not place:
            name = "input" if layout.chunks == 1 else f"input{chunk}"
            rows = self.inputs[chunk]  # type: ignore[assignment]
            regions.append(Region(name, rows.base, rows.end))  # type: ignore[attr-defined]
        if lay.conv:
            regions.append(Region(p + "walk", lay.walk, lay.walk + WALK_BYTES))
        if lay.branch:
            regions.append(Region(p + "branch", lay.branch_walk, lay.branch_walk + WALK_BYTES))
        if lay.carries:
            regions.append(Region(shared + "state", lay.state, lay.state + lay.state_bytes(cfg)))
        return regions

    def find(self, base: int) -> _Rows | None:
        """What lies at an offset: rows written in this chunk and not written over, or the chunk's input."""
        chunk = len(self.layout.layers) // self.places
        known = self.written + self.inputs[chunk : chunk + 1]
        return next((rows for rows in known if rows.base == base), None)

    def read(
        self, index: int, base: int, stride: int, rows: int, columns: int, conv: Conv | None, have: _Rows | None,
        need: Callable[[str, bool, str], None],
    ) -> int:  # fmt: skip
        """Checks that a layer may read these rows; who wrote them."""
        chunk, place = divmod(index, self.places)
        if have is None:
            legal = ", ".join(f"{w.base:#x} (layer {w.writer})" for w in self.written) or "that of the input"
            need("a_base", not self.inputs[chunk : chunk + 1], f"where the input or a layer's rows lie that are not written over: {legal}")
            self.inputs.append(_Rows(-1, base, stride, rows, columns, conv.pixels_in if conv else None))
            return -1
        who = f"layer {have.writer}" if have.writer >= 0 else "the input"
        need("a_stride", stride == have.stride, f"{have.stride}, out_stride of {who}")
        if conv:
            legal = f"{conv.pixels_out} for each {conv.pixels_in} of the {have.rows} rows of {who}"
            need("rows", rows == have.rows, legal)
        else:
            need("rows", rows == have.rows, f"{have.rows}, the rows of {who}")
        need("k", columns == have.columns, f"{have.columns}, the outputs of {who}")
        return have.writer

    def same_layer(self, lay: LayerLayout, index: int, need: Callable[[str, bool, str], None]) -> None:
        """Checks that a layer is the same in every chunk of timesteps."""
        before = self.layout.layers[index % self.places]
        need("control", all(getattr(lay, f) == getattr(before, f) for f in (*FLAGS, "index")), "as in the first chunk of timesteps")
        need("rows", (lay.m, lay.tile_rows) == (before.m, before.tile_rows), "as in the first chunk of timesteps")
        need("neuron", (lay.leak, lay.block_cols) == (before.leak, before.block_cols), "as in the first chunk of timesteps")
        for name in ("k", "n", "block_table", "b_base", "b_end", "state"):
            need(name, getattr(lay, name) == getattr(before, name), f"{getattr(before, name):#x}, as in the first chunk of timesteps")
        same = (lay.conv, lay.pool, lay.branch, lay.sources) == (before.conv, before.pool, before.branch, before.sources)
        need("walk", same, "that of a window like the one in the first chunk of timesteps")

    def walk(self, lay: LayerLayout, index: int, source: _Rows | None) -> None:
        """Reads and checks the walk record of a convolution, and that of its branch."""
        cfg = self.layout.cfg
        pitch, more = _check_walk(self.data, lay.walk, index, "walk", cfg)
        lay.pool = None if more["pool"] == (1, 1) else more["pool"]
        lay.branch_walk = more["branch"]
        channels = source.columns if source else self.channels
        if not channels:
            raise ImageError(f"offset {4 * HEADER['input_channels']:#x}: input_channels = 0x0 (0) is not legal: must be 1 to K_MAX = "
                             f"{cfg.K_MAX} before a convolution")  # fmt: skip
        lay.conv = _walk_conv(self.data, lay.walk, index, "walk", channels, cfg)
        words = [int(word) for word in np.frombuffer(self.data, "<u4", 16, lay.walk)]

        def need(name: str, ok: bool, legal: str) -> None:
            if not ok:
                _refuse_walk(lay.walk, index, "walk", name, words, legal)

        ph, pw = more["pool"]
        need("pool", lay.conv.out_h % ph == 0 and lay.conv.out_w % pw == 0, "of two factors of out_h and out_w")
        need("pool", not (lay.pool and lay.readout), "1 and 1 in a readout")
        total = lay.conv.taps * lay.conv.padded(cfg.SLICE_W).cin
        if lay.branch_walk:
            top = self.layout.size - WALK_BYTES
            good = lay.branch_walk % 64 == 0 and HEADER_BYTES <= lay.branch_walk <= top
            need("branch", good, f"a multiple of 64, {HEADER_BYTES} to {top}")
            need("pool", not lay.pool, "1 and 1 with a branch")
            lay.branch_stride, other = _check_walk(self.data, lay.branch_walk, index, "branch", cfg)
            for name, want in (("pool", (1, 1)), ("branch", 0), ("state_step", 0)):
                if other[name] != want:
                    words = [int(word) for word in np.frombuffer(self.data, "<u4", 16, lay.branch_walk)]
                    _refuse_walk(lay.branch_walk, index, "branch", name, words, f"{want} in a branch")
            start = int(np.frombuffer(self.data, "<u4", 16, lay.branch_walk)[WALK["start"]])
            # where the map begins follows from the words; the channels from who wrote there
            probe = _walk_conv(self.data, lay.branch_walk, index, "branch", None, cfg)
            lay.branch_base = (start + (probe.pad_top * probe.in_w + probe.pad_left) * lay.branch_stride) % (1 << 32)
            rows = self.find(lay.branch_base)
            lay.branch = _walk_conv(self.data, lay.branch_walk, index, "branch", rows.columns if rows else self.channels or probe.cin, cfg)
            if (lay.branch.out_h, lay.branch.out_w) != (lay.conv.out_h, lay.conv.out_w):
                words = [int(word) for word in np.frombuffer(self.data, "<u4", 16, lay.branch_walk)]
                legal = f"that of the first window, {lay.conv.out_h} and {lay.conv.out_w}"
                _refuse_walk(lay.branch_walk, index, "branch", "out_size", words, legal)
            total += lay.branch.taps * lay.branch.padded(cfg.SLICE_W).cin
        need("pad", lay.k == total, f"such that kh * kw * slices * SLICE_W = {total} is k = {lay.k}")
        records = [("walk", lay.walk, lay.walk_words(cfg))]
        if lay.branch:
            records.append(("branch", lay.branch_walk, lay.branch_words(cfg)))
        for what, at, derived in records:
            words = [int(word) for word in np.frombuffer(self.data, "<u4", 16, at)]
            for name, word in WALK.items():
                if words[word] != derived[word]:
                    _refuse_walk(at, index, what, name, words, f"{derived[word]:#x}, from the other words and the descriptor")


def _refuse_walk(at: int, index: int, what: str, name: str, words: list[int], legal: str, word: int | None = None) -> None:
    word = WALK[name] if word is None else word
    value = words[word]
    raise ImageError(f"offset {at + 4 * word:#x}: layer {index}: {what}: {name} = {value:#x} ({value}) is not legal: must be {legal}")


def _check_walk(data: Memory, at: int, index: int, what: str, cfg: Config) -> tuple[int, dict[str, Any]]:
    """Checks the words of a walk record by themselves: its pitch, and what is not geometry."""
    words = [int(word) for word in np.frombuffer(data, "<u4", 16, at)]

    def need(name: str, ok: bool, legal: str, word: int | None = None) -> None:
        if not ok:
            _refuse_walk(at, index, what, name, words, legal, word)

    total = sum(words) % (1 << 32)
    need("checksum", total == 0, f"{(words[WALK['checksum']] - total) % (1 << 32):#010x}, so that the words add up to zero")
    kh, kw, stride_y, stride_x = words[WALK["kernel"]].to_bytes(4, "little")
    need("kernel", 0 not in (kh, kw, stride_y, stride_x), "of four bytes that are 1 to 255")
    for name in ("out_size", "in_size"):
        need(name, 0 not in divmod(words[WALK[name]], 1 << 16), "of two halves that are 1 to 65535")
    slices, pads = divmod(words[WALK["pad"]], 1 << 16)
    pad_left, pad_top = divmod(pads, 1 << 8)
    need("pad", pad_top < kh, f"of a pad_top in bits 7:0 below kh = {kh}")
    need("pad", pad_left < kw, f"of a pad_left in bits 15:8 below kw = {kw}")
    need("pad", slices > 0, "of at least 1 slice in bits 31:16")
    ph, pw = words[WALK["pool"]] & 255, words[WALK["pool"]] >> 8 & 255
    need("pool", ph > 0 and pw > 0 and words[WALK["pool"]] >> 16 == 0, "of two bytes that are 1 to 255")
    need("pitch", words[WALK["pitch"]] % cfg.line_bytes == 0 and words[WALK["pitch"]] < MAX_BYTES, f"a multiple of {cfg.line_bytes}")
    for word in range(16):
        need(f"word {word}", word in WALK.values() or words[word] == 0, "0", word)
    more = {"pool": (ph, pw), "branch": words[WALK["branch"]], "state_step": words[WALK["state_step"]]}
    return words[WALK["pitch"]], more


def _walk_conv(data: Memory, at: int, index: int, what: str, channels: int | None, cfg: Config) -> Conv:
    """The geometry in a walk record whose words were checked; None: as many channels as its slices hold."""
    words = [int(word) for word in np.frombuffer(data, "<u4", 16, at)]
    kh, kw, stride_y, stride_x = words[WALK["kernel"]].to_bytes(4, "little")
    out_w, out_h = divmod(words[WALK["out_size"]], 1 << 16)
    in_w, in_h = divmod(words[WALK["in_size"]], 1 << 16)
    slices, pads = divmod(words[WALK["pad"]], 1 << 16)
    pad_left, pad_top = divmod(pads, 1 << 8)
    if channels is None:
        channels = slices * cfg.SLICE_W
    want = -(-channels // cfg.SLICE_W)
    if slices != want:
        _refuse_walk(at, index, what, "pad", words, f"of {want} slices in bits 31:16, {channels} channels in slices of {cfg.SLICE_W}")
    try:
        return Conv(in_h, in_w, channels, kh, kw, stride_y, stride_x, pad_top, pad_left, out_h, out_w)
    except NetworkError as err:  # all else is checked by now
        raise ImageError(f"offset {at + 4 * WALK['out_size']:#x}: layer {index}: {what}: {err}") from err


def _parse_blocks(data: Memory, lay: LayerLayout, index: int, cfg: Config, at: int) -> None:
    """Reads and checks the block table of the layer whose descriptor is at an offset, into ``lay.blocks``."""
    table = np.frombuffer(data, "<u4", 4 * lay.num_blocks, lay.block_table).reshape(-1, 4)
    want = lay.b_base
    end = min(lay.b_end, len(data))
    for i in range(lay.num_blocks):
        params, masks, weights, nnz = (int(v) for v in table[i])
        cols = min(lay.block_cols, lay.n - i * lay.block_cols)

        def need(word: int, name: str, value: int, ok: bool, legal: str, i: int = i) -> None:
            if not ok:
                raise ImageError(
                    f"offset {lay.block_table + BLOCK_BYTES * i + 4 * word:#x}: layer {index}: block {i}: {name} = "
                    f"{value:#x} ({value}) is not legal: must be {legal}"
                )

        need(3, "nnz", nnz, nnz <= cols * lay.k, f"0 to {cols * lay.k}, columns times K")
        need(0, "params", params, params == want, f"{want:#x}, where the block before ends")
        to_masks, to_weights, length = fiber.block_bytes(cols, lay.k, nnz, cfg, weights - masks if lay.index else None)
        need(1, "masks", masks, masks == want + to_masks, f"{want + to_masks:#x}, after the records")
        if lay.index:
            need(2, "weights", weights, masks <= weights <= end and weights % cfg.chunk_bytes == 0,
                 f"a multiple of {cfg.chunk_bytes}, {masks:#x} to {end:#x}")  # fmt: skip
        else:
            need(2, "weights", weights, weights == want + to_weights, f"{want + to_weights:#x}, after the masks")
        want += length
        need(3, "nnz", nnz, want <= end, f"smaller: the block ends at {want:#x}, b_end is {lay.b_end:#x}")
        lay.blocks.append((params, masks, weights, nnz))
    if align(want, cfg.line_bytes) != lay.b_end:
        raise ImageError(f"offset {at + 4 * DESCRIPTOR['b_end']:#x}: layer {index}: b_end = {lay.b_end:#x} is not legal: must be "
                         f"{align(want, cfg.line_bytes):#x}, the line after the last block")  # fmt: skip


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
    network = Network("image", layout.steps, layers)
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
