#!/bin/sh
# tests/remote/foreign.sh TEST [DIRECTORY]: runs remote-foreign (TEST) with a worker program for s390x, which is big-endian, under
# qemu-user. The program is built in DIRECTORY (build/s390x-remote), with Debian's libev of that machine, of which the packages are
# unpacked there and not installed. Where they cannot be had, it says so, tests nothing, and returns 77.

set -eu
cd "$(dirname "$0")/../.."

test=$1
dir=${2:-build/s390x-remote}
mkdir -p "$dir/debian/lists/partial" "$dir/debian/cache/archives/partial"
debian=$(cd "$dir/debian" && pwd)

# apt_of_s390x WORD...: lists and packages of its own, nothing of this machine's.
apt_of_s390x()
{
  apt-get -q -o APT::Architecture=s390x -o APT::Architectures=s390x -o APT::Sandbox::User=root \
    -o Dir::State::lists="$debian/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$debian/cache" "$@"
}

if ! [ -f "$debian/usr/include/ev.h" ]; then
  if ! { apt_of_s390x update && cd "$debian" && apt_of_s390x download libev4 libev-dev; }; then
    echo "libev4 and libev-dev for s390x cannot be had here: a worker program on another kind of machine is not tested"
    exit 77
  fi
  for deb in "$debian"/*.deb; do
    dpkg-deb -x "$deb" "$debian"
  done
  cd - >/dev/null
fi

libev=$debian/usr/lib/s390x-linux-gnu
cmake --preset s390x -B "$dir" -DBUILD_SHARED_LIBS=ON -DBUILD_TESTING=OFF -DINTERLOOP_LIBEV=ON \
  -DLIBEV_LIBRARY="$libev/libev.so" -DLIBEV_INCLUDE_DIR="$debian/usr/include"
cmake --build "$dir" --target interloop-libev interloop-remote
s390x-linux-gnu-gcc -std=gnu11 -g -Wall -Wextra -Werror -Iinclude -DGEARMAND='"gearmand"' -pthread \
  tests/remote/support.c tests/remote/foreign.c -o "$dir/remote-foreign" -L"$dir/lib" -linterloop-remote -linterloop

libraries=$PWD/$dir/lib:$libev:/usr/s390x-linux-gnu/lib
emulator="qemu-s390x-static -L /usr/s390x-linux-gnu -E LD_LIBRARY_PATH=$libraries -E INTERLOOP_BACKEND=libev"
IL_TEST_FOREIGN_WORKER="$emulator $PWD/$dir/remote-foreign" "$test"
