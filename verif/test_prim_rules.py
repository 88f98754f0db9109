"""Illegal parameters stop Icarus and Verilator, with the rule in the message."""
from __future__ import annotations

import subprocess

import pytest

from lib.sim import RTL, verilator_env

ILLEGAL = [
    ("loas_fifo", {"DEPTH": 0}, "must_be_at_least_1"),
    ("loas_fifo_ram", {"DEPTH": 12}, "must_be_a_power_of_two_from_4"),
    ("loas_fifo_ram", {"DEPTH": 2}, "must_be_a_power_of_two_from_4"),
    ("loas_prefix_laggy", {"W": 100, "SLICE_W": 16}, "W_must_be_a_multiple_of_SLICE_W"),
    ("loas_prefix_laggy", {"BASE_W": 4}, "BASE_W_must_hold_the_ones_of_a_slice"),
    ("loas_width_adapter", {"S_W": 24}, "must_be_powers_of_two_from_8"),
    ("loas_width_adapter", {"M_W": 4}, "must_be_powers_of_two_from_8"),
]


@pytest.mark.parametrize("top,parameters,rule", ILLEGAL)
def test_illegal(sim: str, top: str, parameters: dict[str, int], rule: str) -> None:
    verilator_env()
    if sim == "icarus":
        command = ["iverilog", "-g2005", "-tnull", "-y", str(RTL / "prim"), "-s", top]
        command += [f"-P{top}.{name}={value}" for name, value in parameters.items()]
    else:
        command = ["verilator", "--lint-only", "--default-language", "1364-2005", "-y", str(RTL / "prim"), "--top-module", top]
        command += [f"-G{name}={value}" for name, value in parameters.items()]
    done = subprocess.run([*command, str(RTL / "prim" / f"{top}.v")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert rule in done.stdout + done.stderr
