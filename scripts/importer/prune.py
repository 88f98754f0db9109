# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Magnitude pruning to a target: which weights stay. Nothing is trained again, so the table that comes with it is the price."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scripts.importer.errors import NirError
from scripts.importer.network import Imported, Mask
from scripts.importer.quantise import weight_rows
from scripts.importer.stages import Stage

SCOPES = ("layer", "global")


def masks(imported: Imported, target: float, scope: str = "layer", option: str = "--prune") -> Mask:
    """The weights of the machine's layers that stay.

    Args:
        imported: The network, not pruned.
        target: Fraction of the weights that shall be zero, 0 to below 1. Zeros that are there count.
        scope: ``layer``: this fraction in every layer. ``global``: of all weights together, each layer's divided by its root mean
            square first.
        option: That gave the target, for messages.

    Raises:
        NirError: The target is not legal.
    """
    if not 0 <= target < 1:
        raise NirError(f"{option} {target:g} is not legal: must be a fraction, 0 to below 1")
    size: dict[int, npt.NDArray[np.float64]] = {}
    for i, stage in enumerate(imported.stages):
        if i >= len(imported.host) and not stage.max_pool:
            size[i] = np.abs(weight_rows(stage) * stage.gain)
    if scope == "global" and size:
        size = {i: m / max(float(np.sqrt(np.mean(m**2))), 1e-300) for i, m in size.items()}
        pool = np.concatenate([m.reshape(-1) for m in size.values()])
        kept = _largest(pool, target)
        stay, at = {}, 0
        for i, m in size.items():
            stay[i] = kept[at : at + m.size].reshape(m.shape)
            at += m.size
    else:
        stay = {i: _largest(m.reshape(-1), target).reshape(m.shape) for i, m in size.items()}

    def mask(i: int, stage: Stage) -> npt.NDArray[np.bool_] | None:
        return stay.get(i)

    return mask


def _largest(size: npt.NDArray[np.float64], target: float) -> npt.NDArray[np.bool_]:
    """True for all but the ``target`` fraction of smallest values; ties go to the lowest index."""
    gone = int(np.floor(target * size.size))
    stays = np.ones(size.size, bool)
    stays[np.argsort(size, kind="stable")[:gone]] = False
    return stays


def zero_fraction(imported: Imported) -> float:
    """Fraction of the machine's weights that are zero, max pools left out."""
    own = [q.layer.weights for s, q in zip(imported.stages, imported.quantised, strict=True) if not s.max_pool][len(imported.host) :]
    return sum(int((w == 0).sum()) for w in own) / max(1, sum(w.size for w in own))
