#!/bin/sh
# run.sh SOURCE [CC [CXX [FLAG]]]: installs the library, moves the tree, and proves that programs outside it build
# and run: by pkg-config and by find_package, shared and static, each backend linked and by name.
set -eu

source=$(cd "$1" && pwd)
CC=${2:-${CC:-cc}}
CXX=${3:-${CXX:-c++}}
cxx_flag=${4:-}
here=$source/tests/install
work=$(mktemp -d "${TMPDIR:-/tmp}/interloop-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
unset INTERLOOP_BACKEND INTERLOOP_MODULE_PATH LD_LIBRARY_PATH || :
checked=0

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

# run PROGRAM [BACKEND]: within a bounded time, with nothing on stderr
run() {
  timeout 20 "$@" 2>"$work/stderr" || fail "$* failed: $(cat "$work/stderr")"
  [ ! -s "$work/stderr" ] || fail "$* said: $(cat "$work/stderr")"
  checked=$((checked + 1))
}

# A manual page a function, without an error of its form; and of what was installed uninstalling leaves nothing.
documented_and_uninstalled() {
  cmake --install "$work/build" --prefix "$work/gone" >"$work/log" || fail "install: $(cat "$work/log")"
  for page in "$work"/gone/share/man/man3/il_sleep.3 "$work"/gone/share/man/man7/interloop.7; do
    [ -s "$page" ] || fail "there is no $page"
  done
  groff -man -ww -z "$work"/gone/share/man/man?/* >"$work/log" 2>&1
  [ ! -s "$work/log" ] || fail "manual pages: $(cat "$work/log")"
  touch "$work/gone/kept"
  cmake --build "$work/build" --target uninstall >"$work/log" || fail "uninstall: $(cat "$work/log")"
  [ "$(find "$work/gone" -mindepth 1)" = "$work/gone/kept" ] ||
    fail "uninstalling leaves $(find "$work/gone" -mindepth 1)"
}

# Where each kind of file has a place of its own, given by its whole path.
into_places() {
  pc=$work/places/libraries/pkgconfig lib=$work/places/libraries
  cmake -S "$source" -B "$work/build" -DCMAKE_INSTALL_PREFIX="$work/places/rest" -DCMAKE_INSTALL_LIBDIR="$lib" \
    -DCMAKE_INSTALL_INCLUDEDIR="$work/places/headers" -DCMAKE_INSTALL_BINDIR="$work/places/programs" >"$work/log" ||
    fail "places: configure failed: $(cat "$work/log")"
  cmake --build "$work/build" --parallel 2 >"$work/log" || fail "places: build: $(cat "$work/log")"
  cmake --install "$work/build" >"$work/log" || fail "places: install: $(cat "$work/log")"
  by_pkg_config interloop-virtual "$work/in_places" \
    -DCONSUMER_ACCESSOR=il_virtual -DCONSUMER_HEADER="<interloop/virtual.h>"
  run "$work/in_places" virtual
  run "$work/places/programs/interloop-worker" --help >"$work/log"
  [ -n "$(find "$lib" -name '*-gdb.py')" ] || fail "what gdb looks for is not beside the library"
}

# install_moved KIND ON|OFF: builds, installs, moves the tree and removes what it was built from
install_moved() {
  cmake -S "$source" -B "$work/build" -DCMAKE_C_COMPILER="$CC" -DCMAKE_BUILD_TYPE=Debug \
    -DBUILD_SHARED_LIBS="$2" -DBUILD_TESTING=OFF -DINTERLOOP_EXAMPLES=OFF -DINTERLOOP_MAN="$2" >"$work/log" ||
    fail "$1: configure failed: $(cat "$work/log")"
  cmake --build "$work/build" --parallel 2 >"$work/log" || fail "$1: build: $(cat "$work/log")"
  [ "$1" = static ] || documented_and_uninstalled
  cmake --install "$work/build" --prefix "$work/staged" >"$work/log" ||
    fail "$1: install: $(cat "$work/log")"
  mv "$work/staged" "$work/$1"
  [ "$1" = static ] || into_places
  rm -r "$work/build"
  prefix=$work/$1
  pc=$(dirname "$(find "$prefix" -name interloop.pc)")
  lib=$(dirname "$pc")
  ! grep -rlF "$work" "$pc" "$lib/cmake" || fail "$1: the files above name the place they came from"
  backends=
  for name in libuv libev libevent virtual; do
    [ ! -f "$pc/interloop-$name.pc" ] || backends="$backends $name"
  done
  tls=
  [ ! -f "$pc/interloop-tls.pc" ] || tls=tls
}

# by_pkg_config PACKAGES OUTPUT [FLAG...]
by_pkg_config() {
  package=$1
  output=$2
  shift 2
  # Word splitting is what pkg-config's answer wants.
  # shellcheck disable=SC2046,SC2086
  $CC -std=c11 -Wall -Wextra -Wpedantic -Werror "$@" "$here/${program:-consumer}.c" -o "$output" \
    $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs $package) -Wl,-rpath,"$lib" ||
    fail "$package: $output does not build"
}

# cxx_program SOURCE BACKEND OUTPUT [FLAG...]
cxx_program() {
  file=$1
  package=interloop-$2
  output=$3
  shift 3
  # shellcheck disable=SC2046,SC2086
  $CXX -std=c++11 -g -O1 -Wall -Wextra -Werror $cxx_flag "$@" "$file" -o "$output" \
    $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs "$package") -pthread -Wl,-rpath,"$lib" ||
    fail "$package: $output does not build"
}

# in_cxx KIND: exceptions in tasks; and the library as it is serves programs with sanitizers.
in_cxx() {
  cxx_program "$here/../embed/exceptions.cpp" virtual "$work/exceptions-$1"
  run "$work/exceptions-$1" # in virtual time
  for sanitizer in address thread; do
    for name in $backends; do
      output=$work/$name-$1-$sanitizer
      cxx_program "$here/sanitized.cpp" "$name" "$output" "-fsanitize=$sanitizer" \
        -DCONSUMER_ACCESSOR="il_$name" -DCONSUMER_HEADER="<interloop/$name.h>"
      run "$output" "$name"
    done
  done
}

by_cmake() {
  mkdir -p "$work/consumer"
  cp "$here/consumer.c" "$here/large_frame.c" "$work/consumer"
  cp "$here/consumer.cmake" "$work/consumer/CMakeLists.txt"
  rm -rf "$work/consumer/build"
  cmake -S "$work/consumer" -B "$work/consumer/build" -DCMAKE_C_COMPILER="$CC" \
    -DCMAKE_PREFIX_PATH="$prefix" -DBACKENDS="$(echo "$backends" | xargs | tr ' ' ';')" -DTLS=$tls >"$work/log" ||
    fail "find_package: $(cat "$work/log")"
  cmake --build "$work/consumer/build" >"$work/log" || fail "consumer: $(cat "$work/log")"
  grep -q "$prefix" "$work/consumer/build/CMakeCache.txt" || fail "another interloop was found"
}

# As a part of another project, in which nothing of ours but the libraries is made.
as_a_part() {
  mkdir -p "$work/whole"
  cp "$here/consumer.c" "$work/whole"
  cp "$here/subproject.cmake" "$work/whole/CMakeLists.txt"
  cmake -S "$work/whole" -B "$work/whole/build" -DCMAKE_C_COMPILER="$CC" -DINTERLOOP_SOURCE="$source" >"$work/log" ||
    fail "FetchContent: $(cat "$work/log")"
  cmake --build "$work/whole/build" --parallel 2 --target consumer >"$work/log" || fail "FetchContent: $(cat "$work/log")"
  run "$work/whole/build/consumer" virtual
  rm -r "$work/whole"
}

# by_meson BACKEND: what is installed, found by pkg-config
by_meson() {
  mkdir -p "$work/meson"
  cp "$here/consumer.c" "$work/meson"
  sed "s/@BACKEND@/$1/g" "$here/consumer.meson" >"$work/meson/meson.build"
  (cd "$work/meson" && CC=$CC PKG_CONFIG_PATH=$pc meson setup build && meson compile -C build) >"$work/log" 2>&1 ||
    fail "meson: $(cat "$work/log")"
  run "$work/meson/build/consumer" "$1"
}

# The installed interloop-worker serves a module that is built here. It is there with shared libraries only.
by_worker() {
  gearmand=$(PATH=$PATH:/usr/sbin command -v gearmand) || {
    echo "gearmand is missing (Debian: gearman-job-server): interloop-worker is not run"
    return 0
  }
  # shellcheck disable=SC2046
  $CC -std=gnu11 -Wall -Wextra -Werror -DMODULE -shared -fPIC "$here/remote.c" -o "$work/functions.so" \
    $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs interloop) -Wl,-rpath,"$lib" || fail "the module does not build"
  program=remote by_pkg_config interloop-remote "$work/remote" -std=gnu11
  port=$("$work/remote")
  user=
  [ "$(id -u)" != 0 ] || user="-u nobody"
  # shellcheck disable=SC2086
  "$gearmand" $user -L 127.0.0.1 -p "$port" --job-retries=1 -l stderr --verbose=CRITICAL &
  server=$!
  "$prefix/bin/interloop-worker" --server "127.0.0.1:$port" --slots 1 "$work/functions.so" 2>"$work/worker" &
  worker=$!
  trap 'kill -9 $server $worker 2>/dev/null; rm -rf "$work"' EXIT
  run "$work/remote" "127.0.0.1:$port"
  kill "$worker"
  wait "$worker" || fail "interloop-worker failed: $(cat "$work/worker")"
  [ ! -s "$work/worker" ] || fail "interloop-worker said: $(cat "$work/worker")"
  kill "$server"
  wait "$server" || :
  trap 'rm -rf "$work"' EXIT
}

install_moved shared ON
for name in $backends; do
  by_pkg_config "interloop-$name" "$work/$name" \
    -DCONSUMER_ACCESSOR="il_$name" -DCONSUMER_HEADER="<interloop/$name.h>"
  run "$work/$name" "$name"
done
by_pkg_config interloop "$work/by_name"
[ -z "$tls" ] || by_pkg_config interloop-tls "$work/tls" -DCONSUMER_TLS
by_cmake
for name in $backends; do
  run "$work/consumer/build/$name" "$name"
  run "$work/consumer/build/by_name_consumer" "$name"
  run "$work/by_name" "$name"
  [ -z "$tls" ] || run "$work/tls" "$name"
done

# What keeps a large frame from jumping over the guard below a task's stack.
probes=$(PKG_CONFIG_PATH=$pc pkg-config --variable=stack_cflags interloop)
if [ -n "$probes" ]; then
  program=large_frame by_pkg_config interloop "$work/large_frame" -D_GNU_SOURCE "$probes"
  run "$work/large_frame" virtual
  run "$work/consumer/build/by_name_large_frame" virtual
fi

by_worker
in_cxx shared
if [ -z "$cxx_flag" ]; then # once, with the first compiler
  as_a_part
  by_meson virtual
fi

# A module that is not beside libinterloop is found through the environment.
mkdir "$work/modules"
mv "$lib"/libinterloop-virtual.so* "$work/modules"
! timeout 20 "$work/by_name" virtual 2>/dev/null || fail "found a module that is not there"
export INTERLOOP_MODULE_PATH="/nowhere:$work/modules"
run "$work/by_name" virtual
unset INTERLOOP_MODULE_PATH

install_moved static OFF
for name in $backends; do
  by_pkg_config "interloop-$name" "$work/$name-static" -DCONSUMER_STATIC \
    -DCONSUMER_ACCESSOR="il_$name" -DCONSUMER_HEADER="<interloop/$name.h>"
  run "$work/$name-static" "$name"
  [ -z "$tls" ] || by_pkg_config "interloop-tls interloop-$name" "$work/$name-tls-static" -DCONSUMER_STATIC \
    -DCONSUMER_TLS -DCONSUMER_ACCESSOR="il_$name" -DCONSUMER_HEADER="<interloop/$name.h>"
  [ -z "$tls" ] || run "$work/$name-tls-static" "$name"
done
by_pkg_config interloop-virtual "$work/collected" -DCONSUMER_STATIC \
  -DCONSUMER_ACCESSOR=il_virtual -DCONSUMER_HEADER="<interloop/virtual.h>" -Wl,--gc-sections
nm "$work/collected" | grep -q ' il_gdb_layout$' || fail "what gdb looks for is not linked"
by_cmake
for name in $backends; do
  run "$work/consumer/build/$name" "$name"
done
in_cxx static
echo "$checked programs ran"
