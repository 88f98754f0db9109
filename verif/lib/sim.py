"""Build and run one cocotb test module on one simulator.

Every test goes through `run`: it finds the RTL, gives both simulators strict Verilog-2005, keeps one build directory per
(simulator, toplevel, parameters, sources), locks it against parallel pytest workers, and says what failed, where, with which
seed, and how to repeat it.
"""
from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from filelock import FileLock

from scripts.verilator import verilator_env

ROOT = Path(__file__).resolve().parents[2]
RTL = ROOT / "rtl"
CHAINS = ROOT / "verif" / "rtl" / "chains.vlt"
FPGA = ROOT / "fpga" / "rtl"
BUILD = ROOT / "build" / "sim"
WAVES = ROOT / "build" / "waves"
SIMULATORS = ("icarus", "verilator")


def rtl_sources() -> list[Path]:
    """All RTL files, one module each; unused modules cost nothing."""
    return sorted(RTL.rglob("*.v"))


def repeat() -> str:
    """The command that runs the present pytest test, or else this program, again: same place, seed and size."""
    node = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    command = [sys.executable, "-m", "pytest", "-n", "0", node] if node else sys.orig_argv
    setting = {"LOAS_SEED": "1", **{name: value for name, value in sorted(os.environ.items()) if name.startswith(("LOAS_", "COCOTB_"))}}
    folder = ROOT if node else Path.cwd()
    return " ".join(["cd", shlex.quote(str(folder)), "&&", *(f"{name}={shlex.quote(value)}" for name, value in setting.items()),
                     shlex.join(command)])  # fmt: skip


def reasons(log: Path, most: int = 3) -> str:
    """What failed tests said in the log of a simulation: name and traceback of the first ones; the end of a log without any."""
    if not log.is_file():
        return "there is no log"
    lines = log.read_text(errors="replace").splitlines()
    found: list[str] = []
    for number, line in enumerate(lines):
        if match := re.search(r" cocotb\.regression +(\S+) failed$", line):
            end = next((i for i in range(number + 1, len(lines)) if not lines[i].startswith(" " * 40)), len(lines))
            found.append(f"{match[1]}:\n" + textwrap.indent(textwrap.dedent("\n".join(lines[number + 1 : end])), "  "))
    return "\n".join(found[:most]) if found else "the log ends with\n" + "\n".join(lines[-20:])


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
        test_module: name of the cocotb test module in verif/.
        sim: "icarus" or "verilator".
        parameters: Verilog parameters of the top module.
        sources: Verilog files beside those of rtl/ (testbench tops, memories); one with the name of a file of rtl/ takes its place.
        seed: random seed; LOAS_SEED or 1 when not given.
        testcase: run this one cocotb test only.
        waves: keep a waveform in build/waves (Verilator only: cocotb's Icarus dump module is SystemVerilog).
        env: more environment for the test, for instance the size of a random run.
        plusargs: more `+name=value` arguments of the simulation.

    Raises:
        AssertionError: a cocotb test failed, or none ran: place, expected, got, seed, log, and the command that repeats it.
    """
    __tracebackhide__ = True  # what counts is in the message
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
        # cocotb would make every signal of the design public; tests see those of the top and of the testbench's own modules, and the
        # rest is optimised and quick to compile
        modules = dict.fromkeys([toplevel, *(path.stem for path in sources if path.parent == ROOT / "verif" / "rtl")])
        seen = build_dir / "seen.vlt"
        seen.write_text("`verilator_config\n" + "".join(f'public_flat_rw -module "{name}" -var "*"\n' for name in modules))
        # any warning stops the build, but for the signals that the .vlt file names
        args = [str(CHAINS), "--default-language", "1364-2005", "--x-assign", "unique", "--x-initial", "unique", "-O3"]
        if not waves:
            args += [str(seen), "--no-public-flat-rw"]
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
    log, xml = build_dir / f"{name}.log", build_dir / f"{name}.xml"
    log.unlink(missing_ok=True)
    ended = ""
    try:
        runner.test(
            hdl_toplevel=toplevel,
            test_module=f"verif.{test_module}",
            build_dir=build_dir,
            test_dir=ROOT / "verif",
            results_xml=str(xml),
            seed=seed,
            testcase=testcase,
            plusargs=[*plus, *plusargs],
            waves=waves,
            test_args=test_args,
            extra_env={"PYTHONPATH": str(ROOT), **(env or {})},
            log_file=log,
        )
    except (SystemExit, RuntimeError) as error:  # under pytest the runner exits when a test failed, and says nothing
        ended = f", the simulation ended with: {error}"
    tests, failed = get_results(xml) if xml.is_file() else (0, 0)
    if tests == 0 or failed or ended:
        what = f"{failed} of {tests} cocotb tests of {test_module} failed" if tests else f"{test_module}: no cocotb test ran"
        raise AssertionError(f"{what} on {sim}, {toplevel} with {parameters}{'' if failed else ended}\n{reasons(log)}\n"
                             f"seed: {seed}\nlog: {log}\nrepeat with: {repeat()}")  # fmt: skip
