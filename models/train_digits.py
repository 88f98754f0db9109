# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Train the digits network: a dual-sparse spiking network for T = 4, written as NIR with a sidecar.

A fully connected network 64 - 256 - 256 - 128 - 10 of leaky integrate-and-fire neurons is trained with surrogate
gradients on scikit-learn's digits. The first layer encodes the pixels directly and runs on the host; the other three
are the machine's. The machine's weights are pruned in rounds by magnitude, each round starting again from the weights
of an early epoch (lottery tickets), then fine-tuned with the machine's own integers in the forward pass: 8-bit
weights, integer bias and threshold, floor in the leak. What is measured while training is therefore what the machine
computes, and a loss on the activity keeps most of the neurons silent.

Nothing is chosen by looking at the 360 held-out images: they are only read to report.

Example:
    python -m models.train_digits --seed 1 --out models/digits
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import nir
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

T = 4
LEAK = 64  # in 1/256: the paper's decay of 1/4
WEIGHT_MAX = 127  # 8 bits, symmetric
SIZES = (64, 256, 256, 128, 10)
NAMES = ("encoder", "fc1", "fc2", "readout")
NEURONS = ("encoder_lif", "lif1", "lif2", None)
DT = 1.0
TAU = DT / (1 - LEAK / 256)
# Surviving fraction of weights after each pruning round (encoder, fc1, fc2, readout); the encoder stays dense.
ROUNDS = (
    (1.0, 0.40, 0.40, 0.80),
    (1.0, 0.16, 0.18, 0.60),
    (1.0, 0.075, 0.09, 0.45),
    (1.0, 0.042, 0.055, 0.35),
)


class Spike(torch.autograd.Function):  # type: ignore[misc]  # torch is not installed where types are checked
    """Heaviside step of x = v - theta (1 where x >= 0) with the derivative of a scaled arc tangent."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grads[0] / (1 + (math.pi * x) ** 2)


def through(rounded: Tensor, x: Tensor) -> Tensor:
    """The value of `rounded` with the gradient of `x` (straight-through estimator)."""
    return x + (rounded - x).detach()


@dataclass
class Integers:
    """Integers of one layer: weight (out, in), bias and threshold (out,) and the scale they are multiples of."""

    weight: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray | None
    scale: np.ndarray


@dataclass
class Report:
    """What one evaluation found."""

    correct: int
    images: int
    logits: np.ndarray
    spikes: list[np.ndarray] = field(default_factory=list)  # (images, neurons, T) of the spiking layers

    @property
    def accuracy(self) -> float:
        return self.correct / self.images


class Net(nn.Module):  # type: ignore[misc]  # as above
    """The network in float, or with the machine's integers in its forward pass (`quantised`)."""

    def __init__(self) -> None:
        super().__init__()
        self.fcs = nn.ModuleList(nn.Linear(k, n) for k, n in zip(SIZES, SIZES[1:], strict=False))
        for i, fc in enumerate(self.fcs):
            nn.init.kaiming_normal_(fc.weight, nonlinearity="relu")
            nn.init.zeros_(fc.bias)
            self.register_buffer(f"mask{i}", torch.ones_like(fc.weight))
        with torch.no_grad():
            self.fcs[0].weight.mul_(1 / 8)  # pixels are 0..16
        self.quantised = False

    def mask(self, i: int) -> Tensor:
        return getattr(self, f"mask{i}")

    def scale(self, i: int) -> Tensor:
        """Value of one integer step: per output neuron, one for the whole readout (its outputs are compared)."""
        weight = (self.fcs[i].weight * self.mask(i)).detach().abs()
        top = weight.max() if NEURONS[i] is None else weight.max(dim=1, keepdim=True).values
        return top.clamp_min(1e-6) / WEIGHT_MAX

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits of the images `x` (images, 64), and the spikes of every spiking layer as (T, images, neurons)."""
        x = x.expand(T, *x.shape)
        spikes: list[Tensor] = []
        for i, fc in enumerate(self.fcs):
            weight, bias = fc.weight * self.mask(i), fc.bias
            if self.quantised:
                # In units of the scale every quantity is an integer below 2^24, which float32 holds exactly.
                scale = self.scale(i)
                weight = through((weight / scale).round(), weight / scale)
                bias = bias / scale.reshape(-1)
                bias = through(bias.round(), bias)
                step = scale.reshape(-1)
                theta = (1 / step).round()
            else:
                step = theta = torch.ones(1)
            current = F.linear(x, weight, bias)
            if NEURONS[i] is None:
                return current.sum(0) * step, spikes
            u = torch.zeros_like(current[0])
            out = []
            for t in range(T):
                v = current[t] + u
                c = Spike.apply((v - theta) * step)
                u = v * (LEAK / 256)
                if self.quantised:
                    u = through(u.floor(), u)
                u = u * (1 - c)
                out.append(c)
            x = torch.stack(out)
            spikes.append(x)
        raise AssertionError("the last layer is a readout")

    @torch.no_grad()
    def prune(self, keep: tuple[float, ...]) -> None:
        """Keep the given fraction of each layer's weights, the largest ones; every output keeps at least two."""
        for i, fc in enumerate(self.fcs):
            if keep[i] >= 1:
                continue
            weight = (fc.weight * self.mask(i)).abs()
            count = round(keep[i] * weight.numel())
            limit = weight.flatten().kthvalue(weight.numel() - count + 1).values
            mask = weight >= limit
            mask.scatter_(1, weight.topk(2, dim=1).indices, True)
            self.mask(i).copy_(mask)

    @torch.no_grad()
    def integers(self) -> list[Integers]:
        """The integers that the quantised forward pass uses, layer by layer."""
        out = []
        for i, fc in enumerate(self.fcs):
            scale = self.scale(i)
            step = scale.reshape(-1)
            weight = (fc.weight * self.mask(i) / scale).round().to(torch.int64).numpy()
            bias = (fc.bias / step).round().to(torch.int64).numpy()
            theta = None if NEURONS[i] is None else (1 / step).round().to(torch.int64).numpy()
            out.append(Integers(weight, bias, theta, step.numpy().astype(np.float64)))
        return out


def infer(layers: list[Integers], pixels: np.ndarray, labels: np.ndarray) -> Report:
    """Integer inference in numpy (docs/numerics.md): the statement that the training's own forward pass is held to."""
    x = np.repeat(pixels.astype(np.int64)[None], T, axis=0)
    spikes: list[np.ndarray] = []
    for layer in layers:
        total = x @ layer.weight.T
        if layer.threshold is None:
            logits = total.sum(0) + T * layer.bias
            return Report(int((logits.argmax(1) == labels).sum()), len(labels), logits.astype(np.int32), spikes)
        u = np.zeros_like(total[0])
        x = np.empty_like(total)
        for t in range(T):
            v = total[t] + layer.bias + u
            x[t] = v >= layer.threshold
            u = np.where(x[t], 0, (LEAK * v) >> 8)
        spikes.append(x.transpose(1, 2, 0).astype(np.uint8))
    raise AssertionError("the last layer is a readout")


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Small random rotation, zoom, shear and shift of the 8x8 images, rounded to the integer pixels of the data."""
    n = len(x)
    r = torch.rand(5, n, generator=generator) * 2 - 1
    angle, zoom, shear = r[0] * 0.2, 1 + r[1] * 0.1, r[2] * 0.12
    theta = torch.stack(
        [
            torch.stack([zoom * angle.cos(), -angle.sin() + shear, r[3] * 0.18], 1),
            torch.stack([angle.sin(), zoom * angle.cos(), r[4] * 0.18], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 1, 8, 8], align_corners=False)
    return F.grid_sample(x.reshape(n, 1, 8, 8), grid, align_corners=False).reshape(n, 64).round().clamp(0, 16)


@dataclass
class Trainer:
    """Training set, random numbers and the one loop that every phase uses."""

    x: Tensor
    y: Tensor
    generator: torch.Generator
    batch: int = 64
    target: float = 0.28  # wanted fraction of neurons that are not silent
    activity: float = 4.0  # weight of that wish in the loss

    def run(self, net: Net, epochs: int, lr: float, title: str, keep: int | None = None) -> dict[str, Tensor] | None:
        """Train for some epochs with a cosine schedule; returns the weights after epoch `keep`, if it is given."""
        optimiser = torch.optim.Adam(net.parameters(), lr=lr)
        steps = math.ceil(len(self.x) / self.batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps, eta_min=lr / 50)
        kept: dict[str, Tensor] | None = None
        begin, hits, loss_sum = time.monotonic(), 0, 0.0
        for epoch in range(1, epochs + 1):
            hits, loss_sum = 0, 0.0
            order = torch.randperm(len(self.x), generator=self.generator)
            for part in order.split(self.batch):
                x, y = augment(self.x[part], self.generator), self.y[part]
                logits, spikes = net(x)
                loss = F.cross_entropy(logits, y, label_smoothing=0.05)
                for s in spikes:
                    fires = 1 - (1 - s).prod(0)  # 1 where a neuron fires at least once
                    loss = loss + self.activity * F.relu(fires.mean() - self.target) ** 2
                    loss = loss + 0.02 * s.mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                hits += int((logits.argmax(1) == y).sum())
                loss_sum += loss.item() * len(y)
            if epoch == keep:
                kept = {name: p.detach().clone() for name, p in net.named_parameters()}
            if epoch % 10 == 0 or epoch == epochs:
                click.echo(
                    f"  {title}: epoch {epoch}/{epochs}  loss {loss_sum / len(self.x):.4f}  "
                    f"train {hits / len(self.x):.4f}  {time.monotonic() - begin:.0f} s"
                )
        return kept


def zero_fraction(weights: list[np.ndarray]) -> float:
    """Fraction of zeros among all weights of the given layers."""
    return sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)


@torch.no_grad()
def evaluate(net: Net, pixels: Tensor, labels: Tensor) -> Report:
    """Accuracy and spikes of the forward pass as it stands (float or quantised)."""
    net.eval()
    logits, spikes = net(pixels)
    net.train()
    fired = [s.permute(1, 2, 0).to(torch.uint8).numpy() for s in spikes]
    return Report(int((logits.argmax(1) == labels).sum()), len(labels), logits.numpy(), fired)


def summary(stage: str, report: Report, zeros: float) -> dict[str, Any]:
    """One line of the table of accuracy against sparsity."""
    silent = {n: round(float((s.max(2) == 0).mean()), 4) for n, s in zip(NAMES, report.spikes, strict=False)}
    row = {
        "stage": stage,
        "correct": report.correct,
        "accuracy": round(report.accuracy, 4),
        "zero_weight_fraction": round(zeros, 4),
        "silent_fraction": silent,
    }
    click.echo(f"{stage}: {report.correct}/{report.images} = {report.accuracy:.4f}, zero {zeros:.4f}, silent {silent}")
    return row


def to_nir(layers: list[Integers]) -> nir.NIRGraph:
    """The graph whose floats give these integers back: integers times a power of two, thresholds near 1.

    A neuron does not change when weights, bias and threshold share a factor, so each keeps the power of two that is
    nearest to its trained scale. All products and sums are then exact in float32 as well, ties included.
    """
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([SIZES[0]])})}
    for name, neuron, layer in zip(NAMES, NEURONS, layers, strict=True):
        step = 2.0 ** np.round(np.log2(layer.scale))
        step = np.broadcast_to(step, layer.bias.shape)
        nodes[name] = nir.Affine(
            weight=(layer.weight * step[:, None]).astype(np.float32), bias=(layer.bias * step).astype(np.float32)
        )
        if neuron is not None and layer.threshold is not None:
            n = len(layer.bias)
            nodes[neuron] = nir.LIF(
                tau=np.full(n, TAU, np.float32),
                r=np.full(n, TAU / DT, np.float32),  # input gain r * dt / tau = 1
                v_leak=np.zeros(n, np.float32),
                v_threshold=(layer.threshold * step).astype(np.float32),
                v_reset=np.zeros(n, np.float32),
            )
    nodes["output"] = nir.Output({"output": np.array([SIZES[-1]])})
    order = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(zip(order, order[1:], strict=False)))


def sidecar(layers: list[Integers], report: Report, test: np.ndarray, nir_file: Path, extra: dict[str, Any]) -> dict[str, Any]:
    """What NIR cannot say, and what to expect (fields: models/digits/README.md)."""
    machine = layers[1:]
    fires = [(s.max(2) != 0).sum(0) for s in report.spikes]  # images in which each neuron is not silent
    matches = {
        name: int((fired * (layer.weight != 0).sum(0)).sum())
        for name, layer, fired in zip(NAMES[1:], machine, fires, strict=True)
    }
    zeros = sum(int((m.weight == 0).sum()) for m in machine)
    total = sum(m.weight.size for m in machine)
    spiking = list(zip(NAMES, report.spikes, strict=False))
    return {
        "format": "loas-nir-sidecar",
        "version": 1,
        "name": "digits",
        "network": nir_file.name,
        "network_sha256": hashlib.sha256(nir_file.read_bytes()).hexdigest(),
        "T": T,
        "dt": DT,
        "reset": "hard",
        "comparison": ">=",
        "weight_bits": 8,
        "input": {
            "encoding": "direct",
            "runs_on": "host",
            "pixel_min": 0,
            "pixel_max": 16,
            "shape": [8, 8],
            "order": "row-major",
            "nodes": ["encoder", "encoder_lif"],
        },
        "layers": [
            {
                "name": name,
                "affine": name,
                "neuron": neuron,
                "runs_on": "host" if i == 0 else "machine",
                "kind": "readout" if neuron is None else "spiking",
                "leak": 0 if neuron is None else LEAK,
                "scale": "layer" if neuron is None else "output",
                "drop_once": False,
                "k": SIZES[i],
                "n": SIZES[i + 1],
            }
            for i, (name, neuron) in enumerate(zip(NAMES, NEURONS, strict=True))
        ],
        "readout": {"value": "sum_t O[t] + T*b", "decision": "argmax", "ties": "lowest index"},
        "quantisation": {
            "bits": 8,
            "w_max": WEIGHT_MAX,
            "rounding": "half_even",
            "scale": "max_abs/127",
            "bias": "rint(b/s)",
            "threshold": "rint(theta/s)",
        },
        "split": {
            "dataset": "sklearn.datasets.load_digits",
            "function": "train_test_split",
            "test_size": 0.2,
            "random_state": 0,
            "stratify": True,
            "test_indices": [int(i) for i in test],
        },
        "expected": {
            "images": report.images,
            "correct": report.correct,
            "accuracy": report.accuracy,
            "machine_weights": total,
            "zero_weights": zeros,
            "zero_weight_fraction": zeros / total,
            "zero_weight_fraction_by_layer": {
                n: float((m.weight == 0).mean()) for n, m in zip(NAMES[1:], machine, strict=True)
            },
            "silent_fraction": {n: float((s.max(2) == 0).mean()) for n, s in spiking},
            "spike_zero_fraction": {n: float((s == 0).mean()) for n, s in spiking},
            "matches": matches,
            "logits_sha256": hashlib.sha256(np.ascontiguousarray(report.logits, dtype="<i4").tobytes()).hexdigest(),
        },
        "training": extra,
    }


@click.command(help=__doc__)
@click.option("--seed", default=1, show_default=True, help="Seed of weights, batches and augmentation.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(__file__).parent / "digits", show_default=True)
@click.option("--epochs", default=60, show_default=True, help="Epochs of each pruning round.")
@click.option("--finetune", default=160, show_default=True, help="Epochs of the quantised fine-tuning.")
@click.option("--rewind", default=6, show_default=True, help="Epoch whose weights each round starts again from.")
@click.option("--target", default=0.28, show_default=True, help="Wanted fraction of neurons that are not silent.")
@click.option("--validate", is_flag=True, help="Hold a fifth of the training set out and report on that instead.")
def main(seed: int, out: Path, epochs: int, finetune: int, rewind: int, target: float, validate: bool) -> None:
    begin = time.monotonic()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    data = load_digits()
    train, test = train_test_split(np.arange(len(data.target)), test_size=0.2, random_state=0, stratify=data.target)
    if validate:
        train, test = train_test_split(train, test_size=0.2, random_state=1, stratify=data.target[train])
    pixels, labels = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target)
    trainer = Trainer(pixels[train], labels[train], torch.Generator().manual_seed(seed), target=target)
    net = Net()
    table = []

    def measure(stage: str) -> None:
        weights = [(fc.weight * net.mask(i)).detach().numpy() for i, fc in enumerate(net.fcs)]
        table.append(summary(stage, evaluate(net, pixels[test], labels[test]), zero_fraction(weights[1:])))

    early = trainer.run(net, epochs, 3e-3, "dense", keep=rewind)
    if early is None:
        raise click.BadParameter(f"--rewind must be 1 to {epochs} (--epochs)")
    measure("dense, float")
    for number, keep in enumerate(ROUNDS, 1):
        net.prune(keep)
        net.load_state_dict(early, strict=False)
        trainer.run(net, epochs, 3e-3, f"round {number}")
        measure(f"pruned, round {number}, float")
    net.quantised = True
    trainer.run(net, finetune, 2e-3, "integers")

    layers = net.integers()
    report = infer(layers, data.data[test], data.target[test])
    own = evaluate(net, pixels[test], labels[test])
    if any((a != b).any() for a, b in zip(report.spikes, own.spikes, strict=True)):
        raise click.ClickException("the forward pass and integer inference disagree: spikes differ")
    table.append(summary("pruned, 8-bit integers", report, zero_fraction([m.weight for m in layers[1:]])))
    for name, layer in zip(NAMES, layers, strict=True):
        if name != "readout" and (np.abs(layer.weight).max(1) != WEIGHT_MAX).any():
            raise click.ClickException(f"{name}: an output neuron lost its largest weight")
    if validate:
        return
    out.mkdir(parents=True, exist_ok=True)
    nir.write(out / "digits.nir", to_nir(layers))
    extra = {"seed": seed, "epochs": epochs, "finetune": finetune, "rewind": rewind, "target": target, "table": table}
    extra["torch"] = torch.__version__
    text = json.dumps(sidecar(layers, report, test, out / "digits.nir", extra), indent=1)
    (out / "digits.json").write_text(text + "\n", encoding="utf-8")
    click.echo(f"wrote {out}/digits.nir and digits.json in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
