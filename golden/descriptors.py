# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Reads and checks layer descriptors with their walk records and block tables; who writes and who reads which rows."""

from __future__ import annotations

from dataclasses import dataclass

from golden import fiber
from golden.config import Config
from golden.fiber import align
from golden.layer import Conv, NetworkError
from golden.layout import (
    BLOCK,
    BLOCK_BYTES,
    CONTROL,
    DESCRIPTOR,
    DESCRIPTOR_BYTES,
    FLAGS,
    HEADER,
    HEADER_BYTES,
    KIND_CONV,
    KIND_FULL,
    MAX_BYTES,
    MOST_ROWS,
    PERF_BYTES,
    TAG,
    WALK,
    WALK_BYTES,
    LayerLayout,
    Layout,
    Region,
    check_tiling,
)
from golden.record import ImageError, Memory, Record

POINTERS = ("a_base", "a_stride", "block_table", "b_base", "b_end", "out_base", "out_stride", "state", "perf_ptr", "walk")


@dataclass(frozen=True)
class Rows:
    """Rows in memory: what a layer wrote (-1: the input), where, how many columns, and how many rows make an image if known."""

    writer: int
    base: int
    stride: int
    rows: int
    columns: int
    pixels: int | None

    @property
    def end(self) -> int:
        """One past the last byte."""
        return self.base + self.rows * self.stride

    @property
    def who(self) -> str:
        """Who wrote them, for messages."""
        return f"layer {self.writer}" if self.writer >= 0 else "the input"


class Reader:
    """Reads and checks descriptors one after the other, into ``layout.layers``.

    Attributes:
        inputs: The input rows of every chunk of timesteps.
    """

    def __init__(self, data: Memory, layout: Layout, places: int, channels: int) -> None:
        """Begins before the first descriptor.

        Args:
            data: The image.
            layout: Where layers are added; header fields are in it.
            places: Layers of the network.
            channels: ``input_channels`` of the header.
        """
        self._data, self._layout, self._places, self._channels = data, layout, places, channels
        self._written: list[Rows] = []  # in this chunk, and not written over
        self.inputs: list[Rows] = []

    def descriptor(self, index: int) -> list[Region]:
        """The next descriptor, with its walk records and block table.

        Returns:
            The regions that it names.

        Raises:
            ImageError: Names offset, field, value and what is legal.
        """
        layout, cfg = self._layout, self._layout.cfg
        chunk, place = divmod(index, self._places)
        rec = Record(self._data, layout.desc_offset + DESCRIPTOR_BYTES * index, DESCRIPTOR, f"layer {index}: ")
        rec.need_sum()
        self._control(rec, chunk, place)
        lay = self._fields(rec, chunk)
        if not place:
            self._written = []
        source, branch = self._find(lay.a_base), None
        if rec.bits("control", *CONTROL["kind"]) == KIND_CONV:
            branch = self._windows(rec, lay, index, source)
        else:
            rec.need("walk", lay.walk == 0, "0 in a fully connected layer")
        check_tiling(lay, cfg, f"layer {index}", rec.at)
        self._places_in_memory(rec, lay)
        self._operands(rec, branch, lay, source)
        pixels = lay.conv.pixels_out // lay.pool_size if lay.conv else source.pixels if source else None
        mine = Rows(place, lay.out_base, lay.out_stride, lay.m, lay.n, pixels)
        self._written = [rows for rows in self._written if rows.end <= mine.base or mine.end <= rows.base] + [mine]
        if chunk:
            before = layout.layers[place]
            _same_layer(rec, lay, before)
            lay.blocks = before.blocks
        else:
            _parse_blocks(self._data, lay, rec, index, cfg)
        layout.layers.append(lay)
        return self._regions(lay, index)

    def _control(self, rec: Record, chunk: int, place: int) -> None:
        """Checks the bits of the control word."""
        cfg, chunks = self._layout.cfg, self._layout.chunks
        bits = {name: rec.bits("control", lsb, width) for name, (lsb, width) in CONTROL.items()}
        defined = sum(((1 << width) - 1) << lsb for lsb, width in CONTROL.values())
        readout, out = bits["readout"], int(chunk < chunks - 1)
        for ok, legal in (
            (bits["tag"] == TAG, f"tagged {TAG:#x} in bits 31:16"),
            (bits["kind"] in (KIND_FULL, KIND_CONV), "of kind 1 (fully connected) or 2 (convolution) in bits 7:0"),
            (rec["control"] & ~defined == 0, "zero in undefined bits"),
            (not (readout and (bits["soft"] or bits["late"] or bits["drop_once"])), "without soft, late and drop_once in a readout"),
            (not readout or place == self._places - 1, "a readout only in the last layer"),
            (bits["carry_in"] == (chunk > 0), f"with carry_in = {int(chunk > 0)} in chunk {chunk} of timesteps"),
            (bits["carry_out"] == out, f"with carry_out = {out} in chunk {chunk} of {chunks} of timesteps"),
            (cfg.INDEX_RATE or not bits["index"], f"with index = 0: INDEX_RATE of configuration {cfg.name} is 0"),
        ):
            rec.need("control", bool(ok), legal)

    def _fields(self, rec: Record, chunk: int) -> LayerLayout:
        """Checks the words of a descriptor by themselves."""
        cfg, size = self._layout.cfg, self._layout.size
        flags = {name: bool(rec.bits("control", *CONTROL[name])) for name in (*FLAGS, "index", "carry_in", "carry_out")}
        most = min(cfg.K_MAX, cfg.OUT_ENTRIES // 2) if flags["readout"] else cfg.K_MAX
        m, leak, steps = rec.bits("rows", 0, 24), rec.bits("neuron", 0, 9), rec.bits("neuron", 9, 5)
        rec.need("rows", m >= 1, f"1 to {MOST_ROWS} in bits 23:0")
        rec.need("k", 1 <= rec["k"] <= cfg.K_MAX, f"1 to K_MAX = {cfg.K_MAX}")
        rec.need("n", 1 <= rec["n"] <= most, f"1 to {most}")
        rec.need("neuron", leak <= 256, "a leak of 0 to 256 in bits 8:0")
        want = min(cfg.T, self._layout.steps - chunk * cfg.T)
        rec.need("neuron", steps == want, f"of {want} timesteps in bits 13:9")
        rec.need("neuron", rec.bits("neuron", 14, 2) == 0, "zero in bits 15:14")
        lay = LayerLayout(m=m, k=rec["k"], n=rec["n"], leak=leak, steps=steps, block_cols=rec["neuron"] >> 16,
                          tile_rows=rec["rows"] >> 24, **flags)  # type: ignore[arg-type]  # fmt: skip
        for name in POINTERS:
            step = {"block_table": 16, "walk": 64}.get(name, cfg.line_bytes)
            rec.need(name, rec[name] % step == 0 and rec[name] <= size, f"a multiple of {step}, at most {size}, the image's size")
            setattr(lay, name, rec[name])
        return lay

    def _windows(self, rec: Record, lay: LayerLayout, index: int, source: Rows | None) -> Record | None:
        """Reads and checks the walk record of a convolution, and that of its branch, which is returned."""
        cfg, top = self._layout.cfg, self._layout.size - WALK_BYTES
        rec.need("walk", HEADER_BYTES <= lay.walk <= top, f"{HEADER_BYTES} to {top}: it has {WALK_BYTES} bytes")
        walk, branch = _walk_record(self._data, lay.walk, f"layer {index}: walk: ", cfg), None
        ph, pw = walk.bits("pool", 0, 8), walk.bits("pool", 8, 8)
        lay.pool = None if ph == pw == 1 else (ph, pw)
        lay.branch_walk = walk["branch"]
        channels = source.columns if source else self._channels
        if not channels:
            raise ImageError(f"offset {4 * HEADER['input_channels']:#x}: input_channels = 0x0 (0) is not legal: must be 1 to K_MAX = "
                             f"{cfg.K_MAX} before a convolution")  # fmt: skip
        lay.conv = _geometry(walk, channels, cfg)
        walk.need("pool", lay.conv.out_h % ph == 0 and lay.conv.out_w % pw == 0, "of two factors of out_h and out_w")
        walk.need("pool", not (lay.pool and lay.readout), "1 and 1 in a readout")
        total = lay.conv.taps * lay.conv.padded(cfg.SLICE_W).cin
        if lay.branch_walk:
            good = lay.branch_walk % 64 == 0 and HEADER_BYTES <= lay.branch_walk <= top
            walk.need("branch", good, f"a multiple of 64, {HEADER_BYTES} to {top}")
            walk.need("pool", not lay.pool, "1 and 1 with a branch")
            branch = self._branch(lay, index)
            assert lay.branch is not None
            total += lay.branch.taps * lay.branch.padded(cfg.SLICE_W).cin
        walk.need("pad", lay.k == total, f"such that kh * kw * slices * SLICE_W = {total} is k = {lay.k}")
        for record, derived in ((walk, lay.walk_words(cfg)), (branch, lay.branch_words(cfg) if lay.branch else [])):
            for name, word in WALK.items() if record else ():
                assert record is not None
                record.need(name, record[name] == derived[word], f"{derived[word]:#x}, from the other words and the descriptor")
        batch, rest = divmod(lay.m * lay.pool_size, lay.conv.pixels_out)
        each = lay.conv.pixels_out // lay.pool_size
        rec.need("rows", rest == 0, f"a multiple of {each}, the pixels that the walk record makes of an image")
        if source and source.pixels:
            images = source.rows // source.pixels
            rec.need("rows", batch == images, f"{images * each}, the output pixels of {images} images")
        return branch

    def _branch(self, lay: LayerLayout, index: int) -> Record:
        """Reads and checks the walk record of a branch."""
        assert lay.conv is not None
        cfg = self._layout.cfg
        rec = _walk_record(self._data, lay.branch_walk, f"layer {index}: branch: ", cfg)
        for name, want, shown in (("pool", 1 | 1 << 8, "1 and 1"), ("branch", 0, "0"), ("state_step", 0, "0")):
            rec.need(name, rec[name] == want, f"{shown} in a branch")
        lay.branch_stride = rec["pitch"]
        pad = rec.bits("pad", 0, 8) * rec.bits("in_size", 16, 16) + rec.bits("pad", 8, 8)  # pixels in front of the map
        lay.branch_base = (rec["start"] + pad * lay.branch_stride) % (1 << 32)
        rows = self._find(lay.branch_base)
        if rows is None and lay.branch_base == lay.a_base:  # the first layer reads the input twice
            channels = self._channels
        else:
            rec.need("start", rows is not None, f"such that the map begins where rows lie that are not written over: {self._known()}")
            assert rows is not None
            channels = rows.columns
        lay.branch = _geometry(rec, channels, cfg)
        same = (lay.branch.out_h, lay.branch.out_w) == (lay.conv.out_h, lay.conv.out_w)
        rec.need("out_size", same, f"that of the first window, {lay.conv.out_h} and {lay.conv.out_w}")
        return rec

    def _places_in_memory(self, rec: Record, lay: LayerLayout) -> None:
        """Checks that all that the descriptor points to lies in the image and has room."""
        cfg, size = self._layout.cfg, self._layout.size
        least = fiber.row_stride(lay.inputs, cfg)
        rec.need("a_stride", lay.a_stride >= least, f"at least {least} for rows of {lay.inputs}")
        least = fiber.readout_stride(lay.n, cfg) if lay.readout else fiber.row_stride(lay.n, cfg)
        rec.need("out_stride", lay.out_stride >= least, f"at least {least} for N = {lay.n}")
        for name, length in (
            ("a_base", lay.rows_in * lay.a_stride), ("out_base", lay.m * lay.out_stride), ("perf_ptr", PERF_BYTES),
            ("block_table", BLOCK_BYTES * lay.num_blocks), ("state", lay.state_bytes(cfg) if lay.carries else 0),
        ):  # fmt: skip
            if length:
                rec.need(name, HEADER_BYTES <= rec[name] <= size - length, f"{HEADER_BYTES} to {size - length}: it has {length} bytes")
        rec.need("state", lay.carries or lay.state == 0, "0 without carry_in and carry_out")
        rec.need("b_base", HEADER_BYTES <= lay.b_base < lay.b_end, f"{HEADER_BYTES} to below b_end = {lay.b_end:#x}")

    def _operands(self, rec: Record, branch: Record | None, lay: LayerLayout, source: Rows | None) -> None:
        """Checks that the layer may read what it reads, and does not write over it."""
        if source is None:
            chunk = len(self._layout.layers) // self._places
            legal = f"where the input or a layer's rows lie that are not written over: {self._known()}"
            rec.need("a_base", len(self.inputs) == chunk, legal)
            source = Rows(-1, lay.a_base, lay.a_stride, lay.rows_in, lay.inputs, lay.conv.pixels_in if lay.conv else None)
            self.inputs.append(source)
        reads = [(source, lay.conv, lay.a_stride, rec, "a_stride")]
        if branch:
            other = self._find(lay.branch_base)
            assert other is not None
            reads.append((other, lay.branch, lay.branch_stride, branch, "pitch"))
        for rows, conv, stride, record, name in reads:
            record.need(name, stride == rows.stride, f"{rows.stride}, {'that' if rows.writer < 0 else 'out_stride'} of {rows.who}")
            if conv:
                good = lay.images * conv.pixels_in == rows.rows
                legal = f"{conv.pixels_out // lay.pool_size} for each {conv.pixels_in} of the {rows.rows} rows of {rows.who}"
                rec.need("rows", good, legal)
            else:
                rec.need("rows", lay.m == rows.rows, f"{rows.rows}, the rows of {rows.who}")
                rec.need("k", lay.k == rows.columns, f"{rows.columns}, the outputs of {rows.who}")
            free = lay.out_base + lay.m * lay.out_stride <= rows.base or rows.end <= lay.out_base
            rec.need("out_base", free, f"outside of {rows.base:#x} to {rows.end:#x}, which the layer reads")
        lay.sources = [rows.writer for rows, *_ in reads]

    def _find(self, base: int) -> Rows | None:
        """What lies at an offset: rows written in this chunk and not written over, or the chunk's input."""
        return next((rows for rows in self._there() if rows.base == base), None)

    def _there(self) -> list[Rows]:
        chunk = len(self._layout.layers) // self._places
        return self._written + self.inputs[chunk : chunk + 1]

    def _known(self) -> str:
        return ", ".join(f"{rows.base:#x} ({rows.who})" for rows in self._there())

    def _regions(self, lay: LayerLayout, index: int) -> list[Region]:
        """What a descriptor points to; weights and membranes are the same in every chunk."""
        cfg, (chunk, place) = self._layout.cfg, divmod(index, self._places)
        mine, shared = f"layer{index}.", f"layer{place}."
        sizes = [
            (shared + "blocks", lay.block_table, BLOCK_BYTES * lay.num_blocks),
            (shared + "weights", lay.b_base, lay.b_end - lay.b_base),
            (mine + "output", lay.out_base, lay.m * lay.out_stride),
            (mine + "perf", lay.perf_ptr, PERF_BYTES),
        ]
        if not place:
            rows = self.inputs[chunk]
            sizes.append(("input" if self._layout.chunks == 1 else f"input{chunk}", rows.base, rows.end - rows.base))
        if lay.conv:
            sizes.append((mine + "walk", lay.walk, WALK_BYTES))
        if lay.branch:
            sizes.append((mine + "branch", lay.branch_walk, WALK_BYTES))
        if lay.carries:
            sizes.append((shared + "state", lay.state, lay.state_bytes(cfg)))
        return [Region(name, start, start + size) for name, start, size in sizes]


def _same_layer(rec: Record, lay: LayerLayout, before: LayerLayout) -> None:
    """Checks that a layer is the same as in the first chunk of timesteps."""
    for name, fields in (("control", (*FLAGS, "index")), ("rows", ("m", "tile_rows")), ("neuron", ("leak", "block_cols"))):
        same = all(getattr(lay, field) == getattr(before, field) for field in fields)
        rec.need(name, same, "as in the first chunk of timesteps")
    for name in ("k", "n", "block_table", "b_base", "b_end", "state"):
        rec.need(name, getattr(lay, name) == getattr(before, name), f"{getattr(before, name):#x}, as in the first chunk of timesteps")
    shape = (lay.conv, lay.pool, lay.branch, lay.sources)
    same = shape == (before.conv, before.pool, before.branch, before.sources)
    rec.need("walk", same, "that of a window like the one in the first chunk of timesteps")


def _walk_record(data: Memory, at: int, where: str, cfg: Config) -> Record:
    """A walk record whose words are good by themselves."""
    rec = Record(data, at, WALK, where)
    rec.need_sum()
    kh, kw, stride_y, stride_x = rec["kernel"].to_bytes(4, "little")
    rec.need("kernel", 0 not in (kh, kw, stride_y, stride_x), "of four bytes that are 1 to 255")
    for name in ("out_size", "in_size"):
        rec.need(name, 0 not in divmod(rec[name], 1 << 16), "of two halves that are 1 to 65535")
    rec.need("pad", rec.bits("pad", 0, 8) < kh, f"of a pad_top in bits 7:0 below kh = {kh}")
    rec.need("pad", rec.bits("pad", 8, 8) < kw, f"of a pad_left in bits 15:8 below kw = {kw}")
    rec.need("pad", rec["pad"] >> 16 > 0, "of at least 1 slice in bits 31:16")
    pools = rec.bits("pool", 0, 8), rec.bits("pool", 8, 8)
    rec.need("pool", 0 not in pools and rec["pool"] >> 16 == 0, "of two bytes that are 1 to 255")
    rec.need("pitch", rec["pitch"] % cfg.line_bytes == 0 and rec["pitch"] < MAX_BYTES, f"a multiple of {cfg.line_bytes}")
    rec.need_zero_rest()
    return rec


def _geometry(rec: Record, channels: int, cfg: Config) -> Conv:
    """The convolution in a walk record whose words were checked."""
    slices, want = rec["pad"] >> 16, -(-channels // cfg.SLICE_W)
    rec.need("pad", slices == want, f"of {want} slices in bits 31:16, {channels} channels in slices of {cfg.SLICE_W}")
    out_w, out_h = divmod(rec["out_size"], 1 << 16)
    in_w, in_h = divmod(rec["in_size"], 1 << 16)
    kh, kw, stride_y, stride_x = rec["kernel"].to_bytes(4, "little")
    try:
        return Conv(in_h, in_w, channels, kh, kw, stride_y, stride_x, rec.bits("pad", 0, 8), rec.bits("pad", 8, 8), out_h, out_w)
    except NetworkError as err:  # all else is checked by now
        raise ImageError(f"offset {rec.at + 4 * WALK['out_size']:#x}: {rec.where}{err}") from err


def _parse_blocks(data: Memory, lay: LayerLayout, rec: Record, index: int, cfg: Config) -> None:
    """Reads and checks the block table of a layer into ``lay.blocks``."""
    want, end = lay.b_base, min(lay.b_end, len(data))
    for i in range(lay.num_blocks):
        block = Record(data, lay.block_table + BLOCK_BYTES * i, BLOCK, f"layer {index}: block {i}: ", 4)
        params, masks, weights, nnz = block.words
        cols = min(lay.block_cols, lay.n - i * lay.block_cols)
        block.need("nnz", nnz <= cols * lay.k, f"0 to {cols * lay.k}, columns times K")
        block.need("params", params == want, f"{want:#x}, where the block before ends")
        to_masks, to_weights, length = fiber.block_bytes(cols, lay.k, nnz, cfg, weights - masks if lay.index else None)
        block.need("masks", masks == want + to_masks, f"{want + to_masks:#x}, after the records")
        if lay.index:
            good = masks <= weights <= end and weights % cfg.chunk_bytes == 0
            block.need("weights", good, f"a multiple of {cfg.chunk_bytes}, {masks:#x} to {end:#x}")
        else:
            block.need("weights", weights == want + to_weights, f"{want + to_weights:#x}, after the masks")
        want += length
        block.need("nnz", want <= end, f"smaller: the block ends at {want:#x}, b_end is {lay.b_end:#x}")
        lay.blocks.append((params, masks, weights, nnz))
    least = align(want, cfg.line_bytes)
    rec.need("b_end", least == lay.b_end, f"{least:#x}, the line after the last block")
