# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""LoAS against SparTen-SNN, RTL against RTL: the layers of networks on both, with the same spikes, weights, cache and memory.

Both machines are simulated with windows of one and of two chunks; every output of every run is compared with the golden model.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from golden.compare import CATEGORIES
from golden.config import Config, load
from golden.errors import LoasError
from scripts.bench import machine
from scripts.execute import prepare, write_json
from scripts.nets import DATA, choose, inputs, make_jobs, result_of, run_all
from scripts.shapes import SHAPES, read_shapes
from scripts.simulate import LATENCY, ROOT, SimulationError, build

DEMANDED = 3.5  # speed-up of LoAS over SparTen-SNN, both networks in total
KINDS = {"conv": "convolutions", "full": "fully connected"}


@dataclass(frozen=True)
class Machine:
    """One of the machines compared.

    Attributes:
        name: In tables and in result.json.
        laggy: LoAS with speculation; else SparTen-SNN.
        window: Chunks that are looked at together.
    """

    name: str
    laggy: bool
    window: int

    def of(self, cfg: Config) -> Config:
        """The machine, with everything else from a configuration.

        Raises:
            ConfigError: The configuration cannot have this window.
        """
        return cfg.override(LAGGY=int(self.laggy), SEQUENTIAL=int(not self.laggy), WINDOW=self.window)


LOAS2, LOAS1 = Machine("LoAS, window 2", True, 2), Machine("LoAS, window 1", True, 1)
SPARTEN1, SPARTEN2 = Machine("SparTen, window 1", False, 1), Machine("SparTen, window 2", False, 2)
MACHINES = (LOAS2, LOAS1, SPARTEN1, SPARTEN2)
# what each speed-up is called, and of which machines it is; the first is demanded: LoAS as it is built, SparTen with its own chunk
PAIRS = {"as built": (LOAS2, SPARTEN1), "window 1": (LOAS1, SPARTEN1), "window 2": (LOAS2, SPARTEN2)}


def speedups(cycles: dict[str, int]) -> dict[str, float]:
    """Cycles of SparTen by those of LoAS for each of :data:`PAIRS`, from the cycles of each machine by its name."""
    return {name: cycles[rival.name] / cycles[loas.name] for name, (loas, rival) in PAIRS.items()}


def comparison(networks: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Cycles and speed-ups of every layer and in total.

    Args:
        networks: For each of :data:`MACHINES` the networks as :func:`scripts.nets.result_of` gives them.

    Returns:
        ``networks`` (each with ``layers`` and, where it has such layers, ``conv_total`` and ``full_total``) and ``totals`` over all
        networks; each of them has ``cycles`` by machine and ``speedup`` by pair.
    """

    def line(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
        cycles = {one.name: record["cycles"] for one, record in zip(MACHINES, records, strict=True)}
        return {"cycles": cycles, "speedup": speedups(cycles)}

    def total(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
        if not lines:
            return None
        cycles = {one.name: sum(item["cycles"][one.name] for item in lines) for one in MACHINES}
        return {"cycles": cycles, "speedup": speedups(cycles)}

    found: list[dict[str, Any]] = []
    for same in zip(*networks, strict=True):
        layers = [{"name": records[0]["name"], "kind": records[0]["kind"], **line(records)}
                  for records in zip(*(one["layers"] for one in same), strict=True)]  # fmt: skip
        totals = {f"{kind}_total": total([layer for layer in layers if layer["kind"] == kind]) for kind in KINDS}
        found.append({"name": same[0]["name"], "spikes": same[0]["spikes"], "layers": layers, **totals})
    every = [layer for one in found for layer in one["layers"]]
    totals = {f"{kind}_total": total([layer for layer in every if layer["kind"] == kind]) for kind in KINDS}
    return {"networks": found, "totals": {**totals, "total": total(every)}}


def speed_table(value: dict[str, Any]) -> Table:
    """Cycles of every machine, and the speed-ups, layer by layer and in total."""
    table = Table(title="cycles, and speed-up of LoAS over SparTen-SNN")
    for name in ("network", "layer"):
        table.add_column(name, no_wrap=True)
    for name in (*(one.name for one in MACHINES), *PAIRS):
        table.add_column(name, justify="right")

    def line(network: str, layer: str, item: dict[str, Any]) -> None:
        table.add_row(escape(network), escape(layer), *map(str, item["cycles"].values()), *(f"{x:.2f}" for x in item["speedup"].values()))

    for one in value["networks"]:
        for layer in one["layers"]:
            line(one["name"], layer["name"], layer)
        for kind, what in KINDS.items():
            if one[f"{kind}_total"]:
                line(one["name"], f"all {what}", one[f"{kind}_total"])
        table.add_section()
    for kind, what in KINDS.items():
        if value["totals"][f"{kind}_total"]:
            line("all", f"all {what}", value["totals"][f"{kind}_total"])
    line("all", "all", value["totals"]["total"])
    return table


def parts(networks: list[dict[str, Any]]) -> dict[str, float]:
    """What the TPPEs of a machine did in all layers together, as fractions of all their cycles."""
    records = [layer for one in networks for layer in one["layers"]]
    sums = {key: sum(record[key] for record in records) for key in CATEGORIES}
    return {key: value / sum(sums.values()) for key, value in sums.items()}


def part_table(rows: dict[str, dict[str, float]]) -> Table:
    """A line for each machine, in percent."""
    table = Table(title="what the TPPEs did, all layers together, percent of their cycles")
    table.add_column("machine", no_wrap=True)
    for key in CATEGORIES:
        table.add_column(key.removeprefix("stall_").removesuffix("_chunks"), justify="right")
    for name, row in rows.items():
        table.add_row(name, *(f"{100 * part:.1f}" for part in row.values()))
    return table


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--network", "names", multiple=True, help="Network of the shape file; may be repeated.  [default: all with a trace]")
@click.option("--layers", multiple=True, help="These layers only, names with commas between; may be repeated.  [default: all]")
@click.option("--config", "config", default="paper", show_default=True, help="Configuration that both machines share.")
@click.option("--latency", type=LATENCY, default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--jobs", "workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Simulations at a time.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=1, show_default=True, help="Of weights and synthetic spikes.")
@click.option("--shapes", type=click.Path(dir_okay=False, path_type=Path), default=SHAPES,
              help="Shapes of networks.  [default: spec/networks.toml]")  # fmt: skip
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of traces.  [default: ../shared/data]")
@click.option("--synthetic", is_flag=True, help="Synthetic spikes even where there is a trace.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "build/sparten",
              help="Folder for result.json.  [default: build/sparten]")  # fmt: skip
def main(
    names: tuple[str, ...],
    layers: tuple[str, ...],
    config: str,
    latency: int,
    workers: int,
    seed: int,
    shapes: Path,
    data: Path | None,
    synthetic: bool,
    out: Path,
) -> None:
    """Measure LoAS against SparTen-SNN, both as RTL, on the layers of networks, with windows of one and two chunks.

    Example: python -m scripts.sparten --network alexnet --layers conv3,conv4

    Exit code: 0 all equal, 1 a mismatch or an error of a machine, 2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    result_file = out / "result.json"
    seconds: dict[str, float] = {}

    def took(name: str, since: float) -> float:
        now = time.perf_counter()
        seconds[name] = round(seconds.get(name, 0.0) + now - since, 3)
        return now

    def fail(text: object, code: int) -> None:
        click.echo(f"error: {text}", err=True)
        sys.exit(code)

    faults: list[str] = []
    results: list[list[dict[str, Any]]] = []
    compared = mismatches = 0
    try:
        prepare(result_file)
        base = load(config)
        machines = [one.of(base) for one in MACHINES]
        if data is not None and not data.is_dir():
            raise LoasError(f"--data {data} is not legal: must be a folder of traces")
        chosen = choose(read_shapes(shapes), names, layers, str(shapes))
        for shape in chosen:
            if shape.T != base.T:
                raise LoasError(f"{shapes}: {shape.name}: T = {shape.T} is not legal: must be {base.T}, that of configuration {base.name}")
        found = [inputs(shape, data or DATA, seed, synthetic, lambda text: console.print(text, markup=False)) for shape in chosen]
        for one, cfg in zip(MACHINES, machines, strict=True):
            console.print(f"{one.name}:", markup=False)
            jobs = make_jobs(found, seed, cfg, took)
            clock = time.perf_counter()
            program = build(cfg, max(len(job.image) for job in jobs), say=console.print)
            clock = took("build", clock)
            run_all(jobs, workers, console, cfg, program, latency)
            took("simulation", clock)
            faults += [f"{one.name}, {job.name}: {text}" for job in jobs for text in job.faults]
            if not all(job.record for job in jobs):
                break
            compared += sum(job.record["compared"] for job in jobs)
            mismatches += sum(job.record["mismatches"] for job in jobs)
            results.append([result_of(each, jobs) for each in found])
    except LoasError as err:
        fail(err, 2)
    except SimulationError as err:
        fail(err, 1)

    for text in faults:
        console.print(text, markup=False)
    if len(results) == len(MACHINES):
        value = comparison(results)
        split = {one.name: parts(result) for one, result in zip(MACHINES, results, strict=True)}
        speedup = value["totals"]["total"]["speedup"]
        console.print(speed_table(value))
        console.print(part_table(split))
        console.print(f"as built: LoAS looks at two chunks, SparTen at its own 128 bits; {compared} spikes and integers compared, "
                      f"{mismatches} mismatches", markup=False)  # fmt: skip
        texts = [f"{name} {x:.2f} ({'met' if x >= DEMANDED else 'MISSED'})" for name, x in speedup.items()]
        console.print(f"speed-up in total, demanded {DEMANDED}: {', '.join(texts)}", markup=False)
        try:
            write_json(result_file, {
                "config": base.name, "simulator": "verilator", "memory_latency": latency, "seed": seed, "machine": machine(),
                **{f"{key}_seconds": taken for key, taken in seconds.items()}, "compared": compared, "mismatches": mismatches,
                "demanded": DEMANDED, **value, "cycle_parts": split,
                "machines": {one.name: result for one, result in zip(MACHINES, results, strict=True)},
            })  # fmt: skip
        except LoasError as err:
            fail(err, 1)
        console.print(f"written: {result_file}", markup=False)
    if faults or mismatches or len(results) < len(MACHINES):
        sys.exit(1)


if __name__ == "__main__":
    main()
