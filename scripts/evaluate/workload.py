# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Layers and spikes of points: recorded ones from a trace, random ones from published statistics."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from golden.config import load
from golden.errors import LoasError
from golden.layer import Layer
from golden.rivals import Work
from golden.synthetic import Rates, Statistics
from scripts.evaluate.points import RATES, RAW, RECORDED, SYNTHETIC, Point, Task
from scripts.shapes import LayerShape, NetworkShape, ShapeError, SpikeArray, parse_network, read_shapes, read_trace, stream, synthetic_maps


def random_layer(shape: LayerShape, point: Point) -> Layer:
    """The layer as ``make nets`` runs it, with the point's density."""
    from scripts.nets import random_layer as layer_of

    if point.density is not None:
        shape = dataclasses.replace(shape, density=point.density)
    return layer_of(shape, point.seed, point.network, load(point.config))


def layer_named(network: NetworkShape, name: str) -> LayerShape:
    """A layer by name.

    Raises:
        ShapeError: There is none; says which are.
    """
    for layer in network.layers:
        if layer.name == name:
            return layer
    raise ShapeError(f"{network.name}: layer {name!r} is not legal: must be one of {', '.join(x.name for x in network.layers)}")


def statistics_of(network: NetworkShape, layer: LayerShape) -> Statistics:
    """Published statistics of a layer's spikes.

    Raises:
        ShapeError: It has none.
    """
    if layer.spikes is None:
        raise ShapeError(f"{network.name}: {layer.name}: field 'spikes' is missing: must be there for spikes that are not recorded")
    return layer.spikes


def map_of(task: Task, point: Point) -> SpikeArray:
    """(T, *input) spikes that the point's layer reads."""
    network = _network(point.network, task.table)
    layer = layer_named(network, point.layer)
    if point.spikes == RECORDED:
        if task.bits is None:
            raise LoasError(f"{point.network}: spikes = {point.spikes!r} is not legal: must be random, there is no trace")
        shape = (network.T, *layer.input)
        return np.unpackbits(np.frombuffer(task.bits, np.uint8), count=math.prod(shape)).reshape(shape)
    if point.spikes == SYNTHETIC:
        return synthetic_maps(network, point.seed, {layer.source})[layer.source]
    statistics, size = statistics_of(network, layer), (1, math.prod(layer.input))
    if point.spikes == RAW:
        # the same stream as of tuned ones: the two differ by the drop alone
        flat = statistics.draw(stream(point.seed, network.name, layer.source, "spikes"), size, network.T, tuned=False)
    else:
        flat = Rates.of(statistics, network.T).draw(stream(point.seed, network.name, layer.source, "rates"), size, point.T)
    return np.ascontiguousarray(flat[0].T).reshape(flat.shape[2], *layer.input)


@functools.lru_cache(maxsize=16)
def _network(name: str, table: str) -> NetworkShape:
    return parse_network(name, name, json.loads(table))


def layer_and_rows(task: Task, point: Point) -> tuple[LayerShape, Layer, SpikeArray]:
    """Shape, weights and (rows, channels, T) input of a point."""
    shape = layer_named(_network(point.network, task.table), point.layer)
    return shape, random_layer(shape, point), shape.rows(map_of(task, point))


@functools.lru_cache(maxsize=2)
def work_of(task: Task, point: Point) -> Work:
    """The work of a point; give the first point of a task, since all share it."""
    _, layer, rows = layer_and_rows(task, point)
    return Work.of(layer, rows)


@dataclasses.dataclass
class Library:
    """Networks of a shape file with their traces, read and checked before anything runs.

    Attributes:
        shapes: By name.
        tables: As in the file.
        traces: (T, *input) recorded spikes by network and source, of networks whose trace is there.
        missing: What to say about traces that are not there.
    """

    shapes: dict[str, NetworkShape]
    tables: dict[str, Any]
    traces: dict[str, dict[str, SpikeArray]]
    missing: list[str]

    @staticmethod
    def read(path: Path, data: Path, names: Iterable[str] | None = None) -> Library:
        """Reads the shape file and the traces of these networks, by default of all.

        Raises:
            LoasError: A file is malformed, or a network is unknown; names file, field, value and what is legal.
        """
        shapes = read_shapes(path)
        wanted = list(shapes) if names is None else list(dict.fromkeys(names))
        for name in wanted:
            if name not in shapes:
                raise LoasError(f"network = {name!r} is not legal: must be one of {', '.join(shapes)}, the networks of {path}")
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        traces, missing = {}, []
        for name in wanted:
            shape = shapes[name]
            if shape.trace and (data / shape.trace).exists():
                traces[name] = read_trace(data / shape.trace, shape)
            elif shape.trace:
                missing.append(f"{name}: no trace {data / shape.trace}: synthetic spikes with the published statistics instead")
        return Library({name: shapes[name] for name in wanted}, {name: raw[name] for name in wanted}, traces, missing)

    def best(self, name: str) -> str:
        """RECORDED where there is a trace, else SYNTHETIC."""
        return RECORDED if name in self.traces else SYNTHETIC

    def tasks(self, points: Iterable[Point], most: int = 64) -> list[Task]:
        """Points by workload, checked.

        Args:
            points: Any; equal ones are taken once.
            most: Points of a task.

        Raises:
            LoasError: A point is not legal, or its spikes are not there.
        """
        groups: dict[tuple[Any, ...], list[Point]] = {}
        for point in dict.fromkeys(points):
            point.check()
            if point.network not in self.shapes:
                raise LoasError(f"network = {point.network!r} is not legal: must be one of {', '.join(self.shapes)}")
            network = self.shapes[point.network]
            layer = layer_named(network, point.layer)
            cfg = point.cfg()
            if layer.k > cfg.K_MAX or layer.out > cfg.K_MAX:
                raise LoasError(
                    f"{point.network}: {point.layer}: K_MAX = {cfg.K_MAX} of configuration {cfg.name} is not legal: must be at "
                    f"least {max(layer.k, layer.out)}"
                )
            if point.spikes != RATES and point.T != network.T:
                raise LoasError(
                    f"{point.network}: T = {point.T} is not legal: must be {network.T} with spikes = {point.spikes!r}; other T "
                    f"need spikes = {RATES!r}"
                )
            if point.spikes == RECORDED and point.network not in self.traces:
                raise LoasError(f"{point.network}: spikes = {RECORDED!r} is not legal: must be random, there is no trace")
            if point.spikes in (RAW, RATES):
                given = statistics_of(network, layer)
                if point.spikes == RATES:
                    Rates.of(given, network.T)
            groups.setdefault((point.engine, *point.workload), []).append(point)
        found = []
        for group in groups.values():
            first = group[0]
            bits = None
            if first.spikes == RECORDED:
                source = layer_named(self.shapes[first.network], first.layer).source
                bits = np.packbits(self.traces[first.network][source]).tobytes()
            table = json.dumps(self.tables[first.network], sort_keys=True)
            found += [Task(tuple(group[i : i + most]), table, bits) for i in range(0, len(group), most)]
        return found
