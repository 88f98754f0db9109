# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Measurements of the golden model and packer: ``python -m golden.bench`` prints them."""

from __future__ import annotations

import time

import numpy as np

from golden.bounds import column_sums, signed_width
from golden.config import load
from golden.image import read_image, write_image
from golden.layer import Layer, layer_fast
from golden.network import Network

# VGG16 on CIFAR: (rows, K, N) of every convolution after the first, and of the classifier
VGG16 = [
    (1024, 576, 64), (256, 576, 128), (256, 1152, 128), (64, 1152, 256), (64, 2304, 256), (64, 2304, 256),
    (16, 2304, 512), (16, 4608, 512), (16, 4608, 512), (4, 4608, 512), (4, 4608, 512), (4, 4608, 512), (1, 512, 10),
]  # fmt: skip
WEIGHT_DENSITY, NEURON_DENSITY = 0.0177, 0.204  # loas.md section 2: VGG16 after fine-tuning


def random_weights(rng: np.random.Generator, k: int, n: int, density: float) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    """(k, n) int8, nonzero with the given probability, uniform over all other values."""
    values = rng.integers(-128, 127, (k, n), dtype=np.int8)
    values[values >= 0] += 1
    return np.where(rng.random((k, n)) < density, values, np.int8(0))


def measure_vgg16() -> str:
    """Time of the golden model for a network of VGG16's sizes."""
    rng = np.random.default_rng(0)
    total = spent = 0.0
    for m, k, n in VGG16:
        layer = Layer(random_weights(rng, k, n, WEIGHT_DENSITY), np.zeros(n), np.full(n, 500), 64)
        A = ((rng.random((m, k, 1)) < NEURON_DENSITY) & (rng.random((m, k, 4)) < 0.6)).astype(np.uint8)
        start = time.perf_counter()
        layer_fast(A, layer)
        spent += time.perf_counter() - start
        total += k * n
    return f"golden inference, VGG16 sizes ({total / 1e6:.1f} M weights, T = 4): {spent:.2f} s"


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
