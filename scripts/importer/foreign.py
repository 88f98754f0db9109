# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Files that people bring as data and that are none: what they are, and what to do. What they are by content: golden/foreign.py."""

from __future__ import annotations

from pathlib import Path

from golden.foreign import ARCHIVE, EVENT_FILE, HDF5, NPY, NPZ, TORCH, identify

SAVE = 'in Python, np.save("x.npy", x) with x of (images, *input shape)'
SPIKES = ("without frames or timesteps: bin the events into spikes of (images, *input shape, T), 0 or 1, e.g. with Tonic's ToFrame, then "
          'np.save("x.npy", spikes)')  # fmt: skip
UNPACK = "unpack it, and give the file or folder of images inside"
ADVICE = {
    TORCH.what: f"it is not read, for that would run code from it; {SAVE}",
    "a Python pickle": f"it is not read, for that would run code from it; {SAVE}",
    EVENT_FILE.what: SPIKES,
    ARCHIVE.what: UNPACK,
    "a tar archive": UNPACK,
    HDF5: f"h5py reads it; then, {SAVE}",
}
ENDINGS = {
    (".bin",): f"is a file of events, as N-MNIST's: {SPIKES}",
    (".csv", ".tsv", ".txt"): f"is a text: np.loadtxt reads it; then, {SAVE}",
    (".mat",): f"is a MATLAB file: scipy.io.loadmat reads it, of version 7.3 h5py; then, {SAVE}",
    (".nir",): f"is a network and no data: {SAVE}",
    (".tif", ".tiff", ".gif", ".webp", ".ppm"): "is an image of a kind that is not read: must be .png, .pgm, .jpg or .bmp",
    (".tar", ".tgz"): f"is a tar archive: {UNPACK}",
    (".pkl", ".pickle"): f"is a Python pickle: {ADVICE['a Python pickle']}",
}


def foreign(path: Path) -> str | None:
    """What a file is, in words, and what to do, if it is of a kind that is not read as data; None: it may be read.

    The content goes before the ending, so a pointer of Git LFS that is called ``x.npz`` is one, and data with an odd ending are read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
    except OSError:
        return None  # the reader says it
    if len(start) == 4 and start[:2] == b"\0\0" and 8 <= start[2] <= 14 and 1 <= start[3] <= 8:
        return None  # IDX
    name, ending = path.name.lower(), path.suffix.lower()
    kind, own = identify(path), next((text for endings, text in ENDINGS.items() if ending in endings), None)
    if kind is None or (own and ending in (".bin", ".mat", ".nir") and kind.what not in (NPY, NPZ, "a Git LFS pointer")):
        return own
    if kind.what in (NPY, NPZ):
        return None
    if kind.what == "a gzip file":  # of an IDX, or of an archive
        return ENDINGS[".tar", ".tgz"] if name.endswith((".tar.gz", ".tgz")) else None
    return f"is {kind.what}: {ADVICE.get(kind.what, SAVE if 'npz' in kind.data else kind.data)}"
