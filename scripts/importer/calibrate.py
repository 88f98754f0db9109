# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Scales from sample inputs: a smaller scale clips the largest weights of an output and rounds all others less.

Layer by layer, first to last, every output takes the factor (of FACTORS) whose spikes differ least from the float reference's, given
what the quantised layers before it put out; a readout takes one factor for all. The network so found replaces the one by largest
weights only if it is better on the samples, so it is never worse on them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from golden.layer import layer_fast
from scripts.importer.data import Samples, machine_input
from scripts.importer.diff import Diff, compare, layer_rows
from scripts.importer.graph import Floats
from scripts.importer.network import Clip, Imported
from scripts.importer.quantise import quantise
from scripts.importer.reference import Trace
from scripts.importer.stages import Stage

FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def clips(imported: Imported, x: Samples, mask: Callable[[int, Stage], npt.NDArray[np.bool_] | None] | None = None) -> Clip:
    """Factors on the scales of every stage.

    Args:
        imported: The network by largest weights.
        x: Samples in the graph's shape.
        mask: Weights that stay, if the network is pruned.
    """
    _, outputs, trace = compare(imported, x)
    found: dict[int, Floats] = {}
    start = imported.graph.only("Input").name
    made: dict[str, npt.NDArray[np.integer]] = {start: machine_input(imported, x)}
    for i, (stage, q) in enumerate(zip(imported.stages, imported.quantised, strict=True)):
        out = outputs[i]
        if i >= len(imported.host) and not stage.max_pool and not q.exact:
            operands = [made[b.source] for b in stage.branches]
            best = np.ones(q.layer.n)
            lowest = np.full(q.layer.n, np.inf)
            for factor in FACTORS:
                trial = quantise(imported.graph, stage, imported.contract, imported.options, clip=np.full(q.layer.n, factor),
                                 mask=mask(i, stage) if mask else None)  # fmt: skip
                trial.layer.pool = None
                got = layer_fast(operands[0], trial.layer, operands[1] if len(operands) > 1 else None)
                wrong = _error(stage, got, trial.scale, trace)
                better = wrong < lowest
                best[better], lowest = factor, np.minimum(lowest, wrong)
            found[i] = best
            final = quantise(imported.graph, stage, imported.contract, imported.options, clip=best, mask=mask(i, stage) if mask else None)
            out = layer_fast(operands[0], final.layer, operands[1] if len(operands) > 1 else None)
        made[stage.node] = out
    return lambda i, stage: found.get(i)


def _error(stage: Stage, got: npt.NDArray[np.integer], scale: Floats, trace: Trace) -> Floats:
    """(N,) spikes of every output that differ from the reference's; of a readout the squared error, the same for all."""
    if stage.readout:
        want = layer_rows(stage, trace.values[stage.node]).sum(axis=2)
        return np.full(len(scale), float(((got * scale - want) ** 2).sum()))
    values = trace.values[stage.neuron or stage.node]
    t, b, c = *values.shape[:2], stage.map[0]
    want = np.ascontiguousarray(values.reshape(t, b, c, -1).transpose(1, 3, 2, 0)).reshape(-1, c, t)
    h, w = stage.branches[0].out
    full = values.reshape(t, b, c, -1).shape[3]
    if full != h * w:  # the pool drops the last rows: so does the layer
        maps = values.reshape(t, b, *values.shape[2:])[..., :h, :w]
        want = np.ascontiguousarray(maps.transpose(1, 3, 4, 2, 0)).reshape(-1, c, t)
    return np.asarray((got != want).sum(axis=(0, 2)), np.float64)


def better(old: Diff, new: Diff) -> bool:
    """The new network is at least as good in both decisions and spikes, and better in one."""
    a, b = (old.agreement, -old.spike_fraction), (new.agreement, -new.spike_fraction)
    return b[0] >= a[0] and b[1] >= a[1] and a != b
