# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Performance counters on their way from the record in memory to tables and JSON: each value arrives under its own name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from golden.compare import Report, counters
from golden.config import load
from golden.layer import Layer
from golden.network import Network
from scripts import nets, simulate
from scripts.evaluate import measure
from scripts.execute import Job, facts, layer_table

# the order of the record
ORDER = ("cycles", "matches", "empty_chunks", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle", "corrections",
         "cache_hits", "cache_misses", "fetches", "bytes_read", "bytes_written", "rows")  # fmt: skip
VALUES = {name: 1000 * (i + 1) + i for i, name in enumerate(ORDER)}
CFG = load("tiny")
NETWORK = Network("one", 4, [Layer(np.ones((3, 2)), np.zeros(2), np.zeros(2), 0, readout=True, name="out")])


def test_record() -> None:
    memory = bytes(64) + np.array(list(VALUES.values()), "<u8").tobytes()
    assert counters(memory, 64) == VALUES


def test_table() -> None:
    table = layer_table(NETWORK, Report(layers=[VALUES]), CFG)
    cells = {str(column.header): next(iter(column.cells)) for column in table.columns}
    tppe = sum(VALUES[name] for name in ORDER[1:9])
    percent = {"empty": "empty_chunks", "a": "stall_a", "b": "stall_b", "weight": "stall_weight", "laggy": "stall_laggy",
               "out": "stall_out", "idle": "idle"}  # fmt: skip
    assert {head: cells[head] for head in percent} == {head: f"{100 * VALUES[name] / tppe:.1f}%" for head, name in percent.items()}
    assert len({cells[head] for head in percent}) == len(percent)
    plain = {"cycles": "cycles", "matches": "matches", "correct.": "corrections", "hits": "cache_hits", "misses": "cache_misses",
             "fetches": "fetches", "read B": "bytes_read", "written B": "bytes_written"}  # fmt: skip
    assert {head: cells[head] for head in plain} == {head: str(VALUES[name]) for head, name in plain.items()}


def test_result_json() -> None:
    result = simulate.Result(b"", 2, 0, 0, 0, 77, 1.0)
    (layer,) = facts(NETWORK, Job(result, Report(layers=[VALUES]), 0, 0.0), CFG, 20, 0.0)["layers"]
    assert {name: layer[name] for name in ORDER} == VALUES


def test_point_of_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = dict.fromkeys(("floor_cycles", "compared", "mismatches", "M", "K", "N", "silent", "zero_spikes"), 0)
    monkeypatch.setattr(nets, "measure", lambda *_: None)
    point = SimpleNamespace(cfg=lambda: CFG, network="one", layer="out", machine="loas-laggy", latency=20)
    got = measure.by_rtl(SimpleNamespace(faults=[], record={**VALUES, **rest}), point, Path())  # type: ignore[arg-type]
    assert got["breakdown"] == {name: VALUES[name] for name in ORDER[1:9]} and got["cycles"] == VALUES["cycles"]
    assert got["ops"] == {"accumulate": VALUES["matches"], "corrections": VALUES["corrections"]}
    assert got["offchip"] == {"read": VALUES["bytes_read"], "written": VALUES["bytes_written"]}
    assert got["onchip"] == {"lines": (VALUES["cache_hits"] + VALUES["cache_misses"]) * CFG.line_bytes}
