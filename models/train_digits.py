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
import time
from pathlib import Path
from typing import Any

import click
import nir
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from models.training import (
    DT,
    QUANTISATION,
    READOUT,
    WEIGHT_MAX,
    Integers,
    Report,
    Trainer,
    digits_split,
    evaluate,
    in_steps,
    integers_of,
    largest,
    lif_node,
    neurons,
    power_of_two,
    scale_of,
    summary,
    warp,
    zero_fraction,
)

T = 4
LEAK = 64  # in 1/256: the paper's decay of 1/4
SIZES = (64, 256, 256, 128, 10)
NAMES = ("encoder", "fc1", "fc2", "readout")
NEURONS = ("encoder_lif", "lif1", "lif2", None)
# Surviving fraction of weights after each pruning round (encoder, fc1, fc2, readout); the encoder stays dense.
ROUNDS = (
    (1.0, 0.40, 0.40, 0.80),
    (1.0, 0.16, 0.18, 0.60),
    (1.0, 0.075, 0.09, 0.45),
    (1.0, 0.042, 0.055, 0.35),
)


class Net(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
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

    def weight(self, i: int) -> Tensor:
        """The pruned weight of layer i."""
        return self.fcs[i].weight * self.mask(i)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits of the images `x` (images, 64), and the spikes of every spiking layer as (T, images, neurons)."""
        x = x.expand(T, *x.shape)
        spikes: list[Tensor] = []
        for i, fc in enumerate(self.fcs):
            weight, bias = self.weight(i), fc.bias
            step = theta = torch.ones(1)
            if self.quantised:
                scale = scale_of(weight, NEURONS[i] is None)
                weight, bias = in_steps(weight, bias, scale)
                step = scale.reshape(-1)
                theta = (1 / step).round()
            current = F.linear(x, weight, bias)
            if NEURONS[i] is None:
                return current.sum(0) * step, spikes
            x = neurons(current, theta, step, LEAK, self.quantised)
            spikes.append(x)
        raise AssertionError("the last layer is a readout")

    @torch.no_grad()
    def prune(self, keep: tuple[float, ...]) -> None:
        """Keep the given fraction of each layer's weights, the largest ones; every output keeps at least two."""
        for i, fraction in enumerate(keep):
            if fraction < 1:
                self.mask(i).copy_(largest(self.weight(i), fraction))

    @torch.no_grad()
    def integers(self) -> list[Integers]:
        """The integers that the quantised forward pass uses, layer by layer."""
        return [integers_of(self.weight(i), fc.bias, NEURONS[i] is None) for i, fc in enumerate(self.fcs)]


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
    warped = warp(x.reshape(-1, 8, 8), generator, angle=0.2, zoom=0.1, shear=0.12, shift=0.18)
    return warped.reshape(-1, 64).round().clamp(0, 16)


def to_nir(layers: list[Integers]) -> nir.NIRGraph:
    """The graph whose floats give these integers back: integers times a power of two, thresholds near 1."""
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([SIZES[0]])})}
    for name, neuron, layer in zip(NAMES, NEURONS, layers, strict=True):
        step = power_of_two(layer)
        weight, bias = layer.weight * step[:, None], layer.bias * step
        nodes[name] = nir.Affine(weight=weight.astype(np.float32), bias=bias.astype(np.float32))
        if neuron is not None and layer.threshold is not None:
            nodes[neuron] = lif_node(layer.threshold * step, LEAK)
    nodes["output"] = nir.Output({"output": np.array([SIZES[-1]])})
    order = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(zip(order, order[1:], strict=False)))


def sidecar(layers: list[Integers], report: Report, split: dict[str, Any], nir_file: Path, extra: dict[str, Any]) -> dict[str, Any]:
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
        "readout": READOUT,
        "quantisation": QUANTISATION,
        "split": split,
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
            "logits_sha256": report.logits_sha256,
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
    train, test, split = digits_split(data.target, validate)
    pixels, labels = torch.tensor(data.data, dtype=torch.float32), torch.tensor(data.target)
    trainer = Trainer(pixels[train], labels[train], torch.Generator().manual_seed(seed), augment, target=target)
    net = Net()
    table = []

    def measure(stage: str) -> None:
        weights = [net.weight(i).detach().numpy() for i in range(len(net.fcs))]
        table.append(summary(stage, evaluate(net, pixels[test], labels[test]), NAMES, zero_fraction(weights[1:])))

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
    table.append(summary("pruned, 8-bit integers", report, NAMES, zero_fraction([m.weight for m in layers[1:]])))
    for name, layer in zip(NAMES, layers, strict=True):
        if name != "readout" and (np.abs(layer.weight).max(1) != WEIGHT_MAX).any():
            raise click.ClickException(f"{name}: an output neuron lost its largest weight")
    if validate:
        return
    out.mkdir(parents=True, exist_ok=True)
    nir.write(out / "digits.nir", to_nir(layers))
    extra = {"seed": seed, "epochs": epochs, "finetune": finetune, "rewind": rewind, "target": target, "table": table}
    extra["torch"] = torch.__version__
    text = json.dumps(sidecar(layers, report, split, out / "digits.nir", extra), indent=1)
    (out / "digits.json").write_text(text + "\n", encoding="utf-8")
    click.echo(f"wrote {out}/digits.nir and digits.json in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
