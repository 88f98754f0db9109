# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The sidecar: a JSON file beside a NIR file with what NIR cannot say. Fields: docs/import.md."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

from scripts.importer.contract import COMPARISONS, RESETS, T_MAX
from scripts.importer.errors import NirError
from scripts.importer.graph import Graph
from scripts.importer.stages import Stage

# all keys that are legal, by the object that has them; those after the first line are for readers, and nothing here looks at them
FIELDS: dict[str, tuple[str, ...]] = {
    "": ("format", "version", "name", "T", "dt", "reset", "resets", "comparison", "decay", "lif_gain", "if_gain", "dialect",
         "weight_bits", "network_sha256", "input", "layers",
         "network", "readout", "quantisation", "split", "expected", "training", "comment"),
    "input": ("encoding", "thresholds", "pixel_scale", "pixel_offset",
              "runs_on", "pixel_min", "pixel_max", "shape", "order", "nodes", "comment"),
    "layers[i]": ("name", "affine", "neuron", "runs_on", "kind", "scale", "leak", "drop_once", "k", "n",
                  "pool", "input_shape", "neuron_shape", "output_shape", "comment"),
}  # fmt: skip


def load_sidecar(path: Path) -> dict[str, Any]:
    """Reads and checks a sidecar.

    Raises:
        NirError: Names file, field, value and what is legal.
    """
    try:
        side = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}; it must say what NIR cannot (T, dt, reset, ...)") from err
    except _TwiceError as err:
        raise NirError(f"{path}: {err} is there twice: must be there once") from err
    except ValueError as err:
        raise NirError(f"{path}: is not JSON: {err}") from err
    if not isinstance(side, dict):
        raise NirError(f"{path}: is not legal: must be a JSON object")
    legal: dict[str, tuple[Any, ...]] = {
        "format": ("loas-nir-sidecar",), "version": (1,), "reset": (*RESETS, "soft"),
        "comparison": COMPARISONS, "weight_bits": (4, 5, 6, 7, 8),
    }  # fmt: skip
    for field, values in legal.items():
        needed = field in ("format", "version")
        if (field in side or needed) and (side.get(field) not in values or type(side[field]) is not type(values[0])):
            raise NirError(f"{path}: {field} = {side.get(field)!r} is not legal: must be one of {', '.join(map(str, values))}")
    if "T" in side and (type(side["T"]) is not int or not 1 <= side["T"] <= T_MAX):
        raise NirError(f"{path}: T = {side['T']!r} is not legal: must be an integer, 1 to {T_MAX}")
    dt = side.get("dt", 1)
    if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 < dt < float("inf"):
        raise NirError(f"{path}: dt = {dt!r} is not legal: must be a positive number")
    for field in ("name", "network_sha256"):
        if not isinstance(side.get(field, ""), str):
            raise NirError(f"{path}: {field} = {side[field]!r} is not legal: must be a text")
    if not isinstance(side.get("input", {}), dict):
        raise NirError(f"{path}: input = {side['input']!r} is not legal: must be an object with the encoding")
    _check_keys(path, side, "")
    _check_keys(path, side.get("input", {}), "input")
    if "layers" in side:
        _check_layers(path, side["layers"])
    return side


class _TwiceError(ValueError):
    """A key of an object is there twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, of which Python would keep the last value of a key in silence."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(key)
        found[key] = value
    return found


def _check_keys(path: Path, found: dict[str, Any], kind: str, where: str = "") -> None:
    """Refuses keys that mean nothing: a rule with a typing error would else be missing in silence.

    Args:
        path: The sidecar.
        found: An object of it.
        kind: Which, a key of :data:`FIELDS`.
        where: Its place, for messages; by default its kind.
    """
    where, known = where or kind, FIELDS[kind]
    for key in found:
        if key in known:
            continue
        elsewhere = [other for other, keys in FIELDS.items() if key in keys]
        lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(key.lower().replace("-", "_"), lower, 1)
        if elsewhere:
            hint = f"belongs {'into ' + elsewhere[0] if elsewhere[0] else 'to the top'}; "
        else:
            hint = f"is {lower[near[0]]} meant? " if near else ""
        raise NirError(f"{path}: {where + '.' if where else ''}{key} is not legal: {hint}must be one of {', '.join(known)}")


def _check_layers(path: Path, entries: Any) -> None:
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise NirError(f"{path}: layers = {entries!r} is not legal: must be a list of objects, one for each layer")
    choices = {"kind": ("spiking", "readout"), "scale": ("output", "layer"), "runs_on": ("host", "machine")}
    for i, entry in enumerate(entries):
        _check_keys(path, entry, "layers[i]", f"layers[{i}]")
        for field in ("name", "affine"):
            if not isinstance(entry.get(field), str):
                raise NirError(f"{path}: layers[{i}].{field} = {entry.get(field)!r} is not legal: must be a name")
        for field, values in choices.items():
            if entry.get(field) not in values:
                raise NirError(f"{path}: layers[{i}].{field} = {entry.get(field)!r} is not legal: must be one of {', '.join(values)}")
        neuron = entry.get("neuron")
        if isinstance(neuron, str) != (entry["kind"] == "spiking") or not (neuron is None or isinstance(neuron, str)):
            legal_neuron = "a node's name" if entry["kind"] == "spiking" else "null, for a readout has none"
            raise NirError(f"{path}: layers[{i}].neuron = {neuron!r} is not legal: must be {legal_neuron}")
        for field in ("leak", "k", "n"):
            if field in entry and type(entry[field]) is not int:
                raise NirError(f"{path}: layers[{i}].{field} = {entry[field]!r} is not legal: must be an integer")
        if type(entry.get("drop_once", False)) is not bool:
            raise NirError(f"{path}: layers[{i}].drop_once = {entry['drop_once']!r} is not legal: must be true or false")


def match(graph: Graph, side: dict[str, Any], stages: list[Stage]) -> None:
    """Holds the sidecar's layers against the graph's, and takes their names.

    Raises:
        NirError: They differ; names node or field.
    """
    if "layers" not in side:
        return
    entries = side["layers"]
    found = [_weighted(graph, stage) for stage in stages if not stage.max_pool]
    wanted = [[entry["affine"], *([str(entry.get("neuron"))] if entry["kind"] == "spiking" else [])] for entry in entries]
    if found != wanted:
        raise NirError(f"{graph.where}: the nodes {found} do not match the sidecar's layers: must be {wanted}")
    own = [stage for stage in stages if not stage.max_pool]
    for entry, stage in zip(entries, own, strict=True):
        rows, n = sum(b.kernel.shape[-1] * b.kernel.shape[-2] * b.size[0] for b in stage.branches), stage.map[0]
        for field, value in (("n", n), ("k", rows)):
            if entry.get(field, value) != value:
                raise NirError(f"{graph.where}: node {entry['affine']!r}: the sidecar's {field} = {entry[field]} is not legal: the weights "
                               f"have {value}")  # fmt: skip
        stage.name = entry["name"]


def _weighted(graph: Graph, stage: Stage) -> list[str]:
    """The nodes that a sidecar names: those with weights, and the neuron."""
    names = [name for name in stage.nodes if graph.nodes[name].kind in ("Affine", "Linear", "Conv1d", "Conv2d")]
    return [*names, *([stage.neuron] if stage.neuron else [])]
