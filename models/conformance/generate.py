# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Makes the conformance vectors: small networks that each toolkit exports itself, and what the toolkit itself computes with them.

    python -m models.conformance.generate snntorch      # one toolkit at a time: they may need environments of their own

Needs the [conformance] extra of pyproject.toml. Weights are small multiples of a power of two, so that integers and floats can be
equal, and thresholds are on that grid, so that ties happen. Every case is ``<name>.nir``, ``<name>.npz`` (``input``, and the spikes of
every neuron by its node's name, all (B, *shape, T)) and a line in ``cases.json``.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
Steps = dict[str, list[torch.Tensor]]


def grid(module: nn.Module, seed: int, top: int = 3, step: float = 0.125) -> None:
    """Fills all weights with multiples of ``step``, at most ``top`` of them, each output with at least one of ``top``."""
    rng = np.random.default_rng(seed)
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            shape = tuple(part.weight.shape)
            values = rng.integers(-top, top + 1, shape)
            values.reshape(shape[0], -1)[:, 0] = top
            part.weight.data = torch.tensor(values * step, dtype=torch.float32)
            if part.bias is not None:
                part.bias.data = torch.tensor(rng.integers(-1, 2, shape[0]) * step, dtype=torch.float32)


def spikes(shape: tuple[int, ...], T: int, seed: int, images: int = 4) -> torch.Tensor:
    """Random input, (T, B, *shape)."""
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.random((T, images, *shape)) < rng.random((1, images, *(1 for _ in shape))) * 0.6 + 0.1, dtype=torch.float32)


class Plain:
    """A graph without the fields that the toolkit left None, which nir.write cannot write."""

    def __init__(self, graph: Any) -> None:
        """Args: the ``nir.NIRGraph``."""
        self.graph = graph

    def to_dict(self) -> dict[str, Any]:
        """As nir.write wants it."""

        def clean(value: Any) -> Any:
            return {k: clean(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value

        return dict(clean(self.graph.to_dict()))


def save(name: str, graph: Any, x: torch.Tensor, out: Steps, about: dict[str, Any]) -> None:
    """Writes a case; outputs are lists over time of (B, *shape)."""
    nir.write(HERE / f"{name}.nir", Plain(graph), compression=None)
    arrays = {key: np.stack([v.detach().numpy() for v in steps], axis=-1).astype(np.uint8) for key, steps in out.items()}
    for key, value in arrays.items():
        print(f"  {name}: {key} {value.shape}, {value.mean():.1%} spikes, largest {value.max()}")
    np.savez_compressed(HERE / f"{name}.npz", input=np.moveaxis(x.numpy(), 0, -1).astype(np.uint8), **arrays)  # type: ignore[arg-type]
    path = HERE / "cases.json"
    cases = json.loads(path.read_text()) if path.exists() else {}
    cases[name] = {"T": int(x.shape[0]), **about}
    path.write_text(json.dumps(dict(sorted(cases.items())), indent=1) + "\n")
    print(f"{name}: nodes {list(graph.nodes)}")


def watch(model: nn.Module, kinds: tuple[type, ...], out: Steps, pick: Callable[[Any], torch.Tensor]) -> None:
    """Keeps what the neurons of a model put out, by module name."""
    for name, part in model.named_modules():
        if isinstance(part, kinds):
            layer: Any = part
            layer.register_forward_hook(lambda _m, _i, y, name=name: out.setdefault(name, []).append(pick(y).clone()))


def snntorch() -> None:
    """Leaky with the delayed subtraction that is its default, and with reset to zero."""
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    about = {"toolkit": "snntorch", "version": importlib.metadata.version("snntorch"), "dialect": "snntorch"}

    def leaky(shape: tuple[int, ...], beta: float, threshold: float, **more: Any) -> Any:  # full shapes, or the export has none
        return snn.Leaky(beta=torch.full(shape, beta), threshold=torch.full(shape, threshold), init_hidden=True, **more)

    def case(name: str, net: nn.Module, shape: tuple[int, ...], T: int, seed: int, top: int = 3, **options: Any) -> None:
        grid(net, seed, top)
        x, out = spikes(shape, T, seed + 1), Steps()
        graph = export_to_nir(net, x[0, :1], ignore_dims=[0])
        watch(net, (snn.Leaky,), out, lambda y: y[0] if isinstance(y, tuple) else y)
        for part in net.modules():
            if isinstance(part, snn.Leaky):
                part.reset_mem()
        for step in x:
            net(step)
        save(name, graph, x, out, {**about, **options})

    def fc(betas: tuple[float, float] = (0.5, 0.75), thetas: tuple[float, float] = (0.5, 0.375), **more: Any) -> nn.Module:
        first, second = (leaky((n,), beta, theta, **more) for n, beta, theta in zip((10, 8), betas, thetas, strict=True))
        return nn.Sequential(nn.Linear(12, 10), first, nn.Linear(10, 8), second)

    # the machine subtracts the threshold that it compares with, which is one step more than snnTorch's (>): steps of 1/64 of a weight
    case("snntorch_fc_subtract", fc((0.5, 0.5), (0.25, 0.125)), (12,), 6, 10, top=1)
    # beta = 0.9 is no multiple of 1/256, and a leaking remainder is rounded down: the integers come near, not equal
    case("snntorch_fc_beta09", fc((0.9, 0.9)), (12,), 25, 15, near=True)
    case("snntorch_fc_zero", fc(reset_mechanism="zero"), (12,), 8, 20, reset="hard")
    # at most one threshold is taken off in a step: where twice the threshold is reached, snnTorch takes the second off a step later
    case("snntorch_fc_subtract_now", fc((0.5, 0.5), (0.375, 0.25), reset_delay=False), (12,), 6, 30, top=1, reset="subtract")
    zero: dict[str, Any] = {"reset_mechanism": "zero"}
    conv = nn.Sequential(nn.Conv2d(2, 4, 3, padding=(1, 0)), leaky((4, 8, 8), 0.5, 0.5, **zero), nn.AvgPool2d(2),
                         nn.Conv2d(4, 6, 3, stride=2, padding=1), leaky((6, 2, 2), 0.5, 0.25, **zero),
                         nn.Flatten(), nn.Linear(24, 5), leaky((5,), 0.5, 0.5, **zero))  # fmt: skip
    case("snntorch_conv_zero", conv, (2, 8, 10), 8, 40, reset="hard")


def spikingjelly() -> None:
    """IF and LIF, hard reset, with average pooling."""
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    about = {"toolkit": "spikingjelly", "version": importlib.metadata.version("spikingjelly"), "dialect": "spikingjelly"}

    def case(name: str, net: nn.Module, shape: tuple[int, ...], T: int, seed: int, **options: Any) -> None:
        grid(net, seed)
        x, out = spikes(shape, T, seed + 1), Steps()
        graph = export_to_nir(net, x[0, :1])
        functional.reset_net(net)
        watch(net, (neuron.BaseNode,), out, lambda y: y)
        for step in x:
            net(step)
        save(name, graph, x, out, {**about, **options})

    case("spikingjelly_if", nn.Sequential(layer.Linear(12, 10), neuron.IFNode(0.5), layer.Linear(10, 8, bias=False), neuron.IFNode(0.375)),
         (12,), 12, 50)  # fmt: skip
    case("spikingjelly_lif_decay_input", nn.Sequential(layer.Linear(12, 10), neuron.LIFNode(tau=2.0, v_threshold=0.25),
         layer.Linear(10, 8), neuron.LIFNode(tau=4.0, decay_input=False, v_threshold=0.5)), (12,), 8, 60)  # fmt: skip
    conv = nn.Sequential(layer.Conv2d(1, 4, 3, padding=1), neuron.LIFNode(tau=2.0, decay_input=False, v_threshold=0.5), layer.AvgPool2d(2),
                         layer.Conv2d(4, 6, 3), neuron.IFNode(0.25), layer.Flatten(), layer.Linear(24, 5), neuron.IFNode(0.5))  # fmt: skip
    case("spikingjelly_conv", conv, (1, 8, 8), 8, 70)


def norse() -> None:
    """LIFBoxCell and IAFCell."""
    import norse.torch as n
    from norse.torch.utils.export_nir import to_nir

    about = {"toolkit": "norse", "version": importlib.metadata.version("norse"), "dialect": "norse"}

    def case(name: str, net: nn.Module, shape: tuple[int, ...], T: int, seed: int, **options: Any) -> None:
        grid(net, seed)
        x, out = spikes(shape, T, seed + 1), Steps()
        graph = to_nir(net, x[0, :1])
        watch(net, (n.LIFBoxCell, n.IAFCell), out, lambda y: y[0])
        state = None
        for step in x:
            _, state = net(step, state)
        save(name, graph, x, out, {**about, **options})

    def lif(inverse: float, theta: float) -> Any:
        p = n.LIFBoxParameters(tau_mem_inv=torch.tensor(inverse), v_th=torch.tensor(theta))
        return n.LIFBoxCell(p)

    case("norse_lif", n.SequentialState(nn.Linear(12, 10), lif(500.0, 0.25), nn.Linear(10, 8), lif(250.0, 0.125)), (12,), 8, 80)
    iaf = [n.IAFCell(p=n.IAFParameters(v_th=torch.tensor(v))) for v in (0.5, 0.375)]
    case("norse_iaf", n.SequentialState(nn.Linear(12, 10), iaf[0], nn.Linear(10, 8), iaf[1]), (12,), 12, 90)
    case("norse_conv", n.SequentialState(nn.Conv2d(2, 4, 3, padding=1, stride=2), lif(500.0, 0.25), nn.Conv2d(4, 3, 3), lif(500.0, 0.125)),
         (2, 8, 8), 8, 100)  # fmt: skip


def sinabs() -> None:
    """IAF and LIF with at most one spike a step, and as they are by default: with several."""
    import sinabs.activation as sa
    import sinabs.layers as sl
    from sinabs.nir import to_nir

    about = {"toolkit": "sinabs", "version": importlib.metadata.version("sinabs"), "dialect": "sinabs"}

    def case(name: str, net: nn.Module, shape: tuple[int, ...], T: int, seed: int, **options: Any) -> None:
        grid(net, seed)
        x, out = spikes(shape, T, seed + 1), Steps()
        images = x.shape[1]
        whole = x.transpose(0, 1).reshape(images * T, *shape)  # sinabs: batch and time in one axis
        net(whole)
        graph = to_nir(net, whole)
        for part in net.modules():
            if hasattr(part, "reset_states"):
                part.reset_states()
        kinds = (sl.IAFSqueeze, sl.LIFSqueeze)
        watch(net, kinds, out, lambda y: y)
        net(whole)
        steps = {key: list(y[0].reshape(images, T, *y[0].shape[1:]).unbind(1)) for key, y in out.items()}
        save(name, graph, x, steps, {**about, **options})

    def iaf(theta: float, T: int, single: bool = True, reset: Any = None) -> Any:
        more: dict[str, Any] = {"spike_fn": sa.SingleSpike} if single else {}
        more["reset_fn"] = reset or sa.MembraneSubtract()
        return sl.IAFSqueeze(spike_threshold=torch.tensor(theta), num_timesteps=T, min_v_mem=None, **more)

    def lif(theta: float, T: int) -> Any:
        tau = torch.tensor(1 / np.log(2.0), dtype=torch.float32)
        return sl.LIFSqueeze(tau_mem=tau, spike_threshold=torch.tensor(theta), num_timesteps=T, min_v_mem=None, spike_fn=sa.SingleSpike,
                             reset_fn=sa.MembraneReset())  # fmt: skip

    def conv(T: int, single: bool) -> nn.Module:
        return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), iaf(1.0, T, single), sl.SumPool2d(2), nn.Conv2d(4, 6, 3), iaf(0.5, T, single),
                             nn.Flatten(), nn.Linear(24, 5), iaf(0.5, T, single))  # fmt: skip

    case("sinabs_conv_iaf", conv(8, True), (2, 8, 8), 8, 110)
    case("sinabs_conv_iaf_multi", conv(8, False), (2, 8, 8), 8, 110, several_spikes=True)
    case("sinabs_iaf_reset", nn.Sequential(nn.Linear(12, 10), iaf(0.5, 8, True, sa.MembraneReset()), nn.Linear(10, 8),
         iaf(0.375, 8, True, sa.MembraneReset())), (12,), 8, 120, reset="hard")  # fmt: skip
    case("sinabs_lif", nn.Sequential(nn.Linear(12, 10), lif(0.25, 8), nn.Linear(10, 8), lif(0.1875, 8)), (12,), 8, 130, reset="hard")


if __name__ == "__main__":
    torch.manual_seed(0)
    for toolkit in sys.argv[1:] or ("snntorch", "spikingjelly", "norse", "sinabs"):
        {"snntorch": snntorch, "spikingjelly": spikingjelly, "norse": norse, "sinabs": sinabs}[toolkit]()
