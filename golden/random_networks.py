# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Constrained-random networks, inputs and images for tests of the whole machine."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from golden.bounds import BoundError, check_layer
from golden.config import Config
from golden.image import write_image
from golden.layer import Branch, Conv, Layer, max_pool
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
        return f"seed {self.seed}: {self.spikes.shape[0]} rows, T = {self.network.T}, {self.spikes.shape[1]} -> {shape}"


def random_size(rng: random.Random, most: int, cfg: Config) -> int:
    """Sizes that hit 1, the edges of slices and chunks, and everything between."""
    edges = [1, 2, cfg.SLICE_W - 1, cfg.SLICE_W, cfg.SLICE_W + 1, cfg.CHUNK_W - 1, cfg.CHUNK_W, cfg.CHUNK_W + 1, 2 * cfg.CHUNK_W]
    value = rng.choice(edges) if rng.random() < 0.4 else rng.randint(1, most)
    return max(1, min(value, most))


def random_layer(
    rng: random.Random, k: int, n: int, readout: bool, cfg: Config, name: str, conv: Conv | None = None,
    pool: tuple[int, int] | None = None, branch: Branch | None = None, T: int | None = None,
) -> Layer:  # fmt: skip
    """A layer that fits the configuration: weights are halved until no column can overflow in T timesteps."""
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
    late = not readout and rng.random() < 0.4
    drop = not readout and rng.random() < 0.3
    weights = values * keep
    while True:
        layer = Layer(weights.astype(np.int8), bias, threshold, leak, soft, readout, drop, name, conv, pool, branch,
                      late=late)  # fmt: skip
        try:
            check_layer(layer, cfg, T)
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
    T = random_steps(rng, cfg)
    made: list[Layer] = []
    for index in range(count):
        readout = index == count - 1 and rng.random() < 0.6
        n = random_size(rng, min(most, cfg.OUT_ENTRIES // 2) if readout else most, cfg)
        made.append(random_layer(rng, k, n, readout, cfg, f"layer{index}", T=T))
        k = n
    return random_input(rng, seed, made, m, inputs, cfg, densities, T)


def random_steps(rng: random.Random, cfg: Config) -> int:
    """Timesteps of a network: mostly the machine's, else fewer, or several chunks and a rest."""
    if rng.random() < 0.6:
        return cfg.T
    return rng.randint(1, 3 * cfg.T if cfg.CARRY else cfg.T)


def random_input(
    rng: random.Random, seed: int, layers: list[Layer], rows: int, inputs: int, cfg: Config, densities: tuple[float, ...], T: int
) -> Job:
    """Random spikes for layers, golden output and image; places of weights in either code, buffers kept or used again."""
    network = Network(f"random{seed}", T, layers)
    gen = np.random.default_rng(rng.getrandbits(32))
    live = gen.random((rows, inputs, 1)) < rng.choice(densities)
    words = gen.random((rows, inputs, T)) < rng.choice([0.2, 0.5, 0.9, 1.0])
    spikes = (live & words).astype(np.uint8)
    index = [bool(cfg.INDEX_RATE) and rng.random() < 0.5 for _ in layers]
    return Job(seed, network, spikes, network.run(spikes, cfg.T), write_image(network, spikes, cfg, index=index))


def random_conv(rng: random.Random, size: tuple[int, int], cin: int, cfg: Config, out: tuple[int, int] | None = None) -> Conv | None:
    """A convolution over maps of this size that fits K_MAX: any kernel, strides and padding, on each side another.

    None if no output of the wanted size is found.
    """
    for _ in range(1000):
        kernel = rng.choice((1, 1, 2, 2, 3, 3)), rng.choice((1, 1, 2, 2, 3, 3))
        if rng.random() < 0.3 and cin <= 2 * cfg.SLICE_W:  # large kernels over few channels: a row is read pixel by pixel
            kernel = rng.choice((1, 4, 5, 7)), rng.choice((1, 4, 5, 7))
        stride = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3))
        pad = rng.randrange(kernel[0]), rng.randrange(kernel[1])
        room = [n + p + rng.randrange(k) - k for n, p, k in zip(size, pad, kernel, strict=True)]
        made = (max(0, room[0]) // stride[0] + 1, max(0, room[1]) // stride[1] + 1)
        conv = Conv(*size, cin, *kernel, *stride, *pad, *made)
        if conv.taps * conv.padded(cfg.SLICE_W).cin <= cfg.K_MAX and out in (None, made):
            return conv
    return None


def random_pool(rng: random.Random, conv: Conv) -> tuple[Conv, tuple[int, int] | None]:
    """Maybe pooling behind a convolution, which then makes no more pixels than whole windows."""
    if rng.random() < 0.6:
        return conv, None
    ph, pw = rng.randint(1, min(3, conv.out_h)), rng.randint(1, min(3, conv.out_w))
    return replace(conv, out_h=conv.out_h // ph * ph, out_w=conv.out_w // pw * pw), (ph, pw)


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
    the whole map), and the last may be a readout. Convolutions may pool their words, or have a branch from any map before.

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
    T = random_steps(rng, cfg)
    most = min(2 * cfg.CHUNK_W, cfg.K_MAX // cfg.SLICE_W * cfg.SLICE_W)
    first = h, w = rng.randint(1, side), rng.randint(1, side)
    cin = inputs = random_size(rng, most, cfg)
    maps = [(h, w, cin)]  # the input, and what each layer makes
    made: list[Layer] = []
    for index in range(count):
        name, last = f"layer{index}", index == count - 1
        conv = random_conv(rng, (h, w), cin, cfg)
        pool, branch = None, None
        choice = rng.random()
        if last and choice < 0.4:
            whole = Conv.of((h, w), cin, (h, w))
            conv = whole if whole.taps * whole.padded(cfg.SLICE_W).cin <= cfg.K_MAX else conv
        elif index and choice > 0.9:
            conv = None
        if conv and index and 0.4 <= choice < 0.55:
            made.append(max_pool(conv, name))
        else:
            readout = last and rng.random() < 0.5
            n = random_size(rng, min(most, cfg.OUT_ENTRIES // 2 if readout else cfg.OUT_ENTRIES // 2 * cfg.SLICE_W), cfg)
            if conv and rng.random() < 0.35:
                source = rng.randrange(-1, index)
                other = random_conv(rng, maps[source + 1][:2], maps[source + 1][2], cfg, (conv.out_h, conv.out_w))
                if other and sum(c.taps * c.padded(cfg.SLICE_W).cin for c in (conv, other)) <= cfg.K_MAX:
                    branch = Branch(source, other)
            if conv and not branch and not readout:
                conv, pool = random_pool(rng, conv)
            k = conv.taps * cin if conv else cin
            k += branch.conv.taps * branch.conv.cin if branch else 0
            made.append(random_layer(rng, k, n, readout, cfg, name, conv, pool, branch, T))
        if conv:
            ph, pw = pool or (1, 1)
            h, w = conv.out_h // ph, conv.out_w // pw
        cin = made[-1].n
        maps.append((h, w, cin))
    return random_input(rng, seed, made, batch * first[0] * first[1], inputs, cfg, densities, T)
