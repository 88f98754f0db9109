# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A network of one's own in ten seconds and without PyTorch: the example of docs/bring-your-own.md.

    python -m models.example build/example          # writes example.nir and example.npz there

scikit-learn trains a perceptron with one hidden layer on its handwritten digits. Its ReLUs become integrate-and-fire neurons that
subtract their threshold, so that a neuron's rate of spikes is its activation; the pixels are given anew at every timestep.
"""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import click
import nir
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Train the example and write example.nir, and the held-out images and labels as example.npz, to FOLDER.

    Example: python -m models.example build/example
    """
    digits = load_digits()
    x, test, y, labels = train_test_split(digits.data, digits.target, test_size=0.2, random_state=0)
    model = MLPClassifier((96, 64), max_iter=60, random_state=0)
    with warnings.catch_warnings(), threadpool_limits(1):  # so small that threads only wait for each other
        warnings.simplefilter("ignore")  # it need not converge
        model.fit(x / 16, y)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([64])})}
    a, unit = x / 16, 1.0  # unit: what one spike of the layer before stands for
    for i, (weight, bias) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        nodes[f"fc{i}"] = nir.Affine((weight.T * unit).astype(np.float32), bias.astype(np.float32))
        if i + 1 < len(model.coefs_):
            a = np.maximum(0, a @ weight + bias)
            unit = float(np.percentile(a, 99.5))  # the activation that is one spike a step
            n = weight.shape[1]
            nodes[f"if{i}"] = nir.IF(r=np.ones(n), v_threshold=np.full(n, unit), v_reset=np.zeros(n))
    nodes["output"] = nir.Output({"output": np.array([10])})
    folder.mkdir(parents=True, exist_ok=True)
    nir.write(folder / "example.nir", nir.NIRGraph(nodes, list(itertools.pairwise(nodes))))
    np.savez(folder / "example.npz", x_test=test.astype(np.uint8), y_test=labels)
    click.echo(f"trained: {model.score(test / 16, labels):.2%} of {len(labels)} held-out images right; written to {folder}")


if __name__ == "__main__":
    main()
