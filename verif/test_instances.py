# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The picture of the instances in docs/architecture.md is that of the code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTANCE = re.compile(r"^\s*(loas_\w+)\s*(?:#\(|\w+_inst\s*\()", re.MULTILINE)
ALSO_LEAVES = ("prim",)  # folders whose modules are left out: they are everywhere


def instances(rtl: Path) -> dict[str, list[str]]:
    """Modules that each module instantiates, each once, in the order of the text; rules of illegal parameters are no modules."""
    files = {path.stem: path for path in sorted(rtl.rglob("*.v"))}
    small = {name for name, path in files.items() if path.parent.name in ALSO_LEAVES}
    return {name: list(dict.fromkeys(below for below in INSTANCE.findall(re.sub(r"//.*", "", path.read_text(encoding="utf-8")))
                                     if below in files and below not in small)) for name, path in files.items()}  # fmt: skip


def picture(below: Mapping[str, list[str]], top: str) -> list[str]:
    """The tree below a module as text, a line each."""
    lines = [top]
    for place, name in enumerate(below[top]):
        last = place == len(below[top]) - 1
        first, *rest = picture(below, name)
        lines += [("└─ " if last else "├─ ") + first, *(("   " if last else "│  ") + line for line in rest)]
    return lines


def test_picture_of_a_small_tree(tmp_path: Path) -> None:
    (tmp_path / "prim").mkdir()
    (tmp_path / "prim" / "loas_fifo.v").write_text("module loas_fifo; endmodule")
    (tmp_path / "loas_a.v").write_text(
        "module loas_a;\n  loas_fifo fifo_inst (.x(x));\n  loas_b #(\n.N(1)) b_inst ();\n  // loas_c c_inst ();\n  loas_d d_inst ();\n"
        "  loas_b #(.N(2)) other_inst ();\n  loas_a_N_must_be_1 rule_inst ();\nendmodule")  # fmt: skip
    (tmp_path / "loas_b.v").write_text("module loas_b;\n    loas_c c_inst (.a(a));\nendmodule")
    for name in ("loas_c", "loas_d"):
        (tmp_path / f"{name}.v").write_text(f"module {name}; endmodule")
    assert picture(instances(tmp_path), "loas_a") == ["loas_a", "├─ loas_b", "│  └─ loas_c", "└─ loas_d"]


def test_architecture_shows_the_instances() -> None:
    below = instances(ROOT / "rtl")
    wanted = "\n".join(picture(below, "loas_top"))
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = re.search(r"^```\n(loas_top\n.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    assert shown and shown.group(1) == wanted, f"docs/architecture.md must show:\n{wanted}"


def test_every_module_is_in_the_machine() -> None:
    """A module that nobody instantiates is a leftover."""
    below = instances(ROOT / "rtl")
    files = {path.stem for path in (ROOT / "rtl").rglob("*.v") if path.parent.name not in ALSO_LEAVES}
    assert files == {"loas_top", *(name for names in below.values() for name in names)}
