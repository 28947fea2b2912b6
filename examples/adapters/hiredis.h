/*
 * hiredis.h: Redis in straight-line code. A task sends a command and parks until the reply is there; any number of
 * tasks share one connection, and their commands travel together.
 *
 *     il_redis *redis;
 *     redisReply *reply;
 *     il_redis_connect(&redis, "127.0.0.1", "6379");
 *     if (il_redis_command(redis, &reply, "GET %s", key) == 0) {
 *             if (reply->type == REDIS_REPLY_STRING)
 *                     use(reply->str);
 *             freeReplyObject(reply);
 *     }
 *     il_redis_close(redis);
 *
 * What belongs to the connection is common to its tasks: for SELECT, WATCH and MULTI a task needs one of its own. Each
 * command has one reply: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and MONITOR, which have more, are refused.
 *
 * It is an event adapter for hiredis's asynchronous context (0.14 and later), and a function that waits. All in the
 * loop's thread. To copy into your program; link -lhiredis.
 */
#ifndef ADAPTER_HIREDIS_H
#define ADAPTER_HIREDIS_H

#include <interloop.h>

#include <errno.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One command under way: it outlives a task that was cancelled, and is used again. */
struct il_redis_call {
	struct il_redis_call *next;
	struct il_redis *redis;
	il_semaphore *done;
	redisReply *reply;
	int rc;
	bool finished, given_up;
};

typedef struct il_redis {
	redisAsyncContext *context; /* NULL: the connection is gone */
	il_fd_watch *watch;
#if HIREDIS_MAJOR >= 1
	il_timer *timer; /* of hiredis's own time limits */
#endif
	unsigned mask;
	bool connected, wants_write, closed;
	size_t calls; /* whose reply has not come */
	size_t users; /* tasks inside */
	int why;      /* the connection's error */
	char words[128];
	redisReplyObjectFunctions functions;
	il_semaphore *up;
	struct il_redis_call *spare;
} il_redis;

/* ---- what hiredis asks for ---- */

static inline void il_redis_want(il_redis *r, unsigned mask)
{
	if (mask != r->mask && il_fd_watch_set(r->watch, mask) == 0)
		r->mask = mask;
}

static inline void il_redis_add_read(void *redis)
{
	il_redis *r = (il_redis *)redis;

	il_redis_want(r, r->mask | IL_READABLE);
}

static inline void il_redis_del_read(void *redis)
{
	il_redis *r = (il_redis *)redis;

	il_redis_want(r, r->mask & ~(unsigned)IL_READABLE);
}

/* Once it is connected, whoever sends tries to write at once. */
static inline void il_redis_add_write(void *redis)
{
	il_redis *r = (il_redis *)redis;

	r->wants_write = true;
	if (!r->connected)
		il_redis_want(r, r->mask | IL_WRITABLE);
}

static inline void il_redis_del_write(void *redis)
{
	il_redis *r = (il_redis *)redis;

	r->wants_write = false;
	il_redis_want(r, r->mask & ~(unsigned)IL_WRITABLE);
}

static inline int il_redis_code(int err)
{
	switch (err) {
	case REDIS_ERR_IO:
		return errno > 0 ? -errno : -EIO;
	case REDIS_ERR_EOF:
		return -EPIPE;
	case REDIS_ERR_PROTOCOL:
		return -EPROTO;
	case REDIS_ERR_OOM:
		return -ENOMEM;
#ifdef REDIS_ERR_TIMEOUT
	case REDIS_ERR_TIMEOUT: /* redisAsyncSetTimeout() */
		return -ETIMEDOUT;
#endif
	default:
		return -EIO;
	}
}

/* The first error of the connection is why all later calls fail. */
static inline void il_redis_note(il_redis *r, const redisAsyncContext *context)
{
	if (r->why)
		return;
	r->why = context->c.err ? il_redis_code(context->c.err) : -EBADF;
	snprintf(r->words, sizeof(r->words), "%s",
		 context->c.err ? context->c.errstr : "the connection was closed");
}

/* hiredis frees its context: the descriptor is about to be closed. */
static inline void il_redis_cleanup(void *redis)
{
	il_redis *r = (il_redis *)redis;

	il_redis_note(r, r->context);
	il_fd_watch_close(r->watch);
#if HIREDIS_MAJOR >= 1
	il_timer_close(r->timer);
	r->timer = NULL;
#endif
	r->watch = NULL;
	r->context = NULL;
	r->connected = false;
}

static inline void il_redis_ready(void *redis, unsigned mask)
{
	il_redis *r = (il_redis *)redis;

	if (mask & IL_READABLE)
		redisAsyncHandleRead(r->context);
	if (r->context && (mask & IL_WRITABLE)) /* it may be gone meanwhile */
		redisAsyncHandleWrite(r->context);
}

#if HIREDIS_MAJOR >= 1
static inline void il_redis_due(void *redis)
{
	redisAsyncHandleTimeout(((il_redis *)redis)->context);
}

static inline void il_redis_schedule(void *redis, struct timeval tv)
{
	il_timer_set(((il_redis *)redis)->timer,
		     il_deadline(IL_SEC(tv.tv_sec) + IL_USEC(tv.tv_usec)));
}
#endif

/* ---- replies ---- */

/* hiredis frees a reply after its callback: not the one that a task has just got. Each file of a program has its own,
 * and so a function of its own that frees. */
static __thread void *il_redis_taken;

static inline void il_redis_free_object(void *reply)
{
	if (reply == il_redis_taken)
		il_redis_taken = NULL;
	else
		freeReplyObject(reply);
}

static inline void il_redis_put_call(il_redis *r, struct il_redis_call *call)
{
	call->next = r->spare;
	r->spare = call;
}

static inline int il_redis_take_call(il_redis *r, struct il_redis_call **taken)
{
	struct il_redis_call *call = r->spare;

	if (call) {
		r->spare = call->next;
	} else {
		call = (struct il_redis_call *)calloc(1, sizeof(*call));
		if (!call || il_semaphore_create(&call->done, 0, 1) < 0) {
			free(call);
			return il_fail(-ENOMEM, "redis: out of memory for a command");
		}
		call->redis = r;
	}
	call->reply = NULL;
	call->rc = 0;
	call->finished = call->given_up = false;
	*taken = call;
	return 0;
}

static inline void il_redis_on_reply(redisAsyncContext *context, void *reply, void *arg)
{
	struct il_redis_call *call = (struct il_redis_call *)arg;
	il_redis *r = call->redis;

	r->calls--;
	if (call->given_up) {
		il_redis_put_call(r, call);
		return;
	}
	if (!reply) {
		il_redis_note(r, context);
		call->rc = r->why;
	}
	call->reply = (redisReply *)reply;
	call->finished = true;
	il_redis_taken = reply;
	r->functions.freeObject = il_redis_free_object; /* another file's may be there */
	il_semaphore_release(call->done);
}

/* ---- connecting ---- */

static inline void il_redis_on_connect(const redisAsyncContext *context, int status)
{
	il_redis *r = (il_redis *)context->data;

	r->connected = status == REDIS_OK;
	if (!r->connected)
		il_redis_note(r, context);
	il_semaphore_release(r->up);
}

static inline void il_redis_free(il_redis *r)
{
	while (r->spare) {
		struct il_redis_call *call = r->spare;
		r->spare = call->next;
		il_semaphore_destroy(call->done);
		free(call);
	}
	il_semaphore_destroy(r->up);
	free(r);
}

/* Closes the connection; tasks that wait for a reply get -EBADF. NULL is allowed. */
static inline void il_redis_close(il_redis *r)
{
	if (!r)
		return;
	r->closed = true;
	if (r->context)
		redisAsyncFree(r->context);
	if (r->users == 0)
		il_redis_free(r);
}

static inline int il_redis_attach(il_redis *r)
{
	redisAsyncContext *c = r->context;
	int rc;

	c->data = c->ev.data = r;
	c->ev.addRead = il_redis_add_read;
	c->ev.delRead = il_redis_del_read;
	c->ev.addWrite = il_redis_add_write;
	c->ev.delWrite = il_redis_del_write;
	c->ev.cleanup = il_redis_cleanup; /* of what is open by then */
	r->functions = *c->c.reader->fn;
	c->c.reader->fn = &r->functions;
	rc = il_fd_watch_open(&r->watch, c->c.fd, 0, il_redis_ready, r);
#if HIREDIS_MAJOR >= 1
	c->ev.scheduleTimer = il_redis_schedule;
	if (rc == 0)
		rc = il_timer_open(&r->timer, il_redis_due, r);
#endif
	if (rc < 0)
		return rc;
	return redisAsyncSetConnectCallback(c, il_redis_on_connect) == REDIS_OK ? 0 : -EIO;
}

static inline int il_redis_open(il_redis **redis, redisAsyncContext *context)
{
	il_redis *r = (il_redis *)calloc(1, sizeof(*r));
	int rc = r && context ? il_semaphore_create(&r->up, 0, 1) : -ENOMEM;

	if (rc == 0 && context->err)
		rc = il_fail(il_redis_code(context->err), "redis: %s", context->errstr);
	if (rc < 0) {
		if (context)
			redisAsyncFree(context);
		if (r)
			il_redis_free(r);
		return rc;
	}
	r->context = context;
	rc = il_redis_attach(r);
	if (rc == 0)
		rc = il_semaphore_acquire(r->up);
	if (rc == 0 && !r->connected)
		rc = il_fail(r->why, "redis: %s", r->words);
	if (rc < 0)
		il_redis_close(r);
	else
		*redis = r;
	return rc;
}

/* Connects to a host, or with port NULL to the path of a Unix socket; waits. The caller closes it. */
static inline int il_redis_connect(il_redis **redis, const char *host, const char *port)
{
	char text[IL_ADDRESS_TEXT_MAX], *end;
	il_address addresses[8];
	int rc, count;

	if (!port)
		return il_redis_open(redis, redisAsyncConnectUnix(host));
	rc = count = il_resolve(host, port, 0, addresses, 8); /* hiredis's own lookup would block */
	for (int i = 0; i < count && i < 8; i++) {
		char *start = text;
		il_address_text(&addresses[i], text, sizeof(text));
		end = strrchr(text, ':');
		if (*start == '[') {
			start++;
			end--;
		}
		*end = '\0';
		rc = il_redis_open(redis, redisAsyncConnect(start, il_address_port(&addresses[i])));
		if (rc == 0 || rc == -ECANCELED)
			break;
	}
	return rc;
}

/* ---- commands ---- */

/* The only command is written at once; others gather until the connection takes more. */
static inline void il_redis_flush(il_redis *r)
{
	if (r->calls == 1)
		redisAsyncHandleWrite(r->context);
	if (r->context && r->wants_write)
		il_redis_want(r, r->mask | IL_WRITABLE);
}

static inline int il_redis_wait(struct il_redis_call *call, redisReply **reply)
{
	il_redis *r = call->redis;
	int rc = il_semaphore_acquire(call->done);

	if (rc == 0) {
		*reply = call->reply;
		if ((rc = call->rc) < 0)
			il_fail(rc, "redis: %s", r->words);
	} else if (call->finished) { /* cancelled in the same turn */
		freeReplyObject(call->reply);
		if (il_semaphore_acquire_nowait(call->done) < 0) /* its reply has released it */
			rc = -EPROTO;
	} else {
		call->given_up = true;
		return rc;
	}
	il_redis_put_call(r, call);
	return rc;
}

/* hiredis keeps the call of such a command for all that comes. A formatted one begins "*COUNT\r\n$SIZE\r\nNAME\r\n". */
static inline bool il_redis_is_endless(const char *command)
{
	static const char *const names[] = {"SUBSCRIBE\r", "PSUBSCRIBE\r", "SSUBSCRIBE\r",
					    "MONITOR\r"};
	const char *name = strchr(strchr(command, '\n') + 1, '\n') + 1;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncasecmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static inline int il_redis_send(il_redis *r, struct il_redis_call *call, const char *format,
				va_list ap)
{
	char *command;
	int rc, length = redisvFormatCommand(&command, format, ap);

	if (length < 0)
		return -EINVAL;
	rc = il_redis_is_endless(command) ||
		     redisAsyncFormattedCommand(r->context, il_redis_on_reply, call, command,
						(size_t)length) != REDIS_OK
		 ? -EINVAL
		 : 0;
	redisFreeCommand(command);
	return rc;
}

static inline int il_redis_vcommand(il_redis *r, redisReply **reply, const char *format, va_list ap)
{
	struct il_redis_call *call = NULL;
	int rc = il_check_cancelled();

	*reply = NULL;
	if (rc < 0)
		return rc;
	if (!r->context)
		return il_fail(r->why, "redis: %s", r->words);
	rc = il_redis_take_call(r, &call);
	if (rc < 0)
		return rc;
	if (il_redis_send(r, call, format, ap) < 0) {
		il_redis_put_call(r, call);
		return il_fail(-EINVAL, "redis: the command was refused");
	}
	r->calls++;
	r->users++;
	il_redis_flush(r);
	rc = il_redis_wait(call, reply);
	if (--r->users == 0 && r->closed)
		il_redis_free(r);
	return rc;
}

/*
 * Sends a command, as redisCommand() does, and waits for its reply. A cancellation point: if the task is cancelled
 * before the call, nothing is sent; later the command has been sent, and its reply is dropped. -EINVAL: a command that
 * hiredis refuses, or whose replies have no end. 0: *reply is the caller's, to free with freeReplyObject(); it may be an error of
 * Redis (REDIS_REPLY_ERROR). Else the connection's error, with words in il_error_detail(), and *reply is NULL.
 */
__attribute__((format(printf, 3, 4))) static inline int il_redis_command(il_redis *redis,
									 redisReply **reply,
									 const char *format, ...)
{
	va_list ap;
	int rc;

	va_start(ap, format);
	rc = il_redis_vcommand(redis, reply, format, ap);
	va_end(ap);
	return rc;
}

#endif
