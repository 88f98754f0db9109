# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The cycle model of LoAS against recorded counters of the RTL: small networks by default, all of them with LOAS_LONG=1."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner
from rich.console import Console

from golden.config import load
from golden.rivals import estimate
from scripts.nets import DATA
from scripts.validate import BOUND, IMAGES, KINDS, MODES, NETWORKS, RECORDED, compare, jobs, main

VALUE = json.loads(RECORDED.read_text(encoding="utf-8"))
FREE = ("digits", "digits_conv", "resnet19", "spikformer")  # need nothing but this repository
HERE = [name for name in NETWORKS if name in FREE or (DATA / "vgg16_cifar10_t4.npz").exists()]


def test_small_networks_are_within_three_percent() -> None:
    assert compare(VALUE, ["digits", "digits_conv"], Console(quiet=True)) <= BOUND


def test_layers_of_an_image_of_their_own_are_exact() -> None:
    """The classifier of ResNet19, every kind of cycle: synthetic spikes, so nothing but this repository is needed."""
    (job,) = [job for job in jobs("resnet19", load("paper"), VALUE["seed"]) if job.net.layers[0].name == "fc2"]
    for mode in MODES:
        cost = estimate(f"loas-{mode}", next(work for _, work in job.layers(load("paper"))), load("paper"), latency=VALUE["latency"])
        (row,) = [row for row in VALUE["layers"] if (row["mode"], row["network"], row["layer"]) == (mode, "resnet19", "fc2")]
        read = sum(cost.offchip[what] for what in ("A", "B", "meta", "psum"))
        kinds = {"cycles": cost.cycles, **cost.breakdown, "bytes_read": read, "bytes_written": cost.offchip["C"]}
        assert kinds == {key: row[key] for key in KINDS}, mode


def test_every_layer_of_every_network_is_recorded() -> None:
    recorded = {(row["mode"], row["network"], row["layer"]) for row in VALUE["layers"]}
    for name in [name for name in HERE if name in IMAGES]:
        for job in jobs(name, load("paper"), VALUE["seed"]):
            assert recorded >= {(mode, name, layer.name) for mode in MODES for layer in job.net.layers}


if os.environ.get("LOAS_LONG"):

    @pytest.mark.parametrize("name", HERE)
    def test_all_layers_are_within_three_percent(name: str) -> None:
        assert compare(VALUE, [name], Console(quiet=True)) <= BOUND


def test_bad_input() -> None:
    done = CliRunner().invoke(main, ["--record", "nowhere.json"])
    assert done.exit_code == 2 and "nowhere.json: cannot be read" in done.output
    done = CliRunner().invoke(main, ["--latency", "5"])
    assert done.exit_code == 2 and "--latency 5 is not legal without --rtl" in done.output
    for options in (["--network", "digits"], ["--config", "tiny"], ["--latency", "5"]):
        done = CliRunner().invoke(main, ["--rtl", *options])
        assert done.exit_code == 2 and "it holds all networks on paper at latency 20" in done.output, done.output
