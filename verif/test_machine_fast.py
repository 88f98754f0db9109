"""Whole machine in Verilator without cocotb: many random networks on tiny and its variants, and one on paper."""
from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden.compare import compare
from golden.config import Config, load
from golden.image import parse_layout, read_perf, write_image
from golden.layer import Conv
from golden.network import Network
from golden.random_networks import Job, random_conv_job, random_job, random_layer
from scripts.simulate import Result, build, run
from verif.lib.model import CACHE, alike, check_counters, expected, fits

SEEDS = int(os.environ.get("LOAS_SEEDS", "20"))
FIRST = 1000 * int(os.environ.get("LOAS_SEED", "1"))
VARIANTS: dict[str, dict[str, int]] = {
    "laggy": {},
    "fast": {"LAGGY": 0, "CARRY": 0, "INDEX_RATE": 0, "WINDOW": 4, **CACHE},
    "sparten": {"LAGGY": 0, "SEQUENTIAL": 1},
    "T16": {"T": 16, "NUM_TPPES": 3, "CHUNK_W": 64, "SLICE_W": 16, "AXI_W": 64, "WINDOW": 4, "INDEX_RATE": 8},
    "narrow": {"T": 1, "NUM_TPPES": 1, "WINDOW": 1, "WEIGHT_W": 4, "ACC_W": 12, "MEM_W": 16, "FIFO_DEPTH": 2, "OUTSTANDING": 2,
               "INDEX_RATE": 1, "DEEP": 1},
}


def check(cfg: Config, seed: int, *, size: int = 96, rows: int | None = None, layers: int | None = None) -> Result:
    """Runs one random fully connected network."""
    return check_job(cfg, random_job(seed, cfg, size=size, rows=rows, layers=layers))


def check_job(
    cfg: Config, job: Job, full: bool = True, program: Path | None = None, weather: tuple[int, int] | None = None
) -> Result:  # fmt: skip
    """Runs a network; a failure names place, values and seed.

    Args:
        cfg: The configuration.
        job: The network.
        full: Outputs of all layers are compared; else they may have been written over, but not the last.
        program: The machine; by default Verilator's.
        weather: Latency of the memory and percent of its stalls; random by default.
    """
    seed = job.seed
    rng = random.Random(seed)
    # a large image is read again and again, from a cache of 2 KiB
    latency, stall = weather or (rng.choice([0, 1, 20, 200 if len(job.image) < 32_768 else 50]), rng.choice([0, 0, 10, 50, 90]))
    manner = rng.randrange(8)
    result = run(program or build(cfg, len(job.image)), cfg, job.image, latency=latency, stall=stall, manner=manner, seed=seed,
                 max_cycles=20_000_000, watchdog=100_000)  # fmt: skip
    where = f"{cfg.name} {cfg.engine}, {job}, latency {latency}, stall {stall} %, manner {manner}"
    assert result.ok, f"{where}: {result.describe()}"
    report = compare(result.memory, job.network, job.spikes, job.golden, cfg)
    assert not report.mismatches, f"{where}: {report.mismatches} of {report.compared} differ:\n" + "\n".join(report.first)
    assert report.compared == sum(want.size for want in job.golden) if full else report.compared >= job.golden[-1].size
    return result


@pytest.mark.parametrize("variant", VARIANTS)
def test_random_networks(variant: str) -> None:
    cfg = load("tiny").override(**VARIANTS[variant])
    for seed in range(FIRST, FIRST + SEEDS):
        check(cfg, seed)


@pytest.mark.parametrize("variant", VARIANTS)
def test_random_convolutions(variant: str) -> None:
    """Convolutions, max pooling and fully connected layers behind them, with all paddings and strides."""
    cfg = load("tiny").override(**VARIANTS[variant])
    for seed in range(FIRST, FIRST + SEEDS):
        check_job(cfg, random_conv_job(seed, cfg))


@pytest.mark.parametrize("kind", ["full", "convolutions"])
def test_buffers_used_again(kind: str) -> None:
    """Outputs written over those that nobody reads any more: the last layer's, and all that are left, are right."""
    cfg, tried, seed = load("tiny"), 0, FIRST
    while tried < max(4, SEEDS // 8):
        job = random_conv_job(seed, cfg, layers=4) if kind == "convolutions" else random_job(seed, cfg, layers=4)
        seed += 1
        image = write_image(job.network, job.spikes, cfg, keep=False)
        if all(parse_layout(image).lasting()):
            continue
        check_job(cfg, Job(job.seed, job.network, job.spikes, job.golden, image), full=False)
        tried += 1


def long_network(kind: str, steps: int, cfg: Config, rng: random.Random) -> tuple[Network, int]:
    """Layers that fire now and then for many timesteps, and the rows of their input."""
    if kind == "full":
        shapes: list[tuple[int, int, Conv | None, tuple[int, int] | None]] = [(24, 20, None, None), (20, 33, None, None),
                                                                            (33, 5, None, None)]  # fmt: skip
        rows = 3
    else:
        shapes = [(9 * 3, 12, Conv.of((4, 4), 3, (3, 3), pad=(1, 1)), (2, 2)), (4 * 12, 7, Conv.of((2, 2), 12, (2, 2)), None)]
        rows = 16
    # what fires once is dropped by the chunk
    made = [replace(random_layer(rng, k, n, i == len(shapes) - 1, cfg, f"layer{i}", conv, pool, T=steps), drop_once=False)
            for i, (k, n, conv, pool) in enumerate(shapes)]
    return Network(f"long {kind}", steps, made), rows


@pytest.mark.parametrize("kind", ["full", "convolution, pooling and readout"])
def test_three_hundred_steps(kind: str) -> None:
    """300 timesteps on a machine of 4: 75 chunks, bit for bit what the golden model does in one piece."""
    cfg, steps, seed = load("tiny"), 300, FIRST
    while True:
        rng = random.Random(seed)
        network, rows = long_network(kind, steps, cfg, rng)
        spikes = (np.random.default_rng(seed).random((rows, network.input_shape()[0], steps)) < 0.3).astype(np.uint8)
        golden = network.run(spikes)
        # something has to happen until the end
        if all(0.02 < out[..., -20:].mean() < 0.9 for out in golden[:-1]) and len(np.unique(golden[-1])) > 4:
            break
        seed += 1
    image = write_image(network, spikes, cfg)
    assert parse_layout(image).chunks == 75
    check_job(cfg, Job(seed, network, spikes, golden, image))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(1, SEEDS // 40)))
def test_larger_than_everything(seed: int) -> None:
    """K and N up to K_MAX, more rows than slots, weights far larger than the cache."""
    check(load("tiny"), seed, layers=2, rows=20, size=512)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(2, SEEDS // 20)))
def test_paper(seed: int) -> None:
    """The widths of `paper`; all its TPPEs only with LOAS_LONG=1 and in `make demo`: building them is what takes the time."""
    paper = load("paper") if os.environ.get("LOAS_LONG") else load("paper").override(NUM_TPPES=3)
    check(paper, seed, layers=3, size=600)
    check_job(paper, random_conv_job(seed, paper, side=9))


def one_chunk_runs(cfg: Config, latency: int) -> Iterator[tuple[Job, list[dict[str, int]]]]:
    """Random networks of one chunk of timesteps, and the counters that the RTL leaves of each."""
    for seed in range(FIRST, FIRST + SEEDS):
        job = random_conv_job(seed, cfg) if seed % 2 else random_job(seed, cfg, size=200)
        if parse_layout(job.image).chunks == 1:
            result = run(build(cfg, len(job.image)), cfg, job.image, latency=latency)
            assert result.ok, f"{cfg.name} {cfg.engine}, {job}: {result.describe()}"
            yield job, read_perf(result.memory, parse_layout(result.memory, verify_crc=False))


def test_every_counter() -> None:
    """Every counter of every layer is the cycle model's, to the cycle; of LAGGY: verif/test_counters.py."""
    cfg, latency = load("tiny").override(**VARIANTS["fast"]), 20
    layers = [layer for job, records in one_chunk_runs(cfg, latency) if fits(job, cfg)
              for layer in check_counters(job, cfg, latency, records)]  # fmt: skip
    assert len(layers) >= SEEDS
    same = alike([{name: value for name, value in layer.items() if name not in ("stall_laggy", "corrections")} for layer in layers])
    assert not same, f"counters alike in all of {len(layers)} layers: {same}"


def test_cycle_model() -> None:
    """The model's cycles are those of today's RTL, not only of the one whose counters were recorded (scripts/validate.py).

    In total: everything is larger than the cache of tiny, and one miss more or less early in a layer changes all that follow.
    """
    cfg, latency = load("tiny"), 20
    said, found, layers = 0, 0, 0
    for job, records in one_chunk_runs(cfg, latency):
        for layer, want, counts in zip(job.network.layers, expected(job, cfg, latency), records, strict=True):
            assert want["matches"] == counts["matches"], f"{job} {layer.name}"
            assert abs(want["cycles"] / counts["cycles"] - 1) < 0.2, f"{job} {layer.name}: {want['cycles']}, RTL {counts['cycles']}"
            said, found, layers = said + want["cycles"], found + counts["cycles"], layers + 1
    assert layers >= SEEDS and abs(said / found - 1) < 0.02, f"{layers} layers: {said} cycles by the model, {found} of the RTL"
