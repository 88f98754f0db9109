"""Walks through the mutants of one netlist: for every value of `mutsel` the cocotb tests of a module, until one fails.

LOAS_TARGET names the module, LOAS_MUTANTS is the number of mutants, LOAS_RESULT the file for what was found: for every
mutant the test that failed, or null. Value 0 is the unmutated design and must pass.
"""
from __future__ import annotations

import importlib
import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb._decorators import Test, TestGenerator
from cocotb.triggers import FallingEdge

from lib.lockstep import Loop


def tests_of(module: Any) -> list[Test]:
    """All tests of a module, the long random ones last."""
    found: list[Test] = []
    for item in vars(module).values():
        if isinstance(item, TestGenerator):
            found += list(item.generate_tests())
        elif isinstance(item, Test):
            found.append(item)
    return sorted(found, key=lambda t: "random" in t.name)


@cocotb.test()
async def all_mutants(dut: Any) -> None:
    module = importlib.import_module(os.environ["LOAS_TARGET"])
    tests = tests_of(module)
    assert tests, "no test to run"
    # one clock for all: every test makes a Loop, and gets this one
    loop = Loop(dut)
    dut.mutsel.value = 0
    await loop.reset()

    def shared(_: Any) -> Loop:
        loop.agents, loop.cycle = [], 0
        return loop

    module.Loop = shared  # type: ignore[attr-defined]
    results: list[str | None] = []
    wanted = os.environ.get("LOAS_MUTANT")
    for number in [0, *(range(1, int(os.environ["LOAS_MUTANTS"]) + 1) if wanted is None else [int(wanted)])]:
        failed = None
        dut.mutsel.value = number
        for test in tests:
            random.seed(f"{os.environ.get('LOAS_SEED', '1')} {test.name}")
            loop.agents = []
            try:
                await test.func(dut, **test.kwargs)
            except Exception as error:  # whatever goes wrong in a test is a kill
                if number == 0:
                    raise
                failed = f"{test.name}: {error}"[:200]
                await FallingEdge(dut.clk)
                break
        results.append(failed)
        if failed is None:
            dut._log.info("mutant %d: survived", number)
    Path(os.environ["LOAS_RESULT"]).write_text(json.dumps(results, indent=1) + "\n")
