# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the plots and tables are made of: results of points, summed over the layers of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from golden.rivals import MACHINES
from scripts.evaluate.measure import Value
from scripts.evaluate.plan import LOAS, Series
from scripts.evaluate.points import RTL
from scripts.evaluate.sweep import total_of

Total = dict[str, Any]


def rtl_total(values: Sequence[Value]) -> Total:
    """Layers one after the other on the RTL."""

    def both(key: str) -> dict[str, int]:
        return {name: sum(value[key][name] for value in values) for name in values[0][key]}

    return {
        "layers": len(values),
        "pes": values[0]["pes"],
        **{key: sum(value[key] for value in values) for key in ("cycles", "compared", "mismatches")},
        "matches": sum(value["work"]["matches"] for value in values),
        "floor_cycles": sum(value["floor"] for value in values),
        **{key: both(key) for key in ("breakdown", "ops", "onchip", "offchip")},
    }


@dataclass
class Results:
    """All series with their results.

    Attributes:
        series: In the order of the plan.
        values: A result each point, for each series.
        totals: Of each series.
    """

    series: list[Series]
    values: list[list[Value]]
    totals: list[Total]

    @staticmethod
    def of(series: list[Series], found: dict[Any, Value]) -> Results:
        """From the results of all points."""
        values = [[found[point] for point in one.points] for one in series]
        totals = [
            rtl_total(same) if one.points[0].engine == RTL else total_of(one.machine, same)
            for one, same in zip(series, values, strict=True)
        ]
        return Results(series, values, totals)

    def find(self, group: str, machine: str, network: str, label: object = "") -> int | None:
        """Place of a series, if the plan has it."""
        for i, one in enumerate(self.series):
            if (one.group, one.machine, one.network, one.label) == (group, machine, network, str(label)):
                return i
        return None

    def total(self, group: str, machine: str, network: str, label: object = "") -> Total | None:
        """Sums of a series."""
        place = self.find(group, machine, network, label)
        return None if place is None else self.totals[place]

    def cycles(self, group: str, machine: str, network: str, label: object = "") -> int | None:
        """Cycles of a series."""
        found = self.total(group, machine, network, label)
        return None if found is None else int(found["cycles"])

    def speedup(self, group: str, rival: str, network: str, label: object = "", rival_label: object | None = None) -> float | None:
        """Cycles of a rival by those of LoAS."""
        mine = self.cycles(group, LOAS, network, label)
        other = self.cycles(group, rival, network, label if rival_label is None else rival_label)
        return None if not mine or other is None else other / mine

    def networks(self, group: str) -> list[str]:
        """With series in a group, in order."""
        return list(dict.fromkeys(one.network for one in self.series if one.group == group))

    def labels(self, group: str) -> list[str]:
        """Of a group, in order."""
        return list(dict.fromkeys(one.label for one in self.series if one.group == group))

    def machines(self, group: str) -> list[str]:
        """Of a group, in order."""
        return list(dict.fromkeys(one.machine for one in self.series if one.group == group))


def title(machine: str) -> str:
    """A machine's name for tables and plots."""
    return MACHINES[machine].title


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def statistics(values: Sequence[Value]) -> dict[str, float]:
    """Percent zeros of spikes, silent neurons and weights over layers, weighted by their sizes; layers that write integers count, too."""
    neurons = sum(value["work"]["neurons"] for value in values)
    spikes, silent = (sum(value["work"][key] * value["work"]["neurons"] for value in values) / neurons for key in ("zero_spikes", "silent"))
    weights = sum(value["work"]["weights"] for value in values)
    return {
        "spikes": 100 * spikes,
        "silent": 100 * silent,
        "weights": 100 * (1 - sum(value["work"]["nonzero_weights"] for value in values) / weights),
    }
