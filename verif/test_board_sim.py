"""A small board, whole, in Verilator behind a pseudo-terminal: the driver of real boards loads, runs, swaps and recovers through it."""
from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from golden.compare import compare
from golden.config import load
from golden.image import reseal, write_image
from golden.layer import Layer
from golden.layout import HEADER
from golden.network import Network
from host.device import BUSY, Device
from host.errors import BoardError, LinkError, MachineError, RefusedError
from host.fake_board import noisy
from host.link import Link
from host.transport import SerialTransport
from scripts.board import Work, run
from scripts.fpga_sim import BAUD, BOARDS, CLK_HZ, build, powered
from scripts.simulate import ROOT

TINY = load("tiny")
WAIT = 60.0  # seconds for an answer: a slow machine is not a broken line


@pytest.fixture(scope="module")
def program() -> Path:
    return build(BOARDS["small"], TINY)


@pytest.fixture(scope="module")
def port(program: Path) -> Iterator[str]:
    with powered(program) as (name, _):
        yield name


def network(seed: int) -> Network:
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(40, 120)), int(rng.integers(5, 40))
    weights = rng.integers(-9, 10, (k, n)) * (rng.random((k, n)) < 0.2)
    return Network(f"net{seed}", 4, [Layer(weights, rng.integers(-9, 10, n), rng.integers(1, 30, n), 64, name="fc1"),
                                     Layer(rng.integers(-9, 10, (n, 5)), np.zeros(5), np.zeros(5), 0, readout=True, name="out")])


def job(seed: int, rows: int = 3) -> tuple[Network, np.ndarray, bytes]:
    net = network(seed)
    spikes = (np.random.default_rng(seed + 1000).random((rows, net.layers[0].k, 4)) < 0.3).astype(np.uint8)
    return net, spikes, write_image(net, spikes, TINY)


def right(device: Device, resident, made: tuple[Network, np.ndarray, bytes]) -> None:  # type: ignore[no-untyped-def]
    net, spikes, data = made
    done = device.run(resident, data, seconds=WAIT)
    report = compare(done.memory, net, spikes, net.run(spikes, 4), TINY)
    assert report.mismatches == 0, report.first
    assert report.compared > 0


def test_identity(port: str) -> None:
    with Device(Link.open(port, BAUD, timeout=WAIT), board="SIML") as device:
        assert device.config == TINY
        assert (device.identity.clock_hz, device.identity.baud) == (CLK_HZ, BAUD)
        assert device.identity.bitstream != 0
        with pytest.raises(BoardError, match="cannot be opened"):
            SerialTransport(port, BAUD)  # it is ours


def test_networks_are_swapped_at_run_time(port: str) -> None:
    """Two networks in memory at once, run in turn; both give what the golden model says every time."""
    with Device(Link.open(port, BAUD, timeout=WAIT)) as device:
        made = [job(1), job(2, 2)]
        residents = [device.load(one[2]) for one in made]
        assert len({r.base for r in residents}) == 2
        for which in (0, 1, 1, 0):
            right(device, residents[which], made[which])
        assert [r.base for r in device.residents()] == [r.base for r in residents]
        for r in residents:
            device.unload(r.base)


def test_line_that_hurts(port: str) -> None:
    """Bytes lost, changed and doubled both ways, in front of the RTL: everything comes right in the end."""

    class Bad(SerialTransport):
        hurt = staticmethod(noisy(3, 1 / 2500))

        def write(self, data: bytes) -> None:
            super().write(self.hurt(data, True))

        def read(self, seconds: float) -> bytes:
            return self.hurt(super().read(seconds), False)

    link = Link(Bad(port, BAUD), timeout=1.5, attempts=10)  # an answer takes 0.1 s or so
    with Device(link) as device:
        made = job(3)
        right(device, device.load(made[2], base=0), made)
    assert link.retries > 0


def test_line_that_drops_in_a_load(port: str) -> None:
    with Device(Link.open(port, BAUD, timeout=WAIT)) as device:
        made = job(4)
        keep = device.load(made[2], base=0)
        there = [r.base for r in device.residents()]
    line = SerialTransport(port, BAUD)
    whole, left = line.write, 1500

    def cut(data: bytes) -> None:
        nonlocal left
        whole(data[: max(0, left)])
        left -= len(data)

    with pytest.raises(LinkError):
        line.write = cut  # type: ignore[method-assign]
        with Device(Link(line, timeout=1.0, attempts=2)) as device:
            device.load(job(5, 20)[2])
    with Device(Link.open(port, BAUD, timeout=5.0, attempts=5)) as device:  # the frame that was cut off swallows the first PING
        assert [r.base for r in device.residents()] == there
        right(device, keep, made)


def test_machine_errors_and_the_run_after_them(port: str) -> None:
    with Device(Link.open(port, BAUD, timeout=WAIT)) as device:
        made = job(6)
        data = made[2]
        resident = device.load(data, base=0)
        desc = struct.unpack_from("<I", data, 4 * HEADER["desc_offset"])[0]
        bad = bytearray(data)
        struct.pack_into("<I", bad, desc + 8, 0)  # k = 0
        device.bus.write(device.identity.mem_base + resident.base, reseal(bad))  # the driver would not load it
        with pytest.raises(MachineError, match=f"error 3 .BAD_DESC. at image byte 0x{desc + 8:08x}, layer 0"):
            device.run(resident, data, seconds=WAIT)
        right(device, device.load(data, base=resident.base), made)
        struct.pack_into("<I", bad, desc + 8, struct.unpack_from("<I", data, desc + 8)[0])
        struct.pack_into("<I", bad, desc + 36, 0x40000000)  # out_base outside the image
        device.bus.write(device.identity.mem_base + resident.base, reseal(bad))
        with pytest.raises(MachineError, match="error 4 .POINTER."):
            device.run(resident, data, seconds=WAIT)
        right(device, device.load(data, base=resident.base), made)
        with pytest.raises(RefusedError, match="DECERR: 0x4002"):
            device.bus.read(device.identity.mem_base + device.identity.mem_bytes, 4)
        with pytest.raises(RefusedError, match="SLVERR: 0x000007fc"):
            device.bus.write(0x7FC, bytes(4))


def test_run_that_is_cut_short(port: str) -> None:
    """A time-out in the middle of a run resets the machine; soft reset and reset of the board too; then it runs as ever."""
    with Device(Link.open(port, BAUD, timeout=WAIT)) as device:
        made = job(7, 40)
        resident = device.load(made[2], base=0)
        rng = random.Random(7)
        for how in ("time-out", "soft", "board"):
            device.start(resident)
            if how == "time-out":
                busy = bool(device.register("STATUS") & BUSY)
                if busy:
                    with pytest.raises(MachineError, match="no end after 0 s"):
                        device.wait(0)
            elif how == "soft":
                time.sleep(rng.random() / 50)
                device.soft_reset()
            else:
                device.bus.reset()
                assert device.register("STATUS") == 0
            right(device, resident, made)


def test_batches_and_the_command(port: str, tmp_path: Path) -> None:
    """Trained digits through the command line, as a process of its own that knows nothing of a simulation."""
    out = tmp_path / "result.json"
    command = ["fpga", "run", str(ROOT / "models/digits/digits.nir"), "--port", port, "--baud", str(BAUD), "--timeout", str(WAIT),
               "--images", "1", "--out", str(out)]  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "scripts.loas", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 right" in done.stdout
    assert ", 0 mismatches" in done.stdout
    with Device(Link.open(port, BAUD, timeout=WAIT)) as device:
        net, spikes, _ = job(8, 5)
        outcome = run(device, Work(net, spikes, 1), how="last", batch=2, seconds=WAIT)
        assert outcome.batches == 3
        assert outcome.job.report is not None and outcome.job.report.mismatches == 0
