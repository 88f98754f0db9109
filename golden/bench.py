# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Measurements of the golden model and packer: ``python -m golden.bench`` prints them."""

from __future__ import annotations

import time

import numpy as np

from golden.bounds import column_sums, signed_width
from golden.config import load
from golden.image import parse_layout, read_image, write_image
from golden.layer import Conv, Layer
from golden.network import Network

# VGG16 on CIFAR: (side of the map, channels in, channels out, pooled) of every convolution after the first
VGG16_CONVS = [
    (32, 64, 64, True), (16, 64, 128, False), (16, 128, 128, True), (8, 128, 256, False), (8, 256, 256, False), (8, 256, 256, True),
    (4, 256, 512, False), (4, 512, 512, False), (4, 512, 512, True), (2, 512, 512, False), (2, 512, 512, False), (2, 512, 512, True),
]  # fmt: skip
# (rows, K, N) of these, and of the classifier
VGG16 = [*((side * side, 9 * cin, n) for side, cin, n, _ in VGG16_CONVS), (1, 512, 10)]
WEIGHT_DENSITY, NEURON_DENSITY = 0.0177, 0.204  # loas.md section 2: VGG16 after fine-tuning
MOST_BYTES = 2.2  # a nonzero weight of these layers may take, all told


def random_weights(rng: np.random.Generator, k: int, n: int, density: float) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    """(k, n) int8, nonzero with the given probability, uniform over all other values."""
    values = rng.integers(-128, 127, (k, n), dtype=np.int8)
    values[values >= 0] += 1
    return np.where(rng.random((k, n)) < density, values, np.int8(0))


def vgg16_layers(rng: np.random.Generator) -> list[Layer]:
    """Twelve convolutions of VGG16's sizes with random weights of its density."""
    layers = []
    for i, (side, cin, n, pooled) in enumerate(VGG16_CONVS):
        conv = Conv.of((side, side), cin, (3, 3), pad=(1, 1))
        weights = random_weights(rng, 9 * cin, n, WEIGHT_DENSITY)
        layers.append(Layer(weights, np.zeros(n), np.full(n, 500), 64, conv=conv, pool=(2, 2) if pooled else None, name=f"conv{i + 2}"))
    return layers


def measure_vgg16() -> str:
    """What VGG16's weights take in images, and the time of packing, reading back and golden inference, layer by layer."""
    rng, cfg = np.random.default_rng(0), load("paper")
    lines, spent, size, nonzero, weights = [], np.zeros(3), 0, 0, 0
    for layer in vgg16_layers(rng):
        assert layer.conv is not None
        m, cin = layer.conv.pixels_in, layer.conv.cin
        spikes = ((rng.random((m, cin, 1)) < NEURON_DENSITY) & (rng.random((m, cin, 4)) < 0.6)).astype(np.uint8)
        net = Network("bench", 4, [layer])
        times = [time.perf_counter()]
        image = write_image(net, spikes, cfg)
        times.append(time.perf_counter())
        read_image(image, cfg)
        times.append(time.perf_counter())
        net.run(spikes)
        times.append(time.perf_counter())
        spent += np.diff(times)
        lay = parse_layout(image).layers[0]
        count, own = int(np.count_nonzero(layer.weights)), lay.weight_bytes(cfg)
        lines.append(f"  {layer.name:7} {lay.k:5} x {lay.n:3}: {'index' if lay.index else 'bitmask'}, {count:6} nonzero, {own:6} bytes, "
                     f"{own / count:.3f} each")  # fmt: skip
        size, nonzero, weights = size + own, nonzero + count, weights + layer.weights.size
    lines += [
        f"VGG16 sizes, {weights / 1e6:.1f} M weights, {100 * (1 - nonzero / weights):.1f} % zeros, T = 4, 1 image:",
        f"  {size / nonzero:.3f} bytes a nonzero weight, all told (at most {MOST_BYTES})",
        f"  packing {spent[0]:.2f} s, reading back {spent[1]:.2f} s, golden inference {spent[2]:.2f} s",
    ]
    return "\n".join(lines)


def measure_packing() -> str:
    """Throughput of packing and of reading back, in dense 8-bit weights a second."""
    rng = np.random.default_rng(0)
    cfg = load("paper")
    lines = []
    for density in (WEIGHT_DENSITY, 1.0):
        layers = []
        for _ in range(4):
            weights = random_weights(rng, 4096, 4096, density)
            if density == 1.0:
                weights = np.sign(weights)  # so that the columns fit the accumulators
            layers.append(Layer(weights, np.zeros(4096), np.full(4096, 500), 64))
        net = Network("bench", 4, layers)
        spikes = np.zeros((1, 4096, 4), np.uint8)
        start = time.perf_counter()
        image = write_image(net, spikes, cfg)
        middle = time.perf_counter()
        read_image(image, cfg)
        end = time.perf_counter()
        size = 4 * 4096 * 4096 / 1e6
        lines.append(f"density {density:.4f}: packing {size / (middle - start):.0f} MB/s, reading {size / (end - middle):.0f} MB/s")
    return "\n".join(lines)


def measure_widths(columns: int = 100_000) -> str:
    """Share of random VGG16-like columns (K = 4608) that need more than 10, 12, ... accumulator bits."""
    rng = np.random.default_rng(0)
    need = []
    for _ in range(0, columns, 1000):
        need.append(signed_width(*column_sums(random_weights(rng, 4608, 1000, WEIGHT_DENSITY))))
    widths = np.concatenate(need)
    shares = ", ".join(f"{bits} bits: {100 * (widths > bits).mean():.3f} %" for bits in (10, 12, 13, 14, 16))
    return f"columns (K = 4608, 1.77 % nonzero, 8 bit, {widths.size} of them) that need more than {shares}"


if __name__ == "__main__":
    print(measure_vgg16())
    print(measure_packing())
    print(measure_widths())
