# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Proof that a netlist is the design: Yosys' netlist takes the RTL's place in the tests, and does what the golden model does.

Cells are simulated by Yosys' own models; fpga/sim has those of block RAM and multiplier, for which Yosys has none. That of the block RAM
returns the complement of what is written when the other port reads it at the same time: so a design that depends on such a
collision, which loas_ram tells Yosys not to care for, fails here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import pyosys
from filelock import FileLock

from golden.compare import compare
from golden.config import Config, load
from golden.errors import LoasError
from scripts import fpga, simulate
from verif.mutant_proof import abc

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "netlist"
SHARE = Path(pyosys.__file__).parent / "share"
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    # synthesis, files with Yosys' models, and ours
    "ecp5": ("synth_ecp5", ("lattice/common_sim.vh", "lattice/ccu2c_sim.vh")),
    "ice40": ("synth_ice40 -device u -dsp", ("ice40/cells_sim.v",)),
}
# Of the netlist only: Yosys leaves pins of cells open, its models of cells mix widths and assign late at the start, and a flat netlist
# joins what were vectors, which looks like a loop from the testbench's side of its ports.
RULES = ("PINMISSING", "WIDTHEXPAND", "WIDTHTRUNC", "UNOPTFLAT", "INITIALDLY")
WAIVER = "\n".join(["`verilator_config", *(f'lint_off -rule {rule} -file "*/loas_top.v"' for rule in RULES),
                    'lint_off -rule UNOPTFLAT -file "*/loas_system.v" -match "*m_axi_*"', ""])  # fmt: skip
OURS = {"ecp5": ("DP16KD", "MULT18X18D"), "ice40": ()}


def cells(family: str, used: set[str]) -> str:
    """Verilog of the cells that a netlist uses and of those they are made of, without their delays.

    Raises:
        fpga.BuildError: There is no model of a cell.
    """
    text = "\n".join((SHARE / file).read_text() for file in FAMILIES[family][1])
    modules = {m.group(1): m.group(0) for m in re.finditer(r"^module\s+\\?(\S+?)\s*\(.*?^endmodule", text, re.M | re.S)}
    modules |= {name: (ROOT / "fpga" / "sim" / f"{name}.v").read_text() for name in OURS[family]}
    defines = text[: re.search(r"^module\b", text, re.M).start()] if family == "ice40" else ""  # type: ignore[union-attr]
    wanted, todo = [], sorted(used)
    while todo:
        name = todo.pop(0)
        if name in wanted:
            continue
        if name not in modules:
            raise fpga.BuildError(f"there is no model of cell {name}: add fpga/sim/{name}.v")
        wanted.append(name)
        body = modules[name]
        todo += [other for other in modules if other != name and re.search(rf"\b{other}\s*(#\s*\(|\w+\s*\()", body)]
    bodies = [re.sub(r"^\s*specify\b.*?\bendspecify\b", "", modules[name], flags=re.M | re.S) for name in wanted]
    defines = "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + defines if family == "ice40" else defines  # which are SystemVerilog
    return defines + "`timescale 1ns / 1ps\n" + "\n\n".join(bodies) + "\n"


def wrapper(source: str, top: str) -> str:
    """A module with the ports and parameters of `top` around `<top>_gates`, which has no parameters."""
    header = source[source.index(f"module {top}") :]
    header = header[: header.index("\n);") + 3].replace("output reg ", "output wire ")
    ports = re.findall(r"^\s*(?:input|output|inout)\s+wire\s+(?:\[[^\n]*?\]\s*)?(\w+)\s*,?\s*(?://[^\n]*)?$", header, re.M)
    connected = ", ".join(f".{port}({port})" for port in ports)
    return f'`include "loas_defs.vh"\n{header}\n    {top}_gates gates_inst ({connected});\nendmodule\n'


def netlist(top: str, parameters: Mapping[str, int], family: str, say: Callable[[str], None] | None = None) -> Path:
    """Synthesises a module of rtl/ and writes its netlist as Verilog, behind ports and parameters of the module itself.

    Args:
        top: The module.
        parameters: Of it.
        family: "ecp5" or "ice40".
        say: Called with progress messages.

    Returns:
        A file <top>.v that takes the place of rtl's, cells included. Found again when nothing has changed.

    Raises:
        fpga.BuildError: Yosys failed.
    """
    files = sorted((ROOT / "rtl").rglob("*.v"))
    key = hashlib.sha256(repr((top, sorted(parameters.items()), FAMILIES[family])).encode() + Path(__file__).read_bytes())
    for path in [*files, *sorted((ROOT / "rtl").rglob("*.vh")), *(ROOT / "fpga" / "sim" / f"{name}.v" for name in OURS[family])]:
        key.update(path.name.encode() + path.read_bytes())
    folder = BUILD / f"{top}-{family}-{key.hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        out = folder / f"{top}.v"
        if out.exists():
            return out
        if say:
            say(f"Yosys: {top} for {family}")
        fpga.run_yosys([*fpga.reading(files, top, parameters), f"{FAMILIES[family][0]} -top {top} -run begin:json", "delete t:$scopeinfo",
                        f"rename {top} {top}_gates", "write_verilog -noattr gates.v"], folder, "yosys")  # fmt: skip
        gates = (folder / "gates.v").read_text()
        used = set(re.findall(r"^  ([A-Z]\w+) (?:#\(|\\?\S+\s+\()", gates, re.M)) - {"assign"}
        source = next(path for path in files if path.stem == top).read_text()
        part = out.with_suffix(".part")
        part.write_text("\n".join(["`timescale 1ns / 1ps", wrapper(source, top), gates, cells(family, used)]))
        part.replace(out)
    return out


def equal(top: str, parameters: Mapping[str, int], family: str, breakage: Sequence[str] = ()) -> None:
    """Proves that the netlist of a small module of rtl/ is its RTL, for ever, by Yosys and ABC.

    Both get the same inputs and start with all registers zero. What a stream carries (``m_*``) is compared while ``m_valid`` is high:
    before, Yosys may have replaced what no reset sets.

    Args:
        top: The module, without block RAM.
        parameters: Of it.
        family: "ecp5" or "ice40".
        breakage: Yosys commands that change the netlist, for a proof that must fail.

    Raises:
        fpga.BuildError: They differ, a proof was not found, or a tool failed.
    """
    gates = netlist(top, parameters, family)
    with tempfile.TemporaryDirectory(prefix="loas-") as name:
        folder = Path(name)
        flat = [f"hierarchy -check -top {top}", "proc", "flatten", "memory_map", "opt_expr", "opt_clean"]
        files = sorted((ROOT / "rtl").rglob("*.v"))
        fpga.run_yosys([*fpga.reading(files, top, parameters), *flat, "rename -top gold", "write_json gold.json", "design -reset",
                        *fpga.reading([gates], top, parameters), *flat, *breakage, "rename -top gate", "write_json gate.json"],
                       folder, "sides")  # fmt: skip
        ports = json.loads((folder / "gold.json").read_text())["modules"]["gold"]["ports"]
        width = {port: len(value["bits"]) for port, value in ports.items()}
        inputs = [port for port in ports if ports[port]["direction"] == "input"]
        outputs = [port for port in ports if port not in inputs]
        text = [f"module miter ({', '.join(f'input wire [{width[port] - 1}:0] {port}' for port in inputs)}, output wire bad);"]
        for side in ("gold", "gate"):
            text += [f"wire [{width[port] - 1}:0] {side}_{port};" for port in outputs]
            connected = [f".{port}({port})" for port in inputs] + [f".{port}({side}_{port})" for port in outputs]
            text.append(f"{side} {side}_inst ({', '.join(connected)});")
        streamed = {port for port in outputs if port.startswith("m_") and port != "m_valid"} if "m_valid" in outputs else set()
        differ = [f"(gold_{port} != gate_{port}{' && gold_m_valid' if port in streamed else ''})" for port in outputs]
        (folder / "miter.v").write_text("\n".join([*text, f"assign bad = {' || '.join(differ)};", "endmodule", ""]))
        fpga.run_yosys(["read_json gold.json", "read_json gate.json", "read_verilog miter.v", "hierarchy -check -top miter", "proc",
                        "flatten", "async2sync", "setattr -unset init", "techmap", "opt -fast", "dffunmap", "zinit -all", "simplemap",
                        "setundef -zero", "aigmap", "opt_clean", "write_aiger -zinit miter.aig"], folder, "miter")  # fmt: skip
        log = abc(f"read_aiger {folder / 'miter.aig'}; strash; scorr; strash; dprove; pdr -T 60", folder / "abc.log", 240)
    if not re.search(r"^UNSATISFIABLE|^Property proved|^Networks are equivalent", log, re.M):
        found = [line for line in log.splitlines() if "asserted" in line or "SATISFIABLE" in line] or ["no proof found"]
        raise fpga.BuildError(f"netlist of {top} {dict(parameters)} for {family}: {found[0].strip()}")


def build(cfg: Config, family: str, size: int, say: Callable[[str], None]) -> Path:
    """Verilator's executable of loas_tb with the netlist of the whole machine in place of its RTL.

    Raises:
        fpga.BuildError: Yosys failed.
        simulate.SimulationError: Verilator failed.
    """
    gates = netlist("loas_top", cfg.verilog_parameters(), family, say)
    program = gates.parent / f"loas_tb-{simulate.memory_bytes(size)}"
    with FileLock(gates.parent / ".lock"):
        if program.exists():
            return program
        say("building the netlist with Verilator")
        from scripts.verilator import verilator_env

        verilator_env()
        mdir = gates.parent / "obj"
        shutil.rmtree(mdir, ignore_errors=True)
        parameters = {**cfg.verilog_parameters(), "MEM_BYTES": simulate.memory_bytes(size)}
        bench = [path for path in simulate.sources() if path.parent.name == "rtl" and path.parent.parent.name == "verif"]
        waiver = gates.with_suffix(".vlt")
        waiver.write_text(WAIVER)
        command = ["verilator", *simulate.FLAGS, str(waiver), *(f"-G{k}={v}" for k, v in parameters.items()), f"-I{ROOT / 'rtl'}",
                   "--top-module", "loas_tb", "--Mdir", str(mdir), "-o", "loas_tb", str(gates), *map(str, bench)]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=gates.parent)
        (gates.parent / "build.log").write_text(done.stdout)
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "rror" in line] or done.stdout.splitlines()
            raise simulate.SimulationError(f"Verilator failed, see {gates.parent / 'build.log'}:\n" + "\n".join(errors[:10]))
        (mdir / "loas_tb").replace(program)
        shutil.rmtree(mdir, ignore_errors=True)
    return program


def prove(cfg: Config, family: str, seeds: range, say: Callable[[str], None]) -> int:
    """Runs random networks on the netlist; every output of every layer is compared with the golden model.

    Returns:
        Outputs compared.

    Raises:
        fpga.BuildError: An output differs, or the machine ended with an error.
    """
    from golden.random_networks import random_conv_job, random_job

    jobs = [job(seed, cfg) for seed in seeds for job in (random_job, random_conv_job)]
    program = build(cfg, family, max(len(job.image) for job in jobs), say)
    compared = cycles = 0
    begin = time.perf_counter()
    for job in jobs:
        result = simulate.run(program, cfg, job.image, latency=2 + job.seed % 5, stall=10 * (job.seed % 3), seed=job.seed,
                              max_cycles=5_000_000)  # fmt: skip
        if not result.ok:
            raise fpga.BuildError(f"netlist of {cfg.name} for {family}, seed {job.seed}: {result.describe()}")
        report = compare(result.memory, job.network, job.spikes, job.golden, cfg)
        if report.mismatches:
            raise fpga.BuildError(f"netlist of {cfg.name} for {family}, seed {job.seed}: {report.mismatches} differ: {report.first[0]}")
        compared, cycles = compared + report.compared, cycles + result.cycles
    say(f"{cfg.name} for {family}: {len(jobs)} networks, {compared} outputs, 0 mismatches, {cycles} cycles "
        f"in {time.perf_counter() - begin:.0f} s")  # fmt: skip
    return compared


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[BOARD]...", nargs=-1)
@click.option("--family", type=click.Choice(list(FAMILIES)), help="Cells; by default the board's own.")
@click.option("--seeds", type=click.IntRange(1, 10_000), default=5, show_default=True, help="Two random networks for each.")
@click.option("--first", type=click.IntRange(0, 1 << 30), default=1, show_default=True, help="First seed.")
def main(names: tuple[str, ...], family: str | None, seeds: int, first: int) -> None:
    """Simulates the netlists of the machines of BOARDs (all) against the golden model: minutes for each.

    Example: python -m verif.netlist icebreaker --seeds 20

    Exit code: 0 all equal, 1 a difference or a tool failed, 2 bad input.
    """
    try:
        for name in names or fpga.boards():
            board = fpga.Board.load(name)
            prove(load(board.cfg.name), family or board.family, range(first, first + seeds), click.echo)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except (fpga.BuildError, simulate.SimulationError) as err:
        raise click.ClickException(str(err)) from err


if __name__ == "__main__":
    main()
