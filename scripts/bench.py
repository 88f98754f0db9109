# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the machine was built to reach, measured on the whole ``paper`` machine in Verilator, every output compared.

Three demands: LAGGY (one fast prefix sum and speculation) against FAST (two fast prefix sums), cycles a match and cycles
an empty chunk (and a window of them), and the speed of the simulation. Each figure is printed and written beside its bound.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.bench import VGG16, random_weights
from golden.compare import CATEGORIES, compare
from golden.config import Config, load
from golden.errors import LoasError
from golden.image import write_image
from golden.layer import Layer, work
from golden.network import Network, load_npz
from golden.synthetic import random_spikes
from scripts.demo import digits
from scripts.execute import write_json
from scripts.nir_import import read_nir
from scripts.simulate import ROOT, Result, SimulationError, build, run

SpikeArray = npt.NDArray[np.uint8]

LAGGY_BOUND = 1.15  # cycles of LAGGY by those of FAST
STEADY_BOUND = 1.05  # busy TPPE cycles by matches, or by chunks without any; the rest: first reading of lines, starts of tasks
SPEED_BOUND = 40_000  # simulated cycles a second in the demo
IMAGES = 360

# loas.md section 2, CIFAR-10, T = 4, the network before the once-firing neurons are dropped: silent, zero spikes, zero weights
DENSITIES = {"VGG16": (0.741, 0.823, 0.982), "VGG16 layer 8": (0.765, 0.881, 0.968)}
TRACES = {"vgg16": {"conv7": 0.0325, "": 0.0177}, "alexnet": {"conv3": 0.0113, "": 0.0174}}  # weight density, section 3

DEMO, RANDOM, DENSE, EMPTY, WAIT, TRACE = "demo", "random", "dense", "empty", "wait", "trace"
GROUPS = (DEMO, RANDOM, DENSE, EMPTY, WAIT, TRACE)


@dataclass(frozen=True, eq=False)
class Case:
    """A network with its input, and what it is measured for.

    Attributes:
        group: One of GROUPS.
        name: Of the line in the table.
        network: Layers.
        spikes: (M, K, T) input.
        latency: Of the memory, where it is not that of all runs.
    """

    group: str
    name: str
    network: Network
    spikes: SpikeArray
    latency: int | None = None

    @property
    def shape(self) -> str:
        """Rows and sizes."""
        return "x".join(map(str, [*self.spikes.shape[:2], *(layer.n for layer in self.network.layers)]))


@dataclass
class Run:
    """What one case did on one machine.

    Attributes:
        case: What ran.
        laggy: On the machine with LAGGY = 1.
        count: Counters, all layers together; empty if the run failed.
        compared: Spikes and integers compared.
        mismatches: How many differ; a run that failed has one.
        faults: Texts of the first differences.
        speed: Simulated cycles a second.
        empty: Windows without a match, by the golden model.
        window: Chunks of a window.
    """

    case: Case
    laggy: bool
    count: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    mismatches: int = 0
    faults: list[str] = field(default_factory=list)
    speed: float = 0.0
    empty: int = 0
    window: int = 1

    @property
    def busy(self) -> int:
        """TPPE cycles with a task."""
        return sum(self.count.get(key, 0) for key in CATEGORIES if key != "idle")

    @property
    def steady(self) -> float | None:
        """Busy cycles by those of a TPPE that spends one on each match and one on each window without any."""
        return self.busy / (self.count["matches"] + self.empty) if self.count else None


@dataclass(frozen=True)
class Figure:
    """A measured number and its demand.

    Attributes:
        name: What it is.
        value: None if it could not be measured.
        bound: What is demanded; None if nothing is.
        at_least: The bound is the smallest legal value, else the largest.
    """

    name: str
    value: float | None
    bound: float | None
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the demand is met."""
        if self.value is None or self.bound is None:
            return self.bound is None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def windows(spikes: SpikeArray) -> SpikeArray:
    """Rows of a 3x3 convolution with padding 1.

    Args:
        spikes: (T, C, H, W) feature maps.

    Returns:
        (H W, 9 C, T), K ordered (kh, kw, cin).
    """
    T, C, H, W = spikes.shape
    padded = np.pad(spikes, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = np.stack([padded[:, :, i : i + H, j : j + W] for i in range(3) for j in range(3)])
    return np.ascontiguousarray(parts.transpose(3, 4, 0, 2, 1).reshape(H * W, 9 * C, T))


def case(rng: np.random.Generator, group: str, name: str, spikes: SpikeArray, weights: npt.NDArray[np.int8]) -> Case:
    """One layer of the paper's neurons (decay 1/4, hard reset), with thresholds that some sums reach and some do not."""
    n = weights.shape[1]
    bias, threshold = rng.integers(-50, 51, (n,)), rng.integers(50, 500, (n,))
    layer = Layer(weights, bias, threshold, 64, name=name)
    return Case(group, name, Network(name, spikes.shape[2], [layer]), spikes)


def demo_case(images: int) -> Case:
    """The trained digits network."""
    imported = read_nir(ROOT / "models/digits/digits.nir")
    return Case(DEMO, "digits", imported.network, imported.encode(digits(imported, images)[0]))


def random_cases(rng: np.random.Generator, T: int, quick: bool) -> Iterator[Case]:
    """The convolutions of VGG16 by size (every size once, all rows; quick: an eighth), at the published densities."""
    for m, k, n in dict.fromkeys(shape for shape in VGG16 if shape[1] >= 576):
        which = "VGG16 layer 8" if (k, n) == (2304, 512) else "VGG16"
        silent, zeros, sparse = DENSITIES[which]
        rows = max(1, m // 8) if quick else m
        spikes = random_spikes(rng, rows, k, T, silent, zeros)
        yield case(rng, RANDOM, f"{which}: {rows}x{k}x{n}", spikes, random_weights(rng, k, n, 1 - sparse))


def directed_cases(rng: np.random.Generator, T: int) -> Iterator[Case]:
    """Layers of nothing but matches, and of nothing but chunks without any.

    A chunk without a match takes an eighth of a line of masks in a cycle, a match next to nothing. So the rate of the TPPE
    itself shows with a memory that answers at once; what memory adds to that is measured beside it.
    """
    m, k, n = 16, 1024, 64
    small = rng.choice(np.array([-3, -2, -1, 1, 2, 3], np.int8), (k, n))
    yield case(rng, DENSE, "all ones", np.ones((m, k, T), np.uint8), small)
    mixed = (rng.integers(1, (1 << T) - 1, (m, k))[:, :, None] >> np.arange(T) & 1).astype(np.uint8)
    yield case(rng, DENSE, "a correction a match", mixed, small)
    m, k, n = 512, 2048, 64
    silent, zeros, sparse = DENSITIES["VGG16"]
    spikes, weights = random_spikes(rng, m, k, T, silent, zeros), random_weights(rng, k, n, 1 - sparse)
    odd = np.arange(k) % 2 == 1
    disjoint = case(rng, EMPTY, "disjoint masks", spikes * odd[:, None], np.where(odd[:, None], np.int8(0), weights))
    yield replace(case(rng, EMPTY, "no spikes", np.zeros_like(spikes), weights), latency=0)
    yield replace(case(rng, EMPTY, "no weights", spikes, np.zeros_like(weights)), latency=0)
    yield replace(disjoint, latency=0)
    yield replace(disjoint, group=WAIT, name="disjoint masks, memory waits")


def trace_cases(rng: np.random.Generator, folder: Path, rows: int) -> Iterator[Case]:
    """Convolutions of recorded networks, rows spread over the map, with random weights at the published density."""
    for network, density in TRACES.items():
        path = folder / f"{network}_cifar10_t4.npz"
        if not path.exists():
            continue
        data = load_npz(path)
        shapes = {key[:-6]: tuple(map(int, value)) for key, value in data.items() if key.endswith(".shape")}
        maps = {key: np.unpackbits(data[f"{key}.bits"], count=int(np.prod(shapes[key]))).reshape(shapes[key]) for key in shapes}
        names = [key for key in maps if maps[key].ndim == 4]
        for name, after in zip(names, [*names[1:], names[-1]], strict=True):
            spikes = windows(maps[name])
            chosen = np.unique(np.linspace(0, len(spikes) - 1, rows).astype(int))
            n = maps[after].shape[1]
            weights = random_weights(rng, spikes.shape[1], n, density.get(name, density[""]))
            yield case(rng, TRACE, f"{network} {name}", spikes[chosen], weights)


def measure(one: Case, cfg: Config, image: bytes, simulate: Callable[[Config, bytes], Result]) -> Run:
    """Runs a case on one machine and compares everything."""
    outcome = Run(one, bool(cfg.LAGGY))
    try:
        result = simulate(cfg, image)
        problem = "" if result.ok else result.describe()
    except SimulationError as err:
        problem = str(err)
    if problem:
        outcome.mismatches, outcome.faults = 1, [problem]
        return outcome
    golden = one.network.run(one.spikes, cfg.T)
    report = compare(result.memory, one.network, one.spikes, golden, cfg)
    outcome.count = {key: sum(count[key] for count in report.layers) for key in report.layers[0]}
    outcome.compared, outcome.mismatches, outcome.faults = report.compared, report.mismatches, report.first
    outcome.speed, outcome.window = result.cycles_per_second, cfg.WINDOW
    for a, layer in zip([one.spikes, *golden], one.network.layers, strict=False):
        outcome.empty += work(a, layer.weights, cfg).empty_chunks
    return outcome


def ratio(laggy: Run, fast: Run) -> float | None:
    """Cycles of LAGGY by those of FAST."""
    return laggy.count["cycles"] / fast.count["cycles"] if laggy.count and fast.count else None


def figures(pairs: list[tuple[Run, Run]]) -> list[Figure]:
    """Every demand, from (LAGGY, FAST) of each case."""
    found = []
    for laggy, fast in pairs:
        name, group = laggy.case.name, laggy.case.group
        if group in (DEMO, RANDOM):
            found.append(Figure(f"LAGGY / FAST, {name}", ratio(laggy, fast), LAGGY_BOUND))
        if group in (DENSE, EMPTY, WAIT):
            for kind, r in (("LAGGY", laggy), ("FAST", fast)):
                if group == DENSE:
                    found.append(Figure(f"cycles a match, {name}, {kind}", r.steady, STEADY_BOUND))
                    continue
                # nothing matches in these, so every window is WINDOW chunks without a match
                chunk = None if r.steady is None else r.steady / r.window
                found.append(Figure(f"cycles an empty chunk, {name}, {kind}", chunk, None if group == WAIT else STEADY_BOUND))
                if r.window > 1:
                    found.append(Figure(f"cycles an empty window of {r.window}, {name}, {kind}", r.steady, None))
        if group == DEMO:
            found.append(Figure("simulated cycles a second, demo", laggy.speed if laggy.count else None, SPEED_BOUND, True))
    found.append(Figure("mismatches", sum(r.mismatches for pair in pairs for r in pair), 0))
    return found


def densities(one: Case) -> tuple[float, float, float]:
    """Silent neurons, zero spikes of the input, zero weights of all layers."""
    weights = sum(layer.weights.size for layer in one.network.layers)
    nonzero = sum(int(np.count_nonzero(layer.weights)) for layer in one.network.layers)
    return float(1 - one.spikes.any(axis=2).mean()), float(1 - one.spikes.mean()), 1 - nonzero / weights


def run_table(pairs: list[tuple[Run, Run]], cfg: Config) -> Table:
    """A line for each case; the division of TPPE cycles is LAGGY's."""
    table = Table(title=f"{cfg.name}, {cfg.NUM_TPPES} TPPEs, T = {cfg.T}; zeros, and the division of LAGGY's TPPE cycles, in percent")
    table.add_column("case")
    parts = [key.removeprefix("stall_").removesuffix("_chunks") for key in CATEGORIES]
    for name in ("rows x K x N", "silent", "spikes", "weights", "floor", "FAST", "LAGGY", "ratio", "/ floor", "correct.", *parts):
        table.add_column(name, justify="right")
    group = ""
    for laggy, fast in pairs:
        one, count = laggy.case, laggy.count
        if group not in ("", one.group):
            table.add_section()
        group = one.group
        cells = [one.name, one.shape, *(f"{100 * part:.1f}" for part in densities(one))]
        if not count or not fast.count:
            table.add_row(*cells, "failed")
            continue
        floor = -(-count["matches"] // cfg.NUM_TPPES)
        whole = count["cycles"] * cfg.NUM_TPPES
        table.add_row(*cells, str(floor), str(fast.count["cycles"]), str(count["cycles"]), f"{ratio(laggy, fast):.3f}",
                      f"{count['cycles'] / floor:.2f}" if floor else "", str(count["corrections"]),
                      *(f"{100 * count[key] / whole:.1f}" for key in CATEGORIES))  # fmt: skip
    return table


def figure_table(found: list[Figure]) -> Table:
    """The demands."""
    table = Table(title="demands")
    for name in ("figure", "measured", "demanded", ""):
        table.add_column(name, justify="left" if name in ("figure", "") else "right")
    for f in found:
        value = "failed" if f.value is None else f"{f.value:,.0f}" if f.bound == 0 or f.value > 1000 else f"{f.value:.4f}"
        demand = "" if f.bound is None else f"{'>=' if f.at_least else '<='} {f.bound:,}"
        table.add_row(f.name, value, demand, "" if f.bound is None else "[green]ok" if f.ok else "[red]MISSED")
    return table


def machine() -> dict[str, Any]:
    """What the measurement ran on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpus": os.cpu_count(), "model": names[0] if names else platform.processor() or platform.machine()}


def record(pair: tuple[Run, Run]) -> dict[str, Any]:
    """A case for result.json."""
    laggy, fast = pair
    silent, zeros, weights = densities(laggy.case)
    return {"group": laggy.case.group, "name": laggy.case.name, "shape": laggy.case.shape, "latency": laggy.case.latency,
            "silent": silent, "zero_spikes": zeros, "zero_weights": weights, "ratio": ratio(laggy, fast),
            **{kind: {"counters": r.count, "golden_empty_windows": r.empty, "window": r.window, "steady": r.steady, "compared": r.compared,
                      "mismatches": r.mismatches, "faults": r.faults, "cycles_per_second": round(r.speed)}
               for kind, r in (("laggy", laggy), ("fast", fast))}}  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Fewer rows and images: a look, not a measurement.")
@click.option("--only", multiple=True, type=click.Choice(GROUPS), help="These groups only; may be repeated.")
@click.option("--seed", default=1, show_default=True, help="Of the random layers.")
@click.option("--latency", default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--traces", type=click.Path(path_type=Path), default=ROOT.parent / "shared/data",
              help="Folder of recorded spikes, used when there.  [default: ../shared/data]")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=ROOT / "build/speed",
              help="Folder for result.json.  [default: build/speed]")  # fmt: skip
def main(quick: bool, only: tuple[str, ...], seed: int, latency: int, traces: Path, out: Path) -> None:
    """Measure LAGGY against FAST, cycles a match and an empty chunk, and the simulation's speed on the paper machine.

    \b
    Groups: demo (the trained digits), random (VGG16's sizes and densities), dense (nothing but matches), empty (nothing but
    chunks without a match, memory at once), wait (the same with --latency), trace (recorded spikes).

    \b
    Example: python -m scripts.bench --quick --only demo --only random

    Exit code: 0 every demand met and no mismatch, 1 not, 2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    result_file = out / "result.json"
    result_file.unlink(missing_ok=True)
    cfg = load("paper")
    rngs = [np.random.default_rng([seed, i]) for i in range(3)]
    makers: list[Callable[[], Iterator[Case]]] = [
        lambda: iter([demo_case(IMAGES // 8 if quick else IMAGES)]),
        lambda: random_cases(rngs[0], cfg.T, quick),
        lambda: directed_cases(rngs[1], cfg.T),
        lambda: trace_cases(rngs[2], traces, 4 if quick else 32),
    ]
    try:
        cases = [one for make in makers for one in make() if not only or one.group in only]
        if not cases:
            raise LoasError(f"--only {' '.join(only)} is not legal here: no recorded spikes in {traces}")
        images = [write_image(one.network, one.spikes, cfg) for one in cases]
        size = max(map(len, images))
        programs = {flag: build(cfg.override(LAGGY=flag), size, say=console.print) for flag in (1, 0)}
    except LoasError as err:
        console.print(f"error: {err}", markup=False)
        sys.exit(2)
    except SimulationError as err:
        console.print(f"error: {err}", markup=False)
        sys.exit(1)

    pairs: list[tuple[Run, Run]] = []
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} runs"),
                  TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task("running", total=2 * len(cases))
        for one, image in zip(cases, images, strict=True):

            def simulate(cfg: Config, image: bytes, one: Case = one) -> Result:
                text = f"{one.group}: {one.name}, {'LAGGY' if cfg.LAGGY else 'FAST'}"
                if not console.is_terminal:
                    console.print(f"  {text}", markup=False)
                wait = latency if one.latency is None else one.latency
                return run(programs[cfg.LAGGY], cfg, image, latency=wait, timeout=1800,
                           progress=lambda layer, row, cycle: bar.update(task, description=f"{text}, cycle {cycle}"))  # fmt: skip

            both = []
            for flag in (1, 0):
                both.append(measure(one, cfg.override(LAGGY=flag), image, simulate))
                bar.advance(task)
            pairs.append((both[0], both[1]))

    found = figures(pairs)
    for title_table in (run_table(pairs, cfg), figure_table(found)):
        console.print(title_table)
    for r in (r for pair in pairs for r in pair if r.faults):
        for text in r.faults:
            console.print(f"{r.case.name}, {'LAGGY' if r.laggy else 'FAST'}: {text}", markup=False)
    value = {"config": cfg.name, "quick": quick, "seed": seed, "memory_latency": latency, "machine": machine(),
             "compared": sum(r.compared for pair in pairs for r in pair), "figures": [{**asdict(f), "ok": f.ok} for f in found],
             "cases": [record(pair) for pair in pairs]}  # fmt: skip
    write_json(result_file, value)
    missed = [f.name for f in found if not f.ok]
    demanded = sum(f.bound is not None for f in found)
    console.print(f"{value['compared']} spikes and integers compared; {demanded - len(missed)} of {demanded} demands met; "
                  f"written: {result_file}", markup=False)  # fmt: skip
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
