"""loas_plif against section 5 of the design: every leak, reset kind, number of timesteps and T, membranes and values carried in
and out, ties, extremes at the packer's bound."""
from __future__ import annotations

import os
import random
from itertools import product
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import STALLS, Loop, Sink, Source, param
from verif.lib.out_ref import Mode, Neuron, lif, random_neuron, readout

LEAKS = (0, 1, 64, 128, 255, 256)
INPUT = ["sum", "bias", "threshold", "state", "tag"]
OUTPUT = ["word", "state", "tag"]
RESETS = ((False, False), (True, False), (True, True), (False, True))   # (soft, late); late alone: no reset


def depth(dut: Any) -> int:
    """Stages: two for each timestep, the last without its second one unless membranes leave."""
    return 2 * param(dut, "T") - 1 + param(dut, "CARRY")


def pack(values: tuple[int, ...], width: int) -> int:
    """Two's complement fields, the first one lowest."""
    return sum((v % (1 << width)) << (i * width) for i, v in enumerate(values))


def item(dut: Any, neuron: Neuron, tag: int, read: bool) -> dict[str, int]:
    """A neuron as it enters; above a membrane there may be anything."""
    acc_w, mem_w = param(dut, "ACC_W"), param(dut, "MEM_W")
    above = 0 if read else random.getrandbits(32) >> mem_w << mem_w
    state = neuron.state % (1 << (32 if read else mem_w)) | above
    return {"sum": pack(neuron.sums, acc_w), "bias": neuron.bias % (1 << mem_w), "threshold": neuron.threshold % (1 << mem_w),
            "state": state, "tag": tag}


async def check_layer(dut: Any, loop: Loop, neurons: list[Neuron], mode: Mode, idle: float,
                      stall: float) -> tuple[list[int], list[int]]:
    """Sends the neurons of one layer and checks all results; returns the cycles of input and output handshakes."""
    t, carry = param(dut, "T"), param(dut, "CARRY")
    dut.cfg_leak.value, dut.cfg_soft.value, dut.cfg_late.value = mode.leak, int(mode.soft), int(mode.late)
    dut.cfg_steps.value, dut.cfg_readout.value = mode.steps, int(mode.readout)
    source, sink = Source(dut, "s", INPUT, idle), Sink(dut, "m", OUTPUT, stall)
    tags = [random.getrandbits(len(dut.s_tag)) for _ in neurons]
    source.queue.extend(item(dut, neuron, tag, mode.readout) for neuron, tag in zip(neurons, tags, strict=True))
    loop.agents = [source, sink]
    await loop.until(lambda: len(sink.items) >= len(neurons), 400 + 60 * len(neurons))
    for _ in range(2 * t + 3):  # nothing may come behind
        await loop.step()
    assert len(sink.items) == len(neurons)
    for i, (neuron, tag, got) in enumerate(zip(neurons, tags, sink.items, strict=True)):
        where = f"neuron {i} of {mode}: {neuron}"
        assert got["tag"] == tag, f"{where}: tag {got['tag']}, expected {tag}"
        if mode.readout:
            value = readout(neuron, mode.steps)
            assert got["state"] == value, f"{where}: value {got['state']}, expected {value}"
            continue
        spikes, u = lif(neuron, mode)
        word, state = pack(spikes, 1), u % (1 << 32) if carry else 0
        assert got["word"] == word, f"{where}: spikes {got['word']:b}, expected {word:b} (bit t = timestep t)"
        if mode.steps == t or not carry:
            assert got["state"] == state, f"{where}: membrane {got['state']:#x}, expected {state:#x}"
    return source.taken, sink.taken


def layers(dut: Any, count: int) -> list[tuple[list[Neuron], Mode]]:
    """Neurons of all kinds of layers; half of them count all timesteps."""
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    rng = random.Random(random.getrandbits(32))
    modes = [Mode(leak, *reset, rng.choice([t, rng.randint(1, t)])) for leak, reset in product((*LEAKS, rng.randint(2, 254)), RESETS)]
    result = [([random_neuron(rng, t, acc_w, mem_w, mode) for _ in range(count)], mode) for mode in modes]
    lo, hi, mlo, mhi = -(1 << (acc_w - 1)), (1 << (acc_w - 1)) - 1, -(1 << (mem_w - 1)), (1 << (mem_w - 1)) - 1
    for steps in (t, rng.randint(1, t)):
        free = [Neuron(tuple(rng.choice([lo, hi, rng.randint(lo, hi)]) for _ in range(t)),
                       rng.choice([mlo, mhi, rng.randint(mlo, mhi)]), 0, rng.choice([0, rng.getrandbits(32)])) for _ in range(count)]
        result.append((free, Mode(64, False, False, steps, True)))
    return result


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "half", "most"])
async def random_layers(dut: Any, idle: str, stall: str) -> None:
    loop = Loop(dut)
    await loop.reset()
    checked = 0
    for neurons, mode in layers(dut, int(os.environ["LOAS_NEURONS"])):
        await check_layer(dut, loop, neurons, mode, STALLS[idle], STALLS[stall])
        checked += len(neurons)
    dut._log.info("%d neurons checked", checked)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def latency_and_throughput(dut: Any) -> None:
    """2 T - 1 + CARRY cycles, a neuron a cycle."""
    loop = Loop(dut)
    await loop.reset()
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    rng, mode = random.Random(random.getrandbits(32)), Mode(64, False, False, t)
    neurons = [random_neuron(rng, t, acc_w, mem_w, mode) for _ in range(100)]
    sent, got = await check_layer(dut, loop, neurons, mode, 0.0, 0.0)
    assert sent == list(range(sent[0], sent[0] + 100))
    assert got == [cycle + depth(dut) for cycle in sent]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fills_up(dut: Any) -> None:
    """Without a taker it takes as many neurons as it has stages, one a cycle, and offers the first."""
    loop = Loop(dut)
    await loop.reset()
    dut.cfg_steps.value = 1
    source, sink = Source(dut, "s", INPUT), Sink(dut, "m", OUTPUT, 1.0)
    source.queue.extend({"sum": 0, "bias": 0, "threshold": 1, "state": 0, "tag": i} for i in range(100))
    loop.agents = [source, sink]
    for _ in range(depth(dut) + 10):
        await loop.step()
    assert source.taken == list(range(depth(dut))) and not sink.items
    assert sink.waiting is not None and sink.waiting["tag"] == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_flight(dut: Any) -> None:
    """One cycle of rst forgets everything inside, stalled or not."""
    loop = Loop(dut)
    t, acc_w, mem_w = param(dut, "T"), param(dut, "ACC_W"), param(dut, "MEM_W")
    rng, mode = random.Random(random.getrandbits(32)), Mode(64, True, True, t)
    neurons = [random_neuron(rng, t, acc_w, mem_w, mode) for _ in range(6)]
    await loop.reset()
    for cycles in range(1, 2 * t + 5):
        source = Source(dut, "s", INPUT)
        source.queue.extend({"sum": 1, "bias": 2, "threshold": 3, "state": 4, "tag": 0} for _ in range(100))
        loop.agents = [source, Sink(dut, "m", OUTPUT, rng.choice([0.0, 1.0]))]
        for _ in range(cycles):
            await loop.step()
        dut.s_valid.value = 0
        await loop.reset()
        await check_layer(dut, loop, neurons, mode, 0.0, 0.5)


@pytest.mark.parametrize("t,acc_w,mem_w,carry", [(1, 9, 10, 1), (1, 9, 10, 0), (2, 16, 17, 0), (4, 16, 24, 1), (16, 31, 32, 1)])
def test_plif(sim: str, t: int, acc_w: int, mem_w: int, carry: int) -> None:
    from verif.lib.sim import run

    # 5 shapes x 6 stall patterns x 30 layers: 36 000 neurons on Verilator
    count = int(os.environ.get("LOAS_NEURONS", "40" if sim == "verilator" else "3"))
    run("loas_plif", "test_plif", sim, {"T": t, "ACC_W": acc_w, "MEM_W": mem_w, "TAG_W": 11, "CARRY": carry},
        env={"LOAS_NEURONS": str(count)})
