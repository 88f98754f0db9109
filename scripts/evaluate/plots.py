# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Plots as SVG: grouped bars, stacked bars, lines.

Machines and parts differ by colour (Okabe and Ito's, told apart by colour-blind readers), by hatch or marker, and by lightness, so that
grey is enough; lines have their names beside them. Files do not change when their numbers do not.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from scripts.simulate import write_whole

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999", "#000000", "#ffffff")
HATCHES = ("", "//", "xx", "..", "\\\\", "--", "++", "oo", "", "")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), "-", "--")
STYLE: Any = {
    "svg.hashsalt": "loas",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
    "axes.titlesize": 10,
}


@dataclass(frozen=True)
class Line:
    """A line of a plot.

    Attributes:
        name: Written beside its end.
        x: Places.
        y: Values.
        style: Of colour, marker and dashes.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: int


def save(path: Path, figure: Figure) -> None:
    """Writes a figure as SVG, whole or not at all."""
    data = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    text = "\n".join(line.rstrip() for line in data.getvalue().decode().splitlines()) + "\n"
    write_whole(path, text.encode())


def _figure(wide: float, high: float, columns: int = 1) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(wide, high))
    return figure, [figure.add_subplot(1, columns, i + 1) for i in range(columns)]


def grouped(
    path: Path,
    title: str,
    unit: str,
    groups: Sequence[str],
    bars: Mapping[str, Sequence[float | None]],
    *,
    log: bool = False,
    shown: str = "{:.1f}",
    line: float | None = None,
) -> None:
    """Bars side by side: a value for each name in each group; None: no bar. ``line``: a level to mark."""
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = _figure(max(6.5, 0.34 * len(groups) * len(bars) + 1.5), 3.4)
        width = 0.84 / len(bars)
        for i, (name, values) in enumerate(bars.items()):
            places = [g + (i - (len(bars) - 1) / 2) * width for g in range(len(groups))]
            have = [(x, v) for x, v in zip(places, values, strict=True) if v is not None]
            axes.bar(
                [x for x, _ in have],
                [v for _, v in have],
                width * 0.94,
                label=name,
                color=OKABE_ITO[i],
                hatch=HATCHES[i],
                edgecolor="black",
                linewidth=0.6,
            )
            for x, v in have:
                axes.annotate(
                    shown.format(v),
                    (x, v),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=6.5,
                    rotation=90 if width < 0.18 else 0,
                )
        if log:
            axes.set_yscale("log")
        if line is not None:
            axes.axhline(line, color="black", linewidth=0.8)
        axes.set_xticks(range(len(groups)), groups, rotation=30 if max(map(len, groups)) > 9 else 0)
        axes.set_ylabel(unit)
        axes.margins(y=0.16)
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_title(title, loc="left")
        axes.legend(ncols=min(4, len(bars)), fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.18))
        save(path, figure)


def stacked(path: Path, title: str, unit: str, bars: Sequence[str], parts: Mapping[str, Sequence[float]]) -> None:
    """A bar for each name, made of parts."""
    with matplotlib.rc_context(STYLE):
        figure, (axes,) = _figure(7.5, 0.34 * len(bars) + 1.6)
        left = [0.0] * len(bars)
        for i, (name, values) in enumerate(parts.items()):
            axes.barh(
                range(len(bars)),
                values,
                left=left,
                height=0.72,
                label=name,
                color=OKABE_ITO[i % 10],
                hatch=HATCHES[i % 10],
                edgecolor="black",
                linewidth=0.5,
            )
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.set_yticks(range(len(bars)), bars)
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_title(title, loc="left")
        axes.legend(ncols=4, fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.5 / len(bars) - 0.1))
        save(path, figure)


def lines(
    path: Path,
    titles: Sequence[str],
    x_name: str,
    unit: str,
    panels: Sequence[Sequence[Line]],
    *,
    log_x: bool = False,
    log_y: bool = False,
    ticks: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Lines in a panel for each title, their names beside their ends; ``ticks`` have the texts of ``names``."""
    with matplotlib.rc_context(STYLE):
        figure, every = _figure(4.4 * len(panels) + 0.6, 3.2, len(panels))
        for axes, title, panel in zip(every, titles, panels, strict=True):
            if log_x:
                axes.set_xscale("log", base=2)
            if log_y:
                axes.set_yscale("log")
            for line in panel:
                axes.plot(
                    line.x,
                    line.y,
                    color=OKABE_ITO[line.style],
                    marker=MARKERS[line.style],
                    linestyle=DASHES[line.style],  # type: ignore[arg-type]
                    markersize=4.5,
                    linewidth=1.3,
                    markeredgecolor="black",
                    markeredgewidth=0.4,
                )
            if not log_y:
                axes.set_ylim(bottom=0)
            label_ends(axes, panel)
            if ticks is not None:
                axes.set_xticks(ticks, names if names is not None else [f"{t:g}" for t in ticks], rotation=30 if names else 0)
                axes.minorticks_off()
            axes.set_xlabel(x_name)
            axes.set_ylabel(unit)
            axes.grid(color="#dddddd", linewidth=0.6)
            axes.set_title(title, loc="left")
        figure.tight_layout(w_pad=6)
        save(path, figure)


def label_ends(axes: Any, panel: Sequence[Line]) -> None:
    """Names beside the ends of lines, moved apart where they would meet."""
    drawn = [(axes.transData.transform((line.x[-1], line.y[-1]))[1], line) for line in panel if line.x]
    last = float("-inf")
    for place, line in sorted(drawn, key=lambda item: item[0]):
        shift = max(0.0, last + 13 - place)
        last = place + shift
        axes.annotate(
            line.name,
            (line.x[-1], line.y[-1]),
            (6, shift * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            annotation_clip=False,
        )
