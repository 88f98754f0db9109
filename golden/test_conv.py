# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of convolutions: naive against fast, both against windows that numpy slides, and their images."""

from __future__ import annotations

import dataclasses
import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden import fiber, layer
from golden.compare import compare
from golden.config import load
from golden.image import WALK, ImageError, parse_layout, read_image, read_outputs, reseal, write_image
from golden.layer import Branch, Conv, Layer, NetworkError, conv_rows, layer_fast, layer_naive, max_pool, rows_out, work
from golden.network import Network, load_network
from golden.random_networks import random_conv_job

TINY, PAPER = load("tiny"), load("paper")
CONFIGS = {
    "tiny": TINY,
    "paper": PAPER,
    "t3": TINY.override(T=3, WEIGHT_W=4, NUM_SLOTS=2),
    "t16": TINY.override(T=16, WEIGHT_W=5, CHUNK_W=64),
}
make: Any = Layer


def job_of(seed: int, cfg: Any, **options: Any) -> Any:
    return random_conv_job(seed, cfg, **options)


def random_geometry(rng: np.random.Generator) -> Conv:
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    values = (*rng.integers(1, 6, 3), *kernel, *stride, *(rng.integers(k) for k in kernel), *rng.integers(1, 5, 2))
    return Conv(*(int(v) for v in values))


def random_spikes(rng: np.random.Generator, conv: Conv, images: int, T: int) -> npt.NDArray[np.uint8]:
    return (rng.random((images * conv.in_h * conv.in_w, conv.cin, T)) < rng.random()).astype(np.uint8)


def windows(A: npt.NDArray[np.uint8], conv: Conv) -> npt.NDArray[np.uint8]:
    """The rows of :func:`conv_rows` by another way: windows slid over maps with a wide zero margin."""
    T = A.shape[2]
    maps = A.reshape(-1, conv.in_h, conv.in_w, conv.cin, T)
    margin = [(0, 0), (conv.pad_top, conv.out_h * conv.stride_y + conv.kh), (conv.pad_left, conv.out_w * conv.stride_x + conv.kw)]
    slid = np.lib.stride_tricks.sliding_window_view(np.pad(maps, [*margin, (0, 0), (0, 0)]), (conv.kh, conv.kw), axis=(1, 2))
    some = slid[:, :: conv.stride_y, :: conv.stride_x][:, : conv.out_h, : conv.out_w]  # (image, y, x, c, t, ky, kx)
    return np.ascontiguousarray(some.transpose(0, 1, 2, 5, 6, 3, 4)).reshape(-1, conv.taps * conv.cin, T)


@pytest.mark.parametrize("seed", range(60))
def test_naive_fast_and_windows_agree(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    conv, T, N = random_geometry(rng), int(rng.integers(1, 5)), int(rng.integers(1, 4))
    K = conv.taps * conv.cin
    A = random_spikes(rng, conv, int(rng.integers(1, 4)), T)
    kind = {"readout": True} if seed % 5 == 0 else {"soft": bool(seed % 2), "drop_once": seed % 3 == 0}
    one = make(rng.integers(-9, 10, (K, N)), rng.integers(-5, 6, N), rng.integers(-5, 20, N), int(rng.integers(257)), conv=conv, **kind)
    fast = layer_fast(A, one)
    assert np.array_equal(layer_naive(A, one), fast) and len(fast) == rows_out(one, len(A))
    rows = windows(A, conv)
    assert np.array_equal(conv_rows(A, conv), rows) and np.array_equal(conv_rows(A, conv, 1, len(rows)), rows[1:])
    assert np.array_equal(layer_fast(rows, dataclasses.replace(one, conv=None)), fast)
    whole = layer.row_groups
    monkeypatch.setattr(layer, "row_groups", lambda operands, group: whole(operands, 2))
    assert np.array_equal(layer_fast(A, one), fast)


@pytest.mark.parametrize("seed", range(40))
def test_pooled_residual_and_long_layers(seed: int) -> None:
    """Naive against fast, and against the same sums and words made by numpy from windows."""
    rng = np.random.default_rng(seed)
    conv, T, N, chunk = random_geometry(rng), int(rng.integers(1, 13)), int(rng.integers(1, 4)), 4
    pool = None if seed % 3 == 0 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    branch, second = None, None
    if pool:
        conv = dataclasses.replace(conv, out_h=conv.out_h * pool[0], out_w=conv.out_w * pool[1])
    elif seed % 2:
        other = dataclasses.replace(random_geometry(rng), out_h=conv.out_h, out_w=conv.out_w)
        branch, second = Branch(-1, other), random_spikes(rng, other, 2, T)
    A = random_spikes(rng, conv, 2, T)
    kind = {"soft": seed % 4 in (1, 2), "late": seed % 4 > 1, "drop_once": seed % 5 == 0}
    rows = windows(A, conv)
    if branch and second is not None:
        rows = np.concatenate([rows, windows(second, branch.conv)], axis=1)
    W = rng.integers(-9, 10, (rows.shape[1], N))
    one = make(W, rng.integers(-5, 6, N), rng.integers(-5, 20, N), int(rng.integers(257)), conv=conv, pool=pool, branch=branch, **kind)
    fast = layer_fast(A, one, second, chunk)
    assert np.array_equal(layer_naive(A, one, second, chunk), fast) and len(fast) == rows_out(one, len(A))
    flat = dataclasses.replace(one, conv=None, pool=None, branch=None, drop_once=False)
    want = layer_fast(rows, flat)
    if pool:
        shape = (-1, conv.out_h // pool[0], pool[0], conv.out_w // pool[1], pool[1], N, T)
        want = want.reshape(shape).transpose(0, 1, 3, 5, 6, 2, 4).any(axis=(5, 6)).astype(np.uint8).reshape(-1, N, T)
    if one.drop_once:
        for t in range(0, T, chunk):
            want[:, :, t : t + chunk] *= (want[:, :, t : t + chunk].sum(axis=2) != 1)[:, :, None]
    assert np.array_equal(fast, want)


def test_late_reset_by_hand() -> None:
    """X = 10, 5 + (128 * 10 >> 8) - 7 = 3, 5 + (3 >> 1) = 6, ... with threshold 7, input 10 and then 5 each step."""
    one = make(np.array([[5], [5]]), [0], [7], 128, soft=True, late=True)
    A = np.array([[[1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]], np.uint8)
    assert layer_fast(A, one)[0, 0].tolist() == [1, 0, 0, 1, 0]  # X = 10, 3, 6, 8, 5 + 4 - 7 = 2
    early = dataclasses.replace(one, late=False)
    assert layer_fast(A, early)[0, 0].tolist() == [1, 0, 1, 0, 1]  # X = 10, 5 + 1 = 6, 5 + 3 = 8, 5 + 0 = 5, 5 + 2 = 7


def test_no_reset_by_hand() -> None:
    """X = 10, 5 + (128 * 10 >> 8) = 10, 5 + 5 = 10, ... with threshold 8, input 10 and then 5 each step: firing changes nothing."""
    one = make(np.array([[5], [5]]), [0], [8], 128, late=True)
    A = np.array([[[1, 1, 1, 1, 0], [1, 0, 0, 0, 0]]], np.uint8)
    assert layer_fast(A, one)[0, 0].tolist() == [1, 1, 1, 1, 0]  # X = 10, 10, 10, 10, 5
    assert layer_fast(A, dataclasses.replace(one, late=False))[0, 0].tolist() == [1, 0, 0, 1, 0]  # X = 10, 5, 5 + 2 = 7, 5 + 3 = 8, 0
    with pytest.raises(NetworkError, match="soft, late, drop_once and pool mean nothing in a readout"):
        dataclasses.replace(one, readout=True)


def test_shapes_of_pools_and_branches_are_checked() -> None:
    conv = Conv.of((4, 4), 1, (1, 1))
    good = make(np.ones((1, 2)), [0, 0], [1, 1], conv=conv, name="good")
    for change, message in (
        ({"pool": (3, 2)}, "good: pool: ph = 3 is not legal: must be an integer, 1 to 255, that divides out_h = 4"),
        ({"pool": (2, 2), "readout": True}, "pool mean nothing in a readout"),
        ({"pool": (2, 2), "conv": None}, "pool is not legal in a fully connected layer"),
        ({"branch": Branch(-1, Conv.of((4, 3), 1, (1, 1))), "weights": np.ones((2, 2))}, "branch: 4 x 3 output pixels .* must be 4 x 4"),
        ({"branch": Branch(-1, conv)}, r"K = 1 is not legal: must be 2, kh \* kw \* cin = 1 \* 1 \* 1 \+ 1 \* 1 \* 1"),
        ({"branch": Branch(-1, conv), "weights": np.ones((2, 2)), "pool": (2, 2)}, "pool is not legal beside a branch"),
    ):
        with pytest.raises(NetworkError, match=message):
            dataclasses.replace(good, **change)  # type: ignore[arg-type]
    two = dataclasses.replace(good, weights=np.ones((3, 2)), conv=Conv.of((4, 4), 2, (1, 1)), branch=Branch(-1, conv), name="two")
    net = Network("net", 9, [good, two])
    x = np.ones((32, 1, 9), np.uint8)
    assert net.rows(32) == [32, 32] and [out.shape for out in net.run(x)] == [(32, 2, 9)] * 2
    for layers, message in (
        ([good, dataclasses.replace(two, source=1)], r"two: source = 1 is not legal: must be -1 to 0"),
        ([good, dataclasses.replace(two, branch=Branch(0, conv))], "two: cin = 1 is not legal: must be 2, the outputs of good"),
        ([dataclasses.replace(good, pool=(2, 2)), two], r"two: in_h \* in_w = 16 is not legal: must be 4"),
        ([dataclasses.replace(two, source=-1)], "cin = 1 is not legal: must be 2, the outputs of the network's input"),
    ):
        with pytest.raises(NetworkError, match=message):
            Network("net", 9, layers)


@pytest.mark.parametrize("seed", range(20))
def test_max_pool_is_the_or_of_the_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv = random_geometry(rng)
    A = random_spikes(rng, conv, 2, 4)
    want = windows(A, conv).reshape(-1, conv.taps, conv.cin, 4).max(axis=1)
    assert np.array_equal(layer_fast(A, max_pool(conv)), want)


def test_whole_map_is_fully_connected() -> None:
    rng = np.random.default_rng(0)
    conv = Conv.of((3, 4), 5, (3, 4))
    assert (conv.out_h, conv.out_w) == (1, 1)
    A = random_spikes(rng, conv, 6, 4)
    one = make(rng.integers(-9, 10, (60, 7)), np.zeros(7), np.full(7, 9), conv=conv)
    assert np.array_equal(layer_fast(A, one), layer_fast(A.reshape(6, 60, 4), dataclasses.replace(one, conv=None)))
    assert Conv.of((5, 6), 1, (3, 2), (2, 3), (1, 0)) == Conv(5, 6, 1, 3, 2, 2, 3, 1, 0, 3, 2)


@pytest.mark.parametrize("seed", range(20))
def test_work_counts_padded_chunks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    conv, cfg = random_geometry(rng), TINY
    A = random_spikes(rng, conv, 2, 4)
    W = (rng.integers(-3, 4, (conv.taps * conv.cin, 3)) * (rng.random((conv.taps * conv.cin, 3)) < 0.3)).astype(np.int8)
    rows, wide = windows(A, conv), -(-conv.cin // cfg.SLICE_W) * cfg.SLICE_W
    matches = corrections = empty = 0
    for m, n in itertools.product(range(len(rows)), range(3)):
        chunks = set()
        for k in range(conv.taps * conv.cin):
            if rows[m, k].any() and W[k, n]:
                matches += 1
                corrections += not rows[m, k].all()
                chunks.add((k // conv.cin * wide + k % conv.cin) // cfg.window_w)
        empty += -(-conv.taps * wide // cfg.window_w) - len(chunks)
    got = work(A, W, cfg, conv)
    assert (got.matches, got.corrections, got.empty_chunks) == (matches, corrections, empty)


GOOD = Conv.of((4, 5), 3, (2, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kh": 0}, "kh = 0 is not legal: must be an integer, 1 to 255"),
        ({"stride_x": 256}, "stride_x = 256 is not legal: must be an integer, 1 to 255"),
        ({"pad_top": 2}, "pad_top = 2 is not legal: must be an integer, 0 to 1"),
        ({"pad_left": -1}, "pad_left = -1 is not legal: must be an integer, 0 to 2"),
        ({"in_w": 65536}, "in_w = 65536 is not legal"),
        ({"out_h": 0}, "out_h = 0 is not legal"),
        ({"out_h": 65535, "stride_y": 3}, "out_h = 65535 is not legal: the last window reaches coordinate 196603, must be below 131072"),
        ({"cin": 1.5}, "cin = 1.5 is not legal"),
    ],
)
def test_geometry_is_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        dataclasses.replace(GOOD, **change)


def test_layers_must_join() -> None:
    def one(k: int, n: int, conv: Conv | None, name: str = "next") -> Layer:
        return make(np.ones((k, n)), np.zeros(n), np.ones(n), conv=conv, name=name)

    first = one(18, 7, GOOD, "first")  # 3 x 3 pixels of 7 channels
    with pytest.raises(NetworkError, match=r"next: weights: K = 17 is not legal: must be 18, kh \* kw \* cin = 2 \* 3 \* 3"):
        one(17, 7, GOOD)
    with pytest.raises(NetworkError, match="next: cin = 6 is not legal: must be 7, the outputs of first"):
        Network("net", 4, [first, one(54, 1, Conv.of((3, 3), 6, (3, 3)))])
    with pytest.raises(NetworkError, match=r"next: in_h \* in_w = 12 is not legal: must be 9"):
        Network("net", 4, [first, one(7, 7, None), one(7, 1, Conv.of((4, 3), 7, (1, 1)))])
    net = Network("net", 4, [first, one(63, 2, Conv.of((3, 3), 7, (3, 3)))])
    assert net.rows(40) == [18, 2]
    for m in (10, 21):
        with pytest.raises(NetworkError, match=f"first: {m} input rows are not legal: must be a multiple of 20"):
            net.run(np.zeros((m, 3, 4), np.uint8))
    with pytest.raises(NetworkError, match="channels must be 3"):
        layer_fast(np.zeros((20, 4, 4), np.uint8), first)
    with pytest.raises(NetworkError, match=r"must be \(M, 3, 4\)"):
        net.run(np.zeros((20, 18, 4), np.uint8))
    with pytest.raises(NetworkError, match="K = 528 is not legal: must be 1 to 512"):  # 66 taps of 1 channel, a slice each
        Network("net", 4, [one(66, 1, Conv.of((6, 11), 1, (6, 11)))]).check(TINY)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(25))
def test_image_round_trip(name: str, seed: int) -> None:
    cfg = CONFIGS[name]
    job = job_of(seed, cfg)
    image = read_image(job.image, cfg)
    assert image.network.same(job.network) and np.array_equal(image.spikes, job.spikes)
    network = image.layout.network
    again = write_image(image.network, image.spikes, cfg, [(lay.block_cols, lay.tile_rows) for lay in network],
                        index=[lay.index for lay in network])  # fmt: skip
    assert again == job.image
    memory = bytearray(job.image)
    for place, out in enumerate(job.golden):
        for c, lay in enumerate(image.layout.over_time(place)):
            assert lay.m == len(out)
            if lay.readout:
                rows = np.zeros((lay.m, lay.out_stride), np.uint8)
                rows[:, : 4 * lay.n] = out.astype("<i4").view(np.uint8)
            else:
                part = np.zeros((lay.m, lay.n, cfg.T), np.uint8)
                part[:, :, : lay.steps] = out[:, :, c * cfg.T : (c + 1) * cfg.T]
                rows = fiber.compress_rows(part, cfg, lay.out_stride)
            memory[lay.out_base : lay.out_base + rows.size] = rows.tobytes()
    outputs = read_outputs(memory, image.layout)
    assert all(a is not None and np.array_equal(a, b) for a, b in zip(outputs, job.golden, strict=True))
    report = compare(bytes(memory), job.network, job.spikes, job.golden, cfg, exact_work=False)
    assert not report.mismatches and report.compared == sum(out.size for out in job.golden)


def test_random_jobs_reach_every_kind() -> None:
    layers = [one for seed in range(60) for one in job_of(seed, TINY).network.layers]
    convs = [one.conv for one in layers if one.conv]
    assert any(one.conv is None for one in layers) and any(one.readout for one in layers)
    assert any(one.name and one.conv and one.same(max_pool(one.conv)) for one in layers)
    assert any(c.taps > 1 and c.kh != c.kw and (c.kh, c.kw) == (c.in_h, c.in_w) for c in convs)
    assert any(c.pad_top for c in convs) and any(c.pad_left for c in convs) and any(c.cin > TINY.CHUNK_W for c in convs)
    assert {1, 2, 3, 4, 5, 7} <= {c.kh for c in convs} | {c.kw for c in convs} and max(c.stride_y for c in convs) == 3
    assert any(one.pool for one in layers) and any(one.branch for one in layers) and any(one.late for one in layers)
    steps = [job_of(seed, TINY).network.T for seed in range(60)]
    assert any(T < 4 for T in steps) and any(T > 4 and T % 4 for T in steps) and any(T > 8 for T in steps)
    codes = [lay.index for seed in range(20) for lay in parse_layout(job_of(seed, TINY).image).network]
    assert any(codes) and not all(codes)


def test_files(tmp_path: Path) -> None:
    job = job_of(0, TINY)
    job.network.save(tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz").same(job.network)
    data = dict(np.load(tmp_path / "net.npz"))
    for bad, message in (
        (np.arange(4), "0.conv = .* is not legal: must be in_h, in_w"),
        (np.zeros(11), "0.conv: convolution: in_h = 0"),
    ):
        np.savez(tmp_path / "bad.npz", **{**data, "0.conv": bad})
        with pytest.raises(NetworkError, match="bad.npz: " + message):
            load_network(tmp_path / "bad.npz")


# ---- corrupt images --------------------------------------------------------------------------------
def sample() -> bytes:
    rng = np.random.default_rng(1)
    first = Conv(4, 5, 11, 3, 2, 1, 3, 1, 1, 4, 3)
    second = Conv.of((4, 3), 9, (4, 3))
    layers = [
        make(rng.integers(-9, 10, (66, 9)), np.zeros(9), np.full(9, 9), conv=first, name="layer0"),
        make(rng.integers(-9, 10, (108, 3)), np.zeros(3), np.full(3, 9), conv=second, readout=True, name="layer1"),
    ]
    return write_image(Network("sample", 4, layers), random_spikes(rng, first, 2, 4), TINY)


IMAGE = sample()
LAYOUT = parse_layout(IMAGE)


def poke(at: int, value: int) -> bytes:
    data = bytearray(IMAGE)
    struct.pack_into("<I", data, at, value % (1 << 32))
    return bytes(data)


def word(at: int) -> int:
    return int(struct.unpack_from("<I", IMAGE, at)[0])


def test_walk_words() -> None:
    lay = LAYOUT.layers[0]
    stride, row = lay.a_stride, 5 * lay.a_stride
    words = struct.unpack_from("<16I", IMAGE, lay.walk)
    assert words[:9] == (
        0x03010203, 0x00030004, 0x00050004, 0x00020101, 3 * stride, row, row, 4 * row, lay.a_base - row - stride,
    )  # fmt: skip
    assert words[9:15] == (stride, 0x101, 0, 0, 0, 0) and sum(words) % (1 << 32) == 0 and lay.walk % 64 == 0
    assert (lay.m, lay.k, lay.rows_in, word(4 * 13), word(LAYOUT.desc_offset) & 255) == (24, 96, 40, 11, 2)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("at", range(16))
def test_every_bit_of_a_walk_record_is_checked(index: int, at: int) -> None:
    place = LAYOUT.layers[index].walk + 4 * at
    name = {number: name for name, number in WALK.items()}.get(at, f"word {at}")
    here = f"offset {place:#x}: layer {index}: walk: {name} = .* is not legal: must be"
    for bit in range(32):
        bad = poke(place, word(place) ^ 1 << bit)
        with pytest.raises(ImageError, match="crc"):
            read_image(bad)
        with pytest.raises(ImageError, match=f"layer {index}: walk: checksum"):
            parse_layout(bad, verify_crc=False)
        if name != "checksum":  # a wrong size shows where the words made from it, or the rows, differ
            match = f"{here}|layer {index}: branch: |layer 0: a_base = " if name in ("branch", "pool") else here
            with pytest.raises(ImageError, match=match if at > 3 else "layer [01]: (walk: |rows = |a_base|out_base)|input_rows"):
                read_image(reseal(bad))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kernel", 0x03000203, "walk: kernel = 0x3000203 .* of four bytes that are 1 to 255"),
        ("out_size", 0x00030000, "walk: out_size = .* of two halves"),
        ("out_size", 0xFFFF0004, "walk: convolution: out_w = 65535 is not legal: the last window reaches"),
        ("in_size", 0x00000004, "walk: in_size = .* of two halves"),
        ("pad", 0x00020103, "walk: pad = .* pad_top in bits 7:0 below kh = 3"),
        ("pad", 0x00020201, "walk: pad = .* pad_left in bits 15:8 below kw = 2"),
        ("pad", 0x00030101, "walk: pad = .* of 2 slices in bits 31:16, 11 channels in slices of 8"),
        ("kernel", 0x03010204, "walk: pad = .* = 128 is k = 96"),
    ],
)
def test_walk_errors_say_what_is_legal(field: str, value: int, message: str) -> None:
    with pytest.raises(ImageError, match="offset 0x.*: layer 0: " + message):
        read_image(reseal(poke(LAYOUT.layers[0].walk + 4 * WALK[field], value)))


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (LAYOUT.desc_offset + 4 * 14, 0, "layer 0: walk = 0x0 .* must be 64 to"),
        (LAYOUT.desc_offset + 4 * 14, 32, "layer 0: walk = .* a multiple of 64"),
        (LAYOUT.desc_offset + 4 * 14, LAYOUT.layers[1].walk, "layer 0: walk: "),
        (LAYOUT.desc_offset + 4 * 1, word(LAYOUT.desc_offset + 4) + 1, "layer 0: rows = .* a multiple of 12"),
        (LAYOUT.desc_offset + 64 + 4 * 1, word(LAYOUT.desc_offset + 64 + 4) - 1, "layer 1: rows = .* the output pixels of 2 images"),
        (LAYOUT.desc_offset, word(LAYOUT.desc_offset) - 1, "layer 0: walk = .* must be 0 in a fully connected layer"),
        (4 * 13, 0, "input_channels = 0x0 .* must be 1 to"),
        (4 * 13, 17, "walk: pad = .* of 3 slices"),
        (4 * 13, 10, "bitmask has a bit at or after neuron 10|channel at or after 10"),
        (4 * 11, 24, "input_rows = .* must be 40"),
    ],
)
def test_descriptor_and_header_are_checked_against_the_walk(at: int, value: int, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(reseal(poke(at, value)))


def test_channels_beyond_the_last_have_no_weights() -> None:
    lay = LAYOUT.layers[0]
    masks = word(lay.blocks[0][1])  # taps of two slices: bits 11 to 15 are channels that do not exist
    data = bytearray(poke(lay.blocks[0][1], masks & ~(1 << 10) | 1 << 11))
    with pytest.raises(ImageError, match="layer 0: a weight of a channel at or after 11 is not zero"):
        read_image(reseal(data))
