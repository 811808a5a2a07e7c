# make demo   the embedded benchmark: train a baseline and SMAD, compare them
# make test   the whole test suite
# make lint   formatting, lint and types
# make bench  the tables of docs/performance.md, in 40 minutes on an idle machine
# Each makes .venv by itself.

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
# Further requirements for the tests, as in
#   make test EXTRA_REQUIREMENTS="requirements-parity.txt requirements-beam.txt"
EXTRA_REQUIREMENTS ?=

.PHONY: demo test lint bench clean demo-baseline demo-smad

demo: $(VENV)/.ready
	$(RUN) -m data_prep.embedded --out "$${DATA_ROOT:-datasets}"
	$(MAKE) --no-print-directory --jobs 2 demo-baseline demo-smad
	$(RUN) -m smad_jax.reporting compare runs/slowonly_baseline runs/slowonly_smad
	$(RUN) -m smad_jax.reporting picture runs/slowonly_smad

# Side by side, since one training alone does not keep two cores busy.
demo-baseline demo-smad: demo-%: $(VENV)/.ready
	$(RUN) main.py --config configs/slowonly_$*.py

# One stamp for each set of requirements, so that a further one is not missed.
blank := $(subst x,,x x)
READY_TEST = $(VENV)/.ready-test$(subst $(blank),,$(addprefix -,$(notdir $(EXTRA_REQUIREMENTS))))

test: $(READY_TEST)
	$(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(READY_TEST)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m pyright
	$(RUN) -m tests.prose

PAGE ?= docs/performance.md

# One after the other: each needs the cores for itself.
bench: $(VENV)/.ready-bench
	$(RUN) -m tests.benchmarks.step_speed --threads 1 --write $(PAGE) $(ARGS)
	$(RUN) -m tests.benchmarks.step_speed --threads 2 --write $(PAGE) $(ARGS)
	$(RUN) -m tests.benchmarks.loading --write $(PAGE) $(ARGS)
	$(RUN) -m tests.benchmarks.startup --write $(PAGE) $(ARGS)
	$(RUN) -m tests.benchmarks.growth --write $(PAGE) $(ARGS)

$(VENV)/.ready-bench: $(VENV)/.ready requirements-parity.txt requirements-bench.txt
	$(RUN) -m pip install --quiet --requirement requirements-parity.txt --requirement requirements-bench.txt
	touch $@

$(VENV)/.ready: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=... names one")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --requirement requirements.txt
	touch $@

$(READY_TEST): $(VENV)/.ready requirements-test.txt $(EXTRA_REQUIREMENTS)
	$(RUN) -m pip install --quiet $(foreach file,requirements-test.txt $(EXTRA_REQUIREMENTS),--requirement $(file))
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
