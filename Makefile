# make run    serve on this machine (MODEL=name, PORT=5555, PYTHON=python3.12)
# make test   install what the tests need, and pass them
# make check  ruff and mypy --strict
# make bench  the benchmarks, as tables
# make bench-gpu  MusicGen on a GPU: checks, then tables, in under 8 minutes
# make quality MODEL=name   what number formats do to a model
# make soak   the tests in their long form
# make test-muq   the tests over the style encoder's package, in an environment of their own
# make test-audiocraft  the tests over the audiocraft package, in an environment of its own

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The tests of MusicGen and DiffRhythm need torch, which may be gigabytes: installed in CI, or by
# EXTRAS=test,musicgen,phonemes; without it they skip and say so.
comma := ,
EXTRAS ?= $(if $(CI),test$(comma)musicgen$(comma)phonemes$(comma)kernels,test)
# Processes for the tests, which mostly wait.
TEST_WORKERS ?= 2
# Two threads on two cores must not spin for each other; the server sets it itself.
test test-muq test-audiocraft soak quality: export GOMP_SPINCOUNT ?= 1000

# The package's requirements are pinned for this Python only.
AUDIOCRAFT_PYTHON ?= python3.11
AUDIOCRAFT_VENV := .venv-audiocraft

MUQ_VENV := .venv-muq

.PHONY: run test test-muq test-audiocraft check bench bench-gpu quality soak clean

run: $(VENV)/.installed-clients $(if $(findstring musicgen,$(MODEL)),$(VENV)/.installed-musicgen) \
		$(if $(findstring diffrhythm,$(MODEL)),$(VENV)/.installed-diffrhythm)
	exec $(BIN)/python -m server $(if $(PORT),--port $(PORT)) $(if $(MODEL),--music_model_name $(MODEL))

test: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile

test-muq: $(MUQ_VENV)/.installed
	$(MUQ_VENV)/bin/python -m pytest tests/muq

test-audiocraft: $(AUDIOCRAFT_VENV)/.installed
	$(AUDIOCRAFT_VENV)/bin/python -m pytest tests/audiocraft

soak: $(VENV)/.installed-$(EXTRAS)
	CONTINUO_SOAK=1 $(BIN)/python -m pytest --timeout 3600

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.streams
	$(BIN)/python -m benchmarks.sketch --seeds 2 --seconds 20

bench-gpu: $(VENV)/.installed-musicgen
	$(BIN)/python -m benchmarks.gpu

quality: $(VENV)/.installed-musicgen $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.quality $(MODEL)

$(VENV)/.installed-%: pyproject.toml constraints.txt setup.py $(wildcard server/models/musicgen/cpu/native/*)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@

$(AUDIOCRAFT_VENV)/.installed: pyproject.toml constraints.txt setup.py requirements/audiocraft.txt
	test -x $(@D)/bin/python || $(AUDIOCRAFT_PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,musicgen]"
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/audiocraft.txt
	touch $@

$(MUQ_VENV)/.installed: pyproject.toml constraints.txt requirements/muq.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,musicgen,phonemes]"
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/muq.txt
	touch $@

clean:
	rm -rf $(VENV) $(MUQ_VENV) $(AUDIOCRAFT_VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
