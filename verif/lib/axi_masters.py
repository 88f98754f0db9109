"""Test bench of tb_loas_axi: both AXI masters, their clients, and the memory model or cocotbext-axi's AxiRam."""
from __future__ import annotations

import logging
import random
from collections import deque
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from cocotbext.axi import AxiBus, AxiRam

from verif.lib.manners import wait_for_valid

BYTES = 32768
BASE = 0x2000  # image base: rows at relative 0 lie at bus address 0x2000
WINDOW = BYTES - BASE
STALLS = (0, 10, 50, 90)
MANNERS = range(8)  # of loas_sim_mem: bit 0, READY waits for VALID; bits 2:1, AW first, any order, AW after the first, the last W
CONFIGS = (  # AXI_W, LINE_W, CHUNK_W, OUTSTANDING
    {"AXI_W": 32, "LINE_W": 128, "CHUNK_W": 32, "OUTSTANDING": 4},
    {"AXI_W": 64, "LINE_W": 128, "CHUNK_W": 128, "OUTSTANDING": 8},
    {"AXI_W": 256, "LINE_W": 256, "CHUNK_W": 64, "OUTSTANDING": 16},
)


class MastersTB:
    """Clock, reset, one `step` a cycle: inputs change at the falling edge, outputs are sampled settled before the rising one."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.axi_b = int(dut.AXI_W.value) // 8
        self.line_b = int(dut.LINE_W.value) // 8
        self.chunk_b = int(dut.CHUNK_W.value) // 8
        self.outstanding = int(dut.OUTSTANDING.value)
        self.ext = False
        self.ram: AxiRam | None = None
        self.stall = 0
        self.cycle = 0
        self.agents: list[Any] = []
        self.shadow: dict[str, int] = {}
        self.pending: dict[str, int] = {}

    def set(self, **values: int) -> None:
        """Sets inputs of the next step on."""
        self.pending.update(values)

    def put(self, name: str, value: int) -> None:
        """Drives an input now (at a falling edge), only when it changes."""
        if self.shadow.get(name) != value:
            self.shadow[name] = value
            getattr(self.dut, name).value = value

    def get(self, name: str) -> int:
        return int(getattr(self.dut, name).value)

    async def start(self, *, ext: bool = False, stall: int = 0, latency: int = 0, manner: int = 0) -> None:
        dut = self.dut
        logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
        for name in ("flush", "err_en", "err_resp", "err_at", "hang", "fill_valid", "fill_addr", "cmd_valid", "cmd_addr",
                     "cmd_chunks", "wr_valid", "wr_data"):
            self.put(name, 0)
        self.put("rst", 1)
        self.put("ext", int(ext))
        self.put("image_base", BASE)
        self.put("image_size", WINDOW)
        self.put("latency", latency)
        self.put("stall_percent", 0 if ext else stall)
        self.put("manner", manner)
        self.put("seed", random.getrandbits(32))
        self.ext, self.stall = ext, stall
        if ext:
            self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=BYTES)
            if stall:
                def pauses() -> Any:
                    while True:
                        yield random.randrange(100) < stall
                for channel in (self.ram.read_if.ar_channel, self.ram.read_if.r_channel, self.ram.write_if.aw_channel,
                                self.ram.write_if.w_channel, self.ram.write_if.b_channel):
                    channel.set_pause_generator(pauses())
            else:
                cocotb.start_soon(wait_for_valid(self.ram, dut, "m_axi", dut.clk))
        else:
            for name in ("awready", "wready", "arready", "bid", "bresp", "bvalid", "rid", "rdata", "rresp", "rlast", "rvalid"):
                self.put(f"m_axi_{name}", 0)
        Clock(dut.clk, 10, unit="ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        self.put("rst", 0)

    async def step(self, count: int = 1) -> None:
        for _ in range(count):
            await FallingEdge(self.dut.clk)
            for name, value in self.pending.items():
                self.put(name, value)
            self.pending.clear()
            for agent in self.agents:
                agent.drive()
            await ReadOnly()
            self.cycle += 1
            for agent in self.agents:
                agent.sample()

    async def until(self, what: Any, limit: int = 40000) -> None:
        """Steps until what() holds."""
        for _ in range(limit):
            if what():
                return
            await self.step()
        raise AssertionError(f"nothing after {limit} cycles; read idle {self.get('rd_idle')}, write idle {self.get('wm_idle')}")

    async def flush(self, clients: list[Any], *, hold: int | None = None) -> None:
        """A reset as control makes it: flush up, clients emptied, down when both masters are idle (or after `hold` cycles)."""
        self.set(flush=1)
        await self.step(1)  # the clients are reset at the end of this cycle: they still ask in it
        for client in clients:
            client.clear()
        if hold is not None:
            await self.step(hold)
        else:
            await self.until(lambda: self.get("rd_idle") and self.get("wm_idle"))
        self.set(flush=0)

    def check(self) -> None:
        assert not self.get("check_error"), "AXI protocol breach, see the log"

    # ---- memory contents, relative to the image

    def write_mem(self, addr: int, data: bytes) -> None:
        assert addr % self.axi_b == 0 and len(data) % self.axi_b == 0
        if self.ram is not None:
            self.ram.write(BASE + addr, data)
            return
        mem = self.dut.mem_inst.mem
        for i in range(0, len(data), self.axi_b):
            mem[(BASE + addr + i) // self.axi_b].value = int.from_bytes(data[i : i + self.axi_b], "little")

    def read_mem(self, addr: int, size: int) -> bytes:
        if self.ram is not None:
            return bytes(self.ram.read(BASE + addr, size))
        first, last = (BASE + addr) // self.axi_b, (BASE + addr + size - 1) // self.axi_b
        mem = self.dut.mem_inst.mem
        data = b"".join(int(mem[i].value).to_bytes(self.axi_b, "little") for i in range(first, last + 1))
        offset = BASE + addr - first * self.axi_b
        return data[offset : offset + size]


class FillClient:
    """The cache's side of the read master: requests with idle cycles, answers compared in order and at once."""

    def __init__(self, tb: MastersTB, image: bytes, idle: int = 0) -> None:
        self.tb, self.image, self.idle = tb, image, idle
        self.todo: deque[int] = deque()
        self.expected: deque[int] = deque()
        self.lines = self.bytes = 0
        self.errors: list[int] = []
        self.bad: set[int] = set()      # lines that must be answered with an error
        self.arrivals: list[int] = []   # cycle of each line
        self.requests = 0               # AR handshakes

    def clear(self) -> None:
        self.todo.clear()
        self.expected.clear()

    def drive(self) -> None:
        tb = self.tb
        if self.todo and (tb.shadow["fill_valid"] or random.randrange(100) >= self.idle):
            tb.put("fill_addr", self.todo[0])
            tb.put("fill_valid", 1)
        else:
            tb.put("fill_valid", 0)

    def sample(self) -> None:
        tb = self.tb
        self.requests += tb.get("arvalid") and tb.get("arready")
        error = tb.get("rd_err_valid")
        if tb.shadow["flush"]:
            assert not (tb.get("fill_ready") or tb.get("fill_rsp_valid") or error), "read master speaks under flush"
        if tb.get("fill_rsp_valid"):
            assert self.expected, "a line nobody asked for"
            addr = self.expected.popleft() // tb.line_b * tb.line_b
            assert error == (addr in self.bad), f"line {addr:#x}: err_valid {error}"
            if error:
                self.errors.append(tb.get("rd_err_addr"))
                assert self.errors[-1] == addr
            else:
                got = tb.get("fill_rsp_data").to_bytes(tb.line_b, "little")
                assert got == self.image[addr : addr + tb.line_b], f"line {addr:#x}"
            self.lines += 1
            self.arrivals.append(tb.cycle)
        else:
            assert not error, "err_valid without a line"
        self.bytes += tb.get("rd_ev_bytes")
        if tb.get("rd_outstanding") and self.expected and not tb.shadow["flush"]:
            oldest = tb.get("rd_oldest_addr")
            assert oldest in {a // tb.line_b * tb.line_b for a in self.expected}, f"oldest_addr {oldest:#x}"
        if tb.shadow["fill_valid"] and tb.get("fill_ready"):
            self.expected.append(self.todo.popleft())

    def done(self) -> bool:
        return not self.todo and not self.expected


class WriteClient:
    """The compressor's side of the write master: commands and chunks with idle cycles, and what memory must hold."""

    def __init__(self, tb: MastersTB, image: bytearray, idle: int = 0) -> None:
        self.tb, self.image, self.idle = tb, image, idle
        self.commands: deque[tuple[int, int]] = deque()
        self.chunks: deque[int] = deque()
        self.bytes = self.taken = self.pointer_errors = 0
        self.errors: list[int] = []
        self.pointer_addr: int | None = None
        self.beats: list[int] = []    # cycle of each W handshake
        self.empty_beats = 0          # of these with WSTRB = 0
        self.bursts = 0               # AW handshakes
        self.chunk_cycles: list[int] = []

    def add(self, addr: int, data: bytes, *, expect: bool = True) -> None:
        size = self.tb.chunk_b
        self.commands.append((addr, len(data) // size))
        self.chunks.extend(int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size))
        if expect:
            self.image[addr : addr + len(data)] = data

    def clear(self) -> None:
        self.commands.clear()
        self.chunks.clear()

    def drive(self) -> None:
        tb = self.tb
        if self.commands and (tb.shadow["cmd_valid"] or random.randrange(100) >= self.idle):
            tb.put("cmd_addr", self.commands[0][0])
            tb.put("cmd_chunks", self.commands[0][1])
            tb.put("cmd_valid", 1)
        else:
            tb.put("cmd_valid", 0)
        if self.chunks and (tb.shadow["wr_valid"] or random.randrange(100) >= self.idle):
            tb.put("wr_data", self.chunks[0])
            tb.put("wr_valid", 1)
        else:
            tb.put("wr_valid", 0)

    def sample(self) -> None:
        tb = self.tb
        self.bursts += tb.get("awvalid") and tb.get("awready")
        if tb.get("wvalid") and tb.get("wready"):
            self.beats.append(tb.cycle)
            self.empty_beats += tb.get("m_axi_wstrb") == 0
        self.bytes += tb.get("wm_ev_bytes")
        if tb.shadow["flush"]:
            quiet = ("cmd_ready", "wr_ready", "wm_err_valid", "wm_err_pointer")
            assert not any(tb.get(name) for name in quiet), "write master speaks under flush"
        if tb.get("wm_err_valid"):
            self.errors.append(tb.get("wm_err_addr"))
        if tb.get("wm_err_pointer"):
            self.pointer_errors += 1
            self.pointer_addr = tb.get("wm_err_addr")
        if tb.shadow["cmd_valid"] and tb.get("cmd_ready"):
            self.commands.popleft()
        if tb.shadow["wr_valid"] and tb.get("wr_ready"):
            self.chunks.popleft()
            self.chunk_cycles.append(tb.cycle)

    def done(self) -> bool:
        return not self.commands and not self.chunks and not self.tb.shadow["cmd_valid"] and bool(self.tb.get("wm_idle"))
