# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of the command line and of the image folder."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from golden.config import load
from golden.image import parse_layout, read_image
from golden.layer import Branch, Conv, Layer
from golden.network import Network, load_network, load_npz, load_spikes
from golden.random_networks import random_conv_job
from scripts import loas
from scripts.dump import dump_lines
from scripts.loas import main
from scripts.pack import pack_folder, unpack_folder, word_lines


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    layers = [
        Layer(rng.integers(-9, 10, (40, 20)), rng.integers(-9, 10, 20), rng.integers(1, 30, 20), 64, name="fc1"),
        Layer(rng.integers(-9, 10, (20, 5)), np.zeros(5), np.zeros(5), 0, readout=True, name="out"),
    ]
    Network("net", 4, layers).save(tmp_path / "net.npz")
    np.savez(tmp_path / "in.npz", spikes=rng.integers(0, 2, (3, 40, 4)))
    return tmp_path


def pack(files: Path, *more: object) -> Result:
    return run("pack", files / "net.npz", files / "in.npz", files / "image", "--config", "tiny", *more)


@pytest.mark.parametrize("width", [8, 32, 128, 1024])
def test_all_files_agree(files: Path, width: int) -> None:
    result = pack(files, "--width", width)
    assert result.exit_code == 0, result.output
    image = files / "image"
    data = (image / "image.bin").read_bytes()
    manifest = json.loads((image / "manifest.json").read_text())
    digits = width // 4

    def back(words: list[str]) -> bytes:
        assert all(len(word) == digits for word in words) and len(words) == manifest["words"]
        return b"".join(bytes.fromhex(word)[::-1] for word in words)

    hexes = back((image / "image.hex").read_text().split())
    assert hexes[: len(data)] == data and not any(hexes[len(data) :]) and len(hexes) - len(data) < width // 8
    coe = (image / "image.coe").read_text()
    head, body = coe.split("memory_initialization_vector=")
    assert head == "memory_initialization_radix=16;\n" and body.endswith(";\n")
    assert back([word.strip() for word in body.strip().rstrip(";").split(",")]) == hexes
    mif = (image / "image.mif").read_text()
    assert f"WIDTH = {width};" in mif and f"DEPTH = {manifest['words']};" in mif
    rows = [line.rstrip(";").split(" : ") for line in mif.split("BEGIN\n")[1].split("END;")[0].splitlines()]
    assert [int(r[0], 16) for r in rows] == list(range(len(rows))) and back([r[1] for r in rows]) == hexes
    net, spikes = load_network(files / "net.npz"), load_spikes(files / "in.npz")
    golden = load_npz(image / "golden" / "outputs.npz")
    for i, out in enumerate(net.run(spikes)):
        assert np.array_equal(golden[f"layer{i}"], out)
    assert [lay["name"] for lay in manifest["layers"]] == ["fc1", "out"]
    assert manifest["parameters"] == load("tiny").verilog_parameters()


def test_round_trip_check_and_dump(files: Path) -> None:
    assert pack(files).exit_code == 0
    assert "exists already" in pack(files).output
    assert pack(files, "--force").exit_code == 0
    assert run("unpack", files / "image", files / "back").exit_code == 0
    assert load_network(files / "back" / "network.npz").same(load_network(files / "net.npz"))
    assert np.array_equal(load_spikes(files / "back" / "spikes.npz"), load_spikes(files / "in.npz"))
    good = run("check", files / "image", "--config", "tiny")
    assert good.exit_code == 0 and "configuration tiny, 3 rows, layers 40x20 20x5" in good.output
    dump = run("dump", files / "image" / "image.bin")
    assert dump.exit_code == 0
    data = (files / "image" / "image.bin").read_bytes()
    for line in dump.output.splitlines():
        if not line.startswith("#"):
            offset, value = (int(v, 16) for v in line.split()[:2])
            assert data[offset : offset + 4] == value.to_bytes(4, "little")
    notes = ("magic", "layer 1: out_stride", "block 0: params", "block 0: column 7: threshold", "row 2: word count", "row 1: output 4")
    for note in notes:
        assert f"  {note}\n" in dump.output
    assert len(run("dump", files / "image", "--region", "layer0.perf").output.splitlines()) == 33
    assert run("configs").exit_code == 0 and "NUM_TPPES" in run("configs").output
    for command in ("--help", "pack --help", "dump --help"):
        assert run(*command.split()).exit_code == 0
    assert "Examples:" in run("--help").output


def test_bad_input_leaves_nothing(files: Path) -> None:
    before = sorted(p.name for p in files.iterdir())
    np.savez(files / "wrong.npz", spikes=np.full((3, 40, 4), 2))
    for arguments, message in [
        (("nosuch.npz", "in.npz", "--config", "tiny"), "nosuch.npz: cannot be read"),
        (("in.npz", "in.npz", "--config", "tiny"), "in.npz: cannot be read as a network: is an .npz file"),
        (("net.npz", "wrong.npz", "--config", "tiny"), "wrong.npz: spikes[0, 0, 0] = 2 is not legal: must be 0 or 1"),
        (("net.npz", "in.npz", "--config", "big"), "configuration 'big' does not exist: must be one of paper, tiny"),
        (("net.npz", "in.npz", "--config", "tiny", "--width", "24"), "word width = 24 is not legal"),
        (("nosuch.nir", "in.npz"), "nosuch.nir: cannot be read"),
    ]:
        network, spikes, *options = arguments
        result = run("pack", files / network, files / spikes, files / "image", *options)
        assert result.exit_code == 2 and message in result.output.replace("\n", ""), result.output
    assert sorted(p.name for p in files.iterdir()) == sorted([*before, "wrong.npz"])
    Network("big", 4, [Layer(np.full((300, 2), 127), np.zeros(2), np.zeros(2), name="fc")]).save(files / "big.npz")
    np.savez(files / "bigin.npz", spikes=np.zeros((1, 300, 4)))
    result = run("pack", files / "big.npz", files / "bigin.npz", files / "image")
    assert result.exit_code == 2 and "fc: column 0: the accumulated sum" in result.output and "needs 17 bits" in result.output
    assert not (files / "image").exists()
    (files / "mine").mkdir()
    (files / "mine" / "thesis.txt").write_text("x")
    result = run("pack", files / "net.npz", files / "in.npz", files / "mine", "--force")
    assert result.exit_code == 2 and (files / "mine" / "thesis.txt").exists()
    assert not [p for p in files.iterdir() if p.name.startswith(".")]


def test_bad_images(files: Path) -> None:
    assert pack(files).exit_code == 0
    data = (files / "image" / "image.bin").read_bytes()
    bad = files / "bad.bin"
    for content in (b"", data[:-1], data + b"\0", data[:200] + b"\xff" + data[201:]):
        bad.write_bytes(content)
        for command in (("check", bad), ("unpack", bad, files / "out")):
            result = run(*command)
            assert result.exit_code == 2 and "offset 0x" in result.output
    assert not (files / "out").exists()
    assert run("check", files / "nosuch.bin").exit_code == 2
    assert run("check", files / "image", "--config", "paper").exit_code == 2
    assert run("dump", files / "image", "--region", "nosuch").exit_code == 2


def test_words_have_the_last_byte_first() -> None:
    assert word_lines(bytes([1, 2, 3, 4, 5]), 32) == ["04030201", "00000005"]


def test_progress_goes_by_layer(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    net, spikes = load_network(files / "net.npz"), load_spikes(files / "in.npz")
    pack_folder(net, spikes, load("tiny"), files / "image", progress=lambda *at: seen.append(at))
    assert [(done, total) for _, done, total in seen] == [(i, 6) for i in range(7)]
    assert [what for what, _, _ in seen[:6]] == [
        f"{what} {name}" for what in ("packing", "reading back", "golden output of") for name in ("fc1", "out")
    ]
    terminal = io.StringIO()
    monkeypatch.setattr(loas, "console", Console(file=terminal, force_terminal=True, width=120))
    assert pack(files, "--force").exit_code == 0
    assert "6/6 steps" in terminal.getvalue()


@pytest.fixture
def residual(tmp_path: Path) -> Path:
    """6 timesteps on a machine of 4: a convolution, one with a branch that is pooled by the next, and a readout."""
    rng = np.random.default_rng(3)
    conv, point = Conv.of((4, 4), 5, (3, 3), pad=(1, 1)), Conv.of((4, 4), 5, (1, 1))

    def sparse(k: int, n: int) -> np.ndarray:  # type: ignore[type-arg]
        return rng.integers(-9, 10, (k, n)) * (rng.random((k, n)) < 0.05)

    layers = [
        Layer(sparse(45, 5), np.zeros(5), np.full(5, 4), 200, conv=conv, name="first"),
        Layer(sparse(50, 5), np.zeros(5), np.full(5, 4), 200, drop_once=True, conv=conv, branch=Branch(-1, point), name="joined"),
        Layer(sparse(45, 7), np.zeros(7), np.full(7, 4), 200, conv=conv, pool=(2, 2), name="pooled"),
        Layer(rng.integers(1, 10, (28, 3)), np.zeros(3), np.zeros(3), conv=Conv.of((2, 2), 7, (2, 2)), readout=True, name="out"),
    ]
    Network("net", 6, layers).save(tmp_path / "net.npz")
    np.savez(tmp_path / "in.npz", spikes=rng.integers(0, 2, (16, 5, 6)))
    return tmp_path


def test_pools_branches_chunks_and_codes(residual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(loas, "console", Console(file=terminal, width=200))
    result = pack(residual)
    assert result.exit_code == 0, result.output
    manifest = json.loads((residual / "image" / "manifest.json").read_text())
    assert (manifest["steps"], manifest["chunks"], manifest["buffers"]) == (6, 2, "kept")
    first, joined, pooled, out = manifest["layers"]
    assert (pooled["pool"], pooled["m"], joined["sources"], joined["branch"]["cin"]) == ([2, 2], 4, [0, -1], 5)
    assert first["pool"] is None and first["branch"] is None and first["sources"] == [-1]
    assert (first["weight_code"], out["weight_code"]) == ("index", "bitmask") and first["state_bytes"] == 16 * 32
    data = (residual / "image" / "image.bin").read_bytes()
    for lay, place in zip(manifest["layers"], parse_layout(data).network, strict=True):
        regions = {r["name"]: r["end"] - r["start"] for r in manifest["regions"]}
        name = f"layer{manifest['layers'].index(lay)}"
        assert lay["weight_bytes"] == regions[name + ".weights"] + -(-regions[name + ".blocks"] // 16) * 16
        assert lay["nonzero_weights"] == sum(block[3] for block in place.blocks)
        assert lay["bytes_per_nonzero"] == round(lay["weight_bytes"] / lay["nonzero_weights"], 3)
    net, spikes = load_network(residual / "net.npz"), load_spikes(residual / "in.npz")
    golden = load_npz(residual / "image" / "golden" / "outputs.npz")
    for i, want in enumerate(net.run(spikes, 4)):
        assert np.array_equal(golden[f"layer{i}"], want)
    for words in ("index", "bitmask", "pool 2x2", "6 timesteps in 2 chunks"):
        assert words in " ".join(terminal.getvalue().split())
    check = run("check", residual / "image")
    assert check.exit_code == 0 and "6 timesteps in 2 chunks, 8 descriptors" in check.output
    size, each = first["weight_bytes"], first["bytes_per_nonzero"]
    assert f"layer 0: 16 rows, index, {size} bytes of weights, {each} bytes a nonzero weight" in check.output
    assert "reads layer 0, branch input" in check.output and "; pool 2x2" in check.output
    assert pack(residual, "--force", "--reuse-buffers").exit_code == 0
    small = json.loads((residual / "image" / "manifest.json").read_text())
    assert small["buffers"] == "reused" and small["bytes"] < manifest["bytes"]
    assert run("check", residual / "image").exit_code == 0


def test_dump_of_every_kind_of_region(residual: Path) -> None:
    assert pack(residual).exit_code == 0
    dump = run("dump", residual / "image").output
    notes = (
        "steps", "layer 7: state", "layer 1: rows", "pitch", "pool", "branch", "state_step", "pixel or row 15: membrane 4",
        "pixel or row 0: padding", "row 15: word count", "block 0: index bytes 0 to 3", "block 0: weights", "row 0: output 2",
    )  # fmt: skip
    for note in notes:
        assert f"  {note}\n" in dump, note
    assert "# layer1.branch: " in dump and "# layer5.branch: " in dump and "# input1: " in dump and "# layer0.state: " in dump
    for region, lines in (("layer1.branch", 17), ("input0", None), ("layer3.state", None)):
        result = run("dump", residual / "image", "--region", region)
        assert result.exit_code == 0 and (lines is None or len(result.output.splitlines()) == lines)


def test_a_convolution_packed_dumped_and_unpacked(tmp_path: Path) -> None:
    job = random_conv_job(0, load("tiny"))
    manifest = pack_folder(job.network, job.spikes, load("tiny"), tmp_path / "image")
    conv = job.network.layers[0].conv
    assert conv is not None
    assert manifest["layers"][0]["conv"] == dataclasses.asdict(conv)
    unpack_folder(read_image(job.image), tmp_path / "back")
    assert load_network(tmp_path / "back" / "network.npz").same(job.network)
    lines = dump_lines(job.image, "layer0.walk")
    assert len(lines) == 17 and lines[1].endswith("kernel") and lines[16].endswith("checksum")
    assert lines[10].endswith("pitch") and lines[14].endswith("zero")
    assert any(line.endswith("layer 0: walk") for line in dump_lines(job.image, "descriptors"))
