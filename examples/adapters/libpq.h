/*
 * libpq.h: PostgreSQL in straight-line code. The connection is libpq's own, used by one task at a time, which parks
 * until the server has replied.
 *
 *     PGconn *db;
 *     PGresult *result;
 *     if (il_pq_connect(&db, "host=/run/postgresql dbname=shop") == 0 &&
 *         il_pq_exec(db, &result, "SELECT 6 * 7") == 0) {
 *             puts(PQgetvalue(result, 0, 0));
 *             PQclear(result);
 *     }
 *     PQfinish(db);
 *
 * No callback is needed: il_wait_fd() is all, and a watch that nobody calls, so that the loop goes on watching between
 * two waits. A cancelled query is cancelled in the server, too, and the connection can be used on. All in the loop's
 * thread. To copy into your program; link -lpq.
 */
#ifndef ADAPTER_LIBPQ_H
#define ADAPTER_LIBPQ_H

#include <interloop.h>

#include <errno.h>
#include <libpq-events.h>
#include <libpq-fe.h>

/* libpq's words, without the end of the line. */
static inline int il_pq_fail(const PGconn *db, int rc)
{
	const char *words = PQerrorMessage(db);
	size_t length = 0;

	while (words[length] && words[length] != '\n')
		length++;
	return il_fail(rc, "libpq: %.*s", (int)length, words);
}

static inline void il_pq_unused(void *arg, unsigned mask)
{
	(void)arg;
	(void)mask;
}

/* libpq has closed the connection, or has opened it anew: then there is another socket. */
static inline int il_pq_event(PGEventId id, void *info, void *arg)
{
	PGconn *db = id == PGEVT_CONNDESTROY ? ((PGEventConnDestroy *)info)->conn
		     : id == PGEVT_CONNRESET ? ((PGEventConnReset *)info)->conn
					     : NULL;
	il_fd_watch *watch = NULL;

	(void)arg;
	if (!db)
		return 1;
	il_fd_watch_close((il_fd_watch *)PQinstanceData(db, il_pq_event));
	if (id == PGEVT_CONNRESET &&
	    il_fd_watch_open(&watch, PQsocket(db), 0, il_pq_unused, NULL) < 0)
		watch = NULL; /* each wait registers it, then */
	return PQsetInstanceData(db, il_pq_event, watch);
}

/* Waits that follow each other cost no system call to begin. */
static inline int il_pq_watch(PGconn *db)
{
	il_fd_watch *watch;
	int rc = PQregisterEventProc(db, il_pq_event, "interloop", NULL) ? 0 : -ENOMEM;

	if (rc == 0)
		rc = il_fd_watch_open(&watch, PQsocket(db), 0, il_pq_unused, NULL);
	if (rc == 0)
		PQsetInstanceData(db, il_pq_event, watch);
	return rc;
}

/*
 * Connects; waits. A cancellation point. (A host that is a name is looked up by libpq, which blocks: give hostaddr=,
 * or look it up with il_resolve() before.) 0: the caller ends it with PQfinish(); -ECONNREFUSED: libpq's words are in
 * il_error_detail(); -ENOMEM; -ECANCELED. After an error *db is NULL.
 */
static inline int il_pq_connect(PGconn **db, const char *conninfo)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	PGconn *c = PQconnectStart(conninfo);
	int rc = c ? 0 : -ENOMEM;

	*db = NULL;
	if (c && PQstatus(c) == CONNECTION_BAD)
		rc = il_pq_fail(c, -ECONNREFUSED);
	while (rc >= 0 && status != PGRES_POLLING_OK) {
		rc = il_wait_fd(PQsocket(c),
				status == PGRES_POLLING_READING ? IL_READABLE : IL_WRITABLE);
		if (rc >= 0 && (status = PQconnectPoll(c)) == PGRES_POLLING_FAILED)
			rc = il_pq_fail(c, -ECONNREFUSED);
	}
	if (rc >= 0 && PQsetnonblocking(c, 1) < 0)
		rc = il_pq_fail(c, -EIO);
	if (rc >= 0)
		rc = il_pq_watch(c);
	if (rc < 0) {
		PQfinish(c);
		return rc;
	}
	*db = c;
	return 0;
}

/* Waits until the server has taken what is to be sent; it may want us to read meanwhile. */
static inline int il_pq_flush(PGconn *db)
{
	int left, rc;

	while ((left = PQflush(db)) > 0) {
		rc = il_wait_fd(PQsocket(db), IL_READABLE | IL_WRITABLE);
		if (rc < 0)
			return rc;
		if ((rc & (int)IL_READABLE) && !PQconsumeInput(db))
			return il_pq_fail(db, -EPIPE);
	}
	return left < 0 ? il_pq_fail(db, -EPIPE) : 0;
}

static inline int il_pq_read(PGconn *db)
{
	int rc = il_wait_readable(PQsocket(db));

	return rc < 0 ? rc : PQconsumeInput(db) ? 0 : il_pq_fail(db, -EPIPE);
}

/* The last result, as PQexec() has it; of COPY the state. */
static inline int il_pq_collect(PGconn *db, PGresult **result)
{
	PGresult *next;
	int rc = il_pq_flush(db);

	*result = NULL;
	while (rc == 0) {
		while (rc == 0 && PQisBusy(db))
			rc = il_pq_read(db);
		if (rc < 0 || !(next = PQgetResult(db)))
			break;
		PQclear(*result);
		*result = next;
		if (PQresultStatus(next) == PGRES_COPY_IN || PQresultStatus(next) == PGRES_COPY_OUT)
			break;
	}
	if (rc == 0 && !*result)
		rc = il_pq_fail(db, -EPIPE);
	if (rc < 0) {
		PQclear(*result);
		*result = NULL;
	}
	return rc;
}

/* PQcancel() connects to the server on its own, and blocks. */
static inline int il_pq_cancel_now(void *cancel)
{
	char words[256];

	return PQcancel((PGcancel *)cancel, words, sizeof(words)) ? 0 : -EIO;
}

/* Has the server give the query up, and takes what comes of it: then the connection is free again. */
static inline void il_pq_give_up(PGconn *db)
{
	PGcancel *cancel = PQgetCancel(db);
	PGresult *rest;
	il_scope shield = IL_SCOPE_INIT;

	if (il_scope_enter(&shield, IL_FOREVER, IL_SHIELD) == 0) {
		if (cancel && il_run_in_thread(il_pq_cancel_now, cancel) == 0 &&
		    il_pq_collect(db, &rest) == 0)
			PQclear(rest);
		(void)!il_scope_exit(&shield, 0);
	}
	PQfreeCancel(cancel);
}

static inline int il_pq_finish(PGconn *db, PGresult **result)
{
	int rc = il_pq_collect(db, result);

	if (rc == -ECANCELED)
		il_pq_give_up(db);
	return rc;
}

/*
 * Runs SQL; waits. A cancellation point, which cancels it in the server. 0: *result is the caller's, to free with
 * PQclear(); what the server found wrong is in it (PQresultStatus()). -EPIPE: the connection is gone; -EIO: libpq
 * refused it, such as while another task uses the connection. After an error *result is NULL.
 */
static inline int il_pq_exec(PGconn *db, PGresult **result, const char *sql)
{
	*result = NULL;
	return PQsendQuery(db, sql) ? il_pq_finish(db, result) : il_pq_fail(db, -EIO);
}

/* Likewise, with text for $1, $2 and so on. */
static inline int il_pq_exec_params(PGconn *db, PGresult **result, const char *sql, int count,
				    const char *const *values)
{
	*result = NULL;
	return PQsendQueryParams(db, sql, count, NULL, values, NULL, NULL, 0)
		   ? il_pq_finish(db, result)
		   : il_pq_fail(db, -EIO);
}

/* Waits for a notification that LISTEN has asked for. A cancellation point. 0: the caller frees it with PQfreemem(). */
static inline int il_pq_notification(PGconn *db, PGnotify **notification)
{
	int rc = 0;

	while (rc == 0 && !(*notification = PQnotifies(db)))
		rc = il_pq_read(db);
	return rc;
}

#endif
