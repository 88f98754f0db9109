# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The integers of a convolutional network from its NIR file and sidecar, for the golden model. Needs no PyTorch.

Short on purpose and independent of the import for users (scripts/nir_import.py): the training script and the tests
hold the files to it, and a user who wants to know what a file means can read it here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from golden.layer import Conv, Layer, max_pool


def encode(pixels: npt.NDArray[Any], thresholds: list[int]) -> npt.NDArray[np.uint8]:
    """Thresholds encoding, the host's part: spike at timestep t iff pixel >= thresholds[t].

    Args:
        pixels: (images, height, width) integers.
        thresholds: One for each timestep.

    Returns:
        (images * height * width, 1, T) spikes, 0 or 1: maps of one channel, a row for each pixel.
    """
    return (pixels.reshape(-1, 1, 1) >= np.array(thresholds)).astype(np.uint8)


def recover(nodes: dict[str, Any], sidecar: dict[str, Any]) -> list[Layer]:
    """The machine's layers, a pooling being one of its own (named as its first node).

    Per output, scale s = max|w| / 127 (of the whole layer for a readout), then rint(w/s), rint(b/s), rint(theta/s).

    Args:
        nodes: Of the NIR graph, by name.
        sidecar: As read from JSON.
    """
    layers: list[Layer] = []
    height, width = sidecar["input"]["shape"]
    size: tuple[int, int] | None = (height, width)  # of the maps; None behind a fully connected layer
    cin = 1
    for entry in sidecar["layers"]:
        node, readout = nodes[entry["affine"]], entry["kind"] == "readout"
        weight, bias = node.weight.astype(np.float64), node.bias.astype(np.float64)
        n = len(bias)
        peak = np.full(n, np.abs(weight).max()) if readout else np.abs(weight).reshape(n, -1).max(axis=1)
        scale = peak / 127
        threshold = np.zeros(n)
        if not readout:
            theta = np.asarray(nodes[entry["neuron"]].v_threshold, np.float64).reshape(n, -1)
            if (theta != theta[:, :1]).any():
                raise ValueError(f"{entry['neuron']}: v_threshold must be one for a channel")
            threshold = theta[:, 0]
        conv = None
        if weight.ndim == 4:
            assert size is not None
            kernel, stride, pad = ((int(a[0]), int(a[1])) for a in (weight.shape[2:], node.stride, node.padding))
            conv = Conv.of(size, cin, kernel, stride, pad)
            size = (conv.out_h, conv.out_w)
        elif size is not None:  # fully connected behind maps: NIR flattens (channel, y, x), the machine has (y, x, channel)
            weight = weight.reshape(n, cin, *size)
            conv = Conv.of(size, cin, kernel=size)
            size = None
        if weight.ndim == 4:
            weight = weight.transpose(0, 2, 3, 1).reshape(n, -1)
        layers.append(
            Layer(
                np.rint(weight / scale[:, None]).T.astype(np.int8),
                np.rint(bias / scale),
                np.rint(threshold / scale),
                leak=entry["leak"],
                readout=readout,
                name=entry["name"],
                conv=conv,
            )
        )
        cin = n
        if entry["pool"] is not None:
            assert size is not None
            tall, wide = entry["pool"]["size"]
            pool = Conv.of(size, cin, kernel=(tall, wide), stride=(tall, wide))
            layers.append(max_pool(pool, name=entry["pool"]["nodes"][0]))
            size = (pool.out_h, pool.out_w)
    return layers


def machine_cost(layers: list[Layer], names: tuple[str, ...], chunk: int = 128, slice_width: int = 8) -> dict[str, int]:
    """Estimated TPPE cycles for an image, a layer: divided by the number of TPPEs, cycles of the machine.

    A window costs about 3 cycles for each of its pixels, then at least one for each chunk of each output.

    Args:
        layers: As from `recover`.
        names: Those to count; a pooling happens on the way out and is free.
        chunk: Bits of a bitmask that a TPPE joins at once.
        slice_width: Multiple to which the channels of a pixel are padded.
    """
    cost = {}
    for layer in layers:
        if layer.name in names:
            taps, cin, rows = (layer.conv.taps, layer.conv.cin, layer.conv.pixels_out) if layer.conv else (1, layer.k, 1)
            padded = taps * -(-cin // slice_width) * slice_width
            cost[layer.name] = rows * (3 * taps + layer.n * -(-padded // chunk))
    return cost
