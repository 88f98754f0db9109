# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Runs memory images on the whole machine in Verilator, without cocotb: demo, benchmarks and long tests use this.

The testbench is ``verif/rtl/loas_tb.v``. One executable per configuration is kept under ``build/machine``, found by a hash of
sources, parameters and flags; nothing inside is public to the outside, which is what makes it fast.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from filelock import FileLock

from golden.compare import spec
from golden.config import Config, load
from golden.errors import LoasError
from scripts.pack import image_bytes

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "machine"
BASE = 0x40000000  # bus address of the memory in loas_tb.v
# all TPPEs share their code (loas_tb.vlt); DFG would give each of them names of its own, and long functions would differ somewhere
FLAGS = ("--binary", "--timing", "--default-language", "1364-2005", "-O3", "-fno-dfg", "--output-split-cfuncs", "1000",
         "--x-assign", "fast", "--x-initial", "fast", "--threads", "1", "--output-split", "20000", "-CFLAGS", "-O2", "-j", "2")  # fmt: skip


class SimulationError(RuntimeError):
    """The simulator could not be built, or did not finish."""


@dataclass(frozen=True)
class Result:
    """What one run left behind.

    Attributes:
        memory: The image's bytes after the run.
        status: Register STATUS (bit 1 done, bit 2 error).
        error: Register ERR_CODE.
        addr: Register ERR_ADDR.
        layer: Register ERR_LAYER.
        cycles: Clock cycles from start to interrupt.
        wall_seconds: Wall time of the simulator, load and dump included.
    """

    memory: bytes
    status: int
    error: int
    addr: int
    layer: int
    cycles: int
    wall_seconds: float

    @property
    def ok(self) -> bool:
        """Done, without an error."""
        return self.status & 6 == 2

    @property
    def cycles_per_second(self) -> float:
        """Simulated clock cycles per second of wall time."""
        return self.cycles / max(self.wall_seconds, 1e-9)

    def describe(self) -> str:
        """Status and error in words."""
        if self.ok:
            return "done"
        names = {entry["code"]: key for key, entry in spec("registers")["errors"].items()}
        name = names.get(self.error, "?")
        if not self.status & 6:
            return f"not finished after {self.cycles} cycles"
        return f"error {self.error} ({name}) at image byte 0x{self.addr:08x}, layer {self.layer}"


def sources() -> list[Path]:
    """All RTL files, the testbench, and what Verilator is told about them."""
    rtl = sorted((ROOT / "rtl").rglob("*.v")) + sorted((ROOT / "rtl").rglob("*.vh"))
    names = ("loas_tb", "loas_system", "loas_sim_mem", "loas_axi_checker", "loas_axil_checker")
    bench = [ROOT / "verif" / "rtl" / f"{name}.v" for name in names]
    settings = [ROOT / "verif" / "rtl" / f"{name}.vlt" for name in ("loas_tb", "chains")]
    return [*settings, *rtl, *bench]


def memory_bytes(size: int) -> int:
    """Memory to build for an image: few sizes, so that few executables are needed."""
    for log in (20, 24, 27, 30):
        if size <= 1 << log:
            return 1 << log
    raise SimulationError(f"image of {size} bytes is too large: at most 2^30")


def build(cfg: Config, size: int = 0, *, waves: bool = False, say: Callable[[str], None] | None = None) -> Path:
    """Builds the testbench for a configuration, or finds it built.

    Args:
        cfg: The configuration.
        size: Bytes of the largest image it must hold.
        waves: With FST tracing.
        say: Called with progress messages.

    Returns:
        The executable.

    Raises:
        SimulationError: Verilator or the compiler failed; the text is the end of its log.
    """
    from scripts.verilator import verilator_env

    parameters = {**cfg.verilog_parameters(), "MEM_BYTES": memory_bytes(size)}
    flags = [*FLAGS, *(["--trace-fst"] if waves else [])]
    digest = hashlib.sha256(repr((sorted(parameters.items()), flags)).encode())
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = BUILD / f"{cfg.name.rstrip('*')}-{digest.hexdigest()[:12]}"
    program = folder / "loas_tb"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if program.exists():
            return program
        if say:
            say(f"building the {cfg.name} machine with Verilator")
        verilator_env()
        mdir = folder / "obj"
        shutil.rmtree(mdir, ignore_errors=True)
        command = ["verilator", *flags, *(f"-G{k}={v}" for k, v in parameters.items()), f"-I{ROOT / 'rtl'}",
                   "--top-module", "loas_tb", "--Mdir", str(mdir), "-o", "loas_tb",
                   *(str(s) for s in sources() if s.suffix in (".v", ".vlt"))]  # fmt: skip
        if not shutil.which("ccache"):
            os.environ.pop("OBJCACHE", None)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
        (folder / "build.log").write_text(done.stdout)
        if done.returncode or not (mdir / "loas_tb").exists():
            errors = [line for line in done.stdout.splitlines() if "rror" in line] or done.stdout.splitlines()
            raise SimulationError(f"Verilator failed for {cfg.name}, see {folder / 'build.log'}:\n" + "\n".join(errors[:20]))
        (mdir / "loas_tb").replace(program)
        shutil.rmtree(mdir, ignore_errors=True)
    return program


def write_hex(path: Path, image: bytes, axi_w: int) -> None:
    """Writes bytes as memory words of the bus width for $readmemh.

    Raises:
        SimulationError: The image is not a whole number of words.
    """
    width = axi_w // 8
    if len(image) % width:
        raise SimulationError(f"image of {len(image)} bytes is not a whole number of {width}-byte bus words")
    words = np.frombuffer(image, np.uint8).reshape(-1, width)[:, ::-1]
    text = words.tobytes().hex()
    digits = 2 * width
    path.write_text("\n".join(text[i : i + digits] for i in range(0, len(text), digits)) + "\n")


def read_hex(path: Path, axi_w: int) -> bytes:
    """The reverse of :func:`write_hex`; takes the comments and addresses of $writememh."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "/@"]
    text = "".join(word for line in lines for word in line.split())
    width = axi_w // 8
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(-1, width)[:, ::-1].tobytes()


def run(
    program: Path,
    cfg: Config,
    image: bytes,
    *,
    latency: int = 20,
    stall: int = 0,
    manner: int = 0,
    seed: int = 1,
    watchdog: int = 1_000_000,
    max_cycles: int = 2_000_000_000,
    poll: int = 20_000,
    timeout: float = 3600.0,
    progress: Callable[[int, int, int], None] | None = None,
) -> Result:
    """Runs an image.

    Args:
        program: From :func:`build`.
        cfg: The configuration it was built for.
        image: The packed image.
        latency: Memory latency in cycles.
        stall: Percent of cycles in which each channel of the memory stands still.
        manner: Of the memory, 0 to 7: when it is ready, and for what first (verif/rtl/loas_sim_mem.v).
        seed: Of the random stalls.
        watchdog: Register WATCHDOG.
        max_cycles: Give up after so many cycles.
        poll: Cycles between progress calls.
        timeout: Seconds of wall time after which the simulator is killed.
        progress: Called with layer, rows written in it, cycle.

    Raises:
        SimulationError: The simulator ended without a result, or had to be killed, or the machine broke the protocol of AXI.
    """
    with tempfile.TemporaryDirectory(prefix="loas-") as name:
        folder = Path(name)
        write_hex(folder / "image.hex", image, cfg.AXI_W)
        command = [str(program), f"+dir={folder}", f"+size={len(image)}", f"+latency={latency}", f"+stall={stall}",
                   f"+manner={manner}", f"+seed={seed}", f"+watchdog={watchdog}", f"+max_cycles={max_cycles}", f"+poll={poll}"]  # fmt: skip
        begin = time.perf_counter()
        tail: list[str] = []
        fields: dict[str, str] = {}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            killer = threading.Timer(timeout, process.kill)
            killer.start()
            try:
                for line in process.stdout:
                    tail = [*tail[-20:], line.rstrip()]
                    found = dict(re.findall(r"(\w+)=(\w+)", line))
                    if line.startswith("PROGRESS") and progress:
                        progress(int(found["layer"]), int(found["row"]), int(found["cycle"]))
                    elif line.startswith("RESULT"):
                        fields = found
                process.wait()
            except BaseException:  # leaving the block waits for the process
                process.kill()
                raise
            finally:
                killer.cancel()
        wall = time.perf_counter() - begin
        if process.returncode == -signal.SIGKILL and wall >= timeout:
            last = tail[-1] if tail else "no output at all"
            raise SimulationError(f"{program.name} was killed, not finished after {timeout:g} s of wall time; last: {last}")
        if not fields or not (folder / "dump.hex").exists():
            raise SimulationError(f"{program.name} ended with code {process.returncode} without a result:\n" + "\n".join(tail))
        if fields["axi"] != "0":
            raise SimulationError(f"{program.name} broke the protocol of AXI:\n" + "\n".join(tail))
        memory = read_hex(folder / "dump.hex", cfg.AXI_W)
    return Result(memory, int(fields["status"], 16), int(fields["error"], 16), int(fields["addr"], 16),
                  int(fields["layer"]), int(fields["cycles"]), wall)  # fmt: skip


def check_writable(path: Path) -> None:
    """Refuses, before long work, a file that could not be written after it.

    Raises:
        LoasError: Its folder does not exist or may not be written, or it is a folder itself.
    """
    if path.is_dir():
        raise LoasError(f"{path}: cannot be written: Is a directory")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise LoasError(f"{path}: cannot be written: folder {path.parent} does not exist or is protected")


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file as a whole or not at all.

    Raises:
        LoasError: It cannot be written.
    """
    part = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        raise LoasError(f"{path}: cannot be written: {err.strerror}") from err


LATENCY = click.IntRange(0, 65535)  # loas_sim_mem.v has 16 bits for it


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--config", "name", default="paper", show_default=True, help="Configuration the image was packed for.")
@click.option("--fast", is_flag=True, help="Two fast prefix sums instead of one fast and one laggy.")
@click.option("--latency", type=LATENCY, default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--stall", type=click.IntRange(0, 99), default=0, show_default=True, help="Percent of stalled memory cycles.")
@click.option("--seed", type=click.IntRange(0, (1 << 31) - 1), default=1, show_default=True, help="Of the stalls.")
@click.option("--timeout", type=click.IntRange(1, 1_000_000), default=3600, show_default=True,
              help="Seconds after which the simulator is killed.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the memory after the run here.")
def main(image: Path, name: str, fast: bool, latency: int, stall: int, seed: int, timeout: int, out: Path | None) -> None:
    """Run a packed IMAGE (.bin or image folder) on the machine.

    Example: python -m scripts.simulate build/pack/image.bin --config tiny --out build/after.bin

    Exit code: 0 done, 1 an error of the machine or the simulator, 2 bad input.
    """
    try:
        cfg = load(name)
        if fast:
            cfg = cfg.override(LAGGY=0)
        data = image_bytes(image)
        if not data or len(data) % cfg.line_bytes:
            raise LoasError(f"{image}: {len(data)} bytes are not legal: must be lines of {cfg.line_bytes} bytes (truncated?)")
        if out:
            check_writable(out)
    except LoasError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(2)
    try:
        program = build(cfg, len(data), say=click.echo)
        result = run(program, cfg, data, latency=latency, stall=stall, seed=seed, timeout=timeout,
                     progress=lambda layer, row, cycle: click.echo(f"layer {layer}, row {row}, cycle {cycle}"))  # fmt: skip
    except SimulationError as err:
        raise click.ClickException(str(err)) from err
    click.echo(f"{result.describe()}; {result.cycles} cycles, {result.cycles_per_second:.0f} cycles/s")
    if not result.ok:
        sys.exit(1)
    if out:
        try:
            write_whole(out, result.memory)
        except LoasError as err:
            click.echo(f"error: {err}", err=True)
            sys.exit(1)


if __name__ == "__main__":
    main()
