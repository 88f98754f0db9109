# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Where everything lies in a memory image: descriptors, walk records, tiling and the buffers of spikes.

Word numbers come from ``spec/image.toml``; docs/image-format.md describes the format bit by bit.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from golden import fiber, toml
from golden.config import SPEC_DIR, Config
from golden.fiber import align
from golden.layer import Conv, Layer, NetworkError, sources
from golden.record import ImageError, sealed_words


@functools.cache
def _spec(name: str) -> dict[str, Any]:
    return toml.read(SPEC_DIR / name)


_IMAGE = _spec("image.toml")
VERSION: int = _IMAGE["version"]
MAGIC: int = _IMAGE["magic"]
HEADER: dict[str, int] = {name: f["word"] for name, f in _IMAGE["header"].items()}
DESCRIPTOR: dict[str, int] = {name: f["word"] for name, f in _IMAGE["descriptor"].items()}
WALK: dict[str, int] = {name: f["word"] for name, f in _IMAGE["walk"].items()}
BLOCK: dict[str, int] = {name: f["word"] for name, f in _IMAGE["block"].items()}
CONTROL: dict[str, tuple[int, int]] = {name: (f["lsb"], f["width"]) for name, f in _IMAGE["control"].items()}
COUNTERS: dict[str, int] = {name: f["index"] for name, f in _spec("registers.toml")["counters"].items()}
KIND_FULL, KIND_CONV, TAG = 1, 2, 0x10A5
HEADER_BYTES = DESCRIPTOR_BYTES = WALK_BYTES = 64
BLOCK_BYTES = 16
PERF_BYTES = 8 * 16
MAX_BYTES = 1 << 31
MOST_ROWS = (1 << 24) - 1
POOL_COLS = 64  # columns of a block whose words a TPPE can keep for pooling
TASKS = 24  # for each TPPE, by choice of choose_tiling
FLAGS = ("soft", "late", "readout", "drop_once")


@dataclass(frozen=True)
class Region:
    """Bytes ``start`` to ``end`` of an image and what they are for, e.g. ``layer0.weights``."""

    name: str
    start: int
    end: int


@dataclass
class LayerLayout:
    """Where one layer lies in an image, for one chunk of timesteps; the fields are those of its descriptor and walk records.

    Attributes:
        m: Output rows, after pooling.
        steps: Timesteps of this chunk.
        state: Membranes of a row behind another's, 4 bytes each; rows are output pixels before pooling.
        sources: Layers that are read, by their place in the network; -1: the input.
        branch_base, branch_stride: First pixel of the branch's map, and bytes from pixel to pixel.
        blocks: Offsets of records, masks (or index) and weights, and nonzero weights, of every block.
    """

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
    pool: tuple[int, int] | None = None
    branch: Conv | None = None
    late: bool = False
    index: bool = False
    steps: int = 0
    carry_in: bool = False
    carry_out: bool = False
    sources: list[int] = field(default_factory=list)
    a_base: int = 0
    a_stride: int = 0
    block_table: int = 0
    b_base: int = 0
    b_end: int = 0
    out_base: int = 0
    out_stride: int = 0
    state: int = 0
    perf_ptr: int = 0
    walk: int = 0
    branch_walk: int = 0
    branch_base: int = 0
    branch_stride: int = 0
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
    def pool_size(self) -> int:
        """Output pixels of the convolution that make an output row."""
        return self.pool[0] * self.pool[1] if self.pool else 1

    @property
    def images(self) -> int:
        """Images, or rows of a fully connected layer."""
        return self.m * self.pool_size // self.conv.pixels_out if self.conv else self.m

    @property
    def rows_in(self) -> int:
        """Input rows."""
        return self.images * self.conv.pixels_in if self.conv else self.m

    @property
    def carries(self) -> bool:
        """Membranes come in or go out."""
        return self.carry_in or self.carry_out

    def state_stride(self, cfg: Config) -> int:
        """Bytes of the membranes of a row."""
        return align(4 * self.n, cfg.line_bytes)

    def state_bytes(self, cfg: Config) -> int:
        """Bytes of the membranes of the layer."""
        return self.m * self.pool_size * self.state_stride(cfg)

    def weight_bytes(self, cfg: Config) -> int:
        """Bytes of the weights, all told: records, places, weights, block table, and padding to lines."""
        return self.b_end - self.b_base + align(BLOCK_BYTES * self.num_blocks, cfg.line_bytes)

    def walk_words(self, cfg: Config) -> list[int]:
        """The 16 words of the walk record of a convolution."""
        assert self.conv is not None
        ph, pw = self.pool or (1, 1)
        more = {"pool": ph | pw << 8, "branch": self.branch_walk,
                "state_step": self.pool_size * self.state_stride(cfg) if self.carries else 0}  # fmt: skip
        return _walk_words(self.conv, self.a_base, self.a_stride, more, cfg)

    def branch_words(self, cfg: Config) -> list[int]:
        """The 16 words of the walk record of the branch."""
        assert self.branch is not None
        return _walk_words(self.branch, self.branch_base, self.branch_stride, {"pool": 1 | 1 << 8}, cfg)

    def words(self) -> list[int]:
        """The 16 words of the descriptor."""
        control = {name: getattr(self, name) for name in (*FLAGS, "carry_in", "carry_out", "index")}
        control |= {"kind": KIND_CONV if self.conv else KIND_FULL, "tag": TAG}
        values = {name: getattr(self, name) for name in DESCRIPTOR if hasattr(self, name)}
        values["control"] = sum(int(v) << CONTROL[name][0] for name, v in control.items())
        values["rows"] = self.m | self.tile_rows << 24
        values["neuron"] = self.leak | self.steps << 9 | self.block_cols << 16
        return sealed_words(DESCRIPTOR, values)


def _walk_words(c: Conv, base: int, pitch: int, more: dict[str, int], cfg: Config) -> list[int]:
    row = c.in_w * pitch
    values = {
        "kernel": c.kh | c.kw << 8 | c.stride_y << 16 | c.stride_x << 24,
        "out_size": c.out_h | c.out_w << 16,
        "in_size": c.in_h | c.in_w << 16,
        "pad": c.pad_top | c.pad_left << 8 | c.padded(cfg.SLICE_W).cin // cfg.SLICE_W << 16,
        "step_x": c.stride_x * pitch,
        "step_y": c.stride_y * row,
        "row_bytes": row,
        "image_bytes": c.in_h * row,
        "start": base - c.pad_top * row - c.pad_left * pitch,
        "pitch": pitch,
    }
    return sealed_words(WALK, values | more)


@dataclass
class Layout:
    """Where everything lies in an image.

    Attributes:
        cfg: Configuration it is for.
        size: Bytes.
        desc_offset: Descriptor table.
        steps: Timesteps of the network.
        layers: One for each layer, for every chunk of timesteps.
        regions: All parts, by offset.
        inputs: Offset and stride of the input rows of every chunk.
        input_rows: Input rows.
    """

    cfg: Config
    size: int
    desc_offset: int
    steps: int
    layers: list[LayerLayout]
    regions: list[Region]
    inputs: list[tuple[int, int]] = field(default_factory=list)
    input_rows: int = 0

    @property
    def chunks(self) -> int:
        """Chunks of the machine's T timesteps."""
        return -(-self.steps // self.cfg.T)

    @property
    def network(self) -> list[LayerLayout]:
        """The layers in the first chunk."""
        return self.layers[: len(self.layers) // self.chunks]

    def over_time(self, place: int) -> list[LayerLayout]:
        """The layer at a place of the network, chunk after chunk."""
        return self.layers[place :: len(self.network)]

    def lasting(self) -> list[bool]:
        """For every descriptor whether its output is still there after the run: nothing was written over it."""
        starts, ends, last = list[int](), list[int](), list[bool]()  # spans written later, apart and in order
        for lay in reversed(self.layers):
            start, end = lay.out_base, lay.out_base + lay.m * lay.out_stride
            i, j = bisect.bisect_right(ends, start), bisect.bisect_left(starts, end)
            last.append(i >= j)
            starts[i:j], ends[i:j] = [min([start, *starts[i:j]])], [max([end, *ends[i:j]])]
        return last[::-1]


def choose_tiling(layer: Layer, m: int, cfg: Config, carries: bool = False) -> tuple[int, int]:
    """Block columns and tile rows of a layer: the one place of the rule.

    A block of 64 columns amortises the row's prefix sums and header over many columns, and its weights are
    few enough to stay in the cache while a tile of rows walks over them. With few rows the TPPEs work on many blocks at
    once, far apart in memory, while the scheduler fetches ahead block after block, and some are idle at the end. So blocks
    are halved (down to a slice, which is what an output buffer entry holds) until there are 24 tasks for each TPPE: 4
    instead cost the layers of VGG16 with 4 to 64 pixels 2 % more cycles at a memory latency of 20 and 13 to 17 % at 50
    (docs/nets.md). A tile is as large as the output buffer allows
    with two tiles in it, one computed while the other is compressed, and at most 32 rows: each row of A is
    read again for each block, and so must stay in the cache.

    Args:
        layer: The layer.
        m: Output rows.
        cfg: For NUM_TPPES, SLICE_W, LINE_W, NUM_SLOTS and OUT_ENTRIES.
        carries: Membranes are carried between chunks of timesteps: those of a block must begin with a line.

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
    while cols > least_cols(cfg, carries) and m * -(-layer.n // cols) < TASKS * cfg.NUM_TPPES:
        cols //= 2
    return cols, min(32, m, cfg.NUM_SLOTS // 2, cfg.OUT_ENTRIES // (2 * entries))


def least_cols(cfg: Config, carries: bool) -> int:
    """Smallest legal block of columns, and what every one is a multiple of."""
    return max(cfg.SLICE_W, cfg.LINE_W // 32) if carries else cfg.SLICE_W


def check_tiling(lay: LayerLayout, cfg: Config, where: str, at: int | None = None) -> None:
    """Refuses block columns and tile rows that the machine cannot run.

    Raises:
        ImageError: Names the layer, and the offset of the word in an image at ``at``.
    """
    place = "" if at is None else f"offset {at + 4 * DESCRIPTOR['neuron']:#x}: "
    step = least_cols(cfg, lay.carries)
    most = POOL_COLS if lay.pool or lay.carries else 1024
    if lay.block_cols % step or not step <= lay.block_cols <= most:
        name = "SLICE_W" if step == cfg.SLICE_W else "LINE_W / 32"
        raise ImageError(f"{place}{where}: block columns = {lay.block_cols} is not legal: must be a multiple of {name} = "
                         f"{step}, at most {most}")  # fmt: skip
    entries = cfg.entries_per_row(lay.n, lay.readout)
    most = min(cfg.NUM_SLOTS // 2, cfg.OUT_ENTRIES // (2 * entries))
    if not 1 <= lay.tile_rows <= most:
        place = "" if at is None else f"offset {at + 4 * DESCRIPTOR['rows']:#x}: "
        raise ImageError(f"{place}{where}: tile_rows = {lay.tile_rows} is not legal: must be 1 to {most} (two tiles in "
                         f"NUM_SLOTS = {cfg.NUM_SLOTS} slots and OUT_ENTRIES = {cfg.OUT_ENTRIES} entries)")  # fmt: skip


def spike_buffers(layers: Sequence[Layer], sizes: Sequence[int], chunks: int, keep: bool, take: Callable[[int], int]) -> list[list[int]]:
    """Where the output rows of every layer go, in every chunk of timesteps.

    Args:
        layers: The layers of a network.
        sizes: Bytes of each one's output, whole lines.
        chunks: Chunks of timesteps.
        keep: A place of its own for each, so that all can be looked at after the run. Else a layer's rows are written over
            others that nobody reads any more, lowest place first: ping-pong in a chain, three places with residuals. Chunks
            use the same places; only the spikes of the last layer last.
        take: Reserves bytes of the image and returns their offset.

    Returns:
        For each chunk the offset of each layer's output.
    """
    if keep:
        return [[take(size) for size in sizes] for _ in range(chunks)]
    last_use = list(range(len(layers)))
    last_use[-1] = len(layers)
    for i, layer in enumerate(layers):
        for source in sources(layer, i):
            if source >= 0:
                last_use[source] = max(last_use[source], i)
    apart = chunks > 1 and not layers[-1].readout  # integers are those of the last chunk
    pooled = len(layers) - apart
    offsets: list[int] = []
    for i, size in enumerate(sizes[:pooled]):
        taken = sorted((offsets[j], offsets[j] + sizes[j]) for j in range(i) if last_use[j] >= i)
        place = 0
        for start, end in taken:
            if place + size <= start:
                break
            place = max(place, end)
        offsets.append(place)
    length = max((offset + size for offset, size in zip(offsets, sizes, strict=False)), default=0)
    base = take(length) if length else 0
    shared = [base + offset for offset in offsets]
    return [shared + [take(size) for size in sizes[pooled:]] for _ in range(chunks)]


def row_strides(layer: Layer, cfg: Config) -> int:
    """Bytes from one output row of a layer to the next."""
    return fiber.readout_stride(layer.n, cfg) if layer.readout else fiber.row_stride(layer.n, cfg)
