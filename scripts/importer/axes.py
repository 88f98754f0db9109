# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Axes of data against a network's Input: what is taken, how it is read, and what an array in another order looks like.

Axes have names: N images, then those of the Input, (inputs,), (C, L) or (C, H, W), then T where the data are spikes. An array whose
sizes agree only in their product is never reshaped: the same numbers in another order are another image.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.importer.errors import NirError
from scripts.importer.graph import Floats
from scripts.importer.shapes import Shape

AXES = {1: ("inputs",), 2: ("C", "L"), 3: ("C", "H", "W")}
Order = tuple[str, ...]


def _text(order: Order) -> str:
    return f"({', '.join(order)})"


def _orders(shape: Shape, sizes: dict[str, int]) -> list[Order]:
    """Orders of all axes that fit an array; N may have any size. If one of the usual ones fits, with a map's axes together and its
    channels first or last, only those."""
    core = [name for name in sizes if name not in ("N", "T")]
    blocks = [tuple(core), *([(*core[1:], core[0])] if "C" in core and len(core) > 1 else [])]
    usual = [sum(order, ()) for block in blocks for order in itertools.permutations([("N",), *([("T",)] if "T" in sizes else []), block])]
    rest = [order for order in itertools.permutations(sizes) if "H" not in order or "W" not in order or order.index("H") < order.index("W")]

    def fit(orders: list[Order]) -> list[Order]:
        return [order for order in orders if all(n == "N" or sizes[n] == size for n, size in zip(order, shape, strict=True))]

    return fit(usual) or fit(rest)


def _sizes(shape: Shape, steps: int | None, squeezed: bool = False) -> dict[str, int]:
    """Size of every axis by name; ``squeezed``: without those of one."""
    sizes = dict(zip(AXES[len(shape)], shape, strict=True)) | ({} if steps is None else {"T": steps})
    return {"N": 0, **{name: size for name, size in sizes.items() if not squeezed or size > 1}}


def _tail(steps: int | None) -> Shape:
    return () if steps is None else (steps,)


def _squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size > 1)


def turned(x: npt.NDArray[Any], shape: Shape, steps: int | None) -> str:
    """A hint for an array that is refused: which order its axes seem to have, and what brings them into ours; or nothing.

    Args:
        x: Any array.
        shape: Of the node that it should have.
        steps: T, which should be last; None: no timesteps.
    """
    if not x.ndim or not len(x):
        return ""
    if _squeezed(x.shape) == _squeezed((*shape, *_tail(steps))):
        return "looks like one image without the axis N: give x[None]"
    for squeezed in (False, True):
        sizes = _sizes(shape, steps, squeezed)
        if len(sizes) != x.ndim:
            continue
        fits = [order for order in _orders(x.shape, sizes) if order != tuple(sizes)]
        first = min((order.index("N") for order in fits), default=0)
        fits = [order for order in fits if order.index("N") == first][:2]
        if fits:
            turn = ", ".join(str(fits[0].index(name)) for name in sizes)
            known = f": give x.transpose({turn})" if len(fits) == 1 else ": give it as " + _text(tuple(_sizes(shape, steps)))
            return f"looks like {' or '.join(map(_text, fits))}{known}"
    return ""


def _looks_like(x: npt.NDArray[Any], shape: Shape, steps: int | None) -> str:
    """A hint for data that are refused, or nothing."""
    hint, rest, size = turned(x, shape, steps), x.shape[1:], math.prod(shape)
    if hint or not x.ndim or not len(x):
        return hint
    if steps is not None and rest in (shape, (size,)):
        return "has no axis T: pixels need --encoding thresholds or direct"
    if steps is not None and rest[:-1] in (shape, (size,)):
        return f"has {rest[-1]} timesteps, T is {steps}"
    if steps is None and rest[:-1] in (shape, (size,)):
        return "has an axis more, as spikes have T: they need --encoding spikes"
    if math.prod(rest) == size * (steps or 1):
        return "has as many numbers in other axes: bring them into the order that the network was trained on"
    return ""


def _reading(x: npt.NDArray[Any], shape: Shape, steps: int | None) -> str | None:
    """How the axes are read: words where that is not the one way to read them, "" where it is, None if they are not taken."""
    target, rest = (*shape, *_tail(steps)), x.shape[1:]
    if not x.ndim or not len(x):
        return None
    for squeezed in (False, True):
        mine, own = (_squeezed(rest), _squeezed(target)) if squeezed else (rest, target)
        if mine == own:
            sizes = _sizes(shape, steps, squeezed)
            same = [order for order in _orders((len(x), *mine), sizes) if order != tuple(sizes) and order[0] == "N"]
            read = f"read as {_text(tuple(sizes))}" if squeezed or same else ""
            return f"{read}; {_text(same[0])} has the same sizes" if same else read
        if not squeezed and rest == (math.prod(shape), *_tail(steps)):
            return f"read as flat images, {_text(AXES[len(shape)])} with the last axis fastest"
    if steps is None and len(shape) == 1 and len(mine) == 2 and math.prod(mine) == shape[0]:
        return f"read as images (N, H, W), row by row, for {shape[0]} inputs"
    return None


def arrange(x: npt.NDArray[Any], shape: Shape, steps: int | None, where: str, also: str = "") -> tuple[npt.NDArray[Any], str]:
    """Data in the axes of an Input, or an error; nothing is guessed from a product of sizes.

    Taken are, for each image: the Input's own axes; all of them flat, the last axis fastest; the Input's axes with axes of size one
    left out or more (they carry no order); and, of pixels for an Input of one axis, grey images (H, W), row by row.

    Args:
        x: Any array.
        shape: Of the Input.
        steps: T of spikes, which is the last axis; None: pixels, which have none.
        where: For messages.
        also: What else is legal, for the message.

    Returns:
        (N, *shape), or (N, *shape, T) of spikes; and a note on how the axes were read, "" where there is one way to read them.

    Raises:
        NirError: Names the axes found and wanted, and what they look like.
    """
    target, flat = (*shape, *_tail(steps)), (math.prod(shape), *_tail(steps))
    reading = _reading(x, shape, steps)
    if reading is not None:
        return x.reshape(len(x), *target), reading and f"{where}: shape {x.shape} {reading}"
    kind = "pixels" if steps is None else f"spikes with T = {steps} last"
    axes = _text(tuple(_sizes(shape, steps)))
    other = "" if flat == target else f", or flat (images, {', '.join(map(str, flat))})"
    hint = _looks_like(x, shape, steps)
    raise NirError(f"{where}: shape {x.shape} is not legal: must be (images, {', '.join(map(str, target))}) {kind}, "
                   f"axes {axes}{other}{also}{'; it ' + hint if hint else ''}")  # fmt: skip


def spread(values: float | tuple[float, ...], shape: Shape, where: str, option: str) -> Floats:
    """One number for all inputs, or one a channel, as an array of the Input's shape.

    Raises:
        NirError: There are neither one nor as many as channels.
    """
    array = np.atleast_1d(np.asarray(values, np.float64))
    if array.size not in (1, shape[0]):
        raise NirError(f"{where}: {option} has {array.size} numbers: must be 1, or {shape[0]}, one a channel of the Input {shape}")
    return np.broadcast_to(array.reshape(-1, *(1 for _ in shape[1:])), shape)
