# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The pages of docs/ that describe the format and the parameters name every field."""

from __future__ import annotations

import re
import tomllib

import pytest

from golden.config import PARAMETERS, SPEC_DIR

DOCS = SPEC_DIR.parent / "docs"
IMAGE = tomllib.loads((SPEC_DIR / "image.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", ["header", "descriptor", "block"])
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
