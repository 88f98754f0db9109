# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What pages and comments point to is there: links and their anchors, files and folders, modules, and targets of make."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "fpga", "golden", "host", "models", "rtl", "scripts", "spec", "verif")
TOPS = [*FOLDERS, ".ci", "design", "shared", "paper"]  # a path begins with one of these; the last three are no part of the project
ENDINGS = "md|py|vh|vlt|v|toml|json|nir|npz|tcl|svg|lpf|pcf"
PATH = re.compile(rf"(?<![\w./<-])((?:\.\./)*(?:{'|'.join(map(re.escape, TOPS))})/[\w./*-]*)(?![\w<{{])")
NAME = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|vh|vlt|v|toml|md|tcl))`")  # with the end of its path, at most
MODULE = re.compile(r"-m ((?:golden|host|models|scripts|verif)(?:\.\w+)+)")
TARGET = re.compile(r"`make ([a-z][a-z-]*)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
DOTTED = re.compile(r"`~?((?:golden|host|models|scripts)(?:\.\w+)+)[`(]")
ROLE = re.compile(r":(?:class|func|meth|data|attr):`~?\.?(\w+)(?:\.\w+)?`")
ELSEWHERE = {"golden/outputs.npz": "in an image folder", "paper/nir_to_lava.py": "in the repository of NIR"}


@cache
def files() -> tuple[Path, ...]:
    """Of the project, without what was built."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return tuple(sorted([*found, *(path for path in ROOT.iterdir() if path.is_file() and not path.is_symlink())]))


def texts(*endings: str) -> list[Path]:
    return [path for path in files() if path.suffix in endings or path.name in endings]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are written for readers: of a page all, of Python comments and docstrings, of others comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        before = tokenize.NEWLINE
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT or token.type == tokenize.STRING and before in (tokenize.NEWLINE, tokenize.INDENT):
                for i, line in enumerate(token.string.split("\n")):
                    yield token.start[0] + i, line
            if token.type not in (tokenize.COMMENT, tokenize.NL):
                before = token.type
        return
    mark = {".v": "//", ".vh": "//", ".vlt": "//", ".toml": "#", ".tcl": "#", ".lpf": "#", ".pcf": "#"}.get(path.suffix)
    for number, line in enumerate(text.split("\n"), 1):
        if mark is None or mark in line:
            yield number, line if mark is None else line[line.index(mark) :]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    fenced = False
    for line in page.read_text(encoding="utf-8").split("\n"):
        fenced ^= line.startswith("```")
        if fenced or not line.startswith("#"):
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 0
        while (anchor := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(anchor)
    return found


def fault_of_path(text: str, near: Path) -> str:
    """Why a path in prose leads nowhere, if it does."""
    path = text.rstrip(".")
    if path.startswith("../shared") or path in ELSEWHERE:  # data beside the project, which the pages say may be absent
        return ""
    for start in (ROOT, near.parent):
        if "*" in path and any(start.glob(path)) or "*" not in path and (start / path).exists():
            return ""
    return f"{text} does not exist"


def known(name: str) -> bool:
    """Whether a file of the project has this name, or a path that ends so."""
    if name in ELSEWHERE or PATH.match(name) or name.startswith("build/"):  # looked at as a path, or made by a command
        return True
    return any(f"/{file.as_posix()}".endswith(f"/{name}") for file in files())


@cache
def said(path: Path) -> set[str | None]:
    """All names of a Python file outside of its prose: functions, classes, fields, imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {getattr(node, field, None) for node in ast.walk(tree) for field in ("name", "id", "attr", "arg", "asname")}


def defined(dotted: str) -> bool:
    """Whether a module, or a name in one, exists."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        where = ROOT.joinpath(*parts[:end])
        for path in (where.with_suffix(".py"), where / "__init__.py"):
            if path.exists():
                return set(parts[end:]) <= said(path)
    return False


def faults(path: Path) -> list[str]:
    """All references of a file that lead nowhere, each with its line."""
    found = []
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for number, line in prose(path):
        bad = [fault_of_path(text, path) for text in PATH.findall(line)]
        bad += [f"{name} is no file of the project" for name in NAME.findall(line) if not known(name)]
        bad += [f"{name} does not exist" for name in DOTTED.findall(line) if not defined(name)]
        bad += [f"{name} is not in this file" for name in ROLE.findall(line) if name not in said(path)]
        for module in MODULE.findall(line):
            where = ROOT / module.replace(".", "/")
            bad += [] if where.with_suffix(".py").exists() or (where / "__main__.py").exists() else [f"module {module} does not exist"]
        bad += [f"make {target} does not exist" for target in TARGET.findall(line) if target not in targets]
        if path.suffix == ".md":
            bad += [fault_of_link(a or b, path) for a, b in LINK.findall(line)]
        found += [f"{path.relative_to(ROOT)}:{number}: {fault}" for fault in bad if fault]
    return found


def fault_of_link(link: str, page: Path) -> str:
    """Why a link leads nowhere, if it does; those to other places are not followed."""
    if re.match(r"\w+:", link):
        return ""
    where, _, anchor = link.partition("#")
    target = page.parent / where if where else page
    if not target.exists():
        return f"link to {link}: does not exist"
    return f"link to {link}: no such heading" if anchor and anchor not in anchors(target) else ""


@pytest.mark.parametrize("kind", [".md", ".py", "verilog", "others"])
def test_references_lead_somewhere(kind: str) -> None:
    endings = {"verilog": (".v", ".vh", ".vlt"), "others": (".toml", ".tcl", ".lpf", ".pcf", "Makefile")}.get(kind, (kind,))
    assert len(texts(*endings)) > 5
    assert [fault for path in texts(*endings) for fault in faults(path)] == []


def test_what_leads_nowhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of reference, right and wrong."""
    page = ROOT / "docs" / "import.md"
    for right in ("docs/import.md", "verif/", "../host/zynq.py", "rtl/*/*.v", "../shared/data"):
        assert PATH.findall(f"see `{right}`.") == [right] and not fault_of_path(right, page)
    for wrong in ("docs/none.md", "design/verification.md", "verif/nothing", "rtl/none*.v"):
        assert [fault_of_path(text, page) for text in PATH.findall(f"({wrong}, x)")] == [f"{wrong} does not exist"]
    assert not fault_of_link("import.md#sidecar", page) and not fault_of_link("#nodes", page) and not fault_of_link("https://x.y/z", page)
    assert fault_of_link("import.md#side-car", page) == "link to import.md#side-car: no such heading"
    assert fault_of_link("none.md", page) == "link to none.md: does not exist"
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("test: x\n")
    (tmp_path / "a.py").write_text(
        '"""See\n``docs/a.md``, :func:`gone`."""\nx = "docs/b.md"  # docs/c.md, `make tset`, -m scripts.none, `no/x.v`, `golden.no`\n'
    )
    assert faults(tmp_path / "a.py") == [
        "a.py:2: docs/a.md does not exist", "a.py:2: gone is not in this file", "a.py:3: docs/c.md does not exist",
        "a.py:3: no/x.v is no file of the project",
        "a.py:3: golden.no does not exist", "a.py:3: module scripts.none does not exist", "a.py:3: make tset does not exist",
    ]  # fmt: skip
    (tmp_path / "a.v").write_text('x = "docs/b.md"; // docs/c.md\n')
    assert faults(tmp_path / "a.v") == ["a.v:1: docs/c.md does not exist"]
