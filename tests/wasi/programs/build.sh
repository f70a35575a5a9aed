#!/bin/sh
# Rebuilds the programs from their sources: sh build.sh [NAME.c ...]. Needs ziglang from PyPI.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
[ $# -gt 0 ] || set -- *.c
for source in "$@"; do
    options=
    [ "$source" = library.c ] && options=-mexec-model=reactor
    "$python" -m ziglang cc -target wasm32-wasi -Oz -s -Wall -Wextra $options \
        -o "${source%.c}.wasm" "$source"
done
