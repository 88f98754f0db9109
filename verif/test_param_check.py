"""Illegal parameters stop the build with the rule's name, legal ones do not, and golden/config.py says the same of both."""
from __future__ import annotations

import dataclasses
import os
import random
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from golden.config import PARAMETERS, RULES, Config, ConfigError, load, random_config

ROOT = Path(__file__).parents[1]
CONFIGS = tomllib.loads((ROOT / "spec" / "configs.toml").read_text())


def build(parameters: dict[str, int], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    overrides = [f"-Ploas_param_check.{name}={value}" for name, value in parameters.items()]
    source = ROOT / "rtl" / "ctrl" / "loas_param_check.v"
    command = ["iverilog", "-g2005", "-Wall", "-s", "loas_param_check", *overrides, "-o", str(tmp_path / "out"), str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CONFIGS)
def test_named_configuration_builds(name: str, tmp_path: Path) -> None:
    result = build(CONFIGS[name], tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("change", [
    {"T": 1}, {"T": 16}, {"NUM_TPPES": 1}, {"NUM_TPPES": 64}, {"CHUNK_W": 128}, {"CHUNK_W": 512, "WINDOW": 1, "LINE_W": 512},
    {"SLICE_W": 4}, {"SLICE_W": 32}, {"CHUNK_W": 64, "SLICE_W": 64}, {"WEIGHT_W": 4}, {"ACC_W": 9}, {"ACC_W": 31, "MEM_W": 32},
    {"MEM_W": 17}, {"K_MAX": 32, "WINDOW": 1}, {"K_MAX": 480, "WINDOW": 1}, {"K_MAX": 65536, "OUT_ENTRIES": 16384},
    {"LAGGY": 0}, {"SEQUENTIAL": 1, "LAGGY": 0}, {"DEEP": 1}, {"FIFO_DEPTH": 2}, {"WINDOW": 1}, {"WINDOW": 4},
    {"WINDOW": 4, "CHUNK_W": 128, "LINE_W": 256},
    {"FIFO_DEPTH": 64}, {"AXI_W": 128}, {"AXI_W": 1024, "LINE_W": 1024}, {"LINE_W": 2048}, {"NUM_BANKS": 1}, {"NUM_BANKS": 64},
    {"NUM_WAYS": 1}, {"NUM_WAYS": 16}, {"NUM_SETS": 2}, {"NUM_SETS": 4096}, {"OUTSTANDING": 2}, {"OUTSTANDING": 64},
    {"OUT_ENTRIES": 128}, {"OUT_ENTRIES": 65536}, {"NUM_SLOTS": 2}, {"NUM_SLOTS": 128}, {"INDEX_RATE": 0}, {"INDEX_RATE": 1},
    {"INDEX_RATE": 8, "CHUNK_W": 64}, {"CARRY": 0},
], ids=str)  # fmt: skip
def test_edge_of_legal_builds(change: dict[str, int], tmp_path: Path) -> None:
    load("tiny").override(**change)
    result = build({**CONFIGS["tiny"], **change}, tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("change", [
    {"WINDOW": 0}, {"WINDOW": 3}, {"WINDOW": 8}, {"WINDOW": 4, "CHUNK_W": 256, "LINE_W": 256},
    {"T": 0}, {"T": 17}, {"NUM_TPPES": 0}, {"NUM_TPPES": 65}, {"CHUNK_W": 96}, {"CHUNK_W": 16}, {"CHUNK_W": 1024},
    {"SLICE_W": 2}, {"SLICE_W": 24}, {"SLICE_W": 128}, {"WEIGHT_W": 3}, {"WEIGHT_W": 9}, {"ACC_W": 8}, {"ACC_W": 32},
    {"ACC_W": 32, "MEM_W": 33}, {"MEM_W": 16}, {"MEM_W": 33}, {"K_MAX": 100}, {"K_MAX": 131072}, {"LAGGY": 2}, {"SEQUENTIAL": 1},
    {"SEQUENTIAL": 2, "LAGGY": 0}, {"SEQUENTIAL": 2}, {"SEQUENTIAL": -1, "LAGGY": 0}, {"DEEP": 2}, {"DEEP": -1},
    {"FIFO_DEPTH": 1}, {"FIFO_DEPTH": 12}, {"AXI_W": 16}, {"AXI_W": 2048}, {"LINE_W": 96}, {"LINE_W": 64}, {"LINE_W": 4096},
    {"NUM_BANKS": 0}, {"NUM_BANKS": 3}, {"NUM_WAYS": 32}, {"NUM_SETS": 1}, {"OUTSTANDING": 1}, {"OUT_ENTRIES": 64},
    {"OUT_ENTRIES": 1500}, {"NUM_SLOTS": 1}, {"NUM_SLOTS": 12}, {"INDEX_RATE": 3}, {"INDEX_RATE": 16}, {"INDEX_RATE": 8}, {"CARRY": 2},
], ids=str)  # fmt: skip
def test_illegal_parameter_stops(change: dict[str, int], tmp_path: Path) -> None:
    result = build({**CONFIGS["tiny"], **change}, tmp_path)
    assert result.returncode != 0
    assert f"loas_rule_{next(iter(change))}_must_be" in result.stderr
    with pytest.raises(ConfigError, match=f"{next(iter(change))} = .* is not legal"):
        load("tiny").override(**change)


def legal(cfg: Config) -> bool:
    try:
        cfg.check()
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("seed", range(200 if os.environ.get("LOAS_LONG") else 16))
def test_both_statements_of_the_rules_agree(seed: int, tmp_path: Path) -> None:
    """A random legal configuration with one parameter changed to a value at or beyond the edges of its rule."""
    rng = random.Random(seed)
    verdicts = []
    for _ in range(12):
        cfg = random_config(rng)
        field = rng.choice(PARAMETERS)
        values = RULES[field](cfg)[0]
        beyond = rng.choice([values[0] - 1, values[0] // 2, values[-1] + 1, 2 * values[-1], 3, 96, 0, -1])
        value = rng.choice([values[0], values[-1], beyond, beyond])
        changed = dataclasses.replace(cfg, **{field: value})  # type: ignore[arg-type]
        verdicts.append(legal(changed))
        result = build(changed.verilog_parameters(), tmp_path)
        assert (result.returncode == 0) == verdicts[-1], f"{field} = {value} in {cfg.verilog_parameters()}: {result.stderr}"
    assert len(set(verdicts)) == 2


def defaults(file: Path) -> dict[str, int]:
    """Default values of a module's integer parameters that have the names of a configuration's."""
    text = file.read_text(encoding="utf-8").split("endmodule")[0]
    return {name: int(value) for name, value in re.findall(r"parameter +integer +(\w+) *= *(\d+)", text) if name in PARAMETERS}


# the whole machine, and what holds it: whoever takes one as it is gets a machine that packer, host and documents know
TOPS = {"rtl/loas_top.v": "tiny", "rtl/ctrl/loas_param_check.v": "tiny", "verif/rtl/loas_system.v": "tiny", "verif/rtl/loas_tb.v": "tiny",
        "verif/rtl/loas_board_tb.v": "tiny", "verif/rtl/tb_pynq_z2.v": "tiny", "fpga/rtl/loas_board.v": "ulx3s",
        "fpga/ulx3s/loas_ulx3s.v": "ulx3s", "verif/rtl/loas_ulx3s_tb.v": "ulx3s", "fpga/icebreaker/loas_icebreaker.v": "icebreaker",
        "fpga/pynq_z2/loas_pynq_z2.v": "pynq_z2"}  # fmt: skip


@pytest.mark.parametrize("file", TOPS)
def test_defaults_are_a_named_configuration(file: str) -> None:
    assert defaults(ROOT / file) == load(TOPS[file]).verilog_parameters()


def test_every_top_is_held() -> None:
    """A module with most of a configuration's parameters is a machine."""
    files = [path for folder in ("rtl", "fpga", "verif/rtl") for path in (ROOT / folder).rglob("*.v")]
    machines = {path.relative_to(ROOT).as_posix() for path in files if len(defaults(path)) > len(PARAMETERS) * 3 // 4}
    assert machines - {"rtl/tppe/loas_tppe.v"} == set(TOPS)
