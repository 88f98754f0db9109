# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Synthesis of small blocks: parts, RAM macros, amounts; results are kept, and bad input is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from golden.config import load
from golden.errors import LoasError
from scripts import area
from scripts.area import Point, cell_areas, delays, divide, part_of, points, weigh
from scripts.area_page import page_of
from scripts.synthesis import ECP5, OSU018, base_name


def cell(name: str, size: int, function: str, inputs: str) -> str:
    """A gate of a liberty file, a tenth of a nanosecond and more by load."""
    tables = "".join(
        f'{kind}(t) {{ values("0.1, 0.3", "0.2, 0.4"); }} ' for kind in ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
    )
    pins = "".join(f"pin({pin}) {{ direction : input; capacitance : 0.01; }} " for pin in inputs)
    arcs = "".join(
        f'timing() {{ related_pin : "{pin}"; timing_sense : {"positive" if name == "BUF" else "negative"}_unate; {tables} }} '
        for pin in inputs
    )
    return (
        f'cell ({name}) {{ area : {size}; {pins} pin(Y) {{ direction : output; max_capacitance : 1; function : "{function}"; {arcs} }} }}\n'
    )


# enough for anything
LIBERTY = (
    """library (small) { delay_model : table_lookup; time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA";
  leakage_power_unit : "1nW"; capacitive_load_unit (1, pf);
  lu_table_template (t) { variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0.1, 1"); index_2 ("0.01, 1"); }
"""
    + cell("INV", 1, "(!A)", "A")
    + cell("BUF", 2, "A", "A")
    + cell("NAND2", 2, "(!(A B))", "AB")
    + cell("NOR2", 2, "(!(A+B))", "AB")
    + """cell (DFFPOS) { area : 10; ff(IQ, IQN) { clocked_on : "CLK"; next_state : "D"; }
    pin(CLK) { direction : input; clock : true; capacitance : 0.01; } pin(D) { direction : input; capacitance : 0.01; }
    pin(Q) { direction : output; function : "IQ"; } } }
"""
)


@pytest.fixture
def liberty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "small.lib"
    path.write_text(LIBERTY)
    monkeypatch.setattr(area, "BUILD", tmp_path / "area")
    monkeypatch.setattr(area, "DRIVE", "set_driving_cell INV\nset_load 15\n")
    (tmp_path / "area").mkdir()
    return path


class Block(Point):
    """Some block in place of the TPPE."""

    @property
    def top(self) -> str:
        return "loas_join_laggy"


def block(technology: str) -> Block:
    sizes = {"T": 2, "CHUNK_W": 32, "SLICE_W": 8, "WEIGHT_W": 4, "ACC_W": 8, "K_MAX": 64, "FIFO_DEPTH": 2, "LOC_W": 6}
    return Block(area.TPPE, "LAGGY", technology, load("tiny"), sizes)


def test_blocks_are_weighed_part_by_part(liberty: Path) -> None:
    value = area.synthesize(block(OSU018), liberty, 100)
    parts, whole = value["parts"], value["parts"]["all"]
    assert set(parts) == {"match and weight FIFOs", "tasks, cache port", "all"}
    for key in whole:
        assert whole[key] == sum(part.get(key, 0) for name, part in parts.items() if name != "all")
    # two FIFOs of two entries: 8 + 12 bits each, and their pointers and levels
    assert parts["match and weight FIFOs"]["ff"] >= 2 * (10 + 12) and whole["area"] > 10 * whole["ff"] and whole["ram_bits"] == 0
    # done is done, with no Yosys at all; other sizes are another point
    (store,) = (area.BUILD / "points").glob("*.json")
    kept = json.loads(store.read_text())
    kept["seconds"] = -1
    store.write_text(json.dumps(kept))
    assert area.synthesize(block(OSU018), liberty, 100)["seconds"] == -1
    text = page_of({"yosys": "pyosys", "command": "python -m scripts.area", "points": [value]})
    assert f"| all | {whole['area']:.0f} | {whole['ff']:.0f} | 0 | 100.0 |" in text


def test_a_failure_names_the_log(liberty: Path) -> None:
    bad = Block(area.TPPE, "LAGGY", OSU018, load("tiny"), {"NOT_THERE": 1})
    with pytest.raises(area.SynthesisError, match=r"tppe, LAGGY, T = 4, osu018: Yosys failed, see .*\.log: .*ERROR"):
        area.synthesize(bad, liberty, 100)


def test_what_is_not_asked_for_in_full_is_a_selection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """make bench reads result.json, which a look at one point must not replace; a tool that fails is not bad input."""
    monkeypatch.setattr(area, "BUILD", tmp_path / "area")
    monkeypatch.setattr(area, "NETWORK_W", 16)  # any will do
    options = ["--technology", "ecp5", "--only", "prefix network"]
    done = CliRunner().invoke(area.main, options)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "area/selection.json").exists() and not (tmp_path / "area/result.json").exists()
    monkeypatch.setattr(area, "network_verilog", lambda width: "module broken")
    done = CliRunner().invoke(area.main, options)
    assert done.exit_code == 1 and "prefix network, ecp5: Yosys failed, see" in done.output, done.output


def test_parts_and_amounts() -> None:
    names = {
        "gen_join.engine_inst.join_inst/prefix_b_inst": "fast prefix sum over B",
        "join_inst/gen_fast.prefix_a_inst": "fast prefix sum over A",
        "gen_sparten.engine_inst.rival_inst.join_inst/prefix_a_inst": "fast prefix sum over A",
        "gen_join.engine_inst.operands_inst.rows_inst.row_inst/gen_laggy.prefix_inst": "laggy prefix sum",
        "gen_join.engine_inst.gen_laggy.back_inst/pos_fifo_inst": "match and weight FIFOs",
        "gen_laggy.back_inst": "accumulators",
        "gen_join.engine_inst.operands_inst.rows_inst.row_inst": "row buffer",
        "gen_join.engine_inst.operands_inst.rows_inst.scout_inst": "walks over a convolution's window",
        "join_inst/gen_chunk[1].match_inst": "priority encoders",
        "": "tasks, cache port",
        "gen_join.engine_inst.operands_inst.block_inst.gen_index.decode_inst/group_inst": "index decoder",
        "gen_join.engine_inst.operands_inst.block_inst.weights_inst": "line buffers of records, masks, weights, membranes",
    }
    assert {path: part_of(path) for path in names} == names
    assert weigh({"LUT4": 3, "CCU2C": 2, "TRELLIS_FF": 5, "DP16KD": 1, "PFUMX": 9}, [], ECP5, {}) == {
        "lut4": 7,
        "ff": 5,
        "dsp": 0,
        "ebr": 1,
    }
    assert weigh({"INV": 3, "DFFPOS": 2}, [[8, 64]], OSU018, {"INV": 1, "DFFPOS": 10}) == {"area": 23, "ff": 2, "ram_bits": 512}
    with pytest.raises(LoasError, match="cell OTHER is not legal"):
        weigh({"OTHER": 1}, [], OSU018, {"INV": 1})
    assert base_name("$paramod\\loas_fifo\\W=s32'1") == base_name("$paramod$0123abcd\\loas_fifo") == base_name("\\loas_fifo") == "loas_fifo"
    log = (
        "1. Extracting gate netlist of module `$paramod\\loas_a\\W=1' to\n2. Extracting gate netlist of module `\\loas_b' to\n"
        "ABC: WireLoad = none Gates = 1 Delay =  3988.08 ps (\nABC: Delay =  100 ps"
    )
    assert delays(log) == {"loas_a": 3.988, "loas_b": 0.1}

    def module(base: str, cells: dict[str, int], instances: list[Any]) -> dict[str, Any]:
        return {"base": base, "cells": cells, "instances": instances, "macros": []}

    netlist = {
        "top": "t",
        "modules": {
            "t": module("loas_top", {"INV": 1}, [["a", "x"], ["b", "x"], ["c", "m"]]),
            "x": module("loas_tppe", {"INV": 4}, []),
            "m": module("loas_fiber_cache", {"INV": 2}, [["k", "y"], ["l", "y"]]),
            "y": module("loas_cache_bank", {"INV": 8}, []),
        },
    }
    found = divide(netlist, area.MACHINE, OSU018, {"INV": 1})
    assert {name: (part["area"], part.get("count")) for name, part in found.items()} == {
        "top level": (1, None),
        "all": (27, None),
        "loas_tppe": (8, 2),
        "loas_fiber_cache": (2, 1),
        "loas_cache_bank": (16, 2),
    }


def test_points_are_what_was_asked_for() -> None:
    every = list(points(load("paper"), (area.TPPE, area.MACHINE), tuple(area.MODES), (OSU018, ECP5), ()))
    assert len(every) == 2 * (5 + 3 + 3) + 2 * 3 and len({(p.kind, p.mode, p.technology, p.cfg.T) for p in every}) == len(every)
    for point in every:
        assert set(point.parameters) <= area.parameters_of(point.top) and {"T", "LAGGY", "SEQUENTIAL"} <= set(point.parameters)
    # the machine at other T's when they are asked for, and in LAGGY only; the windows of one chunk never
    chosen = list(points(load("paper"), (area.MACHINE,), tuple(area.MODES), (ECP5,), (4, 16)))
    assert [(p.mode, p.cfg.T, p.parameters["T"]) for p in chosen] == [
        ("LAGGY", 4, 4), ("FAST", 4, 4), ("SparTen", 4, 4), ("LAGGY", 16, 16)]  # fmt: skip


def test_the_page_compares_timesteps_of_both_kinds() -> None:
    def point(kind: str, T: int, size: int) -> dict[str, Any]:
        return {"kind": kind, "mode": "LAGGY", "technology": ECP5, "T": T, "delay_ns": {}, "parts": {"all": {"lut4": size, "ebr": T}}}

    sizes = {("tppe", 4): 100, ("tppe", 16): 137, ("machine", 4): 2000, ("machine", 8): 2100, ("machine", 16): 3000}
    text = page_of({"yosys": "", "command": "", "points": [point(kind, T, size) for (kind, T), size in sizes.items()]})
    assert "| TPPE, ecp5 | T = 4 | T = 16 |\n|---|---|---|\n| LAGGY | 100 (1.00 ×), 4 EBR | 137 (1.37 ×), 16 EBR |" in text
    assert "| machine, ecp5 | T = 4 | T = 8 | T = 16 |" in text and "2100 (1.05 ×), 8 EBR | 3000 (1.50 ×), 16 EBR |" in text


def test_the_network_gives_every_prefix_sum() -> None:
    lines = dict(re.findall(r"wire \[\d+:0\] (\w+) = (.*);", area.network_verilog(16)))
    rng = np.random.default_rng(3)
    for mask in ([0] * 16, [1] * 16, *rng.integers(0, 2, (20, 16)).tolist()):

        def value(name: str, mask: list[int] = mask) -> int:
            text = lines[name]
            if text.startswith("mask"):
                return mask[int(text[5:-1])]
            return sum(value(part, mask) for part in text.split(" + "))

        assert [value(f"s4_{i}") for i in range(16)] == np.cumsum(mask).tolist()


def test_bad_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(area, "find_liberty", lambda: None)
    for options, text in (
        (["--config", "foo"], "configuration 'foo' does not exist"),
        (["--technology", "osu018"], "cannot be read: type make area"),
    ):
        done = CliRunner().invoke(area.main, [*options, "--out", str(tmp_path / "out.json")])
        assert done.exit_code == 2 and text in done.output, done.output
    (tmp_path / "file").touch()
    for option in ("--out", "--page"):
        done = CliRunner().invoke(area.main, ["--technology", "ecp5", option, str(tmp_path / "file/x")])
        assert done.exit_code == 2 and "file/x: cannot be written" in done.output, done.output
    (tmp_path / "empty.lib").write_text("library (x) {}")
    with pytest.raises(LoasError, match="has no cell with an area"):
        cell_areas(tmp_path / "empty.lib")
