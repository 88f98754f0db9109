# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""``loas fpga`` against a board in Python: results, exit codes, and what it says when something is wrong."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from golden.config import load
from host import link as host_link
from host.fake_board import FakeBoard
from host.residents import PAGE, Resident
from host.test_driver import network, spikes
from scripts.loas import main

TINY = load("tiny")
DIGITS = Path(__file__).parents[1] / "models" / "digits" / "digits.nir"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    """What is at the port `fake`; closing it does nothing, so that commands follow each other."""
    fake = FakeBoard(TINY)
    monkeypatch.setattr(host_link, "SerialTransport", lambda port, baud: fake)
    return fake


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["fpga", *(str(a) for a in arguments), "--port", "fake", "--timeout", "0.01", "--attempts", "2"])


def packed(folder: Path, seed: int, inputs: int, rows: int, config: str = "tiny") -> Path:
    network(seed).save(folder / f"net{seed}.npz")
    np.savez(folder / f"in{inputs}.npz", spikes=spikes(inputs, rows))
    out = folder / f"image{seed}-{inputs}"
    given = [folder / f"net{seed}.npz", folder / f"in{inputs}.npz", out]
    result = CliRunner().invoke(main, ["pack", *map(str, given), "--config", config])
    assert result.exit_code == 0, result.output
    return out


def test_model_in_batches(board: FakeBoard, tmp_path: Path) -> None:
    packed(tmp_path, 1, 7, 9)
    out = tmp_path / "result.json"
    for how in ("all", "last"):
        starts = board.starts
        result = run("run", tmp_path / "net1.npz", "--data", tmp_path / "in7.npz", "--batch", 4, "--compare", how, "--out", out)
        assert result.exit_code == 0, result.output
        assert board.starts - starts == 3
        figures = json.loads(out.read_text())
        assert figures["mismatches"] == 0
        assert figures["compared"] == (9 * 30 * 4 + 9 * 5 if how == "all" else 9 * 5)
        assert (figures["inputs"], figures["batches"], figures["board"]) == (9, 3, "FAKE")
        golden = network(1).run(spikes(7, 9), 4)[-1]
        assert figures["decisions"] == golden.argmax(axis=1).tolist()
        assert figures["inputs_per_second"] == pytest.approx(50e6 * 9 / figures["cycles"], abs=0.1)
    assert "no images" in run("list").output or re.search(r"│ +0x", run("list").output) is None, "the image was not unloaded"


def test_mismatch_is_exit_code_1(board: FakeBoard, tmp_path: Path) -> None:
    folder = packed(tmp_path, 1, 7, 3)
    with np.load(folder / "golden" / "outputs.npz") as arrays:
        changed = {key: arrays[key].copy() for key in arrays.files}
    changed["layer0"][1, 2, 3] ^= 1
    np.savez_compressed(folder / "golden" / "outputs.npz", **changed)
    result = run("run", folder)
    assert result.exit_code == 1
    assert "layer 0 (layer0), row 1, neuron 2, t 3: expected" in result.output


def test_networks_are_swapped(board: FakeBoard, tmp_path: Path) -> None:
    first, second = packed(tmp_path, 1, 7, 3), packed(tmp_path, 2, 8, 4)
    result = run("load", first, second)
    assert result.exit_code == 0, result.output
    out = tmp_path / "list.json"
    assert run("list", "--out", out).exit_code == 0
    there = json.loads(out.read_text())["images"]
    assert [one["bytes"] for one in there] == [(folder / "image.bin").stat().st_size for folder in (first, second)]
    for folder in (second, first, second):
        result = run("run", folder, "--keep")
        assert result.exit_code == 0, result.output
    assert run("unload", hex(there[0]["base"])).exit_code == 0
    assert run("unload", hex(there[0]["base"])).exit_code == 2
    assert run("reset").exit_code == 0
    result = run("info", "--out", out)
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text())["config"] == "tiny"


def test_bad_input_is_exit_code_2(board: FakeBoard, tmp_path: Path) -> None:
    folder = packed(tmp_path, 1, 7, 3)
    other = packed(tmp_path, 2, 7, 3, "paper")
    for arguments, text in (
        (("run", other), "was packed for another machine: .*CHUNK_W = 128, the board's machine .tiny. has 32.*pack it with --config tiny"),
        (("load", other), "was packed for another machine"),
        (("run", folder, "--images", 3), "--images 3 is not legal"),
        (("run", tmp_path / "net1.npz"), "--data is missing"),
        (("run", tmp_path / "none"), "none"),
        (("load", tmp_path / "none.bin"), "cannot be read"),
        (("run", folder, "--out", tmp_path), "is a directory"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert re.search(text, result.output), (arguments, result.output)
    (folder / "image.bin").write_bytes((folder / "image.bin").read_bytes()[:-32])
    result = run("load", folder)
    assert result.exit_code == 2
    assert "truncated" in result.output
    assert board.starts == 0


@pytest.mark.parametrize("kind", ["folder", "npz", "nir", "nir with data"])
def test_options_that_a_target_does_not_use(board: FakeBoard, tmp_path: Path, kind: str) -> None:
    """Each option of `run` is refused by name for the kinds of target that it means nothing for, at its default value too."""
    folder = packed(tmp_path, 1, 7, 3)
    imports = {"--T": 9, "--sidecar": "none.json", "--bits": 8, "--drop-once": "fc1", "--prune-scope": "layer", "--calibrate-images": 64}
    labels = {"--data-array": "zzz", "--labels": tmp_path / "none", "--labels-array": "y"}
    data = {"--data": tmp_path / "in7.npz", "--images": 1, "--batch": 3}
    target, base, unused, only = {
        "folder": (folder, [], imports | labels | data, "is an image folder: only a model in NIR"),
        "npz": (tmp_path / "net1.npz", ["--data", tmp_path / "in7.npz"], imports | labels, "is a network .* only a model in NIR"),
        "nir": (DIGITS, [], labels, "only a model in NIR with --data takes it"),
        "nir with data": (DIGITS, ["--data", tmp_path / "none"], {}, ""),
    }[kind]
    for option, value in unused.items():
        result = run("run", target, *base, option, value)
        assert result.exit_code == 2, (option, result.output)
        assert result.stderr.startswith(f"error: {option} {value} is not legal: {target} is "), result.stderr
        assert re.search(only, result.stderr), result.stderr
    assert board.executed == 0, "what is refused needs no board"
    for option in imports | labels | data if kind.startswith("nir") else ():
        if option not in unused:
            assert "takes it" not in run("run", target, *base, option, (imports | labels | data)[option]).stderr, option


def test_options_that_every_target_uses(board: FakeBoard, tmp_path: Path) -> None:
    every = ["--compare", "all", "--seconds", 600, "--base", 0, "--keep", "--out", tmp_path / "result.json"]
    folder = packed(tmp_path, 1, 7, 3)
    for given in ((folder,), (tmp_path / "net1.npz", "--data", tmp_path / "in7.npz", "--images", 2, "--batch", 1)):
        result = run("run", *given, *every)
        assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "result.json").read_text())["inputs"] == 2
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "digits.npz", x=rng.integers(0, 17, (3, 64)), y=rng.integers(0, 10, 3))
    arrays = ("--data", tmp_path / "digits.npz", "--data-array", "x", "--labels-array", "y", "--images", 2, "--batch", 1)
    result = run("run", DIGITS, *arrays, "--bits", 8, "--prune-scope", "layer", *every)
    assert result.exit_code == 0, result.output
    assert "of 2 right" in result.output
    # what was imported brings its encoder with it, and so takes the same data
    done = CliRunner().invoke(main, ["import", str(DIGITS), "-o", str(tmp_path / "digits_int.npz"), "--config", "tiny"])
    assert done.exit_code == 0, done.output
    again = run("run", tmp_path / "digits_int.npz", *arrays, *every)
    assert again.exit_code == 0, again.output
    assert re.findall("[012] of 2 right", again.output) == re.findall("[012] of 2 right", result.output) != []


@pytest.mark.parametrize("value", ["nan", "-NaN", "inf", "-inf", "0", "1e9"])
def test_times_that_would_not_end(board: FakeBoard, tmp_path: Path, value: str) -> None:
    folder = packed(tmp_path, 1, 7, 3)
    for option in ("--seconds", "--timeout"):
        result = CliRunner().invoke(main, ["fpga", "run", str(folder), "--port", "fake", f"{option}={value}"])
        assert result.exit_code == 2, (option, result.output)
        assert f"Invalid value for '{option}': " in result.stderr, result.stderr
    assert board.executed == 0


@pytest.mark.parametrize("value", ["-1", "0x100000000", "-0x1", "c0ffee01", "1.5", ""])
def test_numbers_that_have_no_32_bits(board: FakeBoard, tmp_path: Path, value: str) -> None:
    folder = packed(tmp_path, 1, 7, 3)
    for arguments in (("info", f"--bitstream={value}"), ("load", folder, f"--base={value}"), ("unload", "--", value)):
        result = CliRunner().invoke(main, ["fpga", arguments[0], "--port", "fake", *map(str, arguments[1:])])
        assert result.exit_code == 2, (arguments, result.output)
        assert f"{value!r} is not legal: must be 0 to 4294967295, or 0x0 to 0xffffffff" in result.stderr, result.stderr
    assert board.executed == 0
    board.bitstream = 0xFFFFFFFF
    assert run("info", "--bitstream", "0xffffffff").exit_code == run("info", "--bitstream", 2**32 - 1).exit_code == 0


def test_addresses_that_are_not_legal(board: FakeBoard, tmp_path: Path) -> None:
    """Bad input like any other: exit code 2, the legal ones are named, and memory stays as it was."""
    folder = packed(tmp_path, 1, 7, 3)
    assert run("load", folder).exit_code == 0
    memory, size, end = bytes(board.memory), len(board.memory), Resident(0, (folder / "image.bin").stat().st_size).end
    rng = random.Random(4)
    odd = [PAGE * rng.randrange(size // PAGE) + rng.randrange(1, PAGE) for _ in range(5)]
    far = [PAGE * rng.randrange(end // PAGE + 1, size // PAGE - 3) for _ in range(5)]
    for base in (1, *odd, *far, size, 2**32 - PAGE):
        for arguments in (("load", folder, "--base", base), ("run", folder, "--base", base), ("unload", hex(base))):
            result = run(*arguments)
            assert result.exit_code == 2, (arguments, result.output)
            legal = "images: 0x0" if arguments[0] == "unload" else f"at most 0x{end:x}" if base in far else f"a multiple of {PAGE}, at most"
            assert re.search(f"error: .*base 0x{base:x} is not legal: .*{legal}", result.stderr), result.stderr
    assert board.memory == memory
    assert run("load", folder, "--base", end).exit_code == run("unload", hex(end)).exit_code == 0


def test_board_that_fails_is_exit_code_1(board: FakeBoard, tmp_path: Path) -> None:
    folder = packed(tmp_path, 1, 7, 3)
    result = run("info", "--bitstream", "0x1234")
    assert result.exit_code == 1
    assert "bitstream c0ffee01 is not legal: must be 00001234" in result.output
    board.busy_forever = True
    result = run("run", folder, "--seconds", 0.02)
    assert result.exit_code == 1
    assert "no end after 0.02 s" in result.output
    assert run("run", folder).exit_code == 0, "the board is usable"
    board.gone = True
    result = run("run", folder)
    assert result.exit_code == 1
    assert "the port is gone" in result.output


def test_bus_that_hangs(board: FakeBoard, tmp_path: Path) -> None:
    """Whatever is under way when the bus stops answering: the advice that is printed frees the board."""
    folder = packed(tmp_path, 1, 7, 3)
    before = board.executed
    assert run("run", folder).exit_code == 0
    every = board.executed - before
    advice = "refused with BUS_TIMEOUT.*: type `loas fpga reset --port fake`\n$"
    rng = random.Random(1)
    for _ in range(5):
        left = rng.randrange(every - 1)

        def hang(data: bytes, to_board: bool) -> bytes:
            nonlocal left
            left -= to_board
            board.hung |= left < 0
            return data

        board.hurt = hang
        for arguments in (("run", folder), ("info",), ("list",), ("load", folder), ("unload", 0)):
            result = run(*arguments)
            assert result.exit_code == 1, (arguments, result.output)
            assert re.search(advice, result.stderr), (arguments, result.stderr)
        board.hurt = lambda data, to_board: data
        assert run("reset", "--bitstream", "0x1234").exit_code == 1
        assert board.hung, "a board that was not meant was reset"
        result = run("reset")
        assert result.exit_code == 0, result.output
        result = run("run", folder)
        assert result.exit_code == 0, result.output
    board.hung = True
    assert "type `loas fpga reset --port fake --baud 12500000`\n" in run("info", "--baud", 12_500_000).stderr

    def broken(data: bytes, to_board: bool) -> bytes:
        board.hung = True  # whatever was reset
        return data

    board.hurt = broken
    result = run("reset")
    assert result.exit_code == 1
    assert result.stderr.endswith(": configure the board again\n")


def test_figures_of_the_pages_agree() -> None:
    """Five digits on the simulated ULX3S: what docs/driver.md says of them is what docs/fpga.md says, and follows from its cycles."""
    docs = DIGITS.parents[2] / "docs"
    driver = (docs / "driver.md").read_text(encoding="utf-8")
    cycles = [int(text.replace(" ", "")) for text in re.findall(r"\| cycles, all layers \| ([\d ]+) \| ([\d ]+) \|", driver)[0]]
    figures = [(f"{round(one / 5):_}".replace("_", " "), f"{round(50e6 * 5 / one):_}".replace("_", " ")) for one in cycles]
    row = " | ".join(f"{each}, {rate}" for each, rate in figures)
    assert f"| cycles an image, images a second at 50 MHz | {row} |" in driver
    each, rate = figures[0]
    assert f"| digits | {rate} at 50 MHz, {each} cycles an image |" in (docs / "fpga.md").read_text(encoding="utf-8")


def test_port_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["fpga", "info", "--port", str(tmp_path / "ttyNONE")])
    assert result.exit_code == 1
    assert re.search("ttyNONE: cannot be opened: .*is the board connected", result.output)
    for command in ("run", "load", "list", "info", "unload", "reset"):
        result = CliRunner().invoke(main, ["fpga", command, "--help"])
        assert result.exit_code == 0
        assert "Example" in result.output


# ------------------------------------------------------------------------------------------------------ without --port
def port(device: str, description: str = "n/a", usb: bool = True) -> ListPortInfo:
    found = ListPortInfo(device)
    found.description, found.vid = description, 0x0403 if usb else None
    return found


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        ([], "error: --port is missing, and this computer has no serial port: connect the board"),
        ([port("/dev/ttyUSB1"), port("/dev/ttyUSB0", "ULX3S FPGA 85K")], "must be one of /dev/ttyUSB0 (ULX3S FPGA 85K), /dev/ttyUSB1\n"),
        ([port("/dev/ttyS1", usb=False), port("/dev/ttyS0", usb=False)], "--port is missing: must be one of /dev/ttyS0, /dev/ttyS1\n"),
    ],
)
@pytest.mark.parametrize("command", [("info",), ("list",), ("reset",), ("unload", "0x0"), ("run", str(DIGITS), "--images", "1")])
def test_ports_are_listed(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], ports: list[ListPortInfo], text: str) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    result = CliRunner().invoke(main, ["fpga", *command])
    assert result.exit_code == 2 and text in result.output, result.output


@pytest.mark.parametrize("others", [[], [port("/dev/ttyS0", usb=False), port("/dev/ttyS1", usb=False)]])
def test_the_only_port_is_taken(monkeypatch: pytest.MonkeyPatch, others: list[ListPortInfo]) -> None:
    """Also if the computer has ports without a plug beside it."""
    taken: list[str] = []

    def transport(name: str, baud: int) -> FakeBoard:
        taken.append(name)
        return FakeBoard(TINY)

    monkeypatch.setattr(host_link, "SerialTransport", transport)
    monkeypatch.setattr(list_ports, "comports", lambda: [*others, port("/dev/ttyUSB7")])
    result = CliRunner().invoke(main, ["fpga", "info"])
    assert result.exit_code == 0 and taken == ["/dev/ttyUSB7"] and "port: /dev/ttyUSB7\n" in result.output, result.output


# -------------------------------------------------------------------------------- on a board's own processor, with numpy alone
ON_BOARD = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2].split(","):
            raise ModuleNotFoundError(f"{name} is not here", name=name)

sys.meta_path.insert(0, Absent())
from golden.config import load
from host import link
from host.fake_board import FakeBoard
from scripts.loas import main

board = FakeBoard(load("tiny"))
link.SerialTransport = lambda port, baud: board
for words in (["--help"], ["fpga", "--help"], ["fpga", "run", "--help"], ["check", sys.argv[1]]):
    try:
        main(words)
    except SystemExit as err:
        assert not err.code, words
for words in (["info"], ["load", sys.argv[1]], ["list"], ["run", sys.argv[1]], ["reset"]):
    main(["fpga", *words, "--port", "fake"], standalone_mode=False)
assert board.starts == 1
for words in (["sweep", "--help"], ["fpga", "run", "models/digits/digits.nir", "--port", "fake"]):
    try:
        main(words)
    except SystemExit as err:
        assert err.code == 2, words
"""


def test_needs_no_package_that_a_board_lacks(tmp_path: Path) -> None:
    """Of an image folder everything works where there are no wheels of the packages that import and evaluation need."""
    absent = "numba,scipy,h5py,nir,sklearn,dask,distributed,matplotlib,PIL,pynq"
    command = [sys.executable, "-c", ON_BOARD, str(packed(tmp_path, 1, 7, 3)), absent]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 mismatches" in done.stdout, done.stdout
    assert len(re.findall(r"error: package \w+ is not installed, which this command needs", done.stderr)) == 2, done.stderr
