# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Whole machine under cocotb: every performance counter of every layer is the cycle model's, to the cycle."""

from __future__ import annotations

import os
from typing import Any

import cocotb

from golden.compare import counters, descriptors
from verif.lib.model import CACHE, Counts, alike, check_counters, fits
from verif.lib.system import TB, launch
from verif.test_system import FIRST, VARIANTS

LATENCY = 20


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def every_counter(dut: Any) -> None:
    """Fully connected layers and convolutions, until every counter was seen to differ from every other."""
    tb = TB(dut)
    dut.latency.value = LATENCY
    seen: list[Counts] = []
    jobs = int(os.environ["LOAS_JOBS"])
    for number in range(8 * jobs):
        if number >= jobs and not alike(seen):
            break
        job = tb.job(size=64, rows=3 + number, layers=2) if number % 2 else tb.job(size=64)
        while not fits(job, tb.cfg):
            job = tb.job(size=64)
        await tb.reset()   # whose turn it is at the arbiters would be left from the job before
        await tb.good(job)
        memory = await tb.dump()
        seen += check_counters(job, tb.cfg, LATENCY, [counters(memory, desc["perf_ptr"]) for desc in descriptors(memory)])
    assert not alike(seen), f"counters alike in all of {len(seen)} layers: {alike(seen)}"


def test_counters(sim: str) -> None:
    """On Icarus `tiny`, on Verilator the machine with T = 16 that test_system builds."""
    launch("test_counters", sim, CACHE if sim == "icarus" else VARIANTS["T16"], FIRST)
