# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""One synthesis by Yosys, in a process of its own: ``python -m scripts.synthesis JOB OUT``. scripts/area.py starts it.

Modules named in the job stay apart, everything else is flattened into them, so that the area of a part can be told. Outputs that nobody
reads and inputs that never change are optimized across their borders before (``opt_hier``), as they would be in a flat netlist.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ECP5, OSU018 = "ecp5", "osu018"
TECHNOLOGIES = (OSU018, ECP5)
MACRO_DEPTH = 16  # an array of more entries is a RAM macro; all of loas_ram are
# Multipliers, and a memory of 64 words in flip-flops: ABC's own script looks for equal nodes by SAT, and is at it for long. Without that:
SLOW = ("loas_plif", "loas_state_writer")
QUICK = "+strash;dc2;strash;&get,-n;&nf;&put;buffer;upsize;dnsize;stime,-p"


@dataclass
class Module:
    """A module of the netlist, without what it instantiates.

    Attributes:
        base: Name of its source.
        cells: Library cells by type.
        instances: (path, module) of those that stayed apart.
        macros: (bits of a word, words) of its RAMs that are not mapped to cells.
    """

    base: str
    cells: dict[str, int] = field(default_factory=dict)
    instances: list[tuple[str, str]] = field(default_factory=list)
    macros: list[tuple[int, int]] = field(default_factory=list)


def base_name(name: str) -> str:
    """Name of the source of a derived module, e.g. ``$paramod\\loas_fifo\\W=...``."""
    found = re.findall(r"loas_\\?\w+", name)
    return found[0] if found else name.lstrip("\\")


def derived(name: str) -> tuple[str, ...]:
    """Patterns of Yosys for a module and those derived from it: $paramod\\name\\..., or $paramod$hash\\name."""
    return name, f"$paramod*\\{name}", f"$paramod*\\{name}\\*"


def script(job: dict[str, Any]) -> list[str]:
    """Commands of Yosys for a job.

    Args:
        job: ``sources``, ``include``, ``top``, ``parameters``, ``apart`` (base names of modules, or module/instance), ``technology``,
            ``liberty`` and ``constraints`` (files; OSU018 only).
    """
    given = "".join(f" -chparam {key} {value}" for key, value in job["parameters"].items())
    lines = [f"read_verilog -defer -I{job['include']} {' '.join(job['sources'])}", f"hierarchy -check -top {job['top']}{given}", "proc"]
    for name in job["apart"]:
        module, _, instance = name.partition("/")
        for pattern in derived(module):
            lines.append(
                f"setattr -set keep_hierarchy 1 {pattern}/c:*{instance}" if instance else f"setattr -mod -set keep_hierarchy 1 {pattern}"
            )
    if job["technology"] == ECP5:
        # what synth_ecp5 does first, with optimization across borders
        return [*lines, "flatten", "opt_expr", "opt_clean", "opt_hier", "opt", "opt_hier", "synth_ecp5"]
    rams = "$paramod*\\loas_ram\\*"
    return [
        *lines,
        "opt_expr",
        "opt_clean",
        "memory_dff",
        "memory_collect",
        f"setattr -set loas_macro 1 {rams}/t:$mem_v2",
        f"setattr -set loas_macro 1 loas_ram/t:$mem_v2 t:$mem_v2 r:SIZE>{MACRO_DEPTH} %i",
        "flatten",
        "opt_expr",
        "opt_clean",
        "opt_hier",
        "opt",
        "opt_hier",
        "synth -run coarse:fine",
        "opt -fast -full",
        "memory_map t:$mem_v2 a:loas_macro %d",
        "opt -undriven -fine",
        "techmap",
        "opt -fast",
        f"dfflibmap -liberty {job['liberty']}",
        "opt -fast",
        "select -set slow " + " ".join(pattern for name in SLOW for pattern in derived(name)),
        f"abc -script {QUICK} -liberty {job['liberty']} -constr {job['constraints']} @slow",
        f"abc -liberty {job['liberty']} -constr {job['constraints']} @slow %n",
        "opt_clean",
    ]


def collect(design: Any) -> dict[str, Module]:
    """The netlist's modules by name."""
    names = {key.str(): design.modules_[key] for key in design.modules_ if base_name(key.str()).startswith("loas_")}
    found = {}
    for name, module in names.items():
        count: Counter[str] = Counter()
        one = Module(base_name(name))
        for key in module.cells_:
            cell = module.cells_[key]
            kind = cell.type.str()
            if kind == "$scopeinfo":  # where flattened cells came from
                continue
            if kind in names:
                one.instances.append((cell.name.str().lstrip("\\"), kind))
            elif kind == "$mem_v2":
                number = {text: int(cell.parameters[_idstring(text)].as_int()) for text in ("\\WIDTH", "\\SIZE")}
                one.macros.append((number["\\WIDTH"], number["\\SIZE"]))
            else:
                count[kind.lstrip("\\")] += 1
        one.cells = dict(sorted(count.items()))
        found[name.lstrip("\\")] = one
    for one in found.values():
        one.instances = [(path, kind.lstrip("\\")) for path, kind in one.instances]
    return found


def _idstring(text: str) -> Any:
    from pyosys import libyosys

    return libyosys.IdString(text)


def main() -> None:
    """Runs a job (JSON file) and writes what came of it as JSON; the log of Yosys goes to standard output."""
    from pyosys import libyosys

    job, out = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    design = libyosys.Design()
    for line in script(job):
        print("loas_synthesis:", line, flush=True)
        libyosys.run_pass(line, design)
    value = {
        "top": next(key.str().lstrip("\\") for key in design.modules_ if design.modules_[key].get_bool_attribute(_idstring("\\top"))),
        "modules": {name: asdict(one) for name, one in collect(design).items()},
    }
    out.write_text(json.dumps(value), encoding="utf-8")
    print("loas_synthesis: complete", flush=True)


if __name__ == "__main__":
    main()
