# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The import as a whole: graph and contract to stages, stages to integers, and the split between host and machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError
from golden.layer import Layer, NetworkError, conv_rows, neurons_fast
from golden.network import Network
from scripts.importer import graph as graphs
from scripts.importer.contract import Contract, gather, remarks, require
from scripts.importer.errors import NirError
from scripts.importer.graph import Floats, Graph
from scripts.importer.quantise import Options, Quantised, join, leak_of, quantise
from scripts.importer.shapes import Shape, shapes
from scripts.importer.sidecar import load_sidecar, match
from scripts.importer.stages import Stage, build_stages

Clip = Callable[[int, Stage], Floats | None]
Mask = Callable[[int, Stage], npt.NDArray[np.bool_] | None]


@dataclass
class Imported:
    """A network split between host and machine.

    Attributes:
        host: Layers that encode on the host (direct encoding), first to last.
        network: Layers of the machine.
        sidecar: The sidecar as read, or {}.
        contract: The rules in force.
        graph: The NIR graph.
        shapes: Logical output shape of every node.
        stages: In floats, host's first.
        quantised: How each stage became integers.
        options: How it was quantised.
        notes: What a reader should know.
        digest: SHA-256 of the file.
    """

    host: list[Layer]
    network: Network
    sidecar: dict[str, Any]
    contract: Contract
    graph: Graph
    shapes: dict[str, Shape]
    stages: list[Stage]
    quantised: list[Quantised]
    options: Options
    notes: list[str] = field(default_factory=list)
    digest: str = ""

    @property
    def input_shape(self) -> Shape:
        """Logical shape of the input in the graph."""
        return self.shapes[self.graph.only("Input").name]

    def rows(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Input in the graph's shape to the machine's rows.

        Args:
            x: (B, *input shape), or (B, *input shape, T).

        Returns:
            (B * pixels, channels), or with T behind: pixels row-major, image after image.
        """
        name, shape = self.graph.only("Input").name, self.input_shape
        branch = next(b for stage in self.stages for b in stage.branches if b.source == name)
        rest = x.shape[1 + len(shape) :]
        maps = x.reshape(len(x), *branch.size, *rest)
        return np.moveaxis(maps, 1, 3).reshape(-1, branch.size[0], *rest)

    def unrows(self, rows: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
        """The reverse of :meth:`rows` for spikes: (M, K, T) to (B, *input shape, T).

        Raises:
            NirError: The rows are no whole images of the network's input.
        """
        name, shape = self.graph.only("Input").name, self.input_shape
        c, h, w = next(b for stage in self.stages for b in stage.branches if b.source == name).size
        if rows.ndim != 3 or rows.shape[1] != c or len(rows) % (h * w):
            raise NirError(f"{where}: shape {rows.shape} is not legal: must be (images, {', '.join(map(str, shape))}, T) spikes, or "
                           f"(images * {h * w}, {c}, T), the machine's rows")  # fmt: skip
        maps = np.moveaxis(rows.reshape(-1, h, w, c, rows.shape[2]), 3, 1)
        return maps.reshape(len(maps), *shape, rows.shape[2])

    def encode(self, x: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Pixels to the machine's input spikes, by the contract's encoding.

        Args:
            x: (M, inputs) or (M, *input shape) pixels; with ``direct`` integers.

        Returns:
            (M * pixels, K, T) uint8 input spikes of the machine.

        Raises:
            NirError: Wrong shape or values, or the network takes spikes.
        """
        where, shape = self.network.name, self.input_shape
        size = int(np.prod(shape))
        if x.ndim < 2 or int(np.prod(x.shape[1:])) != size:
            wanted = f"(M, {size})" if len(shape) == 1 else f"(M, {', '.join(map(str, shape))})"
            raise NirError(f"{where}: input of shape {x.shape} is not legal: must be {wanted}")
        x = x.reshape(len(x), *shape)
        if self.contract.encoding == "thresholds":
            assert self.contract.thresholds is not None
            steps = np.stack([x >= level for level in self.contract.thresholds], axis=-1)
            return np.asarray(self.rows(steps.astype(np.uint8)))
        if self.contract.encoding != "direct":
            raise NirError(f"{where}: takes spikes (--encoding spikes): pixels cannot be encoded; give --encoding thresholds or direct")
        if (x != np.rint(x)).any():
            raise NirError(f"{where}: pixels with fractions are not legal: direct encoding is integer arithmetic; give whole pixels and "
                           "--pixel-scale")  # fmt: skip
        layer, rows = self.host[0], self.rows(x)[:, :, None]
        if layer.conv:
            rows = conv_rows(rows, layer.conv)
        sums: npt.NDArray[np.int64] = np.matmul(rows[:, :, 0].astype(np.int64), layer.weights.astype(np.int64), dtype=np.int64)
        spikes: list[npt.NDArray[Any]] = []
        for m in range(0, len(sums), 1 << 14):
            now: npt.NDArray[np.int64] = np.repeat(sums[m : m + (1 << 14), None, :], self.network.T, axis=1)
            spikes.append(neurons_fast(now, layer).astype(np.uint8))
        return np.concatenate(spikes)

    def facts(self) -> dict[str, Any]:
        """The contract and how it was quantised, for manifests and companions."""
        rounding = {stage.name: q.rounding.facts() for stage, q in zip(self.stages, self.quantised, strict=True) if q.rounding.facts()}
        return {**self.contract.facts(), "weight_bits": self.options.bits, **({"rounding": rounding} if rounding else {})}

    def companion(self) -> dict[str, Any]:
        """What stands beside an imported network."""
        layers = []
        for stage, q in zip(self.stages, self.quantised, strict=True):
            layers.append({"name": stage.name, "node": stage.node, "nodes": stage.nodes, "k": q.layer.k, "n": q.layer.n,
                           "leak": q.layer.leak, "output_shape": list(stage.map), "pool": list(stage.pool) if stage.pool else None,
                           "exact": q.exact, "rounding": q.rounding.facts(), "scale": [float(v) for v in q.scale]})  # fmt: skip
        return {"format": "loas-import", "version": 1, "name": self.network.name, "network": Path(self.graph.where).name,
                "network_sha256": self.digest, "contract": self.facts(), "contract_said_by": self.contract.origin,
                "input_shape": list(self.input_shape), "host_layers": [layer.name for layer in self.host], "layers": layers,
                "notes": self.notes}  # fmt: skip


def read_nir(path: Path, sidecar: Path | None = None, *, alone: bool = False, **options: Any) -> Imported:
    """Reads a NIR file.

    Args:
        path: The NIR file (HDF5).
        sidecar: Its sidecar, by default beside it with the ending ``.json``.
        alone: Do without a sidecar if there is none beside it.
        options: Fields of :class:`scripts.importer.contract.Contract`, and the keywords of :func:`import_graph`.

    Raises:
        NirError: Unreadable file, a node that cannot be mapped, or something that NIR does not say and nobody else did.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}") from err
    beside = path.with_suffix(".json")
    side: dict[str, Any] = {}
    if sidecar is not None or not alone or beside.exists():
        sidecar = beside if sidecar is None else sidecar
        side = load_sidecar(sidecar)
        if side.get("network_sha256", digest) != digest:
            raise NirError(f"{sidecar}: network_sha256 = {side['network_sha256']} is not legal: {path} has {digest}")
    name = str(side.get("name", path.stem))
    imported = import_graph(graphs.read(path), side, str(path), name, sidecar_name=str(sidecar or ""), **options)
    return replace(imported, digest=digest)


def import_graph(
    graph: Any,
    side: dict[str, Any],
    where: str,
    name: str,
    *,
    sidecar_name: str = "sidecar.json",
    bits: int | None = None,
    drop_once: Iterable[str] = (),
    input_shape: Shape | None = None,
    cfg: Any = None,
    clip: Clip | None = None,
    mask: Mask | None = None,
    **options: Any,
) -> Imported:
    """Turns a graph and a checked sidecar into layers.

    Args:
        graph: A :class:`Graph` or a ``nir.NIRGraph``.
        side: The sidecar, or {}.
        where: For messages.
        name: Of the network.
        sidecar_name: For messages.
        bits: Of a weight, by default the sidecar's, else 8.
        drop_once: Names of layers whose once-firing outputs are dropped, or ``all``.
        input_shape: Where the file does not say it, without batch axis.
        cfg: Configuration whose widths must do; None: any.
        clip: Factor on the scales of a stage, from calibration.
        mask: Weights of a stage that stay, from pruning.
        options: Fields of the contract.

    Raises:
        NirError: Unknown node, NaN, wrong shape, something not said, or a sidecar that does not fit the graph.
    """
    if not isinstance(graph, Graph):
        graph = graphs.from_dict(graph.to_dict(), where)
    contract = require(gather(options, side, sidecar_name), graph)
    notes = list(remarks(contract, graph))
    found = shapes(graph, input_shape)
    stages = build_stages(graph, contract, found)
    match(graph, side, stages)
    notes = [*graph.notes, *notes]
    entries = {entry["name"]: entry for entry in side.get("layers", [])}
    names = [stage.name for stage in stages]
    for i, stage in enumerate(stages):
        if names.count(stage.name) > 1:
            stage.name = stage.node
        names[i] = stage.name
    wanted = set(drop_once) | {n for n, e in entries.items() if e.get("drop_once")}
    spiking = [s.name for s in stages if not s.readout and not s.max_pool]
    for drop in sorted(wanted - {"all"}):
        if drop not in spiking:
            raise NirError(f"{where}: --drop-once {drop} is not legal: must be all or one of {', '.join(spiking)}")
    bits = bits if bits is not None else int(side.get("weight_bits", 8))
    how = Options(bits, frozenset(wanted), frozenset(n for n, e in entries.items() if e["scale"] == "layer"), cfg)
    host = _host(graph, contract, stages, entries)
    quantised = []
    for i, stage in enumerate(stages):
        entry = entries.get(stage.name, {})
        if "leak" in entry and not stage.readout and leak_of(graph, stage) != entry["leak"]:
            raise NirError(f"{where}: node {stage.neuron!r}: the sidecar's leak = {entry['leak']} is not legal: tau and dt give "
                           f"{leak_of(graph, stage)}")  # fmt: skip
        factor, stays = clip(i, stage) if clip else None, mask(i, stage) if mask else None
        quantised.append(quantise(graph, stage, contract, how, clip=factor, mask=stays, bounded=i >= host))
        notes += quantised[-1].notes
    layers = [q.layer for q in quantised]
    start = graph.only("Input").name
    try:
        if host:
            for stage in stages[1:]:
                if any(b.source == start for b in stage.branches):
                    raise graph.fault(stage.node, f"reads the input beside {stages[0].name!r}: with direct encoding only that one "
                                      "layer can, for it runs on the host")  # fmt: skip
            machine = join(stages[1:], layers[1:], {stages[0].node: -1})
        else:
            machine = join(stages, layers, {start: -1})
        return Imported(layers[:host], Network(name, contract.steps, machine), side, contract, graph, found, stages, quantised, how, notes)
    except NetworkError as err:
        raise NirError(f"{where}: {err}") from err


def _host(graph: Graph, contract: Contract, stages: list[Stage], entries: dict[str, Any]) -> int:
    """How many stages run on the host: the first with direct encoding, else none.

    Raises:
        NirError: The sidecar says otherwise, or nothing is left for the machine.
    """
    host = int(contract.encoding == "direct")
    said = [entries[stage.name]["runs_on"] == "host" for stage in stages if stage.name in entries]
    if said and (said != sorted(said, reverse=True) or sum(said) == len(said) or sum(said) != host):
        raise NirError(f"{graph.where}: runs_on is not legal: host layers must come first, and at least one layer be the machine's; "
                       f"with encoding {contract.encoding} {host} layers are the host's")  # fmt: skip
    if host >= len(stages) or (host and stages[0].readout):
        raise NirError(f"{graph.where}: direct encoding runs the first layer on the host, and no layer is left for the machine")
    return host


def write_network(imported: Imported, path: Path) -> Path:
    """Writes the network and its companion JSON beside it, both or none.

    Raises:
        LoasError: They cannot be written.
    """
    companion = path.with_suffix(".contract.json")
    part, beside = path.with_name(path.name + ".part"), companion.with_name(companion.name + ".part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            imported.network.save(part)
            beside.write_text(json.dumps(imported.companion(), indent=1) + "\n", encoding="utf-8")
            part.replace(path)
            beside.replace(companion)
        finally:
            part.unlink(missing_ok=True)
            beside.unlink(missing_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err
    return companion
