# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Stages in floats to layers in integers. The rules stand in docs/quantisation.md.

A neuron does not change when weights, bias and threshold share a factor: the scale s[n] of an output, with W' = gain W,

    w = rint(W' / s)   b = rint(b' / s)   theta = rint(theta / s) for >=, floor(theta / s) + 1 for >   lambda = rint(256 beta)

(halves to even). s is max |W'| / top, top = 2^(bits-1) - 1, unless all weights of the output are multiples of max |W'| / m for a
smaller m: then s = max |W'| / (m 2^e), the largest e that fits, and nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from golden.bounds import BoundError, check_layer, membrane_range, signed_width
from golden.config import Config
from golden.layer import Branch, Layer, NetworkError, as_integers, max_pool
from scripts.importer.contract import Contract
from scripts.importer.graph import Floats, Graph
from scripts.importer.stages import Stage


@dataclass(frozen=True)
class Options:
    """How to quantise.

    Attributes:
        bits: Of a weight, 4 to 8.
        drop_once: Layers whose once-firing outputs are dropped, by name; ``all``: every spiking one.
        layer_scale: Names of layers with one scale for all outputs, as readouts have.
        cfg: The machine whose widths must not overflow; None: not checked here.
    """

    bits: int = 8
    drop_once: frozenset[str] = frozenset()
    layer_scale: frozenset[str] = frozenset()
    cfg: Config | None = None

    @property
    def top(self) -> int:
        """Largest weight."""
        return int(2 ** (self.bits - 1) - 1)


@dataclass
class Quantised:
    """A layer and how it came about.

    Attributes:
        layer: The integers, without source.
        scale: (N,) float units of one integer step.
        exact: No weight was rounded.
        notes: What a reader should know.
    """

    layer: Layer
    scale: Floats
    exact: bool
    notes: list[str] = field(default_factory=list)


def weight_rows(stage: Stage) -> Floats:
    """(K, N) weights of a stage as the layer wants them, before the gain."""
    rows = [branch.rows() for branch in stage.branches]
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _steps(weights: Floats, peak: Floats, top: int) -> Floats:
    """For each column the smallest m <= top of which all weights / peak are multiples of 1 / m, or top if there is none."""
    found = np.full(weights.shape[1], top, np.float64)
    parts = np.abs(weights) / np.where(peak > 0, peak, 1.0)
    probe = np.sort(parts, axis=0)[-32:]  # the largest say no for almost all m, at little cost
    for m in range(top - 1, 0, -1):
        near = np.flatnonzero((np.abs(probe * m - np.rint(probe * m)) < 1e-5).all(axis=0))
        if near.size:
            part = parts[:, near] * m
            found[near[(np.abs(part - np.rint(part)) < 1e-5).all(axis=0)]] = m
    return found


def _snap(value: Floats) -> Floats:
    """What is an integer but for float32 noise."""
    near = np.rint(value)
    return np.where(np.abs(value - near) <= 2.0**-20 * np.maximum(1.0, np.abs(value)), near, value)


def leak_of(graph: Graph, stage: Stage) -> tuple[int, list[str]]:
    """lambda of a stage in 1/256.

    Raises:
        NirError: It differs between the outputs.
    """
    leaks = np.rint(256 * stage.beta).astype(int)
    assert stage.neuron is not None
    if (leaks != leaks[0]).any():
        n = int(np.flatnonzero(leaks != leaks[0])[0])
        raise graph.fault(stage.neuron, f"tau gives leaks of {leaks.min()} to {leaks.max()} ({leaks[0]} in channel 0, {leaks[n]} in "
                          f"channel {n}): must be one for the layer")  # fmt: skip
    off = float(np.abs(256 * stage.beta - leaks).max())
    notes = [f"{stage.name}: leak {256 * stage.beta[0]:.3f} / 256 becomes {leaks[0]} / 256"] if off > 1e-3 else []
    return int(leaks[0]), notes


def scales(weights: Floats, stage: Stage, options: Options, one: bool) -> tuple[Floats, bool]:
    """(N,) scales by the largest weights, and whether nothing is rounded by them."""
    if one:
        flat = np.abs(weights).reshape(-1, 1)
        peak = flat.max(axis=0)
        step = _steps(flat, peak, options.top)
        s = np.repeat(peak / (step * 2.0 ** np.floor(np.log2(options.top / step))), weights.shape[1])
    else:
        peak = np.abs(weights).max(axis=0)
        step = _steps(weights, peak, options.top)
        s = peak / (step * 2.0 ** np.floor(np.log2(options.top / step)))
    s = np.where(s > 0, s, np.where(weights.any(axis=0), 0.0, 1.0))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = weights / s
        return s, bool((np.abs(ratio - np.rint(ratio)) < 1e-3).all())


def quantise(
    graph: Graph, stage: Stage, contract: Contract, options: Options, *, clip: Floats | None = None, mask: Any = None
) -> Quantised:
    """One stage to integers.

    Args:
        graph: For messages.
        stage: The stage.
        contract: The rules.
        options: How.
        clip: (N,) factors on the scales, 0 to 1: larger weights saturate. From calibration.
        mask: (K, N) weights that stay; the others are pruned.

    Raises:
        NirError: Names node, value and what is legal.
        BoundError: A column could overflow whatever its scale.
    """
    node = stage.branches[0].nodes[-1] if stage.branches[0].nodes else stage.node
    if stage.max_pool:
        return Quantised(max_pool(stage.branches[0].conv(), stage.name), np.ones(stage.map[0]), True)
    with np.errstate(over="ignore", invalid="ignore"):
        weights = weight_rows(stage) * stage.gain
        bias = stage.bias * stage.gain + stage.drift
    for what, array in (("weight times r dt / tau", weights.T), ("bias", bias)):
        bad = ~np.isfinite(array)
        if bad.any():
            index = [int(i) for i in np.argwhere(bad)[0]]
            raise graph.fault(node, f"{what}{index} = {array[tuple(index)]} is not legal: must be finite")
    if mask is not None:
        weights = weights * mask
    leak, notes = (0, []) if stage.readout else leak_of(graph, stage)
    scale, exact = scales(weights, stage, options, stage.readout or stage.name in options.layer_scale)
    small = np.flatnonzero(scale < np.finfo(np.float64).tiny)
    if small.size:
        peak = np.abs(weights[:, small[0]]).max()
        raise graph.fault(node, f"weight[{small[0]}]: largest magnitude {peak} is not legal: must be 0 or at least "
                          f"{options.top * np.finfo(np.float64).tiny:g} after scaling by r dt / tau")  # fmt: skip
    empty = ~weights.any(axis=0)  # only bias and threshold are left: let them keep 15 bits
    if not stage.readout:
        loose = empty & ((np.rint(bias) != bias) | (np.rint(stage.theta) != stage.theta))
        scale = np.where(loose, np.maximum(np.abs(bias), np.abs(stage.theta)) / 32767, scale)
    if clip is not None:
        scale = scale * clip
    drop = not stage.readout and not stage.max_pool and ("all" in options.drop_once or stage.name in options.drop_once)
    found = _layer(graph, node, stage, contract, options, weights, bias, scale, leak, drop)
    if options.cfg is not None and not stage.readout:
        found, scale = _narrow(graph, node, stage, contract, options, weights, bias, scale, leak, drop, found, notes)
    return Quantised(found, scale, exact and clip is None, notes)


def _layer(graph: Graph, node: str, stage: Stage, contract: Contract, options: Options, weights: Floats, bias: Floats,
           scale: Floats, leak: int, drop: bool) -> Layer:  # fmt: skip
    """The layer for given scales."""
    with np.errstate(over="ignore"):
        w = np.clip(np.rint(weights / scale), -options.top, options.top)
        b = np.rint(bias / scale)
        theta = _snap(stage.theta / scale)
        theta = np.rint(theta) if contract.comparison != ">" else np.floor(theta) + 1
    theta = np.where((stage.theta > 0) & (theta < 1), 1, theta)
    subtract = not stage.readout and leak > 0 and contract.reset in ("subtract", "subtract-delayed")
    # a vector before and behind needs no geometry; the reset of a neuron without memory means nothing
    plain = len(stage.branches) == 1 and stage.branches[0].size[1:] == (1, 1) and stage.branches[0].kernel.shape[-2:] == (1, 1)
    try:
        return Layer(w.astype(np.int8), as_integers("bias", b, np.int32, 1), as_integers("threshold", theta, np.int32, 1), leak,
                     soft=subtract, late=subtract and contract.reset == "subtract-delayed", readout=stage.readout, drop_once=drop,
                     name=stage.name, conv=None if plain else stage.branches[0].conv(), pool=stage.pool,
                     branch=Branch(-1, stage.branches[1].conv()) if len(stage.branches) > 1 else None)  # fmt: skip
    except NetworkError as err:
        raise graph.fault(node, str(err)) from err


def _narrow(graph: Graph, node: str, stage: Stage, contract: Contract, options: Options, weights: Floats, bias: Floats,
            scale: Floats, leak: int, drop: bool, layer: Layer, notes: list[str]) -> tuple[Layer, Floats]:  # fmt: skip
    """Halves the resolution of columns whose membrane would need more than MEM_W bits, until it fits or nothing is left."""
    cfg, halved = options.cfg, np.zeros(layer.n, int)
    assert cfg is not None
    scale = scale.copy()
    for _ in range(options.bits - 1):
        low, high = membrane_range(layer, contract.steps)
        theta, b = layer.threshold.astype(np.int64), layer.bias.astype(np.int64)
        need = np.maximum(signed_width(low, high), np.maximum(signed_width(theta, theta), signed_width(b, b)))
        wide = need > cfg.MEM_W
        if not wide.any():
            break
        scale[wide] *= 2
        halved[wide] += 1
        layer = _layer(graph, node, stage, contract, options, weights, bias, scale, leak, drop)
    if halved.any():
        notes.append(f"{stage.name}: {int((halved > 0).sum())} of {layer.n} columns lose up to {halved.max()} bits of resolution to fit "
                     f"MEM_W = {cfg.MEM_W} of {cfg.name}")  # fmt: skip
    return layer, scale


def check(layer: Layer, cfg: Config, T: int) -> None:
    """See :func:`golden.bounds.check_layer`, with the network's T.

    Raises:
        BoundError: A column could overflow.
    """
    check_layer(layer, cfg, T)


__all__ = ["BoundError", "Options", "Quantised", "check", "leak_of", "quantise", "scales", "weight_rows"]


def join(stages: list[Stage], layers: list[Layer], inputs: Mapping[str, int]) -> list[Layer]:
    """Gives layers their sources: ``inputs`` maps nodes to places, -1 the network's input, others are stages of the machine."""
    place = dict(inputs)
    joined = []
    for i, (stage, layer) in enumerate(zip(stages, layers, strict=True)):
        source = place[stage.branches[0].source]
        changes: dict[str, Any] = {"source": None if source == i - 1 else source}
        if layer.branch:
            changes["branch"] = Branch(place[stage.branches[1].source], layer.branch.conv)
        joined.append(replace(layer, **changes))
        place[stage.node] = i
    return joined
