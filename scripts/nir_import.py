# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Reads a chain of Affine/Linear and LIF/IF nodes of a NIR file, with its sidecar, to an integer network.

What NIR cannot say (T, dt, reset, comparison, leak, scale, what runs on the host) stands in the sidecar
(``<name>.json``, see models/digits/README.md). Nothing is guessed: what is missing is an error.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError
from golden.layer import Layer, NetworkError, as_integers, drop_once, neurons_fast
from golden.network import Network

LAYER_FIELDS = ("name", "affine", "neuron", "runs_on", "kind", "scale", "leak", "drop_once", "k", "n")


class NirError(LoasError):
    """A NIR file or its sidecar cannot be imported; names file, node or field, value and what is legal."""


@dataclass
class Imported:
    """A network split between host and machine.

    Attributes:
        host: Layers that encode on the host (direct encoding), first to last.
        network: Layers of the machine.
        sidecar: The sidecar as read.
    """

    host: list[Layer]
    network: Network
    sidecar: dict[str, Any]

    def encode(self, x: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
        """Direct encoding: the same integer input at all timesteps through the host's layers.

        Args:
            x: (M, inputs) integers.

        Returns:
            (M, K, T) uint8 input spikes of the machine.

        Raises:
            NirError: Wrong shape, or the network has no host layer.
        """
        if len(self.host) != 1:
            raise NirError(f"{self.network.name}: {len(self.host)} host layers: direct encoding needs exactly 1")
        layer = self.host[0]
        if x.ndim != 2 or x.shape[1] != layer.k:
            raise NirError(f"{self.network.name}: input of shape {x.shape} is not legal: must be (M, {layer.k})")
        sums = x.astype(np.int64) @ layer.weights.astype(np.int64)
        steps = np.repeat(sums[:, None, :], self.network.T, axis=1)
        spikes = neurons_fast(steps, layer).astype(np.uint8)
        return drop_once(spikes) if layer.drop_once else spikes


def order(where: str, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> list[str]:
    """Names of the nodes from Input to Output, along the edges.

    Raises:
        NirError: Not one chain from one Input to one Output through all nodes.
    """
    kinds = {name: type(node).__name__ for name, node in nodes.items()}
    ends = {kind: [n for n, k in kinds.items() if k == kind] for kind in ("Input", "Output")}
    for kind, found in ends.items():
        if len(found) != 1:
            raise NirError(f"{where}: {len(found)} {kind} nodes {found} are not legal: must be exactly 1")
    after: dict[str, str] = {}
    for source, target in dict.fromkeys((str(a), str(b)) for a, b in edges):
        for name in (source, target):
            if name not in nodes:
                raise NirError(f"{where}: edge ({source}, {target}): node {name!r} does not exist")
        if source in after:
            raise NirError(f"{where}: node {source!r} feeds both {after[source]!r} and {target!r}: only chains can be imported")
        after[source] = target
    chain = [ends["Input"][0]]
    while chain[-1] in after:
        if after[chain[-1]] in chain:
            raise NirError(f"{where}: node {after[chain[-1]]!r} closes a loop: recurrent networks cannot be imported")
        chain.append(after[chain[-1]])
    if chain[-1] != ends["Output"][0] or len(chain) != len(nodes):
        left = sorted(set(nodes) - set(chain))
        raise NirError(f"{where}: the chain from {chain[0]!r} ends at {chain[-1]!r} and misses {left}: must be one chain to Output")
    return chain


def _array(where: str, node: str, field: str, value: Any, shape: tuple[int, ...] | None = None) -> npt.NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise NirError(f"{where}: node {node!r}: {field}: type {array.dtype} is not legal: must be real numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise NirError(f"{where}: node {node!r}: {field}{index} = {array[tuple(index)]} is not legal: must be finite")
    if shape is not None:
        if array.shape in ((), (1,)):
            array = np.full(shape, array.reshape(-1)[0])
        if array.shape != shape:
            raise NirError(f"{where}: node {node!r}: {field}: shape {array.shape} is not legal: must be {shape}")
    return array


def _integer_layer(where: str, nodes: dict[str, Any], entry: dict[str, Any], side: dict[str, Any]) -> Layer:
    """Quantises one Affine/Linear and its neuron, after the sidecar's rule."""
    name, spiking = entry["affine"], entry["kind"] == "spiking"
    affine = nodes[name]
    W = _array(where, name, "weight", affine.weight)
    if W.ndim != 2 or min(W.shape) < 1:
        raise NirError(f"{where}: node {name!r}: weight: shape {W.shape} is not legal: must be (outputs, inputs)")
    n, k = W.shape
    b = _array(where, name, "bias", getattr(affine, "bias", 0.0), (n,))
    for field, value in (("n", n), ("k", k)):
        if entry.get(field, value) != value:
            raise NirError(f"{where}: node {name!r}: the sidecar's {field} = {entry[field]} is not legal: the weights have {value}")
    leak, theta, drift = 0, np.zeros(n), np.zeros(n)
    if spiking:
        neuron = entry["neuron"]
        node = nodes[neuron]
        dt = float(side["dt"])
        r = _array(where, neuron, "r", node.r, (n,))
        theta = _array(where, neuron, "v_threshold", node.v_threshold, (n,))
        reset = _array(where, neuron, "v_reset", 0.0 if node.v_reset is None else node.v_reset, (n,))
        if side["reset"] == "hard" and reset.any():
            raise NirError(f"{where}: node {neuron!r}: v_reset = {reset[reset != 0][0]} is not legal: must be 0 (hard reset to 0)")
        beta, gain = np.ones(n), r * dt
        if type(node).__name__ == "LIF":
            tau = _array(where, neuron, "tau", node.tau, (n,))
            if (tau <= 0).any() or (tau < dt).any():
                raise NirError(f"{where}: node {neuron!r}: tau = {tau.min()} is not legal: must be at least dt = {dt}")
            beta, gain = 1 - dt / tau, r * dt / tau
            drift = _array(where, neuron, "v_leak", node.v_leak, (n,)) * dt / tau
        leaks = np.rint(256 * beta).astype(int)
        leak = int(leaks[0])
        if (leaks != leak).any():
            raise NirError(f"{where}: node {neuron!r}: tau gives leaks of {leaks.min()} to {leaks.max()}: must be one for the layer")
        if entry.get("leak", leak) != leak:
            raise NirError(f"{where}: node {neuron!r}: the sidecar's leak = {entry['leak']} is not legal: tau and dt give {leak}")
        with np.errstate(over="ignore", invalid="ignore"):
            W, b = _array(where, name, "weight times r dt / tau", W * gain[:, None]), b * gain + drift
    top = float(2 ** (int(side["weight_bits"]) - 1) - 1)
    peak = np.abs(W).max(axis=1)
    if entry["scale"] == "layer":
        peak = np.full(n, peak.max())
    scale = np.where(peak > 0, peak / top, 1.0)
    small = (scale < np.finfo(np.float64).tiny).nonzero()[0]
    if small.size:
        raise NirError(f"{where}: node {name!r}: weight[{small[0]}]: largest magnitude {peak[small[0]]} is not legal: must be 0 or at "
                       f"least {top * np.finfo(np.float64).tiny:g} after scaling by r dt / tau")  # fmt: skip
    weights = np.rint(W / scale[:, None])
    threshold = np.rint(theta / scale) if side["comparison"] == ">=" else np.floor(theta / scale) + 1
    try:
        with np.errstate(over="ignore"):
            bias = np.rint(b / scale)
        return Layer(weights.T.astype(np.int8), as_integers("bias", bias, np.int32, 1),
                     as_integers("threshold", threshold, np.int32, 1), leak,
                     soft=spiking and side["reset"] == "soft", readout=not spiking,
                     drop_once=bool(entry.get("drop_once", False)), name=str(entry["name"]))  # fmt: skip
    except NetworkError as err:
        raise NirError(f"{where}: node {name!r}: {err}") from err


def load_sidecar(path: Path) -> dict[str, Any]:
    """Reads and checks a sidecar.

    Raises:
        NirError: Names file, field, value and what is legal.
    """
    try:
        side = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}; it must say what NIR cannot (T, dt, reset, ...)") from err
    except ValueError as err:
        raise NirError(f"{path}: is not JSON: {err}") from err
    if not isinstance(side, dict):
        raise NirError(f"{path}: is not legal: must be a JSON object")
    legal: dict[str, tuple[Any, ...]] = {
        "format": ("loas-nir-sidecar",), "version": (1,), "T": tuple(range(1, 17)), "reset": ("hard", "soft"),
        "comparison": (">=", ">"), "weight_bits": (4, 5, 6, 7, 8),
    }  # fmt: skip
    for field, values in legal.items():
        if side.get(field) not in values or type(side[field]) is not type(values[0]):
            raise NirError(f"{path}: {field} = {side.get(field)!r} is not legal: must be one of {', '.join(map(str, values))}")
    dt = side.get("dt")
    if isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 < dt < float("inf"):
        raise NirError(f"{path}: dt = {dt!r} is not legal: must be a positive number")
    for field in ("name", "network_sha256"):
        if not isinstance(side.get(field, ""), str):
            raise NirError(f"{path}: {field} = {side[field]!r} is not legal: must be a text")
    entries = side.get("layers")
    if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
        raise NirError(f"{path}: layers = {entries!r} is not legal: must be a list of objects, one for each Affine")
    choices = {"kind": ("spiking", "readout"), "scale": ("output", "layer"), "runs_on": ("host", "machine")}
    for i, entry in enumerate(entries):
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
        for field in entry:
            if field not in LAYER_FIELDS:
                raise NirError(f"{path}: layers[{i}].{field} is not legal: must be one of {', '.join(LAYER_FIELDS)}")
    return side


def _probe(path: Path) -> None:
    """Reads the file in a process of its own: some damaged HDF5 files crash the library, or never end.

    Raises:
        NirError: It cannot be read.
    """
    command = [sys.executable, "-c", "import sys, nir; nir.read(sys.argv[1])", str(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120)
    except subprocess.TimeoutExpired as err:
        raise NirError(f"{path}: cannot be read as a NIR file: not read after 120 s") from err
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise NirError(f"{path}: cannot be read as a NIR file: damaged, the HDF5 library ended with {name}")
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise NirError(f"{path}: cannot be read as a NIR file: {last}")


def read_nir(path: Path, sidecar: Path | None = None) -> Imported:
    """Reads a NIR file and its sidecar.

    Args:
        path: The NIR file (HDF5).
        sidecar: Its sidecar, by default beside it with the ending ``.json``.

    Raises:
        NirError: Unreadable file, unknown node, NaN, wrong shape, or a sidecar that does not fit.
    """
    import nir

    sidecar = path.with_suffix(".json") if sidecar is None else sidecar
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}") from err
    side = load_sidecar(sidecar)
    if side.get("network_sha256", digest) != digest:
        raise NirError(f"{sidecar}: network_sha256 = {side['network_sha256']} is not legal: {path} has {digest}")
    _probe(path)
    try:
        graph = nir.read(path)
    except Exception as err:  # nir and h5py raise whatever they meet in a damaged file
        raise NirError(f"{path}: cannot be read as a NIR file: {type(err).__name__}: {err}") from err
    return import_graph(graph, side, str(path), str(side.get("name", path.stem)))


def import_graph(graph: Any, side: dict[str, Any], where: str, name: str) -> Imported:
    """Turns a ``nir.NIRGraph`` and a checked sidecar into layers.

    Raises:
        NirError: Unknown node, NaN, wrong shape, or a sidecar that does not fit the graph.
    """
    nodes = graph.nodes
    for node, value in nodes.items():
        if type(value).__name__ not in ("Input", "Output", "Affine", "Linear", "LIF", "IF"):
            raise NirError(f"{where}: node {node!r} is a {type(value).__name__}: must be Input, Affine, Linear, LIF, IF or Output")
    chain = order(where, nodes, graph.edges)[1:-1]
    expected: list[str] = []
    for entry in side["layers"]:
        expected += [entry["affine"]] + ([str(entry.get("neuron"))] if entry["kind"] == "spiking" else [])
    if chain != expected:
        raise NirError(f"{where}: the nodes {chain} do not match the sidecar's layers: must be {expected}")
    for entry in side["layers"]:
        wanted = {entry["affine"]: ("Affine", "Linear")}
        if entry["kind"] == "spiking":
            wanted[str(entry["neuron"])] = ("LIF", "IF")
        for node, kinds in wanted.items():
            if type(nodes[node]).__name__ not in kinds:
                raise NirError(f"{where}: node {node!r} is a {type(nodes[node]).__name__}: must be {' or '.join(kinds)} here")
    layers = [_integer_layer(where, nodes, entry, side) for entry in side["layers"]]
    on_host = [entry["runs_on"] == "host" for entry in side["layers"]]
    split = sum(on_host)
    if on_host != sorted(on_host, reverse=True) or split == len(layers):
        raise NirError(f"{where}: runs_on is not legal: host layers must come first, and at least one layer be the machine's")
    for before, after in itertools.pairwise(layers):
        if before.n != after.k:
            raise NirError(f"{where}: node {after.name!r}: weight: {after.k} inputs are not legal: {before.name!r} has {before.n} outputs")
    try:
        return Imported(layers[:split], Network(name, side["T"], layers[split:]), side)
    except NetworkError as err:
        raise NirError(f"{where}: {err}") from err
