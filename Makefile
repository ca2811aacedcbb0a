# `make demo` and `make test` are all a new user needs: each makes the virtual environment if it is missing.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tests of one file share nets and folders. More than four processes would need more memory than a laptop has.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-all lint format bench passes conversions small-sets growing continual soak proto docs clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "caffelungo needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch, ONNX Runtime and the rest into $(VENV): about 6 GB, some minutes the first time."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/lungo demo

test: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL)

test-all: $(STAMP)
	$(BIN)/python -m pytest $(PARALLEL) -m "slow or not slow" --timeout 1800

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy engine/caffelungo

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Every pass on every net, hours on one core; stopped, it goes on where it was.
passes: $(STAMP)
	$(BIN)/python -m benchmarks.passes

# Every model and every net through `lungo convert`, likewise.
conversions: $(STAMP)
	$(BIN)/python -m benchmarks.conversion

# The defaults of `lungo probe` and `lungo finetune` on small sets of photos against what they replace: hours, likewise.
small-sets: $(STAMP)
	$(BIN)/python -m benchmarks.small_sets

# kill -9 at random moments, damaged inputs and values at the ends of their ranges: about an hour on one core.
soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak

# Growth against its controls and linear classifiers; one net on three tasks, one after the other: hours, likewise.
growing: $(STAMP)
	$(BIN)/python -m benchmarks.growing

continual: $(STAMP)
	$(BIN)/python -m benchmarks.continual

# Everything that is generated from the code: pages, and the lists that promise names and options.
docs: $(STAMP)
	$(BIN)/python -m caffelungo.layers.documentation > docs/layers.md.tmp && mv docs/layers.md.tmp docs/layers.md
	$(BIN)/python -m caffelungo.passes.documentation > docs/recipes.md.tmp && mv docs/recipes.md.tmp docs/recipes.md
	$(BIN)/python -m caffelungo.data.documentation > docs/augmentations.md.tmp && mv docs/augmentations.md.tmp docs/augmentations.md
	$(BIN)/python -m tests.cli.test_json
	$(BIN)/python -m tests.cli.test_options
	$(BIN)/python -m tests.api.test_public
	$(BIN)/python -m tests.api.test_option_help

proto: $(STAMP)
	$(BIN)/python -m grpc_tools.protoc -Iproto --include_imports --descriptor_set_out=proto/caffelungo.desc proto/caffe.proto

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
