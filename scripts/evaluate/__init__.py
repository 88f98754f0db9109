# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The evaluation: points, where they run, and what is made of them."""
