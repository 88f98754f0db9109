"""Walks through the mutants of one netlist: for every value of `mutsel` the cocotb tests of a module, until one fails.

LOAS_TARGET names the module, LOAS_MUTANTS is the number of mutants. LOAS_JOURNAL is a file of JSON lines: [number, the test
that failed or null] of every mutant is added as soon as it is known, and mutants that are in it already are left out;
["running", number] comes before. Value 0 is the unmutated design and must pass.

The order of the tests does not change what they do, each has a seed of its own: those that killed most for their time come
first.
"""
from __future__ import annotations

import importlib
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb._decorators import Test, TestGenerator
from cocotb.triggers import FallingEdge

from verif.lib.lockstep import Loop


def tests_of(module: Any) -> list[Test]:
    """All tests of a module that mean something for these parameters, the long random ones last."""
    found: list[Test] = []
    for item in vars(module).values():
        if isinstance(item, TestGenerator):
            found += list(item.generate_tests())
        elif isinstance(item, Test):
            found.append(item)
    return sorted((test for test in found if not test.skip), key=lambda t: "random" in t.name)


@cocotb.test()
async def all_mutants(dut: Any) -> None:
    module = importlib.import_module(f"verif.{os.environ['LOAS_TARGET']}")
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
    journal = Path(os.environ["LOAS_JOURNAL"])

    def note(name: str, value: Any) -> None:
        with journal.open("a") as file:
            file.write(json.dumps([name, value]) + "\n")

    done = {name for name, _ in map(json.loads, journal.read_text().splitlines())}
    kills, seconds = dict.fromkeys(tests, 1.0), dict.fromkeys(tests, 0.0)
    for number in range(int(os.environ["LOAS_MUTANTS"]) + 1):
        if number and str(number) in done:
            continue
        note("running", number)
        failed = None
        dut.mutsel.value = number
        for test in sorted(tests, key=lambda t: kills[t] / seconds[t], reverse=True) if number else tests:
            random.seed(f"{os.environ.get('LOAS_SEED', '1')} {test.name}")
            loop.agents = []
            start = time.monotonic()
            try:
                await test.func(dut, **test.kwargs)
            except Exception as error:  # whatever goes wrong in a test is a kill
                if number == 0:
                    raise
                failed = f"{test.name}: {error}"[:200]
                kills[test] += 1
                await FallingEdge(dut.clk)
                break
            finally:
                seconds[test] += time.monotonic() - start
        dut._log.info("mutant %d: %s", number, failed or "passes")
        if number:
            note(str(number), failed)
