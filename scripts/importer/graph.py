# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""NIR files as plain graphs: flat, without repeated edges, in the order of the edges.

The fields are taken from the HDF5 file as they stand there. The classes of ``nir`` are not built, for they fill in what is
missing (``v_reset``), infer wrong shapes (kernels that are not square), and refuse files that are clear (repeated edges).
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.foreign import HDF5, identify
from scripts.importer.errors import NirError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Node:
    """A node of a graph.

    Attributes:
        name: Its name; nodes of subgraphs are ``subgraph.node``.
        kind: Its NIR type.
        fields: What the file says of it.
    """

    name: str
    kind: str
    fields: dict[str, Any]


@dataclass
class Graph:
    """A flat graph with one Input and one Output and no loops.

    Attributes:
        where: The file, for messages.
        nodes: By name, each behind all that feed it.
        before: For every node those that feed it, in the order of the edges.
        notes: What a reader should know of the file.
    """

    where: str
    nodes: dict[str, Node]
    before: dict[str, list[str]]
    notes: list[str] = field(default_factory=list)

    def only(self, kind: str) -> Node:
        """The Input or the Output."""
        return next(node for node in self.nodes.values() if node.kind == kind)

    def after(self, name: str) -> list[str]:
        """The nodes that a node feeds."""
        return [target for target, sources in self.before.items() if name in sources]

    def fault(self, node: str, text: str) -> NirError:
        """An error about a node."""
        return NirError(f"{self.where}: node {node!r}: {text}")

    def numbers(self, node: Node, name: str, default: float | None = None, *, infinite: bool = False) -> Floats:
        """A field as float64 numbers of any shape, finite unless plus infinity is allowed.

        Raises:
            NirError: Missing, no real numbers, or not finite.
        """
        value = node.fields.get(name)
        if value is None:
            if default is None:
                raise self.fault(node.name, f"{name} is missing: a {node.kind} must have it")
            value = default
        return finite(f"{self.where}: node {node.name!r}: {name}", value, infinite=infinite)


def finite(where: str, value: Any, *, infinite: bool = False) -> Floats:
    """Real and finite numbers as float64; with ``infinite`` plus infinity is one of them.

    Raises:
        NirError: Names the place of the first that is not.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        raise NirError(f"{where}: type {array.dtype} is not legal: must be real numbers")
    array = array.astype(np.float64)
    bad = ~np.isfinite(array) & ~(infinite & np.isposinf(array))
    if bad.any():
        index = [int(i) for i in np.argwhere(bad)[0]]
        raise NirError(f"{where}{index} = {array[tuple(index)]} is not legal: must be finite")
    return array


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _pairs(edges: Any) -> list[tuple[str, str]]:
    array = np.asarray(edges, dtype=object)
    if array.size == 0:
        return []
    if array.ndim != 2 or array.shape[1] != 2:
        raise NirError(f"edges of shape {array.shape} are not legal: must be pairs of names")
    return [(_text(a), _text(b)) for a, b in array.tolist()]


Key = tuple[str, ...]  # names from the outermost graph inwards: a name may have dots of its own


def _flatten(data: dict[str, Any], prefix: Key = ()) -> tuple[dict[Key, Node], list[tuple[Key, Key]]]:
    """Nodes and edges of a (sub)graph by their full keys; subgraphs are still joined by their own Input and Output nodes."""
    nodes: dict[Key, Node] = {}
    edges: list[tuple[Key, Key]] = []
    inside: dict[Key, tuple[Key, Key]] = {}  # subgraph: its Input, its Output
    for name, value in data.get("nodes", {}).items():
        full, kind = (*prefix, name), _text(value.get("type"))
        if kind != "NIRGraph":
            nodes[full] = Node(".".join(full), kind, {k: v for k, v in value.items() if k not in ("type", "metadata")})
            continue
        more, links = _flatten(value, full)
        ends = []
        for end in ("Input", "Output"):
            found = [key for key, node in more.items() if node.kind == end]
            if len(found) != 1:
                names = [".".join(key) for key in found]
                raise NirError(f"node {'.'.join(full)!r}: {len(found)} {end} nodes {names} in a subgraph are not legal: must be exactly 1")
            ends.append(found[0])
        inside[full] = (ends[0], ends[1])
        for key in ends:
            more[key] = Node(more[key].name, "Joint", {})
        nodes |= more
        edges += links
    for a, b in _pairs(data.get("edges", [])):
        source, target = (*prefix, a), (*prefix, b)
        for key in (source, target):
            if key not in nodes and key not in inside:
                raise NirError(f"edge ({'.'.join(source)}, {'.'.join(target)}): node {'.'.join(key)!r} does not exist")
        edges.append((inside[source][1] if source in inside else source, inside[target][0] if target in inside else target))
    return nodes, edges


def _named(nodes: dict[Key, Node]) -> tuple[dict[Key, str], list[str]]:
    """A name for every node that no other has: the parts of its key joined by dots, by slashes where that is taken.

    Returns:
        The names, and a note for each that has slashes.
    """
    names: dict[Key, str] = {}
    notes = []
    # the outermost keep their names, whatever the order in the file
    for key in sorted(nodes, key=lambda key: (len(key), key)):
        joint, taken = ".", set(names.values())
        while joint.join(key) in taken:
            joint = "/" if joint == "." else joint + "/"
        names[key] = joint.join(key)
        if joint != ".":
            notes.append(f"node {key[-1]!r} of {'.'.join(key[:-1])!r} is called {names[key]!r}, for there is a {'.'.join(key)!r} too")
    return names, notes


def _sort(where: str, nodes: dict[str, Node], before: dict[str, list[str]]) -> list[str]:
    """Names, each behind all that feed it; where there is a choice, as the edges say.

    Raises:
        NirError: The graph has a loop.
    """
    order: list[str] = []
    left = dict.fromkeys(nodes)
    while left:
        ready = [name for name in left if not any(source in left for source in before[name])]
        if not ready:
            # every node left has one before it that is left: walk back until a node comes again
            walk = [next(iter(left))]
            while walk[-1] not in walk[:-1]:
                walk.append(next(source for source in before[walk[-1]] if source in left))
            loop = walk[walk.index(walk[-1]) :][::-1]
            raise NirError(f"{where}: node {loop[0]!r} closes a loop ({' -> '.join(loop)}): recurrent networks cannot be imported, "
                           "for all timesteps of a layer are computed before the next layer")  # fmt: skip
        for name in ready:
            order.append(name)
            del left[name]
    return order


def from_dict(data: dict[str, Any], where: str) -> Graph:
    """A graph from the dictionary of a NIR file or of ``nir.NIRGraph.to_dict``.

    Raises:
        NirError: No graph, not one Input and one Output, loose ends, or a loop.
    """
    if _text(data.get("type")) != "NIRGraph" or not isinstance(data.get("nodes"), dict):
        raise NirError(f"{where}: the top node is a {_text(data.get('type'))}: must be a NIRGraph with nodes")
    try:
        found_nodes, found_edges = _flatten(data)
    except NirError as err:
        raise NirError(f"{where}: {err}") from err
    names, notes = _named(found_nodes)
    nodes = {names[key]: replace(node, name=names[key]) for key, node in found_nodes.items()}
    edges = [(names[a], names[b]) for a, b in found_edges]
    unique = list(dict.fromkeys(edges))
    if len(unique) != len(edges):
        notes.append(f"{len(edges) - len(unique)} repeated edges count once")
    for kind in ("Input", "Output"):
        found = [name for name, node in nodes.items() if node.kind == kind]
        if len(found) != 1:
            raise NirError(f"{where}: {len(found)} {kind} nodes {found} are not legal: must be exactly 1")
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in unique:
        before[target].append(source)
    order = _sort(where, nodes, before)
    # the nodes that only join a subgraph go
    for name in order:
        if nodes[name].kind == "Joint":
            for target in before:
                if name in before[target]:
                    at = before[target].index(name)
                    before[target][at : at + 1] = before[name]
            del before[name], nodes[name]
    order = [name for name in order if name in nodes]
    graph = Graph(where, {name: nodes[name] for name in order}, {name: before[name] for name in order}, notes)
    start, end = graph.only("Input").name, graph.only("Output").name
    if before[start]:
        raise NirError(f"{where}: node {start!r} is the Input but is fed by {before[start]}: must start the graph")
    reached = {start}
    for name in order:
        if any(source in reached for source in before[name]):
            reached.add(name)
    useful = {end}
    for name in reversed(order):
        if name in useful:
            useful.update(before[name])
    lost = sorted(set(order) - (reached & useful))
    if lost:
        raise NirError(f"{where}: the way from {start!r} to {end!r} misses {lost}: every node must lie on it")
    return graph


_READ = """
import sys, h5py
from nir.serialization import hdf2dict
with h5py.File(sys.argv[1], "r") as file:
    if "node" not in file:
        there = ", ".join(list(file)[:4]) or "nothing"
        sys.exit(f"is an HDF5 file without the group 'node' of NIR: it holds {there}: export the network to NIR (docs/bring-your-own.md)")
    hdf2dict(file["node"])
"""


_READABLE: set[bytes] = set()  # digests of files


def _probe(path: Path) -> None:
    """Reads the file in a process of its own: some damaged HDF5 files crash the library, or never end.

    Bytes that this process saw read are not tried again: a process of its own takes most of the time of an import.

    Raises:
        NirError: It cannot be read.
    """
    digest = hashlib.sha256(path.read_bytes()).digest()
    if digest in _READABLE:
        return
    command = [sys.executable, "-c", _READ, str(path)]
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
    _READABLE.add(digest)


def read(path: Path) -> Graph:
    """Reads a NIR file.

    Args:
        path: HDF5, as ``nir.write`` makes it, of any version of ``nir``.

    Raises:
        NirError: Unreadable, damaged, or no graph that :func:`from_dict` takes.
    """
    import h5py
    from nir.serialization import hdf2dict

    try:
        with path.open("rb"):
            pass
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}") from err
    kind = identify(path)
    if kind and kind.what != HDF5:
        raise NirError(f"{path}: cannot be read as a NIR file: is {kind.what}: {kind.model or 'let its name end with .npz'}")
    _probe(path)
    try:
        with h5py.File(path, "r") as file:
            data = hdf2dict(file["node"])
        return from_dict(data, str(path))
    except NirError:
        raise
    except Exception as err:  # h5py raises whatever it meets in a damaged file
        raise NirError(f"{path}: cannot be read as a NIR file: {type(err).__name__}: {err}") from err
