# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""docs/area.md from the result of scripts/area.py."""

from __future__ import annotations

import itertools
from typing import Any

from scripts.synthesis import OSU018, TECHNOLOGIES

PREFIX = "fast prefix sum over B"
# of our TPPE, what the paper's does not have or counts elsewhere
SURROUNDINGS = (
    "line buffers of records, masks, weights, membranes",
    "row buffer",
    "index decoder",
    "tasks, cache port",
    "walks over a convolution's window",
)


NAMES = {"tppe": "TPPE", "machine": "machine"}


def find(area: dict[str, Any], kind: str, mode: str, technology: str, T: int) -> dict[str, Any] | None:
    """A point of the result."""
    for point in area["points"]:
        if (point["kind"], point["mode"], point["technology"], point["T"]) == (kind, mode, technology, T):
            return dict(point)
    return None


def amount(point: dict[str, Any], part: str = "all", key: str | None = None) -> float:
    """Area (or LUT4) of a part."""
    return float(point["parts"].get(part, {}).get(key or ("area" if point["technology"] == OSU018 else "lut4"), 0))


def memory_of(technology: str) -> tuple[str, str]:
    """Key and name of what memories are counted in."""
    return ("ram_bits", "RAM bits") if technology == OSU018 else ("ebr", "EBR")


def modes_table(area: dict[str, Any]) -> list[str]:
    """A TPPE of each mode beside LAGGY, T = 4."""
    lines = [
        "| TPPE, T = 4 | cells | area or LUT4 | by LAGGY | RAM bits or EBR | fast prefix sums, share of it |",
        "|---|---|---|---|---|---|",
    ]
    rows = 0
    for technology in dict.fromkeys(point["technology"] for point in area["points"]):
        base = find(area, "tppe", "LAGGY", technology, 4)
        for mode in dict.fromkeys(point["mode"] for point in area["points"]):
            point = find(area, "tppe", mode, technology, 4)
            if point is None or base is None:
                continue
            rows += 1
            sums = amount(point, PREFIX) + amount(point, "fast prefix sum over A")
            memory = amount(point, key=memory_of(technology)[0])
            lines.append(
                f"| {mode} | {technology} | {amount(point):.0f} | {amount(point) / amount(base):.3f} | {memory:.0f} | "
                f"{100 * sums / amount(point):.1f} % |"
            )
    return [*lines, "", *networks_table(area)] if rows else []


def networks_table(area: dict[str, Any]) -> list[str]:
    """What LAGGY would save if fast prefix sums were networks with an output for each position."""
    lines: list[str] = []
    for technology in dict.fromkeys(point["technology"] for point in area["points"]):
        network = next((p for p in area["points"] if p["kind"] == "prefix network" and p["technology"] == technology), None)
        laggy, fast, sparten = (find(area, "tppe", mode, technology, 4) for mode in ("LAGGY", "FAST", "SparTen"))
        if network is None or laggy is None or fast is None:
            continue
        own, full = amount(laggy, PREFIX), amount(network)
        cases = [("LAGGY", laggy, 1), ("FAST", fast, 2), *([("SparTen", sparten, 2)] if sparten else [])]
        with_networks = {name: amount(point) + count * (full - own) for name, point, count in cases}
        core = with_networks["LAGGY"] - sum(amount(laggy, part) for part in SURROUNDINGS)
        saved = 1 - with_networks["LAGGY"] / with_networks["FAST"]
        lines += [
            f"A fast prefix sum of one position is {own:.0f} here ({technology}); a parallel prefix network with an output for each of 128 "
            "positions "
            f"(Sklansky, synthesized for comparison) {full:.0f}, {full / own:.1f} times as much. With such networks in their place: "
            + ", ".join(f"{name} {value:.0f}" for name, value in with_networks.items())
            + f"; LAGGY would save {100 * saved:.1f} % of FAST's cells, and one network would be "
            f"{100 * full / with_networks['LAGGY']:.1f} % of a LAGGY TPPE, "
            f"{100 * full / core:.1f} % without {', '.join(SURROUNDINGS)}.",
            "",
        ]
    return lines


def tppe_section(area: dict[str, Any]) -> list[str]:
    """What the modes of a TPPE take, beside the paper."""
    return [
        "## LAGGY against FAST against SparTen",
        "",
        *modes_table(area),
        "**Paper:** within a TPPE the fast prefix sum is 66.7 % of area, 51.8 % of power.",
        "",
        "**Here:** only one position is asked of a prefix sum at a time, so it is a population count of a masked vector, not a "
        "prefix network with 128 outputs; "
        "and our TPPE has what the paper's has not, or has elsewhere: buffers of whole lines for weights, masks and records, two "
        "rows of A, an index decoder, the "
        "address walk of a convolution. So the second fast prefix sum that speculation saves is small beside the rest, and LAGGY "
        "brings FIFOs, correction "
        "accumulators, a laggy prefix sum and its table in the row buffer (RAM bits) in its place.",
        "",
    ]


def timesteps_section(area: dict[str, Any]) -> list[str]:
    """A TPPE, and the machine, of each mode and technology at T = 4, 8, 16."""
    lines: list[str] = []
    for kind, technology in itertools.product(("tppe", "machine"), TECHNOLOGIES):
        timesteps = [T for T in (4, 8, 16) if find(area, kind, "LAGGY", technology, T)]
        if len(timesteps) < 2:
            continue
        key, unit = memory_of(technology)
        lines += [f"| {NAMES[kind]}, {technology} | " + " | ".join(f"T = {T}" for T in timesteps) + " |", "|---|" + "---|" * len(timesteps)]
        for mode in ("LAGGY", "FAST", "SparTen"):
            points = [point for T in timesteps if (point := find(area, kind, mode, technology, T))]
            cells = [f"{amount(p):.0f} ({amount(p) / amount(points[0]):.2f} ×), {amount(p, key=key):.0f} {unit}" for p in points]
            if len(points) == len(timesteps):
                lines.append(f"| {mode} | {' | '.join(cells)} |")
        lines.append("")
    if not lines:
        return []
    return [
        "## Timesteps",
        "",
        *lines,
        "**Paper:** T = 16 costs a TPPE 1.37 × area.",
        "",
        "**Here:** accumulators and the words of the row buffer grow with T, in the machine also membranes and words of outputs; "
        "all else is the same.",
        "",
    ]


def machine_table(area: dict[str, Any]) -> list[str]:
    """The whole machine of each mode beside LAGGY."""
    points = [point for point in area["points"] if point["kind"] == "machine"]
    if not points:
        return []
    lines = [
        "## The whole machine",
        "",
        "| machine | cells | area or LUT4 | by LAGGY | flip-flops | RAM bits or EBR | TPPEs, share of it |",
        "|---|---|---|---|---|---|---|",
    ]
    for point in points:
        base = find(area, "machine", "LAGGY", point["technology"], point["T"])
        memory = amount(point, key=memory_of(point["technology"])[0])
        lines.append(
            f"| {point['mode']}, T = {point['T']} | {point['technology']} | {amount(point):.0f} | "
            f"{f'{amount(point) / amount(base):.3f}' if base else ''} | {amount(point, key='ff'):.0f} | {memory:.0f} | "
            f"{100 * amount(point, 'loas_tppe') / amount(point):.1f} % |"
        )
    return [*lines, "", "**Paper:** 2.08 mm² in 32 nm, the cache's memory included.", ""]


def page_of(area: dict[str, Any]) -> str:
    """The page."""
    text = [
        "# Area and delay by synthesis",
        "",
        f"Written by `{area['command']}` ({area['yosys']}); do not edit. Source: "
        f"`scripts/area.py`, `scripts/synthesis.py`.",
        "",
        "- `osu018`: OSU's 0.18 um standard cells of Debian's package `qflow-tech-osu018`; square micrometres of cells, before "
        "placement. Arrays of more than 16 "
        "entries, and every `loas_ram`, would be RAM macros: their bits are counted apart (*RAM bits*) and are in no area.",
        "- `ecp5`: LUT4 (a CCU2C counts two, a TRELLIS_DPR16X4 four), flip-flops, MULT18X18D, EBR of Yosys' `synth_ecp5`, before "
        "placement.",
        "- Parts stay apart in synthesis so that they can be weighed; what is unused across their borders is removed before. "
        "Delays are ABC's, through the "
        "largest logic between registers or borders of a module, without wires.",
        "",
        *(tppe_section(area) if any(point["kind"] == "tppe" for point in area["points"]) else []),
        *machine_table(area),
    ]
    text += timesteps_section(area)
    for point in area["points"]:
        keys = ("area", "ff", "ram_bits") if point["technology"] == OSU018 else ("lut4", "ff", "dsp", "ebr")
        if point["kind"] == "prefix network":
            continue
        text += [
            f"## {NAMES[point['kind']]}, {point['mode']}, T = {point['T']}, {point['technology']}",
            "",
            "| part | " + " | ".join(keys) + f" | % of {keys[0]} |",
            "|---|" + "---|" * (len(keys) + 1),
        ]
        for name, values in sorted(point["parts"].items(), key=lambda item: (item[0] == "all", -item[1].get(keys[0], 0))):
            times = f" × {values['count']:.0f}" if values.get("count", 1) > 1 else ""
            text.append(
                f"| {name}{times} | "
                + " | ".join(f"{values.get(key, 0):.0f}" for key in keys)
                + f" | {100 * values.get(keys[0], 0) / max(1e-9, amount(point)):.1f} |"
            )
        if point["delay_ns"]:
            worst = sorted(point["delay_ns"].items(), key=lambda item: -item[1])[:6]
            text += ["", "Delay, ns: " + ", ".join(f"{name} {ns:.1f}" for name, ns in worst) + f". Synthesis took {point['seconds']} s."]
        text.append("")
    return "\n".join(text).rstrip() + "\n"
