# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The command ``loas``: import, pack, run, compare and inspect networks. Exit code 2 on bad input, 1 if something does not agree."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden import config as configs
from golden.errors import LoasError
from golden.image import read_image
from scripts.board_cli import fpga, verdict
from scripts.dump import dump_lines
from scripts.execute import Outputs, execute_batches, facts, layer_table, prepare, write_json
from scripts.importer.activity import REFERENCE, Rates
from scripts.importer.diff import survey
from scripts.importer.encoder import companion_of, host_of
from scripts.importer.expect import Expectation
from scripts.importer.inputs import bring, decided
from scripts.importer.network import Imported, write_network
from scripts.importer.options import EXPECT, data_options, expectation, import_options, labelled, load, sample_options
from scripts.importer.prune import zero_fraction
from scripts.pack import image_bytes, layer_facts, pack_folder, unpack_folder
from scripts.simulate import LATENCY, SimulationError
from scripts.spike_files import check_target, write_spikes

console = Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False)  # names of nodes are no markup


class Group(click.Group):
    """Turns bad input of any command into one line on standard error and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except LoasError as err:
            click.echo(f"error: {err}", err=True)
            sys.exit(2)
        except ModuleNotFoundError as err:
            if (err.name or "golden").split(".")[0] in ("golden", "host", "scripts"):
                raise
            click.echo(f"error: package {err.name} is not installed, which this command needs: type `make setup`; a board's own "
                       "processor runs image folders that were packed elsewhere", err=True)  # fmt: skip
            sys.exit(2)


class Later(click.Command):
    """A command whose module is imported when it is called, for it needs packages that the others do without."""

    def __init__(self, name: str, where: str, summary: str) -> None:
        """Takes its name, ``module:object`` and the line about it in the list of commands."""
        super().__init__(name, help=summary)
        self._where = where

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """Hands over to the command itself."""
        module, _, name = self._where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command.make_context(info_name, args, parent, **extra)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the file's name in front of errors about its content."""
    try:
        yield
    except LoasError as err:
        raise LoasError(f"{path}: {err}") from err


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Brings trained spiking networks to the LoAS machine.

    \b
    Examples:
      loas contract model.nir --dialect snntorch --T 25 --encoding spikes
      loas import model.nir -o network.npz --dialect snntorch --T 25 --encoding spikes
      loas encode network.npz --data digits.npz -o build/spikes.npz
      loas run models/digits/digits.nir --data digits.npz --config tiny
      loas pack network.npz spikes.npz build/image --config tiny
      loas pack models/digits/digits.nir spikes.npz build/digits --reuse-buffers
      loas check build/image
      loas dump build/image --region descriptors
      loas unpack build/image/image.bin build/unpacked
      loas sweep --network vgg16 --set NUM_TPPES=4,16,64
      loas fpga run models/digits/digits.nir --port /dev/ttyUSB0
    """


main.add_command(Later("sweep", "scripts.evaluate.sweep:sweep_command", "Models of LoAS and its rivals over networks and parameters."))
main.add_command(fpga)


@main.command("contract")
@click.argument("model", type=click.Path(path_type=Path))
@import_options
def contract_command(model: Path, **given: Any) -> None:
    """Prints the rules that MODEL (.nir) would be imported by, and the layers that it becomes.

    \b
    Example: loas contract model.nir --dialect spikingjelly --T 8 --encoding spikes
    """
    load(model, console, **given)


@main.command("import")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Network (.npz); .contract.json goes beside it.")
@click.option("--config", "name", default="paper", show_default=True, help="Machine that the network must fit.")
@click.option("--dry-run", is_flag=True, help="Write nothing.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@import_options
def import_command(model: Path, out: Path, name: str, dry_run: bool, force: bool, **given: Any) -> None:
    """Turns MODEL (.nir) into an integer network, and writes it with its contract beside it.

    \b
    Example: loas import model.nir -o build/network.npz --dialect snntorch --T 25 --encoding spikes
    """
    if out.suffix != ".npz":
        raise LoasError(f"--out {out} is not legal: must end with .npz")
    for path in (out, host_of(out), companion_of(out)):
        if path.exists() and not (force or dry_run):
            raise LoasError(f"{path}: exists already: remove it or use --force")
    imported = load(model, console, config=name, **given)
    with named(model):
        imported.network.check(configs.load(name))
    if not dry_run:
        written = write_network(imported, out)
        console.print(f"written: {', '.join(map(str, written[:-1]))} and {written[-1]}", markup=False, highlight=False)


@main.command()
@click.argument("network", type=click.Path(path_type=Path))
@click.argument("spikes", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--config", "name", default="paper", show_default=True, help="Configuration in spec/configs.toml.")
@click.option("--data-array", help="Array of SPIKES, if it is data that the host encodes.")
@click.option("--width", type=int, help="Bits of a word in .hex, .coe and .mif.  [default: AXI_W]")
@click.option("--reuse-buffers", is_flag=True, help="Write outputs over others that are read no more: a smaller image.")
@click.option("--force", is_flag=True, help="Replace an image folder that exists.")
@import_options
def pack(network: Path, spikes: Path, folder: Path, name: str, data_array: str | None, width: int | None, reuse_buffers: bool,
         force: bool, **given: Any) -> None:  # fmt: skip
    """Packs NETWORK (.npz or .nir) and SPIKES into FOLDER.

    SPIKES is any data for a .nir, and for the .npz of `loas import` with its contract beside it, which then encodes them; or the
    machine's input, .npz with `spikes` (M, K, T), as `loas encode` writes it.

    \b
    Examples:
      loas pack network.npz spikes.npz build/image --config tiny --width 32
      loas pack model.nir t10k-images-idx3-ubyte.gz build/image --dialect norse --T 8 --encoding direct
    """
    cfg = configs.load(name)
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"),
                  TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task(f"reading {network.name}", total=None)
        found = bring(network, {"data": spikes, "data_array": data_array}, given, name, console)
        origin = {"network": network.name, "spikes": spikes.name, **found.origin}
        with named(network):
            found.network.check(cfg)

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        manifest = pack_folder(found.network, found.spikes, cfg, folder, width=width, force=force, reuse_buffers=reuse_buffers,
                               origin=origin, progress=progress)  # fmt: skip
    steps = f"{manifest['steps']} timesteps" + (f" in {manifest['chunks']} chunks" if manifest["chunks"] > 1 else "")
    table = Table(title=f"{folder}: {manifest['bytes']} bytes for configuration {cfg.name}, {steps}")
    columns = {"M": "m", "K": "k", "N": "n", "nonzero": "nonzero_weights", "code": "weight_code", "bytes / nonzero": "bytes_per_nonzero",
               "matches": "matches", "floor cycles": "floor_cycles"}  # fmt: skip
    table.add_column("layer")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("besides")
    for lay in manifest["layers"]:
        table.add_row(lay["name"], *("" if lay[field] is None else str(lay[field]) for field in columns.values()), besides(lay))
    console.print(table)


def besides(facts: dict[str, Any]) -> str:
    """Pooling and operands of a layer as a few words, from its entry in the manifest."""
    words = []
    if facts["pool"]:
        words.append("pool " + "x".join(str(v) for v in facts["pool"]))
    if facts["branch"]:
        first, second = ("input" if source < 0 else f"layer {source}" for source in facts["sources"])
        words.append(f"reads {first}, branch {second}")
    return ", ".join(words)


@main.command("encode")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Spikes: .npz, or plain .bin or .hex.")
@click.option("--config", "name", default="paper", show_default=True, help="Machine that the network must fit.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@sample_options
@import_options
def encode_command(model: Path, out: Path, name: str, force: bool, **given: Any) -> None:
    """Writes the input spikes that `loas run` and `loas pack` give the machine for data: the host's part of MODEL (.nir or .npz).

    `loas pack` and `loas run` take the .npz. The .bin and .hex hold the same for other hosts: docs/image-format.md.

    \b
    Examples:
      loas encode model.nir --data x.npy -o build/spikes.npz --dialect snntorch --T 25 --encoding direct --pixel-scale 255
      loas encode network.npz --data t10k-images-idx3-ubyte.gz --images 10 -o build/spikes.bin
    """
    check_target(out, force)
    data = {key: given.pop(key) for key in ("data", "data_array", "images")}
    found = bring(model, data, given, name, console)
    write_spikes(out, found.spikes, force)
    m, k, t = found.spikes.shape
    console.print(f"written: {out}: {m // found.rows} inputs of {found.rows} rows, spikes ({m}, {k}, {t}), {found.spikes.mean():.2%} "
                  "of them 1", markup=False, highlight=False)  # fmt: skip


@main.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--config", "name", default="paper", show_default=True, help="Configuration in spec/configs.toml.")
@click.option("--laggy/--fast", default=None, help="Speculation with a laggy prefix sum, or two fast prefix sums.")
@click.option("--latency", type=LATENCY, default=20, show_default=True, help="Memory latency in cycles.")
@click.option("--batch", type=click.IntRange(min=1), help="Inputs packed into one image.  [default: what makes 16 MB]")
@click.option("--jobs", type=click.IntRange(1, 256), default=2, show_default=True, help="Simulations at a time, of several batches.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, as JSON.")
@EXPECT
@data_options
@import_options
def run_command(
    model: Path, name: str, laggy: bool | None, latency: int, batch: int | None, jobs: int, out: Path | None, expect: Path | None,
    **given: Any,
) -> None:  # fmt: skip
    """Runs data through MODEL (.nir or .npz) on the machine's RTL and compares every spike with the golden model.

    Prints how much every layer fires; for .nir also in the float reference, and against what a toolkit recorded (--expect).

    \b
    Examples:
      loas run model.nir --data mnist.npz --data-array x_test --labels-array y_test --images 20 --dialect snntorch --T 25 \\
        --encoding direct
      loas run network.npz --data spikes.npz --config tiny
      loas run network.npz --data mnist.npz --data-array x_test      (with what loas import wrote beside it)

    Exit code: 0 all equal, 1 a mismatch, an error of the machine, or a float reference that differs from --expect, 2 bad input.
    """
    begin = time.perf_counter()
    cfg = configs.load(name)
    if laggy is not None:
        cfg = cfg.override(LAGGY=int(laggy))
    if out:
        prepare(out)
    rates = Rates()
    data = {key: given.pop(key) for key in ("data", "data_array", "labels", "labels_array", "images")}
    model_in = bring(model, data, given, name, console)
    network, rows, imported, x = model_in.network, model_in.rows, model_in.imported, model_in.x
    if expect and (imported is None or x is None):
        what = f"{model} is no .nir file" if imported is None else f"{data['data']} is the machine's input"
        raise LoasError(f"--expect {expect} is not legal: {what}: only a .nir file with data in the shape of its graph takes it")
    expected = expectation(imported, expect, data, len(x)) if imported and x is not None else None
    found = survey(imported, x, watch=expected.hold if expected else None)[0] if imported and x is not None else None
    first_rows = network.rows(rows)[0]  # of an input, behind the first layer

    def watch(first: int, rtl: Outputs, golden: Outputs) -> None:
        images = len(golden[0]) // first_rows
        host = [model_in.spikes[rows * first : rows * (first + images)]] if imported and imported.host else []
        names = [layer.name for layer in [*(imported.host if imported else []), *network.layers]]
        for computation, outputs in (("RTL", rtl), ("golden", golden)):
            for place, out in zip(enumerate(names), [*host, *outputs], strict=False):
                rates.count(place, computation, out, images)
        if expected and len(rtl) == len(golden):
            expected.machine("RTL", first, [*host, *rtl])

    try:
        job = execute_batches(network, model_in.spikes, rows, cfg, latency, console, batch, jobs, watch)
    except SimulationError as err:
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    if job.report is None:
        console.print(f"machine: {job.result.describe()}", markup=False)
        sys.exit(1)
    report = job.report
    console.print(layer_table(network, report, cfg))
    figures = {**facts(network, job, cfg, latency, begin), "contract": model_in.contract}
    console.print(f"{report.compared} spikes and values compared, {report.mismatches} mismatches; {job.result.cycles} cycles", markup=False)
    if found:
        figures["reference"] = {key: found.facts()[key] for key in ("agreement", "decided", "different_spikes")}
        console.print(f"integers and float reference: {found.spike_fraction:.3%} of the spikes differ; {found.verdict}", markup=False)
        for place, activities in found.rates.layers.items():
            rates.add(place, REFERENCE, activities[REFERENCE])
    inputs = len(model_in.spikes) // rows
    _rates(rates, imported, inputs, figures)
    agrees = _expected(expected, figures)
    if model_in.contract:
        verdict(decided(report.outputs[-1], inputs), model_in.labels, figures)
    if out:
        write_json(out, figures)
    for text in report.first if report.mismatches else []:
        console.print("mismatch: " + text, markup=False)
    if report.mismatches or not agrees:
        sys.exit(1)


def _rates(rates: Rates, imported: Imported | None, inputs: int, figures: dict[str, Any]) -> None:
    """Prints how much every layer fires, and warns of those that hardly fire or hardly rest."""
    figures["activity"], figures["warnings"] = rates.facts(), rates.warnings(imported.contract if imported else None, inputs)
    if rates.layers:
        console.print(rates.table())
    for text in figures["warnings"]:
        console.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)


def _expected(expected: Expectation | None, figures: dict[str, Any]) -> bool:
    """Prints where the network parts from a recording; False if the float reference does."""
    if expected is None:
        return True
    figures["expect"] = expected.facts()
    console.print(expected.table())
    for text in expected.lines():
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return expected.agrees


@main.command("diff")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, as JSON.")
@EXPECT
@data_options
@import_options
def diff_command(model: Path, out: Path | None, expect: Path | None, **given: Any) -> None:
    """Says where MODEL's integers first differ from NIR's equations in float64, and how often. Needs no simulator.

    Prints how much every layer fires in both, and where both part from what a toolkit recorded (--expect): a wrong contract is wrong
    in both, and only a recording tells.

    \b
    Examples:
      loas diff model.nir --data x.npz --images 100 --dialect snntorch --T 25 --encoding spikes --bits 4
      loas diff model.nir --data x.npz --expect recorded.npz --dialect norse --T 8 --encoding spikes

    Exit code: 0, 1 if the float reference differs from --expect, 2 bad input.
    """
    data = {key: given.pop(key) for key in ("data", "data_array", "labels", "labels_array", "images")}
    if out:
        prepare(out)
    imported = load(model, console, **given)
    x, labels = labelled(imported, data)
    expected = expectation(imported, expect, data, len(x))
    found, chosen = survey(imported, x, watch=expected.hold if expected else None)
    console.print(found.table())
    first = found.first
    where = "nowhere" if first is None else f"in layer {first.name}"
    if first is not None and first.first is not None:
        row, n, t = first.first
        where += f", row {row}, neuron {n}, timestep {t}, where the reference is {first.margin:+.3g} from its threshold"
    console.print(f"first difference: {where}; {found.spike_fraction:.3%} of the spikes differ; {found.verdict}", markup=False)
    figures: dict[str, Any] = {**found.facts(), "contract": imported.facts()}
    _rates(found.rates, imported, len(x), figures)
    agrees = _expected(expected, figures)
    if labels is not None:
        verdict(chosen, labels, figures)
    if out:
        write_json(out, figures)
    if not agrees:
        sys.exit(1)


@main.command("prune")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "targets", type=float, multiple=True, help="Fraction of zero weights; repeatable.  [default: 0 .5 .7 .8 .9 .95]")
@data_options
@import_options
def prune_command(model: Path, targets: tuple[float, ...], **given: Any) -> None:
    """Shows what magnitude pruning of MODEL to several targets costs; `loas import --prune` then takes one.

    \b
    Example: loas prune model.nir --data mnist.npz --data-array x_test --labels-array y_test --images 500 \\
               --dialect norse --T 8 --encoding direct --target 0.8 --target 0.95
    """
    data = {key: given.pop(key) for key in ("data", "data_array", "labels", "labels_array", "images")}
    if given["prune"] is not None:
        raise LoasError("--prune is not legal here: give --target")
    table = Table(title=f"{model.name}: pruned without training")
    for column in ("target", "zero weights", "decisions as float", "spikes that differ", "right"):
        table.add_column(column, justify="right")
    x, labels = None, None
    for target in targets or (0.0, 0.5, 0.7, 0.8, 0.9, 0.95):
        imported = load(model, None, pruned_by="--target", **{**given, "prune": target})
        if x is None:
            x, labels = labelled(imported, data)
        found, chosen = survey(imported, x)
        right = "" if labels is None else f"{(chosen == labels).mean():.2%}"
        table.add_row(f"{target:g}", f"{zero_fraction(imported):.2%}", found.agreed, f"{found.spike_fraction:.2%}", right)
    console.print(table)


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a folder that exists.")
def unpack(image: Path, folder: Path, force: bool) -> None:
    """Takes IMAGE (.bin or image folder) apart to network.npz and spikes.npz in FOLDER.

    \b
    Example: loas unpack build/image build/unpacked
    """
    data = image_bytes(image)
    with named(image):
        found = read_image(data)
    unpack_folder(found, folder, force)


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--region", default="", help="Only regions whose name contains this, e.g. header, layer0.weights.")
def dump(image: Path, region: str) -> None:
    """Prints IMAGE (.bin or image folder) in 32-bit words, annotated.

    \b
    Example: loas dump build/image --region layer0.weights
    """
    data = image_bytes(image)
    with named(image):
        lines = dump_lines(data, region)
    for line in lines:
        click.echo(line)


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--config", "name", help="Demand this configuration.")
def check(image: Path, name: str | None) -> None:
    """Verifies every field and fiber of IMAGE (.bin or image folder).

    \b
    Example: loas check build/image --config tiny
    """
    cfg = None if name is None else configs.load(name)
    data = image_bytes(image)
    with named(image):
        found = read_image(data, cfg)
    layout = found.layout
    layers = " ".join(f"{lay.k}x{lay.n}" for lay in layout.network)
    click.echo(f"{image}: good: {len(data)} bytes, configuration {found.cfg.name}, {found.spikes.shape[0]} rows, layers {layers}")
    click.echo(f"{layout.steps} timesteps in {layout.chunks} chunk{'s' * (layout.chunks > 1)}, {len(layout.layers)} descriptors")
    for i, lay in enumerate(layout.network):
        facts = layer_facts(lay, layout)
        each = f", {facts['bytes_per_nonzero']} bytes a nonzero weight" if facts["bytes_per_nonzero"] else ""
        more = f"; {besides(facts)}" if besides(facts) else ""
        click.echo(f"layer {i}: {lay.m} rows, {facts['weight_code']}, {facts['weight_bytes']} bytes of weights{each}{more}")


@main.command("configs")
def configs_command() -> None:
    """Lists the configurations of spec/configs.toml.

    \b
    Example: loas configs
    """
    every = configs.load_all()
    table = Table(title="spec/configs.toml")
    table.add_column("parameter")
    for name in every:
        table.add_column(name, justify="right")
    for parameter in configs.PARAMETERS:
        table.add_row(parameter, *(str(getattr(cfg, parameter)) for cfg in every.values()))
    console.print(table)


if __name__ == "__main__":
    main()
