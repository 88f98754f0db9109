# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Prints an image word by word, each with what it is."""

from __future__ import annotations

from golden.errors import LoasError
from golden.image import DESCRIPTOR, HEADER, WALK, LayerLayout, Layout, Region, parse_layout
from golden.layout import BLOCK

HEADER_NAMES, DESCRIPTOR_NAMES, WALK_NAMES, BLOCK_NAMES = (
    {word: name for name, word in table.items()} for table in (HEADER, DESCRIPTOR, WALK, BLOCK)
)


def dump_lines(data: bytes, pick: str = "") -> list[str]:
    """The image in words, annotated by region.

    Args:
        data: The image, or a memory dump after a run.
        pick: Only regions whose name contains this.

    Raises:
        LoasError: The image is not legal, or no region has such a name.
    """
    layout = parse_layout(data, verify_crc=False)
    names = [region.name for region in layout.regions]
    if not any(pick in name for name in names):
        raise LoasError(f"region {pick!r} does not exist: must be part of one of {', '.join(names)}")
    lines = []
    for region in layout.regions:
        if pick in region.name:
            lines.append(f"# {region.name}: {region.start:#x} to {region.end:#x}")
            for offset in range(region.start, region.end, 4):
                value = int.from_bytes(data[offset : offset + 4], "little")
                lines.append(f"{offset:08x}  {value:08x}  {_note(layout, region, offset)}".rstrip())
    return lines


def _note(layout: Layout, region: Region, offset: int) -> str:
    """What the word at an offset in a region is."""
    cfg, at = layout.cfg, offset - region.start
    word = at // 4
    if region.name == "header":
        return HEADER_NAMES.get(word, "zero")
    if region.name == "descriptors":
        return f"layer {word // 16}: {DESCRIPTOR_NAMES[word % 16]}"
    if region.name.startswith("input"):
        return _row(layout, at, layout.inputs[int(region.name[5:] or 0)][1], layout.layers[0].inputs)
    layer, _, kind = region.name.partition(".")
    lay = layout.layers[int(layer[5:])]
    if kind in ("walk", "branch"):
        return WALK_NAMES.get(word, "zero")
    if kind == "blocks":
        return f"block {word // 4}: {BLOCK_NAMES[word % 4]}" if word < 4 * lay.num_blocks else "padding"
    if kind == "perf":
        return f"counter {word // 2} {'high' if word % 2 else 'low'}"
    if kind == "weights":
        return _weights(layout, lay, offset)
    if kind == "state":
        row, column = divmod(at, lay.state_stride(cfg))
        return f"pixel or row {row}: " + (f"membrane {column // 4}" if column < 4 * lay.n else "padding")
    if lay.readout:
        row, column = divmod(at, lay.out_stride)
        return f"row {row}: " + (f"output {column // 4}" if column < 4 * lay.n else "padding")
    return _row(layout, at, lay.out_stride, lay.n)


def _row(layout: Layout, at: int, stride: int, columns: int) -> str:
    """A word of rows of spikes."""
    cfg = layout.cfg
    row, at = divmod(at, stride)
    if at < cfg.chunk_bytes:
        return f"row {row}: " + ("word count" if at == 0 else "header")
    if at < cfg.chunk_bytes * (1 + cfg.num_chunks(columns)):
        return f"row {row}: mask of neurons {8 * (at - cfg.chunk_bytes)}.."
    return f"row {row}: packed words"


def _weights(layout: Layout, lay: LayerLayout, offset: int) -> str:
    """A word of the weight blocks of a layer."""
    cfg = layout.cfg
    i = max(i for i, block in enumerate(lay.blocks) if block[0] <= offset)
    params, masks, weights, nnz = lay.blocks[i]
    if offset < masks:
        at = offset - params
        cols = min(lay.block_cols, lay.n - i * lay.block_cols)
        return f"block {i}: " + (f"column {at // 8}: {('bias', 'threshold')[at // 4 % 2]}" if at < 8 * cols else "padding")
    if offset < weights and lay.index:
        return f"block {i}: index bytes {offset - masks} to {offset - masks + 3}"
    if offset < weights:
        column, rest = divmod(offset - masks, cfg.num_chunks(lay.k) * cfg.chunk_bytes)
        return f"block {i}: column {column}: mask of inputs {8 * rest} to {min(lay.k, 8 * rest + 32) - 1}"
    return f"block {i}: " + ("weights" if 8 * (offset - weights) < cfg.wslot_w * nnz else "padding")
