/*
 * sqlite_server.c: SQL over a socket. A request is a line of SQL, one or more statements; the
 * answer is a line for each row, columns separated by tabs, and then `OK <rows>` or
 * `ERR <message>`.
 *
 *     sqlite_server --database words.db --port 4711 &
 *     echo 'SELECT sqlite_version()' | nc -N 127.0.0.1 4711
 *
 * SQLite blocks, so statements run in a pool of threads, each of which has a connection of its own.
 * A statement that takes longer than --timeout milliseconds is interrupted. SIGTERM lets each
 * client have the whole answer to the request it is at, and what was answered OK is on disk.
 */
#include "example.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum {
	WORKERS = 4,
	HEAP_MAX = 64 << 20,  /* bytes that SQLite may have, of all queries together */
	VALUE_MAX = 64 << 10, /* bytes: what a step of SQLite's machine works on, so it is short */
	COLUMNS_MAX = 100,
	PATTERN_MAX = 100, /* of LIKE and GLOB, which are slow with long ones */
	ROW_MAX = 1 << 20, /* bytes; more is an error */
	BATCH = 16 * 1024, /* bytes of rows that a worker collects before it sends them */
	PROGRESS_STEPS = 100
};

struct service {
	const char *database;
	il_time timeout;
	il_executor *pool;
};

struct query { /* on the stack of its handler, which waits for the worker that uses it */
	struct service *service;
	il_client *client;
	const char *sql;
	sqlite3_str *answer; /* what was not sent yet */
	bool begun;          /* there is a line in it, which may be empty */
	long rows;
	bool failed; /* the answer ends in ERR */
};

/* ---- one connection a worker ---- */

static _Thread_local sqlite3 *connection;

/* SQLite asks now and then. The time limit, a client that is gone, the end of the server: each has
 * cancelled the handler that waits for this thread. */
static int on_progress(void *arg)
{
	(void)arg;
	return il_from_thread_check_cancelled() == -ECANCELED;
}

static int on_busy(void *arg, int tries)
{
	if (on_progress(arg))
		return 0;
	sqlite3_sleep(tries < 10 ? 1 : 10);
	return 1;
}

/* The next client's query may meet this connection: nothing may stay in it. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
		     const char *d)
{
	(void)arg, (void)a, (void)b, (void)c, (void)d;
	switch (action) {
	case SQLITE_PRAGMA:
	case SQLITE_ATTACH:
	case SQLITE_DETACH:
	case SQLITE_CREATE_TEMP_INDEX:
	case SQLITE_CREATE_TEMP_TABLE:
	case SQLITE_CREATE_TEMP_TRIGGER:
	case SQLITE_CREATE_TEMP_VIEW:
		return SQLITE_DENY;
	default:
		return SQLITE_OK;
	}
}

/* [initializer] */
static int open_connection(void *arg) /* in each worker, before its first call */
{
	const struct service *service = arg;
	sqlite3 *db;
	int rc =
	    sqlite3_open_v2(service->database, &db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
		sqlite3_limit(db, SQLITE_LIMIT_COLUMN, COLUMNS_MAX);
		sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_MAX);
		sqlite3_busy_handler(db, on_busy, NULL);
		/* Readers and a writer do not hold each other up. */
		rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	}
	if (rc != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", service->database, sqlite3_errmsg(db));
		sqlite3_close(db);
		return -EIO;
	}
	sqlite3_progress_handler(db, PROGRESS_STEPS, on_progress, NULL);
	sqlite3_set_authorizer(db, authorize, NULL);
	connection = db;
	return 0;
}

static void close_connection(void *arg) /* in each worker, after its last call */
{
	(void)arg;
	sqlite3_close(connection);
}
/* [initializer] */

/* ---- a query, in a worker ---- */

static void begin_line(struct query *q)
{
	if (q->begun)
		sqlite3_str_appendchar(q->answer, 1, '\n');
	q->begun = true;
}

static int fail(struct query *q, const char *message)
{
	q->failed = true;
	begin_line(q);
	sqlite3_str_appendf(q->answer, "ERR %s", message);
	return 0;
}

/* A value is a part of one line whatever is in it. */
static void put_value(sqlite3_str *answer, const char *value, int size)
{
	static const char special[] = "\\\n\r\t", escaped[] = "\\nrt";
	for (int i = 0; i < size; i++) {
		const char *at = value[i] ? strchr(special, value[i]) : NULL;
		if (at)
			sqlite3_str_appendchar(answer, 1, '\\');
		sqlite3_str_appendchar(answer, 1, at ? escaped[at - special] : value[i]);
	}
}

static bool is_too_large(sqlite3_stmt *statement)
{
	size_t size = 0;
	for (int i = 0; i < sqlite3_column_count(statement); i++)
		size += (size_t)sqlite3_column_bytes(statement, i);
	return size > ROW_MAX;
}

static void put_row(struct query *q, sqlite3_stmt *statement)
{
	sqlite3_str *answer = q->answer;
	begin_line(q);
	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		const char *value = (const char *)sqlite3_column_text(statement, i);
		if (i > 0)
			sqlite3_str_appendchar(answer, 1, '\t');
		else if (value && (!strncmp(value, "OK ", 3) || !strncmp(value, "ERR ", 4)))
			sqlite3_str_appendchar(answer, 1, '\\'); /* no row looks like the end */
		put_value(answer, value ? value : "", sqlite3_column_bytes(statement, i));
	}
}

/* [stream] */
static int send_rows(void *arg) /* in the loop, as a task: it waits while the client is slow */
{
	struct query *q = arg;
	int rc = il_client_send(q->client, sqlite3_str_value(q->answer),
				(size_t)sqlite3_str_length(q->answer));
	sqlite3_str_reset(q->answer);
	q->begun = false;
	return rc;
}

static int run_statement(struct query *q, sqlite3 *db, const char **sql)
{
	sqlite3_stmt *statement;
	int status = sqlite3_prepare_v2(db, *sql, -1, &statement, sql);
	if (status == SQLITE_OK && !statement)
		return 0; /* white space, or a comment */
	int rc = 0;
	while (rc == 0 && status == SQLITE_OK && (status = sqlite3_step(statement)) == SQLITE_ROW) {
		if (is_too_large(statement)) {
			rc = fail(q, "the row is too large");
			break;
		}
		put_row(q, statement);
		q->rows++;
		status = sqlite3_str_errcode(q->answer);
		if (sqlite3_str_length(q->answer) >= BATCH)
			rc = il_from_thread_run(send_rows, q); /* and this thread waits */
	}
	if (rc == 0 && !q->failed && status != SQLITE_DONE) {
		rc = il_from_thread_check_cancelled(); /* then that is why it ended */
		if (rc == 0)
			rc = fail(q, status == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(db));
	}
	sqlite3_finalize(statement);
	return rc;
}
/* [stream] */

static int run_query(void *arg)
{
	struct query *q = arg;
	sqlite3 *db = connection;
	int rc = 0;
	for (const char *sql = q->sql; *sql && rc == 0 && !q->failed;)
		rc = run_statement(q, db, &sql);
	if (!sqlite3_get_autocommit(db)) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		if (rc == 0 && !q->failed)
			rc = fail(q, "a transaction must end on its line: rolled back");
	}
	return rc;
}

/* ---- the handlers ---- */

/* [handle] */
static int run_in_pool(void *arg)
{
	struct query *q = arg;
	return il_executor_run(q->service->pool, run_query, q, 0);
}

static int answer(struct query *q)
{
	int rc = il_fail_after(q->service->timeout, run_in_pool, q);
	if (rc == -ETIMEDOUT)
		rc = fail(q, "timeout"); /* the client may have had some rows */
	if (rc < 0)
		return rc; /* the client is gone, or the server ends */
	if (!q->failed) {
		begin_line(q);
		sqlite3_str_appendf(q->answer, "OK %ld", q->rows);
	}
	if (sqlite3_str_errcode(q->answer) != SQLITE_OK)
		return -ENOMEM;
	return il_fail_after(q->service->timeout, send_rows, q); /* nobody reads: away with it */
}

static int handle(il_client *client, void *data)
{
	il_packet line;
	int rc = il_client_receive(client, &line, IL_FOREVER);
	if (rc == -EMSGSIZE)
		return il_client_send(client, "ERR the line is too long", 24);
	if (rc <= 0)
		return rc;           /* 0: the client is gone */
	if (!example_is_text(&line)) /* SQLite would run what comes before it, and no more */
		return il_client_send(client, "ERR the line has a zero byte", 28);
	struct query q = {
	    .service = data,
	    .client = client,
	    .sql = line.data, /* which a zero byte follows */
	    .answer = sqlite3_str_new(NULL),
	};
	rc = answer(&q);
	sqlite3_free(sqlite3_str_finish(q.answer));
	return rc;
}
/* [handle] */

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* [service_init] */
static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct service *service = data;
	int rc = il_thread_pool_create(&service->pool, &(il_thread_pool_options){
							   .max_workers = WORKERS,
							   .name = "sqlite",
							   .initializer = open_connection,
							   .initializer_arg = service,
							   .finalizer = close_connection,
							   .idle_timeout = IL_FOREVER,
						       });
	if (rc == 0)
		rc = il_exit_stack_executor(stack, service->pool);
	if (rc == 0) /* no server without its database */
		rc = il_executor_run(service->pool, do_nothing, NULL, 0);
	if (rc == 0)
		rc = il_server_start_soon(server, NULL, example_stop_on_sigterm, server);
	return rc;
}
/* [service_init] */

struct options {
	const char *port;
	struct service service;
};

static int serve(void *arg)
{
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	struct options *o = arg;
	il_server *server;
	sqlite3_hard_heap_limit64(HEAP_MAX); /* holds while a row is made */
	int rc = il_tcp_server_open(
	    &server, "127.0.0.1", o->port, il_protocol_lines(), &handler, &o->service,
	    &(il_server_options){
		.limits = IL_LIMITS_PUBLIC,
		.grace_period = 2 * o->service.timeout + IL_SEC(1), /* every answer is given */
	    });
	return rc < 0 ? rc : example_serve(server);
}

int main(int argc, char **argv)
{
	example_options(argc, argv,
			"[--backend NAME] [--port NUMBER] [--database FILE] "
			"[--timeout MILLISECONDS]");
	struct options o = {
	    .port = example_option(argc, argv, "--port", "0"),
	    .service.database = example_option(argc, argv, "--database", "sqlite_server.db"),
	    .service.timeout = IL_MSEC(example_number(argc, argv, "--timeout", 5000, 3600000)),
	};
	return example_main(argc, argv, serve, &o);
}
