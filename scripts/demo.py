# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The main job: held-out digits through the whole machine in RTL, every spike compared with the golden model."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from golden.config import load
from golden.errors import LoasError
from scripts.execute import execute, facts, layer_table, prepare, write_json
from scripts.nir_import import Imported, read_nir
from scripts.simulate import LATENCY, ROOT, SimulationError


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
        job = execute(network, imported.encode(pixels), cfg, latency, console, f"{images} images")
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except SimulationError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    report, again = job.report, f"python -m scripts.demo --config {name} --images {images} --latency {latency}"
    again += "" if laggy is None else " --laggy" if laggy else " --fast"
    if report is None:
        console.print(f"machine: {job.result.describe()}\nrepeat with: {again}", markup=False)
        sys.exit(1)
    console.print(layer_table(network, report, cfg))
    console.print("empty, a, b, weight, laggy, out, idle: percent of all TPPE cycles; floor: matches / TPPEs")
    readout = network.layers[-1].readout
    correct = int((report.outputs[-1].argmax(axis=1) == labels).sum()) if readout and report.outputs else 0
    result = {**facts(network, job, cfg, latency, begin), "images": images, "correct": correct, "accuracy": correct / images}
    try:
        write_json(result_file, result)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    console.print(
        f"{report.compared} spikes and logits compared, {report.mismatches} mismatches; {correct} of {images} images correct, "
        f"accuracy {100 * correct / images:.2f} %; {100 * result['zero_weight_fraction']:.1f} % of the weights zero\n"
        f"{job.result.cycles} cycles at {job.result.cycles_per_second:.0f} cycles/s; build {job.build_seconds:.1f} s, "
        f"all {result['wall_seconds']:.1f} s; written: {result_file}", markup=False,
    )  # fmt: skip
    if report.mismatches:
        for text in report.first:
            console.print("mismatch: " + text, markup=False)
        console.print(f"repeat with: {again}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
