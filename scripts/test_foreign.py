# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What people bring in place of a network is named, with what to do, by all that take a model; nothing is loaded unsafely."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from golden.errors import LoasError
from golden.foreign import TORCH_PICKLE, identify, refuse_foreign
from golden.layer import NetworkError
from golden.layout import MAGIC
from golden.network import load_network, load_npz
from scripts.loas import main

EXPORT = "export the network to NIR"


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        for name, data in files.items():
            out.writestr(name.replace("__", "/").replace("_", "."), data)
    return stream.getvalue()


def arrays(**values: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **values)
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 3)))
    return stream.getvalue()


def hdf5() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["model_weights"] = np.zeros(3)
    return stream.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 12345\n"
FILES: dict[str, tuple[bytes, str, str]] = {
    "net.pt": (archive(net__data_pkl=b"\x80\x02}.", net__data__0=b"abcd"), "a PyTorch checkpoint", EXPORT),
    "old.pth": (b"\x80\x02" + TORCH_PICKLE + b".\x80\x02M\xe9\x03.", "a PyTorch checkpoint", EXPORT),
    "odd.pth": (b"something else", "a PyTorch checkpoint", EXPORT),
    "dict.pkl": (pickle.dumps({"a": 1}), "a Python pickle", "never loaded: " + EXPORT),
    "net.safetensors": (b"\x40" + bytes(7) + b'{"fc.weight":{"dtype":"F32"}}', "a file of weights (safetensors)", EXPORT),
    "net.zip": (archive(README_md=b"x", net_nir=b"y"), "a zip archive", "unpack it and give the .nir file in it"),
    "cut.zip": (archive(README_md=b"x")[:40], "a damaged zip archive", "copy or export it again"),
    "net.keras": (archive(config_json=b"{}") + b"", "a zip archive", "unpack it"),
    "net.tar": (bytes(257) + b"ustar\x0000" + bytes(300), "a tar archive", "unpack it"),
    "net.gz": (b"\x1f\x8b\x08" + bytes(20), "a gzip file", "unpack it first"),
    "pointer.nir": (LFS, "a Git LFS pointer", "type `git lfs pull`"),
    "pointer.npz": (LFS, "a Git LFS pointer", "type `git lfs pull`"),
    "net.npy": (npy(), "a single numpy array (.npy)", "one array is no network: " + EXPORT),
    "weights.npz": (arrays(w1=np.zeros(3), b1=np.zeros(2)), "an .npz file", "its arrays (b1, w1) are no network of `loas import`"),
    "dvs.aedat": (b"#!AER-DAT2.0\r\n# x\r\n" + bytes(16), "an event file of a camera", "bin the events into T timesteps"),
    "dvs.raw": (b"% date 2024-01-01\n% evt 3.0\n" + bytes(16), "an event file of a camera", "bin the events into T timesteps"),
    "dvs.es": (b"Event Stream\x02\0\0", "an event file of a camera", "bin the events into T timesteps"),
    "net.onnx": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "an ONNX model", EXPORT),
    "net.h5": (hdf5(), "an HDF5 file", "let its name end with .nir"),
    "net.json": (b'{"format": "loas-nir-sidecar"}', "a JSON text", "give the .nir or .npz beside it"),
    "image.bin": (MAGIC.to_bytes(4, "little") + bytes(60), "a packed image", "take it apart with `loas unpack`"),
    "nothing.npz": (b"", "empty", "copy or export it again"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("foreign")
    for name, (content, _, _) in FILES.items():
        (made / name).write_bytes(content)
    np.savez(made / "spikes.npz", spikes=np.ones((2, 4, 6), np.uint8))
    return made


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["contract", "import", "diff", "prune", "run", "pack", "fpga run"])
def test_every_command_says_what_a_model_is(folder: Path, name: str, command: str) -> None:
    """In one line, also with options that would be refused for an integer network."""
    model, spikes = str(folder / name), str(folder / "spikes.npz")
    more = {
        "contract": [], "import": ["-o", str(folder / "out.npz")], "diff": ["--data", spikes], "prune": ["--data", spikes],
        "run": ["--data", spikes], "pack": [spikes, str(folder / "out")], "fpga run": ["--port", "none", "--data", spikes],
    }[command]  # fmt: skip
    result = CliRunner().invoke(main, [*command.split(), model, *more, "--T", "6", "--encoding", "spikes"])
    assert result.exit_code == 2, result.output
    line = result.output.strip()
    assert "\n" not in line and line.startswith(f"error: {model}: "), line
    assert f"is {FILES[name][1]}: " in line and FILES[name][2] in line, line
    assert "pickle=" not in line and not (folder / "out").exists() and not (folder / "out.npz").exists()


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("net.h5", "odd.pth")])
def test_a_file_of_another_kind_with_the_ending_of_nir(tmp_path: Path, name: str) -> None:
    path = tmp_path / "net.nir"
    path.write_bytes(FILES[name][0])
    result = CliRunner().invoke(main, ["contract", str(path)])
    assert result.exit_code == 2 and "\n" not in result.output.strip(), result.output
    assert f"net.nir: cannot be read as a NIR file: is {FILES[name][1]}: " in result.output and FILES[name][2] in result.output


def test_hdf5_without_a_graph(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    path.write_bytes(hdf5())
    result = CliRunner().invoke(main, ["contract", str(path)])
    assert "is an HDF5 file without the group 'node' of NIR: it holds model_weights: export the network to NIR" in result.output


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("weights")])
def test_arrays_of_another_kind_are_never_loaded(folder: Path, name: str) -> None:
    with pytest.raises(NetworkError, match=rf"{name}: cannot be read as an .npz file: is \w+") as found:
        load_npz(folder / name)
    assert FILES[name][1] in str(found.value) and "allow_pickle" not in str(found.value)


def test_text_gets_no_advice_to_load_it_unsafely(tmp_path: Path) -> None:
    """numpy's own message tells to set allow_pickle for whatever is no archive, and for arrays of objects."""
    (tmp_path / "a.npz").write_text("hello")
    with pytest.raises(NetworkError, match="a.npz: cannot be read as an .npz file: begins with 68 65 6c 6c: must be a zip archive"):
        load_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.array([None, "a"]))
    with pytest.raises(NetworkError, match="b.npz: cannot be read as an .npz file: field 'x' holds Python objects, which are never loaded"):
        load_npz(tmp_path / "b.npz")


def test_own_files_pass(tmp_path: Path) -> None:
    (tmp_path / "net.npz").write_bytes(arrays(format=np.array("loas-network")))
    refuse_foreign(tmp_path / "net.npz")
    refuse_foreign(tmp_path / "none.npz")
    assert identify(tmp_path) is None
    with pytest.raises(LoasError, match="net.npz: field 'version' is missing"):
        load_network(tmp_path / "net.npz")
    (tmp_path / "x").write_text(json.dumps([1]))
    assert identify(tmp_path / "x") is None
