# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""``docs/results.md`` with its plots, from results: nothing in it is typed by hand but what the paper published, and why ours differs."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from golden.errors import LoasError
from golden.rivals import OPERANDS
from scripts.evaluate import plan, plots, published
from scripts.evaluate.numbers import Results, mean, statistics, title
from scripts.evaluate.plan import LOAS, PASSES, SPARTEN
from scripts.evaluate.plots import Line
from scripts.evaluate.points import RAW, RECORDED, SYNTHETIC
from scripts.synthesis import OSU018, TECHNOLOGIES

RIVALS = ("sparten", "gospa", "gamma", "ptb", "stellar")
DEMANDED = 3.5
NAMES = {"alexnet": "AlexNet", "vgg16": "VGG16", "resnet19": "ResNet19", "spikformer": "Spikformer MLP"}
# of LoAS and of SparTen-SNN, RTL against RTL
WINDOW_PAIRS = (("as built", 2, 1), ("windows of one chunk", 1, 1), ("windows of two chunks", 2, 2))
SAVES_NOTHING = (
    "So **in this machine speculation costs next to no time and buys no area**: a fast prefix sum that is asked for one position is a "
    "population count, smaller than the FIFOs, the correction accumulators and the laggy prefix sum that replace it, and the table of a "
    "row's sums is RAM besides. "
)
SAVES = "So in one of these technologies speculation buys area, at that price. "
RELY = (
    "How it is synthesized decides as much: here the parts stay apart, to be weighed; the ULX3S' TPPE, flat, takes some percent fewer LUT4 "
    "with LAGGY, the more the wider a chunk ([fpga.md](fpga.md#lut4-of-a-tppe)). What an architect can rely on who asks for one position "
    "at a time: the two are some percent of a TPPE apart, with a sign that the tool decides, and on real spikes less than a percent of a "
    "network's cycles; FAST is the simpler one. Who builds fast prefix sums as networks with an output for each position does save by "
    "speculation, as much as [area.md](area.md) says."
)
SWEEPS = (
    (plan.T, "T", "timesteps T", "T.svg", True),
    (plan.DENSITY, "weight density", "fraction of nonzero weights", "density.svg", True),
    (plan.NUM_TPPES, "TPPEs", "TPPEs", "tppes.svg", True),
    (plan.CACHE, "cache", "KB of FiberCache", "cache.svg", True),
    (plan.LATENCY, "memory latency", "cycles of latency", "latency.svg", False),
    (plan.BUS, "memory width", "bits a cycle", "bus.svg", True),
)


def shown(network: str) -> str:
    """A network's name for readers."""
    return NAMES.get(network, network)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Markdown; None: an empty cell; numbers with two decimals below 100."""

    def cell(value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, float):
            return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}".replace(",", " ")
        return f"{value:,}".replace(",", " ") if isinstance(value, int) else str(value)

    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(cell(v) for v in row) + " |" for row in rows), ""]


def energy_of(total: dict[str, Any]) -> dict[str, float]:
    """Energy in uJ by what it is spent on."""
    parts = total["energy_pj"]
    found = {"operations": 0.0, "on-chip traffic": 0.0, "off-chip traffic": 0.0, "clock, leakage": 0.0}
    for name, pj in parts.items():
        kind = {"op": "operations", "onchip": "on-chip traffic", "offchip": "off-chip traffic"}.get(name.split(".")[0], "clock, leakage")
        found[kind] += pj / 1e6
    return found


class Report:
    """Builds the page.

    Args:
        results: Of the plan.
        facts: What was run: ``command``, ``config``, ``latency``, ``seed``, ``quick``, ``machine``, ``missing``.
        area: ``build/area/result.json``, if it was made.
        folder: Of the plots; the page lies beside it.
    """

    def __init__(self, results: Results, facts: dict[str, Any], area: dict[str, Any] | None, folder: Path) -> None:
        self.r, self.facts, self.area, self.folder = results, facts, area, folder
        self.text: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, *lines: str) -> None:
        """Adds lines, and an empty one."""
        self.text += [*lines, ""]

    def plot(self, name: str, alt: str) -> Path:
        """Puts a plot into the page; returns where to draw it."""
        self.say(f"![{alt}]({self.folder.name}/{name})")
        return self.folder / name

    def beside(self, paper: str, ours: str) -> None:
        """What the paper published, and how ours differs and why."""
        self.say(f"**Paper:** {paper}", "", f"**Here:** {ours}")

    # ---- sections
    def page(self) -> str:
        """The whole page."""
        facts = self.facts
        self.say(
            "# Results",
            "",
            "Written by `make bench`"
            + (" (quick form: fewer layers and values)" if facts["quick"] else "")
            + "; do not edit. Sources: `scripts/evaluate/`, models: [models.md](models.md), RTL of SparTen-SNN: [sparten.md](sparten.md).",
        )
        self.say(
            f"`{facts['command']}`: configuration `{facts['config']}`, memory latency {facts['latency']}, seed {facts['seed']}. "
            "**RTL** marks figures of the Verilog, simulated, every output compared with the golden model; **model** those of "
            "the cycle models. "
            "The paper is LoAS, MICRO 2024. Speed-ups are cycles of the rival by those of LoAS, on the same processing elements, cache, "
            "memory port, clock, spikes and weights."
        )
        for text in facts["missing"]:
            self.say(f"*{text}*")
        self.claims()
        self.workloads()
        self.rtl()
        self.rivals()
        self.parting()
        self.division()
        self.traffic()
        self.energy()
        for sweep in SWEEPS:
            self.sweep(*sweep)
        self.windows()
        self.small_sweeps()
        self.drop()
        self.speculation()
        return "\n".join(self.text).rstrip() + "\n"

    def claims(self) -> None:
        """The table of claims."""
        r = self.r
        rows: list[Sequence[object]] = []
        for what, mine, other in WINDOW_PAIRS:
            both = self.rtl_totals(mine, other)
            if both is not None:
                rows.append(
                    (
                        f"speed-up over SparTen-SNN, AlexNet and VGG16 in total, {what}",
                        "6.79 (average)",
                        both,
                        "RTL",
                        f"{'at least' if both >= DEMANDED else 'below'} the {DEMANDED} demanded; "
                        "[why not 6.79](#where-the-papers-679-and-ours-part)",
                    )
                )
        networks = [n for n in r.networks(plan.BASE) if n != "spikformer"]
        for rival in ("sparten", "gospa", "gamma"):
            found = [s for n in networks if (s := r.speedup(plan.BASE, rival, n)) is not None]
            if found:
                rows.append(
                    (
                        f"speed-up over {title(rival)}, mean of {len(found)} networks",
                        f"{published.SPEEDUP[rival]} (average)",
                        mean(found),
                        "model",
                        "" if rival == SPARTEN else "as assumed in models.md",
                    )
                )
        energies = [
            sum(energy_of(b).values()) / sum(energy_of(a).values())
            for n in networks
            for rival in ("sparten", "gospa", "gamma")
            if (a := r.total(plan.BASE, LOAS, n)) and (b := r.total(plan.BASE, rival, n))
        ]
        if energies:
            rows.append(
                ("energy, largest ratio to these", f"{published.ENERGY_MOST}", max(energies), "model", "by access counts and cited costs")
            )
            rows.append(
                ("energy, smallest ratio to these", "above 1", min(energies), "model", "below 1: LoAS takes more; [why](#energy-model)")
            )
        if (loss := self.loss(plan.DENSITY, "0.02", "0.75")) is not None:
            rows.append(
                ("performance lost from about 98 to 25 % zero weights", "88 %", f"{100 * loss:.0f} %", "model", "on the same spikes")
            )
        if (loss := self.loss(plan.T, "4", "8")) is not None:
            rows.append(("performance lost when T is doubled, 4 to 8", "14 %", f"{100 * loss:.0f} %", "model", "synthetic rates"))
        gains = [x for n in networks if (x := self.gain(n)) is not None]
        if gains:
            rows.append(
                ("speed from dropping once-firing neurons", "20 %", f"{100 * (mean(gains) - 1):.0f} %", "model", "synthetic spikes")
            )
        self.say("## Which claims hold")
        self.text += table(("claim", "paper", "here", "by", ""), rows)

    def rtl_totals(self, mine: int, rival: int) -> float | None:
        """RTL against RTL, all networks in total: cycles of SparTen-SNN by those of LoAS, with these windows."""
        pairs = [
            (self.r.cycles(plan.MEASURED, LOAS, n, mine), self.r.cycles(plan.MEASURED, SPARTEN, n, rival))
            for n in self.r.networks(plan.MEASURED)
        ]
        if not pairs or any(a is None or b is None for a, b in pairs):
            return None
        return sum(b for _, b in pairs if b) / sum(a for a, _ in pairs if a)

    def loss(self, group: str, before: str | None, after: str | None) -> float | None:
        """Performance lost, cycles of LoAS over all networks of a sweep."""
        sums = [sum(self.r.cycles(group, LOAS, n, label) or 0 for n in self.r.networks(group)) for label in (before, after)]
        return None if not all(sums) else 1 - sums[0] / sums[1]

    def gain(self, network: str) -> float | None:
        """Cycles of LoAS without the drop by those with it."""
        raw, tuned = (self.r.cycles(plan.DROP, LOAS, network, label) for label in (RAW, SYNTHETIC))
        return raw / tuned if raw and tuned else None

    def workloads(self) -> None:
        """Statistics beside the published table, recorded beside synthetic."""
        r = self.r
        self.say("## Workloads")
        rows: list[Sequence[object]] = []
        groups: list[str] = []
        bars: dict[str, list[float | None]] = {"published, tuned": [], "spikes used": [], "synthetic": []}
        for network in r.networks(plan.BASE):
            place = r.find(plan.BASE, LOAS, network)
            assert place is not None
            lines = [(network, r.values[place])]
            points = r.series[place].points
            lines += [
                (key, [v for v, p in zip(r.values[place], points, strict=True) if p.layer == key.split()[1]])
                for key in published.STATISTICS
                if key.startswith(network + " ")
            ]
            for key, values in lines:
                if not values:
                    continue
                have, paper = statistics(values), published.STATISTICS.get(key)
                twin = None
                if (other := r.find(plan.TWIN, LOAS, network, SYNTHETIC)) is not None:
                    same = [
                        v
                        for v, p in zip(r.values[other], r.series[other].points, strict=True)
                        if key == network or p.layer == key.split()[1]
                    ]
                    twin = statistics(same)
                rows.append(
                    (
                        " ".join([shown(network), *key.split()[1:]]),
                        points[0].spikes,
                        *(f"{v:.1f}" for v in paper or ()),
                        *([""] * (0 if paper else 4)),
                        f"{have['spikes']:.1f}",
                        f"{have['silent']:.1f}",
                        f"{have['weights']:.1f}",
                        f"{twin['silent']:.1f}" if twin else "",
                    )
                )
                groups.append(" ".join([shown(network), *key.split()[1:]]))
                bars["published, tuned"].append(paper[2] if paper else None)
                bars["spikes used"].append(have["silent"])
                bars["synthetic"].append(twin["silent"] if twin else None)
        plots.grouped(self.plot("statistics.svg", "silent neurons"), "silent neurons, published and used", "percent", groups, bars)
        self.say("Percent of zeros, weighted by size; *silent, tuned*: after once-firing neurons are dropped.")
        self.text += table(
            (
                "layers",
                "spikes are",
                "paper: spikes",
                "silent",
                "silent, tuned",
                "weights",
                "here: spikes",
                "silent",
                "weights",
                "synthetic: silent",
            ),
            rows,
        )
        rows = []
        for network in r.networks(plan.TWIN):
            for machine in r.machines(plan.TWIN):
                a, b = r.cycles(plan.BASE, machine, network), r.cycles(plan.TWIN, machine, network, SYNTHETIC)
                if a and b:
                    rows.append((shown(network), title(machine), a, b, b / a))
        if rows:
            self.say("Recorded against synthetic spikes, cycles of all layers (model):")
            self.text += table(("network", "machine", "recorded", "synthetic", "ratio"), rows)
        self.beside(
            "the table above, CIFAR-10, without the encoding layer.",
            "the traces are those of one image; synthetic maps have the published averages in every layer, which recorded ones "
            "have not: some layers "
            "fire far less, others more, and where work is they are not average. Speed-ups differ less than cycles. Spikformer's "
            "statistics are "
            "assumed to be AlexNet's: none are published with the shapes at hand.",
        )

    def rtl(self) -> None:
        """RTL against RTL, layer by layer."""
        r = self.r
        networks = r.networks(plan.MEASURED)
        self.say("## RTL against RTL")
        if not networks:
            self.say("Not run (`--no-rtl`).")
            return
        machines = [(m, w) for m, w in plan.MEASURED_ON if any(r.find(plan.MEASURED, m, n, w) is not None for n in networks)]
        head = [f"{title(m)}, window {w}" for m, w in machines]
        for network in networks:
            places = [r.find(plan.MEASURED, m, network, w) for m, w in machines]
            if None in places:
                continue
            names = [p.layer for p in r.series[places[0] or 0].points]
            columns = [[v["cycles"] for v in r.values[p or 0]] for p in places]
            sums = [sum(c) for c in columns]
            pairs = [
                (what, machines.index((LOAS, mine)), machines.index((SPARTEN, rival)))
                for what, mine, rival in WINDOW_PAIRS
                if (LOAS, mine) in machines and (SPARTEN, rival) in machines
            ]
            rows = [(name, *(c[i] for c in columns), *(columns[b][i] / columns[a][i] for _, a, b in pairs)) for i, name in enumerate(names)]
            self.text += table(
                (f"{shown(network)}, {r.series[places[0] or 0].points[0].spikes}", *head, *(f"speed-up, {what}" for what, _, _ in pairs)),
                [*rows, ("all", *sums, *(sums[b] / sums[a] for _, a, b in pairs))],
            )
            model = [r.cycles(plan.BASE, m, network) for m in (LOAS, SPARTEN)]
            if all(model):
                self.say(f"Model by RTL, all layers: LoAS {(model[0] or 0) / sums[0]:.3f}, SparTen-SNN {(model[1] or 0) / sums[1]:.3f}.")
            plots.grouped(
                self.plot(f"rtl_{network}.svg", f"speed-up RTL, {shown(network)}"),
                f"{shown(network)}: speed-up over SparTen-SNN (RTL)",
                "times",
                [*names, "all"],
                {"LoAS as built": [*(columns[1][i] / columns[0][i] for i in range(len(names))), sums[1] / sums[0]]},
                shown="{:.2f}",
                line=DEMANDED,
            )
        compared = sum(t["compared"] for t, s in zip(r.totals, r.series, strict=True) if s.group == plan.MEASURED)
        wrong = sum(t["mismatches"] for t, s in zip(r.totals, r.series, strict=True) if s.group == plan.MEASURED)
        self.say(
            f"{compared} spikes and integers compared, {wrong} mismatches. As built: LoAS looks at a window of two chunks, SparTen-SNN at "
            "its own 128 bits; the line in the plots is what was demanded."
        )
        self.beside(
            f"{published.SPEEDUP['sparten']} times on average, at most {published.SPEEDUP_MOST}.",
            "see [below](#where-the-papers-679-and-ours-part).",
        )

    def rivals(self) -> None:
        """Speed-up over each rival by the models."""
        r = self.r
        networks = r.networks(plan.BASE)
        self.say("## Speed-up over each rival (model)")
        bars = {title(m): [r.speedup(plan.BASE, m, n) for n in networks] for m in RIVALS}
        plots.grouped(
            self.plot("speedup.svg", "speed-up by network"),
            "speed-up of LoAS, all layers (model)",
            "times, logarithmic",
            [shown(n) for n in networks],
            bars,
            log=True,
            line=1.0,
        )
        head = ("layers", "LoAS cycles", "× floor", *(title(m) for m in plan.RIVALS))
        rows: list[Sequence[object]] = []
        for n in networks:
            total = r.total(plan.BASE, LOAS, n)
            assert total is not None
            rows.append(
                (shown(n), total["cycles"], total["cycles"] / total["floor_cycles"], *(r.speedup(plan.BASE, m, n) for m in plan.RIVALS))
            )
        self.text += table(head, rows)
        self.say("Layer by layer:")
        rows = []
        for n in networks:
            place = r.find(plan.BASE, LOAS, n)
            assert place is not None
            others = {m: r.find(plan.BASE, m, n) for m in plan.RIVALS}
            for i, (point, value) in enumerate(zip(r.series[place].points, r.values[place], strict=True)):
                floor = -(-value["work"]["matches"] // value["pes"])
                rows.append(
                    (
                        f"{shown(n)} {point.layer}",
                        value["cycles"],
                        value["cycles"] / floor if floor else None,
                        *(None if p is None else r.values[p][i]["cycles"] / value["cycles"] for p in others.values()),
                    )
                )
        self.text += table(head, rows)
        self.beside(
            f"SparTen-SNN {published.SPEEDUP['sparten']}, GoSPA-SNN {published.SPEEDUP['gospa']}, Gamma-SNN "
            f"{published.SPEEDUP['gamma']} on average.",
            "the order of the rivals and the distances depend on what the rivals are given; here they get LoAS's own memory "
            "port, weight code and "
            "hand-out of work, the [assumptions](models.md) are in their favour, and every layer is run, not chosen ones. Dense "
            "PTB and Stellar lose what "
            "they do not skip: 98 % of the weights.",
        )

    def parting(self) -> None:
        """Where the paper's figure and ours part."""
        r = self.r
        self.say("## Where the paper's 6.79 and ours part")
        rows: list[Sequence[object]] = []
        for n in r.networks(plan.PART):
            place = r.find(plan.PART, LOAS, n, "as built")
            assert place is not None
            work = [v["work"] for v in r.values[place]]
            spikes, matches = sum(sum(w["matches_t"]) for w in work), sum(w["matches"] for w in work)
            rows.append((shown(n), "accumulations alone: spikes that meet a weight by neurons that do", spikes / matches, None))
            for label in r.labels(plan.PART):
                rows.append((shown(n), label, r.speedup(plan.PART, SPARTEN, n, label), r.speedup(plan.PART, PASSES, n, label)))
        self.text += table(
            ("network", "LoAS and SparTen-SNN are", "speed-up, timesteps in each window (model)", "timesteps as passes (model)"), rows
        )
        self.beside(
            "6.79 times over SparTen-SNN, with its memory: T passes over weights that come from DRAM each time.",
            "a SparTen that walks the T timesteps while a window of B is at hand reads masks and weights once, like LoAS; that "
            "is what our RTL does, so only "
            "cycles of the join count: between the ratio of accumulations (a match of LoAS costs one cycle, each of its spikes "
            "one in SparTen) and T for "
            "empty windows (one cycle against T), times what a window of two chunks saves LoAS alone. Whole passes for each "
            "timestep, a narrow memory and a "
            "small cache move the ratio by what the last columns and rows show. A figure above T needs memory traffic (or other "
            "width) in it.",
        )

    def division(self) -> None:
        """Where each cycle goes."""
        r = self.r
        self.say("## Where each cycle goes")
        networks = r.networks(plan.BASE)
        bars: list[str] = []
        keys: list[str] = []
        chosen = [(plan.MEASURED, m, n, str(w), "RTL") for n in r.networks(plan.MEASURED) for m, w in plan.MEASURED_ON[:2]] + [
            (plan.BASE, m, n, "", "model") for n in networks for m in (LOAS, SPARTEN, "gospa", "gamma")
        ]
        found: list[dict[str, float]] = []
        for group, machine, n, label, by in chosen:
            total = r.total(group, machine, n, label)
            if total is None:
                continue
            whole = sum(total["breakdown"].values()) or 1
            found.append({k: 100 * v / whole for k, v in total["breakdown"].items()})
            bars.append(f"{shown(n)}, {title(machine)} ({by})")
            keys += [k for k in total["breakdown"] if k not in keys]
        parts = {key: [one.get(key, 0.0) for one in found] for key in keys if max(one.get(key, 0.0) for one in found) > 0.5}
        plots.stacked(self.plot("cycles.svg", "where the cycles go"), "what processing elements do", "percent of their cycles", bars, parts)
        self.text += table(("machine", *parts), [(bar, *(f"{parts[k][i]:.1f}" for k in parts)) for i, bar in enumerate(bars)])
        self.beside(
            "no such figure.",
            "*matches* are accumulations; *empty*: windows (of SparTen: timesteps of windows) without any; *stall_a*, *stall_b*, "
            "*stall_weight*: waiting for the row, for masks or records, for weights; *stall_laggy*: for the laggy prefix sum.",
        )

    def traffic(self) -> None:
        """Bytes by operand."""
        r = self.r
        self.say("## Traffic by operand (model)")
        networks = r.networks(plan.BASE)
        chosen = [(n, m) for n in networks for m in (LOAS, PASSES, *RIVALS) if r.total(plan.BASE, m, n)]
        for key, what in (("onchip", "on-chip"), ("offchip", "off-chip")):
            parts = {
                op: [(r.total(plan.BASE, m, n) or {})[key].get(op, 0) / 1e6 for n, m in chosen if m not in ("ptb", "stellar")]
                for op in OPERANDS
            }
            plots.stacked(
                self.plot(f"{key}.svg", f"{what} traffic"),
                f"{what} traffic, without the dense machines (model)",
                "MB",
                [f"{shown(n)}, {title(m)}" for n, m in chosen if m not in ("ptb", "stellar")],
                parts,
            )
        self.say("KB; A: spikes, B: weights, psum: partial sums and membranes, C: outputs, meta: bitmasks, indices, records, pointers.")
        rows: list[Sequence[object]] = []
        for n, m in chosen:
            total = r.total(plan.BASE, m, n)
            assert total is not None
            rows.append((shown(n), title(m), *(round(total[key].get(op, 0) / 1000) for key in ("onchip", "offchip") for op in OPERANDS)))
        self.text += table(("network", "machine", *(f"on-chip {op}" for op in OPERANDS), *(f"off-chip {op}" for op in OPERANDS)), rows)
        measured = [(n, m, w) for n in r.networks(plan.MEASURED) for m, w in plan.MEASURED_ON if r.total(plan.MEASURED, m, n, w)]
        if measured:
            self.say("The same by the RTL's counters, without the division: lines read from the cache, bytes on AXI.")
            rows = []
            for n, m, w in measured:
                total = r.total(plan.MEASURED, m, n, w) or {}
                rows.append(
                    (
                        shown(n),
                        f"{title(m)}, window {w}",
                        round(total["onchip"]["lines"] / 1000),
                        round(sum(total["offchip"].values()) / 1000),
                    )
                )
            self.text += table(("network", "machine (RTL)", "cache lines, KB", "AXI, KB"), rows)
        self.beside(
            "less traffic than all three rivals: nothing is read T times, and partial sums never leave a TPPE.",
            "an inner join moves no partial sums; GoSPA's outer product and Gamma's mergers do. LoAS reads weights and "
            "their places once for "
            "each row of A instead, by whole lines, which is nearly all of its traffic on the chip; off the chip all "
            "machines that skip zeros "
            "are near each other, but for SparTen-SNN in passes.",
        )

    def energy(self) -> None:
        """Energy by the model."""
        r = self.r
        self.say("## Energy (model)")
        chosen = [(n, m) for n in r.networks(plan.BASE) for m in (LOAS, PASSES, *RIVALS) if r.total(plan.BASE, m, n)]
        costs = {(n, m): energy_of(r.total(plan.BASE, m, n) or {}) for n, m in chosen}
        small = [(n, m) for n, m in chosen if m not in ("ptb", "stellar")]
        parts = {part: [costs[one][part] for one in small] for part in next(iter(costs.values()))}
        plots.stacked(
            self.plot("energy.svg", "energy"),
            "energy, without the dense machines (model)",
            "uJ",
            [f"{shown(n)}, {title(m)}" for n, m in small],
            parts,
        )
        self.text += table(
            ("network", "machine", *(f"{part}, uJ" for part in parts), "all", "by LoAS"),
            [
                (
                    shown(n),
                    title(m),
                    *(round(v, 1) for v in costs[n, m].values()),
                    round(sum(costs[n, m].values()), 1),
                    sum(costs[n, m].values()) / sum(costs[n, LOAS].values()),
                )
                for n, m in chosen
            ],
        )
        self.beside(
            f"up to {published.ENERGY_MOST} times less than the rivals; the cache has {100 * published.CACHE_POWER:.1f} % of the power.",
            "operations and bytes times the cited costs of `spec/costs.toml`: an estimate of ratios, not of a chip. A "
            "SparTen-SNN with a pass for "
            "each timestep pays for its traffic T times, as the paper's does; one that keeps a window while it walks the "
            "timesteps, as our RTL, "
            "does not. GoSPA-SNN and Gamma-SNN come out near LoAS, or below it: their models keep partial sums on the "
            "chip without a spill and "
            "have no windows to look through, while LoAS pays for reading its row buffer, decoding B's places, and looking at windows "
            "without a match, which is most of its operations.",
        )

    def sweep(self, group: str, name: str, axis: str, file: str, log: bool) -> None:
        """Cycles over one parameter, a panel a network."""
        r = self.r
        networks, labels = r.networks(group), r.labels(group)
        if not networks:
            return
        self.say(f"## {name[0].upper() + name[1:]} (model)")
        machines = r.machines(group)
        places = [float(x) for x in labels]
        panels = []
        for n in networks:
            panel = []
            for i, m in enumerate(machines):
                points = [(x, c) for x, label in zip(places, labels, strict=True) if (c := r.cycles(group, m, n, label))]
                panel.append(Line(title(m), [x for x, _ in points], [c for _, c in points], i))
            panels.append(panel)
        plots.lines(
            self.plot(file, name),
            [f"{shown(n)} (model)" for n in networks],
            axis,
            "cycles, logarithmic",
            panels,
            log_x=log,
            log_y=True,
            ticks=places,
        )
        rows = [(shown(n), title(m), *(r.cycles(group, m, n, label) for label in labels)) for n in networks for m in machines]
        self.text += table(("network", "machine", *labels), rows)
        self.beside(*self.words(group))

    def words(self, group: str) -> tuple[str, str]:
        """Of the paper and of ours about a sweep."""
        lost = ""
        if group == plan.DENSITY and (loss := self.loss(group, "0.02", "0.75")) is not None:
            lost = f"{100 * loss:.0f} % lost from 2 to 75 % nonzero weights"
        if group == plan.T and (loss := self.loss(group, "4", "8")) is not None:
            lost = f"{100 * loss:.0f} % lost from T = 4 to 8 with spikes of fixed rates"
        return {
            plan.T: (
                "doubling T costs 14 % of performance, since silent neurons become fewer.",
                f"{lost}: with these rates nearly all neurons that ever fire have fired by T = 4, so masks hardly fill and T "
                f"words are free in "
                "time; rivals pay for each timestep. Nothing is dropped here, since at T = 1 that would drop all.",
            ),
            plan.DENSITY: (
                "from 98.2 to 25 % weight sparsity performance falls by 88 %.",
                f"{lost}. A match costs a cycle, so cycles follow the density once windows are no longer empty; at 2 % they do not yet.",
            ),
            plan.NUM_TPPES: (
                "16 TPPEs only.",
                "work is handed out as (row, block of columns), so cycles fall until layers with few rows have no more tasks, or "
                "the cache's ports are used up.",
            ),
            plan.CACHE: (
                "256 KB only.",
                "index-coded weights of these layers are 10 to 190 KB: a smaller cache reads some of them again; where it is large "
                "enough, size changes nothing.",
            ),
            plan.LATENCY: ("not varied.", "reading ahead hides most of it; layers with few rows show it."),
            plan.BUS: ("160 bytes a cycle.", "at 128 bytes a cycle memory is no limit; the narrowest port shows which machine moves more."),
        }[group]

    def windows(self) -> None:
        """Chunk width and window."""
        r = self.r
        networks, labels = r.networks(plan.WINDOW), r.labels(plan.WINDOW)
        if not networks:
            return
        self.say("## Chunk width and window (model)")
        panels = []
        for n in networks:
            panel = []
            for i, (m, window) in enumerate((m, w) for m in (LOAS, SPARTEN) for w in (1, 2, 4)):
                have = [
                    (int(label.split(" x ")[0]), c)
                    for label in labels
                    if label.endswith(f" x {window}") and (c := r.cycles(plan.WINDOW, m, n, label))
                ]
                panel.append(Line(f"{title(m)}, window {window}", [x for x, _ in have], [c for _, c in have], i))
            panels.append(panel)
        plots.lines(
            self.plot("window.svg", "chunk width"),
            [f"{shown(n)} (model)" for n in networks],
            "bits of a chunk",
            "cycles, logarithmic",
            panels,
            log_x=True,
            log_y=True,
            ticks=(32, 64, 128, 256, 512),
        )
        self.text += table(
            ("network", "machine", *labels),
            [(shown(n), title(m), *(r.cycles(plan.WINDOW, m, n, x) for x in labels)) for n in networks for m in (LOAS, SPARTEN)],
        )
        self.beside(
            "128-bit chunks, one at a time.",
            "columns are *bits of a chunk x chunks of a window*. At 2 % nonzero weights most chunks have no match, and each "
            "costs a cycle: looking at more bits is what helps, however they are cut. Prefix sums stay as wide as a chunk in LoAS, so two "
            "chunks of 128 are cheaper than one of 256.",
        )

    def small_sweeps(self) -> None:
        """FIFO depth and laggy adders."""
        r = self.r
        networks = r.networks(plan.FIFO)
        if not networks:
            return
        self.say("## FIFO depth and laggy adders (model)")
        panels = [
            [
                Line(
                    shown(n),
                    [int(x) for x in r.labels(plan.FIFO)],
                    [(r.cycles(plan.FIFO, LOAS, n, x) or 0) for x in r.labels(plan.FIFO)],
                    i,
                )
                for i, n in enumerate(networks)
            ],
            [
                Line(
                    f"{shown(n)}, {'speculation' if m == LOAS else 'waiting'}",
                    [int(x) for x in r.labels(plan.SLICE)],
                    [(r.cycles(plan.SLICE, m, n, x) or 0) for x in r.labels(plan.SLICE)],
                    2 * i + j,
                )
                for i, n in enumerate(networks)
                for j, m in enumerate((LOAS, plan.WAIT))
            ],
        ]
        plots.lines(
            self.plot("fifo.svg", "FIFO depth, laggy adders"),
            ["FIFO depth (model)", "laggy adders (model)"],
            "entries; adders",
            "cycles",
            panels,
            log_x=True,
            ticks=(2, 4, 8, 16, 32, 64),
        )
        self.text += table(
            ("network", *(f"FIFO {x}" for x in r.labels(plan.FIFO))),
            [(shown(n), *(r.cycles(plan.FIFO, LOAS, n, x) for x in r.labels(plan.FIFO))) for n in networks],
        )
        self.text += table(
            ("network", "machine", *(f"{x} adders" for x in r.labels(plan.SLICE))),
            [
                (shown(n), title(m), *(r.cycles(plan.SLICE, m, n, x) for x in r.labels(plan.SLICE)))
                for n in networks
                for m in (LOAS, plan.WAIT)
            ],
        )
        self.beside(
            'FIFOs of 8 entries and 16 adders, 8 cycles a chunk; "almost no throughput penalty".',
            "a row's prefix sums are computed once, while the row before is joined, and not for each column: depth hardly "
            "matters, and adders only where rows are short of columns to hide behind. Four adders take 32 cycles a "
            "chunk, and then rows are late.",
        )

    def drop(self) -> None:
        """With and without the once-firing drop."""
        r = self.r
        networks = [n for n in r.networks(plan.DROP) if self.gain(n)]
        if not networks:
            return
        self.say("## Dropping once-firing neurons (model)")
        bars: dict[str, list[float | None]] = {}
        for m in r.machines(plan.DROP):
            bars[title(m)] = [
                (a / b if (a := r.cycles(plan.DROP, m, n, RAW)) and (b := r.cycles(plan.DROP, m, n, SYNTHETIC)) else None) for n in networks
            ]
        plots.grouped(
            self.plot("drop.svg", "once-firing drop"),
            "cycles without the drop by those with it (model)",
            "times",
            [shown(n) for n in networks],
            bars,
            shown="{:.2f}",
            line=1.0,
        )
        self.text += table(("network", *bars), [(shown(n), *(bars[m][i] for m in bars)) for i, n in enumerate(networks)])
        self.beside(
            "20 % more speed.",
            "synthetic spikes with the published share of once-firing neurons, with and without them. Matches fall with the "
            "neurons; empty windows do not, and what they cost is not saved.",
        )

    def speculation(self) -> None:
        """The laggy penalty, and the area it buys."""
        r = self.r
        self.say("## What speculation costs, and what it buys")
        rows: list[Sequence[object]] = []
        for n in r.networks(plan.BASE):
            a, b, c, d = (r.cycles(plan.BASE, m, n) for m in (LOAS, "loas-fast", plan.WAIT, "loas-chunk"))
            if a and b and c and d:
                rows.append((shown(n), "model", a, b, f"{a / b:.3f}", f"{c / b:.3f}", d / b))
        for n in r.networks(plan.MEASURED):
            a, b = (r.cycles(plan.MEASURED, m, n, 2) for m in (LOAS, "loas-fast"))
            if a and b:
                rows.append((shown(n), "RTL", a, b, f"{a / b:.3f}", None, None))
        self.text += table(
            (
                "network",
                "by",
                "LAGGY, cycles",
                "FAST, cycles",
                "LAGGY / FAST",
                "waiting for a row's sums / FAST",
                "for those of each chunk / FAST",
            ),
            rows,
        )
        self.statement()
        found = area_lines(self.area)
        if found:
            self.text += found
        else:
            self.say("Area: `make area`, which has not been run for this configuration.")
        self.beside(
            "a fast prefix sum is 66.7 % of a TPPE's area and 51.8 % of its power, so one of two is saved at almost no penalty.",
            "[area.md](area.md) has the parts.",
        )

    def statement(self) -> None:
        """What an architect can rely on."""
        r = self.r
        ratios = {}
        for n in r.networks(plan.BASE):
            a, b = (r.cycles(plan.MEASURED, m, n, 2) for m in (LOAS, "loas-fast"))
            by = "RTL"
            if not (a and b):
                a, b = (r.cycles(plan.BASE, m, n) for m in (LOAS, "loas-fast"))
                by = "model"
            place = r.find(plan.BASE, LOAS, n)
            if a and b and place is not None and r.series[place].points[0].spikes == RECORDED:
                ratios[f"{shown(n)} ({by})"] = a / b
        if not ratios:
            self.say("No trace is at hand, so nothing is said about real spikes.")
            return
        text = "**On real spikes** LAGGY takes " + ", ".join(f"{x:.3f} × on {n}" for n, x in ratios.items()) + " the cycles of FAST."
        found = area_ratios(self.area)
        if found:
            text += " Its TPPE, synthesized part by part, takes " + ", ".join(
                f"{cells:.3f} × {'the area' if technology == OSU018 else 'the LUT4'} ({technology}; memory {memory:+.0f} {unit})"
                for technology, cells, memory, unit in found
            )
            text += " of FAST's. " + (SAVES_NOTHING if all(cells >= 1 for _, cells, _, _ in found) else SAVES) + RELY
        self.say(text)


def area_ratios(area: dict[str, Any] | None) -> list[tuple[str, float, float, str]]:
    """A LAGGY TPPE against a FAST one in each technology in which both were synthesized.

    Returns:
        Technology, ratio of area or LUT4, memory more than FAST's, and what that is counted in.
    """
    if not area:
        return []
    from scripts.area_page import amount, find, memory_of

    ratios = []
    for technology in TECHNOLOGIES:
        laggy, fast = (find(area, "tppe", mode, technology, 4) for mode in ("LAGGY", "FAST"))
        if laggy is not None and fast is not None:
            key, unit = memory_of(technology)
            ratios.append((technology, amount(laggy) / amount(fast), amount(laggy, key=key) - amount(fast, key=key), unit))
    return ratios


def area_lines(area: dict[str, Any] | None) -> list[str]:
    """LAGGY against FAST against SparTen, from the result of scripts/area.py."""
    if not area:
        return []
    from scripts.area_page import modes_table

    return modes_table(area)


def read_area(path: Path, config: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The result of scripts/area.py, if it is there and of this configuration. All that the page takes of it is checked.

    Args:
        path: The file.
        config: Of the evaluation.
        say: Called with words about a result that is left out.

    Raises:
        LoasError: It cannot be read or is malformed; names file, field, value and what is legal.
    """
    from scripts.area_page import PREFIX

    again = "remove it, or type make area"
    try:
        area = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as err:
        raise LoasError(f"{path}: cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise LoasError(f"{path}: is not JSON: {err}: {again}") from err

    def need(field: str, value: object, ok: bool, legal: str) -> None:
        if not ok:
            raise LoasError(f"{path}: {field} = {reprlib.repr(value)} is not legal: must be {legal}: {again}")

    def get(field: str, fields: dict[str, Any], kind: type, legal: str) -> Any:
        key = field.rpartition(".")[2]
        if key not in fields:
            raise LoasError(f"{path}: {field} is missing: must be {legal}: {again}")
        need(field, fields[key], isinstance(fields[key], kind), legal)
        return fields[key]

    need("all of it", area, isinstance(area, dict), "an object")
    if (found := get("config", area, str, "the name of a configuration")) != config:
        say(f"{path}: is of configuration {found}, not {config}: left out; python -m scripts.area --config {config} makes another")
        return None
    for i, point in enumerate(get("points", area, list, "a list")):
        at = f"points[{i}]"
        need(at, point, isinstance(point, dict), "an object")
        kind, mode, technology = (get(f"{at}.{key}", point, str, "a string") for key in ("kind", "mode", "technology"))
        need(f"{at}.technology", technology, technology in TECHNOLOGIES, f"one of {', '.join(TECHNOLOGIES)}")
        get(f"{at}.T", point, int, "an integer")
        parts = get(f"{at}.parts", point, dict, "an object")
        for name, amounts in parts.items():
            field = f"{at}.parts[{name!r}]"
            need(field, amounts, isinstance(amounts, dict), "an object")
            for key, value in amounts.items():
                ok = isinstance(value, int | float) and 0 <= value < math.inf
                need(f"{field}.{key}", value, ok, "a number, at least 0")
        # what others are divided by
        for name in ("all", *([PREFIX] if (kind, mode) == ("tppe", "LAGGY") else [])):
            value = parts.get(name, {}).get(key := "area" if technology == OSU018 else "lut4", 0)
            need(f"{at}.parts[{name!r}].{key}", value, value > 0, "more than 0")
    return dict(area)
