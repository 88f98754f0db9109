# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Files that people bring and that are no network of ours: what they are by their content, and what to do with them. Nothing is run."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from golden.layer import NetworkError
from golden.layout import MAGIC

HDF5, NPZ, NPY = "an HDF5 file", "an .npz file", "a single numpy array (.npy)"  # what parts of the project do read
ZIP = b"PK\x03\x04", b"PK\x05\x06"  # the second one begins an archive without files
EXPORT = "export the network to NIR with its toolkit's exporter (docs/bring-your-own.md)"
EVENTS = "it is data, no network: bin the events into T timesteps and give the spikes as --data"


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Attributes:
        what: In words, with an article.
        model: What to do with it where a model is wanted.
        data: What to do with it where arrays are wanted.
    """

    what: str
    model: str
    data: str = "must be an .npz file"


TORCH = Kind("a PyTorch checkpoint", f"it holds weights, but not how neurons connect and fire: {EXPORT}", "save arrays with numpy.savez")
LFS = Kind("a Git LFS pointer", "the file itself is not here: type `git lfs pull`", "the file itself is not here: type `git lfs pull`")
ARCHIVE = Kind("a zip archive", "unpack it and give the .nir file in it", "unpack it and give the file in it")
EVENT_FILE = Kind("an event file of a camera", EVENTS, "bin the events into T timesteps, and save the spikes with numpy.savez")
ONNX = Kind("an ONNX model", f"ONNX knows no spiking neurons: {EXPORT} from where it was trained")
JSON = Kind("a JSON text", "it may be the sidecar or the contract of a network: give the .nir or .npz beside it")
KINDS_BY_START = (
    (b"version https://git-lfs", LFS),
    (b"\x93NUMPY", Kind(NPY, f"one array is no network: {EXPORT}")),
    (b"#!AER-DAT", EVENT_FILE),
    (b"Event Stream", EVENT_FILE),
    (b"\x80", Kind("a Python pickle", f"pickles run code and are never loaded: {EXPORT}", "save arrays with numpy.savez")),
    (b"\x1f\x8b", Kind("a gzip file", "unpack it first", "unpack it first")),
    (b"{", JSON),
    (MAGIC.to_bytes(4, "little"), Kind("a packed image", "it holds a network with its input: take it apart with `loas unpack`")),
)
TORCH_PICKLE = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # the number that checkpoints before PyTorch 1.6 begin with
HDF5_START = b"\x89HDF\r\n\x1a\n"


def identify(path: Path) -> Kind | None:
    """What a file is, by its first bytes and, of an archive, by the names in it.

    Returns:
        The kind; None if nothing here knows it, or if it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError:
        return None
    if not start:
        return Kind("empty", "nothing was written into it: copy or export it again", "nothing was written into it: make it again")
    if start.startswith(ZIP):
        return _archive(path)
    if start.startswith(HDF5_START):
        return Kind(HDF5, "if it is a NIR file, let its name end with .nir")
    if start[:1] == b"\x80" and TORCH_PICKLE in start[:16]:
        return TORCH
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < 1 << 27:
        return Kind("a file of weights (safetensors)", TORCH.model, TORCH.data)
    if start.startswith(b"% ") and any(word in start.lower() for word in (b"evt", b"data file", b"camera")):  # .raw and .dat
        return EVENT_FILE
    if start[257:262] == b"ustar":
        return Kind("a tar archive", ARCHIVE.model, ARCHIVE.data)
    if start[:1] == b"\x08" and start[1] < 32 and start[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x3a", b"\x42"):  # protobuf's tags
        return ONNX
    return next((kind for magic, kind in KINDS_BY_START if start.startswith(magic)), _by_name(path))


def _archive(path: Path) -> Kind | None:
    """What a zip archive is, by the names in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return Kind("a damaged zip archive", "copy or export it again", "copy or make it again")
    if any(name.endswith("data.pkl") for name in names):
        return TORCH
    if "model.weights.h5" in names:
        return Kind("a Keras model", f"it knows no spiking neurons of a known toolkit: {EXPORT}")
    if all(name.endswith(".npy") for name in names):
        if "format.npy" in names:
            return Kind(NPZ, "")
        arrays = ", ".join(sorted(name.removesuffix(".npy") for name in names)[:4]) or "none"
        return Kind(NPZ, f"its arrays ({arrays}{', ...' if len(names) > 4 else ''}) are no network of `loas import`: {EXPORT}")
    return ARCHIVE


def _by_name(path: Path) -> Kind | None:
    """What the ending says, where the content says nothing."""
    endings = {(".pt", ".pth", ".ckpt"): TORCH, (".onnx",): ONNX, (".aedat", ".aedat4", ".dat", ".raw", ".es"): EVENT_FILE}
    return next((kind for names, kind in endings.items() if path.suffix.lower() in names), None)


def refuse_foreign(path: Path) -> None:
    """Refuses a model that is a file of another kind than its ending promises: .nir, or else a network of integers.

    Args:
        path: The file; what is unknown or not there passes.

    Raises:
        NetworkError: Says what the file is and what to do.
    """
    kind, nir = identify(path), path.suffix == ".nir"
    if kind and kind.model and not (nir and kind.what == HDF5):
        raise NetworkError(f"{path}: cannot be read as a {'NIR file' if nir else 'network'}: is {kind.what}: {kind.model}")
