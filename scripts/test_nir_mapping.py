# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Every node and every shape of a graph: the folded integers give the spikes of the reference, which folds nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from golden.config import load
from scripts.importer.diff import compare
from scripts.importer.network import Imported, import_graph

RULES: dict[str, Any] = {"T": 6, "dt": 1.0, "reset": "hard", "comparison": ">=", "encoding": "spikes", "if_gain": "per-step"}
RNG = np.random.default_rng(7)


def grid(*shape: int, top: int = 2, step: float = 0.125) -> np.ndarray:
    """Random multiples of a step, not all zero in any output."""
    values = RNG.integers(-top, top + 1, shape)
    values.reshape(shape[0], -1)[:, 0] = top
    return values * step


def bias(n: int) -> np.ndarray:
    return RNG.integers(-1, 2, n) * 0.125


def conv(o: int, i: int, k: Any = 3, **more: Any) -> Any:
    kernel = (k, k) if isinstance(k, int) else k
    fields = {"input_shape": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": bias(o), **more}
    return nir.Conv2d(weight=grid(o, i // fields["groups"], *kernel), **fields)


def lif(theta: Any = 0.25, tau: Any = 2.0, r: float = 2.0, **more: Any) -> Any:
    fields = {"v_leak": 0.0, "v_reset": 0.0, "v_threshold": theta, "tau": tau, "r": r, **more}
    return nir.LIF(**{k: np.asarray(v, np.float32) for k, v in broadcast(fields).items()})


def broadcast(fields: dict[str, Any]) -> dict[str, Any]:
    shape = np.broadcast_shapes(*(np.shape(v) for v in fields.values())) or (1,)
    return {k: np.broadcast_to(v, shape) for k, v in fields.items()}


def fire(theta: Any = 0.25) -> Any:
    theta = np.atleast_1d(np.asarray(theta, np.float32))
    return nir.IF(r=np.ones_like(theta), v_threshold=theta, v_reset=np.zeros_like(theta))


def pool(kind: str, k: Any = 2, stride: Any = None, pad: Any = 0) -> Any:
    pair = [np.broadcast_to(v, 2) for v in (k, k if stride is None else stride, pad)]
    return getattr(nir, kind)(*pair)


def flatten() -> Any:
    return nir.Flatten(None, 0, -1)


def affine(o: int, i: int) -> Any:
    return nir.Affine(weight=grid(o, i), bias=bias(o))


def graph(shape: tuple[int, ...], *nodes: Any, edges: list[tuple[str, str]] | None = None, **named: Any) -> Any:
    """A chain of nodes named n0, n1, ...; or the named nodes with the edges given."""
    every: dict[str, Any] = {"input": nir.Input({"input": np.array(shape)})}
    every |= {f"n{i}": node for i, node in enumerate(nodes)} | named
    every["output"] = nir.Output({"output": None})
    return nir.NIRGraph(dict(sorted(every.items())), [*itertools.pairwise(every)] if edges is None else edges, type_check=False)


def write(path: Path, g: Any) -> None:
    """``nir.write`` cannot write None: fields without a value are left out."""

    class Plain:
        def to_dict(self) -> Any:
            def clean(value: Any) -> Any:
                return {k: clean(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value

            return clean(g.to_dict())

    nir.write(path, Plain())


def spikes(net: Imported, images: int = 3) -> np.ndarray:
    rng = np.random.default_rng(3)
    return (rng.random((images, *net.input_shape, net.network.T)) < 0.4).astype(np.uint8)


def equal(g: Any, exact: bool = True, **options: Any) -> Imported:
    """Imports, and compares every layer with the reference."""
    net = import_graph(g, {}, "f", "net", **{**RULES, **options})
    diff, outputs, _ = compare(net, spikes(net))
    assert not exact or all(q.exact for q in net.quantised), [q.exact for q in net.quantised]
    assert diff.first is None, diff.first
    assert any(0 < out.mean() < 1 for out in outputs if out.ndim == 3), "nothing happens"
    net.network.check(load("paper"))
    return net


CHAINS: dict[str, tuple[tuple[int, ...], list[Any], int]] = {
    "affine": ((9,), [affine(6, 9), lif(), affine(4, 6), fire()], 2),
    "linear and a readout": ((9,), [nir.Linear(grid(6, 9)), fire(), affine(4, 6)], 2),
    "flat input": ((2, 3, 3), [flatten(), affine(6, 18), lif()], 1),
    "asymmetric kernels": ((2, 7, 6), [conv(4, 2, (3, 2), padding=(1, 0), stride=(2, 1)), lif(), conv(3, 4, (1, 4)), fire()], 2),
    "same": ((2, 5, 6), [conv(4, 2, (2, 4), padding="same"), lif(), conv(4, 4, 3, padding="same"), fire()], 2),
    "valid": ((2, 5, 6), [conv(4, 2, 3, padding="valid"), lif(), conv(4, 4, 2, padding=np.array([1, 0])), fire()], 2),
    "strides": ((1, 9, 9), [conv(4, 1, 3, stride=np.array([2, 3]), padding=1), fire()], 1),
    "groups": ((4, 6, 6), [conv(8, 4, 3, groups=2, padding=1), lif(), conv(8, 8, 3, groups=8), fire()], 2),
    "dilation": ((2, 9, 9), [conv(4, 2, 3, dilation=(2, 3), padding=2), fire()], 1),
    "no bias": ((2, 6, 6), [conv(4, 2, 3, bias=None), lif()], 1),
    "one dimension": (
        (2, 12),
        [
            nir.Conv1d(None, grid(4, 2, 3), 2, 1, 1, 1, bias(4)),
            lif(),
            nir.Conv1d(None, grid(4, 2, 2), 1, "same", 2, 2, bias(4)),
            fire(),
            flatten(),
            affine(3, 24),
            fire(),
        ],
        3,
    ),
    "average before weights": ((1, 8, 8), [conv(4, 1, 3, padding=1), lif(), pool("AvgPool2d"), conv(4, 4, 3, padding=1), fire()], 2),
    "average behind weights": (
        (1, 8, 8),
        [conv(4, 1, 3), pool("AvgPool2d"), fire(), conv(4, 4, 3, bias=np.zeros(4)), pool("AvgPool2d", 1), fire()],
        2,
    ),
    "sums before fully connected": (
        (1, 9, 8),
        [conv(4, 1, 3, padding=1), lif(), pool("SumPool2d", (2, 3)), flatten(), affine(5, 32), fire()],
        2,
    ),
    "overlapping and padded sums": ((2, 7, 7), [pool("SumPool2d", 3, 2, 1), conv(4, 2, 2), fire(1.0)], 1),
    "two pools": ((2, 8, 8), [pool("AvgPool2d"), pool("SumPool2d"), flatten(), affine(4, 8), fire(0.125)], 1),
    "batch norm": ((2, 6, 6), [conv(4, 2, 3), nir.Scale(np.array([0.5, 1, 2, -1.0]).reshape(4, 1, 1)), lif()], 1),
    "scales": (
        (6,),
        [
            nir.Scale(np.array([1, 2, 0.5, 1, 1, -1])),
            affine(5, 6),
            nir.Scale(np.full(5, 0.5)),
            lif(),
            nir.Scale(np.array(2.0)),
            affine(4, 5),
            fire(),
        ],
        2,
    ),
    "affine behind affine": ((6,), [affine(5, 6), affine(4, 5), lif()], 1),
    "convolution behind convolution": ((2, 8, 8), [conv(3, 2, 3, padding=1), conv(4, 3, 2, stride=2), lif()], 1),
    "no weights": ((6,), [fire(2.0), affine(4, 6), lif()], 2),
    "max pool of a layer": (
        (1, 8, 8),
        [conv(4, 1, 3, padding=1), lif(), pool("SumPool2d"), nir.Threshold(np.full((4, 4, 4), 0.5)), flatten(), affine(5, 64), fire()],
        2,
    ),
    "max pool that drops a row": (
        (1, 9, 8),
        [conv(4, 1, 3, padding=1), fire(), pool("SumPool2d", (2, 3)), nir.Threshold(np.array([0.5])), conv(4, 4, 2), fire()],
        2,
    ),
    "max pool that overlaps": (
        (1, 8, 8),
        [conv(4, 1, 3, padding=1), lif(), pool("SumPool2d", 3, 2, 1), nir.Threshold(np.array([0.5])), conv(4, 4, 2), fire()],
        3,
    ),
    "max pool of the input": ((2, 8, 8), [pool("SumPool2d"), nir.Threshold(np.array([1.0])), conv(4, 2, 3), fire()], 2),
    "at least two of four": ((2, 8, 8), [pool("SumPool2d"), nir.Threshold(np.array([2.0])), conv(4, 2, 3), fire()], 2),
    "thresholds of a channel": (
        (2, 6, 6),
        [
            conv(4, 2, 3),
            fire(np.array([0.125, 0.25, 0.5, 1.0])[:, None, None] * np.ones((4, 4, 4))),
            flatten(),
            affine(5, 64),
            lif(np.array([0.125, 0.25, 0.5, 1.0, 0.25])),
        ],
        2,
    ),
    "leak voltage": ((6,), [affine(5, 6), lif(v_leak=0.25), affine(4, 5), lif(v_leak=np.array([-0.25, 0, 0.25, 0.5]))], 2),
    "threshold node": ((6,), [affine(5, 6), nir.Threshold(np.full(5, 0.25)), affine(4, 5), fire()], 2),
    "synapse without memory": (
        (6,),
        [
            affine(5, 6),
            nir.CubaLIF(
                **{
                    k: np.full(5, v)
                    for k, v in {
                        "tau_syn": 1.0,
                        "tau_mem": 2.0,
                        "r": 2.0,
                        "v_leak": 0.0,
                        "v_threshold": 0.5,
                        "w_in": 2.0,
                        "v_reset": 0.0,
                    }.items()
                }
            ),
        ],
        1,
    ),
    "an integrator as readout": ((6,), [affine(5, 6), lif(), affine(4, 5), nir.I(np.full(4, 2.0))], 2),
    "neurons behind a flatten": ((1, 5, 5), [conv(4, 1, 3), flatten(), lif(), affine(3, 36), fire()], 2),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name: str) -> None:
    shape, nodes, layers = CHAINS[name]
    net = equal(graph(shape, *nodes))
    assert len(net.network.layers) == layers


@pytest.mark.parametrize(("reset", "comparison"), [("hard", ">"), ("subtract", ">="), ("subtract-delayed", ">="), ("hard", ">=")])
def test_rules(reset: str, comparison: str) -> None:
    net = equal(graph((9,), affine(6, 9), fire(0.5), affine(4, 6), fire(0.25)), reset=reset, comparison=comparison)
    first = net.network.layers[0]
    assert (first.soft, first.late) == (reset != "hard", reset == "subtract-delayed")


def test_the_pool_is_part_of_the_layer() -> None:
    shape, nodes, _ = CHAINS["max pool that drops a row"]
    layer = equal(graph(shape, *nodes)).network.layers[0]
    assert layer.pool == (2, 3) and layer.conv and (layer.conv.out_h, layer.conv.out_w) == (8, 6)


def test_residual_of_another_layer() -> None:
    """The block of a residual network: the shortcut skips a layer."""
    g = graph(
        (2, 6, 6),
        a=conv(4, 2, 3, padding=1),
        la=lif(),
        b=conv(4, 4, 3, padding=1),
        lb=lif(),
        c=conv(4, 4, 3, padding=1),
        lc=fire(),
        d=conv(5, 4, 3),
        ld=fire(),
        edges=[
            ("input", "a"),
            ("a", "la"),
            ("la", "b"),
            ("b", "lb"),
            ("lb", "c"),
            ("c", "lc"),
            ("la", "lc"),
            ("lc", "d"),
            ("d", "ld"),
            ("ld", "output"),
        ],
    )
    layer = equal(g).network.layers[2]
    assert layer.branch and layer.branch.source == 0 and layer.k == 9 * 4 + 4


def test_residual_with_weights_and_stride_on_both_ways() -> None:
    g = graph(
        (2, 8, 8),
        a=conv(4, 2, 3, padding=1),
        la=lif(),
        b=conv(4, 4, 3, padding=1),
        lb=lif(),
        c=conv(6, 4, 3, padding=1, stride=2),
        s=conv(6, 4, 1, stride=2),
        lc=fire(),
        f=flatten(),
        o=affine(3, 96),
        edges=[
            ("input", "a"),
            ("a", "la"),
            ("la", "b"),
            ("b", "lb"),
            ("lb", "c"),
            ("c", "lc"),
            ("la", "s"),
            ("s", "lc"),
            ("lc", "f"),
            ("f", "o"),
            ("o", "output"),
        ],
    )
    assert equal(g).network.layers[2].branch


def test_branches_of_one_source_become_one() -> None:
    g = graph(
        (2, 6, 6),
        a=conv(4, 2, 3, padding=1),
        la=lif(),
        b=conv(4, 4, 3, padding=1),
        lb=fire(),
        edges=[("input", "a"), ("a", "la"), ("la", "b"), ("b", "lb"), ("la", "lb"), ("lb", "output")],
    )
    layer = equal(g).network.layers[1]
    assert layer.branch is None and layer.conv and layer.conv.taps == 9


def test_residual_of_vectors_and_of_the_input() -> None:
    g = graph(
        (6,),
        a=affine(6, 6),
        la=lif(),
        b=affine(6, 6),
        lb=lif(),
        c=affine(4, 6),
        edges=[("input", "a"), ("a", "la"), ("la", "b"), ("b", "lb"), ("input", "lb"), ("lb", "c"), ("la", "c"), ("c", "output")],
    )
    net = equal(g)
    assert [layer.branch.source if layer.branch else None for layer in net.network.layers] == [None, -1, 0]


def test_subgraphs_dots_and_repeated_edges() -> None:
    inner = nir.NIRGraph(
        {"input": nir.Input({"input": np.array([6])}), "w.0": affine(5, 6), "z": lif(), "output": nir.Output({"output": np.array([5])})},
        [("input", "w.0"), ("w.0", "z"), ("z", "output")],
        type_check=False,
    )
    g = nir.NIRGraph(
        {
            "output": nir.Output({"output": np.array([4])}),
            "block.1": inner,
            "a": affine(6, 6),
            "b": fire(),
            "c": affine(4, 5),
            "input": nir.Input({"input": np.array([6])}),
        },
        [("input", "a"), ("a", "b"), ("b", "block.1"), ("block.1", "c"), ("c", "output")],
        type_check=False,
    )
    g.edges.append(("a", "b"))
    net = equal(g)
    assert [stage.node for stage in net.stages] == ["b", "block.1.z", "output"] and "1 repeated edges count once" in net.notes


def test_many_random_chains() -> None:
    """Convolutions, pools, scales and fully connected layers in random order."""
    rng = np.random.default_rng(5)
    for _ in range(25):
        c, size = 2, int(rng.integers(6, 12))
        nodes: list[Any] = []
        shape = (c, size, size)
        while size >= 4 and len(nodes) < 8:
            k, o = int(rng.integers(1, 4)), int(rng.integers(2, 6))
            p, s = (int(rng.integers(0, k)), int(rng.integers(1, 3)))
            nodes += [conv(o, c, k, padding=p, stride=s), fire(0.5)]
            c, size = o, (size + 2 * p - k) // s + 1
            kind = rng.integers(4)
            if kind == 1 and size >= 2:
                nodes.append(pool("AvgPool2d"))
                size //= 2
            elif kind == 2 and size >= 2:
                nodes += [pool("SumPool2d"), nir.Threshold(np.array([0.5]))]
                size //= 2
        net = import_graph(graph(shape, *nodes, flatten(), affine(3, c * size * size), fire(0.5)), {}, "f", "net", **RULES)
        diff, _, _ = compare(net, spikes(net, 2))
        assert diff.first is None, (nodes, diff.first)


@pytest.mark.parametrize(
    ("rules", "pools"),
    [
        ({"encoding": "spikes"}, True),
        ({"encoding": "thresholds", "thresholds": (2, 3, 4, 5, 6, 7)}, True),
        ({"encoding": "spikes", "pixel_scale": 4.0}, False),
        ({"encoding": "thresholds", "thresholds": (2, 3, 4, 5, 6, 7), "pixel_scale": (1.0, 4.0)}, False),
        ({"encoding": "direct"}, False),
        ({"encoding": "direct", "pixel_scale": 4.0, "pixel_offset": -1.0}, False),
    ],
)
def test_a_sum_of_pixels_is_no_max_pool(rules: dict[str, Any], pools: bool) -> None:
    """Pixels, and spikes that count a part of 1, reach a threshold by their sum: an OR would take each of them for a spike."""
    theta = nir.Threshold(np.array([0.5]))
    net = import_graph(graph((2, 6, 6), pool("SumPool2d"), theta, conv(4, 2), fire()), {}, "f", "net", **{**RULES, **rules})
    shape = (9, 2, 6, 6, *([6] if rules["encoding"] == "spikes" else []))
    low, high = {"spikes": (0, 2), "thresholds": (0, 8), "direct": (-4, 5)}[rules["encoding"]]
    diff, outputs, _ = compare(net, RNG.integers(low, high, shape))
    assert net.stages[0].max_pool == pools and diff.first is None and 0 < outputs[0].mean() < 1
