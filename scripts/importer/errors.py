# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The error of the import."""

from __future__ import annotations

from golden.errors import LoasError


class NirError(LoasError):
    """A NIR file, its sidecar or its data cannot be imported; names file, node or field, value and what is legal."""
