# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Input spikes as files: ``.npz``, and the plain ``.bin`` and ``.hex`` of docs/image-format.md for hosts that have no numpy."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError
from scripts.pack import hex_text
from scripts.simulate import write_whole

ENDINGS = (".npz", ".bin", ".hex")
MAGIC = b"LSPK"


def spike_words(spikes: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """A word for every row and column: (M, K, T) to (M, K, ceil(T / 8)) bytes, spike t in bit t % 8 of byte t / 8."""
    return np.packbits(spikes.astype(np.uint8), axis=2, bitorder="little")


def write_spikes(path: Path, spikes: npt.NDArray[np.integer], force: bool = False) -> None:
    """Writes input spikes, as the ending of the file says.

    Args:
        path: ``.npz``, ``.bin`` or ``.hex``; its folder is made.
        spikes: (M, K, T), 0 or 1.
        force: Replace a file that exists.

    Raises:
        LoasError: Another ending, the file exists, or it cannot be written.
    """
    check_target(path, force)
    if path.suffix == ".npz":
        stream = io.BytesIO()
        np.savez_compressed(stream, spikes=spikes.astype(np.uint8))
        data = stream.getvalue()
    elif path.suffix == ".bin":
        data = MAGIC + struct.pack("<3I", *spikes.shape) + spike_words(spikes).tobytes()
    else:
        words = spike_words(spikes).reshape(spikes.shape[0] * spikes.shape[1], -1)[:, ::-1]
        text, digits = words.tobytes().hex(), 2 * words.shape[1]
        lines = [text[i : i + digits] for i in range(0, len(text), digits)]
        data = ("// M = {}, K = {}, T = {}: word m * K + k, bit t\n".format(*spikes.shape) + hex_text(lines)).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err
    write_whole(path, data)


def check_target(path: Path, force: bool) -> None:
    """Refuses, before long work, a file that :func:`write_spikes` would refuse.

    Raises:
        LoasError: Another ending, or the file exists and ``force`` is not set.
    """
    if path.suffix not in ENDINGS:
        raise LoasError(f"--out {path} is not legal: must end with {', '.join(ENDINGS)}")
    if path.exists() and not force:
        raise LoasError(f"{path}: exists already: remove it or use --force")
