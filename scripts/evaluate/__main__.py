# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""``python -m scripts.evaluate``, which is ``make bench``: the whole evaluation, its page and its plots."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from golden.config import load
from golden.errors import LoasError
from scripts.evaluate.engine import run_all, run_rtl
from scripts.evaluate.numbers import Results
from scripts.evaluate.plan import NETWORKS, plan
from scripts.evaluate.points import ROOT, RTL
from scripts.evaluate.report import Report, read_area
from scripts.evaluate.store import Store
from scripts.evaluate.sweep import DATA, deep_note, progress_of
from scripts.evaluate.workload import Library
from scripts.execute import make_room, prepare, write_json
from scripts.shapes import SHAPES
from scripts.simulate import LATENCY, write_whole

AREA = ROOT / "build/area/result.json"  # of scripts/area.py


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Fewer layers and values: a look, in 10 minutes.")
@click.option("--rtl/--no-rtl", default=True, show_default=True, help="With the machines that are RTL, in Verilator.")
@click.option("--config", default="paper", show_default=True, help="Named configuration of spec/configs.toml.")
@click.option("--latency", type=LATENCY, default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=1, show_default=True, help="Of weights and random spikes.")
@click.option("--shapes", type=click.Path(dir_okay=False, path_type=Path), default=SHAPES, help="[default: spec/networks.toml]")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of traces.  [default: ../shared/data]")
@click.option("--jobs", type=click.IntRange(1, 256), default=2, show_default=True, help="Processes, and simulations at a time.")
@click.option("--scheduler", help="Run models on the cluster of this Dask scheduler, such as tcp://host:8786, instead.")
@click.option("--fresh", is_flag=True, help="Do not take up results of earlier runs.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "build/bench", help="[default: build/bench]")
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the page; plots go into a folder beside it.  [default: docs/results.md, quick: build/bench/results.md]",
)
def main(
    quick: bool,
    rtl: bool,
    config: str,
    latency: int,
    seed: int,
    shapes: Path,
    data: Path | None,
    jobs: int,
    scheduler: str | None,
    fresh: bool,
    out: Path,
    page: Path | None,
) -> None:
    """Measure LoAS against its rivals, and write docs/results.md with its plots. A run that was interrupted goes on where it was.

    \b
    Example: python -m scripts.evaluate --quick --no-rtl

    Exit code: 0 done, 1 the RTL or an output is wrong, 2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    say = partial(console.print, markup=False)
    begin = time.perf_counter()
    result_file = out / "result.json"
    page = page or (out / "results.md" if quick else ROOT / "docs/results.md")
    plots = page.with_suffix("")
    try:
        if not page.suffix:
            raise LoasError(f"--page {page} is not legal: must have a suffix, such as .md: without, it is the folder of its plots")
        for path in (result_file, page, plots / "any.svg"):
            make_room(path)
        if data is not None and not data.is_dir():
            raise LoasError(f"--data {data} is not legal: must be a folder of traces")
        if note := deep_note(load(config)):
            say(note)
        library = Library.read(shapes, data or DATA, NETWORKS if shapes == SHAPES else None)
        for text in library.missing:
            say(text)
        series = list(plan(library, quick, config, latency, seed, rtl))
        area = read_area(AREA, config, say)
        if not series:
            raise LoasError(f"{shapes}: networks are not legal: must have one of {', '.join(NETWORKS)}")
        points = [point for one in series for point in one.points]
        tasks = library.tasks(points)
        models = [task for task in tasks if task.points[0].engine != RTL]
        store = Store(None if fresh else out / "points")
        bar, done = progress_of(console, len({p for t in models for p in t.points}), "models")
        with bar:
            found = run_all(models, store, workers=jobs, scheduler=scheduler, say=say, ready=lambda: prepare(result_file), done=done)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    measured = [task for task in tasks if task.points[0].engine == RTL]
    try:
        if measured:
            bar, done = progress_of(console, sum(len(task.points) for task in measured), "RTL")
            with bar:
                found |= run_rtl(measured, store, workers=jobs, say=say, done=done)
        results = Results.of(series, found)
        options = (
            ["--quick"] * quick
            + ["--no-rtl"] * (not rtl)
            + [
                f"--{k} {v}"
                for k, v in (("latency", latency), ("seed", seed), ("config", config))
                if v != {"latency": 20, "seed": 1, "config": "paper"}[k]
            ]
        )
        facts = {
            "command": " ".join(["python -m scripts.evaluate", *options]),
            "config": config,
            "latency": latency,
            "seed": seed,
            "quick": quick,
            "missing": [text.split(": no trace")[0] + ": no trace at hand; its spikes are synthetic" for text in library.missing],
        }
        text = Report(results, facts, area, plots).page()
        write_whole(page, text.encode())
        lines = [
            {
                "group": one.group,
                "label": one.label,
                "machine": one.machine,
                "network": one.network,
                "engine": one.points[0].engine,
                "spikes": one.points[0].spikes,
                "T": one.points[0].T,
                "density": one.points[0].density,
                "overrides": dict(one.points[0].overrides),
                "latency": one.points[0].latency,
                **total,
                "by_layer": [{"layer": p.layer, **v} for p, v in zip(one.points, values, strict=True)]
                if one.group in ("base", "rtl", "twin")
                else None,
            }
            for one, total, values in zip(series, results.totals, results.values, strict=True)
        ]
        write_json(result_file, {**facts, "series": lines})
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    say(f"{len(set(points))} points, {time.perf_counter() - begin:.0f} s; written: {page}, {result_file}")


if __name__ == "__main__":
    main()
