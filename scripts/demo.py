# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The main job: held-out digits through the whole machine in RTL, every spike compared with the golden model."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.config import Config, load
from golden.errors import LoasError
from golden.image import write_image
from golden.network import Network
from scripts.compare import CATEGORIES, Report, compare
from scripts.nir_import import Imported, read_nir
from scripts.simulate import LATENCY, ROOT, Result, SimulationError, build, check_writable, run, write_whole

STALLS = ("stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out")


def digits(imported: Imported, images: int) -> tuple[np.ndarray, np.ndarray]:
    """The first held-out images of scikit-learn's digits and their labels.

    Raises:
        LoasError: The sidecar has no split, or fewer images than asked for.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    split = imported.sidecar.get("split")
    indices = np.asarray(split.get("test_indices") if isinstance(split, dict) else None)
    if indices.ndim != 1 or indices.dtype.kind != "i" or indices.size and not 0 <= indices.min() <= indices.max() < len(data.data):
        raise LoasError(f"{imported.network.name}: the sidecar's split.test_indices is not legal: must be a list of held-out images, "
                        f"0 to {len(data.data) - 1}")  # fmt: skip
    if not 1 <= images <= len(indices):
        raise LoasError(f"--images {images} is not legal: must be 1 to {len(indices)}, the held-out images")
    chosen = indices[:images]
    return data.data[chosen].astype(np.int64), data.target[chosen].astype(np.int64)


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


def prepare(path: Path) -> None:
    """Removes the result of an earlier run, and makes the folder of this one's.

    Raises:
        LoasError: It could not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err
    check_writable(path)


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


@click.command()
@click.option("--network", "path", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "models/digits/digits.nir",
              help="NIR file with its sidecar beside it.  [default: models/digits/digits.nir]")  # fmt: skip
@click.option("--config", "name", default="paper", show_default=True, help="Named configuration of spec/configs.toml.")
@click.option("--laggy/--fast", default=None, help="Speculation with a laggy prefix sum, or two fast prefix sums.")
@click.option("--images", type=int, default=360, show_default=True, help="Held-out images to run.")
@click.option("--latency", type=LATENCY, default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "build/demo",
              help="Folder for result.json.  [default: build/demo]")  # fmt: skip
def main(path: Path, name: str, laggy: bool | None, images: int, latency: int, out: Path) -> None:
    """Run held-out digits through the machine's RTL and compare every spike with the golden model.

    Example: python -m scripts.demo --config tiny --images 20

    Exit code: 0 all equal, 1 a mismatch or an error of the machine, 2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    begin = time.perf_counter()
    result_file = out / "result.json"
    try:
        prepare(result_file)
        cfg = load(name)
        if laggy is not None:
            cfg = cfg.override(LAGGY=int(laggy))
        imported = read_nir(path)
        network = imported.network
        pixels, labels = digits(imported, images)
        spikes = imported.encode(pixels)
        golden = network.run(spikes, cfg.T)
        image = write_image(network, spikes, cfg)
        console.print(f"{network.name}: {len(network.layers)} layers, {images} images, image of {len(image)} bytes")
        build_begin = time.perf_counter()
        program = build(cfg, len(image), say=console.print)
        build_seconds = time.perf_counter() - build_begin
        run_result = simulate(program, cfg, image, network, images, latency, console)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except SimulationError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    again = f"python -m scripts.demo --config {name} --images {images} --latency {latency}"
    again += "" if laggy is None else " --laggy" if laggy else " --fast"
    if not run_result.ok:
        console.print(f"machine: {run_result.describe()}\nrepeat with: {again}", markup=False)
        sys.exit(1)
    report = compare(run_result.memory, network, spikes, golden, cfg)
    console.print(layer_table(network, report, cfg))
    console.print("empty, a, b, weight, laggy, out, idle: percent of all TPPE cycles; floor: matches / TPPEs")
    readout = network.layers[-1].readout
    correct = int((report.outputs[-1].argmax(axis=1) == labels).sum()) if readout and report.outputs else 0
    weights = sum(layer.weights.size for layer in network.layers)
    zeros = sum(int((layer.weights == 0).sum()) for layer in network.layers)
    matches = sum(count["matches"] for count in report.layers)
    result = {
        "network": network.name, "config": cfg.name, "laggy": bool(cfg.LAGGY), "simulator": "verilator", "images": images,
        "correct": correct, "accuracy": correct / images, "compared": report.compared, "mismatches": report.mismatches,
        "zero_weight_fraction": zeros / weights, "cycles": run_result.cycles, "matches": matches,
        "floor_cycles": -(-sum(count["matches"] for count in report.layers) // cfg.NUM_TPPES),
        "wall_seconds": round(time.perf_counter() - begin, 3), "build_seconds": round(build_seconds, 3),
        "simulation_seconds": round(run_result.wall_seconds, 3), "cycles_per_second": round(run_result.cycles_per_second),
        "memory_latency": latency, "image_bytes": len(image),
        "layers": [{"name": layer.name, "k": layer.k, "n": layer.n,
                    "floor_cycles": -(-count["matches"] // cfg.NUM_TPPES), **count}
                   for layer, count in zip(network.layers, report.layers, strict=True)],
    }  # fmt: skip
    try:
        write_json(result_file, result)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    console.print(
        f"{report.compared} spikes and logits compared, {report.mismatches} mismatches; {correct} of {images} images correct, "
        f"accuracy {100 * correct / images:.2f} %; {100 * zeros / weights:.1f} % of the weights zero\n"
        f"{run_result.cycles} cycles at {run_result.cycles_per_second:.0f} cycles/s; build {build_seconds:.1f} s, "
        f"all {result['wall_seconds']:.1f} s; written: {result_file}", markup=False,
    )  # fmt: skip
    if report.mismatches:
        for text in report.first:
            console.print("mismatch: " + text, markup=False)
        console.print(f"repeat with: {again}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
