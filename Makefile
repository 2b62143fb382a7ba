# Headrace: `make help` lists the targets. Everything they need, they install into .venv themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
comma := ,
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := engine kernels benchmarks tests examples protos
NATIVE := CMakeLists.txt $(wildcard engine/native/*/*.cc engine/native/*/*.h engine/native/*/CMakeLists.txt \
	kernels/native/*.cc kernels/native/*.h kernels/native/CMakeLists.txt)
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
# An installed Headrace has its bytecode: importing the server takes 0.34 s with it and 0.51 s without.
unexport PYTHONDONTWRITEBYTECODE

# What measures times, or loads the machine with servers, runs alone; all else runs two files at a time.
TIMED := tests/benchmarks tests/client tests/load tests/rollout tests/serving

.PHONY: help demo test lint types format protos bench bench-smoke bench-peers gpu-check gpu-inputs wheel docs clean sanitize fuzz

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Headrace needs Python 3.11 or newer; this is %d.%d. Set PYTHON=..." % sys.version_info[:2])'
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# The native parts want a C++20 compiler and libnghttp2's headers. Where they are missing and may be installed they are;
# else headrace is installed without the native parts, and `headrace doctor` says so.
$(VENV)/.headers: $(BIN)/python
	@if ! echo '#include <nghttp2/nghttp2.h>' | $(CXX) -E -x c++ - >/dev/null 2>&1; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing libnghttp2-dev for the native front door"; \
			(apt-get update -qq && apt-get install -y -qq libnghttp2-dev libssl-dev g++) >/dev/null 2>&1 \
				|| echo "libnghttp2-dev could not be installed: the portable transport will serve"; \
		else \
			echo "libnghttp2-dev is not here: the portable transport will serve (headrace doctor says how to change that)"; \
		fi; \
	fi
	@touch $@

$(VENV)/.demo: $(BIN)/python $(VENV)/.headers pyproject.toml constraints.txt $(NATIVE)
	@echo "installing headrace[demo] into $(VENV) (about a minute the first time)"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(BIN)/python $(VENV)/.headers pyproject.toml constraints.txt $(NATIVE)
	@echo "installing headrace[dev] into $(VENV) (about a minute the first time)"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.kernels: $(VENV)/.demo $(wildcard kernels/headrace_kernels/cpu/*.py)
	@echo "compiling the kernels into the cache (about half a minute)"
	@$(BIN)/headrace features warm
	@touch $@

# tritonclient wants an older protobuf than ours: it gets an environment of its own and talks to us over the wire only.
# perf_analyzer is inside of an older tritonclient, beside it and never imported.
.venv-interop/.done: tests/interop-constraints.txt tests/perf-analyzer-constraints.txt
	@echo "installing tritonclient and perf_analyzer into .venv-interop"
	@test -x .venv-interop/bin/python || $(PYTHON) -m venv .venv-interop
	@env -u PIP_CONSTRAINT .venv-interop/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint tests/interop-constraints.txt 'tritonclient[grpc]'
	@env -u PIP_CONSTRAINT .venv-interop/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--upgrade --target .venv-interop/perf_analyzer $$(cat tests/perf-analyzer-constraints.txt)
	@touch $@

# MLflow pins other libraries than ours: its server and its client get an environment of their own, and nothing of it is
# ever imported by Headrace.
.venv-mlflow/.done: tests/mlflow-constraints.txt
	@echo "installing mlflow into .venv-mlflow (a minute or two the first time)"
	@test -x .venv-mlflow/bin/python || $(PYTHON) -m venv .venv-mlflow
	@env -u PIP_CONSTRAINT .venv-mlflow/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint tests/mlflow-constraints.txt mlflow
	@touch $@

demo: $(VENV)/.kernels ## install and run the flights example end to end; ends with build/demo/report.html
	@$(BIN)/headrace run examples/flights --home build/demo

test: $(VENV)/.dev $(VENV)/.kernels .venv-interop/.done .venv-mlflow/.done lint types ## install, lint, type-check, run every test with coverage
	@rm -f .coverage*
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report= $(TIMED:%=--ignore=%)
	@$(BIN)/python -m pytest --cov --cov-append --cov-report=term $(TIMED)
	@$(MAKE) --no-print-directory coverage-kernels

# Without the JIT the lines of compiled kernels are seen. The cases for CUDA ran before, with the JIT; here their thousands
# of rows in plain Python would take longer than all other tests.
coverage-kernels: $(VENV)/.dev
	@NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q tests/kernels --ignore=tests/kernels/test_cuda.py -m "not slow" \
		--cov=headrace_kernels --cov-report=term

lint: $(VENV)/.dev ## ruff, import contracts, spelling
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/lint-imports
	@$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs $(SOURCES)

types: $(VENV)/.dev ## mypy, strict
	@$(BIN)/mypy

format: $(VENV)/.dev ## rewrite the sources in the house's form
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

protos: $(VENV)/.dev ## regenerate the wire code from protos/
	@$(BIN)/python protos/generate.py

bench: $(VENV)/.dev $(VENV)/.kernels ## measure against the rivals, check every result, write build/bench/
	@$(BIN)/python benchmarks/run.py

bench-smoke: $(VENV)/.dev $(VENV)/.kernels ## the same with small sizes
	@$(BIN)/python benchmarks/run.py --smoke

bench-peers: $(VENV)/.dev $(VENV)/.kernels ## set up Triton, MLServer and a C++ echo in build/peers, and measure the server beside them
	@$(BIN)/python benchmarks/bench_peers.py --setup build/peers
	@$(BIN)/python benchmarks/bench_peers.py --peers build/peers --page benchmarks/serving.md

# No prerequisites: a machine with a GPU may have neither a network nor this project's libraries.
GPU_PYTHON := $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
gpu-inputs: ## prepare the forests that gpu-check reads, in build/gpu-inputs (needs LightGBM)
	@$(GPU_PYTHON) benchmarks/gpu/prepare.py --output build/gpu-inputs

gpu-check: ## check a machine with an NVIDIA GPU: bits, forests, fallbacks, figures; writes build/gpu-check.json
	@PYTHONPATH=kernels $(GPU_PYTHON) benchmarks/gpu/check.py --json build/gpu-check.json $(GPU_CHECK)

wheel: $(VENV)/.dev ## build the wheel into dist/, libnghttp2 and OpenSSL inside
	@rm -rf build/wheel
	@$(BIN)/python -m build --wheel --outdir build/wheel
	@if ls build/wheel/*-linux_*.whl >/dev/null 2>&1; then PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair -w dist build/wheel/*.whl; \
	else mkdir -p dist && cp build/wheel/*.whl dist/; fi

SANITIZED := build/sanitize-address build/sanitize-thread
$(SANITIZED): $(VENV)/.dev
	@cmake -S . -B $@ -G Ninja -DCMAKE_BUILD_TYPE=Debug -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python \
		-DHEADRACE_SANITIZE=$(if $(findstring address,$@),address$(comma)undefined,thread) > /dev/null

sanitize: $(SANITIZED) ## the native door and the emulated CUDA kernels under sanitizers (twenty minutes)
	@cmake --build build/sanitize-thread --target hammer && build/sanitize-thread/engine/native/fuzz/hammer 60
	@cmake --build build/sanitize-address --target _front _rules hammer
	@build/sanitize-address/engine/native/fuzz/hammer 30
	@LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so) $$(gcc -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0,abort_on_error=1,quarantine_size_mb=16 UBSAN_OPTIONS=halt_on_error=1,print_stacktrace=1 \
		HEADRACE_FRONT=build/sanitize-address/engine/native/front PYTHONPATH=tests/serving/native/overlay \
		$(BIN)/python -m pytest tests/serving -k 'native and not 150_mb and not crash_loop and not two_milliseconds'
	@LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so) $$(g++ -print-file-name=libstdc++.so)" \
		ASAN_OPTIONS=detect_leaks=0,detect_stack_use_after_return=0,abort_on_error=1,quarantine_size_mb=16 \
		UBSAN_OPTIONS=halt_on_error=1,print_stacktrace=1 HEADRACE_EMULATED_SANITIZERS=1 \
		$(BIN)/python -m pytest tests/kernels/test_cuda.py -k bits_of_the_cpu

FUZZ_SECONDS ?= 300
fuzz: $(VENV)/.dev ## fuzz the native door with clang's libFuzzer, FUZZ_SECONDS a target; the corpus grows
	@CC=clang-14 CXX=clang++-14 cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DHEADRACE_FUZZ=ON \
		-DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python > /dev/null
	@cmake --build build/fuzz --target fuzz_reader fuzz_connection fuzz_front
	@for target in reader connection front; do \
		build/fuzz/engine/native/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -timeout=30 \
			-artifact_prefix=build/fuzz/ engine/native/fuzz/corpus/$$target || exit 1; \
	done

clean: ## remove what was built (not the environments)
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
