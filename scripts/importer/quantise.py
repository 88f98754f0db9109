# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Stages in floats to layers in integers. The rules stand in docs/quantisation.md.

A neuron does not change when weights, bias and threshold share a factor: the scale s[n] of an output, with W' = gain W,

    w = rint(W' / s)   b = rint(b' / s)   theta = rint(theta / s) for >=, floor(theta / s) + 1 for >   lambda = rint(256 beta)

(halves to even). s is max |W'| / top, top = 2^(bits-1) - 1, unless all weights of the output are multiples of max |W'| / m for a
smaller m: then s = max |W'| / (k 2^e) with the smallest multiple k of m of which bias and threshold are multiples too (of m itself if
there is none), and the largest e that fits. What is rounded all the same is said: :class:`scripts.importer.rounding.Rounding`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.bounds import membrane_range, signed_width
from golden.config import Config
from golden.layer import Branch, Layer, NetworkError, as_integers, max_pool
from scripts.importer.contract import Contract
from scripts.importer.graph import Floats, Graph
from scripts.importer.rounding import Off, Rounding
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
        rounding: What was rounded, and by how much.
        notes: What a reader should know.
    """

    layer: Layer
    scale: Floats
    rounding: Rounding
    notes: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """No weight was rounded."""
        return not self.rounding.weights.count


@dataclass(frozen=True)
class Reals:
    """A stage in floats, every output multiplied by the power of two that brings its largest number near 1.

    So nothing that a float can hold is too small or too large to be divided by.

    Attributes:
        weights: (K, N) times the gain.
        bias: (N,) times the gain, and what is added every step.
        theta: (N,) thresholds; 0 in a readout, where they mean nothing.
        shift: (N,) exponents of the powers of two: the stage's own numbers are these times 2^shift.
    """

    weights: Floats
    bias: Floats
    theta: Floats
    shift: npt.NDArray[np.int64]


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


def leak_of(graph: Graph, stage: Stage) -> int:
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
    return int(leaks[0])


def _leak_off(stage: Stage, leak: int, steps: int) -> float:
    """256 beta - lambda where it is off most; 0 where that is the noise of a float32, and no timesteps make more of it."""
    off = 256 * stage.beta - leak
    worst = int(np.argmax(np.abs(off)))
    lost = leak == 256 and stage.beta[worst] ** steps < 1 - 1e-3
    return float(off[worst]) if abs(off[worst]) > 1e-3 or lost else 0.0


def _leak_notes(graph: Graph, stage: Stage, leak: int, steps: int) -> list[str]:
    """What a reader must know of a leak that was rounded; a warning where nothing is left of it, or of the membrane."""
    assert stage.neuron is not None
    worst = int(np.argmax(np.abs(256 * stage.beta - leak)))
    beta = float(stage.beta[worst])
    if not _leak_off(stage, leak, steps):
        return []
    if leak not in (0, 256):
        return [f"{stage.name}: leak {256 * beta:.3f} / 256 becomes {leak} / 256"]
    node = graph.nodes[stage.neuron]
    name = next(key for key in ("tau", "tau_mem") if key in node.fields)
    tau = float(graph.numbers(node, name, infinite=True).reshape(-1)[0])
    if leak == 256:
        what = f"the membrane never leaks: after {steps} timesteps all of it is left, and {beta**steps:.3g} by the file"
    else:
        what = f"the membrane forgets all from step to step, and keeps {beta:.3g} by the file"
    return [f"warning: {stage.name}: {name} = {tau:g} of node {node.name!r} keeps {256 * beta:.3f} / 256 of the membrane a step, which "
            f"rounds to {leak} / 256: {what}"]  # fmt: skip


def _integer(values: Floats) -> npt.NDArray[np.bool_]:
    """Integers but for the noise of float32; only 0 itself is 0."""
    near = np.rint(values)
    close = np.abs(values - near) <= np.minimum(0.25, 2.0**-20 * np.maximum(1.0, np.abs(values)))
    return np.asarray(close & ((near != 0) | (values == 0)))


def scales(reals: Reals, top: int, one: bool) -> Floats:
    """(N,) scales by the largest weights, on the grid of weights, biases and thresholds where there is one.

    Args:
        reals: The stage.
        top: Largest weight.
        one: One scale for all outputs.
    """
    if one:
        flat = Reals(reals.weights.reshape(-1, 1), reals.bias, reals.theta, reals.shift)
        scale = _column_scales(flat, top, flat.bias[:, None], flat.theta[:, None])
        return np.repeat(scale, reals.weights.shape[1])
    return _column_scales(reals, top, reals.bias[None], reals.theta[None])


def _column_scales(reals: Reals, top: int, bias: Floats, theta: Floats) -> Floats:
    """Scales of the columns of weights; ``bias`` and ``theta`` are (any number, columns) that belong to them."""
    peak = np.abs(reals.weights).max(axis=0)
    step = _steps(reals.weights, peak, top)
    unit = np.where(peak > 0, peak, 1.0)
    best = step.copy()
    open_ = peak > 0
    for others in (np.concatenate([bias, theta]), bias):  # all on one grid, or at least the bias with the weights
        found = np.zeros(len(step), bool)
        for j in range(1, int(top // step.min(initial=top)) + 1):
            now = np.flatnonzero(open_ & ~found & (step * j <= top))
            if not now.size:
                break
            on = _integer(others[:, now] * (step[now] * j) / unit[now]).all(axis=0)
            best[now[on]], found[now[on]] = step[now[on]] * j, True
        open_ &= ~found
    scale = unit / (best * 2.0 ** np.floor(np.log2(top / best)))
    return np.where(peak > 0, scale, _bare_scales(bias, theta))


def _bare_scales(bias: Floats, theta: Floats) -> Floats:
    """Scales of columns without weights: bias and threshold may take 15 bits, on a grid of both where there is one."""
    both = np.concatenate([bias, theta])
    scale = np.ones(both.shape[1])
    for n in np.flatnonzero((np.rint(both) != both).any(axis=0)):
        largest = float(np.abs(both[:, n]).max())
        parts = [Fraction(abs(v) / largest).limit_denominator(BARE_MOST).denominator for v in both[:, n].tolist()]
        steps = math.lcm(*parts)
        fits = steps <= BARE_MOST and _integer(both[:, n] * (steps / largest)).all()
        scale[n] = largest / (steps * 2.0 ** math.floor(math.log2(BARE_MOST / steps)) if fits else BARE_MOST)
    return scale


def quantise(
    graph: Graph, stage: Stage, contract: Contract, options: Options, *, clip: Floats | None = None, mask: Any = None, bounded: bool = True
) -> Quantised:
    """One stage to integers.

    Args:
        graph: For messages.
        stage: The stage.
        contract: The rules.
        options: How.
        clip: (N,) factors on the scales, 0 to 1: larger weights saturate. From calibration.
        mask: (K, N) weights that stay; the others are pruned.
        bounded: Inputs are spikes, 0 or 1, so that what a membrane can reach is known; False on the host.

    Raises:
        NirError: Names node, value and what is legal.
        BoundError: A column could overflow whatever its scale.
    """
    node = stage.branches[0].nodes[-1] if stage.branches[0].nodes else stage.node
    if stage.max_pool:
        return Quantised(max_pool(stage.branches[0].conv(), stage.name), np.ones(stage.map[0]), Rounding())
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
    one = stage.readout or stage.name in options.layer_scale
    reals = _reals(weights, bias, np.zeros_like(bias) if stage.readout else stage.theta, one)
    leak = 0 if stage.readout else leak_of(graph, stage)
    notes = [] if stage.readout else _leak_notes(graph, stage, leak, contract.steps)
    maker = _Maker(graph, node, stage, contract, options, reals, leak)
    with np.errstate(over="ignore", invalid="ignore"):  # thresholds and biases may be far out of the range of their weights
        scale = scales(reals, options.top, one) * (1.0 if clip is None else clip)
        fixed = maker.fixed(weights, bias) if bounded and not stage.readout else np.full(len(bias), UNKNOWN)
        layer, scale = maker.fit(scale, fixed, notes)
        return Quantised(layer, np.ldexp(scale, reals.shift), maker.rounding(layer, scale, fixed), notes)


def _reals(weights: Floats, bias: Floats, theta: Floats, one: bool) -> Reals:
    """Outputs near 1, by exact powers of two; all by the same one if they share a scale."""
    peak = np.abs(weights).max(axis=0)
    peak = np.where(peak > 0, peak, np.where(theta != 0, np.abs(theta), np.abs(bias)))
    if one:
        peak = np.full_like(peak, peak.max())
    shift = np.where(peak > 0, np.frexp(np.where(peak > 0, peak, 1.0))[1] - 1, 0).astype(np.int64)
    if not one:
        empty = ~weights.any(axis=0)  # integers stay the integers that they are
        shift[empty & (np.rint(bias) == bias) & (np.rint(theta) == theta)] = 0
    with np.errstate(over="ignore"):
        return Reals(np.ldexp(weights, -shift), np.ldexp(bias, -shift), np.ldexp(theta, -shift), shift)


NEVER, UNKNOWN, ALWAYS = -1, 0, 1
BARE_MOST = 32767
INT32_MOST = 2**31 - 1


class _Maker:
    """Layers of one stage for given scales."""

    def __init__(self, graph: Graph, node: str, stage: Stage, contract: Contract, options: Options, reals: Reals, leak: int) -> None:
        self.graph, self.node, self.stage, self.contract, self.options = graph, node, stage, contract, options
        self.reals, self.leak = reals, leak
        neuron = graph.nodes[stage.neuron] if stage.neuron else None
        self.reset = contract.reset_of(neuron.name) if neuron and neuron.kind != "Threshold" else None
        # where nothing is left of the membrane its reset means nothing, but a threshold is still taken off a step later
        self.late = self.reset == "subtract-delayed" or (self.reset == "none" and leak > 0)
        self.soft = self.reset == "subtract-delayed" or (self.reset == "subtract" and leak > 0)

    def fixed(self, weights: Floats, bias: Floats) -> npt.NDArray[np.int64]:
        """(N,) NEVER where no input can make an output fire, ALWAYS where it fires at every step whatever comes."""
        steps, beta, theta = self.contract.steps, self.stage.beta, self.stage.theta
        low, high = np.minimum(weights, 0).sum(axis=0) + bias, np.maximum(weights, 0).sum(axis=0) + bias
        # before the first spike X adds up what the largest input leaves; where that is negative its first step is the highest
        sums = np.where(beta == 1, float(steps), (1 - beta**steps) / np.where(beta == 1, 1.0, 1 - beta))
        top = np.where(high > 0, high * sums, high)
        never = top <= theta if self.contract.comparison == ">" else top < theta
        # after a spike the membrane is not below 0, but for a subtraction after the leak and for no reset with theta below 0
        always = low > theta if self.contract.comparison == ">" else low >= theta
        if self.reset == "subtract-delayed":
            always[:] = False
        elif self.reset == "none":
            always &= theta >= 0
        return np.where(never, NEVER, np.where(always, ALWAYS, UNKNOWN))

    def layer(self, scale: Floats, constant: npt.NDArray[np.int64]) -> Layer:
        """The integers; outputs that are ``constant`` have no weights, and a threshold that is never or always reached."""
        stage, options = self.stage, self.options
        plain = len(stage.branches) == 1 and stage.branches[0].size[1:] == (1, 1) and stage.branches[0].kernel.shape[-2:] == (1, 1)
        drop = not stage.readout and ("all" in options.drop_once or stage.name in options.drop_once)
        w, b, theta = self.integers(scale)
        w, b = np.where(constant != 0, 0, w), np.where(constant != 0, 0, b)
        theta = np.where(constant != 0, constant == NEVER, theta)  # 0 reaches a threshold of 0, not one of 1
        try:
            return Layer(w.astype(np.int8), as_integers("bias", b, np.int32, 1), as_integers("threshold", theta, np.int32, 1), self.leak,
                         soft=self.soft, late=self.late, readout=stage.readout, drop_once=drop, name=stage.name,
                         conv=None if plain else stage.branches[0].conv(), pool=stage.pool,
                         branch=Branch(-1, stage.branches[1].conv()) if len(stage.branches) > 1 else None)  # fmt: skip
        except NetworkError as err:
            raise self.graph.fault(self.node, str(err)) from err

    def exact_sums(self, scale: Floats) -> npt.NDArray[np.bool_]:
        """(N,) membranes are whole numbers of steps without rounding: weights and bias are, and nothing leaks in part."""
        if self.leak not in (0, 256):
            return np.zeros(len(scale), bool)
        ratio = self.reals.weights / scale
        return np.asarray((np.abs(ratio - np.rint(ratio)) < 1e-3).all(axis=0) & _integer(self.reals.bias / scale))

    def integers(self, scale: Floats) -> tuple[Floats, Floats, Floats]:
        """Weights, biases and thresholds as whole numbers of steps."""
        r, top = self.reals, self.options.top
        w, b, exact = np.clip(np.rint(r.weights / scale), -top, top), np.rint(r.bias / scale), r.theta / scale
        theta = np.where(_integer(exact), np.rint(exact), exact)
        if self.contract.comparison == ">":
            theta = np.floor(theta) + 1
        elif self.soft:
            theta = np.rint(theta)
        else:  # nothing between two whole numbers is a membrane: the next one above decides as the threshold does
            theta = np.where(self.exact_sums(scale), np.ceil(theta), np.rint(theta))
        return w, b, np.where((r.theta > 0) & (theta < 1), 1, theta)

    def fit(self, scale: Floats, fixed: npt.NDArray[np.int64], notes: list[str]) -> tuple[Layer, Floats]:
        """The layer, with steps made longer where numbers would not fit 32 bits, or the membranes MEM_W of the configuration."""
        scale = scale.copy()
        constant = np.zeros(len(scale), np.int64)
        _, b, theta = self.integers(scale)
        wide = ~((np.abs(b) <= INT32_MOST) & (self.stage.readout | (np.abs(theta) <= INT32_MOST)))
        T = self.contract.steps
        most = INT32_MOST / T  # a readout adds its bias in every step
        if self.stage.readout and (np.abs(b) > most).any():
            scale[:] = 2 * np.abs(self.reals.bias).max() / most
            notes.append(f"{self.stage.name}: weights are small beside a bias, which adds up to 32 bits in {T} timesteps, and lose "
                         "bits to it")  # fmt: skip
        elif wide.any():
            constant[wide] = fixed[wide]
            rest = np.flatnonzero(wide & (constant == UNKNOWN))
            largest = np.maximum(np.abs(self.reals.bias), np.abs(self.reals.theta))
            scale[rest] = np.where(np.isfinite(largest[rest]), largest[rest] / 2**30, scale[rest])
            if rest.size:
                notes.append(f"{self.stage.name}: weights of {rest.size} outputs (first: {rest[0]}) are small beside bias and threshold, "
                             "and lose bits to them")  # fmt: skip
        layer = self.layer(scale, constant)
        if self.options.cfg is not None and not self.stage.readout:
            layer, scale, constant = self.narrow(layer, scale, constant, fixed, notes)
        for kind, word in ((NEVER, "never fire"), (ALWAYS, "fire at every timestep")):
            found = np.flatnonzero(constant == kind)
            if found.size:
                notes.append(f"{self.stage.name}: {found.size} outputs (first: {found[0]}) {word}, whatever comes in: their weights are "
                             "left out, for beside threshold and bias they are out of range")  # fmt: skip
        return layer, scale

    def narrow(self, layer: Layer, scale: Floats, constant: npt.NDArray[np.int64], fixed: npt.NDArray[np.int64],
               notes: list[str]) -> tuple[Layer, Floats, npt.NDArray[np.int64]]:  # fmt: skip
        """Halves the resolution of columns whose membrane would need more than MEM_W bits, until it fits."""
        cfg, halved = self.options.cfg, np.zeros(layer.n, int)
        assert cfg is not None
        for turn in range(32):
            low, high = membrane_range(layer, self.contract.steps)
            theta, b = layer.threshold.astype(np.int64), layer.bias.astype(np.int64)
            need = np.maximum(signed_width(low, high), np.maximum(signed_width(theta, theta), signed_width(b, b)))
            wide = need > cfg.MEM_W
            if not wide.any():
                break
            if turn == self.options.bits - 1:  # what nothing can change needs no resolution
                constant = np.where(wide, fixed, constant)
                halved[wide & (fixed != UNKNOWN)] = 0
                wide &= fixed == UNKNOWN
            scale[wide] *= 2  # beyond the bits of a weight: what is left is bias and threshold
            halved[wide] += 1
            layer = self.layer(scale, constant)
        if halved.any():
            notes.append(f"{self.stage.name}: {int((halved > 0).sum())} of {layer.n} columns lose up to {halved.max()} bits of resolution "
                         f"to fit MEM_W = {cfg.MEM_W} of {cfg.name}")  # fmt: skip
        return layer, scale, constant

    def rounding(self, layer: Layer, scale: Floats, fixed: npt.NDArray[np.int64]) -> Rounding:
        """What the integers are off by, from the integers themselves."""
        r, stage = self.reals, self.stage
        w, b, theta = (array.astype(np.float64) for array in (layer.weights, layer.bias, layer.threshold))
        same = ~((fixed != UNKNOWN) & ~layer.weights.any(axis=0) & r.weights.any(axis=0))  # not left out
        steps = np.abs(r.weights / scale - w)
        peak = np.abs(r.weights).max(axis=0)
        wrong = (steps > 1e-3) | (steps * scale > 1e-5 * peak)  # the second of outputs that are small beside others of the same scale
        off_w = Off.of(np.where(wrong, steps * scale, 0)[:, same], np.where(peak > 0, peak, 1)[same])
        size = np.where(peak > 0, peak, 1) if stage.readout else np.where(r.theta != 0, np.abs(r.theta), np.where(peak > 0, peak, 1))
        off_b = Off.of(np.where(_integer(r.bias / scale), 0, np.abs(r.bias - b * scale))[same], size[same])
        exact = r.theta / scale
        free = stage.readout | (self.exact_sums(scale) & (not self.soft)) | _integer(exact)
        meant = np.floor(exact) if self.contract.comparison == ">" else theta  # v > theta is v >= theta + 1
        off_theta = Off.of(np.where(free, 0, np.abs(r.theta - meant * scale))[same], size[same])
        over = np.zeros_like(r.theta)
        if self.soft and self.contract.comparison == ">":
            over = np.abs(theta * scale - r.theta)
        leak = 0.0 if stage.readout else _leak_off(stage, layer.leak, self.contract.steps)
        return Rounding(off_w, off_b, off_theta, Off.of(over[same], size[same]), leak)


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
