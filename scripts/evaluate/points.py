# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A point: one layer on one machine. All that a figure of the evaluation follows from is in it and in the sources."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from golden.config import Config, load
from golden.errors import LoasError
from golden.rivals import MACHINES
from scripts.digest import file_digest

ROOT = Path(__file__).resolve().parents[2]
MODEL, RTL = "model", "rtl"
RECORDED, SYNTHETIC, RAW, RATES = "recorded", "synthetic", "raw", "rates"
SPIKES = {
    RECORDED: "a trace",
    SYNTHETIC: "random, published statistics, once-firing neurons dropped",
    RAW: "random, published statistics, before once-firing neurons are dropped",
    RATES: "random, firing rates that give the published zeros and silent neurons at the network's T; nothing dropped",
}
# parameters of the RTL that make it one of the machines
RTL_MODES = {"loas-laggy": {"LAGGY": 1}, "loas-fast": {"LAGGY": 0}, "sparten": {"LAGGY": 0, "SEQUENTIAL": 1}}
MOST_LATENCY = 65535


@dataclass(frozen=True)
class Point:
    """One layer on one machine.

    Attributes:
        machine: Name in golden.rivals.MACHINES.
        network: Name in the shape file.
        layer: Of the network.
        spikes: A key of SPIKES.
        T: Timesteps of the spikes and of the machine.
        engine: MODEL or RTL.
        density: Fraction of nonzero weights; None: the layer's own.
        config: Named configuration.
        overrides: Its changed parameters, sorted by name.
        latency: Of the memory in cycles.
        seed: Of weights and random spikes.
    """

    machine: str
    network: str
    layer: str
    spikes: str
    T: int = 4
    engine: str = MODEL
    density: float | None = None
    config: str = "paper"
    overrides: tuple[tuple[str, int], ...] = ()
    latency: int = 20
    seed: int = 1

    @property
    def workload(self) -> tuple[str, str, str, int, float | None, int]:
        """What all machines share."""
        return (self.network, self.layer, self.spikes, self.T, self.density, self.seed)

    def cfg(self) -> Config:
        """The machine's configuration.

        Raises:
            ConfigError: A parameter or value that is not legal.
        """
        mode = RTL_MODES[self.machine] if self.engine == RTL else {}
        return load(self.config).override(**{**mode, **dict(self.overrides), "T": self.T})

    def check(self) -> Point:
        """Checks all that can be known before anything runs.

        Returns:
            The point itself.

        Raises:
            LoasError: Names field, value and what is legal.
        """

        def need(field: str, ok: bool, legal: str) -> None:
            if not ok:
                raise LoasError(f"{field} = {getattr(self, field)!r} is not legal: must be {legal}")

        need("machine", self.machine in MACHINES, f"one of {', '.join(MACHINES)}")
        need("engine", self.engine in (MODEL, RTL), f"{MODEL} or {RTL}")
        need("machine", self.engine == MODEL or self.machine in RTL_MODES, f"one of {', '.join(RTL_MODES)}, the machines that are RTL")
        need("spikes", self.spikes in SPIKES, f"one of {', '.join(SPIKES)}")
        need("T", isinstance(self.T, int) and 1 <= self.T <= 16, "1 to 16")
        need("density", self.density is None or 0 <= self.density <= 1, "0 to 1")
        need("latency", 0 <= self.latency <= MOST_LATENCY, f"0 to {MOST_LATENCY} cycles")
        need("seed", 0 <= self.seed < 1 << 31, f"0 to {(1 << 31) - 1}")
        self.cfg()
        return self


# modules of golden/rivals that one model alone is made of: a change of them changes no other's figures
OWN_MODULES = ("gamma", "gospa", "ptb", "stellar")


@functools.cache
def model_digest(machine: str | None = None) -> str:
    """Of the sources that a machine's figures follow from, by its model; by default those of all, which workers compare theirs with."""
    others = {f"{name}.py" for name in OWN_MODULES if machine is not None and name != machine}
    golden = sorted(p for p in (ROOT / "golden").rglob("*.py") if not p.name.startswith("test_"))
    kept = [path for path in golden if path.parent.name != "rivals" or path.name not in others]
    return file_digest([*kept, ROOT / "scripts/shapes.py", ROOT / "scripts/evaluate/workload.py", ROOT / "scripts/evaluate/measure.py"])


@functools.cache
def rtl_digest() -> str:
    """Of the sources that the RTL's figures follow from besides."""
    from scripts.simulate import sources

    return file_digest([*sources(), ROOT / "scripts/nets.py", ROOT / "golden/compare.py"])


@dataclass(frozen=True)
class Task:
    """Points that share a workload, with all that a process elsewhere needs for them.

    Attributes:
        points: At least one.
        table: The network's table of the shape file, as JSON.
        bits: Recorded spikes of the layer's map, packed; None if they are random.
    """

    points: tuple[Point, ...]
    table: str
    bits: bytes | None

    def key(self, point: Point) -> str:
        """Of a point's result: a hash of the point, its data and the sources."""
        facts: dict[str, Any] = {**asdict(point), "parameters": sorted(point.cfg().verilog_parameters().items())}
        del facts["overrides"]
        one = hashlib.sha256(json.dumps(facts, sort_keys=True).encode() + b"\0" + self.table.encode() + b"\0" + (self.bits or b""))
        one.update(model_digest(point.machine).encode() + (rtl_digest().encode() if point.engine == RTL else b""))
        return one.hexdigest()[:24]
