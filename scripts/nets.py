# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Layers of published networks on the whole machine, with recorded spikes, every output compared with the golden model.

A layer is an image of its own: its input is what was recorded before it, not what the layer before made of random weights.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.compare import compare
from golden.config import Config, load
from golden.errors import LoasError
from golden.fiber import align
from golden.image import Layout, parse_layout, write_image
from golden.layer import Layer
from golden.network import Network
from scripts.bench import machine
from scripts.execute import STALLS, prepare, row_cells, write_json
from scripts.shapes import SHAPES, LayerShape, NetworkShape, ShapeError, SpikeArray, read_shapes, read_trace, stream, synthetic_maps
from scripts.simulate import LATENCY, ROOT, Result, SimulationError, build, run

DATA = ROOT.parent / "shared/data"
PAGE = ROOT / "docs" / "nets.md"
RECORDED, SYNTHETIC = "recorded", "synthetic"
SUMS = ("matches", "floor_cycles", "cycles", *STALLS, "empty_chunks", "idle", "corrections", "cache_hits", "cache_misses", "fetches",
        "bytes_read", "bytes_written", "compared", "mismatches", "nonzero_weights", "weight_bytes")  # fmt: skip


@dataclass(eq=False)
class Job:
    """A layer that is ready to run, and what came of it.

    Attributes:
        network: Its network.
        shape: Its shape.
        net: A network of this layer alone.
        spikes: (rows, channels, T) input.
        golden: Outputs of the golden model.
        image: Packed.
        layout: Where things lie in the image.
        record: For result.json; empty until it ran.
        faults: Texts of the first differences, or of what went wrong.
    """

    network: NetworkShape
    shape: LayerShape
    net: Network
    spikes: SpikeArray
    golden: list[npt.NDArray[np.integer]]
    image: bytes
    layout: Layout
    record: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Network and layer."""
        return f"{self.network.name} {self.shape.name}"


@dataclass
class Inputs:
    """What runs, and with which spikes.

    Attributes:
        network: Its shape, with the chosen layers only.
        kind: RECORDED or SYNTHETIC.
        maps: (T, *input) spikes by source.
    """

    network: NetworkShape
    kind: str
    maps: dict[str, SpikeArray]


def random_layer(shape: LayerShape, seed: int, name: str, cfg: Config) -> Layer:
    """A layer with random weights at its density, and the paper's neurons (decay 1/4, hard reset, once-firing outputs dropped).

    Weights are uniform over the configuration's but zero; thresholds are such that some sums reach them and some do not.
    """
    rng = stream(seed, name, shape.name, "weights")
    n = shape.out
    values = rng.integers(cfg.weight_min, cfg.weight_max, (shape.k, n))
    values[values >= 0] += 1
    weights = np.where(rng.random(values.shape) < shape.density, values, 0).astype(np.int8)
    bias, threshold = rng.integers(-50, 51, (n,)), rng.integers(50, 500, (n,))
    return Layer(weights, bias, threshold, 64, readout=shape.readout, drop_once=not shape.readout, name=shape.name, conv=shape.conv)


def choose(shapes: dict[str, NetworkShape], networks: Iterable[str], layers: Iterable[str], where: str) -> list[NetworkShape]:
    """The networks of these names, by default all with a trace, with the layers of these names, by default all.

    Raises:
        ShapeError: A name that is not there; says which are.
    """
    wanted = list(dict.fromkeys(networks)) or [name for name, shape in shapes.items() if shape.trace] or list(shapes)
    for name in wanted:
        if name not in shapes:
            raise ShapeError(f"--network {name} is not legal: must be one of {', '.join(shapes)}, the networks of {where}")
    names = list(dict.fromkeys(part.strip() for text in layers for part in text.split(",")))
    known = {layer.name for name in wanted for layer in shapes[name].layers}
    for name in names:
        if name not in known:
            raise ShapeError(f"--layers {name} is not legal: must be of {', '.join(wanted)}: {', '.join(sorted(known))}")
    chosen = []
    for name in wanted:
        shape = shapes[name]
        some = tuple(layer for layer in shape.layers if not names or layer.name in names)
        if some:
            chosen.append(NetworkShape(shape.name, shape.T, shape.trace, some))
    return chosen


def inputs(network: NetworkShape, data: Path, seed: int, synthetic: bool, say: Callable[[str], None]) -> Inputs:
    """The recorded spikes of a network, or random ones where there is no trace, which is said.

    Raises:
        LoasError: The trace is there and malformed, or is not there and the network has no statistics.
    """
    sources = {layer.source for layer in network.layers}
    if network.trace and not synthetic:
        path = data / network.trace
        if path.exists():
            return Inputs(network, RECORDED, read_trace(path, network, sources))
        say(f"{network.name}: no trace {path}: synthetic spikes with the published statistics instead")
    return Inputs(network, SYNTHETIC, synthetic_maps(network, seed, sources))


def make_jobs(found: list[Inputs], seed: int, cfg: Config, took: Callable[[str, float], float]) -> list[Job]:
    """Packs all layers for a machine, with random weights from the seed, and runs the golden model.

    Args:
        found: Networks and their spikes.
        seed: Of the weights.
        cfg: The machine.
        took: Called with "packing" or "golden" and when it began, by ``time.perf_counter``; returns the time now.

    Raises:
        LoasError: A layer does not fit the machine.
    """
    jobs = []
    for one in found:
        for layer in one.network.layers:
            net = Network(f"{one.network.name}.{layer.name}", cfg.T, [random_layer(layer, seed, one.network.name, cfg)])
            spikes = layer.rows(one.maps[layer.source])
            clock = time.perf_counter()
            image = write_image(net, spikes, cfg)
            clock = took("packing", clock)
            golden = net.run(spikes)
            took("golden", clock)
            jobs.append(Job(one.network, layer, net, spikes, golden, image, parse_layout(image, cfg)))
    return jobs


def weight_bytes(layout: Layout) -> int:
    """Bytes of the weights of the only layer's B and of their places, with padding; without bias and threshold."""
    lay, cfg = layout.layers[0], layout.cfg
    total = 0
    for i, (_, places, weights, nnz) in enumerate(lay.blocks):
        end = align(weights + -(-nnz * cfg.wslot_w // 8), max(8, cfg.chunk_bytes))
        assert end == (lay.blocks[i + 1][0] if i + 1 < len(lay.blocks) else end)
        total += end - places
    return total


def measure(job: Job, cfg: Config, simulate: Callable[[Job], Result]) -> None:
    """Runs a layer, compares everything, and fills in its record; a run that fails leaves no record but a fault."""
    try:
        result = simulate(job)
    except SimulationError as err:
        job.faults.append(str(err))
        return
    if not result.ok:
        job.faults.append(f"machine: {result.describe()}")
        return
    report = compare(result.memory, job.net, job.spikes, job.golden, cfg)
    job.faults += report.first
    if not report.layers:
        return
    count, shape, lay = report.layers[0], job.shape, job.layout.layers[0]
    nonzero = int(np.count_nonzero(job.net.layers[0].weights))
    floor = -(-count["matches"] // cfg.NUM_TPPES)
    conv = shape.conv
    job.record = {
        "name": shape.name, "kind": "conv" if conv else "full", "input": list(shape.input),
        **({"kernel": [conv.kh, conv.kw], "stride": [conv.stride_y, conv.stride_x], "pad": [conv.pad_top, conv.pad_left]} if conv else {}),
        "M": shape.m, "N": shape.out, "K": shape.k, "block_cols": lay.block_cols, "tile_rows": lay.tile_rows,
        "silent": float(1 - job.spikes.any(axis=2).mean()), "zero_spikes": float(1 - job.spikes.mean()),
        "floor_cycles": floor, "ratio": count["cycles"] / floor if floor else None, **count,
        "compared": report.compared, "mismatches": report.mismatches,
        "weights": shape.k * shape.out, "nonzero_weights": nonzero, "code": "index" if lay.index else "bitmask",
        "weight_bytes": weight_bytes(job.layout),
        "bytes_per_nonzero_weight": weight_bytes(job.layout) / nonzero if nonzero else None,
        "simulation_seconds": round(result.wall_seconds, 3),
    }  # fmt: skip


def total(records: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Sums over layers, with the ratios of the sums; the floor is the sum of floors."""
    if not records:
        return None
    sums: dict[str, Any] = {key: sum(record[key] for record in records) for key in SUMS}
    sums["ratio"] = sums["cycles"] / sums["floor_cycles"] if sums["floor_cycles"] else None
    sums["bytes_per_nonzero_weight"] = sums["weight_bytes"] / sums["nonzero_weights"] if sums["nonzero_weights"] else None
    ratios = [record["ratio"] for record in records if record["ratio"] is not None]
    return {"layers": len(records), **sums, "worst_ratio": max(ratios, default=None)}


def result_of(one: Inputs, jobs: list[Job]) -> dict[str, Any]:
    """A network for result.json."""
    records = [job.record for job in jobs if job.network is one.network]
    kinds = {kind: [record for record in records if record["kind"] == kind] for kind in ("conv", "full")}
    return {"name": one.network.name, "T": one.network.T, "spikes": one.kind, "trace": one.network.trace if one.kind == RECORDED else None,
            "layers": records, "conv_total": total(kinds["conv"]), "full_total": total(kinds["full"])}  # fmt: skip


def network_table(value: dict[str, Any], cfg: Config) -> Table:
    """A line for each layer of a network, from its part of result.json; fully connected ones apart."""
    table = Table(title=escape(f"{value['name']}, {value['spikes']} spikes, on {cfg.name} ({cfg.engine}, "
                               f"WINDOW = {cfg.WINDOW}, {cfg.NUM_TPPES} TPPEs, T = {cfg.T})"))  # fmt: skip
    table.add_column("layer", no_wrap=True)
    for name in ("M", "K", "N", "cycles", "matches", "floor", "ratio", "correct.", "empty", *(s[6:] for s in STALLS), "idle", "hits",
                 "misses", "fetches", "read B", "written B", "B / w", "mism."):  # fmt: skip
        table.add_column(name, justify="right")

    def line(name: str, sizes: list[str], record: dict[str, Any]) -> None:
        cells = row_cells(record, cfg)
        cells[2:4] = [str(record["floor_cycles"]), "" if record["ratio"] is None else f"{record['ratio']:.2f}"]
        each = record["bytes_per_nonzero_weight"]
        table.add_row(escape(name), *sizes, *cells, "" if each is None else f"{each:.2f}", str(record["mismatches"]))

    for kind, what in (("conv", "convolutions"), ("full", "fully connected")):
        records = [record for record in value["layers"] if record["kind"] == kind]
        for record in records:
            line(record["name"], [str(record[key]) for key in ("M", "K", "N")], record)
        if records:
            table.add_section()
        if len(records) > 1:
            line(f"all {what}", ["", "", ""], value[f"{kind}_total"])
            table.add_section()
    return table


def page_lines(value: dict[str, Any], tppes: int) -> list[str]:
    """What docs/nets.md says of a network with recorded spikes, line by line of its table, and the sum over its convolutions in words."""

    def line(name: str, sizes: str, block: str, record: dict[str, Any], ratio: bool) -> str:
        total = record["cycles"] * tppes
        shares = [f"{100 * record[key] / total:.1f}" for key in ("matches", "empty_chunks", "stall_a", "stall_b", "stall_laggy", "idle")]
        cells = [name, sizes, block, str(record["floor_cycles"]), str(record["cycles"]), f"{record['ratio']:.2f}" if ratio else "", *shares]
        return f"| {' | '.join(cells)} |"

    lines = [line(r["name"], f"{r['M']}, {r['K']}, {r['N']}", str(r["block_cols"]), r, r["kind"] == "conv") for r in value["layers"]]
    every = value["conv_total"]
    numbers = [f"{every[key]:,}".replace(",", " ") for key in ("cycles", "floor_cycles")]
    return [*lines, line("all convolutions", "", "", every, True), f"{every['ratio']:.2f} ({numbers[0]} cycles, floor {numbers[1]})"]


def stale(page: str, values: list[dict[str, Any]], tppes: int) -> list[str]:
    """The lines of :func:`page_lines` that a page does not have."""
    return [text for value in values for text in page_lines(value, tppes) if text not in page]


def run_all(jobs: list[Job], workers: int, console: Console, cfg: Config, program: Path, latency: int) -> None:
    """Runs all layers, the largest first, several at a time, with a bar (or a line a layer where the output is no terminal)."""
    with Progress(TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.completed}/{task.total} rows"),
                  TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:  # fmt: skip
        tasks = {job.name: bar.add_task(job.name, total=job.shape.m, visible=False) for job in jobs}
        whole = bar.add_task("all layers", total=sum(job.shape.m for job in jobs))

        def simulate(job: Job) -> Result:
            task = tasks[job.name]
            bar.update(task, visible=True)

            def progress(layer: int, row: int, cycle: int) -> None:
                bar.update(task, completed=row if layer == 0 else job.shape.m, description=f"{job.name}, cycle {cycle}")

            return run(program, cfg, job.image, latency=latency, progress=progress)

        pool = ThreadPoolExecutor(workers)
        try:
            ordered = sorted(jobs, key=lambda job: -job.shape.m * job.shape.k * job.shape.out)
            waiting = {pool.submit(measure, job, cfg, simulate): job for job in ordered}
            for future in as_completed(waiting):
                future.result()
                job = waiting[future]
                bar.update(tasks[job.name], visible=False)
                bar.advance(whole, job.shape.m)
                record = job.record
                text = f"{record['cycles']} cycles, {record['mismatches']} mismatches" if record else "failed"
                console.print(f"  {job.name}: {text}", markup=False)
        finally:
            pool.shutdown(cancel_futures=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--network", "networks", multiple=True, help="Network of the shape file; may be repeated.  [default: all with a trace]")
@click.option("--layers", multiple=True, help="These layers only, names with commas between; may be repeated.  [default: all]")
@click.option("--config", "config", default="paper", show_default=True, help="Named configuration of spec/configs.toml.")
@click.option("--mode", type=click.Choice(["laggy", "fast", "sparten"]),
              help="Speculation with a laggy prefix sum, two fast ones, or SparTen-SNN.  [default: the configuration's]")  # fmt: skip
@click.option("--window", type=int, help="WINDOW of the machine, chunks looked at together.  [default: the configuration's]")
@click.option("--latency", type=LATENCY, default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--jobs", "workers", type=click.IntRange(1, 256), default=2, show_default=True, help="Simulations at a time.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=1, show_default=True, help="Of weights and synthetic spikes.")
@click.option("--shapes", type=click.Path(dir_okay=False, path_type=Path), default=SHAPES,
              help="Shapes of networks.  [default: spec/networks.toml]")  # fmt: skip
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of traces.  [default: ../shared/data]")
@click.option("--synthetic", is_flag=True, help="Synthetic spikes even where there is a trace.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "build/nets",
              help="Folder for result.json.  [default: build/nets]")  # fmt: skip
def main(
    networks: tuple[str, ...],
    layers: tuple[str, ...],
    config: str,
    mode: str | None,
    window: int | None,
    latency: int,
    workers: int,
    seed: int,
    shapes: Path,
    data: Path | None,
    synthetic: bool,
    out: Path,
) -> None:
    """Run the layers of networks on the machine's RTL, with recorded spikes and random weights at the published density, and
    compare every spike with the golden model.

    Example: python -m scripts.nets --network vgg16 --layers conv7,conv8 --mode fast

    Exit code: 0 all equal, 1 a mismatch, an error of the machine, or other figures than docs/nets.md has of a run without options,
    2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 220, highlight=False)
    result_file = out / "result.json"
    begin = time.perf_counter()
    seconds: dict[str, float] = {}

    def took(name: str, since: float) -> float:
        now = time.perf_counter()
        seconds[name] = round(seconds.get(name, 0.0) + now - since, 3)
        return now

    jobs: list[Job] = []
    try:
        prepare(result_file)
        cfg = load(config)
        cfg = cfg.override(LAGGY=int(mode == "laggy"), SEQUENTIAL=int(mode == "sparten")) if mode else cfg
        cfg = cfg.override(WINDOW=window) if window is not None else cfg
        if data is not None and not data.is_dir():
            raise LoasError(f"--data {data} is not legal: must be a folder of traces")
        chosen = choose(read_shapes(shapes), networks, layers, str(shapes))
        for shape in chosen:
            if shape.T != cfg.T:
                raise LoasError(f"{shapes}: {shape.name}: T = {shape.T} is not legal: must be {cfg.T}, that of configuration {cfg.name}")
        found = [inputs(shape, data or DATA, seed, synthetic, lambda text: console.print(text, markup=False)) for shape in chosen]
        jobs = make_jobs(found, seed, cfg, took)
        clock = time.perf_counter()
        program = build(cfg, max(len(job.image) for job in jobs), say=console.print)
        clock = took("build", clock)
        run_all(jobs, workers, console, cfg, program, latency)
        took("simulation", clock)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except SimulationError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)

    for job in jobs:
        for text in job.faults:
            console.print(f"{job.name}: {text}", markup=False)
    if all(job.record for job in jobs):
        took("wall", begin)
        values = [result_of(one, jobs) for one in found]
        both = {key: sum(job.record[key] for job in jobs) for key in ("cycles", "compared", "mismatches")}
        for value in values:
            console.print(network_table(value, cfg))
        console.print("empty, a, b, weight, laggy, out, idle: percent of all TPPE cycles; floor: matches / TPPEs; B / w: bytes of "
                      "weights and their places by nonzero weights", markup=False)  # fmt: skip
        result = {"config": cfg.name, "laggy": bool(cfg.LAGGY), "engine": cfg.engine, "window": cfg.WINDOW, "simulator": "verilator",
                  "memory_latency": latency, "seed": seed, "jobs": workers, "machine": machine(),
                  **{f"{key}_seconds": value for key, value in seconds.items()}, **both,
                  "networks": values}  # fmt: skip
        try:
            write_json(result_file, result)
        except LoasError as err:
            click.echo(f"error: {err}", err=True)
            sys.exit(1)
        console.print(f"{both['compared']} spikes and integers compared, {both['mismatches']} mismatches; {both['cycles']} cycles; packing "
                      f"{seconds['packing']:.1f} s, golden model {seconds['golden']:.1f} s, build {seconds['build']:.1f} s, simulation and "
                      f"comparison {seconds['simulation']:.1f} s; written: {result_file}", markup=False)  # fmt: skip
        usual = not (networks or layers or mode or synthetic) and (config, window, latency, seed, shapes) == ("paper", None, 20, 1, SHAPES)
        if usual and all(one.kind == RECORDED for one in found):
            old = stale(PAGE.read_text(encoding="utf-8"), values, cfg.NUM_TPPES)
            for text in old:
                console.print(f"docs/nets.md does not say: {text}", markup=False)
            if old:
                sys.exit(1)
    if any(job.faults or job.record.get("mismatches", 1) for job in jobs):
        again = [f"--network {name}" for name in dict.fromkeys(job.network.name for job in jobs)]
        again += [f"--layers {text}" for text in layers] + ([f"--mode {mode}"] if mode else [])
        again += ([f"--window {window}"] if window is not None else []) + (["--synthetic"] if synthetic else [])
        again += [f"--config {config}", f"--latency {latency}", f"--seed {seed}"]
        again += ([f"--shapes {shapes}"] if shapes != SHAPES else []) + ([f"--data {data}"] if data else [])
        console.print(f"repeat with: python -m scripts.nets {' '.join(again)}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
