# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What can go wrong between host and board, one class for each thing that a caller would treat differently."""

from __future__ import annotations

from golden.errors import LoasError


class BoardError(RuntimeError):
    """Something is wrong with the board, its line or a run on it; the text says what, and what would help."""


class LinkError(BoardError):
    """The line: the port is not there, nobody answers, or answers stay damaged after all retries."""


class RefusedError(BoardError):
    """The board answered that it cannot do a request; the text names status and address.

    Attributes:
        status: Name in ``[status]`` of ``spec/host_link.toml``.
        address: Where a bus error happened, else None.
    """

    def __init__(self, text: str, status: str, address: int | None = None) -> None:
        super().__init__(text)
        self.status, self.address = status, address


class WrongBoardError(BoardError):
    """Somebody answers, but it is no LoAS, another protocol, another board or another bitstream than asked for."""


class AddressError(LoasError):
    """A place in image memory that a caller named is not legal, or holds no image: bad input, nothing is wrong with the board."""


class MachineError(BoardError):
    """The machine ended with an error code, or did not end.

    Attributes:
        code: Register ERR_CODE; 0 if it did not end.
        address: Register ERR_ADDR, a byte offset in the image.
        layer: Register ERR_LAYER.
    """

    def __init__(self, text: str, code: int = 0, address: int = 0, layer: int = 0) -> None:
        super().__init__(text)
        self.code, self.address, self.layer = code, address, layer
