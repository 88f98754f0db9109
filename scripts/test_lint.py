# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Lint refuses to check nothing."""

from __future__ import annotations

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
