/*
 * adapter_libpq.c BACKEND: a connection that is gone says so in each call; a cancelled query leaves one that can be used, or, if the
 * server does not end it in time, one that is gone; and what is kept beside a connection is found from every file of a program. The
 * server is one of the test.
 */
#define IL_PQ_CANCEL_LIMIT IL_MSEC(200)
#include "../../examples/adapters/libpq.h"
#include "../core/check.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>

PGEventProc event_elsewhere(void);

#ifdef ELSEWHERE

PGEventProc event_elsewhere(void)
{
	return il_pq_event;
}

#else

static int use_what_is_gone(void *arg)
{
	PGconn *db = PQconnectStart("nonsense");
	const char *const values[] = {"7"};
	PGresult *result = NULL;
	PGnotify *news = NULL;

	(void)arg;
	CHECK(PQstatus(db) == CONNECTION_BAD);
	CHECK(il_pq_exec(db, &result, "SELECT 1") == -EPIPE);
	CHECK(il_pq_exec_params(db, &result, "SELECT $1", 1, values) == -EPIPE);
	CHECK(il_pq_notification(db, &news) == -EPIPE);
	CHECK(!result && !news);
	PQfinish(db);
	return 0;
}

/* ---- a cancelled query ---- */

struct server {
	bool obeys;   /* ends the query that is to be cancelled */
	int listener; /* of the connection, and of the one that cancels */
	int asked[2]; /* a pipe: the query has come */
};

static void reply(int fd, char type, const char *body, size_t size)
{
	const char head[] = {type, 0, 0, 0, (char)(size + 4)};

	CHECK(send(fd, head, sizeof head, MSG_NOSIGNAL) == sizeof head);
	CHECK(send(fd, body, size, MSG_NOSIGNAL) == (ssize_t)size);
}

#define REPLY(fd, type, text) reply(fd, type, text, sizeof(text) - 1)

static void *serve(void *arg)
{
	const struct server *s = arg;
	char in[512];
	int db = accept(s->listener, NULL, NULL), other;

	CHECK(recv(db, in, sizeof in, 0) > 0); /* who connects */
	REPLY(db, 'R', "\0\0\0\0");
	REPLY(db, 'K', "\0\0\0\1\0\0\0\2");
	REPLY(db, 'Z', "I");
	CHECK(recv(db, in, sizeof in, 0) > 0);
	CHECK(write(s->asked[1], "", 1) == 1);
	other = accept(s->listener, NULL, NULL);
	CHECK(recv(other, in, sizeof in, 0) == 16);
	if (s->obeys) {
		REPLY(db, 'E', "SERROR\0C57014\0Mcancelled\0\0");
		REPLY(db, 'Z', "I");
	}
	close(other);
	while (recv(db, in, sizeof in, 0) > 0 && in[0] == 'Q') {
		REPLY(db, 'C', "SELECT 0\0");
		REPLY(db, 'Z', "I");
	}
	close(db);
	return NULL;
}

static int query(void *arg)
{
	PGresult *result;

	return il_pq_exec(arg, &result, "SELECT 1");
}

/* Once the server has it. */
static void cancel_query(const struct server *s, PGconn *db)
{
	il_group g;

	CHECK(il_group_open(&g) == 0);
	CHECK(il_group_start_soon(&g, NULL, query, db) == 0);
	CHECK(il_wait_readable(s->asked[0]) == 0);
	il_scope_cancel(il_group_scope(&g));
	CHECK(il_group_close(&g, 0) == 0);
}

static int use_what_was_cancelled(void *arg)
{
	const struct server *s = arg;
	struct sockaddr_in a;
	socklen_t size = sizeof a;
	char where[128];
	PGresult *result;
	il_time begin;
	PGconn *db;

	CHECK(getsockname(s->listener, (struct sockaddr *)&a, &size) == 0);
	snprintf(where, sizeof where,
		 "host=127.0.0.1 port=%d user=a dbname=b sslmode=disable gssencmode=disable",
		 ntohs(a.sin_port));
	CHECK(il_pq_connect(&db, where) == 0);
	begin = il_now();
	cancel_query(s, db);
	CHECK(s->obeys || il_now() - begin >= IL_PQ_CANCEL_LIMIT);
	CHECK(il_pq_exec(db, &result, "SELECT 2") == (s->obeys ? 0 : -EPIPE));
	PQclear(result);
	PQfinish(db);
	return 0;
}

static void cancel_at(const il_backend *backend, bool obeys)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct server s = {.obeys = obeys, .listener = socket(AF_INET, SOCK_STREAM, 0)};
	pthread_t thread;

	CHECK(bind(s.listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(s.listener, 8) == 0);
	CHECK(pipe(s.asked) == 0);
	CHECK(pthread_create(&thread, NULL, serve, &s) == 0);
	CHECK(il_run(backend, use_what_was_cancelled, &s) == 0);
	pthread_join(thread, NULL);
	close(s.listener);
	close(s.asked[0]);
	close(s.asked[1]);
}

int main(int argc, char **argv)
{
	const il_backend *backend = argc > 1 ? il_backend_find(argv[1]) : NULL;

	CHECK(backend);
	CHECK(event_elsewhere() == il_pq_event);
	CHECK(il_run(backend, use_what_is_gone, NULL) == 0);
	cancel_at(backend, true);
	cancel_at(backend, false);
	return 0;
}

#endif
