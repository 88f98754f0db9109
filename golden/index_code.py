# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Index code: where the nonzero weights of a block are, as a string of gaps.

The positions of a block are its columns one after the other, each padded to whole chunks. A byte g < 255 passes over g silent
positions and stands for a weight at the next one; 255 passes over 255 silent positions. Nothing marks the end: a reader is told
the number of weights, and what is behind the last of them is silent. At 98 % zeros this is a quarter of a bitmask.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError

Bytes = npt.NDArray[np.uint8]
ESCAPE = 255


class IndexCodeError(LoasError):
    """A string contradicts its block; ``offset`` is the byte within the string."""

    def __init__(self, offset: int, text: str) -> None:
        super().__init__(text)
        self.offset = offset


def _gaps(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Silent positions in front of each weight, since the one before."""
    return np.diff(places, prepend=-1) - 1


def size(mask: npt.NDArray[np.bool_]) -> int:
    """Bytes of the string of ``mask``, without padding."""
    gaps = _gaps(np.flatnonzero(mask))
    return gaps.size + int((gaps // ESCAPE).sum())


def encode(mask: npt.NDArray[np.bool_]) -> bytes:
    """The string of a block.

    Args:
        mask: (positions,) bool, or any shape that is read in C order; true where a weight is not zero.

    Returns:
        The string, without padding; empty for a block without weights.
    """
    return encode_places(np.flatnonzero(mask))


def encode_places(places: npt.NDArray[np.int64]) -> bytes:
    """The same from the positions of the weights, ascending."""
    escapes, rest = np.divmod(_gaps(places), ESCAPE)
    last = np.cumsum(escapes + 1) - 1  # the byte of each weight
    out = np.full(int(last[-1]) + 1 if last.size else 0, ESCAPE, np.uint8)
    out[last] = rest
    return out.tobytes()


def used(data: bytes | Bytes, nnz: int) -> int:
    """Bytes of the string of ``nnz`` weights that ``data`` begins with.

    Raises:
        IndexCodeError: ``data`` ends before the last weight.
    """
    if nnz < 0:
        raise IndexCodeError(0, f"nnz = {nnz} is not legal: it must not be negative")
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) != ESCAPE)
    if ends.size < nnz:
        raise IndexCodeError(len(data), f"index has {ends.size} weights in {len(data)} bytes, and should have {nnz}")
    return int(ends[nnz - 1]) + 1 if nnz else 0


def decode(data: bytes | Bytes, nnz: int, positions: int) -> npt.NDArray[np.bool_]:
    """The inverse of :func:`encode`, with every check.

    Args:
        data: The string and what it is padded with.
        nnz: Nonzero weights of the block.
        positions: Positions of the block: columns times the padded length of one.

    Returns:
        (positions,) bool.

    Raises:
        IndexCodeError: The string ends before the last weight, or goes beyond the positions, or padding is not zero.
    """
    string, padding = np.split(np.frombuffer(data, np.uint8), [used(data, nnz)])
    if padding.any():
        at = string.size + int(np.argmax(padding != 0))
        raise IndexCodeError(at, f"byte {at} of the index is behind its {nnz} weights and not zero")
    weight = string != ESCAPE
    at_end = np.cumsum(string + weight.astype(np.int64)) - 1  # last position that each byte covers
    if at_end.size and at_end[-1] >= positions:
        byte = int(np.argmax(at_end >= positions))
        raise IndexCodeError(byte, f"byte {byte} of the index leads to position {at_end[byte]}, the block has {positions}")
    mask = np.zeros(positions, bool)
    mask[at_end[weight]] = True
    return mask
