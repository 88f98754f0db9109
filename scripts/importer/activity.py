# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""How much every layer fires, in every computation, and what to say of a layer that hardly fires or hardly rests.

Two computations that are both silent agree in every spike, so agreement alone shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from rich.table import Table

from scripts.importer.contract import Contract

FEW, MANY = 1e-3, 0.99  # a layer is nearly silent below, nearly saturated above
INTEGERS, REFERENCE = "integers", "float reference"
Place = tuple[int, str]


@dataclass
class Activity:
    """Spikes of a layer.

    Attributes:
        fired: Spikes.
        places: Spikes that are possible: inputs * neurons * timesteps.
        ever: (neurons,) True where a neuron fires at least once, for any input.
        always: (neurons,) True where it fires at every timestep of every input.
    """

    fired: int
    places: int
    ever: npt.NDArray[np.bool_]
    always: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, out: npt.NDArray[np.number], images: int) -> Activity:
        """Counts the spikes of a layer's output (images * rows, N, T)."""
        each = out.reshape(images, -1, out.shape[-1]) != 0
        return cls(int(each.sum()), each.size, each.any(axis=(0, 2)), each.all(axis=(0, 2)))

    def __add__(self, other: Activity) -> Activity:
        return Activity(self.fired + other.fired, self.places + other.places, self.ever | other.ever, self.always & other.always)

    @property
    def rate(self) -> float:
        """Part of the possible spikes."""
        return self.fired / self.places

    @property
    def never(self) -> float:
        """Part of the neurons that never fire."""
        return 1 - float(self.ever.mean())

    @property
    def constantly(self) -> float:
        """Part of the neurons that fire at every timestep of every input."""
        return float(self.always.mean())

    @property
    def state(self) -> str:
        """``silent``, ``nearly silent``, ``saturated``, ``nearly saturated``; or nothing worth a word."""
        if self.rate < FEW:
            return "nearly silent" if self.fired else "silent"
        if self.rate > MANY:
            return "saturated" if self.fired == self.places else "nearly saturated"
        return ""

    def facts(self) -> dict[str, float]:
        """For JSON."""
        return {"rate": self.rate, "never": self.never, "always": self.constantly, "spikes": self.fired, "possible": self.places}


@dataclass
class Rates:
    """The activity of layers.

    Attributes:
        layers: By layer (place and name; names may be there twice), in order, and by computation.
    """

    layers: dict[Place, dict[str, Activity]] = field(default_factory=dict)

    def count(self, layer: Place, computation: str, out: npt.NDArray[np.number], images: int) -> None:
        """Adds the output (images * rows, N, T) of a layer; a readout (two axes) has no spikes and is left out."""
        if out.ndim == 3:
            self.add(layer, computation, Activity.of(out, images))

    def add(self, layer: Place, computation: str, activity: Activity) -> None:
        """Adds the activity of one layer."""
        known = self.layers.setdefault(layer, {})
        known[computation] = known[computation] + activity if computation in known else activity

    def merge(self, other: Rates) -> None:
        """Adds other parts of the inputs, other layers or other computations."""
        for layer, found in other.layers.items():
            for computation, activity in found.items():
                self.add(layer, computation, activity)

    def table(self) -> Table:
        """As a table."""
        computations = list(dict.fromkeys(c for found in self.layers.values() for c in found))
        table = Table(title="spike rates, and neurons that never and always fire")
        table.add_column("layer")
        for computation in computations:
            for column in (computation, "never", "always"):
                table.add_column(column, justify="right")
        for (_, name), found in self.layers.items():
            cells = []
            for computation in computations:
                a = found.get(computation)
                cells += ["", "", ""] if a is None else [f"{a.rate:.3%}", f"{a.never:.1%}", f"{a.constantly:.1%}"]
            table.add_row(name, *cells)
        return table

    def facts(self) -> list[dict[str, object]]:
        """For JSON."""
        return [{"name": name, **{computation.replace(" ", "_"): a.facts() for computation, a in found.items()}}
                for (_, name), found in self.layers.items()]  # fmt: skip

    def warnings(self, contract: Contract | None, inputs: int) -> list[str]:
        """What to say of silent and saturated layers, one line each.

        Args:
            contract: The rules in force; None if the network has none.
            inputs: How many inputs there were.
        """
        lines = []
        for (_, name), found in self.layers.items():
            states: dict[str, list[str]] = {}
            for computation, activity in found.items():
                if activity.state:
                    states.setdefault(activity.state, []).append(computation)
            for state, where in states.items():
                a = found[where[0]]
                why = _rounding() if REFERENCE in found and REFERENCE not in where else _causes(contract)
                lines.append(f"layer {name} is {state} in {' and '.join(where)}: {a.fired} of {a.places} possible spikes ({a.rate:.3%}), "
                             f"{inputs} inputs; likely causes: {why}")  # fmt: skip
        return lines


def _rounding() -> str:
    return "rounding, for the float reference is not: more --bits, --calibrate, no --drop-once"


def _causes(contract: Contract | None) -> str:
    if contract is None:
        return "the input spikes, or thresholds and weights that do not belong together"
    rules: Sequence[str] = [f"--{key.replace('_', '-')} {value}" for key, value in (
        ("dialect", contract.dialect), ("dt", contract.dt), ("lif_gain", contract.lif_gain), ("if_gain", contract.if_gain))
        if value is not None]  # fmt: skip
    each = contract.pixel_scale if isinstance(contract.pixel_scale, tuple) else (contract.pixel_scale,)
    return (f"a rule that the network was not trained by ({', '.join(rules)}), thresholds in other units than the weights, or the scale of "
            f"the input (--pixel-scale {','.join(f'{v:g}' for v in each)})")  # fmt: skip
