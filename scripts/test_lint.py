# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Lint refuses to check nothing, and finds what it is there for."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from scripts import lint


@pytest.mark.parametrize("modules", [["nope"], ["loas_fifo", "nope"], ["loas_ulx3s"]])
def test_module_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], modules: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["lint", "--rtl", *modules])
    monkeypatch.setattr(lint, "yosys", lambda *_: ("", True))  # without the refusal all else would pass
    monkeypatch.setattr(lint, "check", lambda *_: ("", True))
    with pytest.raises(SystemExit) as stop:
        lint.main()
    assert stop.value.code == 2
    assert f"--rtl {modules[-1]} is not legal: must be a module of rtl, fpga/rtl, fpga/pynq_z2" in capsys.readouterr().err


MODULE = """
module planted (input wire clk, input wire [3:0] in, output wire [3:0] out, output reg kept);
    wire [3:0] first = in;
    assign out = first;
    always @(posedge clk) kept <= in[0];
endmodule
"""


@pytest.mark.parametrize(("old", "new", "said"), [
    ("", "", ""),
    ("    wire [3:0] first = in;\n    assign out = first;", "    assign out = first;\n    wire [3:0] first = in;",
     "used before its declaration"),
    ("assign out = first", "assign out = frist", "undeclared identifier 'frist'"),
    ("kept <= in[0]", "kept <= in[4]", "cannot refer to element 4"),
    ("reg kept", "logic kept", "undeclared identifier 'logic'"),
], ids=["clean", "order", "name", "range", "type"])  # fmt: skip
def test_slang_finds(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "a folder" / "planted.v"
    file.parent.mkdir()
    file.write_text("`timescale 1ns / 1ps\n`default_nettype none\n" + MODULE.replace(old, new))
    report, good = lint.check(lint.slang([file], ["planted"], {}), dict(os.environ))
    assert good == (not said) and said in report, report


def test_slang_accepts_every_module() -> None:
    sources = sorted(path for folder in lint.FOLDERS for path in folder.rglob("*.v"))
    report, good = lint.check(lint.slang(sources, [source.stem for source in sources], {}), dict(os.environ))
    assert good and len(sources) > 50, report


def test_long_lines_are_found(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "good.v").write_text("x" * 120 + "\n")
    (tmp_path / "a folder" / "notes.txt").write_text("x" * 200)
    assert lint.long_lines([tmp_path]) == ""
    file = tmp_path / "a folder" / "bad.vh"
    file.write_text("\n" + "x" * 121 + "\n")
    assert lint.long_lines([tmp_path]) == f"{file}:2: 121 columns: must be at most 120"
    assert lint.long_lines([lint.RTL, lint.ROOT / "fpga", lint.ROOT / "verif" / "rtl"]) == ""


def early_returns(text: str) -> list[str]:
    """Tests of a file, for pytest or cocotb, that can return before their end."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        marks = [ast.unparse(mark) for mark in node.decorator_list]
        if node.name.startswith("test_") or any(mark.startswith("cocotb.test") for mark in marks):
            inner = [part for part in ast.walk(node) if part is not node and isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
            own = set(ast.walk(node)) - {below for part in inner for below in ast.walk(part)}
            found += [f"{node.name}:{part.lineno}" for part in own if isinstance(part, ast.Return)]
    return found


def test_no_test_returns_early() -> None:
    """What returns for a shape or a value counts as passed: such tests are skipped with the reason, or not generated."""
    assert early_returns("@cocotb.test()\nasync def some(dut):\n    if dut.W < 2:\n        return\n    assert dut\n") == ["some:4"]
    assert early_returns("def test_some():\n    def one():\n        return 1\n    assert one()\n") == []
    files = [path for folder in ("verif", "golden", "host", "scripts", "models") for path in (lint.ROOT / folder).rglob("test_*.py")]
    assert len(files) > 40
    assert {path.name: found for path in files if (found := early_returns(path.read_text(encoding="utf-8")))} == {}
