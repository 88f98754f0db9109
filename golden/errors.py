# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The base of every error that bad input can raise; programs turn it into one line and exit code 2."""

from __future__ import annotations


class LoasError(ValueError):
    """Bad input; the text names file, field, value and what would be legal."""
