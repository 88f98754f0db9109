# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The command ``loas sweep``: models of LoAS and its rivals over networks and parameters, on this machine or on a cluster."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.config import PARAMETERS, Config, load
from golden.errors import LoasError
from golden.rivals import MACHINES, Cost, energy
from scripts.evaluate.engine import run_all
from scripts.evaluate.measure import Value
from scripts.evaluate.points import RATES, ROOT, RTL_MODES, SPIKES, Point, Task
from scripts.evaluate.store import Store
from scripts.evaluate.workload import Library, layer_named
from scripts.execute import make_room, prepare, write_json
from scripts.shapes import SHAPES

DATA = ROOT.parent / "shared/data"
AUTO = "auto"
# parameters of the RTL that no model reads, or that another option gives: accepted, they would change nothing and look as if they did
ELSEWHERE = {
    "T": "given by --T",
    "LAGGY": f"chosen by --machine {', '.join(RTL_MODES)}",
    "SEQUENTIAL": f"chosen by --machine {', '.join(RTL_MODES)}",
    "DEEP": "left out: the models have no DEEP and count cycles as with DEEP = 0",
}


def numbers(option: str, text: str, low: float, high: float, whole: bool = True) -> list[float]:
    """Numbers with commas between.

    Raises:
        LoasError: One is no number in this range.
    """
    found = []
    for part in text.split(","):
        try:
            value = int(part) if whole else float(part)
        except ValueError as err:
            raise LoasError(
                f"{option} {part.strip()!r} is not legal: must be {'an integer' if whole else 'a number'}, {low:g} to {high:g}"
            ) from err
        if not low <= value <= high:
            raise LoasError(f"{option} {part.strip()} is not legal: must be {low:g} to {high:g}")
        found.append(value)
    return found


def parse_sets(sets: Iterable[str]) -> list[tuple[tuple[str, int], ...]]:
    """``NAME=1,2`` of parameters as all combinations of values, sorted by name.

    Raises:
        LoasError: Not of this form, no parameter that models have, or given twice.
    """
    choices: dict[str, list[float]] = {}
    for text in sets:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise LoasError(f"--set {text} is not legal: must be NAME=VALUE[,VALUE...], such as NUM_TPPES=8,16")
        if name in ELSEWHERE:
            raise LoasError(f"--set {name} is not legal: must be {ELSEWHERE[name]}")
        if name not in PARAMETERS:
            raise LoasError(f"--set {name} is not legal: must be one of {', '.join(key for key in PARAMETERS if key not in ELSEWHERE)}")
        if name in choices:
            raise LoasError(f"--set {name} is not legal twice: must have all values in one, --set {name}=VALUE,VALUE")
        choices[name] = numbers(f"--set {name} =", values, 0, 1 << 20)
    names = sorted(choices)
    return [tuple(zip(names, map(int, values), strict=True)) for values in itertools.product(*(choices[name] for name in names))]


def deep_note(cfg: Config) -> str | None:
    """What to say of a machine whose cycles the models do not count in full."""
    return f"configuration {cfg.name} has DEEP = 1: the models count its cycles as with DEEP = 0" if cfg.DEEP else None


def progress_of(console: Console, total: int, what: str) -> tuple[Progress, Any]:
    """A bar, and the function that moves it by a task (which prints a line now and then where the output is no terminal)."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} points"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    line = bar.add_task(what, total=total)
    count, said = [0, 0], [0]

    def done(task: Task, kept: bool) -> None:
        first = task.points[0]
        count[0] += len(task.points)
        count[1] += len(task.points) if kept else 0
        bar.update(line, completed=count[0], description=f"{what}: {first.network} {first.layer}")
        if not console.is_terminal and (count[0] == total or count[0] >= said[0] + max(1, total // 10)):
            said[0] = count[0]
            console.print(f"  {count[0]} of {total} points, {count[1]} of them done before", markup=False)

    return bar, done


def groups_of(points: Iterable[Point]) -> Iterator[tuple[dict[str, Any], list[Point]]]:
    """Points that differ in their layer alone, and what they share."""
    found: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        key = (point.network, point.spikes, point.T, point.density, point.overrides, point.latency, point.machine)
        found.setdefault(key, []).append(point)
    for same in found.values():
        one = same[0]
        yield (
            {
                "machine": one.machine,
                "network": one.network,
                "spikes": one.spikes,
                "T": one.T,
                "density": one.density,
                "parameters": dict(one.overrides),
                "latency": one.latency,
            },
            same,
        )


def cost_of(machine: str, value: Value) -> Cost:
    """A model's result as the cost it was."""
    return Cost(machine, value["pes"], value["cycles"], value["breakdown"], value["ops"], value["onchip"], value["offchip"])


def total_of(machine: str, values: list[Value]) -> dict[str, Any]:
    """Layers one after the other: sums, with energy by part in pJ."""
    whole = cost_of(machine, values[0])
    for value in values[1:]:
        whole = whole + cost_of(machine, value)
    matches = sum(value["work"]["matches"] for value in values)
    return {
        "layers": len(values),
        "cycles": whole.cycles,
        "pes": whole.pes,
        "matches": matches,
        "floor_cycles": sum(-(-value["work"]["matches"] // whole.pes) for value in values),
        "breakdown": whole.breakdown,
        "ops": whole.ops,
        "onchip": whole.onchip,
        "offchip": whole.offchip,
        "energy_pj": energy(whole),
    }


@click.command("sweep")
@click.option("--machine", "machines", multiple=True, help=f"Repeatable: {', '.join(MACHINES)}.  [default: loas-laggy sparten]")
@click.option("--network", "networks", multiple=True, help="Network of the shape file; may be repeated.  [default: alexnet vgg16]")
@click.option("--layers", multiple=True, help="These layers only, names with commas between.  [default: all]")
@click.option(
    "--set", "sets", multiple=True, metavar="NAME=V1,V2", help="Values of a parameter of the machine; all combinations of several."
)
@click.option(
    "--T", "steps", help="Timesteps, with commas between; other than the network's need --spikes rates.  [default: the network's]"
)
@click.option("--density", help="Percent of nonzero weights, with commas between.  [default: the network's]")
@click.option("--spikes", type=click.Choice([AUTO, *SPIKES]), default=AUTO, show_default=True, help="auto: a trace where there is one.")
@click.option("--latency", default="20", show_default=True, help="Memory latency in cycles, with commas between.")
@click.option("--config", default="paper", show_default=True, help="Named configuration of spec/configs.toml.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=1, show_default=True, help="Of weights and random spikes.")
@click.option("--shapes", type=click.Path(dir_okay=False, path_type=Path), default=SHAPES, help="[default: spec/networks.toml]")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of traces.  [default: ../shared/data]")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes on this machine.  [default: one a processor]")
@click.option("--scheduler", help="Run on the cluster of this Dask scheduler, such as tcp://host:8786, instead.")
@click.option("--fresh", is_flag=True, help="Do not take up results of earlier runs.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "build/sweep/result.json",
    help="[default: build/sweep/result.json]",
)
def sweep_command(
    machines: tuple[str, ...],
    networks: tuple[str, ...],
    layers: tuple[str, ...],
    sets: tuple[str, ...],
    steps: str | None,
    density: str | None,
    spikes: str,
    latency: str,
    config: str,
    seed: int,
    shapes: Path,
    data: Path | None,
    jobs: int | None,
    scheduler: str | None,
    fresh: bool,
    out: Path,
) -> None:
    """Estimates cycles, traffic and energy of networks on LoAS and its rivals, by their models, over values of parameters.

    Points run in parallel on this machine, or on the cluster of a scheduler; the figures are the same. A run that was interrupted goes
    on where it was.

    \b
    Examples:
      loas sweep --network vgg16 --set NUM_TPPES=4,16,64 --set WINDOW=1,2
      loas sweep --machine loas-laggy --machine gamma --spikes rates --T 1,4,16 --density 2,25 --scheduler tcp://host:8786
    """
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    say = partial(console.print, markup=False)
    make_room(out)
    if data is not None and not data.is_dir():
        raise LoasError(f"--data {data} is not legal: must be a folder of traces")
    for name in machines:
        if name not in MACHINES:
            raise LoasError(f"--machine {name} is not legal: must be one of {', '.join(MACHINES)}")
    if note := deep_note(load(config)):
        say(note)
    combinations = parse_sets(sets)
    waits = [int(v) for v in numbers("--latency", latency, 0, 65535)]
    densities = [None] if density is None else [v / 100 for v in numbers("--density", density, 0, 100, whole=False)]
    timesteps = None if steps is None else [int(v) for v in numbers("--T", steps, 1, 16)]
    chosen = networks or ("alexnet", "vgg16")
    library = Library.read(shapes, data or DATA, chosen)
    for text in library.missing if spikes == AUTO else ():
        say(text)
    names = list(dict.fromkeys(part.strip() for text in layers for part in text.split(",")))
    for name in names:
        if all(name not in (layer.name for layer in shape.layers) for shape in library.shapes.values()):
            layer_named(next(iter(library.shapes.values())), name)  # says which there are
    every = [
        Point(
            machine,
            network,
            layer.name,
            library.best(network) if spikes == AUTO else spikes,
            T,
            density=part,
            config=config,
            overrides=changes,
            latency=wait,
            seed=seed,
        )
        for network, shape in library.shapes.items()
        for T in timesteps or [shape.T]
        for part in densities
        for changes in combinations
        for wait in waits
        for machine in machines or ("loas-laggy", "sparten")
        for layer in shape.layers
        if not names or layer.name in names
    ]
    points = list(dict.fromkeys(every))  # a value given twice is one, or its layers would be summed twice
    if timesteps and spikes != RATES and any(T != shape.T for T in timesteps for shape in library.shapes.values()):
        raise LoasError(f"--T {steps} is not legal with --spikes {spikes}: must be that of the networks, or --spikes {RATES}")
    tasks = library.tasks(points)
    bar, done = progress_of(console, len(points), "sweep")
    store = Store(None if fresh else out.parent / "points")
    with bar:
        found = run_all(tasks, store, workers=jobs, scheduler=scheduler, say=say, ready=lambda: prepare(out), done=done)
    lines = [
        {
            **shared,
            **total_of(shared["machine"], [found[point] for point in same]),
            "by_layer": [{"layer": point.layer, **found[point]} for point in same],
        }
        for shared, same in groups_of(points)
    ]
    table = Table(title=f"{config}, models, {len(points)} points")
    for name in ("network", "spikes", "T", "weights %", "parameters", "latency", "machine"):
        table.add_column(name)
    for name in ("layers", "cycles", "/ floor", "against the first", "on-chip KB", "off-chip KB", "energy uJ"):
        table.add_column(name, justify="right")
    first: dict[str, int] = {}
    for line in lines:
        key = repr([line[name] for name in ("network", "spikes", "T", "density", "parameters", "latency")])
        base = first.setdefault(key, line["cycles"])
        table.add_row(
            escape(line["network"]),
            line["spikes"],
            str(line["T"]),
            "" if line["density"] is None else f"{100 * line['density']:g}",
            " ".join(f"{name}={value}" for name, value in line["parameters"].items()),
            str(line["latency"]),
            line["machine"],
            str(line["layers"]),
            str(line["cycles"]),
            f"{line['cycles'] / line['floor_cycles']:.2f}" if line["floor_cycles"] else "",
            f"{line['cycles'] / base:.2f}" if base else "",
            *(f"{sum(line[key].values()) / 1000:.0f}" for key in ("onchip", "offchip")),
            f"{sum(line['energy_pj'].values()) / 1e6:.1f}",
        )
    console.print(table)
    write_json(out, {"config": config, "seed": seed, "engine": "model", "lines": lines})
    say(f"written: {out}")
