# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Tests of scripts/nir_import.py on graphs made here."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner

from scripts.importer.sidecar import FIELDS
from scripts.loas import main
from scripts.nir_import import NirError, import_graph, load_sidecar, read_nir

MODELS = Path(__file__).resolve().parents[1] / "models"
SIDE: dict[str, Any] = {
    "format": "loas-nir-sidecar", "version": 1, "name": "net", "T": 4, "dt": 1.0, "reset": "hard", "comparison": ">=",
    "weight_bits": 8,
    "layers": [
        {"name": "enc", "affine": "z.enc", "neuron": "a.lif", "runs_on": "host", "kind": "spiking", "scale": "output"},
        {"name": "fc", "affine": "fc", "neuron": "lif", "runs_on": "machine", "kind": "spiking", "scale": "output", "leak": 64,
         "k": 6, "n": 5},
        {"name": "out", "affine": "out", "neuron": None, "runs_on": "machine", "kind": "readout", "scale": "layer"},
    ],
}  # fmt: skip


def lif(n: int, **kw: Any) -> Any:
    fields = {"tau": 4 / 3, "r": 4 / 3, "v_leak": 0.0, "v_reset": 0.0, "v_threshold": 1.0, **kw}
    return nir.LIF(**{k: np.full(n, v, np.float32) for k, v in fields.items()})


def graph(**changed: Any) -> Any:
    rng = np.random.default_rng(0)

    def affine(n: int, k: int) -> Any:
        W = rng.integers(-127, 128, (n, k))
        W[:, 0] = 127
        return nir.Affine(weight=(W / 64).astype(np.float32), bias=(rng.integers(-9, 10, n) / 64).astype(np.float32))

    nodes: dict[str, Any] = {
        "input": nir.Input({"input": np.array([3])}), "z.enc": affine(6, 3), "a.lif": lif(6), "fc": affine(5, 6),
        "lif": lif(5), "out": affine(2, 5), "output": nir.Output({"output": np.array([2])}),
    }  # fmt: skip
    names = list(nodes)
    nodes |= changed
    return nir.NIRGraph(dict(sorted(nodes.items())), [*itertools.pairwise(names)], type_check=False)


def test_integers_are_recovered_and_ordered_by_edges(tmp_path: Path) -> None:
    g = graph()
    nir.write(tmp_path / "net.nir", g)
    (tmp_path / "net.json").write_text(json.dumps(SIDE))
    got = read_nir(tmp_path / "net.nir")
    assert [x.name for x in got.network.layers] == ["fc", "out"] and [x.name for x in got.host] == ["enc"]
    fc, out = got.network.layers
    assert np.array_equal(fc.weights, np.rint(g.nodes["fc"].weight.T * 64)) and fc.leak == 64 and not fc.soft
    assert np.array_equal(fc.bias, np.rint(g.nodes["fc"].bias * 64)) and (fc.threshold == 64).all()
    assert out.readout and np.array_equal(out.weights, np.rint(g.nodes["out"].weight.T * 64))
    spikes = got.encode(np.array([[0, 1, 2], [16, 16, 16]]))
    assert spikes.shape == (2, 6, 4) and set(np.unique(spikes)) <= {0, 1}
    with pytest.raises(NirError, match=r"must be \(images, 3\) pixels, axes \(N, inputs\)"):
        got.encode(np.zeros((2, 4), int))


def test_rules_of_the_sidecar() -> None:
    def layer(side: dict[str, Any], **nodes: Any) -> Any:
        return import_graph(graph(**nodes), {**SIDE, **side}, "f", "net").network.layers[0]

    assert (layer({"comparison": ">"}).threshold == 65).all()
    assert layer({"reset": "soft"}).soft
    assert np.abs(layer({"weight_bits": 4}).weights).max() == 7
    free = copy.deepcopy(SIDE)
    del free["layers"][1]["leak"]
    assert layer(free, lif=nir.IF(r=np.ones(5), v_threshold=np.ones(5), v_reset=np.zeros(5))).leak == 256
    assert layer(free, lif=lif(5, tau=2.0, r=2.0)).leak == 128
    # r does not change the signs, but the threshold moves against the weights
    assert (layer(free, lif=lif(5, r=8 / 3)).threshold == 32).all()
    drift = layer(free, lif=lif(5, v_leak=4 / 3)).bias - layer(free).bias
    assert (drift == 64).all()  # v_leak dt / tau = 1


NAN = np.full((5, 6), np.nan, np.float32)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ({"lif": nir.Threshold(np.ones(5))}, "node 'lif': the sidecar's leak = 64 is not legal: tau and dt give 0"),
        ({"fc": nir.Affine(NAN, np.zeros(5))}, r"node 'fc': weight\[0, 0\] = nan is not legal"),
        ({"fc": nir.Affine(np.zeros((5, 6)), np.full(5, np.inf))}, r"node 'fc': bias\[0\] = inf"),
        ({"fc": nir.Affine(np.zeros((5, 7)), np.zeros(5))}, "node 'fc': weight: 7 inputs are not legal: 'a.lif' has 6 outputs"),
        ({"fc": nir.Linear(np.zeros((2, 5, 6)))}, r"node 'fc': weight: shape \(2, 5, 6\)"),
        ({"out": nir.Affine(np.zeros((2, 4)), np.zeros(2))}, "node 'out': weight: 4 inputs are not legal: 'lif' has 5 outputs"),
        ({"lif": lif(4)}, r"node 'lif': .*: shape \(4,\) is not legal: must be \(5,\)"),
        ({"lif": lif(5, v_reset=0.5)}, "node 'lif': v_reset = 0.5 is not legal"),
        ({"lif": lif(5, tau=0.5)}, "node 'lif': tau = 0.5 is not legal"),
        ({"lif": lif(5, tau=8.0)}, "node 'lif': the sidecar's leak = 64 is not legal: tau and dt give 224"),
        ({"lif": lif(5, v_threshold=np.nan)}, r"node 'lif': v_threshold\[0\] = nan"),
        ({"lif": nir.Affine(np.zeros((5, 5)), np.zeros(5))}, "the nodes .* do not match the sidecar's layers: must be"),
        ({"more": lif(3)}, r"misses \['more'\]"),
        ({"input2": nir.Input({"input": np.array([3])})}, "2 Input nodes"),
    ],
)
def test_bad_nodes(nodes: dict[str, Any], message: str) -> None:
    with pytest.raises(NirError, match="^f: .*" + message):
        import_graph(graph(**nodes), SIDE, "f", "net")


@pytest.mark.parametrize(
    ("edge", "message"),
    [(("lif", "fc"), "node 'fc' closes a loop"), (("output", "fc"), "node 'fc' closes a loop"), (("lif", "x"), "'x' does not exist")],
)
def test_bad_edges(edge: tuple[str, str], message: str) -> None:
    g = graph()
    g.edges.append(edge)
    with pytest.raises(NirError, match=message):
        import_graph(g, SIDE, "f", "net")


@pytest.mark.parametrize(
    ("field", "value"),
    [("format", "x"), ("version", 2), ("T", 0), ("T", True), ("dt", 0), ("dt", None), ("reset", "off"), ("comparison", "=="),
     ("weight_bits", 3), ("layers", []), ("layers", [1])],
)  # fmt: skip
def test_bad_sidecars(tmp_path: Path, field: str, value: Any) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({**SIDE, field: value}))
    with pytest.raises(NirError, match=f"net.json: {field} = .* is not legal"):
        load_sidecar(path)


@pytest.mark.parametrize(("field", "value"), [("name", 1), ("affine", None), ("kind", "x"), ("scale", "x"), ("runs_on", "x")])
def test_bad_sidecar_layers(tmp_path: Path, field: str, value: Any) -> None:
    side = copy.deepcopy(SIDE)
    side["layers"][1][field] = value
    path = tmp_path / "net.json"
    path.write_text(json.dumps(side))
    with pytest.raises(NirError, match=rf"net.json: layers\[1\].{field} = .* is not legal"):
        load_sidecar(path)


@pytest.mark.parametrize(
    ("where", "key", "hint"),
    [
        ("", "comparision", "is comparison meant? must be one of format, version, "), ("", "Dialect", "is dialect meant? "),
        ("", "if-gain", "is if_gain meant? "), ("", "weight_bit", "is weight_bits meant? "), ("", "timesteps", "must be one of "),
        ("", "t", "is T meant? "), ("", "encoding", "belongs into input; "), ("", "thresholds", "belongs into input; "),
        ("", "neuron", "belongs into layers[i]; "), ("input", "threshold", "is thresholds meant? must be one of encoding, "),
        ("input", "pixel-scale", "is pixel_scale meant? "), ("input", "pixel_scal", "is pixel_scale meant? "),
        ("input", "dt", "belongs to the top; "), ("layers[1]", "drop_onc", "is drop_once meant? must be one of name, affine, "),
        ("layers[1]", "Leak", "is leak meant? "), ("layers[1]", "weight_bits", "belongs to the top; "),
    ],
)  # fmt: skip
def test_keys_that_mean_nothing(tmp_path: Path, where: str, key: str, hint: str) -> None:
    """A rule with a typing error would be missing in silence."""
    side = copy.deepcopy(SIDE)
    side["input"] = {"encoding": "direct", "comment": ["a reader's"]}
    {"": side, "input": side["input"], "layers[1]": side["layers"][1]}[where][key] = 1
    path = tmp_path / "net.json"
    path.write_text(json.dumps(side))
    with pytest.raises(NirError) as found:
        load_sidecar(path)
    assert str(found.value).startswith(f"{path}: {where + '.' if where else ''}{key} is not legal: {hint}"), found.value
    if hint == "must be one of ":
        assert "meant" not in str(found.value)


@pytest.mark.parametrize(("text", "key"), [('"T": 4, "T": 5', "T"), ('"input": {"encoding": "direct", "encoding": "spikes"}', "encoding")])
def test_keys_that_are_there_twice(tmp_path: Path, text: str, key: str) -> None:
    """Python would take the last in silence."""
    (tmp_path / "net.json").write_text('{"format": "loas-nir-sidecar", "version": 1, ' + text + "}")
    with pytest.raises(NirError, match=rf"net.json: {key} is there twice: must be there once$"):
        load_sidecar(tmp_path / "net.json")


@pytest.mark.parametrize("path", sorted(MODELS.glob("*/*.nir")), ids=lambda path: path.stem)
def test_sidecars_of_the_models_here(path: Path) -> None:
    """Those with a sidecar load it; each key of the tables is described in docs/import.md."""
    if path.with_suffix(".json").exists():
        assert load_sidecar(path.with_suffix(".json"))["name"] == path.stem
    else:
        assert path.parent.name == "conformance"


def test_all_keys_are_described() -> None:
    page = (MODELS.parent / "docs" / "import.md").read_text(encoding="utf-8")
    page = page[page.index("### Sidecar") : page.index("## Nodes")]
    assert not [key for keys in FIELDS.values() for key in keys if f"`{key}`" not in page]


def test_sidecar_and_graph_must_match() -> None:
    side = copy.deepcopy(SIDE)
    side["layers"] = side["layers"][:2]
    with pytest.raises(NirError, match="do not match the sidecar's layers"):
        import_graph(graph(), side, "f", "net")
    side = copy.deepcopy(SIDE)
    side["layers"][2]["runs_on"] = "host"
    with pytest.raises(NirError, match="host layers must come first"):
        import_graph(graph(), side, "f", "net")


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    with pytest.raises(NirError, match="cannot be read: No such file"):
        read_nir(path)
    path.write_bytes(b"not hdf5")
    with pytest.raises(NirError, match="net.json: cannot be read"):
        read_nir(path)
    (tmp_path / "net.json").write_text("{")
    with pytest.raises(NirError, match="is not JSON"):
        read_nir(path)
    (tmp_path / "net.json").write_text(json.dumps(SIDE))
    with pytest.raises(NirError, match="cannot be read as a NIR file"):
        read_nir(path)


def test_packs_from_the_command_line(tmp_path: Path) -> None:
    nir.write(tmp_path / "net.nir", graph())
    (tmp_path / "net.json").write_text(json.dumps(SIDE))
    np.savez(tmp_path / "in.npz", spikes=np.ones((2, 6, 4)))
    arguments = [str(tmp_path / name) for name in ("net.nir", "in.npz", "image")]
    result = CliRunner().invoke(main, ["pack", *arguments])
    assert result.exit_code == 0 and "contract of net.nir" in result.output, result.output
    origin = json.loads((tmp_path / "image" / "manifest.json").read_text())["origin"]
    assert origin["contract"] == {"T": 4, "dt": 1.0, "reset": "hard", "comparison": ">=", "decay": "euler", "lif_gain": "nir",
                                  "encoding": "direct", "pixel_scale": 1.0, "pixel_offset": 0.0, "weight_bits": 8}  # fmt: skip
