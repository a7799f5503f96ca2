#!/bin/bash
# alone.sh PROGRAM: the program runs where nothing is installed. A directory with the program, the C library and its loader
# becomes its root. What it links is checked first, since that says more when it fails.
set -euo pipefail
program=$1
needed=$(readelf -d "$program" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
echo "needs:" $needed
if extra=$(grep -vxE 'lib[cm]\.so\.6|ld-linux[-_a-z0-9]*\.so\.[0-9]+' <<<"$needed"); then
  echo "these are not the C library: $extra" >&2
  exit 1
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$program" "$root/baton"
for file in $(ldd "$program" | grep -oE '/[^ ]+'); do
  mkdir -p "$root/$(dirname "$file")"
  cp "$file" "$root/$file"
done
if ((EUID == 0)); then
  chroot "$root" /baton --version
elif unshare --user --map-root-user true 2>/dev/null; then
  unshare --user --map-root-user chroot "$root" /baton --version
else
  echo "neither root nor user namespaces here: only what it links was checked"
fi
