# Run in a virtual environment: everything uses its `python`.

.PHONY: install format check test spec programs bench

install:
	python -m pip install -e '.[test,bench]'

format:
	python -m ruff format
	python -m ruff check --fix

check:
	python -m ruff format --check
	python -m ruff check
	python -m mypy

test:
	python -m pytest -n 2

spec:
	python -m tests.spec

programs:
	python -m tests.programs run

bench:
	python bench/run.py --json bench/results.json
	python bench/chart.py bench/results.json docs/speed.svg
	python bench/calls.py
	python bench/heap.py
	python bench/translate.py
