# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Frames of the host link as bytes. Source: ``spec/host_link.toml``, docs/host-link.md."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from golden import toml
from golden.config import SPEC_DIR

SPEC: dict[str, Any] = toml.read(SPEC_DIR / "host_link.toml")
VERSION: int = SPEC["version"]
MAGIC: int = SPEC["magic"]
COMMANDS: dict[str, int] = {name: row["code"] for name, row in SPEC["commands"].items()}
STATUS: dict[int, str] = {row["code"]: name for name, row in SPEC["status"].items()}
IDENTITY: dict[str, int] = {name: row["word"] for name, row in SPEC["identify"].items()}
REQUEST: int = SPEC["frame"]["request"]
ANSWER: int = SPEC["frame"]["answer"]
HEAD_BYTES: int = SPEC["frame"]["head_bytes"]
CRC_BYTES: int = SPEC["frame"]["crc_bytes"]
MOST_PAYLOAD = 4 * SPEC["most_buffer_words"] + 4
MOST_FRAME = HEAD_BYTES + MOST_PAYLOAD + CRC_BYTES
MOST_WORDS = (1 << 24) - 1  # of FILL and CRC


@dataclass(frozen=True)
class Frame:
    """A frame without its envelope.

    Attributes:
        seq: Sequence number, 0 to 255.
        code: Command of a request, status of an answer.
        payload: Whole 32-bit words, little-endian.
    """

    seq: int
    code: int
    payload: bytes = b""

    def encode(self, sync: int = REQUEST) -> bytes:
        """The bytes on the line."""
        body = struct.pack("<HBB", len(self.payload), self.seq, self.code) + self.payload
        return bytes([sync]) + body + struct.pack("<I", zlib.crc32(body))


class Decoder:
    """Finds frames in a stream of bytes.

    A byte that cannot be the beginning of a frame is skipped, one at a time: a false sync byte in garbage hides no frame behind
    it for longer than its supposed length lasts.

    Attributes:
        damaged: Frames that were given up: length or CRC wrong.
    """

    def __init__(self, sync: int = ANSWER, most: int = MOST_PAYLOAD) -> None:
        self._sync, self._most, self._bytes = sync, most, bytearray()
        self.damaged = 0

    def clear(self) -> None:
        """Forgets a frame that has begun."""
        self._bytes.clear()

    def feed(self, data: bytes) -> list[Frame]:
        """Takes bytes; returns the frames that are complete with them."""
        self._bytes += data
        frames: list[Frame] = []
        while True:
            start = self._bytes.find(self._sync)
            del self._bytes[: len(self._bytes) if start < 0 else start]
            if len(self._bytes) < HEAD_BYTES:
                return frames
            length, seq, code = struct.unpack_from("<HBB", self._bytes, 1)
            if length > self._most or length % 4:
                self.damaged += 1
                del self._bytes[0]
                continue
            end = HEAD_BYTES + length
            if len(self._bytes) < end + CRC_BYTES:
                return frames
            (crc,) = struct.unpack_from("<I", self._bytes, end)
            if zlib.crc32(self._bytes[1:end]) != crc:
                self.damaged += 1
                del self._bytes[0]
                continue
            frames.append(Frame(seq, code, bytes(self._bytes[HEAD_BYTES:end])))
            del self._bytes[: end + CRC_BYTES]
