# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""FPGA builds: bad input is refused in a line before Yosys begins, and costs nothing that was built before. No tool runs here."""

from __future__ import annotations

import functools
import struct
from pathlib import Path

import numpy as np
import pytest

from golden.config import load
from golden.image import write_image
from golden.layer import Layer
from golden.layout import HEADER
from golden.network import Network
from scripts import fpga
from scripts.test_bad_input import refused, run


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The result of an earlier build of the ULX3S; Yosys would fail."""

    def yosys(*_: object) -> str:
        raise fpga.BuildError("Yosys began")

    monkeypatch.setattr(fpga, "BUILD", tmp_path / "build")
    monkeypatch.setattr(fpga, "run_yosys", yosys)
    file = tmp_path / "build" / "ulx3s" / "result.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    return file


@functools.cache
def image(config: str) -> bytes:
    network = Network("net", 4, [Layer(np.ones((40, 8), int), np.zeros(8), np.ones(8), 0, name="fc")])
    return write_image(network, np.ones((2, 40, 4), np.uint8), load(config))


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


IMAGES = [
    (b"root:x:0:0:root:/root:/bin/bash\n" * 30, "offset 0x0: magic = 0x746f6f72 (1953460082) is not legal: must be"),
    (b"twelve bytes", "offset 0xc: image has 12 bytes: must be at least 64, the header"),
    (bytes(131072 + 8), "131080 bytes do not fit in the 131072 bytes of block RAM of board ulx3s"),
    (image("paper"), "was packed for another machine: SLICE_W = 16, the board's machine (ulx3s) has 8"),
    (image("ulx3s")[:-64], "size = "),
    (flipped(image("ulx3s")), "crc = "),
]


@pytest.mark.parametrize("data, words", IMAGES, ids=["text", "short", "large", "paper", "cut", "flipped"])
def test_image_that_is_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "image.bin").write_bytes(data)
    refused(run(fpga.main, "build", "ulx3s", "--image", tmp_path / "image.bin"), f"{tmp_path / 'image.bin'}: ", words)


def test_image_for_the_board(tmp_path: Path) -> None:
    """It reaches Yosys, as the contents of all of block RAM."""
    (tmp_path / "image.bin").write_bytes(image("ulx3s"))
    result = run(fpga.main, "build", "ulx3s", "--image", tmp_path / "image.bin")
    assert result.exit_code == 1 and "Yosys began" in result.output
    words = (fpga.BUILD / "ulx3s" / "image.hex").read_text().split()
    memory = b"".join(int(word, 16).to_bytes(8, "little") for word in words)
    assert memory == image("ulx3s").ljust(131072, b"\0") and struct.unpack_from("<I", memory, 4 * HEADER["size"])[0] == len(image("ulx3s"))


@pytest.mark.parametrize("arguments", [("ulx3s", "--image", "/nonexist"), ("ulx3s", "--image", __file__), ("nope",)])
def test_bad_input_keeps_the_last_result(built: Path, arguments: tuple[str, ...]) -> None:
    refused(run(fpga.main, "build", *arguments), arguments[-1])
    assert built.exists()


def test_build_that_fails_leaves_no_result(built: Path) -> None:
    """Else it would pass for the one of the build that failed."""
    assert run(fpga.main, "build", "ulx3s").exit_code == 1
    assert not built.exists()
