# The rows of examples/run.sh for the servers that other people's clients drive. Read by run.sh,
# which sets $bin, $work, $clients and so on, and for each row and loop $loop, $out and $err.
# shellcheck shell=sh disable=SC2034,SC2154
#
# What a row compares is the same on all loops; how fast it went is noted and shown after the table.

# stop: SIGTERM, once; a second one would kill a program that has ended its server already.
stop() {
  kill -TERM "$server" 2>/dev/null
}

# down: waits for the server that was told to stop; that it ends well by that is the row's status.
down() {
  wait "$server"
  status=$?
  sed 's/ on port .*//' "$out.server" >>"$out"
}

# wait_until COMMAND...: at most 30 s.
wait_until() {
  for tries in $(seq 300); do
    "$@" && return
    sleep 0.1
  done
}

# all_have COUNT PATTERN FILE...: whether each has that many lines of the pattern.
all_have() {
  wanted=$1 pattern=$2
  shift 2
  for file; do
    [ -s "$file" ] && [ "$(grep -c "$pattern" "$file")" -ge "$wanted" ] || return 1
  done
}

note() { # WHAT FIGURE
  printf '%-34s%-10s%s\n' "$1" "$loop" "$2" >>"$work/figures"
}

# ---- per_core_server: each loop must have had clients ----

run_per_core() {
  up "$bin/per_core_server" --backend "$loop" --loops 2
  timeout 120 "$bin/client" "$listening" "$clients" "$rounds" 'hello from %' >"$out" 2>>"$err" ||
    echo 'the clients failed' >>"$out"
  stop
  down
  sed -i 's/served [1-9][0-9]* clients/served some clients/' "$out"
}

# ---- service: SIGTERM, twice, while it computes an answer ----

run_service() {
  up env INTERLOOP_BACKEND="$loop" "$bin/service" 0
  "$bin/client" "$listening" $clients $rounds '10%' >"$out" 2>"$out.client"
  echo 2000000000 | nc 127.0.0.1 "$listening" >"$out.slow" &
  asking=$!
  wait_until all_have 1 "^$((clients * rounds + 1)) requests, 1 under way" "$err"
  stop
  sleep 0.1
  stop # the server has taken the first one
  wait $asking
  cat "$out.slow" >>"$out"
  down
}

# ---- sqlite_server: netcat; what it should say is what sqlite3(1) says ----

endless='WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c'

sql_of() { # CLIENT: its requests, a line each
  letter=$(echo abcdefghijklmnopqrstuvwxyz | cut -c $(($1 % 26 + 1)))
  cat <<END
SELECT count(*), max(length(word)) FROM words WHERE word LIKE '$letter%'
SELECT rowid, word FROM words WHERE rowid % 1000 = $1 ORDER BY rowid
END
  [ $(($1 % 10)) -ne 0 ] || echo 'SELECT word FROM words WHERE length(word) > 8 ORDER BY rowid'
}

make_database() {
  rm -f "$work/words.db"*
  sqlite3 "$work/words.db" 'CREATE TABLE words(word TEXT)' '.mode tabs' \
    '.import /usr/share/dict/words words' 'CREATE TABLE visits(client INTEGER, n INTEGER)'
}

sql_expected() {
  make_database
  for i in $(seq "$clients"); do
    sql_of "$i" >"$work/sql"
    while read -r line; do
      sqlite3 -tabs "$work/words.db" "$line" >"$work/rows"
      cat "$work/rows"
      echo "OK $(wc -l <"$work/rows")"
    done <"$work/sql"
    echo 'ERR no such column: absent'
  done
  echo 'ERR timeout'
  echo 'every insert that was answered is stored: yes'
  echo 'half an answer: 0'
  echo 'database: ok'
  cat examples/expected/program.txt
}

run_sqlite() {
  make_database
  up "$bin/sqlite_server" --backend "$loop" --database "$work/words.db" --timeout 2000
  began=$(date +%s%N)
  echo "$endless" | nc -N 127.0.0.1 "$listening" >"$out.endless" &
  asking=$!
  for i in $(seq "$clients"); do
    { sql_of "$i"; echo 'SELECT absent FROM words'; } >"$work/sql.$i"
    nc -N 127.0.0.1 "$listening" <"$work/sql.$i" >"$out.$i" &
    asking="$asking $!"
  done
  # shellcheck disable=SC2086
  wait $asking
  note "sqlite_server: $clients clients, ms" "$((($(date +%s%N) - began) / 1000000))"
  for i in $(seq "$clients") endless; do
    cat "$out.$i"
  done >"$out"
  # SIGTERM comes while all of them write. What they send fits into one packet of netcat's: one
  # that still sends when the server has closed drops what it has not read.
  asking=
  files=
  for i in $(seq "$clients"); do
    for n in $(seq 300); do
      echo "INSERT INTO visits VALUES($i, $n)"
    done >"$work/sql.$i"
    nc -N 127.0.0.1 "$listening" <"$work/sql.$i" >"$out.$i" &
    asking="$asking $!"
    files="$files $out.$i"
  done
  # shellcheck disable=SC2086
  wait_until all_have 1 OK $files
  stop
  # shellcheck disable=SC2086
  wait $asking
  for i in $(seq "$clients"); do
    cat "$out.$i"
  done >"$out.visits"
  stored=$(sqlite3 "$work/words.db" 'SELECT count(*) FROM visits')
  answered=$(grep -c '^OK 0$' "$out.visits")
  {
    [ "$stored" -eq "$answered" ] && [ "$stored" -lt $((clients * 300)) ] && stored=yes
    echo "every insert that was answered is stored: $stored"
    echo "half an answer: $(grep -vc '^OK 0$' "$out.visits")"
    echo "database: $(sqlite3 "$work/words.db" 'PRAGMA integrity_check')"
  } >>"$out"
  down
}

# ---- http_server: curl and wrk ----

ask() {
  curl -sS -m 20 -w '%{http_code}\n' "$@" 2>>"$err"
}

run_http() {
  up "$bin/http_server" --backend "$loop"
  url=http://127.0.0.1:$listening
  text=$work/text.mib
  big=$work/text.big
  head -c 1000000 "$work/text" >"$text"
  head -c 3000000 /dev/zero >"$big"
  {
    ask "$url/primes/100000" "$url/primes/0" "$url/primes/many" "$url/nothing" "$url/fail"
    ask -I "$url/primes/10" | grep -v Date | tr -d '\r'
    ask --data-binary "@$text" "$url/count"
    ask -T - -X POST "$url/count" <"$text" # in chunks
    ask --data-binary "@$big" "$url/count"
    ask -H Expect: -T - -X POST "$url/count" <"$big"
    ask "$url/$(head -c 2000 /dev/zero | tr '\0' x)"
    ask -H "Long: $(head -c 20000 /dev/zero | tr '\0' x)" "$url/"
    ask --http1.0 "$url/primes/100"
    { # four in one packet
      printf 'GET /primes/10 HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n'
      printf 'POST /count HTTP/1.1\r\nContent-Length: 4\r\n\r\na b\nnonsense\r\n\r\n'
    } | nc -N 127.0.0.1 "$listening" | grep -v Date | tr -d '\r'
  } >"$out"
  for path in / /primes/1000; do
    wrk -c 64 -t 1 -d "${seconds}s" "$url$path" >"$out.wrk" 2>&1
    note "http_server: wrk $path" "$(sed -n 's/Requests.sec: *//p' "$out.wrk")"
    grep -E 'Non-2xx|Socket errors|unable' "$out.wrk" >>"$out"
  done
  ask "$url/primes/10" >>"$out"
  stop
  down
}

http_expected() {
  count=$(head -c 1000000 "$work/text" | count_bytes)
  sed "s/^COUNT$/$count/" examples/expected/http_server.txt
  cat examples/expected/program.txt
}

# wc(1) counts a word only where it sees something printable; in the C locale that is ASCII.
count_bytes() {
  tr '\000-\010\016-\037\177-\377' '?' | wc | awk '{ print $1, $2, $3 }'
}

# ---- redis_server: redis-cli and redis-benchmark ----

run_redis() {
  up "$bin/redis_server" --backend "$loop"
  while read -r line; do
    # shellcheck disable=SC2086
    echo "$line: $(redis-cli -p "$listening" $line 2>&1)"
  done >"$out" <<'END'
PING
PING hello
SET number 41
INCR number
GET number
GET nothing
INCR fresh
SET text word
INCR text
EXPIRE text 100
EXPIRE nothing 100
GET text
SET short life
EXPIRE short 1
EXPIRE number 0
SET number 1 ZX 2
GET
HGETALL number
END
  sleep 1.1
  {
    redis-cli -p "$listening" GET short
    redis-cli -p "$listening" GET number
    # shellcheck disable=SC2016
    printf 'PING\r\nSET a b\r\nGET a\r\n*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n' |
      nc -N 127.0.0.1 "$listening" | tr -d '\r'
  } >>"$out" 2>&1
  for pipeline in 1 16; do
    [ $pipeline = 1 ] && number=$((requests / 10)) || number=$requests
    redis-benchmark -p "$listening" -t ping,set,get,incr -c 50 -n "$number" -P $pipeline --csv \
      >"$out.csv" 2>&1
    tr -d '"' <"$out.csv" | awk -F , '/^(PING|SET|GET|INCR)/ { print $1, $2 }' >"$out.rps"
    cut -d ' ' -f 1 "$out.rps" >>"$out"
    grep -i -E 'error|warning' "$out.csv" >>"$out"
    while read -r test rps; do
      note "redis_server: $test -P $pipeline" "$rps"
    done <"$out.rps"
  done
  echo "number of requests: $(redis-cli -p "$listening" GET counter:__rand_int__)" |
    sed "s/ $((requests + requests / 10))$/ right/" >>"$out"
  stop
  down
}

# ---- chat_server: netcat ----

chatter() { # NAME: joins, speaks when all are there, leaves when all have been heard
  {
    printf '%s\n/join room\n' "$1"
    wait_until test -e "$out.ready"
    echo "hello from $1"
    wait_until test -e "$out.heard"
    echo /quit
  } | nc 127.0.0.1 "$listening" >"$out.$1"
}

chat_names='ann bob cid dot eve fay gus hal ida joe'

run_chat() {
  up "$bin/chat_server" --backend "$loop"
  rm -f "$out.ready" "$out.heard" "$out.slow.in"
  mkfifo "$out.slow.in"
  nc 127.0.0.1 "$listening" <"$out.slow.in" >"$out.slow" &
  slow=$!
  exec 9>"$out.slow.in"
  printf 'slow\n/join room\n' >&9
  wait_until all_have 1 'slow joined' "$out.slow"
  files=
  for name in $chat_names; do
    chatter "$name" &
    files="$files $out.$name"
  done
  wait_until all_have 11 ' joined ' "$out.slow"
  touch "$out.ready"
  # shellcheck disable=SC2086
  wait_until all_have 10 '^<' $files "$out.slow"
  for name in $chat_names slow; do
    grep '^<' "$out.$name" | sort | sed "s/^/$name hears /"
  done >"$out"
  # One that does not read costs the others nothing, and is told what it has missed.
  kill -STOP $slow
  { printf 'max\n/join room\n'; awk 'BEGIN { for (; i < 20000; i++) printf "%0400d\n", i }'
    printf 'end\n/quit\n'; } |
    nc 127.0.0.1 "$listening" >"$out.max"
  # shellcheck disable=SC2086
  wait_until all_have 1 '^<max> end' $files
  for name in $chat_names max; do
    awk -v name="$name" '/^<max>/ { n++ } /you missed/ { n += $4 }
      END { print name, "heard, or was told that it missed,", n, "lines" }' "$out.$name"
  done >>"$out"
  touch "$out.heard"
  wait_until all_have 1 'max left' "$out.ann"
  kill -CONT $slow
  wait_until all_have 1000 '^<max>' "$out.slow"
  echo 'what was that?' >&9
  wait_until all_have 1 'you missed' "$out.slow"
  stop
  exec 9>&-
  wait $slow
  grep -o 'you missed\|the server stops' "$out.slow" >>"$out"
  down
}

chat_expected() {
  for name in $chat_names slow; do
    for other in $chat_names; do
      echo "$name hears <$other> hello from $other"
    done
  done
  for name in $chat_names max; do
    echo "$name heard, or was told that it missed, 20001 lines"
  done
  echo 'you missed'
  echo 'the server stops'
  cat examples/expected/program.txt
}
