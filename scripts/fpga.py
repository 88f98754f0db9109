# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Builds a board's bitstream with open tools from PyPI: Yosys (pyosys), nextpnr and packers (yowasp), and says what it takes.

A board is a folder of fpga/ with a ``board.toml``, a top and constraints; its machine is a configuration of spec/configs.toml.
Everything is left under build/fpga/<board>: netlist, bitstream, logs of the tools, and result.json.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from golden.config import Config, load, load_all
from golden.errors import LoasError
from host.device import check_image
from scripts import xilinx
from scripts.pack import image_bytes
from scripts.simulate import write_hex, write_whole

ROOT = Path(__file__).resolve().parents[1]
FPGA = ROOT / "fpga"
BUILD = ROOT / "build" / "fpga"
FAMILIES = ("ecp5", "ice40")
OURS = ("CLK_HZ", "BITSTREAM_ID", "RAM_FILE")  # parameters that a build sets

# In a process of its own: Yosys writes to file descriptor 1, and a crash of it must not be ours.
YOSYS = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in open(sys.argv[1]):
    print("loas_fpga:", line.strip(), flush=True)
    ys.run_pass(line.rstrip("\\n"), design)
print("loas_fpga: complete", flush=True)
"""

# Cells by what they take: look-up tables of four inputs, flip-flops, block RAMs, multipliers, large RAMs.
COST: dict[str, dict[str, dict[str, int]]] = {
    "ecp5": {"lut4": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}, "ff": {"TRELLIS_FF": 1}, "ebr": {"DP16KD": 1},
             "dsp": {"MULT18X18D": 1}, "spram": {}},
    "ice40": {"lut4": {"SB_LUT4": 1}, "ff": {}, "ebr": {"SB_RAM40_4K": 1}, "dsp": {"SB_MAC16": 1}, "spram": {"SB_SPRAM256KA": 1}},
    "xilinx": {"lut4": {**{f"LUT{n}": 1 for n in range(1, 7)}, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "SRL16E": 1},
               "ff": {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1}, "ebr": {"RAMB36E1": 2, "RAMB18E1": 1}, "dsp": {"DSP48E1": 1},
               "spram": {}},
}  # fmt: skip
HAVE = {"ecp5": {"lut4": 83640, "ff": 83640, "ebr": 208, "dsp": 156}, "ice40": {"lut4": 5280, "ff": 5280, "ebr": 30, "dsp": 8, "spram": 4}}
# nextpnr's names
USED = {"ecp5": {"lut4": "TRELLIS_COMB", "ff": "TRELLIS_FF", "ebr": "DP16KD", "dsp": "MULT18X18D"},
        "ice40": {"lut4": "ICESTORM_LC", "ebr": "ICESTORM_RAM", "dsp": "ICESTORM_DSP", "spram": "ICESTORM_SPRAM"}}  # fmt: skip


class BuildError(RuntimeError):
    """A tool failed, or the design does not fit or is too slow."""


@dataclass(frozen=True)
class Board:
    """A board.toml.

    Attributes:
        name: Folder in fpga/.
        cfg: Its machine.
        top: Module.
        family: "ecp5" or "ice40".
        device: nextpnr's options for the part.
        effort: nextpnr's options for how it places and routes.
        seed: Of place and route, if none is asked for.
        constraints: Places of the pins.
        clock: Net of the machine's clock.
        clock_mhz: At which it runs.
        aim_mhz: What place and route are asked for.
        word_bits: Of a word of the image memory.
        parameters: Of the top, beside the configuration's.
    """

    name: str
    cfg: Config
    top: str
    family: str
    device: tuple[str, ...]
    effort: tuple[str, ...]
    seed: int
    constraints: Path
    clock: str
    clock_mhz: float
    aim_mhz: float
    word_bits: int
    parameters: Mapping[str, int]

    @classmethod
    def load(cls, name: str) -> Board:
        """A board by the name of its folder.

        Raises:
            LoasError: There is none, or its board.toml is not legal.
        """
        file = FPGA / name / "board.toml"
        if name not in boards():
            raise LoasError(f"board {name!r} does not exist: must be one of {', '.join(boards())}")
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as err:
            raise LoasError(f"fpga/{name}/board.toml: {err}") from err
        check_board(name, data)
        return cls(name, load(data["config"]), data["top"], data["family"], tuple(data["device"]), tuple(data["effort"]), data["seed"],
                   file.parent / data["constraints"], data["clock"], data["clock_mhz"], data["aim_mhz"], data["word_bits"],
                   data["parameters"])  # fmt: skip


def is_text(value: object) -> bool:
    """Whether a value of TOML is a string that can stand on a command line."""
    return isinstance(value, str) and bool(re.fullmatch(r"[^\x00-\x1f]+", value))


def is_integer(value: object, low: int, high: int) -> bool:
    """Whether a value of TOML is an integer within limits; true is none, though Python says so."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_number(value: object, low: float, high: float) -> bool:
    """Whether a value of TOML is a number within limits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def check_board(name: str, data: Mapping[str, Any]) -> None:
    """Checks all keys of a board.toml; docs/porting.md has them in a table.

    Raises:
        LoasError: Names file, key, value and what is legal.
    """
    keys = {"config", "top", "family", "device", "effort", "seed", "constraints", "clock", "clock_mhz", "aim_mhz", "word_bits",
            "parameters"}  # fmt: skip
    if wrong := keys ^ set(data):
        word = "missing" if wrong <= keys else "unknown"
        raise LoasError(f"fpga/{name}/board.toml: {sorted(wrong)[0]} is {word}: all of {', '.join(sorted(keys))} are needed")

    def refuse(key: str, value: object, legal: str) -> NoReturn:
        raise LoasError(f"fpga/{name}/board.toml: {key} = {value!r} is not legal: must be {legal}")

    def need(key: str, legal: str, ok: Callable[[Any], bool]) -> None:
        if not ok(data[key]):
            refuse(key, data[key], legal)

    folder, known = FPGA / name, list(load_all())
    tops = {path.stem: path for path in sorted(folder.glob("*.v"))}
    need("config", f"one of {', '.join(known)}, the sections of spec/configs.toml", lambda v: v in known)
    need("top", f"a module with a file of its name in fpga/{name}: {', '.join(tops) or 'there is none'}", lambda v: v in list(tops))
    need("family", f"one of {', '.join(FAMILIES)}", lambda v: v in FAMILIES)
    for key in ("device", "effort"):
        need(key, "a list of strings, options of nextpnr", lambda v: isinstance(v, list) and all(map(is_text, v)))
    need("seed", f"an integer, 1 to {1 << 30}", lambda v: is_integer(v, 1, 1 << 30))
    need("constraints", f"the name of a file that exists in fpga/{name}", lambda v: is_text(v) and (folder / v).is_file())
    need("clock", "a string, the name of a net", lambda v: is_text(v) and v.isidentifier())
    for key in ("clock_mhz", "aim_mhz"):
        need(key, "a number, 1 to 1000", lambda v: is_number(v, 1, 1000))
    cfg = load(data["config"])
    need("word_bits", f"{cfg.AXI_W}, AXI_W of configuration {cfg.name}", lambda v: is_integer(v, cfg.AXI_W, cfg.AXI_W))
    need("parameters", "a table", lambda v: isinstance(v, dict))
    free = [key for key in parameter_names(tops[data["top"]]) if key not in cfg.verilog_parameters() and key not in OURS]
    for key, value in data["parameters"].items():
        if key not in free:  # Yosys would never see it
            refuse(f"parameters.{key}", value, f"absent: those of {data['top']} that are set here are {', '.join(free)}")
        if not is_integer(value, 0, (1 << 31) - 1):
            refuse(f"parameters.{key}", value, f"an integer, 0 to {(1 << 31) - 1}")
    size, step = data["parameters"].get("RAM_BYTES"), cfg.AXI_W // 8
    if size is None or size < 2 * step or size % step:
        refuse("parameters.RAM_BYTES", size, f"a multiple of AXI_W / 8 = {step}, at least {2 * step}")


def boards() -> list[str]:
    """Names of the boards that this script builds."""
    return sorted(path.parent.name for path in FPGA.glob("*/board.toml"))


def sources(board: str | None = None) -> list[Path]:
    """All synthesizable Verilog: the machine's, what boards share, and one board's own."""
    folders = [ROOT / "rtl", FPGA / "rtl", *([FPGA / board] if board else [])]
    return [path for folder in folders for path in sorted(folder.rglob("*.v"))]


def run_yosys(commands: Iterable[str], folder: Path, name: str) -> str:
    """Runs Yosys commands in `folder`; leaves <name>.ys and <name>.log there and returns the log.

    Raises:
        BuildError: A command failed; the text is the end of the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"{name}.ys"
    script.write_text("\n".join(commands) + "\n")
    with (folder / f"{name}.log").open("w") as log:
        done = subprocess.run([sys.executable, "-c", YOSYS, script.name], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    text = (folder / f"{name}.log").read_text()
    if done.returncode or "loas_fpga: complete" not in text:
        raise BuildError(f"Yosys failed, see {folder / f'{name}.log'}: {' / '.join(text.strip().splitlines()[-2:])}")
    return text


def parameter_names(file: Path) -> list[str]:
    """The parameters of a file's module."""
    text = file.read_text(encoding="utf-8")
    header = text[: text.index(") (") if ") (" in text else text.index(");")]
    return re.findall(r"parameter\s+(?:integer\s+|\[[^\]]*\]\s*)?(\w+)\s*=", header)


def reading(files: Iterable[Path], top: str, parameters: Mapping[str, int | str]) -> list[str]:
    """Yosys commands that read a design and set those of `parameters` that its top has."""
    files = list(files)
    known = parameter_names(next(path for path in files if path.stem == top))
    values = {name: f'"{value}"' if isinstance(value, str) else str(value) for name, value in parameters.items() if name in known}
    return [f"read_verilog -defer -I{ROOT / 'rtl'} -I{FPGA / 'rtl'} " + " ".join(map(str, files)),
            *([f"chparam {' '.join(f'-set {name} {value}' for name, value in values.items())} {top}"] if values else [])]  # fmt: skip


def synthesis(family: str, top: str, netlist: str) -> list[str]:
    """Yosys commands from a read design to a netlist in JSON."""
    extra = {"ecp5": "", "ice40": "-device u -spram -dsp "}[family]
    return [f"synth_{family} -top {top} {extra}-json {netlist}.json"]


def count(module: Mapping[str, Any], family: str) -> Counter[str]:
    """What a netlist takes; `module` is its Yosys JSON."""
    kinds = Counter(cell["type"] for cell in module["cells"].values())
    total: Counter[str] = Counter({kind: sum(n * kinds[cell] for cell, n in cells.items()) for kind, cells in COST[family].items()})
    if family == "ice40":
        total["ff"] = sum(n for cell, n in kinds.items() if cell.startswith("SB_DFF"))
    return total


def breakdown(module: Mapping[str, Any], family: str, depth: int = 3) -> dict[str, dict[str, int]]:
    """What each block of a flat netlist takes, by the hierarchical names of what its cells drive.

    A cell that Yosys shared between blocks, or whose output lost its name, counts where its name says: the sums are exact, the borders
    between blocks to a few per cent.

    Args:
        module: Yosys JSON of the top.
        family: Of cells.
        depth: Instances in a path that name a block; TPPEs and their like are one block together.

    Returns:
        block -> lut4, ff, ebr, dsp.
    """
    names: dict[int, str] = {}
    for name, net in module["netnames"].items():
        for bit in net["bits"]:
            if isinstance(bit, int) and (bit not in names or ("$" in names[bit] and "$" not in name)):
                names[bit] = name
    blocks: dict[str, Counter[str]] = defaultdict(Counter)
    for name, cell in module["cells"].items():
        costs = {kind: cells[cell["type"]] for kind, cells in COST[family].items() if cell["type"] in cells}
        if family == "ice40" and cell["type"].startswith("SB_DFF"):
            costs = {"ff": 1}
        if not costs:
            continue
        driven = [b for p, d in cell["port_directions"].items() if d == "output" for b in cell["connections"][p] if isinstance(b, int)]
        path = next((names[b] for b in driven if b in names and "." in names[b] and not names[b].startswith("$")), name)
        found = re.search(r"[a-z]\w*_inst(\..*)?$|gen_.*$", path) if path.startswith("$") else None
        parts = [re.sub(r"\[\d+\]", "", part) for part in (found.group(0) if found else path).split(".")]
        block = ".".join(part.removesuffix("_inst") for part in parts[:-1][:depth]) or "top"
        blocks[block].update(costs)
    return {name: dict(kinds) for name, kinds in sorted(blocks.items(), key=lambda item: -item[1]["lut4"])}


def read_image(image: Path, board: Board) -> bytes:
    """An image that a board's block RAM can hold and its machine can run.

    Raises:
        LoasError: It cannot be read, is larger than the memory, damaged, or for another machine.
    """
    data, size = image_bytes(image), board.parameters["RAM_BYTES"]
    if len(data) > size:
        raise LoasError(f"{image}: {len(data)} bytes do not fit in the {size} bytes of block RAM of board {board.name}")
    check_image(data, board.cfg, str(image))
    return data


def memory_file(data: bytes, board: Board, folder: Path) -> Path:
    """Writes an image as the contents of all of a board's block RAM: a file that leaves words out would be x in some simulators."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "image.hex"
    write_hex(file, data + bytes(board.parameters["RAM_BYTES"] - len(data)), board.word_bits)
    return file


def run_tool(command: list[str], folder: Path, log: str, on_line: Callable[[str], None]) -> str:
    """Runs a yowasp tool in `folder`, where all its files must be; returns what it printed.

    Raises:
        BuildError: It is not installed or failed.
    """
    program = Path(sys.executable).parent / command[0]
    if not program.exists():
        raise BuildError(f"{command[0]} is not installed: pip install -r requirements-fpga.txt (make fpga does)")
    lines: list[str] = []
    with (folder / log).open("w") as file:
        arguments = [str(program), *command[1:]]
        with subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                lines.append(line.rstrip())
                on_line(lines[-1])
    if process.returncode:
        errors = [line for line in lines if "ERROR" in line] or lines[-2:]
        raise BuildError(f"{command[0]} failed, see {folder / log}: {' / '.join(errors[:3])}")
    return "\n".join(lines)


STAGES = (("Packing", "pack"), ("Running main analytical", "place"), ("Running Static placer", "place"),
          ("simulated annealing", "refine the placement"), ("Running router", "route"), ("Routing", "route"),
          ("Program finished", "finish"))  # fmt: skip


def place_and_route(board: Board, folder: Path, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """nextpnr; leaves the configuration in board.config or board.asc, and returns its report."""
    constraints = board.constraints.read_text()
    if board.family == "ecp5":  # else the PLL's frequency would be all that is aimed at
        constraints += f'FREQUENCY NET "{board.clock}" {board.aim_mhz} MHZ ;\n'
    (folder / board.constraints.name).write_text(constraints)
    output = {"ecp5": ["--lpf", board.constraints.name, "--textcfg", "board.config", "--sdf", "board.sdf"],
              "ice40": ["--pcf", board.constraints.name, "--asc", "board.asc"]}[board.family]  # fmt: skip

    said: list[str] = []

    def stage(line: str) -> None:
        for text, name in STAGES:
            if line.startswith("Info: ") and text in line and not line.startswith("Info:  ") and said[-1:] != [name]:
                said.append(name)
                say(f"nextpnr: {name}")

    command = [f"yowasp-nextpnr-{board.family}", *board.device, *board.effort, "--json", f"{board.top}.json", *output, "--freq",
               str(board.aim_mhz), "--timing-allow-fail", "--report", "report.json", "--seed", str(seed)]  # fmt: skip
    run_tool(command, folder, "nextpnr.log", stage)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def fmax(report: Mapping[str, Any], clock: str) -> float:
    """The achieved frequency of a clock in MHz.

    Raises:
        BuildError: nextpnr reports no such clock.
    """
    found = [entry["achieved"] for name, entry in report["fmax"].items() if re.split(r"[.$]", name)[-1] == clock]
    if not found:
        raise BuildError(f"nextpnr reports no clock {clock!r}: {', '.join(report['fmax'])}")
    return float(min(found))


def digest(paths: Iterable[Path], parameters: Mapping[str, int | str]) -> str:
    """Of everything that a bitstream is made of."""
    total = hashlib.sha256(repr(sorted(parameters.items())).encode())
    for path in paths:
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def build_board(board: Board, image: Path | None, seed: int, synth_only: bool, console: Console) -> dict[str, Any]:
    """Synthesis, place and route, bitstream.

    Returns:
        What is in result.json.

    Raises:
        LoasError: The image is not legal.
        BuildError: A tool failed, the design does not fit, or does not reach the board's clock. result.json is there, if the netlist is.
    """
    folder = BUILD / board.name
    data = read_image(image, board) if image else None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)  # not before all input is known to be good
    parameters: dict[str, int | str] = {**board.cfg.verilog_parameters(), **board.parameters, "CLK_HZ": round(board.clock_mhz * 1e6)}
    files = sources(board.name)
    extra = [memory_file(data, board, folder)] if data is not None else []
    headers = [*sorted((ROOT / "rtl").glob("*.vh")), *sorted((FPGA / "rtl").glob("*.vh"))]
    name = digest([*files, *headers, board.constraints, *extra], parameters)
    parameters["BITSTREAM_ID"] = int(name[:8], 16)
    if extra:
        parameters["RAM_FILE"] = str(extra[0])
    begin = time.perf_counter()

    def say(text: str) -> None:
        console.print(f"[{time.perf_counter() - begin:5.0f} s] {text}", highlight=False, markup=False)

    say(f"Yosys: {board.top}, configuration {board.cfg.name}")
    run_yosys([*reading(files, board.top, parameters), *synthesis(board.family, board.top, board.top)], folder, "yosys")
    module = json.loads((folder / f"{board.top}.json").read_text())["modules"][board.top]
    taken = count(module, board.family)
    result: dict[str, Any] = {
        "board": board.name, "config": board.cfg.name, "tppes": board.cfg.NUM_TPPES, "laggy": board.cfg.LAGGY, "chunk_w": board.cfg.CHUNK_W,
        "lut4": taken["lut4"], "ff": taken["ff"], "ebr": taken["ebr"], "dsp": taken["dsp"], "spram": taken["spram"],
        "available": HAVE[board.family], "fmax_mhz": None, "clock_mhz": board.clock_mhz, "bitstream": None, "bitstream_id": f"{name[:8]}",
        "counted_by": "Yosys", "seed": seed, "blocks": breakdown(module, board.family, 4),
        "tppe_blocks": {block: kinds for block, kinds in breakdown(module, board.family, 10).items() if ".gen_tppe." in block},
        "seconds": {"yosys": round(time.perf_counter() - begin)},
    }  # fmt: skip

    def save() -> dict[str, Any]:
        result["seconds"]["all"] = round(time.perf_counter() - begin)
        write_whole(folder / "result.json", (json.dumps(result, indent=1) + "\n").encode())
        return result

    save()
    over = {kind: (result[kind], have) for kind, have in HAVE[board.family].items() if result[kind] > have}
    if over:
        text = ", ".join(f"{used} {kind} of {have}" for kind, (used, have) in over.items())
        raise BuildError(f"{board.name} does not fit: {text}; blocks in {folder / 'result.json'}")
    if synth_only:
        return result
    report = place_and_route(board, folder, seed, say)
    result["counted_by"] = "nextpnr"
    result.update({kind: report["utilization"][cell]["used"] for kind, cell in USED[board.family].items()})
    result["fmax_mhz"] = round(fmax(report, board.clock), 2)
    save()
    say("bitstream")
    if board.family == "ecp5":
        run_tool(["yowasp-ecppack", "--compress", "--bit", f"{board.name}.bit", "board.config"], folder, "pack.log", lambda line: None)
    else:
        run_tool(["yowasp-icepack", "board.asc", f"{board.name}.bit"], folder, "pack.log", lambda line: None)
    result["bitstream"] = str((folder / f"{board.name}.bit").relative_to(ROOT))
    save()
    if result["fmax_mhz"] < board.clock_mhz:
        reached = f"{board.name} reaches {result['fmax_mhz']} MHz and needs {board.clock_mhz:g}"
        raise BuildError(f"{reached}: critical path in {folder / 'nextpnr.log'}")
    return result


def block_rows(blocks: Mapping[str, Mapping[str, int]], most: int = 20) -> list[tuple[str, Mapping[str, int]]]:
    """The largest blocks in their order, the others as one, and the sum of all."""

    def together(some: Iterable[Mapping[str, int]]) -> Counter[str]:
        total: Counter[str] = Counter()
        for kinds in some:
            total.update(kinds)
        return total

    rows = list(blocks.items())
    others = [(f"{len(rows) - most} others", together(kinds for _, kinds in rows[most:]))] if len(rows) > most else []
    return [*rows[:most], *others, ("all", together(blocks.values()))]


def show(result: Mapping[str, Any], console: Console) -> None:
    """The figures of a build as tables."""
    title = f"{result['board']}: configuration {result['config']}, {result['tppes']} TPPEs, CHUNK_W {result['chunk_w']}"
    table = Table("", "used", "of", "", title=title)
    for kind, have in result["available"].items():
        table.add_row(kind, str(result[kind]), str(have), f"{100 * result[kind] / have:.0f} %")
    if result["fmax_mhz"]:
        table.add_row("fmax", f"{result['fmax_mhz']} MHz", f"{result['clock_mhz']:g}", "")
    console.print(table)
    blocks = Table("block", "LUT4", "FF", "EBR", "DSP", title="by block, as Yosys counts")
    for name, kinds in block_rows(result["blocks"]):
        blocks.add_row(name, *(str(kinds.get(kind, 0)) for kind in ("lut4", "ff", "ebr", "dsp")))
    console.print(blocks)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """FPGA builds with open tools.

    \b
    Examples:
      python -m scripts.fpga build ulx3s
      python -m scripts.fpga build ulx3s --image build/pack/image.bin
      python -m scripts.fpga tppe --chunk 32 --chunk 64

    Exit code: 0 done, 1 a tool failed or the design does not fit or is too slow, 2 bad input.
    """


@main.command()
@click.argument("name", metavar="BOARD", type=click.Choice(sorted([*boards(), xilinx.BOARD])))
@click.option("--image", type=click.Path(path_type=Path), help="Image (.bin or image folder) that block RAM holds after configuration.")
@click.option("--seed", type=click.IntRange(1, 1 << 30), help="Of place and route; the board's own without this option.")
@click.option("--synth-only", is_flag=True, help="Only the netlist and what it takes.")
@click.pass_context
def build(ctx: click.Context, name: str, image: Path | None, seed: int | None, synth_only: bool) -> None:
    """Makes the bitstream of BOARD, and build/fpga/BOARD/result.json. Of pynq_z2 only what it takes: its bitstream needs Vivado.

    Example: python -m scripts.fpga build ulx3s
    """
    console = Console()
    try:
        if name == xilinx.BOARD:
            for option, value in (("--image", image), ("--seed", seed)):
                if value is not None:
                    raise LoasError(f"{option} {value} is not legal: must be absent for board {name}, of which there is only synthesis")
            ctx.invoke(xilinx.main)
            return
        board = Board.load(name)
        result = build_board(board, image, seed or board.seed, synth_only, console)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except BuildError as err:
        if (file := BUILD / name / "result.json").exists():
            show(json.loads(file.read_text()), console)
        raise click.ClickException(str(err)) from err
    show(result, console)


@main.command()
@click.option("--config", "name", default="ulx3s", show_default=True, help="The rest of the TPPE's parameters.")
@click.option("--chunk", "chunks", multiple=True, type=click.Choice(["32", "64", "128"]), default=("32", "64", "128"), show_default=True)
def tppe(name: str, chunks: tuple[str, ...]) -> None:
    """What one TPPE takes on an ECP5, LAGGY and FAST, by Yosys; a minute or two for each line.

    Example: python -m scripts.fpga tppe --chunk 64
    """
    console = Console()
    try:
        cfg = load(name)
        columns = ("CHUNK_W", "back", "LUT4", "FF", "EBR", "join front", "row buffer")
        table = Table(*columns, title=f"loas_tppe, configuration {name}, synth_ecp5")
        for chunk in chunks:
            for laggy in (1, 0):
                one = cfg.override(CHUNK_W=int(chunk), LAGGY=laggy)
                with tempfile.TemporaryDirectory(prefix="loas-") as folder:
                    commands = [*reading(sources(), "loas_tppe", one.verilog_parameters()), *synthesis("ecp5", "loas_tppe", "tppe")]
                    run_yosys(commands, Path(folder), "yosys")
                    module = json.loads((Path(folder) / "tppe.json").read_text())["modules"]["loas_tppe"]
                taken, blocks = count(module, "ecp5"), breakdown(module, "ecp5", 5)
                table.add_row(chunk, "LAGGY" if laggy else "FAST", *(str(taken[kind]) for kind in ("lut4", "ff", "ebr")),
                              *(str(sum(kinds.get("lut4", 0) for name, kinds in blocks.items() if f"{name}.".startswith(block)))
                                for block in ("gen_join.engine.join.", "gen_join.engine.operands.rows.row.")))  # fmt: skip
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    except BuildError as err:
        raise click.ClickException(str(err)) from err
    console.print(table)


if __name__ == "__main__":
    main()
