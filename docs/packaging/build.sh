#!/bin/sh
# docs/packaging/build.sh [--check]: Debian packages of the committed tree, in build/packages. It installs what the build needs.
# --check: also in another folder, which must give the same bytes; lintian must have nothing to say; and a program is built
# against the packages' files and run.
set -eu
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

packages="git build-essential debhelper dpkg-dev fakeroot cmake ninja-build pkg-config doxygen python3 libuv1-dev libev-dev libevent-dev libssl-dev
  systemtap-sdt-dev"
[ "${1:-}" != --check ] || packages="$packages lintian"
missing=
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || { echo "docs/packaging/build.sh: as root: apt-get install$missing" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update
  # shellcheck disable=SC2086
  apt-get -q install -y --no-install-recommends $missing
fi

# build FOLDER: the packages are in it afterwards.
build() {
  mkdir -p "$1/interloop"
  git archive HEAD | tar -x -C "$1/interloop"
  mv "$1/interloop/docs/packaging/debian" "$1/interloop/debian"
  (cd "$1/interloop" && env -u CMAKE_C_COMPILER_LAUNCHER -u CMAKE_CXX_COMPILER_LAUNCHER \
    SOURCE_DATE_EPOCH="$(dpkg-parsechangelog -STimestamp)" dpkg-buildpackage -b -us -uc) >"$1/log" 2>&1 ||
    { tail -n 40 "$1/log"; exit 1; }
}

build "$work/one"
rm -rf build/packages
mkdir -p build/packages
cp "$work"/one/*.deb "$work"/one/*.changes "$work"/one/*.buildinfo build/packages
ls build/packages/*.deb
[ "${1:-}" = --check ] || exit 0

build "$work/another/and/deeper"
for package in build/packages/*.deb; do
  cmp "$package" "$work/another/and/deeper/$(basename "$package")"
done
echo 'built twice, the same bytes'

(cd build/packages && lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs ./*.changes)
echo 'lintian has nothing to say'

for package in build/packages/*.deb; do
  dpkg-deb -x "$package" "$work/root"
done
lib=$(dirname "$(find "$work/root" -name libinterloop.so)")
for loop in libuv libev libevent; do
  # shellcheck disable=SC2046
  cc -std=c11 -DCONSUMER_ACCESSOR=il_$loop -DCONSUMER_HEADER="<interloop/$loop.h>" "$top/tests/install/consumer.c" \
    -o "$work/consumer" $(PKG_CONFIG_PATH=$lib/pkgconfig pkg-config --cflags --libs interloop-$loop)
  LD_LIBRARY_PATH=$lib timeout 20 "$work/consumer" $loop
done
for library in "$lib"/*.so; do
  readelf -d -l "$library" | grep -q BIND_NOW && readelf -l "$library" | grep -q GNU_RELRO ||
    { echo "$library is not hardened"; exit 1; }
done
echo 'a program of each loop runs, the libraries are hardened'
