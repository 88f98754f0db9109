# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What a point costs: by a model, or by the RTL with every output compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import LoasError
from golden.rivals import Work, estimate
from scripts.evaluate.points import MODEL, Point, Task, model_digest
from scripts.evaluate.workload import layer_and_rows, work_of

Value = dict[str, Any]


def plain(counts: dict[str, Any]) -> dict[str, int]:
    """Counts as Python integers."""
    return {key: int(value) for key, value in counts.items()}


def facts(work: Work, channels_spikes: tuple[float, float]) -> Value:
    """Sizes and statistics of a workload; the floor of a machine follows from ``matches``."""
    silent, zeros = channels_spikes
    return {
        "M": work.M,
        "K": work.K,
        "N": work.N,
        "T": work.T,
        "silent": silent,
        "zero_spikes": zeros,
        "neurons": int(work.maps[0].size),
        "weights": int(work.nonzero.size),
        "nonzero_weights": int(np.count_nonzero(work.nonzero)),
        "matches": work.matches,
        "matches_t": list(work.matches_t),
        "corrections": work.corrections,
    }


def by_model(task: Task, point: Point) -> Value:
    """A point by its model.

    Returns:
        ``cycles``, ``pes``, ``breakdown`` (cycles of all processing elements), ``ops``, ``onchip`` and ``offchip`` (bytes by operand),
        ``work``.
    """
    work = work_of(task, task.points[0])
    cost = estimate(point.machine, work, point.cfg(), latency=point.latency)
    words = work.maps[0]
    spikes = sum(int(np.count_nonzero(words >> t & 1)) for t in range(work.T))
    stats = (1 - np.count_nonzero(words) / words.size, 1 - spikes / (words.size * work.T))
    return {
        "cycles": int(cost.cycles),
        "pes": int(cost.pes),
        "breakdown": plain(cost.breakdown),
        "ops": plain(cost.ops),
        "onchip": plain(cost.onchip),
        "offchip": plain(cost.offchip),
        "work": facts(work, stats),
    }


def run_task(task: Task, digest: str) -> list[Value]:
    """All points of a task by their models; this is what workers call.

    Args:
        task: Points and their data.
        digest: Hash of the caller's sources; results of others would not be the same.

    Raises:
        LoasError: This process has other sources.
    """
    if model_digest() != digest:
        raise LoasError(f"worker: sources with hash {model_digest()[:12]} are not legal: must be {digest[:12]}, those of the caller")
    assert all(point.engine == MODEL for point in task.points)
    return [by_model(task, point) for point in task.points]


def rtl_job(task: Task, point: Point) -> Any:
    """The packed image of a point with what it must give: a scripts.nets.Job."""
    from golden.image import parse_layout, write_image
    from golden.network import Network
    from scripts import nets
    from scripts.shapes import NetworkShape

    cfg = point.cfg()
    shape, layer, rows = layer_and_rows(task, point)
    net = Network(f"{point.network}.{point.layer}", cfg.T, [layer])
    image = write_image(net, rows, cfg)
    return nets.Job(NetworkShape(point.network, point.T, None, (shape,)), shape, net, rows, net.run(rows), image, parse_layout(image, cfg))


def by_rtl(job: Any, point: Point, program: Path) -> Value:
    """A point by the RTL, every output compared with the golden model.

    Args:
        job: From :func:`rtl_job`.
        point: The same.
        program: The simulator of its configuration.

    Returns:
        As :func:`by_model` as far as the counters go, with ``floor``, ``compared`` and ``mismatches``.

    Raises:
        LoasError: The machine ended with an error, or an output differs.
    """
    from golden.compare import CATEGORIES
    from scripts import nets
    from scripts.simulate import run

    cfg = point.cfg()
    nets.measure(job, cfg, lambda one: run(program, cfg, one.image, latency=point.latency))
    if job.faults or not job.record or job.record["mismatches"]:
        raise LoasError(f"{point.network} {point.layer} on {point.machine} (RTL): {(job.faults or ['no result'])[0]}")
    record = job.record
    return {
        "cycles": record["cycles"],
        "pes": cfg.NUM_TPPES,
        "breakdown": {key: record[key] for key in CATEGORIES},
        "ops": {"accumulate": record["matches"], "corrections": record["corrections"]},
        "onchip": {"lines": (record["cache_hits"] + record["cache_misses"]) * cfg.line_bytes},
        "offchip": {"read": record["bytes_read"], "written": record["bytes_written"]},
        "floor": record["floor_cycles"],
        "compared": record["compared"],
        "mismatches": record["mismatches"],
        "work": {key: record[key] for key in ("M", "K", "N", "silent", "zero_spikes", "matches")},
    }
