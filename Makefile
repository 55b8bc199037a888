# make train ARGS="N_ITERATIONS=2000"
PYTHON ?= python3.11
BIN = .venv/bin
RESULTS ?= Results
ARGS ?=

.PHONY: train test lint benchmark tensorboard

train: .venv/installed
	$(BIN)/python main.py $(ARGS)

test: .venv/installed-dev
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/installed-dev
	$(BIN)/ruff check .

benchmark: .venv/installed
	$(BIN)/python -m benchmarks.training_step $(ARGS)
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.loading

tensorboard: .venv/installed
	$(BIN)/python -m tensorboard.main --logdir $(RESULTS)

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@ .venv/installed
