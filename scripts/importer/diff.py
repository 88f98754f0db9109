# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Where the integers differ from the float reference: layer, row, neuron, timestep, margin, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rich.table import Table

from scripts.importer import reference
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
        agreement: Part of the inputs with the same decision.
    """

    layers: list[LayerDiff] = field(default_factory=list)
    agreement: float = 1.0

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
        return {"agreement": self.agreement, "different_spikes": self.spike_fraction,
                "layers": [{"name": d.name, "compared": d.spikes, "different": d.different, "first": d.first, "margin": d.margin}
                           for d in self.layers]}  # fmt: skip


def layer_rows(stage: Stage, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(T, B, *shape) of a node as the layer's (B * pixels, channels, T)."""
    t, b = values.shape[:2]
    maps = values.reshape(t, b, *stage.map)
    return np.ascontiguousarray(maps.transpose(1, 3, 4, 2, 0)).reshape(-1, stage.map[0], t)


def decisions(stage: Stage, out: npt.NDArray[np.number]) -> npt.NDArray[np.int64]:
    """Largest output of every image; of a spiking layer the one with most spikes. Ties go to the lowest."""
    counts = out.sum(axis=2) if out.ndim == 3 else out
    per_image = stage.map[1] * stage.map[2]
    return np.asarray(counts.reshape(-1, per_image * stage.map[0]).argmax(axis=1))


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
    diff = Diff()
    for stage, q, got in zip(imported.stages, imported.quantised, outputs, strict=True):
        values = trace.values[stage.node]
        if stage.readout:
            value = layer_rows(stage, values)
            want = value.sum(axis=2)
            off = np.abs(got * q.scale - want).max() / max(np.abs(want).max(), 1e-30)
            same = decisions(stage, got) == decisions(stage, want)
            diff.layers.append(LayerDiff(stage.name, len(same), int((~same).sum()), worst=float(off), readout=True))
            diff.agreement = float(same.mean())
            continue
        want = layer_rows(stage, values)
        wrong = got != want
        found = LayerDiff(stage.name, wrong.size, int(wrong.sum()))
        if found.different:
            places = np.argwhere(wrong)
            row, n, t = (int(i) for i in places[np.argmin(places[:, 2])])
            found.first = (row, n, t)
            # a pooled output has the margins of several neurons: the reference keeps those of the last node
            found.margin = float(layer_rows(stage, trace.margin[stage.node])[row, n, t])
        diff.layers.append(found)
        diff.agreement = float((decisions(stage, got) == decisions(stage, want)).mean())
    return diff, outputs, trace


def survey(imported: Imported, x: npt.NDArray[np.number], most: int = 1 << 28) -> tuple[Diff, npt.NDArray[np.int64]]:
    """:func:`compare` for many inputs, some at a time, so that the reference's values take at most about ``most`` bytes.

    Returns:
        All differences, and the integers' decision for every input.
    """
    each = 8 * imported.contract.steps * sum(int(np.prod(shape)) for shape in imported.shapes.values())
    batch = max(1, most // (2 * each))
    total, chosen = Diff(), []
    for start in range(0, len(x), batch):
        part, outputs, _ = compare(imported, x[start : start + batch])
        chosen.append(decisions(imported.stages[-1], outputs[-1]))
        total.agreement += part.agreement * len(chosen[-1])
        if not total.layers:
            total.layers = part.layers
            continue
        for old, new, stage in zip(total.layers, part.layers, imported.stages, strict=True):
            if new.first and (old.first is None or new.first[2] < old.first[2]):
                row, n, t = new.first
                old.first, old.margin = (row + start * stage.map[1] * stage.map[2], n, t), new.margin
            old.spikes, old.different, old.worst = old.spikes + new.spikes, old.different + new.different, max(old.worst, new.worst)
    total.agreement = (total.agreement - 1) / len(x)
    return total, np.concatenate(chosen)
