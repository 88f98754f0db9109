# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""docs/bring-your-own.md works as printed: its shell commands are run as they stand there, all that need no toolkit."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.conformance.check_page import ROOT, blocks, toolkits

SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


def plain(text: str) -> str:
    """Words of a text; figures depend on the arithmetic of the processor."""
    return " ".join(re.sub(r"\d[\d.]*(e-\d+|%)?", "#", text).replace("┃", "│").split())


@pytest.mark.parametrize("shell", SHELLS)
def test_the_commands_of_the_page(shell: str, tmp_path: Path) -> None:
    """In order, in one folder that stands for the clone; where the page shows what is printed, it is printed."""
    own = {block.section for each in toolkits().values() for block in each}
    page = [block for block in blocks() if block.section not in own and block.language != "python"]
    commands = [block for block in page if block.language == "sh"]
    assert len(commands) >= 8 and page[0].text == ". .venv/bin/activate\n"
    (tmp_path / ".venv").symlink_to(sys.prefix)
    env = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "COLUMNS")}
    others = [folder for folder in env["PATH"].split(os.pathsep) if not folder.startswith(sys.prefix)]
    env |= {"PYTHONPATH": str(ROOT), "PATH": os.pathsep.join(others)}
    for block, behind in zip(page, [*page[1:], None], strict=True):
        if block.language != "sh":
            continue
        shown = behind.text if behind and not behind.language else ""
        fails = shown.startswith("error: ")
        script = page[0].text + block.text
        done = subprocess.run([shell, "-euc", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600)
        output = done.stdout + done.stderr
        assert done.returncode == (2 if fails else 0), f"{block.text}\n{output}"
        for line in shown.splitlines():
            assert plain(line.split("...")[0]) in plain(output), f"{line}\n{output}"
        if not fails:
            assert "warning" not in output.lower() or "loas diff" in block.text or "loas run" in block.text, output
    assert (tmp_path / "build" / "image" / "image.bin").is_file()


def test_the_blocks_of_the_toolkits() -> None:
    """Without toolkits only their form can be seen; ``check_page.py`` runs them."""
    found = toolkits()
    assert list(found) == ["snntorch", "spikingjelly", "norse", "sinabs"]
    for name, each in found.items():
        code, shell = (next(block.text for block in each if block.language == language) for language in ("python", "sh"))
        ast.parse(code)
        assert "model.nir" in code and 'np.savez("recorded.npz"' in code
        assert f"loas diff model.nir --dialect {name} " in shell and "--expect recorded.npz" in shell


def test_no_page_relies_on_words_of_a_variable() -> None:
    """``$rules`` is several words in bash and one in zsh."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in blocks(page):
            assert not re.search(r"(?m)^(?!.*for ).*\bloas .*\$[a-z]", block.text), f"{page.name}: {block.text}"
