# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Long sequences in chunks of timesteps, buffers that are used again, and machines that lack the one or the other."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden import fiber
from golden.bounds import BoundError, check_layer
from golden.compare import compare
from golden.config import Config, load
from golden.image import (
    DESCRIPTOR,
    ImageError,
    Layout,
    image_config,
    parse_layout,
    read_image,
    read_outputs,
    read_rows,
    reseal,
    write_image,
)
from golden.layer import Branch, Conv, Layer, NetworkError, drop_once, layer_naive, sources
from golden.layout import CONTROL, LayerLayout
from golden.network import Network

TINY, PAPER = load("tiny"), load("paper")
T1, T3 = TINY.override(T=1, SLICE_W=4), TINY.override(T=3)
make: Any = Layer


def random_layer(rng: np.random.Generator, k: int, n: int, T: int, cfg: Config, **more: Any) -> Layer:
    """A layer whose membranes do not overflow in T timesteps."""
    last = more.get("readout", False)
    soft = not last and bool(rng.integers(2))
    weights = rng.integers(-60, 61, (k, n)) * (rng.random((k, n)) < rng.choice([0.02, 0.2, 0.8]))
    while True:
        layer: Layer = make(weights, rng.integers(-9, 10, n), rng.integers(1, 90, n), int(rng.choice([0, 77, 255, 256])), soft=soft,
                            late=not last and bool(rng.integers(2)), drop_once=not last and bool(rng.integers(2)), **more)  # fmt: skip
        try:
            check_layer(layer, cfg, T)
            return layer
        except BoundError:
            weights = np.trunc(weights / 2).astype(int)


def random_residual(seed: int, cfg: Config, T: int) -> tuple[Network, npt.NDArray[np.uint8]]:
    """Maps of 4 x 4, then of 2 x 2 pixels, with branches from anywhere, pooling and a fully connected or whole-map end."""
    rng = np.random.default_rng(seed)
    channels = [int(rng.integers(1, 20))]
    side = [4]  # of the input, then of every layer
    layers: list[Layer] = []
    for i in range(int(rng.integers(2, 8))):
        source = i - 1 if not i or rng.random() < 0.7 else int(rng.integers(-1, i))
        size = side[source + 1]
        pool = (2, 2) if size == 4 and rng.random() < 0.2 else None
        conv = Conv.of((size, size), channels[source + 1], (3, 3), pad=(1, 1))
        if size == 4 and not pool and rng.random() < 0.3:
            conv = Conv.of((4, 4), channels[source + 1], (2, 2), (2, 2))
        n, branch, k = int(rng.integers(1, 20)), None, conv.taps * conv.cin
        others = [j for j in range(-1, i) if side[j + 1] >= conv.out_h]
        if others and not pool and rng.random() < 0.6:
            other = int(rng.choice(others))
            step = side[other + 1] // conv.out_h
            branch = Branch(other, Conv.of((side[other + 1],) * 2, channels[other + 1], (1, 1), (step, step)))
            k += channels[other + 1]
        layers.append(random_layer(rng, k, n, T, cfg, conv=conv, pool=pool, branch=branch, source=source, name=f"layer{i}"))
        channels.append(n)
        side.append(conv.out_h // (pool[0] if pool else 1))
    if rng.random() < 0.6:
        whole = Conv.of((side[-1], side[-1]), channels[-1], (side[-1], side[-1]))
        layers.append(random_layer(rng, whole.taps * whole.cin, 5, T, cfg, conv=whole, readout=bool(rng.integers(2)), name="end"))
    return Network("residual", T, layers), random_spikes(rng, 32, channels[0], T)


def random_spikes(rng: np.random.Generator, m: int, k: int, T: int) -> npt.NDArray[np.uint8]:
    live = rng.random((m, k, 1)) < rng.random()
    return (live & (rng.random((m, k, T)) < 0.4)).astype(np.uint8)


# ---- a machine, stated apart from the model: descriptor after descriptor, out of and into a memory -----------------------
class Machine:
    """Runs an image on rows in memory; membranes are kept for each place in the network."""

    def __init__(self, image: bytes, cfg: Config) -> None:
        self.memory, self.cfg, self.network = bytearray(image), cfg, read_image(image, cfg).network
        self.layout = parse_layout(image, cfg)
        self.membranes: dict[int, npt.NDArray[np.int64]] = {}  # by the offset of the state

    def run(self) -> Layout:
        """All descriptors in order."""
        for index, lay in enumerate(self.layout.layers):
            self.step(lay, self.network.layers[index % len(self.layout.network)])
        return self.layout

    def step(self, lay: LayerLayout, layer: Layer) -> None:
        """One descriptor."""
        cfg, T = self.cfg, lay.steps
        rows = read_rows(self.memory, lay.a_base, lay.a_stride, lay.rows_in, lay.inputs, cfg)
        windows = gather(rows, lay.conv)
        if lay.branch:
            other = read_rows(self.memory, lay.branch_base, lay.branch_stride, lay.images * lay.branch.pixels_in, lay.branch.cin, cfg)
            windows = np.concatenate([windows, gather(other, lay.branch)], axis=1)
        assert not windows[:, :, T:].any()
        weights = layer.weights.astype(np.int64)
        u = self.membranes[lay.state] if lay.carry_in else np.zeros((len(windows), layer.n), np.int64)
        words = np.zeros((len(windows), layer.n, cfg.T), np.uint8)
        for t in range(T):
            x = windows[:, :, t].astype(np.int64) @ weights + layer.bias
            if layer.readout:
                u = u + x
                continue
            x = x + u
            words[:, :, t] = fires = x >= layer.threshold
            if layer.late:
                u = (layer.leak * x >> 8) - np.where(fires & layer.soft, layer.threshold, 0)
            else:
                u = layer.leak * np.where(fires, x - layer.threshold if layer.soft else 0, x) >> 8
        if lay.carry_out:
            self.membranes[lay.state] = u
        out, lengths = np.zeros((lay.m, lay.out_stride), np.uint8), [4 * lay.n] * lay.m
        if layer.readout:
            out[:, : 4 * lay.n] = u.astype("<i4").view(np.uint8)
        else:
            out[:] = fiber.compress_rows(self.finish(words, lay), cfg, lay.out_stride)
            lengths = fiber.fiber_bytes(out, lay.n, cfg).tolist()
        for m, (row, length) in enumerate(zip(out, lengths, strict=True)):  # what is behind a fiber stays as it was
            at = lay.out_base + m * lay.out_stride
            self.memory[at : at + length] = row[:length].tobytes()

    @staticmethod
    def finish(words: npt.NDArray[np.uint8], lay: LayerLayout) -> npt.NDArray[np.uint8]:
        """Pools and drops, pixel by pixel."""
        if lay.pool:
            assert lay.conv is not None
            (ph, pw), c = lay.pool, lay.conv
            pooled = np.zeros((lay.m, *words.shape[1:]), np.uint8)
            for pixel, word in enumerate(words):
                y, x = divmod(pixel, c.out_w)  # y counts on through the images: out_h is a multiple of ph
                pooled[y // ph * (c.out_w // pw) + x // pw] |= word
            words = pooled
        if lay.drop_once:
            words[words.sum(axis=2) == 1] = 0
        return words


def gather(rows: npt.NDArray[Any], conv: Conv | None) -> npt.NDArray[Any]:
    """The window of every output pixel, by loops over its pixels."""
    if conv is None:
        return rows
    out = []
    for image, y, x in itertools.product(range(len(rows) // conv.pixels_in), range(conv.out_h), range(conv.out_w)):
        window = np.zeros((conv.taps, *rows.shape[1:]), rows.dtype)
        for tap, (ky, kx) in enumerate(itertools.product(range(conv.kh), range(conv.kw))):
            iy, ix = y * conv.stride_y - conv.pad_top + ky, x * conv.stride_x - conv.pad_left + kx
            if 0 <= iy < conv.in_h and 0 <= ix < conv.in_w:
                window[tap] = rows[(image * conv.in_h + iy) * conv.in_w + ix]
        out.append(window.reshape(-1, rows.shape[2]))
    return np.stack(out)


# ---- long sequences ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cfg", [TINY, T3, T1], ids=["T4", "T3", "T1"])
@pytest.mark.parametrize("T", [1, 3, 4, 5, 9, 300])
@pytest.mark.parametrize("readout", [False, True])
def test_round_trip_of_any_length(T: int, cfg: Config, readout: bool) -> None:
    rng = np.random.default_rng(T)
    layers = [random_layer(rng, 20, 13, T, cfg), random_layer(rng, 13, 7, T, cfg, readout=readout)]
    net, spikes = Network("long", T, layers), random_spikes(rng, 3, 20, T)
    data = write_image(net, spikes, cfg)
    image = read_image(data, cfg)
    assert image.network.same(net) and np.array_equal(image.spikes, spikes)
    layout, chunks = image.layout, -(-T // cfg.T)
    assert layout.chunks == chunks and len(layout.layers) == 2 * chunks and len(layout.inputs) == chunks
    assert sum(lay.steps for lay in layout.over_time(1)) == T
    assert [lay.carry_in for lay in layout.over_time(0)] == [False] + [True] * (chunks - 1)
    assert [lay.carry_out for lay in layout.over_time(0)] == [True] * (chunks - 1) + [False]
    assert len({lay.b_base for lay in layout.over_time(0)}) == 1 and len({lay.state for lay in layout.over_time(1)}) == 1
    assert write_image(image.network, image.spikes, cfg) == data
    golden = net.run(spikes, cfg.T)
    machine = Machine(data, cfg)
    outputs = read_outputs(machine.memory, machine.run())
    assert all(a is not None and np.array_equal(a, b) for a, b in zip(outputs, golden, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_chunks_with_carried_membranes_are_one_piece(seed: int) -> None:
    """A layer in one piece, and step by step in plain integers with the membrane handed on from chunk to chunk."""
    rng = np.random.default_rng(seed)
    T, chunk = int(rng.integers(1, 30)), int(rng.integers(1, 6))
    one = random_layer(rng, 9, 4, T, PAPER, readout=seed % 4 == 0)
    A = random_spikes(rng, 3, 9, T)
    whole = layer_naive(A, one, chunk=chunk)
    for m, n in itertools.product(range(3), range(4)):
        membrane, spikes = 0, list[int]()
        for first in range(0, T, chunk):
            part = list[int]()
            for t in range(first, min(first + chunk, T)):
                x = int(A[m, :, t].astype(int) @ one.weights[:, n].astype(int)) + int(one.bias[n]) + membrane
                if one.readout:
                    membrane = x
                    continue
                fires = x >= one.threshold[n]
                part.append(int(fires))
                if one.late:
                    membrane = (one.leak * x >> 8) - int(one.threshold[n]) * (fires and one.soft)
                elif one.soft:
                    membrane = one.leak * (x - int(one.threshold[n]) * fires) >> 8
                else:
                    membrane = 0 if fires else one.leak * x >> 8
            spikes += [0] * len(part) if one.drop_once and sum(part) == 1 else part
        assert (membrane == whole[m, n]) if one.readout else (spikes == whole[m, n].tolist())


def test_too_many_descriptors() -> None:
    one = make(np.ones((1, 1)), [0], [1], leak=0)
    net = Network("long", 65536, [one] * 5)
    with pytest.raises(NetworkError, match="long: 16384 chunks of 5 layers are not legal: must be at most 65535 descriptors"):
        write_image(net, np.zeros((1, 1, 65536), np.uint8), TINY)


def test_input_after_the_last_timestep_is_refused() -> None:
    net = Network("n", 5, [make(np.ones((3, 2)), [0, 0], [1, 1], 0)])
    data = bytearray(write_image(net, np.ones((1, 3, 5), np.uint8), TINY))
    base, _ = parse_layout(data).inputs[1]
    struct.pack_into("<I", data, base + 8, 0x311)  # the second word of the last chunk fires at t = 5 too
    with pytest.raises(ImageError, match=f"offset {base:#x}: the input fires at or after timestep 5, the last of the network"):
        read_image(reseal(data))


# ---- buffers -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("seed", range(30))
def test_buffers_hold_rows_until_they_are_read(seed: int, keep: bool) -> None:
    cfg = (TINY, T3, PAPER)[seed % 3]
    T = (cfg.T, 2 * cfg.T + 1, 1)[seed // 3 % 3]
    net, spikes = random_residual(seed, cfg, T)
    golden = net.run(spikes, cfg.T)
    data = write_image(net, spikes, cfg, keep=keep)
    back = read_image(data, cfg)
    assert back.network.same(net) and back.layout.network[-1].sources == sources(net.layers[-1], len(net.layers) - 1)
    machine = Machine(data, cfg)
    outputs = read_outputs(machine.memory, machine.run())
    for out, want in zip(outputs, golden, strict=True):
        assert out is None if out is None and not keep else out is not None and np.array_equal(out, want)
    assert outputs[-1] is not None
    report = compare(bytes(machine.memory), net, spikes, golden, cfg, exact_work=False)
    assert not report.mismatches and report.compared >= golden[-1].size
    other = write_image(net, spikes, cfg, keep=not keep)
    assert len(data) >= len(other) if keep else len(data) <= len(other)


def test_buffers_in_a_chain_are_two_and_with_a_branch_three() -> None:
    rng = np.random.default_rng(0)
    chain = [random_layer(rng, 20, 20, 13, TINY, name=f"l{i}") for i in range(6)]
    net, spikes = Network("chain", 13, chain), random_spikes(rng, 4, 20, 13)
    image = write_image(net, spikes, TINY, keep=False)
    assert len(image) < len(write_image(net, spikes, TINY))
    layout = parse_layout(image)
    assert len({lay.out_base for lay in layout.layers[:5]}) == 2  # l5 is kept, chunk by chunk
    assert [lay.out_base for lay in layout.layers[:5]] == [lay.out_base for lay in layout.layers[6:11]]
    machine = Machine(image, TINY)
    outputs = read_outputs(machine.memory, machine.run())
    assert [out is None for out in outputs] == [True] * 5 + [False] and layout.lasting() == [False] * 5 + [True] + (
        ([False] * 5 + [True]) * 2 + [False] * 3 + [True] * 3
    )
    conv, point = Conv.of((4, 4), 6, (3, 3), pad=(1, 1)), Conv.of((4, 4), 6, (1, 1))
    layers = [random_layer(rng, 54, 6, 4, TINY, conv=conv, name="l0")]
    for i in range(1, 7, 2):
        layers.append(random_layer(rng, 54, 6, 4, TINY, conv=conv, name=f"l{i}"))
        layers.append(random_layer(rng, 60, 6, 4, TINY, conv=conv, branch=Branch(i - 1, point), name=f"l{i + 1}"))
    net, spikes = Network("residual", 4, layers), random_spikes(rng, 16, 6, 4)
    layout = parse_layout(write_image(net, spikes, TINY, keep=False))
    assert len({lay.out_base for lay in layout.layers}) == 3 and layout.layers[4].sources == [3, 2]


def poke(data: bytes, at: int, value: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into("<I", copy, at, value % (1 << 32))
    return bytes(copy)


def test_rows_that_were_written_over_cannot_be_read() -> None:
    rng = np.random.default_rng(1)
    net = Network("chain", 4, [random_layer(rng, 20, 20, 4, TINY, name=f"l{i}") for i in range(4)])
    data = write_image(net, random_spikes(rng, 2, 20, 4), TINY, keep=True)
    layout = parse_layout(data)
    at = [layout.desc_offset + 64 * i for i in range(4)]
    out = [lay.out_base for lay in layout.layers]
    # layer 2 writes over layer 0's rows, which is legal; then layer 3 reads them where it should read layer 2's: the same
    again = poke(poke(data, at[2] + 4 * DESCRIPTOR["out_base"], out[0]), at[3] + 4 * DESCRIPTOR["a_base"], out[0])
    assert read_image(reseal(again)).layout.layers[3].sources == [2]
    # it reads layer 0's, which are still there
    skip = reseal(poke(data, at[3] + 4 * DESCRIPTOR["a_base"], out[0]))
    assert read_image(skip).network.layers[3].source == 0
    # layer 1 writes half over layer 0's rows, and layer 2 reads those
    half = poke(poke(data, at[1] + 4 * DESCRIPTOR["out_base"], out[0] + layout.layers[0].out_stride), at[2] + 16, out[0])
    with pytest.raises(ImageError, match="layer 1: out_base = .* must be outside of .*, which the layer reads"):
        read_image(reseal(half))
    half = poke(poke(data, at[2] + 4 * DESCRIPTOR["out_base"], out[0] - layout.layers[0].out_stride), at[3] + 16, out[0])
    with pytest.raises(ImageError, match="layer 3: a_base = .* where the input or a layer's rows lie that are not written over"):
        read_image(reseal(half))
    with pytest.raises(ImageError, match="layer 1: a_base = .* where the input or a layer's rows lie"):  # not yet written
        read_image(reseal(poke(data, at[1] + 16, out[2])))
    swapped = bytearray(data)
    swapped[at[1] : at[2]], swapped[at[2] : at[3]] = data[at[2] : at[3]], data[at[1] : at[2]]
    with pytest.raises(ImageError, match="layer 1: a_base"):
        read_image(reseal(swapped))


# ---- machines without ----------------------------------------------------------------------------------------------------
def test_no_carry() -> None:
    cfg = TINY.override(CARRY=0)
    rng = np.random.default_rng(0)
    for T in (1, 3, 4):
        net = Network("short", T, [random_layer(rng, 5, 4, T, cfg)])
        data = write_image(net, random_spikes(rng, 2, 5, T), cfg)
        assert read_image(data, cfg).network.same(net) and image_config(data) == TINY
    net, spikes = Network("long", 5, [random_layer(rng, 5, 4, 5, cfg)]), random_spikes(rng, 2, 5, 5)
    with pytest.raises(NetworkError, match=r"long: T = 5 is not legal: must be 1 to 4, CARRY of configuration tiny\* is 0"):
        write_image(net, spikes, cfg)
    data = write_image(net, spikes, TINY)
    with pytest.raises(ImageError, match=r"offset 0x38: steps = 0x5 .* must be 1 to T = 4: CARRY of configuration tiny\* is 0"):
        read_image(data, cfg)
    short = write_image(Network("short", 4, net.layers), spikes[:, :, :4], TINY)
    at = parse_layout(short).desc_offset
    for name in ("carry_in", "carry_out"):
        with pytest.raises(ImageError, match=f"layer 0: control = .* with {name} = 0 in chunk 0"):
            read_image(reseal(poke(short, at, struct.unpack_from("<I", short, at)[0] | 1 << CONTROL[name][0])), cfg)


def test_no_index() -> None:
    cfg = TINY.override(INDEX_RATE=0)
    weights = np.zeros((200, 8))
    weights[::70] = 1
    net, spikes = Network("n", 4, [make(weights, np.zeros(8), np.ones(8), name="fc")]), np.zeros((1, 200, 4), np.uint8)
    data = write_image(net, spikes, TINY)
    assert parse_layout(data).layers[0].index
    with pytest.raises(ImageError, match=r"layer 0: control = .* with index = 0: INDEX_RATE of configuration tiny\* is 0"):
        read_image(data, cfg)
    plain = write_image(net, spikes, cfg)
    assert not parse_layout(plain, cfg).layers[0].index and len(plain) > len(data)
    assert plain == write_image(net, spikes, cfg, index=[False]) == write_image(net, spikes, TINY, index=[False])
    with pytest.raises(NetworkError, match=r"n: fc: index = True is not legal: INDEX_RATE of configuration tiny\* is 0"):
        write_image(net, spikes, cfg, index=[True])


def test_drop_once_counts_within_a_chunk() -> None:
    """Once in each of two chunks: dropped by a machine of T = 4, kept by one of T = 8."""
    spikes = np.zeros((1, 1, 8), np.uint8)
    spikes[0, 0, [1, 6]] = 1
    assert not drop_once(spikes.copy(), 4).any() and drop_once(spikes.copy(), 8).sum() == 2
    net = Network("n", 8, [make(np.ones((1, 1)), [0], [1], 0, drop_once=True)])
    machine = Machine(write_image(net, spikes, TINY), TINY)
    (out,) = read_outputs(machine.memory, machine.run())
    assert out is not None and not out.any() and np.array_equal(out, net.run(spikes, 4)[0])


def test_lasting_is_what_nothing_is_written_over() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        spans = [(int(a), int(a + n)) for a, n in zip(rng.integers(0, 60, 12), rng.integers(1, 12, 12), strict=True)]
        layers = [LayerLayout(b - a, 1, 1, 0, False, False, False, 8, 1, out_base=a, out_stride=1) for a, b in spans]
        want = [not any(a < end and start < b for a, b in spans[i + 1 :]) for i, (start, end) in enumerate(spans)]
        assert Layout(TINY, 0, 0, 4, layers, []).lasting() == want
