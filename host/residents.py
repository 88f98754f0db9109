# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What lies in image memory: images and holes behind each other from its first byte on, each at a multiple of 4 KB.

The board keeps no list. An image says its size in its header; a hole that had an image in it begins with the word ``HOLE`` and its
size; anything else is the end. A new driver, or another host, finds the same.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from golden.layout import HEADER, HEADER_BYTES, MAGIC
from host.bus import Bus, Identity

PAGE = 4096  # IMAGE_BASE has zeros in its low 12 bits
HOLE = 0x454C4F48  # the bytes "HOLE": word 0 of a hole; word 2 is its size as in an image
SIZE = HEADER["size"]


@dataclass(frozen=True)
class Resident:
    """An image in the board's memory, or a hole.

    Attributes:
        base: Offset in image memory, a multiple of 4 KB.
        size: Bytes; of a hole a multiple of 4 KB.
        key: Checksum in the image's header: tells images apart.
        config: Its words config0 to config3.
        layers: Its descriptors.
        rows: Its input rows.
        hole: It is none.
    """

    base: int
    size: int
    key: int = 0
    config: tuple[int, ...] = ()
    layers: int = 0
    rows: int = 0
    hole: bool = False

    @property
    def end(self) -> int:
        """Where the next one lies."""
        return self.base + -(-self.size // PAGE) * PAGE


def walk(bus: Bus, who: Identity) -> list[Resident]:
    """Everything that lies in memory, holes too, in order."""
    found: list[Resident] = []
    base = 0
    while base + HEADER_BYTES <= who.mem_bytes:
        words = struct.unpack("<16I", bus.read(who.mem_base + base, HEADER_BYTES))
        size = words[SIZE]
        if words[0] not in (MAGIC, HOLE) or not HEADER_BYTES <= size <= who.mem_bytes - base:
            break
        if words[0] == HOLE:
            one = Resident(base, size, hole=True)
        else:
            config = tuple(words[HEADER[f"config{i}"]] for i in range(4))
            one = Resident(base, size, words[HEADER["crc"]], config, words[HEADER["num_layers"]], words[HEADER["input_rows"]])
        found.append(one)
        base = one.end
    return found


def free(found: list[Resident], mem_bytes: int) -> list[tuple[int, int]]:
    """(base, bytes) of every room: holes that touch count as one, and what is behind the last image."""
    rooms: list[tuple[int, int]] = []
    for one in [*found, Resident(found[-1].end if found else 0, mem_bytes - (found[-1].end if found else 0), hole=True)]:
        if not one.hole:
            continue
        end = min(one.end, mem_bytes)
        if rooms and sum(rooms[-1]) == one.base:
            rooms[-1] = (rooms[-1][0], end - rooms[-1][0])
        elif end > one.base:
            rooms.append((one.base, end - one.base))
    return rooms


def place(found: list[Resident], mem_bytes: int, size: int) -> int | None:
    """The first room that an image fits in; None if there is none."""
    return next((base for base, room in free(found, mem_bytes) if size <= room), None)


def hole_words(size: int) -> bytes:
    """The header of a hole."""
    words = [0] * 16
    words[0], words[SIZE] = HOLE, size
    return struct.pack("<16I", *words)
