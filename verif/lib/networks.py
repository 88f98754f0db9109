# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Constrained-random networks, inputs and images for tests of the whole machine."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.bounds import BoundError
from golden.config import Config
from golden.image import write_image
from golden.layer import Conv, Layer, max_pool
from golden.network import Network

DENSITIES = (0.0, 0.02, 0.1, 0.3, 0.7, 1.0)


@dataclass
class Job:
    """A network with input, golden output and packed image.

    Attributes:
        seed: It was made from this.
        network: Layers.
        spikes: (M, K, T) input.
        golden: Golden output of every layer.
        image: Packed.
    """

    seed: int
    network: Network
    spikes: npt.NDArray[np.uint8]
    golden: list[npt.NDArray[np.integer]]
    image: bytes

    def __str__(self) -> str:
        shape = " -> ".join(
            f"{c.kh}x{c.kw}/{c.stride_y}x{c.stride_x} {c.out_h}x{c.out_w}x{layer.n}" if (c := layer.conv) else str(layer.n)
            for layer in self.network.layers
        )
        return f"seed {self.seed}: {self.spikes.shape[0]} rows, {self.spikes.shape[1]} -> {shape}"


def random_size(rng: random.Random, most: int, cfg: Config) -> int:
    """Sizes that hit 1, the edges of slices and chunks, and everything between."""
    edges = [1, 2, cfg.SLICE_W - 1, cfg.SLICE_W, cfg.SLICE_W + 1, cfg.CHUNK_W - 1, cfg.CHUNK_W, cfg.CHUNK_W + 1, 2 * cfg.CHUNK_W]
    value = rng.choice(edges) if rng.random() < 0.4 else rng.randint(1, most)
    return max(1, min(value, most))


def random_layer(rng: random.Random, k: int, n: int, readout: bool, cfg: Config, name: str, conv: Conv | None = None) -> Layer:
    """A layer that fits the configuration: weights are halved until no column can overflow."""
    gen = np.random.default_rng(rng.getrandbits(32))
    density = rng.choice(DENSITIES) if rng.random() < 0.7 else None
    keep = gen.random((k, n)) < (gen.random(n) ** 2 if density is None else density)
    if rng.random() < 0.15:  # extremes only
        values = gen.choice([cfg.weight_min, cfg.weight_max], (k, n))
    else:
        values = gen.integers(cfg.weight_min, cfg.weight_max + 1, (k, n))
    scale = rng.choice([1, 8, 64, 256])
    bias = gen.integers(-scale, scale + 1, n)
    threshold = gen.integers(-scale // 4, 4 * scale + 1, n)
    leak = rng.choice([0, 1, 64, 128, 255, 256, rng.randint(0, 256)])
    soft = not readout and rng.random() < 0.5
    drop = not readout and rng.random() < 0.3
    weights = values * keep
    while True:
        layer = Layer(weights.astype(np.int8), bias, threshold, leak, soft, readout, drop, name, conv)
        try:
            Network("check", cfg.T, [layer]).check(cfg)
            return layer
        except BoundError:
            weights = np.trunc(weights / 2).astype(np.int64)
            bias, threshold = bias // 2, threshold // 2


def random_job(
    seed: int,
    cfg: Config,
    *,
    layers: int | None = None,
    rows: int | None = None,
    size: int = 96,
    densities: tuple[float, ...] = DENSITIES,
) -> Job:
    """A random network with input, from one seed.

    Args:
        seed: Everything follows from it.
        cfg: The configuration.
        layers: Number of layers; random 1 to 8 by default.
        rows: M; random by default.
        size: Largest K and N.
        densities: Of the not-silent inputs.
    """
    rng = random.Random(seed)
    count = layers or rng.choice([1, 1, 2, 3, 4, 8])
    m = rows or rng.choice([1, 1, 2, 3, rng.randint(1, 12)])
    most = min(size, cfg.K_MAX)
    k = random_size(rng, most, cfg)
    inputs = k
    made: list[Layer] = []
    for index in range(count):
        readout = index == count - 1 and rng.random() < 0.6
        n = random_size(rng, min(most, cfg.OUT_ENTRIES // 2) if readout else most, cfg)
        made.append(random_layer(rng, k, n, readout, cfg, f"layer{index}"))
        k = n
    return random_input(rng, seed, made, m, inputs, cfg, densities)


def random_input(
    rng: random.Random, seed: int, layers: list[Layer], rows: int, inputs: int, cfg: Config, densities: tuple[float, ...]
) -> Job:
    """Random spikes for layers, golden output and image."""
    network = Network(f"random{seed}", cfg.T, layers)
    gen = np.random.default_rng(rng.getrandbits(32))
    live = gen.random((rows, inputs, 1)) < rng.choice(densities)
    words = gen.random((rows, inputs, cfg.T)) < rng.choice([0.2, 0.5, 0.9, 1.0])
    spikes = (live & words).astype(np.uint8)
    return Job(seed, network, spikes, network.run(spikes), write_image(network, spikes, cfg))


def random_conv(rng: random.Random, size: tuple[int, int], cin: int, cfg: Config) -> Conv:
    """A convolution over maps of this size that fits K_MAX: any kernel, strides and padding, on each side another."""
    while True:
        kernel = rng.randint(1, 3), rng.randint(1, 3)
        stride = rng.randint(1, 2), rng.randint(1, 2)
        pad = rng.randrange(kernel[0]), rng.randrange(kernel[1])
        room = [n + p + rng.randrange(k) - k for n, p, k in zip(size, pad, kernel, strict=True)]
        out = [max(0, r) // s + 1 for r, s in zip(room, stride, strict=True)]
        conv = Conv(*size, cin, *kernel, *stride, *pad, *out)
        if conv.taps * conv.padded(cfg.SLICE_W).cin <= cfg.K_MAX:
            return conv


def random_conv_job(
    seed: int,
    cfg: Config,
    *,
    layers: int | None = None,
    images: int | None = None,
    side: int = 6,
    densities: tuple[float, ...] = DENSITIES,
) -> Job:
    """A random network of convolutions with input, from one seed.

    The first layer is a convolution; others may be max pooling, or fully connected (each pixel alone, or as last layer
    the whole map), and the last may be a readout.

    Args:
        seed: Everything follows from it.
        cfg: The configuration.
        layers: Number of layers; random 1 to 4 by default.
        images: Random 1 to 3 by default.
        side: Longest side of a map.
        densities: Of the not-silent inputs.
    """
    rng = random.Random(seed)
    count = layers or rng.randint(1, 4)
    batch = images or rng.randint(1, 3)
    most = min(2 * cfg.CHUNK_W, cfg.K_MAX // cfg.SLICE_W * cfg.SLICE_W)
    first = h, w = rng.randint(1, side), rng.randint(1, side)
    cin = inputs = random_size(rng, most, cfg)
    made: list[Layer] = []
    for index in range(count):
        name, last = f"layer{index}", index == count - 1
        conv: Conv | None = random_conv(rng, (h, w), cin, cfg)
        choice = rng.random()
        if last and choice < 0.4:
            whole = Conv.of((h, w), cin, (h, w))
            conv = whole if whole.taps * whole.padded(cfg.SLICE_W).cin <= cfg.K_MAX else conv
        elif index and choice > 0.9:
            conv = None
        if conv and index and 0.4 <= choice < 0.65:
            made.append(max_pool(conv, name))
        else:
            readout = last and rng.random() < 0.5
            n = random_size(rng, min(most, cfg.OUT_ENTRIES // 2 if readout else cfg.OUT_ENTRIES // 2 * cfg.SLICE_W), cfg)
            made.append(random_layer(rng, conv.taps * cin if conv else cin, n, readout, cfg, name, conv))
        if conv:
            h, w = conv.out_h, conv.out_w
        cin = made[-1].n
    return random_input(rng, seed, made, batch * first[0] * first[1], inputs, cfg, densities)
