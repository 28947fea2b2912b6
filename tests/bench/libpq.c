/*
 * libpq.c: P15: tasks that query PostgreSQL through examples/adapters/libpq.h, each over a connection of its own,
 * against libpq's non-blocking functions in callbacks, as its manual has them.
 */
#include "../../examples/adapters/libpq.h"
#include "clients.h"
#include "native.h"

#include <signal.h>
#include <stdio.h>

static const char serve[] = "bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1);"
			    "$bin/initdb -D data -A trust -U tester -N &&"
			    "exec $bin/postgres -D data -p $PORT -h 127.0.0.1 -k \"$PWD\" -F";
static const char query[] = "SELECT 6 * 7";

static const char *database(void)
{
	static char words[128];

	snprintf(words, sizeof words,
		 "hostaddr=127.0.0.1 port=%s user=tester dbname=postgres sslmode=disable "
		 "gssencmode=disable",
		 clients_port);
	return words;
}

static bool is_up(void)
{
	return PQping(database()) == PQPING_OK;
}

static void check(PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		bench_die("the query failed");
	PQclear(result);
}

/* ---- tasks ---- */

static PGconn *ours[CLIENTS_MAX];

static void open_all(size_t clients)
{
	for (size_t i = 0; i < clients; i++)
		bench_must(il_pq_connect(&ours[i], database()));
}

static void ask(size_t client)
{
	PGresult *result;

	bench_must(il_pq_exec(ours[client], &result, query));
	check(result);
}

/* ---- callbacks ---- */

static struct own {
	PGconn *db;
	struct native_io *io;
	bool is_connected, is_flushing;
} own[CLIENTS_MAX];

static void connect_on(struct own *o)
{
	PostgresPollingStatusType status = PQconnectPoll(o->db);

	if (status == PGRES_POLLING_FAILED)
		bench_die(PQerrorMessage(o->db));
	o->is_connected = status == PGRES_POLLING_OK;
	native_io_set(o->io, status != PGRES_POLLING_WRITING, status == PGRES_POLLING_WRITING);
	if (!o->is_connected)
		return;
	PQsetnonblocking(o->db, 1);
	clients_answered((size_t)(o - own));
}

/* Writability is waited for only while there is something to be sent. */
static void flush(struct own *o)
{
	bool is_left = PQflush(o->db) > 0;

	if (is_left != o->is_flushing)
		native_io_set(o->io, true, is_left);
	o->is_flushing = is_left;
}

static void read_result(struct own *o)
{
	PGresult *result;

	if (!PQconsumeInput(o->db))
		bench_die("PostgreSQL does not answer");
	while (!PQisBusy(o->db)) {
		result = PQgetResult(o->db);
		if (!result) {
			clients_answered((size_t)(o - own));
			return;
		}
		check(result);
	}
}

static void on_ready(struct native_io *io, bool readable, bool writable)
{
	struct own *o = io->arg;

	if (!o->is_connected) {
		connect_on(o);
		return;
	}
	if (readable)
		read_result(o);
	if (writable)
		flush(o);
}

static void own_ask(size_t client)
{
	struct own *o = &own[client];

	if (o->is_connected) {
		if (!PQsendQuery(o->db, query))
			bench_die(PQerrorMessage(o->db));
		flush(o);
		return;
	}
	o->db = PQconnectStart(database());
	o->io = native_io_open(PQsocket(o->db), on_ready, o);
	native_io_set(o->io, false, true);
}

void bench_libpq(void)
{
	clients_compare(&(struct client_library){.name = "libpq",
						 .base = "callbacks",
						 .server = serve,
						 .stop = SIGQUIT, /* at once */
						 .is_up = is_up,
						 .n = 2500,
						 .limit = 1.1,
						 .open = open_all,
						 .ask = ask,
						 .own_ask = own_ask});
}
