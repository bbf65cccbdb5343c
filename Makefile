# make demo: train, boost, evaluate and report on generated faces.   make test: the tests.
# make check: format, lint, types, layers.   Each makes its own environment in .venv first.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo

.PHONY: demo test check clean

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(VENV)/bin/ferboost demo $(DEMO)

test: $(VENV)/.installed
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/test

check: $(VENV)/.installed
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" scripts/check

# torch first and pinned: another package's wish for it would bring a build of several gigabytes.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[train,tune,postgres,ray,serve,video,explain,dev]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist
