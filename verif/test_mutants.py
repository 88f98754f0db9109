"""A few hand-made mutants, and the unmutated blocks on the same path: `make mutants` runs all, and generated ones."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from verif import mutate as mutants

SOME = ("tie at the threshold does not fire", "truncation for floor", "laggy: carry between slices dropped",
        "correction doubled")


def quick(block: mutants.Block) -> mutants.Block:
    """In the size of its netlist, if it has one."""
    return replace(block, parameters=block.small or block.parameters)


def test_list() -> None:
    """Every text is exactly once in its file, and there are enough."""
    assert len(mutants.load()[1]) >= 20


def test_journal(tmp_path: Path) -> None:
    """A stopped run leaves half a line: the rest is kept, as long as the key is the same."""
    file = tmp_path / "a" / "journal.jsonl"
    mutants.Journal(file, "key").add("1", "test")
    with file.open("a") as out:
        out.write('["2", nu')
    journal = mutants.Journal(file, "key")
    assert journal.found == {"key": "key", "1": "test"}
    journal.add("2", None)
    assert mutants.Journal(file, "key").found == {"key": "key", "1": "test", "2": None}
    assert mutants.Journal(file, "other").found == {"key": "other"}


@pytest.mark.parametrize("block", ["plif", "prefix", "join"])
def test_unmutated(block: str, tmp_path: Path) -> None:
    assert mutants.run_hand(quick(mutants.load()[0][block]), None, tmp_path / block)


@pytest.mark.parametrize("name", SOME)
def test_killed(name: str, tmp_path: Path) -> None:
    blocks, found = mutants.load()
    mutant = next(m for m in found if m.name == name)
    assert not mutants.run_hand(quick(blocks[mutant.block]), mutant, tmp_path / "mutant")
