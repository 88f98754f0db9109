# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of golden/config.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from golden.config import CONFIG_FILE, PARAMETERS, ConfigError, load, load_all, names


def test_named_configurations_load() -> None:
    assert {"paper", "tiny"} <= set(names())
    paper = load("paper")
    assert paper.cache_bytes == 256 * 1024
    assert (paper.word_w, paper.wslot_w, paper.entry_w, paper.line_bytes) == (4, 8, 64, 128)
    assert paper.num_chunks(1) == 1 and paper.num_chunks(128) == 1 and paper.num_chunks(129) == 2
    assert set(paper.verilog_parameters()) == set(PARAMETERS)


def test_config_words_follow_the_register_map() -> None:
    paper = load("paper")
    assert paper.config0 == 4 | 8 << 8 | 16 << 16 | 2 << 24
    assert paper.config1 == 128 | 1024 << 10 | 16 << 22
    assert paper.config2 == 8192 | 24 << 17
    assert paper.config3 == 2048 | 64 << 17
    assert paper.config4 == 1024 | 32 << 11 | 16 << 18 | 1 << 25 | 1 << 26 | 8 << 27
    assert load("sparten").config4 == 1024 | 32 << 11 | 16 << 18 | 1 << 26 | 8 << 27 | 1 << 31
    assert paper.config5 == 16 | 16 << 8 | 8 << 16


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("T", 0), ("T", 17), ("NUM_TPPES", 0), ("NUM_TPPES", 65), ("CHUNK_W", 16), ("CHUNK_W", 96),
        ("CHUNK_W", 1024), ("SLICE_W", 2), ("SLICE_W", 12), ("SLICE_W", 64), ("WEIGHT_W", 3), ("WEIGHT_W", 9),
        ("ACC_W", 8), ("ACC_W", 33), ("ACC_W", 32), ("MEM_W", 16), ("MEM_W", 33), ("K_MAX", 0), ("K_MAX", 100),
        ("K_MAX", 131072), ("LAGGY", 2), ("LAGGY", -1), ("SEQUENTIAL", 1), ("DEEP", 2), ("DEEP", -1),
        ("FIFO_DEPTH", 1), ("FIFO_DEPTH", 128), ("AXI_W", 16),
        ("AXI_W", 48), ("LINE_W", 64), ("LINE_W", 4096), ("NUM_BANKS", 3), ("NUM_BANKS", 128), ("NUM_WAYS", 32),
        ("NUM_SETS", 1), ("OUTSTANDING", 1), ("OUT_ENTRIES", 64), ("OUT_ENTRIES", 131072), ("NUM_SLOTS", 1),
        ("NUM_SLOTS", 256),
    ],
)  # fmt: skip
def test_illegal_values_are_named(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=rf"configs.toml: \[tiny\*\] {field} = {value} is not legal: must be"):
        load("tiny").override(**{field: value})


def test_timesteps_in_sequence_do_not_speculate() -> None:
    rival = load("tiny").override(LAGGY=0, SEQUENTIAL=1)
    assert rival.engine == "SPARTEN" and (load("tiny").engine, load("tiny").override(LAGGY=0).engine) == ("LAGGY", "FAST")
    assert rival.image_words == load("tiny").image_words  # no image depends on it
    for change in ({"SEQUENTIAL": 2}, {"SEQUENTIAL": -1}, {"LAGGY": 1}):
        with pytest.raises(ConfigError, match=r"SEQUENTIAL = -?\d is not legal: must be 0 or 1, and 0 with LAGGY = 1"):
            rival.override(**change)


def test_sparten_is_the_paper_machine_with_another_engine() -> None:
    assert load("sparten").verilog_parameters() == load("paper").override(LAGGY=0, SEQUENTIAL=1, WINDOW=1).verilog_parameters()


@pytest.mark.parametrize("T", range(1, 17))
def test_word_width(T: int) -> None:
    cfg = load("tiny").override(T=T)
    assert cfg.word_w >= T and cfg.word_w < 2 * T and cfg.word_w & (cfg.word_w - 1) == 0


def test_override_names() -> None:
    tiny = load("tiny")
    assert tiny.override() == tiny
    assert tiny.override(LAGGY=0).name == "tiny*"
    assert tiny.override(WEIGHT_W=4).wslot_w == 4 and tiny.override(WEIGHT_W=5).wslot_w == 8
    with pytest.raises(ConfigError, match="unknown parameter 'LAGY'"):
        tiny.override(LAGY=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("MEM_W         = 24\n", ""), r"\[tiny\] MEM_W is missing"),
        (("MEM_W         = 24\n", "MEM_W = 24\nMEMW = 3\n"), r"\[tiny\] MEMW = 3 is unknown"),
        (("MEM_W         = 24\n", "MEM_W = true\n"), r"MEM_W = True is not legal: must be an integer"),
        (("[tiny]", "[tiny"), "is not a TOML file"),
        (("[paper]", "T = 4\n[paper]"), "T = 4 stands outside"),
    ],
)
def test_broken_files(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = CONFIG_FILE.read_text(encoding="utf-8")
    head, tiny = text.split("[tiny]")
    new = (head + "[tiny]" + tiny.replace(*change)) if change[0] != "[paper]" and change[0] != "[tiny]" else (
        text.replace(*change)
    )  # fmt: skip
    path = tmp_path / "configs.toml"
    path.write_text(new, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_all(path)


def test_unknown_name_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'nosuch' does not exist: must be one of paper, tiny"):
        load("nosuch")
    with pytest.raises(ConfigError, match="cannot be read"):
        load("paper", tmp_path / "nosuch.toml")
