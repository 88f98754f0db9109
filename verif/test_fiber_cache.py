"""loas_fiber_cache against a memory: every response, its time, fairness, replacement, invalidate, reset, errors."""
from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Callable

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from verif.lib.lockstep import needs, param

Request = tuple[int, bool, bool]  # address, keep, fetch
LENGTH = int(os.environ.get("LOAS_LENGTH", "1"))  # random runs are this much longer in `make regress`


class TB:
    """Drives all ports and the memory behind the fill port, one falling edge at a time, and checks every cycle.

    A request presented at a falling edge is seen by the next rising one. rd_ready sampled at a falling edge means
    accepted at the next rising one, and a read's response is then there at the next falling edge.
    """

    def __init__(self, dut) -> None:  # type: ignore[no-untyped-def]
        self.dut = dut
        self.ports = int(dut.NUM_PORTS.value)
        self.line_w = int(dut.LINE_W.value)
        self.banks, self.ways, self.sets = (int(getattr(dut, n).value) for n in ("NUM_BANKS", "NUM_WAYS", "NUM_SETS"))
        self.lines = self.banks * self.ways * self.sets
        self.line_bytes = self.line_w // 8
        self.deep = int(dut.DEEP.value)
        self.latency: Callable[[], int] = lambda: 10
        self.fill_stall = 0.0
        self.window_lines = 1 << 16
        self.generation = 0
        self.cycle = 0
        self.counts = {"hits": 0, "misses": 0, "fetches": 0, "reads": 0, "accepted": 0, "fills": 0, "errors": 0}
        self.clear()

    def clear(self) -> None:
        """Forgets everything under way, as rst does."""
        self.req: list[Request | None] = [None] * self.ports
        self.since = [0] * self.ports
        self.accepted_now: list[int] = []
        self.expected: dict[int, int] = {}  # port -> line, responses due at the next falling edge
        self.later: dict[int, int] = {}     # DEEP: those due at the one behind it
        self.memory: deque[tuple[int, int, int]] = deque()  # (due, line, data)
        self.stalled: int | None = None
        self.wait_max = 0
        self.errors: list[int] = []
        self.log: list[tuple[int, int, int]] = []  # (cycle accepted, port, cycles it took)

    def data(self, line: int, generation: int | None = None) -> int:
        """Contents of a memory line: every 64-bit lane of every line and generation is different."""
        generation = self.generation if generation is None else generation
        rng = random.Random(line * 1000 + generation)
        return rng.getrandbits(self.line_w)

    async def start(self) -> None:
        dut = self.dut
        dut.rst.value = 1
        dut.invalidate.value = 0
        dut.image_size.value = self.window_lines * self.line_bytes
        for name in ("rd_valid", "rd_addr", "rd_keep", "rd_fetch", "fill_ready", "fill_rsp_valid", "fill_rsp_data"):
            getattr(dut, name).value = 0
        Clock(dut.clk, 10, unit="ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0

    async def step(self, new: Callable[[int], Request | None] = lambda port: None, *,
                   rst: bool = False, invalidate: bool = False) -> None:
        """One cycle; `new(port)` gives the next request of a free port."""
        dut = self.dut
        await FallingEdge(dut.clk)
        self.cycle += 1
        # responses of what was accepted a cycle ago, with DEEP two: those and no others
        rsp_valid = int(dut.rsp_valid.value)
        assert rsp_valid == sum(1 << p for p in self.expected), f"cycle {self.cycle}: rsp_valid {rsp_valid:b}"
        if rsp_valid:
            rsp_data = dut.rsp_data.value
            width = self.line_w
            for port, want in self.expected.items():
                got = int(rsp_data[(port + 1) * width - 1:port * width])
                assert got == want, f"cycle {self.cycle}: port {port} got {got:#x}, not {want:#x}"
        for name in ("hits", "misses", "fetches"):
            self.counts[name] += int(getattr(dut, f"ev_{name}").value)
        if int(dut.err_pointer.value):
            self.errors.append(int(dut.err_addr.value))
        # requests
        for port in self.accepted_now:
            self.req[port] = None
        ready = int(dut.rd_ready.value)
        self.accepted_now, self.expected, self.later = [], self.later, {}
        for port in range(self.ports):
            request = self.req[port]
            if ready >> port & 1:
                assert request is not None, f"cycle {self.cycle}: rd_ready of idle port {port}"
                self.accepted_now.append(port)
                took = self.cycle - self.since[port]
                self.wait_max = max(self.wait_max, took)
                self.log.append((self.cycle, port, took))
                self.counts["accepted"] += 1
                if not request[2]:
                    self.counts["reads"] += 1
                    (self.later if self.deep else self.expected)[port] = self.data(request[0] // self.line_bytes)
            elif request is None:
                self.req[port] = new(port)
                self.since[port] = self.cycle
        # memory
        fill_valid = int(dut.fill_valid.value)
        fill_ready = random.random() >= self.fill_stall
        if self.stalled is not None:
            assert fill_valid and int(dut.fill_addr.value) == self.stalled, "fill_* moved before fill_ready"
        self.stalled = None
        rsp = self.memory.popleft() if self.memory and self.memory[0][0] <= self.cycle else None
        dut.fill_rsp_valid.value = rsp is not None
        if rsp is not None:
            dut.fill_rsp_data.value = rsp[2]
        if fill_valid:
            address = int(dut.fill_addr.value)
            if fill_ready:
                line = address // self.line_bytes
                assert address % self.line_bytes == 0 and line < self.window_lines
                if not invalidate:
                    assert all(line != m[1] for m in self.memory), f"line {line:#x} requested twice"
                self.counts["fills"] += 1
                self.memory.append((self.cycle + self.latency(), line, self.data(line)))
            else:
                self.stalled = address
        dut.fill_ready.value = fill_ready
        if rst:
            self.clear()
        if invalidate or rst:
            self.generation += 1
        dut.rst.value = rst
        dut.invalidate.value = invalidate
        valid = addr = keep = fetch = 0
        for port, request in enumerate(self.req):
            if request is not None:
                valid |= 1 << port
                addr |= request[0] << 32 * port
                keep |= request[1] << port
                fetch |= request[2] << port
        dut.rd_valid.value, dut.rd_addr.value, dut.rd_keep.value, dut.rd_fetch.value = valid, addr, keep, fetch

    @property
    def busy(self) -> bool:
        return any(r is not None for r in self.req) or bool(self.memory) or bool(self.expected) or bool(self.later) \
            or self.stalled is not None

    async def drain(self, limit: int = 20000) -> None:
        """Runs until nothing is under way, then checks the counters against each other."""
        end = self.cycle + limit
        quiet = 0
        while quiet < 12:
            await self.step()
            quiet = 0 if self.busy else quiet + 1
            assert self.cycle < end, f"no end: {self.req}"
        assert self.counts["hits"] + self.counts["misses"] == self.counts["reads"], self.counts

    async def run(self, requests: dict[int, list[Request]]) -> None:
        """Gives each port its list of requests and drains."""
        queues = {port: deque(todo) for port, todo in requests.items()}

        def new(port: int) -> Request | None:
            return queues[port].popleft() if queues.get(port) else None

        while any(queues.values()):
            await self.step(new)
        await self.drain()

    def read(self, line: int, keep: bool = False) -> Request:
        return (line * self.line_bytes + random.randrange(self.line_bytes), keep, False)

    def fetch(self, line: int, keep: bool = False) -> Request:
        return (line * self.line_bytes, keep, True)


def address_sets(tb: TB) -> dict[str, Callable[[], int]]:
    """Line addresses: fitting, larger than the cache, all in one set of one bank, two lines of one set, a stream."""
    stride = tb.banks * tb.sets
    position = [0]

    def stream() -> int:
        position[0] = (position[0] + (random.random() < 0.4)) % (4 * tb.lines)
        return position[0]

    return {
        "hot": lambda: random.randrange(max(1, tb.lines // 2)),
        "large": lambda: random.randrange(4 * tb.lines),
        "one_set": lambda: 1 + stride * random.randrange(2 * tb.ways + 3),
        "two_lines": lambda: stride * random.randrange(2),
        "stream": stream,
    }


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(kind=["hot", "large", "one_set", "two_lines", "stream"], idle=[0.0, 0.6])
async def random_traffic(dut, kind: str, idle: float) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    tb.fill_stall = random.choice([0.0, 0.1, 0.5, 0.9])
    longest = random.choice([1, 3, 30, 100])
    tb.latency = lambda: random.randint(1, longest)
    pick = address_sets(tb)[kind]
    fetches, keeps = random.choice([0.0, 0.3]), random.choice([0.0, 0.3, 1.0])

    def new(port: int) -> Request | None:
        if random.random() < idle:
            return None
        return (pick() * tb.line_bytes + random.randrange(tb.line_bytes), random.random() < keeps,
                random.random() < fetches)

    for _ in range(700 * LENGTH):
        await tb.step(new)
    await tb.drain()
    if kind == "hot" and idle == 0.0 and keeps == 0.0:
        assert tb.counts["hits"] > 0
    dut._log.info(f"{kind} idle {idle}: {tb.counts}, longest wait {tb.wait_max}")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def resident_line_hits(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    await tb.run({0: [tb.read(5)]})
    assert tb.counts["misses"] == 1 and tb.counts["fills"] == 1
    cold = tb.log[-1][2]
    await tb.run({0: [tb.read(5)], 1: []})
    await tb.run({1: [tb.read(5)] * 3})
    assert (tb.counts["hits"], tb.counts["misses"], tb.counts["fills"]) == (4, 1, 1)
    # presented at a falling edge, arbitrated at the next rising edge, ready seen at the next falling one
    assert [took for _, _, took in tb.log[1:]] == [1] * 4, tb.log
    dut._log.info(f"miss: rd_ready {cold} cycles after rd_valid with a memory of 10 cycles")
    assert cold <= 10 + 5 + 3 * int(dut.DEEP.value), cold


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fetch_then_read(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    tb.latency = lambda: 30
    count = min(tb.lines, 2 * tb.banks)
    await tb.run({1: [tb.fetch(n) for n in range(count)]})
    assert tb.counts["fetches"] == tb.counts["fills"] == count and tb.counts["reads"] == 0
    await tb.run({0: [tb.read(n) for n in range(count)], 1: [tb.fetch(n) for n in range(count)]})
    assert tb.counts["fetches"] == tb.counts["fills"] == count and tb.counts["hits"] == count, tb.counts
    # a read of a line that a fetch has on its way is a miss, but is not requested again
    line = tb.banks * tb.sets * 7
    todo = [tb.fetch(line)]
    for _ in range(8):
        await tb.step(lambda port: todo.pop() if port == 0 and todo else None)
    await tb.run({1: [tb.read(line)]})
    assert tb.counts["fills"] == count + 1 and tb.counts["misses"] == 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def broadcast(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    for fills, line in ((1, 3), (1, 3), (2, 8)):
        tb.log.clear()
        await tb.run({p: [tb.read(line)] for p in range(tb.ports)})
        assert len({when for when, _, _ in tb.log}) == 1 and len(tb.log) == tb.ports, tb.log
        assert tb.counts["fills"] == fills
    # readers and fetchers of one line together
    await tb.run({p: [tb.read(9) if p % 2 else tb.fetch(9)] for p in range(tb.ports)})
    assert tb.counts["fills"] == 3 and tb.counts["fetches"] == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def throughput(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    count = min(tb.lines, 8 * tb.banks)
    await tb.run({0: [tb.read(n) for n in range(count)]})
    begin, reads = tb.cycle, 0
    stream = deque(tb.read(n % count) for n in range(200))

    def one(port: int) -> Request | None:
        return stream.popleft() if port == 0 and stream else None

    fills = tb.counts["fills"]
    while stream or tb.req[0]:
        await tb.step(one)
    alone = (tb.cycle - begin) / 200
    dut._log.info(f"one port streaming hits: {alone:.2f} cycles a line")
    assert alone <= 2.05 and tb.counts["fills"] == fills
    # all ports, each in its own bank as far as there are banks, for 200 cycles
    used = min(tb.ports, tb.banks)
    at = [0] * tb.ports

    def all_ports(port: int) -> Request | None:
        if port >= used:
            return None
        at[port] += 1
        return tb.read((port + at[port] * tb.banks) % count)

    reads, begin = tb.counts["reads"], tb.cycle
    for _ in range(200):
        await tb.step(all_ports)
    rate = (tb.counts["reads"] - reads) / (tb.cycle - begin)
    dut._log.info(f"{used} ports without conflicts: {rate:.2f} lines a cycle")
    assert rate >= 0.48 * used
    # all ports on the lines of one bank, all different: one a cycle
    await tb.drain()
    in_bank = count // tb.banks
    at = list(range(tb.ports))

    def one_bank(port: int) -> Request | None:
        at[port] += 1
        return tb.read(at[port] % in_bank * tb.banks)

    reads, begin = tb.counts["reads"], tb.cycle
    for _ in range(200):
        await tb.step(one_bank)
    rate = (tb.counts["reads"] - reads) / (tb.cycle - begin)
    dut._log.info(f"{tb.ports} ports on one bank: {rate:.2f} lines a cycle")
    assert rate >= 0.95
    await tb.drain()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def miss_bandwidth(dut) -> None:  # type: ignore[no-untyped-def]
    """Fetches of a stream by one port (as control's) use the memory port every second cycle at least."""
    tb = TB(dut)
    await tb.start()
    tb.latency = lambda: 2
    count = 300
    todo = deque(tb.fetch(n) for n in range(count))
    begin = tb.cycle
    while todo:
        await tb.step(lambda port: todo.popleft() if port == 0 and todo else None)
    rate = tb.counts["fills"] / (tb.cycle - begin)
    dut._log.info(f"one port fetching ahead: {rate:.2f} lines a cycle")
    assert rate >= (0.1 if tb.lines <= 16 else 0.15 if int(dut.DEEP.value) else 0.45)
    await tb.drain()
    assert tb.counts["fetches"] == count == tb.counts["fills"]


@cocotb.test(timeout_time=5, timeout_unit="ms")
@needs(lambda dut: param(dut, "NUM_WAYS") > 1, "with one way there is no choice of a victim")
async def fetched_lines_wait_for_their_reader(dut) -> None:  # type: ignore[no-untyped-def]
    """A stream fetched half the cache ahead, four times its size: what was fetched is not thrown out before it was read."""
    tb = TB(dut)
    await tb.start()
    tb.latency = lambda: 3
    ahead, count = tb.lines // 2, 4 * tb.lines
    await tb.run({0: [tb.fetch(n) for n in range(ahead)]})
    hits = tb.counts["hits"]
    await tb.run({0: [request for n in range(count) for request in (tb.fetch(n + ahead), tb.read(n), tb.read(n))]})
    hits = tb.counts["hits"] - hits
    dut._log.info(f"{hits} of {2 * count} reads behind a fetcher hit")
    assert hits >= 0.95 * 2 * count


@cocotb.test(timeout_time=5, timeout_unit="ms")
@needs(lambda dut: param(dut, "NUM_WAYS") > 1, "with one way there is no choice of a victim")
async def kept_lines_survive_a_scan(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    tb.latency = lambda: 3
    kept = list(range(tb.banks * tb.sets * (tb.ways // 2)))
    await tb.run({0: [tb.read(n, True) for n in kept]})
    scan = [tb.read(n) for n in range(2 * tb.lines, 4 * tb.lines)]
    await tb.run({p: scan[p::tb.ports] for p in range(tb.ports)})
    fills, hits = tb.counts["fills"], tb.counts["hits"]
    await tb.run({0: [tb.read(n, True) for n in kept]})
    left = tb.counts["hits"] - hits
    dut._log.info(f"{left} of {len(kept)} kept lines left after a scan of {len(scan)}, cache of {tb.lines}")
    assert left == len(kept) and tb.counts["fills"] == fills
    # but dead ones leave in the end: a working set of the whole cache gets room
    whole = [tb.read(2 * tb.lines + n) for n in range(tb.lines)]
    rounds = 0
    while True:
        hits, reads = tb.counts["hits"], tb.counts["reads"]
        await tb.run({p: whole[p::tb.ports] for p in range(tb.ports)})
        if tb.counts["hits"] - hits == tb.counts["reads"] - reads:
            break
        rounds += 1
        assert rounds < 40, "dead kept lines stay for ever"
    dut._log.info(f"dead kept lines have left after {rounds} walks of a set of the cache's size")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def nobody_starves(dut) -> None:  # type: ignore[no-untyped-def]
    """All ports want different lines of one set, all the time; one asks once in a while."""
    tb = TB(dut)
    await tb.start()
    delay = 6
    tb.latency = lambda: delay
    stride = tb.banks * tb.sets
    count = [0]

    def new(port: int) -> Request | None:
        if port == 0 and random.random() < 0.9:
            return None
        count[0] += 1
        return tb.read(stride * (port + tb.ports * (count[0] % 3)), keep=port % 2 == 1) if port % 3 != 2 \
            else tb.fetch(stride * (port + tb.ports * (count[0] % 3)))

    for _ in range(1500 * LENGTH):
        await tb.step(new)
    bound = 2 * tb.ports * (delay + 12)
    dut._log.info(f"longest wait {tb.wait_max} cycles, bound {bound}")
    served = {port for _, port, _ in tb.log}
    assert served == set(range(tb.ports)) and tb.wait_max <= bound, (served, tb.wait_max)
    await tb.drain()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@needs(lambda dut: param(dut, "NUM_WAYS") * param(dut, "NUM_SETS") >= 4, "a bank of few lines has none to hit while others wait")
async def hits_pass_waiting_misses(dut) -> None:  # type: ignore[no-untyped-def]
    """While all other ports wait for memory in the bank, a port streams hits from it at full rate."""
    tb = TB(dut)
    await tb.start()
    await tb.run({0: [tb.read(0)]})
    tb.latency = lambda: 300
    stride = tb.banks * tb.sets
    asked = [False] * tb.ports

    def new(port: int) -> Request | None:
        if port == 0:
            return tb.read(0)
        if asked[port]:
            return None
        asked[port] = True
        return tb.read(port * stride + (0 if port % 2 else tb.banks))

    for _ in range(40 + 4 * tb.ports):
        await tb.step(new)
    reads, begin = tb.counts["reads"], tb.cycle
    for _ in range(100):
        await tb.step(new)
    assert tb.counts["reads"] - reads >= 49, (tb.counts["reads"] - reads, tb.cycle - begin)
    await tb.drain()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def invalidate_drops_all(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    lines = list(range(min(tb.lines, 40)))
    for _ in range(3):
        fills, misses = tb.counts["fills"], tb.counts["misses"]
        await tb.run({0: [tb.read(n) for n in lines]})
        assert tb.counts["fills"] - fills == tb.counts["misses"] - misses == len(lines)
        await tb.step(invalidate=True)
    # with fetches on their way: what they bring is old and must not be used
    flying = 0
    for wait in range(0, 60, 3):
        tb.latency = lambda: random.randint(1, 20)
        tb.fill_stall = 0.3
        await tb.step(invalidate=True)
        todo = deque(tb.fetch(n) for n in lines)
        for _ in range(wait):
            await tb.step(lambda port, todo=todo: todo.popleft() if port == 1 and todo else None)  # type: ignore[misc]
        while tb.req[1] is not None:
            await tb.step()
        flying += len(tb.memory)
        await tb.step(invalidate=True)
        await tb.run({0: [tb.read(n) for n in lines]})
    assert flying > 4


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reset_in_the_middle(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.start()
    tb.fill_stall = 0.3
    tb.latency = lambda: random.randint(1, 25)
    picks = address_sets(tb)

    for _ in range(30 * LENGTH):
        pick = picks[random.choice(list(picks))]

        def new(port: int, pick: Callable[[], int] = pick) -> Request | None:
            return (pick() * tb.line_bytes, random.random() < 0.5, random.random() < 0.3)

        for _ in range(random.randrange(1, 60)):
            await tb.step(new)
        await tb.step(rst=True)
        # the memory side swallows what it owes, and nothing is left: generation has changed, every read checks it
        await tb.step()
        assert not int(dut.fill_valid.value) and not int(dut.rsp_valid.value) and not int(dut.rd_ready.value)
    for name in ("hits", "misses", "reads", "fills"):
        tb.counts[name] = 0
    await tb.step()
    count = min(tb.lines, 32)
    await tb.run({0: [tb.read(n) for n in range(count)]})
    assert tb.counts["misses"] == tb.counts["fills"] == count, tb.counts


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def outside_the_window(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    tb.window_lines = 37
    await tb.start()
    size = tb.window_lines * tb.line_bytes
    # with a window that ends within a line that line is outside
    for image_size, last in ((size, 36), (size + tb.line_bytes - 1, 36), (size - 1, 35), (0, -1)):
        dut.image_size.value = image_size
        if last >= 0:
            await tb.run({0: [tb.read(last)], 1: [tb.fetch(last)]})
        for bad in (last + 1, last + 2, 1 << 20, (1 << 32) // tb.line_bytes - 1):
            for fetch in (False, True):
                assert not tb.errors
                todo = [(bad * tb.line_bytes + 4, False, fetch)]
                for _ in range(30):
                    await tb.step(lambda port, todo=todo: todo.pop() if port == 1 and todo else None)  # type: ignore[misc]
                assert tb.errors == [bad * tb.line_bytes + 4] and tb.req[1] is not None
                if last >= 0:  # others go on
                    todo = [tb.read(last)]
                    for _ in range(40):
                        await tb.step(lambda port, todo=todo: todo.pop() if port == 0 and todo else None)  # type: ignore[misc]
                    assert tb.req[0] is None
                await tb.step(rst=True)
                await tb.step()
    # an error of one port while all others work
    dut.image_size.value = size
    wrong = random.randrange(tb.ports)
    for _ in range(200):
        await tb.step(lambda port: (tb.read(50) if port == wrong else tb.read(random.randrange(37))))
    assert [e // tb.line_bytes for e in tb.errors] == [50] and tb.counts["reads"] > 20
    await tb.step(rst=True)  # events of the cycle before it are lost with it


CONFIGS = {
    "small": {"NUM_PORTS": 3, "LINE_W": 128, "NUM_BANKS": 2, "NUM_WAYS": 2, "NUM_SETS": 4, "OUTSTANDING": 4},
    "deep": {"NUM_PORTS": 4, "LINE_W": 128, "NUM_BANKS": 2, "NUM_WAYS": 4, "NUM_SETS": 4, "OUTSTANDING": 4, "DEEP": 1},
    "odd": {"NUM_PORTS": 5, "LINE_W": 128, "NUM_BANKS": 1, "NUM_WAYS": 1, "NUM_SETS": 2, "OUTSTANDING": 2},
    "paper": {"NUM_PORTS": 17, "LINE_W": 256, "NUM_BANKS": 16, "NUM_WAYS": 16, "NUM_SETS": 2, "OUTSTANDING": 32},
}


# `paper` takes minutes under Icarus
@pytest.mark.parametrize("sim, config", [(s, c) for s in ("icarus", "verilator") for c in CONFIGS if (s, c) != ("icarus", "paper")])
def test_fiber_cache(sim: str, config: str) -> None:
    from verif.lib.sim import run

    run("loas_fiber_cache", "test_fiber_cache", sim, CONFIGS[config])
