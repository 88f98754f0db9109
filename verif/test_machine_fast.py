"""Whole machine in Verilator without cocotb: many random networks on tiny and its variants, and one on paper."""
from __future__ import annotations

import os
import random

import pytest

from golden.config import Config, load
from lib.networks import Job, random_conv_job, random_job
from scripts.compare import compare
from scripts.simulate import Result, build, run

SEEDS = int(os.environ.get("LOAS_SEEDS", "40"))
FIRST = 1000 * int(os.environ.get("LOAS_SEED", "1"))
VARIANTS: dict[str, dict[str, int]] = {
    "laggy": {},
    "fast": {"LAGGY": 0},
    "T16": {"T": 16, "NUM_TPPES": 3, "CHUNK_W": 64, "SLICE_W": 16, "AXI_W": 64},
    "narrow": {"T": 1, "NUM_TPPES": 1, "WEIGHT_W": 4, "ACC_W": 12, "MEM_W": 16, "FIFO_DEPTH": 2, "OUTSTANDING": 2},
}


def check(cfg: Config, seed: int, *, size: int = 96, rows: int | None = None, layers: int | None = None) -> Result:
    """Runs one random fully connected network."""
    return check_job(cfg, random_job(seed, cfg, size=size, rows=rows, layers=layers))


def check_job(cfg: Config, job: Job) -> Result:
    """Runs a network; a failure names place, values and seed."""
    seed = job.seed
    rng = random.Random(seed)
    latency, stall = rng.choice([0, 1, 20, 200]), rng.choice([0, 0, 10, 50, 90])
    result = run(build(cfg, len(job.image)), cfg, job.image, latency=latency, stall=stall, seed=seed,
                 max_cycles=5_000_000, watchdog=100_000)  # fmt: skip
    where = f"{cfg.name} LAGGY={cfg.LAGGY}, {job}, latency {latency}, stall {stall} %"
    assert result.ok, f"{where}: {result.describe()}"
    report = compare(result.memory, job.network, job.spikes, job.golden, cfg)
    assert not report.mismatches, f"{where}: {report.mismatches} of {report.compared} differ:\n" + "\n".join(report.first)
    assert report.compared > 0
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


@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(1, SEEDS // 40)))
def test_larger_than_everything(seed: int) -> None:
    """K and N up to K_MAX, more rows than slots, weights far larger than the cache."""
    check(load("tiny"), seed, layers=2, rows=20, size=512)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(2, SEEDS // 20)))
def test_paper(seed: int) -> None:
    check(load("paper"), seed, layers=3, size=600)
    check_job(load("paper"), random_conv_job(seed, load("paper"), side=9))
