# make run    serve on this machine (MODEL=name, PORT=5555, PYTHON=python3.12)
# make test   install what the tests need, and pass them
# make check  ruff and mypy --strict
# make bench  the benchmarks, as tables
# make soak   the tests in their long form

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# MusicGen's tests need torch, which may be gigabytes: installed in CI, or by EXTRAS=test,musicgen;
# without it they skip and say so.
comma := ,
EXTRAS ?= $(if $(CI),test$(comma)musicgen,test)
# Two threads on two cores must not spin for each other.
export GOMP_SPINCOUNT ?= 1000

.PHONY: run test check bench soak clean

run: $(VENV)/.installed-clients $(if $(findstring musicgen,$(MODEL)),$(VENV)/.installed-musicgen)
	exec $(BIN)/python -m server $(if $(PORT),--port $(PORT)) $(if $(MODEL),--music_model_name $(MODEL))

test: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/python -m pytest

soak: $(VENV)/.installed-$(EXTRAS)
	CONTINUO_SOAK=1 $(BIN)/python -m pytest --timeout 3600

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.streams
	$(BIN)/python -m benchmarks.sketch --seeds 2 --seconds 20

$(VENV)/.installed-%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
