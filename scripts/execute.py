# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""One job from integers to a verdict: pack, run on the machine's RTL, compare with the golden model. Demo and ``loas run`` call it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.compare import CATEGORIES, Report, compare
from golden.config import Config
from golden.errors import LoasError
from golden.image import write_image
from golden.network import Network
from scripts.simulate import Result, build, check_writable, run, write_whole

Outputs = Sequence[npt.NDArray[np.integer]]
Watch = Callable[[int, Outputs, Outputs], None]  # first input of a batch, outputs of all layers of the RTL and of the golden model
STALLS = ("stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out")


@dataclass
class Job:
    """A finished run.

    Attributes:
        result: What the simulator left.
        report: The comparison; None if the machine ended with an error.
        image_bytes: Size of the image.
        build_seconds: Time to build the simulator.
    """

    result: Result
    report: Report | None
    image_bytes: int
    build_seconds: float


def execute(
    network: Network, spikes: npt.NDArray[np.integer], cfg: Config, latency: int, console: Console, what: str = "",
    watch: Watch | None = None,
) -> Job:  # fmt: skip
    """Packs a network and its input, runs them in Verilator and compares everything with the golden model.

    Args:
        network: The network.
        spikes: (M, K, T) input.
        cfg: The machine.
        latency: Of the memory in cycles.
        console: Where to report progress.
        what: The input in words.
        watch: Gets the outputs of all layers.

    Raises:
        LoasError: The network does not fit the machine.
        SimulationError: The simulator could not be built or did not finish.
    """
    network.check(cfg)
    golden = network.run(spikes, cfg.T)
    image = write_image(network, spikes, cfg)
    console.print(f"{network.name}: {len(network.layers)} layers, {what or f'{len(spikes)} rows'}, image of {len(image)} bytes")
    begin = time.perf_counter()
    program = build(cfg, len(image), say=console.print)
    seconds = time.perf_counter() - begin
    result = simulate(program, cfg, image, network, len(spikes), latency, console)
    report = compare(result.memory, network, spikes, golden, cfg) if result.ok else None
    if watch and report:
        watch(0, report.outputs, golden)
    return Job(result, report, len(image), seconds)


BATCH_BYTES = 1 << 24  # images of batches are smaller: one simulator is built for all of them


def choose_batch(network: Network, spikes: npt.NDArray[np.integer], rows: int, cfg: Config) -> int:
    """Inputs of a batch, so that its image has less than :data:`BATCH_BYTES`; at least 1."""
    one, two = (len(write_image(network, spikes[: rows * n], cfg)) for n in (1, 2))
    return max(1, (BATCH_BYTES - one) // max(1, two - one))


def execute_batches(
    network: Network, spikes: npt.NDArray[np.integer], rows: int, cfg: Config, latency: int, console: Console, batch: int | None = None,
    workers: int = 2, watch: Watch | None = None,
) -> Job:  # fmt: skip
    """Like :func:`execute`, for many inputs: an image for each batch of them, some simulations at a time.

    Args:
        network: The network.
        spikes: (inputs * rows, K, T).
        rows: Rows of an input.
        cfg: The machine.
        latency: Of the memory in cycles.
        console: Where to report progress.
        batch: Inputs of an image, by default :func:`choose_batch`.
        workers: Simulations at a time.
        watch: Gets the outputs of all layers of every batch, one batch at a time, in the order in which they end.

    Returns:
        All batches together: sums of cycles and counters, and the outputs of the last layer behind each other. If the machine
        ended with an error in one of them, that one, without a report.

    Raises:
        LoasError: The network does not fit the machine.
        SimulationError: The simulator could not be built or did not finish.
    """
    inputs = len(spikes) // rows
    network.check(cfg)
    batch = min(inputs, batch or (choose_batch(network, spikes, rows, cfg) if inputs > 1 else 1))
    firsts = range(0, inputs, batch)
    if len(firsts) == 1:
        return execute(network, spikes, cfg, latency, console, f"{inputs} inputs", watch)
    begin = time.perf_counter()
    size = len(write_image(network, spikes[: rows * batch], cfg))
    program = build(cfg, size, say=console.print)
    seconds = time.perf_counter() - begin
    console.print(
        f"{network.name}: {len(network.layers)} layers, {inputs} inputs in {len(firsts)} images of up to {batch} and {size} bytes"
    )

    def one(first: int) -> Job:
        part = spikes[rows * first : rows * (first + batch)]
        golden = network.run(part, cfg.T)
        image = write_image(network, part, cfg)
        result = run(program, cfg, image, latency=latency)
        report = compare(result.memory, network, part, golden, cfg) if result.ok else None
        if report:
            if watch:
                with turn:
                    watch(first, report.outputs, golden)
            report.first = [f"inputs {first} to {first + len(part) // rows - 1}: {text}" for text in report.first]
            report.outputs = report.outputs[-1:]
        return Job(replace(result, memory=b""), report, len(image), seconds)

    jobs: dict[int, Job] = {}
    turn = Lock()
    pool = ThreadPoolExecutor(workers)
    try:
        with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} inputs"),
                      TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:  # fmt: skip
            task = bar.add_task("running", total=inputs)
            pending = {pool.submit(one, first): first for first in firsts}
            for future in as_completed(pending):
                first = pending[future]
                jobs[first] = job = future.result()
                bar.update(task, advance=min(batch, inputs - first))
                if job.report is None:
                    return job
                if not console.is_terminal:
                    done = sum(min(batch, inputs - f) for f in jobs)
                    console.print(f"  {done} of {inputs} inputs, {sum(j.report.mismatches for j in jobs.values() if j.report)} mismatches")
    finally:
        pool.shutdown(cancel_futures=True)
    return merged([jobs[first] for first in firsts])


def merged(jobs: list[Job]) -> Job:
    """Jobs of batches as one: sums of cycles, times and counters; the outputs of the last layer behind each other."""
    report = Report()
    for job in jobs:
        part = job.report
        assert part is not None
        report.compared += part.compared
        report.mismatches += part.mismatches
        report.first = (report.first + part.first)[:10]
        report.layers = [{key: a[key] + b.get(key, 0) for key in a} for a, b in zip(part.layers, report.layers or [{}] * len(part.layers),
                                                                                    strict=True)]  # fmt: skip
    report.outputs = [np.concatenate([job.report.outputs[-1] for job in jobs if job.report])]
    cycles, wall = sum(job.result.cycles for job in jobs), sum(job.result.wall_seconds for job in jobs)
    return Job(replace(jobs[0].result, cycles=cycles, wall_seconds=wall), report, sum(job.image_bytes for job in jobs),
               jobs[0].build_seconds)  # fmt: skip


def facts(network: Network, job: Job, cfg: Config, latency: int, begin: float) -> dict[str, Any]:
    """A finished run for ``result.json``; ``begin`` is when the command started, by ``time.perf_counter``."""
    report, result = job.report, job.result
    assert report is not None
    weights = sum(layer.weights.size for layer in network.layers)
    zeros = sum(int((layer.weights == 0).sum()) for layer in network.layers)
    matches = sum(count["matches"] for count in report.layers)
    return {
        "network": network.name, "config": cfg.name, "laggy": bool(cfg.LAGGY), "simulator": "verilator",
        "compared": report.compared, "mismatches": report.mismatches,
        "zero_weight_fraction": zeros / weights, "cycles": result.cycles, "matches": matches,
        "floor_cycles": -(-matches // cfg.NUM_TPPES),
        "wall_seconds": round(time.perf_counter() - begin, 3), "build_seconds": round(job.build_seconds, 3),
        "simulation_seconds": round(result.wall_seconds, 3), "cycles_per_second": round(result.cycles_per_second),
        "memory_latency": latency, "image_bytes": job.image_bytes,
        "layers": [{"name": layer.name, "k": layer.k, "n": layer.n,
                    "floor_cycles": -(-count["matches"] // cfg.NUM_TPPES), **count}
                   for layer, count in zip(network.layers, report.layers, strict=True)],
    }  # fmt: skip


def layer_table(network: Network, report: Report, cfg: Config) -> Table:
    """Counters of every layer as a table."""
    table = Table(title=f"{network.name} on {cfg.name} ({'LAGGY' if cfg.LAGGY else 'FAST'}, {cfg.NUM_TPPES} TPPEs, T = {cfg.T})")
    table.add_column("layer")
    for name in ("cycles", "matches", "floor", "ratio", "correct.", "empty", *(s[6:] for s in STALLS), "idle", "hits", "misses",
                 "fetches", "read B", "written B"):  # fmt: skip
        table.add_column(name, justify="right")
    for layer, count in zip(network.layers, report.layers, strict=True):
        table.add_row(layer.name, *row_cells(count, cfg))
    if len(report.layers) > 1:
        total = {key: sum(count[key] for count in report.layers) for key in report.layers[0]}
        table.add_section()
        table.add_row("all", *row_cells(total, cfg))
    return table


def row_cells(count: dict[str, int], cfg: Config) -> list[str]:
    """One row: stalls, empty chunks and idle as percent of all TPPE cycles."""
    total = max(1, sum(count[key] for key in CATEGORIES))
    floor = -(-count["matches"] // cfg.NUM_TPPES)
    percent = [f"{100 * count[key] / total:.1f}%" for key in ("empty_chunks", *STALLS, "idle")]
    return [str(count["cycles"]), str(count["matches"]), str(floor), f"{count['cycles'] / max(1, floor):.2f}",
            str(count["corrections"]), *percent, str(count["cache_hits"]), str(count["cache_misses"]), str(count["fetches"]),
            str(count["bytes_read"]), str(count["bytes_written"])]  # fmt: skip


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a file as a whole or not at all, and its folder.

    Raises:
        LoasError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def make_room(path: Path) -> None:
    """Makes the folder of a file that long work will write, and leaves the file of an earlier run as it is.

    Raises:
        LoasError: It could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err
    check_writable(path)


def prepare(path: Path) -> None:
    """Removes the result of an earlier run, and makes the folder of this one's.

    Raises:
        LoasError: It could not be written.
    """
    make_room(path)
    path.unlink(missing_ok=True)


def simulate(program: Path, cfg: Config, image: bytes, network: Network, rows: int, latency: int, console: Console) -> Result:
    """Runs the image with a progress bar (or a line a layer where the output is no terminal)."""
    seen = -1
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} rows"),
                  TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task("running", total=rows * len(network.layers))

        def progress(layer: int, row: int, cycle: int) -> None:
            nonlocal seen
            name = network.layers[layer].name if layer < len(network.layers) else "end"
            bar.update(task, completed=layer * rows + row, description=f"{name}, cycle {cycle}")
            if not console.is_terminal and layer != seen:
                console.print(f"  layer {layer} ({name}), cycle {cycle}")
                seen = layer

        return run(program, cfg, image, latency=latency, progress=progress)
