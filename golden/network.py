# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A network of layers, and its exchange file (``.npz``).

The file holds ``format`` = "loas-network", ``version`` = 1, ``name``, ``T``, ``layers`` (names), and for layer
i ``<i>.weights`` (K, N) int8, ``<i>.bias`` (N,) int32, ``<i>.threshold`` (N,) int32 and ``<i>.neuron`` (4,) or (5,)
int32: leak, soft, readout, drop_once, late. A convolution also has ``<i>.conv`` (11,) int32, the fields of
:class:`golden.layer.Conv` in order, and may have ``<i>.pool`` (2,) and ``<i>.branch`` (12,): its source, and the fields of its
convolution. ``<i>.source`` () is given where it is not the layer before. Input spikes are an ``.npz`` with ``spikes`` (M, K, T), 0 or 1;
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
from golden.foreign import NPZ, identify, refuse_foreign
from golden.layer import Branch, Conv, Layer, NetworkError, as_integers, as_spikes, images_in, rows_out, run_layers, sources

FORMAT = "loas-network"
VERSION = 1
MOST_STEPS = 1 << 16
PARTS = ("weights", "bias", "threshold", "neuron", "conv", "pool", "branch", "source")


@dataclass(eq=False)
class Network:
    """Layers that run one after the other; each reads the layer before, or what its ``source`` and ``branch`` say.

    Attributes:
        name: For messages and manifests.
        T: Timesteps. A machine of fewer runs them in chunks and carries the membranes.
        layers: At least one; a readout can only be the last.

    Raises:
        NetworkError: No layers, sources that do not exist yet, sizes that do not join, or a readout before the end.
    """

    name: str
    T: int
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 1 <= self.T <= MOST_STEPS:
            raise NetworkError(f"{self.name}: T = {self.T} is not legal: must be 1 to {MOST_STEPS}")
        if not 1 <= len(self.layers) <= 65535:
            raise NetworkError(f"{self.name}: {len(self.layers)} layers are not legal: must be 1 to 65535")
        made: dict[int, tuple[int, int | None]] = {-1: self.input_shape()}  # columns of a row, rows of an image where known
        for i, layer in enumerate(self.layers):
            if layer.readout and i + 1 < len(self.layers):
                raise NetworkError(f"{self.name}: {layer.name} is a readout but not the last layer: its integers are no spikes")
            for what, source, conv in zip(("source", "branch"), sources(layer, i), layer.operands, strict=False):
                if not -1 <= source < i:
                    raise NetworkError(f"{self.name}: {layer.name}: {what} = {source} is not legal: must be -1 to {i - 1}, what is there "
                                       f"before it")  # fmt: skip
                (columns, pixels), name = made[source], "the network's input" if source < 0 else self.layers[source].name
                want, letter = (conv.cin, "cin") if conv else (layer.k, "K")
                if want != columns:
                    raise NetworkError(
                        f"{self.name}: {layer.name}: {letter} = {want} is not legal: must be {columns}, the outputs of {name}"
                    )
                if conv and pixels not in (None, conv.pixels_in):
                    raise NetworkError(
                        f"{self.name}: {layer.name}: in_h * in_w = {conv.pixels_in} is not legal: must be {pixels}, the pixels of an "
                        f"image of {name}"
                    )
            if layer.conv:
                made[i] = layer.n, layer.conv.pixels_out // layer.pool_size
            else:
                made[i] = layer.n, made[sources(layer, i)[0]][1]

    def input_shape(self) -> tuple[int, int | None]:
        """Columns of an input row, and input rows of an image (None if nothing says so).

        Raises:
            NetworkError: No layer reads the input.
        """
        columns, pixels = None, None
        for i, layer in enumerate(self.layers):
            for source, conv in zip(sources(layer, i), layer.operands, strict=False):
                if source == -1:
                    columns = columns or (conv.cin if conv else layer.k)
                    pixels = pixels or (conv.pixels_in if conv else None)
        if columns is None:
            raise NetworkError(f"{self.name}: no layer reads the network's input: the first layer's source must be -1 or None")
        return columns, pixels

    def check(self, cfg: Config) -> None:
        """Refuses the network if a machine of this configuration cannot run it exactly.

        Raises:
            NetworkError: A size, or the timesteps, do not fit the configuration.
            BoundError: A weight does not fit or a column could overflow.
        """
        if self.T > cfg.T and not cfg.CARRY:
            raise NetworkError(f"{self.name}: T = {self.T} is not legal: must be 1 to {cfg.T}, CARRY of configuration {cfg.name} is 0")
        for layer in self.layers:
            most = cfg.OUT_ENTRIES // 2 if layer.readout else cfg.K_MAX
            k = sum(c.taps * c.padded(cfg.SLICE_W).cin for c in layer.convs) or layer.k
            for letter, value, limit in (("K", k, cfg.K_MAX), ("N", layer.n, min(cfg.K_MAX, most))):
                if value > limit:
                    raise NetworkError(
                        f"{self.name}: {layer.name}: {letter} = {value} is not legal: must be 1 to {limit} in configuration {cfg.name}"
                    )
            check_layer(layer, cfg, self.T)

    def rows(self, m: int) -> list[int]:
        """Output rows of every layer for ``m`` input rows.

        Raises:
            NetworkError: The rows of a convolution are not whole images.
        """
        rows: list[int] = []
        for i, layer in enumerate(self.layers):
            reads = [m if source < 0 else rows[source] for source in sources(layer, i)]
            rows.append(rows_out(layer, reads[0]))
            for conv, first, given in zip(layer.convs[1:], layer.convs, reads[1:], strict=False):
                if images_in(layer.name, conv, given) != images_in(layer.name, first, reads[0]):
                    raise NetworkError(f"{layer.name}: inputs of {reads[0]} and {given} rows do not fit: must be of as many images")
        return rows

    def run(self, spikes: npt.NDArray[np.integer], chunk: int | None = None) -> list[npt.NDArray[np.integer]]:
        """Runs the golden model, all timesteps in one piece.

        Args:
            spikes: (M, K, T) input spikes.
            chunk: The machine's T where it differs: once-firing outputs are dropped by what they do within a chunk.

        Returns:
            The output of every layer, (M, N, T) uint8 or (M, N) int64 of a readout.

        Raises:
            NetworkError: The spikes do not have the network's K and T, or are no whole images.
        """
        check_inputs(self, spikes)
        return run_layers(spikes, self.layers, chunk)

    def same(self, other: Network) -> bool:
        """True if both compute the same (names may differ)."""
        return (
            self.T == other.T
            and len(self.layers) == len(other.layers)
            and all(a.same(b) for a, b in zip(self.layers, other.layers, strict=True))
            and all(sources(a, i) == sources(b, i) for i, (a, b) in enumerate(zip(self.layers, other.layers, strict=True)))
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
            arrays[f"{i}.neuron"] = np.array([layer.leak, layer.soft, layer.readout, layer.drop_once, layer.late], np.int32)
            if layer.conv:
                arrays[f"{i}.conv"] = np.array(astuple(layer.conv), np.int32)
            if layer.pool:
                arrays[f"{i}.pool"] = np.array(layer.pool, np.int32)
            if layer.branch:
                arrays[f"{i}.branch"] = np.array((layer.branch.source, *astuple(layer.branch.conv)), np.int32)
            if layer.source is not None:
                arrays[f"{i}.source"] = np.array(layer.source, np.int32)
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
    want = (network.input_shape()[0], network.T)
    if spikes.ndim != 3 or spikes.shape[1:] != want:
        raise NetworkError(f"{where}: shape {spikes.shape} is not legal: must be (M, {want[0]}, {want[1]}) for {network.name}")
    network.rows(spikes.shape[0])


def load_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an ``.npz`` file, without ever running code from it.

    Raises:
        NetworkError: The file cannot be read or is damaged.
    """
    where = f"{path}: cannot be read as an .npz file"
    kind = identify(path)
    if kind and kind.what != NPZ:
        raise NetworkError(f"{where}: is {kind.what}: {kind.data}")
    arrays: dict[str, npt.NDArray[Any]] = {}
    key = ""
    try:
        with path.open("rb") as stream:
            if kind is None:
                raise NetworkError(f"{where}: begins with {stream.read(4).hex(' ')}: must be a zip archive of arrays")
            with np.load(stream, allow_pickle=False) as data:
                for key in data.files:
                    arrays[key] = data[key]
        return arrays
    except NetworkError:
        raise
    except OSError as err:
        raise NetworkError(f"{where}: {err.strerror or err}") from err
    except Exception as err:  # numpy and zipfile raise whatever they meet in a damaged file
        if "allow_pickle" in str(err):  # numpy's text advises to load it without this safety
            raise NetworkError(f"{where}: field {key!r} holds Python objects, which are never loaded: must be numbers or text") from err
        raise NetworkError(f"{where}: {err or type(err).__name__}") from err


def load_network(path: Path) -> Network:
    """Reads an exchange file.

    Raises:
        NetworkError: Damaged file, another kind of file, missing field, or a value that is not legal; names file and field.
    """
    refuse_foreign(path)
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
        known = {f"{i}.{part}" for i in range(len(names)) for part in PARTS}
        for key in data:
            if key not in known | {"format", "version", "name", "T", "layers"}:
                raise NetworkError(f"field {key!r} is not legal: must be one of the {len(names)} layers in 'layers'")
        layers = []
        for i, name in enumerate(names):
            neuron = as_integers(f"{i}.neuron", get(f"{i}.neuron"), np.int32, 1)
            if neuron.shape not in ((4,), (5,)) or not set(neuron[1:].tolist()) <= {0, 1}:
                raise NetworkError(
                    f"{i}.neuron = {neuron.tolist()} is not legal: must be leak (0 to 256), soft, readout, drop_once, late (0 or 1)"
                )
            leak, soft, readout, drop, late = (int(v) for v in [*neuron, 0][:5])

            def sizes(part: str, count: int, names: str, i: int = i) -> list[int] | None:
                if f"{i}.{part}" not in data:
                    return None
                values = as_integers(f"{i}.{part}", get(f"{i}.{part}").reshape(-1), np.int32, 1).tolist()
                if len(values) != count:
                    raise NetworkError(f"{i}.{part} = {values} is not legal: must be {names}")
                return values

            def shape(part: str, values: list[int], i: int = i) -> Conv:
                try:
                    return Conv(*values)
                except NetworkError as err:
                    raise NetworkError(f"{i}.{part}: {err}") from err

            geometry = ", ".join(f.name for f in fields(Conv))
            conv, pool = sizes("conv", len(fields(Conv)), geometry), sizes("pool", 2, "ph, pw")
            branch = sizes("branch", len(fields(Conv)) + 1, "source, " + geometry)
            source = sizes("source", 1, "the place of a layer, or -1")
            layers.append(Layer(
                get(f"{i}.weights"), get(f"{i}.bias"), get(f"{i}.threshold"), leak, bool(soft), bool(readout), bool(drop), str(name),
                shape("conv", conv) if conv else None, (pool[0], pool[1]) if pool else None,
                Branch(branch[0], shape("branch", branch[1:])) if branch else None, source[0] if source else None, bool(late),
            ))  # fmt: skip
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
