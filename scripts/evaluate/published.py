# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the paper published (LoAS, MICRO 2024, arXiv 2407.14073; T = 4, CIFAR-10), to hold ours against."""

from __future__ import annotations

SPEEDUP = {"sparten": 6.79, "gospa": 5.99, "gamma": 3.25}  # of LoAS, average of the networks
SPEEDUP_MOST = 8.51
ENERGY_MOST = 3.68  # times less
DROP_SPEEDUP = 1.20  # of dropping once-firing neurons
DENSE_LOSS = 0.88  # performance lost from 98.2 to 25 percent zero weights
DENSE_DENSITIES = (0.018, 0.75)
T_DOUBLED_LOSS = 0.14  # performance lost when T is doubled
CACHE_POWER = 0.659  # share of the machine's power
# percent zeros: spikes, silent neurons, silent after dropping once-firing ones, weights
STATISTICS = {
    "alexnet": (81.2, 71.3, 76.7, 98.3),
    "alexnet conv3": (75.8, 63.2, 69.7, 98.9),
    "vgg16": (82.3, 74.1, 79.6, 98.2),
    "vgg16 conv7": (88.1, 76.5, 86.8, 96.8),
    "resnet19": (68.7, 59.6, 66.1, 96.9),
    "resnet19 s3b2.conv2": (57.9, 51.4, 55.6, 99.7),
}
