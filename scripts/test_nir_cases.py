# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Small networks that were once taken for something else, or refused without help, in scripts/cases/: each with what is right."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from click.testing import CliRunner
from nir.serialization import hdf2dict

from golden.config import load
from scripts import loas
from scripts.importer import graph as graphs
from scripts.importer.data import samples
from scripts.importer.diff import compare
from scripts.importer.errors import NirError
from scripts.importer.network import Imported, import_graph, read_nir
from scripts.importer.rounding import Rounding
from scripts.test_nir_mapping import affine, conv, equal, fire, graph, lif, pool, write

CASES = Path(__file__).parent / "cases"
RULES: dict[str, Any] = {"T": 4, "encoding": "spikes", "dt": 1.0, "reset": "hard", "comparison": ">=", "if_gain": "per-step"}


def read(name: str, **rules: Any) -> Imported:
    return read_nir(CASES / f"{name}.nir", alone=True, **{**RULES, **rules})


def ran(name: str, **rules: Any) -> tuple[Imported, Any]:
    """The network, and what its integers put out for the data beside it, after every layer agreed with the float reference."""
    net = read(name, **rules)
    diff, outputs, _ = compare(net, samples(net, CASES / f"{name}.npz", "x"))
    assert diff.first is None, diff.first
    return net, outputs[-1]


# ------------------------------------------------------------------------------------------------------------------ Flatten
def test_flatten_of_some_axes() -> None:
    """x = (1, 0), (0, 1) as a line 1 0 0 1 or so: the sum of three neighbours reaches 2 in the middle."""
    _, out = ran("01_partflat/pf_min", T=1)
    assert out[0, :, 0].tolist() == [0, 1, 1, 0]
    ran("01_partflat/partflat_pad")


@pytest.mark.parametrize("name", ["partflat", "partflat_01", "inflat_part"])
def test_flatten_where_the_fold_ended_in_a_traceback(name: str) -> None:
    net = read(f"01_partflat/{name}")
    rng = np.random.default_rng(0)
    diff, outputs, _ = compare(net, (rng.random((20, *net.input_shape, 4)) < 0.4).astype(np.uint8))
    assert diff.first is None and 0 < outputs[0].mean() < 1


def conv1d(o: int, i: int, k: int, length: int | None = None, **more: Any) -> Any:
    rng = np.random.default_rng(o + i + k)
    fields = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": np.zeros(o), **more}
    return nir.Conv1d(length, rng.integers(-2, 3, (o, i, k)) * 0.25, **fields)


@pytest.mark.parametrize("before", ["spikes", "convolution", "pool and scale"])
@pytest.mark.parametrize(("start", "end", "channels", "length"), [(0, 1, 8, 6), (1, 2, 2, 24)])
def test_flatten_behind_anything(before: str, start: int, end: int, channels: int, length: int) -> None:
    """The map (2, 4, 6) cut both ways, also where a fold has gone before, so that no window of the map follows the cut."""
    first = {"spikes": [fire()], "convolution": [fire(), conv(2, 2, 3, padding=1, bias=None)],
             "pool and scale": [fire(), pool("SumPool2d", 1), nir.Scale(np.array([1.0, 2.0]))]}  # fmt: skip
    pad = int(before != "convolution" or start == 1)  # windows that overlap take no padding of columns after them
    equal(graph((2, 4, 6), *first[before], nir.Flatten(None, start, end), conv1d(3, channels, 3, length, padding=pad), fire()), exact=False)


def test_a_cut_that_is_too_large_as_a_matrix() -> None:
    g = graph((3, 64, 64), conv(4, 3), nir.Flatten(None, 1, 2), conv1d(8, 4, 3), fire())
    with pytest.raises(NirError, match=r"node 'n2': reads \(4, 3844\), by a Flatten, of a map of \(4, 62, 62\).*as a matrix it would have"):
        import_graph(g, {}, "f", "net", **RULES)


@pytest.mark.parametrize(("name", "k"), [("flat_first", 784), ("flat_b1", 784), ("conv_in_b1", 108)])
def test_flatten_that_counts_the_batch_axis(name: str, k: int) -> None:
    net = read(f"10_flatten_batch/{name}")
    assert net.network.layers[-1].k == k
    assert any("Flatten f: start_dim and end_dim count a batch axis" in note for note in net.notes)
    rng = np.random.default_rng(0)
    assert compare(net, (rng.random((3, *net.input_shape, 4)) < 0.3).astype(np.uint8))[0].first is None


def test_the_error_of_the_first_reading_stays() -> None:
    g = graph((4,), nir.Flatten(None, 1, -1), affine(3, 5), fire())
    with pytest.raises(NirError, match=r"node 'n0': start_dim = 1, end_dim = -1 are not legal: axes of \(4,\), without the batch axis"):
        import_graph(g, {}, "f", "net", **RULES)


# ------------------------------------------------------------------------------------------------------------------- shapes
@pytest.mark.parametrize(
    ("name", "message"),
    [("ishape_conflict", r"node 'c': input_shape = \(8, 8\) is not legal: its input is a map of shape \(6, 6\)"),
     ("wrongout", r"node 'output': shape = \(7,\) is not legal: the network's output is of shape \(4,\)")],
)  # fmt: skip
def test_shapes_that_contradict_the_graph(name: str, message: str) -> None:
    with pytest.raises(NirError, match=message):
        read(f"07_shapes/{name}")


@pytest.mark.parametrize(
    ("g", "message"),
    [
        (graph((2, 9), conv1d(3, 2, 3, 8), fire()), r"node 'n0': input_shape = \(8,\) .* a map of shape \(9,\)"),
        (graph((2, 3, 3), nir.Flatten({"input": np.array([3, 3, 2])}, 0, -1), affine(3, 18)), r"node 'n0': input_type = \(3, 3, 2\)"),
        (graph((5,), nir.Linear(np.ones((5, 3))), fire()), "node 'n0': weight: 3 inputs .* it fits transposed: NIR has .outputs, inputs."),
        (graph((2, 8, 8), conv(2, 4), fire()), "node 'n0': weight: 4 inputs .*first two axes exchanged: NIR has .outputs, inputs, height"),
        (graph((5, 9), conv1d(3, 2, 5), fire()), "node 'n0': weight: 2 inputs .*NIR has .outputs, inputs, width., and its axis 2"),
    ],
)
def test_more_shapes(g: Any, message: str) -> None:
    with pytest.raises(NirError, match=message):
        import_graph(g, {}, "f", "net", **RULES)


# -------------------------------------------------------------------------------------------------------------------- paths
def dictionary(name: str) -> Any:
    with h5py.File(CASES / f"{name}.nir") as file:
        return hdf2dict(file["node"])


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(("name", "first"), [("I_plus_affine", [0.5, 0.25, 0.5]), ("I_plus_spikes", None)])
def test_paths_beside_an_integrator(name: str, first: list[float] | None, swap: bool) -> None:
    data = dictionary(f"02_I_plus/{name}")
    edges = np.asarray(data["edges"], object).tolist()
    net = import_graph(graphs.from_dict({**data, "edges": edges[::-1] if swap else edges}, "f"), {}, "f", "net", **RULES)
    x = samples(net, CASES / f"02_I_plus/{name}.npz", "x")
    diff, outputs, trace = compare(net, x)
    got = outputs[-1] * net.quantised[-1].scale
    assert diff.layers[-1].worst < 1e-12
    if first is not None:
        assert got[0].tolist() == first
    spikes = trace.values["l"].sum(axis=0)  # what both paths read
    weight = {n: np.asarray(data["nodes"][n]["weight"]) for n in "bc" if n in data["nodes"]}
    other = spikes @ weight["c"].T if "c" in weight else spikes
    assert np.allclose(got, spikes @ weight["b"].T + other)


def test_spikes_that_come_twice_are_not_spikes() -> None:
    """Two paths from one neuron to the Output, one of them through an empty subgraph, make counts of 0 and 2."""
    ends = {"input": nir.Input({"input": np.array([3])}), "output": nir.Output({"output": np.array([3])})}
    through = nir.NIRGraph(ends, [("input", "output")], type_check=False)
    edges = [("input", "a"), ("a", "b"), ("b", "s"), ("s", "output"), ("b", "output")]
    with pytest.raises(NirError, match="stands before the Output without weights"):
        import_graph(graph((4,), a=affine(3, 4), b=fire(), s=through, edges=edges), {}, "f", "net", **RULES)
    net = equal(graph((4,), a=affine(3, 4), b=fire(), s=through, c=fire(1.5), edges=[*edges[:3], ("s", "c"), ("b", "c"), ("c", "output")]))
    assert (net.network.layers[1].weights == np.diag(np.diag(net.network.layers[1].weights))).all()


def test_names_that_collide() -> None:
    net, _ = ran("05_collide/collide2")
    data = dictionary("05_collide/collide2")
    both = np.asarray(data["nodes"]["s.a"]["weight"]) + np.asarray(data["nodes"]["s"]["nodes"]["a"]["weight"])
    assert np.allclose(net.network.layers[0].weights * net.quantised[0].scale, both.T)
    assert {"s.a", "s/a"} < set(net.graph.nodes) and any("'s/a'" in note for note in net.notes)


@pytest.mark.parametrize("order", list(itertools.permutations(["a.b", "a", "a/b"])))
def test_names_that_collide_in_any_order(order: tuple[str, ...]) -> None:
    inside = {"i": {"type": "Input"}, "b": {"type": "Scale", "scale": np.array([4.0])}, "o": {"type": "Output"}}
    inner = {"type": "NIRGraph", "nodes": inside, "edges": [("i", "b"), ("b", "o")]}
    nodes = {"a.b": {"type": "Scale", "scale": np.array([2.0])}, "a": inner, "a/b": {"type": "Scale", "scale": np.array([1.0])}}
    top = {name: nodes[name] for name in order} | {"input": {"type": "Input", "shape": np.array([2])}, "output": {"type": "Output"}}
    edges = [(x, name) for x, name in itertools.product(["input"], order)] + [(name, "output") for name in order]
    g = graphs.from_dict({"type": "NIRGraph", "nodes": top, "edges": edges}, "f")
    scales = {name: node.fields["scale"].tolist() for name, node in g.nodes.items() if node.kind == "Scale"}
    assert scales == {"a.b": [2.0], "a//b": [4.0], "a/b": [1.0]}


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    """Brackets and colons in the name of a node are no markup."""
    nodes = {"a[b]": nir.Affine(np.ones((3, 4)), np.zeros(3)), ":x:": fire()}
    edges = [("input", "a[b]"), ("a[b]", ":x:"), (":x:", "output")]
    write(tmp_path / "net.nir", graph((4,), **nodes, edges=edges))
    rules = ("--T", "4", "--dt", "1", "--comparison", ">=", "--encoding", "spikes", "--reset", "hard", "--reset", "a[b]=none")
    result = CliRunner().invoke(loas.main, ["contract", str(tmp_path / "net.nir"), *rules])
    text = " ".join(re.sub("[│┃]", " ", result.output).split())
    assert result.exit_code == 0 and "reset of :x: none" in text and "a[b] machine a[b] :x: 4 3" in text


# ----------------------------------------------------------------------------------------------------------------- rounding
def test_weight_and_threshold_on_one_grid() -> None:
    net, out = ran("06_grid/grid", T=8, reset="subtract")
    assert np.flatnonzero(out[0, 0]).tolist() == [2, 5, 7]
    layer = net.network.layers[0]
    assert (layer.weights[0, 0], layer.threshold[0]) == (96, 256) and str(net.quantised[0].rounding) == "no"


def test_every_rounding_is_said() -> None:
    """Weights of 127 : 52.6, bias and threshold off that grid, beta 0.9: sizes by hand."""
    weight, b, theta = np.array([[1.0, 0.4142]]), np.array([0.1234]), 0.777
    g = graph((2,), nir.Affine(weight, b), lif(theta, tau=10.0, r=10.0))
    net = import_graph(g, {}, "f", "net", **{**RULES, "reset": "subtract"})
    found, s = net.quantised[0].rounding, 1 / 127
    theta32 = float(np.float32(theta))
    assert found.weights.count == 1 and np.isclose(found.weights.largest, abs(53 * s - 0.4142), rtol=1e-5)
    assert found.bias.count == 1 and np.isclose(found.bias.largest, abs(16 * s - 0.1234) / theta32, rtol=1e-4)
    assert found.threshold.count == 1 and np.isclose(found.threshold.largest, abs(99 * s - theta32) / theta32, rtol=1e-4)
    assert np.isclose(found.leak, 0.4, atol=1e-3)
    facts = net.facts()["rounding"]["n0"]
    assert facts["leak"] == found.leak and facts["weights"] == {"count": 1, "largest": found.weights.largest}
    assert net.companion()["layers"][0]["rounding"] == facts
    size = r"by up to 0\.\d\d%"
    assert re.fullmatch(rf"1 weights {size}, 1 biases {size}, 1 thresholds {size}, leak by -0\.4 / 256", str(found)), str(found)


def test_rounding_is_printed_and_stored(tmp_path: Path) -> None:
    write(tmp_path / "net.nir", graph((2,), nir.Affine(np.array([[1.0, 0.4142]]), np.zeros(1)), lif(0.75)))
    np.savez(tmp_path / "x.npz", spikes=np.ones((2, 2, 4), np.uint8))
    rules = ("--T", "4", "--dt", "1", "--reset", "subtract", "--comparison", ">=", "--encoding", "spikes")

    def run(command: str, *arguments: object) -> str:
        result = CliRunner().invoke(loas.main, [command, str(tmp_path / "net.nir"), *map(str, arguments), *rules])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    for text in (run("contract"), run("import", "-o", tmp_path / "n.npz"), run("diff", "--data", tmp_path / "x.npz")):
        assert "rounded in n0: 1 weights by up to 0.31%, 1 thresholds by up to" in text, text
    facts = json.loads((tmp_path / "n.contract.json").read_text())["contract"]["rounding"]["n0"]
    assert Rounding.read(facts).facts() == facts
    run("pack", tmp_path / "x.npz", tmp_path / "image", "--config", "tiny")
    arguments = [tmp_path / "n.npz", "--data", tmp_path / "x.npz", "-o", tmp_path / "s.npz"]
    again = CliRunner().invoke(loas.main, ["encode", *map(str, arguments)])
    assert again.exit_code == 0 and f"rounded in n0: {Rounding.read(facts)}" in again.output and "0.31%" in again.output
    manifest = json.loads((tmp_path / "image" / "manifest.json").read_text())
    assert manifest["origin"]["contract"]["rounding"]["n0"]["weights"]["count"] == 1


def test_a_leak_that_rounds_to_none_is_a_warning() -> None:
    net = import_graph(graph((2,), affine(1, 2), lif(0.5, tau=1000.0, r=1000.0)), {}, "f", "net", **{**RULES, "T": 100})
    (warning,) = [note for note in net.notes if note.startswith("warning: ")]
    assert "tau = 1000 of node 'n1'" in warning and "rounds to 256 / 256: the membrane never leaks: after 100 timesteps all" in warning
    assert "0.905" in warning  # 0.999^100
    net = import_graph(graph((2,), affine(1, 2), lif(0.5, tau=1.001, r=1.0)), {}, "f", "net", **RULES)
    assert any(note.startswith("warning: ") and "rounds to 0 / 256: the membrane forgets all" in note for note in net.notes)


def test_a_warning_of_the_import_stays_one(tmp_path: Path) -> None:
    """Also where the network was imported before."""
    write(tmp_path / "net.nir", graph((2,), nir.Affine(np.array([[1.0, 0.5]]), np.zeros(1)), lif(0.5, tau=1000.0, r=1000.0)))
    np.save(tmp_path / "x.npy", np.ones((2, 2, 4), np.uint8))
    rules = ("--T", "4", "--dt", "1", "--reset", "hard", "--comparison", ">=", "--encoding", "spikes")
    for arguments in (("import", tmp_path / "net.nir", "-o", tmp_path / "n.npz", *rules),
                      ("encode", tmp_path / "n.npz", "--data", tmp_path / "x.npy", "-o", tmp_path / "s.npz")):  # fmt: skip
        result = CliRunner().invoke(loas.main, [str(a) for a in arguments])
        assert result.exit_code == 0 and any(line.startswith("warning: n0: tau = 1000") for line in result.output.splitlines())


@pytest.mark.parametrize("decay", ["euler", "exponential"])
def test_a_leak_that_is_hardly_there(decay: str) -> None:
    """Beside 1 it is nothing in a float32, and r times it is still what the input counts; over many timesteps it is a warning."""
    for tau in (1e6, 1e7, 1e20):
        g = graph((2,), nir.Affine(np.array([[1.0, 0.5]]), np.zeros(1)), lif(np.full(1, 0.75), tau=tau, r=tau))
        for steps, lost in ((6, False), (65535, tau < 1e8)):
            net = import_graph(g, {}, "f", "net", **{**RULES, "T": steps, "decay": decay})
            assert [note for note in net.notes if note.startswith("warning: ")] == [] or lost
            assert not lost or f"after {steps} timesteps all of it is left, and {np.exp(-steps / tau):.3g} by the file" in net.notes[-1]
            assert bool(net.quantised[0].rounding.leak) == lost and net.network.layers[0].leak == 256
            assert np.isclose(net.quantised[0].scale[0] * net.network.layers[0].weights[0, 0], 1)
        net = import_graph(g, {}, "f", "net", **{**RULES, "T": 4, "decay": decay})
        _, (out,), trace = compare(net, np.array([[[1, 0, 0, 1], [0, 1, 1, 0]]], np.uint8))
        assert out[0, 0].tolist() == [1, 0, 1, 1] and trace.values["n1"][:, 0, 0].tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(("reset", "tau", "said"), [("subtract", 2.0, 1 / 3), ("subtract-delayed", 1.0, 1 / 3), ("subtract", 1.0, 0),
                                                    ("hard", 2.0, 0), ("none", 2.0, 0)])  # fmt: skip
def test_a_subtraction_of_more_than_the_threshold_is_said(reset: str, tau: float, said: float) -> None:
    """Four bits, weights of 7 steps, a threshold of 3: > compares with 4 and subtracts it."""
    g = graph((2,), nir.Affine(np.array([[0.875, 0.125]]), np.zeros(1)), lif(0.375, tau=tau, r=tau))
    net = import_graph(g, {}, "f", "net", bits=4, **{**RULES, "reset": reset, "comparison": ">"})
    found = net.quantised[0].rounding
    assert net.network.layers[0].threshold[0] == 4 and found.threshold.count == 0
    assert (found.subtracted.count, round(found.subtracted.largest, 9)) == (int(said > 0), round(said, 9))
    assert (str(found) == "1 subtracted thresholds by up to 33.33%") == (said > 0) == ("rounding" in net.facts())
    same = import_graph(g, {}, "f", "net", bits=4, **{**RULES, "reset": reset})
    assert same.quantised[0].rounding.subtracted.count == 0


def columns(weight: list[list[float]], b: list[float], theta: Any, **rules: Any) -> Imported:
    g = graph((len(weight[0]),), nir.Affine(np.array(weight), np.array(b)), nir.IF(np.ones(len(b)), np.array(theta), np.zeros(len(b))))
    return import_graph(g, {}, "f", "net", cfg=load("tiny"), **{**RULES, **rules})


def test_an_output_that_is_dead() -> None:
    net, out = ran("04_dead/dead")
    assert not out[:, 0].any() and any("1 outputs (first: 0) never fire" in note for note in net.notes)
    assert 0 < out[:, 1:].mean() < 1


@pytest.mark.parametrize("reset", ["hard", "subtract", "none"])
@pytest.mark.parametrize("comparison", [">=", ">"])
@pytest.mark.parametrize("tiny", [1e-8, 1e-300, 5e-324])
def test_extremes_map_to_the_neuron_that_they_mean(reset: str, comparison: str, tiny: float) -> None:
    """Outputs: dead, always on by bias, dead by a huge threshold, on by a threshold far below, an ordinary one with a tiny threshold."""
    net = columns([[tiny, tiny], [tiny, 0], [1.0, 0.5], [1.0, 0.5], [1.0, 0.5]], [0, 2, 0, 0, 0], [1.0, 1.0, 1e30, -1e30, tiny],
                  reset=reset, comparison=comparison)  # fmt: skip
    net.network.check(load("tiny"))
    x = np.array([[[0, 1, 0, 1], [0, 0, 1, 1]], [[1, 1, 1, 1], [1, 1, 1, 1]]], np.uint8)
    diff, (out,), trace = compare(net, x)
    assert out[:, 0].sum() == 0 and out[:, 1].all() and out[:, 2].sum() == 0
    want = np.moveaxis(trace.values["n1"], 0, -1)
    assert want[:, 3].all() and (out == want).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_a_bias_that_alone_decides_fits_the_machine(bits: int) -> None:
    """Weights far below bias and threshold, which alone make a spike in every fourth step: it fits a machine of 24 bits."""
    net = columns([[1e-10, 1e-10], [1.0, 0.5]], [0.3, 0.0], [1.0, 1.0], T=8, bits=bits)
    net.network.check(load("tiny"))
    x = np.ones((1, 2, 8), np.uint8)
    diff, (out,), _ = compare(net, x)
    assert np.flatnonzero(out[0, 0]).tolist() == [3, 7] and diff.first is None
    assert any("1 of 2 columns lose up to" in note for note in net.notes)


@pytest.mark.parametrize("bias", [1e12, -1e12, 1e-8, -1e-8])
def test_extreme_biases(bias: float) -> None:
    net = columns([[1.0, 0.5]], [bias], [0.75])
    x = np.random.default_rng(0).integers(0, 2, (9, 2, 4)).astype(np.uint8)
    assert compare(net, x)[0].first is None
    assert bool(net.quantised[0].rounding.bias.count) == (abs(bias) < 1)


@pytest.mark.parametrize("bias", [1e8, -1e12, 1e30])
def test_an_extreme_bias_of_a_readout(bias: float) -> None:
    """All outputs share a scale, in which the largest bias must add up: it decides, and what the others lose is said."""
    g = graph((2,), nir.Affine(np.array([[1.0, 0.5], [0.5, 1.0]]), np.array([bias, 0.0])))
    net = import_graph(g, {}, "f", "net", cfg=load("tiny"), **{**RULES, "T": 200})
    net.network.check(load("tiny"))
    diff, (out,), trace = compare(net, np.ones((3, 2, 200), np.uint8))
    assert diff.layers[0].different == 0 and diff.layers[0].worst < 1e-6 and (out[:, 0] > 0).all() == (bias > 0)
    assert "n0: weights are small beside a bias, which adds up to 32 bits in 200 timesteps, and lose bits to it" in net.notes
    assert net.quantised[0].rounding.weights.count == 4 and net.quantised[0].rounding.weights.largest > 0.1


def test_a_small_output_beside_large_ones_is_said() -> None:
    """A readout has one scale: an output whose weights are a millionth of another's is gone, and not a thousandth of a step off."""
    g = graph((2,), nir.Affine(np.array([[1.0, 0.5], [1e-6, 1e-6]]), np.zeros(2)))
    found = import_graph(g, {}, "f", "net", **RULES).quantised[0].rounding
    assert (found.weights.count, found.weights.largest) == (2, 1.0) and str(found) == "2 weights by up to 100.00%"


def test_bias_and_threshold_alone_keep_their_grid() -> None:
    """0.1 a step reaches 0.7 in the seventh: on the grid of both it is exact."""
    net = columns([[0.0, 0.0]], [0.1], [0.7], T=8, reset="subtract")
    _, (out,), _ = compare(net, np.zeros((1, 2, 8), np.uint8))
    assert np.flatnonzero(out[0, 0]).tolist() == [6] and str(net.quantised[0].rounding) == "no"


# ------------------------------------------------------------------------------------------------------------------- resets
def test_a_layer_without_reset() -> None:
    """Recorded by snnTorch: the last layer is Leaky(reset_mechanism="none")."""
    with np.load(CASES / "08_none/q_none.npz") as data:
        x, y = data["x"], data["y"]
    rules: dict[str, Any] = {"T": 16, "encoding": "spikes", "dialect": "snntorch"}
    net = read_nir(CASES / "08_none/q_none.nir", alone=True, resets={"3": "none"}, **rules)
    assert net.contract.facts()["resets"] == {"3": "none"}
    _, outputs, trace = compare(net, x)
    assert np.array_equal(np.moveaxis(trace.values["3"], 0, -1), y)
    assert (outputs[-1] != y).mean() < 0.005  # > with a subtraction in the first layer is a step off
    wrong = read_nir(CASES / "08_none/q_none.nir", alone=True, **rules)
    assert (compare(wrong, x)[1][-1] != y).mean() > 0.02
    layer = net.network.layers[-1]
    assert layer.late and not layer.soft


@pytest.mark.parametrize("reset", ["hard", "subtract", "subtract-delayed", "none"])
@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_every_reset_beside_every_other(reset: str, tau: float) -> None:
    """Also of a neuron that keeps nothing of its membrane: a threshold that is subtracted late still counts in the next step."""
    g = graph((6,), affine(5, 6), lif(0.25, tau=tau, r=tau), affine(4, 5), lif(0.25), affine(3, 4), fire(0.5))
    equal(g, resets={"n1": reset}, T=4)
    equal(g, reset=reset, resets={"n2": "none", "n5": "hard"}, T=4)


def test_resets_on_the_command_line_and_in_the_sidecar(tmp_path: Path) -> None:
    write(tmp_path / "net.nir", graph((6,), affine(5, 6), lif(), affine(4, 5), lif()))
    rules = ("--T", "4", "--dt", "1", "--comparison", ">=", "--encoding", "spikes")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(loas.main, ["contract", str(tmp_path / "net.nir"), *rules, *arguments])
        return result.exit_code, " ".join(re.sub("[│┃]", " ", result.output).split())

    code, text = run("--reset", "hard", "--reset", "n2=none")
    assert code == 0 and "reset hard --reset" in text and "reset of n3 none --reset" in text
    assert run("--reset", "n1=hard", "--reset", "n3=subtract")[0] == 0  # each layer has one
    for bad, words in [(["hard", "none"], "--reset none is not legal: all layers has another"), (["hard", "input=none"], "leads to"),
                       (["n9=none"], "reset of 'n9' = none is not legal: that node does not"), (["n1=none"], "NIR does not say reset"),
                       (["n1=off"], "--reset n1=off is not legal: must be one of hard"),
                       (["hard", "n2=none", "n3=hard"], "must be one")]:  # fmt: skip
        code, text = run(*itertools.chain.from_iterable(("--reset", b) for b in bad))
        assert code == 2 and words in text, text
    side = {"format": "loas-nir-sidecar", "version": 1, "reset": "hard", "resets": {"n3": "none"}}
    (tmp_path / "net.json").write_text(json.dumps(side))
    code, text = run()
    assert code == 0 and re.search(r"reset of n3 none \S*net\.json", text), text
    assert "reset of n3 subtract --reset" in run("--reset", "n3=subtract")[1]
    (tmp_path / "net.json").write_text(json.dumps({**side, "resets": {"n3": "zero"}}))
    code, text = run()
    assert code == 2 and "net.json: resets = {'n3': 'zero'} is not legal" in text


def test_a_leak_of_nothing_is_an_integrator() -> None:
    """snnTorch writes Leaky(beta=1) with tau and r infinite: X = U + I."""
    inf = np.full(3, np.inf)
    node = nir.LIF(tau=inf, r=inf, v_leak=np.zeros(3), v_threshold=np.full(3, 0.75), v_reset=np.zeros(3))
    for decay in ("euler", "exponential"):
        net = equal(graph((4,), affine(3, 4), node), decay=decay)
        assert net.network.layers[0].leak == 256
        fields = net.graph.nodes["n0"].fields
        same = equal(graph((4,), nir.Affine(fields["weight"], fields["bias"]), fire(np.full(3, 0.75))))
        assert net.network.same(same.network)
