"""The generated Verilog header and register tables match the specification, and a stale one is found."""
from __future__ import annotations

from pathlib import Path

import pytest

from scripts import defs


def test_generated_files_are_fresh() -> None:
    assert defs.main(["--check"]) == 0


def test_stale_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defs, "ROOT", tmp_path)
    monkeypatch.setattr(defs, "HEADER", tmp_path / "rtl" / "loas_defs.vh")
    monkeypatch.setattr(defs, "TABLES", tmp_path / "docs" / "registers.md")
    monkeypatch.setattr(defs, "LINK_HEADER", tmp_path / "fpga" / "rtl" / "loas_host_defs.vh")
    monkeypatch.setattr(defs, "LINK_PAGE", tmp_path / "docs" / "host-link.md")
    assert defs.main(["--check"]) == 1
    assert defs.main([]) == 0
    assert defs.main(["--check"]) == 0
    defs.HEADER.write_text(defs.HEADER.read_text().replace("4'd9", "4'd8", 1))
    assert defs.stale() == [defs.HEADER]
    page = "Text by hand.\n" + defs.LINK_PAGE.read_text() + "More of it.\n"
    defs.LINK_PAGE.write_text(page.replace("| 0 | PING |", "| 9 | PING |"))
    assert defs.stale() == [defs.HEADER, defs.LINK_PAGE]
    assert defs.main([]) == 0
    assert defs.LINK_PAGE.read_text() == page, "what is not generated stays"


def test_numbers_are_unique() -> None:
    spec, image, link = defs.load("registers"), defs.load("image"), defs.load("host_link")
    for table, key in (
        (link["commands"], "code"),
        (link["status"], "code"),
        (link["identify"], "word"),
        (spec["registers"], "offset"),
        (spec["errors"], "code"),
        (spec["counters"], "index"),
        (image["header"], "word"),
        (image["descriptor"], "word"),
        (image["block"], "word"),
    ):
        numbers = [row[key] for row in table.values()]
        assert len(numbers) == len(set(numbers))
    assert sorted(row["index"] for row in spec["counters"].values()) == list(range(16))
