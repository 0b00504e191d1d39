# Every developer command, in one place.
.PHONY: install check format lint types test benchmarks peers reference strategies docs

install:  ## an editable install with all that development needs
	pip install -e '.[dev]'
	pre-commit install

check: lint types test  ## all that .ci/run checks, in the environment at hand

format:
	ruff format .
	ruff check --fix .

lint:
	ruff format --check .
	ruff check .

types:
	mypy

test:
	pytest -n auto

benchmarks:  ## ratios measured side by side; the figures that the docs quote
	pytest benchmarks -p no:xdist --benchmark-enable --benchmark-json=benchmarks/results/cpu.json -s
	python benchmarks/profile_step.py

peers:  ## whole commands beside other tools' (pip install -e '.[peers]'); writes the tables of docs/speed.md, in 45 minutes
	python benchmarks/peers/compare.py --rounds 2
	python benchmarks/peers/long_run.py

reference:  ## the committed run that the README's table is made from
	rm -rf results/reference
	tlbench run --seeds 3 --name reference
	tlbench show reference --format markdown

strategies:  ## the committed run of all strategies, and the pages made from them
	rm -rf results/strategies
	tlbench run --strategies $$(tlbench list strategies --json | python -c "import json, sys; print(','.join(each['name'] for each in json.load(sys.stdin)))") --datasets fashion-mnist:train=500 --image-size 48 --seeds 3 --name strategies
	python docs/generate.py

docs:  ## the pages that are made from the code and from committed runs
	python docs/generate.py
