# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""``loas fpga``: a board at a serial port. Exit code 2 on bad input, 1 if board or line fail or something does not agree."""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.errors import LoasError
from golden.foreign import refuse_foreign
from host.device import HUNG, Device, demand, summary
from host.errors import BoardError, RefusedError
from host.link import BAUD
from host.open import only_port, open_bus
from scripts import board
from scripts.execute import facts, layer_table, prepare, write_json
from scripts.importer.encoder import companion_of
from scripts.importer.inputs import bring, decided
from scripts.importer.options import import_options, load
from scripts.pack import image_bytes

console = Console(width=None if sys.stdout.isatty() else 180, highlight=False, markup=False, emoji=False)
Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
HERE = click.Path(dir_okay=False, path_type=Path)
# what `run` takes
NIR, NIR_DATA, NPZ, FOLDER = "a model in NIR", "a model in NIR with --data", "a network (.npz)", "an image folder"
IMPORTED = "a network (.npz) of `loas import` with its contract"


class Number(click.ParamType[int]):
    """A number of 32 bits, not negative, in decimal or, with 0x, in hexadecimal."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Reads it."""
        try:
            number = int(value, 0) if isinstance(value, str) else int(value)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 32:
            self.fail(f"{value!r} is not legal: must be 0 to {(1 << 32) - 1}, or 0x0 to 0xffffffff", param, ctx)
        return number


class Seconds(click.FloatRange):
    """A time. Not a number lies in click's range, since no comparison with it is true, and would never be over."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads it."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not legal: must be {self.min:g} to {self.max:g} seconds", param, ctx)
        return number


NUMBER = Number()
PORT = (
    click.option("--port", help="Serial port, e.g. /dev/ttyUSB0; on a Zynq pynq:loas.bit.  [default: the only serial port]"),
    click.option("--baud", type=click.IntRange(1200, 50_000_000), default=BAUD, show_default=True, help="What the bitstream was made for."),
    click.option("--timeout", type=Seconds(0.01, 3600), default=1.0, show_default=True, help="Seconds to wait for an answer."),
    click.option("--attempts", type=click.IntRange(1, 100), default=5, show_default=True, help="How often a request is sent."),
    click.option("--board", "name", help="Demand this board, e.g. ULX3."),
    click.option("--bitstream", type=NUMBER, help="Demand the bitstream of this number, e.g. 0x12ab34cd."),
)


def port_options(command: Command) -> Command:
    """Adds the options that choose a board."""
    for option in reversed(PORT):
        command = option(command)
    return command


@contextlib.contextmanager
def opened(port: str | None, baud: int, timeout: float, attempts: int, name: str | None, bitstream: int | None, *,
           reset: bool = False) -> Iterator[Device]:  # fmt: skip
    """A board at a port, on request reset; what goes wrong with it is one line on standard error and exit code 1."""
    if port is None:
        port = only_port()
        click.echo(f"port: {port}", err=True)
    try:
        link = open_bus(port, baud, timeout=timeout, attempts=attempts)
        try:
            if reset:  # before a register is read: a bus that hangs answers nothing else
                demand(link, name, bitstream)
                link.reset()
            yield Device(link, board=name, bitstream=bitstream)
        finally:
            link.close()
    except BoardError as err:
        advice = ""
        if isinstance(err, RefusedError) and err.status == HUNG:
            rate = "" if baud == BAUD else f" --baud {baud}"
            advice = ": configure the board again" if reset else f": type `loas fpga reset --port {shlex.quote(port)}{rate}`"
        click.echo(f"error: {err}{advice}", err=True)
        sys.exit(1)


@contextlib.contextmanager
def shown() -> Iterator[board.Progress]:
    """A progress bar on a terminal, else a line for each batch of inputs."""
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(),
                  console=console, disable=not console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task("opening", total=None)

        def step(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)
            if what == "inputs" and not console.is_terminal:
                console.print(f"  {done} of {total} inputs")

        yield step


@click.group("fpga")
def fpga() -> None:
    """Runs networks on a board at a serial port, and on the simulated one of `make fpga-sim`.

    \b
    Examples:
      loas fpga info --port /dev/ttyUSB0
      loas fpga run models/digits/digits.nir --images 100 --port /dev/ttyUSB0
      loas fpga load build/digits build/other --port /dev/ttyUSB0
      loas fpga run build/other --port /dev/ttyUSB0
      loas fpga list --port /dev/ttyUSB0
    """


@fpga.command()
@click.option("--out", type=HERE, help="Write it here, as JSON.")
@port_options
def info(out: Path | None, **port: Any) -> None:
    """Prints who answers at a port, and what machine it has.

    \b
    Example: loas fpga info --port /dev/ttyUSB0
    """
    if out:
        prepare(out)
    with opened(**port) as device:
        who, status = device.identity, device.register("STATUS")
        state = ", ".join(word for bit, word in ((1, "busy"), (2, "done"), (4, "error"), (8, "draining")) if status & bit) or "at rest"
        value = {**summary(device), "status": status, "layer": device.register("LAYER"), "counters": device.counters()}
        table = Table(title=f"board {who.board} at {device.bus.name}", show_header=False)
        for key, text in (
            ("bitstream", f"0x{who.bitstream:08x}"), ("clock", f"{who.clock_hz / 1e6:g} MHz"),
            ("serial line", f"{who.baud / 1e6:g} Mbaud, {who.buffer_words} words a request, {who.dropped} damaged requests so far"),
            ("image memory", f"{who.mem_bytes} bytes"), ("configuration", device.config.name),
            ("machine", f"{device.config.NUM_TPPES} TPPEs, T = {device.config.T}, {'LAGGY' if device.config.LAGGY else 'FAST'}"),
            ("status", state),
        ):  # fmt: skip
            table.add_row(key, text)
        console.print(table)
    if out:
        write_json(out, value)


@fpga.command("load")
@click.argument("images", type=PATH, nargs=-1, required=True)
@click.option("--base", type=NUMBER, help="Offset in image memory of the first one; what lies there is replaced.  [default: first room]")
@port_options
def load_command(images: tuple[Path, ...], base: int | None, **port: Any) -> None:
    """Brings IMAGES (.bin or image folders) into the board's memory, beside those that are there, and verifies them.

    \b
    Example: loas fpga load build/digits build/other --port /dev/ttyUSB0
    """
    data = [image_bytes(path) for path in images]
    with opened(**port) as device, shown() as step:
        for path, image in zip(images, data, strict=True):
            begin = time.monotonic()
            resident = device.load(image, name=str(path), base=base, progress=step)
            took = time.monotonic() - begin
            console.print(f"{path}: {len(image)} bytes at 0x{resident.base:x}, verified, {took:.2f} s", markup=False)
            base = None if base is None else resident.end


@fpga.command("list")
@click.option("--out", type=HERE, help="Write it here, as JSON.")
@port_options
def list_command(out: Path | None, **port: Any) -> None:
    """Lists the images in the board's memory.

    \b
    Example: loas fpga list --port /dev/ttyUSB0
    """
    if out:
        prepare(out)
    with opened(**port) as device:
        there = device.residents()
        table = Table(title=f"images on {device.identity.board} at {device.bus.name}: {device.identity.mem_bytes} bytes of image memory")
        for column in ("base", "bytes", "key", "layers", "rows", "configuration"):
            table.add_column(column, justify="right")
        for one in there:
            same = one.config == device.config.image_words
            table.add_row(f"0x{one.base:x}", str(one.size), f"{one.key:08x}", str(one.layers), str(one.rows),
                          device.config.name if same else "another")  # fmt: skip
        console.print(table)
    if out:
        write_json(out, {"images": [{"base": one.base, "bytes": one.size, "key": f"{one.key:08x}", "layers": one.layers, "rows": one.rows}
                                    for one in there]})  # fmt: skip


@fpga.command()
@click.argument("base", type=NUMBER)
@port_options
def unload(base: int, **port: Any) -> None:
    """Gives back the memory of the image at BASE.

    \b
    Example: loas fpga unload 0x4000 --port /dev/ttyUSB0
    """
    with opened(**port) as device:
        device.unload(base)


@fpga.command()
@port_options
def reset(**port: Any) -> None:
    """Ends a run and resets the machine, also if its bus hangs; images stay.

    \b
    Example: loas fpga reset --port /dev/ttyUSB0
    """
    with opened(**port, reset=True) as device:
        device.soft_reset()
        console.print(f"board {device.identity.board} at {device.bus.name}: at rest")


def refuse_unused(target: Path, imports: Iterable[str]) -> None:
    """Refuses options that were given and mean nothing for this kind of target.

    Args:
        target: Of the run.
        imports: Names of the options of an import.

    Raises:
        LoasError: Names the option and the kinds of target that it is for.
    """
    ctx = click.get_current_context()
    uses: dict[str, tuple[str, ...]] = dict.fromkeys(imports, (NIR,))
    uses |= dict.fromkeys(("data_array", "labels", "labels_array"), (NIR_DATA, IMPORTED))
    uses |= dict.fromkeys(("data", "images", "batch"), (NIR, NPZ))
    own = [NPZ, IMPORTED] if companion_of(target).exists() else [NPZ]
    kinds = [FOLDER] if target.is_dir() else own if target.suffix != ".nir" else [NIR, NIR_DATA] if ctx.params["data"] else [NIR]
    for option in ctx.command.params:
        name = option.name or ""
        if name in uses and not {*kinds} & {*uses[name]} and ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            value = ctx.params[name]
            text = ", ".join(value) if isinstance(value, tuple) else value
            takers = [use for use in uses[name] if use in (NIR, NIR_DATA) or target.suffix != ".nir"]
            raise LoasError(f"{option.opts[0]} {text} is not legal: {target} is {kinds[-1]}: only {' and '.join(takers)} takes it")


@fpga.command("run")
@click.argument("target", type=PATH)
@click.option("--data", type=PATH, help="IDX, .npz, image or folder, as for `loas run`.  [default of digits.nir: held-out digits]")
@click.option("--data-array", help="Array of the .npz, e.g. x_test.")
@click.option("--labels", type=PATH, help="IDX or .npz.")
@click.option("--labels-array", help="Array of the .npz, e.g. y_test.")
@click.option("--images", type=click.IntRange(min=1), help="Only the first images.  [default: all]")
@click.option("--batch", type=click.IntRange(min=1), help="Inputs packed into one image.  [default: what fits the board]")
@click.option("--compare", "how", type=click.Choice(["all", "last"]), default="all", show_default=True,
              help="Outputs to read and compare: of all layers, or of the last one.")  # fmt: skip
@click.option("--seconds", type=Seconds(0.01, 86400), default=600.0, show_default=True, help="Longest run of an image.")
@click.option("--base", type=NUMBER, help="Offset in image memory.  [default: first room]")
@click.option("--keep", is_flag=True, help="Leave the image in memory.")
@click.option("--out", type=HERE, help="Write the figures here, as JSON.")
@port_options
@import_options
def run_command(target: Path, how: str, batch: int | None, seconds: float, base: int | None, keep: bool, out: Path | None,
                **given: Any) -> None:  # fmt: skip
    """Runs TARGET on a board and compares it with the golden model: a model (.nir or .npz), or an image folder of `loas pack`.

    Models are packed for the machine that the board has, in batches that fit its memory. An image folder has its inputs in it: it takes
    no --data, --images or --batch. Labels are for a .nir with --data, or the .npz of `loas import` with its contract beside it; options of
    the import for a .nir; elsewhere they are refused.

    \b
    Examples:
      loas fpga run models/digits/digits.nir --images 100 --port /dev/ttyUSB0
      loas fpga run network.npz --data spikes.npz --port /dev/ttyUSB0 --compare last
      loas fpga run build/image --port /dev/ttyUSB0

    Exit code: 0 all equal, 1 a mismatch, an error of the machine, the board or the line, 2 bad input.
    """
    begin = time.perf_counter()
    if out:
        prepare(out)
    data = {key: given.pop(key) for key in ("data", "data_array", "labels", "labels_array", "images")}
    port = {key: given.pop(key) for key in ("port", "baud", "timeout", "attempts", "name", "bitstream")}
    refuse_foreign(target)
    refuse_unused(target, given)
    with opened(**port) as device:
        labels, decides = None, target.suffix == ".nir" and not target.is_dir()
        if target.is_dir():
            image = image_bytes(target)
            device.check_image(image, str(target))
            work = board.from_folder(target, device.config)
        elif target.suffix == ".nir" and data["data"] is None:
            from scripts.demo import digits

            imported = load(target, console, config=None, **given)
            if "split" not in imported.sidecar:
                raise LoasError(f"--data is missing: the sidecar of {target} names no held-out images")
            x, labels = digits(imported, data["images"] or 20)
            spikes = imported.encode(x)
            work = board.Work(imported.network, spikes, len(spikes) // len(x))
        elif data["data"] is None:
            raise LoasError(f"--data is missing: {target} is no image folder, which alone has its inputs in it")
        else:
            found = bring(target, data, given, None, console)
            work, labels = board.Work(found.network, found.spikes, found.rows), found.labels
            decides = found.contract is not None
        with shown() as step:
            outcome = board.run(device, work, how=how, batch=batch, seconds=seconds, keep=keep, base=base, progress=step)
        job, report = outcome.job, outcome.job.report
        assert report is not None
        console.print(layer_table(work.network, report, device.config))
        more = board.facts_of(device, outcome, work.inputs)
        figures = {**facts(work.network, job, device.config, 0, begin), **more, "compare": how, "simulator": None, "memory_latency": None}
    console.print(
        f"{report.compared} spikes and values compared, {report.mismatches} mismatches; {job.result.cycles} cycles, "
        f"{more['cycles_per_input']} an input: {more['inputs_per_second']} inputs a second at {more['clock_hz'] / 1e6:g} MHz\n"
        f"{outcome.batches} images loaded in {outcome.load_seconds:.1f} s, run in {job.result.wall_seconds:.1f} s, read in "
        f"{outcome.read_seconds:.1f} s; {more['retries']} repeated requests", markup=False,
    )  # fmt: skip
    if decides or work.network.layers[-1].readout:
        verdict(decided(report.outputs[-1], work.inputs), labels, figures)
    if out:
        write_json(out, figures)
    if report.mismatches:
        for text in report.first:
            console.print("mismatch: " + text, markup=False)
        sys.exit(1)


def verdict(chosen: Any, labels: Any, figures: dict[str, Any]) -> None:
    """Prints the decisions, or how many are right. One of -1 is none: all outputs are equal."""
    figures["decisions"] = chosen.tolist()
    if (chosen < 0).any():
        console.print(f"no decision for {int((chosen < 0).sum())} of {len(chosen)} inputs: all outputs are equal", markup=False)
    if labels is None:
        shown_ones = ", ".join("none" if one < 0 else str(one) for one in chosen[:20]) + (", ..." if len(chosen) > 20 else "")
        console.print(f"decisions: {shown_ones}", markup=False)
        return
    right = int((chosen == labels).sum())
    figures |= {"images": len(chosen), "correct": right, "accuracy": right / len(chosen)}
    console.print(f"{right} of {len(chosen)} right, accuracy {right / len(chosen):.2%}", markup=False)
