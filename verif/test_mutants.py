"""A few hand-made mutants, and the unmutated blocks on the same path: `make mutants` runs all, and generated ones."""
from __future__ import annotations

from pathlib import Path

import pytest

from scripts import mutants

SOME = ("tie at the threshold does not fire", "truncation for floor",
        "laggy: carry between slices dropped")


def test_list() -> None:
    """Every text is exactly once in its file, and there are enough."""
    assert len(mutants.load()[1]) >= 20


@pytest.mark.parametrize("block", ["plif", "prefix"])
def test_unmutated(block: str, tmp_path: Path) -> None:
    assert mutants.run_hand(mutants.load()[0][block], None, tmp_path / block)


@pytest.mark.parametrize("name", SOME)
def test_killed(name: str, tmp_path: Path) -> None:
    blocks, found = mutants.load()
    mutant = next(m for m in found if m.name == name)
    assert not mutants.run_hand(blocks[mutant.block], mutant, tmp_path / "mutant")
