# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Sweeps: the same figures wherever they run, bad input refused before anything runs, results kept; and the page of the evaluation."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from golden.config import load
from golden.errors import LoasError
from golden.rivals import MACHINES
from golden.synthetic import Rates, Statistics
from scripts import loas
from scripts.evaluate import __main__ as bench
from scripts.evaluate import engine, measure, points
from scripts.evaluate.engine import run_all
from scripts.evaluate.numbers import Results
from scripts.evaluate.plan import PASSES, SPARTEN, plan
from scripts.evaluate.points import RATES, RAW, RECORDED, RTL, SYNTHETIC, Point, Task
from scripts.evaluate.report import Report, area_lines, area_ratios, read_area
from scripts.evaluate.store import Store
from scripts.evaluate.workload import Library, map_of, statistics_of
from scripts.shapes import synthetic_maps
from scripts.simulate import ROOT

TEXT = """
[alexnet]
T       = 4
trace   = "small.npz"
density = 20
spikes  = { zeros = 62, silent = 50, tuned = 55 }
layers  = [
  { name = "conv1", input = [16, 4, 5], kernel = 3, pad = 1, out = 20 },
  { name = "conv2", input = [20, 4, 5], kernel = 3, pad = 1, out = 24 },
  { name = "fc1", input = [40], out = 10, readout = true, density = 100 },
]
"""


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    path = tmp_path / "shapes.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def library(shapes: Path, tmp_path: Path) -> Library:
    return Library.read(shapes, tmp_path)


def some_points(count: int = 4) -> list[Point]:
    return [
        Point(machine, "alexnet", layer, SYNTHETIC, config="tiny", overrides=(("NUM_TPPES", n),), latency=5)
        for n in range(1, count + 1)
        for layer in ("conv1", "conv2")
        for machine in ("gospa", "gamma", "ptb")
    ]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(loas.main, ["sweep", *arguments])


def write_trace(path: Path, library: Library, **changes: Any) -> None:
    fields: dict[str, Any] = {}
    for name, spikes in synthetic_maps(library.shapes["alexnet"], 7).items():
        fields |= {f"{name}.shape": np.array(spikes.shape, np.int32), f"{name}.bits": np.packbits(spikes)}
    np.savez(path, **{key: value for key, value in {**fields, **changes}.items() if value is not None})


def test_results_are_kept_and_taken_up(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = some_points()
    store = Store(tmp_path / "store")
    seen: list[bool] = []
    tasks = library.tasks([*chosen, *chosen])  # twice the same is one
    assert sum(len(task.points) for task in tasks) == len(chosen)
    assert all(len({point.workload for point in task.points}) == 1 for task in tasks)

    def broken(task: Task, digest: str) -> list[Any]:
        if len(seen) == 1:
            raise KeyboardInterrupt
        return measure.run_task(task, digest)

    monkeypatch.setattr(engine, "run_task", broken)
    with pytest.raises(KeyboardInterrupt):
        run_all(tasks, store, workers=1, done=lambda task, kept: seen.append(kept))
    assert seen == [False]
    # what was done is not done again, what was not is; and nothing of it depends on the interruption
    monkeypatch.setattr(engine, "run_task", measure.run_task)
    seen.clear()
    found = run_all(tasks, store, workers=1, done=lambda task, kept: seen.append(kept))
    assert sorted(seen) == [False] * (len(tasks) - 1) + [True]
    assert found == run_all(tasks, Store(None), workers=1)
    # a file cut off is no result, and other sources have other results
    path = store.path(tasks[0].key(tasks[0].points[0]))
    path.write_text(path.read_text()[:20])
    assert store.get(path.stem) is None
    key = tasks[0].key(tasks[0].points[0])
    monkeypatch.setattr("scripts.evaluate.points.model_digest", lambda machine: "other")
    assert tasks[0].key(tasks[0].points[0]) != key
    with pytest.raises(LoasError, match="sources with hash"):
        measure.run_task(tasks[0], "other sources")


def test_a_cluster_gives_the_same_and_survives_a_dead_worker(library: Library) -> None:
    from distributed import Client, LocalCluster

    tasks = library.tasks(some_points(12), most=1)
    alone = run_all(tasks, Store(None), workers=1)
    killed: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a worker that is gone
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs=50) as cluster:  # type: ignore[no-untyped-call]
            with Client(cluster) as other:  # type: ignore[no-untyped-call]
                pids = list(other.run(os.getpid).values())

            def kill(task: Task, kept: bool) -> None:
                if not killed:
                    os.kill(pids[0], signal.SIGKILL)
                    killed.append(pids[0])

            found = run_all(tasks, Store(None), scheduler=cluster.scheduler_address, done=kill)
            with Client(cluster) as other:  # type: ignore[no-untyped-call]
                after = set(other.run(os.getpid).values())
    assert killed and killed[0] not in after
    assert found == alone and list(alone) and set(found) == {point for task in tasks for point in task.points}


def test_a_cluster_without_workers_is_waited_for_but_not_for_ever(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(engine, "WORKER_SECONDS", 0.3)
    tasks = library.tasks(some_points(1))
    said: list[str] = []
    begun: list[bool] = []
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None, silence_logs=50) as cluster:  # type: ignore[no-untyped-call]
        address = cluster.scheduler_address
        with pytest.raises(LoasError, match=f"--scheduler {address} is not legal: must have a worker within 0.3 s"):
            run_all(tasks, Store(None), scheduler=address, say=said.append, ready=lambda: begun.append(True))
        assert said == [f"--scheduler {address} has no worker: waiting for one, 0.3 s at most"] and not begun
        # one that comes while it is waited for is taken

        def start(text: str) -> None:
            said.append(text)
            cluster.scale(1)  # type: ignore[no-untyped-call]

        monkeypatch.setattr(engine, "WORKER_SECONDS", 30)
        found = run_all(tasks, Store(None), scheduler=address, say=start)
    assert len(said) == 2 and found == run_all(tasks, Store(None), workers=1)


def test_workers_that_all_left_are_not_waited_for_for_ever(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    tasks = library.tasks(some_points(), most=1)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50))  # type: ignore[no-untyped-call]
        command = [sys.executable, "-m", "dask", "worker", cluster.scheduler_address, "--no-nanny", "--no-dashboard"]
        worker = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
        stack.callback(worker.wait)
        stack.callback(worker.kill)

        def kill(task: Task, kept: bool) -> None:
            monkeypatch.setattr(engine, "WORKER_SECONDS", 0.5)
            worker.kill()

        with pytest.raises(LoasError, match="no worker is left: run again; points that are done are kept"):
            run_all(tasks, Store(tmp_path), scheduler=cluster.scheduler_address, done=kill)
    assert list(tmp_path.rglob("*.json"))


def test_a_lost_cluster_leaves_what_is_done(library: Library, tmp_path: Path) -> None:
    from distributed import Future, LocalCluster, default_client

    tasks, store, seen = library.tasks(some_points(), most=1), Store(tmp_path), []

    def lose(task: Task, kept: bool) -> None:
        # a client whose scheduler is gone cancels all it waits for
        seen.append(task)
        if len(seen) == 2:
            client = default_client()  # type: ignore[no-untyped-call]
            client.cancel([Future(key, client) for key in list(client.futures)])  # type: ignore[no-untyped-call]

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50) as cluster:  # type: ignore[no-untyped-call]
        with pytest.raises(LoasError, match="lost, or it cancelled a task: run again; points that are done are kept"):
            run_all(tasks, store, scheduler=cluster.scheduler_address, done=lose)
    kept: list[bool] = []
    found = run_all(tasks, store, workers=1, done=lambda task, was: kept.append(was))
    assert 2 <= sum(kept) < len(tasks) == len(kept) and found == run_all(tasks, Store(None), workers=1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--network", "foo"], "network = 'foo' is not legal: must be one of alexnet"),
        (["--machine", "foo"], "--machine foo is not legal: must be one of loas-laggy"),
        (["--layers", "conv9"], "layer 'conv9' is not legal: must be one of conv1, conv2, fc1"),
        (["--set", "FOO=1"], "--set FOO is not legal: must be one of NUM_TPPES"),
        (["--set", "T=8"], "--set T is not legal: must be given by --T"),
        (["--set", "LAGGY=0,1"], "--set LAGGY is not legal: must be chosen by --machine loas-laggy, loas-fast, sparten"),
        (["--set", "SEQUENTIAL=1"], "--set SEQUENTIAL is not legal: must be chosen by --machine loas-laggy, loas-fast, sparten"),
        (["--set", "DEEP=1"], "--set DEEP is not legal: must be left out: the models have no DEEP"),
        (["--set", "NUM_TPPES=1", "--set", "NUM_TPPES=2"], "--set NUM_TPPES is not legal twice: must have all values in one"),
        (["--set", "NUM_TPPES"], "--set NUM_TPPES is not legal: must be NAME=VALUE"),
        (["--set", "NUM_TPPES=2,x"], "--set NUM_TPPES = 'x' is not legal: must be an integer"),
        (["--set", "NUM_TPPES=65"], "NUM_TPPES = 65 is not legal: must be 1 to 64"),
        (["--set", "K_MAX=64"], "K_MAX = 64 of configuration tiny* is not legal: must be at least 144"),
        (["--T", "8"], "--T 8 is not legal with --spikes auto"),
        (["--T", "17", "--spikes", "rates"], "--T 17 is not legal: must be 1 to 16"),
        (["--density", "101"], "--density 101 is not legal: must be 0 to 100"),
        (["--latency", "-1"], "--latency -1 is not legal: must be 0 to 65535"),
        (["--spikes", "recorded"], "spikes = 'recorded' is not legal: must be random, there is no trace"),
        (["--config", "foo"], "configuration 'foo' does not exist"),
        (["--data", "/nowhere"], "--data /nowhere is not legal: must be a folder"),
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler tcp://127.0.0.1:1 is not legal: must be the address"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], text: str, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.5)
    given = {"--network": "alexnet", "--config": "tiny", "--shapes": str(shapes), "--data": str(tmp_path), "--machine": "ptb"}
    defaults = [part for key, value in given.items() if key not in arguments for part in (key, value)]
    out = tmp_path / "out/result.json"
    out.parent.mkdir()
    out.write_text("earlier")
    done = call(*defaults, *arguments, "--jobs", "1", "--out", str(out))
    assert done.exit_code == 2 and "error: " in done.output and text in done.output.replace("\n", " "), done.output
    assert not (tmp_path / "out/points").exists() and out.read_text() == "earlier"


@pytest.mark.parametrize("arguments", [["--config", "typo"], ["--data", "/nowhere"], ["--scheduler", "tcp://127.0.0.1:1"]])
def test_bad_input_of_the_evaluation_leaves_the_earlier_result(
    arguments: list[str], shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.5)
    (tmp_path / "result.json").write_text("earlier")
    done = CliRunner().invoke(bench.main, ["--quick", "--no-rtl", "--shapes", str(shapes), "--out", str(tmp_path), *arguments])
    assert done.exit_code == 2 and (tmp_path / "result.json").read_text() == "earlier", done.output


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("file/x.md", "file/x.md: cannot be written: "),
        ("/proc/nothing/x.md", "/proc/nothing/x.md: cannot be written: No such file"),
        ("file.md", "file/any.svg: cannot be written: "),
        ("page", "page is not legal: must have a suffix"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused(
    page: str, text: str, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run_all", lambda *a, **k: pytest.fail("it ran"))
    (tmp_path / "file").touch()
    files = ["--shapes", str(shapes), "--out", str(tmp_path), "--page", str(tmp_path / page)]
    done = CliRunner().invoke(bench.main, ["--quick", "--no-rtl", *files])
    assert done.exit_code == 2 and "error: " in done.output and text in done.output, (done.output, done.exception)


TPPE = {"kind": "tppe", "mode": "LAGGY", "technology": "osu018", "T": 4,
        "parts": {"all": {"area": 900, "ram_bits": 8}, "fast prefix sum over B": {"area": 9}}}  # fmt: skip


def area_of(**changes: Any) -> str:
    """A result of scripts/area.py; None takes a field away."""
    point = {key: value for key, value in {**TPPE, **changes}.items() if value is not None}
    return json.dumps({"config": "paper", "points": [point, {**TPPE, "mode": "FAST"}]})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "is not JSON"),
        ("[]", "all of it = [] is not legal: must be an object"),
        ('{"points": []}', "config is missing"),
        ('{"config": "paper"}', "points is missing: must be a list"),
        ('{"config": "paper", "points": 5}', "points = 5 is not legal: must be a list"),
        ('{"config": "paper", "points": [5]}', "points[0] = 5 is not legal: must be an object"),
        ('{"config": "paper", "points": [{}]}', "points[0].kind is missing: must be a string"),
        (area_of(T="4"), "points[0].T = '4' is not legal: must be an integer"),
        (area_of(technology="foo"), "points[0].technology = 'foo' is not legal: must be one of osu018, ecp5"),
        (area_of(parts=None), "points[0].parts is missing"),
        (area_of(parts={"all": 5}), "points[0].parts['all'] = 5 is not legal: must be an object"),
        (area_of(parts={"all": {"area": "many"}}), "points[0].parts['all'].area = 'many' is not legal: must be a number"),
        (area_of(parts={"all": {"area": float("nan")}}), "points[0].parts['all'].area = nan is not legal: must be a number"),
        (area_of(parts={"all": {"ff": 1}}), "points[0].parts['all'].area = 0 is not legal: must be more than 0"),
        (area_of(parts={"all": {"area": 1}}), "points[0].parts['fast prefix sum over B'].area = 0 is not legal"),
    ],
)
def test_a_malformed_area_is_refused_before_the_run(
    content: str, text: str, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run_all", lambda *a, **k: pytest.fail("it ran"))
    monkeypatch.setattr(bench, "AREA", tmp_path / "area.json")
    (tmp_path / "area.json").write_text(content)
    done = CliRunner().invoke(bench.main, ["--quick", "--no-rtl", "--shapes", str(shapes), "--out", str(tmp_path)])
    assert done.exit_code == 2 and f"error: {tmp_path / 'area.json'}: {text}" in done.output, (done.output, done.exception)


def test_an_area_of_another_configuration_is_left_out(tmp_path: Path) -> None:
    path, said = tmp_path / "area.json", list[str]()
    assert read_area(path, "paper", said.append) is None and not said
    path.write_text(area_of())
    area = read_area(path, "paper", said.append)
    assert area == json.loads(area_of()) and area_ratios(area) == [("osu018", 1, 0, "RAM bits")] and len(area_lines(area)) > 3 and not said
    assert read_area(path, "tiny", said.append) is None
    assert said == [f"{path}: is of configuration paper, not tiny: left out; python -m scripts.area --config tiny makes another"]


def test_a_run_that_fails_leaves_no_earlier_result(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(task: Task, digest: str) -> list[Any]:
        raise LoasError("broken")

    monkeypatch.setattr(engine, "run_task", broken)
    files = ["--shapes", str(shapes), "--data", str(tmp_path), "--jobs", "1", "--out"]
    for program, arguments in (
        (loas.main, ["sweep", "--network", "alexnet", "--config", "tiny", *files, str(tmp_path / "result.json")]),
        (bench.main, ["--quick", "--no-rtl", *files, str(tmp_path)]),
    ):
        (tmp_path / "result.json").write_text("earlier")
        done = CliRunner().invoke(program, arguments)
        assert done.exit_code == 2 and "error: broken" in done.output and not (tmp_path / "result.json").exists(), done.output


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("out = 20", "out = 0", r"layers\[0\] \(conv1\): out = 0 is not legal: must be an integer, 1 to 65535"),
        ("density = 20", "density = -1", "density = -1 is not legal: must be percent, 0 to 100"),
        ("T       = 4", "T       = 17", "T = 17 is not legal: must be an integer, 1 to 16"),
        ("silent = 50", "silent = 90", "is not legal"),
        ("[alexnet]", "[alexnet", "cannot be read as TOML"),
    ],
)
def test_malformed_shape_files_are_refused(old: str, new: str, text: str, shapes: Path, tmp_path: Path) -> None:
    shapes.write_text(TEXT.replace(old, new, 1))
    for done in (
        call("--network", "alexnet", "--shapes", str(shapes), "--data", str(tmp_path), "--out", str(tmp_path / "out/r.json")),
        CliRunner().invoke(bench.main, ["--shapes", str(shapes), "--data", str(tmp_path), "--out", str(tmp_path / "b")]),
    ):
        assert done.exit_code == 2 and not (tmp_path / "out/points").exists(), done.output
        pytest.raises(LoasError, Library.read, shapes, tmp_path).match(text)


def test_malformed_traces_are_refused_and_good_ones_used(library: Library, shapes: Path, tmp_path: Path) -> None:
    trace = tmp_path / "small.npz"
    write_trace(trace, library, **{"conv2.shape": np.array([4, 20, 4, 4], np.int32)})
    with pytest.raises(LoasError, match=r"conv2.shape = \[4, 20, 4, 4\] is not legal: must be \[4, 20, 4, 5\]"):
        Library.read(shapes, tmp_path)
    write_trace(trace, library, **{"fc1.bits": None})
    with pytest.raises(LoasError, match="field 'fc1.bits' is missing"):
        Library.read(shapes, tmp_path)
    write_trace(trace, library)
    read = Library.read(shapes, tmp_path)
    assert read.best("alexnet") == RECORDED and not read.missing
    (task,) = read.tasks([Point("ptb", "alexnet", "conv2", RECORDED, config="tiny")])
    want = synthetic_maps(library.shapes["alexnet"], 7)["conv2"]
    assert np.array_equal(map_of(task, task.points[0]), want)


def test_maps_have_their_statistics(library: Library) -> None:
    shape = library.shapes["alexnet"]
    statistics = statistics_of(shape, shape.layers[0])
    table = json.dumps(library.tables["alexnet"])

    def spikes(kind: str, T: int) -> Any:
        point = Point("ptb", "alexnet", "conv1", kind, T, config="tiny")
        return map_of(Task((point,), table, None), point)

    raw, tuned = spikes(RAW, 4), spikes(SYNTHETIC, 4)
    assert tuned.any(axis=0).sum() < raw.any(axis=0).sum()
    # rates: the published zeros at any T, the published silent neurons at T = 4, and fewer with more timesteps
    rates = Rates.of(statistics, 4)
    assert 1 - rates.active * rates.rate == pytest.approx(statistics.zeros) and rates.silent(4) == pytest.approx(statistics.silent)
    assert rates.silent(1) > rates.silent(4) > rates.silent(16)
    drawn = rates.draw(np.random.default_rng(1), (300, 300), 8)
    assert 1 - drawn.mean() == pytest.approx(statistics.zeros, abs=0.01)
    assert 1 - drawn.any(axis=2).mean() == pytest.approx(rates.silent(8), abs=0.01)
    assert spikes(RATES, 16).shape == (16, 16, 4, 5)
    with pytest.raises(LoasError, match="zeros = 0.95 is not legal: must be 0.5 to 0.875"):
        Rates.of(Statistics(0.95, 0.5, 0.5), 4)


def test_sweep_prints_and_writes(shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out/result.json"
    options = [
        "--network",
        "alexnet",
        "--config",
        "tiny",
        "--shapes",
        str(shapes),
        "--data",
        str(tmp_path),
        "--jobs",
        "1",
        "--out",
        str(out),
    ]
    done = call(
        *options, "--machine", "gamma", "--machine", "ptb", "--set", "NUM_TPPES=1,2", "--spikes", "rates", "--T", "2,4", "--density", "5,50"
    )
    assert done.exit_code == 0, done.output
    lines = json.loads(out.read_text())["lines"]
    assert len(lines) == 2 * 2 * 2 * 2 and all(len(line["by_layer"]) == 3 for line in lines)
    one = lines[0]
    assert (
        one["cycles"] == sum(layer["cycles"] for layer in one["by_layer"]) and sum(one["breakdown"].values()) == one["cycles"] * one["pes"]
    )
    dense = {
        (line["machine"], line["density"]): line["cycles"] for line in lines if line["T"] == 2 and line["parameters"]["NUM_TPPES"] == 1
    }
    assert dense["gamma", 0.5] > dense["gamma", 0.05]
    assert "Examples" in CliRunner().invoke(loas.main, ["sweep", "--help"]).output


def test_a_value_given_twice_counts_once(shapes: Path, tmp_path: Path) -> None:
    once = {
        "--network": "alexnet",
        "--layers": "conv2",
        "--machine": "ptb",
        "--set": "NUM_TPPES=2,1",
        "--spikes": "rates",
        "--T": "4,2",
        "--density": "50,5",
        "--latency": "9,5",
    }
    twice = {"--set": "NUM_TPPES=2,1,2", "--T": "4,2,4", "--density": "50,5,50.0", "--latency": "9,5,9"}
    lines = []
    for more in ({}, twice):
        repeated = [part for name in ("--network", "--layers", "--machine") if more for part in (name, once[name])]
        given = [part for option in {**once, **more}.items() for part in option]
        rest = ["--config", "tiny", "--shapes", str(shapes), "--data", str(tmp_path), "--jobs", "1", "--out", str(tmp_path / "r.json")]
        done = call(*given, *repeated, *rest)
        assert done.exit_code == 0, done.output
        lines.append(json.loads((tmp_path / "r.json").read_text())["lines"])
    assert lines[0] == lines[1] and len(lines[0]) == 16
    # in the order given
    assert [lines[0][0][key] for key in ("T", "density", "parameters", "latency")] == [4, 0.5, {"NUM_TPPES": 2}, 9]


def test_deep_is_said_to_be_no_part_of_the_models(shapes: Path, tmp_path: Path) -> None:
    for config, said in (("ulx3s", True), ("tiny", False)):
        done = call("--network", "alexnet", "--machine", "ptb", "--config", config, "--shapes", str(shapes), "--data", str(tmp_path),
                    "--jobs", "1", "--out", str(tmp_path / "r.json"))  # fmt: skip
        assert done.exit_code == 0 and ("DEEP = 1: the models count its cycles as with DEEP = 0" in done.output) == said, done.output


def test_points_of_the_rtl_are_the_machines() -> None:
    assert Point(SPARTEN, "n", "l", SYNTHETIC, engine=RTL).cfg().SEQUENTIAL == 1
    assert Point("loas-fast", "n", "l", SYNTHETIC, engine=RTL).cfg().LAGGY == 0
    with pytest.raises(LoasError, match="machine = 'gamma' is not legal: must be one of loas-laggy, loas-fast, sparten"):
        Point("gamma", "n", "l", SYNTHETIC, engine=RTL).check()
    # a change of one rival's own module leaves the results of others
    digests = [points.model_digest(machine) for machine in ("loas-laggy", "sparten", "gamma", "gospa", None)]
    assert digests[0] == digests[1] and len({*digests, points.rtl_digest()}) == 5


def test_the_page_is_made_of_the_results(library: Library, tmp_path: Path) -> None:
    series = list(plan(library, True, "paper", 5, 1, rtl=True))
    machines = {one.machine for one in series}
    assert machines == set(MACHINES) and {dict(p.overrides)["WINDOW"] for one in series for p in one.points if one.machine == PASSES} == {
        1,
        2,
    } - {2}
    cfg = load("paper")

    def value(point: Point) -> dict[str, Any]:
        # any figures will do; LoAS is four times as fast as all others
        cycles = 1000 if point.machine.startswith("loas") else 4000
        work = {
            "M": 4,
            "K": 9,
            "N": 2,
            "silent": 0.7,
            "zero_spikes": 0.8,
            "matches": 800,
            "matches_t": [500] * 4,
            "neurons": 10,
            "weights": 100,
            "nonzero_weights": 2,
        }
        traffic = (
            {"onchip": {"lines": 9}, "offchip": {"read": 5, "written": 1}}
            if point.engine == RTL
            else {"onchip": {"A": 5}, "offchip": {"B": 7}}
        )
        return {
            "cycles": cycles,
            "pes": cfg.NUM_TPPES,
            "breakdown": {"matches": cycles * cfg.NUM_TPPES},
            "ops": {},
            "work": work,
            "floor": 50,
            "compared": 10,
            "mismatches": 0,
            **traffic,
        }

    results = Results.of(series, {point: value(point) for one in series for point in one.points})
    facts = {"command": "command", "config": "paper", "latency": 5, "quick": True, "seed": 1, "missing": []}
    text = Report(results, facts, None, tmp_path / "results").page()
    assert (
        "| speed-up over SparTen-SNN, AlexNet and VGG16 in total, as built | 6.79 (average) | 4.00 | RTL | at least the 3.5 demanded"
        in text
    )
    assert text.count("**Paper:**") >= 12 and "(RTL)" in text and "(model)" in text
    plots = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert len(plots) >= 14 and all(f"(results/{name})" in text for name in plots)
    # the same numbers, the same file
    before = (tmp_path / "results/drop.svg").read_bytes()
    Report(results, facts, None, tmp_path / "results").drop()
    assert before == (tmp_path / "results/drop.svg").read_bytes()
