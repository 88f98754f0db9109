# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A board with the machine on it: what fits it, images in its memory, runs and their results. The same over every :class:`Bus`."""

from __future__ import annotations

import dataclasses
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from golden import config as configs
from golden import toml
from golden.config import SPEC_DIR, Config
from golden.image import ImageError, parse_layout
from golden.layout import HEADER, HEADER_BYTES, MAGIC, VERSION, Layout
from host.bus import REGISTERS, Bus, Identity
from host.errors import AddressError, BoardError, LinkError, MachineError, RefusedError, WrongBoardError
from host.residents import PAGE, Resident, free, hole_words, place, walk

SPEC: dict[str, Any] = toml.read(SPEC_DIR / "registers.toml")
OFFSET: dict[str, int] = {name: row["offset"] for name, row in SPEC["registers"].items()}
ERRORS: dict[int, tuple[str, str]] = {row["code"]: (name, row["doc"]) for name, row in SPEC["errors"].items()}
BLOCK = 4096  # bytes that are compared by a CRC of their own
BUSY, DONE, ERROR, DRAINING = 1, 2, 4, 8  # STATUS
START, SOFT_RESET = 1, 2  # CTRL
HUNG = "BUS_TIMEOUT"  # status of a bus that answers nothing until the board is reset

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Run:
    """A run that ended well.

    Attributes:
        resident: What was run.
        seconds: Wall time from start to end as the host saw it.
        memory: The image's bytes with all results that were read back in their places.
        counters: Performance counters of each descriptor.
    """

    resident: Resident
    seconds: float
    memory: bytes
    counters: list[dict[str, int]]

    @property
    def cycles(self) -> int:
        """Clock cycles of all layers."""
        return sum(one["cycles"] for one in self.counters)


class Device:
    """The machine on a board.

    Attributes:
        bus: The way to it.
        identity: Who answered.
        config: Its configuration, as its registers say.
    """

    def __init__(self, bus: Bus, *, board: str | None = None, bitstream: int | None = None) -> None:
        """Asks who is there and what machine it has.

        Args:
            bus: The way to it.
            board: Demand this board.
            bitstream: Demand this number of the bitstream.

        Raises:
            WrongBoardError: It is none of that, or no machine that this driver knows.
            BoardError: The bus failed.
        """
        self.bus, self.identity = bus, demand(bus, board, bitstream)
        who = self.identity
        try:
            magic, version = self.register("ID"), self.register("VERSION")
        except RefusedError as err:
            if err.status == HUNG:
                raise
            raise WrongBoardError(f"{bus.name}: board {who.board!r} has no machine: {err}") from err
        if magic != MAGIC or version != VERSION:
            raise WrongBoardError(f"{bus.name}: board {who.board!r}: registers ID = {magic:#010x}, VERSION = {version} are not legal: "
                                  f"must be {MAGIC:#010x} and {VERSION}: load a bitstream of this version")  # fmt: skip
        self.config = config_of([self.register(f"CONFIG{i}") for i in range(6)], bus.name)

    # ---- registers -----------------------------------------------------------------------------------
    def register(self, name: str) -> int:
        """Reads a register."""
        value: int = struct.unpack("<I", self.bus.read(REGISTERS + OFFSET[name], 4))[0]
        return value

    def set_register(self, name: str, value: int) -> None:
        """Writes a register."""
        self.bus.write(REGISTERS + OFFSET[name], struct.pack("<I", value))

    # ---- images --------------------------------------------------------------------------------------
    def check_image(self, data: bytes, name: str = "image") -> Layout:
        """Checks that an image is whole and made for this machine, before a byte of it is sent.

        Raises:
            ImageError: Names what is wrong and what would be legal.
        """
        return check_image(data, self.config, name)

    def residents(self) -> list[Resident]:
        """The images in memory."""
        return [one for one in walk(self.bus, self.identity) if not one.hole]

    def load(self, data: bytes, *, name: str = "image", base: int | None = None, reserve: int = 0,
             progress: Progress | None = None) -> Resident:  # fmt: skip
        """Brings an image into memory and verifies it there.

        An image that is there already is not sent again. Of one that is like what lies at ``base`` (other inputs for the same
        network) only blocks that differ are sent; blocks of zeros never are. The header goes last: a load that breaks off leaves a
        hole, no half image.

        Args:
            data: The image.
            name: For messages.
            base: Offset in image memory, a multiple of 4 KB; what lies there is replaced. By default the first room that is large enough.
            reserve: Keep room for so many bytes.
            progress: Called with what is done, bytes done, all bytes.

        Raises:
            ImageError: The image is damaged or for another machine.
            AddressError: ``base`` is not legal.
            BoardError: No room, or the line failed, or memory does not hold what was written.
        """
        self.check_image(data, name)
        who, found = self.identity, walk(self.bus, self.identity)
        key = struct.unpack_from("<I", data, 4 * HEADER["crc"])[0]
        if base is None:
            for one in found:
                if not one.hole and (one.key, one.size) == (key, len(data)) and self._same(one.base, data):
                    return one
            base = place(found, who.mem_bytes, max(len(data), reserve))
        if base is None:
            largest = max((room for _, room in free(found, who.mem_bytes)), default=0)
            there = ", ".join(f"{one.size} bytes at 0x{one.base:x}" for one in found if not one.hole) or "nothing"
            raise BoardError(f"{name}: {len(data)} bytes do not fit: {who.mem_bytes} bytes of image memory, the largest room has "
                             f"{largest}; there: {there}: unload an image")  # fmt: skip
        if base % PAGE or not 0 <= base <= who.mem_bytes - len(data):
            raise AddressError(f"{name}: base 0x{base:x} is not legal: must be a multiple of {PAGE}, at most "
                               f"{who.mem_bytes} - {len(data)}, the size of the image")  # fmt: skip
        similar = any(one.base == base and not one.hole and one.size == len(data) for one in found)
        self._clear(found, base, Resident(base, len(data)).end)
        self._send(base, data, similar, progress)
        wrong = self._mend(base, data, progress)
        if wrong is not None:
            raise LinkError(f"{name}: memory at 0x{wrong:x} does not hold what was written, also after it was written again: bad memory?")
        return Resident(base, len(data), key, self.config.image_words, *struct.unpack_from("<I", data, 4 * HEADER["num_layers"]),
                        *struct.unpack_from("<I", data, 4 * HEADER["input_rows"]))  # fmt: skip

    def _same(self, base: int, data: bytes) -> bool:
        return self.bus.crc(self.identity.mem_base + base, len(data)) == zlib.crc32(data)

    def _clear(self, found: list[Resident], base: int, end: int) -> None:
        """Makes a hole from base to end, and holes of what is left of images that lay there, so that the chain goes on.

        Raises:
            AddressError: base is behind the last image, where nobody would find it.
        """
        last = found[-1].end if found else 0
        if base > last:
            raise AddressError(f"base 0x{base:x} is not legal: must be at most 0x{last:x}, behind the last image")
        hit = [one for one in found if one.base < end and base < one.end]
        rest = max((one.end for one in hit), default=end)
        if rest > end:  # what remains behind
            self._write(end, hole_words(rest - end))
        elif end >= last and end + HEADER_BYTES <= self.identity.mem_bytes:  # the chain ends here, whatever memory held before
            self._write(end, bytes(HEADER_BYTES))
        self._write(base, hole_words(end - base))
        first = min((one.base for one in hit), default=base)
        if first < base:  # what remains in front
            self._write(first, hole_words(base - first))

    def _write(self, base: int, data: bytes) -> None:
        self.bus.write(self.identity.mem_base + base, data)

    def _send(self, base: int, data: bytes, similar: bool, progress: Progress | None) -> None:
        """Sends all blocks; the header, which makes an image of them, in one request at the end."""
        for at in range(0, len(data), BLOCK):
            start = max(at, HEADER_BYTES)
            self._block(base, start, data[start : at + BLOCK], similar)
            if progress:
                progress("loading", min(at + BLOCK, len(data)), len(data))
        self._write(base, data[:HEADER_BYTES])

    def _block(self, base: int, at: int, block: bytes, look: bool) -> None:
        """Sends a block, if it is not there."""
        address = self.identity.mem_base + base + at
        if look and self.bus.crc(address, len(block)) == zlib.crc32(block):
            return
        if any(block):
            self.bus.write(address, block)
        else:
            self.bus.fill(address, len(block))

    def _mend(self, base: int, data: bytes, progress: Progress | None) -> int | None:
        """Verifies all of an image; sends what is wrong once more. Returns where it stays wrong, or None."""
        if progress:
            progress("verifying", len(data), len(data))
        if self._same(base, data):
            return None
        for at in range(0, len(data), BLOCK):
            self._block(base, at, data[at : at + BLOCK], True)
        for at in range(0, len(data), BLOCK):
            block = data[at : at + BLOCK]
            if self.bus.crc(self.identity.mem_base + base + at, len(block)) != zlib.crc32(block):
                return base + at
        return None

    def unload(self, base: int) -> None:
        """Makes a hole of an image.

        Raises:
            AddressError: No image begins there.
        """
        found = walk(self.bus, self.identity)
        one = next((one for one in found if one.base == base and not one.hole), None)
        if one is None:
            there = ", ".join(f"0x{r.base:x}" for r in found if not r.hole) or "none"
            raise AddressError(f"base 0x{base:x} is not legal: no image begins there; images: {there}")
        self._write(base, hole_words(one.end - base))

    # ---- runs ----------------------------------------------------------------------------------------
    def start(self, resident: Resident, watchdog: int = 1 << 20) -> None:
        """Starts a run.

        Args:
            resident: What to run.
            watchdog: Cycles without bus progress after which the machine gives up.

        Raises:
            BoardError: A run is under way.
        """
        status = self.register("STATUS")
        if status & (BUSY | DRAINING):
            raise BoardError(f"{self.bus.name}: the machine is busy (STATUS = {status:#x}): wait, or reset it")
        self.set_register("IRQ_STATUS", 3)
        self.set_register("IRQ_ENABLE", 3)
        self.set_register("IMAGE_BASE", self.identity.image_base + resident.base)
        self.set_register("IMAGE_SIZE", resident.size)
        self.set_register("WATCHDOG", watchdog)
        self.set_register("CTRL", START)

    def wait(self, seconds: float) -> None:
        """Waits for the end of a run. Afterwards the machine can be started again, whatever happened.

        Raises:
            MachineError: An error code of the machine, with its address; or no end in time, and the machine was reset.
        """
        until = time.monotonic() + seconds
        while not (status := self.register("STATUS")) & (DONE | ERROR):
            if time.monotonic() > until:
                layer = self.register("LAYER")
                self.soft_reset()
                raise MachineError(f"{self.bus.name}: no end after {seconds:g} s, in layer {layer} (STATUS = {status:#x}): "
                                   "the machine was reset", layer=layer)  # fmt: skip
            self.bus.wait_interrupt(max(0.0, until - time.monotonic()))
        self.set_register("IRQ_STATUS", 3)
        if status & ERROR:
            code, address, layer = (self.register(name) for name in ("ERR_CODE", "ERR_ADDR", "ERR_LAYER"))
            name, meaning = ERRORS.get(code, ("?", "a code this driver does not know"))
            raise MachineError(f"{self.bus.name}: machine error {code} ({name}) at image byte 0x{address:08x}, layer {layer}: {meaning}",
                               code, address, layer)  # fmt: skip

    def run(self, resident: Resident, data: bytes, *, seconds: float = 60.0, last_only: bool = False, watchdog: int = 1 << 20,
            progress: Progress | None = None) -> Run:  # fmt: skip
        """Starts, waits and reads results and counters.

        Args:
            resident: From :meth:`load`.
            data: Its image, which says where results lie.
            seconds: Longest run.
            last_only: Read only the output of the last layer, and all counters.
            watchdog: See :meth:`start`.
            progress: Called while results are read.

        Raises:
            MachineError: The run failed.
            BoardError: The line failed.
        """
        layout = parse_layout(data, self.config, verify_crc=False)
        begin = time.monotonic()
        self.start(resident, watchdog)
        self.wait(seconds)
        took = time.monotonic() - begin
        spans = [(lay.perf_ptr, lay.perf_ptr + 128) for lay in layout.layers]
        outputs = layout.layers[-1:] if last_only else layout.layers
        spans += [(lay.out_base, lay.out_base + lay.m * lay.out_stride) for lay in outputs]
        memory = bytearray(data)
        merged = merge(spans)
        total, done = sum(end - start for start, end in merged), 0
        for start, end in merged:
            for at in range(start, end, BLOCK):
                stop = min(end, at + BLOCK)
                memory[at:stop] = self.bus.read(self.identity.mem_base + resident.base + at, stop - at)
                done += stop - at
                if progress:
                    progress("reading", done, total)
        counters = [record(memory, lay.perf_ptr) for lay in layout.layers]
        return Run(resident, took, bytes(memory), counters)

    def counters(self) -> dict[str, int]:
        """The performance counters of the layer that runs, or ran last."""
        data = self.bus.read(REGISTERS + OFFSET["PERF"], 128)
        return record(data, 0)

    def soft_reset(self) -> None:
        """Ends a run; if the machine does not come to rest by its own reset, resets the board. Images stay.

        Raises:
            BoardError: Neither helped.
        """
        for whole in (False, True):
            try:
                if whole:
                    self.bus.reset()
                else:
                    self.set_register("CTRL", SOFT_RESET)
                for _ in range(50):
                    if not self.register("STATUS") & (BUSY | DRAINING):
                        return
                    time.sleep(0.002)
            except RefusedError as err:
                if whole or err.status != HUNG:
                    raise
        raise BoardError(f"{self.bus.name}: the machine stays busy after a reset of the board: configure it again")

    def close(self) -> None:
        """Ends the session."""
        self.bus.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_image(data: bytes, cfg: Config, name: str = "image") -> Layout:
    """Checks that an image is whole and made for a machine.

    Raises:
        ImageError: Names what is wrong and what would be legal.
    """
    try:
        if len(data) >= HEADER_BYTES and struct.unpack_from("<I", data)[0] == MAGIC:
            have = struct.unpack_from("<4I", data, 4 * HEADER["config0"])
            if have != cfg.image_words:
                raise ImageError(f"was packed for another machine: {difference(have, cfg)}: pack it with --config {cfg.name}")
        layout = parse_layout(data, cfg)
    except ImageError as err:
        raise ImageError(f"{name}: {err}") from err
    if any(lay.index for lay in layout.layers) and not cfg.INDEX_RATE:
        raise ImageError(f"{name}: has weights as index codes, which this machine (INDEX_RATE = 0) cannot read: "
                         f"pack it with --config {cfg.name}")  # fmt: skip
    return layout


def demand(bus: Bus, board: str | None = None, bitstream: int | None = None) -> Identity:
    """Asks who is there, of the link alone: it answers when the bus behind it hangs, too.

    Args:
        bus: The way to the board.
        board: Demand this board.
        bitstream: Demand this number of the bitstream.

    Raises:
        WrongBoardError: It is none of that.
        BoardError: The bus failed.
    """
    who = bus.identify()
    if board is not None and who.board != board:
        raise WrongBoardError(f"{bus.name}: board {who.board!r} is not legal: must be {board!r}")
    if bitstream is not None and who.bitstream != bitstream:
        raise WrongBoardError(f"{bus.name}: bitstream {who.bitstream:08x} is not legal: must be {bitstream:08x}: load that bitstream")
    return who


def record(memory: bytes | bytearray, at: int) -> dict[str, int]:
    """Performance counters by name from 128 bytes of memory."""
    values = struct.unpack_from("<16Q", memory, at)
    return {name: values[row["index"]] for name, row in SPEC["counters"].items()}


def merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges of bytes, sorted, those that touch or overlap as one."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def config_of(words: list[int], name: str) -> Config:
    """The configuration that registers CONFIG0 to CONFIG5 say: a named one, or one made from the fields.

    Raises:
        WrongBoardError: They are no legal configuration.
    """
    for cfg in configs.load_all().values():
        if [getattr(cfg, f"config{i}") for i in range(6)] == words:
            return cfg
    c0, c1, c2, c3, c4, c5 = words
    try:
        return Config(
            name="board", source=f"registers of {name}", T=c0 & 31, WEIGHT_W=c0 >> 8 & 15, SLICE_W=c0 >> 16 & 255, WINDOW=c0 >> 24 & 7,
            CHUNK_W=c1 & 0x3FF, LINE_W=c1 >> 10 & 0xFFF, ACC_W=c1 >> 22 & 63, K_MAX=c2 & 0x1FFFF, MEM_W=c2 >> 17 & 63,
            OUT_ENTRIES=c3 & 0x1FFFF, NUM_SLOTS=c3 >> 17 & 255, AXI_W=c4 & 0x7FF, OUTSTANDING=c4 >> 11 & 127, NUM_TPPES=c4 >> 18 & 127,
            LAGGY=c4 >> 25 & 1, CARRY=c4 >> 26 & 1, INDEX_RATE=c4 >> 27 & 15, SEQUENTIAL=c4 >> 31, NUM_BANKS=c5 & 127,
            NUM_WAYS=c5 >> 8 & 127, DEEP=c5 >> 15 & 1, NUM_SETS=c5 >> 16, FIFO_DEPTH=8,
        ).check()  # fmt: skip
    except configs.ConfigError as err:
        shown = ", ".join(f"{word:#010x}" for word in words)
        raise WrongBoardError(f"{name}: registers CONFIG0 to CONFIG5 = {shown} are no legal configuration: {err}") from err


FIELDS = (("T", 0, 0, 5), ("WEIGHT_W", 0, 8, 4), ("SLICE_W", 0, 16, 8), ("WINDOW", 0, 24, 3), ("CHUNK_W", 1, 0, 10), ("LINE_W", 1, 10, 12),
          ("ACC_W", 1, 22, 6), ("K_MAX", 2, 0, 17), ("MEM_W", 2, 17, 6), ("OUT_ENTRIES", 3, 0, 17), ("NUM_SLOTS", 3, 17, 8))  # fmt: skip


def difference(have: tuple[int, ...], cfg: Config) -> str:
    """In what an image's words config0 to config3 differ from a configuration."""
    texts = []
    for name, word, lsb, width in FIELDS:
        value = have[word] >> lsb & ((1 << width) - 1)
        if value != getattr(cfg, name):
            texts.append(f"{name} = {value}, the board's machine ({cfg.name}) has {getattr(cfg, name)}")
    return "; ".join(texts) or "undefined bits are set"


def summary(device: Device) -> dict[str, Any]:
    """Identity and configuration, for the command line and JSON."""
    return {**dataclasses.asdict(device.identity), "config": device.config.name, "parameters": device.config.verilog_parameters()}
