# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Networks from a shape file on the tiny machine, with recorded and with synthetic spikes, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from golden import index_code
from golden.bench import VGG16
from golden.compare import CATEGORIES
from golden.config import Config, load
from golden.errors import LoasError
from golden.image import parse_layout
from golden.layer import conv_rows
from golden.network import Network
from scripts import nets, simulate
from scripts.shapes import SHAPES, NetworkShape, ShapeError, parse_network, read_shapes, read_trace, synthetic_maps

TEXT = """
[small]
T       = 4
trace   = "small.npz"
density = 20
spikes  = { zeros = 62, silent = 50, tuned = 55 }
layers  = [
  { name = "conv1", input = [16, 6, 5], kernel = 3, pad = 1, out = 20 },
  { name = "down", input = [20, 6, 5], kernel = 3, stride = 2, pad = 1, out = 9, density = 40 },
  { name = "short", input = [20, 6, 5], kernel = 1, stride = [2, 2], out = 9, source = "down" },
  { name = "wide", input = [5, 3, 3], kernel = [1, 3], pad = [0, 1], out = 17, spikes = { zeros = 20, silent = 5, tuned = 10 } },
  { name = "fc1", input = [45], out = 40 },
  { name = "fc2", input = [40], out = 10, readout = true, density = 100 },
]

[other]
T       = 4
layers  = [{ name = "only", input = [3, 2, 2], kernel = 2, out = 4, density = 50, spikes = { zeros = 50, silent = 30, tuned = 40 } }]
"""
SIZES = {"conv1": (30, 20, 144), "down": (9, 9, 180), "short": (9, 9, 20), "wide": (9, 17, 15), "fc1": (1, 40, 45), "fc2": (1, 10, 40)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shapes.toml").write_text(TEXT)
    (tmp_path / "data").mkdir()
    return tmp_path


def call(folder: Path, *more: str, shapes: Path | None = None, data: bool = True) -> Result:
    where = ["--data", str(folder / "data")] if data else []
    fixed = ["--shapes", str(shapes or folder / "shapes.toml"), "--config", "tiny", "--out", str(folder / "out")]
    return CliRunner().invoke(nets.main, [*fixed, *where, *more])


def small() -> NetworkShape:
    return parse_network("t", "small", tomllib.loads(TEXT)["small"])


def write_trace(path: Path, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """A trace of the synthetic spikes, some fields changed or (None) left out."""
    fields: dict[str, Any] = {}
    for name, spikes in synthetic_maps(small(), seed).items():
        fields |= {f"{name}.shape": np.array(spikes.shape, np.int32), f"{name}.bits": np.packbits(spikes)}
    fields |= {key.replace("_", "."): value for key, value in changes.items()}
    np.savez(path, **{key: value for key, value in fields.items() if value is not None})
    return fields


def test_layers_run_and_are_compared(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/result.json").write_text("of an earlier run")
    done = call(folder, "--latency", "3")
    assert done.exit_code == 0, done.output
    assert "small: no trace" in done.output and "synthetic spikes" in done.output and "0 mismatches" in done.output
    synthetic = json.loads((folder / "out/result.json").read_text())
    assert [n["name"] for n in synthetic["networks"]] == ["small"]  # the other has no trace
    check_schema(synthetic, load("tiny"))

    # the same spikes from a file, on one worker, and fewer layers: the same layers to the cycle
    write_trace(folder / "data/small.npz")
    done = call(folder, "--latency", "3", "--jobs", "1", "--layers", "short,fc2", "--layers", "down")
    assert done.exit_code == 0, done.output
    recorded = json.loads((folder / "out/result.json").read_text())
    (network,) = recorded["networks"]
    assert (network["spikes"], network["trace"]) == ("recorded", "small.npz")
    assert [layer["name"] for layer in network["layers"]] == ["down", "short", "fc2"]

    def plain(layer: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in layer.items() if key != "simulation_seconds"}

    before = {layer["name"]: plain(layer) for layer in synthetic["networks"][0]["layers"]}
    for layer in network["layers"]:
        assert plain(layer) == before[layer["name"]]


def record(shape: Any, cycles: int) -> dict[str, Any]:
    """What a layer's run left, as far as the page says it."""
    count = dict.fromkeys((*nets.SUMS, *CATEGORIES), 0)
    size = {"M": shape.m, "K": shape.k, "N": shape.out, "block_cols": 16, "kind": "conv" if shape.conv else "full"}
    return {**count, **size, "name": shape.name, "cycles": cycles, "matches": 8 * cycles, "floor_cycles": 100, "ratio": cycles / 100,
            "compared": 1, "bytes_per_nonzero_weight": None}  # fmt: skip


def test_a_run_without_options_is_held_against_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded spikes, nothing chosen: a figure of the page that is another now is said, and is an error."""
    write_trace(folder / "data/small.npz")
    cycles = {"down": 1234}

    def pretend(jobs: list[nets.Job], *rest: Any) -> None:
        for job in jobs:
            job.record = record(job.shape, cycles.get(job.shape.name, 400))

    for name, value in (("DATA", folder / "data"), ("PAGE", folder / "page.md"), ("run_all", pretend), ("build", lambda *_, **__: Path())):
        monkeypatch.setattr(nets, name, value)
    monkeypatch.setattr(nets, "read_shapes", lambda path: {"small": small()})
    down = "| down | 9, 180, 9 | 16 | 100 | 1234 | 12.34 | 50.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 |"
    whole = "| all convolutions |  |  | 400 | 2434 | 6.08 | 50.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.0 |"
    (folder / "page.md").write_text("")

    def run(*more: str) -> Result:
        return CliRunner().invoke(nets.main, ["--out", str(folder / "out"), *more])

    done = run()
    assert done.exit_code == 1 and f"docs/nets.md does not say: {down}\n" in done.output and whole in done.output, done.output
    lines = [line.partition("does not say: ")[2] for line in done.output.split("\n") if "does not say" in line]
    assert len(lines) == 6 + 2 and "6.08 (2 434 cycles, floor 400)" in lines
    (folder / "page.md").write_text("\n".join(lines))
    assert run().exit_code == 0
    cycles["down"] = 1235
    assert run().exit_code == 1 and "| 1235 | 12.35 |" in run().output
    for more in (("--latency", "5"), ("--seed", "2"), ("--layers", "down"), ("--synthetic",), ("--mode", "fast")):
        assert run(*more).exit_code == 0, more


def check_schema(result: dict[str, Any], cfg: Config) -> None:
    seconds = {f"{name}_seconds" for name in ("packing", "golden", "build", "simulation", "wall")}
    assert set(result) == seconds | {"config", "laggy", "engine", "window", "simulator", "memory_latency", "seed", "jobs", "machine",
                                     "cycles", "compared", "mismatches", "networks"}  # fmt: skip
    assert (result["config"], result["laggy"], result["memory_latency"], result["mismatches"]) == ("tiny", True, 3, 0)
    assert (result["engine"], result["window"]) == ("LAGGY", cfg.WINDOW)
    (network,) = result["networks"]
    assert (network["T"], network["spikes"], network["trace"]) == (4, "synthetic", None)
    layers = {layer["name"]: layer for layer in network["layers"]}
    assert {name: (layer["M"], layer["N"], layer["K"]) for name, layer in layers.items()} == SIZES
    shape = small()
    for one in shape.layers:
        layer = layers[one.name]
        made = nets.random_layer(one, 1, "small", cfg)
        rows = one.rows(synthetic_maps(shape, 1)[one.source])
        live = (conv_rows(rows, one.conv) if one.conv else rows).any(axis=2)
        matches = int(live.sum(axis=0) @ (made.weights != 0).sum(axis=1))
        assert (layer["matches"], layer["floor_cycles"]) == (matches, -(-matches // cfg.NUM_TPPES))
        assert layer["ratio"] == layer["cycles"] / layer["floor_cycles"] >= 1
        assert sum(layer[key] for key in CATEGORIES) == layer["cycles"] * cfg.NUM_TPPES
        nonzero = int(np.count_nonzero(made.weights))
        wide = one.conv.pad_weights(made.weights, cfg.SLICE_W) if one.conv else made.weights
        mask = np.pad(wide != 0, ((0, -len(wide) % cfg.CHUNK_W), (0, 0))).T
        cols = layer["block_cols"]
        strings = sum(index_code.size(mask[first : first + cols]) for first in range(0, len(mask), cols))
        assert layer["code"] == ("index" if cfg.INDEX_RATE and strings < mask.size // 8 else "bitmask")
        places = strings if layer["code"] == "index" else mask.size // 8
        blocks = -(-layer["N"] // layer["block_cols"])
        assert places + nonzero <= layer["weight_bytes"] < places + nonzero + 16 * blocks
        assert (layer["weights"], layer["nonzero_weights"]) == (made.weights.size, nonzero)
        assert layer["bytes_per_nonzero_weight"] == layer["weight_bytes"] / nonzero
        assert layer["compared"] == (10 if one.readout else layer["M"] * layer["N"] * 4) and layer["mismatches"] == 0
        assert layer["bytes_read"] > 0 and layer["bytes_written"] > 0 and {"cache_hits", "cache_misses", "corrections"} <= set(layer)
    assert (layers["down"]["kernel"], layers["down"]["stride"], layers["down"]["pad"]) == ([3, 3], [2, 2], [1, 1])
    assert layers["fc1"]["kind"] == "full" and "kernel" not in layers["fc1"]
    for kind, count in (("conv", 4), ("full", 2)):
        sums = network[f"{kind}_total"]
        own = [layer for layer in layers.values() if layer["kind"] == kind]
        assert sums["layers"] == count == len(own) and sums["cycles"] == sum(layer["cycles"] for layer in own)
        assert sums["ratio"] == sums["cycles"] / sum(layer["floor_cycles"] for layer in own)
        assert sums["worst_ratio"] == max(layer["ratio"] for layer in own)
    assert result["compared"] == sum(layer["compared"] for layer in layers.values())


def stand_in(monkeypatch: pytest.MonkeyPatch, change: Callable[[Config, simulate.Result], simulate.Result]) -> None:
    """The machine, and what it leaves behind changed."""
    real = simulate.run
    monkeypatch.setattr(nets, "run", lambda program, cfg, image, **more: change(cfg, real(program, cfg, image, **more)))


def test_a_wrong_spike_is_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flip(cfg: Config, result: simulate.Result) -> simulate.Result:
        lay = parse_layout(result.memory, cfg, verify_crc=False).layers[0]
        memory = bytearray(result.memory)
        memory[lay.out_base + lay.out_stride + 2 * cfg.chunk_bytes] ^= 1  # a word of output row 1
        return dataclasses.replace(result, memory=bytes(memory))

    stand_in(monkeypatch, flip)
    done = call(folder, "--layers", "down", "--seed", "7", "--mode", "laggy")
    assert done.exit_code == 1
    assert "small down: layer 0 (down), row 1" in done.output
    again = "python -m scripts.nets --network small --layers down --mode laggy --config tiny --latency 20 --seed 7"
    assert f"repeat with: {again}" in done.output
    assert json.loads((folder / "out/result.json").read_text())["mismatches"] > 0


def test_an_error_of_the_machine_leaves_no_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "out").mkdir()
    (folder / "out/result.json").write_text("of an earlier run")
    stand_in(monkeypatch, lambda cfg, result: dataclasses.replace(result, status=6, error=1))
    done = call(folder, "--layers", "short,fc1")
    assert done.exit_code == 1 and "small fc1: machine: error 1" in done.output and not list((folder / "out").iterdir())

    def dies(*args: object, **more: object) -> None:
        raise simulate.SimulationError("no simulator")

    monkeypatch.setattr(nets, "run", dies)
    done = call(folder, "--layers", "short")
    assert done.exit_code == 1 and "small short: no simulator" in done.output and not list((folder / "out").iterdir())

    def builds(cfg: Config, size: int, **more: object) -> Path:
        raise simulate.SimulationError(f"{cfg.name} LAGGY = {cfg.LAGGY}, {size} bytes")

    monkeypatch.setattr(nets, "build", builds)
    done = call(folder, "--mode", "fast")
    assert done.exit_code == 1 and "error: tiny* LAGGY = 0" in done.output


def test_the_engine_and_its_window_are_chosen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def builds(cfg: Config, size: int, **more: object) -> Path:
        raise simulate.SimulationError(f"{cfg.engine}, {cfg.LAGGY} {cfg.SEQUENTIAL}, window {cfg.WINDOW}")

    monkeypatch.setattr(nets, "build", builds)
    for arguments, text in {
        (): "LAGGY, 1 0, window 2", ("--mode", "fast"): "FAST, 0 0, window 2", ("--window", "4"): "LAGGY, 1 0, window 4",
        ("--mode", "sparten", "--window", "1"): "SPARTEN, 0 1, window 1",
    }.items():  # fmt: skip
        assert f"error: {text}" in call(folder, *arguments).output
    done = call(folder, "--window", "3")
    assert done.exit_code == 2 and "WINDOW = 3 is not legal: must be a power of two, 1 to 4" in done.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--network", "vgg"], "--network vgg is not legal: must be one of small, other, the networks of "),
        (["--layers", "conv1,conv9"], "--layers conv9 is not legal: must be of small: conv1, down, fc1, fc2, short, wide"),
        (["--network", "other", "--layers", "down"], "--layers down is not legal: must be of other: only"),
        (["--layers", ""], "--layers  is not legal"),
        (["--config", "nothing"], "nothing"),
        (["--mode", "slow"], "slow"),
        (["--latency", "70000"], "70000"),
        (["--jobs", "0"], "0"),
        (["--seed", "-1"], "-1"),
        (["--shapes", "/nowhere/x.toml"], "/nowhere/x.toml: cannot be read: No such file"),
        (["--data", "/nowhere"], "--data /nowhere is not legal: must be a folder of traces"),
        (["--out", "/dev/null/x"], "cannot be written"),
    ],
)
def test_bad_options_are_refused(folder: Path, arguments: list[str], text: str) -> None:
    done = call(folder, *arguments)
    assert done.exit_code == 2 and text in done.output and not (folder / "out/result.json").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"down_bits": None}, "field 'down.bits' is missing: has maps conv1, down, fc1, fc2, wide"),
        ({"down_shape": None}, "field 'down.shape' is missing: has maps conv1, fc1, fc2, wide"),
        (
            {"down_shape": np.array([4, 20, 5, 6])},
            "down.shape = [4, 20, 5, 6] is not legal: must be [4, 20, 6, 5], T and the input of layer d",
        ),
        ({"down_shape": np.array([3, 20, 6, 5])}, "down.shape = [3, 20, 6, 5] is not legal: must be [4, 20, 6, 5]"),
        ({"down_shape": np.array([4, 600])}, "down.shape = [4, 600] is not legal"),
        ({"down_shape": np.array([4.0, 20, 6, 5])}, "down.shape of type float64 and shape (4,) is not legal: must be a list of integers"),
        ({"down_shape": np.array(4)}, "down.shape of type int64 and shape () is not legal"),
        ({"down_bits": np.zeros(300, np.int8)}, "down.bits of type int8 and shape (300,) is not legal: must be uint8 and (300,), 2400"),
        ({"down_bits": np.zeros(299, np.uint8)}, "down.bits of type uint8 and shape (299,) is not legal"),
        ({"down_bits": np.zeros(301, np.uint8)}, "down.bits of type uint8 and shape (301,) is not legal"),
        ({"down_bits": np.zeros((1, 300), np.uint8)}, "down.bits of type uint8 and shape (1, 300) is not legal"),
        ({"fc1_bits": np.full(23, 255, np.uint8)}, "fc1.bits: the bits after the last of 180 are not legal: must be 0"),
    ],
)
def test_bad_traces_are_refused(folder: Path, changes: dict[str, Any], text: str) -> None:
    path = folder / "data/small.npz"
    write_trace(path, **changes)
    done = call(folder)
    assert done.exit_code == 2 and f"error: {path}: {text}" in done.output and not (folder / "out/result.json").exists()


def test_damaged_trace_files_are_refused(folder: Path) -> None:
    path = folder / "data/small.npz"
    want = write_trace(path)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for i in range(200):
        broken = bytearray(data[: rng.integers(len(data))] if i % 4 == 0 else data)
        for _ in range(3):
            if broken:
                broken[rng.integers(len(broken))] = rng.integers(256)
        path.write_bytes(broken)
        try:
            maps = read_trace(path, small())
        except LoasError as err:
            refused += 1
            assert str(path) in str(err)
        else:  # the damage is where nothing of it is used
            assert all(np.array_equal(np.packbits(spikes), want[f"{name}.bits"]) for name, spikes in maps.items())
    assert refused > 100


def test_a_trace_is_not_needed_for_layers_left_out(folder: Path) -> None:
    write_trace(folder / "data/small.npz", wide_bits=None)
    assert set(read_trace(folder / "data/small.npz", small(), {"down"})) == {"down"}
    with pytest.raises(ShapeError, match=r"field 'wide.bits' is missing"):
        read_trace(folder / "data/small.npz", small())


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("[small]", "[small", "cannot be read as TOML"),
        ("T       = 4\ntrace", "trace", "small: field 'T' is missing"),
        ("T       = 4\ntrace", "T = 17\ntrace", "small: T = 17 is not legal: must be an integer, 1 to 16"),
        ("density = 20", "density = 120", "small: density = 120 is not legal: must be percent, 0 to 100"),
        ("density = 20", "", "small: layers[0] (conv1): field 'density' is missing"),
        ("density = 20", "densities = 20", "small: field 'densities' is not legal: must be one of T, trace, density"),
        ("zeros = 62", "zeros = 90", "small: spikes: zeros = 0.9 is not legal: must be 0.5375 to 0.7625 with silent = 0.5"),
        ("tuned = 55", "tuned = 45", "small: spikes: tuned = 0.45 is not legal: must be 0.5 to 1"),
        ("silent = 50, ", "", "small: spikes: field 'silent' is missing"),
        ("kernel = 3, pad = 1, out = 20", "kernel = 9, out = 20", "layers[0] (conv1): convolution: out_h = -2 is not legal"),
        ("kernel = 3, pad = 1, out = 20", "pad = 1, out = 20", "layers[0] (conv1): field 'kernel' is missing"),
        ("kernel = 3, pad = 1, out = 20", "kernel = [3, 0], out = 5", "kernel = [3, 0] is not legal: must be an integer or a list of"),
        ("kernel = 3, pad = 1, out = 20", "kernel = 3, pad = 3, out = 20", "pad_top = 3 is not legal: must be an integer, 0 to 2"),
        ("kernel = 3, pad = 1, out = 20", "kernel = 3, out = 0", "layers[0] (conv1): out = 0 is not legal: must be an integer, 1 to 65535"),
        ("stride = 2", "stride = true", "layers[1] (down): stride = True is not legal"),
        ("input = [16, 6, 5]", "input = [16, 6]", "input = [16, 6] is not legal: must be [channels, height, width] or [inputs]"),
        ("input = [16, 6, 5]", "input = [16, 6, 0]", "input = [16, 6, 0] is not legal"),
        ("input = [16, 6, 5]", "input = [65535, 60, 50]", "input = [65535, 60, 50] is not legal: must be at most 16777216 neurons"),
        ("[16, 6, 5], kernel = 3, pad = 1, out = 20", "[6000, 6, 6], kernel = 6, out = 400", "out = 400 is not legal: must be 1 to 310"),
        ("input = [45], out", "input = [45], kernel = 1, out", "layers[4] (fc1): field 'kernel' is not legal: input = [45] is no map"),
        ('name = "down"', 'name = "conv1"', "layers[1]: name = 'conv1' is not legal: must be a name that no layer before has"),
        ('name = "down", input = [20, 6, 5]', 'name = "down", input = [20, 5, 6]',
         "layers[2] (short): input = [20, 6, 5] is not legal: must be [20, 5, 6], as down reads the same spikes 'down'"),
        ("readout = true", 'readout = "yes"', "layers[5] (fc2): readout = 'yes' is not legal: must be true or false"),
        ('trace   = "small.npz"', "trace = 3", "small: trace = 3 is not legal: must be a text"),
        ('name = "fc1", ', "", "layers[4]: field 'name' is missing"),
        ("tuned = 40 }", "tuned = 40 }, colour = 1", "other: layers[0]: field 'colour' is not legal: must be one of name"),
        (", spikes = { zeros = 50, silent = 30, tuned = 40 }", "", "layers[0] (only): field 'spikes' is missing: the network has no t"),
        (TEXT, "", "has no network: must have a table for each"),
        (TEXT, "small = 3", "small = 3 is not legal: must be a table with fields of T, trace"),
        (TEXT, "[small]\nT = 4\nlayers = []", "small: layers = [] is not legal: must be a list of at least one layer"),
        (TEXT, "[small]\nT = 4\nlayers = [3]", "small: layers[0] = 3 is not legal: must be a table"),
    ],
)  # fmt: skip
def test_bad_shape_files_are_refused(folder: Path, old: str, new: str, text: str) -> None:
    path = folder / "bad.toml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    done = call(folder, shapes=path)
    assert done.exit_code == 2, done.output
    assert f"error: {path}" in done.output and text in done.output


def test_any_value_in_any_place_is_taken_or_refused() -> None:
    whole = tomllib.loads(TEXT)["small"]
    odd: tuple[Any, ...] = (
        -1,
        0,
        1,
        2,
        10**30,
        0.5,
        math.nan,
        math.inf,
        True,
        "",
        "x",
        "\n",
        [],
        [1],
        [1, 2, 3, 4],
        {},
        {"zeros": 1},
        [[1]],
        None,
    )
    refused = 0
    for value in odd:
        for place in (*whole, *((i, key) for i, layer in enumerate(whole["layers"]) for key in (*layer, "kernel", "source", "spikes"))):
            bad = copy.deepcopy(whole)
            if isinstance(place, tuple):
                bad["layers"][place[0]][place[1]] = value
            else:
                bad[place] = value
            try:
                parse_network("file: small", "small", bad)
            except ShapeError as err:
                refused += 1
                assert str(err).startswith("file: small")
    assert refused > 500


def test_the_machine_must_fit(folder: Path) -> None:
    path = folder / "bad.toml"
    for old, new, text in (
        ("T       = 4\ntrace", "T = 3\ntrace", "small: T = 3 is not legal: must be 4, that of configuration tiny"),
        ("input = [16, 6, 5]", "input = [64, 6, 5]", "small.conv1: conv1: K = 576 is not legal: must be 1 to 512 in configuration tiny"),
    ):
        path.write_text(TEXT.replace(old, new, 1))
        done = call(folder, shapes=path)
        assert done.exit_code == 2 and text in done.output
    path.write_text(TEXT.replace('trace   = "small.npz"\n', "").replace("spikes  = { zeros = 62, silent = 50, tuned = 55 }\n", "", 1))
    done = call(folder, shapes=path)
    assert done.exit_code == 2 and "field 'spikes' is missing: the network has no trace" in done.output


def test_no_statistics_stand_in_for_a_trace(folder: Path) -> None:
    path = folder / "traced.toml"
    path.write_text(TEXT.replace("spikes  = { zeros = 62, silent = 50, tuned = 55 }\n", "", 1))
    done = call(folder, shapes=path)
    assert done.exit_code == 2 and "small: conv1: has no statistics 'spikes'" in done.output


def test_published_networks() -> None:
    shapes = read_shapes(SHAPES)
    assert [(layer.m, layer.k, layer.out) for layer in shapes["vgg16"].layers] == VGG16
    assert sum(layer.k * layer.out for layer in shapes["vgg16"].layers) == pytest.approx(14.7e6, rel=0.01)
    # M, N, K of the published layers 4 and 8; the densities are those of the paper's table
    (four,) = (layer for layer in shapes["alexnet"].layers if layer.name == "conv3")
    (eight,) = (layer for layer in shapes["vgg16"].layers if layer.name == "conv7")
    assert (four.m, four.out, four.k) == (64, 256, 3456) and four.density == pytest.approx(0.0113)
    assert (eight.m, eight.out, eight.k) == (16, 512, 2304) and eight.density == pytest.approx(0.0325)
    resnet = {layer.name: layer for layer in shapes["resnet19"].layers}
    for stage, side, channels in ((2, 16, 256), (3, 8, 512)):
        down, short = resnet[f"s{stage}b1.conv1"], resnet[f"s{stage}b1.short"]
        assert (down.m, down.out) == (short.m, short.out) == (side * side, channels) and short.source == down.name
        assert down.conv and short.conv and (down.conv.taps, short.conv.taps) == (9, 1)
        assert (down.conv.stride_y, short.conv.stride_x) == (2, 2)
    assert sum(bool(layer.conv) and not name.endswith("short") for name, layer in resnet.items()) == 16  # and the encoder before
    cfg = load("paper")
    for shape in shapes.values():  # every layer fits the machine
        for layer in shape.layers:
            Network("fits", shape.T, [nets.random_layer(layer, 1, shape.name, cfg)]).check(cfg)


def test_synthetic_maps_of_a_network() -> None:
    shape = read_shapes(SHAPES)["resnet19"]
    maps = synthetic_maps(shape, 1)
    assert set(maps) == {layer.source for layer in shape.layers}
    for layer in shape.layers:
        spikes, want = maps[layer.source], layer.spikes
        assert want and spikes.shape == (4, *layer.input) and spikes.dtype == np.uint8
        if spikes.size > 1 << 15 and layer.name in maps:
            assert 1 - spikes.any(axis=0).mean() == pytest.approx(want.tuned, abs=0.01)
            assert 1 - spikes.mean() == pytest.approx(want.zeros + (want.tuned - want.silent) / 4, abs=0.01)
            assert not (spikes.sum(axis=0) == 1).any()
    few = synthetic_maps(shape, 1, {"s3b2.conv1"})
    assert list(few) == ["s3b2.conv1"] and np.array_equal(few["s3b2.conv1"], maps["s3b2.conv1"])
    assert not np.array_equal(synthetic_maps(shape, 2, {"s3b2.conv1"})["s3b2.conv1"], maps["s3b2.conv1"])


def test_help_shows_an_example() -> None:
    assert "Example: python -m scripts.nets" in CliRunner().invoke(nets.main, ["--help"]).output
