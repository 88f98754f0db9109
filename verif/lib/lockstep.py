"""Stream agents that one loop steps once a cycle: two wake-ups of Python a cycle, however many streams there are.

Every cycle, at the falling edge, all agents drive; when the logic has settled all agents sample what the next rising edge
will see. So an agent sees the handshake itself, on every simulator, and ready may depend on valid and the other way round.
"""
from __future__ import annotations

import logging
import os
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

STALLS: Mapping[str, float] = {"none": 0.0, "some": 0.1, "half": 0.5, "most": 0.9}


def param(dut: Any, name: str) -> int:
    """A parameter of the top module, or LOAS_PARAM_<name> where the top is a netlist, which has none."""
    given = os.environ.get(f"LOAS_PARAM_{name}")
    return int(getattr(dut, name).value) if given is None else int(given)


def needs(condition: Callable[[Any], bool], reason: str) -> Callable[..., Any]:
    """Marks a cocotb test that means nothing for some parameters of the top module: it is then skipped, and the log says so.

    Args:
        condition: Of the top module, whether the test means something.
        reason: What the test needs.
    """
    top = getattr(cocotb, "top", None)   # none where pytest imports the module
    skip = top is not None and not condition(top)

    def decorator(test: Any) -> Any:
        if skip:   # cocotb's own table of results has no reasons
            logging.getLogger("cocotb").warning("%s is skipped: %s", getattr(test, "func", test).__name__, reason)
        return cocotb.skipif(skip, reason=reason)(test)

    return decorator


class Agent(Protocol):
    """What `Loop` steps."""

    def drive(self) -> None: ...

    def sample(self, cycle: int) -> None: ...


@dataclass
class Pause:
    """Idle cycles or back-pressure: a probability a cycle, and now and then a long dead time."""

    probability: float
    left: int = 0

    def now(self) -> bool:
        """Whether this cycle is one of rest."""
        if self.left:
            self.left -= 1
            return True
        if self.probability and random.random() < 0.002:
            self.left = random.randint(1, 60)
        return random.random() < self.probability


class Source:
    """Drives `<name>_valid` and the fields of queued items; holds them until ready, then drives rubbish."""

    def __init__(self, dut: Any, name: str, fields: Sequence[str], idle: float = 0.0) -> None:
        self.valid, self.ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self.fields = {f: getattr(dut, f"{name}_{f}") for f in fields}
        self.pause = Pause(idle)
        self.queue: deque[Mapping[str, int]] = deque()
        self.busy, self.idle = False, False
        self.taken: list[int] = []
        self.valid.value = 0

    def drive(self) -> None:
        if self.busy:
            return
        rest = self.pause.now()
        if self.queue and not rest:
            self.busy, self.idle = True, False
            self.valid.value = 1
            for f, value in self.queue[0].items():
                self.fields[f].value = value
        elif not self.idle:
            self.idle = True
            self.valid.value = 0
            for s in self.fields.values():
                s.value = random.getrandbits(len(s))

    def sample(self, cycle: int) -> None:
        if self.busy and self.ready.value == 1:
            self.queue.popleft()
            self.busy = False
            self.taken.append(cycle)


class Sink:
    """Takes items of a stream; valid must hold and its fields must not change while they wait."""

    def __init__(self, dut: Any, name: str, fields: Sequence[str], stall: float = 0.0,
                 allow: Callable[[], bool] = lambda: True) -> None:
        self.name = name
        self.valid, self.ready = getattr(dut, f"{name}_valid"), getattr(dut, f"{name}_ready")
        self.fields = {f: getattr(dut, f"{name}_{f}") for f in fields}
        self.pause, self.allow = Pause(stall), allow
        self.waiting: dict[str, int] | None = None
        self.is_ready = False
        self.items: list[dict[str, int]] = []
        self.taken: list[int] = []
        self.ready.value = 0

    def drive(self) -> None:
        self.is_ready = not self.pause.now() and self.allow()
        self.ready.value = int(self.is_ready)

    def sample(self, cycle: int) -> None:
        if self.valid.value != 1:
            assert self.valid.value == 0, f"{self.name}_valid is unknown in cycle {cycle}"
            assert self.waiting is None, f"{self.name}_valid fell before ready in cycle {cycle}"
            return
        item = {f: int(s.value) for f, s in self.fields.items()}
        assert self.waiting is None or item == self.waiting, f"{self.name} changed while it waited in cycle {cycle}"
        self.waiting = None if self.is_ready else item
        if self.is_ready:
            self.items.append(item)
            self.taken.append(cycle)


@dataclass
class Loop:
    """Clock and reset of a block, and the stepping of its agents."""

    dut: Any
    agents: list[Agent] = field(default_factory=list)
    cycle: int = 0
    clock: Any = None

    async def reset(self) -> None:
        """Starts the clock when it does not run, and gives one cycle of rst."""
        if self.clock is None:
            self.clock = Clock(self.dut.clk, 10, unit="ns")
            self.clock.start(start_high=False)
        await FallingEdge(self.dut.clk)
        self.dut.rst.value = 1
        await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0

    async def step(self) -> None:
        """One cycle: drive, settle, sample, pass the rising edge."""
        for agent in self.agents:
            agent.drive()
        await Timer(1, "ns")
        for agent in self.agents:
            agent.sample(self.cycle)
        self.cycle += 1
        await FallingEdge(self.dut.clk)

    async def until(self, finished: Callable[[], bool], limit: int) -> None:
        """Steps until `finished`; `limit` cycles without the end are a hang."""
        start = self.cycle
        while not finished():
            assert self.cycle - start < limit, f"no end after {limit} cycles"
            await self.step()
