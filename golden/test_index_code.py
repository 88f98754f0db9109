# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of golden/index_code.py: against loops that state the code, every error, and the time that a large layer takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.errors import LoasError
from golden.index_code import IndexCodeError, decode, encode, size, used


def stated_encode(mask: list[bool]) -> bytes:
    """The definition, position by position."""
    out, gap, end = bytearray(), 0, 0
    for weight in mask:
        if weight:
            out.append(gap)
            gap, end = 0, len(out)
        else:
            gap += 1
            if gap == 255:
                out.append(255)
                gap = 0
    return bytes(out[:end])


def stated_decode(data: bytes, nnz: int, positions: int) -> list[bool]:
    """The definition, byte by byte."""
    out: list[bool] = []
    for byte in data:
        if sum(out) == nnz:
            break
        out += [False] * byte + [True] * (byte < 255)
    return out + [False] * (positions - len(out))


# runs of silence around the escape, and weights one after the other
MASKS = st.lists(st.one_of(st.sampled_from([0, 0, 1, 253, 254, 255, 256, 509, 510, 511, 765]), st.integers(0, 800)), max_size=40)


@given(gaps=MASKS, tail=st.integers(0, 600), padding=st.integers(0, 20))
def test_loops_agree(gaps: list[int], tail: int, padding: int) -> None:
    mask = [bit for gap in gaps for bit in [False] * gap + [True]] + [False] * tail
    array, nnz = np.array(mask, bool), len(gaps)
    data = encode(array)
    assert data == stated_encode(mask)
    assert size(array) == len(data) == used(data + bytes(padding), nnz)
    assert decode(data + bytes(padding), nnz, len(mask)).tolist() == mask == stated_decode(data + bytes(padding), nnz, len(mask))


@given(data=st.binary(max_size=40) | st.lists(st.sampled_from([0, 7, 254, 255])).map(bytes), nnz=st.integers(0, 40),
       positions=st.integers(0, 4000))
def test_any_bytes_decode_or_are_refused(data: bytes, nnz: int, positions: int) -> None:
    expected = stated_decode(data, nnz, positions)
    good = sum(expected) == nnz and len(expected) == positions
    end = len(data) if not good else used(data, nnz)
    if good and not any(data[end:]):
        mask = decode(data, nnz, positions)
        assert mask.tolist() == expected
        assert encode(mask) == data[:end]  # there is one string for a mask
    else:
        with pytest.raises(IndexCodeError):
            decode(data, nnz, positions)


def test_columns_of_a_block_are_one_string() -> None:
    mask = np.zeros((3, 384), bool)
    mask[0, 1] = mask[0, 2] = mask[2, 0] = True
    assert encode(mask) == bytes([1, 0, 255, 255, 255, 0])  # 765 positions are silent
    assert decode(encode(mask), 3, mask.size).reshape(mask.shape).tolist() == mask.tolist()


@pytest.mark.parametrize("call,offset,text", [
    (lambda: decode(b"\5\5", 3, 100), 2, "2 weights in 2 bytes, and should have 3"),
    (lambda: decode(b"\5\xff", 2, 1000), 2, "1 weights in 2 bytes, and should have 2"),
    (lambda: decode(b"", 1, 100), 0, "0 weights in 0 bytes, and should have 1"),
    (lambda: decode(b"\5", -1, 100), 0, "nnz = -1 is not legal"),
    (lambda: decode(b"\5\xff\5\1", 3, 261), 2, "byte 2 of the index leads to position 266, the block has 261"),
    (lambda: decode(b"\5\xff\5", 2, 200), 1, "byte 1 of the index leads to position 260, the block has 200"),
    (lambda: decode(b"\0", 1, 0), 0, "leads to position 0, the block has 0"),
    (lambda: decode(b"\5\0\0\1", 1, 100), 3, "byte 3 of the index is behind its 1 weights and not zero"),
    (lambda: decode(b"\xff", 0, 1000), 0, "behind its 0 weights and not zero"),
])  # fmt: skip
def test_errors(call: Callable[[], Any], offset: int, text: str) -> None:
    with pytest.raises(LoasError, match=text) as caught:
        call()
    assert isinstance(caught.value, IndexCodeError) and caught.value.offset == offset


def test_a_large_layer_is_quick() -> None:
    """All weights of VGG16's convolutions at once; the limits are ten times what was measured, for a busy machine."""
    mask = np.random.default_rng(1).random(14_700_000) < 0.018
    start = time.perf_counter()
    data = encode(mask)
    middle = time.perf_counter()
    again = decode(data, int(mask.sum()), mask.size)
    end = time.perf_counter()
    assert (again == mask).all()
    print(f"encode {middle - start:.3f} s, decode {end - middle:.3f} s")
    assert middle - start < 0.2 and end - middle < 0.3
