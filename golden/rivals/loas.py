# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The cycle model of LoAS itself: the machine of rtl/, event by event.

Modes:

* ``laggy``: speculation, and the sums of a row of A by a laggy prefix sum (LAGGY = 1).
* ``fast``: two fast prefix sums, T accumulators, no speculation (LAGGY = 0).
* ``wait``: one fast and one laggy prefix sum without speculation: nothing is accumulated before the row's sums are there. They are
  made once for a row, as in LAGGY, so only the first row of a TPPE, and rows that are loaded slower than the one before is joined, show it.
* ``chunk``: the same without the table of a row: the laggy prefix sum starts anew for each chunk with a match, and its
  CHUNK_W / SLICE_W cycles are waited for before the chunk's first accumulation. It is what the paper's speculation hides in the
  paper's own arrangement of a TPPE.

What it assumes is what the RTL does; :mod:`golden.rivals.engine` steps the registers that decide when something happens. Left out: errors,
stalls of the memory beyond its latency, and what the control reads before a layer begins (its counters do not count that either).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from golden import fiber, index_code
from golden.config import Config
from golden.fiber import align
from golden.layer import rows_out
from golden.layout import BLOCK_BYTES, choose_tiling
from golden.rivals import engine
from golden.rivals.cost import Cost
from golden.rivals.memory import check
from golden.rivals.work import Work, WorkError, need

Ints = npt.NDArray[np.int64]
MODES = ("laggy", "fast", "wait", "chunk")


class Turns:
    """Whose turn it is at the arbiters, from layer to layer of an image: nothing resets them between layers.

    The FiberCache's elder goes round with every cycle in which nobody waits for room, also while the control reads and writes its records.
    """

    def __init__(self, cfg: Config, latency: int) -> None:
        ports = cfg.NUM_TPPES
        self.cfg, self.latency = cfg, latency
        self.banks, self.parts = np.full(cfg.NUM_BANKS, ports), np.full(ports, 4)
        self.misses, self.tasks, self.writes, self.elder = cfg.NUM_BANKS - 1, ports - 1, ports, 0

    def give(self, state: tuple[Any, ...]) -> None:
        """Puts them to the state of a layer that begins."""
        m, s, u, regs = state[:4]
        m.bank_arb[:], regs[:, engine.ARB] = self.banks, self.parts
        m.x[engine.X_MISS_ARB], m.x[engine.X_ELDER] = self.misses, self.elder
        s.y[engine.Y_ARB], u.z[engine.Z_MUX_ARB] = self.tasks, self.writes

    def take(self, state: tuple[Any, ...]) -> None:
        """Takes them from a layer that ended."""
        m, s, u, regs = state[:4]
        self.banks, self.parts = m.bank_arb.copy(), regs[:, engine.ARB].copy()
        self.misses, self.elder = int(m.x[engine.X_MISS_ARB]), int(m.x[engine.X_ELDER])
        self.tasks, self.writes = int(s.y[engine.Y_ARB]), int(u.z[engine.Z_MUX_ARB])

    def wait(self, cycles: int) -> None:
        """Cycles in which nobody asks the cache."""
        self.elder = (self.elder + cycles) % (self.cfg.NUM_TPPES + 1)

    def read(self, at: int) -> None:
        """The control reads a record of 64 bytes and checks its words: it has the cache's last port, and misses."""
        cfg = self.cfg
        for line in range(at // cfg.line_bytes, (at + 63) // cfg.line_bytes + 1):
            self.banks[line % cfg.NUM_BANKS] = cfg.NUM_TPPES
            self.misses = line % cfg.NUM_BANKS
            self.wait(6 + self.latency + 3 + cfg.LINE_W // cfg.AXI_W + 1)  # S_REQ, S_RSP
        self.wait(16 + 1)  # S_CHECK, S_JUDGE

    def record(self) -> None:
        """The control writes the counters of a layer, waits for the answer, and settles (S_SUM to S_SETTLE)."""
        chunks = 1024 // self.cfg.CHUNK_W
        self.wait(1 + 4 + 1 + chunks + 1 + 5 + self.latency + 9)


# Cycles from reset to the first record in loas_tb.v, modulo the 17 ports of `paper`: the one phase of the elder that makes all recorded
# layers exact. Without it single layers are up to 0.5 % off, and those of a thousand cycles and few tasks up to 6 %.
BEFORE = 8


_ready = False


@contextlib.contextmanager
def one_compiles() -> Iterator[None]:
    """Lets the first of several processes compile the engine, and the others wait for what it leaves in the cache."""
    global _ready
    if _ready:
        yield
        return
    with FileLock(Path(tempfile.gettempdir()) / f"loas-engine-{os.getuid()}.lock"):
        yield
    _ready = True


def windows(mask: npt.NDArray[np.bool_], cfg: Config) -> npt.NDArray[np.uint64]:
    """(rows, K) masks as (rows, windows, words): the windows of the inner join, each in whole 64-bit words."""
    rows, k = mask.shape
    count, width = -(-k // cfg.window_w), -(-cfg.window_w // 64) * 64
    wide = np.zeros((rows, count * cfg.window_w), np.bool_)
    wide[:, :k] = mask
    apart = np.zeros((rows, count, width), np.bool_)
    apart[:, :, : cfg.window_w] = wide.reshape(rows, count, cfg.window_w)
    packed = np.packbits(apart, axis=2, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64)


def output_pixels(work: Work) -> tuple[Ints, Ints]:
    """(rows, pool) the pixels of each output row, and (rows,) cycles beyond one that the row walk takes to the next."""
    layer = work.layer
    if layer.pool is None or layer.conv is None:
        return np.arange(work.M).reshape(-1, 1), np.zeros(work.M, np.int64)
    (ph, pw), h, w = layer.pool, layer.conv.out_h, layer.conv.out_w
    pixels = np.arange(work.M).reshape(-1, h // ph, ph, w // pw, pw).transpose(0, 1, 3, 2, 4).reshape(-1, ph * pw)
    line_end = np.arange(len(pixels)) % (w // pw) == w // pw - 1
    return np.ascontiguousarray(pixels), np.where(line_end, pw + (ph - 1) * w, pw).astype(np.int64) - 1


def under_kernel(work: Work, bases: list[int], cfg: Config) -> tuple[Ints, Ints, Ints]:
    """(M, taps) line of the fiber under each tap (-1: outside), its words, and (taps,) slices of each."""
    lines, words, slices = [], [], []
    for stored, conv, base in zip(work.maps, work.layer.operands, bases, strict=True):
        channels = stored.shape[1]
        count = np.count_nonzero(stored, axis=1).astype(np.int64)
        at = base + np.arange(len(stored), dtype=np.int64) * fiber.row_stride(channels, cfg)
        if conv is None:
            place, inside = np.arange(work.M)[:, None], np.ones((work.M, 1), np.bool_)
        else:
            image, pixel = np.divmod(np.arange(work.M), conv.pixels_out)
            y, x = np.divmod(pixel, conv.out_w)
            y = (y * conv.stride_y - conv.pad_top)[:, None, None] + np.arange(conv.kh)[:, None]
            x = (x * conv.stride_x - conv.pad_left)[:, None, None] + np.arange(conv.kw)
            ok = (y >= 0) & (y < conv.in_h) & (x >= 0) & (x < conv.in_w)
            place = np.where(ok, (image[:, None, None] * conv.in_h + y) * conv.in_w + x, 0).reshape(work.M, -1)
            inside = ok.reshape(work.M, -1)
        lines.append(np.where(inside, at[place] // cfg.line_bytes, -1))
        words.append(np.where(inside, count[place], 0))
        slices.append(np.full(place.shape[1], -(-channels // cfg.SLICE_W), np.int64))
    return np.concatenate(lines, axis=1), np.concatenate(words, axis=1), np.concatenate(slices)


def strings(packed: npt.NDArray[np.uint8], table: list[tuple[int, int, int, int]], window_w: int) -> tuple[Ints, list[int], list[int]]:
    """The window of every byte of the index strings of a layer; bytes of each string, and where it begins."""
    parts, sizes, starts, at = [], [], [], 0
    for _, places, weights, nnz in table:
        string = packed[places:weights]
        string = string[: index_code.used(np.ascontiguousarray(string), nnz)]
        end = np.cumsum(string + (string != index_code.ESCAPE).astype(np.int64)) - 1
        parts.append(end // window_w)
        sizes.append(len(string))
        starts.append(at)
        at += len(string)
    return np.concatenate([*parts, np.zeros(8, np.int64)]), sizes, starts


def simulate(
    work: Work, cfg: Config, latency: int, *, laggy: bool, early: bool, speculate: bool, steps: int = 1, hold: int = 0,
    carry_in: bool = False, carry_out: bool = False, bare: bool = False, turns: Turns | None = None,
) -> tuple[dict[str, int], dict[str, int]]:  # fmt: skip
    """Runs a layer of at most cfg.T timesteps on the engine.

    Args:
        work: The layer and its spikes.
        cfg: The machine.
        latency: Of the memory.
        laggy: Sums of a row by a laggy prefix sum.
        early: The join begins on the first masks of a row.
        speculate: Matches go on while their row is loaded.
        steps: Timesteps that each window is gone through, one by one; 1: all at once.
        hold: Cycles that each chunk with a match waits.
        carry_in, carry_out: Membranes are read, written.
        bare: Rows of A are masks without words.
        turns: Whose turn it is at the machine's arbiters, which the layer before left; changed. By default nobody asked yet.

    Returns:
        Counters of :data:`engine.COUNTERS`, and bytes of B as stored: ``weights``, ``places``, ``records``, and ``blocks``, all of it.

    Raises:
        WorkError: The layer does not fit the machine.
    """
    layer = work.layer
    words, nonzero = work.pad(cfg.SLICE_W)
    m = rows_out(layer, len(work.maps[0]))
    need(words.shape[1] <= cfg.K_MAX, cfg, "K", words.shape[1], f"1 to K_MAX = {cfg.K_MAX}")
    need(layer.n <= cfg.K_MAX, cfg, "N", layer.n, f"1 to K_MAX = {cfg.K_MAX}")
    carries = carry_in or carry_out
    cols, tile = choose_tiling(layer, m, cfg, carries)
    mask = nonzero.view(np.int8)
    packed, table, index = fiber.compress_blocks(mask, layer.bias, layer.threshold, cols, cfg, work.place.index if work.place else None)
    line = cfg.line_bytes

    # where things lie, in the order of golden.image.write_image
    at = align(align(64, max(64, line)) + 64, line)
    place = {"table": at}
    at = align(at + BLOCK_BYTES * len(table), line)
    place["b_base"] = at
    at = place["b_end"] = at + align(packed.size, line)
    bases = []
    for stored in work.maps:
        bases.append(at)
        at = align(at + len(stored) * fiber.row_stride(stored.shape[1], cfg), line)
    place["a_end"] = at
    place["out_base"] = at
    place["out_stride"] = fiber.readout_stride(layer.n, cfg) if layer.readout else fiber.row_stride(layer.n, cfg)
    place["state"] = align(at + m * place["out_stride"], line)
    place["state_stride"] = align(4 * layer.n, line)

    offsets = [(place["b_base"] + p, place["b_base"] + q, place["b_base"] + w, nnz) for p, q, w, nnz in table]
    if work.place:
        lay = work.place
        need(lay.block_cols == cols and lay.tile_rows == tile and len(lay.blocks) == len(table), cfg, "place", lay.blocks[:1],
             "the layer's in an image of this configuration")  # fmt: skip
        place |= {"table": lay.block_table, "b_base": lay.b_base, "b_end": lay.b_end, "out_base": lay.out_base, "state": lay.state}
        bases = [lay.a_base, *([lay.branch_base] if lay.branch else [])]
        place["a_end"] = max(b + len(m) * fiber.row_stride(m.shape[1], cfg) for b, m in zip(bases, work.maps, strict=True))
        offsets = lay.blocks
    code, sizes, starts = strings(packed, table, cfg.window_w) if index else (np.zeros(8, np.int64), [0] * len(table), [0] * len(table))
    blk = np.array([(p, q, w, nnz, min(cols, layer.n - i * cols), sizes[i], starts[i]) for i, (p, q, w, nnz) in enumerate(offsets)],
                   np.int64)  # fmt: skip
    if steps == 1:
        a = windows(words != 0, cfg)[None]
    else:
        a = np.stack([windows((words >> t & 1).astype(np.bool_), cfg) for t in range(steps)])
    b = windows(np.ascontiguousarray(nonzero.T), cfg)
    entries = cfg.entries_per_row(layer.n, layer.readout)
    entry_words = np.zeros((m, entries), np.int64)
    if not layer.readout:
        live = np.zeros((m, entries * cfg.SLICE_W), np.int64)
        live[:, : layer.n] = work.output_words != 0
        entry_words = live.reshape(m, entries, cfg.SLICE_W).sum(axis=2)
    pixels, skips = output_pixels(work)
    pix_line, pix_words, tap_slices = under_kernel(work, bases, cfg)
    if bare:
        pix_words = np.zeros_like(pix_words)
    c = engine.Parameters(
        NUM_TPPES=cfg.NUM_TPPES, T=cfg.T, CHUNK_W=cfg.CHUNK_W, WINDOW=cfg.WINDOW, SLICE_W=cfg.SLICE_W, LAGGY=int(laggy),
        EARLY=int(early), SPECULATE=int(speculate), STEPS=steps, HOLD=hold, FIFO_DEPTH=cfg.FIFO_DEPTH, INDEX_RATE=cfg.INDEX_RATE,
        CARRY=cfg.CARRY, LINE_BYTES=line, BEATS=cfg.LINE_W // cfg.AXI_W, AXI_BYTES=cfg.AXI_W // 8, NUM_BANKS=cfg.NUM_BANKS,
        NUM_WAYS=cfg.NUM_WAYS, NUM_SETS=cfg.NUM_SETS, OUTSTANDING=cfg.OUTSTANDING, NUM_SLOTS=cfg.NUM_SLOTS, WORD_W=cfg.word_w,
        WSLOT_W=cfg.wslot_w, K_MAX=cfg.K_MAX, latency=latency, rows=m, pool=layer.pool_size, taps=len(tap_slices),
        many=int(len(tap_slices) > 1), blocks=len(table), block_cols=cols, tile_rows=tile, entries=entries,
        chunks=cfg.num_chunks(words.shape[1]), readout=int(layer.readout), coded=int(index), carry_in=int(carry_in),
        carry_out=int(carry_out), max_cycles=1 << 40, **place,
    )  # fmt: skip
    state = engine.fresh(c, entry_words, a.shape[3])
    if turns:
        turns.give(state)
    with one_compiles():
        done = engine.run(c, *state, pixels, pix_line, pix_words, tap_slices, a, b, blk, code, entry_words, skips)
    if turns:
        turns.take(state)
    counters = dict(zip(engine.COUNTERS, done.tolist(), strict=True))
    if counters["cycles"] < 0:
        raise WorkError(f"{layer.name}: the model of {cfg.name} did not come to an end")
    weights = sum(-(-nnz * cfg.wslot_w // 8) for _, _, _, nnz in table)
    records = sum(q - p for p, q, _, _ in table)
    sizes_of = {"weights": weights, "records": records, "places": sum(w - q for _, q, w, _ in table), "blocks": packed.size}
    return counters, sizes_of


def estimate(work: Work, cfg: Config, latency: int = 20, *, mode: str = "laggy") -> Cost:
    """What a layer costs on LoAS.

    Args:
        work: The layer and its spikes; more timesteps than cfg.T run in chunks of cfg.T, which needs CARRY.
        cfg: The machine; its LAGGY does not matter.
        latency: Of the memory.
        mode: One of :data:`MODES`.

    Raises:
        WorkError: The layer does not fit the machine.
    """
    check(work, cfg, latency)
    if mode not in MODES:
        raise WorkError(f"mode = {mode!r} is not legal: must be one of {', '.join(MODES)}")
    need(work.T <= cfg.T or cfg.CARRY == 1, cfg, "T", work.T, f"1 to {cfg.T}: CARRY is 0")
    parts = work.chunks(cfg.T)
    costs = []
    for i, part in enumerate(parts):
        counters, stored = simulate(
            part, cfg, latency, laggy=mode != "fast", early=mode == "laggy", speculate=mode == "laggy",
            hold=cfg.CHUNK_W // cfg.SLICE_W if mode == "chunk" else 0, carry_in=i > 0, carry_out=i + 1 < len(parts),
        )  # fmt: skip
        costs.append(cost(f"loas-{mode}", part, cfg, counters, stored, mode))
    total = costs[0]
    for one in costs[1:]:
        total = total + one
    return total


def counted(
    works: Sequence[Work], cfg: Config, latency: int = 20, *, mode: str = "laggy", descriptors: int = 128
) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """What :func:`simulate` returns of the layers of one image, one after the other, each where the image puts it (:attr:`Work.place`).

    Args:
        works: The layers in order, of at most cfg.T timesteps.
        cfg: The machine.
        latency: Of the memory.
        mode: ``laggy`` or ``fast``.
        descriptors: Where the descriptors begin.

    Raises:
        WorkError: A layer does not fit the machine, or has no place.
    """
    turns = Turns(cfg, latency)
    turns.wait(BEFORE)
    turns.read(0)
    for i, work in enumerate(works):
        need(work.place is not None and work.T <= cfg.T, cfg, "place", work.place, f"given, with at most T = {cfg.T} timesteps")
        assert work.place is not None
        if i:
            turns.record()
        for at in (descriptors + 64 * i, work.place.walk, work.place.branch_walk):
            if at:
                turns.read(at)
        turns.wait(4)  # S_SIZE to S_START
        yield simulate(work, cfg, latency, laggy=mode != "fast", early=mode == "laggy", speculate=mode == "laggy", turns=turns)


def sequence(works: Sequence[Work], cfg: Config, latency: int = 20, *, mode: str = "laggy", descriptors: int = 128) -> list[Cost]:
    """What the layers of one image cost; arguments and errors as :func:`counted`.

    Beside :func:`estimate` of each it knows where things lie and whose turn it is at the arbiters as a layer begins: chance, but on
    layers of a thousand cycles it can be some percent.
    """
    found = counted(works, cfg, latency, mode=mode, descriptors=descriptors)
    return [cost(f"loas-{mode}", work, cfg, *result, mode) for work, result in zip(works, found, strict=True)]


def cost(name: str, work: Work, cfg: Config, counters: dict[str, int], stored: dict[str, int], mode: str) -> Cost:
    """Counters of the engine as a cost.

    Args:
        name: Of the machine.
        work: What it did.
        cfg: The machine.
        counters: Of :func:`simulate`.
        stored: Bytes of what is stored, of :func:`simulate`.
        mode: One of :data:`MODES`, or ``sequence`` for timesteps one by one.
    """
    kinds = ("matches", "empty_chunks", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle")
    line, matches = cfg.line_bytes, counters["matches"]
    issued = matches + counters["empty_chunks"]
    rows = counters["masks_loaded"] * cfg.CHUNK_W  # bits of masks of A whose prefix sums were made
    spikes = sum(work.matches_t)
    word = cfg.word_w
    ops = {
        # every match once, and its silent timesteps again; the difference at a column's end
        "accumulate": matches + (work.T * matches - spikes) + work.M * work.N * work.T if mode == "laggy" else spikes,
        "fast_bit": matches * cfg.CHUNK_W * (2 if mode in ("fast", "sequence") else 1),
        "laggy_bit": {"laggy": rows, "wait": rows, "chunk": counters["stall_laggy"] * cfg.SLICE_W}.get(mode, 0),
        "mask_bit": issued * cfg.window_w,
        "decode_byte": counters["decoded_groups"] * cfg.INDEX_RATE,
        "fifo_byte": matches * 6 if mode == "laggy" else 0,
        # masks of A for a window, a weight, and a packed word
        "local_byte": issued * cfg.window_w // 8 + matches * cfg.wslot_w // 8 + (0 if mode == "sequence" else matches * word // 8),
        "neuron": work.M * work.N * work.T,
    }  # fmt: skip
    onchip = {"A": counters["lines_row"] * line, "B": counters["lines_weights"] * line, "psum": counters["lines_state"] * line,
              "meta": (counters["lines_params"] + counters["lines_masks"] + counters["lines_table"]) * line,
              "C": counters["bytes_written"] - counters["state_bytes_written"]}  # fmt: skip
    weights = counters["fills_b"] * line * stored["weights"] // max(1, stored["blocks"])
    offchip = {"A": counters["fills_a"] * line, "B": weights,
               "meta": counters["fills_b"] * line - weights + counters["fills_table"] * line,
               "psum": counters["fills_state"] * line + counters["state_bytes_written"],
               "C": counters["bytes_written"] - counters["state_bytes_written"]}  # fmt: skip
    return Cost(name, cfg.NUM_TPPES, counters["cycles"], {kind: counters[kind] for kind in kinds}, ops, onchip, offchip)
