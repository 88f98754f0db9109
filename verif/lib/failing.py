# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests that fail on purpose: verif/test_failure_text.py runs them and reads what they print. Not found by pytest itself."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

from verif.lib.sim import run


@cocotb.test()
async def right(dut: Any) -> None:
    """Passes."""
    await Timer(1, unit="ns")


@cocotb.test()
async def wrong(dut: Any) -> None:
    """Expects one more than it gave."""
    given = random.randrange(100)
    dut.s_data.value = given
    await Timer(1, unit="ns")
    expected, got = given + 1, int(dut.m_data.value)
    assert got == expected, f"word {given}: {got}, expected {expected}"


def test_failing(sim: str) -> None:
    run("loas_cut", "lib.failing", sim, {"W": 12, "CUT": 0})


def test_plain() -> None:
    """Without a simulator."""
    assert len([1, 2]) == 3, "items"
