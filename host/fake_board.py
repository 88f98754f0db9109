# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A board in Python for tests of the driver: host link, registers, memory, and the golden model in the machine's place; with faults.

It follows docs/host-link.md by itself: only the numbers come from ``spec/``. What it computes is written as the machine would.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

from golden import fiber, toml
from golden.config import SPEC_DIR, Config
from golden.image import parse_layout, read_image
from golden.record import ImageError

LINK = toml.read(SPEC_DIR / "host_link.toml")
REGISTERS = toml.read(SPEC_DIR / "registers.toml")
NAME = {row["offset"]: name for name, row in REGISTERS["registers"].items()}
MEM = 0x40000000


class FakeBoard:
    """A :class:`host.transport.Transport` with a board at its end.

    Attributes:
        memory: Image memory.
        starts: Runs that were started.
        executed: Requests that were done: repetitions do not count.
        dropped: Requests that were damaged.
        hurt: Called with every chunk of bytes, and whether they go to the board; what it returns arrives.
        busy_forever: The machine never ends a run.
        hung: The bus answers no access until RESET.
        gone: The port is gone.
    """

    name = "fake"

    def __init__(self, cfg: Config, size: int = 1 << 17, *, buffer_words: int = 64, bitstream: int = 0xC0FFEE01) -> None:
        self.cfg, self.memory, self.buffer_words, self.bitstream = cfg, bytearray(size), buffer_words, bitstream
        self.magic, self.version, self.board = LINK["magic"], LINK["version"], b"FAKE"
        self.values = {name: row.get("reset", 0) for name, row in REGISTERS["registers"].items()}
        self.values |= {f"CONFIG{i}": getattr(cfg, f"config{i}") for i in range(6)}
        self.starts = self.executed = self.dropped = 0
        self.hurt: Callable[[bytes, bool], bytes] = lambda data, to_board: data
        self.busy_forever = self.hung = self.gone = False
        self._inbox, self._outbox = bytearray(), bytearray()
        self._seen: tuple[int, int] | None = None
        self._last = (0, b"")

    # ---- transport -----------------------------------------------------------------------------------
    def _alive(self) -> None:
        from host.errors import LinkError

        if self.gone:
            raise LinkError(f"{self.name}: the port is gone")

    def write(self, data: bytes) -> None:
        """Bytes to the board."""
        self._alive()
        self._inbox += self.hurt(data, True)
        while self._frame():
            pass

    def read(self, seconds: float) -> bytes:
        """Bytes from the board; time does not pass."""
        self._alive()
        data, self._outbox = bytes(self._outbox), bytearray()
        return data

    def clear(self) -> None:
        """Forgets what has come."""
        self._outbox.clear()

    def close(self) -> None:
        """Nothing to do."""

    # ---- frames --------------------------------------------------------------------------------------
    def _frame(self) -> bool:
        """Takes one frame, or a byte that is none; false if more bytes are needed."""
        box, most = self._inbox, 4 * self.buffer_words + 4
        while box and box[0] != LINK["frame"]["request"]:
            del box[0]
        if len(box) < 3:
            return False
        length = box[1] | box[2] << 8
        if length > most or length % 4:
            self.dropped += 1
            del box[:3]
            return True
        if len(box) < 9 + length:
            return False
        frame, box[:] = bytes(box[: 9 + length]), box[9 + length :]
        if zlib.crc32(frame[1:-4]) != struct.unpack("<I", frame[-4:])[0]:
            self.dropped += 1
            return True
        seq, command = frame[3], frame[4]
        again = self._seen == (seq, command) and command in (3, 4, 6)
        if not again:
            self._seen = (seq, command)
            self.executed += 1
            self._last = self._do(command, frame[5:-4])
        status, payload = self._last
        body = struct.pack("<HBB", len(payload), seq, status) + payload
        self._outbox += self.hurt(bytes([LINK["frame"]["answer"]]) + body + struct.pack("<I", zlib.crc32(body)), False)
        return True

    def _do(self, command: int, payload: bytes) -> tuple[int, bytes]:
        words = struct.unpack(f"<{len(payload) // 4}I", payload)
        if command == 0 or command == 6:
            if command == 6:
                self.values["STATUS"] = 0
                self.busy_forever = self.hung = False
            return 0, b""
        if command == 1:
            return 0, struct.pack("<10I", self.magic, self.version, int.from_bytes(self.board, "little"), self.bitstream, 50_000_000,
                                  3_000_000, MEM, len(self.memory), self.buffer_words, self.dropped)  # fmt: skip
        address = words[0]
        if address % 4:
            return 3, b""
        if command == 2:
            if not 1 <= words[1] <= self.buffer_words:
                return 4, b""
            return self._each(address, words[1], lambda at: self._load(at))
        if command == 3:
            data = iter(words[1:])
            return self._each(address, len(words) - 1, lambda at: self._store(at, next(data)))
        if command == 4:
            return self._each(address, words[1], lambda at: self._store(at, words[2]))
        if command == 5:
            status, data_read = self._each(address, words[1], lambda at: self._load(at))
            return (status, data_read) if status else (0, struct.pack("<I", zlib.crc32(data_read)))
        return 1, b""

    def _each(self, address: int, count: int, what: Callable[[int], int | None]) -> tuple[int, bytes]:
        if self.hung:
            return 7, struct.pack("<I", address)
        parts = []
        for at in range(address, address + 4 * count, 4):
            if not (at < 0x1000 or MEM <= at < MEM + len(self.memory)):
                return 6, struct.pack("<I", at)
            value = what(at)
            if value is not None:
                parts.append(struct.pack("<I", value))
        return 0, b"".join(parts)

    def _load(self, at: int) -> int:
        if at >= MEM:
            return int(struct.unpack_from("<I", self.memory, at - MEM)[0])
        return self.values.get(NAME.get(at, ""), 0)

    def _store(self, at: int, value: int) -> None:
        if at >= MEM:
            struct.pack_into("<I", self.memory, at - MEM, value)
        elif NAME.get(at) == "CTRL":
            if value & 2:
                self.values["STATUS"] = 0
                self.busy_forever = False
            if value & 1:
                self.starts += 1
                self._run()
        elif NAME.get(at) == "IRQ_STATUS":
            self.values["IRQ_STATUS"] &= ~value
        elif at in NAME:
            self.values[NAME[at]] = value

    # ---- machine -------------------------------------------------------------------------------------
    def _run(self) -> None:
        base, size = self.values["IMAGE_BASE"], self.values["IMAGE_SIZE"]
        if self.busy_forever:
            self.values["STATUS"] = 1
            return
        memory = self.memory[base : base + size]
        try:
            layout = parse_layout(memory, self.cfg, verify_crc=False)
        except ImageError as err:
            at = int(str(err).split("offset ")[1].split(":")[0], 16)
            code = 1 if at < 16 else 2 if at < 32 else 3
            self.values |= {"STATUS": 6, "ERR_CODE": code, "ERR_ADDR": at, "ERR_LAYER": 0}
            return
        clean = bytearray(memory)
        for lay in layout.layers:  # what an earlier run left there
            clean[lay.out_base : lay.out_base + lay.m * lay.out_stride] = bytes(lay.m * lay.out_stride)
            clean[lay.perf_ptr : lay.perf_ptr + 128] = bytes(128)
        image = read_image(clean, self.cfg, verify_crc=False)
        golden = image.network.run(image.spikes, self.cfg.T)
        from golden.layer import sources, work

        for index, (layer, lay, out) in enumerate(zip(image.network.layers, layout.layers, golden, strict=True)):
            if layer.readout:
                rows = bytearray()
                for row in out.astype("<i4"):
                    rows += row.tobytes().ljust(lay.out_stride, b"\0")
            else:
                rows = bytearray(fiber.compress_rows(out, self.cfg, lay.out_stride).tobytes())
            memory[lay.out_base : lay.out_base + len(rows)] = rows
            reads = image.spikes if sources(layer, index)[0] < 0 else golden[sources(layer, index)[0]]
            did = work(reads, layer.weights, self.cfg, layer.conv, None)
            counts = {"cycles": did.matches, "matches": did.matches, "corrections": did.corrections, "rows": len(out)}
            counts["idle"] = counts["cycles"] * self.cfg.NUM_TPPES - did.matches
            for name, value in counts.items():
                struct.pack_into("<Q", memory, lay.perf_ptr + 8 * REGISTERS["counters"][name]["index"], value)
        self.memory[base : base + size] = memory
        self.values |= {"STATUS": 2, "IRQ_STATUS": 1}


def noisy(seed: int, chance: float) -> Callable[[bytes, bool], bytes]:
    """A line that loses, adds and changes bytes, both ways, one in 1 / chance of them."""
    rng = random.Random(seed)

    def hurt(data: bytes, to_board: bool) -> bytes:
        out = bytearray()
        for byte in data:
            if rng.random() >= chance:
                out.append(byte)
                continue
            how = rng.randrange(3)
            if how == 1:
                out.append(byte ^ 1 << rng.randrange(8))
            elif how == 2:
                out += bytes([byte, rng.randrange(256)])
        return bytes(out)

    return hurt
