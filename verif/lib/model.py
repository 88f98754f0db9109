# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Every performance counter of a job by the cycle model, which knows nothing of the RTL's counters, and by the golden model.

The model is exact where nothing is thrown out of the cache (``CACHE``): a line more or less in a small one changes all that follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from golden.compare import spec
from golden.config import Config
from golden.image import parse_layout
from golden.layer import sources, work
from golden.random_networks import Job
from golden.rivals import Work
from golden.rivals.loas import counted

CACHE = {"NUM_WAYS": 8, "NUM_SETS": 64}   # more than the images of the tests
SLACK = 2   # cycles without a task by which the model may be wrong in a convolution: a layer of some hundred cycles in forty
NAMES = {"cache_hits": "hits", "cache_misses": "misses"}   # of counters that the model calls otherwise
Counts = dict[str, int]


def expected(job: Job, cfg: Config, latency: int) -> list[Counts]:
    """All counters of spec/registers.toml for each layer of a job of one chunk of timesteps.

    Args:
        job: The job.
        cfg: The machine, with DEEP = 0.
        latency: Cycles of the memory, which never stalls.
    """
    net, mode = job.network, "laggy" if cfg.LAGGY else "fast"
    maps = [tuple(job.spikes if i < 0 else job.golden[i] for i in sources(layer, p)) for p, layer in enumerate(net.layers)]
    works = [Work.of(layer, *read, place=place)
             for layer, read, place in zip(net.layers, maps, parse_layout(job.image).layers, strict=True)]  # fmt: skip
    found = []
    for layer, read, (counts, _) in zip(net.layers, maps, counted(works, cfg, latency, mode=mode), strict=True):
        branch = (read[1], layer.branch.conv) if layer.branch else None
        extra = {"corrections": work(read[0], layer.weights, cfg, layer.conv, branch).corrections if cfg.LAGGY else 0,
                 "bytes_read": counts["lines_read"] * cfg.line_bytes}  # fmt: skip
        found.append({name: extra[name] if name in extra else counts[NAMES.get(name, name)] for name in spec("registers")["counters"]})
    return found


def check_counters(job: Job, cfg: Config, latency: int, got: Sequence[Counts]) -> list[Counts]:
    """Compares the counters of every layer with :func:`expected`, and returns these.

    Raises:
        AssertionError: One differs; names layer, counter, and both values.
    """
    wanted = expected(job, cfg, latency)
    for layer, want, counts in zip(job.network.layers, wanted, got, strict=True):
        late = counts["cycles"] - want["cycles"]
        if layer.conv and 0 < abs(late) <= SLACK:
            want = {**want, "cycles": counts["cycles"], "idle": want["idle"] + late * cfg.NUM_TPPES}
        wrong = [f"{name} {counts[name]}, expected {value}" for name, value in want.items() if counts[name] != value]
        assert not wrong, f"{cfg.name} {cfg.engine}, {job}, latency {latency}: {layer.name}: counters: {'; '.join(wrong)}"
    return wanted


def alike(layers: Sequence[Counts]) -> list[tuple[str, str]]:
    """Pairs of counters that are equal in every layer: that their wires are swapped would not be seen."""
    return [pair for pair in combinations(layers[0], 2) if all(layer[pair[0]] == layer[pair[1]] for layer in layers)]


def fits(job: Job, cfg: Config) -> bool:
    """Whether the model is exact: one chunk of timesteps, and an image that the cache holds."""
    return parse_layout(job.image).chunks == 1 and len(job.image) <= cfg.NUM_BANKS * cfg.NUM_WAYS * cfg.NUM_SETS * cfg.line_bytes
