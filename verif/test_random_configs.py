"""Random legal configurations: every one builds without a warning, and small ones compute what the golden model does."""
from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from golden.config import Config, load, random_config
from golden.random_networks import DENSITIES, Job, random_conv_job, random_input, random_job, random_layer, random_steps
from scripts.simulate import build, memory_bytes, sources
from scripts.verilator import verilator_env
from verif.lib.sim import RTL
from verif.test_machine_fast import check_job

LONG = bool(os.environ.get("LOAS_LONG"))
FIRST = 100_000 * int(os.environ.get("LOAS_SEED", "1"))
BATCH = 25                         # configurations that Verilator elaborates in one go: it reads the sources once
BATCHES = 40 if LONG else 8
MACHINES = 60 if LONG else 12
# What makes elaboration slow and hides nothing: instances after the fourth are like those in front. Every tenth is drawn without.
FEW = {"NUM_TPPES": 4, "NUM_BANKS": 4}
# What Icarus simulates in seconds
SMALL = {"NUM_TPPES": 3, "K_MAX": 1024, "NUM_BANKS": 4, "NUM_WAYS": 4, "NUM_SETS": 16, "OUT_ENTRIES": 4096}


def draw(seed: int, limits: dict[str, int]) -> Config:
    return random_config(random.Random(seed), limits)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_legal_configuration_builds(batch: int, tmp_path: Path) -> None:
    """Verilator's elaboration of loas_top, with all warnings of widths, ranges and unused or undriven signals."""
    verilator_env()
    seeds = range(FIRST + batch * BATCH, FIRST + (batch + 1) * BATCH)
    machines = {f"machine{seed}": draw(seed, FEW if seed % 10 else {}) for seed in seeds}
    instances = [f"loas_top #({', '.join(f'.{k}({v})' for k, v in cfg.verilog_parameters().items())}) {name} (.clk(clk));"
                 for name, cfg in machines.items()]  # fmt: skip
    text = ["`timescale 1ns / 1ps", "module machines (input wire clk);", *instances, "endmodule"]
    (tmp_path / "machines.v").write_text("\n".join(text) + "\n")
    folders = [word for folder in sorted({path.parent for path in RTL.rglob("*.v")}) for word in ("-y", str(folder))]
    # --json-only ends behind the elaboration, where a lint goes on to optimise for ten times as long
    command = ["verilator", "--json-only", "--Mdir", str(tmp_path), "-Wall", "-Wno-PINMISSING", "--default-language", "1364-2005",
               "--top-module", "machines", f"-I{RTL}", *folders, str(tmp_path / "machines.v")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(set(re.findall(r"machine\d+", done.stderr)))
    parameters = "\n".join(f"{name}: {machines[name].verilog_parameters()}" for name in found if name in machines)
    assert done.returncode == 0 and "%Warning" not in done.stderr, f"{done.stderr}\n{parameters}"


def build_icarus(cfg: Config, folder: Path, size: int) -> Path:
    """The testbench of scripts/simulate.py in Icarus, which builds at once and lets unknown values spread."""
    program = folder / "loas_tb"
    parameters = {**cfg.verilog_parameters(), "MEM_BYTES": memory_bytes(size)}
    command = ["iverilog", "-g2005", "-Wall", f"-I{RTL}", "-s", "loas_tb", *(f"-Ploas_tb.{k}={v}" for k, v in parameters.items()),
               "-o", str(program), *(str(path) for path in sources() if path.suffix == ".v")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, f"{done.stderr}\n{parameters}"
    return program


def small_jobs(seed: int, cfg: Config) -> list[Job]:
    """Two layers of a few columns, over as many inputs as fill some chunks; and convolutions over maps of at most two by two."""
    rng = random.Random(seed)
    steps = random_steps(rng, cfg)
    inputs, hidden = rng.randint(1, min(cfg.K_MAX, 2 * cfg.window_w)), rng.randint(1, min(2 * cfg.SLICE_W, 24, cfg.K_MAX))
    layers = [random_layer(rng, inputs, hidden, False, cfg, "hidden", T=steps),
              random_layer(rng, hidden, rng.randint(1, 6), rng.random() < 0.5, cfg, "last", T=steps)]  # fmt: skip
    full = random_input(rng, seed, layers, 2, inputs, cfg, DENSITIES, steps)
    convolutions = (random_conv_job(seed + 1000 * i, cfg, layers=2, images=1, side=2) for i in range(1000))
    return [full, next(job for job in convolutions if len(job.image) <= 10_000)]


def check_machine(cfg: Config, jobs: list[Job], program: Path) -> None:
    """Runs networks; a failure also names the parameters."""
    for job in jobs:
        rng = random.Random(job.seed)
        try:
            check_job(cfg, job, program=program, weather=None if LONG else (rng.choice([0, 3, 20]), rng.choice([0, 10, 50])))
        except AssertionError as err:
            raise AssertionError(f"{err}\n{cfg.verilog_parameters()}") from err


@pytest.mark.parametrize("seed", range(FIRST, FIRST + MACHINES))
def test_random_machine(seed: int, tmp_path: Path) -> None:
    """A machine of random parameters runs fully connected networks and convolutions."""
    cfg = draw(seed, SMALL if LONG or seed % 3 == 0 else {**SMALL, "CHUNK_W": 64})
    jobs = small_jobs(seed, cfg)
    if LONG:
        jobs += [random_conv_job(seed + i, cfg) if i % 2 else random_job(seed + i, cfg) for i in range(1, 7)]
    size = max(len(job.image) for job in jobs)
    check_machine(cfg, jobs, build(cfg, size) if LONG else build_icarus(cfg, tmp_path, size))


# what random machines brought to light
@pytest.mark.parametrize("change", [
    {"WINDOW": 4, "SLICE_W": 32},                              # more chunks in a window than slices in a chunk
    {"WINDOW": 4, "LAGGY": 0, "K_MAX": 128},                   # one window is a whole row
], ids=["window wider than its slices", "one window"])  # fmt: skip
def test_corner(change: dict[str, int], tmp_path: Path) -> None:
    cfg = load("tiny").override(**change)
    jobs = small_jobs(FIRST, cfg)
    check_machine(cfg, jobs, build_icarus(cfg, tmp_path, max(len(job.image) for job in jobs)))
