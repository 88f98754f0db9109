# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Proof that nothing overflows: bounds of every column against ACC_W, MEM_W and 32 bits.

Per column n, with neg = sum of its negative and pos = sum of its positive weights:

    accumulators   neg <= any partial sum <= pos                          must fit ACC_W bits, signed
    membrane       X[t] in [neg + b + Ulo[t-1], pos + b + Uhi[t-1]]       must fit MEM_W bits, signed
                   and b, theta, U[t], and X[t] - theta where it fires (soft reset)
    readout        sum in [T (neg + b), T (pos + b)]                      must fit 32 bits, signed

Pseudo-accumulator, correction accumulators and their difference are all sums of some subset of the
column's weights, hence one inequality. [Ulo, Uhi] is found step by step from the reset rule, see
:func:`membrane_range`; the intervals contain all reachable values, so the test refuses too much rather
than too little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.config import Config
from golden.errors import LoasError
from golden.layer import Layer

Range = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class BoundError(LoasError):
    """A column could overflow; names layer, column, value and the width it needs."""


def signed_width(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bits of the smallest two's complement number that holds both ends, elementwise; at least 1."""
    biggest = np.maximum(np.where(low < 0, -low - 1, low), np.where(high < 0, -high - 1, high))
    # exact for magnitudes below 2^53: frexp gives the exponent e with biggest < 2^e
    return np.frexp(biggest.astype(np.float64))[1].astype(np.int64) + 1


def column_sums(weights: npt.NDArray[np.int8]) -> Range:
    """Smallest and largest sum of any subset of each column's weights.

    Args:
        weights: (K, N) int8.

    Returns:
        Two (N,) int64 arrays: sum of the negative, sum of the positive weights.
    """
    total = weights.sum(axis=0, dtype=np.int64)
    negative = np.minimum(weights, 0).sum(axis=0, dtype=np.int64)
    return negative, total - negative


def membrane_range(layer: Layer, T: int) -> Range:
    """Ends of an interval that holds X[t], U[t], and X[t] - theta where it is formed, for every t < T.

    With X in [xlo, xhi] and f(v) = (leak * v) >> 8, which rises with v:
    silent (possible if xlo < theta): U in [f(xlo), f(min(xhi, theta - 1))];
    firing (possible if xhi >= theta): hard U = 0; soft U in [f(max(xlo, theta) - theta), f(xhi - theta)];
    late U in [f(max(xlo, theta)) - theta, f(xhi) - theta]; no reset (late without soft) the same without - theta.

    Args:
        layer: The layer.
        T: Timesteps.

    Returns:
        Two (N,) int64 arrays, lowest and highest value.
    """
    negative, positive = column_sums(layer.weights)
    bias, theta = layer.bias.astype(np.int64), layer.threshold.astype(np.int64)
    zero = np.zeros(layer.n, np.int64)
    ulo, uhi, low, high = zero, zero, zero, zero
    for _ in range(T):
        xlo, xhi = negative + bias + ulo, positive + bias + uhi
        low, high = np.minimum(low, xlo), np.maximum(high, xhi)
        silent, fires = xlo < theta, xhi >= theta
        slo, shi = (layer.leak * xlo) >> 8, (layer.leak * np.minimum(xhi, theta - 1)) >> 8
        if layer.late:
            taken = theta if layer.soft else zero
            flo, fhi = ((layer.leak * np.maximum(xlo, theta)) >> 8) - taken, ((layer.leak * xhi) >> 8) - taken
        elif layer.soft:
            rlo, rhi = np.maximum(xlo, theta) - theta, xhi - theta
            high = np.where(fires, np.maximum(high, rhi), high)
            flo, fhi = (layer.leak * rlo) >> 8, (layer.leak * rhi) >> 8
        else:
            flo, fhi = zero, zero
        # at least one of the two cases is possible
        before = ulo, uhi
        ulo = np.where(silent, np.where(fires, np.minimum(slo, flo), slo), flo)
        uhi = np.where(silent, np.where(fires, np.maximum(shi, fhi), shi), fhi)
        low, high = np.minimum(low, ulo), np.maximum(high, uhi)
        if np.array_equal(ulo, before[0]) and np.array_equal(uhi, before[1]):
            break  # so will be all steps that follow
    return low, high


def check_layer(layer: Layer, cfg: Config, T: int | None = None) -> None:
    """Refuses a layer that could overflow somewhere in a machine of this configuration.

    Args:
        layer: The layer.
        cfg: For T, WEIGHT_W, ACC_W and MEM_W.
        T: Timesteps, if not the configuration's.

    Raises:
        BoundError: Names layer, column, quantity and the width it would need.
    """
    T = cfg.T if T is None else T

    def fit(what: str, limits: Range, field: str, width: int) -> None:
        need = signed_width(*limits)
        if (need > width).any():
            n = int(np.argmax(need > width))
            raise BoundError(
                f"{layer.name}: column {n}: {what} can reach {int(limits[0][n])} to {int(limits[1][n])} and needs "
                f"{int(need[n])} bits: {field} of configuration {cfg.name} is {width} "
                f"({int((need > width).sum())} of {layer.n} columns need more, at most {int(need.max())})"
            )

    if layer.weights.min() < cfg.weight_min or layer.weights.max() > cfg.weight_max:
        bad = (layer.weights < cfg.weight_min) | (layer.weights > cfg.weight_max)
        k, n = (int(i) for i in np.argwhere(bad)[0])
        raise BoundError(
            f"{layer.name}: column {n}: weights[{k}, {n}] = {layer.weights[k, n]} is not legal: WEIGHT_W = "
            f"{cfg.WEIGHT_W} of configuration {cfg.name} holds {cfg.weight_min} to {cfg.weight_max}"
        )
    negative, positive = column_sums(layer.weights)
    bias, theta = layer.bias.astype(np.int64), layer.threshold.astype(np.int64)
    fit("the accumulated sum", (negative, positive), "ACC_W", cfg.ACC_W)
    fit("the bias", (bias, bias), "MEM_W", cfg.MEM_W)
    fit("the threshold", (theta, theta), "MEM_W", cfg.MEM_W)
    if layer.readout:
        fit("the readout", (T * (negative + bias), T * (positive + bias)), "the readout integer", 32)
    else:
        fit("the membrane potential", membrane_range(layer, T), "MEM_W", cfg.MEM_W)
