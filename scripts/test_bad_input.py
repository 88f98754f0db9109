# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Bad input of every program: one line that names file, field, value and what is legal, exit code 2, and nothing written."""

from __future__ import annotations

import copy
import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import click
import h5py
import nir
import numpy as np
import pytest
from click.testing import CliRunner, Result

from golden.config import load
from golden.errors import LoasError
from golden.image import ImageError, parse_layout, read_image, reseal, write_image
from golden.layer import Layer, NetworkError
from golden.network import Network, load_npz
from scripts import demo, loas, simulate
from scripts.dump import dump_lines
from scripts.nir_import import NirError, read_nir
from scripts.test_nir_import import SIDE, graph, lif

DIGITS = Path(__file__).resolve().parents[1] / "models" / "digits"
TINY = load("tiny")


def run(program: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(program, [str(a) for a in arguments])


def refused(result: Result, *words: str) -> None:
    """Exit code 2, no traceback, and the words in the message."""
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), (result.output, result.exception)
    text = " ".join(result.output.split())
    for word in words:
        assert word in text, text


def network() -> Network:
    rng = np.random.default_rng(0)
    layers = [
        Layer(rng.integers(-9, 10, (40, 20)), rng.integers(-9, 10, 20), rng.integers(1, 30, 20), 64, name="fc1"),
        Layer(rng.integers(-9, 10, (20, 5)), np.zeros(5), np.zeros(5), 0, readout=True, name="out"),
    ]
    return Network("net", 4, layers)


SPIKES = np.random.default_rng(1).integers(0, 2, (2, 40, 4)).astype(np.uint8)
IMAGE = write_image(network(), SPIKES, TINY)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    network().save(tmp_path / "net.npz")
    np.savez(tmp_path / "in.npz", spikes=SPIKES)
    (tmp_path / "good.bin").write_bytes(IMAGE)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    return tmp_path


# ------------------------------------------------------------------------------------------------------------------ images
def attempt(data: bytes) -> bool:
    """Reads an image; True if it is legal. A refusal names the offset; anything but a refusal is a failure."""
    try:
        read_image(data)
    except ImageError as err:
        assert str(err).startswith("offset 0x"), err
        return False
    assert dump_lines(data)
    return True


def test_every_word_at_every_edge() -> None:
    """Words of header, descriptors and block tables, checksums right and wrong."""
    rng = random.Random(12)
    layout = parse_layout(IMAGE)
    offsets = [*range(0, 64, 4), *range(layout.desc_offset, layout.desc_offset + 128, 4)]
    for lay in layout.layers:
        offsets += range(lay.block_table, lay.block_table + 16 * lay.num_blocks, 4)
    size, legal = len(IMAGE), 0
    for offset in offsets:
        old = struct.unpack_from("<I", IMAGE, offset)[0]
        edges = [0, 1, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, size, size - 16, size + 16, layout.layers[0].out_base]
        for value in {*edges, old + 1, old - 1, old + 16, old - 16, old ^ 1 << rng.randrange(32)} - {old}:
            data = bytearray(IMAGE)
            struct.pack_into("<I", data, offset, value & 0xFFFFFFFF)
            assert not attempt(bytes(data)), f"word at {offset:#x} = {value:#x} is not noticed"
            if offset not in (4 * 3, layout.desc_offset + 60, layout.desc_offset + 124):  # checksums: made right again
                try:
                    sealed = reseal(bytes(data))
                except struct.error:  # desc_offset outside
                    continue
                legal += attempt(sealed)
    assert legal < 60  # another leak, kind of reset, or tiling


def test_truncated_and_long_images() -> None:
    rng = random.Random(12)
    for cut in (*range(0, 200), *range(200, len(IMAGE), 16), len(IMAGE) - 1):
        assert not attempt(IMAGE[:cut])
        if cut >= 64:
            data = bytearray(IMAGE[:cut])
            struct.pack_into("<I", data, 8, cut)
            assert not attempt(reseal(bytes(data)))
    for more in (1, 4, 16, 64, 4096):
        assert not attempt(IMAGE + bytes(more))
    for _ in range(300):
        assert not attempt(rng.randbytes(rng.randrange(300)))
        assert not attempt(IMAGE[:64] + rng.randbytes(rng.randrange(3000)))


def test_random_bytes_with_good_checksums() -> None:
    rng = random.Random(12)
    for _ in range(400):
        data = bytearray(IMAGE)
        for _ in range(rng.randint(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            sealed = reseal(bytes(data))
        except struct.error:
            continue
        attempt(sealed)


@pytest.mark.parametrize("command", ["check", "dump", "unpack"])
def test_image_commands_name_the_file(files: Path, command: str) -> None:
    more = [files / "out"] if command == "unpack" else []
    (files / "cut.bin").write_bytes(IMAGE[:-16])
    for name, words in {
        "nosuch": ("nosuch: cannot be read: No such file",), "empty": ("empty: offset 0x0: image has 0 bytes",),
        "folder": ("folder/image.bin: cannot be read",), "net.npz": ("net.npz: offset 0x0: magic",),
        "cut.bin": ("cut.bin: offset 0x8: size", f"must be {len(IMAGE) - 16}"), "a" * 300: ("File name too long",),
    }.items():  # fmt: skip
        refused(run(loas.main, command, files / name, *more), *words)
    refused(run(loas.main, command, "/dev/zero", *more), "/dev/zero: cannot be read: is a device")
    huge = files / "huge.bin"
    with huge.open("wb") as stream:
        stream.truncate(1 << 31)
    refused(run(loas.main, command, huge, *more), "huge.bin: 2147483648 bytes are not legal")
    assert not (files / "out").exists()


def test_check_demands_a_configuration(files: Path) -> None:
    for name in ("", "big"):
        refused(run(loas.main, "check", files / "good.bin", "--config", name), f"configuration '{name}' does not exist")


# ---------------------------------------------------------------------------------------------------------- exchange files
def test_b_end_has_an_offset() -> None:
    layout = parse_layout(IMAGE)
    data = bytearray(IMAGE)
    at = layout.desc_offset + 32
    struct.pack_into("<I", data, at, layout.layers[0].b_end + 16)
    with pytest.raises(ImageError, match=f"offset {at:#x}: layer 0: b_end = .* is not legal: must be {layout.layers[0].b_end:#x}"):
        read_image(reseal(bytes(data)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": np.array(["fc1"])}, "field '1.weights' is not legal: must be one of the 1 layers"),
        ({"layers": np.array([["fc1", "out"]])}, "layers = [['fc1', 'out']] is not legal: must be a list of names"),
        ({"layers": np.array(5)}, "layers = 5 is not legal"),
        ({"layers": np.array([1, 2])}, "layers = [1, 2] is not legal"),
        ({"layers": np.array([], "<U1")}, "is not legal"),
        ({"name": np.zeros((2, 2))}, "name = [[0.0, 0.0], [0.0, 0.0]] is not legal: must be a text"),
        ({"weight": np.zeros(3)}, "field 'weight' is not legal"),
        ({"0.weights": np.zeros((0, 20))}, "fc1: weights: shape (0, 20) is not legal"),
        ({"0.weights": np.full((40, 20), np.inf)}, "fc1: weights[0, 0] = inf is not legal"),
        ({"0.weights": np.full((40, 20), 0.5)}, "fc1: weights[0, 0] = 0.5 is not legal"),
        ({"0.weights": np.full((40, 20), 1j)}, "fc1: weights: type complex128 is not legal"),
        ({"0.weights": np.full((40, 20), None)}, "field '0.weights' holds Python objects, which are never loaded: must be numbers"),
        ({"0.neuron": np.array([-1, 0, 0, 0])}, "fc1: leak = -1 is not legal: must be an integer, 0 to 256"),
        ({"0.neuron": np.array([np.nan, 0, 0, 0])}, "0.neuron[0] = nan is not legal"),
        ({"1.neuron": np.array([0, 1, 1, 0])}, "out: soft, late, drop_once and pool mean nothing in a readout"),
        ({"0.bias": np.full(20, 1 << 24)}, "fc1: column 0: the bias can reach 16777216"),
        ({"0.threshold": np.full(20, 1e30)}, "fc1: threshold[0] = 1e+30 is not legal"),
        ({"T": np.array(-1)}, "T = -1 is not legal: must be 1 to 65536"),
        ({"T": np.array("4")}, "T: type <U1 is not legal"),
    ],
)
def test_networks_that_cannot_be_packed(files: Path, change: dict[str, Any], message: str) -> None:
    np.savez(files / "bad.npz", **{**load_npz(files / "net.npz"), **change})
    refused(run(loas.main, "pack", files / "bad.npz", files / "in.npz", files / "out", "--config", "tiny"), "bad.npz: ", message)
    assert not (files / "out").exists()


def test_options_of_pack(files: Path) -> None:
    np.savez(files / "short.npz", spikes=SPIKES[:, :39])
    for network_file, spikes, options, words in [
        ("net.npz", "short.npz", [], ["short.npz: spikes: shape (2, 39, 4) is not legal: must be (M, 40, 4)"]),
        ("net.npz", "folder", [], ["folder: cannot be read as an .npz file: Is a directory"]),
        ("folder", "in.npz", [], ["folder: cannot be read as an .npz file: Is a directory"]),
        ("empty", "in.npz", [], ["empty: cannot be read as a network: is empty"]),
        ("net.npz", "in.npz", ["--sidecar", "x.json"], ["--sidecar x.json is not legal"]),
        ("net.npz", "in.npz", ["--width", "0"], ["word width = 0 is not legal: must be a power of two, 8 to 1024"]),
        ("net.npz", "in.npz", ["--width", "x"], ["'x' is not a valid integer"]),
    ]:
        refused(run(loas.main, "pack", files / network_file, files / spikes, files / "out", "--config", "tiny", *options), *words)
    assert not (files / "out").exists()


def test_damaged_exchange_files(files: Path) -> None:
    """Whatever byte is wrong: read as it was, or refused by name."""
    rng = random.Random(12)
    raw, path = (files / "net.npz").read_bytes(), files / "bad.npz"
    for number in range(600):
        data = bytearray(raw)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.randrange(len(data))] if number % 4 == 0 else data)
        try:
            load_npz(path)
        except NetworkError as err:
            assert str(err).startswith(f"{path}: "), err


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_folders_that_cannot_be_written(files: Path, force: tuple[str, ...]) -> None:
    (files / "link").symlink_to(files / "folder")
    (files / "folder" / "mine.txt").write_text("x")
    before = sorted(files.rglob("*"))
    kept = (files / "net.npz").read_bytes()
    for out in (files / "net.npz", files / "net.npz" / "x", files / ("a" * 300), Path("/proc/x/y"), files / "folder", files / "link"):
        for arguments in (("pack", files / "net.npz", files / "in.npz", out, "--config", "tiny"), ("unpack", files / "good.bin", out)):
            refused(run(loas.main, *arguments, *force), str(out)[:40])
    assert sorted(files.rglob("*")) == before and (files / "net.npz").read_bytes() == kept


def test_a_failed_replacement_leaves_the_old_folder(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = ("pack", files / "net.npz", files / "in.npz", files / "out", "--config", "tiny")
    assert run(loas.main, *pack).exit_code == 0
    kept = (files / "out" / "image.bin").read_bytes()
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    refused(run(loas.main, *pack, "--force"), "out: cannot be written: No space left on device")
    assert (files / "out" / "image.bin").read_bytes() == kept
    assert not [p for p in files.iterdir() if p.name.startswith(".")]


# --------------------------------------------------------------------------------------------------------------------- NIR
def nir_files(folder: Path, side: dict[str, Any] | None = None, **nodes: Any) -> Path:
    nir.write(folder / "net.nir", graph(**nodes))
    (folder / "net.json").write_text(json.dumps(SIDE if side is None else side))
    return folder / "net.nir"


@pytest.mark.parametrize(
    ("index", "field", "value"),
    [(1, "neuron", None), (1, "neuron", 5), (2, "neuron", "lif"), (1, "leak", 64.0), (1, "leak", "64"), (1, "k", True), (1, "n", None),
     (1, "drop_once", "no"), (1, "drop_once", 1), (1, "drop_onc", True), (None, "T", 4.0), (None, "weight_bits", 8.0),
     (None, "version", 1.0), (None, "name", 5), (None, "network_sha256", "0"), (None, "reset", []), (None, "dt", float("nan"))],
)  # fmt: skip
def test_sidecars_are_taken_literally(tmp_path: Path, index: int | None, field: str, value: Any) -> None:
    side = copy.deepcopy(SIDE)
    (side if index is None else side["layers"][index])[field] = value
    where = field if index is None else rf"layers\[{index}\].{field}"
    with pytest.raises(NirError, match=rf"net.json: {where} .*is not legal"):
        read_nir(nir_files(tmp_path, side))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"fc": nir.Affine(np.full((5, 6), 1j), np.zeros(5))}, "node 'fc': weight: type complex128 is not legal"),
        ({"fc": nir.Affine(np.full((5, 6), b"x"), np.zeros(5))}, "node 'fc': weight: type .S1 is not legal"),
        ({"lif": lif(5, tau=np.inf)}, r"node 'lif': tau = inf with a finite r is not legal"),
        ({"lif": lif(5, r=np.inf)}, r"node 'lif': r = inf with a finite tau is not legal"),
        ({"lif": lif(5, tau=-np.inf)}, r"node 'lif': tau\[0\] = -inf is not legal"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_numbers_that_have_no_integers(tmp_path: Path, nodes: dict[str, Any], message: str) -> None:
    with pytest.raises(NirError, match="net.nir: " + message):
        read_nir(nir_files(tmp_path, **nodes))


def test_products_beyond_all_numbers(tmp_path: Path) -> None:
    big = {name: np.full(5, 1.0) for name in ("v_leak", "v_threshold")} | {"tau": np.full(5, 4 / 3), "r": np.full(5, 1e300)}
    nodes = {"fc": nir.Affine(np.full((5, 6), 1e300), np.zeros(5)), "lif": nir.LIF(**big, v_reset=np.zeros(5))}
    with pytest.raises(NirError, match=r"node 'fc': weight times r dt / tau\[0, 0\] = inf is not legal: must be finite"):
        read_nir(nir_files(tmp_path, **nodes))


def test_hdf5_that_is_not_nir(tmp_path: Path) -> None:
    path = nir_files(tmp_path)
    good = path.read_bytes()
    for content in (b"", b"hello", good[:100], good[: len(good) // 2]):
        path.write_bytes(content)
        with pytest.raises(NirError, match=r"net.nir: cannot be read as a NIR file: .*\w"):
            read_nir(path)
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(NirError, match="net.nir: cannot be read as a NIR file: "):
        read_nir(path)


def test_a_reader_that_crashes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some damaged files end the HDF5 library with a signal: a process of its own takes the blow."""
    path = nir_files(tmp_path)
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr("scripts.nir_import.sys.executable", str(crash))
    monkeypatch.setattr("scripts.importer.graph._READABLE", set())
    with pytest.raises(NirError, match="net.nir: cannot be read as a NIR file: damaged, the HDF5 library ended with SIGSEGV"):
        read_nir(path)


def test_damaged_bytes_in_nir(tmp_path: Path) -> None:
    rng = random.Random(12)
    path = nir_files(tmp_path)
    raw = path.read_bytes()
    for _ in range(6):
        data = bytearray(raw)
        for _ in range(rng.randint(1, 40)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            read_nir(path)
        except LoasError as err:
            assert str(path) in str(err)


# ---------------------------------------------------------------------------------------------------------- simulate, demo
def test_simulate_refuses(files: Path) -> None:
    (files / "cut.bin").write_bytes(IMAGE[:-1])
    good = files / "good.bin"
    for arguments, words in [
        ((files / "nosuch",), ["nosuch: cannot be read: No such file"]), ((good, "--config", "big"), ["'big' does not exist"]),
        ((files / "empty", "--config", "tiny"), ["empty: 0 bytes are not legal: must be lines of 16 bytes"]),
        ((files / "cut.bin", "--config", "tiny"), [f"cut.bin: {len(IMAGE) - 1} bytes are not legal"]),
        ((good, "--latency", "-1"), ["-1 is not in the range 0<=x<=65535"]), ((good, "--stall", 100), ["0<=x<=99"]),
        ((good, "--seed", -1), ["-1 is not in the range"]), ((good, "--timeout", 0), ["0 is not in the range"]),
        ((good, "--timeout", "nan"), ["'nan' is not a valid"]),
        ((good, "--config", "tiny", "--out", files / "no" / "x"), ["cannot be written: folder"]),
    ]:  # fmt: skip
        refused(run(simulate.main, *arguments), *words)


def test_demo_refuses(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out", "--images", 1, "--config", "tiny")
    for name, value, word in [
        ("--images", 0, "--images 0 is not legal: must be 1 to 360"), ("--images", 361, "must be 1 to 360"),
        ("--latency", 65536, "is not in the range"), ("--config", "big", "'big' does not exist"),
        ("--network", tmp_path / "nosuch.nir", "nosuch.nir: cannot be read"), ("--out", "/proc/x", "result.json: cannot be written"),
    ]:  # fmt: skip
        refused(run(demo.main, *out, name, value), word)
    shutil.copy(DIGITS / "digits.nir", tmp_path)
    good = json.loads((DIGITS / "digits.json").read_text())
    changes: list[tuple[dict[str, Any], str]] = [
        ({"split": None}, "split.test_indices"), ({"split": {"test_indices": [1797]}}, "split.test_indices"),
        ({"split": {"test_indices": ["a"]}}, "split.test_indices"), ({"network_sha256": "0"}, "digits.json: network_sha256 = 0"),
        ({"T": 0}, "T = 0 is not legal"),
    ]  # fmt: skip
    for change, word in changes:
        (tmp_path / "digits.json").write_text(json.dumps({**good, **change}))
        refused(run(demo.main, *out, "--network", tmp_path / "digits.nir"), word)
    assert not list((tmp_path / "out").iterdir())
