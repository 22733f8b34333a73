# One screen of commands; `make` alone lists them. Written for GNU make 3.81 (macOS) and newer.
# Without make: the plain commands are in README.md.

VENV ?= .venv
PYTHON_BIN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv book pdf test test-all lab execute figures data lint repository cover lock links newest clean

help: ## lists these commands
	@echo "Large Language Models, Measured"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  The first of them installs into $(VENV); PYTHON=python3.12 chooses the interpreter."

$(STAMP): requirements.txt pyproject.toml
	@PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)"
	@touch $(STAMP)

venv: $(STAMP) ## makes the environment, nothing else

book: $(STAMP) ## builds the site from the stored outputs and says where to open it
	@$(PYTHON_BIN) scripts/book.py

pdf: $(STAMP) ## prints the site into one PDF; needs Chromium or Chrome
	@$(PYTHON_BIN) scripts/pdf.py $(ARGS)

test: $(STAMP) ## checks the book, and again what has changed; STAGES="lint types" runs only those
	@$(PYTHON_BIN) scripts/test.py $(STAGES) $(ARGS)

test-all: $(STAMP) ## checks all of it again; PART=foundations only the notebooks of that part
	@$(PYTHON_BIN) scripts/test.py $(STAGES) --all $(if $(PART),--part $(PART)) $(ARGS)

lab: $(STAMP) ## opens the notebooks in JupyterLab; ARGS=--no-browser and the like go to it
	@$(PYTHON_BIN) scripts/lab.py $(ARGS)

execute: $(STAMP) ## runs the notebooks whose code has changed; ARGS=--all runs all of them
	@$(PYTHON_BIN) scripts/execute.py $(ARGS)

figures: $(STAMP) ## numbers figures and what refers to them again, after one was added or moved
	@$(PYTHON_BIN) scripts/figures.py $(ARGS)

data: $(STAMP) ## fetches the texts and data that the chapters read, ahead of time
	@$(PYTHON_BIN) -m labutils data fetch --all

lint: $(STAMP) ## checks style and types
	@$(PYTHON_BIN) scripts/test.py lint types

repository: $(STAMP) ## carries addresses, citations and folds everywhere
	@$(PYTHON_BIN) scripts/repository.py

cover: $(STAMP) ## measures and draws what the README, the landing page and links show
	@$(PYTHON_BIN) scripts/cover.py

lock: $(STAMP) ## pins again what requirements.txt brings
	@$(PYTHON_BIN) scripts/lock.py

links: $(STAMP) ## asks every external link whether it still leads somewhere
	@$(PYTHON_BIN) scripts/links.py

newest: ## tries the book with the newest libraries, in an environment of its own
	@$(or $(PYTHON),python3) scripts/newest.py $(ARGS)

clean: ## removes what was built; the environment and the data stay
	@rm -rf _build build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
