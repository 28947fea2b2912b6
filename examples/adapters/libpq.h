/*
 * libpq.h: PostgreSQL in straight-line code. The connection is libpq's own, used by one task at a time, which parks
 * until the server has replied.
 *
 *     PGconn *db;
 *     PGresult *result;
 *     if (il_pq_connect(&db, "host=/run/postgresql dbname=shop") == 0 &&
 *         il_pq_exec(db, &result, "SELECT 6 * 7") == 0) {
 *             if (PQresultStatus(result) == PGRES_TUPLES_OK)
 *                     puts(PQgetvalue(result, 0, 0));
 *             else
 *                     fputs(PQresultErrorMessage(result), stderr);
 *             PQclear(result);
 *     }
 *     PQfinish(db);
 *
 * No callback is needed: il_wait_fd() is all. A cancelled query is cancelled in the server, too, and the connection
 * can be used on. A server that does not end the query within IL_PQ_CANCEL_LIMIT, such as one whose machine is gone,
 * loses the connection instead: later calls return -EPIPE. All in the loop's thread, PQfinish() too. To copy into your
 * program; link -lpq.
 */
#ifndef ADAPTER_LIBPQ_H
#define ADAPTER_LIBPQ_H

#include <interloop.h>

#include <errno.h>
#include <fcntl.h>
#include <libpq-events.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IL_PQ_CANCEL_LIMIT /* a cancelled task waits no longer than this */
#define IL_PQ_CANCEL_LIMIT IL_SEC(2)
#endif

/* libpq's words, without the end of the line. */
static inline int il_pq_fail(const PGconn *db, int rc)
{
	const char *words = PQerrorMessage(db);
	size_t length = 0;

	while (words[length] && words[length] != '\n')
		length++;
	return il_fail(rc, "libpq: %.*s", (int)length, words);
}

/* libpq takes no more of a connection that is gone, and of any other not what it is asked for. */
static inline int il_pq_refused(const PGconn *db)
{
	return il_pq_fail(db, PQstatus(db) == CONNECTION_BAD ? -EPIPE : -EIO);
}

/* ---- waiting for the socket ---- */

/* libpq closes its socket at the first error without a word, so what stays registered between waits is a duplicate,
 * which holds the connection until PQfinish(). */
struct il_pq_socket {
	il_fd_watch *watch; /* that calls nobody: it only keeps the duplicate registered */
	int number;         /* libpq's */
	int copy;
};

static inline void il_pq_unused(void *arg, unsigned mask)
{
	(void)arg;
	(void)mask;
}

/* NULL: each wait registers the socket by itself. */
static inline struct il_pq_socket *il_pq_socket_open(int number)
{
	struct il_pq_socket *s = (struct il_pq_socket *)malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->number = number;
	s->copy = fcntl(number, F_DUPFD_CLOEXEC, 0);
	if (s->copy >= 0 && il_fd_watch_open(&s->watch, s->copy, 0, il_pq_unused, NULL) == 0)
		return s;
	if (s->copy >= 0)
		close(s->copy);
	free(s);
	return NULL;
}

static inline void il_pq_socket_close(struct il_pq_socket *s)
{
	if (!s)
		return;
	il_fd_watch_close(s->watch);
	close(s->copy);
	free(s);
}

/* The socket is found by its address: weak, so that all files of a program have the same one. */
__attribute__((weak)) int il_pq_event(PGEventId id, void *info, void *arg);

/* The connection has ended, or there is another. */
int il_pq_event(PGEventId id, void *info, void *arg)
{
	PGconn *db = id == PGEVT_CONNDESTROY ? ((PGEventConnDestroy *)info)->conn
		     : id == PGEVT_CONNRESET ? ((PGEventConnReset *)info)->conn
					     : NULL;

	(void)arg;
	if (!db)
		return 1;
	il_pq_socket_close((struct il_pq_socket *)PQinstanceData(db, il_pq_event));
	PQsetInstanceData(db, il_pq_event,
			  id == PGEVT_CONNRESET ? il_pq_socket_open(PQsocket(db)) : NULL);
	return 1;
}

static inline int il_pq_wait(const PGconn *db, unsigned mask)
{
	const struct il_pq_socket *s = (const struct il_pq_socket *)PQinstanceData(db, il_pq_event);
	int number = PQsocket(db);

	return il_wait_fd(s && s->number == number ? s->copy : number, mask);
}

/* ---- connecting ---- */

/*
 * Connects; waits. A cancellation point. (A host that is a name is looked up by libpq, which blocks: give hostaddr=,
 * or look it up with il_resolve() before. connect_timeout= has no effect: enter a scope with a deadline.) 0: the caller ends it with PQfinish(), in this thread; -ECONNREFUSED: libpq's words are in
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
	if (rc >= 0 && PQregisterEventProc(c, il_pq_event, "interloop", NULL))
		PQsetInstanceData(c, il_pq_event, il_pq_socket_open(PQsocket(c)));
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
		rc = il_pq_wait(db, IL_READABLE | IL_WRITABLE);
		if (rc < 0)
			return rc;
		if ((rc & (int)IL_READABLE) && !PQconsumeInput(db))
			return il_pq_fail(db, -EPIPE);
	}
	return left < 0 ? il_pq_fail(db, -EPIPE) : 0;
}

static inline int il_pq_read(PGconn *db)
{
	int rc = PQstatus(db) == CONNECTION_BAD ? il_pq_fail(db, -EPIPE) /* it has no socket */
						: il_pq_wait(db, IL_READABLE);

	return rc < 0 ? rc : PQconsumeInput(db) ? 0 : il_pq_fail(db, -EPIPE);
}

static inline bool il_pq_copies(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
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
		if (il_pq_copies(next))
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

static inline void il_pq_free_cancel(void *cancel)
{
	PQfreeCancel((PGcancel *)cancel);
}

static inline int il_pq_cancel(PGconn *db)
{
	bool abandoned = false;
	const il_run_in_thread_options options = {NULL,       "PQcancel", true, il_pq_free_cancel,
						  &abandoned, {NULL}};
	PGcancel *cancel = PQgetCancel(db);
	int rc;

	if (!cancel)
		return -ENOMEM;
	rc = il_run_in_thread_with(il_pq_cancel_now, cancel, &options);
	if (!abandoned)
		PQfreeCancel(cancel);
	return rc;
}

/* Has the server give the query up, and takes what comes of it: then the connection is free again. If it is not, it
 * is ended, and libpq made to notice. */
static inline void il_pq_give_up(PGconn *db)
{
	PGresult *rest;
	il_scope shield = IL_SCOPE_INIT;

	if (il_scope_enter(&shield, il_deadline(IL_PQ_CANCEL_LIMIT), IL_SHIELD) == 0) {
		if (il_pq_cancel(db) == 0 && il_pq_collect(db, &rest) == 0)
			PQclear(rest);
		(void)!il_scope_exit(&shield, 0);
	}
	if (PQtransactionStatus(db) != PQTRANS_ACTIVE)
		return;
	shutdown(PQsocket(db), SHUT_RDWR);
	while (PQconsumeInput(db)) /* what has come already, then the end */
		;
}

static inline int il_pq_finish(PGconn *db, PGresult **result)
{
	int rc = il_pq_collect(db, result);

	if (rc == -ECANCELED)
		il_pq_give_up(db);
	return rc;
}

/*
 * Runs SQL; waits. A cancellation point, which cancels it in the server; if the task is cancelled before the call,
 * nothing is sent. 0: *result is the caller's, to free with
 * PQclear(); what the server found wrong is in it (PQresultStatus()). -EPIPE: the connection is gone; -EIO: libpq
 * refused it, such as while another task uses the connection. After an error *result is NULL.
 */
static inline int il_pq_exec(PGconn *db, PGresult **result, const char *sql)
{
	int rc = il_check_cancelled();

	*result = NULL;
	if (rc < 0)
		return rc;
	return PQsendQuery(db, sql) ? il_pq_finish(db, result) : il_pq_refused(db);
}

/* Likewise, with text for $1, $2 and so on. */
static inline int il_pq_exec_params(PGconn *db, PGresult **result, const char *sql, int count,
				    const char *const *values)
{
	int rc = il_check_cancelled();

	*result = NULL;
	if (rc < 0)
		return rc;
	return PQsendQueryParams(db, sql, count, NULL, values, NULL, NULL, 0)
		   ? il_pq_finish(db, result)
		   : il_pq_refused(db);
}

/* Waits for a notification that LISTEN has asked for. A cancellation point. 0: the caller frees it with PQfreemem();
 * -EPIPE: the connection is gone. */
static inline int il_pq_notification(PGconn *db, PGnotify **notification)
{
	int rc = 0;

	while (rc == 0 && !(*notification = PQnotifies(db)))
		rc = il_pq_read(db);
	return rc;
}

#endif
