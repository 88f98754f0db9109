# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A model and data as the machine gets them: the same network and the same spikes for every command that packs, runs or encodes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console

from golden.errors import LoasError
from golden.foreign import refuse_foreign
from golden.network import Network, check_inputs, load_network, load_spikes
from scripts.importer.data import Samples, machine_input, samples
from scripts.importer.diff import choose
from scripts.importer.encoder import Encoder, companion_of, load_encoder, read_companion
from scripts.importer.network import Imported
from scripts.importer.options import labels_of, load
from scripts.importer.rounding import Rounding


@dataclass
class Inputs:
    """What goes to the machine.

    Attributes:
        network: Its layers.
        spikes: (images * rows, K, T) uint8.
        rows: Of an image.
        labels: One an image, if there are any.
        contract: The rules in force and how it was quantised, for manifests; None: nobody says.
        notes: What the import said.
        imported: The import, if the model is a NIR file.
        x: Data in the graph's shape; None: the spikes were given as the machine's input.
    """

    network: Network
    spikes: npt.NDArray[np.uint8]
    rows: int
    labels: npt.NDArray[np.int64] | None = None
    contract: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    imported: Imported | None = None
    x: Samples | None = None

    @property
    def origin(self) -> dict[str, Any]:
        """For manifests: the rules and what was said of them, if there are any."""
        return {} if self.contract is None else {"contract": self.contract, "notes": self.notes}


def decided(out: npt.NDArray[Any], images: int) -> npt.NDArray[np.int64]:
    """Decision for every image by :func:`scripts.importer.diff.choose`; of a spiking layer by the number of spikes.

    Args:
        out: (M, N) integers of a readout, or (M, N, T) spikes of the last layer.
        images: How many M are.
    """
    counts = out.sum(axis=2, dtype=np.int64) if out.ndim == 3 else out
    return choose(counts.reshape(images, -1))


def said(given: dict[str, Any]) -> list[str]:
    """Options of an import that were given, which mean nothing for an .npz network."""
    default = {"calibrate_images": 64, "prune_scope": "layer"}
    return [f"--{key.replace('_', '-')} {' '.join(value) if isinstance(value, tuple) else value}" for key, value in given.items()
            if value not in (None, (), default.get(key))]  # fmt: skip


def _note(text: str) -> None:
    click.echo(f"note: {text}")


def bring(model: Path, data: dict[str, Any], given: dict[str, Any], config: str | None, console: Console) -> Inputs:
    """Reads a model and data.

    Args:
        model: NIR with the options of an import; or an integer network, which is what it was imported as, and whose companion, if
            it has one, encodes the data.
        data: ``data``, and of ``data_array``, ``labels``, ``labels_array`` and ``images`` what the command takes.
        given: All options of :func:`scripts.importer.options.import_options`.
        config: The machine whose widths must do; None: any.
        console: Where contract, layers and notes go.

    Raises:
        LoasError: Anything that is not legal or not said, or that does not fit.
    """
    if model.suffix == ".nir":
        imported = load(model, console, config=config, **given)
        for text in others(imported, model):
            click.echo(f"warning: {text}", err=True)
        found = Inputs(imported.network, np.zeros(0, np.uint8), 1, None, imported.facts(), imported.notes, imported)
        return _fill(found, imported.encoder, data)
    refuse_foreign(model)
    if said(given):
        raise LoasError(f"{said(given)[0]} is not legal: {model} is no .nir file, which alone takes it")
    network, companion, encoder = load_network(model), read_companion(model), load_encoder(model)
    found = Inputs(network, np.zeros(0, np.uint8), network.input_shape()[1] or 1)
    if companion is None or encoder is None:
        extra = said({key: value for key, value in data.items() if key not in ("data", "images")})
        if extra:
            raise LoasError(f"{extra[0]} is not legal: {model} has no {companion_of(model).name} beside it, which says how data are read: "
                            "only spikes (M, K, T) can be given")  # fmt: skip
        spikes = load_spikes(data["data"])
        check_inputs(network, spikes, f"{data['data']}: spikes")
        found.spikes = _first(data["data"], spikes, found.rows, data.get("images"))
        return found
    found.contract, found.notes = companion["contract"], companion.get("notes", [])
    for name, facts in found.contract.get("rounding", {}).items():
        click.echo(f"rounded in {name}: {Rounding.read(facts)}")
    for note in found.notes:
        click.echo(note if note.startswith("warning: ") else f"note: {note}")
    return _fill(found, encoder, data)


def _fill(found: Inputs, encoder: Encoder, data: dict[str, Any]) -> Inputs:
    """Spikes and labels by the encoder."""
    path, array, images = data["data"], data.get("data_array"), data.get("images")
    ready = None if encoder.contract.encoding == "spikes" or array else _ready(found.network, path)
    if ready is not None:
        found.rows = found.network.input_shape()[1] or 1
        found.spikes = _first(path, ready, found.rows, images)
        count = len(found.spikes) // found.rows
        _note(f"{path}: spikes of shape {ready.shape} read as the machine's input, encoded already")
    else:
        found.x = samples(encoder, path, array, images)
        count = len(found.x)
        found.spikes = machine_input(encoder, found.x)
        found.rows = len(found.spikes) // count
    check_inputs(found.network, found.spikes, f"{path}: spikes")
    found.labels = labels_of(data, count)
    return found


def _first(path: Path, spikes: npt.NDArray[np.uint8], rows: int, images: int | None) -> npt.NDArray[np.uint8]:
    """The rows of the first images."""
    if images is not None and not 1 <= images <= len(spikes) // rows:
        raise LoasError(f"{path}: --images {images} is not legal: must be 1 to {len(spikes) // rows}")
    return spikes if images is None else spikes[: images * rows]


def _ready(network: Network, path: Path) -> npt.NDArray[np.uint8] | None:
    """The ``spikes`` of an .npz, if they are the machine's own input: what ``loas encode`` writes."""
    if path.suffix != ".npz":
        return None
    try:
        spikes = load_spikes(path)
        check_inputs(network, spikes)
    except LoasError:
        return None  # whoever reads it as data says what is wrong
    return spikes


def others(imported: Imported, model: Path) -> list[str]:
    """Networks beside a NIR file that were imported from it and are others than what its options make now."""
    texts = []
    for companion in sorted(model.absolute().parent.glob("*.contract.json")):
        path = companion.with_name(companion.name.removesuffix(".contract.json") + ".npz")
        try:
            facts = json.loads(companion.read_text(encoding="utf-8"))
            if facts["network_sha256"] != imported.digest or load_network(path).same(imported.network):
                continue
            why = next((f" ({note})" for note in facts["notes"] if note.startswith(("pruned", "calibration"))), "")
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no companion of an import, or a network that is gone
        texts.append(f"{path.name} beside {model} was imported from it and is another network{why}: the options here make this one; give "
                     f"{path.name} to take that one")  # fmt: skip
    return texts

