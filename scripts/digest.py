# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A hash of sources, for results that are kept as long as these do not change."""

from __future__ import annotations

import ast
import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path

# Python 3.11 counts the depth of all threads' trees together, and a cluster's worker may have several threads: SystemError without it
PARSING = threading.Lock()


def file_digest(paths: Iterable[Path]) -> str:
    """A hash of names and contents; of Python files without comments and line breaks."""
    one = hashlib.sha256()
    for path in paths:
        data = path.read_bytes()
        if path.suffix == ".py":
            with PARSING:
                data = ast.dump(ast.parse(data)).encode()
        one.update(path.name.encode() + b"\0" + data + b"\0")
    return one.hexdigest()
