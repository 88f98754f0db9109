# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Data against a network: axes that are taken and refused, files of all kinds, offsets of pixels, and the spikes of the encoder."""

from __future__ import annotations

import itertools
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner, Result

from golden.network import load_network, load_npz
from scripts import loas
from scripts.importer.axes import arrange
from scripts.importer.data import machine_input, read_array, read_labels, samples
from scripts.importer.diff import compare
from scripts.importer.encoder import companion_of, host_of, load_encoder
from scripts.importer.network import Imported, import_graph, read_nir
from scripts.nir_import import NirError
from scripts.test_nir_mapping import RULES, affine, conv, fire, flatten, graph, pool, write

CASE = Path(__file__).parent / "cases" / "03_nhwc"
RNG = np.random.default_rng(3)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(loas.main, [str(a) for a in arguments])


def good(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), (result.output, result.exception)
    return " ".join(result.output.split())


def take(g: Any, **more: Any) -> Imported:
    return import_graph(g, {}, "f", "net", **{**RULES, **more})


def said(**rules: Any) -> list[str]:
    """Rules as options of the command line."""
    rules = {"T": 4, "dt": 1, "reset": "hard", "comparison": ">=", "if_gain": "per-step", **rules}
    return list(itertools.chain(*(("--" + key.replace("_", "-"), str(value)) for key, value in rules.items())))


# Axes


def test_data_in_the_axes_of_the_input_and_in_others() -> None:
    """(N, C, H, W) and (N, C, H, W, T) are taken; the same numbers in other axes are refused, and what they look like is said."""
    pixels, spikes = said(encoding="direct", pixel_scale=255), said(encoding="spikes")
    model = CASE / "cifar.nir"
    for rules, right, wrong in ((pixels, "nchw", "nhwc"), (spikes, "s_nchwt", "s_nhwct")):
        assert "note: " + str(CASE) not in good("diff", model, *rules, "--data", CASE / f"{right}.npz")
        a, b = (load_npz(CASE / f"{name}.npz")["x"] for name in (right, wrong))
        assert np.array_equal(a, np.moveaxis(b, 3, 1))  # the same images
        assert "is not legal" in refused("run", model, *rules, "--data", CASE / f"{wrong}.npz")
    text = refused("diff", model, *pixels, "--data", CASE / "nhwc.npz")
    assert ("nhwc.npz: shape (12, 8, 8, 3) is not legal: must be (images, 3, 8, 8) pixels, axes (N, C, H, W), or flat (images, 192); it "
            "looks like (N, H, W, C): give x.transpose(0, 3, 1, 2)") in text  # fmt: skip
    text = refused("diff", model, *spikes, "--data", CASE / "s_nhwct.npz")
    assert "must be (images, 3, 8, 8, 4) spikes with T = 4 last, axes (N, C, H, W, T)" in text
    assert "it looks like (N, H, W, C, T): give x.transpose(0, 3, 1, 2, 4)" in text
    text = refused("diff", model, *said(encoding="spikes", T=8), "--data", CASE / "s_ntchw8.npz")
    assert "it looks like (N, T, C, H, W): give x.transpose(0, 2, 3, 4, 1)" in text


def named(order: tuple[str, ...], sizes: dict[str, int]) -> np.ndarray:
    """An array with these axes, whose numbers tell where they are."""
    return np.arange(np.prod(list(sizes.values()))).reshape(*sizes.values()).transpose(*(list(sizes).index(name) for name in order))


@pytest.mark.parametrize("names", [("inputs",), ("C", "L"), ("C", "H", "W"), ("inputs", "T"), ("C", "L", "T"), ("C", "H", "W", "T")])
def test_every_order_of_the_axes(names: tuple[str, ...]) -> None:
    """With different sizes every order but the right one is refused, and the transposition that is named mends it."""
    sizes = {"N": 11} | dict(zip(names, (3, 5, 7, 6), strict=False))
    shape, steps = tuple(sizes[n] for n in names if n != "T"), sizes.get("T")
    right = named(tuple(sizes), sizes)
    assert arrange(right, shape, steps, "x")[1] == "" and np.array_equal(arrange(right, shape, steps, "x")[0], right)
    for order in itertools.permutations(sizes):
        if order == tuple(sizes) or ("H" in order and order.index("H") > order.index("W")):
            continue
        x = named(order, sizes)
        with pytest.raises(NirError, match=r"x: shape .* is not legal: must be \(images, .*it looks like") as caught:
            arrange(x, shape, steps, "x")
        turn = str(caught.value).split("give x.transpose(")[1].rstrip(")")
        assert np.array_equal(x.transpose(*(int(i) for i in turn.split(","))), right), (order, turn)


@pytest.mark.parametrize(
    ("found", "shape", "steps", "note"),
    [
        ((9, 28, 28), (1, 28, 28), None, r"shape (9, 28, 28) read as (N, H, W)"),
        ((9, 28, 28, 1), (1, 28, 28), None, "read as (N, H, W)"),
        ((9, 28, 28), (784,), None, "read as images (N, H, W), row by row, for 784 inputs"),
        ((9, 1, 28, 28), (784,), None, "read as images (N, H, W), row by row"),
        ((9, 784), (1, 28, 28), None, "read as flat images, (C, H, W) with the last axis fastest"),
        ((9, 192), (3, 8, 8), None, "read as flat images"),
        ((9, 8, 8, 8), (8, 8, 8), None, "read as (N, C, H, W); (N, H, W, C) has the same sizes"),
        ((9, 6, 6), (6,), 6, "read as (N, inputs, T); (N, T, inputs) has the same sizes"),
        ((9, 5, 7, 4), (1, 5, 7), 4, "read as (N, H, W, T)"),
        ((9, 6, 6, 6), (1, 6, 6), 6, "read as (N, H, W, T); (N, T, H, W) has the same sizes"),
        ((9, 192, 4), (3, 8, 8), 4, "read as flat images"),
        ((9, 12, 1), (12,), None, "read as (N, inputs)"),
    ],
)  # fmt: skip
def test_readings_that_are_not_the_only_ones_are_said(found: tuple[int, ...], shape: tuple[int, ...], steps: int | None, note: str) -> None:
    x = np.arange(np.prod(found)).reshape(found)
    got, text = arrange(x, shape, steps, "x")
    assert note in text and text.startswith(f"x: shape {found} read as")
    assert got.shape == (9, *shape, *([steps] if steps else [])) and np.array_equal(got.reshape(-1), x.reshape(-1))


@pytest.mark.parametrize(
    ("found", "shape", "steps", "hint"),
    [
        ((9, 3, 8, 8), (192,), None, "has as many numbers in other axes"),
        ((9, 3, 64), (3, 8, 8), None, "has as many numbers in other axes"),
        ((9, 12, 16), (3, 8, 8), None, "has as many numbers in other axes"),
        ((9, 2, 3, 4), (24,), None, "has as many numbers in other axes"),
        ((9, 3, 4, 4), (12,), 4, "has as many numbers in other axes"),
        ((3, 8, 8), (3, 8, 8), None, "looks like one image without the axis N: give x[None]"),
        ((8, 8), (1, 8, 8), None, "looks like one image without the axis N: give x[None]"),
        ((3, 8, 8, 4), (3, 8, 8), 4, "looks like one image without the axis N: give x[None]"),
        ((9, 3, 8, 8), (3, 8, 8), 4, "has no axis T: pixels need --encoding thresholds or direct"),
        ((9, 3, 8, 8, 5), (3, 8, 8), 4, "has 5 timesteps, T is 4"),
        ((9, 3, 8, 8, 5), (3, 8, 8), None, "has an axis more, as spikes have T: they need --encoding spikes"),
        ((9, 4, 5, 7), (1, 5, 7), 4, "looks like (N, T, H, W): give x.transpose(0, 2, 3, 1)"),
        ((4, 9, 1, 5, 7), (1, 5, 7), 4, "looks like (T, N, C, H, W): give x.transpose(1, 2, 3, 4, 0)"),
        ((9, 6, 4, 7), (4, 7), 6, "looks like (N, T, C, L): give x.transpose(0, 2, 3, 1)"),
        ((8, 8, 8, 3), (3, 8, 8), None, "looks like (N, H, W, C): give x.transpose(0, 3, 1, 2)"),
        ((0, 3, 8, 8), (3, 8, 8), None, ""),
        ((9, 5), (4,), None, ""),
        ((), (4,), None, ""),
    ],
)
def test_shapes_that_are_refused(found: tuple[int, ...], shape: tuple[int, ...], steps: int | None, hint: str) -> None:
    with pytest.raises(NirError) as caught:
        arrange(np.zeros(found), shape, steps, "x")
    text = str(caught.value)
    assert text.startswith(f"x: shape {found} is not legal: must be (images, ") and ("; it " + hint if hint else "") in text
    assert hint or "; it " not in text


def test_rows_of_the_machine_are_taken_and_said(tmp_path: Path) -> None:
    net = take(graph((2, 3, 4), conv(2, 2, 2), fire()), encoding="spikes")
    x = RNG.integers(0, 2, (5, 2, 3, 4, 6)).astype(np.uint8)
    rows, notes = net.rows(x), list[str]()
    np.save(tmp_path / "rows.npy", rows)
    assert np.array_equal(samples(net, tmp_path / "rows.npy", say=notes.append), x)
    assert len(notes) == 1 and "rows.npy: shape (60, 2, 6) read as the machine's rows (images * 12, 2, 6)" in notes[0]
    np.save(tmp_path / "cut.npy", rows[:-1])
    with pytest.raises(NirError, match=r"cut.npy: shape \(59, 2, 6\) is not legal: must be \(images \* 12, 2, T\), the machine's rows"):
        samples(net, tmp_path / "cut.npy")
    for wrong in (x.transpose(0, 2, 3, 1, 4), x.reshape(5, 24, 6), x[:, :, :2], x[..., None]):
        with pytest.raises(NirError, match="is not legal: must be"):
            net.rows(wrong)
    with pytest.raises(NirError, match="is not legal: must be"):
        take(graph((2, 3, 4), conv(2, 2, 2), fire(), conv(2, 2, 2), fire()), encoding="direct").encode(x[..., 0].transpose(0, 2, 3, 1))


def test_a_reading_is_printed_once(tmp_path: Path) -> None:
    """IDX files have no axis of channels: taken, and said, by every command."""
    write(tmp_path / "net.nir", graph((1, 4, 5), conv(2, 1, 2), fire(), flatten(), affine(3, 24)))
    pixels = RNG.integers(0, 256, (3, 4, 5)).astype(np.uint8)
    (tmp_path / "x-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]) + pixels.tobytes())
    rules = said(encoding="direct", pixel_scale=255)
    data = ("--data", tmp_path / "x-idx3-ubyte")
    for command in (["diff"], ["prune", "--target", 0, "--target", 0.5]):
        text = good(*command, tmp_path / "net.nir", *rules, *data)
        assert text.count("x-idx3-ubyte: shape (3, 4, 5) read as (N, H, W)") == 1, command


# Files


def test_npy_files(tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (3, 4)).astype(np.int16)
    for name, array in (("x.npy", x), ("fortran.npy", np.asfortranarray(x))):
        np.save(tmp_path / name, array)
        assert np.array_equal(read_array(tmp_path / name, None, "data"), x)
    (tmp_path / "renamed").write_bytes((tmp_path / "x.npy").read_bytes())
    assert np.array_equal(read_array(tmp_path / "renamed", None, "data"), x)
    np.save(tmp_path / "y.npy", np.array([2, 0, 1]))
    assert read_labels(tmp_path / "y.npy", None, 2).tolist() == [2, 0]
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-3])
    (tmp_path / "empty.npy").write_bytes(b"")
    for name, words in (("objects", "type object is not legal: holds objects of Python"), ("cut", "cannot be read as an .npy file"),
                        ("empty", "is empty: nothing was written into it"), ("no", "cannot be read: No such file")):  # fmt: skip
        with pytest.raises(NirError, match=f"{name}.npy: {words}") as caught:
            read_array(tmp_path / f"{name}.npy", None, "data")
        assert "allow_pickle" not in str(caught.value)
    np.savez(tmp_path / "scores.npz", spikes=np.ones(3))
    with pytest.raises(NirError, match=r"labels of shape \(3, 4\) and type int16 are not legal"):
        read_labels(tmp_path / "x.npy", None, 2)


def archive(path: Path, *names: str) -> bytes:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return path.read_bytes()


def test_files_that_are_no_data_are_named(tmp_path: Path) -> None:
    """What it is and what to do, in one line, whatever the ending says; never advice to load it unsafely."""
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    torch, images = archive(tmp_path / "t", "archive/data.pkl", "archive/data/0"), archive(tmp_path / "z", "a.png")
    for name, content, words in [
        ("x.npz", lfs, "is a Git LFS pointer: the file itself is not here: type `git lfs pull`"),
        ("x.png", lfs, "is a Git LFS pointer"),
        ("x.pt", torch, 'is a PyTorch checkpoint: it is not read, for that would run code from it; in Python, np.save("x.npy", x)'),
        ("x.npz", torch, "is a PyTorch checkpoint"),
        ("x.pth", b"\x80\x02", "is a Python pickle: it is not read"),
        ("x.pkl", b"(lp0", "is a Python pickle: it is not read"),
        ("x.zip", images, "is a zip archive: unpack it, and give the file or folder of images inside"),
        ("x.npz", images, "is a zip archive: unpack it"),
        ("x.tar.gz", b"\x1f\x8b\x08", "is a tar archive: unpack it"),
        ("x.aedat", b"#!AER-DAT2.0\r\n", "is an event file of a camera: without frames or timesteps: bin the events into spikes"),
        ("x.aedat4", b"#!AER-DAT4.0\r\n", "is an event file"),
        ("x.dat", b"% Data file containing CD events\n", "is an event file"),
        ("00001.bin", b"\x11\x22\x33\x44\x55", "is a file of events"),
        ("00002.bin", b"\0\0\x33\x44\x55", "is a file of events"),
        ("x.csv", b"1,2,3\n", 'is a text: np.loadtxt reads it; then, in Python, np.save("x.npy", x)'),
        ("x.mat", b"MATLAB 5.0 MAT-file", "is a MATLAB file: scipy.io.loadmat reads it"),
        ("x.h5", b"\x89HDF\r\n\x1a\n", "is an HDF5 file: h5py reads it"),
        ("x.nir", b"\x89HDF\r\n\x1a\n", "is a network and no data"),
        ("x.tif", b"II*\0", "is an image of a kind that is not read: must be .png, .pgm, .jpg or .bmp"),
    ]:
        (tmp_path / name).write_bytes(content)
        for what in ("data", "labels"):
            with pytest.raises(NirError) as caught:
                read_array(tmp_path / name, None, what)
            text = str(caught.value)
            assert text.startswith(f"{tmp_path / name}: {words}") and "\n" not in text and "allow_pickle" not in text, text


# Normalised pixels


def normalised(shape: tuple[int, ...], *first: Any, **rules: Any) -> Imported:
    """A network whose first layer is ``first`` and runs on the host; weights, offset and scale lie on a grid, so nothing is rounded."""
    g = graph(shape, *first, fire(0.5), flatten(), affine(3, rules.pop("n")), fire())
    return take(g, encoding="direct", **{"pixel_scale": 16.0, "pixel_offset": 40.0, **rules})


@pytest.mark.parametrize(
    ("shape", "first", "n"),
    [
        ((3, 6, 7), lambda: [conv(4, 3, 3)], 80),
        ((3, 6, 7), lambda: [conv(4, 3, 3, padding=1)], 168),
        ((3, 6, 7), lambda: [conv(4, 3, (3, 2), padding=(2, 1), stride=2)], 64),
        ((3, 6, 8), lambda: [pool("SumPool2d"), conv(4, 3, 3, padding=1)], 48),
        ((3, 6, 7), lambda: [flatten(), affine(5, 126)], 5),
        ((12,), lambda: [affine(5, 12)], 5),
        ((2, 9), lambda: [nir.Conv1d(input_shape=None, weight=np.round(RNG.normal(size=(3, 2, 3)) * 2) / 8, stride=1, padding=2, dilation=1,
                                     groups=1, bias=np.zeros(3))], 33),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [False, True])
def test_offset_and_scale_of_the_pixels(shape: tuple[int, ...], first: Any, n: int, channels: bool) -> None:
    """The integers see what the reference sees on (pixel - offset) / scale, at the border of a padded convolution too."""
    offset, scale = (tuple(8.0 * (1 + i) for i in range(shape[0])), tuple(2.0 ** (3 + i % 3) for i in range(shape[0]))) if channels else (
        40.0, 16.0)  # fmt: skip
    net = normalised(shape, *first(), n=n, pixel_offset=offset, pixel_scale=scale)
    x = RNG.integers(0, 90, (6, *shape))
    diff, outputs, trace = compare(net, x)
    assert net.quantised[0].exact and diff.layers[0].different == 0 and 0.02 < outputs[0].mean() < 0.98
    column = (-1, *(1 for _ in shape[1:]))
    told = (x - np.reshape(offset, column)) / np.reshape(scale, column)
    assert np.array_equal(trace.values["input"], np.repeat(told[None], 6, axis=0))
    # a constant through all weights would be another network where a window looks beyond the map
    plain = normalised(shape, *first(), n=n, pixel_offset=0.0, pixel_scale=scale)
    assert not np.array_equal(plain.encode(x), net.encode(x))


def test_normalised_pixels_as_torchvision_makes_them(tmp_path: Path) -> None:
    """Normalize((0.1307,), (0.3081,)) behind ToTensor: nothing lies on a grid, and the note says how much is rounded."""
    write(tmp_path / "net.nir", graph((1, 6, 6), conv(4, 1, 3, padding=1), fire(0.5), flatten(), affine(3, 144)))
    np.save(tmp_path / "x.npy", RNG.integers(0, 256, (8, 6, 6)).astype(np.uint8))
    rules = said(encoding="direct", pixel_scale=255 * 0.3081, pixel_offset=255 * 0.1307)
    text = good("diff", tmp_path / "net.nir", *rules, "--data", tmp_path / "x.npy", "--out", tmp_path / "d.json")
    assert "n0: the pixel offset takes constants from the sums, rounded by up to 0." in text
    figures = json.loads((tmp_path / "d.json").read_text())
    assert figures["different_spikes"] < 0.01 and figures["contract"]["pixel_offset"] == 255 * 0.1307
    # the sidecar says the same
    side = {"format": "loas-nir-sidecar", "version": 1, "input": {"pixel_offset": [255 * 0.1307], "pixel_scale": 255 * 0.3081}}
    (tmp_path / "side.json").write_text(json.dumps(side))
    more = ("--sidecar", tmp_path / "side.json", "--data", tmp_path / "x.npy", "--out", tmp_path / "e.json")
    good("diff", tmp_path / "net.nir", *said(encoding="direct"), *more)
    assert json.loads((tmp_path / "e.json").read_text()) == figures


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"pixel_offset": 1.0, "encoding": "spikes"}, "--pixel-offset = 1.0 is not legal with --encoding spikes: must be 0"),
        ({"pixel_offset": 1.0, "encoding": "thresholds", "thresholds": (1.0,) * 6}, "is not legal with --encoding thresholds: must be 0"),
        ({"pixel_offset": (1.0, 2.0)}, r"f: --pixel-offset has 2 numbers: must be 1, or 3, one a channel of the Input \(3, 4, 4\)"),
        ({"pixel_scale": (1.0, 2.0)}, "f: --pixel-scale has 2 numbers: must be 1, or 3"),
        ({"pixel_scale": (1.0, 0.0, 2.0)}, "--pixel-scale = 0.0 is not legal: must be a positive number"),
        ({"pixel_offset": "a"}, "--pixel-offset = 'a' is not legal: must be a number, or one a channel"),
        ({"pixel_offset": float("nan")}, "--pixel-offset = nan is not legal"),
        ({"pixel_offset": 1e30}, r"--pixel-offset = 1e\+30 is not legal: must be a number, or one a channel, of at most 2147483647"),
    ],
)
def test_offsets_that_are_not_legal(rules: dict[str, Any], message: str) -> None:
    g = graph((3, 4, 4), conv(2, 3, 3), fire(), conv(2, 2, 2), fire())
    with pytest.raises(NirError, match=message):
        take(g, **{"encoding": "direct", **rules})


@pytest.mark.parametrize("value", [2**31, -(2**31), 2**64 - 1, 1e20])
def test_pixels_that_the_host_cannot_add(value: float) -> None:
    """They would come out of 64 bits as other numbers, and the spikes with them."""
    first = nir.Conv2d(None, np.full((2, 1, 3, 3), 0.25), 1, 0, 1, 1, np.zeros(2))
    net = take(graph((1, 4, 4), first, fire(), conv(2, 2, 2), fire()), encoding="direct")
    with pytest.raises(NirError, match=r"net: pixels of .* are not legal: must be -2147483647 to 2147483647"):
        net.encode(np.full((1, 1, 4, 4), value))
    large = np.full((1, 1, 4, 4), 2**31 - 1)
    assert compare(net, large)[0].first is None and net.encode(large).all()


def test_two_ways_from_the_pixels_into_the_host_layer() -> None:
    """Convolutions of different strides that make maps of one size: both run on the host."""
    nodes = {"a": conv(2, 1, 5), "b": conv(2, 1, 2, stride=2), "l": fire(), "f": flatten(), "o": affine(3, 32), "m": fire()}
    edges = [("input", "a"), ("input", "b"), ("a", "l"), ("b", "l"), ("l", "f"), ("f", "o"), ("o", "m"), ("m", "output")]
    net = take(graph((1, 8, 8), **nodes, edges=edges), encoding="direct", pixel_scale=16.0, pixel_offset=8.0)
    assert compare(net, RNG.integers(0, 64, (5, 1, 8, 8)))[0].layers[0].different == 0


# The encoder's spikes, and one network for all commands


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network with a layer on the host, and images, labels."""
    write(tmp_path / "net.nir", graph((1, 6, 6), conv(4, 1, 3, padding=1), fire(0.5), flatten(), affine(20, 144), fire(), affine(3, 20)))
    np.savez(tmp_path / "x.npz", x=RNG.integers(0, 256, (5, 1, 6, 6)).astype(np.uint8), y=np.arange(5) % 3)
    return tmp_path / "net.nir"


DIRECT = said(encoding="direct", pixel_scale=128, pixel_offset=64)


def test_the_spikes_of_the_encoder(model: Path) -> None:
    """What encode writes is what pack and run give the machine, in every format, from the model and from what was imported."""
    at, data = model.parent, ("--data", model.parent / "x.npz", "--data-array", "x")
    net = read_nir(model, alone=True, T=4, dt=1, reset="hard", comparison=">=", if_gain="per-step", encoding="direct", pixel_scale=128.0,
                   pixel_offset=64.0)  # fmt: skip
    want = machine_input(net, load_npz(at / "x.npz")["x"])
    assert want.shape == (180, 4, 4)
    m, k, t = want.shape
    for name in ("s.npz", "s.bin", "s.hex"):
        assert f"spikes ({m}, {k}, {t})" in good("encode", model, *DIRECT, *data, "-o", at / "deep" / name)
    assert list(load_npz(at / "deep" / "s.npz")) == ["spikes"] and np.array_equal(load_npz(at / "deep" / "s.npz")["spikes"], want)
    raw = (at / "deep" / "s.bin").read_bytes()  # as docs/image-format.md says, without numpy
    assert raw[:4] == b"LSPK" and struct.unpack("<3I", raw[4:16]) == (m, k, t) and len(raw) == 16 + m * k
    lines = [line for line in (at / "deep" / "s.hex").read_text().splitlines() if not line.startswith("//")]
    assert len(lines) == m * k
    for row, column in ((0, 0), (m - 1, k - 1), (m // 2, 1)):
        word = sum(int(want[row, column, step]) << step for step in range(t))
        assert raw[16 + row * k + column] == word == int(lines[row * k + column], 16)
    good("import", model, "-o", at / "int.npz", *DIRECT, "--prune", "0.5")
    good("encode", at / "int.npz", *data, "-o", at / "again.npz")
    assert np.array_equal(load_npz(at / "again.npz")["spikes"], want)
    good("encode", model, *DIRECT, *data, "--images", 2, "-o", at / "two.npz")
    assert np.array_equal(load_npz(at / "two.npz")["spikes"], want[: 2 * m // 5])
    # pack takes pixels and spikes, and gives the machine the same
    ours, pixels, images = at / "int.npz", (at / "x.npz", "--data-array", "x"), []
    packed: dict[str, tuple[Any, ...]] = {"a": (model, *pixels, *DIRECT), "b": (ours, *pixels), "c": (ours, at / "again.npz"),
                                          "d": (model, at / "deep" / "s.npz", *DIRECT)}  # fmt: skip
    for name, (net_file, spikes, *more) in packed.items():
        text = good("pack", net_file, spikes, at / name, *more, "--config", "tiny")
        assert ("read as the machine's input, encoded already" in text) == (name in "cd")
        images.append(load_npz(at / name / "golden" / "outputs.npz"))
        assert np.array_equal(images[-1]["input"], want)
    assert np.array_equal(images[0]["layer1"], images[3]["layer1"]) and np.array_equal(images[1]["layer1"], images[2]["layer1"])
    assert "must end with .npz, .bin, .hex" in refused("encode", model, *DIRECT, *data, "-o", at / "s.txt")
    assert "exists already: remove it or use --force" in refused("encode", model, *DIRECT, *data, "-o", at / "deep" / "s.npz")
    assert "--images 6 is not legal: must be 1 to 5" in refused("encode", at / "int.npz", "--data", at / "again.npz", "--images", 6, "-o",
                                                               at / "o.bin")  # fmt: skip


def test_more_than_a_byte_of_timesteps(tmp_path: Path) -> None:
    write(tmp_path / "net.nir", graph((3,), affine(2, 3), fire()))
    x = RNG.integers(0, 2, (2, 3, 11)).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    for name in ("s.bin", "s.hex"):
        good("encode", tmp_path / "net.nir", *said(T=11, encoding="spikes"), "--data", tmp_path / "x.npy", "-o", tmp_path / name)
    raw = (tmp_path / "s.bin").read_bytes()
    words = [sum(int(bit) << step for step, bit in enumerate(column)) for row in x for column in row]
    assert [int.from_bytes(raw[16 + 2 * i : 18 + 2 * i], "little") for i in range(6)] == words
    assert [int(line, 16) for line in (tmp_path / "s.hex").read_text().splitlines()[1:]] == words


def test_what_was_imported_is_what_is_packed(model: Path) -> None:
    """import --prune, then pack of the .npz: the pruned weights. The .nir alone is another network, and that is said."""
    at = model.parent
    text = good("import", model, "-o", at / "int.npz", *DIRECT, "--prune", "0.6", "--config", "tiny")
    assert "int.npz, " in text and "int.host.npz and " in text
    data = (at / "x.npz", at / "image", "--data-array", "x", "--config", "tiny", "--force")
    text = good("pack", at / "int.npz", *data)
    assert "note: pruned (layer) to" in text and "warning" not in text
    manifest = json.loads((at / "image" / "manifest.json").read_text())
    weights = load_network(at / "int.npz").layers
    assert [layer["nonzero_weights"] for layer in manifest["layers"]] == [int((w.weights != 0).sum()) for w in weights]
    assert sum(layer["nonzero_weights"] for layer in manifest["layers"]) <= 0.42 * sum(w.weights.size for w in weights)
    assert manifest["origin"]["contract"]["pixel_offset"] == 64 and any("pruned" in note for note in manifest["origin"]["notes"])
    assert "warning" not in good("pack", model, *data, *DIRECT, "--prune", "0.6")
    for command in (("pack", model, *data), ("encode", model, "--data", data[0], "--data-array", "x", "-o", at / "s.npz")):
        text = good(*command, *DIRECT)
        assert "warning: int.npz beside " in text and "is another network (pruned (layer) to 6" in text and "give int.npz" in text


def test_what_stands_beside_a_network_must_be_its_own(model: Path) -> None:
    at = model.parent
    good("import", model, "-o", at / "int.npz", *DIRECT)
    good("import", model, "-o", at / "other.npz", *DIRECT, "--bits", "4")
    encoder = load_encoder(at / "int.npz")
    assert encoder is not None and encoder.input_shape == (1, 6, 6) and len(encoder.host) == 1
    data = ("--data", at / "x.npz", "--data-array", "x", "-o", at / "s.npz")
    companion, host = companion_of(at / "int.npz"), host_of(at / "int.npz")
    text, raw = companion.read_text(), host.read_bytes()
    for content, words in (("{", "is not JSON"), ("{}", "must be what `loas import` writes beside int.npz"),
                           (text.replace('"version": 2', '"version": 1'), "version = 1 is not legal: must be 2; import the network again"),
                           (text.replace('"input_map"', '"map"'), "input_map is missing: import the network again"),
                           (companion_of(at / "other.npz").read_text(), "belongs to another int.npz")):  # fmt: skip
        companion.write_text(content)
        assert words in refused("encode", at / "int.npz", *data)
    companion.write_text(text)
    host.write_bytes(host_of(at / "other.npz").read_bytes())
    assert "int.host.npz: is not the host's layer of int.npz" in refused("encode", at / "int.npz", *data)
    host.unlink()
    assert "int.host.npz: cannot be read" in refused("encode", at / "int.npz", *data)
    host.write_bytes(raw)
    good("encode", at / "int.npz", *data)
    # without a contract only spikes can be given
    companion.unlink()
    (at / "s.npz").unlink()
    assert "--data-array x is not legal: " in refused("encode", at / "int.npz", *data)
    assert "--reset hard is not legal" in refused("encode", at / "other.npz", *data, "--reset", "hard")
    # an import that has no layer on the host takes away that of an earlier one
    good("import", model, "-o", at / "other.npz", *said(encoding="spikes"), "--force")
    assert not host_of(at / "other.npz").exists()
