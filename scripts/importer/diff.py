# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Where the integers differ from the float reference: layer, row, neuron, timestep, margin, and how often; and how much each fires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from scripts.importer import reference
from scripts.importer.activity import INTEGERS, REFERENCE, Rates
from scripts.importer.graph import Floats, Graph
from scripts.importer.network import Imported
from scripts.importer.stages import Stage


@dataclass
class LayerDiff:
    """One layer against the reference.

    Attributes:
        name: Of the layer.
        spikes: Spikes compared; values of a readout.
        different: Spikes that differ; of a readout images whose largest output is another.
        first: (row, neuron, timestep) of the first difference, by timestep; None if there is none.
        margin: v - threshold of the reference there.
        worst: Of a readout the largest difference, in parts of the largest value of the reference.
        readout: No spikes.
    """

    name: str
    spikes: int
    different: int
    first: tuple[int, int, int] | None = None
    margin: float | None = None
    worst: float = 0.0
    readout: bool = False

    @property
    def fraction(self) -> float:
        """Part of the spikes (of the decisions of a readout) that differ."""
        return self.different / max(1, self.spikes)


@dataclass
class Diff:
    """All layers, host's first.

    Attributes:
        layers: One by one.
        rates: How much every layer fires, in the integers and in the float reference.
        inputs: How many there were.
        decided: Inputs for which at least one of the two decides.
        same: Inputs for which both decide, and the same.
    """

    layers: list[LayerDiff] = field(default_factory=list)
    rates: Rates = field(default_factory=Rates)
    inputs: int = 0
    decided: int = 0
    same: int = 0

    @property
    def agreement(self) -> float:
        """Part of the decided inputs with the same decision; 0 if none is decided."""
        return self.same / max(1, self.decided)

    @property
    def agreed(self) -> str:
        """The agreement in words of a table."""
        return f"{self.agreement:.2%}" if self.decided else "no decision"

    @property
    def verdict(self) -> str:
        """The agreement in a sentence's part."""
        if not self.decided:
            return f"no decision to compare: for all {self.inputs} inputs the outputs of the last layer are equal, in both"
        left = self.inputs - self.decided
        return f"same decision for {self.agreed} of {self.decided} inputs" + (f", {left} without any decision left out" if left else "")

    @property
    def first(self) -> LayerDiff | None:
        """The first layer that differs."""
        return next((layer for layer in self.layers if layer.different), None)

    @property
    def spike_fraction(self) -> float:
        """Part of all spikes that differ."""
        own = [layer for layer in self.layers if not layer.readout]
        return sum(layer.different for layer in own) / max(1, sum(layer.spikes for layer in own))

    def table(self) -> Table:
        """As a table."""
        table = Table(title="integers against the float reference")
        for column in ("layer", "compared", "different", "fraction", "first at row, neuron, t", "margin there"):
            table.add_column(column, justify="left" if column == "layer" else "right")
        for d in self.layers:
            where = "" if d.first is None else ", ".join(map(str, d.first))
            margin = "" if d.margin is None else f"{d.margin:+.3g}"
            text = f"readout, off by {d.worst:.2%} at most" if d.readout else where
            table.add_row(d.name, str(d.spikes), str(d.different), f"{d.fraction:.3%}", text, margin)
        return table

    def facts(self) -> dict[str, object]:
        """For JSON."""
        return {"agreement": self.agreement if self.decided else None, "inputs": self.inputs, "decided": self.decided,
                "different_spikes": self.spike_fraction,
                "layers": [{"name": d.name, "compared": d.spikes, "different": d.different, "first": d.first, "margin": d.margin}
                           for d in self.layers], "activity": self.rates.facts()}  # fmt: skip


def layer_rows(stage: Stage, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(T, B, *shape) of a node as the layer's (B * pixels, channels, T)."""
    t, b = values.shape[:2]
    maps = values.reshape(t, b, *stage.map)
    return np.ascontiguousarray(maps.transpose(1, 3, 4, 2, 0)).reshape(-1, stage.map[0], t)


def layer_maps(stage: Stage, out: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The reverse of :func:`layer_rows`: (B * pixels, channels), or with T behind, to (B, *shape of the node), or with T behind."""
    c, h, w = stage.map
    maps = np.moveaxis(out.reshape(-1, h, w, c, *out.shape[2:]), 3, 1)
    return maps.reshape(len(maps), *stage.shape, *out.shape[2:])


def windows(values: npt.NDArray[Any], pool: tuple[int, int]) -> npt.NDArray[Any]:
    """The largest of every window of a pool in (..., H, W); rows and columns that fill no window are left out."""
    h, w = (n // p for n, p in zip(values.shape[-2:], pool, strict=True))
    cut = values[..., : h * pool[0], : w * pool[1]]
    return np.asarray(cut.reshape(*values.shape[:-2], h, pool[0], w, pool[1]).max(axis=(-3, -1)))


def margins(stage: Stage, trace: reference.Trace) -> Floats:
    """(T, B, *shape) v - threshold of a layer's neurons; behind a pool that of the neuron that is next to firing, or farthest beyond."""
    assert stage.neuron is not None
    return windows(trace.margin[stage.neuron], stage.pool) if stage.pool else trace.margin[stage.node]


def readout(graph: Graph, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What a readout is after the last timestep, from the values (..., T) of the Output: the membrane of an I, else the sum."""
    return np.asarray(values[..., -1] if reference.reads_membranes(graph) else values.sum(axis=-1))


def choose(scores: npt.NDArray[np.number]) -> npt.NDArray[np.int64]:
    """The largest of (B, outputs), ties to the lowest; -1, no decision, where there are several outputs and all are equal."""
    chosen = scores.argmax(axis=1)
    open_ = (scores == scores[:, :1]).all(axis=1) & (scores.shape[1] > 1)
    return np.asarray(np.where(open_, -1, chosen), np.int64)


def decisions(stage: Stage, out: npt.NDArray[np.number]) -> npt.NDArray[np.int64]:
    """Decision for every image by :func:`choose`: of a spiking layer by the number of spikes."""
    counts = out.sum(axis=2) if out.ndim == 3 else out
    per_image = stage.map[1] * stage.map[2]
    return choose(counts.reshape(-1, per_image * stage.map[0]))


def compare(imported: Imported, x: npt.NDArray[np.number]) -> tuple[Diff, list[npt.NDArray[np.integer]], reference.Trace]:
    """Runs integers and reference on the same input.

    Args:
        imported: The network.
        x: (B, *input shape, T) spikes, or (B, *input shape) pixels, after the contract.

    Returns:
        The differences, the integers' outputs of all stages, and the reference's trace.
    """
    trace = reference.run(imported.graph, imported.contract, imported.shapes, x)
    spiking = imported.contract.encoding == "spikes"
    inputs = imported.rows(np.asarray(x)).astype(np.uint8) if spiking else imported.encode(np.asarray(x))
    outputs: list[npt.NDArray[np.integer]] = [*([inputs] if imported.host else []), *imported.network.run(inputs)]
    diff = Diff(inputs=len(x))
    for stage, q, got in zip(imported.stages, imported.quantised, outputs, strict=True):
        want = layer_rows(stage, trace.values[stage.node])
        if stage.readout:
            want = readout(imported.graph, want)
        ours, theirs = decisions(stage, got), decisions(stage, want)
        decided, same = (ours >= 0) | (theirs >= 0), (ours >= 0) & (ours == theirs)
        diff.decided, diff.same = int(decided.sum()), int(same.sum())  # of the last layer in the end
        if stage.readout:
            off = np.abs(got * q.scale - want).max() / max(np.abs(want).max(), 1e-30)
            diff.layers.append(LayerDiff(stage.name, len(x), int((ours != theirs).sum()), worst=float(off), readout=True))
            continue
        for computation, out in ((INTEGERS, got), (REFERENCE, want)):
            diff.rates.count((len(diff.layers), stage.name), computation, out, len(x))
        wrong = got != want
        found = LayerDiff(stage.name, wrong.size, int(wrong.sum()))
        if found.different:
            places = np.argwhere(wrong)
            row, n, t = (int(i) for i in places[np.argmin(places[:, 2])])
            found.first = (row, n, t)
            found.margin = float(layer_rows(stage, margins(stage, trace))[row, n, t])
        diff.layers.append(found)
    return diff, outputs, trace


Watch = Callable[[int, reference.Trace, Sequence[npt.NDArray[np.integer]]], None]


def survey(
    imported: Imported, x: npt.NDArray[np.number], most: int = 1 << 28, watch: Watch | None = None
) -> tuple[Diff, npt.NDArray[np.int64]]:
    """:func:`compare` for many inputs, some at a time, so that the reference's values take at most about ``most`` bytes.

    Args:
        imported: The network.
        x: As in :func:`compare`.
        most: Bytes.
        watch: Gets every part: its first input, the reference's trace, and the integers' outputs of all stages.

    Returns:
        All differences, and the integers' decision for every input.
    """
    each = 8 * imported.contract.steps * sum(int(np.prod(shape)) for shape in imported.shapes.values())
    batch = max(1, most // (2 * each))
    total, chosen = Diff(), []
    for start in range(0, len(x), batch):
        part, outputs, trace = compare(imported, x[start : start + batch])
        if watch:
            watch(start, trace, outputs)
        chosen.append(decisions(imported.stages[-1], outputs[-1]))
        total.rates.merge(part.rates)
        total.inputs, total.decided, total.same = total.inputs + part.inputs, total.decided + part.decided, total.same + part.same
        if not total.layers:
            total.layers = part.layers
            continue
        for old, new, stage in zip(total.layers, part.layers, imported.stages, strict=True):
            if new.first and (old.first is None or new.first[2] < old.first[2]):
                row, n, t = new.first
                old.first, old.margin = (row + start * stage.map[1] * stage.map[2], n, t), new.margin
            old.spikes, old.different, old.worst = old.spikes + new.spikes, old.different + new.different, max(old.worst, new.worst)
    return total, np.concatenate(chosen)
