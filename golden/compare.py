# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Compares the memory after a run with the golden model: every spike, every integer, and the counters.

Decodes rows by the specification alone (spec/image.toml, docs/image-format.md), apart from the packer's own reader, so that a
common misunderstanding of both sides of the packer cannot hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import toml
from golden.config import SPEC_DIR, Config
from golden.layer import sources, work
from golden.network import Network


@lru_cache(maxsize=4)
def spec(name: str) -> dict[str, Any]:
    """A file of spec/ as a dictionary."""
    return toml.read(SPEC_DIR / f"{name}.toml")


def words_of(memory: bytes, offset: int, table: str) -> dict[str, int]:
    """The 16 words of a header or descriptor by field name."""
    words = np.frombuffer(memory, "<u4", 16, offset)
    return {key: int(words[value["word"]]) for key, value in spec("image")[table].items()}


def descriptors(memory: bytes) -> list[dict[str, int]]:
    """All layer descriptors of an image."""
    header = words_of(memory, 0, "header")
    return [words_of(memory, header["desc_offset"] + 64 * i, "descriptor") for i in range(header["num_layers"])]


def counters(memory: bytes, perf_ptr: int) -> dict[str, int]:
    """The performance record of a layer by counter name."""
    values = np.frombuffer(memory, "<u8", 16, perf_ptr)
    return {key: int(values[value["index"]]) for key, value in spec("registers")["counters"].items()}


@dataclass
class Report:
    """Outcome of a comparison.

    Attributes:
        compared: Spikes (one a layer, row, neuron, timestep) and integers compared.
        mismatches: How many differ.
        first: Texts of the first differences.
        layers: Counters of every layer.
        outputs: What the machine wrote, of the layers whose output is still there.
    """

    compared: int = 0
    mismatches: int = 0
    first: list[str] = field(default_factory=list)
    layers: list[dict[str, int]] = field(default_factory=list)
    outputs: list[npt.NDArray[np.integer]] = field(default_factory=list)

    def fault(self, text: str, count: int = 1, limit: int = 10) -> None:
        """Notes a difference."""
        self.mismatches += count
        if len(self.first) < limit:
            self.first.append(text)

    def check(self, where: str, got: npt.NDArray[np.integer], want: npt.NDArray[np.integer], steps: int) -> None:
        """Compares the output of a layer; spikes after the last timestep must not be."""
        if got.ndim == 3:
            for row, neuron, t in np.argwhere(got[:, :, steps:])[:1].tolist():
                self.fault(f"{where}, row {row}, neuron {neuron}: fires at t = {steps + t}, after the last timestep")
            got = got[:, :, :steps]
        self.compared += want.size
        bad = np.argwhere(got != want)
        for place in bad[:10]:
            names = zip(("row", "neuron", "t"), place.tolist(), strict=False)
            text = ", ".join(f"{key} {value}" for key, value in names)
            self.fault(f"{where}, {text}: expected {want[tuple(place)]}, got {got[tuple(place)]}", 0)
        self.mismatches += len(bad)
        self.outputs.append(got)


def decode_row(row: npt.NDArray[np.uint8], n: int, cfg: Config, clean: bool = True) -> tuple[npt.NDArray[np.uint8], str]:
    """Decodes one spike row fiber, strictly.

    Args:
        row: The bytes of the row, padding included.
        n: Neurons.
        cfg: For T and CHUNK_W.
        clean: Demand zeros to the end of the row; else only to the end of the fiber's last chunk, which is all that is written.

    Returns:
        (n, T) spikes, and what is wrong with the fiber ("" if nothing).
    """
    chunk, chunks = cfg.chunk_bytes, cfg.num_chunks(n)
    spikes = np.zeros((n, cfg.T), np.uint8)
    count = int.from_bytes(row[:4].tobytes(), "little")
    mask = np.unpackbits(row[chunk : chunk * (1 + chunks)], bitorder="little")
    live = np.flatnonzero(mask[:n])
    wrong = ""
    if row[4:chunk].any():
        wrong = "rest of the header chunk is not zero"
    elif mask[n:].any():
        wrong = "padding of the bitmask is not zero"
    elif count != len(live):
        wrong = f"header says {count} words, bitmask has {len(live)} ones"
    bits = np.unpackbits(row[chunk * (1 + chunks) :], bitorder="little")
    packed = bits[: len(live) * cfg.word_w].reshape(len(live), cfg.word_w)
    spikes[live] = packed[:, : cfg.T]
    if not wrong and packed[:, cfg.T :].any():
        wrong = "unused bits of a packed word are not zero"
    if not wrong and not spikes[live].any(axis=1).all():
        wrong = "a silent neuron is stored"
    end = len(bits) if clean else -(-len(live) * cfg.word_w // cfg.CHUNK_W) * cfg.CHUNK_W
    if not wrong and bits[len(live) * cfg.word_w : end].any():
        wrong = "bits behind the last packed word are not zero"
    return spikes, wrong


def compare(
    memory: bytes,
    network: Network,
    spikes: npt.NDArray[np.integer],
    golden: Sequence[npt.NDArray[np.integer]],
    cfg: Config,
    *,
    exact_work: bool = True,
) -> Report:
    """Compares every output of every layer and the counters.

    Args:
        memory: The image after the run.
        network: What was run.
        spikes: (M, K, T) input, T of the network.
        golden: Outputs of the golden model, layer by layer.
        cfg: The configuration of the machine.
        exact_work: Also check matches, corrections and the categories of the counters.
    """
    report = Report()
    table = descriptors(memory)
    places, chunks = len(network.layers), -(-network.T // cfg.T)
    if len(table) != places * chunks:
        report.fault(f"the image has {len(table)} layers, the network {places} in {chunks} chunks of timesteps")
        return report
    lost = [overlaps(i, table[i + 1 :], table) for i in range(len(table))]
    for index, (layer, want) in enumerate(zip(network.layers, golden, strict=True)):
        where = f"layer {index} ({layer.name})"
        parts = []
        for chunk, desc in enumerate(table[index::places]):
            if desc["rows"] & 0xFFFFFF != len(want):
                report.fault(f"{where}: the image has {desc['rows'] & 0xFFFFFF} output rows, the golden model {len(want)}")
                return report
            if not lost[index + chunk * places] and (not layer.readout or chunk == chunks - 1):
                clean = not overlaps(index + chunk * places, table[: index + chunk * places], table)
                parts.append(read_output(memory, desc, layer.readout, cfg, where, report, clean))
        counts = [counters(memory, desc["perf_ptr"]) for desc in table[index::places]]
        count = {key: sum(one[key] for one in counts) for key in counts[0]}
        report.layers.append(count)
        if len(parts) == (1 if layer.readout else chunks):
            got = parts[0] if layer.readout else np.concatenate(parts, axis=2)
            report.check(where, got, want, network.T)
        if exact_work:
            check_work(report, where, count, network, index, spikes, golden, cfg)
    return report


def overlaps(index: int, others: list[dict[str, int]], table: list[dict[str, int]]) -> bool:
    """True if the output of a descriptor lies over that of one of the others."""
    (start, end), *spans = [
        (d["out_base"], d["out_base"] + (d["rows"] & 0xFFFFFF) * d["out_stride"]) for d in [table[index], *others]
    ]  # fmt: skip
    return any(a < end and start < b for a, b in spans)


def read_output(
    memory: bytes, desc: dict[str, int], readout: bool, cfg: Config, where: str, report: Report, clean: bool = True
) -> npt.NDArray[np.integer]:  # fmt: skip
    """The rows that one descriptor says: (M, N, T of the machine) spikes, or (M, N) integers; faults go to the report.

    ``clean`` as in :func:`decode_row`: false where rows of another layer were before.
    """
    m, n, stride = desc["rows"] & 0xFFFFFF, desc["n"], desc["out_stride"]
    area = np.frombuffer(memory, np.uint8, m * stride, desc["out_base"]).reshape(m, stride)
    if readout:
        end = stride if clean else -(-4 * n // cfg.chunk_bytes) * cfg.chunk_bytes
        if area[:, 4 * n : end].any():
            report.fault(f"{where}: bytes behind the integers of a row are not zero")
        return np.ascontiguousarray(area[:, : 4 * n]).view("<i4").astype(np.int64)
    got = np.zeros((m, n, cfg.T), np.uint8)
    for row in range(m):
        got[row], wrong = decode_row(area[row], n, cfg, clean)
        if wrong:
            report.fault(f"{where}, row {row}: {wrong}")
    return got


def check_work(
    report: Report, where: str, count: dict[str, int], network: Network, index: int, spikes: npt.NDArray[np.integer],
    golden: Sequence[npt.NDArray[np.integer]], cfg: Config,
) -> None:  # fmt: skip
    """Compares the counters of a layer, all chunks together, with what the golden model counts."""
    layer, chunks = network.layers[index], -(-network.T // cfg.T)
    reads = [spikes if source < 0 else golden[source] for source in sources(layer, index)]
    expect = work(reads[0], layer.weights, cfg, layer.conv, (reads[1], layer.branch.conv) if layer.branch else None)
    for key in ("matches", "corrections"):
        if count[key] != getattr(expect, key):
            report.fault(f"{where}: counter {key}: expected {getattr(expect, key)}, got {count[key]}")
    if count["rows"] != len(golden[index]) * chunks:
        report.fault(f"{where}: counter rows: expected {len(golden[index]) * chunks}, got {count['rows']}")
    categories = sum(count[key] for key in CATEGORIES)
    if categories != count["cycles"] * cfg.NUM_TPPES:
        report.fault(f"{where}: TPPE categories sum to {categories}, not to cycles * NUM_TPPES = {count['cycles'] * cfg.NUM_TPPES}")


CATEGORIES = ("matches", "empty_chunks", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle")
