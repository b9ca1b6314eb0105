#!/bin/sh
# Build what the page is made of, into a folder: by `make viewer`, with Node.js and the Zig that it installs.
set -eu
cd "$(dirname "$0")"
out=$1 zig=$2
mkdir -p "$out"

kernel() {
	name=$1
	shift
	"$zig" -m ziglang cc -target wasm32-freestanding -O3 -msimd128 "$@" -nostdlib -Wl,--no-entry -Wl,--import-memory \
		-Wl,-z,stack-size=65536 -Wl,--strip-all -o "$out/$name.wasm" kernel.c
	chmod 644 "$out/$name.wasm"
}

kernel kernel
kernel kernel-relaxed -mrelaxed-simd

bundle() {
	npx --yes esbuild@0.28.2 "$@" --bundle --minify --charset=utf8 --target=es2023 --log-level=warning --outdir="$out"
}

bundle main.js style.css --format=esm
bundle worker.js --format=iife # from disk, browsers run no workers that are modules
