# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The pages of docs/ that describe the format and the parameters name every field."""

from __future__ import annotations

import os
import re
import tomllib

import pytest
from hypothesis import settings

from golden.config import PARAMETERS, SPEC_DIR, ConfigError, load

DOCS = SPEC_DIR.parent / "docs"
IMAGE = tomllib.loads((SPEC_DIR / "image.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", ["header", "descriptor", "walk", "block"])
def test_image_format_lists_every_word(section: str) -> None:
    page = (DOCS / "image-format.md").read_text(encoding="utf-8")
    for name, field in IMAGE[section].items():
        assert f"| {field['word']} | `{name}` |" in page, name


def test_image_format_lists_every_control_bit() -> None:
    page = (DOCS / "image-format.md").read_text(encoding="utf-8")
    for name, field in IMAGE["control"].items():
        low, high = field["lsb"], field["lsb"] + field["width"] - 1
        bits = str(low) if low == high else f"{high}:{low}"
        assert f"| {bits} | `{name}` |" in page, name
    assert f"version {IMAGE['version']}" in page and f"0x{IMAGE['magic']:08X}" in page


def test_configurations_lists_every_parameter() -> None:
    page = (DOCS / "configurations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([A-Z_]+)` \|", page, re.M) == list(PARAMETERS)


def test_configurations_ends_each_range_where_the_check_does() -> None:
    page = (DOCS / "configurations.md").read_text(encoding="utf-8")
    widest = load("paper").override(MEM_W=32, CHUNK_W=512, WINDOW=1, LINE_W=2048, OUT_ENTRIES=65536)
    ends = re.findall(r"^\| `([A-Z_]+)` \|[^|]* to (\d+)", page, re.M)
    assert len(ends) == len(PARAMETERS) - 5  # LAGGY, SEQUENTIAL, DEEP, CARRY and WINDOW have none
    for name, end in ends:
        widest.override(**{name: int(end)})
        for beyond in (int(end) + 1, 2 * int(end)):
            with pytest.raises(ConfigError, match=f"{name} = {beyond} is not legal"):
                widest.override(**{name: beyond})


def test_drawn_examples_are_the_same_in_every_run() -> None:
    """golden/conftest.py says so, for the tests beside it: no other folder may draw examples."""
    assert settings.default is not None and settings.default.derandomize == (not os.environ.get("LOAS_LONG"))
    folders = ("verif", "golden", "host", "scripts", "models")
    drawing = {path.parent.name for folder in folders for path in (SPEC_DIR.parent / folder).rglob("*.py")
               if re.search(r"^from hypothesis", path.read_text(encoding="utf-8"), re.MULTILINE)}  # fmt: skip
    assert drawing == {"golden"}
