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
from golden.image import MAX_BYTES, VERSION, Image, parse_layout, read_image, write_image
from golden.layer import layer_fast, work
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


def pack_folder(
    network: Network,
    spikes: npt.NDArray[np.integer],
    cfg: Config,
    folder: Path,
    *,
    width: int | None = None,
    force: bool = False,
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
    data = write_image(network, spikes, cfg, layer_done=step)
    back = read_image(data, cfg, layer_done=step)
    if not back.network.same(network) or not np.array_equal(back.spikes, spikes):
        raise LoasError(f"{network.name}: the image does not read back as what was packed: a bug in the packer")
    lines = word_lines(data, width)
    layers: list[dict[str, Any]] = []
    outputs: list[npt.NDArray[np.integer]] = []
    a: npt.NDArray[np.integer] = spikes
    for layer, lay in zip(network.layers, back.layout.layers, strict=True):
        w = work(a, layer.weights, cfg, layer.conv)
        layers.append({"name": layer.name, "m": lay.m, "k": lay.k, "n": lay.n, "leak": lay.leak, "soft": lay.soft,
                       "readout": lay.readout, "drop_once": lay.drop_once, "block_cols": lay.block_cols,
                       "tile_rows": lay.tile_rows, "conv": dataclasses.asdict(layer.conv) if layer.conv else None,
                       "nonzero_weights": int(np.count_nonzero(layer.weights)),
                       "matches": w.matches, "corrections": w.corrections, "floor_cycles": w.floor})  # fmt: skip
        a = layer_fast(a, layer)
        outputs.append(a)
        step()
    manifest: dict[str, Any] = {
        "format": "loas-image-folder", "version": 1, "image_version": VERSION, "network": network.name,
        "config": cfg.name, "parameters": cfg.verilog_parameters(), "bytes": len(data),
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


def dump_lines(data: bytes, pick: str = "") -> list[str]:
    """The image in words, annotated by region.

    Args:
        data: The image, or a memory dump after a run.
        pick: Only regions whose name contains this.

    Raises:
        LoasError: The image is not legal, or no region has such a name.
    """
    from golden.image import DESCRIPTOR, HEADER, WALK

    layout = parse_layout(data, verify_crc=False)
    cfg = layout.cfg
    names = [region.name for region in layout.regions]
    if not any(pick in name for name in names):
        raise LoasError(f"region {pick!r} does not exist: must be part of one of {', '.join(names)}")
    header, descriptor, walk = ({word: name for name, word in table.items()} for table in (HEADER, DESCRIPTOR, WALK))
    lines = []

    def note(name: str, offset: int, start: int) -> str:
        word = (offset - start) // 4
        if name == "header":
            return header.get(word, "zero")
        if name == "descriptors":
            return f"layer {word // 16}: {descriptor[word % 16]}"
        if name != "input" and not name.startswith("layer"):
            return ""
        lay = layout.layers[0 if name == "input" else int(name[5 : name.index(".")])]
        kind = name.rpartition(".")[2]
        if kind == "walk":
            return walk.get(word, "zero")
        if kind == "blocks":
            return f"block {word // 4}: {('params', 'masks', 'weights', 'nnz')[word % 4]}"
        if kind == "perf":
            return f"counter {word // 2} {'high' if word % 2 else 'low'}"
        if kind == "weights":
            for i, (params, masks, weights, _) in enumerate(lay.blocks):
                if offset < masks:
                    at = offset - params
                    cols = min(lay.block_cols, lay.n - i * lay.block_cols)
                    what = f"column {at // 8}: {('bias', 'threshold')[at // 4 % 2]}" if at < 8 * cols else "padding"
                    return f"block {i}: {what}"
                if offset < weights:
                    column, rest = divmod(offset - masks, cfg.num_chunks(lay.k) * cfg.chunk_bytes)
                    return f"block {i}: column {column}: mask of inputs {8 * rest} to {min(lay.k, 8 * rest + 32) - 1}"
                if i + 1 == len(lay.blocks) or offset < lay.blocks[i + 1][0]:
                    return f"block {i}: weights"
        stride, k = (lay.a_stride, lay.inputs) if kind == "input" else (lay.out_stride, lay.n)
        row, at = divmod(offset - start, stride)
        if kind == "output" and lay.readout:
            return f"row {row}: " + (f"output {at // 4}" if at < 4 * k else "padding")
        masks = cfg.chunk_bytes * cfg.num_chunks(k)
        if at < cfg.chunk_bytes:
            return f"row {row}: " + ("word count" if at == 0 else "header")
        if at < cfg.chunk_bytes + masks:
            return f"row {row}: mask of neurons {8 * (at - cfg.chunk_bytes)}.."
        return f"row {row}: packed words"

    for region in layout.regions:
        if pick not in region.name:
            continue
        lines.append(f"# {region.name}: {region.start:#x} to {region.end:#x}")
        for offset in range(region.start, region.end, 4):
            value = int.from_bytes(data[offset : offset + 4], "little")
            lines.append(f"{offset:08x}  {value:08x}  {note(region.name, offset, region.start)}".rstrip())
    return lines
