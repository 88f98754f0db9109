# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the training scripts share: neurons and integers of the machine in PyTorch, pruning, the training loop, reports.

In the quantised forward pass every quantity is an integer below 2^24, which float32 holds exactly, in units of its
layer's scale. So what is trained and measured is what docs/numerics.md says, bit for bit; the scripts hold it to a
second inference in numpy before they write anything.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click
import nir
import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHT_MAX = 127  # 8 bits, symmetric
DT = 1.0
QUANTISATION = {
    "bits": 8,
    "w_max": WEIGHT_MAX,
    "rounding": "half_even",
    "scale": "max_abs/127",
    "bias": "rint(b/s)",
    "threshold": "rint(theta/s)",
}
READOUT = {"value": "sum_t O[t] + T*b", "decision": "argmax", "ties": "lowest index"}


class Neurons(torch.autograd.Function):  # type: ignore[misc]  # torch is not installed where types are checked
    """See `neurons`. One function for all timesteps, so that autograd keeps and copies less."""

    @staticmethod
    def forward(ctx: Any, current: Tensor, theta: Tensor, step: Tensor, leak: int, quantised: bool) -> Tensor:
        spikes, above, rest = torch.empty_like(current), torch.empty_like(current), torch.empty_like(current)
        u = torch.zeros_like(current[0])
        for t in range(len(current)):
            v = torch.add(current[t], u)
            torch.mul(v - theta, step, out=above[t])
            torch.ge(above[t], 0, out=spikes[t])
            torch.mul(v, leak / 256, out=rest[t])
            if quantised:
                rest[t].floor_()
            u = rest[t] * (1 - spikes[t])
        ctx.save_for_backward(spikes, above, rest, step)
        ctx.leak = leak
        return spikes

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        spikes, above, rest, step = ctx.saved_tensors
        out = torch.empty_like(spikes)
        gu = torch.zeros_like(spikes[0])
        for t in reversed(range(len(spikes))):
            slope = above[t].mul(math.pi).square_().add_(1)  # of a scaled arc tangent, for the step at the threshold
            gc = (grads[0][t] - gu * rest[t]).div_(slope).mul_(step)
            gu = torch.add(gc, (gu * (1 - spikes[t])).mul_(ctx.leak / 256), out=out[t])
        return out, None, None, None, None


class Fires(torch.autograd.Function):  # type: ignore[misc]  # as above
    """1 where a neuron fires at least once, for spikes (T, ...): 1 - prod(1 - s), whose derivative it has."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor) -> Tensor:
        ctx.save_for_backward(spikes)
        return spikes.amax(0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (spikes,) = ctx.saved_tensors
        count, out = spikes.sum(0), torch.empty_like(spikes)  # of the same layout in memory, which grads[0] may not have
        for t in range(len(spikes)):
            torch.mul(grads[0], count == spikes[t], out=out[t])
        return out


def through(rounded: Tensor, x: Tensor) -> Tensor:
    """The value of `rounded` with the gradient of `x` (straight-through estimator)."""
    return x + (rounded - x).detach()


def scale_of(weight: Tensor, readout: bool) -> Tensor:
    """Value of one integer step, (out, 1, ...): per output, or () for a whole readout (its outputs are compared)."""
    top = weight.detach().abs()
    top = top.max() if readout else top.amax(dim=tuple(range(1, top.dim())), keepdim=True)
    return top.clamp_min(1e-6) / WEIGHT_MAX


def in_steps(weight: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias as the integers the machine has, with the gradients of the floats."""
    weight = through((weight / scale).round(), weight / scale)
    bias = bias / scale.reshape(-1)
    return weight, through(bias.round(), bias)


def neurons(current: Tensor, theta: Tensor, step: Tensor, leak: int, quantised: bool) -> Tensor:
    """Leaky integrate-and-fire neurons with hard reset.

    Args:
        current: (T, images, outputs, ...), sums and bias.
        theta: Threshold, in the unit of `current`.
        step: What that unit is worth when the threshold is worth about 1; scales the surrogate gradient.
        leak: In 1/256.
        quantised: Round the membrane down, as the machine does.

    Returns:
        Spikes of the shape of `current`.
    """
    spikes: Tensor = Neurons.apply(current, theta, step, leak, quantised)
    return spikes


def largest(weight: Tensor, keep: float) -> Tensor:
    """Mask of the given fraction of the weights (out, ...), the largest ones; every output keeps at least two."""
    weight = weight.abs()
    count = round(keep * weight.numel())
    limit = weight.flatten().kthvalue(weight.numel() - count + 1).values
    mask = weight >= limit
    rows = mask.reshape(len(mask), -1)
    rows.scatter_(1, weight.reshape(len(mask), -1).topk(2, dim=1).indices, True)
    return rows.reshape(weight.shape)


@dataclass
class Integers:
    """Integers of one layer: weight (out, in) or (out, cin, kh, kw), bias and threshold (out,), and the scale they
    are multiples of."""

    weight: np.ndarray
    bias: np.ndarray
    threshold: np.ndarray | None
    scale: np.ndarray


def integers_of(weight: Tensor, bias: Tensor, readout: bool) -> Integers:
    """The integers that the quantised forward pass uses for a (masked) weight and a bias."""
    scale = scale_of(weight, readout)
    step = scale.reshape(-1)
    theta = None if readout else (1 / step).round().to(torch.int64).numpy()
    return Integers(
        (weight / scale).round().to(torch.int64).numpy(),
        (bias / step).round().to(torch.int64).numpy(),
        theta,
        step.numpy().astype(np.float64),
    )


def power_of_two(layer: Integers) -> np.ndarray:
    """The step (out,) to write integers with: their floats give the same integers back, thresholds lie near 1.

    A neuron does not change when weights, bias and threshold share a factor, so each keeps the power of two that is
    nearest to its trained scale. All products and sums are then exact in float32 as well, ties included.
    """
    return np.broadcast_to(2.0 ** np.round(np.log2(layer.scale)), layer.bias.shape)


def lif_node(threshold: np.ndarray, leak: int) -> nir.LIF:
    """NIR neurons of the shape of `threshold`, whose input gain r * dt / tau is 1."""
    shape, tau = threshold.shape, DT / (1 - leak / 256)
    return nir.LIF(
        tau=np.full(shape, tau, np.float32),
        r=np.full(shape, tau / DT, np.float32),
        v_leak=np.zeros(shape, np.float32),
        v_threshold=threshold.astype(np.float32),
        v_reset=np.zeros(shape, np.float32),
    )


def warp(x: Tensor, generator: torch.Generator, angle: float, zoom: float, shear: float, shift: float) -> Tensor:
    """Random rotation (radians), zoom, shear and shift (in half images) of images (n, height, width), not rounded."""
    n = len(x)
    r = torch.rand(5, n, generator=generator) * 2 - 1
    turn, size, slant = r[0] * angle, 1 + r[1] * zoom, r[2] * shear
    theta = torch.stack(
        [
            torch.stack([size * turn.cos(), -turn.sin() + slant, r[3] * shift], 1),
            torch.stack([turn.sin(), size * turn.cos(), r[4] * shift], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 1, *x.shape[1:]], align_corners=False)
    return F.grid_sample(x[:, None], grid, align_corners=False)[:, 0]


@dataclass
class Report:
    """What one evaluation found."""

    correct: int
    images: int
    logits: np.ndarray
    spikes: list[np.ndarray] = field(default_factory=list)  # of the spiking layers, T last

    @property
    def accuracy(self) -> float:
        return self.correct / self.images

    @property
    def logits_sha256(self) -> str:
        return hashlib.sha256(np.ascontiguousarray(self.logits, dtype="<i4").tobytes()).hexdigest()


@dataclass
class Trainer:
    """Training set, random numbers and the one loop that every phase uses."""

    x: Tensor
    y: Tensor
    generator: torch.Generator
    augment: Callable[[Tensor, torch.Generator], Tensor]
    batch: int = 64
    target: float = 0.28  # wanted fraction of neurons that are not silent
    activity: float = 4.0  # weight of that wish in the loss
    report_every: int = 10  # epochs

    def run(self, net: nn.Module, epochs: int, lr: float, title: str, keep: int | None = None) -> dict[str, Tensor] | None:
        """Train for some epochs with a cosine schedule; returns the weights after epoch `keep`, if it is given.

        The network maps images to logits and the spikes of its layers, each (T, images, ...).
        """
        optimiser = torch.optim.Adam(net.parameters(), lr=lr)
        steps = math.ceil(len(self.x) / self.batch)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps, eta_min=lr / 50)
        kept: dict[str, Tensor] | None = None
        begin, hits, loss_sum = time.monotonic(), 0, 0.0
        for epoch in range(1, epochs + 1):
            hits, loss_sum = 0, 0.0
            order = torch.randperm(len(self.x), generator=self.generator)
            for part in order.split(self.batch):
                x, y = self.augment(self.x[part], self.generator), self.y[part]
                logits, spikes = net(x)
                loss = F.cross_entropy(logits, y, label_smoothing=0.05)
                for s in spikes:
                    fires: Tensor = Fires.apply(s)
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
            if epoch % self.report_every == 0 or epoch == epochs:
                click.echo(
                    f"  {title}: epoch {epoch}/{epochs}  loss {loss_sum / len(self.x):.4f}  "
                    f"train {hits / len(self.x):.4f}  {time.monotonic() - begin:.0f} s"
                )
        return kept


def zero_fraction(weights: list[np.ndarray]) -> float:
    """Fraction of zeros among all weights of the given layers."""
    return sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)


@torch.no_grad()
def evaluate(net: nn.Module, pixels: Tensor, labels: Tensor, batch: int = 500) -> Report:
    """Accuracy and spikes of the forward pass as it stands (float or quantised)."""
    net.eval()
    parts = [net(x) for x in pixels.split(batch)]
    net.train()
    logits = torch.cat([logits for logits, _ in parts])
    fired = [
        np.concatenate([s.to(torch.uint8).movedim(0, -1).numpy() for s in layer])
        for layer in zip(*(spikes for _, spikes in parts), strict=True)
    ]
    return Report(int((logits.argmax(1) == labels).sum()), len(labels), logits.numpy(), fired)


def summary(stage: str, report: Report, names: tuple[str, ...], zeros: float) -> dict[str, Any]:
    """One line of the table of accuracy against sparsity."""
    silent = {n: round(float((s.max(-1) == 0).mean()), 4) for n, s in zip(names, report.spikes, strict=False)}
    row = {
        "stage": stage,
        "correct": report.correct,
        "accuracy": round(report.accuracy, 4),
        "zero_weight_fraction": round(zeros, 4),
        "silent_fraction": silent,
    }
    click.echo(f"{stage}: {report.correct}/{report.images} = {report.accuracy:.4f}, zero {zeros:.4f}, silent {silent}")
    return row


def digits_split(target: np.ndarray, validate: bool) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Indices of scikit-learn's digits to train with and to report on, and the sidecar's `split`.

    With `validate` the held-out images are not touched: a fifth of the others is reported on instead.
    """
    train, test = train_test_split(np.arange(len(target)), test_size=0.2, random_state=0, stratify=target)
    split = {
        "dataset": "sklearn.datasets.load_digits",
        "function": "train_test_split",
        "test_size": 0.2,
        "random_state": 0,
        "stratify": True,
        "test_indices": [int(i) for i in test],
    }
    if validate:
        train, test = train_test_split(train, test_size=0.2, random_state=1, stratify=target[train])
    return train, test, split
