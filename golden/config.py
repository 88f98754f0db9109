# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Named configurations of the machine: reads ``spec/configs.toml`` and checks the legal ranges.

Every tool (RTL builds, golden model, packer, testbenches, host) gets its parameters from here.
"""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden import toml
from golden.errors import LoasError

SPEC_DIR = Path(__file__).resolve().parent.parent / "spec"
CONFIG_FILE = SPEC_DIR / "configs.toml"


class ConfigError(LoasError):
    """A configuration breaks a rule; the text names file, field, value and what is legal."""


def clog2(value: int) -> int:
    """Verilog's ``$clog2``: bits needed to count ``value`` states (0 for 0 and 1)."""
    return max(0, value - 1).bit_length()


@dataclass(frozen=True)
class Config:
    """One configuration of the machine; fields in capitals are the RTL parameters of the same name.

    Attributes:
        name: Section of ``spec/configs.toml`` (or ``name*`` after :meth:`override`).
        source: File it came from, for error messages.
    """

    name: str
    T: int
    NUM_TPPES: int
    CHUNK_W: int
    WINDOW: int
    SLICE_W: int
    WEIGHT_W: int
    ACC_W: int
    MEM_W: int
    K_MAX: int
    LAGGY: int
    SEQUENTIAL: int
    DEEP: int
    FIFO_DEPTH: int
    INDEX_RATE: int
    CARRY: int
    AXI_W: int
    LINE_W: int
    NUM_BANKS: int
    NUM_WAYS: int
    NUM_SETS: int
    OUTSTANDING: int
    OUT_ENTRIES: int
    NUM_SLOTS: int
    source: str = "spec/configs.toml"

    # ---- derived numbers -------------------------------------------------------------------
    @property
    def word_w(self) -> int:
        """Bits of a stored packed word: the power of two at or above T."""
        return 1 << clog2(self.T)

    @property
    def wslot_w(self) -> int:
        """Bits in which a weight is stored: 4 when WEIGHT_W is 4, else 8."""
        return 4 if self.WEIGHT_W <= 4 else 8

    @property
    def entry_w(self) -> int:
        """Bits of an output buffer entry: SLICE_W packed words or one 32-bit readout integer."""
        return max(self.SLICE_W * self.T, 32)

    @property
    def out_addr_w(self) -> int:
        """Address bits of the output buffer."""
        return clog2(self.OUT_ENTRIES)

    @property
    def slot_w(self) -> int:
        """Bits of an output buffer slot number."""
        return clog2(self.NUM_SLOTS)

    @property
    def line_bytes(self) -> int:
        """Bytes of a cache line."""
        return self.LINE_W // 8

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk."""
        return self.CHUNK_W // 8

    @property
    def cache_bytes(self) -> int:
        """Bytes of the FiberCache."""
        return self.NUM_BANKS * self.NUM_WAYS * self.NUM_SETS * self.line_bytes

    @property
    def weight_min(self) -> int:
        """Smallest legal weight."""
        return -(1 << (self.WEIGHT_W - 1))

    @property
    def weight_max(self) -> int:
        """Largest legal weight."""
        return (1 << (self.WEIGHT_W - 1)) - 1

    @property
    def window_w(self) -> int:
        """Bits that an inner join looks at in a cycle; in an index code a column is padded to them."""
        return self.WINDOW * self.CHUNK_W

    @property
    def engine(self) -> str:
        """What joins the fibers: ``LAGGY``, ``FAST``, or the rival ``SPARTEN`` (timesteps in sequence)."""
        return "SPARTEN" if self.SEQUENTIAL else "LAGGY" if self.LAGGY else "FAST"

    def num_chunks(self, k: int) -> int:
        """Bitmask chunks of a fiber of ``k`` inputs."""
        return -(-k // self.CHUNK_W)

    def entries_per_row(self, n: int, readout: bool) -> int:
        """Output buffer entries that one row of ``n`` outputs takes."""
        return n if readout else -(-n // self.SLICE_W)

    # ---- CONFIG registers (spec/registers.toml) --------------------------------------------
    @property
    def config0(self) -> int:
        """Register CONFIG0: T [4:0], WEIGHT_W [11:8], SLICE_W [23:16], WINDOW [26:24]."""
        return self.T | self.WEIGHT_W << 8 | self.SLICE_W << 16 | self.WINDOW << 24

    @property
    def config1(self) -> int:
        """Register CONFIG1: CHUNK_W [9:0], LINE_W [21:10], ACC_W [27:22]."""
        return self.CHUNK_W | self.LINE_W << 10 | self.ACC_W << 22

    @property
    def config2(self) -> int:
        """Register CONFIG2: K_MAX [16:0], MEM_W [22:17]."""
        return self.K_MAX | self.MEM_W << 17

    @property
    def config3(self) -> int:
        """Register CONFIG3: OUT_ENTRIES [16:0], NUM_SLOTS [24:17]."""
        return self.OUT_ENTRIES | self.NUM_SLOTS << 17

    @property
    def config4(self) -> int:
        """Register CONFIG4: AXI_W [10:0], OUTSTANDING [17:11], NUM_TPPES [24:18], LAGGY [25], CARRY [26], INDEX_RATE [30:27],
        SEQUENTIAL [31]."""
        low = self.AXI_W | self.OUTSTANDING << 11 | self.NUM_TPPES << 18 | self.LAGGY << 25 | self.CARRY << 26
        return low | self.INDEX_RATE << 27 | self.SEQUENTIAL << 31

    @property
    def config5(self) -> int:
        """Register CONFIG5: NUM_BANKS [6:0], NUM_WAYS [14:8], DEEP [15], NUM_SETS [31:16]."""
        return self.NUM_BANKS | self.NUM_WAYS << 8 | self.DEEP << 15 | self.NUM_SETS << 16

    @property
    def image_words(self) -> tuple[int, int, int, int]:
        """The four words that an image header repeats: CONFIG0 to CONFIG3."""
        return self.config0, self.config1, self.config2, self.config3

    # ---- checks and changes ----------------------------------------------------------------
    def check(self) -> Config:
        """Checks every legal range.

        Returns:
            The configuration itself.

        Raises:
            ConfigError: A field is out of range; names file, configuration, field, value, legal range.
        """

        for field in PARAMETERS:
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool):
                raise ConfigError(f"{self.source}: [{self.name}] {field} = {value!r} is not legal: must be an integer")
        for field, rule in RULES.items():
            values, legal = rule(self)
            value = getattr(self, field)
            if value not in values:
                raise ConfigError(f"{self.source}: [{self.name}] {field} = {value} is not legal: must be {legal}")
        return self

    def override(self, **kw: int) -> Config:
        """A copy with some parameters changed, checked.

        Args:
            **kw: Parameter names and values, e.g. ``LAGGY=0``.

        Raises:
            ConfigError: Unknown parameter name, or a value that is not legal.
        """
        for field in kw:
            if field not in PARAMETERS:
                raise ConfigError(f"{self.source}: [{self.name}] unknown parameter {field!r}: must be one of {', '.join(PARAMETERS)}")
        changed: dict[str, Any] = dict(kw)
        if any(getattr(self, field) != value for field, value in kw.items()):
            changed["name"] = self.name.rstrip("*") + "*"
        return dataclasses.replace(self, **changed).check()

    def verilog_parameters(self) -> dict[str, int]:
        """The parameters of ``rtl/loas_top.v`` by name, for ``-G``/``-P`` or cocotb's runner."""
        return {field: getattr(self, field) for field in PARAMETERS}


PARAMETERS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Config) if f.name.isupper())

Legal = tuple[Sequence[int], str]  # the legal values of a field, and the same in words


def _span(low: int, high: int) -> Legal:
    return range(low, high + 1), f"{low} to {high}"


def _power(low: int, high: int) -> Legal:
    first = 1 << clog2(low)
    return [first << i for i in range((high // first).bit_length())], f"a power of two, {low} to {high}"


# What each parameter may be, from those in front of it. check() holds a configuration against these rules and
# random_config() draws from them; rtl/ctrl/loas_param_check.v says them in Verilog.
RULES: dict[str, Callable[[Config], Legal]] = {
    "T": lambda c: _span(1, 16),
    "NUM_TPPES": lambda c: _span(1, 64),
    "CHUNK_W": lambda c: _power(32, 512),
    "WINDOW": lambda c: _power(1, min(4, 512 // c.CHUNK_W)),
    "SLICE_W": lambda c: _power(4, min(64, c.CHUNK_W)),
    "WEIGHT_W": lambda c: _span(4, 8),
    "ACC_W": lambda c: _span(c.WEIGHT_W + 1, 31),  # 32 would leave no legal MEM_W
    "MEM_W": lambda c: _span(c.ACC_W + 1, 32),
    "K_MAX": lambda c: (range(c.window_w, 65537, c.window_w),
                        f"a multiple of WINDOW * CHUNK_W = {c.window_w}, {c.window_w} to 65536"),
    "LAGGY": lambda c: _span(0, 1),
    "SEQUENTIAL": lambda c: (range(2 - c.LAGGY), "0 or 1, and 0 with LAGGY = 1"),
    "DEEP": lambda c: _span(0, 1),
    "FIFO_DEPTH": lambda c: _power(2, 64),
    "INDEX_RATE": lambda c: ([rate for rate in (0, 1, 2, 4, 8) if rate <= c.chunk_bytes], "0, 1, 2, 4 or 8"),
    "CARRY": lambda c: _span(0, 1),
    "AXI_W": lambda c: _power(32, 1024),
    "LINE_W": lambda c: _power(max(128, c.CHUNK_W, c.AXI_W), 2048),
    "NUM_BANKS": lambda c: _power(1, 64),
    "NUM_WAYS": lambda c: _power(1, 16),
    "NUM_SETS": lambda c: _power(2, 4096),
    "OUTSTANDING": lambda c: _power(2, 64),
    # two rows of the widest layer must fit, so that one is computed while the other is compressed
    "OUT_ENTRIES": lambda c: _power(-(-2 * c.K_MAX // c.SLICE_W), 65536),
    "NUM_SLOTS": lambda c: _power(2, 128),
}  # fmt: skip


def random_config(rng: random.Random, limits: Mapping[str, int] | None = None) -> Config:
    """A legal configuration, every parameter drawn from its rule.

    Args:
        rng: Source of the draw.
        limits: The largest value to draw of some parameters, so that a machine is small enough to simulate; where a rule
            allows no value as small, its smallest one is taken.

    Returns:
        The configuration, named ``random*``.
    """
    limits = limits or {}
    cfg = dataclasses.replace(load("tiny"), name="random*", source="random_config")
    for field, rule in RULES.items():
        values = rule(cfg)[0]
        small = [value for value in values if value <= limits[field]] if field in limits else values
        # the ends of a range are where a width is zero or a table has one entry
        pick = rng.choice((small[0], small[-1])) if small and rng.random() < 0.3 else rng.choice(small or values[:1])
        cfg = dataclasses.replace(cfg, **{field: pick})  # type: ignore[arg-type]
    return cfg.check()


@functools.lru_cache(maxsize=16)
def load_all(path: Path = CONFIG_FILE) -> dict[str, Config]:
    """All configurations of a file by name.

    Args:
        path: A TOML file like ``spec/configs.toml``.

    Raises:
        ConfigError: Unreadable file, missing or unknown field, or a value that is not legal.
    """
    shown = f"{path.parent.name}/{path.name}"
    try:
        data = toml.read(path)
    except OSError as err:
        raise ConfigError(f"{shown}: cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise ConfigError(f"{shown}: is not a TOML file: {err}") from err
    configs: dict[str, Config] = {}
    for name, fields in data.items():
        if not isinstance(fields, dict):
            raise ConfigError(f"{shown}: {name} = {fields!r} stands outside a [configuration] section")
        missing = [p for p in PARAMETERS if p not in fields]
        unknown = [p for p in fields if p not in PARAMETERS]
        if missing:
            raise ConfigError(f"{shown}: [{name}] {missing[0]} is missing: all of {', '.join(PARAMETERS)} are needed")
        if unknown:
            raise ConfigError(
                f"{shown}: [{name}] {unknown[0]} = {fields[unknown[0]]!r} is unknown: must be one of " + ", ".join(PARAMETERS)
            )
        configs[name] = Config(name=name, source=shown, **fields).check()
    return configs


def load(name: str = "paper", path: Path = CONFIG_FILE) -> Config:
    """One configuration by name.

    Raises:
        ConfigError: No such configuration, or the file is not legal.
    """
    configs = load_all(path)
    if name not in configs:
        raise ConfigError(f"{path.parent.name}/{path.name}: configuration {name!r} does not exist: must be one of " + ", ".join(configs))
    return configs[name]


def names(path: Path = CONFIG_FILE) -> list[str]:
    """Names of all configurations, in file order."""
    return list(load_all(path))
