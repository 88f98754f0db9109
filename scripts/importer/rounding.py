# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What a layer in integers is off by: said wherever a network is imported, for a rounding that nobody sees is a fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scripts.importer.graph import Floats


@dataclass(frozen=True)
class Off:
    """Numbers of one kind that were rounded.

    Attributes:
        count: How many.
        largest: The largest difference, in parts of what it is compared with.
    """

    count: int = 0
    largest: float = 0.0

    @staticmethod
    def of(off: Floats, size: Floats) -> Off:
        """From differences (..., N), 0 where exact, and (N,) sizes to hold them against."""
        return Off(int((off != 0).sum()), float((off / size).max(initial=0.0)))

    def __str__(self) -> str:
        return f"{self.largest:.2%}" if self.largest >= 1e-4 else f"{self.largest:.2g} of it"


@dataclass(frozen=True)
class Rounding:
    """What was rounded in a layer.

    Attributes:
        weights: In parts of the output's largest weight.
        bias, threshold: In parts of the threshold; the bias of a readout in parts of the largest weight.
        subtracted: What a spike takes off the membrane, where it is more than the threshold (> with a subtraction): in parts of it.
        leak: 256 beta - lambda.
    """

    weights: Off = Off()
    bias: Off = Off()
    threshold: Off = Off()
    subtracted: Off = Off()
    leak: float = 0.0

    def facts(self) -> dict[str, Any]:
        """For JSON; {} if nothing was rounded."""
        kinds = {"weights": self.weights, "bias": self.bias, "threshold": self.threshold, "subtracted": self.subtracted}
        facts: dict[str, Any] = {key: {"count": off.count, "largest": off.largest} for key, off in kinds.items() if off.count}
        return facts | ({"leak": self.leak} if self.leak else {})

    @staticmethod
    def read(facts: dict[str, Any]) -> Rounding:
        """The reverse of :meth:`facts`, for a network that was imported before."""
        weights, bias, threshold, subtracted = (Off(**facts.get(key, {})) for key in ("weights", "bias", "threshold", "subtracted"))
        return Rounding(weights, bias, threshold, subtracted, facts.get("leak", 0.0))

    def __str__(self) -> str:
        kinds = {"weights": self.weights, "biases": self.bias, "thresholds": self.threshold, "subtracted thresholds": self.subtracted}
        words = [f"{off.count} {key} by up to {off}" for key, off in kinds.items() if off.count]
        words += [f"leak by {-self.leak:+.2g} / 256"] if self.leak else []
        return ", ".join(words) or "no"


