# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A network of layers, and its exchange file (``.npz``).

The file holds ``format`` = "loas-network", ``version`` = 1, ``name``, ``T``, ``layers`` (names), and for layer
i ``<i>.weights`` (K, N) int8, ``<i>.bias`` (N,) int32, ``<i>.threshold`` (N,) int32 and ``<i>.neuron`` (4,)
int32: leak, soft, readout, drop_once. A convolution also has ``<i>.conv`` (11,) int32, the fields of
:class:`golden.layer.Conv` in order. Input spikes are an ``.npz`` with ``spikes`` (M, K, T), 0 or 1;
the rows of maps are their pixels, image after image, row-major.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.bounds import check_layer
from golden.config import Config
from golden.layer import Conv, Layer, NetworkError, as_integers, as_spikes, rows_out, run_layers

FORMAT = "loas-network"
VERSION = 1


@dataclass(eq=False)
class Network:
    """Layers that run one after the other.

    Attributes:
        name: For messages and manifests.
        T: Timesteps.
        layers: At least one; a readout can only be the last.

    Raises:
        NetworkError: No layers, sizes that do not join, or a readout before the end.
    """

    name: str
    T: int
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 1 <= self.T <= 16:
            raise NetworkError(f"{self.name}: T = {self.T} is not legal: must be 1 to 16")
        if not 1 <= len(self.layers) <= 65535:
            raise NetworkError(f"{self.name}: {len(self.layers)} layers are not legal: must be 1 to 65535")
        pixels = None  # rows of an image, known behind the first convolution
        for layer in self.layers:
            if layer.conv is None:
                continue
            if pixels not in (None, layer.conv.pixels_in):
                raise NetworkError(
                    f"{self.name}: {layer.name}: in_h * in_w = {layer.conv.pixels_in} is not legal: must be {pixels}, the pixels of an "
                    f"image that the layers before make"
                )
            pixels = layer.conv.pixels_out
        for before, after in zip(self.layers[:-1], self.layers[1:], strict=True):
            if before.readout:
                raise NetworkError(f"{self.name}: {before.name} is a readout but not the last layer: its integers are no spikes")
            if before.n != after.inputs:
                what = "cin" if after.conv else "K"
                raise NetworkError(
                    f"{self.name}: {after.name}: {what} = {after.inputs} is not legal: must be {before.n}, the outputs of {before.name}"
                )

    def check(self, cfg: Config) -> None:
        """Refuses the network if a machine of this configuration cannot run it exactly.

        Raises:
            NetworkError: T or a size does not fit the configuration.
            BoundError: A weight does not fit or a column could overflow.
        """
        if self.T != cfg.T:
            raise NetworkError(f"{self.name}: T = {self.T} is not legal: configuration {cfg.name} has T = {cfg.T}")
        for layer in self.layers:
            most = cfg.OUT_ENTRIES // 2 if layer.readout else cfg.K_MAX
            k = layer.conv.taps * layer.conv.padded(cfg.SLICE_W).cin if layer.conv else layer.k
            for letter, value, limit in (("K", k, cfg.K_MAX), ("N", layer.n, min(cfg.K_MAX, most))):
                if value > limit:
                    raise NetworkError(
                        f"{self.name}: {layer.name}: {letter} = {value} is not legal: must be 1 to {limit} in configuration {cfg.name}"
                    )
            check_layer(layer, cfg)

    def rows(self, m: int) -> list[int]:
        """Output rows of every layer for ``m`` input rows.

        Raises:
            NetworkError: The rows of a convolution are not whole images.
        """
        rows = []
        for layer in self.layers:
            m = rows_out(layer, m)
            rows.append(m)
        return rows

    def run(self, spikes: npt.NDArray[np.integer]) -> list[npt.NDArray[np.integer]]:
        """Runs the golden model.

        Args:
            spikes: (M, K, T) input spikes.

        Returns:
            The output of every layer, (M, N, T) uint8 or (M, N) int64 of a readout.

        Raises:
            NetworkError: The spikes do not have the network's K and T, or are no whole images.
        """
        check_inputs(self, spikes)
        return run_layers(spikes, self.layers)

    def same(self, other: Network) -> bool:
        """True if both compute the same (names may differ)."""
        return (
            self.T == other.T
            and len(self.layers) == len(other.layers)
            and all(a.same(b) for a, b in zip(self.layers, other.layers, strict=True))
        )

    def save(self, path: Path) -> None:
        """Writes the exchange file."""
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT), "version": np.array(VERSION), "name": np.array(self.name),
            "T": np.array(self.T), "layers": np.array([layer.name for layer in self.layers]),
        }  # fmt: skip
        for i, layer in enumerate(self.layers):
            arrays[f"{i}.weights"] = layer.weights
            arrays[f"{i}.bias"] = layer.bias
            arrays[f"{i}.threshold"] = layer.threshold
            arrays[f"{i}.neuron"] = np.array([layer.leak, layer.soft, layer.readout, layer.drop_once], np.int32)
            if layer.conv:
                arrays[f"{i}.conv"] = np.array(astuple(layer.conv), np.int32)
        with path.open("wb") as stream:
            np.savez_compressed(stream, **arrays)


def run_network(network: Network, spikes: npt.NDArray[np.integer]) -> list[npt.NDArray[np.integer]]:
    """The output of every layer; see :meth:`Network.run`."""
    return network.run(spikes)


def check_inputs(network: Network, spikes: npt.NDArray[np.integer], where: str = "input spikes") -> None:
    """Refuses spikes whose K or T is not the network's, and rows that are no whole images.

    Raises:
        NetworkError: Names the shape and what would be legal.
    """
    want = (network.layers[0].inputs, network.T)
    if spikes.ndim != 3 or spikes.shape[1:] != want:
        raise NetworkError(f"{where}: shape {spikes.shape} is not legal: must be (M, {want[0]}, {want[1]}) for {network.name}")
    network.rows(spikes.shape[0])


def load_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an ``.npz`` file, without ever running code from it.

    Raises:
        NetworkError: The file cannot be read or is damaged.
    """
    try:
        with path.open("rb") as stream:
            data = np.load(stream, allow_pickle=False)
            if not isinstance(data, np.lib.npyio.NpzFile):
                raise NetworkError(f"{path}: cannot be read as an .npz file: holds a single array")
            with data:
                return {key: data[key] for key in data.files}
    except NetworkError:
        raise
    except OSError as err:
        raise NetworkError(f"{path}: cannot be read as an .npz file: {err.strerror or err}") from err
    except Exception as err:  # numpy and zipfile raise whatever they meet in a damaged file
        raise NetworkError(f"{path}: cannot be read as an .npz file: {err or type(err).__name__}") from err


def load_network(path: Path) -> Network:
    """Reads an exchange file.

    Raises:
        NetworkError: Damaged file, missing field, or a value that is not legal; names file and field.
    """
    data = load_npz(path)

    def get(key: str) -> npt.NDArray[Any]:
        if key not in data:
            raise NetworkError(f"{path}: field {key!r} is missing: has {', '.join(sorted(data)) or 'none'}")
        return data[key]

    if str(get("format")) != FORMAT:
        raise NetworkError(f"{path}: format = {get('format')!s} is not legal: must be {FORMAT}")
    try:
        for key in ("version", "T"):
            as_integers(key, get(key), np.int64, 0)
        if int(get("version")) != VERSION:
            raise NetworkError(f"version = {get('version')} is not legal: must be {VERSION}")
        names = get("layers")
        if names.ndim != 1 or names.dtype.kind != "U":
            raise NetworkError(f"layers = {names.tolist()!r} is not legal: must be a list of names")
        if get("name").ndim or get("name").dtype.kind != "U":
            raise NetworkError(f"name = {get('name').tolist()!r} is not legal: must be a text")
        known = {f"{i}.{part}" for i in range(len(names)) for part in ("weights", "bias", "threshold", "neuron", "conv")}
        for key in data:
            if key not in known | {"format", "version", "name", "T", "layers"}:
                raise NetworkError(f"field {key!r} is not legal: must be one of the {len(names)} layers in 'layers'")
        layers = []
        for i, name in enumerate(names):
            neuron = as_integers(f"{i}.neuron", get(f"{i}.neuron"), np.int32, 1)
            if neuron.shape != (4,) or not set(neuron[1:].tolist()) <= {0, 1}:
                raise NetworkError(
                    f"{i}.neuron = {neuron.tolist()} is not legal: must be leak (0 to 256), soft, readout, drop_once (0 or 1)"
                )
            leak, soft, readout, drop = (int(v) for v in neuron)
            conv = None
            if f"{i}.conv" in data:
                sizes = as_integers(f"{i}.conv", get(f"{i}.conv"), np.int32, 1).tolist()
                if len(sizes) != len(fields(Conv)):
                    raise NetworkError(f"{i}.conv = {sizes} is not legal: must be {', '.join(f.name for f in fields(Conv))}")
                try:
                    conv = Conv(*sizes)
                except NetworkError as err:
                    raise NetworkError(f"{i}.conv: {err}") from err
            layers.append(Layer(get(f"{i}.weights"), get(f"{i}.bias"), get(f"{i}.threshold"),
                                leak, bool(soft), bool(readout), bool(drop), str(name), conv))  # fmt: skip
        return Network(str(get("name")), int(get("T")), layers)
    except NetworkError as err:
        text = str(err)
        raise NetworkError(text if text.startswith(str(path)) else f"{path}: {text}") from err


def load_spikes(path: Path) -> npt.NDArray[np.uint8]:
    """Reads input spikes: field ``spikes`` of an ``.npz`` file.

    Returns:
        (M, K, T) uint8, 0 or 1.

    Raises:
        NetworkError: Damaged file, missing field, or a value that is not 0 or 1.
    """
    data = load_npz(path)
    if "spikes" not in data:
        raise NetworkError(f"{path}: field 'spikes' is missing: has {', '.join(sorted(data)) or 'none'}")
    return as_spikes(f"{path}: spikes", data["spikes"])
