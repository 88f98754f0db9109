"""Faults in the design that the tests must find: `python -m verif.mutate` (or `make mutants`).

Hand-made ones are texts in verif/mutants.toml, applied to a copy of rtl/ and run through the block's own test on Icarus.
Generated ones (Yosys `mutate`) are all in one netlist behind a select port; one Verilator simulation walks through them
(verif/mutant_loop.py). The unmutated design must pass on the same path first. A generated mutant that no test finds must be
proven equivalent (verif/mutant_proof.py).

Every result is written as soon as it is known: an interrupted run goes on where it was, as long as design and tests are the
same (`--fresh` starts again).
"""
from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from verif.mutant_proof import Design, Verdict, YosysError, prove, yosys

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
    # of the proofs, see verif/mutant_proof.py
    observed: dict[str, list[str]] = field(default_factory=dict)   # outputs that mean something only while the key is high
    guards: Sequence[str] = ("valid_reg$",)
    harness: Path | None = None
    relations: Sequence[Sequence[str]] = ()


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
    equivalent: list[str] = field(default_factory=list)   # proven
    survivors: list[str] = field(default_factory=list)
    seconds: float = 0.0   # of this run


def load(path: Path = MUTANTS) -> tuple[dict[str, Block], list[Mutant]]:
    """Reads blocks and hand-made mutants.

    Raises:
        MutantError: a mutant's block is unknown, two have one name, or its text is not exactly once in its file.
    """
    with path.open("rb") as file:
        data = tomllib.load(file)
    blocks = {}
    for name, b in data["block"].items():
        if "harness" in b:
            b["harness"] = ROOT / b["harness"]
        b["sources"] = tuple(ROOT / s for s in b.get("sources", ()))
        blocks[name] = Block(name=name, **b)
    mutants = [Mutant(**m) for m in data["mutant"]]
    for m in mutants:
        if m.block not in blocks:
            raise MutantError(f"{path.name}: mutant '{m.name}' is of an unknown block '{m.block}'")
        if (found := (ROOT / m.file).read_text().count(m.old)) != 1:
            raise MutantError(f"{path.name}: mutant '{m.name}': its text is {found} times in {m.file}, not once")
    if len({m.name for m in mutants}) != len(mutants):
        raise MutantError(f"{path.name}: two mutants have one name")
    return blocks, mutants


class Journal:
    """Results of a run in a file of JSON lines, added to at once; those of another `key` are forgotten."""

    def __init__(self, path: Path, key: str, fresh: bool = False) -> None:
        self.path = path
        self.found: dict[str, Any] = {}
        self.refresh()
        old = {} if fresh or self.found.get("key") != key else self.found
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self.found = {}
        for name, value in {**old, "key": key}.items():
            self.add(name, value)

    def refresh(self) -> None:
        """Reads what another process has added."""
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            try:
                name, value = json.loads(line)
            except ValueError:   # a run was stopped in the middle of a line
                continue
            self.found[name] = value

    def add(self, name: str, value: Any) -> None:
        self.found[name] = value
        with self.path.open("a") as file:
            file.write(json.dumps([name, value]) + "\n")


def digest(files: Iterable[Path], *more: Any) -> str:
    """A name for the contents of files and anything else that decides a result."""
    found = hashlib.sha256(json.dumps(more, default=str).encode())
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()


def tests_of(block: Block) -> list[Path]:
    """The Python files that decide what a test of the block finds."""
    folders = [*(ROOT / "verif" / "lib").glob("*.py"), *(ROOT / "golden").glob("*.py")]
    return [*folders, ROOT / "verif" / f"{block.test}.py", ROOT / "verif" / "mutant_loop.py"]


def run_hand(block: Block, mutant: Mutant | None, folder: Path) -> bool:
    """Whether the block's test passes on a copy of rtl/ with the mutant's text.

    Raises:
        MutantError: the copy does not compile, which is no kill.
    """
    from verif.lib import sim

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "rtl", folder / "rtl")
    if mutant:
        file = folder / mutant.file
        file.write_text(file.read_text().replace(mutant.old, mutant.new))
    before = sim.RTL, sim.BUILD
    sim.RTL, sim.BUILD = folder / "rtl", folder
    try:
        sim.run(block.top, block.test, "icarus", block.parameters, sources=block.sources, seed=1,
                env={**block.env, "LOAS_DIR": str(folder)}, plusargs=[f"+dir={folder}"])  # fmt: skip  where a machine's images go
    except AssertionError:
        return False
    except (RuntimeError, subprocess.CalledProcessError) as error:
        raise MutantError(f"'{mutant.name if mutant else block.name}' cannot be built or run: {error}; see {folder}") from error
    finally:
        sim.RTL, sim.BUILD = before
    return True


def hand(block: Block, mutants: Sequence[Mutant], fresh: bool, console: Console) -> Iterator[tuple[str, bool]]:
    """Runs the block's mutants after the unmutated block; yields each with whether it was killed.

    Raises:
        MutantError: the unmutated design fails, or one does not compile.
    """
    mine = [m for m in mutants if m.block == block.name]
    sources = [*(ROOT / "rtl").rglob("*.v*"), *block.sources, *tests_of(block)]
    journal = Journal(BUILD / "hand" / f"{block.name}.jsonl", digest(sources, asdict(block)), fresh)
    if mine and "unmutated" not in journal.found:
        if not run_hand(block, None, BUILD / "hand" / f"{block.name}-0"):
            raise MutantError(f"{block.name}: the unmutated design fails")
        journal.add("unmutated", True)
    for i, m in enumerate(mine, 1):
        name = json.dumps(asdict(m))
        if name not in journal.found:
            folder = BUILD / "hand" / f"{block.name}-{i}"
            journal.add(name, not run_hand(block, m, folder))
            if journal.found[name]:
                shutil.rmtree(folder)
        killed = journal.found[name]
        console.print(f"{block.name:12} {'killed  ' if killed else '[red]SURVIVED[/red]'}  {m.name}", highlight=False, soft_wrap=True)
        yield m.name, killed


# ---------------------------------------------------------------- generated mutants
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
    # a netlist has no timescale, and cocotb's clock would fail: every mutant would look killed
    text = (folder / "mutants.v").read_text()
    (folder / "mutants.v").write_text("`timescale 1ns / 1ps\n" + text)
    return mutations


@contextmanager
def progress(journal: Journal, number: int, console: Console) -> Iterator[None]:
    """Says now and then how far a simulation is that adds to the journal."""
    done, start = threading.Event(), time.monotonic()

    def watch() -> None:
        while not done.wait(15):
            journal.refresh()
            by = [journal.found[str(n)] for n in range(1, number + 1) if str(n) in journal.found]
            console.print(f"{journal.path.parent.name:12} {len(by)} of {number} run, {sum(b is None for b in by)} not killed, "
                          f"{time.monotonic() - start:.0f} s", highlight=False, soft_wrap=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        journal.refresh()


def simulate(block: Block, number: int, folder: Path, fresh: bool, console: Console) -> list[str | None]:
    """One Verilator build, one simulation of all mutants; returns for each the failed test.

    Raises:
        MutantError: the unmutated design fails.
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    from scripts.verilator import verilator_env

    key = digest([folder / "mutants.v", *tests_of(block)], block.env, block.small)
    journal = Journal(folder / "killed.jsonl", key, fresh)

    def missing() -> list[int]:
        return [n for n in range(1, number + 1) if str(n) not in journal.found]

    if missing():
        verilator_env()
        runner = get_runner("verilator")
        env = {"LOAS_TARGET": block.test, "LOAS_MUTANTS": str(number), "LOAS_JOURNAL": str(journal.path), **block.env,
               **{f"LOAS_PARAM_{k}": str(v) for k, v in block.small.items()},
               "PYTHONPATH": str(ROOT)}
        # Of the netlist only: a fault may close a loop, which --converge-limit stops, and Yosys writes `!` of vectors.
        waiver = folder / "mutants.vlt"
        rules = "".join(f'lint_off -rule {rule} -file "*/mutants.v"\n' for rule in ("UNOPTFLAT", "WIDTHTRUNC"))
        waiver.write_text("`verilator_config\n" + rules)
        runner.build(sources=[folder / "mutants.v"], hdl_toplevel=block.top, build_dir=folder / "sim", always=True,
                     build_args=[str(waiver), "-O3", "--converge-limit", "1000", "-CFLAGS", "-O1"],
                     timescale=("1ns", "1ps"), log_file=folder / "build.log")
    stopped = None
    while missing():
        journal.add("running", 0)
        with progress(journal, number, console):
            try:
                results = runner.test(hdl_toplevel=block.top, test_module="verif.mutant_loop", build_dir=folder / "sim",
                                      test_dir=ROOT / "verif", seed=1, extra_env=env, results_xml=str(folder / "results.xml"),
                                      log_file=folder / "sim.log")
                passed = get_results(results) == (1, 0)
            except (RuntimeError, SystemExit):   # the simulation did not come to its end
                passed = False
        if not passed:
            # a mutant that stops the simulator itself (a loop of gates that swings), twice, is found too
            running = journal.found.get("running", 0)
            if running == 0:
                raise MutantError(f"{block.name}: the unmutated design fails in the netlist of the mutants; see {folder / 'sim.log'}")
            if running == stopped:
                journal.add(str(running), "the simulation itself stopped")
            stopped = running
    return [journal.found[str(n)] for n in range(1, number + 1)]


def generate(block: Block, number: int, seed: int, with_proof: bool, fresh: bool, console: Console) -> Iterator[Generated]:
    """All generated mutants of one block; yields the result whenever it has grown.

    Raises:
        MutantError: the unmutated design fails, or a proof holds for a mutant that a test has found.
    """
    start = time.monotonic()
    folder = BUILD / "generated" / block.name
    folder.mkdir(parents=True, exist_ok=True)
    result = Generated(block.name, number, seed)
    mutations = netlist(block, number, seed, folder)
    killed = simulate(block, number, folder, fresh, console)
    result.killed = sum(k is not None for k in killed)
    result.survivors = [f"{i}: {m}" for i, (m, by) in enumerate(zip(mutations, killed, strict=True), 1) if by is None]
    console.print(f"{block.name:12} {result.killed} of {number} generated mutants killed, {time.monotonic() - start:.0f} s")
    yield result
    design = Design(block.top, folder / "flat.il", block.harness, block.observed, block.guards, block.relations)
    key = digest([folder / "flat.il", ROOT / "verif" / "mutant_proof.py", *([block.harness] if block.harness else ())],
                 block.observed, block.guards, block.relations)
    journal = Journal(folder / "proofs.jsonl", key, fresh)

    def verdict(i: int) -> Verdict:
        if mutations[i] not in journal.found:
            journal.add(mutations[i], asdict(prove(design, mutations[i], folder / f"proof-{i + 1}")))
        return Verdict(**journal.found[mutations[i]])

    # what a test kills must not be proven: the proof itself is tried on the first one
    first = next((i for i, by in enumerate(killed) if by is not None), None)
    if with_proof and first is not None and verdict(first).equivalent:
        raise MutantError(f"{block.name}: mutant {first + 1} is killed and proven equivalent: {mutations[first]}")
    for i, (mutation, by) in enumerate(zip(mutations, killed, strict=True)):
        if by is not None:
            continue
        said = verdict(i) if with_proof else Verdict(False, "not tried")
        if said.equivalent:
            result.survivors.remove(f"{i + 1}: {mutation}")
            result.equivalent.append(f"{i + 1}: {mutation}")
        console.print(f"{block.name:12} {i + 1}: {'equivalent' if said.equivalent else '[red]SURVIVED[/red]'} ({said.by})  {mutation}",
                      highlight=False, soft_wrap=True)
        result.seconds = round(time.monotonic() - start, 1)
        yield result
    result.seconds = round(time.monotonic() - start, 1)
    yield result


def report(killed: dict[str, bool], generated: Sequence[Generated]) -> list[str]:
    """Writes result.json; returns the survivors."""
    survived = [n for n, k in killed.items() if not k] + [f"{g.block} {s}" for g in generated for s in g.survivors]
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "result.json").write_text(json.dumps(
        {"hand": killed, "generated": [asdict(g) for g in generated], "survived": survived}, indent=1) + "\n")
    return survived


@click.command(epilog="Example: python -m verif.mutate --block plif --number 300 --seed 2")
@click.option("--block", "names", multiple=True, help="Only this block; may be given several times.")
@click.option("--number", default=300, show_default=True, help="Generated mutants of a block.")
@click.option("--seed", default=1, show_default=True, help="Seed of the choice of generated mutants.")
@click.option("--hand/--no-hand", "with_hand", default=True, help="Run the hand-made mutants.")
@click.option("--generated/--no-generated", "with_generated", default=True, help="Run the generated mutants.")
@click.option("--prove/--no-prove", "with_proof", default=True, help="Try to prove survivors equivalent.")
@click.option("--fresh", is_flag=True, help="Forget what earlier runs found.")
def main(names: tuple[str, ...], number: int, seed: int, with_hand: bool, with_generated: bool, with_proof: bool, fresh: bool) -> None:
    """Hand-made and generated faults; the tests must find every one that is not proven equivalent."""
    console = Console()
    killed: dict[str, bool] = {}
    generated: dict[str, Generated] = {}
    try:
        blocks, mutants = load()
        if unknown := set(names) - set(blocks):
            raise MutantError(f"unknown block {', '.join(sorted(unknown))}; there are {', '.join(blocks)}")
        chosen = [b for n, b in blocks.items() if not names or n in names]
        for block in chosen if with_hand else ():
            for name, by_test in hand(block, mutants, fresh, console):
                killed[name] = by_test
                report(killed, list(generated.values()))
        for block in chosen if with_generated else ():
            for result in generate(block, number, seed, with_proof, fresh, console) if block.small else ():
                generated[block.name] = result
                report(killed, list(generated.values()))
    except (MutantError, YosysError) as error:
        raise click.ClickException(str(error)) from error
    table = Table("block", "mutants", "number", "killed", "equivalent", "survived", title="mutants")
    for block in chosen:
        mine = [killed[m.name] for m in mutants if m.block == block.name and m.name in killed]
        if mine:
            table.add_row(block.name, "by hand", str(len(mine)), str(sum(mine)), "0", str(len(mine) - sum(mine)))
        if g := generated.get(block.name):
            table.add_row(g.block, "generated", str(g.number), str(g.killed), str(len(g.equivalent)), str(len(g.survivors)))
    console.print(table)
    if survived := report(killed, list(generated.values())):
        raise click.ClickException(f"{len(survived)} mutants survived; see {BUILD.relative_to(ROOT) / 'result.json'}")


if __name__ == "__main__":
    main()
