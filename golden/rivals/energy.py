# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Energy from operation and access counts, with the table of costs in ``spec/costs.toml``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from golden.config import SPEC_DIR
from golden.rivals.cost import Cost
from golden.rivals.work import WorkError

COSTS_FILE = SPEC_DIR / "costs.toml"


@dataclass(frozen=True)
class Costs:
    """Energies in pJ.

    Attributes:
        ops: Of an operation, by kind.
        onchip_byte: Of a byte between FiberCache and processing elements.
        offchip_byte: Of a byte between chip and memory.
        cycle: Of a processing element for each cycle of the layer, working or not (clock and leakage).
        source: File it came from.
    """

    ops: Mapping[str, float]
    onchip_byte: float
    offchip_byte: float
    cycle: float
    source: str


def load_costs(path: Path = COSTS_FILE) -> Costs:
    """The table of costs.

    Raises:
        WorkError: The file cannot be read, a field is missing or unknown, or a value is no number of pJ from 0.
    """
    shown = f"{path.parent.name}/{path.name}"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise WorkError(f"{shown}: cannot be read: {err.strerror}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise WorkError(f"{shown}: is not a TOML file: {err}") from err

    def value(table: str, name: str) -> float:
        entry = data.get(table, {}).get(name)
        if not isinstance(entry, dict) or "pj" not in entry or not entry.get("source"):
            raise WorkError(f"{shown}: {table}.{name} = {entry!r} is not legal: must be a table with pj and source")
        pj = entry["pj"]
        if isinstance(pj, bool) or not isinstance(pj, (int, float)) or not (math.isfinite(pj) and pj >= 0):
            raise WorkError(f"{shown}: {table}.{name}.pj = {pj!r} is not legal: must be a number of pJ, at least 0")
        return float(pj)

    for table in data:
        if table not in ("ops", "memory"):
            raise WorkError(f"{shown}: table {table!r} is unknown: must be one of ops, memory")
    ops = {name: value("ops", name) for name in data.get("ops", {})}
    return Costs(ops, value("memory", "onchip_byte"), value("memory", "offchip_byte"), value("memory", "cycle"), shown)


def energy(cost: Cost, costs: Costs | None = None) -> dict[str, float]:
    """Energy of a layer in pJ, by part.

    Args:
        cost: What it costs.
        costs: Table of costs, by default that of ``spec/costs.toml``.

    Returns:
        A part for each kind of operation (``op.*``), each operand's on-chip (``onchip.*``) and off-chip traffic
        (``offchip.*``), and ``cycles`` for clock and leakage. The sum of all is the layer's energy.

    Raises:
        WorkError: An operation has no entry in the table.
    """
    costs = costs or load_costs()
    parts: dict[str, float] = {}
    for name, count in cost.ops.items():
        if name not in costs.ops:
            raise WorkError(f"{costs.source}: ops.{name} is missing: {cost.machine} counts {count} of them")
        parts[f"op.{name}"] = count * costs.ops[name]
    parts |= {f"onchip.{name}": count * costs.onchip_byte for name, count in cost.onchip.items()}
    parts |= {f"offchip.{name}": count * costs.offchip_byte for name, count in cost.offchip.items()}
    parts["cycles"] = cost.cycles * cost.pes * costs.cycle
    return parts
