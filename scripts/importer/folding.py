# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Linear maps between spikes and neurons as convolutions, and their exact products.

Everything linear in a NIR graph is a convolution over a map (C, H, W): a pool is one with the same kernel for every channel, a
scale one with a kernel of one pixel, a fully connected layer one whose kernel is the whole map. Two behind each other are one:

    K[o, c, y, x] = sum over m, ky, kx of  K2[o, m, ky, kx] * K1[m, c, y - ky * s1, x - kx * s1]
    stride = s1 * s2        padding = p1 + s1 * p2

exact unless the second pads a map that is not zero where the first could see: then it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from golden.layer import Conv
from scripts.importer.graph import Floats, Graph, Node
from scripts.importer.shapes import Shape, channelwise, dense_weight, pair, window

Map = tuple[int, int, int]


@dataclass(frozen=True)
class Branch:
    """A convolution from one map of spikes.

    Attributes:
        source: Node whose spikes are read.
        size: (C, H, W) of them.
        kernel: (O, C, kh, kw); or (C, kh, kw): each channel for itself.
        stride, pad: (y, x); padding at top and left.
        out: (height, width) of the output map.
        nodes: Names of the nodes that were folded into it.
    """

    source: str
    size: Map
    kernel: Floats
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    out: tuple[int, int] = (1, 1)
    nodes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.kernel.shape[0]

    @property
    def pointwise(self) -> bool:
        """Every output pixel reads the pixel at its own place, so the map may be cut into rows differently."""
        return self.kernel.shape[-2:] == (1, 1) and self.stride == (1, 1) and self.pad == (0, 0) and self.out == self.size[1:]

    @property
    def identity(self) -> bool:
        """The output is the source's spikes."""
        return self.pointwise and self.kernel.ndim == 3 and bool((self.kernel == 1).all())

    def dense(self) -> Branch:
        """The same with a kernel of four axes."""
        if self.kernel.ndim == 4:
            return self
        c, kh, kw = self.kernel.shape
        wide = np.zeros((c, c, kh, kw))
        wide[np.arange(c), np.arange(c)] = self.kernel
        return replace(self, kernel=wide)

    def conv(self) -> Conv:
        """The geometry for the machine."""
        c, h, w = self.size
        kh, kw = self.kernel.shape[-2:]
        return Conv(h, w, c, kh, kw, *self.stride, *self.pad, *self.out)

    def rows(self) -> Floats:
        """The weights for the machine: (kh * kw * cin, O)."""
        kernel = self.dense().kernel
        return np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)).reshape(-1, kernel.shape[0])


@dataclass(frozen=True)
class Linear:
    """A value in the graph: a sum of convolutions of spikes.

    Attributes:
        shape: Its shape in the graph.
        map: (C, H, W) that it is, row-major, whatever ``shape`` says of it.
        branches: What is summed.
        bias: (C,) added.
        weighted: Name of the last node with weights, for the layer's name.
    """

    shape: Shape
    map: Map
    branches: list[Branch] = field(default_factory=list)
    bias: Floats = field(default_factory=lambda: np.zeros(1))
    weighted: str = ""


def as_map(shape: Shape) -> Map:
    """(C, H, W) of a shape: vectors are maps of one pixel, (C, L) is one pixel high."""
    return {1: (shape[0], 1, 1), 2: (shape[0], 1, shape[-1]), 3: (shape[0], *shape[1:])}[len(shape)]  # type: ignore[return-value]


def spikes(name: str, shape: Shape, size: Map | None = None) -> Linear:
    """The spikes of a node as a value."""
    size = as_map(shape) if size is None else size
    branch = Branch(name, size, np.ones((size[0], 1, 1)), out=size[1:])
    return Linear(shape, size, [branch], np.zeros(size[0]))


def compose(graph: Graph, node: Node, first: Branch, second: Branch, bias: bool) -> Branch:
    """``second`` behind ``first``; ``bias``: the map between them has one.

    Raises:
        NirError: The padding of the second meets what the first could see.
    """
    stretch = [(second.out[i] - 1) * second.stride[i] - second.pad[i] + second.kernel.shape[i - 2] for i in (0, 1)]
    for i, axis in enumerate(("rows", "columns")):
        size, out, k, s, p = first.size[1 + i], first.out[i], first.kernel.shape[i - 2], first.stride[i], first.pad[i]
        before, behind = second.pad[i] > 0, stretch[i] > out
        if (before or behind) and bias:
            raise graph.fault(node.name, f"its padding of the {axis} lies on a bias before it ({', '.join(first.nodes)}): cannot be "
                              "folded, for the bias would fill it; use padding 0 here, or a neuron between")  # fmt: skip
        if (before and k - s - p > 0) or (behind and out * s - p < size):
            raise graph.fault(node.name, f"its padding of the {axis} cannot be folded with {', '.join(first.nodes)}, whose windows overlap "
                              "or do not divide the map: put a neuron between them")  # fmt: skip
    k1, k2, (sy, sx) = first.kernel, second.kernel, first.stride
    kh, kw = k1.shape[-2:]
    high, wide = k2.shape[-2:]
    if k1.ndim == k2.ndim == 3:
        rule, lead = "c,cyx->cyx", k1.shape[:1]
    elif k1.ndim == 3:
        rule, lead = "oc,cyx->ocyx", k2.shape[:2]
    elif k2.ndim == 3:
        rule, lead = "o,ocyx->ocyx", k1.shape[:2]
    else:
        rule, lead = "om,mcyx->ocyx", (k2.shape[0], k1.shape[1])
    kernel = np.zeros((*lead, (high - 1) * sy + kh, (wide - 1) * sx + kw))
    for y in range(high):
        for x in range(wide):
            kernel[..., y * sy : y * sy + kh, x * sx : x * sx + kw] += np.einsum(rule, k2[..., y, x], k1, optimize=True)
    return Branch(first.source, first.size, kernel, (sy * second.stride[0], sx * second.stride[1]),
                  (first.pad[0] + sy * second.pad[0], first.pad[1] + sx * second.pad[1]), second.out,
                  (*first.nodes, *second.nodes))  # fmt: skip


def _expand(weight: Floats, groups: int, dilation: tuple[int, int]) -> Floats:
    """A grouped, dilated kernel as a plain one with zeros in it."""
    o, c, kh, kw = weight.shape
    wide = np.zeros((o, c * groups, (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1))
    for g in range(groups):
        part = slice(g * o // groups, (g + 1) * o // groups)
        wide[part, g * c : (g + 1) * c, :: dilation[0], :: dilation[1]] = weight[part]
    return wide


def _uniform(graph: Graph, node: Node, what: str, values: Floats, shape: Shape, size: Map) -> Floats:
    """One value a channel of an array that must be constant over the map.

    Raises:
        NirError: It is not; names the position.
    """
    target = channelwise(values.shape, shape)
    full = np.broadcast_to(values.reshape(-1)[0] if values.size == 1 else values.reshape(target), shape).reshape(size)  # type: ignore[arg-type]
    bad = full != full[:, :1, :1]
    if bad.any():
        c, y, x = (int(i) for i in np.argwhere(bad)[0])
        raise graph.fault(node.name, f"{what} at channel {c}, y {y}, x {x} is {full[c, y, x]:g} and {full[c, 0, 0]:g} at y 0, x 0: must be "
                          "constant over the map of a channel")  # fmt: skip
    return np.ascontiguousarray(full[:, 0, 0])


def per_channel(graph: Graph, node: Node, what: str, values: Floats, value: Linear) -> Floats:
    """Parameters of neurons or scales behind a value, one a channel.

    Raises:
        NirError: Not constant over the map.
    """
    return _uniform(graph, node, what, values, value.shape, value.map)


def _operator(graph: Graph, node: Node, value: Linear, shape: Shape) -> tuple[Branch, Floats | None, Map]:
    """A linear node as a convolution over the map it gets, its bias, and the map it makes."""
    names = (node.name,)
    if node.kind == "Conv1d" and value.map != as_map(value.shape):
        return _conv1d(graph, node, value, shape)
    c, h, w = value.map
    if node.kind == "Scale":
        factor = _uniform(graph, node, "scale", graph.numbers(node, "scale"), value.shape, value.map)
        return Branch("", value.map, factor[:, None, None], out=(h, w), nodes=names), None, value.map
    if node.kind in ("Affine", "Linear"):
        weight = dense_weight(graph, node)
        bias = np.zeros(len(weight))
        if node.kind == "Affine":
            bias = _bias(graph, node, len(weight))
        kernel = weight.reshape(len(weight), c, h, w)
        return Branch("", value.map, kernel, out=(1, 1), nodes=names), bias, (len(weight), 1, 1)
    found = window(graph, node, (h, w))
    if node.kind in ("SumPool2d", "AvgPool2d"):
        part = 1.0 if node.kind == "SumPool2d" else 1.0 / (found.kernel[0] * found.kernel[1])
        kernel = np.full((c, *found.kernel), part)
        return Branch("", value.map, kernel, found.stride, found.pad, found.out, names), None, (c, *found.out)
    weight = graph.numbers(node, "weight")
    weight = weight[:, :, None] if node.kind == "Conv1d" else weight
    groups = pair(graph, node, "groups", 1, 1)[0]
    kernel = _expand(weight, groups, found.dilation)
    if max(kernel.shape[-2:]) > 255:
        raise graph.fault(node.name, f"kernel of {kernel.shape[-2:]} with dilation {found.dilation} is not legal: must be at most 255")
    branch = Branch("", value.map, kernel, found.stride, found.pad, found.out, names)
    return branch, _bias(graph, node, len(weight)), (len(weight), *found.out)


DENSE_MOST = 1 << 24  # weights of a Conv1d written out as a matrix: 128 MB of floats


def _conv1d(graph: Graph, node: Node, value: Linear, shape: Shape) -> tuple[Branch, Floats | None, Map]:
    """A Conv1d whose (channels, length) are other axes of the map than its channels and rows of one pixel.

    If Flatten joined the channels with the rows, it is a convolution whose kernel is as high as the map. Else the map was cut in a way
    that no window of it follows, and the convolution becomes a matrix of the whole map.
    """
    (c, h, w), (channels, length) = value.map, value.shape
    found = window(graph, node, (1, length))
    weight = _expand(graph.numbers(node, "weight")[:, :, None], pair(graph, node, "groups", 1, 1)[0], found.dilation)
    bias = _bias(graph, node, len(weight))
    if (channels, length) == (c * h, w):
        kernel = weight.reshape(len(weight), c, h, -1)
        branch = Branch("", value.map, kernel, (1, found.stride[1]), (0, found.pad[1]), found.out, (node.name,))
        return branch, bias, (len(weight), *found.out)
    outputs = shape[1]
    if len(weight) * outputs * channels * length > DENSE_MOST or max(h, w) > 255:
        raise graph.fault(node.name, f"reads {value.shape}, by a Flatten, of a map of {value.map}, which no window of that map follows; "
                          f"as a matrix it would have {len(weight) * outputs} x {channels * length} weights, at most {DENSE_MOST} can be "
                          "imported, and maps of 255 x 255")  # fmt: skip
    wide = np.zeros((len(weight), outputs, channels, length + 2 * weight.shape[3] + found.pad[1]))
    for x in range(outputs):
        at = x * found.stride[1]
        wide[:, x, :, at : at + weight.shape[3]] = weight[:, :, 0]
    kernel = wide[..., found.pad[1] : found.pad[1] + length].reshape(-1, *value.map)
    return Branch("", value.map, kernel, out=(1, 1), nodes=(node.name,)), np.repeat(bias, outputs), (len(weight) * outputs, 1, 1)


def _bias(graph: Graph, node: Node, n: int) -> Floats:
    bias = graph.numbers(node, "bias", 0.0)
    if bias.shape in ((), (1,)):
        bias = np.full(n, bias.reshape(-1)[0])
    if bias.shape != (n,):
        raise graph.fault(node.name, f"bias: shape {bias.shape} is not legal: must be ({n},)")
    return bias


def apply(graph: Graph, node: Node, value: Linear, shape: Shape) -> Linear:
    """A linear node behind a value; ``shape`` is that of its output.

    Raises:
        NirError: It cannot be folded.
    """
    if node.kind == "Flatten":
        return _flatten(value, shape)
    operator, bias, size = _operator(graph, node, value, shape)
    branches = [compose(graph, node, branch, operator, bool(value.bias.any())) for branch in value.branches]
    # the old bias, constant over the map, goes through the kernel; padding was refused above
    kernel = operator.kernel.sum(axis=(-2, -1))
    old = kernel * value.bias if kernel.ndim == 1 else kernel @ value.bias
    return Linear(shape, size, branches, old if bias is None else old + bias,
                  value.weighted if node.kind in ("Scale", "SumPool2d", "AvgPool2d") else node.name)  # fmt: skip


def _flatten(value: Linear, shape: Shape) -> Linear:
    """The value with other axes. Where (C, H, W) becomes (C, H * W), spikes and what is computed pixel by pixel is a map of one row."""
    return _one_row(replace(value, shape=shape)) if len(shape) == 2 else replace(value, shape=shape)


def _one_row(value: Linear) -> Linear:
    """A value (channels, length) as a map one pixel high, if it is one: its pixels stay where they are."""
    (c, h, w), wanted = value.map, as_map(value.shape)
    if h == 1 or wanted != (c, 1, h * w) or not all(branch.pointwise for branch in value.branches):
        return value
    return replace(value, map=wanted, branches=[replace(b, size=(b.size[0], 1, h * w), out=(1, h * w)) for b in value.branches])


def add(graph: Graph, node: Node, values: list[Linear]) -> Linear:
    """The sum of what several edges bring to a node; branches of one source become one where their strides agree.

    Raises:
        NirError: The maps differ.
    """
    first = values[0]
    if any(value.map != first.map for value in values):
        raise graph.fault(node.name, f"adds {first.shape} of maps {[value.map for value in values]}, whose pixels lie differently: cannot "
                          "be imported; put a neuron before the sum")  # fmt: skip
    branches: list[Branch] = []
    for branch in (b for value in values for b in value.branches):
        for i, other in enumerate(branches):
            if (other.source, other.size, other.stride, other.out) == (branch.source, branch.size, branch.stride, branch.out):
                branches[i] = _merge(other, branch)
                break
        else:
            branches.append(branch)
    weighted = next((value.weighted for value in values if value.weighted), "")
    return Linear(first.shape, first.map, branches, np.sum([value.bias for value in values], axis=0), weighted)


def _merge(a: Branch, b: Branch) -> Branch:
    """Two kernels over the same map as one, their first pixels aligned."""
    a, b = a.dense(), b.dense()
    pad = (max(a.pad[0], b.pad[0]), max(a.pad[1], b.pad[1]))
    high, wide = (max(pad[i] - x.pad[i] + x.kernel.shape[2 + i] for x in (a, b)) for i in (0, 1))
    kernel = np.zeros((*a.kernel.shape[:2], high, wide))
    for x in (a, b):
        y0, x0 = pad[0] - x.pad[0], pad[1] - x.pad[1]
        kernel[:, :, y0 : y0 + x.kernel.shape[2], x0 : x0 + x.kernel.shape[3]] += x.kernel
    return replace(a, kernel=kernel, pad=pad, nodes=(*a.nodes, *b.nodes) or ())
