# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The same driver over registers and a buffer, as PYNQ offers them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from golden.config import load
from host.device import Device
from host.errors import LinkError, MachineError, RefusedError, WrongBoardError
from host.fake_board import MEM, FakeBoard
from host.open import open_bus
from host.test_driver import check, image
from host.zynq import ZynqBus

TINY = load("tiny")
PHYSICAL = 0x1600_0000


class Registers:
    """``pynq.MMIO`` in front of the board in Python."""

    def __init__(self, board: FakeBoard) -> None:
        self.board = board

    def read(self, offset: int) -> int:
        return self.board._load(offset)

    def write(self, offset: int, value: int) -> None:
        if offset == 0x40:  # IMAGE_BASE: the machine sees physical addresses
            assert value >= PHYSICAL
            value -= PHYSICAL
        self.board._store(offset, value)


class Buffer:
    """``PynqBuffer``: what was not flushed is not seen by the machine, what was not invalidated not by the processor."""

    physical_address = PHYSICAL

    def __init__(self, board: FakeBoard) -> None:
        self.board, self.cache = board, np.zeros(len(board.memory), np.uint8)
        self.nbytes, self.freed = len(board.memory), False

    def __getitem__(self, where: slice) -> np.ndarray:
        return self.cache[where]

    def __setitem__(self, where: slice, data: memoryview) -> None:
        self.cache[where] = data

    def flush(self) -> None:
        self.board.memory[:] = self.cache.tobytes()

    def invalidate(self) -> None:
        self.cache[:] = np.frombuffer(bytes(self.board.memory), np.uint8)

    def freebuffer(self) -> None:
        self.freed = True


class Interrupt:
    def __init__(self) -> None:
        self.waits = 0

    def wait(self, seconds: float) -> None:
        self.waits += 1


def bus(board: FakeBoard, interrupt: Interrupt | None = None) -> ZynqBus:
    return ZynqBus(Registers(board), Buffer(board), clock_hz=100_000_000, interrupt=interrupt)


def test_load_run_and_swap() -> None:
    board = FakeBoard(TINY)
    with Device(bus(board), board="PYNQ") as device:
        assert device.config == TINY
        data = [image(seed, seed) for seed in (1, 2)]
        residents = [device.load(one) for one in data]
        for which in (0, 1, 0):
            check(device, residents[which], data[which], which + 1, which + 1)
        assert len(device.residents()) == 2


def test_run_without_end() -> None:
    board, interrupt = FakeBoard(TINY), Interrupt()
    device = Device(bus(board, interrupt))
    data = image(1)
    resident = device.load(data)
    board.busy_forever = True
    with pytest.raises(MachineError, match="no end after"):
        device.run(resident, data, seconds=0.02)
    assert interrupt.waits > 0
    check(device, resident, data, 1)


def test_what_is_refused() -> None:
    board = FakeBoard(TINY)
    way = bus(board)
    behind = MEM + len(board.memory)
    for address, size, status in ((2, 4, "BAD_ADDRESS"), (0x2000, 4, "DECERR"), (behind, 4, "DECERR"), (0xFFC, 8, "DECERR")):
        with pytest.raises(RefusedError) as caught:
            way.read(address, size)
        assert caught.value.status == status
    board.values["ID"] = 0
    with pytest.raises(WrongBoardError, match="register ID = 0x00000000 is not legal"):
        bus(board)
    with pytest.raises(LinkError, match="pynq:none.bit: package pynq is not there"):
        open_bus("pynq:none.bit")
    with pytest.raises(LinkError, match="cannot be opened"):
        open_bus(str(Path("/none")))
