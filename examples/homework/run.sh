#!/bin/sh
# The assignments 2b, 3c, 3d, 3e and 3f, as fftool commands. Their pictures and tables go into ./homework.
set -eu
examples=$(dirname "$0")/..
photo=$examples/astronaut.jpg
pixels=$examples/mushroom.png
epochs=${EPOCHS:-20}
mkdir -p homework

echo "2b: what the features look like, and what the scale does to them"
fftool encode-viz --dimension 25 --scale 1 --scale 10 --scale 100 --size 100x100 -o homework/2b --overwrite

echo "3c: learn the photo at scale 25, and draw it at 500x500"
fftool train "$photo" --scale 25 --epochs "$epochs" -o homework/3c.st --overwrite
fftool render homework/3c.st --size 500x500 -o homework/3c.jpg --overwrite

echo "3d: the same at scales 1 and 300"
fftool compare "$photo" --scale 1 --scale 25 --scale 300 --epochs "$epochs" \
    -o homework/3d.jpg --curves homework/3d-curves.png --csv homework/3d.csv --overwrite

echo "3e: a picture of 15x15 pixels, drawn at 500x500"
fftool compare "$pixels" --scale 0.5 --scale 1 --scale 2 --scale 10 --epochs 150 --size 500x500 \
    -o homework/3e.jpg --csv homework/3e.csv --overwrite
echo "    and how well pixels are guessed that were held out"
fftool compare "$pixels" --scale 0.5 --scale 1 --scale 2 --scale 10 --epochs 150 --holdout 0.1 \
    -o homework/3e-holdout.jpg --csv homework/3e-holdout.csv --overwrite

echo "3f: without the encoding"
fftool compare "$photo" --scale 25 --encoding gaussian --encoding none --epochs "$epochs" \
    -o homework/3f.jpg --curves homework/3f-curves.png --csv homework/3f.csv --overwrite
