# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The demo without a board: a board's RTL in Verilator, UART pins and all, behind a pseudo-terminal that the real driver opens.

``make fpga-sim`` calls it. The driver runs as a process of its own, ``loas fpga run --port /dev/pts/N``, and knows nothing of it: with a
board on the desk the same command takes the board's port.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import tty
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from filelock import FileLock

from golden.config import Config, load
from golden.errors import LoasError
from scripts.simulate import FLAGS, ROOT, SimulationError

BUILD = ROOT / "build" / "board"
CLK_HZ = 50_000_000
BAUD = CLK_HZ // 4  # as fast as the receiver can: simulated seconds are long


@dataclass(frozen=True)
class Board:
    """A top that can be simulated.

    Attributes:
        top: Its testbench.
        config: Configuration by default.
        sources: Verilog beside that of rtl/ and fpga/rtl/.
    """

    top: str
    config: str
    sources: tuple[str, ...]


BOARDS = {
    "ulx3s": Board("loas_ulx3s_tb", "ulx3s", ("verif/rtl/loas_ulx3s_tb.v", "verif/rtl/loas_pty.v", "fpga/ulx3s/*.v", "fpga/sim/*.v")),
    "small": Board("loas_board_tb", "tiny", ("verif/rtl/loas_board_tb.v", "verif/rtl/loas_pty.v")),
}


def sources(board: Board) -> list[Path]:
    """All files that a build reads."""
    every = [path for folder in ("rtl", "fpga/rtl") for kind in ("*.v", "*.vh") for path in sorted((ROOT / folder).rglob(kind))]
    settings = [ROOT / "verif" / "rtl" / f"{name}.vlt" for name in ("loas_tb", "chains")]
    return [*settings, *every, *(path for pattern in board.sources for path in sorted(ROOT.glob(pattern)))]


def bitstream_number(cfg: Config, files: list[Path]) -> int:
    """What the simulated board says as its bitstream: a CRC-32 of configuration and sources."""
    total = zlib.crc32(repr(sorted(cfg.verilog_parameters().items())).encode())
    for path in files:
        total = zlib.crc32(path.read_bytes(), total)
    return total


def build(board: Board, cfg: Config, say: Callable[[str], None] | None = None) -> Path:
    """Builds a simulated board, or finds it built.

    Args:
        board: Which.
        cfg: Its configuration.
        say: Called with progress messages.

    Returns:
        The executable.

    Raises:
        SimulationError: Verilator or the compiler failed; the text is the end of its log.
    """
    from scripts.verilator import verilator_env

    files = sources(board)
    parameters = {**cfg.verilog_parameters(), "CLK_HZ": CLK_HZ, "BAUD": BAUD}
    digest = hashlib.sha256(repr((sorted(parameters.items()), FLAGS, board)).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = BUILD / f"{board.top}-{cfg.name.rstrip('*')}-{digest.hexdigest()[:12]}"
    program = folder / board.top
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if program.exists():
            return program
        if say:
            say(f"building the simulated board ({cfg.name}) with Verilator")
        verilator_env()
        mdir = folder / "obj"
        shutil.rmtree(mdir, ignore_errors=True)
        number = bitstream_number(cfg, files)
        command = ["verilator", *FLAGS, *(f"-G{k}={v}" for k, v in parameters.items()), f"-GBITSTREAM_ID={number}",
                   f"-I{ROOT / 'rtl'}", f"-I{ROOT / 'fpga' / 'rtl'}", "--top-module", board.top, "--Mdir", str(mdir), "-o", board.top,
                   *(str(path) for path in files if path.suffix in (".v", ".vlt"))]  # fmt: skip
        if not shutil.which("ccache"):
            os.environ.pop("OBJCACHE", None)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
        (folder / "build.log").write_text(done.stdout)
        if done.returncode or not (mdir / board.top).exists():
            errors = [line for line in done.stdout.splitlines() if "rror" in line] or done.stdout.splitlines()
            raise SimulationError(f"Verilator failed for {board.top}, see {folder / 'build.log'}:\n" + "\n".join(errors[:20]))
        (mdir / board.top).replace(program)
        shutil.rmtree(mdir, ignore_errors=True)
    return program


def _die_with_parent() -> None:
    """A simulator never ends by itself; on Linux it does when its parent has gone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def powered(program: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Runs a simulated board; the value is the name of its serial port, and the simulator.

    Raises:
        SimulationError: The simulator ended by itself.
    """
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        with subprocess.Popen([str(program)], stdin=master, stdout=master, stderr=subprocess.PIPE, preexec_fn=_die_with_parent) as process:
            try:
                yield os.ttyname(slave), process
                if process.poll() is not None:
                    assert process.stderr is not None
                    said = process.stderr.read(2000).decode(errors="replace").strip()
                    raise SimulationError(f"{program.name} ended by itself: {said or 'no message'}")
            finally:
                process.kill()
    finally:
        os.close(slave)
        os.close(master)


def drive(board: subprocess.Popen[bytes], command: list[str]) -> int:
    """Runs the driver until it ends, or the board does; returns its exit code."""
    with subprocess.Popen([sys.executable, "-m", "scripts.loas", *command], cwd=ROOT) as driver:
        while driver.poll() is None:
            if board.poll() is not None:
                driver.kill()
            time.sleep(0.05)
    return driver.returncode


@click.command()
@click.option("--board", "which", type=click.Choice(list(BOARDS)), default="ulx3s", show_default=True, help="Which board.")
@click.option("--config", "name", help="Named configuration of spec/configs.toml.  [default: the board's]")
@click.option("--images", type=click.IntRange(min=1), default=20, show_default=True, help="Held-out digits to classify.")
@click.option("--network", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "models/digits/digits.nir",
              help="NIR file with its sidecar beside it.  [default: models/digits/digits.nir]")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=ROOT / "build/fpga-sim/result.json",
              help="Where the driver writes its result.  [default: build/fpga-sim/result.json]")  # fmt: skip
@click.option("--serve", is_flag=True, help="Only run the board and print its port, until interrupted.")
def main(which: str, name: str | None, images: int, network: Path, out: Path, serve: bool) -> None:
    """Classify held-out digits on a simulated board, through its serial port, with the driver of real boards.

    Example: python -m scripts.fpga_sim --images 5

    Exit code: that of the driver; 2 on bad input.
    """
    try:
        board = BOARDS[which]
        cfg = load(name or board.config)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    try:
        program = build(board, cfg, click.echo)
        with powered(program) as (port, process):
            click.echo(f"simulated board at {port}: {CLK_HZ / 1e6:g} MHz, {BAUD / 1e6:g} Mbaud (simulated)")
            if serve:
                while True:
                    time.sleep(1)
            command = ["fpga", "run", str(network), "--port", port, "--baud", str(BAUD), "--timeout", "60", "--images", str(images),
                       "--out", str(out)]  # fmt: skip
            click.echo("loas " + " ".join(command))
            code = drive(process, command)
    except SimulationError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0 if serve else 1)
    sys.exit(code)


if __name__ == "__main__":
    main()
