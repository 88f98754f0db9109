# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of golden/fiber.py, golden/image.py and golden/network.py: round trips and corrupt images."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import fiber
from golden.bounds import BoundError
from golden.config import Config, load
from golden.image import (
    DESCRIPTOR,
    HEADER,
    ImageError,
    choose_tiling,
    image_config,
    parse_layout,
    read_image,
    read_outputs,
    read_perf,
    reseal,
    write_image,
)
from golden.layer import Layer, NetworkError
from golden.network import Network, load_network, load_npz, load_spikes

make: Any = Layer
TINY, PAPER = load("tiny"), load("paper")
CONFIGS = {
    "paper": PAPER,
    "tiny": TINY,
    "t1": TINY.override(T=1, SLICE_W=4),
    "t3": TINY.override(T=3, WEIGHT_W=4, NUM_SLOTS=2),
    "t16": TINY.override(T=16, WEIGHT_W=5, CHUNK_W=64),
    "wide": PAPER.override(T=8, CHUNK_W=512, WINDOW=1, LINE_W=2048, SLICE_W=64, AXI_W=512),
}


def network_of(rng: np.random.Generator, cfg: Config, sizes: list[int], density: float, readout: bool = True) -> Network:
    layers = []
    for i, (k, n) in enumerate(itertools.pairwise(sizes)):
        W = rng.integers(cfg.weight_min, cfg.weight_max + 1, (k, n)) * (rng.random((k, n)) < density)
        last = readout and i == len(sizes) - 2
        layers.append(make(W, rng.integers(-100, 100, n), rng.integers(-50, 200, n), int(rng.integers(257)),
                           soft=not last and rng.random() < 0.5, readout=last,
                           drop_once=not last and rng.random() < 0.5, name=f"layer{i}"))  # fmt: skip
    return Network("random", cfg.T, layers)


def spikes_of(rng: np.random.Generator, cfg: Config, m: int, k: int, density: float) -> np.ndarray[Any, Any]:
    return (rng.random((m, k, cfg.T)) < density).astype(np.uint8)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("m", "sizes", "density"),
    [
        (1, [1, 1], 1.0), (1, [40, 7], 0.0), (3, [100, 33, 5], 0.1), (5, [129, 130, 31, 10], 1.0), (40, [64, 1], 0.5),
        (2, [1, 200, 3], 0.3), (7, [127, 65], 0.02),
    ],
)  # fmt: skip
def test_image_round_trip(name: str, m: int, sizes: list[int], density: float) -> None:
    cfg = CONFIGS[name]
    rng = np.random.default_rng(len(sizes) + m)
    net, spikes = network_of(rng, cfg, sizes, density), spikes_of(rng, cfg, m, sizes[0], density)
    data = write_image(net, spikes, cfg)
    image = read_image(data, cfg)
    assert image.network.same(net) and np.array_equal(image.spikes, spikes)
    assert len(data) % cfg.line_bytes == 0
    again = write_image(image.network, image.spikes, image_config(data),
                        [(lay.block_cols, lay.tile_rows) for lay in image.layout.layers])  # fmt: skip
    assert again == data  # nothing in it is left unspecified, and its own header suffices to read it


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(CONFIGS)), st.floats(0, 1), st.integers(1, 300), st.integers(1, 6))
def test_rows_round_trip(seed: int, name: str, density: float, k: int, m: int) -> None:
    cfg = CONFIGS[name]
    spikes = spikes_of(np.random.default_rng(seed), cfg, m, k, density)
    rows = fiber.compress_rows(spikes, cfg)
    assert rows.shape[1] % cfg.line_bytes == 0
    assert np.array_equal(fiber.decompress_rows(rows, k, cfg, clean=True), spikes)


def test_row_bits_by_hand() -> None:
    cfg = TINY  # 32-bit chunks, T = 4: words are nibbles
    spikes = np.zeros((1, 33, 4), np.uint8)
    spikes[0, 1] = [1, 0, 1, 0]
    spikes[0, 32] = [0, 0, 0, 1]
    row = fiber.compress_rows(spikes, cfg)[0].tobytes()
    assert struct.unpack("<4I", row[:16]) == (2, 1 << 1, 1 << 0, 0x85)
    assert not any(row[16:])


def test_block_bits_by_hand() -> None:
    W = np.zeros((33, 2), np.int8)
    W[0, 0], W[32, 0], W[5, 1] = -1, 7, 3
    data, table, _ = fiber.compress_blocks(W, np.array([-2, 5], np.int32), np.array([9, 10], np.int32), 8, TINY, False)
    words = struct.unpack(f"<{data.size // 4}I", data.tobytes())
    assert words == (0xFFFFFFFE, 9, 5, 10, 1, 1, 1 << 5, 0, 0x0003_07FF, 0) and table == [(0, 16, 32, 3)]
    data, table, _ = fiber.compress_blocks(W, np.array([-2, 5], np.int32), np.array([9, 10], np.int32), 8, TINY, True)
    words = struct.unpack(f"<{data.size // 4}I", data.tobytes())  # gaps 0, 31 and 64 - 33 + 5
    assert words == (0xFFFFFFFE, 9, 5, 10, 0x00241F00, 0x0003_07FF) and table == [(0, 16, 20, 3)]
    W = np.zeros((320, 2), np.int8)
    W[0, 0], W[319, 0], W[5, 1] = -1, 7, 3  # the example of docs/image-format.md: gaps 0, 255 + 63, 5
    data, table, index = fiber.compress_blocks(W, np.array([-2, 5], np.int32), np.array([9, 10], np.int32), 8, TINY)
    words = struct.unpack(f"<{data.size // 4}I", data.tobytes())
    assert words == (0xFFFFFFFE, 9, 5, 10, 0x053FFF00, 0x0003_07FF) and table == [(0, 16, 20, 3)] and index
    W = np.zeros((33, 2), np.int8)
    W[0, 0], W[32, 0], W[5, 1] = -1, 7, 3
    narrow, _, _ = fiber.compress_blocks(W, np.zeros(2, np.int32), np.zeros(2, np.int32), 8, CONFIGS["t3"], False)
    assert narrow.view("<u4")[8] == 0x37F


def test_outputs_are_read_back() -> None:
    rng = np.random.default_rng(2)
    net, spikes = network_of(rng, TINY, [50, 40, 6], 0.3), spikes_of(rng, TINY, 5, 50, 0.4)
    memory = bytearray(write_image(net, spikes, TINY))
    layout = parse_layout(memory)
    golden = net.run(spikes)
    lay = layout.layers[0]
    memory[lay.out_base : lay.out_base + 5 * lay.out_stride] = fiber.compress_rows(golden[0], TINY, lay.out_stride).tobytes()
    lay = layout.layers[1]
    for m in range(5):
        struct.pack_into("<6i", memory, lay.out_base + m * lay.out_stride, *golden[1][m].tolist())
    struct.pack_into("<16Q", memory, lay.perf_ptr, *range(100, 116))
    outputs = read_outputs(memory, layout)
    assert all(a is not None and np.array_equal(a, b) for a, b in zip(outputs, golden, strict=True))
    assert read_perf(memory, layout)[1]["rows"] == 115 and read_perf(memory, layout)[1]["cycles"] == 100
    assert read_image(memory, verify_crc=False).network.same(net)
    with pytest.raises(ImageError, match="crc"):
        read_image(memory)
    with pytest.raises(ImageError, match="must be zero in a packed image"):
        read_image(reseal(memory))


# ---- corrupt images --------------------------------------------------------------------------------
def sample() -> bytes:
    rng = np.random.default_rng(4)
    return write_image(network_of(rng, TINY, [50, 40, 6], 0.3), spikes_of(rng, TINY, 5, 50, 0.4), TINY)


IMAGE = sample()
LAYOUT = parse_layout(IMAGE)


def poke(at: int, value: int) -> bytes:
    data = bytearray(IMAGE)
    struct.pack_into("<I", data, at, value % (1 << 32))
    return bytes(data)


@pytest.mark.parametrize("field", HEADER)
@pytest.mark.parametrize("flip", [1, 1 << 7, 1 << 31])
def test_every_header_field_is_checked(field: str, flip: int) -> None:
    at = 4 * HEADER[field]
    bad = poke(at, struct.unpack_from("<I", IMAGE, at)[0] ^ flip)
    for data in (bad, reseal(bad)) if field != "crc" else (bad,):
        with pytest.raises(ImageError, match="offset 0x"):
            read_image(data, TINY)
    with pytest.raises(ImageError, match="offset 0x"):
        read_image(bad)


@pytest.mark.parametrize("word", [15])
def test_unused_header_words_are_zero(word: int) -> None:
    with pytest.raises(ImageError, match=f"header word {word} = 0x1 "):
        read_image(reseal(poke(4 * word, 1)))


@pytest.mark.parametrize("length", [0, 1, 63, 64, 100, len(IMAGE) - 16, len(IMAGE) - 1, len(IMAGE) + 1, len(IMAGE) + 16])
def test_truncated_and_over_long(length: int) -> None:
    with pytest.raises(ImageError, match="bytes"):
        read_image((IMAGE + bytes(64))[:length])


EDGES = [(layer, field, value) for layer in (0, 1) for field, word in DESCRIPTOR.items()
         for value in (0, 1, 0x7FFF_FFF0, 0x8000_0000, 0xFFFF_FFFF)
         if struct.unpack_from("<I", IMAGE, LAYOUT.desc_offset + 64 * layer + 4 * word)[0] != value]  # fmt: skip


@pytest.mark.parametrize(("layer", "field", "value"), EDGES)
def test_every_descriptor_field_is_checked(layer: int, field: str, value: int) -> None:
    at = LAYOUT.desc_offset + 64 * layer + 4 * DESCRIPTOR[field]
    with pytest.raises(ImageError, match=f"layer {layer}.*checksum"):
        read_image(resealed_crc_only(poke(at, value)))
    if field != "checksum":
        with pytest.raises(ImageError, match="offset 0x|layer"):
            read_image(reseal(poke(at, value)))


def resealed_crc_only(data: bytes) -> bytes:
    from golden.image import _seal

    out = bytearray(data)
    _seal(out)
    return bytes(out)


# bit 8 makes it a spiking layer of the same size: only its rows differ
@pytest.mark.parametrize("bit", [bit for bit in range(32) if bit != 8])
def test_control_bits_are_checked(bit: int) -> None:
    at = LAYOUT.desc_offset + 64  # the readout
    data = reseal(poke(at, struct.unpack_from("<I", IMAGE, at)[0] ^ 1 << bit))
    with pytest.raises(ImageError, match="index has" if bit == 14 else "control"):
        read_image(data)


@pytest.mark.parametrize("word", range(4))
@pytest.mark.parametrize("block", [0, -1])
@pytest.mark.parametrize("change", [-16, 1, 16, 1 << 30, 1 << 31])
def test_every_block_word_is_checked(word: int, block: int, change: int) -> None:
    lay = LAYOUT.layers[0]
    at = lay.block_table + 16 * (block % lay.num_blocks) + 4 * word
    with pytest.raises(ImageError, match="layer 0: (block|b_end)"):
        read_image(reseal(poke(at, struct.unpack_from("<I", IMAGE, at)[0] + change)))


def test_fibers_are_checked() -> None:
    first = LAYOUT.layers[0]
    row = first.a_base + first.a_stride
    count = struct.unpack_from("<I", IMAGE, row)[0]
    params, masks, weights, _ = first.blocks[0]
    for at, value, message in [
        (row, count + 1, f"offset {row:#x}: .*row 1: word count = {count + 1} is not legal: the bitmask has {count} ones"),
        (row + 8, 0xFFFF_FFFF, "row 1: bitmask has a bit at or after neuron 50"),
        (row + 12, 0, "row 1: a packed word is zero"),
        (row + first.a_stride - 4, 1, "row 1: bytes after the last word are not zero"),
        (masks, 0, "block 0: the bitmasks have"),
        (masks + 4, 0xFFFF_FFFF, "column 0: bitmask has a bit at or after input 50"),
        (weights, 0, "block 0: stored weight 0 = 0 is not legal"),
    ]:
        with pytest.raises(ImageError, match=message):
            read_image(reseal(poke(at, value)))
    assert params == first.b_base


def test_bytes_behind_the_header_are_checked() -> None:
    """Where a line is longer than the header, the descriptors begin behind a gap."""
    rng = np.random.default_rng(1)
    data = bytearray(write_image(network_of(rng, PAPER, [20, 5], 0.5), spikes_of(rng, PAPER, 2, 20, 0.5), PAPER))
    at = parse_layout(bytes(data)).desc_offset - 4
    assert at >= 64
    struct.pack_into("<I", data, at, 5)
    with pytest.raises(ImageError, match="byte between header and descriptors"):
        read_image(reseal(bytes(data)))


def test_any_flipped_bit_is_noticed() -> None:
    rng = np.random.default_rng(3)
    for bit in rng.integers(0, 8 * len(IMAGE), 300):
        data = bytearray(IMAGE)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ImageError):
            read_image(bytes(data))


def test_wrong_configuration() -> None:
    with pytest.raises(ImageError, match=r"config0 = .* must be .* for configuration paper"):
        read_image(IMAGE, PAPER)


# ---- refusals of the writer, tiling, exchange files ------------------------------------------------
def zeros(k: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.zeros((1, k, 4), np.uint8)


def test_tiling_rule() -> None:
    def layer(n: int, readout: bool = False) -> Layer:
        return Layer(np.zeros((1, n)), np.zeros(n), np.ones(n), readout=readout, name="fc")

    assert choose_tiling(layer(512), 1000, PAPER) == (64, 32)
    assert choose_tiling(layer(512), 1, PAPER) == (16, 1)
    assert choose_tiling(layer(512), 4, PAPER) == (16, 4)
    assert choose_tiling(layer(512), 32, PAPER) == (32, 32)
    assert choose_tiling(layer(512), 48, PAPER) == (64, 32)
    assert choose_tiling(layer(8192), 1000, PAPER) == (64, 2)
    assert choose_tiling(layer(1000, True), 1000, PAPER) == (64, 1)
    with pytest.raises(NetworkError, match="fc: N = 1025 is not legal: a row takes 1025 entries"):
        choose_tiling(layer(1025, True), 1, PAPER)
    with pytest.raises(ImageError, match="block columns = 12 is not legal"):
        write_image(Network("n", 4, [layer(8)]), zeros(1), TINY, [(12, 1)])
    with pytest.raises(ImageError, match="tile_rows = 5 is not legal: must be 1 to 4"):
        write_image(Network("n", 4, [layer(8)]), zeros(1), TINY, [(8, 5)])


def test_writer_refuses() -> None:
    good = make(np.ones((3, 2)), np.zeros(2), np.ones(2), name="fc")
    net = Network("net", 4, [good])
    ok = np.zeros((1, 3, 4), np.uint8)
    cases: list[tuple[str, Network, Any, Config]] = [
        ("shape .* is not legal: must be", net, np.zeros((1, 4, 4)), TINY),
        ("= 2 is not legal: must be 0 or 1", net, ok + 2, TINY),
        ("nan is not legal", net, ok * np.nan, TINY),
        ("K = 600 is not legal: must be 1 to 512", Network("n", 4, [make(np.zeros((600, 1)), [0], [0])]),
         np.zeros((1, 600, 4)), TINY),
        ("N = 129 is not legal: must be 1 to 128", Network("n", 4, [make(np.zeros((1, 129)), np.zeros(129), np.zeros(129),
         readout=True)]), np.zeros((1, 1, 4)), TINY),
    ]  # fmt: skip
    for message, network, spikes, cfg in cases:
        with pytest.raises(NetworkError, match=message):
            write_image(network, spikes, cfg)
    with pytest.raises(BoundError, match="fc: column 0: .* needs 17 bits"):
        write_image(Network("n", 4, [make(np.full((300, 1), 127), [0], [0], name="fc")]), zeros(300), TINY)
    with pytest.raises(NetworkError, match="must be 2, the outputs of fc"):
        Network("n", 4, [good, make(np.zeros((3, 1)), [0], [0])])
    with pytest.raises(NetworkError, match="readout but not the last"):
        Network("n", 4, [make(np.ones((3, 2)), [0, 0], [0, 0], readout=True), make(np.zeros((2, 1)), [0], [0])])


def test_exchange_files(tmp_path: Path) -> None:
    net = network_of(np.random.default_rng(0), TINY, [20, 9, 4], 0.5)
    path = tmp_path / "net.npz"
    net.save(path)
    back = load_network(path)
    assert back.same(net) and back.name == "random" and [x.name for x in back.layers] == ["layer0", "layer1"]
    np.savez(tmp_path / "in.npz", spikes=np.ones((1, 20, 4), bool))
    assert load_spikes(tmp_path / "in.npz").dtype == np.uint8
    data: dict[str, Any] = dict(load_npz(path))
    for change, message in [
        ({"format": np.array("other")}, "format = other is not legal: must be loas-network"),
        ({"version": np.array(2)}, "version = 2 is not legal"),
        ({"T": np.array(65537)}, "T = 65537 is not legal"),
        ({"T": np.array([1.5])}, "T: shape"),
        ({"0.neuron": np.array([64, 2, 0, 0])}, "0.neuron = .* is not legal"),
        ({"0.weights": np.full((20, 9), np.nan)}, r"layer0: weights\[0, 0\] = nan is not legal"),
        ({"0.weights": np.full((20, 9), "x")}, "type <U1 is not legal"),
        ({"1.bias": np.zeros(3)}, r"layer1: bias: shape \(3,\)"),
    ]:
        np.savez(path, **{**data, **change})
        with pytest.raises(NetworkError, match="net.npz: .*" + message):
            load_network(path)
    np.savez(path, **{k: v for k, v in data.items() if k != "1.bias"})
    with pytest.raises(NetworkError, match="net.npz: field '1.bias' is missing"):
        load_network(path)
    raw = (tmp_path / "in.npz").read_bytes()
    np.save(tmp_path / "one.npy", np.zeros(3))
    for text in (b"", b"hello", (tmp_path / "one.npy").read_bytes(), raw[:50], raw[:-30]):
        path.write_bytes(text)
        with pytest.raises(NetworkError, match="cannot be read"):
            load_network(path)
    with pytest.raises(NetworkError, match="cannot be read"):
        load_network(tmp_path / "nosuch.npz")
    np.savez(path, other=1)
    with pytest.raises(NetworkError, match="field 'spikes' is missing: has other"):
        load_spikes(path)
