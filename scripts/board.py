# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""From a network and its inputs to a verdict on a board: pack in batches that fit its memory, load, run, compare with the golden model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.compare import Report, compare, counters, descriptors, read_output
from golden.compare import check_work as check_counters
from golden.config import Config
from golden.errors import LoasError
from golden.image import read_image, write_image
from golden.network import Network, load_npz
from host.device import Device
from host.errors import BoardError
from host.residents import PAGE, free, walk
from scripts.execute import Job, merged
from scripts.pack import image_bytes
from scripts.simulate import Result

Spikes = npt.NDArray[np.integer]
Golden = Sequence[npt.NDArray[np.integer]]
Progress = Callable[[str, int, int], None]
MOST_BATCH = 1 << 22  # bytes of an image at most: a line wants minutes for more


@dataclass
class Work:
    """What is to be run.

    Attributes:
        network: The network.
        spikes: (inputs * rows, K, T) input.
        rows: Rows of an input.
        image: The image of all inputs, if it is packed already.
        golden: Expected outputs of every layer, if they are there already.
    """

    network: Network
    spikes: Spikes
    rows: int
    image: bytes | None = None
    golden: Golden | None = None

    @property
    def inputs(self) -> int:
        """How many."""
        return len(self.spikes) // self.rows


@dataclass
class Outcome:
    """A finished run on a board.

    Attributes:
        job: Cycles, counters and comparison, as of a simulation; wall time is that of the runs alone.
        batches: Images that were loaded.
        load_seconds: Time to load and verify them.
        read_seconds: Time to read results.
    """

    job: Job
    batches: int
    load_seconds: float
    read_seconds: float


def from_folder(folder: Path, cfg: Config) -> Work:
    """The image of an image folder (``loas pack``) with the golden output beside it.

    Raises:
        LoasError: It cannot be read, is for another machine than ``cfg``, or its parts do not fit each other.
    """
    data = image_bytes(folder)
    try:
        image = read_image(data)
    except LoasError as err:
        raise LoasError(f"{folder / 'image.bin'}: {err}") from err
    path = folder / "golden" / "outputs.npz"
    arrays = load_npz(path)
    outputs: list[npt.NDArray[np.integer]] = []
    for i, layer in enumerate(image.network.layers):
        if f"layer{i}" not in arrays:
            raise LoasError(f"{path}: array layer{i} is missing: pack the image again")
        outputs.append(arrays[f"layer{i}"])
        shape = image.layout.network[i].m, layer.n, *(() if layer.readout else (image.network.T,))
        if outputs[-1].shape != shape:
            raise LoasError(f"{path}: shape {outputs[-1].shape} of layer{i} is not legal: must be {shape}: pack the image again")
    rows = image.network.input_shape()[1] or 1
    return Work(image.network, image.spikes, rows, data, outputs)


def batch_size(device: Device, work: Work, keep: bool) -> int:
    """Inputs of an image, as many as the largest room in the board's memory takes.

    Raises:
        BoardError: Not even one fits.
    """
    room = max((size for _, size in free(walk(device.bus, device.identity), device.identity.mem_bytes)), default=0)
    one = len(write_image(work.network, work.spikes[: work.rows], device.config, keep=keep))
    if one > room:
        raise BoardError(f"{work.network.name}: the image of one input has {one} bytes, the largest room in image memory {room}: unload an "
                         "image, or use --compare last, which needs less")  # fmt: skip
    if work.inputs == 1:
        return 1
    two = len(write_image(work.network, work.spikes[: 2 * work.rows], device.config, keep=keep))
    return max(1, min(work.inputs, (min(room, MOST_BATCH) - one) // max(1, two - one)))


def run(device: Device, work: Work, *, how: str = "all", batch: int | None = None, seconds: float = 60.0, keep: bool = False,
        base: int | None = None, progress: Progress | None = None) -> Outcome:  # fmt: skip
    """Runs everything and compares it.

    Args:
        device: The board.
        work: What to run.
        how: Compare the outputs of ``all`` layers, or of the ``last`` one: less to read, smaller images.
        batch: Inputs of an image, by default what fits.
        seconds: Longest run of an image.
        keep: Leave the last image in memory.
        base: Offset in image memory; by default the first room.
        progress: Called with what is done, steps done, all steps.

    Raises:
        LoasError: The network does not fit the machine, or the image is for another one.
        BoardError: The line or the machine failed.
    """
    whole = how == "all"
    if work.image is None:
        work.network.check(device.config)
        size = min(work.inputs, batch or batch_size(device, work, whole))
    else:
        size = work.inputs
    jobs: list[Job] = []
    load_seconds = read_seconds = 0.0
    where, reserve = base, 0
    for first in range(0, work.inputs, size):
        part = work.spikes[work.rows * first : work.rows * (first + size)]
        data = work.image or write_image(work.network, part, device.config, keep=whole)
        golden = work.golden or work.network.run(part, device.config.T)
        about = f"inputs {first} to {first + len(part) // work.rows - 1}"
        reserve = max(reserve, len(data))
        begin = time.monotonic()
        resident = device.load(data, name=work.network.name, base=where, reserve=reserve, progress=progress)
        where = resident.base
        load_seconds += time.monotonic() - begin
        begin = time.monotonic()
        done = device.run(resident, data, seconds=seconds, last_only=not whole, progress=progress)
        read_seconds += time.monotonic() - begin - done.seconds
        report = judge(done.memory, work.network, part, golden, device.config, whole)
        report.first = [f"{about}: {text}" for text in report.first]
        report.outputs = report.outputs[-1:]
        jobs.append(Job(Result(b"", 2, 0, 0, 0, done.cycles, done.seconds), report, len(data), 0.0))
        if progress:
            progress("inputs", min(first + size, work.inputs), work.inputs)
    if not keep and where is not None:
        device.unload(where)
    return Outcome(merged(jobs) if len(jobs) > 1 else jobs[0], len(jobs), load_seconds, read_seconds)


def judge(memory: bytes, network: Network, spikes: Spikes, golden: Golden, cfg: Config, whole: bool) -> Report:
    """Compares what was read back: all layers, or the last one; the counters always."""
    if whole:
        return compare(memory, network, spikes, golden, cfg)
    report, table, places = Report(), descriptors(memory), len(network.layers)
    for index, layer in enumerate(network.layers):
        where = f"layer {index} ({layer.name})"
        counts = [counters(memory, desc["perf_ptr"]) for desc in table[index::places]]
        report.layers.append({key: sum(one[key] for one in counts) for key in counts[0]})
        check_counters(report, where, report.layers[-1], network, index, spikes, golden, cfg)
        if index == places - 1:
            parts = [read_output(memory, desc, layer.readout, cfg, where, report, clean=False) for desc in table[index::places]]
            report.check(where, parts[-1] if layer.readout else np.concatenate(parts, axis=2), golden[index], network.T)
    return report


def facts_of(device: Device, outcome: Outcome, inputs: int) -> dict[str, Any]:
    """What a board adds to the figures of a run."""
    clock, cycles, link = device.identity.clock_hz, outcome.job.result.cycles, device.bus
    return {
        "board": device.identity.board, "bitstream": f"{device.identity.bitstream:08x}", "clock_hz": clock, "port": link.name,
        "batches": outcome.batches, "inputs": inputs, "cycles_per_input": round(cycles / inputs, 1),
        "inputs_per_second": round(clock * inputs / max(1, cycles), 1), "load_seconds": round(outcome.load_seconds, 3),
        "run_seconds": round(outcome.job.result.wall_seconds, 3), "read_seconds": round(outcome.read_seconds, 3),
        "retries": getattr(link, "retries", 0), "page_bytes": PAGE,
    }  # fmt: skip
