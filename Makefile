# The commands of the project. Everything needed is set up on first use, into .venv and nowhere else. PYTHON=... names the
# interpreter to do it with.
.PHONY: help setup run test survival fuzz fuzz-api bench bench-speed bench-quality lint lock clean

inside := .venv/bin
ARGS ?=
SOAK ?= 900

help:
	@echo 'make run      sets everything up, then shows Overloop at work on real telemetry'
	@echo 'make test     sets everything up, then runs the whole test suite'
	@echo 'make setup    the set-up alone'
	@echo 'make survival every way to die, in full: about an hour; SOAK=60 is the length of one part in seconds'
	@echo 'make bench-quality  how well changes are found, and how seldom nothing is: an hour; ARGS=--short takes minutes'
	@echo 'make fuzz     every parser of outside input, a minute each; ARGS="--seconds 10 csv gzip" names some'
	@echo 'make fuzz-api all that the OpenAPI document allows, asked of a daemon: ARGS="--seconds 60"'
	@echo 'make lint     ruff, mypy and the import contracts'
	@echo 'make bench-speed  what it takes and costs, beside a plain River loop: an hour; ARGS=--short takes a minute'
	@echo 'make lock     renews uv.lock and requirements.lock after a change of dependencies'

setup: .venv/.set-up
	@:

.venv/.set-up: uv.lock requirements.lock pyproject.toml .ci/setup
	@.ci/setup

run: setup
	@$(inside)/overloop demo $(ARGS)

test: setup
ifeq ($(ARGS),)
	@.ci/tests
else
	@$(inside)/python -m pytest $(ARGS)
endif

fuzz: .venv/fuzz/.set-up
	@PYTHONPATH=$(CURDIR)/.venv/fuzz $(inside)/python tests/fuzz/run.py $(ARGS)

fuzz-api: .venv/fuzz/.set-up
	@PYTHONPATH=$(CURDIR)/.venv/fuzz $(inside)/python tests/fuzz/api.py $(ARGS)

.venv/fuzz/.set-up: .venv/.set-up .ci/fuzz.lock .ci/fuzz-tools
	@.ci/fuzz-tools

# Whatever fails, the rest is run and the table printed; results in JSON are in build/survival.
survival: setup
	@rm -rf build/survival
	@OVERLOOP_SURVIVAL=all OVERLOOP_SURVIVAL_SOAK=$(SOAK) OVERLOOP_SURVIVAL_RESULTS=build/survival \
		$(inside)/python -m pytest tests/survival -vv -s $(ARGS); failed=$$?; \
		$(inside)/python tests/support/survival_report.py build/survival docs/reliability-matrix.md && exit $$failed

bench: bench-speed

bench-speed: setup
	@$(inside)/python -m bench.speed $(ARGS)

bench-quality: setup
	@$(inside)/python -m bench.quality $(ARGS)

lint: setup
	@.ci/lint

lock: setup
	@$(inside)/uv lock
	@.ci/export > requirements.lock
	@.ci/export --only-group fuzz > .ci/fuzz.lock

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
