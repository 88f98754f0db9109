# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Imports point one way: spec <- golden <- host <- scripts <- verif; models may use golden, host and scripts. So a test lives where
its highest import lives, and what a folder needs is to its left."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY = {
    "golden": {"golden"},
    "host": {"golden", "host"},
    "scripts": {"golden", "host", "scripts"},
    "models": {"golden", "host", "scripts", "models"},
    "verif": {"golden", "host", "scripts", "verif"},
}


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("folder", MAY)
def test_imports_point_one_way(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    backwards = {f"{path.relative_to(ROOT)} imports {name}" for path in files for name in (imports(path) & set(MAY)) - MAY[folder]}
    assert not backwards, "\n".join(sorted(backwards))


def test_no_file_changes_the_path_of_imports() -> None:
    files = [path for folder in (*MAY, "fpga") for path in sorted((ROOT / folder).rglob("*.py")) if path != Path(__file__)]
    changed = [str(path.relative_to(ROOT)) for path in files if "sys.path" in path.read_text(encoding="utf-8")]
    assert not changed, changed


def test_an_arrow_backwards_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("def f():\n    from verif.lib.sim import run\n    import scripts.loas as loas\n    return run, loas\n")
    assert imports(path) & set(MAY) == {"verif", "scripts"}
