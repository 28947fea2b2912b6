# servers.sh: the real servers that the clients of examples/adapters/ talk to: Debian's own programs, started by
# examples/run.sh as an unprivileged user, on free ports, in a temporary folder, and stopped at the end. Sourced.

servers=$(mktemp -d "${TMPDIR:-/tmp}/interloop-servers.XXXXXX")
started=
[ "$(id -u)" != 0 ] || chown nobody "$servers"

# Some of them refuse to run as root. The shell becomes the command: in the background, $! is its process.
become_nobody() { # COMMAND...
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid nobody --regid nogroup --clear-groups env HOME="$servers" "$@"
  fi
  exec "$@"
}

# Below those that the system gives to connections: none of these takes it before the server does.
free_port() {
  perl -MIO::Socket::INET -e 'for my $n (0 .. 19999) {
    my $port = 10000 + ($$ * 16 + $n) % 20000;
    print($port), exit if IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => $port);
  }'
}

# start NAME COMMAND...: in the background; its process is in $started.
start() {
  log=$servers/$1.log
  shift
  become_nobody "$@" >"$log" 2>&1 </dev/null &
  started="$started $!"
}

# ready COMMAND...: until it succeeds, 10 seconds at most.
ready() {
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || return 1
    sleep 0.1
  done
}

stop_servers() {
  # shellcheck disable=SC2086
  [ -z "$started" ] || kill $started 2>/dev/null
  # shellcheck disable=SC2086
  [ -z "$started" ] || wait $started 2>/dev/null
  rm -rf "$servers"
}
trap stop_servers EXIT
trap 'exit 130' INT TERM

# begin PROGRAM NAME: starts that server for a program.
begin() {
  "start_$2" && return 0
  left_out "$1" "$2 does not start here: $(tail -n 1 "$servers/$2.log" 2>/dev/null)"
  return 1
}

# ---- each of them: 0 if it is up ----

start_redis() {
  redis_port=$(free_port)
  start redis redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no \
    --dir "$servers"
  ready redis-cli -p "$redis_port" ping
}

# A job server; its address is in $job_server.
start_gearmand() {
  gearman_port=$(free_port)
  job_server=127.0.0.1:$gearman_port
  start gearmand /usr/sbin/gearmand -L 127.0.0.1 -p "$gearman_port" --worker-wakeup=2 --job-retries=1 \
    -l stderr --verbose=CRITICAL
  ready nc -z 127.0.0.1 "$gearman_port"
}

start_nginx() {
  nginx_port=$(free_port)
  mkdir "$servers/www"
  for page in 0 1 2 3; do
    head -c $((1000 * (page + 1))) /dev/zero | tr '\0' x >"$servers/www/$page.txt"
  done
  cat >"$servers/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $servers/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $servers/body;
  proxy_temp_path $servers/proxy;
  fastcgi_temp_path $servers/fastcgi;
  uwsgi_temp_path $servers/uwsgi;
  scgi_temp_path $servers/scgi;
  server { listen 127.0.0.1:$nginx_port; root $servers/www; }
}
END
  chmod -R go+rX "$servers/www" "$servers/nginx.conf"
  start nginx nginx -e stderr -c "$servers/nginx.conf"
  ready curl -fs "http://127.0.0.1:$nginx_port/0.txt"
}

# HTTP/2 without TLS, by the files and the configuration of start_nginx.
start_nginx_http2() {
  http2_port=$(free_port)
  sed -e "s/nginx.pid/http2.pid/" -e "s/listen 127.0.0.1:[0-9]*;/listen 127.0.0.1:$http2_port http2;/" \
    "$servers/nginx.conf" >"$servers/http2.conf"
  chmod go+r "$servers/http2.conf"
  start nginx_http2 nginx -e stderr -c "$servers/http2.conf"
  ready curl -fs --http2-prior-knowledge "http://127.0.0.1:$http2_port/0.txt"
}

start_mosquitto() {
  mqtt_port=$(free_port)
  printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$mqtt_port" >"$servers/mosquitto.conf"
  chmod go+r "$servers/mosquitto.conf"
  start mosquitto mosquitto -c "$servers/mosquitto.conf"
  ready nc -z 127.0.0.1 "$mqtt_port"
}

start_dnsmasq() {
  dns_port=$(free_port)
  set -- --no-daemon --no-resolv --no-hosts --no-ping --conf-file=/dev/null --port="$dns_port" \
    --listen-address=127.0.0.1 --bind-interfaces --local=/test/ --txt-record=text.test,hello \
    --pid-file="$servers/dnsmasq.pid" --user= --group=
  i=0
  while [ $i -lt 50 ]; do
    set -- "$@" --host-record="host$i.test,10.0.0.$i"
    i=$((i + 1))
  done
  start dnsmasq dnsmasq "$@"
  ready grep -q started "$servers/dnsmasq.log"
}

start_postgres() {
  tools=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
  pg_port=$(free_port)
  (become_nobody "$tools/initdb" -D "$servers/pg" -A trust -U tester -N) \
    >"$servers/initdb.log" 2>&1 || return 1
  start postgres "$tools/postgres" -D "$servers/pg" -p "$pg_port" -h 127.0.0.1 -k "$servers" -F
  database="hostaddr=127.0.0.1 port=$pg_port user=tester dbname=postgres"
  ready "$tools/pg_isready" -h 127.0.0.1 -p "$pg_port" -U tester
}
