# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Train a convolutional spiking network for T = 4, all of it the machine's, written as NIR with a sidecar.

The host only compares: an input neuron spikes at timestep t iff its pixel is at least thresholds[t]. Convolutions,
max pooling (the OR of spikes), fully connected layers and the readout run on the machine. The network is trained with
surrogate gradients, pruned in rounds by magnitude, then fine-tuned with the machine's own integers in the forward
pass: 8-bit weights, integer bias and threshold, floor in the leak. A loss on the activity keeps most neurons silent.

Nothing is chosen by looking at the test images: they are only read to report. --validate reports on a part of the
training images instead, which is then not trained with; that is what the settings were chosen by.

Example:
    python -m models.train_conv --network digits-conv
    python -m models.train_conv --network mnist-conv --mnist ../shared/data/mnist.npz
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import nir
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from golden.bounds import check_layer
from golden.config import load
from golden.layer import Layer, layer_fast, work
from golden.network import load_npz
from models.conv_integers import encode, machine_cost, recover
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

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Spec:
    """One layer: `n` outputs; a convolution has a kernel, and may have a 2 x 2 max pooling of its spikes behind it."""

    name: str
    n: int
    kernel: int = 0
    stride: int = 1
    pad: int = 0
    pool: bool = False


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained.

    Attributes:
        layers: The last one is the readout.
        shape: (height, width) of the images.
        pixel_max: Largest pixel.
        thresholds: Smallest pixel that spikes, for each timestep.
        early: The same for the phases in float; fewer timesteps train faster.
        leak: Of all spiking layers, in 1/256.
        rounds: Surviving fraction of the weights of each layer, for each pruning round.
        dense, epochs, finetune: Epochs of the dense training, of each pruning round, and in integers.
        lr: Learning rates of the dense training, the rounds and the integers.
        batch: Images of a step.
        target: Wanted fraction of neurons (behind the pooling) that are not silent.
        augment: Rotation, zoom, shear, shift: see `warp`.
    """

    name: str
    layers: tuple[Spec, ...]
    shape: tuple[int, int]
    pixel_max: int
    thresholds: tuple[int, ...]
    early: tuple[int, ...]
    leak: int
    rounds: tuple[tuple[float, ...], ...]
    dense: int
    epochs: int
    finetune: int
    lr: tuple[float, float, float]
    batch: int
    target: float
    augment: tuple[float, float, float, float]
    report_every: int

    @property
    def T(self) -> int:
        return len(self.thresholds)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.layers)

    def shapes(self) -> list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        """Input, output and pooled output of each layer: (channels, height, width), or (outputs,)."""
        out = []
        at: tuple[int, ...] = (1, *self.shape)
        for spec in self.layers:
            after: tuple[int, ...] = (spec.n,)
            if spec.kernel:
                after += tuple((size + 2 * spec.pad - spec.kernel) // spec.stride + 1 for size in at[1:])
            pooled = (spec.n, *(size // 2 for size in after[1:])) if spec.pool else after
            out.append((at, after, pooled))
            at = pooled
        return out


RECIPES = {
    "digits-conv": Recipe(
        name="digits_conv",
        layers=(Spec("conv1", 16, 3, 1, 1), Spec("conv2", 32, 3, 1, 1, pool=True), Spec("fc1", 128), Spec("readout", 10)),
        shape=(8, 8),
        pixel_max=16,
        thresholds=(2, 6, 10, 14),
        early=(2, 6, 10, 14),
        leak=64,
        rounds=((0.8, 0.5, 0.4, 0.8), (0.7, 0.35, 0.15, 0.6), (0.6, 0.25, 0.06, 0.45)),
        dense=60,
        epochs=40,
        finetune=100,
        lr=(3e-3, 2e-3, 1e-3),
        batch=64,
        target=0.3,
        augment=(0.2, 0.1, 0.12, 0.18),
        report_every=10,
    ),
    "mnist-conv": Recipe(
        name="mnist_conv",
        layers=(Spec("conv1", 16, 4, 2, 1), Spec("conv2", 32, 3, 1, 1, pool=True), Spec("fc1", 128), Spec("readout", 10)),
        shape=(28, 28),
        pixel_max=255,
        thresholds=(32, 96, 160, 224),
        early=(64, 192),
        leak=64,
        rounds=((0.9, 0.5, 0.25, 0.8), (0.7, 0.3, 0.1, 0.65), (0.5, 0.18, 0.05, 0.5)),
        dense=5,
        epochs=2,
        finetune=6,
        lr=(3e-3, 2e-3, 1.5e-3),
        batch=100,
        target=0.3,
        augment=(0.15, 0.08, 0.12, 0.08),
        report_every=1,
    ),
}
RECIPES["mnist-small"] = replace(  # for four TPPEs and 128 KB: half of the channels and neurons, and fewer zeros
    RECIPES["mnist-conv"],
    name="mnist_small",
    layers=(Spec("conv1", 8, 4, 2, 1), Spec("conv2", 16, 3, 1, 1, pool=True), Spec("fc1", 64), Spec("readout", 10)),
    rounds=((0.9, 0.6, 0.35, 0.9), (0.75, 0.4, 0.18, 0.8), (0.6, 0.3, 0.1, 0.7)),
)


class Net(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """The network in float, or with the machine's integers in its forward pass (`quantised`)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.quantised = False
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, (spec, (at, _, _)) in enumerate(zip(recipe.layers, recipe.shapes(), strict=True)):
            size = (spec.n, at[0], spec.kernel, spec.kernel) if spec.kernel else (spec.n, int(np.prod(at)))
            weight = torch.empty(size)
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(spec.n)))
            self.register_buffer(f"mask{i}", torch.ones(size))
        self.thresholds = recipe.thresholds

    def mask(self, i: int) -> Tensor:
        return getattr(self, f"mask{i}")

    def weight(self, i: int) -> Tensor:
        """The pruned weight of layer i."""
        return self.weights[i] * self.mask(i)

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits of images (images, height, width), and the spikes of every spiking layer, behind its pooling, as
        (T, images, channels, height, width) or (T, images, outputs)."""
        x = torch.stack([pixels[:, None] >= threshold for threshold in self.thresholds]).to(torch.float32)
        spikes: list[Tensor] = []
        for i, spec in enumerate(self.recipe.layers):
            readout = i == len(self.recipe.layers) - 1
            weight, bias = self.weight(i), self.biases[i]
            step = theta = torch.ones(1)
            if self.quantised:
                scale = scale_of(weight, readout)
                weight, bias = in_steps(weight, bias, scale)
                step = scale.reshape(-1)
                theta = (1 / step).round()
            if spec.kernel:
                flat = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
                current = F.conv2d(flat, weight, bias, spec.stride, spec.pad).unflatten(0, x.shape[:2])
                step, theta = step.reshape(-1, 1, 1), theta.reshape(-1, 1, 1)
            else:
                current = F.linear(x.flatten(2), weight, bias)
            if readout:
                return current.sum(0) * step, spikes
            x = neurons(current, theta, step, self.recipe.leak, self.quantised)
            if spec.pool:
                x = F.max_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])
            spikes.append(x)
        raise AssertionError("the last layer is a readout")

    @torch.no_grad()
    def prune(self, keep: tuple[float, ...]) -> None:
        """Keep the given fraction of each layer's weights, the largest ones."""
        for i, fraction in enumerate(keep):
            if fraction < 1:
                self.mask(i).copy_(largest(self.weight(i), fraction))

    @torch.no_grad()
    def integers(self) -> list[Integers]:
        """The integers that the quantised forward pass uses, layer by layer."""
        last = len(self.weights) - 1
        return [integers_of(self.weight(i), self.biases[i], i == last) for i in range(last + 1)]


def infer(layers: list[Layer], recipe: Recipe, pixels: np.ndarray, labels: np.ndarray, batch: int = 200) -> Report:
    """Integer inference by the golden model: the statement that the training's own forward pass is held to."""
    pooled = {spec.name: f"pool{i}" if spec.pool else spec.name for i, spec in enumerate(recipe.layers, 1)}
    logits: list[np.ndarray] = []
    spikes: dict[str, list[np.ndarray]] = {name: [] for name in recipe.names[:-1]}
    shapes = recipe.shapes()
    for first in range(0, len(pixels), batch):
        x: np.ndarray = encode(pixels[first : first + batch], list(recipe.thresholds))
        out = {}
        for layer in layers:
            x = out[layer.name] = layer_fast(x, layer)
        logits.append(out[recipe.names[-1]])
        for name, (_, _, shape) in zip(recipe.names[:-1], shapes, strict=False):
            rows = out[pooled[name]].reshape(-1, *shape[1:], shape[0], recipe.T)  # (images, height, width, channels, T)
            spikes[name].append(np.moveaxis(rows, -2, 1))
    values = np.concatenate(logits)
    return Report(
        int((values.argmax(1) == labels).sum()), len(labels), values.astype(np.int32), [np.concatenate(s) for s in spikes.values()]
    )


def to_nir(recipe: Recipe, layers: list[Integers]) -> nir.NIRGraph:
    """The graph whose floats give these integers back: integers times a power of two, thresholds near 1.

    NIR has no max pooling: a sum of spikes under the window, then a spike where it is above 0.5, is exactly that.
    """
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([1, *recipe.shape])})}
    for i, (spec, layer, (at, after, pooled)) in enumerate(zip(recipe.layers, layers, recipe.shapes(), strict=True), 1):
        step = power_of_two(layer)
        bias = (layer.bias * step).astype(np.float32)
        weight = (layer.weight * step.reshape(-1, *[1] * (layer.weight.ndim - 1))).astype(np.float32)
        if spec.kernel:
            nodes[spec.name] = nir.Conv2d(
                input_shape=(at[1], at[2]), weight=weight, stride=spec.stride, padding=spec.pad, dilation=1, groups=1, bias=bias
            )
        else:
            if len(at) > 1:
                nodes["flatten"] = nir.Flatten({"input": np.array(at)}, start_dim=0, end_dim=-1)
            nodes[spec.name] = nir.Affine(weight=weight, bias=bias)
        if layer.threshold is not None:
            theta = (layer.threshold * step).reshape(-1, *[1] * (len(after) - 1))
            nodes[f"lif{i}"] = lif_node(np.broadcast_to(theta, after), recipe.leak)
        if spec.pool:
            two, zero = np.array([2, 2]), np.array([0, 0])
            nodes[f"pool{i}"] = nir.SumPool2d(kernel_size=two, stride=two, padding=zero)
            nodes[f"or{i}"] = nir.Threshold(np.full(pooled, 0.5, np.float32))
    nodes["output"] = nir.Output({"output": np.array([recipe.layers[-1].n])})
    order = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(zip(order, order[1:], strict=False)))


def entries(recipe: Recipe) -> list[dict[str, Any]]:
    """The sidecar's `layers`."""
    out = []
    for i, (spec, (at, after, pooled)) in enumerate(zip(recipe.layers, recipe.shapes(), strict=True), 1):
        readout = i == len(recipe.layers)
        out.append(
            {
                "name": spec.name,
                "affine": spec.name,
                "neuron": None if readout else f"lif{i}",
                "pool": {"kind": "or", "size": [2, 2], "nodes": [f"pool{i}", f"or{i}"]} if spec.pool else None,
                "runs_on": "machine",
                "kind": "readout" if readout else "spiking",
                "leak": 0 if readout else recipe.leak,
                "scale": "layer" if readout else "output",
                "drop_once": False,
                "k": at[0] * spec.kernel**2 if spec.kernel else int(np.prod(at)),
                "n": spec.n,
                "input_shape": list(at),
                "neuron_shape": list(after),
                "output_shape": list(pooled),
            }
        )
    return out


def expectations(recipe: Recipe, layers: list[Layer], report: Report, pixels: np.ndarray, labels: np.ndarray, first: int) -> dict[str, Any]:
    """The sidecar's `expected`; work is counted for the first images only."""
    machine = {layer.name: layer for layer in layers if layer.name in recipe.names}
    inputs = encode(pixels, list(recipe.thresholds))
    spiking = [("input", inputs), *zip(recipe.names, report.spikes, strict=False)]
    x: np.ndarray = encode(pixels[:first], list(recipe.thresholds))
    matches, empty = {}, {}
    for layer in layers:
        if layer.name in machine:
            done = work(x, layer.weights, load("paper"), layer.conv)
            matches[layer.name], empty[layer.name] = done.matches, done.empty_chunks
        x = layer_fast(x, layer)
    zeros = sum(int((m.weights == 0).sum()) for m in machine.values())
    total = sum(m.weights.size for m in machine.values())
    cost = machine_cost(layers, recipe.names)
    return {
        "images": report.images,
        "correct": report.correct,
        "accuracy": report.accuracy,
        "machine_weights": total,
        "zero_weights": zeros,
        "zero_weight_fraction": zeros / total,
        "zero_weight_fraction_by_layer": {n: float((m.weights == 0).mean()) for n, m in machine.items()},
        "silent_fraction": {n: float((s.max(-1) == 0).mean()) for n, s in spiking},
        "spike_zero_fraction": {n: float((s == 0).mean()) for n, s in spiking},
        "logits_sha256": report.logits_sha256,
        "first": {
            "images": first,
            "correct": int((report.logits[:first].argmax(1) == labels[:first]).sum()),
            "logits_sha256": Report(0, first, report.logits[:first]).logits_sha256,
            "matches": matches,
            "empty_chunks": empty,
        },
        "tppe_cycles_estimate": {**cost, "total": sum(cost.values())},
    }


def load_data(recipe: Recipe, mnist: Path, validate: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """Images (n, height, width) and labels to train with and to report on, and the sidecar's `split`."""
    if recipe.name == "digits_conv":
        data = load_digits()
        train, test, split = digits_split(data.target, validate)
        images = data.images.astype(np.int64)
        return images[train], data.target[train], images[test], data.target[test], split
    file = load_npz(mnist)
    x, y, test_x, test_y = (file[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    split = {
        "dataset": "MNIST",
        "test": "the 10000 test images, in order",
        "x_test_sha256": hashlib.sha256(np.ascontiguousarray(test_x).tobytes()).hexdigest(),
        "y_test_sha256": hashlib.sha256(np.ascontiguousarray(test_y).tobytes()).hexdigest(),
    }
    if validate:
        order = np.random.default_rng(1).permutation(len(x))
        return x[order[:-5000]], y[order[:-5000]], x[order[-5000:]], y[order[-5000:]], split
    return x, y, test_x, test_y, split


@click.command(help=__doc__)
@click.option("--network", type=click.Choice(list(RECIPES)), required=True)
@click.option("--seed", default=1, show_default=True, help="Seed of weights, batches and augmentation.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.  [default: the network's, beside this file]")
@click.option("--mnist", type=click.Path(path_type=Path), default=FOLDER.parents[1] / "shared/data/mnist.npz", show_default=True)
@click.option("--threads", default=1, show_default=True, help="Threads of PyTorch; other numbers give other files.")
@click.option("--validate", is_flag=True, help="Hold a part of the training images out, report on it instead, write nothing.")
def main(network: str, seed: int, out: Path | None, mnist: Path, threads: int, validate: bool) -> None:
    begin = time.monotonic()
    recipe = RECIPES[network]
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    train_x, train_y, test_x, test_y, split = load_data(recipe, mnist, validate)
    test, labels = torch.tensor(test_x, dtype=torch.float32), torch.tensor(test_y, dtype=torch.int64)

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        return warp(x, generator, *recipe.augment).round().clamp(0, recipe.pixel_max)

    trainer = Trainer(
        torch.tensor(train_x, dtype=torch.float32),
        torch.tensor(train_y, dtype=torch.int64),
        torch.Generator().manual_seed(seed),
        augment,
        batch=recipe.batch,
        target=recipe.target,
        report_every=recipe.report_every,
    )
    net = Net(recipe)
    table = []

    def measure(stage: str) -> None:
        net.thresholds = recipe.thresholds
        weights = [net.weight(i).detach().numpy() for i in range(len(recipe.layers))]
        table.append(summary(stage, evaluate(net, test, labels), recipe.names, zero_fraction(weights)))

    net.thresholds = recipe.early
    trainer.run(net, recipe.dense, recipe.lr[0], "dense")
    measure("dense, float")
    for number, keep in enumerate(recipe.rounds, 1):
        net.prune(keep)
        net.thresholds = recipe.early
        trainer.run(net, recipe.epochs, recipe.lr[1], f"round {number}")
        measure(f"pruned, round {number}, float")
    net.quantised = True
    trainer.run(net, recipe.finetune, recipe.lr[2], "integers")
    own = evaluate(net, test, labels)

    integers = net.integers()
    graph, side = to_nir(recipe, integers), {"input": {"shape": list(recipe.shape)}, "layers": entries(recipe)}
    layers = recover(graph.nodes, side)
    check(recipe, integers, layers)
    report = infer(layers, recipe, test_x, test_y)
    if any((a != b).any() for a, b in zip(report.spikes, own.spikes, strict=True)) or report.correct != own.correct:
        raise click.ClickException("the forward pass and integer inference of the NIR file disagree")
    weights = [layer.weights for layer in layers if layer.name in recipe.names]
    table.append(summary("pruned, 8-bit integers", report, recipe.names, zero_fraction(weights)))
    if validate:
        return

    out = FOLDER / recipe.name if out is None else out
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{recipe.name}.nir"
    nir.write(file, graph)
    sidecar = {
        "format": "loas-nir-sidecar",
        "version": 1,
        "name": recipe.name,
        "network": file.name,
        "network_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "T": recipe.T,
        "dt": DT,
        "reset": "hard",
        "comparison": ">=",
        "weight_bits": 8,
        "input": {
            "encoding": "thresholds",
            "runs_on": "host",
            "thresholds": list(recipe.thresholds),
            "pixel_min": 0,
            "pixel_max": recipe.pixel_max,
            "shape": list(recipe.shape),
            "order": "row-major",
            "nodes": [],
        },
        "layers": side["layers"],
        "readout": READOUT,
        "quantisation": QUANTISATION,
        "split": split,
        "expected": expectations(recipe, layers, report, test_x, test_y, min(len(test_x), 500)),
        "training": {
            "command": f"python -m models.train_conv --network {network} --seed {seed} --threads {threads}",
            "seed": seed,
            "threads": threads,
            "early_thresholds": list(recipe.early),
            "dense": recipe.dense,
            "epochs": recipe.epochs,
            "finetune": recipe.finetune,
            "rounds": [list(keep) for keep in recipe.rounds],
            "lr": list(recipe.lr),
            "batch": recipe.batch,
            "target": recipe.target,
            "augment": list(recipe.augment),
            "seconds": round(time.monotonic() - begin),
            "torch": torch.__version__,
            "table": table,
        },
    }
    (out / f"{recipe.name}.json").write_text(json.dumps(sidecar, indent=1) + "\n", encoding="utf-8")
    click.echo(f"wrote {file} and {recipe.name}.json in {time.monotonic() - begin:.0f} s")


def check(recipe: Recipe, integers: list[Integers], layers: list[Layer]) -> None:
    """Refuses integers that the NIR graph does not give back, or that the machine could not hold."""
    machine = {layer.name: layer for layer in layers}
    for spec, own, (at, _, _) in zip(recipe.layers, integers, recipe.shapes(), strict=True):
        layer = machine[spec.name]
        weight = own.weight
        if len(at) > 1:  # (out, cin, height, width) to (height, width, cin)
            weight = weight.reshape(spec.n, at[0], *(weight.shape[2:] or at[1:])).transpose(0, 2, 3, 1).reshape(spec.n, -1)
        if not np.array_equal(layer.weights.T, weight) or not np.array_equal(layer.bias, own.bias):
            raise click.ClickException(f"{spec.name}: the NIR graph does not give the trained integers back")
        if own.threshold is not None:
            if not np.array_equal(layer.threshold, own.threshold):
                raise click.ClickException(f"{spec.name}: the NIR graph does not give the trained thresholds back")
            if (np.abs(own.weight).reshape(spec.n, -1).max(1) != WEIGHT_MAX).any():
                raise click.ClickException(f"{spec.name}: an output lost its largest weight")
        check_layer(layer, load("paper"))


if __name__ == "__main__":
    main()
