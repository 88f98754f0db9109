"""Proofs that a generated mutant cannot be told from the design: Yosys makes a miter, ABC proves it.

Both designs start with all registers zero, get the same inputs in every cycle (rst at any time as well), and must show the
same outputs for ever. Outputs that mean something only while another is high are zero meanwhile (`observed` of the block); a
block whose inputs must keep rules has a Verilog `harness` around it that makes every free input legal.

ABC's `scorr` finds equal nodes by induction, and constant ones. A register whose content does not matter while it is not
valid is equal only where it is valid: for that, signals "valid, but different" are in the miter for every register and every
guard. They need not be constant: those that ABC proves zero, all at once, help it to prove the outputs. So do states that are
never reached: for a block's `relations` there is a signal for every value of the short registers together, alone and with
every bit of a long one (and with its being zero).
"""
from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REGISTERS = re.compile(r"\$(a|s|ad|al)?(dff|dffe|sdff|sdffe|sdffce|dffsr)e?$")

# In a process of its own: Yosys writes to file descriptor 1, and its log is kept.
YOSYS = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in open(sys.argv[1]):
    print("mutants:", line.strip(), flush=True)
    ys.run_pass(line.rstrip("\\n"), design)
print("mutants: complete", flush=True)
"""

# Two multipliers whose operands are only sometimes equal are hard to compare, unless sum after sum of rows is compared.
MULTIPLIER = """
(* techmap_celltype = "$mul" *)
module loas_mul #(
    parameter A_SIGNED = 0, parameter B_SIGNED = 0, parameter A_WIDTH = 1, parameter B_WIDTH = 1, parameter Y_WIDTH = 1
) (input [A_WIDTH-1:0] A, input [B_WIDTH-1:0] B, output [Y_WIDTH-1:0] Y);
    wire [Y_WIDTH-1:0] a, b;
    genvar k;
    generate
        if (A_SIGNED) begin assign a = $signed(A); end else begin assign a = A; end
        if (B_SIGNED) begin assign b = $signed(B); end else begin assign b = B; end
        for (k = 0; k < Y_WIDTH; k = k + 1) begin : gen_row
            (* keep *) wire [Y_WIDTH-1:0] rows;
            if (k == 0) begin assign rows = a & {Y_WIDTH{b[0]}}; end
            else begin assign rows = gen_row[k-1].rows + ((a << k) & {Y_WIDTH{b[k]}}); end
        end
    endgenerate
    assign Y = gen_row[Y_WIDTH-1].rows;
endmodule
"""


class YosysError(Exception):
    """A command of Yosys or ABC failed."""


@dataclass(frozen=True)
class Design:
    """What is proven: the module `top` of `flat` (RTLIL, and JSON beside it), seen through the harness."""

    top: str
    flat: Path
    harness: Path | None       # Verilog with a module `harness` around `top`; none: one is made of `observed`
    observed: dict[str, list[str]]   # outputs that mean something only while the key is high
    guards: Sequence[str]      # regular expressions: one-bit signals under which registers are compared
    relations: Sequence[Sequence[str]] = ()   # ends of names of registers that restrict each other


@dataclass(frozen=True)
class Verdict:
    """What became of a proof; `by` says how it was proven or why not."""

    equivalent: bool
    by: str


def yosys(commands: Sequence[str], script: Path) -> str:
    """Runs Yosys commands, leaves script and log; returns the log.

    Raises:
        YosysError: a command failed.
    """
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text("\n".join(commands) + "\n")
    done = subprocess.run([sys.executable, "-c", YOSYS, str(script)], cwd=ROOT, capture_output=True, text=True)
    script.with_suffix(".log").write_text(done.stdout + done.stderr)
    if done.returncode or "mutants: complete" not in done.stdout:
        raise YosysError(f"Yosys failed: {script.with_suffix('.log')}: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
    return done.stdout


def masked(design: Design, folder: Path) -> Path:
    """Writes a harness in which outputs are zero while they mean nothing."""
    ports = json.loads(design.flat.with_suffix(".json").read_text())["modules"][design.top]["ports"]
    gate = {output: valid for valid, outputs in design.observed.items() for output in outputs}
    declared, wires, connected = [], [], []
    for name, port in ports.items():
        width = len(port["bits"])
        declared.append(f"{port['direction']} wire [{width - 1}:0] {name}")
        inner = f"{name}_raw" if name in gate else name
        connected.append(f".{name}({inner})")
        if name in gate:
            wires.append(f"wire [{width - 1}:0] {inner}; assign {name} = {inner} & {{{width}{{{gate[name]}}}}};")
    file = folder / "harness.v"
    file.write_text(f"module harness ({', '.join(declared)});\n" + "\n".join(wires)
                    + f"\n{design.top} block_inst ({', '.join(connected)});\nendmodule\n")
    return file


def side(design: Design, name: str, change: Sequence[str], folder: Path) -> dict[str, Any]:
    """The design in its harness, flat and without memories, as Yosys' JSON of a module."""
    out = folder / f"{name}.json"
    harness = design.harness or masked(design, folder)
    mul = folder / "mul.v"
    mul.write_text(MULTIPLIER)
    yosys([f"read_rtlil {design.flat}", *change, f"read_verilog {harness}", "hierarchy -top harness", "proc", "flatten",
           "memory_map", "wreduce", f"techmap -map {mul}", "setundef -zero", "opt_expr", "opt_clean",
           f"rename harness {name}", f"write_json {out}"], folder / f"{name}.ys")
    module: dict[str, Any] = json.loads(out.read_text())["modules"][name]
    return module


def registers(module: dict[str, Any]) -> dict[str, list[int | str]]:
    """Named nets that registers drive, without the words of memories; of several names the shortest."""
    driven = {bit for cell in module["cells"].values() if REGISTERS.match(cell["type"]) for bit in cell["connections"]["Q"]}
    found: dict[tuple[int | str, ...], str] = {}
    for name, net in module["netnames"].items():
        bits = tuple(net["bits"])
        if all(b in driven for b in bits) and not re.search(r"mem\[\d+\]", name):
            found[bits] = min(found.get(bits, name), name, key=len)
    return {name: list(bits) for bits, name in found.items()}


def find(nets: dict[str, Any], end: str) -> str:
    """The net whose name ends so: the shortest, if one net has several names.

    Raises:
        YosysError: there is none.
    """
    if not (names := [n for n in nets if n == end or n.endswith(f".{end}")]):
        raise YosysError(f"no net is called {end}")
    return min(names, key=len)


def miter(design: Design, gold: dict[str, Any], gate: dict[str, Any], folder: Path, with_help: bool) -> Path:
    """Writes sides.json and miter.v: output `bad` is one when the sides differ; the others are what may help."""
    nets = [{name: net["bits"] for name, net in module["netnames"].items()} for module in (gold, gate)]
    wanted = [*registers(gold), *(name for name in nets[0] if name.endswith(".rows"))]
    common = [name for name in wanted if len(nets[0][name]) == len(nets[1].get(name, ()))]
    guards = [name for name, bits in nets[0].items() if len(bits) == 1 and len(nets[1].get(name, ())) == 1
              and any(re.search(g, name) for g in design.guards)]
    ports = gold["ports"]
    related = [[find(nets[0], end) for end in relation] for relation in design.relations]
    shown = sorted({*common, *guards, *(n for relation in related for n in relation if n in nets[1])})
    for module, names in ((gold, nets[0]), (gate, nets[1])):
        module["ports"] = {**module["ports"],
                           **{f"probe{i}": {"direction": "output", "bits": names[name]} for i, name in enumerate(shown)}}
    (folder / "sides.json").write_text(json.dumps({"creator": "verif.mutant_proof", "modules": {"gold": gold, "gate": gate}}))
    inputs = {n: len(p["bits"]) for n, p in ports.items() if p["direction"] == "input"}
    outputs = {n: len(p["bits"]) for n, p in ports.items() if p["direction"] == "output"}
    probes = {f"probe{i}": len(nets[0][name]) for i, name in enumerate(shown)}
    text = [f"module miter ({', '.join(f'input wire [{w - 1}:0] {n}' for n, w in inputs.items())}, output wire bad, output wire [",
            "", "] help);"]
    for s in ("gold", "gate"):
        text += [f"wire [{w - 1}:0] {s}_{n};" for n, w in {**outputs, **probes}.items()]
        text += [f"{s} {s}_inst ({', '.join([f'.{n}({n})' for n in inputs] + [f'.{n}({s}_{n})' for n in [*outputs, *probes]])});"]
    text += [f"assign bad = {' | '.join(f'(gold_{n} != gate_{n})' for n in outputs)};"]
    helps = [f"gold_probe{shown.index(g)} && gold_probe{shown.index(r)} != gate_probe{shown.index(r)}"
             for r in common for g in guards if r != g]
    for s in ("gold", "gate"):
        for relation in related:
            short = [n for n in relation if len(nets[0][n]) <= 6]
            value = "{" + ", ".join(f"{s}_probe{shown.index(n)}" for n in short) + "}"
            width = sum(len(nets[0][n]) for n in short)
            for v in range(1 << width):
                here = f"{value} == {width}'d{v}"
                helps.append(here)
                for long in relation:
                    if long not in short:
                        name = f"{s}_probe{shown.index(long)}"
                        helps += [f"{here} && {name} == 0", *(f"{here} && {name}[{b}]" for b in range(len(nets[0][long])))]
    helps = helps if with_help else []
    text += [f"assign help[{i}] = {h};" for i, h in enumerate(helps or ["1'b0"])]
    text[:3] = [f"{text[0]}{max(len(helps), 1) - 1}:0{text[2]}"]
    (folder / "miter.v").write_text("\n".join([*text, "endmodule", ""]))
    return folder / "miter.v"


def abc(commands: str, log: Path, seconds: float) -> str:
    """Runs ABC; returns its output, which on a time limit ends early."""
    import pyosys

    command = [str(Path(pyosys.__path__[0]) / "yosys-abc"), "-c", commands]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        text = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        text = (error.stdout or b"").decode() + "\ntime limit\n"
    log.write_text(text)
    return text


def constant_zero(aiger: Path) -> bool:
    """Whether the only output of an AIGER file is the constant zero."""
    lines = aiger.read_bytes().split(b"\n")
    _, _, _, latches, outputs, *_ = lines[0].split()
    return int(outputs) == 1 and lines[1 + int(latches)] == b"0"


def prove(design: Design, mutation: str, folder: Path, seconds: int = 60) -> Verdict:
    """Whether a mutation leaves the design as it is, from all registers zero on.

    Raises:
        YosysError: the miter could not be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aig, merged = folder / "miter.aig", folder / "merged.aig"
    # most proofs need no help, and are quick without
    for with_help in (False, True):
        merged.unlink(missing_ok=True)
        gold, gate = side(design, "gold", [], folder), side(design, "gate", [f"mutate {mutation}"], folder)
        file = miter(design, gold, gate, folder, with_help)
        yosys([f"read_json {folder / 'sides.json'}", f"read_verilog {file}", "hierarchy -top miter", "proc", "flatten",
               "setattr -unset init", "techmap", "opt -fast", "dffunmap", "zinit -all", "simplemap", "setundef -zero", "aigmap",
               "opt_clean", f"write_aiger -zinit {aig}"], folder / "miter.ys")
        # output 0 is `bad`: cone keeps it alone, when all outputs have been used to merge nodes
        abc(f"read_aiger {aig}; print_stats; strash; scorr -C 10000 -v; cone -O 0; strash; scorr; print_stats; write_aiger {merged}",
            folder / "scorr.log", 2 * seconds)
        if merged.exists() and constant_zero(merged):
            return Verdict(True, "induction with help" if with_help else "induction")
    log = abc(f"read_aiger {merged if merged.exists() else aig}; cone -O 0; strash; pdr -T {seconds}", folder / "pdr.log", seconds + 30)
    if re.search(r"^Property proved", log, re.MULTILINE):
        return Verdict(True, "pdr")
    if found := re.search(r"Output 0 .*was asserted in frame (\d+)", log):
        return Verdict(False, f"differs in cycle {found[1]}")
    return Verdict(False, "no proof found")
