# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The float reference: NIR's equations on the graph itself, node by node, in float64.

It shares with the import the reading of the file and the neurons' constants, and nothing else: no folding, no order of K, no
integers. Every node's value at every timestep is kept, shape (T, B, *shape of the node).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scripts.importer.axes import spread
from scripts.importer.contract import Contract
from scripts.importer.errors import NirError
from scripts.importer.graph import Floats, Graph, Node
from scripts.importer.neurons import SPIKING, constants, integrator_gain
from scripts.importer.shapes import Shape, channelwise, pair, window


@dataclass
class Trace:
    """What happened at every node.

    Attributes:
        values: (T, B, *shape) output of every node.
        margin: (T, B, *shape) v - threshold at every neuron when it was compared.
    """

    values: dict[str, Floats]
    margin: dict[str, Floats]


def _convolve(x: Floats, weight: Floats, bias: Floats, stride: tuple[int, int], pad: tuple[int, int], dilation: tuple[int, int],
              out: tuple[int, int], groups: int) -> Floats:  # fmt: skip
    """(X, C, H, W) with (O, C / groups, kh, kw), as the definition says: slide, multiply, add."""
    from scipy.signal import correlate  # the only use of scipy here: a board's processor has none

    wide = np.zeros((*weight.shape[:2], (weight.shape[2] - 1) * dilation[0] + 1, (weight.shape[3] - 1) * dilation[1] + 1))
    wide[:, :, :: dilation[0], :: dilation[1]] = weight
    need = [(out[i] - 1) * stride[i] + wide.shape[2 + i] for i in (0, 1)]
    high, low = need[0] - pad[0] - x.shape[2], need[1] - pad[1] - x.shape[3]
    x = np.pad(x, ((0, 0), (0, 0), (pad[0], max(0, high)), (pad[1], max(0, low))))[:, :, : need[0], : need[1]]
    each, made = wide.shape[1], len(wide) // groups
    y = np.zeros((len(x), len(wide), *out))
    for o in range(len(wide)):
        g = o // made
        full = correlate(x[:, g * each : (g + 1) * each], wide[None, o], mode="valid", method="direct")
        y[:, o] = full[:, 0, :: stride[0], :: stride[1]] + bias[o]
    return y


def _linear(graph: Graph, node: Node, x: Floats, shape: Shape) -> Floats:
    """A linear node on (X, *input shape)."""
    if node.kind in ("Affine", "Linear"):
        y = np.einsum("xi,oi->xo", x, graph.numbers(node, "weight"))
        return y + graph.numbers(node, "bias", 0.0) if node.kind == "Affine" else y
    if node.kind == "Scale":
        scale = graph.numbers(node, "scale")
        return x * (scale if scale.size == 1 else scale.reshape(channelwise(scale.shape, x.shape[1:]) or ()))
    if node.kind == "Flatten":
        return x.reshape(len(x), *shape)
    flat = node.kind == "Conv1d"
    maps = x[:, :, None] if flat else x
    found = window(graph, node, maps.shape[2:])
    if node.kind in ("SumPool2d", "AvgPool2d"):
        kernel = np.ones((maps.shape[1], 1, *found.kernel))
        if node.kind == "AvgPool2d":
            kernel /= found.kernel[0] * found.kernel[1]
        return _convolve(maps, kernel, np.zeros(len(kernel)), found.stride, found.pad, (1, 1), found.out, len(kernel))
    weight = graph.numbers(node, "weight")
    bias = np.broadcast_to(graph.numbers(node, "bias", 0.0).reshape(-1), len(weight))
    y = _convolve(maps, weight[:, :, None] if flat else weight, bias, found.stride, found.pad, found.dilation, found.out,
                  pair(graph, node, "groups", 1, 1)[0])  # fmt: skip
    return y[:, :, 0] if flat else y


def _neurons(graph: Graph, node: Node, contract: Contract, current: Floats) -> tuple[Floats, Floats]:
    """Spikes and margins of a neuron for (T, B, *shape) input."""
    c = constants(graph, node, contract, current.shape[2:])
    reset = contract.reset_of(node.name)
    membrane, synapse = np.zeros(current.shape[1:]), np.zeros(current.shape[1:])
    spikes, margin = np.zeros_like(current), np.zeros_like(current)
    for t, now in enumerate(current):
        synapse = c.alpha * synapse + now
        x = c.beta * membrane + c.gain * synapse + c.drift
        if reset == "subtract-delayed" and t and node.kind != "Threshold":
            x = x - spikes[t - 1] * c.theta
        margin[t] = x - c.theta
        spikes[t] = margin[t] > 0 if contract.comparison == ">" else margin[t] >= 0
        if reset == "hard":
            membrane = np.where(spikes[t] > 0, 0.0, x)
        elif reset == "subtract":
            membrane = x - spikes[t] * c.theta
        else:
            membrane = x
    return spikes, margin


def reads_membranes(graph: Graph) -> bool:
    """Every path into the Output comes from an I: its value is a membrane, which needs no more adding over time."""
    return all(graph.nodes[source].kind == "I" for source in graph.before[graph.only("Output").name])


def run(graph: Graph, contract: Contract, shapes: dict[str, Shape], x: npt.NDArray[np.number]) -> Trace:
    """Runs a graph.

    Args:
        graph: The graph.
        contract: The rules, checked.
        shapes: From :func:`scripts.importer.shapes.shapes`.
        x: (B, *input shape, T) spikes; or (B, *input shape) pixels, encoded by thresholds or given anew every step.

    Raises:
        NirError: The input does not fit.
    """
    T, name = contract.steps, graph.only("Input").name
    shape = shapes[name]
    data: Floats = np.asarray(x, np.float64)
    x = data
    if x.shape[1:] == (*shape, T) and contract.encoding == "spikes":
        steps: Floats = np.moveaxis(data, -1, 0)
    elif x.shape[1:] == shape and contract.encoding == "thresholds" and contract.thresholds is not None:
        steps = np.stack([(x >= level).astype(np.float64) for level in contract.thresholds])
    elif x.shape[1:] == shape and contract.encoding == "direct":
        steps = np.repeat(data[None], T, axis=0)
    else:
        want = (*shape, T) if contract.encoding == "spikes" else shape
        raise NirError(f"{graph.where}: input of shape {x.shape} is not legal: must be (B, {', '.join(map(str, want))})")
    scale = spread(contract.pixel_scale, shape, graph.where, "--pixel-scale")
    trace = Trace({name: (steps - spread(contract.pixel_offset, shape, graph.where, "--pixel-offset")) / scale}, {})
    for key, node in graph.nodes.items():
        if node.kind == "Input":
            continue
        sources = [trace.values[source] for source in graph.before[key]]
        if node.kind == "Output" and not reads_membranes(graph):
            # of an I beside other paths the steps count, whose sum over time is its membrane at the end
            kinds = [graph.nodes[source].kind for source in graph.before[key]]
            sources = [np.diff(v, axis=0, prepend=0.0) if kind == "I" else v for kind, v in zip(kinds, sources, strict=True)]
        value = np.sum(sources, axis=0)
        if node.kind in SPIKING:
            trace.values[key], trace.margin[key] = _neurons(graph, node, contract, value)
        elif node.kind == "I":
            trace.values[key] = np.cumsum(value * integrator_gain(graph, node, contract, value.shape[2:]), axis=0)
        elif node.kind == "Output":
            trace.values[key] = value
        else:
            flat = value.reshape(-1, *value.shape[2:])
            made = _linear(graph, node, flat, shapes[key])
            trace.values[key] = made.reshape(*value.shape[:2], *made.shape[1:])
    return trace


def spikes_for(graph: Graph, contract: Contract) -> bool:
    """True if :func:`run` takes spikes with T behind."""
    return contract.encoding == "spikes"
