# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Whole machine under cocotb: every performance counter of every layer is the cycle model's, to the cycle."""

from __future__ import annotations

import os
from typing import Any

import cocotb
from test_system import FIRST, VARIANTS

from golden.image import parse_layout
from lib.model import CACHE, Counts, check_apart, check_counters
from lib.system import TB, launch
from scripts.compare import counters, descriptors

LATENCY = 20


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def every_counter(dut: Any) -> None:
    """Fully connected layers and convolutions, until every counter was seen to differ from every other."""
    tb = TB(dut)
    dut.latency.value = LATENCY
    seen: list[Counts] = []
    for number in range(int(os.environ["LOAS_JOBS"])):
        job = tb.job(size=64, rows=3 + number, layers=2) if number % 2 else tb.job(size=64)
        while parse_layout(job.image).chunks > 1:
            job = tb.job(size=64)
        await tb.reset()   # whose turn it is at the arbiters would be left from the job before
        await tb.good(job)
        memory = await tb.dump()
        seen += check_counters(job, tb.cfg, LATENCY, [counters(memory, desc["perf_ptr"]) for desc in descriptors(memory)])
    check_apart(seen)


def test_counters(sim: str) -> None:
    """On Icarus `tiny`, on Verilator the machine with T = 16 that test_system builds."""
    launch("test_counters", sim, CACHE if sim == "icarus" else VARIANTS["T16"], FIRST)
