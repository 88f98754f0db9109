# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Image folders: ``.bin``, ``.hex``, ``.coe``, ``.mif``, manifest and golden output, written all or nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import Config
from golden.errors import LoasError
from golden.image import MAX_BYTES, VERSION, Image, LayerLayout, Layout, read_image, write_image
from golden.layer import layer_fast, sources, work
from golden.network import Network


def word_lines(data: bytes, width: int) -> list[str]:
    """The image as words of hexadecimal digits, most significant digit first, the last word zero padded.

    Args:
        data: The image.
        width: Bits of a word: a power of two, 8 to 1024.

    Raises:
        LoasError: The width is not legal.
    """
    if width & (width - 1) or not 8 <= width <= 1024:
        raise LoasError(f"word width = {width} is not legal: must be a power of two, 8 to 1024")
    size = width // 8
    padded = np.zeros(-(-len(data) // size) * size, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    text = padded.reshape(-1, size)[:, ::-1].tobytes().hex()
    return [text[i : i + 2 * size] for i in range(0, len(text), 2 * size)]


def hex_text(lines: list[str]) -> str:
    """For ``$readmemh``: one word a line."""
    return "\n".join(lines) + "\n"


def coe_text(lines: list[str]) -> str:
    """Xilinx memory initialisation."""
    return "memory_initialization_radix=16;\nmemory_initialization_vector=\n" + ",\n".join(lines) + ";\n"


def mif_text(lines: list[str], width: int) -> str:
    """Altera memory initialisation."""
    head = f"DEPTH = {len(lines)};\nWIDTH = {width};\nADDRESS_RADIX = HEX;\nDATA_RADIX = HEX;\nCONTENT\nBEGIN\n"
    return head + "".join(f"{i:x} : {line};\n" for i, line in enumerate(lines)) + "END;\n"


def publish(folder: Path, fill: Callable[[Path], None], force: bool = False) -> None:
    """Makes a folder in one step: filled elsewhere, then renamed, so that no partial output is ever seen.

    Raises:
        LoasError: The folder exists and ``force`` is not set, or it cannot be written.
    """
    try:
        there = os.path.lexists(folder)
        if there and not force:
            raise LoasError(f"{folder}: exists already: remove it or use --force")
        if there and (folder.is_symlink() or not folder.is_dir()):
            raise LoasError(f"{folder}: is no folder: will not be replaced")
        if there and not (folder / "manifest.json").is_file() and any(folder.iterdir()):
            raise LoasError(f"{folder}: is no image folder (has no manifest.json): will not be replaced")
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".loas-", dir=folder.parent))
        try:
            new, old = temporary / "new", temporary / "old"
            new.mkdir()
            fill(new)
            if there:
                folder.rename(old)
            new.rename(folder)
        except BaseException:
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as err:
        raise LoasError(f"{folder}: cannot be written: {err.strerror or err}") from err


def layer_facts(lay: LayerLayout, layout: Layout) -> dict[str, Any]:
    """What the manifest says of a layer from its place in an image alone."""
    nonzero = sum(block[3] for block in lay.blocks)
    size = lay.weight_bytes(layout.cfg)
    return {
        "m": lay.m, "k": lay.k, "n": lay.n, "leak": lay.leak, "soft": lay.soft, "late": lay.late, "readout": lay.readout,
        "drop_once": lay.drop_once, "block_cols": lay.block_cols, "tile_rows": lay.tile_rows, "sources": lay.sources,
        "conv": dataclasses.asdict(lay.conv) if lay.conv else None, "pool": list(lay.pool) if lay.pool else None,
        "branch": dataclasses.asdict(lay.branch) if lay.branch else None,
        "state_bytes": lay.state_bytes(layout.cfg) if lay.carries else 0,
        "weight_code": "index" if lay.index else "bitmask", "weight_bytes": size,
        "bytes_per_nonzero": round(size / nonzero, 3) if nonzero else None,
    }  # fmt: skip


def pack_folder(
    network: Network,
    spikes: npt.NDArray[np.integer],
    cfg: Config,
    folder: Path,
    *,
    width: int | None = None,
    force: bool = False,
    reuse_buffers: bool = False,
    origin: dict[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Packs a network and its input to a folder, with the golden output beside it.

    Args:
        network: The network.
        spikes: (M, K, T) input spikes.
        cfg: The machine.
        folder: Where to; is made.
        width: Bits of a word in the text files, by default AXI_W.
        force: Replace an image folder that exists.
        reuse_buffers: Write outputs over others that nobody reads any more: a smaller image, whose outputs in between are lost.
        origin: Added to the manifest as ``origin``: where the network comes from, rules in force.
        progress: Called with what is being done, steps done, and all steps: a layer is packed, read back, and computed.

    Returns:
        The manifest.

    Raises:
        LoasError: Anything that cannot be packed; nothing is written then.
    """
    width = cfg.AXI_W if width is None else width
    names = [layer.name for layer in network.layers]
    steps = [*(f"packing {n}" for n in names), *(f"reading back {n}" for n in names), *(f"golden output of {n}" for n in names)]
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(steps[min(done, len(steps) - 1)], done, len(steps))

    if progress:
        progress(steps[0], 0, len(steps))
    data = write_image(network, spikes, cfg, keep=not reuse_buffers, layer_done=step)
    back = read_image(data, cfg, layer_done=step)
    if not back.network.same(network) or not np.array_equal(back.spikes, spikes):
        raise LoasError(f"{network.name}: the image does not read back as what was packed: a bug in the packer")
    lines = word_lines(data, width)
    layers: list[dict[str, Any]] = []
    outputs: list[npt.NDArray[np.integer]] = []
    for i, (layer, lay) in enumerate(zip(network.layers, back.layout.network, strict=True)):
        reads = [spikes if source < 0 else outputs[source] for source in sources(layer, i)]
        w = work(reads[0], layer.weights, cfg, layer.conv, (reads[1], layer.branch.conv) if layer.branch else None)
        layers.append({"name": layer.name, **layer_facts(lay, back.layout), "nonzero_weights": int(np.count_nonzero(layer.weights)),
                       "matches": w.matches, "corrections": w.corrections, "floor_cycles": w.floor})  # fmt: skip
        outputs.append(layer_fast(reads[0], layer, reads[1] if layer.branch else None, cfg.T))
        step()
    manifest: dict[str, Any] = {
        "format": "loas-image-folder", "version": 1, "image_version": VERSION, "network": network.name,
        "config": cfg.name, "parameters": cfg.verilog_parameters(), "bytes": len(data),
        "steps": network.T, "chunks": back.layout.chunks, "buffers": "reused" if reuse_buffers else "kept",
        "sha256": hashlib.sha256(data).hexdigest(), "word_bits": width, "words": len(lines), "layers": layers,
        "regions": [{"name": r.name, "start": r.start, "end": r.end} for r in back.layout.regions],
        "origin": origin or {},
    }  # fmt: skip

    def fill(at: Path) -> None:
        (at / "image.bin").write_bytes(data)
        (at / "image.hex").write_text(hex_text(lines), encoding="ascii")
        (at / "image.coe").write_text(coe_text(lines), encoding="ascii")
        (at / "image.mif").write_text(mif_text(lines, width), encoding="ascii")
        (at / "golden").mkdir()
        with (at / "golden" / "outputs.npz").open("wb") as stream:
            arrays: dict[str, Any] = {f"layer{i}": out for i, out in enumerate(outputs)}
            np.savez_compressed(stream, input=spikes, **arrays)
        (at / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")

    publish(folder, fill, force)
    return manifest


def unpack_folder(image: Image, folder: Path, force: bool = False) -> None:
    """Writes ``network.npz``, ``spikes.npz`` and a manifest of an image.

    Raises:
        LoasError: The folder exists and ``force`` is not set, or it cannot be written.
    """

    def fill(at: Path) -> None:
        image.network.save(at / "network.npz")
        with (at / "spikes.npz").open("wb") as stream:
            np.savez_compressed(stream, spikes=image.spikes)
        text = json.dumps({"format": "loas-unpacked", "version": 1, "config": image.cfg.name}, indent=1)
        (at / "manifest.json").write_text(text + "\n", encoding="utf-8")

    publish(folder, fill, force)


def image_bytes(path: Path) -> bytes:
    """The image of a ``.bin`` file or of an image folder.

    Raises:
        LoasError: It cannot be read, or is too large for an image.
    """
    file = path
    try:
        if path.is_dir():
            file = path / "image.bin"
        about = file.stat()
        if stat.S_ISCHR(about.st_mode) or stat.S_ISBLK(about.st_mode):
            raise LoasError(f"{file}: cannot be read: is a device")  # may be endless
        if about.st_size >= MAX_BYTES:
            raise LoasError(f"{file}: {about.st_size} bytes are not legal: an image has less than {MAX_BYTES}")
        return file.read_bytes()
    except OSError as err:
        raise LoasError(f"{file}: cannot be read: {err.strerror}") from err
