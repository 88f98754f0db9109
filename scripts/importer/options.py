# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The command-line options of an import, the same for every command that takes a NIR file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from golden import config as configs
from golden.errors import LoasError
from golden.foreign import identify
from scripts.importer.calibrate import better, clips
from scripts.importer.contract import COMPARISONS, DECAYS, DIALECTS, ENCODINGS, GAINS, LIF_GAINS, RESETS, T_MAX
from scripts.importer.data import Samples, read_labels, samples
from scripts.importer.diff import compare
from scripts.importer.errors import NirError
from scripts.importer.expect import Expectation, read_expectation
from scripts.importer.network import Imported, read_nir
from scripts.importer.prune import SCOPES, masks, zero_fraction

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)

CONTRACT = (
    click.option("--sidecar", type=PATH, help="JSON with what NIR cannot say; by default MODEL with .json, if it is there."),
    click.option("--dialect", type=click.Choice(list(DIALECTS)), help="What this toolkit means; single options go before it."),
    click.option("--T", "T", type=click.IntRange(1, T_MAX), help="Timesteps."),
    click.option("--dt", type=float, help="Time of a step, in the units of tau."),
    click.option("--reset", multiple=True, metavar="[NAME=]KIND", help=f"{', '.join(RESETS)}: to 0; the threshold is subtracted before "
                 "or after the leak; the membrane goes on. With NAME= of this layer only. Repeatable."),
    click.option("--comparison", type=click.Choice(COMPARISONS), help="Fire at v >= threshold or v > threshold."),
    click.option("--decay", type=click.Choice(DECAYS), help="Of the membrane: 1 - dt / tau, or exp(-dt / tau).  [default: euler]"),
    click.option("--lif-gain", type=click.Choice(LIF_GAINS), help="A LIF's input counts r (1 - decay) times, or once.  [default: nir]"),
    click.option("--if-gain", type=click.Choice(GAINS), help="An IF adds r I a step, or r dt I."),
    click.option("--encoding", type=click.Choice(ENCODINGS), help="The data are spikes, or pixels that the host encodes."),
    click.option("--thresholds", help="Of the encoding thresholds: T numbers, 4,8,12,16: spike at t if pixel >= number."),
    click.option("--pixel-scale", help="The network was trained on pixels divided by this, e.g. 255; one number, or one a channel, "
                 "a,b,c.  [default: 1]"),
    click.option("--pixel-offset", help="Taken from the pixels before they are divided: Normalize(mean, std) of 0 to 255 is 255 * mean, "
                 "and the scale 255 * std.  [default: 0]"),
)
QUANTISATION = (
    click.option("--bits", type=click.Choice(["4", "5", "6", "7", "8"]), help="Of a weight.  [default: the sidecar's, else 8]"),
    click.option("--drop-once", multiple=True, metavar="NAME", help="Drop once-firing outputs of this layer, or of all. Repeatable."),
    click.option("--input-shape", help="Without batch axis, e.g. 1,28,28, if the file does not say it."),
    click.option("--calibrate", type=PATH, help="Sample inputs: choose the scales by them."),
    click.option("--calibrate-array", help="Its array, if an .npz has several."),
    click.option("--calibrate-images", type=click.IntRange(1), default=64, show_default=True, help="How many of the samples, at most."),
    click.option("--prune", type=float, help="Fraction of the weights to make zero, smallest first, without training."),
    click.option("--prune-scope", type=click.Choice(SCOPES), default="layer", show_default=True,
                 help="In every layer, or in all together."),
)
EXPECT = click.option(
    "--expect", type=PATH,
    help="What the toolkit recorded: .npz of spikes (images, *shape, T) or outputs by the names of nodes or layers. Says where the network "
    "first parts from it; exit code 1 if the float reference does.")  # fmt: skip
SAMPLES = (
    click.option("--data", type=PATH, required=True, help="IDX (also .gz), .npy, .npz, image (.png, .pgm, .jpg) or folder."),
    click.option("--data-array", help="Array of the .npz, e.g. x_test."),
    click.option("--images", type=int, help="Only the first images.  [default: all]"),
)
LABELS = (
    click.option("--labels", type=PATH, help="IDX, .npy or .npz."),
    click.option("--labels-array", help="Array of the .npz, e.g. y_test."),
)


def import_options(command: Command) -> Command:
    """Adds all options of contract and quantisation."""
    for option in reversed(CONTRACT + QUANTISATION):
        command = option(command)
    return command


def data_options(command: Command) -> Command:
    """Adds the options that choose data and labels."""
    for option in reversed(SAMPLES + LABELS):
        command = option(command)
    return command


def sample_options(command: Command) -> Command:
    """Adds the options that choose data without labels."""
    for option in reversed(SAMPLES):
        command = option(command)
    return command


def expectation(imported: Imported, path: Path | None, given: dict[str, Any], images: int) -> Expectation | None:
    """What ``--expect`` names, if it was given; arrays of the same file that are data or labels are no recordings.

    Args:
        imported: The network.
        path: The file.
        given: The options of :func:`data_options`.
        images: How many inputs there are.

    Raises:
        LoasError: It does not fit.
    """
    if path is None:
        return None
    skip = [given["data_array"] or "spikes"] if path.resolve() == given["data"].resolve() else []
    if given["labels_array"] and path.resolve() == (given["labels"] or given["data"]).resolve():
        skip.append(given["labels_array"])
    return read_expectation(imported, path, images, skip)


def _numbers(name: str, text: str | None, kind: Callable[[str], Any]) -> tuple[Any, ...] | None:
    if text is None:
        return None
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as err:
        raise NirError(f"{name} {text} is not legal: must be numbers with commas between") from err


def _resets(given: tuple[str, ...]) -> dict[str, Any]:
    """The values of --reset as fields of the contract: one for all layers, and those of single ones."""
    every, single = list[str](), dict[str, str]()
    for text in given:
        name, equal, kind = text.rpartition("=")
        if kind not in RESETS or (equal and not name):
            raise NirError(f"--reset {text} is not legal: must be one of {', '.join(RESETS)}, or NAME= and one of them")
        if (single.setdefault(name, kind) if equal else (every or [kind])[0]) != kind:
            raise NirError(f"--reset {text} is not legal: {name or 'all layers'} has another reset already")
        every += [] if equal else [kind]
    return {"reset": every[0] if every else None, "resets": single or None}


def load(model: Path, console: Console | None, *, config: str | None = None, pruned_by: str = "--prune", **given: Any) -> Imported:
    """Reads a NIR file after the options of the command line.

    Args:
        model: The file.
        console: Where to report what calibration and pruning did; None: nowhere.
        config: Configuration whose widths must do.
        pruned_by: The option that says how much to prune, for messages.
        given: All options of :func:`import_options`.

    Raises:
        NirError: Anything that is not legal or not said.
    """
    if model.suffix != ".nir":
        kind = identify(model)
        about = f": is {kind.what}: {kind.model}" if kind and kind.model else ""
        raise NirError(f"{model}: is no .nir file: must be a network in NIR{about}")
    names = ("T", "dt", "comparison", "decay", "lif_gain", "if_gain", "encoding", "dialect")
    options = {key: given[key] for key in names}
    options |= _resets(given["reset"])
    for key in ("thresholds", "pixel_scale", "pixel_offset"):
        options[key] = _numbers("--" + key.replace("_", "-"), given[key], float)
    options["input_shape"] = _numbers("--input-shape", given["input_shape"], int)
    options["bits"] = None if given["bits"] is None else int(given["bits"])
    options["drop_once"] = given["drop_once"]
    options["cfg"] = configs.load(config) if config else None

    def read(**more: Any) -> Imported:
        return read_nir(model, given["sidecar"], alone=True, **options, **more)

    imported = read()
    mask = None
    if given["prune"] is not None:
        mask = masks(imported, given["prune"], given["prune_scope"], pruned_by)
        before = zero_fraction(imported)
        imported = read(mask=mask)
        imported.notes.append(f"pruned ({given['prune_scope']}) to {zero_fraction(imported):.2%} zero weights, {before:.2%} before")
    if given["calibrate"] is not None:
        x = samples(imported, given["calibrate"], given["calibrate_array"])[: given["calibrate_images"]]
        old = compare(imported, x)[0]
        trial = read(mask=mask, clip=clips(imported, x, mask))
        new = compare(trial, x)[0]
        taken = better(old, new)
        verdict = "taken" if taken else "not taken"
        note = (f"calibration on {len(x)} samples: spikes that differ {old.spike_fraction:.3%} by largest weights, "
                f"{new.spike_fraction:.3%} calibrated; same decision {old.agreed}, {new.agreed}; {verdict}")  # fmt: skip
        notes = [note for note in imported.notes if note.startswith("pruned")]
        imported = replace(trial, notes=trial.notes + notes) if taken else imported
        imported.notes.append(note)
    if console:
        show(imported, console)
    return imported


def show(imported: Imported, console: Console) -> None:
    """Prints the contract, the layers and the notes."""
    console.print(imported.contract.table(Path(imported.graph.where).name))
    table = Table(title=f"{imported.network.name}: {len(imported.stages)} layers, {imported.options.bits}-bit weights")
    for column in ("layer", "runs on", "nodes", "K", "N", "output", "leak", "reads", "rounded"):
        table.add_column(column, justify="left" if column in ("layer", "runs on", "nodes", "reads") else "right")
    for i, (stage, q) in enumerate(zip(imported.stages, imported.quantised, strict=True)):
        c, h, w = stage.map
        size = f"{c}" if h * w == 1 else f"{c} x {h} x {w}"
        size += f", pool {stage.pool[0]} x {stage.pool[1]}" if stage.pool else ""
        kind = "readout" if stage.readout else f"{q.layer.leak}/256"
        table.add_row(stage.name, "host" if i < len(imported.host) else "machine", " ".join(stage.nodes), str(q.layer.k), str(q.layer.n),
                      size, kind, " + ".join(b.source for b in stage.branches), "yes" if q.rounding.facts() else "no")  # fmt: skip
    console.print(table)
    for stage, q in zip(imported.stages, imported.quantised, strict=True):
        if q.rounding.facts():
            console.print(f"rounded in {stage.name}: {q.rounding}", markup=False, highlight=False)
    for note in imported.notes:
        console.print(note if note.startswith("warning: ") else f"note: {note}", markup=False, highlight=False)


def labelled(imported: Imported, given: dict[str, Any]) -> tuple[Samples, np.ndarray[Any, np.dtype[np.int64]] | None]:
    """Data and labels after the options of :func:`data_options`.

    Raises:
        LoasError: They do not fit.
    """
    x = samples(imported, given["data"], given["data_array"], given["images"])
    return x, labels_of(given, len(x))


def labels_of(given: dict[str, Any], images: int) -> npt.NDArray[np.int64] | None:
    """The labels after the options of :func:`data_options`, one an image; None: there are none.

    Raises:
        LoasError: They do not fit, or it is not said where they are.
    """
    labels, array = given.get("labels"), given.get("labels_array")
    if labels is None and array is None:
        return None
    if labels is None and given["data"].suffix != ".npz":
        raise LoasError("--labels-array is not legal alone: give --labels, or an .npz as --data")
    return read_labels(labels or given["data"], array, images)
