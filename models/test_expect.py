# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What a comparison must notice: silent and saturated layers, decisions that are none, and where a toolkit's recording parts from us."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner

from models.test_conformance import CASES, EXACT, imported, of_node, recorded
from scripts import loas
from scripts.board_cli import verdict
from scripts.importer.activity import INTEGERS, REFERENCE, Activity
from scripts.importer.diff import choose, compare, layer_maps, layer_rows, margins, survey, windows
from scripts.importer.errors import NirError
from scripts.importer.expect import Expectation, read_expectation
from scripts.importer.network import Imported, import_graph
from scripts.test_nir_mapping import RULES, affine, conv, fire, flatten, graph, grid, lif, pool, spikes

SILENT = Path(__file__).parents[1] / "scripts" / "cases" / "09_silent"
HERE = Path(__file__).resolve().parents[1] / "models" / "conformance"
CASE = ("--T", 4, "--encoding", "spikes", "--dt", 1, "--reset", "hard", "--comparison", ">=", "--if-gain", "per-step")


def run(*arguments: object) -> tuple[int, str]:
    """Exit code and output of ``loas``, on one line."""
    result = CliRunner().invoke(loas.main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, " ".join(result.output.split())


def take(g: Any, **options: Any) -> Imported:
    return import_graph(g, {}, "f", "net", **{**RULES, **options})


# ---------------------------------------------------------------------------------------------------------- rates and decisions
def test_a_scale_of_every_channel_is_named() -> None:
    """Pixels divided by far too much silence the network, and the warning says by how much."""
    g = graph((2, 4, 4), conv(2, 2, 3, bias=None), fire(), conv(2, 2, 2, bias=None), fire())
    net = take(g, encoding="direct", pixel_scale=(1e6, 2e6))
    diff, _, _ = compare(net, np.full((1, 2, 4, 4), 3))
    said = diff.rates.warnings(net.contract, 1)
    assert len(said) == 2 and all(line.endswith("the scale of the input (--pixel-scale 1e+06,2e+06)") for line in said)


def test_silence_is_no_agreement(tmp_path: Path) -> None:
    """Nothing fires in either computation: no decision, a warning for each layer, and the old result goes before the work starts."""
    out = tmp_path / "new" / "folder" / "d.json"
    code, text = run("diff", SILENT / "silent.nir", *CASE, "--data", SILENT / "silent.npz", "--out", out)
    assert code == 0 and "no decision to compare: for all 20 inputs the outputs of the last layer are equal" in text
    assert "same decision for" not in text
    for layer, places in (("a", 320), ("b", 240)):
        where = "in integers and float reference"
        assert f"warning: layer {layer} is silent {where}: 0 of {places} possible spikes (0.000%), 20 inputs; likely causes: a rule" in text
    assert "likely causes: a rule that the network was not trained by (--dt 1.0, --lif-gain nir" in text and "--pixel-scale 1" in text
    figures = json.loads(out.read_text())
    assert figures["agreement"] is None and figures["decided"] == 0 and figures["different_spikes"] == 0 and len(figures["warnings"]) == 2
    silent = {"rate": 0.0, "never": 1.0, "always": 0.0, "spikes": 0, "possible": 320}
    assert figures["activity"][0] == {"name": "a", "integers": silent, "float_reference": silent}
    code, text = run("diff", SILENT / "no.nir", *CASE, "--data", SILENT / "silent.npz", "--out", out)
    assert code == 2 and not out.exists() and not list(out.parent.iterdir())


def test_activity_by_hand() -> None:
    """Two inputs of one row, three neurons, two timesteps."""
    out = np.array([[[1, 1], [0, 0], [0, 1]], [[1, 1], [0, 0], [0, 0]]])
    a = Activity.of(out, 2)
    assert (a.fired, a.places, a.rate, a.state) == (5, 12, 5 / 12, "") and np.allclose((a.never, a.constantly), 1 / 3)
    assert (Activity.of(out[:1], 1) + Activity.of(out[1:], 1)).facts() == a.facts()
    assert Activity.of(np.array([[[1, 1]], [[0, 1]]]), 1).facts()["always"] == 0.5  # two rows of one input are two neurons
    for fired, places, state in ((0, 10, "silent"), (1, 1001, "nearly silent"), (1, 1000, ""), (990, 1000, ""),
                                 (991, 1000, "nearly saturated"), (10, 10, "saturated")):  # fmt: skip
        flat = np.zeros((1, 1, places), np.uint8)
        flat[..., :fired] = 1
        assert Activity.of(flat, 1).state == state, (fired, places)


def test_saturation_and_rounding_are_told_apart() -> None:
    """A layer that always fires in both is the contract's; one that only the integers silence is rounding's."""
    always = take(graph((3,), nir.Affine(grid(2, 3), np.ones(2)), fire(0.25), affine(3, 2), lif()), reset="subtract")
    x = np.ones((4, 3, 6), np.uint8)
    diff = survey(always, x)[0]
    assert diff.rates.layers[0, "n0"][INTEGERS].constantly == diff.rates.layers[0, "n0"][REFERENCE].constantly == 1
    assert "layer n0 is saturated in integers and float reference: 48 of 48" in diff.rates.warnings(always.contract, 4)[0]
    once = take(graph((1,), nir.Affine(grid(2, 1), np.zeros(2)), fire(0.5)), drop_once=("all",))
    single = np.zeros((1, 1, 6), np.uint8)
    single[..., :2] = 1  # one spike of each neuron, which the machine drops
    (line,) = survey(once, single)[0].rates.warnings(once.contract, 1)
    assert "layer n0 is silent in integers: 0 of 12" in line and "likely causes: rounding" in line


def test_equal_outputs_decide_nothing() -> None:
    assert choose(np.array([[0, 0, 0], [2, 2, 2], [1, 2, 2], [3, 0, 1]])).tolist() == [-1, -1, 1, 0]
    assert choose(np.array([[0], [4]])).tolist() == [0, 0]  # one output is no choice
    figures: dict[str, Any] = {}
    verdict(np.array([-1, 1]), np.array([0, 1]), figures)
    assert figures == {"decisions": [-1, 1], "images": 2, "correct": 1, "accuracy": 0.5}
    net = take(graph((3,), affine(4, 3), fire()))
    x = spikes(net, 5)
    x[2:] = 0
    net.quantised[0].layer.bias[:] = 0
    net.graph.nodes["n0"].fields["bias"][:] = 0
    diff = survey(net, x)[0]
    assert (diff.inputs, diff.decided, diff.same, diff.agreement) == (5, 2, 2, 1.0)
    assert diff.verdict == "same decision for 100.00% of 2 inputs, 3 without any decision left out"


# ------------------------------------------------------------------------------------------------------------- toolkits' recordings
def conformance(name: str, tmp_path: Path, right: Imported | None = None, **options: Any) -> Expectation:
    """A toolkit's recording, held against the network that it exported; ``right``: read already, now with other rules."""
    net = import_graph(right.graph, {}, name, name, **{**right.contract.facts(), **options}) if right else imported(name)
    x, found = recorded(name)
    arrays = {stage.node: of_node(stage.node, found) for stage in net.stages}
    np.savez(tmp_path / "r.npz", **arrays)  # type: ignore[arg-type]
    expected = read_expectation(net, tmp_path / "r.npz", len(x))
    survey(net, x, most=1 << 15, watch=expected.hold)  # in several parts
    return expected


@pytest.mark.parametrize("name", [*EXACT, *(name for name, case in CASES.items() if "near" in case)])
def test_only_the_right_contract_is_equal_to_the_recording(name: str, tmp_path: Path) -> None:
    """With the other comparison the first layer that is named parts where the recording says, exactly at the threshold."""
    right = conformance(name, tmp_path)
    assert right.agrees and right.lines()[0] == "first part: nowhere, equal to the recording"
    assert (right.first(INTEGERS) is None) == ("near" not in CASES[name])
    assert right.recordings[-1].held[REFERENCE].same == right.recordings[-1].held[REFERENCE].decided > 0
    if "near" not in CASES[name]:
        wrong = conformance(name, tmp_path, right.imported, comparison=">" if right.imported.contract.comparison == ">=" else ">=")
        first = wrong.first(REFERENCE)
        assert first is not None and first.layer == wrong.imported.stages[first.stage].name
        found = first.held[REFERENCE]
        assert found.first is not None and found.margin == 0 and found.recorded != found.ours
        t, image, place = found.first
        assert of_node(first.node, recorded(name)[1])[(image, *place, t)] == found.recorded
        assert all(not r.held[REFERENCE].different for r in wrong.recordings[: wrong.recordings.index(first)])


@pytest.mark.parametrize(("name", "rule", "value"), [("snntorch_fc_subtract", "reset", "hard"), ("norse_lif", "dialect", "spikingjelly"),
                                                     ("sinabs_lif", "decay", "euler")])  # fmt: skip
def test_a_wrong_rule_fails_the_command(tmp_path: Path, name: str, rule: str, value: str) -> None:
    rules = {"dialect": CASES[name]["dialect"], "T": CASES[name]["T"], "encoding": "spikes"}
    rules |= {"reset": CASES[name]["reset"]} if "reset" in CASES[name] else {}

    def diff(**more: Any) -> tuple[int, str]:
        options = [str(v) for key, given in {**rules, **more}.items() for v in ("--" + key, given)]
        data = ("--data", HERE / f"{name}.npz", "--data-array", "input")
        return run("diff", HERE / f"{name}.nir", *options, *data, "--expect", HERE / f"{name}.npz", "--out", tmp_path / "d.json")

    code, text = diff()  # `input` is the data of the same file, and no recording
    assert code == 0 and "first part: nowhere, equal to the recording integers first part: nowhere, equal to the recording" in text
    figures = json.loads((tmp_path / "d.json").read_text())["expect"]
    assert figures["agrees"] and [r["array"] for r in figures["recordings"]] == ["1", "3"]
    code, text = diff(**({"dialect": value, "dt": 1e-6} if rule == "dialect" else {rule: value}))
    assert code == 1 and "first part: layer 0, image " in text
    figures = json.loads((tmp_path / "d.json").read_text())["expect"]
    assert not figures["agrees"] and figures["first_part"] in text and figures["recordings"][0]["float_reference"]["different"] > 0


def test_digits_recorded_by_snntorch(tmp_path: Path) -> None:
    """Every spike of the last layer, by snnTorch's rules and pixels / 16; another reset or scale is found."""
    with np.load(SILENT / "dig_snn.npz") as data:
        np.savez(tmp_path / "r.npz", output=data["out"].astype(bool))
    base = ("diff", SILENT / "dig_snn.nir", "--T", 8, "--encoding", "direct", "--data", SILENT / "dig_snn.npz", "--data-array", "x",
            "--labels-array", "y", "--expect", tmp_path / "r.npz", "--dialect", "snntorch")  # fmt: skip
    code, text = run(*base, "--pixel-scale", 16, "--images", 100)
    assert code == 0 and "first part: nowhere, equal to the recording" in text and "8000 │ 0.000% │ " in text
    assert "integers first part: layer 6, image 16, neuron 4, timestep 1: recorded 1, integers 0" in text
    assert "decisions as recorded: float reference 100 of 100, integers 100 of 100 not recorded: 0, 3" in text
    code, text = run(*base, "--pixel-scale", 16, "--reset", "hard", "--images", 20)
    assert code == 1
    place = "first part: layer 6, image 10, neuron 8, timestep 1"
    assert f"{place}: recorded 1, float reference 0 (membrane -0.417916 from its threshold)" in text
    assert run(*base, "--images", 2)[0] == 1


# ------------------------------------------------------------------------------------------------------------------ random graphs
def random_net(seed: int) -> tuple[Imported, np.ndarray]:
    """Convolutions or affine layers, max pools that become part of a layer or one of their own, residuals, host layers, readouts."""
    rng = np.random.default_rng(seed)
    direct = bool(rng.random() < 0.4)
    options: dict[str, Any] = {"encoding": "direct", "pixel_scale": 4.0} if direct else {}
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    last, shape = "input", (int(rng.integers(1, 3)), int(rng.integers(6, 9)), int(rng.integers(6, 9)))
    start, made = shape, dict[str, tuple[int, ...]]()

    def put(name: str, node: Any) -> None:
        nonlocal last
        nodes[name] = node
        edges.append((last, name))
        last = name

    for i in range(int(rng.integers(1, 4)) + direct):
        c = shape[0] if i and rng.random() < 0.6 else int(rng.integers(2, 5))
        put(f"c{i}", conv(c, shape[0], 3, padding=1))
        put(f"s{i}", lif() if rng.random() < 0.5 else fire())
        shape = (c, *shape[1:])
        earlier = [name for name, its in made.items() if its == shape]
        if earlier and rng.random() < 0.8:
            edges.append((str(rng.choice(earlier)), f"s{i}"))
        made[last] = shape
        if rng.random() < 0.6 and min(shape[1:]) >= 3 and (i or not direct):
            step = int(rng.integers(1, 3))  # 1: the windows overlap, a layer of its own
            put(f"p{i}", pool("SumPool2d", 2, step))
            put(f"m{i}", nir.Threshold(np.array([0.5])))
            made[last] = shape = (c, (shape[1] - 2) // step + 1, (shape[2] - 2) // step + 1)
    put("flat", flatten())
    put("out", affine(int(rng.integers(2, 6)), int(np.prod(shape))))
    end = rng.integers(3)
    if end:
        put("last", fire() if end == 1 else nir.I(np.ones(1)))
    edges.append((last, "output"))
    net = take(graph(start, edges=edges, **nodes), **options)
    return net, rng.integers(0, 9, (3, *start)) if direct else spikes(net)


def write(path: Path, net: Imported, x: np.ndarray) -> dict[str, np.ndarray]:
    """Records the reference at every neuron, and the readout, under names of nodes and layers in turn."""
    trace = compare(net, x)[2]
    arrays = {}
    for i, stage in enumerate(net.stages):
        values = np.moveaxis(trace.values[stage.node], 0, -1)
        arrays[stage.node if i % 2 or stage.readout else stage.name] = values
        if stage.neuron not in (None, stage.node):
            assert stage.neuron is not None
            arrays[stage.neuron] = np.moveaxis(trace.values[stage.neuron], 0, -1)
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return arrays


@pytest.mark.parametrize("seed", range(24))
def test_one_wrong_spike_is_found(seed: int, tmp_path: Path) -> None:
    """Equal to what the reference records, in float and in integers; and a spike or value that is changed is the one that is named."""
    net, x = random_net(seed)
    path, rng = tmp_path / "r.npz", np.random.default_rng(seed)
    arrays = write(path, net, x)

    def hold() -> Expectation:
        expected = read_expectation(net, path, len(x))
        survey(net, x, most=1 << 14, watch=expected.hold)
        return expected

    equal = hold()
    assert equal.agrees and equal.first(INTEGERS) is None and {r.array for r in equal.recordings} == set(arrays)
    trace = compare(net, x)[2]
    for record in equal.recordings:
        stage = net.stages[record.stage]
        array = arrays[record.array]
        assert layer_maps(stage, layer_rows(stage, trace.values[stage.node])).shape == (len(x), *stage.shape, 6)
        changed = array.copy()
        place = tuple(int(rng.integers(n)) for n in array.shape[:-1])
        t = int(rng.integers(5))
        changed[(*place, t)] = 1 - array[(*place, t)] if record.spikes else array[(*place, t)] + 1
        changed[..., 5] = 1 - array[..., 5] if record.spikes else array[..., 5]  # later differences do not count
        np.savez(path, **{**arrays, record.array: changed})  # type: ignore[arg-type]
        found = hold()
        first = found.first(REFERENCE)
        assert first is not None and first.array == record.array and not found.agrees
        held = first.held[REFERENCE]
        assert held.first == (t, place[0], place[1:]) and held.recorded == changed[(*place, t)] and held.ours == array[(*place, t)]
        what = f"layer {record.layer}, image {place[0]}, {'neuron' if record.spikes else 'output'} "
        assert first.text(REFERENCE).startswith(what) and f"timestep {t}: recorded {held.recorded:g}, float" in first.text(REFERENCE)
        if record.spikes:
            assert held.margin is not None and (held.margin >= 0) == (held.ours == 1)
        if record.spikes and record.node == stage.node:
            assert first.held[INTEGERS].first == held.first and first.held[INTEGERS].margin == held.margin


def test_the_random_graphs_have_it_all() -> None:
    nets = [random_net(seed)[0] for seed in range(24)]
    stages = [stage for net in nets for stage in net.stages]
    assert any(s.pool for s in stages) and any(s.max_pool for s in stages) and any(len(s.branches) > 1 for s in stages)
    assert any(net.host for net in nets) and any(s.readout for s in stages)
    assert any(s.pool for net in nets if net.host for s in net.stages)


def test_margins_behind_a_pool() -> None:
    """The neuron under the window that fires, or comes next to it."""
    net = take(graph((1, 5, 5), conv(2, 1, 3, padding=1), fire(), pool("SumPool2d"), nir.Threshold(np.array([0.5]))))
    assert net.stages[0].pool == (2, 2)
    trace = compare(net, spikes(net))[2]
    margin = margins(net.stages[0], trace)
    assert np.array_equal(margin >= 0, trace.values["n3"] > 0)
    assert margin[0, 0, 0, 0, 0] == trace.margin["n1"][0, 0, 0, :2, :2].max() and margin.shape[-2:] == (2, 2)
    assert windows(np.arange(12).reshape(3, 4), (2, 2)).tolist() == [[5, 7]]


# --------------------------------------------------------------------------------------------------------------- readouts, bad files
def test_readouts_in_the_units_of_the_reference(tmp_path: Path) -> None:
    """Sums, membranes, values of each timestep; float32 is equal, a thousandth off is not; the integers may be off by their rounding."""
    rng = np.random.default_rng(0)
    for end in ([], [nir.I(np.full(5, 0.5))]):
        net = take(graph((8,), nir.Affine(rng.normal(size=(5, 8)), rng.normal(size=5)), *end))
        x = spikes(net, 4)
        steps = np.moveaxis(compare(net, x)[2].values[net.stages[0].node], 0, -1)
        final = steps[..., -1] if end else steps.sum(axis=-1)
        for values, factor, good in ((final, 1, True), (steps, 1, True), (final, 1.001, False), (steps, 1.001, False)):
            np.savez(tmp_path / "r.npz", output=(values * factor).astype(np.float32))
            expected = read_expectation(net, tmp_path / "r.npz", 4)
            survey(net, x, watch=expected.hold)
            (r,) = expected.recordings
            assert expected.agrees == good and r.held[REFERENCE].same == r.held[REFERENCE].decided == 4
            assert 0 < r.held[INTEGERS].worst < 0.1 and r.held[INTEGERS].compared == final.size
            assert good or f"largest difference {r.held[REFERENCE].worst:g}" in expected.lines()[0]
            assert good or ("timestep" in expected.lines()[0]) == (values is steps)
            assert r.facts()[REFERENCE.replace(" ", "_")]["largest_difference"] == r.held[REFERENCE].worst


def test_recordings_that_are_not_legal(tmp_path: Path) -> None:
    """Names, shapes, values, too few images; bool, floats and integers are taken."""
    net = take(graph((2, 4, 4), c1=conv(3, 2, 3), lif1=lif(), f=flatten(), fc=affine(4, 12), lif2=fire()))
    path = tmp_path / "r.npz"
    good: Any = np.zeros((5, 3, 2, 2, 6))
    last: Any = np.zeros((5, 4, 6))

    def read(**arrays: Any) -> Expectation:
        np.savez(path, **arrays)
        return read_expectation(net, path, 4)

    for kind in (bool, np.uint8, np.int64, np.float32):
        assert read(c1=good.astype(kind)).recordings[0].values.shape == (4, 3, 2, 2, 6)
    assert read(lif1=good.reshape(5, 12, 6)).recordings[0].values.shape == (4, 3, 2, 2, 6)  # flat
    both = read(output=last, lif1=good, fc=last, input=np.zeros((4, 2, 4, 4, 6)))
    assert [(r.array, r.node, r.layer) for r in both.recordings] == [
        ("input", "input", "input"), ("lif1", "lif1", "c1"), ("output", "lif2", "fc"), ("fc", "lif2", "fc")]  # fmt: skip
    two, half = good.copy(), good.copy()
    two[1, 0, 0, 0, 2], half[0, 0, 0, 0, 0] = 3, 0.5
    for arrays, message in (
        ({"lif_1": good}, "array 'lif_1' names no layer and no neuron's node: nearest: lif1"),
        ({"lif1x": good, "lif1": good}, "array 'lif1x' names no layer"),
        ({"zzzzzz": good}, "must be one of input, lif1, c1, lif2, fc, output"),
        ({"f": last}, "array 'f' names no layer"),
        ({}, "has no recording"),
        ({"c1": np.moveaxis(good, -1, 1)}, r"shape \(5, 6, 3, 2, 2\) is not legal: must be \(images, 3, 2, 2, 6\), T = 6 last; "
         r"it looks like \(N, T, C, H, W\): give x.transpose\(0, 2, 3, 4, 1\)"),
        ({"c1": np.moveaxis(good, -1, 0)}, r"it looks like \(T, N, C, H, W\): give x.transpose\(1, 2, 3, 4, 0\)"),
        ({"c1": np.moveaxis(good, 1, -2)}, r"it looks like \(N, H, W, C, T\): give x.transpose\(0, 3, 1, 2, 4\)"),
        ({"fc": last[0]}, r"looks like one image without the axis N: give x\[None\]"),
        ({"c1": good[..., 0]}, r"shape \(5, 3, 2, 2\) is not legal: must be \(images, 3, 2, 2, 6\), T = 6 last$"),
        ({"c1": good[:3]}, "3 images are not legal: must be at least 4"),
        ({"c1": two}, "3.0 is not legal: a neuron of the machine fires at most once a step, and several spikes a step cannot be computed"),
        ({"c1": half}, "0.5 is not legal: spikes must be 0 or 1"),
        ({"c1": -two}, "-3.0 is not legal: spikes must be 0 or 1"),
        ({"c1": np.full_like(good, np.nan)}, "not all numbers are finite"),
        ({"c1": good.astype(str)}, "must be numbers"),
    ):
        with pytest.raises(NirError, match=message):
            read(**arrays)
    direct = take(graph((2, 4, 4), c1=conv(3, 2, 3), lif1=lif(), f=flatten(), fc=affine(4, 12), lif2=fire()), encoding="direct")
    np.savez(path, input=np.zeros((4, 2, 4, 4)))
    with pytest.raises(NirError, match="array 'input' names no layer"):
        read_expectation(direct, path, 4)


def test_several_spikes_a_step_are_refused(tmp_path: Path) -> None:
    """sinabs by default: its recording cannot be this machine's, and says so."""
    with pytest.raises(NirError, match=r"array '4': 2 is not legal: .*several spikes a step.*SingleSpike|array '1': 2 is not legal"):
        conformance("sinabs_conv_iaf_multi", tmp_path)


def test_the_recorded_input(tmp_path: Path) -> None:
    """Data in another order of pixels than the toolkit had parts at the input already."""
    nets = [take(graph((2, 3, 3), conv(2, 2, 2), lif()), pixel_scale=scale) for scale in (3.0, (3.0, 2.0))]
    x = spikes(nets[0])
    for net, (given, good) in itertools.product(nets, ((x, True), (x[:, ::-1], False))):
        np.savez(tmp_path / "r.npz", input=given)
        expected = read_expectation(net, tmp_path / "r.npz", len(x))
        survey(net, x, watch=expected.hold)
        assert expected.agrees == good and expected.computations == [REFERENCE]
        assert good or expected.lines()[0].startswith("first part: layer input, image ")
