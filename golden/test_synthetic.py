# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Synthetic spikes have the statistics they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from golden.errors import LoasError
from golden.synthetic import Statistics, random_spikes, word_odds

# loas.md section 2
PUBLISHED = {
    "AlexNet": Statistics(0.812, 0.713, 0.767), "AlexNet layer 4": Statistics(0.758, 0.632, 0.697),
    "VGG16": Statistics(0.823, 0.741, 0.796), "VGG16 layer 8": Statistics(0.881, 0.765, 0.868),
    "ResNet19": Statistics(0.687, 0.596, 0.661), "ResNet19 layer 19": Statistics(0.579, 0.514, 0.556),
}  # fmt: skip


@pytest.mark.parametrize(
    ("T", "ones", "least"),
    [(1, 1.0, 1), (2, 1.0, 1), (4, 1.0, 1), (4, 2.7, 1), (4, 4.0, 1), (16, 5.0, 1), (4, 2.0, 2), (4, 3.2, 2), (4, 4.0, 2), (3, 2.5, 2)],
)
def test_word_odds_have_the_mean(T: int, ones: float, least: int) -> None:
    odds = word_odds(T, ones, least)
    counts = np.array([word.bit_count() for word in range(1, 1 << T)])
    assert odds.min() >= 0 and odds.sum() == pytest.approx(1) and odds @ counts == pytest.approx(ones, abs=1e-6)
    assert not odds[counts < least].any()
    with pytest.raises(LoasError, match="ones on average are not legal: must be"):
        word_odds(T, T + 0.5, least)


@pytest.mark.parametrize("name", PUBLISHED)
def test_maps_have_the_published_statistics(name: str) -> None:
    want = PUBLISHED[name]
    raw = want.draw(np.random.default_rng(0), (256, 256), 4, tuned=False)
    assert raw.shape == (256, 256, 4) and raw.dtype == np.uint8 and set(np.unique(raw)) == {0, 1}
    count = raw.sum(axis=2)
    dropped = np.where((count == 1)[:, :, None], 0, raw)
    tuned = want.draw(np.random.default_rng(1), (256, 256), 4)
    for spikes, silent, zeros in (
        (raw, want.silent, want.zeros),
        (dropped, want.tuned, want.zeros + (want.tuned - want.silent) / 4),
        (tuned, want.tuned, want.zeros + (want.tuned - want.silent) / 4),
    ):
        assert 1 - spikes.any(axis=2).mean() == pytest.approx(silent, abs=0.01)
        assert 1 - spikes.mean() == pytest.approx(zeros, abs=0.01)
        assert np.allclose(spikes.mean(axis=(0, 1)), 1 - zeros, atol=0.01)  # no timestep is special
    assert not (tuned.sum(axis=2) == 1).any()
    # the same words, whether once-firing neurons are dropped or never drawn
    some, others = [np.bincount(s.sum(axis=2).ravel(), minlength=5) / 65536 for s in (dropped, tuned)]
    assert np.allclose(some, others, atol=0.01)


def test_a_seed_is_a_map() -> None:
    a, b, c = (PUBLISHED["VGG16"].draw(np.random.default_rng(seed), (8, 16), 4) for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


@pytest.mark.parametrize("stats", [Statistics(1.0, 1.0, 1.0), Statistics(0.0, 0.0, 0.0), Statistics(0.5, 0.5, 0.5), Statistics(0.75, 0, 1)])
def test_ends_of_the_range(stats: Statistics) -> None:
    for T in (4, 2) if stats.zeros != 0.75 else (4,):
        odds = stats.odds(T)
        counts = np.array([word.bit_count() for word in range(1 << T)])
        assert odds.sum() == pytest.approx(1) and odds[0] == pytest.approx(stats.tuned) and odds[counts == 1].sum() == 0


def test_impossible_statistics_are_refused() -> None:
    for bad, text in (
        ((1.1, 0.5, 0.5), "zeros = 1.1 is not legal: must be 0 to 1"),
        ((0.5, -0.1, 0.5), "silent = -0.1 is not legal: must be 0 to 1"),
        ((0.5, 0.5, 0.4), "tuned = 0.4 is not legal: must be 0.5 to 1"),
        ((0.5, 0.5, float("nan")), "tuned = nan is not legal"),
        ((True, 0.5, 0.5), "zeros = True is not legal"),
    ):
        with pytest.raises(LoasError, match=text):
            Statistics(*bad)
    with pytest.raises(LoasError, match="zeros = 0.9 is not legal: must be 0.5 to 0.75 with silent = 0.5 and tuned = 0.5 at T = 4"):
        Statistics(0.9, 0.5, 0.5).odds(4)
    with pytest.raises(LoasError, match="zeros = 0.5 is not legal: must be 0.741 to 0.9352"):
        random_spikes(np.random.default_rng(0), 1, 1, 4, 0.741, 0.5)
