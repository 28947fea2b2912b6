/*
 * adapter_libpq.c BACKEND: what needs no server: a connection that is gone says so in each call; and what is kept
 * beside a connection is found from every file of a program.
 */
#include "../../examples/adapters/libpq.h"
#include "../core/check.h"

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

int main(int argc, char **argv)
{
	const il_backend *backend = argc > 1 ? il_backend_find(argv[1]) : NULL;

	CHECK(backend);
	CHECK(event_elsewhere() == il_pq_event);
	return il_run(backend, use_what_is_gone, NULL) == 0 ? 0 : 1;
}

#endif
