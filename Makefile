# Everything a fresh machine needs: `make demo`, `make test`, `make real`, `make bench`.
PYTHON ?= python3
CORES ?= 2
export CHROMLOOM_REAL_DATA ?= $(abspath ../shared/data)
BIN := $(CURDIR)/.venv/bin
SNAKEMAKE := PATH="$(BIN):$$PATH" $(BIN)/snakemake --snakefile $(CURDIR)/Snakefile --cores $(CORES)

.PHONY: demo test real bench simulated report view docs lint lock clean bedtools chromium

demo: .venv/installed  ## the workflow on a simulated genome, and its report
	$(SNAKEMAKE) --directory runs/demo --configfile config/demo/config.yaml
	$(SNAKEMAKE) --directory runs/demo --configfile config/demo/config.yaml --report results/report.html
	@echo "report: runs/demo/results/report.html"

real: .venv/installed  ## the workflow on the real maps of CHROMLOOM_REAL_DATA, and its report
	$(SNAKEMAKE) --directory runs/real --configfile config/real/config.yaml
	$(SNAKEMAKE) --directory runs/real --configfile config/real/config.yaml --report results/report.html
	@echo "report: runs/real/results/report.html"

report: .venv/installed  ## the report of the study in config/config.yaml
	$(SNAKEMAKE) --report results/report.html finished

STUDY ?= runs/demo
view: .venv/installed  ## the maps of a study in the browser, without the internet: make view STUDY=runs/real
	$(BIN)/chromloom view $(STUDY)

test: .venv/installed chromium  ## every test
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

bench: .venv/installed  ## the benchmarks: table, JSON and plot in results/bench
	$(BIN)/python benchmarks/kernels.py --out results/bench
	$(BIN)/python benchmarks/akita.py --out results/bench
	$(BIN)/python benchmarks/epiphany.py --out results/bench
	$(BIN)/python benchmarks/accuracy.py --out results/bench
	$(BIN)/python benchmarks/joint.py --out results/bench
	$(BIN)/python benchmarks/predictors.py --out results/bench
	$(BIN)/python benchmarks/expression.py --out results/bench

simulated: .venv/installed  ## models compared with simulated genomes, and the report; minutes
	$(SNAKEMAKE) --directory runs/simulated --configfile config/simulated/config.yaml -- simulated
	$(SNAKEMAKE) --directory runs/simulated --configfile config/simulated/config.yaml --report results/report.html -- simulated
	@echo "report: runs/simulated/results/report.html"

docs: .venv/installed  ## the documentation as a site: site/index.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs site

lint: .venv/installed  ## style, spelling, types, and the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile rules
	$(SNAKEMAKE) --lint

lock:  ## renew both locks from requirements.in and requirements-dev.in, in a virtual environment of its own
	rm -rf .lock && $(PYTHON) -m venv .lock && .lock/bin/pip install -q -r requirements.in
	{ echo "# Lock of requirements.in for Python 3.11 on Linux, made by: make lock"; \
	  .lock/bin/pip freeze | sed 's/+cpu$$//' | grep -v '^nvidia'; } > requirements.txt
	.lock/bin/pip install -q -c requirements.txt -r requirements-dev.in
	{ echo "# Lock of requirements-dev.in on top of requirements.txt, made by: make lock"; \
	  .lock/bin/pip freeze | sed 's/+cpu$$//' | grep -v '^nvidia' | grep -vxFf requirements.txt; } > requirements-dev.txt
	rm -rf .lock

clean:
	rm -rf results runs/demo site docs/api

.venv/installed: requirements.txt requirements-dev.txt | bedtools
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=python3.12, say")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m chromloom.kernels  # compiled here, not in the first job that computes
	touch $@

bedtools:
	@command -v bedtools >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq bedtools >/dev/null; } \
	  || { echo "bedtools is missing: install it (apt install bedtools, brew install bedtools or conda install -c bioconda bedtools)"; exit 1; }

chromium:  # opens the page of the viewer in a test, which is skipped without it
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { [ "$$(id -u)" = 0 ] \
	  && command -v apt-get >/dev/null && apt-get update -qq \
	  && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || echo "chromium is missing: the page of the viewer is not tested"
