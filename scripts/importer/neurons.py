# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Discrete constants of NIR's neurons, from their equations and the contract.

    LIF       v' = ((v_leak - v) + r I) / tau
    CubaLIF   the same, I' = (-I + w_in S) / tau_syn
    IF        v' = r I
    Threshold no memory

all become X[t] = beta U[t-1] + gain I[t] + drift, and fire at theta.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.importer.contract import Contract
from scripts.importer.graph import Floats, Graph, Node

SPIKING = ("LIF", "IF", "CubaLIF", "Threshold")
FIELDS = {"LIF": ("tau", "r", "v_leak", "v_threshold"), "IF": ("r", "v_threshold"), "Threshold": ("threshold",),
          "CubaLIF": ("tau_mem", "tau_syn", "r", "v_leak", "v_threshold")}  # fmt: skip
GRID = 1 << 16  # constants of a float32 file that lie within 2^-20 of a multiple of 2^-16 are that multiple


@dataclass(frozen=True)
class Constants:
    """What a neuron does in a step; all arrays have the neurons' logical shape.

    Attributes:
        beta: What is left of the membrane after a step, 0 to 1.
        gain: Of the input.
        drift: Added every step.
        theta: Threshold.
        alpha: What is left of a CubaLIF's synapse after a step; 0 elsewhere.
    """

    beta: Floats
    gain: Floats
    drift: Floats
    theta: Floats
    alpha: Floats


def tidy(value: Floats, noise: float = 0.0) -> Floats:
    """Takes the noise of float32 off constants: 1 - 1e-4 / 2e-4 is meant to be 0.5. ``noise``: absolute, beside the relative."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.rint(value * GRID) / GRID
        return np.where(np.abs(value - near) <= np.maximum(noise, 2.0**-20 * np.abs(value)), near, value)


def spread(graph: Graph, node: Node, name: str, shape: tuple[int, ...], default: float | None = None) -> Floats:
    """A parameter of neurons in their shape, from one value, one a channel, or all.

    Raises:
        NirError: Another shape, or not finite; tau and r may be infinite, as snnTorch writes a neuron with beta = 1.
    """
    array = graph.numbers(node, name, default, infinite=node.kind != "I" and name in ("tau", "tau_mem", "r"))
    if array.size == 1:
        return np.full(shape, array.reshape(-1)[0])
    if array.shape == shape:
        return array
    if len(shape) > 1 and array.shape == (shape[0],) + (1,) * (len(shape) - 1):  # one a channel
        return np.broadcast_to(array, shape).copy()
    raise graph.fault(node.name, f"{name}: shape {array.shape} is not legal: must be {shape}")


def integrator_gain(graph: Graph, node: Node, contract: Contract, shape: tuple[int, ...]) -> Floats:
    """What the input of an I counts in a step, in the neurons' shape: v' = r I."""
    return spread(graph, node, "r", shape) * (contract.dt if contract.if_gain == "per-second" and contract.dt is not None else 1.0)


def constants(graph: Graph, node: Node, contract: Contract, shape: tuple[int, ...]) -> Constants:
    """The constants of a neuron.

    Args:
        graph: For messages.
        node: LIF, IF, CubaLIF or Threshold.
        contract: Checked by :func:`scripts.importer.contract.require`.
        shape: Logical shape of its input.

    Raises:
        NirError: A parameter has a wrong shape or value.
    """
    dt = contract.dt
    assert dt is not None

    def get(name: str, default: float | None = None) -> Floats:
        return spread(graph, node, name, shape, default)

    def decay(name: str) -> tuple[Floats, Floats]:
        """What is kept in a step and what is gone, which a float beside 1 would not show."""
        tau = get(name)
        if (tau <= 0).any() or (contract.decay == "euler" and (tau < dt * (1 - 1e-5)).any()):
            raise graph.fault(node.name, f"{name} = {tau.min()} is not legal: must be at least dt = {dt} (is dt right?)")
        gone = -np.expm1(-dt / tau) if contract.decay == "exponential" else np.minimum(1.0, dt / tau)
        kept = tidy(1 - gone, 2.0**-20)
        slow = kept == 1  # no noise of float32 lies so near to 1: a small leak is meant, and its gain is not 0
        return np.where(slow, 1 - gone, kept), np.where(slow, gone, 1 - kept)

    one, zero = np.ones(shape), np.zeros(shape)
    if node.kind == "Threshold":
        return Constants(zero, one, zero, get("threshold"), zero)
    theta, reset = get("v_threshold"), get("v_reset", 0.0)
    if contract.reset_of(node.name) == "hard" and reset.any():
        raise graph.fault(node.name, f"v_reset = {reset[reset != 0][0]} is not legal: must be 0, the membrane at the start (hard reset)")
    r = get("r")
    endless = np.zeros(shape, bool) if node.kind == "IF" else np.isinf(get("tau" if node.kind == "LIF" else "tau_mem"))
    if node.kind == "IF" or contract.lif_gain == "nir":
        if (np.isinf(r) & ~endless).any():
            raise graph.fault(node.name, "r = inf with a finite tau is not legal: the input would count r dt / tau = inf times")
        if (endless & ~np.isinf(r)).any():
            raise graph.fault(node.name, "tau = inf with a finite r is not legal: the input would count r dt / tau = 0 times; a neuron "
                              "without a leak is an IF, or has r = inf too, or give --lif-gain one")  # fmt: skip
    if node.kind == "IF":
        gain = r * (dt if contract.if_gain == "per-second" else 1.0)
        return Constants(one, tidy(gain), zero, theta, zero)
    beta, gone = decay("tau" if node.kind == "LIF" else "tau_mem")
    with np.errstate(over="ignore", invalid="ignore"):
        # r and tau infinite together are r = tau / dt, the gain of 1 that a toolkit's beta = 1 means
        gain = one if contract.lif_gain == "one" else np.where(endless, 1.0, np.where(endless, 0.0, r) * gone)
        drift, alpha = get("v_leak") * gone, zero
        if node.kind == "CubaLIF":
            alpha, settled = decay("tau_syn")
            gain = gain if contract.lif_gain == "one" else gain * get("w_in", 1.0) * settled
    return Constants(beta, tidy(gain), drift, theta, alpha)
