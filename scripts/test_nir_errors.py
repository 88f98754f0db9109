# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What cannot be imported: one line that names node, file or option and says what would be legal, exit code 2, nothing written."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import click
import h5py
import nir
import numpy as np
import pytest
from click.testing import CliRunner, Result

from scripts import loas
from scripts.importer.network import import_graph, read_nir
from scripts.nir_import import NirError
from scripts.test_nir_mapping import RULES, affine, conv, fire, flatten, graph, lif, pool, write

CONTRACT = ("--T", "6", "--dt", "1", "--reset", "hard", "--comparison", ">=", "--encoding", "spikes")


def threshold(value: float) -> Any:
    return nir.Threshold(np.array([value]))


def many(**fields: Any) -> Any:
    return nir.LIF(
        **{
            **{k: np.ones((4, 4, 4)) for k in ("tau", "r", "v_leak", "v_threshold")},
            "v_reset": np.zeros((4, 4, 4)),
            "tau": np.full((4, 4, 4), 2.0),
            **fields,
        }
    )


def uneven(value: float) -> np.ndarray:
    array = np.full((4, 4, 4), 2.0)
    array[1, 2, 3] = value
    return array


GRAPHS: dict[str, tuple[Any, str]] = {
    "delay": (graph((4,), affine(3, 4), nir.Delay(np.ones(3)), fire()), "node 'n1': is a Delay: .* spikes cannot wait"),
    "leaky readout": (graph((4,), affine(3, 4), nir.LI(np.full(3, 2.0), np.ones(3), np.zeros(3))), "node 'n1': is a LI: .*leaks"),
    "leaky current readout": (graph((4,), affine(3, 4), nir.CubaLI(*[np.full(3, 2.0)] * 4)), "node 'n1': is a CubaLI: .*leaks"),
    "synapse": (
        graph((4,), affine(3, 4), nir.CubaLIF(**{k: np.full(3, 2.0) for k in ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold")})),
        "node 'n1': its synapse remembers 0.5 of its current.*only tau_syn = dt",
    ),
    "integrator inside": (graph((4,), affine(3, 4), nir.I(np.ones(3)), fire()), "node 'n1': is an I: can only be imported between"),
    "trailing pool": (graph((1, 8, 8), conv(4, 1), fire(), pool("SumPool2d")), "node 'n2': stands before the Output without weights"),
    "trailing scale": (graph((4,), fire(), nir.Scale(np.full(4, 2.0))), "node 'n1': stands before the Output without weights"),
    "nothing": (graph((4,)), "node 'output': reads 'input', which is not the last layer"),
    "missing flatten": (
        graph((1, 8, 8), conv(4, 1), fire(), affine(3, 144)),
        r"node 'n2': input of shape \(4, 6, 6\) .*is a Flatten missing",
    ),
    "batch": (graph((5, 4), affine(3, 4), fire()), r"\(5, 4\) is not legal: .*if its first axis is the batch, give --input-shape 4$"),
    "conv on a vector": (graph((64,), conv(4, 1), fire()), r"node 'n0': input of shape \(64,\) .* takes \(channels, height, width\)"),
    "channels": (graph((3, 8, 8), conv(4, 2), fire()), "node 'n0': weight: 2 inputs in 1 groups, 4 outputs: not legal, the map has 3"),
    "inputs": (graph((5,), affine(3, 4), fire()), "node 'n0': weight: 4 inputs are not legal: 'input' has 5 outputs"),
    "kernel": (graph((2, 2, 8), conv(4, 2, 3), fire()), r"node 'n0': kernel of \(3, 3\) does not fit the map of \(2, 8\)"),
    "padding": (graph((2, 8, 8), conv(4, 2, 3, padding=3), fire()), r"node 'n0': padding = \(3, 3\) is not legal: must be below"),
    "same with stride": (
        graph((2, 8, 8), conv(4, 2, 3, padding="same", stride=2), fire()),
        "node 'n0': stride = .* must be 1 with padding 'same'",
    ),
    "stride": (graph((2, 8, 8), conv(4, 2, 3, stride=0), fire()), "node 'n0': stride = .* must be an integer or a pair, at least 1"),
    "dilation": (graph((1, 600, 600), conv(2, 1, 3, dilation=200), fire()), "node 'n0': kernel of .* must be at most 255"),
    "bias": (graph((4,), nir.Affine(np.ones((3, 4)), np.zeros(5)), fire()), r"node 'n0': bias: shape \(5,\) is not legal: must be \(3,\)"),
    "scale of a pixel": (
        graph((4, 4, 4), nir.Scale(uneven(3.0)), conv(2, 4), fire()),
        "node 'n0': scale at channel 1, y 2, x 3 is 3 and 2 at y 0, x 0: must be constant",
    ),
    "scale": (graph((4,), nir.Scale(np.ones(3)), fire()), r"node 'n0': scale: shape \(3,\) is not legal: must be \(4,\)"),
    "threshold of a pixel": (
        graph((1, 6, 6), conv(4, 1), many(v_threshold=uneven(1.0))),
        "node 'n1': the threshold at channel 1, y 2, x 3 is 1 and 2",
    ),
    "leak of a channel": (
        graph((4,), affine(3, 4), lif(tau=np.array([2.0, 2.0, 4.0]))),
        "node 'n1': tau gives leaks of 128 to 192 .*must be one",
    ),
    "tau below dt": (
        graph((4,), affine(3, 4), lif(tau=0.5)),
        r"node 'n1': tau = 0.5 is not legal: must be at least dt = 1.0 \(is dt right",
    ),
    "reset": (graph((4,), affine(3, 4), lif(v_reset=0.5)), "node 'n1': v_reset = 0.5 is not legal: must be 0, the membrane at the start"),
    "shape of neurons": (graph((4,), affine(3, 4), fire(np.ones(5))), r"node 'n1': v_threshold: shape \(5,\) is not legal: must be \(3,\)"),
    "loop": (
        graph((4,), a=affine(4, 4), b=fire(), r=affine(4, 4), edges=[("input", "a"), ("a", "b"), ("b", "r"), ("r", "b"), ("b", "output")]),
        r"node 'b' closes a loop \(b -> r -> b\): recurrent",
    ),
    "dead end": (
        graph((4,), a=affine(4, 4), b=fire(), c=fire(), edges=[("input", "a"), ("a", "b"), ("a", "c"), ("b", "output")]),
        r"misses \['c'\]",
    ),
    "three branches": (
        graph(
            (4,),
            a=fire(),
            b=fire(2.0),
            c=fire(3.0),
            d=fire(),
            edges=[("input", "a"), ("a", "b"), ("b", "c"), ("a", "d"), ("b", "d"), ("c", "d"), ("d", "output")],
        ),
        r"node 'd': sums 3 branches, from \['a', 'b', 'c'\]: at most 2",
    ),
    "unequal sums": (
        graph((4,), a=affine(3, 4), b=fire(), c=fire(), edges=[("input", "a"), ("a", "b"), ("input", "c"), ("b", "c"), ("c", "output")]),
        r"node 'c': .* cannot be added: must be equal",
    ),
    "bias under padding": (
        graph((1, 8, 8), conv(4, 1), pool("AvgPool2d"), conv(4, 4, 3, padding=1), fire()),
        "node 'n2': its padding of the rows lies on a bias before it .*cannot be folded",
    ),
    "overlap under padding": (
        graph((1, 8, 8), pool("SumPool2d", 3, 1), conv(4, 1, 3, padding=1), fire()),
        "node 'n1': its padding of the rows cannot be folded with n0",
    ),
    "rest of a pool under padding": (
        graph((1, 9, 9), pool("SumPool2d"), conv(4, 1, 3, padding=1), fire()),
        "node 'n1': .* do not divide the map",
    ),
    "output in the middle": (
        graph((4,), a=fire(), b=fire(), edges=[("input", "a"), ("a", "b"), ("b", "output"), ("a", "output")]),
        "stands before the Output without weights",
    ),
    "four axes": (graph((2, 3, 4, 5), flatten(), affine(3, 120), fire()), r"node 'input': shape \(2, 3, 4, 5\) is not legal"),
    "no shape": (
        nir.NIRGraph(
            {"input": nir.Input({"input": np.array([0])}), "n": fire(), "output": nir.Output({"output": None})},
            [("input", "n"), ("n", "output")],
            type_check=False,
        ),
        r"node 'input': shape \[0\] is not legal.*--input-shape",
    ),
    "not finite": (graph((4,), affine(3, 4), fire(np.nan)), r"node 'n1': v_threshold\[0\] = nan is not legal: must be finite"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_networks_that_cannot_be_mapped(name: str) -> None:
    g, message = GRAPHS[name]
    with pytest.raises(NirError, match="^f: .*" + message):
        import_graph(g, {}, "f", "net", **RULES)


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        ("BatchNorm2d", r"into the Conv2d before it: with s = gamma / sqrt\(var \+ eps\), weight \* s and \(bias - mean\) \* s"),
        ("torch.nn.BatchNorm2d", "fold it into the Conv2d before it"), ("BatchNorm1d", "fold it into the Affine or Conv1d before it"),
        ("MaxPool2d", "is an OR: write a SumPool2d of the same kernel, stride and padding, and behind it a Threshold of 0.5"),
        ("MaxPool1d", "is an OR"), ("Dropout", "must be one of Input, Output, Affine"),
    ],
)  # fmt: skip
def test_nodes_that_nir_does_not_have(files: Path, kind: str, recipe: str) -> None:
    """Some exporters write them: the error says what to write instead."""
    write(files / "odd.nir", graph((1, 8, 8), conv(4, 1), pool("SumPool2d"), fire(), flatten(), affine(2, 36)))
    with h5py.File(files / "odd.nir", "a") as file:
        del file["node/nodes/n1/type"]
        file["node/nodes/n1/type"] = kind
    with pytest.raises(NirError, match=rf"odd.nir: node 'n1': is a {kind}: cannot be imported: .*{recipe}"):
        read_nir(files / "odd.nir", alone=True, **RULES)


def test_the_recipe_of_a_batch_norm() -> None:
    """The lines in docs/import.md, against a batch norm behind a convolution."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "import.md").read_text(encoding="utf-8")
    recipe = re.search(r"```python\n(s = .*?)```", page, re.DOTALL)
    assert recipe
    rng = np.random.default_rng(1)
    gamma, beta, mean, bias = rng.normal(size=(4, 3))
    weight, var, eps, x = rng.normal(size=(3, 2, 3, 3)), rng.uniform(0.1, 2, 3), 1e-5, rng.normal(size=(2, 3, 3))
    wanted = ((weight * x).sum(axis=(1, 2, 3)) + bias - mean) / np.sqrt(var + eps) * gamma + beta
    names = {"np": np, "gamma": gamma, "beta": beta, "mean": mean, "var": var, "eps": eps, "weight": weight, "bias": bias}
    exec(recipe[1], names)
    assert np.allclose((names["weight"] * x).sum(axis=(1, 2, 3)) + names["bias"], wanted)


@pytest.mark.parametrize("comparison", [">=", ">"])
def test_the_recipe_of_max_pooling(comparison: str) -> None:
    """A SumPool2d and a Threshold of 0.5 become the pool of the layer before them."""
    g = graph((1, 8, 8), conv(4, 1), fire(), pool("SumPool2d"), threshold(0.5), flatten(), affine(2, 36))
    layers = import_graph(g, {}, "f", "net", **{**RULES, "comparison": comparison}).network.layers
    assert [layer.pool for layer in layers] == [(2, 2), None]


@pytest.mark.parametrize("field", ["T", "dt", "reset", "comparison", "encoding"])
def test_what_is_not_said_is_named(field: str) -> None:
    rules = {key: value for key, value in RULES.items() if key != field}
    with pytest.raises(NirError, match=rf"f: NIR does not say {field}: give --{field} \(.*--dialect"):
        import_graph(graph((4,), affine(3, 4), lif()), {}, "f", "net", **rules)


def test_the_gain_of_an_if_must_be_said() -> None:
    rules = {**RULES, "dt": 0.1, "if_gain": None}
    with pytest.raises(NirError, match=r"NIR does not say if_gain: give --if-gain \(per-step, per-second\)"):
        import_graph(graph((4,), affine(3, 4), fire()), {}, "f", "net", **rules)
    assert import_graph(graph((4,), affine(3, 4), fire()), {}, "f", "net", **{**rules, "dt": 1.0}).network  # both are the same


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"T": 0}, "--T = 0 is not legal"),
        ({"dt": -1.0}, "--dt = -1.0 is not legal: must be a positive number"),
        ({"reset": "soft"}, "--reset = 'soft' is not legal: must be one of hard, subtract"),
        ({"comparison": "=="}, "must be one of >=, >"),
        ({"encoding": "rate"}, "must be one of spikes, thresholds, direct"),
        ({"dialect": "brian"}, "must be one of snntorch"),
        ({"encoding": "thresholds"}, r"NIR does not say thresholds: give --thresholds \(T numbers"),
        ({"encoding": "thresholds", "thresholds": (1, 2)}, "--thresholds has 2 numbers: must be T = 6"),
        ({"encoding": "thresholds", "thresholds": (1, float("nan"), 2, 3, 4, 5)}, "must be a list of T numbers, all finite"),
        ({"encoding": "direct"}, "direct encoding runs the first layer on the host, and no layer is left"),
        ({"drop_once": ("x",)}, "--drop-once x is not legal: must be all or one of n0"),
        ({"pixel_scale": 0.0}, "--pixel-scale = 0.0 is not legal"),
    ],
)
def test_options_that_are_not_legal(options: dict[str, Any], message: str) -> None:
    with pytest.raises(NirError, match=message):
        import_graph(graph((4,), affine(3, 4), lif()), {}, "f", "net", **{**RULES, **options})


@pytest.mark.parametrize(("scale", "encoding", "said"), [(255.0, "spikes", True), (255.0, "thresholds", True), ((1.0, 2.0), "spikes", True),
                                                         (1.0, "spikes", False), (255.0, "direct", False)])  # fmt: skip
def test_a_scale_of_spikes_is_said(scale: Any, encoding: str, said: bool) -> None:
    """Whoever wants pixels / 255 at thresholds gets spikes of 1 / 255, which silence the network."""
    more = {"pixel_scale": scale, "encoding": encoding, "thresholds": (1, 2, 3, 4, 5, 6)}
    notes = import_graph(graph((2, 3, 3), conv(2, 2, 2), lif(), conv(2, 2, 2), lif()), {}, "f", "net", **{**RULES, **more}).notes
    assert any(f"with --encoding {encoding}: the network gets spikes of 1 / scale" in note for note in notes) == said


@pytest.mark.parametrize("leak", [0.0, 0.25])
def test_where_norse_starts(leak: float) -> None:
    g = graph((4,), affine(3, 4), lif(tau=2e-6, v_leak=leak))
    net = import_graph(g, {}, "f", "net", T=4, encoding="spikes", dialect="norse")
    assert any(note.startswith("Norse starts its membranes at v_leak, which is not 0 at 'n1'") for note in net.notes) == bool(leak)


def run(*arguments: object) -> Result:
    command: click.Command = loas.main
    return CliRunner().invoke(command, [str(a) for a in arguments])


def refused(result: Result, *words: str) -> None:
    """Exit code 2, no traceback, and the words in the message."""
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), (result.output, result.exception)
    text = " ".join(result.output.split())
    for word in words:
        assert word in text, text


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "net.nir", graph((4,), affine(3, 4), fire(), affine(2, 3)))
    np.savez(tmp_path / "x.npz", spikes=np.ones((2, 4, 6), np.uint8), other=np.full((2, 4, 6), 2))
    np.savez(tmp_path / "y.npz", y=np.array([0, 1]), floats=np.array([0.5, 1]), few=np.array([1]))
    return tmp_path


def test_an_old_file_must_be_given_its_reset(files: Path) -> None:
    with h5py.File(files / "net.nir", "a") as file:
        del file["node/nodes/n1/v_reset"]
    options = {key: value for key, value in RULES.items() if key != "reset"}
    with pytest.raises(NirError, match="NIR does not say reset.*node 'n1' has no v_reset, so the file is older than nir 1.0.6"):
        read_nir(files / "net.nir", alone=True, **options)
    notes = read_nir(files / "net.nir", alone=True, **RULES).notes
    assert any("no v_reset at 1 nodes" in note for note in notes)


def test_files_that_nir_itself_refuses_can_be_read(files: Path) -> None:
    """Repeated edges, and shapes that nir infers wrongly."""
    g = graph((2, 7, 6), conv(4, 2, (3, 2), input_shape=(7, 6)), fire(), flatten(), affine(3, 100))
    g.edges.append(g.edges[0])
    g.nodes["output"] = nir.Output({"output": np.array([3])})
    write(files / "odd.nir", g)
    with pytest.raises(ValueError, match=".*"):
        nir.read(files / "odd.nir")
    assert read_nir(files / "odd.nir", alone=True, **RULES).shapes["n0"] == (4, 5, 5)


def test_import_writes_nothing_when_it_fails(files: Path) -> None:
    before = sorted(files.iterdir())
    for arguments, words in [
        ((files / "net.nir", "-o", files / "o.npz"), ["NIR does not say T, encoding, reset, comparison, if_gain"]),
        ((files / "net.nir", "-o", files / "o.txt", *CONTRACT), ["o.txt is not legal: must end with .npz"]),
        ((files / "no.nir", "-o", files / "o.npz", *CONTRACT), ["no.nir: cannot be read: No such file"]),
        ((files / "x.npz", "-o", files / "o.npz", *CONTRACT), ["x.npz: is no .nir file"]),
        ((files / "net.nir", "-o", files / "x.npz", *CONTRACT), ["x.npz: exists already: remove it or use --force"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--sidecar", files / "no.json"), ["no.json: cannot be read"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--config", "big"), ["'big' does not exist"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--bits", "9"), ["'9' is not one of '4'"]),
        (
            (files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--prune", "1"),
            ["--prune 1 is not legal: must be a fraction, 0 to below 1"],
        ),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--input-shape", "a"), ["--input-shape a is not legal: must be numbers"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--input-shape", "5"), ["node 'n0': weight: 4 inputs are not legal"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--calibrate", files / "no.npz"), ["no.npz: cannot be read"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--calibrate-images", "0"), ["'--calibrate-images': 0 is not in the range"]),
        ((files / "net.nir", "-o", files / "o.npz", *CONTRACT, "--calibrate-images", "-5"), ["-5 is not in the range x>=1"]),
        ((files / "net.nir", "-o", "/proc/x/o.npz", *CONTRACT), ["/proc/x/o.npz: cannot be written"]),
    ]:
        refused(run("import", *arguments), *words)
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("target", ["1.5", "-0.1", "1", "nan"])
def test_prune_names_the_option_that_was_given(files: Path, target: str) -> None:
    arguments = (files / "net.nir", "--data", files / "x.npz", *CONTRACT, "--target", "0.5", "--target", target)
    refused(run("prune", *arguments), f"error: --target {float(target):g} is not legal: must be a fraction, 0 to below 1")


def test_data_that_do_not_fit(files: Path) -> None:
    (files / "bad").write_bytes(b"hello")
    (files / "cut").write_bytes(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x04" + bytes(7))
    (files / "bad.gz").write_bytes(gzip.compress(b"hello")[:-5])
    (files / "bad.png").write_bytes(b"hello")
    (files / "empty").mkdir()
    np.savez(files / "shape.npz", spikes=np.ones((2, 5, 6)))
    np.savez(files / "steps.npz", spikes=np.ones((2, 4, 5)))
    np.savez(files / "text.npz", spikes=np.full((2, 4, 6), "a"))
    np.savez(files / "two.npz", a=np.ones(2), b=np.ones(2))
    for data, words in [
        (("x.npz", "--data-array", "other"), ["x.npz: 2 is not legal: spikes must be 0 or 1 (counts and pixels need an encoding)"]),
        (("x.npz", "--data-array", "no"), ["x.npz: array 'no' does not exist: must be one of other, spikes"]),
        (("two.npz",), ["two.npz: has the arrays a, b: say which with --data-array"]),
        (("shape.npz",), ["shape.npz: shape (2, 5, 6) is not legal: must be (images, 4, 6) spikes"]),
        (("steps.npz",), ["steps.npz: shape (2, 4, 5) is not legal: must be (images, 4, 6) spikes with T = 6 last"]),
        (("text.npz",), ["text.npz: type <U1 is not legal: must be numbers"]),
        (("no.npz",), ["no.npz: cannot be read"]),
        (("bad",), ["bad: is no IDX file: must start with 00 00"]),
        (("cut",), ["cut: 7 bytes of data are not legal: shape (2, 4) needs 8"]),
        (("bad.gz",), ["bad.gz: cannot be read as gzip"]),
        (("bad.png",), ["bad.png: cannot be read as an image"]),
        (("empty",), ["empty: holds no image"]),
        (("x.npz", "--images", "3"), ["--images 3 is not legal: must be 1 to 2"]),
        (("x.npz", "--labels", files / "y.npz"), ["y.npz: has the arrays few, floats, y: say which with --labels-array"]),
        (("x.npz", "--labels", files / "y.npz", "--labels-array", "floats"), ["labels of shape (2,) and type float64 are not legal"]),
        (("x.npz", "--labels", files / "y.npz", "--labels-array", "few"), ["1 labels are not legal: must be at least 2"]),
    ]:
        for command in ("run", "diff"):
            refused(run(command, files / "net.nir", *CONTRACT, "--data", files / data[0], *data[1:]), *words)
    refused(run("pack", files / "net.nir", files / "shape.npz", files / "out", *CONTRACT), "shape.npz: shape (2, 5, 6) is not legal")
    assert not (files / "out").exists()


def test_options_mean_nothing_for_integer_networks(files: Path) -> None:
    refused(run("run", files / "net.npz", "--data", files / "x.npz", "--reset", "hard"), "--reset hard is not legal", "is no .nir file")
    refused(run("pack", files / "net.npz", files / "x.npz", files / "o", "--bits", "4"), "--bits 4 is not legal")


def test_a_network_too_large_for_the_machine(files: Path) -> None:
    write(files / "big.nir", graph((600,), affine(3, 600), lif()))
    refused(
        run("import", files / "big.nir", "-o", files / "o.npz", *CONTRACT, "--config", "tiny"), "n0: K = 600 is not legal: must be 1 to 512"
    )
    assert not (files / "o.npz").exists()


def test_a_sidecar_of_another_file(files: Path) -> None:
    side = {"format": "loas-nir-sidecar", "version": 1, "network_sha256": "0", "T": 6}
    (files / "net.json").write_text(json.dumps(side))
    refused(run("contract", files / "net.nir"), "net.json: network_sha256 = 0 is not legal")
