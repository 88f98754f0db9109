# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Records of 32-bit words in an image, and complaints that say which word is wrong, where, and what would be legal."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError

Memory = bytes | bytearray | memoryview | npt.NDArray[np.uint8]


class ImageError(LoasError):
    """An image breaks a rule; the text names offset, field, value and what is legal."""


def sealed_words(table: dict[str, int], values: dict[str, int]) -> list[int]:
    """The 16 words of a record, modulo 2^32, with the checksum that makes them add up to zero."""
    words = [0] * 16
    for name, value in values.items():
        words[table[name]] = int(value) % (1 << 32)
    words[table["checksum"]] = -sum(words) % (1 << 32)
    return words


class Record:
    """The words of a header, descriptor, walk record or entry of a block table.

    Attributes:
        at: Offset in the image.
        words: All of them.
    """

    def __init__(self, data: Memory, at: int, table: dict[str, int], where: str = "", count: int = 16) -> None:
        """Reads a record.

        Args:
            data: The image; the record lies in it.
            at: Offset.
            table: Word number of each field.
            where: In front of a field's name in complaints, e.g. ``layer 0: walk: ``.
            count: Words.
        """
        self.at, self.where, self._table = at, where, table
        self.words: list[int] = np.frombuffer(data, "<u4", count, at).tolist()

    def __getitem__(self, name: str) -> int:
        """A field."""
        return self.words[self._table[name]]

    def bits(self, name: str, lsb: int, width: int) -> int:
        """Some bits of a field."""
        return self[name] >> lsb & ((1 << width) - 1)

    def refuse(self, name: str | int, legal: str) -> NoReturn:
        """Complains about a field, or about a word that has no name.

        Raises:
            ImageError: Always.
        """
        word = name if isinstance(name, int) else self._table[name]
        shown, value = f"word {name}" if isinstance(name, int) else name, self.words[word]
        raise ImageError(f"offset {self.at + 4 * word:#x}: {self.where}{shown} = {value:#x} ({value}) is not legal: must be {legal}")

    def need(self, name: str | int, ok: bool, legal: str) -> None:
        """Complains about a field unless all is well.

        Raises:
            ImageError: Not ``ok``.
        """
        if not ok:
            self.refuse(name, legal)

    def need_sum(self) -> None:
        """Demands that the checksum makes the words add up to zero.

        Raises:
            ImageError: It does not.
        """
        total = sum(self.words) % (1 << 32)
        self.need("checksum", total == 0, f"{(self['checksum'] - total) % (1 << 32):#010x}, so that the words add up to zero")

    def need_zero_rest(self) -> None:
        """Demands zero in the words without a name.

        Raises:
            ImageError: One is not zero.
        """
        for word in sorted(set(range(len(self.words))) - set(self._table.values())):
            self.need(word, self.words[word] == 0, "0")
