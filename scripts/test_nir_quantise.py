# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Scales, rounding, calibration, pruning, and the float reference itself."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner

from golden.config import load
from golden.layer import Conv
from scripts import loas
from scripts.importer.calibrate import better, clips
from scripts.importer.contract import DIALECTS, gather
from scripts.importer.data import read_array, samples
from scripts.importer.diff import compare, decisions, survey
from scripts.importer.network import Imported, import_graph, read_nir
from scripts.importer.prune import masks, zero_fraction
from scripts.importer.reference import run as reference
from scripts.test_nir_errors import CONTRACT
from scripts.test_nir_mapping import RULES, affine, conv, fire, flatten, graph, lif, pool, spikes, write


def real(seed: int = 0, sizes: tuple[int, ...] = (40, 60, 30, 10)) -> Any:
    """A fully connected network with real weights, some of them far out."""
    rng = np.random.default_rng(seed)
    nodes: list[Any] = []
    for k, n in itertools.pairwise(sizes):
        weight = rng.standard_t(2.5, (n, k)) / np.sqrt(k)
        nodes += [nir.Affine(weight, rng.normal(0, 0.05, n)), lif(0.8, 4.0, 4.0)]
    return graph((sizes[0],), *nodes)


def take(g: Any, **options: Any) -> Imported:
    return import_graph(g, {}, "f", "net", **{**RULES, **options})


@pytest.mark.parametrize("bits", [4, 8])
def test_scales_are_the_largest_weight_of_an_output(bits: int) -> None:
    g = real()
    layer, q = take(g, bits=bits).network.layers[0], take(g, bits=bits).quantised[0]
    top = 2 ** (bits - 1) - 1
    weight = g.nodes["n0"].weight
    scale = np.abs(weight).max(axis=1) / top
    assert np.allclose(q.scale, scale) and not q.exact
    assert np.array_equal(layer.weights, np.rint(weight / scale[:, None]).T)
    assert (np.abs(layer.weights).max(axis=0) == top).all()
    assert np.array_equal(layer.threshold, np.rint(np.float32(0.8) / scale)) and np.array_equal(
        layer.bias, np.rint(g.nodes["n0"].bias / scale)
    )


def test_a_readout_has_one_scale() -> None:
    g = graph((8,), nir.Affine(np.random.default_rng(0).normal(size=(5, 8)), np.zeros(5)))
    q = take(g).quantised[0]
    assert q.layer.readout and len(set(q.scale)) == 1 and np.abs(q.layer.weights).max() == 127


def test_thresholds_above_and_at() -> None:
    g = graph((4,), nir.Affine(np.full((2, 4), 1.0), np.zeros(2)), fire(np.array([0.5, 1 / 3])))
    assert take(g).network.layers[0].threshold.tolist() == [32, 32]  # of 64 and of 96, for a third is on that grid
    assert take(g, comparison=">").network.layers[0].threshold.tolist() == [33, 33]
    tiny = graph((4,), nir.Affine(np.full((2, 4), 1.0), np.zeros(2)), fire(1e-9))
    assert take(tiny).network.layers[0].threshold.tolist() == [1, 1]


def test_wide_columns_lose_resolution_and_say_so() -> None:
    g = graph((4,), nir.Affine(np.array([[1e-6, 0, 0, 0], [1.0, 1, 1, 1]]), np.zeros(2)), fire(0.9))
    net = take(g, cfg=load("tiny"))
    assert any("1 of 2 columns lose up to" in note for note in net.notes)
    net.network.check(load("tiny"))
    assert net.network.layers[0].weights[:, 1].tolist() == [80] * 4  # 0.9 is 72 of 80


def test_sums_beyond_the_machine_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(Exception, match="n0: column 0: the accumulated sum .* ACC_W of configuration tiny is 16"):
        take(
            graph((500,), nir.Affine(np.abs(rng.normal(size=(2, 500))) * 0 + 1.0 + rng.random((2, 500)), np.zeros(2)), fire(3.0)),
            cfg=load("tiny"),
        ).network.check(load("tiny"))


@pytest.mark.parametrize("seed", range(4))
def test_calibration_is_never_worse(seed: int) -> None:
    g = real(seed)
    net = take(g, bits=4)
    x = spikes(net, 24)
    old = compare(net, x)[0]
    trial = take(g, bits=4, clip=clips(net, x))
    new = compare(trial, x)[0]
    chosen = new if better(old, new) else old
    assert chosen.spike_fraction <= old.spike_fraction and chosen.agreement >= old.agreement
    assert seed or new.spike_fraction < 0.9 * old.spike_fraction  # and helps


def test_calibration_of_pooled_and_residual_layers() -> None:
    rng = np.random.default_rng(1)
    g = graph(
        (1, 9, 9),
        a=nir.Conv2d(None, rng.normal(size=(4, 1, 3, 3)), 1, 1, 1, 1, rng.normal(size=4) / 9),
        la=lif(0.8),
        p=pool("SumPool2d"),
        t=nir.Threshold(np.array([0.5])),
        b=nir.Conv2d(None, rng.normal(size=(4, 4, 3, 3)), 1, 1, 1, 1, np.zeros(4)),
        lb=lif(0.8),
        c=nir.Conv2d(None, rng.normal(size=(4, 4, 3, 3)), 1, 1, 1, 1, np.zeros(4)),
        lc=lif(1.0),
        f=flatten(),
        o=nir.Affine(rng.normal(size=(3, 64)), np.zeros(3)),
        edges=[
            ("input", "a"),
            ("a", "la"),
            ("la", "p"),
            ("p", "t"),
            ("t", "b"),
            ("b", "lb"),
            ("lb", "c"),
            ("c", "lc"),
            ("t", "lc"),
            ("lc", "f"),
            ("f", "o"),
            ("o", "output"),
        ],
    )
    net = take(g, bits=4)
    assert net.network.layers[0].pool == (2, 2) and net.network.layers[2].branch
    x = spikes(net, 6)
    new = compare(take(g, bits=4, clip=clips(net, x)), x)[0]
    assert new.spike_fraction < 1.2 * compare(net, x)[0].spike_fraction


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("target", [0.5, 0.95])
def test_pruning_reaches_its_target(scope: str, target: float) -> None:
    g = real()
    pruned = take(g, mask=masks(take(g), target, scope))
    weights = [layer.weights for layer in pruned.network.layers]
    assert target <= zero_fraction(pruned) < target + 0.05
    if scope == "layer":
        assert all((w == 0).mean() >= target - 0.01 for w in weights)
    full, kept = np.abs(g.nodes["n0"].weight.T), weights[0] != 0
    if scope == "layer":
        assert full[kept].min() >= full[~kept].max() * 0.3  # what is gone is small; rounding takes a few more


def test_drop_once_by_name() -> None:
    net = take(real(), drop_once=("n2",))
    assert [layer.drop_once for layer in net.network.layers] == [False, True, False]
    assert all(layer.drop_once for layer in take(real(), drop_once=("all",)).network.layers)


def test_the_reference_by_hand() -> None:
    """One neuron: v = 0.5 v + 0.75, threshold 1; three resets and both comparisons."""
    g = graph((1,), nir.Linear(np.array([[0.75]])), lif(1.0, 2.0, 2.0))
    x = np.ones((1, 1, 6))
    want = {
        ("hard", ">="): [0, 1, 0, 1, 0, 1],  # 0.75, 1.125 | 0.75, 1.125
        ("subtract", ">="): [0, 1, 0, 1, 0, 1],  # 0.75 1.125>0.125 0.8125 1.15625>.15625 ...
        ("subtract-delayed", ">="): [0, 1, 0, 0, 1, 0],  # 0.75 1.125 0.3125 0.90625 1.203 0.352
    }
    for (reset, comparison), spikes_wanted in want.items():
        net = take(g, reset=reset, comparison=comparison)
        assert reference(net.graph, net.contract, net.shapes, x).values["n1"][:, 0, 0].tolist() == spikes_wanted, reset
    tie = graph((1,), nir.Linear(np.array([[1.0]])), fire(1.0))
    for comparison, first in ((">=", 1), (">", 0)):
        net = take(tie, comparison=comparison)
        assert reference(net.graph, net.contract, net.shapes, x).values["n1"][0, 0, 0] == first


def test_options_go_before_sidecar_and_dialect() -> None:
    side = {"T": 3, "reset": "soft", "input": {"encoding": "thresholds", "thresholds": [1, 2, 3]}}
    c = gather({"dialect": "spikingjelly", "T": 5, "dt": None}, side, "s.json")
    assert (c.T, c.reset, c.comparison, c.dt, c.if_gain, c.encoding) == (5, "subtract", ">=", 1e-4, "per-second", "thresholds")
    assert c.origin["T"] == "--T" and c.origin["reset"] == "s.json" and c.origin["dt"] == "dialect spikingjelly"


def test_every_dialect_says_all_but_T_and_the_encoding() -> None:
    assert all(set(rules) - {"lif_gain"} == {"dt", "reset", "comparison", "decay", "if_gain"} for rules in DIALECTS.values())


def test_thresholds_of_pixels() -> None:
    g = graph((1, 4, 4), conv(2, 1, 3), fire())
    net = take(g, encoding="thresholds", thresholds=(1.0, 2.0, 3.0, 4.0, 5.0, 9.0))
    x = np.arange(16).reshape(1, 4, 4)
    got = net.encode(x)
    assert got.shape == (16, 1, 6) and got[4, 0].tolist() == [1, 1, 1, 1, 0, 0] and compare(net, x[None])[0].first is None


def test_direct_encoding_of_maps() -> None:
    g = graph((1, 4, 4), conv(2, 1, 3), lif(2.0), conv(3, 2, 2), fire())
    net = take(g, encoding="direct", pixel_scale=16.0)
    assert len(net.host) == 1 and isinstance(net.host[0].conv, Conv)
    x = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4))
    assert compare(net, x)[0].first is None
    with pytest.raises(Exception, match="pixels with fractions are not legal"):
        net.encode(x + 0.5)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.astype(np.uint8).tobytes()


def test_data_of_all_kinds(tmp_path: Path) -> None:
    import gzip

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4)).astype(np.uint8)
    (tmp_path / "a-ubyte").write_bytes(idx(pixels))
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(pixels)))
    np.savez(tmp_path / "a.npz", x=pixels, y=[1, 2, 3])
    (tmp_path / "images").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(image).save(tmp_path / f"{i}.pgm")
    for name, array in (("a-ubyte", None), ("a.gz", None), ("a.npz", "x"), ("images", None)):
        assert np.array_equal(read_array(tmp_path / name, array, "data"), pixels)
    assert np.array_equal(read_array(tmp_path / "2.pgm", None, "data"), pixels[2:])
    net = take(graph((1, 5, 4), conv(2, 1, 3), fire(), flatten(), affine(2, 12), fire()), encoding="direct")
    assert samples(net, tmp_path / "a.gz", None, 2).shape == (2, 1, 5, 4)


def test_the_commands(tmp_path: Path) -> None:
    """Import, contract, diff and prune of a file, as a user types them."""
    write(tmp_path / "net.nir", real())
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", spikes=rng.integers(0, 2, (12, 40, 4)).astype(np.uint8), y=rng.integers(0, 10, 12))

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(loas.main, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    rules = ("--T", "4", *CONTRACT[2:])
    model, data = tmp_path / "net.nir", ("--data", tmp_path / "x.npz", "--labels-array", "y")
    assert "contract of net.nir" in run("contract", model, *rules)
    out = tmp_path / "deep" / "net.npz"
    assert "would" not in run("import", model, "-o", out, *rules, "--dry-run") and not out.exists()
    text = run(
        "import",
        model,
        "-o",
        out,
        *rules,
        "--bits",
        "4",
        "--prune",
        "0.5",
        "--calibrate",
        tmp_path / "x.npz",
        "--calibrate-array",
        "spikes",
    )
    assert "pruned (layer) to" in text and "calibration on 12 samples" in text
    companion = json.loads((tmp_path / "deep" / "net.contract.json").read_text())
    assert companion["contract"]["reset"] == "hard" and companion["contract"]["weight_bits"] == 4 and len(companion["layers"]) == 3
    text = run("diff", model, *rules, *data, "--bits", "4", "--out", tmp_path / "d.json")
    assert "first difference: in layer n0, row" in text and json.loads((tmp_path / "d.json").read_text())["layers"][0]["first"]
    assert "95.0" in run("prune", model, *rules, *data, "--target", "0", "--target", "0.95")
    run("pack", out, tmp_path / "x.npz", tmp_path / "image", "--config", "tiny")
    assert json.loads((tmp_path / "image" / "manifest.json").read_text())["origin"]["contract"]["weight_bits"] == 4
    assert read_nir(model, alone=True, **RULES).network.same(take(real()).network)


def test_the_gain_of_a_lif() -> None:
    """r (1 - beta) of NIR, or 1 whatever r is."""
    g = graph((2,), nir.Linear(np.array([[1.0, 1.0]])), lif(1.0, 2.0, 1.0))
    assert [take(g, lif_gain=rule).network.layers[0].threshold.tolist() for rule in ("nir", "one")] == [[128], [64]]


def test_some_inputs_at_a_time_give_the_same() -> None:
    net = take(real(), bits=4)
    x = spikes(net, 9)
    whole, outputs, _ = compare(net, x)
    parts, chosen = survey(net, x, most=1 << 16)
    assert np.array_equal(chosen, decisions(net.stages[-1], outputs[-1]))
    assert abs(parts.agreement - whole.agreement) < 1e-9 and parts.spike_fraction == whole.spike_fraction
    assert [d.different for d in parts.layers] == [d.different for d in whole.layers]
    assert [d.first[2] for d in parts.layers if d.first] == [d.first[2] for d in whole.layers if d.first]
