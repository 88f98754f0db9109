# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Results that are done already: a small file for each, found by a hash of all that it follows from, written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from golden.errors import LoasError
from scripts.simulate import write_whole


class Store:
    """A folder of results.

    Args:
        folder: Made when the first result comes; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where a result lies, or would."""
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Any | None:
        """A result, or None; a file that cannot be read is none."""
        if self.folder is None:
            return None
        try:
            return json.loads(self.path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Keeps a result.

        Raises:
            LoasError: It cannot be written.
        """
        if self.folder is None:
            return
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise LoasError(f"{path.parent}: cannot be made: {err.strerror}") from err
        write_whole(path, json.dumps(value).encode())
