# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The IP of fpga/pynq_z2 through Yosys' synth_xilinx: as far as open tools reach for a Zynq-7000. No placement, no clock, no bitstream."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click

from golden.config import load
from golden.errors import LoasError
from scripts.execute import prepare, write_json
from scripts.simulate import ROOT

BOARD = "pynq_z2"
OUT = ROOT / "build" / "fpga" / BOARD
DEVICE = {"lut": 53200, "ff": 106400, "bram36": 140, "dsp": 220}  # XC7Z020
# runs in a process of its own: Yosys writes to file descriptor 1
YOSYS = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""


def counts(cells: dict[str, int]) -> dict[str, float]:
    """LUT, flip-flops, block RAM (in units of 36 Kbit) and DSP from cells by type."""
    luts = sum(n for cell, n in cells.items() if cell.startswith("LUT"))
    distributed = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32X1S": 1, "RAM64X1S": 1}
    luts += sum(n * distributed[cell] for cell, n in cells.items() if cell in distributed)
    luts += sum(n for cell, n in cells.items() if cell.startswith("SRL"))
    flops = sum(n for cell, n in cells.items() if cell in ("FDRE", "FDSE", "FDCE", "FDPE"))
    return {"lut": luts, "ff": flops, "bram36": cells.get("RAMB36E1", 0) + cells.get("RAMB18E1", 0) / 2, "dsp": cells.get("DSP48E1", 0)}


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=OUT / "result.json",
              help="Where the figures go.  [default: build/fpga/pynq_z2/result.json]")  # fmt: skip
def main(out: Path) -> None:
    """Synthesises the PYNQ-Z2's IP with Yosys and prints what it takes of an XC7Z020.

    Example: python -m scripts.xilinx, or make fpga BOARD=pynq_z2

    Exit code: 0 it fits, 1 it does not or Yosys fails, 2 bad input.
    """
    try:
        prepare(out)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    sources = [*sorted((ROOT / "rtl").rglob("*.v")), ROOT / "fpga" / "pynq_z2" / "loas_pynq_z2.v"]
    stat, log = out.with_suffix(".stat.json"), out.with_suffix(".log")
    # blocks are kept apart: four TPPEs are mapped once; mapped as one piece it takes more than half an hour
    commands = [
        f"read_verilog -defer -I{ROOT / 'rtl'} " + " ".join(map(str, sources)),
        "synth_xilinx -family xc7 -top loas_pynq_z2 -noiopad",
        "check -assert",
        f"tee -q -o {stat} stat -json -top loas_pynq_z2",
    ]
    with log.open("wb") as stream:
        done = subprocess.run([sys.executable, "-c", YOSYS, *commands], stdout=stream, stderr=subprocess.STDOUT, check=False)
    if done.returncode or not stat.exists():
        click.echo(f"error: Yosys ended with code {done.returncode}: see {log}", err=True)
        sys.exit(1)
    used = counts(json.loads(stat.read_text())["design"]["num_cells_by_type"])
    for name, value in used.items():
        click.echo(f"{name:<7}{value:>9g} of {DEVICE[name]:>7} ({value / DEVICE[name]:.1%})")
    fits = all(value <= DEVICE[name] for name, value in used.items())
    cfg = load(BOARD)  # the wrapper's parameters are this configuration's
    # The keys of every board's result.json: its look-up tables have six inputs, an EBR is 18 Kbit, and nothing was placed.
    common = {"board": BOARD, "config": cfg.name, "tppes": cfg.NUM_TPPES, "lut4": None, "ebr": round(2 * used["bram36"])}
    unknown = {"fmax_mhz": None, "bitstream": None}
    try:
        write_json(out, {**common, **unknown, "device": "xc7z020", "tool": "yosys synth_xilinx, not placed", "fits": fits, **used})
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    sys.exit(0 if fits else 1)


if __name__ == "__main__":
    main()
