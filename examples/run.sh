#!/bin/sh
# Runs every example on every loop: sets the machine up, builds, and prints a table program x loop.
#
#   sh examples/run.sh [--quick] [--complete]  everything; --quick with fewer requests; --complete: what is
#                                              left out, for this machine lacks something, is a failure
#   sh examples/run.sh serve [BACKEND] [PORT]  leaves the server up (libuv, 4711)
#   sh examples/run.sh --build DIR [--quick]   with a build that is there already
#
# A cell is `pass` when the program ends well and its output is what examples/expected (or a tool of
# the system) says; the last column tells whether the output is the same on all loops. Where threads
# race, the order of lines or words is taken out before comparing, and nothing else.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
loops='libuv libev libevent'
build=build/examples
clients=50
rounds=20
seconds=3       # of wrk
requests=160000 # of redis-benchmark
mode=run
setup=yes
complete=no
LC_ALL=C
export LC_ALL

usage() {
  sed -n 's/^#   //p' examples/run.sh
  exit 2
}

backend=libuv
port=4711
while [ $# -gt 0 ]; do
  case $1 in
    --quick) rounds=5 seconds=1 requests=32000 ;;
    --complete) complete=yes ;;
    --build) [ $# -gt 1 ] || usage; build=$2; setup=no; shift ;;
    serve) mode=serve; backend=${2:-$backend}; port=${3:-$port}; break ;;
    *) usage ;;
  esac
  shift
done
bin=$build/examples
work=$build/examples-run
mkdir -p "$work" || exit 1

begin=$(date +%s)
say() {
  printf '[%3d s] %s\n' $(($(date +%s) - begin)) "$*"
}

# step WHAT COMMAND...: runs it quietly, shows that it goes on, and what it said if it fails.
step() {
  say "$1"
  log=$work/step.log
  shift
  "$@" >"$log" 2>&1 &
  step_pid=$!
  ticks=0
  while kill -0 "$step_pid" 2>/dev/null; do
    sleep 0.2
    ticks=$((ticks + 1))
    [ $((ticks % 25)) -ne 0 ] || say "  $(tail -n 1 "$log" | sed "s|$root/||g" | cut -c 1-70)"
  done
  if ! wait "$step_pid"; then
    tail -n 30 "$log" | sed "s|$root/||g"
    echo "That failed. The last lines above say why. Again: $* (in $root)"
    exit 1
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  missing=
  packages='libc6-dev cmake ninja-build pkg-config libuv1-dev libev-dev libevent-dev wamerican'
  command -v cc >/dev/null || packages="gcc $packages"
  packages="$packages netcat-openbsd libsqlite3-dev sqlite3 node-llhttp curl wrk redis-tools dnsmasq-base bind9-dnsutils"
  packages="$packages libhiredis-dev redis-server libcurl4-openssl-dev nginx-light libc-ares-dev"
  packages="$packages libpq-dev postgresql"
  packages="$packages libssl-dev openssl dnsperf python3-websockets python3-prometheus-client gearman-job-server"
  packages="$packages libzmq3-dev librdkafka-dev libmosquitto-dev mosquitto libnghttp2-dev" # for the recipes
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here: going on with what there is, without$missing"
    return 0
  fi
  [ "$(id -u)" = 0 ] || sudo -v || exit 1
  step 'package lists' as_root apt-get update
  # shellcheck disable=SC2086
  step "packages:$missing" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing
}

if [ $setup = yes ]; then
  install_packages
  step 'configure' cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DINTERLOOP_MAN=OFF \
    -DIL_WERROR="${IL_WERROR:-OFF}"
  step 'build' cmake --build "$build"
fi

if [ $mode = serve ]; then
  cat <<END
The server runs on $backend, port $port, until Ctrl-C. Talk to it from another terminal:

  printf 'blocking 100000\npool 50000\n' | nc -N 127.0.0.1 $port
  nc 127.0.0.1 $port      and then type: async 7   event 7   tasks 9
END
  exec "$bin/server" --backend "$backend" --port "$port"
fi

# ---- running one program on one loop: each leaves $out, and its exit status in $status ----

alone() { # PROGRAM
  timeout 60 "$bin/$1" --backend "$loop" >"$out" 2>"$err"
  status=$?
}

in_virtual_time() { # PROGRAM, which runs on no other loop
  timeout 60 "$bin/$1" >"$out" 2>"$err"
  status=$?
}

# up COMMAND...: starts a server; leaves its process in $server and its port in $listening.
# timeout(1) gives it back the default dispositions, which the shell takes from what it puts into the
# background; without --foreground it would pass a signal on twice, and the second one kills.
up() {
  : >"$out.server"
  timeout --foreground 120 "$@" >"$out.server" 2>"$err" &
  server=$!
  tries=0
  listening=
  while [ -z "$listening" ] && [ $tries -lt 1200 ] && kill -0 $server 2>/dev/null; do
    sleep 0.05
    tries=$((tries + 1))
    listening=$(sed -n 's/^listening on port //p' "$out.server")
  done
  : "${listening:=0}"
}

# The server gets SIGINT at the end, and must end well by it.
second= # request, if any
served() { # REQUEST COMMAND...
  request=$1
  shift
  up "$@"
  INTERLOOP_BACKEND=$loop timeout 120 "$bin/load" "$listening" $clients $rounds "$request" \
    ${second:+"$second"} >"$out" 2>"$out.client"
  status=$?
  kill -INT $server 2>/dev/null
  wait $server
  server_status=$?
  [ $status -eq 0 ] && status=$server_status
  cat "$out.client" >>"$err"
  sed 's/ on port .*//' "$out.server" >>"$out"
}

# ---- what is compared ----

as_it_is() { cat; }
sorted() { sort; }
blocks_order() { # any worker may take any call; results come as they are ready
  sed 's/pool_[0-2]/pool_N/' | awk '/results:/ { for (i = 4; i <= NF; i++) print $1, $2, $i; next }
    { print }' | sort
}
times_out() { sed 's/[0-9][0-9]* ms of/N ms of/'; }
words_order() { # the words after the first, in any order
  awk '/squares:/ { for (i = 2; i <= NF; i++) print $1, $i; next } { print }' | sort
}

expected_file() { cat "examples/expected/$1.txt"; }

each_client() { # AWK-EXPRESSION of i, the client's number, n, which is 1000i in digits, and primes[n]
  awk -v clients=$clients "
    BEGIN {
      for (n = 2; n < 110000; n++) {
        primes[n] = primes[n - 1] + !composite[n]
        for (m = n * n; !composite[n] && m < 110000; m += n)
          composite[m] = 1
      }
      for (i = 0; i < clients; i++) {
        n = (1000 i) + 0
        print i \": \" $1
      }
    }"
  cat "examples/expected/$2.txt"
}

. examples/servers.sh

# The first process hands its socket to the next one, and ends. The next one is of the new file; while there is
# none, the first one goes on.
run_activated() {
  copy=$work/activated.$loop
  cp "$bin/activated" "$copy"
  up "$copy" --backend "$loop"
  before=$(echo hello | nc -N 127.0.0.1 "$listening")
  rm "$copy"
  kill -HUP $server
  wait_until all_have 1 'does not start: ENOENT' "$err"
  still=$(echo hello | nc -N 127.0.0.1 "$listening")
  cp "$bin/activated" "$copy"
  kill -HUP $server
  wait $server
  status=$?
  after=$(echo 'hello again' | nc -N 127.0.0.1 "$listening")
  [ "$still" = "$before" ] || status=4
  case $(readlink "/proc/${after%% *}/exe") in
  *"$copy") ;; # not what was removed
  *) status=3 ;;
  esac
  kill -INT "${after%% *}" || status=1
  [ "${before%% *}" != "${after%% *}" ] || status=2
  printf '%s\n%s\n' "${before#* }" "${after#* }" >"$out"
}

run_cookbook() {
  status=0
  for name in retry fan_out rate_limit single_flight pub_sub upload; do
    INTERLOOP_BACKEND=$loop timeout 20 "$bin/cookbook/$name" || status=1
  done >"$out" 2>"$err"
}

# The same server in the words of others.
in_other_words() {
  for file in examples/coming_from/*.c examples/coming_from/*.py; do
    basename "$file" | sed 's/\..*//'
  done
}

# ended PROCESS: that it ended well by SIGTERM, or by its default effect: some do not catch it.
ended() {
  wait "$1"
  code=$?
  [ $code = 143 ] || return $code
}

run_coming_from() {
  status=0
  for name in $(in_other_words); do
    command="$bin/coming_from/$name"
    [ "$name" != asyncio_server ] || command="python3 examples/coming_from/$name.py"
    # shellcheck disable=SC2086
    up env INTERLOOP_BACKEND="$loop" $command
    # shellcheck disable=SC2046
    echo "$name:" $(printf '10\n1000\n20000\n' | timeout 20 nc -N 127.0.0.1 "$listening")
    # One that ends within a line is let go, too.
    printf '10\n20' | timeout 20 nc -N 127.0.0.1 "$listening" >/dev/null || status=$?
    kill -TERM $server
    ended $server || status=$?
  done >"$out"
}

same_answers() {
  in_other_words | sed 's/$/: 4 168 2262/'
}

run_proxy() {
  tls_files old
  timeout 120 python3 examples/reverse_proxy.py "$bin/reverse_proxy" "$loop" "$work/old.pem" "$work/old.key" \
    >"$out" 2>"$err"
  status=$?
}

# With --machines HOST:PORT: two worker programs beside it.
run_job_service() { # [OPTION...]
  workers=
  for i in ${2:+1 2}; do
    "$bin/job_service" --backend "$loop" --work "$2" 2>"$out.work.$i" &
    workers="$workers $!"
  done
  [ -n "$workers" ] || export JOB_SERVICE_FRAGILE=1 # its first slice kills its first worker process
  up "$bin/job_service" --backend "$loop" "$@"
  unset JOB_SERVICE_FRAGILE
  # What a cancelled job has under way in another program is waited for at the end.
  timeout 120 python3 examples/job_service.py "$listening" "$([ -n "$workers" ] && echo 3000000 || echo 100000000)" \
    >"$out" 2>"$err"
  status=$?
  kill -TERM $server
  wait $server || status=$?
  for worker in $workers; do
    kill "$worker"
    ended "$worker" || status=$?
  done
}

# Debian's python3, for its package websockets.
run_web_chat() {
  up "$bin/web_chat" --backend "$loop"
  timeout 60 /usr/bin/python3 examples/web_chat.py "$listening" >"$out" 2>>"$err"
  status=$?
  kill -TERM $server
  wait $server || status=$?
}

# A peer that leaves without having answered is an error.
run_nghttp2() {
  # shellcheck disable=SC2016
  up perl -MIO::Socket::INET -e '$| = 1; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1");
    print "listening on port ", $s->sockport, "\n"; my $c = $s->accept; shutdown($c, 1); 1 while <$c>'
  in_environment recipes/nghttp2 127.0.0.1 "$listening" /0.txt
  left=$status
  wait $server
  in_environment recipes/nghttp2 127.0.0.1 "$http2_port" /0.txt
  [ $left = 1 ] || status=4
}

run_client() { # PROGRAM OPTION VALUE
  timeout 60 "$bin/$1" --backend "$loop" "$2" "$3" >"$out" 2>"$err"
  status=$?
}

# ---- the table ----

passed=0
failed=0
rm -f "$work"/hold.* "$work"/*.out* "$work"/*.err "$work"/*.want "$work"/*.same
: >"$work/trouble"

trouble() { # what went wrong, told after the table
  {
    echo
    echo "$title on $loop: exit status $status; it printed $out.same, and $want was expected"
    tail -n 5 "$err"
    tail -n 2 "$work/$name.$loop.shell"
    diff "$want" "$out.same" | head -n 6
  } | sed "s|$root/||g" >>"$work/trouble"
}

# left_out PROGRAM WHY
left_out() {
  printf '%-20sleft out: %s\n' "$1" "$2"
  [ $complete = no ] || failed=$((failed + 1))
}

# has PROGRAM TOOL...: whether it was built, and what drives it is there.
has() {
  lacks=
  [ -x "$bin/$1" ] || lacks=$1
  program=$1
  shift
  for tool; do
    command -v "$tool" >/dev/null || lacks="$lacks $tool"
  done
  [ -z "$lacks" ] || left_out "$program" "this machine has no $lacks"
  [ -z "$lacks" ]
}

# row TITLE ORDER EXPECTED... -- COMMAND...
row() {
  title=$1
  order=$2
  shift 2
  name=$(echo "$title" | tr ' ' '_')
  want=$work/$name.want
  printf '%-20s' "$title"
  "$1" "$2" "$3" | $order >"$want"
  shift 3
  first=
  same=same
  for loop in $loops; do
    out=$work/$name.$loop.out
    err=$work/$name.$loop.err
    "$@" 2>"$work/$name.$loop.shell" # which tells of each job that a signal has ended
    $order <"$out" >"$out.same"
    if [ "$status" -eq 0 ] && cmp -s "$want" "$out.same"; then
      passed=$((passed + 1))
      printf '%-10s' pass
    else
      failed=$((failed + 1))
      printf '%-10s' FAIL
      trouble
    fi
    [ -n "$first" ] || first=$out.same
    cmp -s "$first" "$out.same" || same=DIFFERS
  done
  [ $same = same ] || failed=$((failed + 1))
  echo $same
}

. examples/programs.sh

# Some programs have no options: the loop is the environment's.
in_environment() { # PROGRAM [ARGUMENT...]
  program=$1
  shift
  INTERLOOP_BACKEND=$loop timeout 60 "$bin/$program" "$@" >"$out" 2>"$err"
  status=$?
}
run_tutorial_server() {
  served '10%' env INTERLOOP_BACKEND="$loop" "$bin/tutorial_server" 0
}

run_server() { served "$1" "$bin/server" --backend "$loop"; }
run_hello() {
  served 'client %' env INTERLOOP_BACKEND="$loop" "$bin/hello" 0
  note "hello: load, $clients clients" "$(sed -n 's/.* \([0-9]*\) requests.s.*/\1/p' "$out.client")"
}
run_attached() { served 'client %' "$bin/attach_$loop"; }

# Every program tells what it takes, and takes nothing else. The loop's name makes no difference, but for
# the libraries that are there.
programs() {
  for file in "$bin"/*; do
    [ -f "$file" ] && [ -x "$file" ] && basename "$file"
  done
}

run_options() {
  status=0
  for program in $(programs); do
    timeout 10 "$bin/$program" --help >"$out.help" 2>"$err"
    echo "$program --help: $?, $(grep -c '^usage: ' "$out.help") line"
    timeout 10 "$bin/$program" --nonsense 1 </dev/null >"$out.help" 2>&1
    echo "$program --nonsense: $?, $(grep -c '^usage: ' "$out.help") line"
  done >"$out"
}

options_expected() {
  for program in $(programs); do
    printf '%s --help: 0, 1 line\n%s --nonsense: 2, 1 line\n' "$program" "$program"
  done
}

# Real text, as much as the machine has of it.
gather_text() {
  for file in /usr/share/common-licenses/* /usr/share/dict/* /usr/share/doc/*/copyright \
    /usr/share/doc/*/README*; do
    [ ! -f "$file" ] || zcat -f "$file"
  done
}

count_by_tools() {
  count_bytes <"$work/text"
  tr -s '[:space:]' '\n' <"$work/text" | sed '/^$/d' | sort | uniq -c
}

run_wordcount() { # threads or processes
  timeout 120 "$bin/wordcount" --backend "$loop" --text "$work/text" --pool "$1" >"$out" 2>"$err"
  status=$?
  grep -q 'of .* pieces' "$err" || echo 'no progress was shown' >>"$out"
}

run_blocks() { # --threads or --processes
  timeout 60 "$bin/blocks" --backend "$loop" "$1" >"$out" 2>"$err"
  status=$?
}

# serve PROGRAM: a worker program, which SIGINT stops; its process is in $worker.
serve() {
  env --default-signal=INT "$bin/$1" --backend "$loop" --serve "$job_server" >>"$out.server" 2>>"$err" &
  worker=$!
}

# The worker program writes the lines of its calls.
run_blocks_machines() {
  : >"$out.server"
  serve blocks
  timeout 60 "$bin/blocks" --backend "$loop" --machines "$job_server" >"$out" 2>"$err"
  status=$?
  kill -INT $worker
  wait $worker || status=3
  grep -v '^stopped by SIGINT$' "$out.server" >>"$out"
}

# Three worker programs; one after the other is killed, and another one takes its place.
run_wordcount_machines() {
  workers= killed=0
  for _ in 1 2 3; do
    serve wordcount
    workers="$workers $worker"
  done
  "$bin/wordcount" --backend "$loop" --text "$work/text" --pool machines --server "$job_server" >"$out" 2>"$err" &
  program=$!
  while kill -0 $program 2>/dev/null && [ $killed -lt 20 ]; do
    sleep 0.1
    # shellcheck disable=SC2086
    set -- $workers
    kill -KILL "$1"
    wait "$1" 2>/dev/null
    killed=$((killed + 1))
    shift
    serve wordcount
    workers="$* $worker"
  done
  wait $program
  status=$?
  # shellcheck disable=SC2086
  kill -KILL $workers # the last one may be so new that it still ignores SIGINT
  # shellcheck disable=SC2086
  wait $workers
  [ $killed -gt 0 ] || echo 'no worker program was killed' >>"$out"
}

# The children of a process, while it lives.
children_of() {
  awk -v parent="$1" '$4 == parent { print $1 }' /proc/[0-9]*/stat 2>/dev/null
}

# Somebody kills a worker, again and again, until one has died of it in the middle of a piece.
run_wordcount_killed() {
  : >"$err" # the shell may look into it before the program has begun
  "$bin/wordcount" --backend "$loop" --text "$work/text" --pool processes >"$out" 2>"$err" &
  program=$!
  tries=0
  while [ $tries -lt 200 ] && kill -0 $program 2>/dev/null && ! grep -q 'signal 9' "$err"; do
    # shellcheck disable=SC2046
    kill -KILL $(children_of $program | head -n 1) 2>/dev/null
    tries=$((tries + 1))
  done
  wait $program
  status=$?
  grep -q 'was killed by signal 9' "$err" || echo 'no worker was killed in a call' >>"$out"
}

run_untrusted() { # REQUEST [REQUEST]
  all=$rounds
  rounds=1
  second=${2:-}
  served "$1" "$bin/untrusted" --backend "$loop"
  rounds=$all
  second=
}

gather_text >"$work/text" 2>/dev/null
say "run: $clients clients, $rounds rounds; wordcount reads $(($(wc -c <"$work/text") / 1024)) KiB"

for loop in $loops; do
  hold_all &
done
printf '\n%-20s' program
# shellcheck disable=SC2086
printf '%-10s' $loops
echo output

row options as_it_is options_expected - - run_options
for program in tutorial_tasks tutorial_cancel tutorial_thread process_pool; do
  row $program as_it_is expected_file $program - in_environment $program
done
row tutorial_server as_it_is each_client 'primes["10" i] " primes up to 10" i' server \
  run_tutorial_server
for program in run_in_thread from_thread abandon external_thread start_task context exit_stack files select children priorities records; do
  row $program as_it_is expected_file $program - alone $program
done
row timer_slack times_out expected_file timer_slack - alone timer_slack
row blocking_portal sorted expected_file blocking_portal - alone blocking_portal
row blocks blocks_order expected_file blocks - run_blocks --threads
row 'blocks processes' blocks_order expected_file blocks - run_blocks --processes
row wordcount as_it_is count_by_tools - - run_wordcount threads
row 'wordcount processes' as_it_is count_by_tools - - run_wordcount processes
row 'wordcount killed' as_it_is count_by_tools - - run_wordcount_killed
if begin 'blocks machines' gearmand; then
  row 'blocks machines' blocks_order expected_file blocks - run_blocks_machines
  row 'wordcount machines' as_it_is count_by_tools - - run_wordcount_machines
fi
row hello as_it_is each_client '"hello client " i' server run_hello
row 'server blocking' as_it_is each_client 'primes[n] " primes up to " n' server \
  run_server 'blocking 1000%'
row 'server pool' as_it_is each_client 'primes[n] " primes up to " n' server \
  run_server 'pool 1000%'
row 'server async' as_it_is each_client 'n " ends in " n % 10' server run_server 'async 1000%'
row 'server event' as_it_is each_client '"halfway through " n' server run_server 'event 1000%'
row 'server tasks' words_order each_client '"squares: 1 4 cancelled 16 25 cancelled 49"' server \
  run_server 'tasks 7'
row untrusted as_it_is each_client 'i * i' untrusted run_untrusted '% % *'
row 'untrusted time' as_it_is each_client '"too slow\n" i ": " i + 1' untrusted \
  run_untrusted '1 again' '% 1 +'
row 'untrusted memory' as_it_is each_client '"too much memory\n" i ": " i + 1' untrusted \
  run_untrusted '2000000000 grow' '% 1 +'
row 'untrusted crash' as_it_is each_client '"it crashed\n" i ": " i + 1' untrusted \
  run_untrusted '0 peek' '% 1 +'
has untrusted nc &&
  row 'untrusted alone' as_it_is untrusted_alone_expected - - run_untrusted_alone
row attach as_it_is each_client '"hello client " i' attach run_attached
row simulation as_it_is expected_file simulation - in_virtual_time simulation
row talk sorted expected_file talk - alone talk
row shared_state sorted expected_file shared_state - alone shared_state
row layer sorted expected_file layer - alone layer
row starttls as_it_is expected_file starttls - alone starttls
row per_core_server as_it_is each_client '"hello from " i' per_core_server run_per_core
: >"$work/figures"
has service nc python3 && row service as_it_is each_client 'primes["10" i] " primes up to 10" i' service \
  run_service
has sqlite_server sqlite3 nc python3 && row sqlite_server as_it_is sql_expected - - run_sqlite
has http_server curl wrk nc && row http_server as_it_is http_expected - - run_http
has http_server curl && row 'http files' as_it_is http_files_expected - - run_http_files
has http_server nc && row 'http requests' as_it_is http_requests_expected - - run_http_requests
has redis_server redis-cli redis-benchmark nc &&
  row redis_server as_it_is expected_file redis_server - run_redis
has redis_client redis-check-rdb && row redis_client as_it_is expected_file redis_client - run_redis_client
has dns_forwarder dnsmasq dig python3 && row dns_forwarder as_it_is expected_file dns_forwarder - run_dns
has dns_forwarder dnsmasq dnsperf &&
  row 'dns_forwarder load' as_it_is dns_load_expected - - run_dns_load
has chat_server nc && row chat_server as_it_is chat_expected - - run_chat
has reverse_proxy python3 openssl && row reverse_proxy as_it_is expected_file reverse_proxy - run_proxy
has job_service python3 && row job_service as_it_is expected_file job_service - run_job_service
has job_service python3 gearmand && begin job_service gearmand &&
  row 'job_service, remote' as_it_is expected_file job_service - run_job_service --machines "127.0.0.1:$gearman_port"
has web_chat python3 && row web_chat as_it_is expected_file web_chat - run_web_chat
has activated nc && row activated as_it_is expected_file activated - run_activated
has cookbook/retry && row cookbook as_it_is expected_file cookbook - run_cookbook
has coming_from/interloop nc && row 'coming from' as_it_is same_answers - - run_coming_from
for recipe in inotify signalfd zeromq librdkafka; do
  has recipes/$recipe && row "recipe $recipe" as_it_is expected_file $recipe - \
    in_environment recipes/$recipe
done
has recipes/mosquitto mosquitto nc && begin mosquitto mosquitto &&
  row 'recipe mosquitto' as_it_is expected_file mosquitto - in_environment recipes/mosquitto "$mqtt_port"
has hiredis_client redis-server redis-cli && begin hiredis_client redis &&
  row hiredis_client as_it_is expected_file hiredis_client - run_client hiredis_client --port "$redis_port"
has curl_client nginx curl && begin curl_client nginx &&
  row curl_client as_it_is expected_file curl_client - \
    run_client curl_client --url "http://127.0.0.1:$nginx_port"
[ ! -e "$servers/nginx.conf" ] || ! has recipes/nghttp2 nginx curl || ! begin nghttp2 nginx_http2 ||
  row 'recipe nghttp2' as_it_is expected_file nghttp2 - \
    run_nghttp2
has ares_client dnsmasq && begin ares_client dnsmasq &&
  row ares_client as_it_is expected_file ares_client - \
    run_client ares_client --servers "127.0.0.1:$dns_port"
has pq_client psql && begin pq_client postgres &&
  row pq_client as_it_is expected_file pq_client - run_client pq_client --database "$database"
has secure openssl && row secure as_it_is expected_file secure - run_secure
[ ! -x "$bin/secure" ] || ! has whole_service openssl ||
  row whole_service as_it_is expected_file whole_service - run_whole_service
[ ! -x "$bin/secure" ] || {
  has http_server curl openssl && row 'http_server TLS' as_it_is expected_file http_tls - run_http_tls
  has chat_server openssl && row 'chat_server TLS' as_it_is expected_file chat_tls - run_chat_tls
}
row 'public limits' as_it_is held_expected - - run_held

head -n 60 "$work/trouble"
if [ -s "$work/figures" ]; then
  printf '\n%-34s' 'requests a second'
  # shellcheck disable=SC2086
  printf '%-12s' $loops
  echo
  # Figures come loop by loop; here each has a line.
  awk '{ what = substr($0, 1, 34); figure = substr($0, 45)
    if (!(what in line)) { order[++n] = what; line[what] = "" }
    line[what] = line[what] sprintf("%-12s", figure) }
    END { for (i = 1; i <= n; i++) print order[i] line[order[i]] }' "$work/figures"
fi
echo
say 'done'
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
