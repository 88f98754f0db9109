"""loas_plif against section 5 of the design: every leak, reset kind and T, ties, extremes at the packer's bound."""
from __future__ import annotations

import os
import random
from itertools import product
from typing import Any

import cocotb
import pytest

from lib.lockstep import STALLS, Loop, Sink, Source, param
from lib.out_ref import Neuron, lif, random_neuron, readout

LEAKS = (0, 1, 64, 128, 255, 256)


def pack(values: tuple[int, ...], width: int) -> int:
    """Two's complement fields, the first one lowest."""
    return sum((v % (1 << width)) << (i * width) for i, v in enumerate(values))


async def check_layer(dut: Any, loop: Loop, neurons: list[Neuron], leak: int, soft: bool, read: bool,
                      idle: float, stall: float) -> tuple[list[int], list[int]]:
    """Sends the neurons of one layer and checks all results; returns the cycles of input and output handshakes."""
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    dut.cfg_leak.value, dut.cfg_soft.value, dut.cfg_readout.value = leak, int(soft), int(read)
    source = Source(dut, "s", ["sum", "bias", "threshold", "tag"], idle)
    sink = Sink(dut, "m", ["word", "value", "tag"], stall)
    tags = [random.getrandbits(len(dut.s_tag)) for _ in neurons]
    for neuron, tag in zip(neurons, tags, strict=True):
        source.queue.append({"sum": pack(neuron.sums, acc_w), "bias": neuron.bias % (1 << mem_w),
                             "threshold": neuron.threshold % (1 << mem_w), "tag": tag})
    loop.agents = [source, sink]
    await loop.until(lambda: len(sink.items) >= len(neurons), 400 + 60 * len(neurons))
    for _ in range(2 * t + 2):  # nothing may come behind
        await loop.step()
    assert len(sink.items) == len(neurons)
    for i, (neuron, tag, got) in enumerate(zip(neurons, tags, sink.items, strict=True)):
        where = f"neuron {i} of leak {leak} soft {soft} readout {read}: {neuron}"
        assert got["tag"] == tag, f"{where}: tag {got['tag']}, expected {tag}"
        if read:
            assert got["value"] == readout(neuron), f"{where}: value {got['value']}, expected {readout(neuron)}"
        else:
            word = pack(lif(neuron, leak, soft)[0], 1)
            assert got["word"] == word, f"{where}: spikes {got['word']:b}, expected {word:b} (bit t = timestep t)"
            assert got["value"] == 0, where
    return source.taken, sink.taken


def layers(dut: Any, count: int) -> list[tuple[list[Neuron], int, bool, bool]]:
    """(neurons, leak, soft, readout) of all kinds of layers."""
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    rng = random.Random(random.getrandbits(32))
    kinds = [(leak, soft, False) for leak, soft in product((*LEAKS, rng.randint(2, 254)), (False, True))]
    result = [([random_neuron(rng, t, acc_w, mem_w, leak, soft) for _ in range(count)], leak, soft, read)
              for leak, soft, read in kinds]
    lo, hi, mlo, mhi = -(1 << (acc_w - 1)), (1 << (acc_w - 1)) - 1, -(1 << (mem_w - 1)), (1 << (mem_w - 1)) - 1
    free = [Neuron(tuple(rng.choice([lo, hi, rng.randint(lo, hi)]) for _ in range(t)),
                   rng.choice([mlo, mhi, rng.randint(mlo, mhi)]), 0) for _ in range(count)]
    return [*result, (free, 64, False, True)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "half", "most"])
async def random_layers(dut: Any, idle: str, stall: str) -> None:
    loop = Loop(dut)
    await loop.reset()
    checked = 0
    for neurons, leak, soft, read in layers(dut, int(os.environ["LOAS_NEURONS"])):
        await check_layer(dut, loop, neurons, leak, soft, read, STALLS[idle], STALLS[stall])
        checked += len(neurons)
    dut._log.info("%d neurons checked", checked)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def latency_and_throughput(dut: Any) -> None:
    """2 T - 1 cycles, a neuron a cycle."""
    loop = Loop(dut)
    await loop.reset()
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    rng = random.Random(random.getrandbits(32))
    neurons = [random_neuron(rng, t, acc_w, mem_w, 64, False) for _ in range(100)]
    sent, got = await check_layer(dut, loop, neurons, 64, False, False, 0.0, 0.0)
    assert sent == list(range(sent[0], sent[0] + 100))
    assert got == [cycle + 2 * t - 1 for cycle in sent]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fills_up(dut: Any) -> None:
    """Without a taker it takes 2 T - 1 neurons, one a cycle, and offers the first."""
    loop = Loop(dut)
    await loop.reset()
    source, sink = Source(dut, "s", ["sum", "bias", "threshold", "tag"]), Sink(dut, "m", ["word", "value", "tag"], 1.0)
    source.queue.extend({"sum": 0, "bias": 0, "threshold": 1, "tag": i} for i in range(100))
    loop.agents = [source, sink]
    depth = 2 * param(dut, "T") - 1
    for _ in range(depth + 10):
        await loop.step()
    assert source.taken == list(range(depth)) and not sink.items
    assert sink.waiting is not None and sink.waiting["tag"] == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_flight(dut: Any) -> None:
    """One cycle of rst forgets everything inside, stalled or not."""
    loop = Loop(dut)
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    rng = random.Random(random.getrandbits(32))
    neurons = [random_neuron(rng, t, acc_w, mem_w, 64, False) for _ in range(6)]
    await loop.reset()
    for cycles in range(1, 2 * t + 4):
        source = Source(dut, "s", ["sum", "bias", "threshold", "tag"])
        source.queue.extend({"sum": 1, "bias": 2, "threshold": 3, "tag": 0} for _ in range(100))
        loop.agents = [source, Sink(dut, "m", ["word", "value", "tag"], rng.choice([0.0, 1.0]))]
        for _ in range(cycles):
            await loop.step()
        dut.s_valid.value = 0
        await loop.reset()
        await check_layer(dut, loop, neurons, 64, False, False, 0.0, 0.5)


@pytest.mark.parametrize("t,acc_w,mem_w", [(1, 9, 10), (2, 16, 17), (4, 16, 24), (16, 31, 32)])
def test_plif(sim: str, t: int, acc_w: int, mem_w: int) -> None:
    from lib.sim import run

    # 4 shapes x 6 stall patterns x 15 layers: 25 200 neurons on Verilator
    count = int(os.environ.get("LOAS_NEURONS", "70" if sim == "verilator" else "4"))
    run("loas_plif", "test_plif", sim, {"T": t, "ACC_W": acc_w, "MEM_W": mem_w, "TAG_W": 11}, env={"LOAS_NEURONS": str(count)})
