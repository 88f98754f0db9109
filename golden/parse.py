# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Reads where everything lies in an image: checks header, descriptors, walk records, block tables, and what lies between them."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from golden import config as configs
from golden.config import Config
from golden.descriptors import Reader
from golden.fiber import align
from golden.layout import DESCRIPTOR_BYTES, HEADER, HEADER_BYTES, MAGIC, MAX_BYTES, VERSION, Layout, Region
from golden.network import MOST_STEPS
from golden.record import ImageError, Memory, Record


def image_config(data: Memory) -> Config:
    """The configuration an image was packed for: a named one, or one rebuilt from the header.

    Of several that an image cannot tell apart, one that can carry membranes and decode index codes.

    Raises:
        ImageError: The header is cut off or its words are no legal configuration.
    """
    head = _header(data)
    have = tuple(head[f"config{i}"] for i in range(4))
    known = [cfg for cfg in configs.load_all().values() if cfg.image_words == have]
    if known:
        return max(known, key=lambda cfg: (cfg.CARRY, cfg.INDEX_RATE > 0))
    c0, c1, c2, c3 = have
    line, chunk = c1 >> 10 & 0xFFF, c1 & 0x3FF
    try:  # fields that no image depends on get a value that is legal beside the others
        cfg = Config(
            name="image", source="image header", T=c0 & 31, WEIGHT_W=c0 >> 8 & 15, SLICE_W=c0 >> 16 & 255, WINDOW=c0 >> 24, CHUNK_W=chunk,
            LINE_W=line, ACC_W=c1 >> 22 & 63, K_MAX=c2 & 0x1FFFF, MEM_W=c2 >> 17 & 63, OUT_ENTRIES=c3 & 0x1FFFF,
            NUM_SLOTS=c3 >> 17 & 255, NUM_TPPES=2, LAGGY=1, SEQUENTIAL=0, DEEP=0, FIFO_DEPTH=8, INDEX_RATE=1, CARRY=1,
            AXI_W=max(32, min(1024, line // 2)), NUM_BANKS=2, NUM_WAYS=2, NUM_SETS=4, OUTSTANDING=4,
        ).check()  # fmt: skip
    except configs.ConfigError as err:
        raise ImageError(f"offset {4 * HEADER['config0']:#x}: config0 to config3 = {[hex(w) for w in have]}: {err}") from err
    for i, word in enumerate(cfg.image_words):
        if word != have[i]:
            raise ImageError(f"offset {4 * HEADER[f'config{i}']:#x}: config{i} = {have[i]:#010x} is not legal: has undefined bits")
    return cfg


def _header(data: Memory) -> Record:
    if len(data) < HEADER_BYTES:
        raise ImageError(f"offset {len(data):#x}: image has {len(data)} bytes: must be at least {HEADER_BYTES}, the header")
    return Record(data, 0, HEADER)


def parse_layout(data: Memory, cfg: Config | None = None, *, verify_crc: bool = True) -> Layout:
    """Checks header, descriptors, walk records and block tables.

    Args:
        data: The whole image, or a memory dump after a run (``verify_crc=False``).
        cfg: Demand this configuration; by default the image's own.
        verify_crc: Check the checksum; also demands that outputs are still zero.

    Raises:
        ImageError: Names offset, field, value and what is legal.
    """
    head, size = _header(data), len(data)
    head.need("magic", head["magic"] == MAGIC, f"{MAGIC:#x}, the bytes LoAS")
    head.need("version", head["version"] == VERSION, str(VERSION))
    head.need("size", head["size"] == size, f"{size}, the bytes present (truncated or over-long?)")
    if cfg is None:
        cfg = image_config(data)
    for i, word in enumerate(cfg.image_words):
        head.need(f"config{i}", head[f"config{i}"] == word, f"{word:#010x} for configuration {cfg.name}")
    head.need("size", size % cfg.line_bytes == 0 and size < MAX_BYTES, f"a multiple of LINE_W / 8 = {cfg.line_bytes}, below 2^31")
    if verify_crc:
        zeroed = bytearray(data[:HEADER_BYTES])
        struct.pack_into("<I", zeroed, 4 * HEADER["crc"], 0)
        crc = zlib.crc32(np.frombuffer(data, np.uint8)[HEADER_BYTES:].data, zlib.crc32(zeroed))
        head.need("crc", head["crc"] == crc, f"{crc:#010x}, the CRC-32 of the content")
    head.where = "header "
    head.need_zero_rest()
    head.where = ""
    layout, reader, regions = _layers(data, head, cfg)
    _check_header(head, layout, reader)
    layout.regions = _check_regions(data, regions, cfg, packed=verify_crc)
    layout.inputs = [(rows.base, rows.stride) for rows in reader.inputs]
    layout.input_rows = reader.inputs[0].rows
    return layout


def _layers(data: Memory, head: Record, cfg: Config) -> tuple[Layout, Reader, list[Region]]:
    """Reads all descriptors."""
    steps, count, desc = head["steps"], head["num_layers"], head["desc_offset"]
    head.need("steps", 1 <= steps <= MOST_STEPS, f"1 to {MOST_STEPS}")
    head.need("steps", cfg.CARRY == 1 or steps <= cfg.T, f"1 to T = {cfg.T}: CARRY of configuration {cfg.name} is 0")
    chunks = -(-steps // cfg.T)
    head.need("num_layers", 1 <= count <= 65535 and count % chunks == 0,
              f"1 to 65535, a multiple of {chunks}, the chunks of timesteps")  # fmt: skip
    top = len(data) - DESCRIPTOR_BYTES * count
    head.need("desc_offset", desc % 64 == 0 and HEADER_BYTES <= desc <= top, f"a multiple of 64, {HEADER_BYTES} to {top}")
    head.need("input_channels", head["input_channels"] <= cfg.K_MAX, f"0 to K_MAX = {cfg.K_MAX}")
    layout = Layout(cfg, len(data), desc, steps, [], [])
    regions = [Region("header", 0, HEADER_BYTES), Region("descriptors", desc, desc + DESCRIPTOR_BYTES * count)]
    reader = Reader(data, layout, count // chunks, head["input_channels"])
    for index in range(count):
        regions += reader.descriptor(index)
    return layout, reader, regions


def _check_header(head: Record, layout: Layout, reader: Reader) -> None:
    """Checks what the header repeats from the descriptors."""
    first, out = reader.inputs[0], layout.layers[-1].out_base
    head.need("output_offset", head["output_offset"] == out, f"{out:#x}, the last out_base")
    head.need("input_offset", head["input_offset"] == first.base, f"{first.base:#x}, where the first layer reads it")
    head.need("input_rows", head["input_rows"] == first.rows, f"{first.rows}, the input rows of the first layer")
    if not first.pixels:
        head.need("input_channels", head["input_channels"] == 0, "0: the input is read by a fully connected layer")


def _check_regions(data: Memory, regions: list[Region], cfg: Config, *, packed: bool) -> list[Region]:
    """Checks that regions share no line and that all between them, and in a packed image all results, are zero."""
    unique = sorted(set(regions), key=lambda region: (region.start, region.end, region.name))
    view, size = np.frombuffer(data, np.uint8), len(data)
    end, last = 0, "the start"
    for region in [*unique, Region("the end", size, size)]:
        shared = region.name.endswith(".output") and last.endswith(".output")  # buffers that are used again
        if align(end, cfg.line_bytes) > region.start and not shared:
            raise ImageError(f"offset {region.start:#x}: {region.name} is not legal here: {last} lies there or shares its line")
        if view[end : region.start].any():
            gap = end + int(np.argmax(view[end : region.start] != 0))
            raise ImageError(f"offset {gap:#x}: byte between {last} and {region.name} = {view[gap]:#x} is not legal: must be 0")
        if packed and region.name.endswith((".output", ".perf", ".state")) and view[region.start : region.end].any():
            raise ImageError(f"offset {region.start:#x}: {region.name} is not legal: must be zero in a packed image")
        if region.end >= end:
            end, last = region.end, region.name
    return unique
