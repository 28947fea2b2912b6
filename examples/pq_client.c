/*
 * pq_client.c: tasks that query PostgreSQL, each in straight lines on a connection of its own; one waits for a
 * notification; one runs out of time, and its query is cancelled in the server.
 *
 *     pq_client [--backend NAME] --database "host=/run/postgresql dbname=postgres"
 */
#include "adapters/libpq.h"
#include "example.h"

#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 8, QUERIES = 20 };

struct job {
	const char *database;
	int sum;
};

/* [query] */
static int query(void *arg)
{
	struct job *job = arg;
	PGconn *db;
	int rc = il_pq_connect(&db, job->database);
	for (int i = 1; rc == 0 && i <= QUERIES; i++) {
		PGresult *result;
		char text[16];
		const char *values[] = {text};
		snprintf(text, sizeof(text), "%d", i);
		rc = il_pq_exec_params(db, &result, "SELECT $1::int * $1::int", 1, values);
		if (rc == 0 && PQresultStatus(result) == PGRES_TUPLES_OK)
			job->sum += atoi(PQgetvalue(result, 0, 0));
		else if (rc == 0)
			rc = il_fail(-EIO, "%s", PQresultErrorMessage(result));
		PQclear(result);
	}
	PQfinish(db);
	return rc;
}
/* [query] */

static int query_all(const char *database)
{
	struct job jobs[TASKS];
	for (int i = 0; i < TASKS; i++)
		jobs[i] = (struct job){.database = database};
	int rc = il_gather(query, jobs, TASKS, sizeof(*jobs), NULL); /* a task each */
	for (int i = 0; i < TASKS && rc == 0; i++)
		printf("task %d: the sum of %d squares is %d\n", i, QUERIES, jobs[i].sum);
	return rc;
}

static void print_result(const char *what, int rc, PGresult *result)
{
	if (rc < 0)
		printf("%s: %s\n", what, il_error_name(rc));
	else if (PQresultStatus(result) == PGRES_FATAL_ERROR)
		printf("%s: %s\n", what, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	else if (PQresultStatus(result) == PGRES_TUPLES_OK)
		printf("%s: %s\n", what, PQgetvalue(result, 0, 0));
	else
		printf("%s: %s\n", what, PQresStatus(PQresultStatus(result)));
	PQclear(result);
}

/* The server gives the query up, and the connection is free for the next one. */
static void run_out_of_time(PGconn *db)
{
	PGresult *result;
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(IL_MSEC(50)), IL_FAIL_AT_DEADLINE);
	if (rc == 0)
		rc = il_scope_exit(&scope, il_pq_exec(db, &result, "SELECT pg_sleep(3600)"));
	print_result("a query without end", rc, NULL);
	rc = il_pq_exec(db, &result, "SELECT 'can be used on'");
	print_result("the connection", rc, result);
}

/* What is cancelled before it begins is not sent. */
static void begin_nothing(PGconn *db)
{
	PGresult *result;
	il_scope scope = IL_SCOPE_INIT;
	il_scope_cancel(&scope);
	int rc = il_scope_enter(&scope, IL_FOREVER, 0);
	if (rc == 0) {
		rc = il_pq_exec(db, &result, "SELECT set_config('my.query', 'was run', false)");
		print_result("a cancelled query", rc, result);
		rc = il_scope_exit(&scope, rc);
	}
	rc = il_pq_exec(db, &result,
			"SELECT coalesce(current_setting('my.query', true), 'was not run')");
	print_result("it", rc, result);
}

/* COPY is the caller's to go on with, also in both directions. */
static int replicate(const char *database)
{
	char conninfo[256];
	PGconn *db;
	PGresult *result;
	snprintf(conninfo, sizeof(conninfo), "%s replication=true", database);
	int rc = il_pq_connect(&db, conninfo);
	if (rc < 0)
		return rc;
	rc = il_pq_exec(db, &result, "START_REPLICATION PHYSICAL 0/1000000");
	print_result("replication", rc, result);
	PQfinish(db);
	return rc;
}

static int notify(void *database)
{
	PGconn *db;
	PGresult *result;
	int rc = il_pq_connect(&db, database);
	if (rc == 0)
		rc = il_pq_exec(db, &result, "NOTIFY news, 'hello'");
	if (rc == 0)
		PQclear(result);
	PQfinish(db);
	return rc;
}

static int listen_for_news(PGconn *db, void *database)
{
	PGresult *result;
	PGnotify *news;
	int rc = il_pq_exec(db, &result, "LISTEN news");
	if (rc < 0)
		return rc;
	PQclear(result);
	rc = il_loop_spawn(il_loop_current(), NULL, notify, database);
	if (rc == 0)
		rc = il_pq_notification(db, &news);
	if (rc == 0) {
		printf("news: %s\n", news->extra);
		PQfreemem(news);
	}
	return rc;
}

/* The server ends a connection, which serves nobody any more; a new one does, while the old one is still to be
 * finished. */
static int replace(void *database)
{
	PGconn *old, *db;
	PGresult *result;
	PGnotify *news;
	int rc = il_pq_connect(&old, database);
	if (rc < 0)
		return rc;
	(void)!il_pq_exec(old, &result, "SELECT pg_terminate_backend(pg_backend_pid())");
	PQclear(result);
	for (int i = 0; i < 2; i++) {
		rc = il_pq_exec(old, &result, "SELECT 1");
		print_result("an ended connection", rc, result);
	}
	printf("its news: %s\n", il_error_name(il_pq_notification(old, &news)));
	rc = il_pq_connect(&db, database);
	if (rc == 0) {
		rc = il_pq_exec(db, &result, "SELECT 'serves'");
		print_result("a new connection", rc, result);
		PQfinish(db);
	}
	PQfinish(old);
	return rc;
}

static int talk(void *database)
{
	PGconn *db;
	PGresult *result;
	int rc = query_all(database);
	if (rc < 0 || (rc = il_pq_connect(&db, database)) < 0)
		return rc;
	rc = il_pq_exec(db, &result, "SELECT length(repeat('x', 1000000))");
	print_result("a long text", rc, result);
	rc = il_pq_exec(db, &result, "SELECT 1 / 0");
	print_result("a wrong query", rc, result);
	begin_nothing(db);
	run_out_of_time(db);
	rc = listen_for_news(db, database);
	PQfinish(db);
	if (rc == 0)
		rc = replicate(database);
	if (rc == 0)
		rc = replace(database);
	if (rc < 0)
		return rc;
	rc = il_pq_connect(&db, "hostaddr=127.0.0.1 port=1");
	printf("nobody there: %s\n", il_error_name(rc));
	return rc == -ECONNREFUSED ? 0 : rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--database CONNINFO]");
	return example_main(argc, argv, talk,
			    (char *)example_option(argc, argv, "--database", "dbname=postgres"));
}
