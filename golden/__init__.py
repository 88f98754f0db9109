# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Golden model of the LoAS machine: layers, fibers and the memory image, in plain numpy."""
