# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Every field of chunks, membranes, pools, branches and index codes is checked; images with any word changed never mislead."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from golden import fiber
from golden.bounds import BoundError
from golden.config import load
from golden.image import DESCRIPTOR, HEADER, WALK, ImageError, parse_layout, read_image, reseal, write_image
from golden.layer import Branch, Conv, Layer
from golden.layout import CONTROL
from golden.network import Network

TINY = load("tiny")
make: Any = Layer


def sample() -> bytes:
    """9 timesteps in 3 chunks; layer 1 is pooled, layer 3 has a branch from layer 1, weights in both codes."""
    rng = np.random.default_rng(5)

    def weights(k: int, n: int) -> np.ndarray[Any, Any]:
        return rng.integers(-9, 10, (k, n)) * (rng.random((k, n)) < 0.2)

    conv, small = Conv.of((4, 4), 6, (3, 3), pad=(1, 1)), Conv.of((2, 2), 5, (1, 1))
    layers = [
        make(weights(54, 6), np.zeros(6), np.full(6, 9), 200, soft=True, late=True, conv=conv, name="l0"),
        make(weights(54, 5), np.zeros(5), np.full(5, 9), 200, conv=conv, pool=(2, 2), drop_once=True, name="l1"),
        make(weights(5, 9), np.zeros(9), np.full(9, 9), 200, name="l2"),
        make(weights(14, 5), np.zeros(5), np.full(5, 9), 99, conv=Conv.of((2, 2), 9, (1, 1)), branch=Branch(1, small), name="l3"),
        make(weights(20, 3), np.zeros(3), np.full(3, 9), conv=Conv.of((2, 2), 5, (2, 2)), readout=True, name="l4"),
    ]
    spikes = (rng.random((16, 6, 9)) < 0.3).astype(np.uint8)
    return write_image(Network("sample", 9, layers), spikes, TINY, index=[True, False, True, True, False])


IMAGE = sample()
LAYOUT = parse_layout(IMAGE)
LAYERS = LAYOUT.layers
SIZE = len(IMAGE)


def desc(layer: int, field: str) -> int:
    return LAYOUT.desc_offset + 64 * layer + 4 * DESCRIPTOR[field]


def walk(layer: int, field: str) -> int:
    return LAYERS[layer].walk + 4 * WALK[field]


def branch(layer: int, field: str) -> int:
    return LAYERS[layer].branch_walk + 4 * WALK[field]


def word(at: int) -> int:
    return int(struct.unpack_from("<I", IMAGE, at)[0])


def poke(*changes: tuple[int, int]) -> bytes:
    data = bytearray(IMAGE)
    for at, value in changes:
        struct.pack_into("<I", data, at, value % (1 << 32))
    return bytes(data)


def refused(message: str, *changes: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(reseal(poke(*changes)))


def test_sample_has_it_all() -> None:
    assert (LAYOUT.chunks, len(LAYERS), LAYERS[1].pool, LAYERS[3].sources) == (3, 15, (2, 2), [2, 1])
    assert LAYERS[3].branch_walk and LAYERS[0].late and [lay.index for lay in LAYERS[:5]] == [True, False, True, True, False]
    assert (word(desc(10, "neuron")) >> 9 & 31, word(desc(0, "neuron")) >> 9 & 31) == (1, 4)
    assert (word(walk(1, "pool")), word(walk(0, "pool")), word(branch(3, "pool"))) == (0x202, 0x101, 0x101)
    stride = -(-4 * 5 // TINY.line_bytes) * TINY.line_bytes
    assert word(walk(1, "state_step")) == 4 * stride and word(branch(3, "state_step")) == 0 and LAYERS[1].state_bytes(TINY) == 16 * stride
    assert word(walk(3, "branch")) == LAYERS[3].branch_walk and word(branch(3, "pitch")) == LAYERS[1].out_stride


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "steps = 0x0 .* must be 1 to 65536"), (65537, "steps = 0x10001 .* must be 1 to 65536"),
        (8, "num_layers = 0xf .* a multiple of 2, the chunks of timesteps"), (13, "num_layers = 0xf .* a multiple of 4"),
        (1, r"layer 0: control = .* with carry_out = 0 in chunk 0 of 1"), (10, "layer 10: neuron = .* of 2 timesteps"),
        (12, "layer 10: neuron = .* of 4 timesteps"),
    ],
)  # fmt: skip
def test_header_steps(value: int, message: str) -> None:
    refused(message, (4 * HEADER["steps"], value))


@pytest.mark.parametrize(("value", "message"), [
    (0, "num_layers = 0x0"), (14, "num_layers = 0xe .* a multiple of 3"), (16, "num_layers"), (65536, "num_layers"),
    (12, "layer 4: control = .* with carry_in = 1 in chunk 1|a readout only in the last layer"),
])  # fmt: skip
def test_header_layers(value: int, message: str) -> None:
    refused(message, (4 * HEADER["num_layers"], value))


@pytest.mark.parametrize("layer", [0, 2, 6])
def test_rows_word(layer: int) -> None:
    at = desc(layer, "rows")
    for tile in (0, 5, 255):
        refused(f"offset {at:#x}: layer {layer}: tile_rows = {tile} is not legal: must be 1 to 4", (at, word(at) & 0xFFFFFF | tile << 24))
    refused(f"layer {layer}: rows = .* 1 to 16777215 in bits 23:0", (at, word(at) & 0xFF000000))
    refused(f"layer {layer}: rows = ", (at, word(at) + 1))
    if layer == 6:
        refused("layer 6: rows = .* as in the first chunk", (at, word(at) & 0xFFFFFF | 3 << 24))


@pytest.mark.parametrize("layer", [0, 5, 10])
@pytest.mark.parametrize("bit", range(32))
def test_every_bit_of_neuron(layer: int, bit: int) -> None:
    at = desc(layer, "neuron")
    data = reseal(poke((at, word(at) ^ 1 << bit)))
    if bit < 9 and not layer and (word(at) ^ 1 << bit) & 511 <= 256:
        refused(r"layer 5: neuron = .* as in the first chunk of timesteps", (at, word(at) ^ 1 << bit))
    else:
        with pytest.raises(ImageError, match=rf"layer ({layer}: (neuron|block columns)|\d+: neuron) = "):
            read_image(data)


@pytest.mark.parametrize("layer", range(15))
@pytest.mark.parametrize("name", ["soft", "late", "drop_once", "carry_in", "carry_out", "index", "readout"])
def test_every_flag(layer: int, name: str) -> None:
    at = desc(layer, "control")
    changed = word(at) ^ 1 << CONTROL[name][0]
    if name in ("carry_in", "carry_out"):
        refused(f"layer {layer}: control = .* with {name} = ", (at, changed))
    elif name == "index":  # a block table of the other code does not fit
        refused(r"layer \d+: (control = .* as in the first|block \d: (weights|nnz|masks) = )", (at, changed))
    else:  # legal by itself only in the first chunk
        refused(r"layer \d+: (control|walk: pool|block columns|out_stride|neuron|n) = ", (at, changed))


def test_flags_of_all_chunks_together() -> None:
    changes = [(desc(layer, "control"), word(desc(layer, "control")) ^ 1 << CONTROL["drop_once"][0]) for layer in (2, 7, 12)]
    assert read_image(reseal(poke(*changes))).network.layers[2].drop_once  # legal, and another network
    late = [(desc(layer, "control"), word(desc(layer, "control")) | 1 << CONTROL["late"][0]) for layer in (2, 7, 12)]
    assert read_image(reseal(poke(*late))).network.layers[2].late  # no reset


@pytest.mark.parametrize("layer", [0, 3, 4, 14])
def test_state_pointer(layer: int) -> None:
    at = desc(layer, "state")
    refused(f"layer {layer}: state = 0x0 .* must be 64 to", (at, 0))
    for value in (word(at) + 4, SIZE + TINY.line_bytes, 0x8000_0000, 0xFFFF_FFF0):
        refused(f"layer {layer}: state = .* a multiple of 16, at most {SIZE}", (at, value))
    refused(f"layer {layer}: state = .* must be 64 to {SIZE - LAYERS[layer].state_bytes(TINY)}: it has", (at, SIZE))
    refused(r"layer \d+: state = .* as in the first chunk|lies there or shares its line", (at, LAYERS[1].state))


@pytest.mark.parametrize("target", ["b_base", "a_base", "out_base", "perf_ptr"])
def test_state_overlaps(target: str) -> None:
    place = getattr(LAYERS[2], target)
    refused("is not legal here: .* lies there or shares its line", *((desc(layer, "state"), place) for layer in (2, 7, 12)))


def test_state_without_chunks() -> None:
    net = Network("one", 4, [make(np.ones((3, 2)), [0, 0], [1, 1], 0)])
    data = bytearray(write_image(net, np.zeros((1, 3, 4), np.uint8), TINY))
    layout = parse_layout(data)
    struct.pack_into("<I", data, layout.desc_offset + 4 * DESCRIPTOR["state"], layout.layers[0].out_base)
    with pytest.raises(ImageError, match="layer 0: state = .* must be 0 without carry_in and carry_out"):
        read_image(reseal(data))


def test_state_in_a_packed_image_is_zero() -> None:
    refused("layer0.state is not legal: must be zero in a packed image", (LAYERS[0].state + 20, 1))
    assert read_image(poke((LAYERS[0].state + 20, 1)), verify_crc=False)


@pytest.mark.parametrize("layer", [5, 8])
@pytest.mark.parametrize("field", ["k", "n", "block_table", "b_base", "b_end", "walk"])
def test_chunks_are_of_the_same_layers(layer: int, field: str) -> None:
    """A later chunk that takes something from another layer, or another size, is no chunk of this network."""
    other = word(desc(6, field))
    refused(f"layer {layer}: ", (desc(layer, field), other if other != word(desc(layer, field)) else other - 16))


def test_chunks_read_their_own_rows() -> None:
    message = r"layer \d+: (a_base|walk: start|walk: pad|out_base|branch) |input1|lies there"
    for layer in (5, 6, 8, 9):
        refused(message, (desc(layer, "a_base"), LAYERS[layer - 5].a_base))


def test_pitch() -> None:
    for layer, at in ((0, walk(0, "pitch")), (3, walk(3, "pitch"))):
        refused(f"layer {layer}: walk: pitch = .* a multiple of 16", (at, word(at) + 4))
        refused(f"layer {layer}: walk: pitch = .* a multiple of 16", (at, 0x8000_0000))
        refused(f"layer {layer}: walk: .* from the other words and the descriptor", (at, word(at) + 16))
    at = branch(3, "pitch")
    refused("layer 3: branch: pitch = .* a multiple of 16", (at, word(at) + 4))
    refused("layer 3: branch: (pitch|step_x|start) = ", (at, word(at) + 16))
    new, old = word(at) + 16, word(at)  # all words that follow from it too: the rows of layer 1 lie otherwise
    more = [(branch(3, name), word(branch(3, name)) // old * new) for name in ("step_x", "step_y", "row_bytes", "image_bytes")]
    refused("layer 3: branch: pitch = .* out_stride of layer 1", (at, new), *more)


@pytest.mark.parametrize(("value", "message"), [
    (0, "two bytes"), (0x200, "two bytes"), (0x10202, "two bytes"), (0x302, "two factors"), (0x203, "two factors"),
    (0x101, "state_step = "),
    (0x402, "state_step = "),
])  # fmt: skip
def test_pool(value: int, message: str) -> None:
    refused(f"layer 1: .*{message}", (walk(1, "pool"), value))


@pytest.mark.parametrize("pool", [(1, 1), (2, 4), (1, 2)])
def test_pool_of_another_size(pool: tuple[int, int]) -> None:
    """With the step of the membranes that belongs to it, the rows of an image are not what they should be."""
    size = pool[0] * pool[1]
    step = (walk(1, "state_step"), word(walk(1, "state_step")) // 4 * size)
    refused(f"layer 1: rows = .* must be (a multiple of )?{16 // size}, the", (walk(1, "pool"), pool[0] | pool[1] << 8), step)


def test_pool_in_a_readout_and_wide_blocks() -> None:
    refused("layer 4: walk: pool = .* two factors", (walk(4, "pool"), 0x201))
    at = desc(1, "neuron")
    refused("layer 1: block columns = 72 is not legal: must be a multiple of SLICE_W = 8, at most 64", (at, word(at) & 0xFFFF | 72 << 16))
    conv = Conv.of((2, 2), 3, (1, 1))
    net = Network("n", 4, [make(np.ones((3, 2)), [0, 0], [0, 0], conv=conv, readout=True)])
    data = bytearray(write_image(net, np.zeros((4, 3, 4), np.uint8), TINY))
    struct.pack_into("<I", data, parse_layout(data).layers[0].walk + 4 * WALK["pool"], 0x202)
    with pytest.raises(ImageError, match="walk: pool = 0x202 .* must be 1 and 1 in a readout"):
        read_image(reseal(data))


@pytest.mark.parametrize("layer", [0, 3, 8])
def test_state_step(layer: int) -> None:
    at = walk(layer, "state_step")
    for value in (0, word(at) + 16, word(at) ^ 1 << 31):
        refused(f"layer {layer}: walk: state_step = .* from the other words and the descriptor", (at, value))


# ---- branch --------------------------------------------------------------------------------------------------------------
def test_branch_pointer() -> None:
    at = walk(3, "branch")
    for value in (LAYERS[3].branch_walk + 4, 32, SIZE, 0x8000_0000):
        refused("layer 3: walk: branch = .* must be a multiple of 64, 64 to", (at, value))
    refused(r"layer 3: (walk: pad = .* is k|branch: |rows)", (at, 0))
    refused("layer 3: branch: branch = .* must be 0 in a branch", (at, LAYERS[3].walk))
    refused("layer 3: branch: ", (at, LAYOUT.desc_offset))
    refused(r"layer 8: branch = |layer\d.branch is not legal here|layer 8", (walk(8, "branch"), LAYERS[3].branch_walk))


def test_branch_has_its_own_checksum() -> None:
    for at in range(LAYERS[3].branch_walk, LAYERS[3].branch_walk + 64, 4):
        with pytest.raises(ImageError, match="layer 3: branch: checksum = .* so that the words add up to zero"):
            parse_layout(poke((at, word(at) ^ 1 << 20)), verify_crc=False)


@pytest.mark.parametrize("at", range(15))
def test_every_bit_of_a_branch_record(at: int) -> None:
    place = LAYERS[3].branch_walk + 4 * at
    for bit in range(32):
        refused(r"layer 3: (branch|walk): ", (place, word(place) ^ 1 << bit))


@pytest.mark.parametrize(("field", "value", "message"), [
    ("out_size", 0x00020001, "out_size = .* that of the first window, 2 and 2"), ("pool", 0x202, "pool = .* 1 and 1 in a branch"),
    ("branch", LAYERS[3].walk, "branch = .* 0 in a branch"), ("state_step", 16, "state_step = .* 0 in a branch"),
    ("start", LAYERS[0].out_base, r"pad = .* of 1 slices|in_size|rows|out_size|start"),
    ("start", 64, r"start = .* map begins where rows lie that are not written over: .* \(layer 0\), .* \(the input\)"),
])  # fmt: skip
def test_branch_fields(field: str, value: int, message: str) -> None:
    refused(f"layer 3: (branch: )?{message}", (branch(3, field), value))


def test_pool_with_a_branch() -> None:
    refused("layer 3: walk: pool = .* must be 1 and 1 with a branch", (walk(3, "pool"), 0x201))


# ---- index codes ---------------------------------------------------------------------------------------------------------
def block_of(layer: int, block: int = 0) -> tuple[int, int, int, int]:
    return LAYERS[layer].blocks[block]


def test_index_string_too_short_and_too_long() -> None:
    _, masks, weights, nnz = block_of(0)
    at = masks // 4 * 4
    refused("layer 0: block 0: ", (at, 0xFFFF_FFFF))
    every = [(place, 0xFFFF_FFFF) for place in range(masks, weights, 4)]
    refused(f"layer 0: block 0: index has 0 weights in {weights - masks} bytes, and should have {nnz}", *every)
    entry = LAYERS[0].block_table
    for count in (nnz + 1, nnz - 1, 0):  # the string and the weights behind it say another number
        refused(r"layer 0: (block 0|b_end)", (entry + 12, count))
    refused(r"layer 0: block 0: nnz = .* 0 to 432", (entry + 12, 433))
    for value in (masks - 4, weights + 2, LAYERS[0].b_end + 4, 0xFFFF_FFFC):
        refused("layer 0: block 0: weights = .* must be a multiple of 4, ", (entry + 8, value))
    for value in (weights - 4, weights + 4):
        refused(r"layer 0: (block \d|b_end)", (entry + 8, value))


def string_block(string: bytes, nnz: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A block of one column of 40 inputs, two chunks of 32, with this index and ones as weights."""
    index = string + bytes(-len(string) % 4)
    data = bytes(8) + index + b"\1" * nnz
    return np.frombuffer(data + bytes(-len(data) % 8), np.uint8)


@pytest.mark.parametrize(("string", "nnz", "message"), [
    (b"\0\0\45", 3, ""), (b"", 0, ""), (b"\47", 1, ""),
    (b"\0", 2, "index"), (b"\xff\xff\xff\xff", 1, "index has 0 weights in 4 bytes, and should have 1"),
    (b"\50", 1, "bitmask has a bit at or after input 40"), (b"\77", 1, "bitmask has a bit at or after input 40"),
    (b"\100", 1, "byte 0 of the index leads to position 64, the block has 64"), (b"\xff\0", 1, "byte 0 of the index leads to position 254"),
    (b"\0\0\0\0\0", 4, "the index has 8 bytes: must be the chunks of its 4 bytes"),
    (b"\0\1\2", 2, "byte 2 of the index is behind its 2 weights and not zero"),
])  # fmt: skip
def test_index_blocks(string: bytes, nnz: int, message: str) -> None:
    data = string_block(string, nnz)
    size = len(string) + -len(string) % 4

    def read() -> Any:
        return fiber.decompress_block(data, 1, 40, nnz, TINY, size)

    if not message:
        assert np.count_nonzero(read()[0]) == nnz
    elif message == "index":  # zero padding is a gap of 0 too: the second weight is there, and the string is what it should be
        assert np.flatnonzero(read()[0]).tolist() == [0, 1]
    else:
        with pytest.raises(fiber.FiberError, match=message):
            read()


# ---- any word changed ----------------------------------------------------------------------------------------------------
def other_samples() -> list[bytes]:
    rng = np.random.default_rng(8)
    net = Network("fc", 6, [make(rng.integers(-9, 10, (40, 12)) * (rng.random((40, 12)) < 0.1), np.zeros(12), np.ones(12), 9),
                            make(rng.integers(-9, 10, (12, 3)), np.zeros(3), np.ones(3), 9)])  # fmt: skip
    spikes = (rng.random((2, 40, 6)) < 0.2).astype(np.uint8)
    return [IMAGE, write_image(net, spikes, TINY, keep=False), write_image(net, spikes, load("paper"))]


def fuzz(data: bytes, rng: np.random.Generator, change: Callable[[int], int]) -> bool:
    """Changes a word; true if the image still reads, and then it says what it holds: its network packs to the same words."""
    layout = parse_layout(data)
    if rng.random() < 0.7:  # what points, counts and describes
        parts = [r for r in layout.regions if r.name.endswith(("header", "descriptors", "walk", "branch", "blocks"))]
        part = parts[rng.integers(len(parts))]
        at = int(rng.integers(part.start, part.end)) // 4 * 4
    else:
        at = int(rng.integers(len(data) // 4)) * 4
    bad = bytearray(data)
    struct.pack_into("<I", bad, at, change(struct.unpack_from("<I", bad, at)[0]) % (1 << 32))
    bad = bytearray(reseal(bad))
    try:
        image = read_image(bytes(bad))
    except ImageError as err:
        assert "offset 0x" in str(err)
        return False
    cfg, network = image.cfg, image.layout.network
    try:
        again = write_image(image.network, image.spikes, cfg, [(lay.block_cols, lay.tile_rows) for lay in network],
                            index=[lay.index for lay in network])  # fmt: skip
    except BoundError:
        return True  # a weight, bias or threshold that does not fit the accumulators
    back = read_image(again, cfg)
    assert back.network.same(image.network) and np.array_equal(back.spikes, image.spikes)
    if len(again) == len(bad) and [r.start for r in back.layout.regions] == [r.start for r in image.layout.regions]:
        assert again == bytes(bad)
    return True


@pytest.mark.parametrize("seed", range(12))
def test_any_word_changed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = other_samples()
    kinds: list[Callable[[int], int]] = [
        lambda v: v ^ 1 << int(rng.integers(32)), lambda v: v + int(rng.choice([-16, -1, 1, 16, 64])), lambda v: 0,
        lambda v: int(rng.integers(1 << 32)), lambda v: 16 * int(rng.integers(SIZE // 16)), lambda v: 64 * int(rng.integers(SIZE // 64)),
    ]  # fmt: skip
    read = [fuzz(samples[rng.integers(3)], rng, kinds[rng.integers(len(kinds))]) for _ in range(60)]
    assert not all(read)


@pytest.mark.parametrize("seed", range(6))
def test_a_field_changed_in_all_chunks(seed: int) -> None:
    """A layer changed in all chunks alike contradicts none of them: it is refused by itself, or is another legal place or leak."""
    rng = np.random.default_rng(seed)
    fields = [field for field in DESCRIPTOR if field != "checksum"]
    for _ in range(80):
        place, field = int(rng.integers(5)), fields[rng.integers(len(fields))]
        change = int(rng.choice([1 << int(rng.integers(32)), 16, -16, 64, -64, 1, -1]))
        ats = [desc(index, field) for index in range(place, 15, 5)]
        data = reseal(poke(*((at, word(at) + change) for at in ats)))
        try:
            image = read_image(data)
        except ImageError as err:
            assert "offset 0x" in str(err)
            continue
        assert field in ("neuron", "out_base", "out_stride", "state", "perf_ptr"), (place, field, change)
        again = write_image(image.network, image.spikes, TINY, [(lay.block_cols, lay.tile_rows) for lay in image.layout.network],
                            index=[lay.index for lay in image.layout.network])  # fmt: skip
        assert read_image(again).network.same(image.network)
