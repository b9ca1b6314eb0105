#!/bin/sh
# The assignments 2b, 3c, 3d, 3e and 3f, as fftool commands. Images and tables go to ./homework.
set -eu
examples=$(dirname "$0")/..
photo=$examples/astronaut.jpg
pixels=$examples/mushroom.png
epochs=${EPOCHS:-20}
mkdir -p homework

echo "2b: the features, and the effect of the scale"
fftool encode-viz --dimension 25 --scale 1 --scale 10 --scale 100 --size 100x100 -o homework/2b --overwrite

echo "3c: fit the photo at scale 25, and render it at 500x500"
fftool train "$photo" --scale 25 --epochs "$epochs" -o homework/3c.st --overwrite
fftool render homework/3c.st --size 500x500 -o homework/3c.jpg --overwrite

echo "3d: the same at scales 1 and 300"
fftool compare "$photo" --scale 1 --scale 25 --scale 300 --epochs "$epochs" \
    -o homework/3d.jpg --curves homework/3d-curves.png --csv homework/3d.csv --overwrite

echo "3e: an image of 15x15 pixels, rendered at 500x500"
fftool compare "$pixels" --scale 0.5 --scale 1 --scale 2 --scale 10 --epochs 150 --size 500x500 \
    -o homework/3e.jpg --csv homework/3e.csv --overwrite
echo "    with held-out pixels"
fftool compare "$pixels" --scale 0.5 --scale 1 --scale 2 --scale 10 --epochs 150 --holdout 0.1 \
    -o homework/3e-holdout.jpg --csv homework/3e-holdout.csv --overwrite

echo "3f: without the encoding"
fftool compare "$photo" --scale 25 --encoding gaussian --encoding none --epochs "$epochs" \
    -o homework/3f.jpg --curves homework/3f-curves.png --csv homework/3f.csv --overwrite
