# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The cycle model of LoAS against the counters of its RTL, layer by layer, in both modes the RTL has.

The counters are recorded in golden/rivals/rtl_cycles.json, so the comparison needs no simulator; ``--rtl`` measures them anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from golden.config import Config, load
from golden.errors import LoasError
from golden.image import parse_layout, read_perf, write_image
from golden.layer import Layer, sources
from golden.network import Network, load_npz
from golden.rivals import MACHINES, Cost, Work, energy, estimate
from golden.rivals.loas import sequence
from scripts import simulate
from scripts.demo import digits
from scripts.execute import make_room, write_json
from scripts.nets import DATA, inputs, random_layer
from scripts.nir_import import read_nir
from scripts.shapes import SHAPES, read_shapes
from scripts.simulate import LATENCY, ROOT, SimulationError

RECORDED = ROOT / "golden/rivals/rtl_cycles.json"
MODES = {"laggy": 1, "fast": 0}
BOUND = 0.03
IMAGES = {"digits": 64, "digits_conv": 4, "mnist_conv": 2, "mnist_small": 2}
MEMORY = 1 << 24  # bytes; one executable for all
KINDS = ("cycles", "matches", "empty_chunks", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle", "bytes_read",
         "bytes_written")  # fmt: skip


@dataclass
class Job:
    """A network that runs as an image, and the layers whose cycles are compared.

    Attributes:
        network: Its name.
        net: What is packed.
        spikes: (rows, channels, T) of its input.
        maps: What each layer reads.
    """

    network: str
    net: Network
    spikes: npt.NDArray[np.uint8]
    maps: list[tuple[npt.NDArray[np.integer], ...]]

    def layers(self, cfg: Config) -> Iterator[tuple[Layer, Work]]:
        """Its layers with their work, and where its image puts them."""
        layout = parse_layout(write_image(self.net, self.spikes, cfg), cfg)
        for layer, maps, place in zip(self.net.layers, self.maps, layout.layers, strict=True):
            yield layer, Work.of(layer, *maps, place=place)


def shaped(name: str, cfg: Config, seed: int) -> Iterator[Job]:
    """The layers of a network of spec/networks.toml, each an image of its own, as in scripts.nets.

    Raises:
        LoasError: Its trace is not there, or malformed.
    """
    shape = read_shapes(SHAPES)[name]
    if shape.trace and not (DATA / shape.trace).exists():
        raise LoasError(f"{DATA / shape.trace}: is not there: {name} needs its recorded spikes to be compared")
    maps = inputs(shape, DATA, seed, False, lambda text: None).maps
    for layer in shape.layers:
        spikes = layer.rows(maps[layer.source])
        yield Job(name, Network(f"{name}.{layer.name}", cfg.T, [random_layer(layer, seed, name, cfg)]), spikes, [(spikes,)])


def trained(name: str, cfg: Config) -> Iterator[Job]:
    """A trained network with some of its images, as one image of all layers.

    Raises:
        LoasError: Its images are not there.
    """
    imported = read_nir(ROOT / "models" / name / f"{name}.nir")
    if name.startswith("mnist"):
        path = DATA / "mnist.npz"
        if not path.exists():
            raise LoasError(f"{path}: is not there: {name} needs its images to be compared")
        pixels = load_npz(path)["x_test"][: IMAGES[name]].astype(np.int64)
    else:
        pixels = digits(imported, IMAGES[name])[0]
    net = imported.network
    spikes = imported.encode(pixels)
    outputs = net.run(spikes, cfg.T)
    maps = [tuple(spikes if i < 0 else outputs[i] for i in sources(layer, place)) for place, layer in enumerate(net.layers)]
    yield Job(name, net, spikes, maps)


NETWORKS = ("alexnet", "vgg16", "resnet19", "digits", "digits_conv", "mnist_conv", "mnist_small", "spikformer")


def jobs(name: str, cfg: Config, seed: int) -> Iterator[Job]:
    """All jobs of a network."""
    yield from trained(name, cfg) if name in IMAGES else shaped(name, cfg, seed)


def measure(names: list[str], config: str, latency: int, seed: int, say: Any) -> dict[str, Any]:
    """Runs everything on the RTL.

    Raises:
        LoasError: A network cannot be read.
        SimulationError: The simulator failed or the machine reported an error.
    """
    rows = []
    for mode, flag in MODES.items():
        cfg = load(config).override(LAGGY=flag)
        program = simulate.build(cfg, MEMORY, say=say)
        for name in names:
            for job in jobs(name, cfg, seed):
                image = write_image(job.net, job.spikes, cfg)
                result = simulate.run(program, cfg, image, latency=latency)
                if not result.ok:
                    raise SimulationError(f"{job.net.name}: {result.describe()}")
                records = read_perf(result.memory, parse_layout(result.memory, cfg, verify_crc=False))
                for layer, counts in zip(job.net.layers, records, strict=True):
                    say(f"{mode} {name} {layer.name}: {counts['cycles']} cycles")
                    rows.append({"mode": mode, "network": name, "layer": layer.name, **{key: counts[key] for key in KINDS}})
    return {"config": config, "latency": latency, "seed": seed, "images": IMAGES, "rtl": rtl_digest(), "layers": rows}


def rtl_digest() -> str:
    """A digest of the RTL: the counters are those of these sources."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "rtl").rglob("*.v")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--network", "names", multiple=True, type=click.Choice(NETWORKS), help="May be repeated.  [default: all]")
@click.option("--rtl", is_flag=True, help="Measure the counters on the RTL anew (a quarter of an hour), and record them.")
@click.option("--rivals", is_flag=True, help="Print cycles and energy of all machines by model instead (alexnet and vgg16 by default).")
@click.option("--latency", type=LATENCY, help="Memory latency in cycles, with --rtl.  [default: 20]")
@click.option("--config", help="Named configuration, with --rtl.  [default: paper]")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), default=RECORDED,
              help="Recorded counters.  [default: golden/rivals/rtl_cycles.json]")  # fmt: skip
def main(names: tuple[str, ...], rtl: bool, rivals: bool, latency: int | None, config: str | None, record: Path) -> None:
    """Print cycles of the model and of the RTL for every layer, and fail where they differ by more than 3 %.

    Example: python -m scripts.validate --network vgg16

    Exit code: 0 all within 3 %, 1 a layer is not, or the machine failed, 2 bad input.
    """
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    wanted = list(dict.fromkeys(names)) or list(NETWORKS)
    try:
        for name, given in (("--latency", latency), ("--config", config)):
            if given is not None and not rtl:
                raise LoasError(f"{name} {given} is not legal without --rtl: the recorded counters have their own")
        if rivals:
            compare_machines(list(dict.fromkeys(names)) or ["alexnet", "vgg16"], console)
            return
        if rtl:
            config, latency = config or "paper", 20 if latency is None else latency
            if record == RECORDED and (config, latency, set(wanted)) != ("paper", 20, set(NETWORKS)):
                raise LoasError(f"--record {record} is not legal: it holds all networks on paper at latency 20; name another file")
            make_room(record)
            value = measure(wanted, config, latency, 1, lambda text: console.print(text, markup=False))
            write_json(record, value)
        else:
            value = json.loads(record.read_text(encoding="utf-8"))
            if value["rtl"] != rtl_digest():
                console.print(f"{record.name} was measured on other RTL than this; --rtl measures anew", markup=False)
        worst = compare(value, wanted, console)
    except (OSError, json.JSONDecodeError) as err:
        click.echo(f"error: {record}: cannot be read: {err}", err=True)
        sys.exit(2)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except SimulationError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    if worst > BOUND:
        sys.exit(1)


def compare_machines(names: list[str], console: Console) -> None:
    """Prints cycles and energy of all machines by their models, in total for each network (seed 1, latency 20)."""
    cfg = load("paper")
    table = Table(title="all layers that read spikes, by model (paper, latency 20)")
    table.add_column("machine", no_wrap=True)
    for name in names:
        for what in ("cycles", "x LoAS", "uJ"):
            table.add_column(f"{name} {what}", justify="right")
    costs: dict[str, dict[str, list[Cost]]] = {machine: {} for machine in MACHINES}
    for name in names:
        works = [Work.of(layer, *maps) for job in jobs(name, cfg, 1) for layer, maps in zip(job.net.layers, job.maps, strict=True)]
        for machine, found in costs.items():
            found[name] = [estimate(machine, work, cfg) for work in works]
    for machine, found in costs.items():
        cells = [machine]
        for name in names:
            cycles, own = (sum(cost.cycles for cost in costs[which][name]) for which in (machine, "loas-laggy"))
            joules = sum(sum(energy(cost).values()) for cost in found[name])
            cells += [str(cycles), f"{cycles / own:.2f}", f"{joules / 1e6:.1f}"]
        table.add_row(*cells)
    console.print(table)


def compare(value: dict[str, Any], names: list[str], console: Console) -> float:
    """Prints a line for each layer and mode.

    Returns:
        The largest relative difference of cycles.
    """
    recorded = {(row["mode"], row["network"], row["layer"]): row for row in value["layers"]}
    worst, same, rows, cfg = 0.0, 0, 0, load(value["config"])
    for name in names:
        table = Table(title=f"{name}: cycles by model and RTL ({value['config']}, latency {value['latency']})")
        for column in ("layer", *(f"{mode} {what}" for mode in MODES for what in ("model", "RTL", "model / RTL"))):
            table.add_column(column, justify="left" if column == "layer" else "right")
        found = [list(job.layers(cfg)) for job in jobs(name, cfg, value["seed"])]
        costs = {mode: [cost for layers in found for cost in
                        sequence([work for _, work in layers], cfg, value["latency"], mode=mode)] for mode in MODES}  # fmt: skip
        for i, layer in enumerate([layer.name for layers in found for layer, _ in layers]):
            cells = [layer]
            for mode in MODES:
                row = recorded.get((mode, name, layer))
                if row is None:
                    raise LoasError(f"layers: {mode} {name} {layer} is missing: measure with --rtl")
                cost = costs[mode][i]
                cycles, rows = cost.cycles, rows + 1
                same += {"cycles": cycles, **cost.breakdown} == {key: row[key] for key in KINDS if not key.startswith("bytes")}
                worst = max(worst, abs(cycles / row["cycles"] - 1))
                cells += [str(cycles), str(row["cycles"]), f"{cycles / row['cycles']:.4f}"]
            table.add_row(*cells)
        console.print(table)
    console.print(f"every kind of TPPE cycle equal: {same} of {rows} layers and modes")
    console.print(f"largest difference: {100 * worst:.2f} % (at most {100 * BOUND:.0f} %)")
    return worst


if __name__ == "__main__":
    main()
