# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The driver against a board in Python: bad lines, wrong boards, wrong images, a machine that fails, and memory that is full."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from golden.compare import compare
from golden.config import load
from golden.image import ImageError, reseal, write_image
from golden.layer import Layer
from golden.layout import HEADER
from golden.network import Network
from host.device import Device, merge
from host.errors import AddressError, BoardError, LinkError, MachineError, RefusedError, WrongBoardError
from host.fake_board import MEM, FakeBoard, noisy
from host.link import Link, combine
from host.protocol import ANSWER, COMMANDS, Decoder, Frame
from host.residents import PAGE, Resident, free

TINY = load("tiny")


def network(seed: int, k: int = 60, n: int = 30) -> Network:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-9, 10, (k, n)) * (rng.random((k, n)) < 0.3)
    return Network(f"net{seed}", 4, [
        Layer(weights, rng.integers(-9, 10, n), rng.integers(1, 30, n), 64, name="fc1"),
        Layer(rng.integers(-9, 10, (n, 5)), np.zeros(5), np.zeros(5), 0, readout=True, name="out"),
    ])  # fmt: skip


def spikes(seed: int, rows: int = 3, k: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (rows, k, 4)).astype(np.uint8)


def image(seed: int, inputs: int = 0, rows: int = 3) -> bytes:
    return write_image(network(seed), spikes(inputs, rows), TINY)


def device(board: FakeBoard, attempts: int = 3) -> Device:
    return Device(Link(board, timeout=0.005, attempts=attempts))


def check(found: Device, resident: Resident, data: bytes, seed: int, inputs: int = 0, rows: int = 3, last_only: bool = False) -> None:
    """Runs a resident image and compares every spike."""
    done = found.run(resident, data, seconds=1, last_only=last_only)
    net = network(seed)
    report = compare(done.memory, net, spikes(inputs, rows), net.run(spikes(inputs, rows), 4), TINY)
    assert report.mismatches == 0 or last_only, report.first
    assert done.cycles == sum(one["matches"] for one in done.counters) > 0


# ---- frames ------------------------------------------------------------------------------------------------------------------------
def test_crc_of_two_pieces() -> None:
    rng = random.Random(1)
    for _ in range(200):
        a, b = rng.randbytes(rng.randrange(40)), rng.randbytes(rng.choice([0, 1, 4, rng.randrange(5000)]))
        assert combine(zlib.crc32(a), zlib.crc32(b), len(b)) == zlib.crc32(a + b)


def test_decoder_finds_frames_in_garbage() -> None:
    rng = random.Random(2)
    for _ in range(100):
        frames = [Frame(rng.randrange(256), rng.randrange(256), rng.randbytes(4 * rng.randrange(6))) for _ in range(5)]
        stream = b""
        for frame in frames:
            junk = bytes(rng.choice([b for b in range(256) if b != ANSWER]) for _ in range(rng.randrange(9)))
            stream += junk + frame.encode(ANSWER)
        decoder, got = Decoder(), list[Frame]()
        at = 0
        while at < len(stream):
            step = rng.randint(1, 20)
            got += decoder.feed(stream[at : at + step])
            at += step
        assert got == frames
        assert decoder.damaged == 0


def test_decoder_recovers_behind_a_false_beginning() -> None:
    frame = Frame(7, 0, b"abcd")
    decoder = Decoder()
    false = bytes([ANSWER, 8, 0])  # swallows twelve bytes of the frame, whose CRC is then wrong
    assert decoder.feed(false + frame.encode(ANSWER) + bytes(20)) == [frame]
    assert decoder.damaged > 0


# ---- lines -------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_noisy_line(seed: int) -> None:
    """One byte in 1500 is lost, changed or doubled, both ways: everything comes right, and each start is given once."""
    board = FakeBoard(TINY)
    board.hurt = noisy(seed, 1 / 1500)
    found = device(board, attempts=12)
    link = found.bus
    assert isinstance(link, Link)
    for number in range(3):
        data = image(number, number)
        check(found, found.load(data), data, number, number)
    assert link.retries > 0, "the line was not bad enough to try anything"
    assert board.starts == 3
    assert board.dropped > 0


def test_lost_answer_is_no_second_start() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    data = image(1)
    resident = found.load(data)
    lost = 0

    def lose(chunk: bytes, to_board: bool) -> bytes:
        nonlocal lost
        if not to_board and board.starts == 1 and lost < 2:
            lost += 1
            return b""
        return chunk

    board.hurt = lose
    found.start(resident)
    assert (board.starts, lost) == (1, 2)
    found.wait(1)


@pytest.mark.parametrize("after", [1, 600, 1700])
@pytest.mark.parametrize("gone", [False, True], ids=["silent", "unplugged"])
def test_line_drops_in_a_load(after: int, gone: bool) -> None:
    """A clear error, no half image in the list, the images beside it whole, and the next load works."""
    board = FakeBoard(TINY)
    found = device(board, attempts=2)
    first, second = image(1), image(2)
    one = found.load(first)
    sent = 0

    def cut(chunk: bytes, to_board: bool) -> bytes:
        nonlocal sent
        sent += len(chunk) if to_board else 0
        if sent < after:
            return chunk
        board.gone = gone
        return b""

    board.hurt = cut
    with pytest.raises(LinkError, match="the port is gone" if gone else "no answer in 2 attempts.*powered"):
        found.load(second, name="second")
    board.hurt, board.gone = lambda chunk, to_board: chunk, False
    again = device(board)
    assert [(r.base, r.size, r.key) for r in again.residents()] == [(one.base, one.size, one.key)]
    check(again, one, first, 1)
    check(again, again.load(second), second, 2)


def test_nobody_and_nonsense() -> None:
    board = FakeBoard(TINY)
    board.hurt = lambda chunk, to_board: b""
    with pytest.raises(LinkError, match="PING: no answer in 1 attempts.*is it this port"):
        device(board, attempts=1)
    board.hurt = lambda chunk, to_board: chunk if to_board else b"\x5a" + bytes(len(chunk))
    with pytest.raises(LinkError, match="no whole answer in 1 attempts, 10 bytes came.*is the rate right"):
        device(board, attempts=1)
    board.hurt = lambda chunk, to_board: chunk
    device(board)


def test_late_answers_are_skipped() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    link = found.bus
    assert isinstance(link, Link)
    board._outbox += Frame((link._seq - 3) % 256, 0, b"late").encode(ANSWER)
    assert found.register("ID") == 0x53416F4C
    assert link.skipped == 1


# ---- wrong boards ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("change", "text"), [
    (lambda b: setattr(b, "magic", 1), "its magic is 0x00000001.*load the bitstream of this version"),
    (lambda b: setattr(b, "version", 9), "it speaks version 9 of the host link, this driver 1"),
    (lambda b: b.values.update(ID=5), "registers ID = 0x00000005, VERSION = 2 are not legal"),
    (lambda b: b.values.update(VERSION=3), "VERSION = 3 are not legal"),
    (lambda b: b.values.update(CONFIG0=0), "no legal configuration: registers of fake: .board. T = 0"),
])  # fmt: skip
def test_wrong_board(change: Callable[[FakeBoard], None], text: str) -> None:
    board = FakeBoard(TINY)
    change(board)
    with pytest.raises(WrongBoardError, match=text):
        device(board)


def test_wrong_bitstream() -> None:
    board = FakeBoard(TINY, bitstream=0x1234)
    with pytest.raises(WrongBoardError, match="bitstream 00001234 is not legal: must be 00005678"):
        Device(Link(board, timeout=0.005), bitstream=0x5678)
    with pytest.raises(WrongBoardError, match="board 'FAKE' is not legal: must be 'ULX3'"):
        Device(Link(board, timeout=0.005), board="ULX3")
    assert Device(Link(board, timeout=0.005), board="FAKE", bitstream=0x1234).config == TINY


def test_machine_that_has_no_name() -> None:
    cfg = TINY.override(NUM_TPPES=3)
    found = device(FakeBoard(cfg))
    assert found.config.verilog_parameters() == cfg.verilog_parameters()


# ---- wrong images ------------------------------------------------------------------------------------------------------------------
def test_wrong_images_are_not_sent() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    good = image(1)
    resident = found.load(good)
    before = bytes(board.memory)
    other = TINY.override(CHUNK_W=64, SLICE_W=16, ACC_W=20)
    cases = [
        (write_image(network(1), spikes(0), other),
         "x.bin: was packed for another machine: SLICE_W = 16, the board's machine .tiny. has 8; CHUNK_W = 64.*ACC_W = 20.*"
         "pack it with --config tiny"),
        (good[:-16], "x.bin: offset 0x8: size.*truncated"),
        (good[:40], "x.bin: offset 0x28: image has 40 bytes"),
        (b"", "image has 0 bytes"),
        (bytes(len(good)), "magic"),
        (good[:200] + bytes([good[200] ^ 1]) + good[201:], "crc"),
    ]  # fmt: skip
    for data, text in cases:
        with pytest.raises(ImageError, match=text):
            found.load(data, name="x.bin")
    coded = TINY.override(INDEX_RATE=0)
    plain = device(FakeBoard(coded))
    sparse = Network("sparse", 4, [Layer(np.eye(300, 40, dtype=np.int64), np.zeros(40), np.ones(40), name="fc")])
    data = write_image(sparse, spikes(0, 2, 300), TINY, index=[True])
    with pytest.raises(ImageError, match="INDEX_RATE"):
        plain.load(data)
    assert bytes(board.memory) == before, "something was sent"
    check(found, resident, good, 1)


# ---- memory ------------------------------------------------------------------------------------------------------------------------
def test_several_images_are_resident() -> None:
    board = FakeBoard(TINY)
    board.memory[:] = random.Random(3).randbytes(len(board.memory))  # what a memory holds after power-up
    found = device(board)
    data = {seed: image(seed, seed, rows=2 + seed) for seed in range(4)}
    places = {seed: found.load(data[seed]) for seed in data}
    assert len({r.base for r in places.values()}) == 4
    for seed in (2, 0, 3, 1, 1, 0):  # networks are swapped by nothing but a start
        check(found, places[seed], data[seed], seed, seed, 2 + seed)
    again = device(board)  # another session finds them
    assert [r.base for r in again.residents()] == sorted(r.base for r in places.values())
    again.unload(places[1].base)
    assert len(again.residents()) == 3
    with pytest.raises(AddressError, match="no image begins there"):
        again.unload(places[1].base)
    smaller = image(9, 0, rows=1)
    assert again.load(smaller).base == places[1].base, "the first room"
    check(again, places[3], data[3], 3, 3, 5)
    assert len(again.residents()) == 4


def test_image_that_is_there_is_not_sent_again() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    data = image(1)
    one = found.load(data)
    before = board.executed
    assert found.load(data) == one
    assert board.executed - before < 6


def test_other_inputs_send_what_differs() -> None:
    """The same network with other inputs: its weights are not sent again."""
    board = FakeBoard(TINY, size=1 << 18)
    found = device(board)
    sent = 0

    def count(chunk: bytes, to_board: bool) -> bytes:
        nonlocal sent
        sent += len(chunk) if to_board else 0
        return chunk

    board.hurt = count
    net = network(1, 500, 200)
    first, second = (write_image(net, spikes(seed, 4, 500), TINY) for seed in (1, 2))
    one = found.load(first)
    whole, sent = sent, 0
    assert found.load(second, base=one.base).base == one.base
    assert sent < whole / 3
    done = found.run(one, second)
    assert compare(done.memory, net, spikes(2, 4, 500), net.run(spikes(2, 4, 500), 4), TINY).mismatches == 0


def test_no_room() -> None:
    board = FakeBoard(TINY, size=5 * PAGE)
    found = device(board)
    data = image(1)
    one = found.load(data)
    with pytest.raises(BoardError, match=f"do not fit: {5 * PAGE} bytes of image memory, the largest room has .*{len(data)} bytes at 0x0"):
        found.load(image(2, 0, 200))
    for base, text in ((12, "must be a multiple of 4096"), (5 * PAGE, "must be a multiple of 4096, at most"),
                       (4 * PAGE, "must be at most 0x1000, behind the last image")):  # fmt: skip
        with pytest.raises(AddressError, match=text):
            found.load(data, base=base)
    check(found, one, data, 1)
    other = image(2)
    check(found, found.load(other, base=0), other, 2)


def test_rooms() -> None:
    def hole(base: int, pages: int) -> Resident:
        return Resident(base * PAGE, pages * PAGE, hole=True)

    def full(base: int, pages: int) -> Resident:
        return Resident(base * PAGE, pages * PAGE - 5)

    found = [full(0, 1), hole(1, 2), hole(3, 1), full(4, 2), hole(6, 1)]
    assert free(found, 8 * PAGE) == [(PAGE, 3 * PAGE), (6 * PAGE, 2 * PAGE)]
    assert free([], 100) == [(0, 100)]
    assert free([full(0, 2)], 2 * PAGE - 5) == []
    assert merge([(5, 6), (0, 2), (2, 4), (1, 3)]) == [(0, 4), (5, 6)]


def test_random_loads_and_unloads() -> None:
    """Whatever was loaded, replaced and unloaded: the list is what a book-keeper would say, and every image is whole."""
    rng = random.Random(5)
    board = FakeBoard(TINY, size=24 * PAGE)
    found = device(board)
    images = {seed: image(seed, seed, rows=rng.choice([1, 3, 20, 60])) for seed in range(5)}
    book: dict[int, int] = {}
    for _ in range(60):
        seed = rng.choice(list(images))
        there = [base for base, s in book.items() if s == seed]
        if rng.random() < 0.4 and book:
            base = rng.choice(list(book))
            found.unload(base)
            del book[base]
        elif rng.random() < 0.4 and book:
            base = rng.choice(list(book))
            end = Resident(base, len(images[seed])).end
            if base + len(images[seed]) > len(board.memory):
                continue
            found.load(images[seed], base=base)
            book = {b: s for b, s in book.items() if Resident(b, len(images[s])).end <= base or b >= end}
            book[base] = seed
        else:
            try:
                base = found.load(images[seed]).base
            except BoardError as err:
                assert "do not fit" in str(err)
                continue
            assert not there or base in there
            book[base] = seed
        assert {r.base: r.size for r in found.residents()} == {b: len(images[s]) for b, s in book.items()}
        for base, s in book.items():
            assert board.memory[base : base + len(images[s])] == images[s]


def test_bad_memory() -> None:
    """A cell that does not hold what is written is named."""
    board = FakeBoard(TINY)
    found = device(board)
    data = image(1, 0, 60)
    at = next(i for i in range(PAGE + 8, len(data), 4) if any(data[i : i + 4]))
    store = board._store

    def stuck(address: int, value: int) -> None:
        store(address, 0 if address == MEM + at else value)

    board._store = stuck  # type: ignore[method-assign, assignment]  # a fault
    with pytest.raises(LinkError, match=f"memory at 0x{at // PAGE * PAGE:x} does not hold what was written"):
        found.load(data)


# ---- runs --------------------------------------------------------------------------------------------------------------------------
def test_machine_error_and_the_run_after_it() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    data = image(1)
    resident = found.load(data)
    desc = struct.unpack_from("<I", data, 4 * HEADER["desc_offset"])[0]
    bad = bytearray(data)
    struct.pack_into("<I", bad, desc, 0)
    board.memory[resident.base : resident.base + len(data)] = reseal(bad)  # the driver itself refuses to load that
    with pytest.raises(MachineError, match=f"machine error 3 .BAD_DESC. at image byte 0x{desc:08x}, layer 0: layer descriptor") as caught:
        found.run(resident, data)
    assert (caught.value.code, caught.value.address) == (3, desc)
    check(found, found.load(data, base=resident.base), data, 1)


def test_run_without_end() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    data = image(1)
    resident = found.load(data)
    board.busy_forever = True
    with pytest.raises(MachineError, match="no end after 0.05 s, in layer 0 .*: the machine was reset"):
        found.run(resident, data, seconds=0.05)
    check(found, resident, data, 1)
    board.busy_forever = True
    found.start(resident)
    with pytest.raises(BoardError, match="the machine is busy .STATUS = 0x1.: wait, or reset it"):
        found.start(resident)
    found.soft_reset()
    check(found, resident, data, 1)


def test_soft_reset_of_a_bus_that_hangs() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    board.hung = True
    with pytest.raises(RefusedError, match="BUS_TIMEOUT.*only RESET frees it"):
        found.counters()
    with pytest.raises(RefusedError, match="BUS_TIMEOUT"):  # not: no machine
        device(board)
    found.soft_reset()
    data = image(1)
    check(found, found.load(data), data, 1)


def test_last_layer_only_reads_less() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    data = image(1, 0, 20)
    resident = found.load(data)
    before = board.executed
    check(found, resident, data, 1, 0, 20)
    every = board.executed - before
    check(found, resident, data, 1, 0, 20, last_only=True)
    assert board.executed - before - every < every


def test_refusals_name_status_and_address() -> None:
    board = FakeBoard(TINY)
    found = device(board)
    with pytest.raises(RefusedError, match="READ at 0x80000000: refused with DECERR: 0x80000000") as caught:
        found.bus.read(0x80000000, 8)
    assert (caught.value.status, caught.value.address) == ("DECERR", 0x80000000)
    link = found.bus
    assert isinstance(link, Link)
    with pytest.raises(RefusedError, match="BAD_COUNT"):
        link.request("READ", struct.pack("<II", MEM, 0))
    assert COMMANDS["READ"] == 2


def test_image_survives_reseal() -> None:
    """The checksum that tells images apart is that of the header."""
    data = image(1)
    assert reseal(data) == data
