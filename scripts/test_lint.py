# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Lint refuses to check nothing."""

from __future__ import annotations

import ast
import sys

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
