# Needs Python 3.11 or newer and nothing else: `make demo` and `make test` install what they use into .venv.
# In a fresh clone, or after `make clean`, `make test TORCH=2.9.*` does so with that version of torch.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
FFTOOL := $(BIN)/fftool

.PHONY: demo pictures homework test test-gpu lint types readme viewer clean

demo: .venv/installed
	mkdir -p demo
	$(FFTOOL) train examples/astronaut.jpg --epochs 20 -o demo/astronaut.st --overwrite
	$(FFTOOL) render demo/astronaut.st --size 500x500 -o demo/astronaut-500x500.png --overwrite
	$(FFTOOL) render demo/astronaut.st --size 500x500 --crop 0.3,0.1,0.3,0.3 -o demo/astronaut-face.png --overwrite
	$(FFTOOL) view demo/astronaut.st --source examples/astronaut.jpg -o demo/astronaut.html --overwrite
	$(FFTOOL) compare examples/mushroom.png --scale auto --scale 1 --scale 2 --scale 10 --epochs 150 --size 500x500 \
		-o demo/mushroom.png --explain demo/mushroom-scale.png --overwrite
	$(FFTOOL) encode-viz --scale 1 --scale 10 --scale 100 -o demo/encoding --overwrite
	@echo
	@echo "The photo:                         examples/astronaut.jpg"
	@echo "The photo, rendered at 500x500:    demo/astronaut-500x500.png"
	@echo "The face, rendered at 500x500:     demo/astronaut-face.png"
	@echo "To zoom into, in a browser:        demo/astronaut.html"
	@echo "15x15 pixels, at four scales:      demo/mushroom.png"
	@echo "How auto chose one of them:        demo/mushroom-scale.png"
	@echo "The features at three scales:      demo/encoding/scales.png"

# Images that the README shows.
pictures: demo
	$(FFTOOL) render demo/astronaut.st --size 500x500 -o examples/astronaut-500x500.jpg --overwrite
	$(FFTOOL) render demo/astronaut.st --size 500x500 --crop 0.3,0.1,0.3,0.3 -o examples/astronaut-face.jpg --overwrite
	$(FFTOOL) compare examples/astronaut.jpg --scale auto --epochs 20 -o demo/compare.png \
		--explain examples/astronaut-scale.jpg --overwrite
	$(BIN)/python examples/enlarge.py

# Images that examples/homework/README.md shows.
homework: .venv/installed
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/homework/run.sh
	$(BIN)/python examples/homework/shrink.py

test: .venv/developing
	$(BIN)/pytest

# On a machine with a GPU, and a torch for it: what needs one.
test-gpu: .venv/developing
	CUDA_VISIBLE_DEVICES=0 $(BIN)/pytest tests/test_cuda.py

lint: .venv/developing
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: .venv/developing
	$(BIN)/mypy

# Write the commands' help into the README; `make readme CHECK=--check` only compares.
readme: .venv/developing
	$(BIN)/cog $(or $(CHECK),-r) README.md

# Build the viewer of `fftool view`, with Node.js; `make viewer CHECK=--check` only compares it with what is there.
VIEWER := fftool/export/viewer
viewer: .venv/viewer
	sh $(VIEWER)/build.sh $(CURDIR)/$(if $(CHECK),.venv/built,$(VIEWER)/built) $(CURDIR)/$(BIN)/python
	$(if $(CHECK),diff -r .venv/built $(VIEWER)/built)

.venv/viewer: .venv/installed
	$(BIN)/pip install --quiet ziglang==0.15.2
	touch $@

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable . $(if $(TORCH),"torch==$(TORCH)")
	touch $@

.venv/developing: .venv/installed
	$(BIN)/pip install --quiet --editable ".[dev]" $(if $(TORCH),"torch==$(TORCH)")
	touch $@

clean:
	rm -rf .venv demo homework paper dist
