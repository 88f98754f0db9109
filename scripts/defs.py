"""Generates what stands in spec/ for Verilog and docs/.

rtl/loas_defs.vh and docs/registers.md come from spec/registers.toml and spec/image.toml; fpga/rtl/loas_host_defs.vh and the tables of
docs/host-link.md from spec/host_link.toml.
`python -m scripts.defs` writes the files; `python -m scripts.defs --check` writes nothing and exits 1 when one is stale.
"""
from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "spec"
HEADER = ROOT / "rtl" / "loas_defs.vh"
TABLES = ROOT / "docs" / "registers.md"
LINK_HEADER = ROOT / "fpga" / "rtl" / "loas_host_defs.vh"
LINK_PAGE = ROOT / "docs" / "host-link.md"  # text by hand, tables between these two lines
BEGIN = "<!-- Generated from spec/host_link.toml by `python -m scripts.defs`; do not edit up to the next such line. -->"
END = "<!-- End of what is generated. -->"

Table = dict[str, dict[str, Any]]


def load(name: str) -> dict[str, Any]:
    """Reads spec/<name>.toml."""
    with (SPEC / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def _sorted(table: Table, key: str) -> list[tuple[str, dict[str, Any]]]:
    return sorted(((name.upper(), row) for name, row in table.items()), key=lambda item: int(item[1][key]))


def verilog(registers: dict[str, Any], image: dict[str, Any]) -> str:
    """The Verilog header: one `define a number, all sized."""
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "// Copyright LoAS contributors",
        "// Numbers of the register map and of the memory image.",
        "// Generated from spec/registers.toml and spec/image.toml by `python -m scripts.defs`; do not edit.",
        "",
        "`ifndef LOAS_DEFS_VH",
        "`define LOAS_DEFS_VH",
    ]

    def section(title: str, items: list[tuple[str, str]]) -> None:
        lines.extend(["", f"// {title}"])
        lines.extend(f"`define {name:<28} {value}" for name, value in items)

    section(
        "registers: byte offsets",
        [(f"LOAS_REG_{n}", f"12'h{r['offset']:03x}") for n, r in _sorted(registers["registers"], "offset")],
    )
    section(
        "registers: reset values",
        [
            (f"LOAS_RESET_{n}", f"32'h{r['reset']:08x}")
            for n, r in _sorted(registers["registers"], "offset")
            if "reset" in r
        ],
    )
    section("error codes", [(f"LOAS_ERR_{n}", f"4'd{r['code']}") for n, r in _sorted(registers["errors"], "code")])
    section(
        "performance counters", [(f"LOAS_CNT_{n}", str(r["index"])) for n, r in _sorted(registers["counters"], "index")]
    )
    section("image", [("LOAS_MAGIC", f"32'h{image['magic']:08x}"), ("LOAS_VERSION", f"32'd{image['version']}")])
    section("header words", [(f"LOAS_HDR_{n}", f"4'd{r['word']}") for n, r in _sorted(image["header"], "word")])
    section(
        "layer descriptor words", [(f"LOAS_DESC_{n}", f"4'd{r['word']}") for n, r in _sorted(image["descriptor"], "word")]
    )
    fields: list[tuple[str, str]] = []
    for name, row in _sorted(image["control"], "lsb"):
        fields += [(f"LOAS_CTL_{name}_LSB", str(row["lsb"])), (f"LOAS_CTL_{name}_W", str(row["width"]))]
    section("descriptor control word: fields", fields)
    section("walk record words", [(f"LOAS_WALK_{n}", f"4'd{r['word']}") for n, r in _sorted(image["walk"], "word")])
    section("block table words", [(f"LOAS_BLK_{n}", f"2'd{r['word']}") for n, r in _sorted(image["block"], "word")])
    return "\n".join([*lines, "", "`endif", ""])


def markdown(registers: dict[str, Any], image: dict[str, Any]) -> str:
    """The tables of docs/registers.md."""
    lines = [
        "# Register map",
        "",
        "<!-- Generated from spec/registers.toml and spec/image.toml by `python -m scripts.defs`; do not edit. -->",
        "",
        "AXI4-Lite, 12 address bits, 32 data bits, WSTRB honoured. Reading an address without a register returns zero with",
        "SLVERR; writing one, or a read-only register, changes nothing and answers SLVERR.",
        "",
        "## Registers",
        "",
        "| offset | name | access | reset | what it is |",
        "|---|---|---|---|---|",
    ]
    for name, row in _sorted(registers["registers"], "offset"):
        where = f"0x{row['offset']:03X}"
        if "count" in row:
            where += f" to 0x{row['offset'] + 4 * row['count'] - 4:03X}"
        reset = f"0x{row['reset']:08X}" if "reset" in row else "0" if "count" in row else "configuration"
        lines.append(f"| {where} | {name} | {row['access']} | {reset} | {row['doc']} |")
    lines += ["", "## Error codes", "", "| code | name | meaning, and what ERR_ADDR holds |", "|---|---|---|"]
    lines += [f"| {r['code']} | {n} | {r['doc']} |" for n, r in _sorted(registers["errors"], "code")]
    lines += [
        "",
        "## Performance counters",
        "",
        "The same 16 64-bit numbers, in this order, are the performance record that a layer writes to its `perf_ptr`.",
        "",
        "| index | offset | name | counts |",
        "|---|---|---|---|",
    ]
    perf = registers["registers"]["PERF"]["offset"]
    lines += [
        f"| {r['index']} | 0x{perf + 8 * r['index']:03X} | {n.lower()} | {r['doc']} |"
        for n, r in _sorted(registers["counters"], "index")
    ]
    for key, title in (
        ("header", "Image header words"),
        ("descriptor", "Layer descriptor words"),
        ("walk", "Walk record words"),
        ("block", "Block table words"),
    ):
        lines += ["", f"## {title}", "", "| word | name | what it is |", "|---|---|---|"]
        lines += [f"| {r['word']} | {n.lower()} | {r['doc']} |" for n, r in _sorted(image[key], "word")]
    lines += ["", "## Descriptor control word", "", "| bits | name | what it is |", "|---|---|---|"]
    for name, row in _sorted(image["control"], "lsb"):
        high = row["lsb"] + row["width"] - 1
        bits = f"{high}:{row['lsb']}" if row["width"] > 1 else str(row["lsb"])
        lines.append(f"| {bits} | {name.lower()} | {row['doc']} |")
    return "\n".join([*lines, ""])


def link_verilog(link: dict[str, Any]) -> str:
    """The Verilog header of the host link."""
    frame, identify = link["frame"], link["identify"]
    items = [
        ("VERSION", f"32'd{link['version']}"), ("MAGIC", f"32'h{link['magic']:08x}"),
        ("MOST_BUFFER_WORDS", str(link["most_buffer_words"])),
        ("SYNC_REQUEST", f"8'h{frame['request']:02x}"), ("SYNC_ANSWER", f"8'h{frame['answer']:02x}"),
        ("RESIDUE", f"32'h{frame['residue']:08x}"),
        *((f"CMD_{n}", f"8'd{r['code']}") for n, r in _sorted(link["commands"], "code")),
        *((n, f"4'd{r['code']}") for n, r in _sorted(link["status"], "code")),
        *((f"ID_{n}", f"10'd{r['word']}") for n, r in _sorted(identify, "word")),
        ("ID_WORDS", f"10'd{len(identify)}"),
    ]  # fmt: skip
    return "\n".join([
        "// SPDX-License-Identifier: Apache-2.0",
        "// Copyright LoAS contributors",
        "// Numbers of the host link.",
        "// Generated from spec/host_link.toml by `python -m scripts.defs`; do not edit.",
        "",
        "`ifndef LOAS_HOST_DEFS_VH",
        "`define LOAS_HOST_DEFS_VH",
        "",
        *(f"`define {'LOAS_LINK_' + name:<28} {value}" for name, value in items),
        "",
        "`endif",
        "",
    ])  # fmt: skip


def link_tables(link: dict[str, Any], page: str) -> str:
    """docs/host-link.md with its tables made anew; an empty page gets them alone."""
    lines = [BEGIN, "", "| code | command | payload of the request | of the answer | does |", "|---|---|---|---|---|"]
    lines += [f"| {r['code']} | {n} | {r['request']} | {r['answer']} | {r['doc']} |" for n, r in _sorted(link["commands"], "code")]
    lines += ["", "| status | name | meaning |", "|---|---|---|"]
    lines += [f"| {r['code']} | {n} | {r['doc']} |" for n, r in _sorted(link["status"], "code")]
    lines += ["", "| word of IDENTIFY | name | what it is |", "|---|---|---|"]
    lines += [f"| {r['word']} | {n.lower()} | {r['doc']} |" for n, r in _sorted(link["identify"], "word")]
    lines += ["", END]
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    return "\n".join([*lines, ""]) if not (found and closed) else before + "\n".join(lines) + after


def outputs() -> dict[Path, str]:
    """What the generated files have to hold now."""
    registers, image, link = load("registers"), load("image"), load("host_link")
    page = LINK_PAGE.read_text() if LINK_PAGE.exists() else ""
    return {HEADER: verilog(registers, image), TABLES: markdown(registers, image), LINK_HEADER: link_verilog(link),
            LINK_PAGE: link_tables(link, page)}  # fmt: skip


def stale() -> list[Path]:
    """The generated files that are missing or differ from the specification."""
    return [path for path, text in outputs().items() if not path.exists() or path.read_text() != text]


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.defs", description=__doc__, epilog="example: python -m scripts.defs --check"
    )
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file is stale")
    arguments = parser.parse_args(argv)
    if arguments.check:
        bad = stale()
        for path in bad:
            print(f"{path.relative_to(ROOT)} is stale: run `python -m scripts.defs`", file=sys.stderr)
        return 1 if bad else 0
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
