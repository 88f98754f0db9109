# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Area and delay by synthesis: a TPPE part by part, and the whole machine, for ECP5 and for an open standard-cell library.

Every point is one run of Yosys (scripts/synthesis.py) and is kept under ``build/area/points`` by a hash of sources, parameters and
library, so that an interrupted run goes on where it was. docs/area.md is written from the result.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.config import Config, load
from golden.errors import LoasError
from scripts.digest import file_digest
from scripts.execute import make_room, write_json
from scripts.fpga import parameter_names
from scripts.simulate import ROOT, write_whole
from scripts.synthesis import ECP5, OSU018, TECHNOLOGIES, base_name

LIBERTY = "usr/share/qflow/tech/osu018/osu018_stdcells.lib"
PACKAGE = "qflow-tech-osu018"
BUILD = ROOT / "build/area"
DRIVE = "set_driving_cell BUFX2\nset_load 15\n"  # what ABC sizes for: a buffer in front of inputs, 15 fF behind outputs
MODES = {
    "LAGGY": {"LAGGY": 1},
    "FAST": {"LAGGY": 0},
    "SparTen": {"LAGGY": 0, "SEQUENTIAL": 1, "WINDOW": 1},
    "LAGGY, window of one chunk": {"LAGGY": 1, "WINDOW": 1},
    "FAST, window of one chunk": {"LAGGY": 0, "WINDOW": 1},
}
MORE = tuple(MODES)[3:]  # of the configuration's T only
TIMESTEPS = (4, 8, 16)
TPPE, MACHINE, NETWORK = "tppe", "machine", "prefix network"
NETWORK_W = 128
# stay apart in a TPPE, so that they can be weighed
TPPE_APART = (
    "loas_prefix_fast",
    "loas_prefix_laggy",
    "loas_join/*match_inst",
    "loas_join/*ones_inst",
    "loas_sparten_join/*match_inst",
    "loas_sparten_join/*ones_inst",
    "loas_fifo",
    "loas_join",
    "loas_join_laggy",
    "loas_join_fast",
    "loas_sparten_planes",
    "loas_sparten_join",
    "loas_sparten_weights",
    "loas_sparten_sums",
    "loas_row_buffer",
    "loas_index_decode",
    "loas_stream_reader",
    "loas_window",
)
MACHINE_APART = (
    "loas_tppe",
    "loas_plif",
    "loas_state_writer",
    "loas_out_slice",
    "loas_out_buffer",
    "loas_compressor",
    "loas_write_mux",
    "loas_fiber_cache",
    "loas_crossbar",
    "loas_cache_bank",
    "loas_cache_fill",
    "loas_axi_read",
    "loas_axi_write",
    "loas_axil_regs",
    "loas_control",
    "loas_scheduler",
    "loas_perf",
)
# (part, path of instances in the TPPE), first that fits; what lies below an instance belongs to it unless it has a part of its own
PARTS = (
    ("fast prefix sum over B", r".*join_inst\.prefix_b_inst"),
    ("fast prefix sum over A", r".*join_inst\.(gen_fast\.)?prefix_a_inst"),
    ("prefix sum of a slice of A", r".*join_inst\.gen_laggy\.prefix_a_inst"),
    ("laggy prefix sum", r".*row_inst\..*prefix_inst"),
    ("priority encoders", r".*join_inst\..*match_inst"),
    ("popcounts of a window", r".*join_inst\..*ones_inst"),
    ("match and weight FIFOs", r".*_fifo_inst"),
    ("accumulators", r".*(back|sums)_inst"),
    ("planes of a row (SparTen)", r".*planes_inst"),
    ("lines of a window's weights (SparTen)", r".*rival_inst\.weights_inst"),
    ("join, rest", r".*join_inst"),
    ("row buffer", r".*row_inst"),
    ("index decoder", r".*decode_inst"),
    ("line buffers of records, masks, weights, membranes", r".*(params|masks|state|weights)_inst"),
    ("walks over a convolution's window", r".*(window|scout)_inst"),
    ("tasks, cache port", r""),
)


@dataclass(frozen=True)
class Point:
    """One synthesis.

    Attributes:
        kind: TPPE (with its parts apart), MACHINE (with its blocks apart), or NETWORK (for comparison).
        mode: One of MODES.
        technology: ECP5 or OSU018.
        cfg: Configuration.
        parameters: Of the top module.
    """

    kind: str
    mode: str
    technology: str
    cfg: Config
    parameters: dict[str, int]

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join([self.kind, *([self.mode, f"T = {self.cfg.T}"] if self.mode else []), self.technology])

    @property
    def top(self) -> str:
        """Module."""
        return {TPPE: "loas_tppe", MACHINE: "loas_top", NETWORK: "loas_prefix_network"}[self.kind]

    def job(self, liberty: Path | None) -> dict[str, Any]:
        """For scripts/synthesis.py."""
        return {
            "sources": [str(BUILD / "network.v")] if self.kind == NETWORK else [str(path) for path in sources() if path.suffix == ".v"],
            "include": str(ROOT / "rtl"),
            "top": self.top,
            "parameters": self.parameters,
            "apart": list(TPPE_APART if self.kind == TPPE else MACHINE_APART),
            "technology": self.technology,
            "liberty": str(liberty),
            "constraints": str(BUILD / "drive.constr"),
        }


class SynthesisError(RuntimeError):
    """Yosys failed, or took too long."""


def sources() -> list[Path]:
    """All RTL files."""
    return sorted((ROOT / "rtl").rglob("*.v")) + sorted((ROOT / "rtl").rglob("*.vh"))


def network_verilog(width: int) -> str:
    """A parallel prefix network with an output for each position, as a fast prefix sum is published: Sklansky's, an adder a node.

    It is no part of the machine, which asks for one position at a time; it says what a prefix sum takes that answers all at once.

    Args:
        width: Of the mask, a power of two.
    """
    bits = width.bit_length()
    lines = [
        f"module loas_prefix_network (input wire [{width - 1}:0] mask, output wire [{width * bits - 1}:0] sums);",
        *(f"    wire [0:0] s0_{i} = mask[{i}];" for i in range(width)),
    ]
    for level in range(1, bits):
        half = 1 << level - 1
        for i in range(width):
            # the upper half of each block adds the sum of the lower half
            here = f"s{level - 1}_{i}" + (f" + s{level - 1}_{(i // half) * half - 1}" if i & half else "")
            lines.append(f"    wire [{level}:0] s{level}_{i} = {here};")
    lines += [f"    assign sums[{i * bits} +: {bits}] = s{bits - 1}_{i};" for i in range(width)]
    return "\n".join([*lines, "endmodule", ""])


def parameters_of(module: str) -> set[str]:
    """Names of a module's parameters."""
    return set(parameter_names(next(path for path in sources() if path.stem == module)))


def points(
    cfg: Config, kinds: tuple[str, ...], modes: tuple[str, ...], technologies: tuple[str, ...], T: tuple[int, ...]
) -> Iterator[Point]:
    """All that these choices say. Without T a TPPE has TIMESTEPS, the machine the configuration's; at another T it is in LAGGY only, since
    a point takes half an hour."""
    for kind in kinds:
        if kind == NETWORK:
            yield from (Point(kind, "", technology, cfg, {}) for technology in technologies)
            continue
        have = parameters_of("loas_tppe" if kind == TPPE else "loas_top")
        for technology in technologies:
            for steps in T or (TIMESTEPS if kind == TPPE else (cfg.T,)):
                for mode in modes:
                    if mode in MORE and (kind == MACHINE or steps != cfg.T) or kind == MACHINE and mode != "LAGGY" and steps != cfg.T:
                        continue
                    changed = cfg.override(**{**MODES[mode], "T": steps})
                    chosen = {key: value for key, value in changed.verilog_parameters().items() if key in have}
                    yield Point(kind, mode, technology, changed, chosen)


def find_liberty() -> Path | None:
    """The standard-cell library: installed, or unpacked by ``make area``."""
    for root in (Path("/"), BUILD / "cells"):
        if (root / LIBERTY).exists():
            return root / LIBERTY
    return None


def cell_areas(liberty: Path) -> dict[str, float]:
    """Area of each cell of a liberty file.

    Raises:
        LoasError: There is none.
    """
    text = liberty.read_text(encoding="utf-8", errors="replace")
    found = {name: float(area) for name, area in re.findall(r"\bcell\s*\(\s*\"?(\w+)\"?\s*\)\s*\{[^{}]*?\barea\s*:\s*([\d.]+)", text)}
    if not found:
        raise LoasError(f"{liberty}: has no cell with an area: must be a liberty file")
    return found


def weigh(cells: dict[str, int], macros: list[list[int]], technology: str, areas: dict[str, float]) -> dict[str, float]:
    """Library cells as amounts.

    Returns:
        ECP5: ``lut4`` (two for a CCU2C, four for a TRELLIS_DPR16X4), ``ff``, ``dsp``, ``ebr``. OSU018: ``area`` (square micrometres),
        ``ff``, ``ram_bits`` (RAM macros, in no area).

    Raises:
        LoasError: A cell that the library does not have.
    """
    if technology == ECP5:
        get = cells.get
        return {
            "lut4": get("LUT4", 0) + 2 * get("CCU2C", 0) + 4 * get("TRELLIS_DPR16X4", 0),
            "ff": get("TRELLIS_FF", 0),
            "dsp": get("MULT18X18D", 0) + get("ALU54B", 0),
            "ebr": get("DP16KD", 0) + get("PDPW16KD", 0),
        }
    unknown = sorted(set(cells) - set(areas))
    if unknown:
        raise LoasError(f"netlist: cell {unknown[0]} is not legal: must be of the library")
    return {
        "area": sum(areas[kind] * count for kind, count in cells.items()),
        "ff": sum(count for kind, count in cells.items() if kind.startswith("DFF")),
        "ram_bits": sum(w * d for w, d in macros),
    }


def add(into: dict[str, float], what: dict[str, float]) -> None:
    """Adds amounts."""
    for key, value in what.items():
        into[key] = into.get(key, 0) + value


def part_of(path: str) -> str:
    """The part of a TPPE that an instance path belongs to: that of the longest front of it that has one."""
    steps = path.split("/") if path else []
    for length in range(len(steps), 0, -1):
        text = ".".join(steps[:length])
        for name, pattern in PARTS[:-1]:
            if re.fullmatch(pattern, text):
                return name
    return PARTS[-1][0]


def divide(netlist: dict[str, Any], kind: str, technology: str, areas: dict[str, float]) -> dict[str, dict[str, float]]:
    """Amounts of every part (of a TPPE) or block (of the machine), with ``count`` of instances; ``all`` has the sums."""
    found: dict[str, dict[str, float]] = {}
    modules = netlist["modules"]

    def walk(name: str, path: list[str], block: str) -> None:
        module = modules[name]
        own = weigh(module["cells"], module["macros"], technology, areas)
        part = part_of("/".join(path)) if kind == TPPE else block
        add(found.setdefault(part, {}), own)
        add(found.setdefault("all", {}), own)
        for instance, below in module["instances"]:
            inner = block if path and block != "loas_fiber_cache" else modules[below]["base"]
            if kind == MACHINE and inner != block:
                add(found.setdefault(inner, {}), {"count": 1})
            walk(below, [*path, instance], inner)

    walk(netlist["top"], [], "top level")
    return found


def delays(log: str) -> dict[str, float]:
    """Nanoseconds through the logic of each module, by ABC, without wires: (base name, largest)."""
    found: dict[str, float] = {}
    waiting: list[str] = []
    for line in log.splitlines():
        if name := re.search(r"Extracting gate netlist of module `(.*)' to", line):
            waiting.append(base_name(name.group(1)))
        elif "Don't call ABC" in line and waiting:
            waiting.pop()
        elif (delay := re.search(r"ABC: .*\bDelay =\s*([\d.]+) ps", line)) and waiting:
            name_ = waiting.pop(0)
            found[name_] = max(found.get(name_, 0.0), round(float(delay.group(1)) / 1000, 3))
    return found


def digest(point: Point, liberty: Path | None) -> str:
    """Of all that a point's result follows from."""
    job = point.job(None)
    text = repr((point.kind, point.top, sorted(point.parameters.items()), job["apart"], point.technology, DRIVE, PARTS))
    if point.kind == NETWORK:
        text += network_verilog(NETWORK_W)
    files = [
        *(sources() if point.kind != NETWORK else []),
        ROOT / "scripts/synthesis.py",
        *([liberty] if liberty and point.technology == OSU018 else []),
    ]
    return hashlib.sha256((text + file_digest(files)).encode()).hexdigest()[:16]


def synthesize(point: Point, liberty: Path | None, timeout: float) -> dict[str, Any]:
    """Runs a point, or finds it done.

    Raises:
        SynthesisError: Yosys failed or took too long; names the log.
    """
    store = BUILD / "points" / f"{digest(point, liberty)}.json"
    if store.exists():
        return dict(json.loads(store.read_text(encoding="utf-8")))
    store.parent.mkdir(parents=True, exist_ok=True)
    write_whole(BUILD / "drive.constr", DRIVE.encode())
    write_whole(BUILD / "network.v", network_verilog(NETWORK_W).encode())
    job, netlist, log = (store.with_suffix(suffix) for suffix in (".job", ".netlist", ".log"))
    write_whole(job, json.dumps(point.job(liberty)).encode())
    begin = time.perf_counter()
    try:
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                [sys.executable, "-m", "scripts.synthesis", str(job), str(netlist)],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                timeout=timeout,
                check=False,
            )
    except subprocess.TimeoutExpired as err:
        raise SynthesisError(f"{point.name}: not synthesized after {timeout:g} s, see {log}: must be given more by --timeout") from err
    text = log.read_text(encoding="utf-8", errors="replace")
    if done.returncode or "loas_synthesis: complete" not in text:
        last = [line for line in text.splitlines() if "error" in line.lower()][-1:] or text.splitlines()[-1:] or ["no output"]
        raise SynthesisError(f"{point.name}: Yosys failed, see {log}: {last[0]}")
    areas = cell_areas(liberty) if liberty and point.technology == OSU018 else {}
    parts = divide(json.loads(netlist.read_text(encoding="utf-8")), point.kind, point.technology, areas)
    value = {
        "kind": point.kind,
        "mode": point.mode,
        "technology": point.technology,
        "T": point.cfg.T,
        "config": point.cfg.name.rstrip("*"),
        "parameters": point.parameters,
        "parts": parts,
        "delay_ns": delays(text) if point.technology == OSU018 else {},
        "seconds": round(time.perf_counter() - begin, 1),
    }
    write_whole(store, json.dumps(value, indent=1).encode())
    netlist.unlink()
    return value


def table_of(value: dict[str, Any]) -> Table:
    """A line for each part of a point."""
    parts, whole = value["parts"], value["parts"]["all"]
    keys = ("lut4", "ff", "dsp", "ebr") if value["technology"] == ECP5 else ("area", "ff", "ram_bits")
    table = Table(title=f"{value['kind']}, {value['mode']}, T = {value['T']}, {value['technology']} ({value['seconds']} s)")
    table.add_column("part")
    for key in (*keys, f"% of {keys[0]}"):
        table.add_column(key, justify="right")
    for name, amounts in sorted(parts.items(), key=lambda item: (item[0] == "all", -item[1].get(keys[0], 0))):
        times = f" x{amounts['count']:.0f}" if amounts.get("count", 1) > 1 else ""
        table.add_row(
            name + times, *(f"{amounts.get(key, 0):.0f}" for key in keys), f"{100 * amounts.get(keys[0], 0) / whole[keys[0]]:.1f}"
        )
    return table


def run_points(
    chosen: list[Point], liberty: Path | None, timeout: float, console: Console, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """All points one after the other, with a bar (or a line a point where the output is no terminal)."""
    values = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} points"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("synthesis", total=len(chosen))
        for point in chosen:
            bar.update(task, description=point.name)
            value = synthesize(point, liberty, timeout)
            values.append(value)
            bar.advance(task)
            say(f"  {point.name}: {value['seconds']} s")
    return values


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only", "kinds", multiple=True, type=click.Choice([NETWORK, TPPE, MACHINE]), help="These only; may be repeated.  [default: all]"
)
@click.option("--mode", "modes", multiple=True, type=click.Choice(list(MODES)), help="These only; may be repeated.  [default: all]")
@click.option("--technology", "technologies", multiple=True, type=click.Choice(TECHNOLOGIES), help="These only.  [default: both]")
@click.option(
    "--T", "steps", multiple=True, type=click.IntRange(1, 16), help="Timesteps; may be repeated.  [default: TPPE 4 8 16, machine its own]"
)
@click.option("--config", default="paper", show_default=True, help="Named configuration of spec/configs.toml.")
@click.option("--timeout", type=click.IntRange(1, 100_000), default=3600, show_default=True, help="Seconds for a point.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="[default: build/area/result.json, which make bench reads; selection.json beside it where not all points are asked for]",
)
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables here, too (Markdown).")
def main(
    kinds: tuple[str, ...],
    modes: tuple[str, ...],
    technologies: tuple[str, ...],
    steps: tuple[int, ...],
    config: str,
    timeout: int,
    out: Path | None,
    page: Path | None,
) -> None:
    """Synthesize a TPPE and the whole machine with Yosys for ECP5 and OSU's 0.18 um cells, and say what each part takes.

    \b
    Example: python -m scripts.area --only tppe --technology osu018 --T 4

    Exit code: 0 done, 1 Yosys failed or took too long, 2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    try:
        cfg = load(config)
        out = out or BUILD / ("selection.json" if kinds or modes or technologies or steps else "result.json")
        for path in (out, page) if page else (out,):
            make_room(path)
        libraries = technologies or TECHNOLOGIES
        liberty = find_liberty()
        if OSU018 in libraries and liberty is None:
            raise LoasError(f"/{LIBERTY}: cannot be read: type make area, or as root: apt-get install {PACKAGE}")
        chosen = list(points(cfg, kinds or (NETWORK, TPPE, MACHINE), modes or tuple(MODES), libraries, steps))
        values = run_points(chosen, liberty, timeout, console, lambda text: console.print(text, markup=False))
        result = {"config": cfg.name, "yosys": yosys_version(), "command": command(), "constraints": DRIVE.split("\n")[:2],
                  "points": values}  # fmt: skip
        for value in values:
            console.print(table_of(value))
        write_json(out, result)
        if page:
            from scripts.area_page import page_of

            write_whole(page, page_of(result).encode())
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except SynthesisError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    console.print(f"{len(values)} points; written: {out}", markup=False)


def command() -> str:
    """As typed, for the page."""
    return shlex.join(["python", "-m", "scripts.area", *sys.argv[1:]])


def yosys_version() -> str:
    """Of the package that is used."""
    from importlib.metadata import version

    return f"pyosys {version('pyosys')}"


if __name__ == "__main__":
    main()
