# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Reads a network in NIR to integers: the door to ``scripts.importer``, whose files are its steps.

What NIR cannot say (T, dt, reset, comparison, ...) stands in options or in a sidecar (``<name>.json``, docs/import.md). Nothing is
guessed: what is missing is an error.
"""

from __future__ import annotations

import sys

from scripts.importer.errors import NirError
from scripts.importer.network import Imported, import_graph, read_nir, write_network
from scripts.importer.sidecar import load_sidecar

__all__ = ["Imported", "NirError", "import_graph", "load_sidecar", "read_nir", "sys", "write_network"]
