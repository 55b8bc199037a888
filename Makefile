# make train ARGS="N_ITERATIONS=2000"
# make test ARGS="tests/test_settings.py -n 0"
# The Python that .venv is made with: python3 where it is one of these three, else the newest of them that runs here.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$python && break; done)
BIN = .venv/bin
RESULTS ?= Results
ARGS ?=

.DELETE_ON_ERROR:  # a .venv that could not be made whole is made anew the next time
.PHONY: roses train test lint benchmark tensorboard

roses: .venv/installed
	$(BIN)/python main.py LOAD=True RUN=shipped $(ARGS)
	@echo 'A page to play with, for any browser:  make roses ARGS=SAMPLE_AS=page'

# Ctrl-C saves, so make has no error to tell.
train: export STOP_IS_NO_ERROR = 1
train: .venv/installed
	$(BIN)/python main.py $(ARGS)

test: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .

benchmark: .venv/installed
	$(BIN)/python -m benchmarks.training_step $(ARGS)
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.loading

tensorboard: .venv/installed
	$(BIN)/python -m tensorboard.main --logdir $(RESULTS)

.venv/bin/python:
	$(or $(PYTHON),$(error Python 3.11, 3.12 or 3.13 is needed and none was found: install one, or name yours \
	with PYTHON=/path/to/python)) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	@echo 'Installing what $< names into .venv: a minute or more, without a word ...'
	$(BIN)/python -m pip install --quiet -r $<
	touch $@

.venv/installed-dev: requirements-dev.txt requirements.txt | .venv/bin/python
	@echo 'Installing what $< names into .venv: a minute or more, without a word ...'
	$(BIN)/python -m pip install --quiet -r $<
	touch $@ .venv/installed
