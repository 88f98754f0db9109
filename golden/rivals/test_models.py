# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The models on cases small enough to work by hand, and what all models have in common on random layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from golden.config import Config, ConfigError, load
from golden.layer import Conv, Layer, work
from golden.rivals import MACHINES, Cost, Work, WorkError, energy, estimate, gamma, load_costs
from golden.rivals.energy import COSTS_FILE

LATENCY = 20
ENDS = 2 * LATENCY  # of the models without RTL: the first line comes, and the last answer


def layer(nonzero: list[list[int]], **kw: object) -> Layer:
    """A fully connected layer with weight 1 where ``nonzero`` (K, N) is, that never fires."""
    weights = np.array(nonzero, np.int8)
    n = weights.shape[1]
    return Layer(weights, np.zeros(n, np.int32), np.full(n, 1000, np.int32), **kw)  # type: ignore[arg-type]


def small(pes: int = 2, **kw: int) -> Config:
    """A machine of few processing elements."""
    return load("paper").override(NUM_TPPES=pes, **kw)


def spikes(*rows: list[int], T: int) -> np.ndarray:
    """(M, K, T) spikes of packed words; bit t is timestep t."""
    return (np.array(rows)[:, :, None] >> np.arange(T) & 1).astype(np.uint8)


def test_gospa_by_hand() -> None:
    # B: row 0 has weights in columns 0, 1, 2; row 1 in column 3; row 2 none. Two elements, a row of A each.
    # t = 0: row 0 of A fires at k = 0, 1; row 1 at k = 0.
    #   k = 0: both elements add 3 weights, cycles 0 to 3. k = 1 is there from cycle 1 on: element 0 adds 1, cycles 3 to 4. 4 cycles.
    #   neurons: an element has 1 row x 4 columns: 4 cycles
    # t = 1: row 1 fires at k = 1, 2. k = 1: element 1 adds 1: 1 cycle. k = 2 has no weight: nothing.   neurons: 4 cycles
    # together 4 + 4 + 1 + 4 = 13 cycles; 3 + 3 + 1 + 1 = 8 additions; 2 x 8 neurons
    b = layer([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    cost = estimate("gospa", Work.of(b, spikes([0b01, 0b01, 0], [0b01, 0b10, 0b10], T=2)), small(), latency=LATENCY)
    assert cost.cycles == 13 + ENDS
    assert cost.breakdown == {"work": 8, "neurons": 16, "memory": 2 * ENDS, "idle": 2 * 13 - 8 - 16}
    assert (cost.ops["accumulate"], cost.ops["neuron"]) == (8, 16)
    assert cost.offchip["B"] == 4  # bytes, one a weight


def test_gospa_shares_a_row_among_elements() -> None:
    # One row, 4 elements: each has one of the 4 columns. k = 0 has weights in columns 0, 1, 2: 1 cycle; neurons: 1 cycle.
    cost = estimate("gospa", Work.of(layer([[1, 1, 1, 0]]), spikes([1], T=1)), small(4), latency=LATENCY)
    assert cost.cycles == 2 + ENDS


def test_gamma_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Radix 2. Rows of B: {0, 1}, {1}, {2}, {0, 2}; a row of A fires at all four k.
    #   first level: {0, 1} with {1}: 3 elements in, columns 0 and 1 out; {2} with {0, 2}: 3 in, columns 0 and 2 out
    #   second level: 2 + 2 = 4 elements in
    # 6 + 4 = 10 cycles on one element; the other one is idle.
    monkeypatch.setattr(gamma, "RADIX", 2)
    one = Work.of(layer([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]]), spikes([1, 1, 1, 1], T=1))
    cost = estimate("gamma", one, small(), latency=LATENCY)
    assert cost.cycles == 10 + ENDS
    assert cost.breakdown == {"work": 6, "merge": 4, "empty": 0, "memory": 2 * ENDS, "idle": 10}
    assert cost.ops["merge"] == 10 and cost.onchip["psum"] == 2 * 4 * (16 + 2) // 8  # there and back, 16 bits and 2 of the column
    assert cost.onchip["B"] + cost.onchip["meta"] == 4 * 128  # a line for each row of B, 8 of 10 bits of an element the weight
    assert cost.onchip["B"] == 4 * 128 * 8 // 10


def test_gamma_runs_timesteps_one_after_the_other() -> None:
    # t = 0: the row fires at k = 0: 2 elements. t = 1: at k = 0 and 1: 3 elements. t = 2: silent: 1 cycle. One element: 6 cycles.
    cost = estimate("gamma", Work.of(layer([[1, 1], [0, 1]]), spikes([0b011, 0b010], T=3)), small(1), latency=LATENCY)
    assert cost.cycles == 6 + ENDS and cost.breakdown["empty"] == 1


def test_ptb_by_hand() -> None:
    # 2 rows of the array, T = 2. N = 3: 2 groups of columns. 3 pixels x 2 groups x K = 5 inputs = 30 cycles, filling 2 + 2 - 2.
    # 3 x 3 x 5 = 45 places of 60 have a neuron; 1 match among them.
    nonzero = np.zeros((5, 3), int)
    nonzero[4, 2] = 1
    one = Work.of(layer(nonzero.tolist()), spikes([0, 0, 0, 0, 2], [0] * 5, [1, 1, 1, 1, 0], T=2))
    cost = estimate("ptb", one, small(), latency=LATENCY)
    assert cost.cycles == 32 + ENDS
    assert cost.breakdown == {"work": 1, "zeros": 44, "unused": 15, "memory": 2 * ENDS, "idle": 2 * 32 - 60}
    # on a machine of one timestep: two windows
    assert estimate("ptb", one, small(T=1), latency=LATENCY).cycles == 60 + 2 + 1 - 2 + ENDS


def test_stellar_by_hand() -> None:
    # Not silent: 2, none, 1 of the neurons of a pixel; 2 groups of columns: (2 + 1 + 1) x 2 = 8 cycles, the silent pixel takes one each.
    # 3 neurons x 3 columns = 9 weights added, of these 1 is not zero; of 3 x 2 x 2 places 3 have no column.
    one = Work.of(layer([[0, 0, 0], [1, 0, 0]]), spikes([1, 2], [0, 0], [3, 0], T=2))
    cost = estimate("stellar", one, small(), latency=LATENCY)
    assert cost.cycles == 8 + ENDS
    assert cost.breakdown == {"work": 1, "zeros": 8, "unused": 3, "empty": 4, "memory": 2 * ENDS, "idle": 0}
    assert cost.ops["accumulate"] == 4 * 3  # four spikes, three columns


def test_inner_joins_by_hand() -> None:
    # One row, windows of 2 x 128. K = 300: two windows. Column 0 has weights at k = 0, 1, 256; column 1 at k = 2; T = 4.
    # The row fires at k = 0 (t = 0, 1), k = 256 (t = 3), k = 2 (all).
    #   LoAS: column 0: k = 0 | k = 256; column 1: k = 2 | empty: 3 matches, 1 empty window
    #   SparTen: column 0, window 0: t = 0, 1 a match each, t = 2, 3 empty; window 1: t = 3 a match, three empty;
    #            column 1: four matches; window 1: four empty: 2 + 1 + 4 = 7 matches, 2 + 3 + 4 = 9 empty
    nonzero, row = np.zeros((300, 2), int), [0] * 300
    nonzero[[0, 1, 256], 0] = nonzero[2, 1] = 1
    row[0], row[256], row[2] = 0b0011, 0b1000, 0b1111
    one = Work.of(layer(nonzero.tolist()), spikes(row, T=4))
    for name, matches, empty in (("loas-laggy", 3, 1), ("loas-fast", 3, 1), ("loas-wait", 3, 1), ("sparten", 7, 9)):
        cost = estimate(name, one, small(), latency=LATENCY)
        assert (cost.breakdown["matches"], cost.breakdown["empty_chunks"]) == (matches, empty), name
    # pseudo sums 3, corrections for the silent timesteps of k = 0 (2) and k = 256 (3), and 2 x 4 differences
    assert estimate("loas-laggy", one, small()).ops["accumulate"] == 3 + 5 + 8
    assert estimate("loas-fast", one, small()).ops["accumulate"] == 7
    # a pass a timestep: a window of each timestep, masks of one bit
    passes = estimate("sparten-passes", one, small())
    assert (passes.breakdown["matches"], passes.breakdown["empty_chunks"]) == (7, 9)
    # the chunk with k = 0 and 1, that with k = 256 and that with k = 2 wait 128 / 16 cycles each; else nothing differs
    wait, chunk = (estimate(name, one, small()) for name in ("loas-wait", "loas-chunk"))
    assert chunk.breakdown["stall_laggy"] == wait.breakdown["stall_laggy"] + 3 * 8


def random_work(rng: np.random.Generator, T: int, conv: Conv | None = None, **kw: object) -> Work:
    """A random layer and its spikes."""
    k, rows = (conv.taps * conv.cin, conv.pixels_in) if conv else (int(rng.integers(1, 300)), int(rng.integers(1, 20)))
    n = int(rng.integers(1, 70))
    weights = np.where(rng.random((k, n)) < 0.1, rng.integers(1, 20, (k, n)), 0).astype(np.int8)
    one = Layer(weights, np.zeros(n, np.int32), np.full(n, 30, np.int32), conv=conv, **kw)  # type: ignore[arg-type]
    return Work.of(one, (rng.random((rows, conv.cin if conv else k, T)) < 0.3).astype(np.uint8))


@pytest.mark.parametrize("seed", range(4))
def test_joins_do_the_work_that_there_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv = Conv.of((6, 4), int(rng.integers(1, 40)), (3, 3), pad=(1, 1)) if seed % 2 else None
    one = random_work(rng, 4, conv, pool=(2, 2) if seed == 3 else None)
    cfg = small(int(rng.integers(1, 9)))
    steps = np.arange(4, dtype=np.uint16)
    want = work((one.maps[0][:, :, None] >> steps & 1).astype(np.uint8), one.layer.weights, cfg, conv)
    for name in ("loas-laggy", "loas-fast", "loas-wait"):
        cost = estimate(name, one, cfg)
        assert (cost.breakdown["matches"], cost.breakdown["empty_chunks"]) == (want.matches, want.empty_chunks), name
    assert estimate("sparten", one, cfg).breakdown["matches"] == sum(one.matches_t)
    assert estimate("gospa", one, cfg).breakdown["work"] == estimate("gamma", one, cfg).breakdown["work"] == sum(one.matches_t)
    # who waits for more is not faster
    assert estimate("loas-chunk", one, cfg).cycles >= estimate("loas-wait", one, cfg).cycles


def every(change: dict[str, int], one: Work) -> dict[str, Cost]:
    """All machines on a changed configuration."""
    return {name: estimate(name, one, load("paper").override(**change)) for name in MACHINES}


@pytest.mark.parametrize("change", [
    {"NUM_TPPES": 1}, {"NUM_TPPES": 64}, {"CHUNK_W": 32, "WINDOW": 1, "INDEX_RATE": 4}, {"CHUNK_W": 512, "WINDOW": 1},
    {"FIFO_DEPTH": 2}, {"SLICE_W": 4, "OUT_ENTRIES": 4096},
    {"SLICE_W": 64}, {"NUM_SETS": 2, "NUM_WAYS": 1, "NUM_BANKS": 2}, {"INDEX_RATE": 0}, {"INDEX_RATE": 1}, {"AXI_W": 64}, {"T": 16},
    {"T": 1}, {"WEIGHT_W": 4}, {"CHUNK_W": 256, "WINDOW": 2, "LINE_W": 2048},
], ids=str)  # fmt: skip
def test_all_machines_take_every_configuration(change: dict[str, int]) -> None:
    one = random_work(np.random.default_rng(5), 4, Conv.of((4, 4), 20, (3, 3), pad=(1, 1)))
    for name, cost in every(change, one).items():
        assert cost.cycles > 0 and cost.machine == name and sum(energy(cost).values()) > 0


@pytest.mark.parametrize("T", [1, 2, 3, 5, 8, 16])
def test_all_machines_take_any_timesteps(T: int) -> None:
    one = random_work(np.random.default_rng(T), T)
    for name in MACHINES:
        wide = estimate(name, one, load("paper").override(T=T))
        chunked = estimate(name, one, load("paper"))
        # membranes go through memory between chunks, and only then
        if name.startswith("loas") or name == "sparten":
            assert (chunked.offchip["psum"] > 0) == (T > 4) and wide.offchip["psum"] == 0, name


def test_refuses_what_is_not_legal() -> None:
    paper, one = load("paper"), random_work(np.random.default_rng(0), 4)
    with pytest.raises(WorkError, match="machine = 'eyeriss' is not legal: must be one of loas-laggy, loas-fast"):
        estimate("eyeriss", one, paper)
    with pytest.raises(ConfigError, match="NUM_TPPES = 65 is not legal: must be 1 to 64"):
        paper.override(NUM_TPPES=65)
    with pytest.raises(WorkError, match="T = 17 is not legal: must be 1 to 16"):
        Work.of(one.layer, np.zeros((1, one.K, 17), np.uint8))
    with pytest.raises(WorkError, match=r"channels are not legal: must be"):
        Work.of(one.layer, np.zeros((1, one.K + 1, 4), np.uint8))
    big = Work.of(layer(np.ones((700, 1), int).tolist()), np.ones((1, 700, 8), np.uint8))
    for name in MACHINES:
        with pytest.raises(WorkError, match="latency = 70000 is not legal: must be an integer, 0 to 65535"):
            estimate(name, one, paper, latency=70000)
        with pytest.raises(WorkError, match="K = 700 is not legal: must be 1 to K_MAX = 512"):
            estimate(name, big, load("tiny"))
    with pytest.raises(WorkError, match="T = 8 is not legal: must be 1 to 4: CARRY is 0"):
        estimate("loas-laggy", big, paper.override(CARRY=0))


def test_energy_is_counts_times_costs() -> None:
    costs = load_costs()
    cost = Cost("x", 2, 10, {"work": 20}, {"accumulate": 3}, {"A": 5}, {"B": 7})
    parts = energy(cost, costs)
    assert parts == {"op.accumulate": 3 * costs.ops["accumulate"], "onchip.A": 5 * costs.onchip_byte,
                     "offchip.B": 7 * costs.offchip_byte, "cycles": 20 * costs.cycle}  # fmt: skip
    with pytest.raises(WorkError, match="ops.multiply is missing"):
        energy(Cost("x", 1, 1, {"work": 1}, {"multiply": 1}), costs)
    with pytest.raises(AssertionError):
        Cost("x", 2, 10, {"work": 19}, {})


@pytest.mark.parametrize("old, new, text", [
    ("pj = 0.036, source = \"16", "pj = -1, source = \"16", "ops.accumulate.pj = -1 is not legal: must be a number of pJ, at least 0"),
    ("[memory]", "[memory2]", "table 'memory2' is unknown"),
    ("offchip_byte", "offchip", "memory.offchip_byte = None is not legal"),
    ("{ pj = 5.0, source", "{ pj = 5.0, origin", "memory.onchip_byte = .* must be a table with pj and source"),
    ("[ops]", "[ops", "is not a TOML file"),
])  # fmt: skip
def test_costs_file_is_checked(tmp_path: Path, old: str, new: str, text: str) -> None:
    content = COSTS_FILE.read_text()
    assert old in content
    (tmp_path / "costs.toml").write_text(content.replace(old, new))
    with pytest.raises(WorkError, match=text):
        load_costs(tmp_path / "costs.toml")
