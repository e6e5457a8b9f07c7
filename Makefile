# What one asks of a checkout; `make help` lists it. Works as root, and through sudo otherwise.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# The python3 first on PATH may be another one; python3-bpfcc serves the system's alone.
PYTHON := /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin

# The first line is what sbtrace needs, the second what its tests need; names as in Debian.
PACKAGES := python3-bpfcc python3-venv libseccomp2 linux-libc-dev libc6-dev \
  gcc git less make strace xz-utils
# What `make bench` compares it with; it does without those that cannot be had.
BENCH_PEERS := strace linux-perf bpftrace bpfcc-tools
# Programs that nobody here wrote, to be counted by strace and sbtrace at once.
CORPUS_PACKAGES = strace stress-ng linux-source libcap-dev gcc-multilib \
  libpython$(shell $(PYTHON) -c "import sys; print('%d.%d' % sys.version_info[:2])")-testsuite
# Who takes profiles that were exported, and Docker's own. docker.io may start its service.
CONSUMER_PACKAGES := bubblewrap firejail runc crun podman systemd-container docker.io \
  golang-github-docker-docker-dev golang-github-containers-common gcc git make perl
# `make kernels` boots other kernels in them; not needed for anything else.
KERNEL_PACKAGES := qemu-system-x86 busybox-static cpio kmod e2fsprogs xz-utils zstd
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
# sudo clears the environment, and root should leave no caches in a user's checkout.
AS_ROOT := $(if $(SUDO),sudo env PYTHONDONTWRITEBYTECODE=1 SBTRACE_REQUIRE_KERNEL=$(SBTRACE_REQUIRE_KERNEL))
PYTEST := $(BIN)/pytest $(if $(SUDO),-p no:cacheprovider)
# Most tests wait for something, so three files of them at once are quicker.
AT_ONCE := -n 3 --dist loadfile
BUILT_FROM := $(shell find bpf -name '*.[ch]') \
  $(patsubst %,tracer/collectors/kernel/program/%.py,artifact built compile offsets variant)
C_SOURCES = $(shell find bpf tests -name '*.[ch]')

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

.PHONY: setup
setup: $(VENV)/.built $(VENV)/.compiled ## install what is missing and leave .venv/bin/sbtrace

.PHONY: demo
demo: setup ## set up, run echo under the STRICT profile, query what was recorded
	$(SUDO) $(BIN)/sbtrace run --profile=STRICT /bin/echo "it works"
	$(BIN)/sbtrace query top-syscalls --param limit=5

.PHONY: test
test: lint programs $(VENV)/.built ## every gate and every test (the kernel tests need root)
	$(AS_ROOT) $(PYTEST) $(AT_ONCE)

.PHONY: check
check: lint unit ## every gate and test that needs neither root nor BPF; bpf/ is compiled, not loaded

.PHONY: lint
lint: $(VENV)/.dev ## formatters, linters, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run --Werror $(C_SOURCES)

.PHONY: unit
unit: $(VENV)/.dev ## unit tests
	$(PYTEST) $(AT_ONCE) tests/unit

.PHONY: kernel
kernel: $(VENV)/.dev $(VENV)/.built programs ## tests against the real kernel, as root
	$(AS_ROOT) $(PYTEST) $(AT_ONCE) tests/kernel

# Tests build these too; done here, they are not root's when the tests run through sudo.
.PHONY: programs
programs: | packages
	@$(MAKE) --no-print-directory --silent -C tests/programs

.PHONY: bench
bench: $(VENV)/.dev $(VENV)/.built ## measure cost beside other tools, as root; BENCH=--quick for a first look
	@.ci/packages $(BENCH_PEERS) || echo "make: some peers are not measured" >&2
	@$(AS_ROOT) $(BIN)/python -m tests.bench $(BENCH)

.PHONY: comparison
comparison: programs $(VENV)/.dev $(VENV)/.built ## profiles over real programs, beside Docker's, systemd's and Landlock, as root; for docs/comparison.md
	@$(AS_ROOT) $(BIN)/python -m tests.bench.comparison $(COMPARISON)

.PHONY: compat
compat: $(VENV)/.dev $(VENV)/.built ## older releases of DuckDB read what is recorded; needs a package registry
	@$(AS_ROOT) $(BIN)/python -m tests.bench.compat

.PHONY: kills
kills: programs $(VENV)/.dev ## a writer of the database killed at each of its writes, and the next one too; KILLS=--once for less
	@$(BIN)/python -m tests.bench.kills $(KILLS)

.PHONY: loop
loop: $(VENV)/.dev $(VENV)/.built ## learn profiles from real programs, verify them, take each entry away, as root, for long; LOOP="--sample 5 --only git"
	@$(AS_ROOT) $(BIN)/python -m tests.bench.loop $(LOOP)

.PHONY: told
told: $(VENV)/.dev $(VENV)/.built ## compare programs whose difference is known, 100 times each, as root, for long; TOLD="--times 5"
	@$(AS_ROOT) $(BIN)/python -m tests.bench.told $(TOLD)

.PHONY: corpus
corpus: $(VENV)/.dev $(VENV)/.built ## programs of others under strace and sbtrace at once, as root, for long; CORPUS="--sample 50" for less
	@.ci/packages $(CORPUS_PACKAGES) || echo "make: some sources are not run" >&2
	@$(AS_ROOT) $(BIN)/python -m tests.bench.corpus $(CORPUS)

.PHONY: kernels
kernels: programs $(VENV)/.dev $(VENV)/.built ## other kernels in QEMU, as root, for hours; KERNELS="--only 6.1 --quick" for one
	@.ci/packages $(KERNEL_PACKAGES)
	@$(AS_ROOT) $(BIN)/python -m tests.bench.kernels $(KERNELS)

.PHONY: mutations
mutations: programs $(VENV)/.dev $(VENV)/.built ## which changes of the sources no test notices; MUTATIONS="--sample 50 --minutes 20"
	@$(AS_ROOT) $(BIN)/python -m tests.bench.mutations $(MUTATIONS)

.PHONY: steady
steady: programs $(VENV)/.dev $(VENV)/.built ## every test 20 times beside two busy loops; STEADY="--rounds 3 -- -k run"
	@$(AS_ROOT) $(BIN)/python -m tests.bench.steady $(STEADY)

.PHONY: distributions
distributions: $(VENV)/.dev ## set up and test in userlands of other releases, as root, for long; DISTRIBUTIONS="--suite trixie"
	@.ci/packages debootstrap
	@$(AS_ROOT) $(BIN)/python -m tests.bench.distributions $(DISTRIBUTIONS)

.PHONY: consumers
consumers: $(VENV)/.dev $(VENV)/.built ## exports in the hands of runtimes, Docker's profiles in ours, as root
	@.ci/packages $(CONSUMER_PACKAGES) || echo "make: some consumers are not tried" >&2
	@$(AS_ROOT) $(BIN)/python -m tests.bench.consumers

.PHONY: format
format: $(VENV)/.dev ## rewrite sources to the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(C_SOURCES)

.PHONY: clean
clean: ## remove what make built, .venv too
	rm -rf $(VENV) build dist bpf/built tests/programs/bin *.egg-info \
	  .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find tracer tests -name __pycache__ -prune -exec rm -rf {} +

# Looked up each time (20 ms), so that a package removed meanwhile comes back.
.PHONY: packages
packages:
	@.ci/packages $(PACKAGES)

# It holds absolute paths: one that was copied or moved with its checkout is made anew.
ifneq ($(file <$(VENV)/.made),$(CURDIR))
.PHONY: $(VENV)/.made
endif
$(VENV)/.made: | packages
	$(PYTHON) -m venv --clear --system-site-packages $(VENV)
	echo $(CURDIR) >$@

$(VENV)/.runtime: pyproject.toml $(VENV)/.made | packages
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

# The BPF program, for any kernel; where there is none, a first start compiles it, for 1.5 s.
# As root, since bcc makes the maps of what it compiles.
$(VENV)/.built: $(BUILT_FROM) | $(VENV)/.runtime
	@$(AS_ROOT) $(BIN)/python -m tracer.collectors.kernel.program.built || \
	  echo "make: not compiled yet: sbtrace will do it when it is first started" >&2
	@touch $@

# Bytecode, which not every environment lets Python write by itself: a start without costs more.
# An edited source is read again, as its time is in there.
$(VENV)/.compiled: $(shell find tracer -name '*.py') | $(VENV)/.runtime
	@$(BIN)/python -m compileall -q tracer
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.made | packages
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(VENV)/.runtime $@
