# LoAS: every target sets up what it needs by itself and may be the first one run on a fresh machine.
# SPDX-License-Identifier: Apache-2.0
SHELL   := /bin/bash
PYTHON  ?= python3
WORKERS ?= 2
VENV    := .venv
PY      := $(VENV)/bin/python
STAMP   := $(VENV)/.requirements

# Verilator's makefiles split paths at spaces and read $, # and : in them, and PYTHONPATH is split at colons: nothing is begun there
ODD := $(shell pwd | LC_ALL=C tr -d 'A-Za-z0-9/._+@,~\n\200-\377-' | tr '[:space:]' s)
ifneq ($(ODD),)
$(error the path of this folder ($(CURDIR)) has a character that Verilator and make cannot take: move it to a path of letters, digits and . _ + @ , ~ -)
endif

export PYTHONPATH := $(CURDIR)
# build products are shared between runs, also by the Python runner
export OBJCACHE := ccache
# a testbench must not inherit make's own job server
unexport MAKEFLAGS MFLAGS MAKELEVEL

.DEFAULT_GOAL := help
.PHONY: help setup system demo test lint regress waves mutants bench speed area nets mnist fpga fpga-proof fpga-sim defs clean distclean

help: ## this text
	@echo 'LoAS - spiking neural network accelerator.  Targets (each may be run first):'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: system $(STAMP) ## Python environment in .venv, and Debian packages where root, else the line to type

system:
	@missing=(); \
	command -v iverilog >/dev/null || missing+=(iverilog); \
	command -v ccache >/dev/null || missing+=(ccache); \
	command -v g++ >/dev/null || missing+=(g++); \
	command -v perl >/dev/null || missing+=(perl); \
	echo '#include <lz4.h>' | $${CC:-cc} -E - >/dev/null 2>&1 || missing+=(liblz4-dev); \
	echo '#include <zlib.h>' | $${CC:-cc} -E - >/dev/null 2>&1 || missing+=(zlib1g-dev); \
	test -x $(PY) || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv); \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'error: $(PYTHON) is older than 3.11; say make PYTHON=python3.11 ...' >&2; exit 1; }; \
	if [ $${#missing[@]} -eq 0 ]; then exit 0; fi; \
	line="apt-get update && apt-get install -y --no-install-recommends $${missing[*]}"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "$$line"; eval "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; $$line" \
	    || { echo "error: could not install; type:  $$line" >&2; exit 1; }; \
	else \
	  echo "error: missing Debian packages; type:  sudo sh -c '$$line'" >&2; exit 1; \
	fi

$(STAMP): requirements.txt pyproject.toml | system
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --disable-pip-version-check --quiet --requirement requirements.txt
	$(PY) -m pip install --disable-pip-version-check --quiet --no-deps --editable .  # the command loas
	@touch $@

demo: setup ## the main job: the trained network, all held-out images, RTL against golden model
	$(PY) -m scripts.demo

test: setup ## all tests, on both simulators (minutes)
	$(PY) -m pytest -n $(WORKERS)

lint: setup ## Icarus, Verilator, Yosys and slang on every module and configuration; ruff and mypy on Python
	$(PY) -m scripts.lint

regress: setup ## all tests with many seeds and long runs (an hour); SEEDS=20 for more
	@set -e; for seed in $$(seq 1 $(or $(SEEDS),5)); do \
	  echo "== seed $$seed; to repeat: LOAS_LONG=1 LOAS_SEEDS=400 LOAS_SEED=$$seed make test"; \
	  LOAS_LONG=1 LOAS_SEEDS=400 LOAS_SEED=$$seed $(PY) -m pytest -n $(WORKERS); \
	done

waves: setup ## one test of the tiny machine with a waveform in build/waves, for GTKWave or Surfer; TEST=name for another
	LOAS_WAVES=1 LOAS_JOBS=1 COCOTB_TEST_FILTER=$(or $(TEST),back_to_back) \
	  $(PY) -m pytest -n 0 "verif/test_system.py::test_system[tiny-1]"
	@ls -l build/waves/*.fst

mutants: setup ## hand-made and generated faults: the tests must find every one
	$(PY) -m verif.mutate

bench: setup ## the evaluation: LoAS against its rivals, docs/results.md with plots; BENCH=--quick for a look in 10 minutes
	$(PY) -m scripts.evaluate $(BENCH)

speed: setup ## LAGGY against FAST at VGG16's densities, cycles a match, speed of the simulation; SPEED=--quick for a look
	$(PY) -m scripts.bench $(SPEED)

LIBERTY := usr/share/qflow/tech/osu018/osu018_stdcells.lib
area: setup ## area and delay by Yosys for ECP5 and OSU's 0.18 um cells (hours, goes on where it was): docs/area.md, area-machine*.md
	@if [ ! -e /$(LIBERTY) ] && [ ! -e build/area/cells/$(LIBERTY) ]; then \
	  mkdir -p build/area/cells && cd build/area/cells && apt-get download qflow-tech-osu018 && dpkg-deb -x qflow-tech-osu018_*.deb . \
	    || { echo 'error: no standard cells; type:  sudo apt-get update && sudo apt-get install -y --no-install-recommends qflow-tech-osu018' >&2; exit 1; }; \
	fi
	$(PY) -m scripts.area --only 'prefix network' --only tppe --out build/area/result.json --page docs/area.md $(AREA)
	$(PY) -m scripts.area --only machine --technology osu018 --page docs/area-machine.md $(AREA)
	$(PY) -m scripts.area --only machine --technology ecp5 --T 4 --T 8 --T 16 --page docs/area-machine-ecp5.md $(AREA)

nets: setup ## layers of AlexNet and VGG16 with recorded spikes (synthetic where absent), RTL against golden model; NETS="--network resnet19" for others
	$(PY) -m scripts.nets $(NETS)

fpga-sim: setup ## the ULX3S, whole, in Verilator behind a pseudo-terminal: the driver of real boards classifies digits; FPGA_SIM="--images 5" for fewer
	$(PY) -m scripts.fpga_sim $(FPGA_SIM)

MNIST ?= ../shared/data/mnist.npz
mnist: setup ## all 10 000 test images of MNIST through the RTL (half an hour); MNIST=file.npz with x_test, y_test
	$(PY) -m scripts.loas run models/mnist_conv/mnist_conv.nir --data $(MNIST) --data-array x_test --labels-array y_test --out build/mnist/result.json

STAMP_FPGA := $(VENV)/.requirements-fpga
$(STAMP_FPGA): requirements-fpga.txt | setup
	$(PY) -m pip install --disable-pip-version-check --quiet --requirement requirements-fpga.txt
	@touch $@

BOARD ?= ulx3s
fpga: setup $(STAMP_FPGA) ## bitstream of a board and what it takes, in build/fpga; BOARD=ulx3s, icebreaker or pynq_z2; IMAGE=file to put into block RAM
	$(PY) -m scripts.fpga build $(BOARD) $(if $(IMAGE),--image $(IMAGE))

fpga-proof: setup ## netlists of the boards' machines against golden vectors (long); BOARD=icebreaker for one
	$(PY) -m verif.netlist $(if $(filter command line,$(origin BOARD)),$(BOARD))

defs: setup ## regenerate rtl/loas_defs.vh and the register tables of docs/ from spec/
	$(PY) -m scripts.defs

clean: ## remove what was built
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf $(VENV)
