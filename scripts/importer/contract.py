# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What a NIR file does not say: given by options, by a sidecar or by a dialect, and never guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from rich.table import Table

from scripts.importer.errors import NirError
from scripts.importer.graph import Graph

RESETS = ("hard", "subtract", "subtract-delayed", "none")
NEURONS = ("LIF", "IF", "CubaLIF")  # what has a membrane that a reset sets back
COMPARISONS = (">=", ">")
DECAYS = ("euler", "exponential")
GAINS = ("per-step", "per-second")
LIF_GAINS = ("nir", "one")
ENCODINGS = ("spikes", "thresholds", "direct")
T_MAX = 65535
PIXEL_MOST = 2**31 - 1  # of pixels and of what is taken from them, so that 64 bits hold every sum

# What the toolkits mean by the files that they write, as of the versions in docs/import.md. T and the encoding are never known.
DIALECTS: dict[str, dict[str, Any]] = {
    "snntorch": {"dt": 1e-4, "reset": "subtract-delayed", "comparison": ">", "decay": "euler", "if_gain": "per-step"},
    "spikingjelly": {"dt": 1e-4, "reset": "hard", "comparison": ">=", "decay": "euler", "if_gain": "per-second"},
    "norse": {"dt": 1e-6, "reset": "hard", "comparison": ">", "decay": "euler", "if_gain": "per-step"},
    "sinabs": {"dt": 1.0, "reset": "subtract", "comparison": ">=", "decay": "exponential", "if_gain": "per-step"},
    "spyx": {"dt": 1.0, "reset": "subtract-delayed", "comparison": ">", "decay": "euler", "lif_gain": "one", "if_gain": "per-step"},
    "lava": {"dt": 1e-4, "reset": "hard", "comparison": ">", "decay": "euler", "if_gain": "per-step"},
}

NOTES = {
    "sinabs": "sinabs fires several times a step by default and the file does not say so: taken as at most once (spike_fn=SingleSpike)",
    "spyx": "Spyx fires a step after the threshold is reached: every layer's spikes come one step earlier here",
}


@dataclass(frozen=True)
class Contract:
    """The rules in force; None is not said.

    Attributes:
        T: Timesteps.
        dt: Time of a step, in the units of tau.
        reset: ``hard``: to 0. ``subtract``: the threshold is taken off before the leak. ``subtract-delayed``: after it. ``none``: the
            membrane goes on as if it had not fired.
        resets: Resets of single layers, by their neuron's node; all others have ``reset``.
        comparison: A neuron fires at v >= threshold, or at v > threshold.
        decay: ``euler``: beta = 1 - dt / tau. ``exponential``: beta = exp(-dt / tau).
        lif_gain: The input of a LIF counts r (1 - beta) times (``nir``), or once whatever r is (``one``).
        if_gain: An IF adds r I a step (``per-step``) or r dt I (``per-second``).
        encoding: What the input data are: ``spikes``, or pixels that the host encodes by ``thresholds`` or by the first layer
            (``direct``).
        thresholds: Of the encoding ``thresholds``: spike at t if pixel >= thresholds[t].
        pixel_scale, pixel_offset: The network was trained on (pixel - pixel_offset) / pixel_scale; one number, or one a channel.
        dialect: The toolkit whose rules fill in what was not said.
        origin: For every field where it comes from.
    """

    T: int | None = None
    dt: float | None = None
    reset: str | None = None
    resets: dict[str, str] = field(default_factory=dict)
    comparison: str | None = None
    decay: str | None = None
    lif_gain: str | None = None
    if_gain: str | None = None
    encoding: str | None = None
    thresholds: tuple[float, ...] | None = None
    pixel_scale: float | tuple[float, ...] = 1.0
    pixel_offset: float | tuple[float, ...] = 0.0
    dialect: str | None = None
    origin: dict[str, str] = field(default_factory=dict, compare=False)

    def facts(self) -> dict[str, Any]:
        """What was said, for JSON."""
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "origin"}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in facts.items() if v not in (None, {})}

    def table(self, where: str) -> Table:
        """The rules and where each comes from."""
        table = Table(title=f"contract of {where}")
        for column in ("rule", "value", "said by"):
            table.add_column(column)
        for key, value in self.facts().items():
            if key == "resets":
                for node, reset in value.items():
                    table.add_row(f"reset of {node}", reset, self.origin.get(f"resets.{node}", "default"))
            else:
                table.add_row(key, str(value), self.origin.get(key, "default"))
        return table

    def reset_of(self, neuron: str) -> str | None:
        """The reset of a neuron's node."""
        return self.resets.get(neuron, self.reset)

    @property
    def steps(self) -> int:
        """T, when it was checked."""
        assert self.T is not None
        return self.T


def _finite(value: Any) -> bool:
    """A real number, no NaN and not infinite."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _check(where: str, key: str, value: Any) -> Any:
    """One value, or an error that says what is legal."""
    choices = {"reset": RESETS, "comparison": COMPARISONS, "decay": DECAYS, "if_gain": GAINS, "lif_gain": LIF_GAINS, "encoding": ENCODINGS,
               "dialect": tuple(DIALECTS)}  # fmt: skip
    name = key if where.endswith(".json") else "--" + key.replace("_", "-")
    number = _finite(value)
    if key in choices:
        if isinstance(value, str) and value in choices[key]:
            return value
        raise NirError(f"{where}: {name} = {value!r} is not legal: must be one of {', '.join(choices[key])}")
    if key == "T":
        if type(value) is int and 1 <= value <= T_MAX:
            return value
        raise NirError(f"{where}: {name} = {value!r} is not legal: must be an integer, 1 to {T_MAX}")
    if key == "thresholds":
        if isinstance(value, (list, tuple)) and value and all(_finite(v) for v in value):
            return tuple(value)
        raise NirError(f"{where}: {name} = {value!r} is not legal: must be a list of T numbers, all finite")
    if key == "resets":
        if isinstance(value, dict) and all(isinstance(v, str) and v in RESETS for v in value.values()):
            return dict(value)
        raise NirError(f"{where}: {name} = {value!r} is not legal: must be an object of layers and their resets, {', '.join(RESETS)}")
    if key in ("pixel_scale", "pixel_offset") and isinstance(value, (list, tuple)) and value:
        each = tuple(_check(where, key, v) for v in value)
        return each[0] if len(each) == 1 else each
    if key == "pixel_offset":
        if number and abs(value) <= PIXEL_MOST:
            return float(value)
        raise NirError(f"{where}: {name} = {value!r} is not legal: must be a number, or one a channel, of at most {PIXEL_MOST}")
    if number and value > 0:
        return float(value)
    raise NirError(f"{where}: {name} = {value!r} is not legal: must be a positive number")


def gather(options: dict[str, Any], sidecar: dict[str, Any] | None = None, sidecar_name: str = "") -> Contract:
    """The contract from options, then the sidecar, then the dialect's.

    Args:
        options: Fields of :class:`Contract`; None: not said.
        sidecar: The sidecar as read; its ``reset`` = ``soft`` is ``subtract``.
        sidecar_name: Its file.

    Raises:
        NirError: A value is not legal; names option or file.
    """
    known: dict[str, Any] = {}
    origin: dict[str, str] = {}
    neurons: dict[str, str] = {}  # of the sidecar's layers
    if sidecar:
        side = {key: sidecar.get(key) for key in ("T", "dt", "reset", "resets", "comparison", "decay", "lif_gain", "if_gain", "dialect")}
        given = sidecar.get("input")
        if isinstance(given, dict):
            side |= {key: given.get(key) for key in ("encoding", "thresholds", "pixel_scale", "pixel_offset")}
        layers = sidecar.get("layers", [])
        neurons = {entry["name"]: entry["neuron"] for entry in layers if entry.get("neuron")}
        if side.get("encoding") is None and any(entry.get("runs_on") == "host" for entry in layers):
            side["encoding"] = "direct"
        side["reset"] = {"soft": "subtract"}.get(str(side["reset"]), side["reset"])
        for key, value in side.items():
            if value is not None:
                known[key], origin[key] = _check(sidecar_name, key, value), sidecar_name
    for key, value in options.items():
        if key != "resets" and value is not None:
            known[key], origin[key] = _check("options", key, value), "--" + key.replace("_", "-")
    said = {sidecar_name: known.pop("resets", {}), "--reset": _check("options", "resets", options.get("resets") or {})}
    resets = {neurons.get(name, name): (reset, by) for by, each in said.items() for name, reset in each.items()}
    known["resets"] = {name: reset for name, (reset, _) in resets.items()}
    origin |= {f"resets.{name}": by for name, (_, by) in resets.items()}
    dialect = known.get("dialect")
    if dialect:
        for key, value in DIALECTS[dialect].items():
            if key not in known:
                known[key], origin[key] = value, f"dialect {dialect}"
    return replace(Contract(**known), origin=origin)


def require(contract: Contract, graph: Graph) -> Contract:
    """Refuses a contract that leaves open what the graph needs.

    Returns:
        The contract with NIR's own equation, by Euler's step, where nothing else was said of decay and gain.

    Raises:
        NirError: Names the options that are missing and their legal values.
    """
    kinds = {node.kind for node in graph.nodes.values()}
    neurons = kinds & set(NEURONS)
    legal = {
        "T": f"timesteps, 1 to {T_MAX}", "encoding": ", ".join(ENCODINGS), "dt": "a time in the units of tau, e.g. 1e-4",
        "reset": ", ".join(RESETS), "comparison": ", ".join(COMPARISONS), "if_gain": ", ".join(GAINS),
        "thresholds": "T numbers, e.g. 4,8,12,16",
    }  # fmt: skip
    contract = _resolved(contract, graph)
    needed = ["T", "encoding"]
    if any(node.kind in NEURONS and node.name not in contract.resets for node in graph.nodes.values()):
        needed.append("reset")
    if neurons or "Threshold" in kinds:
        needed.append("comparison")
    if kinds & {"LIF", "CubaLIF"}:
        needed.append("dt")
    if kinds & {"IF", "I"} and contract.dt != 1:  # with dt = 1 both gains are the same
        needed.append("if_gain")
        if contract.if_gain == "per-second" and "dt" not in needed:
            needed.append("dt")
    if contract.encoding == "thresholds":
        needed.append("thresholds")
    missing = [key for key in needed if getattr(contract, key) is None]
    if missing:
        old = _old_neurons(graph)
        hint = (f"; node {old[0]!r} has no v_reset, so the file is older than nir 1.0.6, when NIR's own reset was a subtraction"
                if "reset" in missing and old else "")  # fmt: skip
        say = "; ".join(f"--{key.replace('_', '-')} ({legal[key]})" for key in missing)
        raise NirError(f"{graph.where}: NIR does not say {', '.join(missing)}: give {say}, a sidecar, or "
                       f"--dialect ({', '.join(DIALECTS)}) for all but T and the encoding{hint}")  # fmt: skip
    if contract.encoding == "thresholds" and contract.thresholds is not None and len(contract.thresholds) != contract.T:
        raise NirError(f"{graph.where}: --thresholds has {len(contract.thresholds)} numbers: must be T = {contract.T}, one a timestep")
    if np.any(contract.pixel_offset) and contract.encoding != "direct":
        raise NirError(f"{graph.where}: --pixel-offset = {contract.pixel_offset} is not legal with --encoding {contract.encoding}: must be "
                       "0, for the network then sees spikes and no pixels; it is for --encoding direct")  # fmt: skip
    if contract.dt is None:
        contract = replace(contract, dt=1.0)
    return replace(contract, decay=contract.decay or "euler", lif_gain=contract.lif_gain or "nir")


def _resolved(contract: Contract, graph: Graph) -> Contract:
    """The contract with its single resets by the nodes of the neurons; they may be said by a node that leads to no other neuron.

    Raises:
        NirError: There is no such layer, or its neuron has no reset.
    """
    found: dict[str, str] = {}
    origin = dict(contract.origin)
    for name, reset in contract.resets.items():
        ends, neurons, walk = set[str](), list[str](), [name] if name in graph.nodes and graph.nodes[name].kind != "Input" else []
        while walk:
            node = graph.nodes[walk.pop()]
            if node.kind in (*NEURONS, "Threshold"):
                neurons += [node.name] if node.name not in neurons else []
            elif node.name not in ends:
                ends.add(node.name)
                walk += graph.after(node.name)
        if len(neurons) != 1 or graph.nodes[neurons[0]].kind not in NEURONS:
            legal = [node.name for node in graph.nodes.values() if node.kind in NEURONS]
            what = f"leads to {neurons}" if neurons else "is no neuron and leads to none" if name in graph.nodes else "does not exist"
            raise NirError(f"{graph.where}: reset of {name!r} = {reset} is not legal: that node {what}; must be one of {', '.join(legal)}")
        if found.setdefault(neurons[0], reset) != reset:
            raise NirError(f"{graph.where}: reset of {neurons[0]!r} is {found[neurons[0]]} and, by {name!r}, {reset}: must be one")
        origin[f"resets.{neurons[0]}"] = origin.pop(f"resets.{name}")
    return replace(contract, resets=found, origin=origin)


def _old_neurons(graph: Graph) -> list[str]:
    return [n.name for n in graph.nodes.values() if n.kind in NEURONS and n.fields.get("v_reset") is None]


def remarks(contract: Contract, graph: Graph) -> Iterable[str]:
    """What a reader should know of these rules: dialects, files without v_reset, and where the machine is not exact."""
    if contract.dialect in NOTES:
        yield NOTES[contract.dialect]
    resets = {contract.reset_of(node.name) for node in graph.nodes.values() if node.kind in NEURONS}
    if contract.comparison == ">" and resets & {"subtract", "subtract-delayed"}:
        yield "> with a subtraction: the machine subtracts the threshold + 1 that it compares with, a step more than the reference"
    if contract.dialect == "norse":
        leaky = [n.name for n in graph.nodes.values() if n.kind in ("LIF", "CubaLIF") and np.any(n.fields.get("v_leak", 0))]
        if leaky:
            yield f"Norse starts its membranes at v_leak, which is not 0 at {leaky[0]!r}: here they start at 0, so first spikes may differ"
    if contract.encoding in ("spikes", "thresholds") and np.any(np.asarray(contract.pixel_scale) != 1):
        yield (f"--pixel-scale {contract.pixel_scale} with --encoding {contract.encoding}: the network gets spikes of 1 / scale, and no "
               "pixels; if it was trained on spikes of 0 and 1, leave the scale out")  # fmt: skip
    old = _old_neurons(graph)
    if old:
        yield f"no v_reset at {len(old)} nodes ({', '.join(old[:3])}{', ...' if len(old) > 3 else ''}): written before nir 1.0.6, read as 0"
