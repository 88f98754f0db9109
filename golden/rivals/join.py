# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A first, quick form of the inner join's cycle models; the event-level engine takes its place."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@numba.njit(cache=True)
def tasks(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64], width: int, cols: int) -> npt.NDArray[np.int64]:
    """(T, M, blocks, 2) cycles of matches and of empty windows; a (T, M, words) and b (N, words) are masks, a window has ``width`` words."""
    T, M, words = a.shape
    N = b.shape[0]
    out = np.zeros((T, M, (N + cols - 1) // cols, 2), np.int64)
    for t in range(T):
        for m in range(M):
            for n in range(N):
                for w in range(0, words, width):
                    ones = 0
                    for i in range(w, w + width):
                        x = a[t, m, i] & b[n, i]
                        while x:
                            x &= x - np.uint64(1)
                            ones += 1
                    if ones:
                        out[t, m, n // cols, 0] += ones
                    else:
                        out[t, m, n // cols, 1] += 1
    return out
