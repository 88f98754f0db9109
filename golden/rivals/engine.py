# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Steps the machine's parts cycle by cycle: scheduler, TPPEs with their inner join, FiberCache, memory, output.

It knows what the RTL's registers know that decides when something happens, and nothing of values: windows of masks, counts of words,
addresses of lines. Names are those of the RTL (rtl/, docs/architecture.md); a ``wire`` is computed from the old state, then all state
moves. :mod:`golden.rivals.loas` and :mod:`golden.rivals.sparten` prepare what it reads; numba compiles it, about 100 ns for a TPPE and cycle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

class Parameters(NamedTuple):
    """What does not change in a run; capitals as in :class:`golden.config.Config` where they have the name.

    Attributes:
        EARLY: The join starts on a row's first masks, before it is complete.
        SPECULATE: Matches go on while their row is loaded; else they wait until it is complete.
        STEPS: Timesteps that a window is gone through one after the other (1: all at once).
        HOLD: Cycles that a window waits for each of its chunks with a match.
        BEATS: Of a line on the memory port.
        rows, pool: Output rows, and pixels of each.
        taps: Pixels of a row of A. many: more than one.
        blocks, block_cols, tile_rows, entries, chunks: As in the layer's descriptor.
        table, b_base, b_end, a_end, out_base, out_stride, state, state_stride: Bytes; what is read below ``a_end`` from ``b_end`` on is A.
    """

    NUM_TPPES: int
    T: int
    CHUNK_W: int
    WINDOW: int
    SLICE_W: int
    LAGGY: int
    EARLY: int
    SPECULATE: int
    STEPS: int
    HOLD: int
    FIFO_DEPTH: int
    INDEX_RATE: int
    CARRY: int
    LINE_BYTES: int
    BEATS: int
    AXI_BYTES: int
    NUM_BANKS: int
    NUM_WAYS: int
    NUM_SETS: int
    OUTSTANDING: int
    NUM_SLOTS: int
    WORD_W: int
    WSLOT_W: int
    K_MAX: int
    latency: int
    rows: int
    pool: int
    taps: int
    many: int
    blocks: int
    block_cols: int
    tile_rows: int
    entries: int
    chunks: int
    readout: int
    index: int
    carry_in: int
    carry_out: int
    table: int
    b_base: int
    b_end: int
    a_end: int
    out_base: int
    out_stride: int
    state: int
    state_stride: int
    max_cycles: int


# ---- results
COUNTERS = (
    "cycles", "matches", "empty_chunks", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle", "hits", "misses",
    "fetches", "lines_read", "bytes_written", "rows", "lines_row", "lines_params", "lines_masks", "lines_weights", "lines_state",
    "lines_table", "fills_a", "fills_b", "fills_state", "fills_table", "state_bytes_written", "decoded_groups",
)  # fmt: skip
(CYCLES, MATCHES, EMPTY, STALL_A, STALL_B, STALL_WEIGHT, STALL_LAGGY, STALL_OUT, IDLE, HITS, MISSES, FETCHES, LINES_READ, BYTES_WRITTEN,
 ROWS, LINES_ROW, LINES_PARAMS, LINES_MASKS, LINES_WEIGHTS, LINES_STATE, LINES_TABLE, FILLS_A, FILLS_B, FILLS_STATE, FILLS_TABLE,
 STATE_BYTES, DECODED) = range(len(COUNTERS))
NUM_COUNTERS = len(COUNTERS)  # fmt: skip

# ---- a TPPE: the parts of a task, its cache port's owners
ROW, PARAMS, MASKS, WEIGHTS, STATE, CODE, JOIN = range(7)
ALL_PARTS = (1 << 7) - 1
NOBODY = 7

# ---- a TPPE's registers
(TODO, MORE, PIX, TROW, TBLK, BANKS, IN_BANK, OUT_BANK,
 RD_VALID, RD_FETCH, RD_LINE, RD_OWNER, RSP_OWNER, ARB,
 W_VALID, W_M, W_TAP, S_VALID, S_M, S_TAP,
 R_PHASE, R_BEGUN, R_LAST, R_LINE, R_PLACE, R_LINE_VALID, R_ASKED, R_SLICES, R_WORDS, R_MASKS, R_SUMMED, R_FILL, R_BANK, R_OLD, R_SUM,
 R_USED0, R_USED1, R_DONE0, R_DONE1,
 D_NEXT, D_READ, D_FEED, D_NEXT_BLK, D_INDEX, D_SK_VALID, D_SK_FULL, D_GROUP, D_ACTIVE, D_TAIL, D_BLK, D_CHUNK, D_A, D_B, D_A_USED,
 D_B_USED, D_VALID,
 G_FILL, G_CHUNK,
 F0_VALID, F0_BANK, F0_WIN, F0_COLS, F0_M, F0_BLK, F1_VALID, F1_FIRST, F1_COL_LAST, F1_TASK_LAST, F1_BANK, F1_WIN, F1_COL, F1_M, F1_BLK,
 F2_VALID, F2_COL_LAST, F2_TASK_LAST, F2_BANK, F2_WIN, F2_COL, F2_M, F2_BLK, F2_POS, F2_NEXT, F2_STEP, F2_HOLD,
 F3_VALID, F3_FLAGS, F3_LINE, F4_VALID, F4_FLAGS, F4_LINE, LINE_NUM,
 Q_HEAD, Q_LEVEL, C1, C2, M_VALID, M_LAST,
 L_PTR, O_POS, O_VALID, O_ROW, O_COUNT, SW_PHASE, SW_POS, SW_INDEX, SW_LAST, SW_LEVEL, SW_ADDR,
 REGISTERS) = range(110)  # fmt: skip
WAIT, HEADER, IN_MASKS, IN_WORDS, OUTSIDE, FLUSH, SUMS = range(7)
MATCH, COL_LAST, TASK_LAST, BANK1, WEIGHTED = 1, 2, 4, 8, 16

# ---- a stream reader's registers (loas_stream_reader)
RANGE, GIVEN, ASKED, FIRST, LAST, LINE, HELD, LEAD, FULL, ACTIVE, ITEM, END, STREAM_REGISTERS = range(13)


@numba.njit(cache=True, error_model="numpy")
def ones(x: Any) -> Any:
    """Ones of a 64-bit word."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@numba.njit(cache=True, error_model="numpy")
def stream_take(st: Any, begin: Any, end: Any, line_bytes: Any, item_bytes: Any) -> None:
    """Gives a reader its next range."""
    st[RANGE] = 1 if begin < end else 0
    st[GIVEN] = 0
    st[ASKED] = 0
    st[FIRST] = begin // item_bytes
    st[LAST] = (end - 1) // item_bytes
    st[LINE] = begin // line_bytes
    st[LEAD] = 0


@numba.njit(cache=True, error_model="numpy")
def stream_move(st: Any, taken: Any, ask: Any, pop: Any, use: Any, rsp: Any, fetch: Any, items_of_line: Any) -> None:
    """A reader's clock edge.

    Args:
        st: Its registers.
        taken: A range was taken in this cycle (its registers hold it already).
        ask, pop, use: A line was asked for, used up; an item was used.
        rsp: A line came.
        fetch: A line was asked for ahead.
        items_of_line: Items of a line.
    """
    m_last = st[ITEM] == st[END]
    if not taken and st[RANGE]:
        give = not st[GIVEN] and (not st[ACTIVE] or (use and m_last))
        asked_all = ask and st[LINE] == st[LAST] // items_of_line
        st[RANGE] = 0 if (st[GIVEN] or give) and (st[ASKED] or asked_all) else 1
        if fetch and not ask:
            st[LEAD] += 1
        elif ask and not fetch and st[LEAD] > 0:
            st[LEAD] -= 1
        if give:
            st[GIVEN] = 1
        if asked_all:
            st[ASKED] = 1
        if ask:
            st[LINE] += 1
        if give:
            st[ACTIVE] = 1
            st[ITEM] = st[FIRST]
            st[END] = st[LAST]
        elif use:
            st[ACTIVE] = 0 if m_last else 1
            st[ITEM] += 1
    elif use:
        st[ACTIVE] = 0 if m_last else 1
        st[ITEM] += 1
    st[HELD] += (1 if ask else 0) - (1 if pop else 0)
    st[FULL] += (1 if rsp else 0) - (1 if pop else 0)


@numba.njit(cache=True, error_model="numpy")
def row_step(c: Any, o: Any, rsp: Any, pixel: Any, inside: Any, line: Any, slices: Any, words: Any, last: Any, ask: Any, free: Any) -> None:
    """The row buffer's clock edge (loas_row_buffer).

    Args:
        c: Parameters.
        o: The TPPE's registers.
        rsp: A line came.
        pixel: A pixel was given in this cycle: inside of the map, its line, slices, words, whether it is the row's last.
        ask: A line was asked for.
        free: The older bank is given back.
    """
    parts = c.CHUNK_W // c.SLICE_W
    laggy = c.LAGGY != 0
    places = c.LINE_BYTES * 8 // c.CHUNK_W
    per_chunk = c.CHUNK_W // c.WORD_W
    phase = o[R_PHASE]
    busy = laggy and o[R_SUM] > 1
    new = o[R_SLICES] if o[R_SLICES] <= parts else parts
    full = o[R_FILL] + new >= parts
    mask_end = o[R_SLICES] <= parts
    here = o[R_LINE_VALID] != 0
    mask_take = ((phase == IN_MASKS and here) or phase == OUTSIDE) and (not busy or not full)
    word_take = phase == IN_WORDS and here
    head_take = phase == HEADER and here
    take = head_take or word_take or (mask_take and phase == IN_MASKS)
    word_end = o[R_WORDS] <= per_chunk
    no_words = o[R_WORDS] == 0
    pixel_end = (word_take and word_end) or (mask_take and mask_end and (phase == OUTSIDE or no_words))
    flush = phase == FLUSH and o[R_FILL] != 0
    write = (mask_take and full) or (flush and not busy)
    summed = (o[R_SUM] == 1) if laggy else write
    done = phase == SUMS and o[R_SUMMED] == o[R_MASKS]
    after = FLUSH if o[R_LAST] else WAIT
    place_end = o[R_PLACE] == places - 1

    if laggy:
        o[R_SUM] = parts if write else max(0, o[R_SUM] - 1)
    if pixel:
        o[R_PLACE] = 0
        o[R_LINE] = line
    elif take:
        o[R_PLACE] = 0 if place_end else o[R_PLACE] + 1
    if ask:
        o[R_LINE] += 1
        o[R_ASKED] = 1
    elif rsp:
        o[R_ASKED] = 0
    if rsp:
        o[R_LINE_VALID] = 1
    elif take and (place_end or pixel_end):
        o[R_LINE_VALID] = 0
    if mask_take:
        o[R_FILL] = o[R_FILL] + new - (parts if full else 0)
    if flush and not busy:
        o[R_FILL] = 0
    if pixel:
        o[R_PHASE] = HEADER if inside else OUTSIDE
        o[R_LAST] = last
        o[R_SLICES] = slices
        if not o[R_BEGUN]:
            o[R_BEGUN] = 1
            if o[R_BANK]:
                o[R_USED1] = 1
            else:
                o[R_USED0] = 1
            o[R_MASKS] = 0
            o[R_SUMMED] = 0
            o[R_FILL] = 0
        o[R_WORDS] = words
    if head_take:
        o[R_PHASE] = IN_MASKS
    if mask_take:
        o[R_SLICES] -= new
        if mask_end:
            o[R_PHASE] = after if phase == OUTSIDE or no_words else IN_WORDS
    if word_take:
        o[R_WORDS] -= min(o[R_WORDS], per_chunk)
        if word_end:
            o[R_PHASE] = after
    if phase == FLUSH and not (flush and busy):
        o[R_PHASE] = SUMS
    if write:
        o[R_MASKS] += 1
    if summed:
        o[R_SUMMED] += 1
    if done:
        o[R_PHASE] = WAIT
        o[R_BEGUN] = 0
        if o[R_BANK]:
            o[R_DONE1] = 1
        else:
            o[R_DONE0] = 1
        o[R_BANK] = 1 - o[R_BANK]
    if free:
        if o[R_OLD]:
            o[R_USED1] = 0
            o[R_DONE1] = 0
        else:
            o[R_USED0] = 0
            o[R_DONE0] = 0
        o[R_OLD] = 1 - o[R_OLD]


@numba.njit(cache=True, error_model="numpy")
def decode_step(c: Any, o: Any, code: Any, blk: Any, accept: Any, block: Any, in_valid: Any, in_last: Any, m_ready: Any, cnt: Any) -> bool:
    """The index decoder's clock edge (loas_index_decode).

    Args:
        c, o: Parameters, the TPPE's registers.
        code: The window of each byte of all strings, counted in its block.
        blk: Blocks.
        accept: A block, number ``block``, was given in this cycle.
        in_valid, in_last: An item of the string is there, the block's last.
        m_ready: The window at the output is taken.
        cnt: Counters.

    Returns:
        The item was taken.
    """
    rate = c.INDEX_RATE
    every = (1 << rate) - 1
    groups = c.CHUNK_W // (8 * rate)
    windows = (c.chunks + c.WINDOW - 1) // c.WINDOW

    drop = o[D_FEED] and not o[D_READ]
    feed_ready = not o[D_SK_FULL]
    group_last = o[D_INDEX] == groups - 1
    in_ready = o[D_FEED] and ((feed_ready and group_last) or drop)
    fed = in_valid and o[D_FEED] and not drop and feed_ready

    work = o[D_ACTIVE] and (not o[D_VALID] or m_ready)
    a_here = 0
    b_here = 0
    a_other = False
    b_other = False
    a_used = o[D_A_USED]
    b_used = o[D_B_USED]
    if o[D_ACTIVE]:
        base = blk[o[D_BLK], 6]
        for i in range(rate):
            if not a_used >> i & 1:
                if code[base + o[D_A] + i] == o[D_CHUNK]:
                    a_here |= 1 << i
                else:
                    a_other = True
            if not b_used >> i & 1:
                if code[base + o[D_B] + i] == o[D_CHUNK]:
                    b_here |= 1 << i
                else:
                    b_other = True
    later = a_other or b_other or o[D_TAIL]
    done = work and later and (~a_used & b_here & every) == 0
    block_end = o[D_CHUNK] + 1 == blk[o[D_BLK], 4] * windows
    a_new = a_used | (a_here if work else 0)
    b_new = b_used | (a_used & b_here if work else 0)
    shift = a_new == every
    start = o[D_NEXT] and (not o[D_ACTIVE] or (done and block_end))
    take = o[D_SK_VALID] and o[D_READ] and (not o[D_NEXT] or start) and (shift or b_used == every)
    length = blk[o[D_NEXT_BLK], 5]
    first = o[D_GROUP] * rate
    string_end = first + rate >= length

    # the skid buffer in front
    if take and string_end:
        o[D_SK_VALID] = 0
        o[D_SK_FULL] = 0
    elif take or not o[D_SK_VALID]:
        o[D_SK_VALID] = 1 if fed or o[D_SK_FULL] else 0
        o[D_SK_FULL] = 0
    elif fed:
        o[D_SK_FULL] = 1
    if drop:
        o[D_INDEX] = 0
    elif in_valid and o[D_FEED] and feed_ready:
        o[D_INDEX] = 0 if group_last else o[D_INDEX] + 1

    o[D_A_USED] = b_new if shift else a_new
    if shift:
        o[D_A] = o[D_B]
    if take:
        cnt[DECODED] += 1
        o[D_B] = first
        o[D_GROUP] += 1
        over = first + rate - length
        o[D_B_USED] = (every >> (rate - over)) << (rate - over) if over > 0 else 0
    else:
        o[D_B_USED] = every if shift else b_new
    if done:
        o[D_CHUNK] += 1
        if block_end:
            o[D_ACTIVE] = 0
    if take and string_end:
        o[D_TAIL] = 1
    if start:
        o[D_ACTIVE] = 1
        o[D_TAIL] = 1 if not o[D_READ] or (take and string_end) else 0
        o[D_CHUNK] = 0
        o[D_BLK] = o[D_NEXT_BLK]
    o[D_VALID] = 1 if done or (o[D_VALID] and not m_ready) else 0

    if accept:
        o[D_NEXT] = 1
        o[D_NEXT_BLK] = block
        o[D_READ] = 1 if blk[block, 3] != 0 else 0
        o[D_FEED] = 1 if blk[block, 5] != 0 else 0
        o[D_GROUP] = 0
    else:
        if start:
            o[D_NEXT] = 0
        if take and string_end:
            o[D_READ] = 0
        if (in_valid and in_ready and in_last) or drop:
            o[D_FEED] = 0
    return bool(in_ready)


@numba.njit(cache=True, error_model="numpy")
def window_masks(c: Any, p: Any, o: Any, a: Any, b: Any, left: Any, step: Any) -> None:
    """Puts the matches of the window in F2 at a timestep to ``left``."""
    for i in range(left.shape[1]):
        left[p, i] = a[step, o[F2_M], o[F2_WIN], i] & b[o[F2_COL], o[F2_WIN], i]


@numba.njit(cache=True, error_model="numpy")
def tppe_step(
    c: Any, p: Any, o: Any, st: Any, fifo: Any, lif: Any, left: Any, cnt: Any, granted: Any, rd_ready: Any, rsp: Any, task_row: Any,
    task_blk: Any, pixels: Any, pix_line: Any, pix_words: Any, tap_slices: Any, a: Any, b: Any, blk: Any, code: Any,
) -> None:  # fmt: skip
    """A clock edge of a TPPE, its P-LIF, output slice and state writer.

    Args:
        c: Parameters.
        p: Which TPPE.
        o, st, fifo, lif, left: Its registers, those of its streams, its FIFO, its P-LIF's stages, the matches in F2.
        cnt: Counters.
        granted: The output buffer takes its entry.
        rd_ready, rsp: The cache accepts its request, answers an older one.
        task_row, task_blk: The task that it is given, or -1.
        pixels: (rows, pool) the pixels of each output row.
        pix_line, pix_words: (pixels, taps) the line of each fiber under the kernel, -1 outside of the map, and its words.
        tap_slices: (taps,) slices of each.
        a: (STEPS, pixels, windows, words) masks of A; b: (N, windows, words) of B.
        blk: (blocks, 7) records, places, weights in bytes, nonzero weights, columns, bytes of the string, where it begins in ``code``.
        code: The window of each byte of the strings.
    """
    items = c.LINE_BYTES * 8 // c.CHUNK_W        # chunks of a line
    params, masks, weights, state = st[0], st[1], st[2], st[3]
    windows = (c.chunks + c.WINDOW - 1) // c.WINDOW

    # ------------------------------------------------------------------------------------------------ P-LIF, output slice
    neuron = lif[o[L_PTR]]
    complete = neuron != 0 and (neuron & 4) != 0 and (c.readout or (neuron & 2) != 0 or o[O_POS] == c.SLICE_W - 1)
    slice_ready = not complete or not o[O_VALID] or granted
    state_ready = not c.carry_out or o[SW_PHASE] == 0
    lif_go = neuron == 0 or (slice_ready and state_ready)
    sum_ready = lif_go and (not c.carry_out or o[SW_LEVEL] < 4)

    # ------------------------------------------------------------------------------------------------ sums, back of the join
    params_valid = params[ACTIVE] != 0 and params[FULL] > 0
    known = params_valid and (not c.carry_in or (state[ACTIVE] != 0 and state[FULL] > 0))
    m_ready = sum_ready and known
    fire = o[M_VALID] and m_ready
    task_done = fire and o[M_LAST]
    row_wait = False
    pop_q = False
    if c.SPECULATE:
        go = not (o[C2] & COL_LAST) or not o[M_VALID] or m_ready
        head = fifo[o[Q_HEAD]]
        if o[Q_LEVEL] > 0:
            there = o[R_DONE1] if head & BANK1 else o[R_DONE0]
            row_wait = not there
            pop_q = go and there != 0
        e_ready = o[Q_LEVEL] != c.FIFO_DEPTH
        done_flags = o[C2]
    else:
        head = 0
        go = not (o[C1] & COL_LAST) or not o[M_VALID] or m_ready
        e_ready = go
        done_flags = o[C1]
    done = (done_flags & COL_LAST) != 0 and go

    # ------------------------------------------------------------------------------------------------ F4, F3: weights
    w_valid = weights[ACTIVE] != 0 and weights[FULL] > 0
    w_last = weights[ITEM] == weights[END]
    f4 = o[F4_FLAGS]
    f4_match = (f4 & MATCH) != 0
    f4_rest = (f4 & TASK_LAST) != 0 and (f4 & WEIGHTED) != 0 and not (w_valid and w_last)
    f4_part = f4_match and f4_rest
    f4_far = f4_match and o[F4_LINE] > o[LINE_NUM]
    f4_go = o[F4_VALID] and (w_valid and not f4_far if f4_match else not f4_rest)
    f4_fire = f4_go and e_ready and not f4_part
    f4_end = f4_fire and (f4 & TASK_LAST) != 0
    f4_ready = not o[F4_VALID] or f4_fire
    f3_fire = o[F3_VALID] and f4_ready
    f3_far = (o[F3_FLAGS] & MATCH) != 0 and o[F3_LINE] > o[LINE_NUM]
    if f3_fire:
        ahead = f3_far and not f4_end
    else:
        ahead = o[F4_VALID] != 0 and (f4_far or (not f4_match and f4_rest))
    w_ready = (f4_end and (f4 & WEIGHTED) != 0) or ahead
    f3_ready = not o[F3_VALID] or f3_fire

    # ------------------------------------------------------------------------------------------------ F2: match by match
    f2_any = False
    low_word = 0
    rest = False
    if o[F2_VALID]:
        for i in range(left.shape[1]):
            x = left[p, i]
            if x != 0:
                if not f2_any:
                    f2_any = True
                    low_word = i
                    rest = (x & (x - np.uint64(1))) != 0
                else:
                    rest = True
    step_end = not rest
    f2_end = step_end and o[F2_STEP] == c.STEPS - 1
    col_end = o[F2_COL_LAST] != 0 and o[F2_STEP] == c.STEPS - 1
    f2_send = o[F2_VALID] != 0 and (f2_any or col_end)
    f2_step = o[F2_VALID] != 0 and (not f2_send or f3_ready) and o[F2_HOLD] == 0
    f2_issue = f2_send and f2_step
    f2_done = f2_step and f2_end
    f2_ready = not o[F2_VALID] or f2_done

    # ------------------------------------------------------------------------------------------------ windows of B, F1, F0
    place_valid = masks[ACTIVE] != 0 and masks[FULL] > 0
    place_last = masks[ITEM] == masks[END]
    mask_ready = o[F1_VALID] != 0 and f2_ready
    col_full = False
    if c.index:
        b_valid = o[D_VALID] != 0
    else:
        col_full = o[G_FILL] == c.WINDOW - 1 or o[G_CHUNK] + 1 == c.chunks or place_last
        b_valid = place_valid and col_full
    f1_fire = mask_ready and b_valid
    f0_col_end = o[F0_WIN] + 1 == windows
    f0_task_end = f0_col_end and o[F0_COLS] == 1
    here = (o[R_DONE1] if o[F0_BANK] else o[R_DONE0]) != 0
    if c.EARLY and not here and o[R_BEGUN] and o[R_BANK] == o[F0_BANK]:
        here = (c.chunks if f0_col_end else (o[F0_WIN] + 1) * c.WINDOW) <= o[R_MASKS]
    f0_fire = o[F0_VALID] != 0 and here and (not o[F1_VALID] or f1_fire)
    join_ready = not o[F0_VALID] or (f0_fire and f0_task_end)

    # ------------------------------------------------------------------------------------------------ what the cycle was
    f2_stuck = o[F2_VALID] != 0 and not f2_step
    blocked = f2_stuck and o[F2_HOLD] == 0 and f4_go and not e_ready
    if f2_step:
        cnt[MATCHES if f2_any else EMPTY] += 1
    elif f2_stuck:
        if o[F2_HOLD] > 0:
            cnt[STALL_LAGGY] += 1
        elif not blocked:
            cnt[STALL_WEIGHT] += 1
        elif row_wait:
            cnt[STALL_LAGGY] += 1
        elif not known:
            cnt[STALL_B] += 1
        else:
            cnt[STALL_OUT] += 1
    elif o[F1_VALID]:
        cnt[STALL_B] += 1
    elif o[F0_VALID] or o[TODO] >> JOIN & 1:
        cnt[STALL_A] += 1
    else:
        cnt[IDLE] += 1

    # ------------------------------------------------------------------------------------------------ who takes the task
    todo = o[TODO]
    row_taken = (todo >> ROW & 1) != 0 and not o[W_VALID] and o[BANKS] != 2
    params_taken = (todo >> PARAMS & 1) != 0 and not params[RANGE]
    masks_taken = (todo >> MASKS & 1) != 0 and not masks[RANGE]
    weights_taken = (todo >> WEIGHTS & 1) != 0 and not weights[RANGE]
    state_taken = (todo >> STATE & 1) != 0 and (not c.carry_in or not state[RANGE])
    code_taken = (todo >> CODE & 1) != 0 and (not c.index or (not o[D_NEXT] and not o[D_READ]))
    join_taken = (todo >> JOIN & 1) != 0 and not (todo >> ROW & 1) and join_ready

    # ------------------------------------------------------------------------------------------------ the cache port
    port_free = not o[RD_VALID] or rd_ready
    req_row = HEADER <= o[R_PHASE] <= IN_WORDS and not o[R_LINE_VALID] and not o[R_ASKED]
    requests = 1 if req_row else 0
    for i in range(4):
        lines = 2 if i == 1 or i == 2 else 1
        if st[i, RANGE] and not st[i, ASKED] and st[i, HELD] != lines:
            requests |= 2 << i
    req_masks = requests >> MASKS & 1
    fetch_valid = (masks[RANGE] != 0 and not masks[ASKED] and masks[LEAD] != 4 and masks[LINE] + masks[LEAD] <= masks[LAST] // items
                   and not (req_masks and masks[LEAD] == 0))  # fmt: skip
    scout_inside = False
    if o[S_VALID]:
        scout_inside = pix_line[o[S_M], o[S_TAP]] >= 0
    scout_valid = o[S_VALID] != 0 and scout_inside
    grant = NOBODY
    if requests != 0:
        for i in range(5):
            k = (o[ARB] + 1 + i) % 5
            if requests >> k & 1:
                grant = k
                break
    asks = grant if port_free else NOBODY
    if grant == ROW:
        line = o[R_LINE]
    elif grant != NOBODY:
        line = st[grant - 1, LINE]
    elif scout_valid:
        line = pix_line[o[S_M], o[S_TAP]]
    else:
        line = masks[LINE] + masks[LEAD]
    fetch_ready = port_free and requests == 0 and not scout_valid
    scout_ready = not scout_valid or (port_free and requests == 0)
    owner = o[RSP_OWNER]
    rsp_from = owner if rsp else NOBODY

    # the pixel that the row buffer may take
    bank_used = o[R_USED1] if o[R_BANK] else o[R_USED0]
    pixel = o[W_VALID] != 0 and o[R_PHASE] == WAIT and (o[R_BEGUN] != 0 or bank_used == 0)
    pixel_last = pixel and o[W_TAP] == c.taps - 1

    # ================================================================================================ the clock edge
    # P-LIF, slice, state writer
    if granted:
        o[O_VALID] = 0
    if neuron != 0 and lif_go:
        if neuron & 4:
            if complete:
                o[O_VALID] = 1
                o[O_ROW] = neuron >> 3
                o[O_POS] = 0
            else:
                o[O_POS] += 1
        if c.carry_out:
            parts = c.CHUNK_W // 32
            o[SW_POS] += 1
            if neuron & 2:
                o[SW_LAST] = (o[SW_POS] + parts - 1) // parts
                o[SW_PHASE] = 1
                o[SW_POS] = 0
    if lif_go:
        flags = 0
        if o[M_VALID] and known and sum_ready:
            bank = o[OUT_BANK]
            flags = 1 | (2 if o[M_LAST] else 0) | fifo[c.FIFO_DEPTH + bank]
        lif[o[L_PTR]] = flags
        o[L_PTR] = (o[L_PTR] + 1) % lif.shape[0]
    if task_done:
        o[OUT_BANK] = 1 - o[OUT_BANK]
        if c.carry_out:
            o[SW_LEVEL] += 1

    # back of the join
    push = f4_go and e_ready
    entry = f4 & ~(COL_LAST | TASK_LAST) if f4_part else f4
    if c.SPECULATE:
        if go:
            o[C2] = o[C1]
            o[C1] = (head | 64) if pop_q else 0
        if push:
            fifo[(o[Q_HEAD] + o[Q_LEVEL]) % c.FIFO_DEPTH] = entry
        if pop_q:
            o[Q_HEAD] = (o[Q_HEAD] + 1) % c.FIFO_DEPTH
        o[Q_LEVEL] += (1 if push else 0) - (1 if pop_q else 0)
    elif go:
        o[C1] = (entry | 64) if push else 0
    if done:
        o[M_LAST] = 1 if done_flags & TASK_LAST else 0
    o[M_VALID] = 1 if done or (o[M_VALID] and not m_ready) else 0

    # F4, F3
    w_pop = w_valid and w_ready
    if f4_end:
        o[LINE_NUM] = 0
    elif w_pop:
        o[LINE_NUM] += 1
    if f3_fire:
        o[F4_FLAGS] = o[F3_FLAGS]
        o[F4_LINE] = o[F3_LINE]
    elif f4_go and e_ready:
        o[F4_FLAGS] = f4 & ~MATCH
    o[F4_VALID] = 1 if f3_fire or (o[F4_VALID] and not f4_fire) else 0
    if f2_issue:
        flags = (MATCH if f2_any else 0) | (BANK1 if o[F2_BANK] else 0)
        if f2_end:
            flags |= (COL_LAST if o[F2_COL_LAST] else 0) | (TASK_LAST if o[F2_TASK_LAST] else 0)
        if blk[o[F2_BLK], 3] != 0:
            flags |= WEIGHTED
        o[F3_FLAGS] = flags
        if f2_any:
            place = o[F2_POS]
            for i in range(low_word):
                place += ones(b[o[F2_COL], o[F2_WIN], i])
            x = left[p, low_word]
            place += ones(b[o[F2_COL], o[F2_WIN], low_word] & ((x & (~x + np.uint64(1))) - np.uint64(1)))
            o[F3_LINE] = place * c.WSLOT_W // (c.LINE_BYTES * 8)
    o[F3_VALID] = 1 if f2_issue or (o[F3_VALID] and not f3_fire) else 0

    # F2, F1, F0
    if f2_step and f2_any:
        left[p, low_word] &= left[p, low_word] - np.uint64(1)
    if f2_step and step_end and not f2_end:
        o[F2_STEP] += 1
        window_masks(c, p, o, a, b, left, o[F2_STEP])
    if o[F2_HOLD] > 0:
        o[F2_HOLD] -= 1
    if f2_done:
        o[F2_POS] = o[F2_NEXT]
    if f1_fire:
        o[F2_COL_LAST] = o[F1_COL_LAST]
        o[F2_TASK_LAST] = o[F1_TASK_LAST]
        o[F2_BANK] = o[F1_BANK]
        o[F2_WIN] = o[F1_WIN]
        o[F2_COL] = o[F1_COL]
        o[F2_M] = o[F1_M]
        o[F2_BLK] = o[F1_BLK]
        o[F2_STEP] = 0
        if o[F1_FIRST]:
            o[F2_POS] = blk[o[F1_BLK], 2] % c.LINE_BYTES * 8 // c.WSLOT_W
        total = 0
        for i in range(left.shape[1]):
            total += ones(b[o[F1_COL], o[F1_WIN], i])
        o[F2_NEXT] = o[F2_POS] + total
        window_masks(c, p, o, a, b, left, 0)
        if c.HOLD:
            per = max(1, c.CHUNK_W // 64)
            hold = 0
            for i in range(0, left.shape[1], per):
                hit = False
                for j in range(i, min(i + per, left.shape[1])):
                    hit = hit or left[p, j] != 0
                hold += c.HOLD if hit else 0
            o[F2_HOLD] = hold
    o[F2_VALID] = 1 if f1_fire or (o[F2_VALID] and not f2_done) else 0
    if f0_fire:
        o[F1_FIRST] = 1 if o[F0_WIN] == 0 and o[F0_COLS] == blk[o[F0_BLK], 4] else 0
        o[F1_COL_LAST] = 1 if f0_col_end else 0
        o[F1_TASK_LAST] = 1 if f0_task_end else 0
        o[F1_BANK] = o[F0_BANK]
        o[F1_WIN] = o[F0_WIN]
        o[F1_COL] = o[F0_BLK] * c.block_cols + blk[o[F0_BLK], 4] - o[F0_COLS]
        o[F1_M] = o[F0_M]
        o[F1_BLK] = o[F0_BLK]
    o[F1_VALID] = 1 if f0_fire or (o[F1_VALID] and not f1_fire) else 0
    if join_taken:
        o[F0_VALID] = 1
        o[F0_BANK] = 1 - o[F0_BANK]
        o[F0_WIN] = 0
        o[F0_COLS] = blk[o[TBLK], 4]
        o[F0_M] = pixels[o[TROW], o[PIX]]
        o[F0_BLK] = o[TBLK]
    elif f0_fire:
        o[F0_VALID] = 0 if f0_task_end else 1
        o[F0_WIN] = 0 if f0_col_end else o[F0_WIN] + 1
        if f0_col_end:
            o[F0_COLS] -= 1

    # windows of B
    use_masks = False
    if c.index:
        use_masks = decode_step(c, o, code, blk, code_taken, o[TBLK], place_valid, place_last, mask_ready, cnt) and place_valid
    elif place_valid:
        use_masks = mask_ready or not col_full
        if use_masks:
            end_of_col = o[G_CHUNK] + 1 == c.chunks
            o[G_FILL] = 0 if col_full else o[G_FILL] + 1
            o[G_CHUNK] = 0 if end_of_col else o[G_CHUNK] + 1

    # streams
    t = o[TBLK]
    use_params = params_valid and fire
    last_of_line = params[ITEM] % (c.LINE_BYTES // 8) == c.LINE_BYTES // 8 - 1
    pop = use_params and (params[ITEM] == params[END] or last_of_line)
    if params_taken:
        stream_take(params, blk[t, 0], blk[t, 0] + 8 * blk[t, 4], c.LINE_BYTES, 8)
    stream_move(params, params_taken, asks == PARAMS, pop, use_params, rsp_from == PARAMS, False, c.LINE_BYTES // 8)
    pop = use_masks and (place_last or masks[ITEM] % items == items - 1)
    if masks_taken:
        stream_take(masks, blk[t, 1], blk[t, 2], c.LINE_BYTES, c.CHUNK_W // 8)
    stream_move(masks, masks_taken, asks == MASKS, pop, use_masks, rsp_from == MASKS, fetch_valid and fetch_ready, items)
    if weights_taken:
        stream_take(weights, blk[t, 2], blk[t, 2] + (blk[t, 3] * c.WSLOT_W + 7) // 8, c.LINE_BYTES, c.LINE_BYTES)
    stream_move(weights, weights_taken, asks == WEIGHTS, w_pop, w_pop, rsp_from == WEIGHTS, False, 1)
    if c.carry_in:
        per_line = c.LINE_BYTES // 4
        pop = fire and (state[ITEM] == state[END] or state[ITEM] % per_line == per_line - 1)
        if state_taken:
            at = c.state + pixels[o[TROW], o[PIX]] * c.state_stride + 4 * t * c.block_cols
            stream_take(state, at, at + 4 * blk[t, 4], c.LINE_BYTES, 4)
        stream_move(state, state_taken, asks == STATE, pop, fire, rsp_from == STATE, False, per_line)

    # windows of A: the row buffer, the walk and the scout
    at_line, slices, words = 0, 0, 0
    inside = False
    if pixel:
        at_line = pix_line[o[W_M], o[W_TAP]]
        inside = at_line >= 0
        words = pix_words[o[W_M], o[W_TAP]]
        slices = tap_slices[o[W_TAP]]
    row_step(c, o, rsp_from == ROW, pixel, inside, at_line, slices, words, 1 if pixel_last else 0, asks == ROW, task_done)
    if o[S_VALID] and scout_ready:
        o[S_TAP] += 1
        if o[S_TAP] == c.taps:
            o[S_VALID] = 0
    if row_taken and c.many:
        o[S_VALID] = 1
        o[S_M] = pixels[o[TROW], o[PIX]]
        o[S_TAP] = 0
    if pixel:
        o[W_TAP] += 1
        if pixel_last:
            o[W_VALID] = 0
            o[S_VALID] = 0
    if row_taken:
        o[W_VALID] = 1
        o[W_M] = pixels[o[TROW], o[PIX]]
        o[W_TAP] = 0

    # the port
    if o[RD_VALID] and rd_ready:
        o[RSP_OWNER] = o[RD_OWNER]
    if port_free:
        o[RD_VALID] = 1 if requests != 0 or fetch_valid or scout_valid else 0
        o[RD_FETCH] = 1 if requests == 0 else 0
        o[RD_OWNER] = grant
        if requests != 0:
            o[ARB] = grant
        o[RD_LINE] = line

    # banks and the task
    if row_taken:
        fifo[c.FIFO_DEPTH + o[IN_BANK]] = (0 if o[MORE] else 4) | o[TROW] << 3
        o[IN_BANK] = 1 - o[IN_BANK]
    o[BANKS] += (1 if row_taken else 0) - (1 if task_done else 0)
    taken = np.int64(row_taken) << ROW | np.int64(params_taken) << PARAMS | np.int64(masks_taken) << MASKS
    taken |= np.int64(weights_taken) << WEIGHTS | np.int64(state_taken) << STATE | np.int64(code_taken) << CODE
    todo &= ~(taken | np.int64(join_taken) << JOIN)
    idle = o[TODO] == 0
    o[TODO] = todo
    if idle and o[MORE]:
        o[TODO] = ALL_PARTS
        o[PIX] += 1
        o[MORE] = 0 if o[PIX] == c.pool - 1 else 1
    if task_row >= 0:
        o[TODO] = ALL_PARTS
        o[PIX] = 0
        o[MORE] = 0 if c.pool == 1 else 1
        o[TROW] = task_row
        o[TBLK] = task_blk


@numba.njit(cache=True, error_model="numpy")
def run(
    c: Any, pixels: Any, pix_line: Any, pix_words: Any, tap_slices: Any, a: Any, b: Any, blk: Any, code: Any, entry_words: Any,
    skips: Any,
) -> Any:  # fmt: skip
    """Runs a layer.

    Args:
        c: Parameters.
        pixels, pix_line, pix_words, tap_slices, a, b, blk, code: See :func:`tppe_step`.
        entry_words: (rows, entries) words that are not zero in each output buffer entry.
        skips: (rows,) cycles that the row walk takes to the next row beyond one.

    Returns:
        The counters; ``cycles`` is -1 if the layer did not end in ``max_cycles``.
    """
    P = c.NUM_TPPES
    ports = P + 1
    cnt = np.zeros(NUM_COUNTERS, np.int64)
    regs = np.zeros((P, REGISTERS), np.int64)
    streams = np.zeros((P, 4, STREAM_REGISTERS), np.int64)
    fifos = np.zeros((P, c.FIFO_DEPTH + 2), np.int64)
    lifs = np.zeros((P, 2 * c.T - 1 + c.CARRY), np.int64)
    left = np.zeros((P, a.shape[3]), np.uint64)
    for p in range(P):
        regs[p, ARB] = 4
        regs[p, F0_BANK] = 1
        regs[p, D_A_USED] = (1 << c.INDEX_RATE) - 1
        regs[p, D_B_USED] = (1 << c.INDEX_RATE) - 1

    # ---- cache
    lines = c.NUM_BANKS * c.NUM_SETS * c.NUM_WAYS
    tag = np.zeros(lines, np.int64)
    status = np.zeros(lines, np.int64)            # 1: valid, 2: pending
    age = np.zeros(lines, np.int64)
    slow = np.zeros(c.NUM_BANKS * c.NUM_SETS, np.int64)
    s1_valid = np.zeros(c.NUM_BANKS, np.int64)
    s1_line = np.zeros(c.NUM_BANKS, np.int64)
    s1_keep = np.zeros(c.NUM_BANKS, np.int64)
    s1_read = np.zeros(c.NUM_BANKS, np.int64)
    s1_claimed = np.zeros(c.NUM_BANKS, np.int64)
    next_claimed = np.zeros(c.NUM_BANKS, np.int64)
    hit = np.zeros(c.NUM_BANKS, np.int64)
    on_way = np.zeros(c.NUM_BANKS, np.int64)
    alloc = np.zeros(c.NUM_BANKS, np.int64)
    way = np.zeros(c.NUM_BANKS, np.int64)
    room_event = np.zeros(c.NUM_BANKS, np.int64)
    bank_arb = np.full(c.NUM_BANKS, ports - 1)
    miss_valid = np.zeros(c.NUM_BANKS, np.int64)
    miss_line = np.zeros(c.NUM_BANKS, np.int64)
    miss_place = np.zeros(c.NUM_BANKS, np.int64)
    miss_arb = c.NUM_BANKS - 1
    lookup = np.zeros(ports, np.int64)
    fetching = np.zeros(ports, np.int64)
    bank_of = np.zeros(ports, np.int64)
    seen = np.zeros(ports, np.int64)
    sleep = np.zeros(ports, np.int64)
    claim = np.zeros(ports, np.int64)
    claim_place = np.zeros(ports, np.int64)
    no_room = np.zeros(ports, np.int64)
    ready = np.zeros(ports, np.int64)
    answer = np.zeros(ports, np.int64)
    take = np.zeros(ports, np.int64)
    rd_valid = np.zeros(ports, np.int64)
    rd_line = np.zeros(ports, np.int64)
    rd_keep = np.zeros(ports, np.int64)
    rd_fetch = np.zeros(ports, np.int64)
    elder = 0
    elder_waited = False
    depth = c.OUTSTANDING + 4
    q_time = np.zeros(depth, np.int64)            # lines on their way: when they come, and to where
    q_place = np.zeros(depth, np.int64)
    q_head = 0
    q_level = 0
    fill_valid = False
    fill_line = 0
    fill_place = 0
    last_time = 0

    # ---- scheduler
    per_line = c.LINE_BYTES // 16
    far = lines // 2
    walking = True
    entry = 0
    rows_before = 0
    line_valid = False
    line_wait = False
    line_tag = 0
    raw_valid = False
    raw = 0
    queue = np.zeros(4, np.int64)
    queue_head = 0
    queue_level = 0
    tile_rows = min(c.tile_rows, c.rows)
    tile_first = 0
    row = 0
    odd = 0
    first_block = True
    walk_busy = 0
    active = True
    sel = -1
    sel_row = 0
    sel_blk = 0
    arb = P - 1
    slot_busy = np.zeros(c.NUM_SLOTS, np.int64)
    fetch_line = c.b_base // c.LINE_BYTES
    here = c.b_base // c.LINE_BYTES
    b_line = c.b_base // c.LINE_BYTES
    end_line = (c.b_end + c.LINE_BYTES - 1) // c.LINE_BYTES
    sched_answer = False
    freed = -1
    cmd_row_old = 0
    mux_addr_next = 0
    chunks = 0
    was_answer = np.zeros(ports, np.int64)
    alloc_read = np.zeros(c.NUM_BANKS, np.int64)
    q_valid = False
    q_fetch = False
    q_line = 0
    ready_tppe = np.zeros(P, np.int64)

    # ---- output
    out_arb = P - 1
    wr_row = -1
    remaining = np.zeros(c.rows, np.int64)
    remaining[:] = c.entries
    complete = np.zeros(c.rows, np.int64)
    next_row = 0                                  # to be begun by the compressor
    reading = False
    read_row = 0
    read_left = 0
    s1 = -1                                       # entry of the row in stage 1, of entries * row
    s2 = -1
    cmd_valid = False
    cmd_row = 0
    rec_level = 0
    rec_head = 0                                  # row of the oldest record
    half = c.SLICE_W * c.WORD_W
    chunk_words = c.CHUNK_W // c.WORD_W
    slices_chunk = c.CHUNK_W // 32 if c.readout else c.CHUNK_W // c.SLICE_W
    head_chunks = (c.entries + slices_chunk - 1) // slices_chunk
    head_pos = 0
    fill = 0
    flush = False
    head_stored = 0
    head_out = False
    word_stored = 0
    word_out = False
    head_level = 0
    word_level = 0
    head_depth = 4
    while head_depth < c.K_MAX // c.CHUNK_W:
        head_depth *= 2
    word_depth = 4
    while word_depth < c.K_MAX * c.WORD_W // c.CHUNK_W:
        word_depth *= 2
    send_state = 0
    send_left = 0
    send_words = 0
    unsent = c.rows
    words_of = np.zeros(c.rows, np.int64)
    for r in range(c.rows):
        total = 0
        for e in range(c.entries):
            total += entry_words[r, e]
        words_of[r] = (total + chunk_words - 1) // chunk_words

    # write multiplexer: source 0 is the compressor, 1 + p the state writer of TPPE p
    mux_arb = P
    mux_valid = False
    mux_addr = 0
    mux_chunks = 0
    order_src = np.zeros(4, np.int64)
    order_cnt = np.zeros(4, np.int64)
    order_head = 0
    order_level = 0
    mux_sent = 0
    # write master
    beat_bytes = c.AXI_BYTES
    border = min(256, 4096 // beat_bytes)
    w_cmd = False
    w_addr = 0
    w_chunks = 0
    walk_valid = False
    walk_addr = 0
    walk_left = 0
    aw_valid = False
    counts = np.zeros(4, np.int64)
    counts_head = 0
    counts_level = 0
    chunk_no = 1
    per_beat = max(1, c.AXI_BYTES * 8 // c.CHUNK_W)
    beats_of_chunk = max(1, c.CHUNK_W // (c.AXI_BYTES * 8))
    ad_ptr = 0
    ad_valid = False
    ad_left = 0
    owed = np.zeros(4, np.int64)
    owed_head = 0
    owed_level = 0
    owed_beat = 0
    w_valid = False
    w_last = False
    listed = 0
    aw_level = 0                                  # bursts that the memory knows of and has no last beat of
    b_time = np.zeros(8, np.int64)
    b_head = 0
    b_level = 0
    b_valid = False

    now = 0
    while now < c.max_cycles:
        now += 1
        # ============================================================================================= cache: comparing
        fill_now = q_level > 0 and q_time[q_head] == now
        fill_at = q_place[q_head] if fill_now else -1
        waits = no_room[elder] != 0
        released = elder_waited and not waits
        blocked = bank_of[elder] if waits and not lookup[elder] else -1
        for k in range(c.NUM_BANKS):
            alloc[k] = 0
            if not s1_valid[k]:
                hit[k] = 0
                continue
            alloc_read[k] = s1_read[k]
            line = s1_line[k]
            base = (k * c.NUM_SETS + line // c.NUM_BANKS % c.NUM_SETS) * c.NUM_WAYS
            found = -1
            for i in range(c.NUM_WAYS):
                if status[base + i] != 0 and tag[base + i] == line:
                    found = i
                    break
            hit[k] = 1 if found >= 0 and status[base + found] == 1 else 0
            on_way[k] = 1 if found >= 0 and status[base + found] == 2 else 0
            if found < 0:
                victim = -1
                oldest = -1
                for i in range(c.NUM_WAYS):
                    if status[base + i] == 0:
                        victim = i
                        oldest = 4
                        break
                if victim < 0:
                    for i in range(c.NUM_WAYS):
                        if status[base + i] == 1 and age[base + i] > oldest:
                            pinned = False
                            for p in range(ports):
                                if claim[p] and claim_place[p] == base + i:
                                    pinned = True
                                    break
                            if not pinned:
                                victim = i
                                oldest = age[base + i]
                if victim >= 0 and not miss_valid[k] and blocked != k:
                    found = victim
                    alloc[k] = 1
                    on_way[k] = 1
                    if oldest < 3:
                        grow = slow[base // c.NUM_WAYS] == 2
                        for i in range(c.NUM_WAYS):
                            if i != victim and (age[base + i] == 2 or (age[base + i] < 2 and grow)):
                                age[base + i] += 1
                        slow[base // c.NUM_WAYS] = 0 if grow else slow[base // c.NUM_WAYS] + 1
                    age[base + victim] = 0 if s1_keep[k] else 2 if s1_read[k] else 1
                    tag[base + victim] = line
            elif s1_keep[k]:
                age[base + found] = 0
            elif s1_read[k]:
                if age[base + found] != 0:
                    age[base + found] = 2
            elif age[base + found] > 1:
                age[base + found] = 1
            way[k] = base + found
        for p in range(ports):
            ready[p] = 1 if lookup[p] and (hit[bank_of[p]] or (fetching[p] and on_way[bank_of[p]])) else 0

        # ============================================================================================= cache: requests
        for p in range(P):
            rd_valid[p] = regs[p, RD_VALID]
            rd_line[p] = regs[p, RD_LINE]
            rd_fetch[p] = regs[p, RD_FETCH]
            rd_keep[p] = 1 if regs[p, RD_OWNER] == ROW and not regs[p, RD_FETCH] else 0
        rd_valid[P] = 1 if q_valid else 0
        rd_line[P] = q_line
        rd_fetch[P] = 1 if q_fetch else 0
        for k in range(c.NUM_BANKS):
            s1_valid[k] = 0
            next_claimed[k] = 0
        for p in range(ports):
            take[p] = 0
        for i in range(ports):
            if rd_valid[i] and not lookup[i] and not sleep[i] and not take[i]:
                k = rd_line[i] % c.NUM_BANKS
                if s1_valid[k] or alloc[k]:
                    continue
                # round robin among those that want this bank
                win = -1
                for j in range(ports):
                    p = (bank_arb[k] + 1 + j) % ports
                    if rd_valid[p] and not lookup[p] and not sleep[p] and rd_line[p] % c.NUM_BANKS == k:
                        win = p
                        break
                bank_arb[k] = win
                s1_valid[k] = 1
                s1_line[k] = rd_line[win]
                s1_keep[k] = 0
                s1_read[k] = 0
                claimed = 0
                for p in range(ports):
                    if rd_valid[p] and not lookup[p] and not sleep[p] and rd_line[p] == rd_line[win]:
                        take[p] = 1
                        if rd_keep[p]:
                            s1_keep[k] = 1
                        if not rd_fetch[p]:
                            s1_read[k] = 1
                        if claim[p]:
                            claimed = 1
                next_claimed[k] = claimed

        # ============================================================================================= cache: misses
        accepted = False                          # by the read master
        in_flight = q_level - (1 if fill_now else 0)
        if fill_valid and in_flight < c.OUTSTANDING:
            accepted = True
        load = -1
        if q_level + (1 if fill_valid else 0) < c.OUTSTANDING + 2 and (not fill_valid or accepted):
            for j in range(c.NUM_BANKS):
                k = (miss_arb + 1 + j) % c.NUM_BANKS
                if miss_valid[k]:
                    load = k
                    break
        if fill_now:
            status[fill_at] = 1
            q_head = (q_head + 1) % depth
            q_level -= 1
        if accepted:
            last_time = max(now + c.latency + 3 + c.BEATS, last_time + c.BEATS)
            q_time[(q_head + q_level) % depth] = last_time
            q_place[(q_head + q_level) % depth] = fill_place
            q_level += 1
            fill_valid = False
            cnt[LINES_READ] += 1
            byte = fill_line * c.LINE_BYTES
            if c.b_base <= byte < c.b_end:
                cnt[FILLS_B] += 1
            elif c.b_end <= byte < c.a_end:
                cnt[FILLS_A] += 1
            elif byte < c.b_base:
                cnt[FILLS_TABLE] += 1
            else:
                cnt[FILLS_STATE] += 1
        if load >= 0:
            miss_arb = load
            fill_valid = True
            fill_line = miss_line[load]
            fill_place = miss_place[load]
            miss_valid[load] = 0
        for k in range(c.NUM_BANKS):
            room_event[k] = 1 if (hit[k] and s1_claimed[k]) or load == k else 0
            if alloc[k]:
                status[way[k]] = 2
                miss_valid[k] = 1
                miss_line[k] = tag[way[k]]
                miss_place[k] = way[k]
                # an allocation of this cycle was for a fetch if nobody reads
                if not alloc_read[k]:
                    cnt[FETCHES] += 1
            s1_claimed[k] = next_claimed[k]
        if fill_now:
            room_event[fill_at // (c.NUM_SETS * c.NUM_WAYS)] = 1
        for p in range(ports):
            answer[p] = 1 if ready[p] and not fetching[p] else 0
            k = bank_of[p]
            if lookup[p]:
                if ready[p]:
                    if not fetching[p]:
                        cnt[MISSES if seen[p] else HITS] += 1
                        if p == P:
                            cnt[LINES_TABLE] += 1
                        else:
                            cnt[LINES_ROW + regs[p, RD_OWNER]] += 1
                    seen[p] = 0
                    claim[p] = 0
                    no_room[p] = 0
                elif on_way[k]:
                    seen[p] = 1
                    claim[p] = 1
                    claim_place[p] = way[k]
                    no_room[p] = 0
                    sleep[p] = 0 if fill_at == way[k] else 1
                else:
                    seen[p] = 1
                    claim[p] = 0
                    no_room[p] = 1
                    sleep[p] = 0 if room_event[k] else 1
            elif sleep[p]:
                if claim[p]:
                    if fill_at == claim_place[p]:
                        sleep[p] = 0
                elif room_event[k] or released:
                    sleep[p] = 0
        elder_waited = waits
        if not waits:
            elder = 0 if elder == P else elder + 1

        # ============================================================================================= scheduler
        for p in range(P):
            ready_tppe[p] = 1 if regs[p, TODO] == 0 and not regs[p, MORE] else 0
        given = sel if sel >= 0 and ready_tppe[sel] else -1
        given_row = sel_row
        given_blk = sel_blk
        sched_ready = ready[P] != 0
        pick = -1
        for j in range(P):
            p = (arb + 1 + j) % P
            if ready_tppe[p] and p != sel:
                pick = p
                break
        slot = odd * c.tile_rows + row
        go = (queue_level > 0 and walk_busy == 0 and pick >= 0 and (sel < 0 or given >= 0)
              and not (first_block and slot_busy[slot]) and active)  # fmt: skip
        block = queue[queue_head] if queue_level > 0 else 0
        block_last = block == c.blocks - 1
        row_last = row == tile_rows - 1
        tile_change = go and row_last and block_last
        line_hit = line_valid and line_tag == (c.table // 16 + entry) // per_line
        raw_taken = raw_valid and queue_level < 4
        entry_take = walking and line_hit and (not raw_valid or raw_taken)
        table_want = walking and not line_hit and not line_wait
        q_free = not q_valid or sched_ready
        new_table = table_want and q_free
        want = active and fetch_line < end_line and fetch_line < here + far
        new_fetch = want and q_free and not table_want and not tile_change

        if sched_ready:
            q_valid = False
        if new_table or new_fetch:
            q_valid = True
            q_fetch = not new_table
            q_line = (c.table // 16 + entry) // per_line if new_table else fetch_line
        if fetch_line < here:
            fetch_line = here
        elif new_fetch:
            fetch_line += 1
        if queue_level > 0:
            here = blk[block, 0] // c.LINE_BYTES
        if tile_change:
            fetch_line = b_line
            here = b_line
        # the table's reader
        came = line_wait and sched_answer
        if new_table:
            line_wait = True
            line_valid = False
            line_tag = (c.table // 16 + entry) // per_line
        if came:
            line_wait = False
            line_valid = True
        if raw_taken:
            queue[(queue_head + queue_level) % 4] = raw
            raw_valid = False
        pushed = raw_taken
        if entry_take:
            raw_valid = True
            raw = entry
            if entry == c.blocks - 1:
                entry = 0
                rows_before += c.tile_rows
                if rows_before >= c.rows:
                    walking = False
            else:
                entry += 1
        sched_answer = answer[P] != 0
        # tasks
        if walk_busy > 0:
            walk_busy -= 1
        if given >= 0:
            sel = -1
        if go:
            sel = pick
            arb = pick
            sel_row = tile_first + row
            sel_blk = block
            if first_block:
                slot_busy[slot] = 1
            if not row_last:
                walk_busy = skips[tile_first + row]
                row += 1
            else:
                row = 0
                if not block_last:
                    first_block = False
                else:
                    walk_busy = skips[tile_first + tile_rows - 1]
                    first_block = True
                    odd = 1 - odd
                    tile_first += tile_rows
                    tile_rows = min(c.tile_rows, c.rows - tile_first)
                    if tile_first >= c.rows:
                        active = False
                queue_head = (queue_head + 1) % 4
                queue_level -= 1
        if pushed:
            queue_level += 1

        # ============================================================================================= output buffer, TPPEs
        grant = -1
        for j in range(P):
            p = (out_arb + 1 + j) % P
            if regs[p, O_VALID]:
                grant = p
                out_arb = p
                break
        row_in = regs[grant, O_ROW] if grant >= 0 else -1
        for p in range(P):
            tppe_step(
                c, p, regs[p], streams[p], fifos[p], lifs[p], left, cnt, grant == p, ready[p] != 0, was_answer[p] != 0,
                given_row if given == p else -1, given_blk, pixels, pix_line, pix_words, tap_slices, a, b, blk, code,
            )  # fmt: skip
        for p in range(ports):
            if take[p]:
                fetching[p] = rd_fetch[p]
                bank_of[p] = rd_line[p] % c.NUM_BANKS
            lookup[p] = take[p]
            was_answer[p] = answer[p]

        # ============================================================================================= write path
        # the memory's answers, the master's bursts
        got = b_valid
        b_valid = False
        if b_level > 0 and now >= b_time[b_head]:
            b_valid = True
            b_head = (b_head + 1) % 8
            b_level -= 1
        beat_out = w_valid and aw_level > 0
        ad_ready = owed_level > 0 and (not w_valid or beat_out)
        same = per_beat == 1 and beats_of_chunk == 1
        src_valid = False
        if order_level > 0:
            src = order_src[order_head]
            if src == 0:
                src_valid = (send_state == 0 and rec_level > 0 and not c.readout) or (send_state == 1 and head_out) or (
                    send_state == 2 and word_out)  # fmt: skip
            else:
                src_valid = regs[src - 1, SW_PHASE] == 2
        chunk_in = src_valid and counts_level > 0
        if same:
            beat_in = chunk_in and ad_ready
            chunk_take = beat_in
        elif per_beat > 1:
            beat_in = ad_valid and ad_ready
            chunk_take = chunk_in and (not ad_valid or beat_in)
        else:
            beat_in = ad_valid and ad_ready
            chunk_take = chunk_in and (not ad_valid or (beat_in and ad_left == 0))
        chunk_last = counts_level > 0 and chunk_no == counts[counts_head]
        # walk over a command's bursts
        to_border = border - walk_addr // beat_bytes % border
        walk_last = walk_left <= to_border
        aw_taken = aw_valid
        issue = walk_valid and (not aw_valid or aw_taken) and listed < 4
        cmd_move = w_cmd and (not walk_valid or (issue and walk_last)) and counts_level < 4
        mux_taken = mux_valid and not w_cmd
        # multiplexer
        pick = -1
        if order_level < 4 and not mux_valid:
            for j in range(P + 1):
                k = (mux_arb + 1 + j) % (P + 1)
                if (k == 0 and cmd_valid) or (k > 0 and c.carry_out and regs[k - 1, SW_PHASE] == 1 and regs[k - 1, SW_LEVEL] > 0):
                    pick = k
                    break
        cmd_ready = pick == 0
        # compressor: reader, stages, sender
        head_room = head_level < head_depth
        word_full = fill >= chunk_words
        word_send = word_full or (flush and fill > 0)
        word_leaves = word_send and word_level < word_depth
        fill_left = fill if not word_leaves else fill - chunk_words if word_full else 0
        word_room = fill_left < chunk_words and (not flush or fill_left == 0)
        s2_last = s2 >= 0 and s2 % c.entries == c.entries - 1
        head_complete = s2 >= 0 and (s2_last or head_pos == slices_chunk - 1)
        s2_ready = word_room and (not head_complete or head_room)
        s2_take = s2 >= 0 and s2_ready
        s1_ready = s2 < 0 or s2_ready
        read_ready = s1 < 0 or s1_ready
        read = reading and read_ready
        begin = not reading and next_row < c.rows and complete[min(next_row, c.rows - 1)] and rec_level < 4 and (not cmd_valid or cmd_ready)
        sent_chunk = chunk_take and order_level > 0 and order_src[order_head] == 0
        pop_record = send_state == 0 and rec_level > 0 and (sent_chunk or c.readout)
        pop_head = send_state == 1 and sent_chunk
        pop_word = send_state == 2 and sent_chunk

        freed = -1
        if s2_take:
            words = entry_words[s2 // c.entries, s2 % c.entries]
            fill_left += words
            flush = s2_last
            head_pos = 0 if head_complete else head_pos + 1
        elif fill_left == 0:
            flush = False
        fill = fill_left
        push_head = s2_take and head_complete
        if s1_ready:
            s2 = s1
        if read_ready:
            s1 = read_row * c.entries + c.entries - read_left if read else -1
        if cmd_ready:
            cmd_valid = False
        if begin:
            reading = True
            read_row = next_row
            read_left = c.entries
            cmd_valid = True
            cmd_row = next_row
            next_row += 1
            rec_level += 1
        elif read:
            if read_left == 1:
                reading = False
                freed = read_row % (2 * c.tile_rows)
            read_left -= 1
        # FIFOs with an output register
        shift = head_stored > 0 and (not head_out or pop_head)
        head_level += (1 if push_head else 0) - (1 if pop_head else 0)
        head_stored += (1 if push_head else 0) - (1 if shift else 0)
        head_out = shift or (head_out and not pop_head)
        shift = word_stored > 0 and (not word_out or pop_word)
        word_level += (1 if word_leaves else 0) - (1 if pop_word else 0)
        word_stored += (1 if word_leaves else 0) - (1 if shift else 0)
        word_out = shift or (word_out and not pop_word)
        if pop_record:
            rec_level -= 1
            send_state = 1
            send_left = head_chunks
            send_words = 0 if c.readout else words_of[rec_head]
            rec_head += 1
        elif pop_head:
            send_left -= 1
            if send_left == 0:
                send_state = 0 if send_words == 0 else 2
                send_left = send_words
                if send_words == 0:
                    unsent -= 1
                    cnt[ROWS] += 1
        elif pop_word:
            send_left -= 1
            if send_left == 0:
                send_state = 0
                unsent -= 1
                cnt[ROWS] += 1
        # a state writer's chunk
        if chunk_take and order_src[order_head] > 0:
            p = order_src[order_head] - 1
            regs[p, SW_INDEX] += 1
            cnt[STATE_BYTES] += c.CHUNK_W // 8
            if regs[p, SW_INDEX] == regs[p, SW_LAST]:
                regs[p, SW_INDEX] = 0
                regs[p, SW_PHASE] = 0
        if chunk_take:
            cnt[BYTES_WRITTEN] += c.CHUNK_W // 8
            mux_sent += 1
            if mux_sent == order_cnt[order_head]:
                mux_sent = 0
                order_head = (order_head + 1) % 4
                order_level -= 1
        if mux_taken:
            mux_valid = False
            w_cmd_next = True
        else:
            w_cmd_next = False
        if pick >= 0:
            mux_arb = pick
            mux_valid = True
            if pick == 0:
                mux_addr_next = c.out_base + cmd_row_old * c.out_stride
                chunks = head_chunks if c.readout else head_chunks + words_of[cmd_row_old] + 1
            else:
                chunks = regs[pick - 1, SW_LAST]
                mux_addr_next = c.state
                regs[pick - 1, SW_PHASE] = 2
                regs[pick - 1, SW_LEVEL] -= 1
                regs[pick - 1, SW_INDEX] = 0
            order_src[(order_head + order_level) % 4] = pick
            order_cnt[(order_head + order_level) % 4] = chunks
            order_level += 1
        # adapter
        if per_beat > 1:
            if chunk_take:
                done = chunk_last or ad_ptr == per_beat - 1
                ad_ptr = 0 if done else ad_ptr + 1
                ad_valid = done
            elif beat_in:
                ad_valid = False
        elif not same:
            if chunk_take:
                ad_valid = True
                ad_left = beats_of_chunk - 1
            elif beat_in:
                if ad_left == 0:
                    ad_valid = False
                else:
                    ad_left -= 1
        if chunk_take:
            if chunk_last:
                chunk_no = 1
                counts_head = (counts_head + 1) % 4
                counts_level -= 1
            else:
                chunk_no += 1
        # beats to the bus
        if beat_out and w_last:
            aw_level -= 1
            b_time[(b_head + b_level) % 8] = now + c.latency + 1
            b_level += 1
        if beat_in:
            w_valid = True
            w_last = owed_beat == owed[owed_head] - 1
            if w_last:
                owed_beat = 0
                owed_head = (owed_head + 1) % 4
                owed_level -= 1
            else:
                owed_beat += 1
        elif beat_out:
            w_valid = False
        if aw_taken:
            aw_level += 1
            aw_valid = False
        if got:
            listed -= 1
        if issue:
            aw_valid = True
            listed += 1
            burst = walk_left if walk_last else to_border
            owed[(owed_head + owed_level) % 4] = burst
            owed_level += 1
            walk_valid = not walk_last
            walk_addr += burst * beat_bytes
            walk_left -= burst
        if cmd_move:
            counts[(counts_head + counts_level) % 4] = w_chunks
            counts_level += 1
            walk_valid = True
            walk_addr = w_addr
            walk_left = w_chunks * beats_of_chunk if per_beat == 1 else (w_chunks + per_beat - 1) // per_beat
            w_cmd = False
        if w_cmd_next:
            w_cmd = True
            w_addr = mux_addr
            w_chunks = mux_chunks
        if pick >= 0:
            mux_addr = mux_addr_next
            mux_chunks = chunks
        cmd_row_old = cmd_row
        if freed >= 0:
            slot_busy[freed] = 0

        # entries of the output buffer: counted a cycle after they were taken
        if wr_row >= 0:
            remaining[wr_row] -= 1
            if remaining[wr_row] == 0:
                complete[wr_row] = 1
        wr_row = row_in

        # ============================================================================================= the end
        writers_idle = True
        if c.carry_out:
            for p in range(P):
                if regs[p, SW_PHASE] != 0 or regs[p, SW_POS] != 0 or regs[p, SW_LEVEL] != 0:
                    writers_idle = False
        idle = not w_cmd and not walk_valid and listed == 0
        if not active and sel < 0 and not q_valid and unsent == 0 and not cmd_valid and writers_idle and idle and now >= 4:
            break
    # the control sees the end a cycle later
    cnt[CYCLES] = now + 1 if now < c.max_cycles else -1
    cnt[IDLE] += P
    return cnt
