# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The trained convolutional networks on the machine's RTL: a few images by default, hundreds with LOAS_LONG=1 (`make regress`)."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from scripts.simulate import ROOT
from scripts.test_nir_run import run

LONG = bool(os.environ.get("LOAS_LONG"))
MNIST = ROOT.parent / "shared" / "data" / "mnist.npz"


def write_idx(path: Path, values: np.ndarray) -> None:
    """An IDX file of bytes, zipped."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


def test_digits_conv(tmp_path: Path) -> None:
    """The held-out digits as IDX files, in several images; by default three of them on tiny."""
    sidecar = json.loads((ROOT / "models/digits_conv/digits_conv.json").read_text())
    chosen = sidecar["split"]["test_indices"][: None if LONG else 3]
    data = load_digits()
    write_idx(tmp_path / "x.gz", data.images[chosen])
    write_idx(tmp_path / "y.gz", data.target[chosen])
    text = run("run", ROOT / "models/digits_conv/digits_conv.nir", "--data", tmp_path / "x.gz", "--labels", tmp_path / "y.gz",
               "--batch", 100 if LONG else 2, "--config", "paper" if LONG else "tiny", "--out", tmp_path / "r.json")  # fmt: skip
    figures = json.loads((tmp_path / "r.json").read_text())
    assert ", 0 mismatches" in text and figures["mismatches"] == 0 and len(figures["decisions"]) == len(chosen)
    assert figures["correct"] == (sidecar["expected"]["correct"] if LONG else 3)
    pixels = 8 * 8 * 16 + 4 * 4 * 32 + 128
    assert figures["compared"] == len(chosen) * (4 * pixels + 10)


if LONG and MNIST.exists():

    def test_mnist_conv(tmp_path: Path) -> None:
        text = run("run", ROOT / "models/mnist_conv/mnist_conv.nir", "--data", MNIST, "--data-array", "x_test", "--labels-array", "y_test",
                   "--images", 300, "--out", tmp_path / "r.json")  # fmt: skip
        figures = json.loads((tmp_path / "r.json").read_text())
        assert ", 0 mismatches" in text and figures["images"] == 300 and figures["accuracy"] >= 0.98
