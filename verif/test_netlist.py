# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Netlists: that of a small TPPE for ECP5 passes the RTL's own test; what is in initialised block RAM is what was given."""
from __future__ import annotations

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from golden.config import load
from scripts import fpga
from verif import netlist
from verif.test_tppe import TINY, VARIANTS

LONG = os.environ.get("LOAS_LONG") == "1"


def test_netlist_of_a_tppe() -> None:
    """The test of loas_tppe with the netlist in place of the RTL, in Icarus: cells start with x where the part would not."""
    from verif.lib.sim import run

    parameters = {**TINY, **VARIANTS["T1"]}
    gates = netlist.netlist("loas_tppe", parameters, "ecp5")
    joins = "3000" if LONG else "400"
    run("loas_tppe", "test_tppe", "icarus", parameters, sources=[gates], testcase="random_joins", env={"LOAS_JOINS": joins})


# Each primitive in one width of a machine and one odd one; loas_ram is block RAM: its own test runs on its netlist below
PRIMITIVES: list[tuple[str, dict[str, int]]] = [
    ("loas_arb_rr", {"N": 17}),
    ("loas_arb_rr", {"N": 1}),
    ("loas_at_most_one", {"W": 256}),
    ("loas_at_most_one", {"W": 5}),
    ("loas_compact_slice", {"SLICE_W": 16, "WORD_W": 4}),
    ("loas_compact_slice", {"SLICE_W": 5, "WORD_W": 3}),
    ("loas_copy", {"W": 9, "COPY": 1}),
    ("loas_copy", {"W": 9, "COPY": 0}),
    ("loas_cut", {"W": 9, "CUT": 1}),
    ("loas_cut", {"W": 9, "CUT": 0}),
    ("loas_cut", {"W": 9, "CUT": 2}),
    ("loas_cut", {"W": 1, "CUT": 2}),
    ("loas_fifo", {"W": 8, "DEPTH": 8}),
    ("loas_fifo", {"W": 3, "DEPTH": 5}),
    ("loas_fifo_ram", {"W": 5, "DEPTH": 16}),
    ("loas_fifo_ram", {"W": 2, "DEPTH": 4}),
    ("loas_fork", {"N": 5}),
    ("loas_fork", {"N": 1}),
    ("loas_popcount", {"W": 128}),
    ("loas_popcount", {"W": 37}),
    ("loas_prefix_fast", {"W": 128}),
    ("loas_prefix_fast", {"W": 32}),
    ("loas_prefix_laggy", {"W": 128, "SLICE_W": 16, "BASE_W": 14}),
    ("loas_prefix_laggy", {"W": 12, "SLICE_W": 4, "BASE_W": 9}),
    ("loas_prio_enc", {"W": 256}),
    ("loas_prio_enc", {"W": 7}),
    ("loas_skid", {"W": 8}),
    ("loas_width_adapter", {"S_W": 32, "M_W": 128}),
    ("loas_width_adapter", {"S_W": 64, "M_W": 8}),
]  # fmt: skip


def test_every_primitive_is_proven() -> None:
    names = {path.stem for path in (fpga.ROOT / "rtl" / "prim").glob("*.v")}
    assert names == {top for top, _ in PRIMITIVES} | {"loas_ram"}


@pytest.mark.parametrize("family", netlist.FAMILIES)
def test_netlists_of_primitives_are_their_rtl(family: str, subtests: pytest.Subtests) -> None:
    """For ever, by Yosys and ABC, two seconds each: half of the widths by default, others for each family."""
    for top, parameters in PRIMITIVES if LONG else PRIMITIVES[list(netlist.FAMILIES).index(family) :: 2]:
        with subtests.test(top, **parameters):
            netlist.equal(top, parameters, family)


@pytest.mark.parametrize("top,parameters", [("loas_popcount", {"W": 37}), ("loas_prefix_laggy", {"W": 12, "SLICE_W": 4, "BASE_W": 9})])
def test_a_broken_netlist_is_not_its_rtl(top: str, parameters: dict[str, int]) -> None:
    """One mutation of the netlist, chosen by Yosys, and there is no proof."""
    with pytest.raises(fpga.BuildError, match=f"netlist of {top}.*asserted|SATISFIABLE"):
        netlist.equal(top, parameters, "ecp5", breakage=["mutate -list 1 -seed 1 -o mutate.ys", "script mutate.ys"])


@pytest.mark.parametrize("family", netlist.FAMILIES)
def test_netlist_of_a_ram(family: str) -> None:
    """The test of loas_ram with the netlist in its place; reads of what is being written at the same time are left out."""
    from verif.lib.sim import run

    parameters = {"DEPTH": 512, "W": 36}
    gates = netlist.netlist("loas_ram", parameters, family)
    run("loas_ram", "test_ram", "icarus", parameters, sources=[gates], env={"LOAS_COLLISIONS": "0"})


def test_cells_without_a_model_are_named() -> None:
    with pytest.raises(fpga.BuildError, match="fpga/sim/DQSBUFM.v"):
        netlist.cells("ecp5", {"LUT4", "DQSBUFM"})


if LONG:  # minutes; make fpga-proof does it too

    @pytest.mark.parametrize("family", netlist.FAMILIES)
    def test_netlist_of_the_smallest_machine(family: str) -> None:
        assert netlist.prove(load("icebreaker"), family, range(1, 3), print) > 0


def block_ram(module: dict, words: int, bits: int) -> bytes:  # type: ignore[type-arg]
    """What the block RAMs of a netlist of loas_board_ram hold after configuration, from their INITVALs.

    RAMs are told apart by the names Yosys gives them: mem.<block of addresses>.<lane of the word>.
    """
    memory = np.zeros((words, bits), np.uint8)
    for name, cell in module["cells"].items():
        if cell["type"] != "DP16KD":
            continue
        parameter = {key: value for key, value in cell["parameters"].items() if key.startswith("INITVAL_")}
        rows = []
        for index in range(64):
            value = int(parameter[f"INITVAL_{index:02X}"].replace("x", "0"), 2)
            rows += [value >> 20 * row & 0x3FFFF for row in range(16)]
        width = int(cell["parameters"]["DATA_WIDTH_A"], 2)
        base, lane = (int(part) for part in name.split(".")[-2:])
        flat = [row >> half * 9 & 0x1FF for row in rows for half in (0, 1)]
        if width < 9:
            content = np.array([value >> bit & 1 for value in flat for bit in range(8)], np.uint8).reshape(-1, width)
        else:
            # nine bits with a byte enable, of which a byte takes eight
            content = np.array([value >> bit & 1 for value in flat for bit in range(8)], np.uint8).reshape(-1, width // 9 * 8)
            width = width // 9 * 8
        depth = min(len(content), words - base * len(content))
        left = min(width, bits - lane * width)
        memory[base * len(content) : base * len(content) + depth, lane * width : lane * width + left] = content[:depth, :left]
    return np.packbits(memory, axis=1, bitorder="little").tobytes()


@pytest.mark.parametrize("size", [2048, 1 << 15])
def test_image_in_the_netlist(tmp_path: Path, size: int) -> None:
    """An image goes into block RAM bit by bit; a changed image changes it."""
    rng = random.Random(size)
    image = rng.randbytes(size - 100)
    board = fpga.Board.load("ulx3s")
    board = fpga.Board(**{**board.__dict__, "parameters": {**board.parameters, "RAM_BYTES": size}})
    file = fpga.memory_file(image, board, tmp_path)
    words = size // 8
    files = fpga.sources()
    commands = [*fpga.reading(files, "loas_board_ram", {"W": 64, "DEPTH": words, "FILE": str(file)}),
                *fpga.synthesis("ecp5", "loas_board_ram", "ram")]  # fmt: skip
    fpga.run_yosys(commands, tmp_path, "yosys")
    module = json.loads((tmp_path / "ram.json").read_text())["modules"]["loas_board_ram"]
    assert block_ram(module, words, 64) == image + bytes(100)


@pytest.mark.parametrize("width", [1, 2, 5, 32, 100, 256])
def test_at_most_one_is_the_formula(tmp_path: Path, width: int) -> None:
    """By SAT: the tree that ends a window, and clearing the lowest bit, which it replaced."""
    (tmp_path / "miter.v").write_text(
        f"module miter (input wire [{width - 1}:0] x, output wire bad);\n"
        f"wire yes; loas_at_most_one #(.W({width})) one_inst (.in(x), .yes(yes));\n"
        f"assign bad = yes != ((x & (x - {width}'d1)) == {width}'d0);\nendmodule\n"
    )
    source = fpga.ROOT / "rtl" / "prim" / "loas_at_most_one.v"
    log = fpga.run_yosys([f"read_verilog {source} miter.v", "prep -top miter -flatten", "sat -verify -prove bad 0"], tmp_path, "sat")
    assert "no model found: SUCCESS" in log
    # and a proof that can fail
    (tmp_path / "miter.v").write_text((tmp_path / "miter.v").read_text().replace(f"x - {width}'d1", "x"))
    with pytest.raises(fpga.BuildError):
        fpga.run_yosys([f"read_verilog {source} miter.v", "prep -top miter -flatten", "sat -verify -prove bad 0"], tmp_path, "sat")
