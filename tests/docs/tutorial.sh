#!/usr/bin/env bash
# tutorial.sh [SOURCE]: types what docs/tutorial.md tells the reader to type, in a copy of the tree and
# with a home of its own, and compares what the programs print. Bash, for its job control.
# shellcheck disable=SC2046 # the answer of pkg-config is words
set -eum -o pipefail
source=$(cd "${1:-$(dirname "$0")/../..}" && pwd)
expected=$source/examples/expected
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf "$work"' EXIT
unset INTERLOOP_BACKEND INTERLOOP_MODULE_PATH LD_LIBRARY_PATH
export HOME=$work

# prints FILE: whether the last programs printed that
prints() {
  diff "$expected/$1" "$work/out"
}

# serves: waits until the server that writes to $work/server listens
serves() {
  for _ in {1..300}; do
    ! grep -q listening "$work/server" || return 0
    sleep 0.1
  done
  echo "the server does not listen; is port 4711, which the tutorial names, free?"
  cat "$work/server"
  return 1
}

mkdir "$work/clone"
cp -R "$source"/{CMakeLists.txt,include,core,backends,docs,examples} "$work/clone"
cd "$work/clone"
{
  # [install]
  cmake -S . -B build -DBUILD_TESTING=OFF -DINTERLOOP_EXAMPLES=OFF
  cmake --build build
  cmake --install build --prefix ~/interloop
  export PKG_CONFIG_PATH=~/interloop/lib/pkgconfig LD_LIBRARY_PATH=~/interloop/lib
  export MANPATH=~/interloop/share/man:${MANPATH:-}
  # [install]
}
{
  # [hello]
  cc examples/hello.c -o hello $(pkg-config --cflags --libs interloop)
  ./hello 4711 &
  # [hello]
} >"$work/server" 2>&1
serves
{
  # [greet]
  printf 'world\n' | nc -N 127.0.0.1 4711
  # [greet]
} | grep -x 'hello world'
kill -INT %1
wait %1
{
  # [tasks]
  cd examples
  cc tutorial_tasks.c -o tasks $(pkg-config --cflags --libs interloop)
  ./tasks
  # [tasks]
} >"$work/out"
prints tutorial_tasks.txt
{
  # [cancel]
  cc tutorial_cancel.c -o cancel $(pkg-config --cflags --libs interloop)
  ./cancel
  # [cancel]
} >"$work/out"
prints tutorial_cancel.txt
{
  # [thread]
  cc tutorial_thread.c -o thread $(pkg-config --cflags --libs interloop)
  ./thread
  # [thread]
} >"$work/out"
prints tutorial_thread.txt

{
  # [secure]
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
  cc secure.c example.c -o secure $(pkg-config --cflags --libs interloop-tls)
  ./secure --port 4711 --tls cert.pem key.pem &
  # [secure]
} >"$work/server" 2>&1
serves
{
  # [ask secure]
  ./secure --port 4711 --ask localhost --ca cert.pem
  # [ask secure]
} | grep -x 'from localhost, by TLSv1.[23]'
kill -INT %1
wait %1

{
  # [server]
  cc tutorial_server.c tutorial_service.c -o server $(pkg-config --cflags --libs interloop)
  ./server 4711 &
  # [server]
} >"$work/server" 2>&1
serves
{
  # [ask]
  printf '10\n100\nfrog\n2000000\n' | nc -N 127.0.0.1 4711
  # [ask]
} >"$work/out"
prints tutorial_answers.txt
# [stop]
kill -INT %1
# [stop]
wait %1
mv "$work/server" "$work/out"
prints tutorial_server.txt

# [loops]
for loop in libuv libev libevent; do
  INTERLOOP_BACKEND=$loop ./tasks
done
# [loops]
for loop in libuv libev libevent; do
  for program in tasks cancel thread; do
    INTERLOOP_BACKEND=$loop ./$program >"$work/out"
    prints tutorial_$program.txt
  done
done
{
  # [test]
  cc tutorial_test.c tutorial_service.c -o service_test \
    $(pkg-config --cflags --libs interloop-virtual)
  ./service_test
  # [test]
} >"$work/out"
prints tutorial_test.txt
