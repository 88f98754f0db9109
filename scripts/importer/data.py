# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Data sets as users have them: IDX (MNIST's), .npy, .npz, and image files."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from golden.network import load_npz
from scripts.importer.axes import arrange
from scripts.importer.encoder import Encoder
from scripts.importer.errors import NirError
from scripts.importer.foreign import foreign
from scripts.importer.network import Imported

IMAGES = (".png", ".pgm", ".jpg", ".jpeg", ".bmp")
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
Samples = npt.NDArray[Any]


def read_idx(path: Path) -> Samples:
    """Reads an IDX file, plain or gzip.

    Raises:
        NirError: It cannot be read, or is no IDX file.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror or err}") from err
    except Exception as err:  # gzip and zlib raise several kinds of errors on damaged files
        raise NirError(f"{path}: cannot be read as gzip: {err}") from err
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES or not raw[3]:
        raise NirError(f"{path}: is no IDX file: must start with 00 00, a type (08 to 0e) and the number of axes, has {raw[:4].hex(' ')}; "
                       f"or give .npy, .npz or an image ({', '.join(IMAGES)})")  # fmt: skip
    start = 4 + 4 * raw[3]
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    dtype = np.dtype(IDX_TYPES[raw[2]])
    if len(raw) - start != math.prod(shape) * dtype.itemsize:
        need = math.prod(shape) * dtype.itemsize
        raise NirError(f"{path}: {len(raw) - start} bytes of data are not legal: shape {tuple(shape)} needs {need}")
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_image_file(path: Path) -> Samples:
    """One image, (1, H, W) grey or (1, 3, H, W) colour, as stored.

    Raises:
        NirError: It cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image if image.mode in ("L", "RGB", "I;16") else image.convert("L"))
    except OSError as err:
        raise NirError(f"{path}: cannot be read as an image: {err.strerror or err}") from err
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def read_npy(path: Path) -> Samples:
    """The array of an .npy file.

    Raises:
        NirError: It cannot be read, or holds objects of Python.
    """
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            dtype = (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)(stream)[2]
            if dtype.hasobject:
                raise NirError(f"{path}: type {dtype} is not legal: holds objects of Python, must be numbers")
            stream.seek(0)
            return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except NirError:
        raise
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror or err}") from err
    except Exception as err:  # numpy raises whatever it meets in a damaged file
        raise NirError(f"{path}: cannot be read as an .npy file: {err or type(err).__name__}") from err


def read_array(path: Path, name: str | None, what: str) -> Samples:
    """One array of a file: an IDX, an .npy, an array of an .npz by its name, an image, or a folder of images by their names.

    Args:
        path: The file or folder.
        name: Of the array in an .npz.
        what: ``data`` or ``labels``, for messages.

    Raises:
        NirError: It cannot be read, or which array is meant is not said.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGES)
        if not files:
            raise NirError(f"{path}: holds no image ({', '.join(IMAGES)})")
        images = [read_image_file(p) for p in files]
        shapes = {image.shape for image in images}
        if len(shapes) > 1:
            raise NirError(f"{path}: images of shapes {sorted(shapes)} are not legal: must be equal")
        return np.concatenate(images)
    why = foreign(path)
    if why:
        raise NirError(f"{path}: {why}")
    if path.suffix.lower() in IMAGES:
        return read_image_file(path)
    if path.suffix.lower() == ".npy" or _starts(path, b"\x93NUMPY"):
        return read_npy(path)
    if path.suffix.lower() != ".npz" and not _starts(path, b"PK"):
        return read_idx(path)
    arrays = load_npz(path)
    if name is None:
        if what == "data" and "spikes" in arrays:
            name = "spikes"
        elif len(arrays) == 1:
            name = next(iter(arrays))
        else:
            raise NirError(f"{path}: has the arrays {', '.join(sorted(arrays)) or 'none'}: say which with --{what}-array")
    if name not in arrays:
        raise NirError(f"{path}: array {name!r} does not exist: must be one of {', '.join(sorted(arrays))}")
    return arrays[name]


def _starts(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError:
        return False  # the reader says it


def read_labels(path: Path, name: str | None, images: int) -> npt.NDArray[np.int64]:
    """The labels of the first images.

    Raises:
        NirError: They cannot be read, are no integers, or too few.
    """
    labels = read_array(path, name, "labels")
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise NirError(f"{path}: labels of shape {labels.shape} and type {labels.dtype} are not legal: must be a list of integers")
    if len(labels) < images:
        raise NirError(f"{path}: {len(labels)} labels are not legal: must be at least {images}, one an image")
    return labels[:images].astype(np.int64)


def _say(text: str) -> None:
    click.echo(f"note: {text}")


def samples(
    encoder: Imported | Encoder, path: Path, name: str | None = None, images: int | None = None, say: Callable[[str], None] = _say
) -> Samples:
    """Data for a network, in the shape of its graph.

    Args:
        encoder: The network, or its encoder.
        path: IDX, .npy, .npz, image or folder of images, in axes that :func:`scripts.importer.axes.arrange` takes; spikes may also be
            the machine's rows (M, K, T).
        name: Array of an .npz.
        images: How many; None: all.
        say: Called with how the axes were read, where that is not the only way to read them.

    Returns:
        (B, *input shape) pixels, or (B, *input shape, T) spikes, as the encoding wants.

    Raises:
        NirError: It does not fit.
    """
    encoder = encoder.encoder if isinstance(encoder, Imported) else encoder
    x = read_array(path, name, "data")
    shape, steps = encoder.input_shape, encoder.contract.steps
    if x.dtype.kind not in "iufb":
        raise NirError(f"{path}: type {x.dtype} is not legal: must be numbers")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise NirError(f"{path}: not all numbers are finite")
    if encoder.contract.encoding != "spikes":
        x, note = arrange(x, shape, None, str(path))
    else:
        c, h, w = encoder.input_map
        if h * w > 1 and x.shape[1:] == (c, steps):  # maps: no other axes that are taken are these
            note = f"{path}: shape {x.shape} read as the machine's rows (images * {h * w}, {c}, {steps})"
            x = encoder.unrows(x, str(path))
        else:
            also = f", or the machine's rows (images * {h * w}, {c}, {steps})" if h * w > 1 else ""
            x, note = arrange(x, shape, steps, str(path), also)
        if not np.isin(x, (0, 1)).all():
            raise NirError(f"{path}: {x[~np.isin(x, (0, 1))][0]} is not legal: spikes must be 0 or 1 (counts and pixels need an encoding)")
        x = x.astype(np.uint8)
    if images is not None and not 1 <= images <= len(x):
        raise NirError(f"{path}: --images {images} is not legal: must be 1 to {len(x)}")
    if note:
        say(note)
    return x[:images]


def machine_input(encoder: Imported | Encoder, x: Samples) -> npt.NDArray[np.uint8]:
    """What :func:`samples` gives as the machine's input spikes (M, K, T)."""
    return encoder.rows(x).astype(np.uint8) if encoder.contract.encoding == "spikes" else encoder.encode(x)
