# Needs Python 3.11 or newer and nothing else: `make demo` and `make test` install what they use into .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
FFTOOL := .venv/bin/fftool

.PHONY: demo pictures homework test lint types readme clean

demo: .venv/installed
	mkdir -p demo
	$(FFTOOL) train examples/astronaut.jpg --epochs 20 -o demo/astronaut.st --overwrite
	$(FFTOOL) render demo/astronaut.st --size 500x500 -o demo/astronaut-500x500.png --overwrite
	$(FFTOOL) render demo/astronaut.st --size 500x500 --crop 0.3,0.1,0.3,0.3 -o demo/astronaut-face.png --overwrite
	$(FFTOOL) compare examples/mushroom.png --scale auto --scale 1 --scale 2 --scale 10 --epochs 150 --size 500x500 \
		-o demo/mushroom.png --explain demo/mushroom-scale.png --overwrite
	$(FFTOOL) encode-viz --scale 1 --scale 10 --scale 100 -o demo/encoding --overwrite
	@echo
	@echo "The photo:                        examples/astronaut.jpg"
	@echo "The network's picture of it:      demo/astronaut-500x500.png"
	@echo "The face, drawn anew at 500x500:  demo/astronaut-face.png"
	@echo "15x15 pixels by four networks:    demo/mushroom.png"
	@echo "Why one of them has its scale:    demo/mushroom-scale.png"
	@echo "What the scale does:              demo/encoding/scales.png"

# The README's copies of what the demo draws.
pictures: demo
	$(FFTOOL) render demo/astronaut.st --size 500x500 -o examples/astronaut-500x500.jpg --overwrite
	$(FFTOOL) render demo/astronaut.st --size 500x500 --crop 0.3,0.1,0.3,0.3 -o examples/astronaut-face.jpg --overwrite
	$(FFTOOL) compare examples/astronaut.jpg --scale auto --epochs 20 -o demo/compare.png \
		--explain examples/astronaut-scale.jpg --overwrite

# What examples/homework/README.md shows.
homework: .venv/installed
	PATH="$(CURDIR)/.venv/bin:$$PATH" sh examples/homework/run.sh
	.venv/bin/python examples/homework/shrink.py

test: .venv/developing
	.venv/bin/pytest

lint: .venv/developing
	.venv/bin/ruff format --check
	.venv/bin/ruff check

types: .venv/developing
	.venv/bin/mypy

# Write the commands' help into the README; `make readme CHECK=--check` only compares.
readme: .venv/developing
	.venv/bin/cog $(or $(CHECK),-r) README.md

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --editable .
	touch $@

.venv/developing: .venv/installed
	.venv/bin/pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv demo homework paper dist
