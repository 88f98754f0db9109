"""Shared agents for valid/ready streams: source, sink, monitor with protocol check, and a test bench base class.

All agents act at the falling clock edge and look after everything has settled there (`ReadOnly`), so one cycle is "from
falling edge to falling edge", the same on every simulator, also for combinational paths between two streams. A transfer is
seen when valid and ready are both high at that moment; it happens at the rising edge that follows.

Example, a FIFO with streams `s_valid/s_ready/s_data` and `m_valid/m_ready/m_data`::

    @cocotb.test(timeout_time=1, timeout_unit="ms")
    @cocotb.parametrize(idle=[False, True], back_pressure=[False, True])
    async def test_order(dut, idle, back_pressure):
        tb = TB(dut)
        source = tb.source("s", idle=idle)                  # drives s_valid, s_data; checks nothing
        received = tb.sink("m", back_pressure=back_pressure)  # drives m_ready; compares with `received.expect(...)`
        await tb.reset()
        for word in (random_bits(8) for _ in range(100)):
            source.append(word)
            received.expect(word)
        await tb.drain()                                   # all expected words came, no other did

A stream with several fields: `tb.source("s", fields=("data", "last"))`; its items are dicts `{"data": 1, "last": 0}`.
A stream with one field has plain integers as items. Random numbers come from `random`, which cocotb seeds from the run.
"""
from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from cocotb_bus.drivers import BusDriver
from cocotb_bus.monitors import BusMonitor
from cocotb_bus.scoreboard import Scoreboard

Item = int | dict[str, int]


def random_bits(width: int) -> int:
    """A random word, often an edge: all zero, all one, first or last bit only, sparse, dense."""
    kind = random.randrange(10)
    if kind < 4:
        return (0, (1 << width) - 1, 1, 1 << (width - 1))[kind]
    if kind == 4:
        return random.getrandbits(width) & random.getrandbits(width) & random.getrandbits(width)
    if kind == 5:
        return random.getrandbits(width) | random.getrandbits(width) | random.getrandbits(width)
    return random.getrandbits(width)


def stalls(on: bool) -> Callable[[], bool]:
    """Returns a function that says, cycle by cycle, whether to stall: never, or in changing moods.

    Moods last 1 to 60 cycles each: flowing, 10 %, 50 % or 90 % stalled, or dead.
    """
    left, rate = 0, 0.0

    def stalled() -> bool:
        nonlocal left, rate
        if not on:
            return False
        if left == 0:
            left, rate = random.randint(1, 60), random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        left -= 1
        return random.random() < rate

    return stalled


class _Agent:
    """What source, sink and monitor share: the signals of one stream."""

    @staticmethod
    def signals(fields: Sequence[str]) -> list[str]:
        return ["valid", "ready", *fields]


class StreamSource(BusDriver, _Agent):  # type: ignore[misc]  # cocotb_bus has no types
    """Drives items; fields carry random bits while valid is low, so that nobody can rely on them.

    Args:
        entity: the design.
        name: prefix of the signals.
        clock: the clock.
        fields: signal suffixes beside valid and ready.
        idle: pause at random between items.
    """

    def __init__(self, entity: Any, name: str, clock: Any, fields: Sequence[str] = ("data",), idle: bool = False) -> None:
        self._signals = self.signals(fields)
        self.fields = tuple(fields)
        self.stalled = stalls(idle)
        self.in_flight = 0
        super().__init__(entity, name, clock)
        self.bus.valid.value = 0
        self._scramble()

    def _scramble(self) -> None:
        for field in self.fields:
            signal = getattr(self.bus, field)
            signal.value = random.getrandbits(len(signal))

    def append(self, transaction: Item, *args: Any, **kwargs: Any) -> None:
        """Queues one item."""
        self.in_flight += 1
        super().append(transaction, *args, **kwargs)

    async def _driver_send(self, transaction: Item, sync: bool = True) -> None:
        if sync:
            await FallingEdge(self.clock)
        while self.stalled():
            await FallingEdge(self.clock)
        items = transaction if isinstance(transaction, dict) else {self.fields[0]: transaction}
        for field in self.fields:
            getattr(self.bus, field).value = items[field]
        self.bus.valid.value = 1
        taken = False
        while not taken:
            await ReadOnly()
            taken = bool(self.bus.ready.value)
            await FallingEdge(self.clock)
        self.bus.valid.value = 0
        self._scramble()
        self.in_flight -= 1


class StreamMonitor(BusMonitor, _Agent):  # type: ignore[misc]  # cocotb_bus has no types
    """Reports every transfer, and checks the protocol: valid is never X, holds until ready, with stable fields."""

    def __init__(
        self, entity: Any, name: str, clock: Any, fields: Sequence[str] = ("data",), reset: Any = None, **kwargs: Any
    ) -> None:
        self._signals = self.signals(fields)
        self.fields = tuple(fields)
        self.rst = reset
        self.transfers = 0
        super().__init__(entity, name, clock, **kwargs)

    async def _monitor_recv(self) -> None:
        waiting = None
        while True:
            await FallingEdge(self.clock)
            await ReadOnly()
            if self.rst is not None and str(self.rst.value) != "0":
                waiting = None
                continue
            valid = self.bus.valid.value
            assert valid.is_resolvable, f"{self.name}_valid is {valid} after reset"
            fields = tuple(getattr(self.bus, field).value for field in self.fields) if valid else None
            if waiting is not None:
                assert valid, f"{self.name}_valid fell before {self.name}_ready came"
                assert fields == waiting, f"{self.name} changed while it waited: {waiting} -> {fields}"
            waiting = None
            if fields is None:
                continue
            if self.bus.ready.value:
                numbers = {name: int(value) for name, value in zip(self.fields, fields, strict=True)}
                self.transfers += 1
                self._recv(numbers if len(numbers) > 1 else numbers[self.fields[0]])
            else:
                waiting = fields


class StreamSink(BusDriver, _Agent):  # type: ignore[misc]  # cocotb_bus has no types
    """Drives ready, always high or with random back-pressure; `monitor` reports what came, `expected` is what must come."""

    def __init__(
        self,
        entity: Any,
        name: str,
        clock: Any,
        fields: Sequence[str] = ("data",),
        back_pressure: bool = False,
        reset: Any = None,
    ) -> None:
        self._signals = self.signals(fields)
        self.stalled = stalls(back_pressure)
        self.expected: list[Item] = []
        super().__init__(entity, name, clock)
        self.bus.ready.value = 0
        self.monitor = StreamMonitor(entity, name, clock, fields, reset)
        cocotb.start_soon(self._drive())

    def expect(self, item: Item) -> None:
        """Adds the item that has to come after those expected so far."""
        self.expected.append(item)

    async def _drive(self) -> None:
        while True:
            await FallingEdge(self.clock)
            self.bus.ready.value = int(not self.stalled())


class TB:
    """Clock, reset, agents and scoreboard of one test."""

    def __init__(self, dut: Any, period_ns: int = 10) -> None:
        self.dut = dut
        self.clk = dut.clk
        self.rst: Any = getattr(dut, "rst", None)
        self.sources: list[StreamSource] = []
        self.sinks: list[StreamSink] = []
        self.scoreboard = Scoreboard(dut, fail_immediately=True)
        Clock(self.clk, period_ns, unit="ns").start()
        if self.rst is not None:
            self.rst.value = 1

    def source(self, name: str, fields: Sequence[str] = ("data",), idle: bool = False) -> StreamSource:
        """A driver of stream `name`, with its protocol checked."""
        agent = StreamSource(self.dut, name, self.clk, fields, idle)
        agent.monitor = StreamMonitor(self.dut, name, self.clk, fields, self.rst)
        self.sources.append(agent)
        return agent

    def sink(self, name: str, fields: Sequence[str] = ("data",), back_pressure: bool = False) -> StreamSink:
        """A receiver of stream `name`, with its protocol checked and its items compared with `expect`."""
        agent = StreamSink(self.dut, name, self.clk, fields, back_pressure, self.rst)
        self.scoreboard.add_interface(agent.monitor, agent.expected)
        self.sinks.append(agent)
        return agent

    async def cycles(self, count: int = 1) -> None:
        """Waits for `count` falling edges."""
        for _ in range(count):
            await FallingEdge(self.clk)

    async def reset(self, cycles: int = 2) -> None:
        """Holds rst for `cycles` cycles; leaves at a falling edge."""
        await self.cycles(1)
        self.rst.value = 1
        await self.cycles(cycles)
        self.rst.value = 0

    async def drain(self, limit: int = 20000, extra: int = 20) -> None:
        """Waits until all was sent and all expected came, then `extra` cycles more in which nothing else may come.

        Raises:
            AssertionError: after `limit` cycles something is still missing.
        """
        for _ in range(limit):
            if not any(s.expected for s in self.sinks) and not any(s.in_flight for s in self.sources):
                break
            await FallingEdge(self.clk)
        else:
            missing = {s.name: len(s.expected) for s in self.sinks}
            unsent = {s.name: s.in_flight for s in self.sources}
            raise AssertionError(f"after {limit} cycles: expected but missing {missing}, not sent {unsent}")
        await self.cycles(extra)
        _ = self.scoreboard.result  # raises when a comparison failed
