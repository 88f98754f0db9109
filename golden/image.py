# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The memory image: write, read with every check, and extract results from a memory dump.

Word numbers come from ``spec/image.toml``; docs/image-format.md describes the format bit by bit.
"""

from __future__ import annotations

import functools
import struct
import tomllib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import config as configs
from golden import fiber
from golden.config import SPEC_DIR, Config
from golden.errors import LoasError
from golden.fiber import FiberError, align
from golden.layer import Conv, Layer, NetworkError, as_spikes
from golden.network import Network, check_inputs

Memory = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
MAX_BYTES = 1 << 31


@functools.cache
def _spec(name: str) -> dict[str, Any]:
    return tomllib.loads((SPEC_DIR / name).read_text(encoding="utf-8"))


_IMAGE = _spec("image.toml")
VERSION: int = _IMAGE["version"]
MAGIC: int = _IMAGE["magic"]
HEADER: dict[str, int] = {name: f["word"] for name, f in _IMAGE["header"].items()}
DESCRIPTOR: dict[str, int] = {name: f["word"] for name, f in _IMAGE["descriptor"].items()}
WALK: dict[str, int] = {name: f["word"] for name, f in _IMAGE["walk"].items()}
CONTROL: dict[str, tuple[int, int]] = {name: (f["lsb"], f["width"]) for name, f in _IMAGE["control"].items()}
COUNTERS: dict[str, int] = {name: f["index"] for name, f in _spec("registers.toml")["counters"].items()}
KIND_FULL, KIND_CONV, TAG = 1, 2, 0x10A5
HEADER_BYTES = DESCRIPTOR_BYTES = WALK_BYTES = 64
BLOCK_BYTES = 16
PERF_BYTES = 8 * 16


class ImageError(LoasError):
    """An image breaks a rule; the text names offset, field, value and what is legal."""


@dataclass(frozen=True)
class Region:
    """Bytes ``start`` to ``end`` of an image and what they are for, e.g. ``layer0.weights``."""

    name: str
    start: int
    end: int


@dataclass
class LayerLayout:
    """Where one layer lies in an image; the fields are those of its descriptor, and the geometry of its walk record."""

    m: int
    k: int
    n: int
    leak: int
    soft: bool
    readout: bool
    drop_once: bool
    block_cols: int
    tile_rows: int
    conv: Conv | None = None
    a_base: int = 0
    a_stride: int = 0
    block_table: int = 0
    b_base: int = 0
    b_end: int = 0
    out_base: int = 0
    out_stride: int = 0
    perf_ptr: int = 0
    walk: int = 0
    blocks: list[tuple[int, int, int, int]] = field(default_factory=list)

    @property
    def num_blocks(self) -> int:
        """Blocks of columns."""
        return -(-self.n // self.block_cols)

    @property
    def inputs(self) -> int:
        """Columns of an input row: K, or the channels of a pixel."""
        return self.conv.cin if self.conv else self.k

    @property
    def rows_in(self) -> int:
        """Input rows."""
        return self.m // self.conv.pixels_out * self.conv.pixels_in if self.conv else self.m

    def walk_words(self, cfg: Config) -> list[int]:
        """The 16 words of the walk record of a convolution."""
        c = self.conv
        assert c is not None
        row = c.in_w * self.a_stride
        values = {
            "kernel": c.kh | c.kw << 8 | c.stride_y << 16 | c.stride_x << 24,
            "out_size": c.out_h | c.out_w << 16,
            "in_size": c.in_h | c.in_w << 16,
            "pad": c.pad_top | c.pad_left << 8 | c.padded(cfg.SLICE_W).cin // cfg.SLICE_W << 16,
            "step_x": c.stride_x * self.a_stride,
            "step_y": c.stride_y * row,
            "row_bytes": row,
            "image_bytes": c.in_h * row,
            "start": self.a_base - c.pad_top * row - c.pad_left * self.a_stride,
        }
        return _sealed_words(WALK, values)

    def words(self) -> list[int]:
        """The 16 words of the descriptor."""
        kind = KIND_CONV if self.conv else KIND_FULL
        control = {"kind": kind, "readout": self.readout, "soft": self.soft, "drop_once": self.drop_once, "tag": TAG}
        values = {name: getattr(self, name) for name in DESCRIPTOR if hasattr(self, name)}
        values["control"] = sum(int(v) << CONTROL[name][0] for name, v in control.items())
        values["neuron"] = self.leak | self.block_cols << 16
        return _sealed_words(DESCRIPTOR, values)


def _sealed_words(table: dict[str, int], values: dict[str, int]) -> list[int]:
    """The 16 words of a record, modulo 2^32, with the checksum that makes them add up to zero."""
    words = [0] * 16
    for name, value in values.items():
        words[table[name]] = int(value) % (1 << 32)
    words[table["checksum"]] = -sum(words) % (1 << 32)
    return words


@dataclass
class Layout:
    """Where everything lies in an image."""

    cfg: Config
    size: int
    desc_offset: int
    layers: list[LayerLayout]
    regions: list[Region]


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


def choose_tiling(layer: Layer, m: int, cfg: Config) -> tuple[int, int]:
    """Block columns and tile rows of a layer: the one place of the rule.

    A block of 64 columns amortises the row's prefix sums and header over many columns, and its weights are
    few enough to stay in the cache while a tile of rows walks over them. With few rows that gives too few
    tasks to keep all TPPEs busy until the end, so blocks are halved (down to a slice, which is what an output
    buffer entry holds) until there are 4 tasks for each TPPE. A tile is as large as the output buffer allows
    with two tiles in it, one computed while the other is compressed, and at most 32 rows: each row of A is
    read again for each block, and so must stay in the cache.

    Args:
        layer: The layer.
        m: Output rows.
        cfg: For NUM_TPPES, SLICE_W, NUM_SLOTS and OUT_ENTRIES.

    Returns:
        Block columns, tile rows.

    Raises:
        NetworkError: Not even one row fits the output buffer twice.
    """
    entries = cfg.entries_per_row(layer.n, layer.readout)
    if 2 * entries > cfg.OUT_ENTRIES:
        raise NetworkError(
            f"{layer.name}: N = {layer.n} is not legal: a row takes {entries} entries, OUT_ENTRIES = {cfg.OUT_ENTRIES} of "
            f"configuration {cfg.name} must hold two rows"
        )
    cols = max(64, cfg.SLICE_W)
    while cols > cfg.SLICE_W and m * -(-layer.n // cols) < 4 * cfg.NUM_TPPES:
        cols //= 2
    return cols, min(32, m, cfg.NUM_SLOTS // 2, cfg.OUT_ENTRIES // (2 * entries))


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
    layer_done: Callable[[], None] | None = None,
) -> bytes:
    """Packs a network and its input spikes to a memory image.

    Args:
        network: Layers; every column is checked against overflow.
        spikes: (M, K, T) input spikes, 0 or 1; (pixels of all images, channels, T) before a convolution.
        cfg: The machine it is for.
        tilings: (block columns, tile rows) of each layer, by default :func:`choose_tiling`.
        layer_done: Called after each layer, for progress.

    Returns:
        The image; output and performance regions are zero.

    Raises:
        NetworkError: Sizes do not fit the configuration, rows are no whole images, or the image would reach 2^31 bytes.
        BoundError: A column could overflow.
    """
    spikes = as_spikes("input spikes", spikes)
    check_inputs(network, spikes)
    network.check(cfg)
    if network.T != cfg.T or any(one.pool or one.branch or one.late or one.source is not None for one in network.layers):
        raise NetworkError(f"{network.name}: the image format cannot yet say T = {network.T}, pooling, branches or late resets")
    if spikes.shape[0] >= 1 << 24:
        raise NetworkError(f"input spikes: M = {spikes.shape[0]} is not legal: must be 1 to {(1 << 24) - 1}")
    counts = network.rows(spikes.shape[0])
    for layer, m in zip(network.layers, counts, strict=True):
        if m >= 1 << 24:
            raise NetworkError(f"{network.name}: {layer.name}: M = {m} output rows are not legal: must be 1 to {(1 << 24) - 1}")
    if tilings is None:
        tilings = [choose_tiling(layer, m, cfg) for layer, m in zip(network.layers, counts, strict=True)]
    line = cfg.line_bytes
    position = align(HEADER_BYTES, max(64, line))

    def take(size: int, step: int = line) -> int:
        nonlocal position
        start = align(position, step)
        position = align(start + size, line)
        return start

    desc_offset = take(DESCRIPTOR_BYTES * len(network.layers), max(64, line))
    layouts: list[LayerLayout] = []
    data: list[npt.NDArray[np.uint8]] = []
    for layer, m, (cols, rows) in zip(network.layers, counts, tilings, strict=True):
        weights = layer.conv.pad_weights(layer.weights, cfg.SLICE_W) if layer.conv else layer.weights
        lay = LayerLayout(m, len(weights), layer.n, layer.leak, layer.soft, layer.readout, layer.drop_once, cols, rows, layer.conv)
        _check_tiling(lay, cfg, layer.name)
        packed, table = fiber.compress_blocks(weights, layer.bias, layer.threshold, cols, cfg)
        lay.block_table = take(BLOCK_BYTES * lay.num_blocks)
        lay.b_base = take(packed.size)
        lay.b_end = lay.b_base + align(packed.size, line)
        for i, (start, nnz) in enumerate(table):
            width = min(cols, layer.n - i * cols)
            to_masks, to_weights, _ = fiber.block_bytes(width, lay.k, nnz, cfg)
            at = lay.b_base + start
            lay.blocks.append((at, at + to_masks, at + to_weights, nnz))
        if lay.conv:
            lay.walk = take(WALK_BYTES, max(64, line))
        layouts.append(lay)
        data.append(packed)
        if layer_done:
            layer_done()
    stride = fiber.row_stride(layouts[0].inputs, cfg)
    base = take(len(spikes) * stride)
    for lay in layouts:
        lay.a_base, lay.a_stride = base, stride
        stride = fiber.readout_stride(lay.n, cfg) if lay.readout else fiber.row_stride(lay.n, cfg)
        base = take(lay.m * stride)
        lay.out_base, lay.out_stride = base, stride
    for lay in layouts:
        lay.perf_ptr = take(PERF_BYTES)
    if position >= MAX_BYTES:
        raise NetworkError(f"{network.name}: the image would have {position} bytes: must be less than {MAX_BYTES}")

    image = np.zeros(position, np.uint8)

    def put(start: int, some: npt.NDArray[Any]) -> None:
        flat = np.ascontiguousarray(some).view(np.uint8).reshape(-1)
        image[start : start + flat.size] = flat

    first, last = layouts[0], layouts[-1]
    header = {
        "magic": MAGIC, "version": VERSION, "size": position, "desc_offset": desc_offset, "num_layers": len(layouts),
        "input_offset": first.a_base, "input_rows": first.rows_in, "output_offset": last.out_base,
        "input_channels": first.conv.cin if first.conv else 0,
        **{f"config{i}": word for i, word in enumerate(cfg.image_words)},
    }  # fmt: skip
    words = np.zeros(16, "<u4")
    for name, value in header.items():
        words[HEADER[name]] = value
    put(0, words)
    put(desc_offset, np.array([lay.words() for lay in layouts], "<u4"))
    for lay, packed in zip(layouts, data, strict=True):
        put(lay.block_table, np.array(lay.blocks, "<u4"))
        put(lay.b_base, packed)
        if lay.conv:
            put(lay.walk, np.array(lay.walk_words(cfg), "<u4"))
    put(first.a_base, fiber.compress_rows(spikes, cfg, first.a_stride))
    words[HEADER["crc"]] = zlib.crc32(image.data)
    put(0, words)
    return image.tobytes()


def _check_tiling(lay: LayerLayout, cfg: Config, where: str, at: int | None = None) -> None:
    """Refuses block columns and tile rows that the machine cannot run."""
    place = "" if at is None else f"offset {at + 4 * DESCRIPTOR['neuron']:#x}: "
    if lay.block_cols % cfg.SLICE_W or not cfg.SLICE_W <= lay.block_cols <= 1024:
        raise ImageError(f"{place}{where}: block columns = {lay.block_cols} is not legal: must be a multiple of SLICE_W = "
                         f"{cfg.SLICE_W}, at most 1024")  # fmt: skip
    entries = cfg.entries_per_row(lay.n, lay.readout)
    most = min(cfg.NUM_SLOTS // 2, cfg.OUT_ENTRIES // (2 * entries))
    if not 1 <= lay.tile_rows <= most:
        place = "" if at is None else f"offset {at + 4 * DESCRIPTOR['tile_rows']:#x}: "
        raise ImageError(f"{place}{where}: tile_rows = {lay.tile_rows} is not legal: must be 1 to {most} (two tiles in "
                         f"NUM_SLOTS = {cfg.NUM_SLOTS} slots and OUT_ENTRIES = {cfg.OUT_ENTRIES} entries)")  # fmt: skip


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
            name="image", source="image header", T=c0 & 31, WEIGHT_W=c0 >> 8 & 15, SLICE_W=c0 >> 16 & 255, CHUNK_W=chunk,
            LINE_W=line, ACC_W=c1 >> 22 & 63, K_MAX=c2 & 0x1FFFF, MEM_W=c2 >> 17 & 63, OUT_ENTRIES=c3 & 0x1FFFF,
            NUM_SLOTS=c3 >> 17 & 255, NUM_TPPES=2, LAGGY=1, FIFO_DEPTH=8, AXI_W=max(32, min(1024, line // 2)),
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
    for word in range(14, 16):
        if words[word]:
            refuse(4 * word, f"header word {word}", words[word], "0")
    count = head("num_layers")
    need_head("num_layers", 1 <= count <= 65535, "1 to 65535")
    desc = head("desc_offset")
    need_head("desc_offset", desc % 64 == 0 and HEADER_BYTES <= desc <= size - DESCRIPTOR_BYTES * count,
              f"a multiple of 64, {HEADER_BYTES} to {size - DESCRIPTOR_BYTES * count}")  # fmt: skip
    table = np.frombuffer(data, "<u4", 16 * count, desc).reshape(count, 16)
    regions = [Region("header", 0, HEADER_BYTES), Region("descriptors", desc, desc + DESCRIPTOR_BYTES * count)]
    layers: list[LayerLayout] = []
    images = 0  # known from the first convolution on
    for index in range(count):
        at = desc + DESCRIPTOR_BYTES * index
        d = {name: int(table[index, word]) for name, word in DESCRIPTOR.items()}

        def need(name: str, ok: bool, legal: str, at: int = at, d: dict[str, int] = d, index: int = index) -> None:
            if not ok:
                refuse(at + 4 * DESCRIPTOR[name], f"layer {index}: {name}", d[name], legal)

        total = int(table[index].sum(dtype=np.uint64)) % (1 << 32)
        need("checksum", total == 0, f"{(d['checksum'] - total) % (1 << 32):#010x}, so that the words add up to zero")
        bits = {name: d["control"] >> lsb & ((1 << width) - 1) for name, (lsb, width) in CONTROL.items()}
        defined = sum(((1 << width) - 1) << lsb for lsb, width in CONTROL.values())
        need("control", bits["tag"] == TAG, f"tagged {TAG:#x} in bits 31:16")
        need("control", bits["kind"] in (KIND_FULL, KIND_CONV), "of kind 1 (fully connected) or 2 (convolution) in bits 7:0")
        need("control", d["control"] & ~defined == 0, "zero in undefined bits")
        readout = bool(bits["readout"])
        need("control", not (readout and (bits["soft"] or bits["drop_once"])), "without soft and drop_once in a readout")
        need("control", not readout or index == count - 1, "a readout only in the last layer")
        most = min(cfg.K_MAX, cfg.OUT_ENTRIES // 2) if readout else cfg.K_MAX
        need("m", 1 <= d["m"] < 1 << 24, f"1 to {(1 << 24) - 1}")
        need("k", 1 <= d["k"] <= cfg.K_MAX, f"1 to K_MAX = {cfg.K_MAX}")
        need("n", 1 <= d["n"] <= most, f"1 to {most}")
        leak = d["neuron"] & 0x1FF
        need("neuron", leak <= 256, "a leak of 0 to 256 in bits 8:0")
        need("neuron", d["neuron"] >> 9 & 0x7F == 0, "zero in bits 15:9")
        lay = LayerLayout(d["m"], d["k"], d["n"], leak, bool(bits["soft"]), readout, bool(bits["drop_once"]),
                          d["neuron"] >> 16, d["tile_rows"])  # fmt: skip
        _check_tiling(lay, cfg, f"layer {index}", at)
        for name in ("a_base", "a_stride", "block_table", "b_base", "b_end", "out_base", "out_stride", "perf_ptr", "walk"):
            step = {"block_table": 16, "walk": 64}.get(name, line)
            need(name, d[name] % step == 0 and d[name] <= size, f"a multiple of {step}, at most {size}, the image's size")
            setattr(lay, name, d[name])
        if bits["kind"] == KIND_CONV:
            top = size - WALK_BYTES
            need("walk", HEADER_BYTES <= lay.walk <= top, f"{HEADER_BYTES} to {top}: it has {WALK_BYTES} bytes")
            if not index:
                need_head("input_channels", 1 <= head("input_channels") <= cfg.K_MAX, f"1 to K_MAX = {cfg.K_MAX} before a convolution")
            _parse_walk(data, lay, index, layers[-1].n if index else head("input_channels"), cfg)
            assert lay.conv is not None
            batch, rest = divmod(lay.m, lay.conv.pixels_out)
            need("m", rest == 0, f"a multiple of {lay.conv.pixels_out}, the pixels that the walk record makes of an image")
            need("m", batch == (images or batch), f"{images * lay.conv.pixels_out}, the output pixels of {images} images")
            images = batch
        else:
            need("walk", lay.walk == 0, "0 in a fully connected layer")
        least = fiber.row_stride(lay.inputs, cfg)
        need("a_stride", lay.a_stride >= least, f"at least {least} for rows of {lay.inputs}")
        least = fiber.readout_stride(lay.n, cfg) if readout else fiber.row_stride(lay.n, cfg)
        need("out_stride", lay.out_stride >= least, f"at least {least} for N = {lay.n}")
        for name, length in (
            ("a_base", lay.rows_in * lay.a_stride), ("out_base", lay.m * lay.out_stride), ("perf_ptr", PERF_BYTES),
            ("block_table", BLOCK_BYTES * lay.num_blocks),
        ):  # fmt: skip
            need(name, HEADER_BYTES <= d[name] <= size - length, f"{HEADER_BYTES} to {size - length}: it has {length} bytes")
        need("b_base", HEADER_BYTES <= lay.b_base < lay.b_end, f"{HEADER_BYTES} to below b_end = {lay.b_end:#x}")
        if index:
            before = layers[-1]
            if lay.conv:
                legal = f"{lay.conv.pixels_out} for each {lay.conv.pixels_in} of the {before.m} rows of the layer before"
                need("m", lay.rows_in == before.m, legal)
            else:
                need("m", lay.m == before.m, f"{before.m}, the rows of the layer before")
            need("k", lay.inputs == before.n, f"{before.n}, the outputs of the layer before")
            need("a_base", lay.a_base == before.out_base, f"{before.out_base:#x}, out_base of the layer before")
            need("a_stride", lay.a_stride == before.out_stride, f"{before.out_stride}, out_stride of the layer before")
        else:
            need_head("input_offset", head("input_offset") == lay.a_base, f"{lay.a_base:#x}, a_base of the first layer")
            need_head("input_rows", head("input_rows") == lay.rows_in, f"{lay.rows_in}, the input rows of the first layer")
            channels = lay.conv.cin if lay.conv else 0
            need_head("input_channels", head("input_channels") == channels, "0: the first layer is fully connected")
            regions.append(Region("input", lay.a_base, lay.a_base + lay.rows_in * lay.a_stride))
        _parse_blocks(data, lay, index, cfg, at)
        p = f"layer{index}."
        regions += [
            Region(p + "blocks", lay.block_table, lay.block_table + BLOCK_BYTES * lay.num_blocks),
            Region(p + "weights", lay.b_base, lay.b_end),
            Region(p + "output", lay.out_base, lay.out_base + lay.m * lay.out_stride),
            Region(p + "perf", lay.perf_ptr, lay.perf_ptr + PERF_BYTES),
        ]
        if lay.conv:
            regions.append(Region(p + "walk", lay.walk, lay.walk + WALK_BYTES))
        layers.append(lay)
    need_head("output_offset", head("output_offset") == layers[-1].out_base, f"{layers[-1].out_base:#x}, the last out_base")
    regions.sort(key=lambda region: region.start)
    view = np.frombuffer(data, np.uint8)
    end, last = 0, "the start"
    for region in [*regions, Region("the end", size, size)]:
        if align(end, line) > region.start:
            raise ImageError(f"offset {region.start:#x}: {region.name} is not legal here: {last} lies there or shares its line")
        if view[end : region.start].any():
            gap = end + int(np.argmax(view[end : region.start] != 0))
            raise ImageError(f"offset {gap:#x}: byte between {last} and {region.name} = {view[gap]:#x} is not legal: must be 0")
        if verify_crc and region.name.endswith((".output", ".perf")) and view[region.start : region.end].any():
            raise ImageError(f"offset {region.start:#x}: {region.name} is not legal: must be zero in a packed image")
        end, last = region.end, region.name
    return Layout(cfg, size, desc, layers, regions)


def _parse_walk(data: Memory, lay: LayerLayout, index: int, channels: int, cfg: Config) -> None:
    """Reads and checks the walk record of a convolution into ``lay.conv``; ``channels`` are those of an input pixel."""
    words = [int(word) for word in np.frombuffer(data, "<u4", 16, lay.walk)]

    def need(name: str, ok: bool, legal: str, word: int | None = None) -> None:
        if not ok:
            word = WALK[name] if word is None else word
            value = words[word]
            raise ImageError(
                f"offset {lay.walk + 4 * word:#x}: layer {index}: walk: {name} = {value:#x} ({value}) is not legal: must be {legal}"
            )

    total = sum(words) % (1 << 32)
    need("checksum", total == 0, f"{(words[WALK['checksum']] - total) % (1 << 32):#010x}, so that the words add up to zero")
    kh, kw, stride_y, stride_x = words[WALK["kernel"]].to_bytes(4, "little")
    need("kernel", 0 not in (kh, kw, stride_y, stride_x), "of four bytes that are 1 to 255")
    out_w, out_h = divmod(words[WALK["out_size"]], 1 << 16)
    need("out_size", 0 not in (out_h, out_w), "of two halves that are 1 to 65535")
    in_w, in_h = divmod(words[WALK["in_size"]], 1 << 16)
    need("in_size", 0 not in (in_h, in_w), "of two halves that are 1 to 65535")
    slices, pads = divmod(words[WALK["pad"]], 1 << 16)
    pad_left, pad_top = divmod(pads, 1 << 8)
    need("pad", pad_top < kh, f"of a pad_top in bits 7:0 below kh = {kh}")
    need("pad", pad_left < kw, f"of a pad_left in bits 15:8 below kw = {kw}")
    want = -(-channels // cfg.SLICE_W)
    need("pad", slices == want, f"of {want} slices in bits 31:16, {channels} channels in slices of {cfg.SLICE_W}")
    want = kh * kw * slices * cfg.SLICE_W
    need("pad", lay.k == want, f"such that kh * kw * slices * SLICE_W = {want} is k = {lay.k}")
    for word in range(16):
        need(f"word {word}", word in WALK.values() or words[word] == 0, "0", word)
    try:
        lay.conv = Conv(in_h, in_w, channels, kh, kw, stride_y, stride_x, pad_top, pad_left, out_h, out_w)
    except NetworkError as err:  # all else is checked by now
        raise ImageError(f"offset {lay.walk + 4 * WALK['out_size']:#x}: layer {index}: walk: {err}") from err
    derived = lay.walk_words(cfg)
    for name, word in WALK.items():
        need(name, words[word] == derived[word], f"{derived[word]:#x}, from the other words and the descriptor")


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
        to_masks, to_weights, length = fiber.block_bytes(cols, lay.k, nnz, cfg)
        need(0, "params", params, params == want, f"{want:#x}, where the block before ends")
        need(1, "masks", masks, masks == want + to_masks, f"{want + to_masks:#x}, after the records")
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
    for index, lay in enumerate(layout.layers):
        parts, end = [], lay.b_base
        for i, (params, _, _, nnz) in enumerate(lay.blocks):
            cols = min(lay.block_cols, lay.n - i * lay.block_cols)
            end = params + fiber.block_bytes(cols, lay.k, nnz, cfg)[2]
            try:
                parts.append(fiber.decompress_block(view[params:end], cols, lay.k, nnz, cfg))
            except FiberError as err:
                raise ImageError(f"offset {params + err.offset:#x}: layer {index}: block {i}: {err}") from err
        weights, bias, threshold = (np.concatenate([p[j] for p in parts], axis=-1) for j in range(3))
        if view[end : lay.b_end].any():
            raise ImageError(f"offset {end:#x}: layer {index}: bytes after the last block are not zero")
        if lay.conv:
            taps = weights.reshape(lay.conv.taps, -1, lay.n)
            if taps[:, lay.conv.cin :].any():
                raise ImageError(
                    f"offset {lay.b_base:#x}: layer {index}: a weight of a channel at or after {lay.conv.cin} is not zero"
                )
            weights = taps[:, : lay.conv.cin].reshape(-1, lay.n)
        layers.append(Layer(np.ascontiguousarray(weights), bias, threshold, lay.leak, lay.soft, lay.readout,
                            lay.drop_once, f"layer{index}", lay.conv))  # fmt: skip
        if layer_done:
            layer_done()
    first = layout.layers[0]
    spikes = read_rows(data, first.a_base, first.a_stride, first.rows_in, first.inputs, cfg, clean=True).astype(np.uint8)
    return Image(cfg, Network("image", cfg.T, layers), spikes, layout)


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


def read_outputs(memory: Memory, layout: Layout) -> list[npt.NDArray[np.integer]]:
    """The output of every layer after a run, shaped like :meth:`Network.run`'s."""
    return [read_rows(memory, lay.out_base, lay.out_stride, lay.m, lay.n, layout.cfg, readout=lay.readout) for lay in layout.layers]


def read_perf(memory: Memory, layout: Layout) -> list[dict[str, int]]:
    """The performance record of every layer after a run: counter name to value."""
    records = []
    for lay in layout.layers:
        values = np.frombuffer(memory, "<u8", 16, lay.perf_ptr)
        records.append({name: int(values[i]) for name, i in COUNTERS.items()})
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
        walk = words[DESCRIPTOR["walk"]]
        if walk >= HEADER_BYTES and walk + WALK_BYTES <= len(data) and words[DESCRIPTOR["control"]] & 255 == KIND_CONV:
            words = list(struct.unpack_from("<15I", data, walk))
            struct.pack_into("<I", data, walk + 60, -sum(words) % (1 << 32))
    _seal(data)
    return bytes(data)
