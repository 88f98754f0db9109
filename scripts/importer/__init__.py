# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""From a NIR file to integers, one step a file: graph, contract, folding, stages, quantise; reference and diff prove it."""
