# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A graph as a list of stages: linear maps of spikes, summed, and a neuron; still in floats. One stage is one layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scripts.importer.axes import spread
from scripts.importer.contract import Contract
from scripts.importer.folding import Branch, Linear, Map, add, apply, as_map, per_channel, spikes
from scripts.importer.graph import Floats, Graph, Node
from scripts.importer.neurons import SPIKING, constants, integrator_gain
from scripts.importer.shapes import Shape


@dataclass
class Stage:
    """A layer in floats.

    Attributes:
        name: Of the layer.
        node: Node of the graph whose output this is.
        neuron: The neuron's node; None of a readout.
        branches: One or two convolutions.
        bias: (N,) added to their sum, before the gain.
        gain, drift, theta: (N,) X[t] = beta U[t-1] + gain I[t] + drift fires at theta.
        beta: (N,) kept of the membrane.
        shape: Logical shape of the output in the graph.
        map: (C, H, W) of the output, behind the pool.
        pool: Window of a max pool that is part of the layer.
        max_pool: The stage is nothing but a max pool.
        notes: What a reader should know.
    """

    name: str
    node: str
    neuron: str | None
    branches: list[Branch]
    bias: Floats
    gain: Floats
    drift: Floats
    theta: Floats
    beta: Floats
    shape: Shape
    map: Map
    pool: tuple[int, int] | None = None
    max_pool: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def readout(self) -> bool:
        """No neuron: sums over time."""
        return self.neuron is None

    @property
    def nodes(self) -> list[str]:
        """Nodes that went into it, neuron last."""
        names = dict.fromkeys(n for b in self.branches for n in b.nodes)
        return [*names, *([self.neuron] if self.neuron else [])]


def _is_max_pool(graph: Graph, node: Node, value: Linear, theta: Floats, contract: Contract) -> bool:
    """A Threshold that fires where at least one spike, which counts 1, is under the pool's window."""
    if node.kind != "Threshold" or len(value.branches) != 1 or value.weighted or value.bias.any():
        return False
    branch = value.branches[0]
    pools = len(branch.nodes) == 1 and graph.nodes[branch.nodes[0]].kind == "SumPool2d"
    if not pools or branch.kernel.ndim != 3 or (branch.kernel != 1).any():
        return False
    ones = contract.encoding != "direct" and np.all(np.asarray(contract.pixel_scale) == 1)
    if graph.nodes[branch.source].kind == "Input" and not ones:
        return False
    one = (theta > 0) & (theta <= 1) if contract.comparison == ">=" else (theta >= 0) & (theta < 1)
    return bool(one.all())


def _checked(graph: Graph, node: Node, value: Linear) -> list[Branch]:
    if len(value.branches) > 2:
        sources = [b.source for b in value.branches]
        raise graph.fault(node.name, f"sums {len(sources)} branches, from {sources}: at most 2 can be imported")
    return value.branches


class Builder:
    """Walks a graph once, from Input to Output."""

    def __init__(self, graph: Graph, contract: Contract, shapes: dict[str, Shape]) -> None:
        """Args: the graph, the checked contract, and the shape of every node."""
        self.graph, self.contract, self.shapes = graph, contract, shapes
        self.stages: list[Stage] = []
        self.values: dict[str, Linear] = {}

    def build(self) -> list[Stage]:
        """The stages, in the order of the edges.

        Raises:
            NirError: Something cannot be mapped; names the node and says why.
        """
        for name, node in self.graph.nodes.items():
            shape = self.shapes[name]
            if node.kind == "Input":
                after = self.graph.after(name)
                flat = all(self.graph.nodes[n].kind == "Flatten" and len(self.shapes[n]) == 1 for n in after)
                size = (int(np.prod(shape)), 1, 1) if flat else as_map(shape)
                self.values[name] = spikes(name, shape, size)
                continue
            value = add(self.graph, node, [self.values[source] for source in self.graph.before[name]])
            if node.kind in SPIKING:
                self.spiking(node, value)
            elif node.kind == "I":
                self.integrator(node, value)
            elif node.kind == "Output":
                self.output(node, value)
            else:
                self.values[name] = apply(self.graph, node, value, shape)
        if not self.stages:
            raise self.graph.fault(self.graph.only("Output").name, "is reached without a neuron or weights: nothing to run")
        return self.stages

    def spiking(self, node: Node, value: Linear) -> None:
        """A neuron, or a max pool."""
        graph, found = self.graph, constants(self.graph, node, self.contract, value.shape)
        if found.alpha.any():
            worst = float(found.alpha.max())
            raise graph.fault(node.name, f"its synapse remembers {worst:g} of its current from step to step (tau_syn): only tau_syn = dt "
                              "can be imported, for the machine filters the membrane and not its input")  # fmt: skip
        gain, drift, theta, beta = (per_channel(graph, node, what, array, value) for what, array in (
            ("the gain", found.gain), ("v_leak", found.drift), ("the threshold", found.theta), ("the leak", found.beta)))  # fmt: skip
        pooling = _is_max_pool(graph, node, value, theta, self.contract)
        if pooling and self.fuse_pool(node, value):
            return
        shape = self.shapes[node.name]
        name = value.weighted or (value.branches[0].nodes[0] if pooling else node.name)
        self.stages.append(Stage(name, node.name, node.name, _checked(graph, node, value), value.bias, gain, drift, theta, beta,
                                 shape, value.map, max_pool=pooling))  # fmt: skip
        self.values[node.name] = spikes(node.name, shape, value.map)

    def fuse_pool(self, node: Node, value: Linear) -> bool:
        """Makes a max pool part of the layer before it, where its windows do not overlap and nothing else reads that layer."""
        branch = value.branches[0]
        stage = next((s for s in self.stages if s.node == branch.source), None)
        window = branch.kernel.shape[-2:]
        if stage is None or stage.pool or stage.max_pool or len(stage.branches) > 1 or stage.map[1:] == (1, 1):
            return False
        alone = self.graph.after(branch.source) == [branch.nodes[0]] and self.graph.after(branch.nodes[0]) == [node.name]
        if not alone or branch.stride != window or branch.pad != (0, 0) or self.on_host(stage) or max(window) > 255:
            return False
        out = (branch.out[0] * window[0], branch.out[1] * window[1])
        stage.branches = [replace(b, out=out) for b in stage.branches]
        stage.pool, stage.node, stage.map, stage.shape = (window[0], window[1]), node.name, value.map, value.shape
        self.values[node.name] = spikes(node.name, value.shape, value.map)
        return True

    def on_host(self, stage: Stage) -> bool:
        """The stage encodes the input on the host."""
        return self.contract.encoding == "direct" and stage is self.stages[0]

    def integrator(self, node: Node, value: Linear) -> None:
        """An I before the Output: its membrane after T steps is a sum over time, as a readout is, so that only its gain is left."""
        after = [self.graph.nodes[n].kind for n in self.graph.after(node.name)]
        if after != ["Output"] or not value.weighted:
            raise self.graph.fault(node.name, "is an I: can only be imported between weights and the Output, as a readout")
        gain = per_channel(self.graph, node, "r", integrator_gain(self.graph, node, self.contract, value.shape), value)
        branches = [replace(b, kernel=b.dense().kernel * gain[:, None, None, None]) for b in value.branches]
        self.values[node.name] = replace(value, branches=branches, bias=value.bias * gain)

    def output(self, node: Node, value: Linear) -> None:
        """The end: a readout, if there are weights after the last neuron; whatever several paths bring is summed."""
        if len(value.branches) == 1 and value.branches[0].identity and not value.bias.any():
            source = value.branches[0].source
            if not self.stages or self.stages[-1].node != source:
                raise self.graph.fault(node.name, f"reads {source!r}, which is not the last layer: must be the end of the graph")
            return
        if not value.weighted:
            names = [n for b in value.branches for n in b.nodes] or [b.source for b in value.branches]
            raise self.graph.fault(names[-1], "stands before the Output without weights or a neuron: sums of spikes are no output of the "
                                   "machine; leave it out, or put a neuron behind it")  # fmt: skip
        zero = np.zeros(value.map[0])
        self.stages.append(Stage(value.weighted, node.name, None, _checked(self.graph, node, value), value.bias, gain=zero + 1, drift=zero,
                                 theta=zero, beta=zero, shape=self.shapes[node.name], map=value.map))  # fmt: skip


def build_stages(graph: Graph, contract: Contract, shapes: dict[str, Shape]) -> list[Stage]:
    """See :meth:`Builder.build`; the input's scale is folded in."""
    stages = Builder(graph, contract, shapes).build()
    source = graph.only("Input").name
    scale = spread(contract.pixel_scale, shapes[source], graph.where, "--pixel-scale")

    def scaled(branch: Branch) -> Branch:
        return replace(branch, kernel=branch.kernel / scale.reshape(branch.size)[:, :1, :1]) if branch.source == source else branch

    if (scale != 1).any():
        for stage in stages:
            stage.branches = [scaled(branch) for branch in stage.branches]
    return stages
