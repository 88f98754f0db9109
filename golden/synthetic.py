# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Random spikes with given statistics, for when nobody recorded any.

Two numbers describe a map: how many neurons are silent, and how many of all spike bits are zero. A third one says what
dropping the once-firing neurons does to it, and so how many of them there are. Neurons are independent of each other,
and no timestep is special; the word of a neuron that fires is one of independent bits, given that enough of them are ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.errors import LoasError

SpikeArray = npt.NDArray[np.uint8]


def word_odds(T: int, ones: float, least: int = 1) -> npt.NDArray[np.float64]:
    """Odds of the words 1 to 2^T - 1: independent bits, given at least ``least`` ones, with so many ones on average.

    Args:
        T: Bits.
        ones: Mean number of ones, ``least`` to T.
        least: Words with fewer ones have odds 0.

    Returns:
        (2^T - 1,) odds, of word i + 1 at i.

    Raises:
        LoasError: The mean is not in this range.
    """
    if not least <= ones <= T:
        raise LoasError(f"{ones:.3f} ones on average are not legal: must be {least} to T = {T}")
    counts = np.array([word.bit_count() for word in range(1, 1 << T)])
    kept = counts >= least

    def odds(p: float) -> npt.NDArray[np.float64]:
        # as powers of p / (1 - p), scaled so that neither end vanishes
        ratio = np.where(kept, p ** (counts - least) * (1 - p) ** (T - counts), 0.0)
        return np.asarray(ratio / ratio.sum())

    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        low, high = (p, high) if odds(p) @ counts < ones else (low, p)
    return odds((low + high) / 2)


def unpack(words: npt.NDArray[np.integer], T: int) -> SpikeArray:
    """(..., T) spikes of packed words."""
    return (words[..., None] >> np.arange(T) & 1).astype(np.uint8)


def random_spikes(rng: np.random.Generator, m: int, k: int, T: int, silent: float, zeros: float) -> SpikeArray:
    """(m, k, T) random spikes with a fraction of silent neurons and a fraction of zero bits.

    Raises:
        LoasError: No words have so many zeros beside so many silent neurons.
    """
    ones = T * (1 - zeros) / (1 - silent) if 0 <= silent < 1 else -1.0
    if not 1 <= ones <= T:
        raise LoasError(f"zeros = {zeros} is not legal: must be {silent:g} to {1 - (1 - silent) / T:g} with silent = {silent}")
    words = rng.choice(np.arange(1, 1 << T), (m, k), p=word_odds(T, ones)) * (rng.random((m, k)) >= silent)
    return unpack(words, T)


@dataclass(frozen=True)
class Statistics:
    """What is published of a map of spikes; all are fractions of one.

    Attributes:
        zeros: Zero bits of all neurons and timesteps.
        silent: Neurons without a spike.
        tuned: Neurons without a spike after those with one spike are dropped.

    Raises:
        LoasError: No words have such statistics, for any T up to 16.
    """

    zeros: float
    silent: float
    tuned: float

    def __post_init__(self) -> None:
        for name, low, high in (("zeros", 0.0, 1.0), ("silent", 0.0, 1.0), ("tuned", self.silent, 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise LoasError(f"{name} = {value!r} is not legal: must be {low:g} to {high:g}")

    def odds(self, T: int, *, tuned: bool = True) -> npt.NDArray[np.float64]:
        """Odds of the words 0 to 2^T - 1.

        Neurons with one spike are those that ``tuned`` has more than ``silent``. What is left of the spikes belongs to
        neurons with two and more.

        Args:
            T: Timesteps.
            tuned: After the once-firing neurons are dropped.

        Raises:
            LoasError: No words of T bits have these statistics.
        """
        once, more = self.tuned - self.silent, 1 - self.tuned
        ones = T * (1 - self.zeros) - once
        if not 2 * more <= ones + 1e-9 or not ones <= T * more + 1e-9:
            low, high = (1 - (once + n * more) / T for n in (T, 2))
            raise LoasError(f"zeros = {self.zeros} is not legal: must be {low:g} to {high:g} with silent = {self.silent} and "
                            f"tuned = {self.tuned} at T = {T}")  # fmt: skip
        odds = np.zeros(1 << T)
        if more > 0:
            odds[1:] = more * word_odds(T, min(max(ones / more, 2), T), 2)
        if not tuned:
            odds[1 << np.arange(T)] = once / T
        odds[0] = 1 - odds[1:].sum()
        return odds

    def draw(self, rng: np.random.Generator, shape: tuple[int, int], T: int, *, tuned: bool = True) -> SpikeArray:
        """(*shape, T) random spikes.

        Raises:
            LoasError: See :meth:`odds`.
        """
        return unpack(rng.choice(np.arange(1 << T), shape, p=self.odds(T, tuned=tuned)), T)


@dataclass(frozen=True)
class Rates:
    """Spikes for any number of timesteps: an active neuron fires in each timestep with the same odds, the others never.

    The simplest rule that says what more timesteps do to a map: few more neurons fire, those that do fire more often.

    Attributes:
        active: Fraction of neurons that may fire.
        rate: Odds of a spike of such a neuron in a timestep.
    """

    active: float
    rate: float

    @staticmethod
    def of(statistics: Statistics, T: int) -> Rates:
        """The rates that give these zeros and silent neurons at T timesteps, before once-firing neurons are dropped.

        Raises:
            LoasError: There are none: fewer spikes than neurons that fire, or more than T for each.
        """
        ones, fire = 1 - statistics.zeros, 1 - statistics.silent
        if fire == 0 and ones == 0:
            return Rates(0.0, 1.0)
        # spikes of a neuron that fires, ones T / fire, is T p / (1 - (1 - p)^T): 1 at p = 0 (a limit), T at p = 1, and rises between
        if not fire <= ones * T + 1e-9 or not ones <= fire + 1e-9:
            raise LoasError(f"zeros = {statistics.zeros} is not legal: must be {statistics.silent:g} to {1 - fire / T:g} with silent = "
                            f"{statistics.silent} at T = {T}")  # fmt: skip
        low, high = 1e-9, 1.0
        for _ in range(60):
            p = (low + high) / 2
            low, high = (p, high) if p * fire < ones * (1 - (1 - p) ** T) else (low, p)
        rate = (low + high) / 2
        return Rates(min(1.0, ones / rate), rate)

    def silent(self, T: int) -> float:
        """Fraction of neurons without a spike in T timesteps."""
        return 1 - self.active * (1 - (1 - self.rate) ** T)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int], T: int) -> SpikeArray:
        """(*shape, T) random spikes."""
        active = rng.random(shape) < self.active
        return (active[..., None] & (rng.random((*shape, T)) < self.rate)).astype(np.uint8)
