# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Shapes of networks (``spec/networks.toml``, or any file of that form), and the spikes that their layers read.

A layer's spikes are those recorded in a trace, ``<source>.shape`` and ``<source>.bits`` of an ``.npz`` file, or random ones with the
published statistics. docs/nets.md describes both files.
"""

from __future__ import annotations

import math
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import SPEC_DIR
from golden.errors import LoasError
from golden.layer import Conv, NetworkError
from golden.network import load_npz
from golden.synthetic import Statistics

SHAPES = SPEC_DIR / "networks.toml"
MOST = 65535  # of any size; Conv and Network.check know the exact limits
MOST_NEURONS, MOST_WEIGHTS = 1 << 24, 1 << 26  # beyond any machine; keeps memory in bounds until it is asked
STATISTICS = ("zeros", "silent", "tuned")
NETWORK_FIELDS = ("T", "trace", "density", "spikes", "layers")
LAYER_FIELDS = ("name", "source", "input", "kernel", "stride", "pad", "out", "density", "spikes", "readout")

SpikeArray = npt.NDArray[np.uint8]


class ShapeError(LoasError):
    """A shape file or trace is malformed; names file, field, value and what is legal."""


@dataclass(frozen=True)
class LayerShape:
    """One layer that reads spikes.

    Attributes:
        name: Unique in its network.
        source: Name of the map it reads; several layers may read one.
        input: (C, H, W) of a map, or (K,).
        conv: Geometry of a convolution; None: fully connected.
        out: Channels or neurons.
        density: Fraction of the weights that are not zero.
        spikes: Statistics of the spikes it reads, for when they are not recorded.
        readout: Writes integers.
    """

    name: str
    source: str
    input: tuple[int, ...]
    conv: Conv | None
    out: int
    density: float
    spikes: Statistics | None
    readout: bool

    @property
    def k(self) -> int:
        """Inputs of an output."""
        return self.conv.taps * self.conv.cin if self.conv else self.input[0]

    @property
    def m(self) -> int:
        """Output rows."""
        return self.conv.pixels_out if self.conv else 1

    def rows(self, spikes: SpikeArray) -> SpikeArray:
        """(rows, channels, T) inputs of the layer from spikes of shape (T, *input)."""
        T, channels = spikes.shape[0], spikes.shape[1]
        return np.ascontiguousarray(spikes.reshape(T, channels, -1).transpose(2, 1, 0))


@dataclass(frozen=True)
class NetworkShape:
    """A network: layers, each with an input of its own.

    Attributes:
        name: Of its table.
        T: Timesteps.
        trace: File of recorded spikes, in the folder of data.
        layers: At least one.
    """

    name: str
    T: int
    trace: str | None
    layers: tuple[LayerShape, ...]


def refuse(where: str, value: object, legal: str) -> ShapeError:
    """The error for a value that is not legal."""
    return ShapeError(f"{where} = {value!r} is not legal: must be {legal}")


class Table:
    """A table of a shape file that is read field by field, with checks."""

    def __init__(self, where: str, value: object, known: tuple[str, ...], given: Mapping[str, Any] | None = None) -> None:
        if not isinstance(value, dict):
            raise refuse(where, value, f"a table with fields of {', '.join(known)}")
        for key in value:
            if key not in known:
                raise ShapeError(f"{where}: field {key!r} is not legal: must be one of {', '.join(known)}")
        self.where, self.value, self.given = where, value, given or {}

    def get(self, key: str) -> Any:
        """A field, or what was given for its absence.

        Raises:
            ShapeError: Neither is there.
        """
        if key in self.value:
            return self.value[key]
        if key not in self.given:
            raise ShapeError(f"{self.where}: field {key!r} is missing")
        return self.given[key]

    def integer(self, key: str, low: int, high: int) -> int:
        """An integer in a range."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(f"{self.where}: {key}", value, f"an integer, {low} to {high}")
        return value

    def pair(self, key: str, low: int, high: int) -> tuple[int, int]:
        """An integer for both axes, or a list of two: y, x."""
        value = self.get(key)
        both = value if isinstance(value, list) else [value, value]
        if len(both) != 2 or any(isinstance(v, bool) or not isinstance(v, int) or not low <= v <= high for v in both):
            raise refuse(f"{self.where}: {key}", value, f"an integer or a list of two (y, x), {low} to {high}")
        return both[0], both[1]

    def text(self, key: str) -> str:
        """A text that is not empty and takes one line."""
        value = self.get(key)
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise refuse(f"{self.where}: {key}", value, "a text")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.get(key)
        if not isinstance(value, bool):
            raise refuse(f"{self.where}: {key}", value, "true or false")
        return value

    def percent(self, key: str) -> float:
        """Percent as a fraction of one."""
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            raise refuse(f"{self.where}: {key}", value, "percent, 0 to 100")
        return value / 100

    def statistics(self, key: str, T: int) -> Statistics | None:
        """Statistics of spikes that T timesteps can have, None where there are none."""
        value = self.get(key)
        if value is None or isinstance(value, Statistics):
            return value
        table = Table(f"{self.where}: {key}", value, STATISTICS)
        zeros, silent, tuned = (table.percent(name) for name in STATISTICS)
        try:
            found = Statistics(zeros, silent, tuned)
            found.odds(T)
        except LoasError as err:
            raise ShapeError(f"{self.where}: {key}: {err} (as fractions of one)") from err
        return found


def parse_layer(where: str, value: object, T: int, given: Mapping[str, Any]) -> LayerShape:
    """A layer from its table; ``given`` are the fields of the network."""
    table = Table(where, value, LAYER_FIELDS, {"stride": 1, "pad": 0, "readout": False, **given})
    name = table.text("name")
    where = table.where = f"{where} ({name})"
    size = table.get("input")
    if (
        not isinstance(size, list)
        or len(size) not in (1, 3)
        or any(isinstance(v, bool) or not isinstance(v, int) or not 1 <= v <= MOST for v in size)
    ):
        raise refuse(f"{where}: input", size, f"[channels, height, width] or [inputs], each 1 to {MOST}")
    if math.prod(size) > MOST_NEURONS:
        raise refuse(f"{where}: input", size, f"at most {MOST_NEURONS} neurons")
    out = table.integer("out", 1, MOST)
    conv = None
    if len(size) == 3:
        kernel, stride, pad = table.pair("kernel", 1, 255), table.pair("stride", 1, 255), table.pair("pad", 0, 254)
        try:
            conv = Conv.of((size[1], size[2]), size[0], kernel, stride, pad)
        except NetworkError as err:
            raise ShapeError(f"{where}: {err}") from err
    else:
        for key in ("kernel", "stride", "pad"):
            if key in table.value:
                raise ShapeError(f"{where}: field {key!r} is not legal: input = {size} is no map")
    k = conv.taps * conv.cin if conv else size[0]
    if k * out > MOST_WEIGHTS:
        raise refuse(f"{where}: out", out, f"1 to {MOST_WEIGHTS // k} with {k} inputs of an output")
    source = table.text("source") if "source" in table.value else name
    return LayerShape(name, source, tuple(size), conv, out, table.percent("density"), table.statistics("spikes", T), table.flag("readout"))


def parse_network(where: str, name: str, value: object) -> NetworkShape:
    """A network from its table."""
    table = Table(where, value, NETWORK_FIELDS, {"trace": None, "spikes": None})
    T = table.integer("T", 1, 16)
    given: dict[str, Any] = {"spikes": table.statistics("spikes", T)}
    if "density" in table.value:
        table.percent("density")
        given["density"] = table.value["density"]
    trace = table.text("trace") if "trace" in table.value else None
    items = table.get("layers")
    if not isinstance(items, list) or not items:
        raise refuse(f"{where}: layers", items, "a list of at least one layer")
    layers = [parse_layer(f"{where}: layers[{i}]", item, T, given) for i, item in enumerate(items)]
    maps: dict[str, LayerShape] = {}
    for i, layer in enumerate(layers):
        if layer.name in (other.name for other in layers[:i]):
            raise refuse(f"{where}: layers[{i}]: name", layer.name, "a name that no layer before has")
        first = maps.setdefault(layer.source, layer)
        if first.input != layer.input:
            raise refuse(f"{where}: layers[{i}] ({layer.name}): input", list(layer.input),
                         f"{list(first.input)}, as {first.name} reads the same spikes {layer.source!r}")  # fmt: skip
        if layer.spikes is None and trace is None:
            raise ShapeError(f"{where}: layers[{i}] ({layer.name}): field 'spikes' is missing: the network has no trace")
    return NetworkShape(name, T, trace, tuple(layers))


def read_shapes(path: Path = SHAPES) -> dict[str, NetworkShape]:
    """All networks of a shape file, by name.

    Raises:
        ShapeError: The file cannot be read or a value is not legal; names file, field, value and what is legal.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ShapeError(f"{path}: cannot be read: {err.strerror}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ShapeError(f"{path}: cannot be read as TOML: {err}") from err
    if not data:
        raise ShapeError(f"{path}: has no network: must have a table for each")
    return {name: parse_network(f"{path}: {name}", name, value) for name, value in data.items()}


def read_trace(path: Path, network: NetworkShape, sources: set[str] | None = None) -> dict[str, SpikeArray]:
    """The recorded spikes that a network's layers read.

    Args:
        path: An ``.npz`` file.
        network: Says which maps are wanted and how large they are.
        sources: These only.

    Returns:
        (T, *input) uint8 0 or 1, by source.

    Raises:
        ShapeError: A field is missing, or has another type, size or T than the network wants.
        NetworkError: The file cannot be read.
    """
    data = load_npz(path)
    found: dict[str, SpikeArray] = {}
    for layer in network.layers:
        name = layer.source
        if name in found or sources is not None and name not in sources:
            continue
        for key in (f"{name}.shape", f"{name}.bits"):
            if key not in data:
                names = sorted(field.removesuffix(".shape") for field in data if field.endswith(".shape"))
                raise ShapeError(f"{path}: field {key!r} is missing: has maps {', '.join(names) or 'none'}")
        size, bits, want = data[f"{name}.shape"], data[f"{name}.bits"], [network.T, *layer.input]
        if size.dtype.kind not in "iu" or size.ndim != 1:
            raise ShapeError(f"{path}: {name}.shape of type {size.dtype} and shape {size.shape} is not legal: must be a list of integers")
        if size.tolist() != want:
            raise refuse(f"{path}: {name}.shape", size.tolist(), f"{want}, T and the input of layer {layer.name} of {network.name}")
        count = math.prod(want)
        if bits.dtype != np.uint8 or bits.shape != (-(-count // 8),):
            raise ShapeError(f"{path}: {name}.bits of type {bits.dtype} and shape {bits.shape} is not legal: must be uint8 and "
                             f"{(-(-count // 8),)}, {count} packed bits")  # fmt: skip
        flat = np.unpackbits(bits)
        if flat[count:].any():
            raise ShapeError(f"{path}: {name}.bits: the bits after the last of {count} are not legal: must be 0")
        found[name] = flat[:count].reshape(want)
    return found


def stream(seed: int, *names: str) -> np.random.Generator:
    """Random numbers of their own for each name, so that leaving out one layer does not change the others."""
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def synthetic_maps(network: NetworkShape, seed: int, sources: set[str] | None = None) -> dict[str, SpikeArray]:
    """Random spikes with the published statistics, once-firing neurons dropped, in place of a trace.

    Args:
        network: Says which maps are wanted, how large they are, and their statistics.
        seed: Everything follows from it.
        sources: These only.

    Returns:
        (T, *input) uint8 0 or 1, by source.

    Raises:
        ShapeError: A layer has no statistics.
    """
    found: dict[str, SpikeArray] = {}
    for layer in network.layers:
        if layer.source in found or sources is not None and layer.source not in sources:
            continue
        if layer.spikes is None:
            raise ShapeError(f"{network.name}: {layer.name}: has no statistics 'spikes' to draw spikes from, and no trace is there")
        flat = layer.spikes.draw(stream(seed, network.name, layer.source, "spikes"), (1, math.prod(layer.input)), network.T)
        found[layer.source] = np.ascontiguousarray(flat[0].T).reshape(network.T, *layer.input)
    return found
