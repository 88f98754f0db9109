# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The network against what a toolkit recorded: spikes of layers, values of a readout, decisions, and where they first part."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from golden.network import load_npz
from scripts.importer.activity import INTEGERS, REFERENCE
from scripts.importer.axes import turned
from scripts.importer.diff import choose, layer_maps, margins, readout, windows
from scripts.importer.errors import NirError
from scripts.importer.graph import Floats
from scripts.importer.network import Imported
from scripts.importer.reference import Trace

TOLERANCE = 1e-4  # of the largest recorded magnitude: toolkits add in float32, in an order of their own
Values = npt.NDArray[Any]


@dataclass
class Held:
    """One recording against one computation.

    Attributes:
        compared: Spikes, or values of a readout.
        different: How many differ; values by more than the tolerance.
        worst: Largest difference, of a readout in the units of the float reference.
        decided: Of the last layer: inputs for which at least one of the two decides.
        same: Of the last layer: inputs for which both decide, and the same.
        first: The first difference by timestep: (timestep, image, place in the node's shape); None if there is none.
        recorded: The value of the recording there.
        ours: The value of the computation there.
        margin: v - threshold of the float reference there; None if it is not known, and of a readout.
    """

    compared: int = 0
    different: int = 0
    worst: float = 0.0
    decided: int = 0
    same: int = 0
    first: tuple[int, int, tuple[int, ...]] | None = None
    recorded: float = 0.0
    ours: float = 0.0
    margin: float | None = None

    def hold(self, start: int, recorded: Values, ours: Values, margin: Floats | None, most: float) -> None:
        """Compares (B, *shape, timesteps).

        Args:
            start: The first input.
            recorded: The recording.
            ours: The computation.
            margin: Of the neurons, if it is known.
            most: Largest difference that is none.
        """
        off = np.abs(recorded.astype(np.float64) - ours)
        wrong = off > most
        self.compared, self.different, self.worst = self.compared + off.size, self.different + int(wrong.sum()), max(self.worst, off.max())
        if not wrong.any():
            return
        places = np.argwhere(wrong)
        place = tuple(int(i) for i in places[np.argmin(places[:, -1])])
        found = (place[-1], start + place[0], place[1:-1])
        if self.first is None or found < self.first:
            self.first, self.recorded, self.ours = found, float(recorded[place]), float(ours[place])
            self.margin = None if margin is None else float(margin[place])

    def decide(self, recorded: npt.NDArray[np.int64], ours: npt.NDArray[np.int64]) -> None:
        """Compares decisions, -1 where there is none."""
        self.decided += int(((recorded >= 0) | (ours >= 0)).sum())
        self.same += int(((recorded >= 0) & (recorded == ours)).sum())


@dataclass
class Recording:
    """An array of the file.

    Attributes:
        array: Its name.
        layer: The layer's name, for messages.
        node: The node of the graph that it records.
        shape: Of the node.
        stage: Index of its layer; -1: the network's input.
        spikes: It has 0 and 1, and no values of a readout.
        values: (images, *shape, T); or (images, *shape), what a readout is in the end.
        held: Against every computation, by its name.
    """

    array: str
    layer: str
    node: str
    shape: tuple[int, ...]
    stage: int
    spikes: bool
    values: Values
    held: dict[str, Held] = field(default_factory=dict)

    @property
    def stepwise(self) -> bool:
        """It has timesteps."""
        return self.values.ndim == len(self.shape) + 2

    def margin(self, computation: str) -> float | None:
        """The float reference's margin at the first difference; of the machine's spikes where the integers part there too."""
        found, integers = self.held[computation], self.held.get(INTEGERS)
        if found.margin is None and integers is not None and integers.first == found.first:
            return integers.margin
        return found.margin

    def text(self, computation: str) -> str:
        """The first difference in words."""
        found = self.held[computation]
        assert found.first is not None
        t, image, place = found.first
        where = f"layer {self.layer}, image {image}, {'neuron' if self.spikes else 'output'} {place[0] if len(place) == 1 else place}"
        if self.spikes or (self.stepwise and computation == REFERENCE):
            where += f", timestep {t}"
        where += f": recorded {found.recorded:g}, {computation} {found.ours:g}"
        if not self.spikes:
            return f"{where} (largest difference {found.worst:g})"
        margin = self.margin(computation)
        whose = "membrane" if computation == REFERENCE else f"the {REFERENCE}'s membrane"
        return where if margin is None else f"{where} ({whose} {margin:+g} from its threshold)"

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        each: dict[str, Any] = {}
        for computation, h in self.held.items():
            first = None
            if h.first is not None:
                t, image, place = h.first
                first = {"image": image, "neuron": list(place), "timestep": t if self.spikes or self.stepwise else None,
                         "recorded": h.recorded, "ours": h.ours, "margin": self.margin(computation)}  # fmt: skip
            each[computation.replace(" ", "_")] = {
                "compared": h.compared, "different": h.different, "fraction": h.different / h.compared, "largest_difference": h.worst,
                "decided": h.decided, "same_decision": h.same, "first": first}  # fmt: skip
        return {"array": self.array, "layer": self.layer, "node": self.node, "kind": "spikes" if self.spikes else "readout", **each}


@dataclass
class Expectation:
    """What was recorded of a network.

    Attributes:
        path: The file.
        imported: The network.
        recordings: At least one, in the order of the layers.
    """

    path: Path
    imported: Imported
    recordings: list[Recording]

    def hold(self, start: int, trace: Trace, outputs: Sequence[npt.NDArray[np.integer]]) -> None:
        """Compares a part of the inputs with the float reference and the integers.

        Args:
            start: The first input of the part.
            trace: Of the reference.
            outputs: Of the integers, all stages, as rows.
        """
        stages, graph = self.imported.stages, self.imported.graph
        for r in self.recordings:
            ours: Values = np.moveaxis(trace.values[r.node], 0, -1)
            margin = None
            if r.stage < 0:
                ours = (ours != 0).astype(np.uint8)  # the reference's are divided by the pixel scale
            elif r.spikes:
                stage = stages[r.stage]
                margin = np.moveaxis(margins(stage, trace) if r.node == stage.node else trace.margin[r.node], 0, -1)
            elif not r.stepwise:
                ours = readout(graph, ours)
            self._compare(r, REFERENCE, start, ours, margin)
        self.machine(INTEGERS, start, outputs, trace)

    def machine(self, computation: str, start: int, outputs: Sequence[npt.NDArray[np.integer]], trace: Trace | None = None) -> None:
        """Compares a part of the inputs with the outputs of all stages as rows: the integers', or the RTL's.

        Args:
            computation: Its name.
            start: The first input of the part.
            outputs: (B * pixels, N, T) or (B * pixels, N) of every stage.
            trace: Of the reference, for the margins.
        """
        for r in self.recordings:
            if r.stage >= 0:
                stage, q = self.imported.stages[r.stage], self.imported.quantised[r.stage]
                ours = layer_maps(stage, outputs[r.stage] if r.spikes else outputs[r.stage] * q.scale)
                margin = np.moveaxis(margins(stage, trace), 0, -1) if trace is not None and r.spikes else None
                self._compare(r, computation, start, ours, margin)

    def _compare(self, r: Recording, computation: str, start: int, ours: Values, margin: Floats | None) -> None:
        """One recording with (B, *shape, T), or (B, *shape) of a readout."""
        found, values = r.held.setdefault(computation, Held()), r.values
        steps = ours.ndim == len(r.shape) + 2
        if r.stepwise and not steps:
            values = readout(self.imported.graph, values)
        part = values[start : start + len(ours)]
        if part.shape != ours.shape:  # of the neurons before a pool, while the machine keeps what is behind it
            pool = self.imported.stages[r.stage].pool
            assert pool is not None
            part = np.moveaxis(windows(np.moveaxis(part, -1, 1), pool), 1, -1)
        if r.node == self.imported.stages[-1].node:
            scores = [v if not steps else v.sum(axis=-1) if r.spikes else readout(self.imported.graph, v)
                      for v in (part, ours)]  # fmt: skip
            found.decide(*(choose(v.reshape(len(v), -1)) for v in scores))
        if not steps:
            part, ours = part[..., None], ours[..., None]
        found.hold(start, part, ours, margin, 0.0 if r.spikes else TOLERANCE * float(np.abs(values).max()))

    @property
    def agrees(self) -> bool:
        """The float reference gives what was recorded."""
        return self.first(REFERENCE) is None

    def first(self, computation: str) -> Recording | None:
        """The first recording, in the order of the layers, that a computation differs from."""
        return next((r for r in self.recordings if computation in r.held and r.held[computation].different), None)

    @property
    def computations(self) -> list[str]:
        """Names of the computations so far."""
        return list(dict.fromkeys(c for r in self.recordings for c in r.held))

    def table(self) -> Table:
        """As a table."""
        table = Table(title=f"against {self.path.name}: what differs")
        for column in ("array", "layer", "compared", *self.computations):
            table.add_column(column, justify="left" if column in ("array", "layer") else "right")
        for r in self.recordings:
            cells = []
            for computation in self.computations:
                h = r.held.get(computation, Held())
                cells.append("" if not h.compared else f"{h.different / h.compared:.3%}" if r.spikes else f"at most {h.worst:.3g}")
            table.add_row(r.array, r.layer, str(r.held[REFERENCE].compared), *cells)
        return table

    def lines(self) -> list[str]:
        """Where each computation first parts from the recording, what it decides, and which layers were not recorded."""
        lines = []
        for computation in self.computations:
            first = self.first(computation)
            what = "" if computation == REFERENCE else f"{computation} "
            lines.append(f"{what}first part: {'nowhere, equal to the recording' if first is None else first.text(computation)}")
        last = self.recordings[-1]
        if last.node == self.imported.stages[-1].node:
            same = [f"{c} {h.same} of {h.decided}" if h.decided else f"{c} none, as the recording" for c, h in last.held.items()]
            lines.append(f"decisions as recorded: {', '.join(same)}")
        known = {r.stage for r in self.recordings}
        rest = [stage.name for i, stage in enumerate(self.imported.stages) if i not in known]
        return [*lines, f"not recorded: {', '.join(rest)}"] if rest else lines

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        first = self.first(REFERENCE)
        return {"file": self.path.name, "agrees": self.agrees, "first_part": first.text(REFERENCE) if first else None,
                "recordings": [r.facts() for r in self.recordings]}  # fmt: skip


def _targets(imported: Imported) -> dict[str, list[tuple[str, str, int]]]:
    """What a name of an array can mean: (node, layer's name, stage), by name of node or layer."""
    found: dict[str, list[tuple[str, str, int]]] = {}

    def know(name: str, *target: Any) -> None:
        if target not in found.setdefault(name, []):
            found[name].append(target)

    graph = imported.graph
    if imported.contract.encoding != "direct":
        know(graph.only("Input").name, graph.only("Input").name, graph.only("Input").name, -1)
    for i, stage in enumerate(imported.stages):
        know(stage.node, stage.node, stage.name, i)
        know(stage.name, stage.node, stage.name, i)
        if stage.neuron is not None and stage.neuron != stage.node:
            know(stage.neuron, stage.neuron, f"{stage.name} before its pool", i)
    last = imported.stages[-1]
    end = graph.only("Output").name
    for name in (end, *(graph.before[end] if last.readout and len(graph.before[end]) == 1 else ())):
        know(name, last.node, last.name, len(imported.stages) - 1)
    return found


def _values(where: str, imported: Imported, node: str, spikes: bool, values: Values, images: int) -> Values:
    """An array in the shape of its node.

    Raises:
        NirError: Another shape, too few images, or values that are not legal.
    """
    shape, T = imported.shapes[node], imported.contract.steps
    legal = [(*shape, T)] if spikes else [(*shape, T), shape]
    flat = [(math.prod(shape), T)] if spikes else [(math.prod(shape), T), (math.prod(shape),)]
    if values.dtype.kind not in "iufb":
        raise NirError(f"{where}: type {values.dtype} is not legal: must be numbers")
    fits = [want for want, one in zip(legal, flat, strict=True) if values.ndim and values.shape[1:] in (want, one)]
    if not fits:
        wanted = " or ".join("(images, " + ", ".join(map(str, want)) + ")" for want in legal)
        hint = turned(values, shape, T)
        raise NirError(f"{where}: shape {values.shape} is not legal: must be {wanted}{f', T = {T} last' if spikes else ''}"
                       f"{'; it ' + hint if hint else ''}")  # fmt: skip
    if len(values) < images:
        raise NirError(f"{where}: {len(values)} images are not legal: must be at least {images}, as many as the data (see --images)")
    values = values[:images].reshape(images, *fits[0])
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise NirError(f"{where}: not all numbers are finite")
    if not spikes:
        return values.astype(np.float64)
    bad = ~np.isin(values, (0, 1))
    if bad.any():
        value = values[bad][0]
        several = value > 1 and value == np.rint(value)
        why = ("a neuron of the machine fires at most once a step, and several spikes a step cannot be computed (sinabs: record with "
               "spike_fn=SingleSpike)" if several else "spikes must be 0 or 1")  # fmt: skip
        raise NirError(f"{where}: {value} is not legal: {why}")
    return values.astype(np.uint8)


def read_expectation(imported: Imported, path: Path, images: int, skip: Collection[str] = ()) -> Expectation:
    """Reads what a toolkit recorded.

    Args:
        imported: The network.
        path: An ``.npz`` whose arrays are named by nodes of the graph (neurons, input, output) or by layers: spikes 0 and 1 of shape
            (images, *shape of the node, T); of a readout values (images, *shape of the node), or with T behind.
        images: How many inputs there are; the first are taken.
        skip: Arrays that are no recordings, for they are data or labels.

    Raises:
        NirError: It cannot be read, has no recording, or an array has a name, shape or value that is not legal.
    """
    targets, recordings = _targets(imported), []
    for name, values in load_npz(path).items():
        if name in skip:
            continue
        found = targets.get(name, [])
        if not found:
            near = difflib.get_close_matches(name, targets, 3, 0.5)
            hint = f"nearest: {', '.join(near)}" if near else f"must be one of {', '.join(targets)}"
            raise NirError(f"{path}: array {name!r} names no layer and no neuron's node: {hint}")
        if len(found) > 1:
            raise NirError(f"{path}: array {name!r} is not legal: means node {found[0][0]!r} of layer {found[0][1]} or node "
                           f"{found[1][0]!r} of layer {found[1][1]}; give another name of the layer")  # fmt: skip
        node, layer, stage = found[0]
        spikes = stage < 0 or not imported.stages[stage].readout
        checked = _values(f"{path}: array {name!r}", imported, node, spikes, values, images)
        recordings.append(Recording(name, layer, node, imported.shapes[node], stage, spikes, checked))
    if not recordings:
        raise NirError(f"{path}: has no recording: must have an array for at least one of {', '.join(targets)}")
    order = list(imported.graph.nodes)
    return Expectation(path, imported, sorted(recordings, key=lambda r: (r.stage, order.index(r.node))))
