# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Steps the machine's parts cycle by cycle: scheduler, TPPEs with their inner join, FiberCache, memory, output.

It knows what the RTL's registers know that decides when something happens, and nothing of values: windows of masks, counts of words,
addresses of lines. Names are those of the RTL (rtl/, docs/architecture.md); a ``wire`` is computed from the old state, then all state
moves. :mod:`golden.rivals.loas` and :mod:`golden.rivals.sparten` prepare what it reads. numba compiles it once and keeps the result in
``__pycache__``; a cycle of a TPPE then takes 100 to 200 ns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

# nothing here allocates or is called from Python but `run`: without reference counts and wrappers it compiles faster
OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}
compiled: Any = numba.njit  # its annotations do not know all of its options
jit = compiled(**OPTIONS, no_cpython_wrapper=True, _nrt=False)


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
        blocks, block_cols, tile_rows, entries, chunks: As in the layer's descriptor. coded: B's places are an index code.
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
    coded: int
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
    "lines_table", "fills_a", "fills_b", "fills_state", "fills_table", "state_bytes_written", "decoded_groups", "masks_loaded",
)  # fmt: skip
(
    CYCLES,
    MATCHES,
    EMPTY,
    STALL_A,
    STALL_B,
    STALL_WEIGHT,
    STALL_LAGGY,
    STALL_OUT,
    IDLE,
    HITS,
    MISSES,
    FETCHES,
    LINES_READ,
    BYTES_WRITTEN,
    ROWS,
    LINES_ROW,
    LINES_PARAMS,
    LINES_MASKS,
    LINES_WEIGHTS,
    LINES_STATE,
    LINES_TABLE,
    FILLS_A,
    FILLS_B,
    FILLS_STATE,
    FILLS_TABLE,
    STATE_BYTES,
    DECODED,
    LOADED,
) = range(len(COUNTERS))
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
 N_BANK, N_ON, N_LEFT, N_WINS, N_DONE0, N_DONE1, REGISTERS) = range(116)  # fmt: skip
WAIT, HEADER, IN_MASKS, IN_WORDS, OUTSIDE, FLUSH, SUMS = range(7)
MATCH, COL_LAST, TASK_LAST, BANK1, WEIGHTED = 1, 2, 4, 8, 16

# ---- a stream reader's registers (loas_stream_reader)
RANGE, GIVEN, ASKED, FIRST, LAST, LINE, HELD, LEAD, FULL, ACTIVE, ITEM, END, STREAM_REGISTERS = range(13)


@jit
def ones(x: Any) -> Any:
    """Ones of a 64-bit word."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def stream_take(st: Any, begin: Any, end: Any, line_bytes: Any, item_bytes: Any) -> None:
    """Gives a reader its next range."""
    st[RANGE] = 1 if begin < end else 0
    st[GIVEN] = 0
    st[ASKED] = 0
    st[FIRST] = begin // item_bytes
    st[LAST] = (end - 1) // item_bytes
    st[LINE] = begin // line_bytes
    st[LEAD] = 0


@jit
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


@jit
def row_step(
    c: Any, o: Any, cnt: Any, rsp: Any, pixel: Any, inside: Any, line: Any, slices: Any, words: Any, last: Any, ask: Any, free: Any
) -> None:
    """The row buffer's clock edge (loas_row_buffer).

    Args:
        c: Parameters.
        o, cnt: The TPPE's registers, the counters.
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
        cnt[LOADED] += 1
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


@jit
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


@jit
def window_masks(o: Any, a: Any, b: Any, left: Any, step: Any) -> None:
    """Puts the matches of the window in F2 at a timestep to ``left``."""
    for i in range(left.shape[0]):
        left[i] = a[step, o[F2_M], o[F2_WIN], i] & b[o[F2_COL], o[F2_WIN], i]


# ---- a TPPE's wires: what its parts tell each other in a cycle
(W_COMPLETE, W_LIF_GO, W_KNOWN, W_SUM_READY, W_M_READY, W_FIRE, W_TASK_DONE, W_HEAD, W_GO, W_POP_Q, W_DONE_FLAGS, W_DONE, W_F4,
 W_F4_PART, W_F4_GO, W_F4_FIRE, W_F4_END, W_W_VALID, W_W_READY, W_F3_FIRE, W_E_READY, W_F2_ANY, W_LOW_WORD, W_STEP_END,
 W_F2_END, W_F2_STEP, W_F2_ISSUE, W_F2_DONE, W_MASK_READY, W_COL_FULL, W_F1_FIRE, W_F0_COL_END, W_F0_TASK_END, W_F0_FIRE,
 W_PLACE_VALID, W_PLACE_LAST, W_PARAMS_VALID, W_ROW_TAKEN, W_PARAMS_TAKEN, W_MASKS_TAKEN, W_WEIGHTS_TAKEN, W_STATE_TAKEN,
 W_CODE_TAKEN, W_JOIN_TAKEN, W_PORT_FREE, W_REQUESTS, W_FETCH_VALID, W_FETCH_READY, W_SCOUT_VALID, W_SCOUT_READY, W_GRANT,
 W_ASKS, W_LINE, W_RSP_FROM, W_PIXEL, W_PIXEL_LAST, W_NEURON, W_ROW_WAIT, W_JOIN_READY, W_W_POP, WIRES) = range(61)  # fmt: skip


@jit
def back_wires(c: Any, o: Any, w: Any, st: Any, fifo: Any, lif: Any, granted: Any) -> None:
    """P-LIF, sums, the back of the join and its stages F4 and F3."""
    params, _, weights, state = st[0], st[1], st[2], st[3]
    # ------------------------------------------------------------------------------------------------ P-LIF, output slice
    w[W_NEURON] = lif[o[L_PTR]]
    w[W_COMPLETE] = w[W_NEURON] != 0 and (w[W_NEURON] & 4) != 0 and (c.readout or (w[W_NEURON] & 2) != 0 or o[O_POS] == c.SLICE_W - 1)
    slice_ready = not w[W_COMPLETE] or not o[O_VALID] or granted
    state_ready = not c.carry_out or o[SW_PHASE] == 0
    w[W_LIF_GO] = w[W_NEURON] == 0 or (slice_ready and state_ready)
    w[W_SUM_READY] = w[W_LIF_GO] and (not c.carry_out or o[SW_LEVEL] < 4)

    # ------------------------------------------------------------------------------------------------ sums, back of the join
    w[W_PARAMS_VALID] = params[ACTIVE] != 0 and params[FULL] > 0
    w[W_KNOWN] = w[W_PARAMS_VALID] and (not c.carry_in or (state[ACTIVE] != 0 and state[FULL] > 0))
    w[W_M_READY] = w[W_SUM_READY] and w[W_KNOWN]
    w[W_FIRE] = o[M_VALID] and w[W_M_READY]
    w[W_TASK_DONE] = w[W_FIRE] and o[M_LAST]
    w[W_ROW_WAIT] = False
    w[W_POP_Q] = False
    if c.SPECULATE:
        w[W_GO] = not (o[C2] & COL_LAST) or not o[M_VALID] or w[W_M_READY]
        w[W_HEAD] = fifo[o[Q_HEAD]]
        if o[Q_LEVEL] > 0:
            there = o[R_DONE1] if w[W_HEAD] & BANK1 else o[R_DONE0]
            w[W_ROW_WAIT] = not there
            w[W_POP_Q] = w[W_GO] and there != 0
        w[W_E_READY] = o[Q_LEVEL] != c.FIFO_DEPTH
        w[W_DONE_FLAGS] = o[C2]
    else:
        w[W_HEAD] = 0
        w[W_GO] = not (o[C1] & COL_LAST) or not o[M_VALID] or w[W_M_READY]
        w[W_E_READY] = w[W_GO]
        w[W_DONE_FLAGS] = o[C1]
    w[W_DONE] = (w[W_DONE_FLAGS] & COL_LAST) != 0 and w[W_GO]

    # ------------------------------------------------------------------------------------------------ F4, F3: weights
    w[W_W_VALID] = weights[ACTIVE] != 0 and weights[FULL] > 0
    w_last = weights[ITEM] == weights[END]
    w[W_F4] = o[F4_FLAGS]
    f4_match = (w[W_F4] & MATCH) != 0
    f4_rest = (w[W_F4] & TASK_LAST) != 0 and (w[W_F4] & WEIGHTED) != 0 and not (w[W_W_VALID] and w_last)
    w[W_F4_PART] = f4_match and f4_rest
    f4_far = f4_match and o[F4_LINE] > o[LINE_NUM]
    w[W_F4_GO] = o[F4_VALID] and (w[W_W_VALID] and not f4_far if f4_match else not f4_rest)
    w[W_F4_FIRE] = w[W_F4_GO] and w[W_E_READY] and not w[W_F4_PART]
    w[W_F4_END] = w[W_F4_FIRE] and (w[W_F4] & TASK_LAST) != 0
    f4_ready = not o[F4_VALID] or w[W_F4_FIRE]
    w[W_F3_FIRE] = o[F3_VALID] and f4_ready
    f3_far = (o[F3_FLAGS] & MATCH) != 0 and o[F3_LINE] > o[LINE_NUM]
    if w[W_F3_FIRE]:
        ahead = f3_far and not w[W_F4_END]
    else:
        ahead = o[F4_VALID] != 0 and (f4_far or (not f4_match and f4_rest))
    w[W_W_READY] = (w[W_F4_END] and (w[W_F4] & WEIGHTED) != 0) or ahead


@jit
def front_wires(c: Any, o: Any, w: Any, st: Any, left: Any, cnt: Any) -> None:
    """The join's stages F2 to F0, and what the cycle counts as."""
    masks = st[1]
    windows = (c.chunks + c.WINDOW - 1) // c.WINDOW
    f3_ready = not o[F3_VALID] or w[W_F3_FIRE]
    # ------------------------------------------------------------------------------------------------ F2: match by match
    w[W_F2_ANY] = False
    w[W_LOW_WORD] = 0
    rest = False
    if o[F2_VALID]:
        for i in range(left.shape[0]):
            x = left[i]
            if x != 0:
                if not w[W_F2_ANY]:
                    w[W_F2_ANY] = True
                    w[W_LOW_WORD] = i
                    rest = (x & (x - np.uint64(1))) != 0
                else:
                    rest = True
    w[W_STEP_END] = not rest
    w[W_F2_END] = w[W_STEP_END] and o[F2_STEP] == c.STEPS - 1
    col_end = o[F2_COL_LAST] != 0 and o[F2_STEP] == c.STEPS - 1
    f2_send = o[F2_VALID] != 0 and (w[W_F2_ANY] or col_end)
    w[W_F2_STEP] = o[F2_VALID] != 0 and (not f2_send or f3_ready) and o[F2_HOLD] == 0
    w[W_F2_ISSUE] = f2_send and w[W_F2_STEP]
    w[W_F2_DONE] = w[W_F2_STEP] and w[W_F2_END]
    f2_ready = not o[F2_VALID] or w[W_F2_DONE]

    # ------------------------------------------------------------------------------------------------ windows of B, F1, F0
    w[W_PLACE_VALID] = masks[ACTIVE] != 0 and masks[FULL] > 0
    w[W_PLACE_LAST] = masks[ITEM] == masks[END]
    if c.STEPS > 1:
        # the window goes when its last timestep enters F2
        w[W_MASK_READY] = w[W_F2_STEP] and w[W_STEP_END] and o[F2_STEP] == c.STEPS - 2
    else:
        w[W_MASK_READY] = o[F1_VALID] != 0 and f2_ready
    w[W_COL_FULL] = False
    if c.coded:
        b_valid = o[D_VALID] != 0
    else:
        w[W_COL_FULL] = o[G_FILL] == c.WINDOW - 1 or o[G_CHUNK] + 1 == c.chunks or w[W_PLACE_LAST]
        b_valid = w[W_PLACE_VALID] and w[W_COL_FULL]
    w[W_F1_FIRE] = o[F1_VALID] != 0 and f2_ready and b_valid
    w[W_F0_COL_END] = o[F0_WIN] + 1 == windows
    w[W_F0_TASK_END] = w[W_F0_COL_END] and o[F0_COLS] == 1
    if c.STEPS > 1:
        here = (o[N_DONE1] if o[F0_BANK] else o[N_DONE0]) != 0
        if not here and o[N_ON] and o[N_BANK] == o[F0_BANK]:
            here = o[F0_WIN] < o[N_WINS]
    else:
        here = (o[R_DONE1] if o[F0_BANK] else o[R_DONE0]) != 0
    if c.EARLY and not here and o[R_BEGUN] and o[R_BANK] == o[F0_BANK]:
        here = (c.chunks if w[W_F0_COL_END] else (o[F0_WIN] + 1) * c.WINDOW) <= o[R_MASKS]
    w[W_F0_FIRE] = o[F0_VALID] != 0 and here and (not o[F1_VALID] or w[W_F1_FIRE])
    w[W_JOIN_READY] = not o[F0_VALID] or (w[W_F0_FIRE] and w[W_F0_TASK_END])

    # ------------------------------------------------------------------------------------------------ what the cycle was
    f2_stuck = o[F2_VALID] != 0 and not w[W_F2_STEP]
    blocked = f2_stuck and o[F2_HOLD] == 0 and w[W_F4_GO] and not w[W_E_READY]
    if w[W_F2_STEP]:
        cnt[MATCHES if w[W_F2_ANY] else EMPTY] += 1
    elif f2_stuck:
        if o[F2_HOLD] > 0:
            cnt[STALL_LAGGY] += 1
        elif not blocked:
            cnt[STALL_WEIGHT] += 1
        elif w[W_ROW_WAIT]:
            cnt[STALL_LAGGY] += 1
        elif not w[W_KNOWN]:
            cnt[STALL_B] += 1
        else:
            cnt[STALL_OUT] += 1
    elif o[F1_VALID]:
        cnt[STALL_B] += 1
    elif o[F0_VALID] or o[TODO] >> JOIN & 1:
        cnt[STALL_A] += 1
    else:
        cnt[IDLE] += 1


@jit
def port_wires(c: Any, o: Any, w: Any, st: Any, rd_ready: Any, rsp: Any, pix_line: Any) -> None:
    """Who takes the task, and who gets the cache port."""
    items = c.LINE_BYTES * 8 // c.CHUNK_W  # chunks of a line
    params, masks, weights, state = st[0], st[1], st[2], st[3]
    # ------------------------------------------------------------------------------------------------ who takes the task
    todo = o[TODO]
    w[W_ROW_TAKEN] = (todo >> ROW & 1) != 0 and not o[W_VALID] and o[BANKS] != 2
    w[W_PARAMS_TAKEN] = (todo >> PARAMS & 1) != 0 and not params[RANGE]
    w[W_MASKS_TAKEN] = (todo >> MASKS & 1) != 0 and not masks[RANGE]
    w[W_WEIGHTS_TAKEN] = (todo >> WEIGHTS & 1) != 0 and not weights[RANGE]
    w[W_STATE_TAKEN] = (todo >> STATE & 1) != 0 and (not c.carry_in or not state[RANGE])
    w[W_CODE_TAKEN] = (todo >> CODE & 1) != 0 and (not c.coded or (not o[D_NEXT] and not o[D_READ]))
    w[W_JOIN_TAKEN] = (todo >> JOIN & 1) != 0 and not (todo >> ROW & 1) and w[W_JOIN_READY]

    # ------------------------------------------------------------------------------------------------ the cache port
    w[W_PORT_FREE] = not o[RD_VALID] or rd_ready
    req_row = HEADER <= o[R_PHASE] <= IN_WORDS and not o[R_LINE_VALID] and not o[R_ASKED]
    w[W_REQUESTS] = 1 if req_row else 0
    for i in range(4):
        lines = 2 if i == 1 or i == 2 else 1
        if st[i, RANGE] and not st[i, ASKED] and st[i, HELD] != lines:
            w[W_REQUESTS] |= 2 << i
    req_masks = w[W_REQUESTS] >> MASKS & 1
    w[W_FETCH_VALID] = (masks[RANGE] != 0 and not masks[ASKED] and masks[LEAD] != 4 and masks[LINE] + masks[LEAD] <= masks[LAST] // items
                   and not (req_masks and masks[LEAD] == 0))  # fmt: skip
    scout_inside = False
    if o[S_VALID]:
        scout_inside = pix_line[o[S_M], o[S_TAP]] >= 0
    w[W_SCOUT_VALID] = o[S_VALID] != 0 and scout_inside
    w[W_GRANT] = NOBODY
    if w[W_REQUESTS] != 0:
        for i in range(5):
            k = (o[ARB] + 1 + i) % 5
            if w[W_REQUESTS] >> k & 1:
                w[W_GRANT] = k
                break
    w[W_ASKS] = w[W_GRANT] if w[W_PORT_FREE] else NOBODY
    if w[W_GRANT] == ROW:
        w[W_LINE] = o[R_LINE]
    elif w[W_GRANT] != NOBODY:
        w[W_LINE] = st[w[W_GRANT] - 1, LINE]
    elif w[W_SCOUT_VALID]:
        w[W_LINE] = pix_line[o[S_M], o[S_TAP]]
    else:
        w[W_LINE] = masks[LINE] + masks[LEAD]
    w[W_FETCH_READY] = w[W_PORT_FREE] and w[W_REQUESTS] == 0 and not w[W_SCOUT_VALID]
    w[W_SCOUT_READY] = not w[W_SCOUT_VALID] or (w[W_PORT_FREE] and w[W_REQUESTS] == 0)
    owner = o[RSP_OWNER]
    w[W_RSP_FROM] = owner if rsp else NOBODY

    # the pixel that the row buffer may take
    bank_used = o[R_USED1] if o[R_BANK] else o[R_USED0]
    w[W_PIXEL] = o[W_VALID] != 0 and o[R_PHASE] == WAIT and (o[R_BEGUN] != 0 or bank_used == 0)
    w[W_PIXEL_LAST] = w[W_PIXEL] and o[W_TAP] == c.taps - 1


@jit
def join_edge(c: Any, o: Any, w: Any, fifo: Any, lif: Any, left: Any, granted: Any, pixels: Any, a: Any, b: Any, blk: Any) -> None:
    """The clock edge of P-LIF, output slice, state writer and join."""
    # P-LIF, slice, state writer
    if granted:
        o[O_VALID] = 0
    if w[W_NEURON] != 0 and w[W_LIF_GO]:
        if w[W_NEURON] & 4:
            if w[W_COMPLETE]:
                o[O_VALID] = 1
                o[O_ROW] = w[W_NEURON] >> 3
                o[O_POS] = 0
            else:
                o[O_POS] += 1
        if c.carry_out:
            parts = c.CHUNK_W // 32
            o[SW_POS] += 1
            if w[W_NEURON] & 2:
                o[SW_LAST] = (o[SW_POS] + parts - 1) // parts
                o[SW_PHASE] = 1
                o[SW_POS] = 0
    if w[W_LIF_GO]:
        flags = 0
        if o[M_VALID] and w[W_KNOWN] and w[W_SUM_READY]:
            bank = o[OUT_BANK]
            flags = 1 | (2 if o[M_LAST] else 0) | fifo[c.FIFO_DEPTH + bank]
        lif[o[L_PTR]] = flags
        o[L_PTR] = (o[L_PTR] + 1) % lif.shape[0]
    if w[W_TASK_DONE]:
        o[OUT_BANK] = 1 - o[OUT_BANK]
        if c.carry_out:
            o[SW_LEVEL] += 1

    # back of the join
    push = w[W_F4_GO] and w[W_E_READY]
    entry = w[W_F4] & ~(COL_LAST | TASK_LAST) if w[W_F4_PART] else w[W_F4]
    if c.SPECULATE:
        if w[W_GO]:
            o[C2] = o[C1]
            o[C1] = (w[W_HEAD] | 64) if w[W_POP_Q] else 0
        if push:
            fifo[(o[Q_HEAD] + o[Q_LEVEL]) % c.FIFO_DEPTH] = entry
        if w[W_POP_Q]:
            o[Q_HEAD] = (o[Q_HEAD] + 1) % c.FIFO_DEPTH
        o[Q_LEVEL] += (1 if push else 0) - (1 if w[W_POP_Q] else 0)
    elif w[W_GO]:
        o[C1] = (entry | 64) if push else 0
    if w[W_DONE]:
        o[M_LAST] = 1 if w[W_DONE_FLAGS] & TASK_LAST else 0
    o[M_VALID] = 1 if w[W_DONE] or (o[M_VALID] and not w[W_M_READY]) else 0

    # F4, F3
    w[W_W_POP] = w[W_W_VALID] and w[W_W_READY]
    if w[W_F4_END]:
        o[LINE_NUM] = 0
    elif w[W_W_POP]:
        o[LINE_NUM] += 1
    if w[W_F3_FIRE]:
        o[F4_FLAGS] = o[F3_FLAGS]
        o[F4_LINE] = o[F3_LINE]
    elif w[W_F4_GO] and w[W_E_READY]:
        o[F4_FLAGS] = w[W_F4] & ~MATCH
    o[F4_VALID] = 1 if w[W_F3_FIRE] or (o[F4_VALID] and not w[W_F4_FIRE]) else 0
    if w[W_F2_ISSUE]:
        flags = (MATCH if w[W_F2_ANY] else 0) | (BANK1 if o[F2_BANK] else 0)
        if w[W_F2_END]:
            flags |= (COL_LAST if o[F2_COL_LAST] else 0) | (TASK_LAST if o[F2_TASK_LAST] else 0)
        if blk[o[F2_BLK], 3] != 0:
            flags |= WEIGHTED
        o[F3_FLAGS] = flags
        if w[W_F2_ANY]:
            place = o[F2_POS]
            for i in range(w[W_LOW_WORD]):
                place += ones(b[o[F2_COL], o[F2_WIN], i])
            x = left[w[W_LOW_WORD]]
            place += ones(b[o[F2_COL], o[F2_WIN], w[W_LOW_WORD]] & ((x & (~x + np.uint64(1))) - np.uint64(1)))
            o[F3_LINE] = place * c.WSLOT_W // (c.LINE_BYTES * 8)
    o[F3_VALID] = 1 if w[W_F2_ISSUE] or (o[F3_VALID] and not w[W_F3_FIRE]) else 0

    # F2, F1, F0
    if w[W_F2_STEP] and w[W_F2_ANY]:
        left[w[W_LOW_WORD]] &= left[w[W_LOW_WORD]] - np.uint64(1)
    if w[W_F2_STEP] and w[W_STEP_END] and not w[W_F2_END]:
        o[F2_STEP] += 1
        window_masks(o, a, b, left, o[F2_STEP])
    if o[F2_HOLD] > 0:
        o[F2_HOLD] -= 1
    if w[W_F2_DONE]:
        o[F2_POS] = o[F2_NEXT]
    if w[W_F1_FIRE]:
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
        for i in range(left.shape[0]):
            total += ones(b[o[F1_COL], o[F1_WIN], i])
        o[F2_NEXT] = o[F2_POS] + total
        window_masks(o, a, b, left, 0)
        if c.HOLD:
            per = max(1, c.CHUNK_W // 64)
            hold = 0
            for i in range(0, left.shape[0], per):
                hit = False
                for j in range(i, min(i + per, left.shape[0])):
                    hit = hit or left[j] != 0
                hold += c.HOLD if hit else 0
            o[F2_HOLD] = hold
    o[F2_VALID] = 1 if w[W_F1_FIRE] or (o[F2_VALID] and not w[W_F2_DONE]) else 0
    if w[W_F0_FIRE]:
        o[F1_FIRST] = 1 if o[F0_WIN] == 0 and o[F0_COLS] == blk[o[F0_BLK], 4] else 0
        o[F1_COL_LAST] = 1 if w[W_F0_COL_END] else 0
        o[F1_TASK_LAST] = 1 if w[W_F0_TASK_END] else 0
        o[F1_BANK] = o[F0_BANK]
        o[F1_WIN] = o[F0_WIN]
        o[F1_COL] = o[F0_BLK] * c.block_cols + blk[o[F0_BLK], 4] - o[F0_COLS]
        o[F1_M] = o[F0_M]
        o[F1_BLK] = o[F0_BLK]
    o[F1_VALID] = 1 if w[W_F0_FIRE] or (o[F1_VALID] and not w[W_F1_FIRE]) else 0
    if w[W_JOIN_TAKEN]:
        o[F0_VALID] = 1
        o[F0_BANK] = 1 - o[F0_BANK]
        o[F0_WIN] = 0
        o[F0_COLS] = blk[o[TBLK], 4]
        o[F0_M] = pixels[o[TROW], o[PIX]]
        o[F0_BLK] = o[TBLK]
    elif w[W_F0_FIRE]:
        o[F0_VALID] = 0 if w[W_F0_TASK_END] else 1
        o[F0_WIN] = 0 if w[W_F0_COL_END] else o[F0_WIN] + 1
        if w[W_F0_COL_END]:
            o[F0_COLS] -= 1


@jit
def load_edge(
    c: Any, o: Any, w: Any, st: Any, fifo: Any, cnt: Any, rd_ready: Any, task_row: Any, task_blk: Any, pixels: Any, pix_line: Any,
    pix_words: Any, tap_slices: Any, blk: Any, code: Any,
) -> None:  # fmt: skip
    """The clock edge of streams, row buffer, cache port and task."""
    items = c.LINE_BYTES * 8 // c.CHUNK_W  # chunks of a line
    params, masks, weights, state = st[0], st[1], st[2], st[3]
    todo = o[TODO]
    # windows of B
    use_masks = False
    if c.coded:
        room = decode_step(c, o, code, blk, w[W_CODE_TAKEN], o[TBLK], w[W_PLACE_VALID], w[W_PLACE_LAST], w[W_MASK_READY], cnt)
        use_masks = room and w[W_PLACE_VALID] != 0
    elif w[W_PLACE_VALID]:
        use_masks = w[W_MASK_READY] or not w[W_COL_FULL]
        if use_masks:
            end_of_col = o[G_CHUNK] + 1 == c.chunks
            o[G_FILL] = 0 if w[W_COL_FULL] else o[G_FILL] + 1
            o[G_CHUNK] = 0 if end_of_col else o[G_CHUNK] + 1

    # streams
    t = o[TBLK]
    use_params = w[W_PARAMS_VALID] and w[W_FIRE]
    last_of_line = params[ITEM] % (c.LINE_BYTES // 8) == c.LINE_BYTES // 8 - 1
    pop = use_params and (params[ITEM] == params[END] or last_of_line)
    if w[W_PARAMS_TAKEN]:
        stream_take(params, blk[t, 0], blk[t, 0] + 8 * blk[t, 4], c.LINE_BYTES, 8)
    stream_move(params, w[W_PARAMS_TAKEN], w[W_ASKS] == PARAMS, pop, use_params, w[W_RSP_FROM] == PARAMS, False, c.LINE_BYTES // 8)
    pop = use_masks and (w[W_PLACE_LAST] or masks[ITEM] % items == items - 1)
    if w[W_MASKS_TAKEN]:
        stream_take(masks, blk[t, 1], blk[t, 2], c.LINE_BYTES, c.CHUNK_W // 8)
    fetch = w[W_FETCH_VALID] and w[W_FETCH_READY]
    stream_move(masks, w[W_MASKS_TAKEN], w[W_ASKS] == MASKS, pop, use_masks, w[W_RSP_FROM] == MASKS, fetch, items)
    if w[W_WEIGHTS_TAKEN]:
        stream_take(weights, blk[t, 2], blk[t, 2] + (blk[t, 3] * c.WSLOT_W + 7) // 8, c.LINE_BYTES, c.LINE_BYTES)
    stream_move(weights, w[W_WEIGHTS_TAKEN], w[W_ASKS] == WEIGHTS, w[W_W_POP], w[W_W_POP], w[W_RSP_FROM] == WEIGHTS, False, 1)
    if c.carry_in:
        per_line = c.LINE_BYTES // 4
        pop = w[W_FIRE] and (state[ITEM] == state[END] or state[ITEM] % per_line == per_line - 1)
        if w[W_STATE_TAKEN]:
            at = c.state + pixels[o[TROW], o[PIX]] * c.state_stride + 4 * t * c.block_cols
            stream_take(state, at, at + 4 * blk[t, 4], c.LINE_BYTES, 4)
        stream_move(state, w[W_STATE_TAKEN], w[W_ASKS] == STATE, pop, w[W_FIRE], w[W_RSP_FROM] == STATE, False, per_line)

    # timesteps in sequence: words to planes of bits (loas_sparten_planes)
    if c.STEPS > 1:
        group = min(c.SLICE_W, c.CHUNK_W // c.WORD_W)
        cycles = c.WINDOW * c.CHUNK_W // group
        if o[N_ON]:
            o[N_LEFT] -= 1
            if o[N_LEFT] == 0:
                o[N_LEFT] = cycles
                o[N_WINS] += 1
                if o[N_WINS] == (c.chunks + c.WINDOW - 1) // c.WINDOW:
                    o[N_ON] = 0
                    o[N_DONE0 + o[N_BANK]] = 1
                    o[N_BANK] = 1 - o[N_BANK]
        elif o[R_DONE0 + o[N_BANK]] and not o[N_DONE0 + o[N_BANK]]:
            o[N_ON] = 1
            o[N_LEFT] = cycles + 1
            o[N_WINS] = 0
        if w[W_TASK_DONE]:
            o[N_DONE0 + o[R_OLD]] = 0

    # windows of A: the row buffer, the walk and the scout
    at_line, slices, words = 0, 0, 0
    inside = False
    if w[W_PIXEL]:
        at_line = pix_line[o[W_M], o[W_TAP]]
        inside = at_line >= 0
        words = pix_words[o[W_M], o[W_TAP]]
        slices = tap_slices[o[W_TAP]]
    row_step(c, o, cnt, w[W_RSP_FROM] == ROW, w[W_PIXEL], inside, at_line, slices, words, w[W_PIXEL_LAST], w[W_ASKS] == ROW,
             w[W_TASK_DONE])  # fmt: skip
    if o[S_VALID] and w[W_SCOUT_READY]:
        o[S_TAP] += 1
        if o[S_TAP] == c.taps:
            o[S_VALID] = 0
    if w[W_ROW_TAKEN] and c.many:
        o[S_VALID] = 1
        o[S_M] = pixels[o[TROW], o[PIX]]
        o[S_TAP] = 0
    if w[W_PIXEL]:
        o[W_TAP] += 1
        if w[W_PIXEL_LAST]:
            o[W_VALID] = 0
            o[S_VALID] = 0
    if w[W_ROW_TAKEN]:
        o[W_VALID] = 1
        o[W_M] = pixels[o[TROW], o[PIX]]
        o[W_TAP] = 0

    # the port
    if o[RD_VALID] and rd_ready:
        o[RSP_OWNER] = o[RD_OWNER]
    if w[W_PORT_FREE]:
        o[RD_VALID] = 1 if w[W_REQUESTS] != 0 or w[W_FETCH_VALID] or w[W_SCOUT_VALID] else 0
        o[RD_FETCH] = 1 if w[W_REQUESTS] == 0 else 0
        o[RD_OWNER] = w[W_GRANT]
        if w[W_REQUESTS] != 0:
            o[ARB] = w[W_GRANT]
        o[RD_LINE] = w[W_LINE]

    # banks and the task
    if w[W_ROW_TAKEN]:
        fifo[c.FIFO_DEPTH + o[IN_BANK]] = (0 if o[MORE] else 4) | o[TROW] << 3
        o[IN_BANK] = 1 - o[IN_BANK]
    o[BANKS] += (1 if w[W_ROW_TAKEN] else 0) - (1 if w[W_TASK_DONE] else 0)
    taken = np.int64(w[W_ROW_TAKEN]) << ROW | np.int64(w[W_PARAMS_TAKEN]) << PARAMS | np.int64(w[W_MASKS_TAKEN]) << MASKS
    taken |= np.int64(w[W_WEIGHTS_TAKEN]) << WEIGHTS | np.int64(w[W_STATE_TAKEN]) << STATE | np.int64(w[W_CODE_TAKEN]) << CODE
    todo &= ~(taken | np.int64(w[W_JOIN_TAKEN]) << JOIN)
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


@jit
def tppe_step(
    c: Any, o: Any, w: Any, st: Any, fifo: Any, lif: Any, left: Any, cnt: Any, granted: Any, rd_ready: Any, rsp: Any, task_row: Any,
    task_blk: Any, pixels: Any, pix_line: Any, pix_words: Any, tap_slices: Any, a: Any, b: Any, blk: Any, code: Any,
) -> None:  # fmt: skip
    """A clock edge of a TPPE, its P-LIF, output slice and state writer.

    Args:
        c: Parameters.
        o, w, st, fifo, lif, left: Its registers and wires, its streams' registers, its FIFO, its P-LIF's stages, the matches in F2.
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
    back_wires(c, o, w, st, fifo, lif, granted)
    front_wires(c, o, w, st, left, cnt)
    port_wires(c, o, w, st, rd_ready, rsp, pix_line)
    join_edge(c, o, w, fifo, lif, left, granted, pixels, a, b, blk)
    load_edge(c, o, w, st, fifo, cnt, rd_ready, task_row, task_blk, pixels, pix_line, pix_words, tap_slices, blk, code)


# ---- the cache's registers that are no arrays
(X_ELDER, X_ELDER_WAITED, X_Q_HEAD, X_Q_LEVEL, X_FILL_VALID, X_FILL_LINE, X_FILL_PLACE, X_LAST_TIME, X_MISS_ARB, X_FILL_AT,
 X_WAITS, X_RELEASED, X_BLOCKED, CACHE_SCALARS) = range(14)  # fmt: skip
# ---- the scheduler's
(Y_WALKING, Y_ENTRY, Y_ROWS_BEFORE, Y_LINE_VALID, Y_LINE_WAIT, Y_LINE_TAG, Y_RAW_VALID, Y_RAW, Y_QUEUE_HEAD, Y_QUEUE_LEVEL,
 Y_TILE_ROWS, Y_TILE_FIRST, Y_ROW, Y_ODD, Y_FIRST_BLOCK, Y_WALK_BUSY, Y_ACTIVE, Y_SEL, Y_SEL_ROW, Y_SEL_BLK, Y_ARB,
 Y_FETCH_LINE, Y_HERE, Y_Q_VALID, Y_Q_FETCH, Y_Q_LINE, Y_SCHED_ANSWER, Y_GIVEN, Y_GIVEN_ROW, Y_GIVEN_BLK,
 SCHEDULER_SCALARS) = range(31)  # fmt: skip
# ---- of compressor, write multiplexer and write master
(Z_FREED, Z_WR_ROW, Z_NEXT_ROW, Z_READING, Z_READ_ROW, Z_READ_LEFT, Z_S1, Z_S2, Z_CMD_VALID, Z_CMD_ROW, Z_REC_LEVEL,
 Z_REC_HEAD, Z_HEAD_POS, Z_FILL, Z_FLUSH, Z_HEAD_STORED, Z_HEAD_OUT, Z_WORD_STORED, Z_WORD_OUT, Z_HEAD_LEVEL, Z_WORD_LEVEL,
 Z_SEND_STATE, Z_SEND_LEFT, Z_SEND_WORDS, Z_UNSENT, Z_MUX_ARB, Z_MUX_VALID, Z_MUX_ADDR, Z_MUX_CHUNKS, Z_ORDER_HEAD,
 Z_ORDER_LEVEL, Z_MUX_SENT, Z_W_CMD, Z_W_ADDR, Z_W_CHUNKS, Z_WALK_VALID, Z_WALK_ADDR, Z_WALK_LEFT, Z_AW_VALID, Z_COUNTS_HEAD,
 Z_COUNTS_LEVEL, Z_CHUNK_NO, Z_AD_PTR, Z_AD_VALID, Z_AD_LEFT, Z_OWED_HEAD, Z_OWED_LEVEL, Z_OWED_BEAT, Z_W_VALID, Z_W_LAST,
 Z_LISTED, Z_AW_LEVEL, Z_B_HEAD, Z_B_LEVEL, Z_B_VALID, Z_CMD_ROW_OLD, OUTPUT_SCALARS) = range(57)  # fmt: skip


class Cache(NamedTuple):
    """The FiberCache: a place for each line, bank, port, and line on its way."""

    tag: Ints
    status: Ints
    age: Ints
    slow: Ints
    s1_valid: Ints
    s1_line: Ints
    s1_keep: Ints
    s1_read: Ints
    s1_claimed: Ints
    next_claimed: Ints
    hit: Ints
    on_way: Ints
    alloc: Ints
    alloc_read: Ints
    way: Ints
    room_event: Ints
    bank_arb: Ints
    miss_valid: Ints
    miss_line: Ints
    miss_place: Ints
    lookup: Ints
    fetching: Ints
    bank_of: Ints
    seen: Ints
    sleep: Ints
    claim: Ints
    claim_place: Ints
    no_room: Ints
    ready: Ints
    answer: Ints
    was_answer: Ints
    take: Ints
    rd_valid: Ints
    rd_line: Ints
    rd_keep: Ints
    rd_fetch: Ints
    q_time: Ints
    q_place: Ints
    x: Ints


class Schedule(NamedTuple):
    """The scheduler: blocks ahead, slots of the output buffer."""

    queue: Ints
    slot_busy: Ints
    y: Ints


class Output(NamedTuple):
    """The output buffer's rows, compressor and write path."""

    remaining: Ints
    complete: Ints
    words_of: Ints
    order_src: Ints
    order_cnt: Ints
    counts: Ints
    owed: Ints
    b_time: Ints
    z: Ints


@jit
def cache_compare(c: Any, m: Any, now: Any) -> None:
    """The banks compare: hits, lines on their way, victims of misses; who is answered."""
    ports = c.NUM_TPPES + 1
    m.x[X_FILL_AT] = m.q_place[m.x[X_Q_HEAD]] if m.x[X_Q_LEVEL] > 0 and m.q_time[m.x[X_Q_HEAD]] == now else -1
    m.x[X_WAITS] = m.no_room[m.x[X_ELDER]] != 0
    m.x[X_RELEASED] = m.x[X_ELDER_WAITED] and not m.x[X_WAITS]
    m.x[X_BLOCKED] = m.bank_of[m.x[X_ELDER]] if m.x[X_WAITS] and not m.lookup[m.x[X_ELDER]] else -1
    for k in range(c.NUM_BANKS):
        m.alloc[k] = 0
        if not m.s1_valid[k]:
            m.hit[k] = 0
            continue
        m.alloc_read[k] = m.s1_read[k]
        line = m.s1_line[k]
        base = (k * c.NUM_SETS + line // c.NUM_BANKS % c.NUM_SETS) * c.NUM_WAYS
        found = -1
        for i in range(c.NUM_WAYS):
            if m.status[base + i] != 0 and m.tag[base + i] == line:
                found = i
                break
        m.hit[k] = 1 if found >= 0 and m.status[base + found] == 1 else 0
        m.on_way[k] = 1 if found >= 0 and m.status[base + found] == 2 else 0
        if found < 0:
            victim = -1
            oldest = -1
            for i in range(c.NUM_WAYS):
                if m.status[base + i] == 0:
                    victim = i
                    oldest = 4
                    break
            if victim < 0:
                for i in range(c.NUM_WAYS):
                    if m.status[base + i] == 1 and m.age[base + i] > oldest:
                        pinned = False
                        for p in range(ports):
                            if m.claim[p] and m.claim_place[p] == base + i:
                                pinned = True
                                break
                        if not pinned:
                            victim = i
                            oldest = m.age[base + i]
            if victim >= 0 and not m.miss_valid[k] and m.x[X_BLOCKED] != k:
                found = victim
                m.alloc[k] = 1
                m.on_way[k] = 1
                if oldest < 3:
                    grow = m.slow[base // c.NUM_WAYS] == 2
                    for i in range(c.NUM_WAYS):
                        if i != victim and (m.age[base + i] == 2 or (m.age[base + i] < 2 and grow)):
                            m.age[base + i] += 1
                    m.slow[base // c.NUM_WAYS] = 0 if grow else m.slow[base // c.NUM_WAYS] + 1
                m.age[base + victim] = 0 if m.s1_keep[k] else 2 if m.s1_read[k] else 1
                m.tag[base + victim] = line
        elif m.s1_keep[k]:
            m.age[base + found] = 0
        elif m.s1_read[k]:
            if m.age[base + found] != 0:
                m.age[base + found] = 2
        elif m.age[base + found] > 1:
            m.age[base + found] = 1
        m.way[k] = base + found
    for p in range(ports):
        m.ready[p] = 1 if m.lookup[p] and (m.hit[m.bank_of[p]] or (m.fetching[p] and m.on_way[m.bank_of[p]])) else 0


@jit
def cache_request(c: Any, m: Any, s: Any, regs: Any) -> None:
    """The crossbar: each bank takes a line, with all ports that ask for it."""
    P = c.NUM_TPPES
    ports = P + 1
    for p in range(P):
        m.rd_valid[p] = regs[p, RD_VALID]
        m.rd_line[p] = regs[p, RD_LINE]
        m.rd_fetch[p] = regs[p, RD_FETCH]
        m.rd_keep[p] = 1 if regs[p, RD_OWNER] == ROW and not regs[p, RD_FETCH] else 0
    m.rd_valid[P] = s.y[Y_Q_VALID]
    m.rd_line[P] = s.y[Y_Q_LINE]
    m.rd_fetch[P] = s.y[Y_Q_FETCH]
    for k in range(c.NUM_BANKS):
        m.s1_valid[k] = 0
        m.next_claimed[k] = 0
    for p in range(ports):
        m.take[p] = 0
    for i in range(ports):
        if m.rd_valid[i] and not m.lookup[i] and not m.sleep[i] and not m.take[i]:
            k = m.rd_line[i] % c.NUM_BANKS
            if m.s1_valid[k] or m.alloc[k]:
                continue
            # round robin among those that want this bank
            win = -1
            for j in range(ports):
                p = (m.bank_arb[k] + 1 + j) % ports
                if m.rd_valid[p] and not m.lookup[p] and not m.sleep[p] and m.rd_line[p] % c.NUM_BANKS == k:
                    win = p
                    break
            m.bank_arb[k] = win
            m.s1_valid[k] = 1
            m.s1_line[k] = m.rd_line[win]
            m.s1_keep[k] = 0
            m.s1_read[k] = 0
            claimed = 0
            for p in range(ports):
                if m.rd_valid[p] and not m.lookup[p] and not m.sleep[p] and m.rd_line[p] == m.rd_line[win]:
                    m.take[p] = 1
                    if m.rd_keep[p]:
                        m.s1_keep[k] = 1
                    if not m.rd_fetch[p]:
                        m.s1_read[k] = 1
                    if m.claim[p]:
                        claimed = 1
            m.next_claimed[k] = claimed


@jit
def cache_move(c: Any, m: Any, regs: Any, cnt: Any, now: Any) -> None:
    """Misses to memory, lines from there, and the ports' clock edge."""
    ports = c.NUM_TPPES + 1
    P = c.NUM_TPPES
    depth = m.q_time.shape[0]
    fill_now = m.x[X_FILL_AT] >= 0
    accepted = False  # by the read master
    in_flight = m.x[X_Q_LEVEL] - (1 if fill_now else 0)
    if m.x[X_FILL_VALID] and in_flight < c.OUTSTANDING:
        accepted = True
    load = -1
    if m.x[X_Q_LEVEL] + (1 if m.x[X_FILL_VALID] else 0) < c.OUTSTANDING + 2 and (not m.x[X_FILL_VALID] or accepted):
        for j in range(c.NUM_BANKS):
            k = (m.x[X_MISS_ARB] + 1 + j) % c.NUM_BANKS
            if m.miss_valid[k]:
                load = k
                break
    if fill_now:
        m.status[m.x[X_FILL_AT]] = 1
        m.x[X_Q_HEAD] = (m.x[X_Q_HEAD] + 1) % depth
        m.x[X_Q_LEVEL] -= 1
    if accepted:
        m.x[X_LAST_TIME] = max(now + c.latency + 3 + c.BEATS, m.x[X_LAST_TIME] + c.BEATS)
        m.q_time[(m.x[X_Q_HEAD] + m.x[X_Q_LEVEL]) % depth] = m.x[X_LAST_TIME]
        m.q_place[(m.x[X_Q_HEAD] + m.x[X_Q_LEVEL]) % depth] = m.x[X_FILL_PLACE]
        m.x[X_Q_LEVEL] += 1
        m.x[X_FILL_VALID] = False
        cnt[LINES_READ] += 1
        byte = m.x[X_FILL_LINE] * c.LINE_BYTES
        if c.b_base <= byte < c.b_end:
            cnt[FILLS_B] += 1
        elif c.b_end <= byte < c.a_end:
            cnt[FILLS_A] += 1
        elif byte < c.b_base:
            cnt[FILLS_TABLE] += 1
        else:
            cnt[FILLS_STATE] += 1
    if load >= 0:
        m.x[X_MISS_ARB] = load
        m.x[X_FILL_VALID] = True
        m.x[X_FILL_LINE] = m.miss_line[load]
        m.x[X_FILL_PLACE] = m.miss_place[load]
        m.miss_valid[load] = 0
    for k in range(c.NUM_BANKS):
        m.room_event[k] = 1 if (m.hit[k] and m.s1_claimed[k]) or load == k else 0
        if m.alloc[k]:
            m.status[m.way[k]] = 2
            m.miss_valid[k] = 1
            m.miss_line[k] = m.tag[m.way[k]]
            m.miss_place[k] = m.way[k]
            # an allocation of this cycle was for a fetch if nobody reads
            if not m.alloc_read[k]:
                cnt[FETCHES] += 1
        m.s1_claimed[k] = m.next_claimed[k]
    if fill_now:
        m.room_event[m.x[X_FILL_AT] // (c.NUM_SETS * c.NUM_WAYS)] = 1
    for p in range(ports):
        m.answer[p] = 1 if m.ready[p] and not m.fetching[p] else 0
        k = m.bank_of[p]
        if m.lookup[p]:
            if m.ready[p]:
                if not m.fetching[p]:
                    cnt[MISSES if m.seen[p] else HITS] += 1
                    if p == P:
                        cnt[LINES_TABLE] += 1
                    else:
                        cnt[LINES_ROW + regs[p, RD_OWNER]] += 1
                m.seen[p] = 0
                m.claim[p] = 0
                m.no_room[p] = 0
            elif m.on_way[k]:
                m.seen[p] = 1
                m.claim[p] = 1
                m.claim_place[p] = m.way[k]
                m.no_room[p] = 0
                m.sleep[p] = 0 if m.x[X_FILL_AT] == m.way[k] else 1
            else:
                m.seen[p] = 1
                m.claim[p] = 0
                m.no_room[p] = 1
                m.sleep[p] = 0 if m.room_event[k] else 1
        elif m.sleep[p]:
            if m.claim[p]:
                if m.x[X_FILL_AT] == m.claim_place[p]:
                    m.sleep[p] = 0
            elif m.room_event[k] or m.x[X_RELEASED]:
                m.sleep[p] = 0
    m.x[X_ELDER_WAITED] = m.x[X_WAITS]
    if not m.x[X_WAITS]:
        m.x[X_ELDER] = 0 if m.x[X_ELDER] == P else m.x[X_ELDER] + 1


@jit
def scheduler_step(c: Any, m: Any, s: Any, regs: Any, blk: Any, skips: Any) -> None:
    """The scheduler's clock edge; Y_GIVEN is who takes the task that is up in this cycle."""
    P = c.NUM_TPPES
    per_line = c.LINE_BYTES // 16
    far = m.tag.shape[0] // 2
    b_line = c.b_base // c.LINE_BYTES
    end_line = (c.b_end + c.LINE_BYTES - 1) // c.LINE_BYTES
    s.y[Y_GIVEN] = s.y[Y_SEL] if s.y[Y_SEL] >= 0 and regs[s.y[Y_SEL], TODO] == 0 and not regs[s.y[Y_SEL], MORE] else -1
    s.y[Y_GIVEN_ROW] = s.y[Y_SEL_ROW]
    s.y[Y_GIVEN_BLK] = s.y[Y_SEL_BLK]
    sched_ready = m.ready[P] != 0
    pick = -1
    for j in range(P):
        p = (s.y[Y_ARB] + 1 + j) % P
        if regs[p, TODO] == 0 and not regs[p, MORE] and p != s.y[Y_SEL]:
            pick = p
            break
    slot = s.y[Y_ODD] * c.tile_rows + s.y[Y_ROW]
    go = (s.y[Y_QUEUE_LEVEL] > 0 and s.y[Y_WALK_BUSY] == 0 and pick >= 0 and (s.y[Y_SEL] < 0 or s.y[Y_GIVEN] >= 0)
          and not (s.y[Y_FIRST_BLOCK] and s.slot_busy[slot]) and s.y[Y_ACTIVE])  # fmt: skip
    block = s.queue[s.y[Y_QUEUE_HEAD]] if s.y[Y_QUEUE_LEVEL] > 0 else 0
    block_last = block == c.blocks - 1
    row_last = s.y[Y_ROW] == s.y[Y_TILE_ROWS] - 1
    tile_change = go and row_last and block_last
    line_hit = s.y[Y_LINE_VALID] and s.y[Y_LINE_TAG] == (c.table // 16 + s.y[Y_ENTRY]) // per_line
    raw_taken = s.y[Y_RAW_VALID] and s.y[Y_QUEUE_LEVEL] < 4
    entry_take = s.y[Y_WALKING] and line_hit and (not s.y[Y_RAW_VALID] or raw_taken)
    table_want = s.y[Y_WALKING] and not line_hit and not s.y[Y_LINE_WAIT]
    q_free = not s.y[Y_Q_VALID] or sched_ready
    new_table = table_want and q_free
    want = s.y[Y_ACTIVE] and s.y[Y_FETCH_LINE] < end_line and s.y[Y_FETCH_LINE] < s.y[Y_HERE] + far
    new_fetch = want and q_free and not table_want and not tile_change

    if sched_ready:
        s.y[Y_Q_VALID] = False
    if new_table or new_fetch:
        s.y[Y_Q_VALID] = True
        s.y[Y_Q_FETCH] = not new_table
        s.y[Y_Q_LINE] = (c.table // 16 + s.y[Y_ENTRY]) // per_line if new_table else s.y[Y_FETCH_LINE]
    if s.y[Y_FETCH_LINE] < s.y[Y_HERE]:
        s.y[Y_FETCH_LINE] = s.y[Y_HERE]
    elif new_fetch:
        s.y[Y_FETCH_LINE] += 1
    if s.y[Y_QUEUE_LEVEL] > 0:
        s.y[Y_HERE] = blk[block, 0] // c.LINE_BYTES
    if tile_change:
        s.y[Y_FETCH_LINE] = b_line
        s.y[Y_HERE] = b_line
    # the table's reader
    came = s.y[Y_LINE_WAIT] and s.y[Y_SCHED_ANSWER]
    if new_table:
        s.y[Y_LINE_WAIT] = True
        s.y[Y_LINE_VALID] = False
        s.y[Y_LINE_TAG] = (c.table // 16 + s.y[Y_ENTRY]) // per_line
    if came:
        s.y[Y_LINE_WAIT] = False
        s.y[Y_LINE_VALID] = True
    if raw_taken:
        s.queue[(s.y[Y_QUEUE_HEAD] + s.y[Y_QUEUE_LEVEL]) % 4] = s.y[Y_RAW]
        s.y[Y_RAW_VALID] = False
    pushed = raw_taken
    if entry_take:
        s.y[Y_RAW_VALID] = True
        s.y[Y_RAW] = s.y[Y_ENTRY]
        if s.y[Y_ENTRY] == c.blocks - 1:
            s.y[Y_ENTRY] = 0
            s.y[Y_ROWS_BEFORE] += c.tile_rows
            if s.y[Y_ROWS_BEFORE] >= c.rows:
                s.y[Y_WALKING] = False
        else:
            s.y[Y_ENTRY] += 1
    s.y[Y_SCHED_ANSWER] = m.answer[P] != 0
    # tasks
    if s.y[Y_WALK_BUSY] > 0:
        s.y[Y_WALK_BUSY] -= 1
    if s.y[Y_GIVEN] >= 0:
        s.y[Y_SEL] = -1
    if go:
        s.y[Y_SEL] = pick
        s.y[Y_ARB] = pick
        s.y[Y_SEL_ROW] = s.y[Y_TILE_FIRST] + s.y[Y_ROW]
        s.y[Y_SEL_BLK] = block
        if s.y[Y_FIRST_BLOCK]:
            s.slot_busy[slot] = 1
        if not row_last:
            s.y[Y_WALK_BUSY] = skips[s.y[Y_TILE_FIRST] + s.y[Y_ROW]]
            s.y[Y_ROW] += 1
        else:
            s.y[Y_ROW] = 0
            if not block_last:
                s.y[Y_FIRST_BLOCK] = False
            else:
                s.y[Y_WALK_BUSY] = skips[s.y[Y_TILE_FIRST] + s.y[Y_TILE_ROWS] - 1]
                s.y[Y_FIRST_BLOCK] = True
                s.y[Y_ODD] = 1 - s.y[Y_ODD]
                s.y[Y_TILE_FIRST] += s.y[Y_TILE_ROWS]
                s.y[Y_TILE_ROWS] = min(c.tile_rows, c.rows - s.y[Y_TILE_FIRST])
                if s.y[Y_TILE_FIRST] >= c.rows:
                    s.y[Y_ACTIVE] = False
            s.y[Y_QUEUE_HEAD] = (s.y[Y_QUEUE_HEAD] + 1) % 4
            s.y[Y_QUEUE_LEVEL] -= 1
    if pushed:
        s.y[Y_QUEUE_LEVEL] += 1


@jit
def output_step(c: Any, u: Any, regs: Any, cnt: Any, entry_words: Any, row_in: Any, now: Any) -> None:
    """The clock edge of output buffer, compressor, write multiplexer, write master and the memory's write channels."""
    P = c.NUM_TPPES
    chunk_words = c.CHUNK_W // c.WORD_W
    slices_chunk = c.CHUNK_W // 32 if c.readout else c.CHUNK_W // c.SLICE_W
    head_chunks = (c.entries + slices_chunk - 1) // slices_chunk
    head_depth = max(4, c.K_MAX // c.CHUNK_W)  # RTL: the power of two from there; the longest row fits both
    word_depth = max(4, c.K_MAX * c.WORD_W // c.CHUNK_W)
    beat_bytes = c.AXI_BYTES
    border = min(256, 4096 // beat_bytes)
    per_beat = max(1, c.AXI_BYTES * 8 // c.CHUNK_W)
    beats_of_chunk = max(1, c.CHUNK_W // (c.AXI_BYTES * 8))
    mux_addr_next = 0
    chunks = 0
    # the memory's answers, the master's bursts
    got = u.z[Z_B_VALID]
    u.z[Z_B_VALID] = False
    if u.z[Z_B_LEVEL] > 0 and now >= u.b_time[u.z[Z_B_HEAD]]:
        u.z[Z_B_VALID] = True
        u.z[Z_B_HEAD] = (u.z[Z_B_HEAD] + 1) % 8
        u.z[Z_B_LEVEL] -= 1
    beat_out = u.z[Z_W_VALID] and u.z[Z_AW_LEVEL] > 0
    ad_ready = u.z[Z_OWED_LEVEL] > 0 and (not u.z[Z_W_VALID] or beat_out)
    same = per_beat == 1 and beats_of_chunk == 1
    src_valid = False
    if u.z[Z_ORDER_LEVEL] > 0:
        src = u.order_src[u.z[Z_ORDER_HEAD]]
        if src == 0:
            state = u.z[Z_SEND_STATE]
            src_valid = ((state == 0 and u.z[Z_REC_LEVEL] > 0 and not c.readout) or (state == 1 and u.z[Z_HEAD_OUT] != 0)
                         or (state == 2 and u.z[Z_WORD_OUT] != 0))  # fmt: skip
        else:
            src_valid = regs[src - 1, SW_PHASE] == 2
    chunk_in = src_valid and u.z[Z_COUNTS_LEVEL] > 0
    if same:
        beat_in = chunk_in and ad_ready
        chunk_take = beat_in
    elif per_beat > 1:
        beat_in = u.z[Z_AD_VALID] and ad_ready
        chunk_take = chunk_in and (not u.z[Z_AD_VALID] or beat_in)
    else:
        beat_in = u.z[Z_AD_VALID] and ad_ready
        chunk_take = chunk_in and (not u.z[Z_AD_VALID] or (beat_in and u.z[Z_AD_LEFT] == 0))
    chunk_last = u.z[Z_COUNTS_LEVEL] > 0 and u.z[Z_CHUNK_NO] == u.counts[u.z[Z_COUNTS_HEAD]]
    # walk over a command's bursts
    to_border = border - u.z[Z_WALK_ADDR] // beat_bytes % border
    walk_last = u.z[Z_WALK_LEFT] <= to_border
    aw_taken = u.z[Z_AW_VALID]
    issue = u.z[Z_WALK_VALID] and (not u.z[Z_AW_VALID] or aw_taken) and u.z[Z_LISTED] < 4
    cmd_move = u.z[Z_W_CMD] and (not u.z[Z_WALK_VALID] or (issue and walk_last)) and u.z[Z_COUNTS_LEVEL] < 4
    mux_taken = u.z[Z_MUX_VALID] and not u.z[Z_W_CMD]
    # multiplexer
    pick = -1
    if u.z[Z_ORDER_LEVEL] < 4 and not u.z[Z_MUX_VALID]:
        for j in range(P + 1):
            k = (u.z[Z_MUX_ARB] + 1 + j) % (P + 1)
            if (k == 0 and u.z[Z_CMD_VALID]) or (k > 0 and c.carry_out and regs[k - 1, SW_PHASE] == 1 and regs[k - 1, SW_LEVEL] > 0):
                pick = k
                break
    cmd_ready = pick == 0
    # compressor: reader, stages, sender
    head_room = u.z[Z_HEAD_LEVEL] < head_depth
    word_full = u.z[Z_FILL] >= chunk_words
    word_send = word_full or (u.z[Z_FLUSH] and u.z[Z_FILL] > 0)
    word_leaves = word_send and u.z[Z_WORD_LEVEL] < word_depth
    fill_left = u.z[Z_FILL] if not word_leaves else u.z[Z_FILL] - chunk_words if word_full else 0
    word_room = fill_left < chunk_words and (not u.z[Z_FLUSH] or fill_left == 0)
    s2_last = u.z[Z_S2] >= 0 and u.z[Z_S2] % c.entries == c.entries - 1
    head_complete = u.z[Z_S2] >= 0 and (s2_last or u.z[Z_HEAD_POS] == slices_chunk - 1)
    s2_ready = word_room and (not head_complete or head_room)
    s2_take = u.z[Z_S2] >= 0 and s2_ready
    s1_ready = u.z[Z_S2] < 0 or s2_ready
    read_ready = u.z[Z_S1] < 0 or s1_ready
    read = u.z[Z_READING] and read_ready
    begin = not u.z[Z_READING] and u.z[Z_REC_LEVEL] < 4 and (not u.z[Z_CMD_VALID] or cmd_ready)
    begin = begin and u.z[Z_NEXT_ROW] < c.rows and u.complete[min(u.z[Z_NEXT_ROW], c.rows - 1)] != 0
    sent_chunk = chunk_take and u.z[Z_ORDER_LEVEL] > 0 and u.order_src[u.z[Z_ORDER_HEAD]] == 0
    pop_record = u.z[Z_SEND_STATE] == 0 and u.z[Z_REC_LEVEL] > 0 and (sent_chunk or c.readout)
    pop_head = u.z[Z_SEND_STATE] == 1 and sent_chunk
    pop_word = u.z[Z_SEND_STATE] == 2 and sent_chunk

    u.z[Z_FREED] = -1
    if s2_take:
        words = entry_words[u.z[Z_S2] // c.entries, u.z[Z_S2] % c.entries]
        fill_left += words
        u.z[Z_FLUSH] = s2_last
        u.z[Z_HEAD_POS] = 0 if head_complete else u.z[Z_HEAD_POS] + 1
    elif fill_left == 0:
        u.z[Z_FLUSH] = False
    u.z[Z_FILL] = fill_left
    push_head = s2_take and head_complete
    if s1_ready:
        u.z[Z_S2] = u.z[Z_S1]
    if read_ready:
        u.z[Z_S1] = u.z[Z_READ_ROW] * c.entries + c.entries - u.z[Z_READ_LEFT] if read else -1
    if cmd_ready:
        u.z[Z_CMD_VALID] = False
    if begin:
        u.z[Z_READING] = True
        u.z[Z_READ_ROW] = u.z[Z_NEXT_ROW]
        u.z[Z_READ_LEFT] = c.entries
        u.z[Z_CMD_VALID] = True
        u.z[Z_CMD_ROW] = u.z[Z_NEXT_ROW]
        u.z[Z_NEXT_ROW] += 1
        u.z[Z_REC_LEVEL] += 1
    elif read:
        if u.z[Z_READ_LEFT] == 1:
            u.z[Z_READING] = False
            u.z[Z_FREED] = u.z[Z_READ_ROW] % (2 * c.tile_rows)
        u.z[Z_READ_LEFT] -= 1
    # FIFOs with an output register
    shift = u.z[Z_HEAD_STORED] > 0 and (not u.z[Z_HEAD_OUT] or pop_head)
    u.z[Z_HEAD_LEVEL] += (1 if push_head else 0) - (1 if pop_head else 0)
    u.z[Z_HEAD_STORED] += (1 if push_head else 0) - (1 if shift else 0)
    u.z[Z_HEAD_OUT] = shift or (u.z[Z_HEAD_OUT] and not pop_head)
    shift = u.z[Z_WORD_STORED] > 0 and (not u.z[Z_WORD_OUT] or pop_word)
    u.z[Z_WORD_LEVEL] += (1 if word_leaves else 0) - (1 if pop_word else 0)
    u.z[Z_WORD_STORED] += (1 if word_leaves else 0) - (1 if shift else 0)
    u.z[Z_WORD_OUT] = shift or (u.z[Z_WORD_OUT] and not pop_word)
    if pop_record:
        u.z[Z_REC_LEVEL] -= 1
        u.z[Z_SEND_STATE] = 1
        u.z[Z_SEND_LEFT] = head_chunks
        u.z[Z_SEND_WORDS] = 0 if c.readout else u.words_of[u.z[Z_REC_HEAD]]
        u.z[Z_REC_HEAD] += 1
    elif pop_head:
        u.z[Z_SEND_LEFT] -= 1
        if u.z[Z_SEND_LEFT] == 0:
            u.z[Z_SEND_STATE] = 0 if u.z[Z_SEND_WORDS] == 0 else 2
            u.z[Z_SEND_LEFT] = u.z[Z_SEND_WORDS]
            if u.z[Z_SEND_WORDS] == 0:
                u.z[Z_UNSENT] -= 1
                cnt[ROWS] += 1
    elif pop_word:
        u.z[Z_SEND_LEFT] -= 1
        if u.z[Z_SEND_LEFT] == 0:
            u.z[Z_SEND_STATE] = 0
            u.z[Z_UNSENT] -= 1
            cnt[ROWS] += 1
    # a state writer's chunk
    if chunk_take and u.order_src[u.z[Z_ORDER_HEAD]] > 0:
        p = u.order_src[u.z[Z_ORDER_HEAD]] - 1
        regs[p, SW_INDEX] += 1
        cnt[STATE_BYTES] += c.CHUNK_W // 8
        if regs[p, SW_INDEX] == regs[p, SW_LAST]:
            regs[p, SW_INDEX] = 0
            regs[p, SW_PHASE] = 0
    if chunk_take:
        cnt[BYTES_WRITTEN] += c.CHUNK_W // 8
        u.z[Z_MUX_SENT] += 1
        if u.z[Z_MUX_SENT] == u.order_cnt[u.z[Z_ORDER_HEAD]]:
            u.z[Z_MUX_SENT] = 0
            u.z[Z_ORDER_HEAD] = (u.z[Z_ORDER_HEAD] + 1) % 4
            u.z[Z_ORDER_LEVEL] -= 1
    if mux_taken:
        u.z[Z_MUX_VALID] = False
        w_cmd_next = True
    else:
        w_cmd_next = False
    if pick >= 0:
        u.z[Z_MUX_ARB] = pick
        u.z[Z_MUX_VALID] = True
        if pick == 0:
            mux_addr_next = c.out_base + u.z[Z_CMD_ROW_OLD] * c.out_stride
            chunks = head_chunks if c.readout else head_chunks + u.words_of[u.z[Z_CMD_ROW_OLD]] + 1
        else:
            chunks = regs[pick - 1, SW_LAST]
            mux_addr_next = c.state
            regs[pick - 1, SW_PHASE] = 2
            regs[pick - 1, SW_LEVEL] -= 1
            regs[pick - 1, SW_INDEX] = 0
        u.order_src[(u.z[Z_ORDER_HEAD] + u.z[Z_ORDER_LEVEL]) % 4] = pick
        u.order_cnt[(u.z[Z_ORDER_HEAD] + u.z[Z_ORDER_LEVEL]) % 4] = chunks
        u.z[Z_ORDER_LEVEL] += 1
    # adapter
    if per_beat > 1:
        if chunk_take:
            done = chunk_last or u.z[Z_AD_PTR] == per_beat - 1
            u.z[Z_AD_PTR] = 0 if done else u.z[Z_AD_PTR] + 1
            u.z[Z_AD_VALID] = done
        elif beat_in:
            u.z[Z_AD_VALID] = False
    elif not same:
        if chunk_take:
            u.z[Z_AD_VALID] = True
            u.z[Z_AD_LEFT] = beats_of_chunk - 1
        elif beat_in:
            if u.z[Z_AD_LEFT] == 0:
                u.z[Z_AD_VALID] = False
            else:
                u.z[Z_AD_LEFT] -= 1
    if chunk_take:
        if chunk_last:
            u.z[Z_CHUNK_NO] = 1
            u.z[Z_COUNTS_HEAD] = (u.z[Z_COUNTS_HEAD] + 1) % 4
            u.z[Z_COUNTS_LEVEL] -= 1
        else:
            u.z[Z_CHUNK_NO] += 1
    # beats to the bus
    if beat_out and u.z[Z_W_LAST]:
        u.z[Z_AW_LEVEL] -= 1
        u.b_time[(u.z[Z_B_HEAD] + u.z[Z_B_LEVEL]) % 8] = now + c.latency + 1
        u.z[Z_B_LEVEL] += 1
    if beat_in:
        u.z[Z_W_VALID] = True
        u.z[Z_W_LAST] = u.z[Z_OWED_BEAT] == u.owed[u.z[Z_OWED_HEAD]] - 1
        if u.z[Z_W_LAST]:
            u.z[Z_OWED_BEAT] = 0
            u.z[Z_OWED_HEAD] = (u.z[Z_OWED_HEAD] + 1) % 4
            u.z[Z_OWED_LEVEL] -= 1
        else:
            u.z[Z_OWED_BEAT] += 1
    elif beat_out:
        u.z[Z_W_VALID] = False
    if aw_taken:
        u.z[Z_AW_LEVEL] += 1
        u.z[Z_AW_VALID] = False
    if got:
        u.z[Z_LISTED] -= 1
    if issue:
        u.z[Z_AW_VALID] = True
        u.z[Z_LISTED] += 1
        burst = u.z[Z_WALK_LEFT] if walk_last else to_border
        u.owed[(u.z[Z_OWED_HEAD] + u.z[Z_OWED_LEVEL]) % 4] = burst
        u.z[Z_OWED_LEVEL] += 1
        u.z[Z_WALK_VALID] = not walk_last
        u.z[Z_WALK_ADDR] += burst * beat_bytes
        u.z[Z_WALK_LEFT] -= burst
    if cmd_move:
        u.counts[(u.z[Z_COUNTS_HEAD] + u.z[Z_COUNTS_LEVEL]) % 4] = u.z[Z_W_CHUNKS]
        u.z[Z_COUNTS_LEVEL] += 1
        u.z[Z_WALK_VALID] = True
        u.z[Z_WALK_ADDR] = u.z[Z_W_ADDR]
        u.z[Z_WALK_LEFT] = u.z[Z_W_CHUNKS] * beats_of_chunk if per_beat == 1 else (u.z[Z_W_CHUNKS] + per_beat - 1) // per_beat
        u.z[Z_W_CMD] = False
    if w_cmd_next:
        u.z[Z_W_CMD] = True
        u.z[Z_W_ADDR] = u.z[Z_MUX_ADDR]
        u.z[Z_W_CHUNKS] = u.z[Z_MUX_CHUNKS]
    if pick >= 0:
        u.z[Z_MUX_ADDR] = mux_addr_next
        u.z[Z_MUX_CHUNKS] = chunks
    u.z[Z_CMD_ROW_OLD] = u.z[Z_CMD_ROW]
    # entries of the output buffer: counted a cycle after they were taken
    if u.z[Z_WR_ROW] >= 0:
        u.remaining[u.z[Z_WR_ROW]] -= 1
        if u.remaining[u.z[Z_WR_ROW]] == 0:
            u.complete[u.z[Z_WR_ROW]] = 1
    u.z[Z_WR_ROW] = row_in


@compiled(**OPTIONS)
def run(
    c: Any, m: Any, s: Any, u: Any, regs: Any, streams: Any, fifos: Any, lifs: Any, left: Any, pixels: Any, pix_line: Any,
    pix_words: Any, tap_slices: Any, a: Any, b: Any, blk: Any, code: Any, entry_words: Any, skips: Any,
) -> Any:  # fmt: skip
    """Runs a layer.

    Args:
        c: Parameters.
        m, s, u, regs, streams, fifos, lifs, left: State, see :func:`fresh`.
        pixels, pix_line, pix_words, tap_slices, a, b, blk, code: See :func:`tppe_step`.
        entry_words: (rows, entries) words that are not zero in each output buffer entry.
        skips: (rows,) cycles that the row walk takes to the next row beyond one.

    Returns:
        The counters; ``cycles`` is -1 if the layer did not end in ``max_cycles``.
    """
    P = c.NUM_TPPES
    cnt = np.zeros(NUM_COUNTERS, np.int64)
    w = np.zeros(WIRES, np.int64)
    out_arb = P - 1
    now = 0
    while now < c.max_cycles:
        now += 1
        cache_compare(c, m, now)
        cache_request(c, m, s, regs)
        cache_move(c, m, regs, cnt, now)
        scheduler_step(c, m, s, regs, blk, skips)
        grant = -1
        for j in range(P):
            p = (out_arb + 1 + j) % P
            if regs[p, O_VALID]:
                grant = p
                out_arb = p
                break
        row_in = regs[grant, O_ROW] if grant >= 0 else -1
        for p in range(P):
            task = s.y[Y_GIVEN_ROW] if s.y[Y_GIVEN] == p else -1
            tppe_step(
                c, regs[p], w, streams[p], fifos[p], lifs[p], left[p], cnt, grant == p, m.ready[p] != 0, m.was_answer[p] != 0, task,
                s.y[Y_GIVEN_BLK], pixels, pix_line, pix_words, tap_slices, a, b, blk, code,
            )  # fmt: skip
        for p in range(P + 1):
            if m.take[p]:
                m.fetching[p] = m.rd_fetch[p]
                m.bank_of[p] = m.rd_line[p] % c.NUM_BANKS
            m.lookup[p] = m.take[p]
            m.was_answer[p] = m.answer[p]
        output_step(c, u, regs, cnt, entry_words, row_in, now)
        if u.z[Z_FREED] >= 0:
            s.slot_busy[u.z[Z_FREED]] = 0
        idle = not u.z[Z_W_CMD] and not u.z[Z_WALK_VALID] and u.z[Z_LISTED] == 0
        over = not s.y[Y_ACTIVE] and s.y[Y_SEL] < 0 and not s.y[Y_Q_VALID] and u.z[Z_UNSENT] == 0 and not u.z[Z_CMD_VALID]
        if over and idle and now >= 4:
            for p in range(P):
                if regs[p, SW_PHASE] != 0 or regs[p, SW_POS] != 0 or regs[p, SW_LEVEL] != 0:
                    over = False
            if over:
                break
    # the control sees the end a cycle later
    cnt[CYCLES] = now + 1 if now < c.max_cycles else -1
    cnt[IDLE] += P
    return cnt


def fresh(c: Parameters, entry_words: Ints, words: int) -> tuple[Any, ...]:
    """All registers as a layer begins.

    Args:
        c: Parameters.
        entry_words: (rows, entries) words that are not zero.
        words: 64-bit words of a window.
    """
    P, ports, banks = c.NUM_TPPES, c.NUM_TPPES + 1, c.NUM_BANKS
    lines = banks * c.NUM_SETS * c.NUM_WAYS
    sizes = {"tag": lines, "status": lines, "age": lines, "slow": banks * c.NUM_SETS, "q_time": c.OUTSTANDING + 4,
             "q_place": c.OUTSTANDING + 4, "x": CACHE_SCALARS}  # fmt: skip
    of_ports = ("lookup", "fetching", "bank_of", "seen", "sleep", "claim", "claim_place", "no_room", "ready", "answer", "was_answer",
                "take", "rd_valid", "rd_line", "rd_keep", "rd_fetch")  # fmt: skip
    m = Cache(*(np.zeros(sizes.get(name, ports if name in of_ports else banks), np.int64) for name in Cache._fields))
    m.bank_arb[:] = ports - 1
    m.x[X_MISS_ARB] = banks - 1
    s = Schedule(np.zeros(4, np.int64), np.zeros(c.NUM_SLOTS, np.int64), np.zeros(SCHEDULER_SCALARS, np.int64))
    for place, value in ((Y_WALKING, 1), (Y_TILE_ROWS, min(c.tile_rows, c.rows)), (Y_FIRST_BLOCK, 1), (Y_ACTIVE, 1), (Y_SEL, -1),
                         (Y_GIVEN, -1), (Y_ARB, P - 1), (Y_FETCH_LINE, c.b_base // c.LINE_BYTES),
                         (Y_HERE, c.b_base // c.LINE_BYTES)):  # fmt: skip
        s.y[place] = value
    chunk_words = c.CHUNK_W // c.WORD_W
    u = Output(
        np.full(c.rows, c.entries, np.int64), np.zeros(c.rows, np.int64), -(-entry_words.sum(axis=1) // chunk_words),
        *(np.zeros(size, np.int64) for size in (4, 4, 4, 4, 8, OUTPUT_SCALARS)),
    )  # fmt: skip
    for place, value in ((Z_FREED, -1), (Z_WR_ROW, -1), (Z_S1, -1), (Z_S2, -1), (Z_UNSENT, c.rows), (Z_MUX_ARB, P), (Z_CHUNK_NO, 1)):
        u.z[place] = value
    regs = np.zeros((P, REGISTERS), np.int64)
    regs[:, ARB] = 4
    regs[:, F0_BANK] = 1
    regs[:, D_A_USED] = regs[:, D_B_USED] = (1 << c.INDEX_RATE) - 1
    return (m, s, u, regs, np.zeros((P, 4, STREAM_REGISTERS), np.int64), np.zeros((P, c.FIFO_DEPTH + 2), np.int64),
            np.zeros((P, 2 * c.T - 1 + c.CARRY), np.int64), np.zeros((P, words), np.uint64))  # fmt: skip
