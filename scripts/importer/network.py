# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The import as a whole: graph and contract to stages, stages to integers, and the split between host and machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError
from golden.layer import Layer, NetworkError
from golden.network import Network
from scripts.importer import graph as graphs
from scripts.importer.axes import spread
from scripts.importer.contract import Contract, gather, remarks, require
from scripts.importer.encoder import FORMAT, VERSION, Encoder, companion_of, digest, host_of
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

    @property
    def encoder(self) -> Encoder:
        """The host's part."""
        start = self.graph.only("Input").name
        size = next(b.size for stage in self.stages for b in stage.branches if b.source == start)
        return Encoder(self.network.name, self.contract, self.input_shape, size, self.host)

    def rows(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """See :meth:`scripts.importer.encoder.Encoder.rows`."""
        return self.encoder.rows(x)

    def encode(self, x: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """See :meth:`scripts.importer.encoder.Encoder.encode`."""
        return self.encoder.encode(x)

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
        return {"format": FORMAT, "version": VERSION, "name": self.network.name, "network": Path(self.graph.where).name,
                "network_sha256": self.digest, "contract": self.facts(), "contract_said_by": self.contract.origin,
                "input_shape": list(self.input_shape), "input_map": list(self.encoder.input_map),
                "host_layers": [layer.name for layer in self.host], "layers": layers, "notes": self.notes}  # fmt: skip


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
    found = digest(path)
    beside = path.with_suffix(".json")
    side: dict[str, Any] = {}
    if sidecar is not None or not alone or beside.exists():
        sidecar = beside if sidecar is None else sidecar
        side = load_sidecar(sidecar)
        if side.get("network_sha256", found) != found:
            raise NirError(f"{sidecar}: network_sha256 = {side['network_sha256']} is not legal: {path} has {found}")
    name = str(side.get("name", path.stem))
    imported = import_graph(graphs.read(path), side, str(path), name, sidecar_name=str(sidecar or ""), **options)
    return replace(imported, digest=found)


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
    spread(contract.pixel_offset, found[graph.only("Input").name], where, "--pixel-offset")
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
        net = Imported(layers[:host], Network(name, contract.steps, machine), side, contract, graph, found, stages, quantised, how, notes)
    except NetworkError as err:
        raise NirError(f"{where}: {err}") from err
    if np.any(contract.pixel_offset):
        exact = net.encoder.offsets()
        off = float(np.abs(exact - np.rint(exact)).max())
        notes.append(f"{stages[0].name}: the pixel offset takes constants from the sums, "
                     + (f"rounded by up to {off:.2g} of an integer step" if off > 1e-6 else "not rounded"))  # fmt: skip
    return net


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


def write_network(imported: Imported, path: Path) -> list[Path]:
    """Writes the network, the host's layers if it has any, and its companion JSON beside it, all or none.

    Returns:
        The files, the network first.

    Raises:
        LoasError: They cannot be written.
    """
    files = [path, *([host_of(path)] if imported.host else []), companion_of(path)]
    parts = [file.with_name(file.name + ".part") for file in files]
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            imported.network.save(parts[0])
            if imported.host:
                Network(f"{imported.network.name} on the host", imported.contract.steps, imported.host).save(parts[1])
            facts = {**imported.companion(), "npz_sha256": digest(parts[0]), "host_network": digest(parts[1]) if imported.host else None}
            parts[-1].write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
            if not imported.host:
                host_of(path).unlink(missing_ok=True)  # of an earlier import
            for part, file in zip(parts, files, strict=True):
                part.replace(file)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err
    return files
