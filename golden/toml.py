# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Files in TOML. The driver also runs on a Zynq's own Python, which may be 3.10 and have no ``tomllib``: there ``tomli`` is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib  # type: ignore[no-redef]


def read(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        tomllib.TOMLDecodeError: It is no TOML.
    """
    return tomllib.loads(path.read_text(encoding="utf-8"))
