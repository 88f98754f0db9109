# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Runs the toolkits' blocks of docs/bring-your-own.md as they stand there: the export, then the commands that read what it wrote.

    python -m models.conformance.check_page snntorch norse     # in an environment with these toolkits, by default all four

Needs the [conformance] extra of pyproject.toml; ``loas`` is that of ``.venv``. The blocks that need no toolkit are run by
``models/test_page.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "bring-your-own.md"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        section: The heading above it.
        language: Behind the fence; "" of output.
        text: What is inside.
    """

    section: str
    language: str
    text: str


def blocks(page: Path = PAGE) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found, section, inside, language = [], "", None, ""
    lines: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines():
        if inside is None and line.startswith("#"):
            section = line.lstrip("# ")
        elif line.startswith("```") and inside is None:
            inside, language, lines = section, line[3:].strip(), []
        elif line.startswith("```"):
            found.append(Block(section, language, "\n".join(lines) + "\n"))
            inside = None
        elif inside is not None:
            lines.append(line)
    return found


def toolkits(page: Path = PAGE) -> dict[str, list[Block]]:
    """The blocks of every toolkit by its name in small letters: sections with Python in them."""
    every = blocks(page)
    names = dict.fromkeys(block.section for block in every if block.language == "python" and "torch" in block.text)
    return {name.lower(): [block for block in every if block.section == name] for name in names}


def main(wanted: list[str]) -> int:
    """Runs the blocks of these toolkits, each in a folder of its own; the exit code of the first that fails, else 0."""
    known = toolkits()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    for name in wanted or known:
        with tempfile.TemporaryDirectory() as folder:
            for block in known[name]:
                if block.language not in ("python", "sh"):
                    continue
                command = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euc"]
                print(f"--- {name}: {block.language}\n{block.text}", flush=True)
                done = subprocess.run([*command, block.text], cwd=folder, env=env)
                if done.returncode:
                    print(f"--- {name}: exit code {done.returncode}")
                    return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
