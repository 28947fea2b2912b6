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
  INTERLOOP_BACKEND=$loop timeout 120 "$bin/load" "$listening" "$clients" "$rounds" 'hello from %' >"$out" 2>>"$err" ||
    echo 'the clients failed' >>"$out"
  stop
  down
  sed -i 's/served [1-9][0-9]* clients/served some clients/' "$out"
}

# ---- every server: clients that say nothing, that trickle, and that do not read ----

# These wait for the servers' limits, so they begin before the table does, on all loops at once; the row
# at its end looks at what has come of it.
hold() { # PROGRAM [ARGUMENT...] -- what stubborn(1) is to do
  program=$1
  shift
  options=
  while [ "$1" != -- ]; do
    options="$options $1"
    shift
  done
  shift
  out=$work/hold.$loop.$program
  err=$out.err
  # shellcheck disable=SC2086
  up env INTERLOOP_BACKEND="$loop" "$bin/$program" $options
  "$bin/stubborn" "$listening" "$@" >"$out.held" 2>>"$err"
  stop
  wait "$server" 2>/dev/null
}

# Program, its arguments, what one sends that does not read the answers (none: there is no such client,
# where it takes too long until the system holds all it can), what those send that trickle.
hold_table() {
  cat <<END | while IFS=';' read -r program rest; do
http_server;;GET / HTTP/1.1|Host: a||;| x
reverse_proxy;--to 127.0.0.1:9 127.0.0.1:9;;x
job_service;;;x
sqlite_server;--database $work/hold.$loop.db;SELECT hex(zeroblob(9999))|;x
redis_server;;PING 0123456789012345678901234567890123456789|;x
chat_server;;name|;x
server;;;x
service;0;;x
hello;0;0123456789012345678901234567890123456789|;x
per_core_server;;0123456789012345678901234567890123456789|;x
tutorial_server;0;;x
untrusted;;;x
attach_$loop;;;x
END
    [ ! -x "$bin/$program" ] || echo "$program;$rest"
  done
}

hold_all() {
  hold_table >"$work/hold.$loop.table"
  while IFS=';' read -r program arguments request pieces; do
    # shellcheck disable=SC2086
    hold "$program" $arguments -- "$request" $pieces &
  done <"$work/hold.$loop.table"
  wait
  touch "$work/hold.$loop.done"
}

run_held() {
  tries=0
  while [ ! -e "$work/hold.$loop.done" ] && [ $tries -lt 1200 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  while IFS=';' read -r program _; do
    sed "s/^/$program: /; s/^attach_$loop/attach/" "$work/hold.$loop.$program.held"
  done <"$work/hold.$loop.table" >"$out" 2>"$err"
  status=0
}

held_expected() {
  loop=libuv
  hold_table | while IFS=';' read -r program _ request pieces; do
    program=${program%_libuv}
    echo "$program: sends \"\": let go"
    [ -z "$request" ] || echo "$program: does not read \"$request\": let go"
    for piece in $pieces; do
      echo "$program: sends \"$piece\": let go"
    done
  done
}

# ---- untrusted: what a program finds in its worker ----

no_workers() { [ -z "$(children_of "$program")" ]; }

run_untrusted_alone() {
  up env SECRET=hidden "$bin/untrusted" --backend "$loop"
  program=$(children_of "$server")
  echo '1 2 +' | nc -N 127.0.0.1 "$listening" >"$out"
  wait_until no_workers
  echo "workers that wait for another client: $(children_of "$program" | wc -l)" >>"$out"
  echo '1 again' | nc -N 127.0.0.1 "$listening" >>"$out" &
  asking=$!
  seen=unknown
  while kill -0 $asking 2>/dev/null; do
    for worker in $(children_of "$program"); do # what it has at last, when it computes
      cat "/proc/$worker/environ" 2>/dev/null | tr '\0' '\n' >"$out.environ"
      [ ! -s "$out.environ" ] || if grep -q '^SECRET' "$out.environ"; then seen=yes; else seen=no; fi
    done
  done
  echo "the server's environment is seen: $seen" >>"$out"
  kill -INT "$server"
  down
}

untrusted_alone_expected() {
  printf '3\nworkers that wait for another client: 0\ntoo slow\n'
  echo "the server's environment is seen: no"
  cat examples/expected/untrusted.txt
}

# ---- service: SIGTERM while it computes an answer ----

run_service() {
  up env INTERLOOP_BACKEND="$loop" "$bin/service" 0 0
  INTERLOOP_BACKEND=$loop "$bin/load" "$listening" $clients $rounds '10%' >"$out" 2>"$out.client"
  echo 2000000000 | nc 127.0.0.1 "$listening" >"$out.slow" &
  asking=$!
  wait_until all_have 1 "^$((clients * rounds + 1)) requests, 1 under way" "$err"
  wait_until all_have 1 '^metrics on port' "$out.server"
  /usr/bin/python3 examples/service_metrics.py "$(sed -n 's/^metrics on port //p' "$out.server")" $((clients * rounds + 1)) \
    >>"$out" 2>>"$out.client"
  stop
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
SELECT NULL; SELECT ''; SELECT 'no row is lost'; SELECT ''
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
  echo 'ERR the line has a zero byte'
  echo 'ERR too many columns in result set'
  echo 'ERR the row is too large'
  echo 'SQLite has had less than 100 MiB: yes'
  echo 'ERR timeout'
  echo 'every insert that was answered is stored: yes'
  echo 'half an answer: 0'
  echo 'database: ok'
  cat examples/expected/program.txt
}

# What never ends has a short time; all else has what a busy machine takes.
run_sqlite() {
  make_database
  up "$bin/sqlite_server" --backend "$loop" --database "$work/words.db" --timeout 100
  echo "$endless" | nc -N 127.0.0.1 "$listening" >"$out.endless"
  stop
  wait "$server"
  up "$bin/sqlite_server" --backend "$loop" --database "$work/words.db" --timeout 60000
  began=$(date +%s%N)
  asking=
  for i in $(seq "$clients"); do
    { sql_of "$i"; echo 'SELECT absent FROM words'; } >"$work/sql.$i"
    nc -N 127.0.0.1 "$listening" <"$work/sql.$i" >"$out.$i" &
    asking="$asking $!"
  done
  # shellcheck disable=SC2086
  wait $asking
  {
    printf 'SELECT 1;\0 SELECT 2\n' | nc -N 127.0.0.1 "$listening"
    for large in '300 500000' '90 30000'; do
      echo "$large" | awk '{ for (; i < $1; i++) printf "%shex(zeroblob(%d))", i ? ", " : "SELECT ", $2
        print "" }' | nc -N 127.0.0.1 "$listening"
    done
    awk '/^VmHWM/ { print "SQLite has had less than 100 MiB:", ($2 < 102400 ? "yes" : $2 " KiB") }' \
      "/proc/$(children_of "$server")/status"
  } >"$out.large"
  note "sqlite_server: $clients clients, ms" "$((($(date +%s%N) - began) / 1000000))"
  for i in $(seq "$clients") large endless; do
    cat "$out.$i"
  done >"$out"
  # SIGTERM comes while all of them write.
  files=
  for i in $(seq "$clients"); do
    : >"$out.$i"
    files="$files $out.$i"
  done
  timeout 60 python3 examples/sqlite_server.py "$listening" "$clients" "$out" 2>>"$err" &
  asking=$!
  # shellcheck disable=SC2086
  wait_until all_have 1 OK $files
  stop
  wait $asking || echo "the clients failed: $?" >>"$out"
  for i in $(seq "$clients"); do
    cat "$out.$i"
  done >"$out.visits"
  stored=$(sqlite3 -cmd '.timeout 30000' "$work/words.db" 'SELECT count(*) FROM visits')
  answered=$(grep -c '^OK 0$' "$out.visits")
  {
    [ "$answered" -gt 0 ] && [ "$stored" -eq "$answered" ] && stored=yes
    echo "every insert that was answered is stored: $stored"
    echo "half an answer: $(grep -vc '^OK 0$' "$out.visits")"
    echo "database: $(sqlite3 -cmd '.timeout 30000' "$work/words.db" 'PRAGMA integrity_check')"
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
      printf 'GET /primes/10 HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\n\r\n'
      printf 'POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na b\nnonsense\r\n\r\n'
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

# One connection for each line of the table: what is sent, and the statuses that come back.
http_table() {
  grep -v '^#' examples/expected/http_requests.tsv
}

run_http_requests() {
  up "$bin/http_server" --backend "$loop"
  http_table | while IFS='	' read -r _ what request; do
    case $request in
      *%*) set -- "$request" 0 ;; # which is made long
      *) set -- "$request" ;;
    esac
    # shellcheck disable=SC2059
    printf "$@" | timeout 30 nc -N 127.0.0.1 "$listening" >"$out.answer" 2>>"$err"
    echo "$(sed -n 's/^HTTP\/1.1 \([0-9]*\) .*/\1/p' "$out.answer" | xargs): $what"
  done >"$out"
  stop
  down
}

http_requests_expected() {
  http_table | while IFS='	' read -r statuses what _; do
    echo "$statuses: $what"
  done
  cat examples/expected/program.txt
}

# ---- http_server --root: files, parts of them, conditions; and nothing from outside the folder ----

run_http_files() {
  folder=$work/folder
  rm -rf "$folder"
  mkdir -p "$folder/sub"
  echo secret >"$work/secret"
  printf 'hello\n' >"$folder/a file.txt"
  touch -d '2024-01-02 03:04:05Z' "$folder/a file.txt"
  printf '<p>\n' >"$folder/sub/index.html"
  seq 400000 >"$folder/big"
  truncate -s 64M "$folder/huge"
  ln -s "$work/secret" "$folder/link"
  ln -s .. "$folder/sub/up"
  echo hidden >"$folder/.hidden"
  up "$bin/http_server" --backend "$loop" --root "$folder"
  url=http://127.0.0.1:$listening
  file=$url/a%20file.txt
  {
    ask "$file"
    ask -I "$file" | grep -v '^Date' | tr -d '\r'
    ask -I "$url/sub" | grep Content-Type | tr -d '\r'
    ask "$file/"
    ask "$url/sub/" "$url/sub" "$url/nothing" "$url/" "$url/%zz" "$url/a%00"
    ask --path-as-is "$url/../secret" "$url/sub/../../secret" "$url/%2e%2e/secret" "$url/..%2fsecret"
    ask "$url/link" "$url/sub/up/big" "$url/.hidden"
    ask -r 1-3 "$file" && ask -r -2 "$file" && ask -r 4- "$file" && ask -r 6- "$file"
    ask -r 0-0,2-2 "$file"
    ask -H 'If-Range: "other"' -r 1-3 "$file"
    ask -H 'If-Range: "6-65937d25-0"' -r 1-3 "$file"
    ask -H 'If-Range: "6-65937d25-0"' -H 'If-Range: "6-65937d25-0"' -r 1-3 "$file"
    ask -H "If-Range: \"$(printf %0300d 1)\"" -r 1-3 "$file"
    ask -I -r 1-3 "$file" | grep -i 'content-\(length\|range\)' | tr -d '\r'
    ask -H 'If-Match: "other"' -r 1-3 "$file" && ask -H 'If-Match: W/"6-65937d25-0"' "$file"
    ask -H 'If-Match: "other"' -H 'If-Match: "6-65937d25-0"' -r 1-3 "$file"
    ask -H 'If-Unmodified-Since: Tue, 02 Jan 2024 03:04:04 GMT' "$file"
    ask -H 'If-Unmodified-Since: Tue, 02 Jan 2024 03:04:05 GMT' "$file"
    ask -H 'If-None-Match: "other", "6-65937d25-0"' "$file"
    ask -H 'If-None-Match: "other"' -z 'Tue, 02 Jan 2024 03:04:05 GMT' "$file"
    ask -z 'Tue, 02 Jan 2024 03:04:05 GMT' "$file"
    ask -z 'Tue, 02 Jan 2024 03:04:04 GMT' "$file"
    ask -o "$out.big" "$url/big" && cmp "$out.big" "$folder/big" && echo same
    ask -d 'a b' "$url/count"
  } >"$out"
  curl -s -m 20 "$url/huge" | head -c 1000 >"$out.part"
  stop
  down
  echo "a download that was broken off is a failure: $(grep -c 'handle failed' "$err")" >>"$out"
}

http_files_expected() {
  cat examples/expected/http_files.txt examples/expected/program.txt
  echo 'a download that was broken off is a failure: 0'
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

# ---- TLS: certificates that sign themselves, and who trusts them ----

tls_files() { # NAME: $work/NAME.pem and $work/NAME.key
  [ -e "$work/$1.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 2 -subj "/CN=$1" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null
}

run_secure() {
  tls_files old
  tls_files new
  cp "$work/old.pem" "$out.pem"
  cp "$work/old.key" "$out.key"
  up "$bin/secure" --backend "$loop" --tls "$out.pem" "$out.key"
  {
    "$bin/secure" --backend "$loop" --port "$listening" --ask localhost --ca "$work/old.pem"
    "$bin/secure" --backend "$loop" --port "$listening" --ask localhost --ca "$work/new.pem" 2>&1 |
      grep -o EACCES
    {
      echo 'hello from openssl'
      wait_until all_have 1 hello "$out.openssl"
    } | openssl s_client -connect "localhost:$listening" -CAfile "$work/old.pem" \
      -verify_return_error -quiet -no_ign_eof >"$out.openssl" 2>>"$err"
    cat "$out.openssl"
    cp "$work/new.pem" "$out.pem"
    cp "$work/new.key" "$out.key"
    kill -HUP "$server"
    wait_until all_have 1 'read again' "$out.server"
    "$bin/secure" --backend "$loop" --port "$listening" --ask localhost --ca "$work/new.pem"
  } >"$out"
  stop
  down
}

# The last line comes when the server has answered the others.
run_whole_service() {
  tls_files old
  up env INTERLOOP_BACKEND="$loop" "$bin/whole_service" "$work/old.pem" "$work/old.key" 0
  {
    printf '%s\n' 100 10000 frog 2000000000 10
    wait_until all_have 1 'up to 10$' "$out.openssl"
  } | openssl s_client -connect "localhost:$listening" -CAfile "$work/old.pem" \
    -verify_return_error -quiet -no_ign_eof >"$out.openssl" 2>>"$err"
  cat "$out.openssl" >"$out"
  stop
  down
}

run_http_tls() {
  tls_files old
  up "$bin/http_server" --backend "$loop" --tls "$work/old.pem" "$work/old.key"
  url=https://127.0.0.1:$listening
  head -c 1000000 /dev/zero >"$out.text"
  {
    ask --cacert "$work/old.pem" "$url/primes/100000" "$url/primes/0" "$url/nothing"
    ask --cacert "$work/old.pem" --tls-max 1.2 --data-binary "@$out.text" "$url/count"
    ask -k "$url/primes/10"
    ask "$url/primes/10"
    ask "http://127.0.0.1:$listening/"
  } >"$out"
  stop
  down
}

run_chat_tls() {
  tls_files old
  up "$bin/chat_server" --backend "$loop" --tls "$work/old.pem" "$work/old.key"
  printf 'ann\n/join room\nhello\n/quit\n' |
    openssl s_client -connect "localhost:$listening" -CAfile "$work/old.pem" -verify_return_error \
      -quiet >"$out" 2>>"$err"
  stop
  down
}

# ---- redis_server: redis-cli and redis-benchmark ----

redis_commands() {
  printf '%s\n' PING 'SET number 41' 'INCR number' 'GET number' 'GET nothing' 'INCR fresh' \
    'SET text word' 'INCR text' 'EXPIRE text 100' 'EXPIRE nothing 100'
}

run_redis() {
  up "$bin/redis_server" --backend "$loop"
  {
    redis_commands
    printf '%s\n' 'PING hello' 'GET text' 'SET short life' 'EXPIRE short 1' 'EXPIRE number 0' \
      'SET number 1 ZX 2' GET 'HGETALL number'
  } | while read -r line; do
    # shellcheck disable=SC2086
    echo "$line: $(redis-cli -p "$listening" $line 2>&1)"
  done >"$out"
  sleep 1.1
  {
    redis-cli -p "$listening" GET short
    redis-cli -p "$listening" GET number
    # shellcheck disable=SC2016
    printf 'PING\r\nSET a b\r\nGET a\r\n*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n' |
      nc -N 127.0.0.1 "$listening" | tr -d '\r'
    printf 'PING\r\nPING\r\nGE' | nc -N 127.0.0.1 "$listening" | tr -d '\r'
    # Whoever sends still hears of it: no reset comes, which might overtake the reply.
    { printf '*x\r\n'; head -c 3000000 /dev/zero && echo 'all was sent' >"$out.sent"; } |
      nc -N 127.0.0.1 "$listening" | tr -d '\r'
    cat "$out.sent"
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

# ---- redis_client: Debian's redis-server over a Unix socket, and redis_server over TCP ----

# A server of this row's own: no root's rights, nothing stored. Redis's server and this tool are one program, which
# looks at its name; so the server's package, which starts a service of the system, is not needed.
real_redis() { # DIRECTORY
  ln -s "$(command -v redis-check-rdb)" "$1/redis-server"
  set -- "$1/redis-server" --port 0 --unixsocket "$1/redis.sock" --unixsocketperm 777 --dir "$1" \
    --save '' --appendonly no --daemonize no
  [ "$(id -u)" != 0 ] || set -- setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
  exec timeout --foreground 120 "$@"
}

run_redis_client() {
  directory=$(mktemp -d) && chmod 777 "$directory"
  real_redis "$directory" >"$err" 2>&1 &
  server=$!
  wait_until test -S "$directory/redis.sock"
  {
    redis_commands
    printf 'RPUSH list one two three\nLRANGE list 0 -1\nLRANGE nothing 0 -1\nKEYS num*\n'
    seq 250 | sed 's/.*/INCR counter/'
  } | timeout 60 "$bin/redis_client" --backend "$loop" --socket "$directory/redis.sock" >"$out" 2>>"$err" ||
    echo 'the client failed' >>"$out"
  kill -TERM "$server"
  wait "$server"
  rm -rf "$directory"
  up "$bin/redis_server" --backend "$loop"
  redis_commands | timeout 60 "$bin/redis_client" --backend "$loop" --port "$listening" >>"$out" 2>>"$err"
  printf 'PING\n\nPING\nGET a' | "$bin/redis_client" --backend "$loop" --port "$listening" >>"$out" 2>&1
  stop
  down
}

# ---- chat_server: netcat ----

chatter() { # NAME: joins, speaks when all are there, leaves when all have been heard
  {
    printf '%s\n/join room\n' "$1"
    wait_until test -e "$out.ready"
    printf 'h\303\251llo from %s\302\233J \233J \033[J \300\233 \355\240\200 \177.\n' "$1"
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
  { printf 'max\n/join room\n'; awk 'BEGIN { for (; i < 5000; i++) printf "%0400d\n", i }'
    ends=0
    # shellcheck disable=SC2086
    until all_have 1 '^<max> end' $files || [ $ends = 300 ]; do
      echo "end $((ends += 1))" # it may be missed, too
      sleep 0.1
    done
    echo /quit; } |
    nc 127.0.0.1 "$listening" >"$out.max"
  for name in $chat_names max; do
    awk -v name="$name" '/^<max>/ { n++ } /you missed/ { n += $4 } /^<max> end/ { n -= $3; exit }
      END { print name, "heard, or was told that it missed,", n, "lines" }' "$out.$name"
  done >>"$out"
  touch "$out.heard"
  wait_until all_have 1 'max left' "$out.ann"
  kill -CONT $slow
  wait_until all_have 100 '^<max>' "$out.slow"
  echo 'what was that?' >&9
  wait_until all_have 1 'you missed' "$out.slow"
  stop
  exec 9>&-
  wait $slow
  grep -o 'you missed\|the server stops' "$out.slow" | uniq >>"$out" # it may be told more than once
  down
}

chat_expected() {
  for name in $chat_names slow; do
    for other in $chat_names; do
      printf '%s hears <%s> h\303\251llo from %s?J ?J ?[J ?? ??? ?.\n' "$name" "$other" "$other"
    done
  done
  for name in $chat_names max; do
    echo "$name heard, or was told that it missed, 5000 lines"
  done
  echo 'you missed'
  echo 'the server stops'
  cat examples/expected/program.txt
}

# ---- dns_forwarder: dig asks it, and it asks dnsmasq ----

# A name server with two hosts, as a plain program on a port that was free; leaves $above and $above_port.
name_server() {
  above_port=$((20000 + $$ % 20000))
  for tries in $(seq 50); do
    above_port=$((above_port + 7))
    : >"$out.above"
    dnsmasq --no-daemon --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --user="$(id -un)" \
      --listen-address=127.0.0.1 --bind-interfaces --port=$above_port --local=/test/ \
      --host-record=one.test,192.0.2.1 --host-record=two.test,192.0.2.2,2001:db8::2 \
      --txt-record=long.test,$(printf '%0200d,' 1 2 3 4 5 6 7 8 9)end --local-ttl=600 >"$out.above" 2>&1 &
    above=$!
    wait_until grep -q 'started\|failed' "$out.above"
    ! grep -q failed "$out.above" && return
    wait "$above"
  done
}

# ask_dns NAME TYPE: the status and the answers. A cookie would make another query each time.
ask_dns() {
  dig @127.0.0.1 -p "$listening" +nocookie +tries=8 +time=1 +noall +comments +answer "$1" "$2" |
    awk -v name="$1" -v type="$2" '/status:/ { sub(",", "", $6); status = $6 }
      !/^;/ && NF > 4 { answers = answers " " $5; older = older || $2 < 600 }
      END { print name, type ":", status answers (older ? ", from the cache" : "") }'
}

run_dns() {
  name_server
  up "$bin/dns_forwarder" --backend "$loop" --upstream-port $above_port --clients 100
  {
    ask_dns one.test A
    ask_dns ONE.test A
    ask_dns two.test AAAA
    ask_dns nobody.test A
    # Cut, dig asks again over TCP.
    echo "long.test TXT: $(dig @127.0.0.1 -p "$listening" +nocookie +tries=8 +time=1 +short long.test TXT | wc -c)"
  } >"$out" 2>>"$err"
  # Made-up peers beyond number: the others are served meanwhile, and memory stays as it is.
  timeout 60 "$bin/made_up" --backend "$loop" --port "$listening" --count 20000 >>"$out" 2>>"$err"
  ask_dns two.test A >>"$out"
  kill "$above"
  wait "$above" 2>/dev/null
  {
    echo 'the name server is gone'
    ask_dns one.test A
    ask_dns three.test A
  } >>"$out"
  stop
  down
  note 'dns_forwarder, most memory' "$(sed -n 's/^most memory //p' "$out")"
  awk '/^clients/ { print "peers made room for others:", ($5 > 0 ? "yes" : "no"); next }
    /^questions/ { print "answered from the cache:", ($8 + 0 >= 2 ? "yes" : "no"); next }
    /^most memory/ { print "memory below 32 MiB:", ($3 < 32768 ? "yes" : "no"); next }
    { print }' "$out" >"$out.told"
  timeout 60 python3 examples/dns_forwarder.py "$bin/dns_forwarder" "$loop" >>"$out.told" 2>>"$err"
  mv "$out.told" "$out"
}

# dnsperf: twenty clients at once, a hundred questions under way; each is answered, from the cache or by asking.
run_dns_load() {
  name_server
  up "$bin/dns_forwarder" --backend "$loop" --upstream-port $above_port --clients 100
  printf 'one.test A\ntwo.test A\ntwo.test AAAA\nnobody.test A\n' >"$out.questions"
  timeout 60 dnsperf -s 127.0.0.1 -p "$listening" -d "$out.questions" -c 20 -q 100 -n "$((rounds * 500))" \
    >"$out.load" 2>>"$err"
  sed -n 's/^ *Queries \(sent\|completed\|lost\): *\([0-9]*\).*/\1 \2/p' "$out.load" >"$out"
  note 'dns_forwarder, dnsperf' "$(sed -n 's/^ *Queries per second: *\([0-9]*\).*/\1/p' "$out.load")"
  stop
  down
  kill "$above"
  wait "$above" 2>/dev/null
  sed -i '/^clients/d; /^questions/d; /^most memory/d' "$out"
}

dns_load_expected() {
  printf 'sent %d\ncompleted %d\nlost 0\nlistening\n' $((rounds * 2000)) $((rounds * 2000))
}
