# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The host's part of a network: data in the shape of its Input to the machine's input spikes (M, K, T).

It is all that a host needs beside the machine's image, and it is kept beside an imported network (:func:`load_encoder`), so that data
are encoded by the rules that the network was imported with.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.layer import Layer, conv_rows, neurons_fast
from golden.network import load_network
from scripts.importer.axes import arrange, spread
from scripts.importer.contract import PIXEL_MOST, Contract
from scripts.importer.errors import NirError
from scripts.importer.graph import Floats
from scripts.importer.shapes import Shape

FORMAT, VERSION = "loas-import", 2


@dataclass(frozen=True)
class Encoder:
    """How a host encodes.

    Attributes:
        where: For messages.
        contract: The rules.
        input_shape: Shape of the Input in the graph.
        input_map: (C, H, W) of the machine's input: a row is a pixel with its channels.
        host: Layers that run on the host (direct encoding: one), or none.
    """

    where: str
    contract: Contract
    input_shape: Shape
    input_map: tuple[int, int, int]
    host: list[Layer]

    def rows(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Input in the graph's shape to the machine's rows.

        Args:
            x: (B, *input shape), or (B, *input shape, T).

        Returns:
            (B * pixels, channels), or with T behind: pixels row-major, image after image.

        Raises:
            NirError: Another shape.
        """
        axes = 1 + len(self.input_shape)
        if x.shape[1:axes] != self.input_shape or x.ndim > axes + 1:
            raise NirError(f"{self.where}: shape {x.shape} is not legal: must be (B, {', '.join(map(str, self.input_shape))}), or with T "
                           "behind")  # fmt: skip
        maps = x.reshape(len(x), *self.input_map, *x.shape[axes:])
        return np.moveaxis(maps, 1, 3).reshape(-1, self.input_map[0], *x.shape[axes:])

    def unrows(self, rows: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
        """The reverse of :meth:`rows` for spikes: (M, K, T) to (B, *input shape, T).

        Raises:
            NirError: The rows are no whole images of the network's input.
        """
        c, h, w = self.input_map
        if rows.ndim != 3 or rows.shape[1] != c or len(rows) % (h * w):
            raise NirError(f"{where}: shape {rows.shape} is not legal: must be (images * {h * w}, {c}, T), the machine's rows")
        maps = np.moveaxis(rows.reshape(-1, h, w, c, rows.shape[2]), 3, 1)
        return maps.reshape(len(maps), *self.input_shape, rows.shape[2])

    def taps(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What every output of the host's layer reads: (M, channels) to (M', K)."""
        layer, behind = self.host[0], rows[:, :, None]
        return np.concatenate([conv_rows(behind, conv) for conv in layer.convs], axis=1)[:, :, 0] if layer.conv else rows

    def offsets(self) -> Floats:
        """What the pixel offset takes from the sums of the host's layer: (rows of an image behind the layer, N), not rounded.

        It is the layer on an image that holds the offset in every pixel. The padding of a convolution is zeros of the pixels less
        their offset, so nothing is taken for it, and the sums at the border have constants of their own.
        """
        image = spread(self.contract.pixel_offset, self.input_shape, self.where, "--pixel-offset")
        return np.asarray(self.taps(self.rows(image[None].copy())) @ self.host[0].weights.astype(np.float64))

    def encode(self, x: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Pixels to the machine's input spikes, by the contract's encoding.

        Args:
            x: (M, *input shape) pixels or what :func:`scripts.importer.axes.arrange` takes for them; with ``direct`` integers.

        Returns:
            (M * pixels, K, T) uint8 input spikes of the machine.

        Raises:
            NirError: Wrong shape or values, or the network takes spikes.
        """
        x = arrange(x, self.input_shape, None, self.where)[0]
        if self.contract.encoding == "thresholds":
            assert self.contract.thresholds is not None
            steps = np.stack([x >= level for level in self.contract.thresholds], axis=-1)
            return np.asarray(self.rows(steps.astype(np.uint8)))
        if self.contract.encoding != "direct":
            raise NirError(f"{self.where}: takes spikes (--encoding spikes): pixels cannot be encoded; give --encoding thresholds or "
                           "direct")  # fmt: skip
        if (x != np.rint(x)).any():
            raise NirError(f"{self.where}: pixels with fractions are not legal: direct encoding is integer arithmetic; give whole pixels "
                           "and --pixel-scale (and --pixel-offset)")  # fmt: skip
        if max(abs(int(x.min())), abs(int(x.max()))) > PIXEL_MOST:
            raise NirError(f"{self.where}: pixels of {x.min()} to {x.max()} are not legal: must be -{PIXEL_MOST} to {PIXEL_MOST}, for the "
                           "host adds 64-bit integers")  # fmt: skip
        layer = self.host[0]
        taps = self.taps(self.rows(x))
        sums: npt.NDArray[np.int64] = np.matmul(taps.astype(np.int64), layer.weights.astype(np.int64), dtype=np.int64)
        if np.any(self.contract.pixel_offset):
            sums = (sums.reshape(len(x), -1, layer.n) - np.rint(self.offsets()).astype(np.int64)).reshape(-1, layer.n)
        spikes: list[npt.NDArray[Any]] = []
        for m in range(0, len(sums), 1 << 14):
            now: npt.NDArray[np.int64] = np.repeat(sums[m : m + (1 << 14), None, :], self.contract.steps, axis=1)
            spikes.append(neurons_fast(now, layer).astype(np.uint8))
        return np.concatenate(spikes)


def companion_of(network: Path) -> Path:
    """The contract beside an integer network."""
    return network.with_suffix(".contract.json")


def host_of(network: Path) -> Path:
    """The host's layers beside an integer network, if it has any."""
    return network.with_suffix(".host.npz")


def digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        NirError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}") from err


def read_companion(network: Path) -> dict[str, Any] | None:
    """What ``loas import`` left beside an integer network, or None if there is nothing.

    Raises:
        NirError: It is damaged, or belongs to another network.
    """
    path = companion_of(network)
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise NirError(f"{path}: cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise NirError(f"{path}: is not JSON: {err}") from err
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("contract"), dict):
        raise NirError(f"{path}: is not legal: must be what `loas import` writes beside {network.name}")
    if found.get("version") != VERSION:
        raise NirError(f"{path}: version = {found.get('version')!r} is not legal: must be {VERSION}; import the network again")
    if found.get("npz_sha256") != digest(network):
        raise NirError(f"{path}: belongs to another {network.name}, whose SHA-256 is npz_sha256: import the network again, or remove it")
    return found


def load_encoder(network: Path) -> Encoder | None:
    """The encoder that ``loas import`` left beside an integer network, or None if there is nothing beside it.

    Raises:
        LoasError: Something beside it is damaged, missing or of another network.
    """
    found = read_companion(network)
    if found is None:
        return None
    where = companion_of(network)
    known = {f.name for f in fields(Contract)}
    try:
        said: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in found["contract"].items() if key in known}
        shape, size = tuple(found["input_shape"]), tuple(found["input_map"])
        beside = found["host_network"]
    except KeyError as err:
        raise NirError(f"{where}: {err.args[0]} is missing: import the network again") from err
    host: list[Layer] = []
    if beside is not None:
        path = host_of(network)
        if digest(path) != beside:
            raise NirError(f"{path}: is not the host's layer of {network.name}, whose SHA-256 is host_network in {where}: import again")
        host = load_network(path).layers
    return Encoder(str(network), Contract(**said), shape, (size[0], size[1], size[2]), host)
