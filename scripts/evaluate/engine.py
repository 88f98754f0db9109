# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Runs tasks: in this process, in processes of this machine, or on a cluster whose scheduler is given (Dask).

A task is a pure function of what it is given and of the sources, so where it runs, and how often, changes nothing. A worker that
dies loses what it was at; the scheduler gives that to another one.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import as_completed as futures_done
from typing import Any

from golden.config import Config
from golden.errors import LoasError
from scripts.evaluate.measure import Value, by_rtl, rtl_job, run_task
from scripts.evaluate.points import Point, Task, model_digest
from scripts.evaluate.store import Store
from scripts.simulate import SimulationError, build

CONNECT_SECONDS = 10  # for the scheduler to answer
WORKER_SECONDS = 60  # for a worker to come where there is none: they are often started together
AGAIN = "run again; points that are done are kept, unless with --fresh"
RETRIES = 3  # of a task whose worker died under it, before it is taken to be the task's fault


@contextlib.contextmanager
def client_of(workers: int, scheduler: str | None, say: Callable[[str], None]) -> Iterator[Any]:
    """A Dask client: of the scheduler at an address, or of new processes of this machine.

    Raises:
        LoasError: Nobody answers at the address, it is no address, or no worker comes to it.
    """
    import dask
    from distributed import Client, LocalCluster

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it raises what it logs, and logs with tracebacks
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            dask.config.set({"distributed.scheduler.allowed-failures": RETRIES, "distributed.admin.large-graph-warning-threshold": "1GB"})
        )
        if scheduler is None:
            cluster = LocalCluster(  # type: ignore[no-untyped-call]  # distributed has no types for it
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
            yield stack.enter_context(Client(stack.enter_context(cluster)))  # type: ignore[no-untyped-call]
            return
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TimeoutError) as err:
            raise LoasError(
                f"--scheduler {scheduler} is not legal: must be the address of a Dask scheduler that answers, such as "
                f"tcp://host:8786 ({type(err).__name__})"
            ) from err
        stack.enter_context(client)
        try:
            if not client.nthreads():  # type: ignore[no-untyped-call]
                say(f"--scheduler {scheduler} has no worker: waiting for one, {WORKER_SECONDS} s at most")
                client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as err:
            raise LoasError(
                f"--scheduler {scheduler} is not legal: must have a worker within {WORKER_SECONDS} s; start one by dask worker {scheduler}"
            ) from err
        except (OSError, CancelledError) as err:
            raise LoasError(f"--scheduler {scheduler}: lost before the first task: {err}") from err
        yield client


def run_all(
    tasks: list[Task],
    store: Store,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    ready: Callable[[], None] = lambda: None,
    done: Callable[[Task, bool], None] = lambda task, kept: None,
) -> dict[Point, Value]:
    """Results of all points, by model.

    Args:
        tasks: From :meth:`scripts.evaluate.workload.Library.tasks`.
        store: What is in it does not run again.
        workers: Processes, by default one a processor; 1: no others than this one.
        scheduler: Address of a Dask scheduler instead.
        say: Called with words about a cluster that is not ready.
        ready: Called once, when no input is left that could be refused: the place to remove an earlier result.
        done: Called with each task that has come to its end, and whether it was in the store.

    Raises:
        LoasError: A point cannot be measured, the scheduler does not answer, has no workers or is lost, or its workers have other sources.
    """
    found: dict[Point, Value] = {}
    waiting: list[Task] = []
    for task in tasks:
        kept = {point: store.get(task.key(point)) for point in task.points}
        found |= {point: value for point, value in kept.items() if value is not None}
        missing = tuple(point for point, value in kept.items() if value is None)
        if missing:
            waiting.append(Task(missing, task.table, task.bits))
        else:
            done(task, True)

    def take(task: Task, values: list[Value]) -> None:
        for point, value in zip(task.points, values, strict=True):
            store.put(task.key(point), value)
            found[point] = value
        done(task, False)

    count = min(workers or os.cpu_count() or 1, len(waiting))
    alone = not waiting or (scheduler is None and count == 1)
    with contextlib.nullcontext() if alone else client_of(count, scheduler, say) as client:
        ready()
        if client is None:
            for task in waiting:
                take(task, run_task(task, model_digest()))
        else:
            spread(client, waiting, take)
    return found


def spread(client: Any, tasks: list[Task], take: Callable[[Task, list[Value]], None]) -> None:
    """Runs tasks on the workers of a Dask client, and has each taken as it ends.

    Raises:
        LoasError: A point cannot be measured, the workers have other sources, or the cluster is lost.
    """
    from distributed import KilledWorker, wait

    where = client.scheduler.address
    futures = {client.submit(run_task, task, model_digest(), pure=False): task for task in tasks}
    while futures:
        try:
            ended = wait(list(futures), timeout=WORKER_SECONDS, return_when="FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
            for future in ended:
                task = futures[future]
                take(task, future.result(timeout=WORKER_SECONDS))  # is computed again if its worker left with it
                del futures[future]
                future.release()
        except KilledWorker as err:
            first = task.points[0]
            raise LoasError(f"{first.network} {first.layer}: {RETRIES + 1} workers died under it: {err}") from err
        except ModuleNotFoundError as err:
            raise LoasError(
                f"--scheduler {where}: its workers are not legal: must have this project's packages and requirements: {err}"
            ) from err
        except CancelledError as err:
            raise LoasError(f"scheduler {where}: lost, or it cancelled a task: {AGAIN}") from err
        except TimeoutError as err:  # a long task is none, workers that all left are
            if not client.nthreads():
                raise LoasError(f"scheduler {where}: no worker is left: {AGAIN}") from err


def run_rtl(
    tasks: list[Task], store: Store, *, workers: int, say: Callable[[str], None], done: Callable[[Task, bool], None]
) -> dict[Point, Value]:
    """Results of all points, by the RTL in Verilator on this machine, every output compared.

    Args:
        tasks: Of points whose engine is RTL.
        store: What is in it does not run again.
        workers: Simulations at a time.
        say: Called with words about builds.
        done: As of :func:`run_all`, with tasks of a point each.

    Raises:
        LoasError: A simulator cannot be built, or a run did not give what it must.
    """
    found: dict[Point, Value] = {}
    waiting: dict[Config, list[Task]] = {}
    for task in tasks:
        for point in task.points:
            one, value = Task((point,), task.table, task.bits), store.get(task.key(point))
            if value is not None:
                found[point] = value
                done(one, True)
            else:
                waiting.setdefault(point.cfg(), []).append(one)
    for cfg, group in waiting.items():
        jobs = [rtl_job(task, task.points[0]) for task in group]
        try:
            program = build(cfg, max(len(job.image) for job in jobs), say=say)
            pool = ThreadPoolExecutor(workers)
            try:
                futures = {pool.submit(by_rtl, job, task.points[0], program): task for job, task in zip(jobs, group, strict=True)}
                for future in futures_done(futures):
                    task = futures[future]
                    point = task.points[0]
                    found[point] = future.result()
                    store.put(task.key(point), found[point])
                    done(task, False)
            finally:
                pool.shutdown(cancel_futures=True)
        except SimulationError as err:
            raise LoasError(f"RTL, configuration {cfg.name}: {err}") from err
    return found
