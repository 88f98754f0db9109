# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What a layer costs on a machine: cycles, operations and traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OPERANDS = ("A", "B", "psum", "C", "meta")  # keys of on-chip and off-chip traffic


@dataclass(frozen=True)
class Cost:
    """What a layer costs.

    Attributes:
        machine: Name of the machine.
        pes: Processing elements.
        cycles: Clock cycles from the layer's start to its end.
        breakdown: Where each cycle of each processing element goes; sums to ``cycles * pes``.
        ops: Operations by kind (keys of ``spec/costs.toml``, table ``ops``).
        onchip: Bytes moved between the on-chip memory and the processing elements, by operand: ``A`` (spikes), ``B`` (weights),
            ``psum`` (partial sums and membranes), ``C`` (outputs), ``meta`` (bitmasks, indices, records, pointers).
        offchip: Bytes moved between the chip and memory, by operand.
    """

    machine: str
    pes: int
    cycles: int
    breakdown: dict[str, int]
    ops: dict[str, int]
    onchip: dict[str, int] = field(default_factory=dict)
    offchip: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spent = sum(self.breakdown.values())
        assert spent == self.cycles * self.pes, f"{self.machine}: {spent} cycles accounted for, {self.cycles} * {self.pes} spent"
        assert min(self.breakdown.values(), default=0) >= 0, self.breakdown
        for traffic in (self.onchip, self.offchip):
            assert set(traffic) <= set(OPERANDS), traffic

    def __add__(self, other: Cost) -> Cost:
        """One layer after the other on the same machine."""

        def both(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
            return {key: a.get(key, 0) + b.get(key, 0) for key in {**a, **b}}

        assert (self.machine, self.pes) == (other.machine, other.pes)
        return Cost(self.machine, self.pes, self.cycles + other.cycles, both(self.breakdown, other.breakdown),
                    both(self.ops, other.ops), both(self.onchip, other.onchip), both(self.offchip, other.offchip))  # fmt: skip
