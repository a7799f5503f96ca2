#!/bin/bash
# run.sh BUILD_DIR COMPILER: installs the build into a temporary prefix, moves it (a package may be unpacked anywhere),
# then configures, builds and runs consumer/ against it.
set -euo pipefail
build=$1
compiler=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/staged" >/dev/null
mv "$work/staged" "$work/prefix"
cmake -G Ninja -S "$here/consumer" -B "$work/build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"
"$work/build/consumer" "$work/data"
