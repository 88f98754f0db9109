# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The command ``loas``: pack, unpack, dump and check memory images. Exit code 2 on bad input."""

from __future__ import annotations

import contextlib
import sys
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
from golden.network import check_inputs, load_network, load_spikes
from scripts.dump import dump_lines
from scripts.nir_import import read_nir
from scripts.pack import image_bytes, layer_facts, pack_folder, unpack_folder

console = Console()


class Group(click.Group):
    """Turns bad input of any command into one line on standard error and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except LoasError as err:
            click.echo(f"error: {err}", err=True)
            sys.exit(2)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Puts the file's name in front of errors about its content."""
    try:
        yield
    except LoasError as err:
        raise LoasError(f"{path}: {err}") from err


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Packs spiking networks for the LoAS machine.

    \b
    Examples:
      loas pack network.npz spikes.npz build/image --config tiny
      loas pack models/digits/digits.nir spikes.npz build/digits --reuse-buffers
      loas check build/image
      loas dump build/image --region descriptors
      loas unpack build/image/image.bin build/unpacked
    """


@main.command()
@click.argument("network", type=click.Path(path_type=Path))
@click.argument("spikes", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--config", "name", default="paper", show_default=True, help="Configuration in spec/configs.toml.")
@click.option("--sidecar", type=click.Path(path_type=Path), help="What NIR cannot say; by default NETWORK with .json.")
@click.option("--width", type=int, help="Bits of a word in .hex, .coe and .mif.  [default: AXI_W]")
@click.option("--reuse-buffers", is_flag=True, help="Write outputs over others that are read no more: a smaller image.")
@click.option("--force", is_flag=True, help="Replace an image folder that exists.")
def pack(
    network: Path, spikes: Path, folder: Path, name: str, sidecar: Path | None, width: int | None, reuse_buffers: bool, force: bool
) -> None:  # fmt: skip
    """Packs NETWORK (.npz or .nir) and SPIKES (.npz with `spikes` (M, K, T)) into FOLDER.

    \b
    Example: loas pack network.npz spikes.npz build/image --config tiny --width 32
    """
    cfg = configs.load(name)
    origin: dict[str, Any] = {"network": network.name, "spikes": spikes.name}
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"),
                  TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:  # fmt: skip
        task = bar.add_task(f"reading {network.name}", total=None)
        if network.suffix == ".nir":
            imported = read_nir(network, sidecar)
            net = imported.network
            rule = {field: imported.sidecar[field] for field in ("T", "dt", "reset", "comparison", "weight_bits")}
            origin["nir"] = rule
            console.print("NIR rule in force: " + ", ".join(f"{k} = {v}" for k, v in rule.items()))
        else:
            if sidecar:
                raise LoasError(f"--sidecar {sidecar} is not legal: {network} is no .nir file, which alone has one")
            net = load_network(network)
        inputs = load_spikes(spikes)
        check_inputs(net, inputs, f"{spikes}: spikes")
        with named(network):
            net.check(cfg)

        def progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        manifest = pack_folder(net, inputs, cfg, folder, width=width, force=force, reuse_buffers=reuse_buffers, origin=origin,
                               progress=progress)  # fmt: skip
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


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a folder that exists.")
def unpack(image: Path, folder: Path, force: bool) -> None:
    """Takes IMAGE (.bin or image folder) apart to network.npz and spikes.npz in FOLDER."""
    data = image_bytes(image)
    with named(image):
        found = read_image(data)
    unpack_folder(found, folder, force)


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--region", default="", help="Only regions whose name contains this, e.g. header, layer0.weights.")
def dump(image: Path, region: str) -> None:
    """Prints IMAGE (.bin or image folder) in 32-bit words, annotated."""
    data = image_bytes(image)
    with named(image):
        lines = dump_lines(data, region)
    for line in lines:
        click.echo(line)


@main.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--config", "name", help="Demand this configuration.")
def check(image: Path, name: str | None) -> None:
    """Verifies every field and fiber of IMAGE (.bin or image folder)."""
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
    """Lists the configurations of spec/configs.toml."""
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
