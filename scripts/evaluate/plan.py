# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Which points make up the evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from golden.config import load
from golden.rivals import MACHINES
from scripts.evaluate.points import RATES, RAW, RTL, SYNTHETIC, Point
from scripts.evaluate.workload import Library

NETWORKS = ("alexnet", "vgg16", "resnet19", "spikformer")
RTL_NETWORKS = ("alexnet", "vgg16")
SWEPT = ("alexnet", "vgg16")
LOAS, WAIT, SPARTEN, PASSES = "loas-laggy", "loas-wait", "sparten", "sparten-passes"
RIVALS = (SPARTEN, PASSES, "gospa", "gamma", "ptb", "stellar")
COMPARED = (LOAS, SPARTEN, "gospa", "gamma")
OWN = {SPARTEN: (("WINDOW", 1),), PASSES: (("WINDOW", 1),)}  # a machine's own parameters: SparTen's chunk is 128 bits
MEASURED_ON = ((LOAS, 2), (SPARTEN, 1), (LOAS, 1), (SPARTEN, 2), ("loas-fast", 2))  # RTL: machine, WINDOW; the first two: as built
TIMESTEPS = (1, 2, 4, 8, 16)
DENSITIES = (0.02, 0.05, 0.10, 0.25, 0.50, 0.75)
TPPES = (1, 2, 4, 8, 16, 32, 64)
WINDOWS = tuple((chunk, window) for window in (1, 2, 4) for chunk in (32, 64, 128, 256, 512) if chunk * window <= 512)
FIFO_DEPTHS = (2, 4, 8, 16, 32, 64)
SLICES = (4, 8, 16, 32, 64)
# (ways, sets) of 16 banks of 128-byte lines
CACHES = ((2, 2), (4, 2), (8, 2), (16, 2), (16, 4), (16, 8), (16, 16), (16, 32))
LATENCIES = (0, 20, 50, 100, 200)
BUSES = (64, 128, 256, 512, 1024)
# base: T as published, all machines. twin: the same with synthetic spikes. Others: what their parameter does
BASE, TWIN, DROP, T, DENSITY, NUM_TPPES, WINDOW, FIFO, SLICE, CACHE, LATENCY, BUS, PART, MEASURED = (
    "base",
    "twin",
    "drop",
    "T",
    "density",
    "tppes",
    "window",
    "fifo",
    "slice",
    "cache",
    "latency",
    "bus",
    "part",
    "rtl",
)


@dataclass(frozen=True)
class Series:
    """A line of a plot: the layers of a network on a machine at one value of what is varied.

    Attributes:
        group: What is varied.
        label: Of the value.
        machine: Name.
        network: Name.
        points: A point each layer, in the network's order.
    """

    group: str
    label: str
    machine: str
    network: str
    points: tuple[Point, ...] = field(repr=False)


def layers(library: Library, network: str, quick: bool) -> list[str]:
    """The network's layers; quick: those of three convolutions of each, and what is no convolution."""
    found = library.shapes[network].layers
    if not quick or len(found) <= 5:
        return [layer.name for layer in found]
    convs = [layer.name for layer in found if layer.conv]
    return [convs[0], convs[len(convs) // 2], convs[-1]]


def plan(library: Library, quick: bool, config: str, latency: int, seed: int, rtl: bool) -> Iterator[Series]:
    """All series of the evaluation.

    Args:
        library: Networks and traces.
        quick: Fewer layers in sweeps, fewer values.
        config: Of the machine.
        latency: Of the memory in cycles.
        seed: Of weights and random spikes.
        rtl: With the machines that are RTL.
    """
    cfg = load(config)

    def series(
        group: str, label: object, machine: str, network: str, spikes: str | None = None, some: bool = False, **more: object
    ) -> Series:
        steps = library.shapes[network].T
        fields: dict[str, Any] = {
            "spikes": spikes or library.best(network),
            "T": steps,
            "config": config,
            "latency": latency,
            "seed": seed,
            **more,
        }
        changes: tuple[tuple[str, int], ...] = fields.get("overrides", ())
        if "WINDOW" not in dict(changes):
            fields["overrides"] = tuple(sorted({**dict(OWN.get(machine, ())), **dict(changes)}.items()))
        return Series(
            group,
            str(label),
            machine,
            network,
            tuple(Point(machine, network, name, **fields) for name in layers(library, network, quick and some)),
        )

    every = [name for name in NETWORKS if name in library.shapes]
    for network in every:
        for machine in MACHINES:
            yield series(BASE, "", machine, network, some=network == "resnet19")
    for network in (name for name in every if name in library.traces):
        for machine in (LOAS, "loas-fast", SPARTEN):
            yield series(TWIN, SYNTHETIC, machine, network, SYNTHETIC)
    for network in every:
        for machine in COMPARED:
            for spikes in (RAW, SYNTHETIC):
                yield series(DROP, spikes, machine, network, spikes, some=True)
    swept = [name for name in SWEPT if name in library.shapes]
    if rtl:
        for network in (name for name in RTL_NETWORKS if name in library.shapes):
            for machine, window in MEASURED_ON[:2] if quick else MEASURED_ON:
                yield series(MEASURED, window, machine, network, engine=RTL, overrides=(("WINDOW", window),))

    def thin(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*values[:-1:2], values[-1]) if quick else values

    for network in swept:
        for steps in TIMESTEPS:
            for machine in COMPARED:
                yield series(T, steps, machine, network, RATES, some=True, T=steps)
        for density in thin(DENSITIES):
            for machine in COMPARED:
                yield series(DENSITY, density, machine, network, some=True, density=density)
        for count in thin(TPPES):
            for machine in COMPARED:
                yield series(NUM_TPPES, count, machine, network, some=True, overrides=(("NUM_TPPES", count),))
        for chunk, window in WINDOWS:
            rate = min(cfg.INDEX_RATE, chunk // 8)  # no more bytes than a chunk has
            for machine in (LOAS, SPARTEN):
                yield series(
                    WINDOW,
                    f"{chunk} x {window}",
                    machine,
                    network,
                    some=True,
                    overrides=(("CHUNK_W", chunk), ("INDEX_RATE", rate), ("WINDOW", window)),
                )
        for depth in thin(FIFO_DEPTHS):
            yield series(FIFO, depth, LOAS, network, some=True, overrides=(("FIFO_DEPTH", depth),))
        for adders in thin(SLICES):
            entries = max(cfg.OUT_ENTRIES, 2 * cfg.K_MAX // adders)  # the output buffer holds slices: as many neurons as before
            for machine in (LOAS, WAIT):
                yield series(SLICE, adders, machine, network, some=True, overrides=(("OUT_ENTRIES", entries), ("SLICE_W", adders)))
        for ways, sets in thin(CACHES):
            size = cfg.NUM_BANKS * ways * sets * cfg.line_bytes // 1024
            for machine in COMPARED:
                yield series(CACHE, size, machine, network, some=True, overrides=(("NUM_SETS", sets), ("NUM_WAYS", ways)))
        for wait in thin(LATENCIES):
            for machine in COMPARED:
                yield series(LATENCY, wait, machine, network, some=True, latency=wait)
        for bits in thin(BUSES):
            for machine in COMPARED:
                yield series(BUS, bits, machine, network, some=True, overrides=(("AXI_W", bits),))
        # from our machine to what the paper compares, a step each
        small = (("AXI_W", 64), ("NUM_SETS", 2), ("NUM_WAYS", 4))
        for label, changes in (
            ("as built", ()),
            ("LoAS with WINDOW = 1", (("WINDOW", 1),)),
            ("and 8 bytes a cycle, 16 KB of cache", (*small, ("WINDOW", 1))),
        ):
            for machine in (LOAS, SPARTEN, PASSES):
                yield series(PART, label, machine, network, overrides=tuple(sorted(changes)))
