# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The geometry of NIR's linear nodes: one reading of their many spellings. Shapes have no batch axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.importer.errors import NirError
from scripts.importer.graph import Graph, Node

Shape = tuple[int, ...]
AXES = {"Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3, "Conv1d": 2, "Affine": 1, "Linear": 1}


@dataclass(frozen=True)
class Window:
    """Kernel, stride, dilation and padding at the top and left, all (y, x), and the size of the output map."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]
    out: tuple[int, int]


def dims(graph: Graph, node: Node, shape: Shape) -> str:
    """A shape in words, for messages."""
    return f"{graph.where}: node {node.name!r} ({node.kind}): input of shape {shape}"


def pair(graph: Graph, node: Node, name: str, low: int, default: Any = None) -> tuple[int, int]:
    """A field that is an integer or a pair of them.

    Raises:
        NirError: Anything else, or below ``low``.
    """
    value = node.fields.get(name)
    array = np.asarray(default if value is None else value)
    if array.dtype.kind not in "iuf" or array.size not in (1, 2) or (array != np.rint(array)).any() or (array < low).any():
        raise graph.fault(node.name, f"{name} = {array.tolist()!r} is not legal: must be an integer or a pair, at least {low}")
    numbers = [int(v) for v in array.reshape(-1)]
    return (numbers[0], numbers[-1])


def window(graph: Graph, node: Node, size: tuple[int, int]) -> Window:
    """The window of a convolution or pool over a map of ``size``; a Conv1d is 1 high.

    Raises:
        NirError: A field has no legal value, or the window does not fit the map.
    """
    flat = node.kind == "Conv1d"
    if node.kind in ("Conv1d", "Conv2d"):
        weight = graph.numbers(node, "weight")
        wanted = 3 if flat else 4
        if weight.ndim != wanted or min(weight.shape) < 1:
            names = "(outputs, inputs, width)" if flat else "(outputs, inputs, height, width)"
            raise graph.fault(node.name, f"weight: shape {weight.shape} is not legal: must be {names}")
        kernel = (1, weight.shape[2]) if flat else (weight.shape[2], weight.shape[3])
        stride, dilation = pair(graph, node, "stride", 1, 1), pair(graph, node, "dilation", 1, 1)
    else:
        kernel = pair(graph, node, "kernel_size", 1)
        stride, dilation = pair(graph, node, "stride", 1, kernel), (1, 1)
    if flat:
        stride, dilation = (1, stride[1]), (1, dilation[1])
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = node.fields.get("padding", 0)
    if isinstance(padding, bytes):
        padding = padding.decode("utf-8", "replace")
    if isinstance(padding, np.ndarray) and padding.dtype.kind in "SUO" and padding.size == 1:
        padding = str(padding.reshape(-1)[0])
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise graph.fault(node.name, f"padding = {padding!r} is not legal: must be an integer, a pair, 'same' or 'valid'")
        if padding == "same":
            if stride != (1, 1):
                raise graph.fault(node.name, f"stride = {stride} is not legal: must be 1 with padding 'same'")
            return Window(kernel, stride, dilation, ((reach[0] - 1) // 2, (reach[1] - 1) // 2), size)
        pad = (0, 0)
    else:
        pad = pair(graph, node, "padding", 0, 0)
        if flat:
            pad = (0, pad[1])
    if pad[0] >= reach[0] or pad[1] >= reach[1]:
        raise graph.fault(node.name, f"padding = {pad} is not legal: must be below the kernel's size {tuple(reach)}")
    out = [(n + 2 * p - r) // s + 1 for n, p, r, s in zip(size, pad, reach, stride, strict=True)]
    if min(out) < 1:
        raise graph.fault(node.name, f"kernel of {tuple(reach)} does not fit the map of {size} with padding {pad}")
    return Window(kernel, stride, dilation, pad, (out[0], out[1]))


def dense_weight(graph: Graph, node: Node) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The weight of an Affine or Linear.

    Raises:
        NirError: Not (outputs, inputs).
    """
    weight = graph.numbers(node, "weight")
    if weight.ndim != 2 or min(weight.shape) < 1:
        raise graph.fault(node.name, f"weight: shape {weight.shape} is not legal: must be (outputs, inputs)")
    return weight


def _said(graph: Graph, node: Node, name: str, found: Shape, what: str) -> None:
    """Holds a shape that the file says of a node against the one that the graph gives; a batch axis of 1 in front of it is let pass.

    Raises:
        NirError: They differ; names both.
    """
    value = node.fields.get(name)
    value = next(iter(value.values()), None) if isinstance(value, dict) else value
    if value is None:
        return
    array = np.asarray(value)
    said = tuple(array.reshape(-1).tolist())
    if array.dtype.kind not in "iuf" or said not in (found, (1, *found)):
        raise graph.fault(node.name, f"{name} = {said} is not legal: {what} of shape {found}")


def flatten_axes(graph: Graph, node: Node, shape: Shape, batch: bool) -> tuple[int, int]:
    """The first and the last axis that a Flatten joins.

    Args:
        graph: For messages.
        node: The Flatten.
        shape: Of its input, without a batch axis.
        batch: Its axes count one in front of them.

    Raises:
        NirError: They are no axes of the shape.
    """
    start, end = (pair(graph, node, k, -len(shape) - batch, d)[0] for k, d in (("start_dim", 0), ("end_dim", -1)))
    first, last = (v + len(shape) if v < 0 else v - batch for v in (start, end))
    if not 0 <= first <= last < len(shape):
        counted = "with" if batch else "without"
        raise graph.fault(node.name, f"start_dim = {start}, end_dim = {end} are not legal: axes of {shape}, {counted} the batch axis")
    return first, last


def output_shape(graph: Graph, node: Node, shape: Shape, batch: bool = False) -> Shape:
    """Shape of a node's output for an input shape; ``batch``: Flatten counts a batch axis.

    Raises:
        NirError: The node cannot take such an input; says what it could.
    """
    axes = AXES.get(node.kind)
    if axes and len(shape) != axes:
        names = {1: "one axis (is a Flatten missing?)", 2: "(channels, length)", 3: "(channels, height, width)"}[axes]
        first = any(graph.nodes[source].kind == "Input" for source in graph.before[node.name]) and len(shape) == axes + 1
        hint = f"; if its first axis is the batch, give --input-shape {','.join(map(str, shape[1:]))}" if first else ""
        raise graph.fault(node.name, f"input of shape {shape} is not legal: {node.kind} takes {names}{hint}")
    if node.kind in ("Affine", "Linear"):
        weight = dense_weight(graph, node)
        if weight.shape[1] != shape[0]:
            hint = "; it fits transposed: NIR has (outputs, inputs), not (inputs, outputs)" if weight.shape[0] == shape[0] else ""
            raise graph.fault(node.name, f"weight: {weight.shape[1]} inputs are not legal: {graph.before[node.name][0]!r} has "
                              f"{shape[0]} outputs{hint}")  # fmt: skip
        return (weight.shape[0],)
    if node.kind in ("Conv1d", "Conv2d"):
        found = window(graph, node, (1, shape[1]) if node.kind == "Conv1d" else (shape[1], shape[2]))
        weight, groups = graph.numbers(node, "weight"), pair(graph, node, "groups", 1, 1)[0]
        if weight.shape[1] * groups != shape[0] or weight.shape[0] % groups:
            order = "(outputs, inputs, width)" if node.kind == "Conv1d" else "(outputs, inputs, height, width)"
            hint = f"; NIR has {order}, and its axis 2 to the end fits" if shape[0] in weight.shape[2:] else ""
            hint = f"; it fits with the first two axes exchanged: NIR has {order}" if weight.shape[0] * groups == shape[0] else hint
            raise graph.fault(node.name, f"weight: {weight.shape[1]} inputs in {groups} groups, {weight.shape[0]} outputs: not legal, the "
                              f"map has {shape[0]} channels{hint}")  # fmt: skip
        _said(graph, node, "input_shape", shape[1:], "its input is a map")
        return (weight.shape[0], *(found.out[1:] if node.kind == "Conv1d" else found.out))
    if node.kind in ("SumPool2d", "AvgPool2d"):
        return (shape[0], *window(graph, node, (shape[1], shape[2])).out)
    if node.kind == "Flatten":
        _said(graph, node, "input_type", shape, "its input is")
        start, end = flatten_axes(graph, node, shape, batch)
        return (*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :])
    if node.kind == "Scale":
        scale = graph.numbers(node, "scale")
        if scale.size != 1 and channelwise(scale.shape, shape) is None:
            raise graph.fault(node.name, f"scale: shape {scale.shape} is not legal: must be {shape}, or one a channel")
    return shape


def channelwise(found: Shape, shape: Shape) -> Shape | None:
    """How an array of shape ``found`` spreads over ``shape``: the shape to give it first, or None if it does not."""
    if found == shape or (len(found) == len(shape) and found == (shape[0],) + (1,) * (len(shape) - 1)):
        return found
    if len(shape) > 1 and found == (shape[0],):
        return (shape[0],) + (1,) * (len(shape) - 1)
    return None


def input_shape(graph: Graph, given: Shape | None = None) -> Shape:
    """Shape of the network's input without batch axis.

    A leading 1 that is one axis more than the first nodes take is an exporter's batch axis, and is dropped with a note.

    Raises:
        NirError: The file does not say it, or what it says is not legal.
    """
    node = graph.only("Input")
    value = node.fields.get("shape", node.fields.get("input_type")) if given is None else np.asarray(given)
    if isinstance(value, dict):
        value = value.get("input")
    if value is None:
        raise graph.fault(node.name, "shape is missing: give --input-shape, e.g. 1,28,28")
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size < 1 or (array != np.rint(array)).any() or (array < 1).any():
        raise graph.fault(node.name, f"shape {array.tolist()} is not legal: must be integers, at least 1; or give --input-shape")
    shape = tuple(int(v) for v in array.reshape(-1))
    wanted = {AXES.get(graph.nodes[name].kind, 0) for name in graph.after(node.name)}
    axes = max(wanted)
    if given is None and shape[0] == 1 and len(shape) == (axes + 1 if axes else 4):
        graph.notes.append(f"node {node.name!r}: shape {shape} has a batch axis, taken as {shape[1:]}")
        shape = shape[1:]
    if len(shape) > 3:
        raise graph.fault(node.name, f"shape {shape} is not legal: must be (inputs,), (channels, length) or (channels, height, width); "
                          "or give --input-shape")  # fmt: skip
    return shape


KNOWN = ("Input", "Output", "Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "IF", "LIF",
         "CubaLIF", "Threshold", "I")  # fmt: skip
NORM = ("fold it into the {layer} before it: with s = gamma / sqrt(var + eps), weight * s and (bias - mean) * s + beta (docs/import.md, "
        "Batch norm and max pooling)")  # fmt: skip
POOL = ("max pooling of spikes is an OR: write a SumPool2d of the same kernel, stride and padding, and behind it a Threshold of 0.5 "
        "(docs/import.md, Batch norm and max pooling)")  # fmt: skip
REFUSED = {
    "BatchNorm1d": NORM.format(layer="Affine or Conv1d"),
    "BatchNorm2d": NORM.format(layer="Conv2d"),
    "MaxPool1d": POOL,
    "MaxPool2d": POOL,
    "Delay": "spikes cannot wait between layers",
    "LI": "its membrane leaks, and a readout of the machine is a plain sum over time",
    "CubaLI": "its membrane leaks, and a readout of the machine is a plain sum over time",
}


def shapes(graph: Graph, given: Shape | None = None) -> dict[str, Shape]:
    """Output shape of every node, along the edges.

    NIR counts the axes of a Flatten without a batch axis. Several exporters count one: where the graph does not fit as NIR has it, but
    fits as they have it, it is read so, with a note.

    Raises:
        NirError: A node that is not known, or whose input does not fit; names the node.
    """
    notes = len(graph.notes)
    try:
        return _along(graph, given, batch=False)
    except NirError as err:
        said = [node.name for node in graph.nodes.values() if node.kind == "Flatten" and pair(graph, node, "start_dim", -9, 0)[0] > 0]
        if not said:
            raise
        del graph.notes[notes:]
        try:
            found = _along(graph, given, batch=True)
        except NirError:
            raise err from None
        graph.notes.append(f"Flatten {', '.join(said)}: start_dim and end_dim count a batch axis, for the next nodes fit only so")
        return found


def _along(graph: Graph, given: Shape | None, batch: bool) -> dict[str, Shape]:
    """Shapes along the edges with one reading of Flatten's axes."""
    found: dict[str, Shape] = {}
    for name, node in graph.nodes.items():
        if node.kind not in KNOWN:
            why = REFUSED.get(node.kind.split(".")[-1], f"must be one of {', '.join(KNOWN)}")
            raise graph.fault(name, f"is a {node.kind}: cannot be imported: {why}")
        if node.kind == "Input":
            found[name] = input_shape(graph, given)
            continue
        inputs = [found[source] for source in graph.before[name]]
        if len(set(inputs)) != 1:
            raise graph.fault(name, f"{graph.before[name]} with shapes {inputs} cannot be added: must be equal")
        found[name] = output_shape(graph, node, inputs[0], batch)
        if node.kind == "Output":
            _said(graph, node, "shape" if "shape" in node.fields else "output_type", inputs[0], "the network's output is")
    return found
