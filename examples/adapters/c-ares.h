/*
 * c-ares.h: the name lookups of c-ares in straight-line code. A task parks until the answer is there; no thread is
 * used, and any number of lookups are under way at once.
 *
 *     struct ares_addrinfo *found;
 *     if (il_ares_getaddrinfo(ares, &found, "example.org", "https", AF_UNSPEC) == 0) {
 *             use(found->nodes);
 *             ares_freeaddrinfo(found);
 *     }
 *
 * (il_resolve() needs none of this; it uses the system's resolver, in a thread.) All in the loop's thread. To copy
 * into your program; link -lcares (1.16 or later).
 */
#ifndef ADAPTER_C_ARES_H
#define ADAPTER_C_ARES_H

#include <interloop.h>

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

typedef struct il_ares {
	ares_channel channel;
	il_timer *timer;
	struct il_ares_socket *sockets;
} il_ares;

struct il_ares_socket {
	struct il_ares_socket *next;
	il_ares *ares;
	il_fd_watch *watch;
	ares_socket_t fd;
};

/* A lookup: it outlives a task that was cancelled, for c-ares cannot end a single one. */
struct il_ares_call {
	il_semaphore *done; /* NULL: given up */
	int status;
	struct ares_addrinfo *found;
	unsigned char *answer;
	int size;
};

/* ---- what c-ares asks for ---- */

static inline void il_ares_set_timer(il_ares *a)
{
	struct timeval tv, *next = ares_timeout(a->channel, NULL, &tv);

	il_timer_set(a->timer, next ? il_deadline(IL_SEC(next->tv_sec) + IL_USEC(next->tv_usec))
				    : IL_FOREVER);
}

static inline void il_ares_ready(void *arg, unsigned mask)
{
	struct il_ares_socket *s = (struct il_ares_socket *)arg;
	il_ares *a = s->ares;

	ares_process_fd(a->channel, mask & IL_READABLE ? s->fd : ARES_SOCKET_BAD,
			mask & IL_WRITABLE ? s->fd : ARES_SOCKET_BAD);
	il_ares_set_timer(a); /* the socket may be gone */
}

static inline void il_ares_due(void *arg)
{
	il_ares *a = (il_ares *)arg;

	ares_process_fd(a->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	il_ares_set_timer(a);
}

static inline void il_ares_forget(struct il_ares_socket **at)
{
	struct il_ares_socket *s = *at;

	*at = s->next;
	il_fd_watch_close(s->watch);
	free(s);
}

/* A socket that cannot be watched is found by the timer: its lookups run out of time. */
static inline void il_ares_on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	il_ares *a = (il_ares *)arg;
	unsigned mask =
	    (readable ? (unsigned)IL_READABLE : 0u) | (writable ? (unsigned)IL_WRITABLE : 0u);
	struct il_ares_socket **at = &a->sockets, *s;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	if (*at && mask) {
		il_fd_watch_set((*at)->watch, mask);
	} else if (*at) {
		il_ares_forget(at);
	} else if (mask && (s = (struct il_ares_socket *)calloc(1, sizeof(*s)))) {
		s->ares = a;
		s->fd = fd;
		*at = s;
		if (il_fd_watch_open(&s->watch, fd, mask, il_ares_ready, s) < 0)
			il_ares_forget(at);
	}
}

/* ---- lookups ---- */

static inline int il_ares_code(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
		return -ENOENT;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ESERVFAIL:
	case ARES_ECONNREFUSED:
		return -EAGAIN;
	case ARES_ENOMEM:
		return -ENOMEM;
	case ARES_ECANCELLED:
	case ARES_EDESTRUCTION:
		return -EBADF;
	case ARES_EBADNAME:
	case ARES_EBADFAMILY:
	case ARES_EBADFLAGS:
		return -EINVAL;
	default:
		return -EIO;
	}
}

static inline void il_ares_drop(struct il_ares_call *call)
{
	if (call->found)
		ares_freeaddrinfo(call->found);
	free(call->answer);
	free(call);
}

static inline void il_ares_finish(struct il_ares_call *call, int status)
{
	call->status = status;
	if (call->done)
		il_semaphore_release(call->done);
	else
		il_ares_drop(call);
}

static inline void il_ares_on_addrinfo(void *arg, int status, int timeouts,
				       struct ares_addrinfo *found)
{
	struct il_ares_call *call = (struct il_ares_call *)arg;

	(void)timeouts;
	call->found = found;
	il_ares_finish(call, status);
}

static inline void il_ares_on_answer(void *arg, int status, int timeouts, unsigned char *answer,
				     int size)
{
	struct il_ares_call *call = (struct il_ares_call *)arg;

	(void)timeouts;
	if (status == ARES_SUCCESS && size > 0) {
		call->answer = (unsigned char *)malloc((size_t)size);
		call->size = size;
		if (call->answer)
			memcpy(call->answer, answer, (size_t)size);
		else
			status = ARES_ENOMEM;
	}
	il_ares_finish(call, status);
}

static inline int il_ares_begin(struct il_ares_call **begun)
{
	struct il_ares_call *call = (struct il_ares_call *)calloc(1, sizeof(*call));

	if (!call || il_semaphore_create(&call->done, 0, 1) < 0) {
		free(call);
		return il_fail(-ENOMEM, "c-ares: out of memory for a lookup");
	}
	*begun = call;
	return 0;
}

/* It may be over already. Negative: the call is gone. */
static inline int il_ares_wait(il_ares *a, struct il_ares_call *call, const char *name)
{
	il_semaphore *done = call->done;
	int rc;

	il_ares_set_timer(a);
	rc = il_semaphore_acquire(done);
	if (rc < 0 && il_semaphore_acquire_nowait(done) < 0) {
		call->done = NULL; /* its end frees it */
	} else {
		if (rc == 0 && (rc = il_ares_code(call->status)) < 0)
			il_fail(rc, "c-ares: %s: %s", name, ares_strerror(call->status));
		if (rc < 0)
			il_ares_drop(call);
	}
	il_semaphore_destroy(done);
	return rc;
}

/*
 * Looks the addresses of a host up; waits. A cancellation point. 0: *found is the caller's, to free with
 * ares_freeaddrinfo(); -ENOENT: there is none; -ETIMEDOUT, -EAGAIN: no server has answered; -EINVAL; -ENOMEM.
 */
static inline int il_ares_getaddrinfo(il_ares *a, struct ares_addrinfo **found, const char *host,
				      const char *service, int family)
{
	const struct ares_addrinfo_hints hints = {0, family, SOCK_STREAM, 0};
	struct il_ares_call *call = NULL;
	int rc = il_ares_begin(&call);

	if (rc < 0)
		return rc;
	ares_getaddrinfo(a->channel, host, service, &hints, il_ares_on_addrinfo, call);
	rc = il_ares_wait(a, call, host);
	if (rc < 0)
		return rc;
	*found = call->found;
	call->found = NULL;
	il_ares_drop(call);
	return 0;
}

/*
 * Asks for any record; waits. A cancellation point. Its size: *answer is the caller's, to free with free() and to read
 * with ares_parse_txt_reply() and its siblings; else as above.
 */
static inline int il_ares_search(il_ares *a, unsigned char **answer, const char *name, int type)
{
	struct il_ares_call *call = NULL;
	int size, rc = il_ares_begin(&call);

	if (rc < 0)
		return rc;
	ares_search(a->channel, name, 1 /* IN */, type, il_ares_on_answer, call);
	rc = il_ares_wait(a, call, name);
	if (rc < 0)
		return rc;
	*answer = call->answer;
	size = call->size;
	call->answer = NULL;
	il_ares_drop(call);
	return size;
}

/* ---- open and close ---- */

/* Closes the channel; tasks that wait get -EBADF. NULL is allowed. */
static inline void il_ares_close(il_ares *a)
{
	if (!a)
		return;
	if (a->channel)
		ares_destroy(a->channel);
	while (a->sockets)
		il_ares_forget(&a->sockets);
	il_timer_close(a->timer);
	free(a);
}

/*
 * servers: as ares_set_servers_ports_csv() takes them, "127.0.0.1:5353"; NULL: the system's. flags: ARES_FLAG_*, or 0:
 * what c-ares does by itself. It closes its sockets then whenever no lookup is under way, also between two of one task.
 * With ARES_FLAG_STAYOPEN they stay (a third less processor time for such a task), and so does the port that answers
 * are expected at, which makes them easier to forge. The caller closes it.
 */
static inline int il_ares_open(il_ares **ares, const char *servers, int flags)
{
	il_ares *a = (il_ares *)calloc(1, sizeof(*a));
	struct ares_options options;
	int status, rc = a ? il_timer_open(&a->timer, il_ares_due, a) : -ENOMEM;

	if (rc == 0) {
		memset(&options, 0, sizeof(options));
		options.sock_state_cb = il_ares_on_socket;
		options.sock_state_cb_data = a;
		options.flags = flags;
		status = ares_init_options(&a->channel, &options,
					   ARES_OPT_SOCK_STATE_CB | (flags ? ARES_OPT_FLAGS : 0));
		if (status != ARES_SUCCESS)
			a->channel = NULL;
		else if (servers)
			status = ares_set_servers_ports_csv(a->channel, servers);
		if (status != ARES_SUCCESS)
			rc = il_fail(il_ares_code(status), "c-ares: %s", ares_strerror(status));
	}
	if (rc < 0)
		il_ares_close(a);
	else
		*ares = a;
	return rc;
}

#endif
