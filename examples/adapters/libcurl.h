/*
 * libcurl.h: transfers of libcurl in straight-line code. A task prepares an easy handle as ever and parks in
 * il_curl_perform() until the transfer is over; all tasks share one multi handle, and so its connections.
 *
 *     CURL *easy = curl_easy_init();
 *     curl_easy_setopt(easy, CURLOPT_URL, "https://example.org/");
 *     rc = il_curl_perform(curl, easy);
 *
 * The functions that libcurl calls for data and headers are plain calls in the loop's thread: they may not wait.
 * All in the loop's thread. To copy into your program; link -lcurl. See "multi_socket" in libcurl's manual.
 */
#ifndef ADAPTER_LIBCURL_H
#define ADAPTER_LIBCURL_H

#include <interloop.h>

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

/* A transfer, on its task's stack. */
struct il_curl_call {
	struct il_curl_call *next;
	CURL *easy; /* NULL: it is over */
	il_semaphore *done;
	int result; /* above 0: a CURLcode; negative: the loop refused a watch, or the timer */
};

typedef struct il_curl {
	CURLM *multi;
	il_timer *timer;
	int is_due; /* libcurl has something to do now */
	int adding; /* a transfer; its task calls libcurl then, so that no timer need do it */
	struct il_curl_call *calls;
} il_curl;

/* A socket of libcurl's; its own, as curl_multi_assign() keeps it. */
struct il_curl_socket {
	il_curl *curl;
	il_fd_watch *watch;
	curl_socket_t fd;
};

/* ---- what libcurl tells ---- */

/* Wakes the task of a transfer that is over; easy NULL: of each. */
static inline void il_curl_finish(il_curl *c, const CURL *easy, int result)
{
	for (struct il_curl_call *call = c->calls; call; call = call->next)
		if (call->easy && (!easy || call->easy == easy)) {
			call->easy = NULL;
			call->result = result;
			il_semaphore_release(call->done);
		}
}

static inline void il_curl_collect(il_curl *c)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			il_curl_finish(c, message->easy_handle, (int)message->data.result);
}

static inline void il_curl_act(il_curl *c, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(c->multi, fd, events, &running);
	il_curl_collect(c);
}

/* ---- what it asks for ---- */

/* libcurl may be through with the socket, and this memory gone, after the call. */
static inline void il_curl_ready(void *arg, unsigned mask)
{
	struct il_curl_socket *s = (struct il_curl_socket *)arg;

	il_curl_act(s->curl, s->fd,
		    (mask & IL_READABLE ? CURL_CSELECT_IN : 0) |
			(mask & IL_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static inline void il_curl_due(void *arg)
{
	il_curl *c = (il_curl *)arg;

	c->is_due = 0;
	il_curl_act(c, CURL_SOCKET_TIMEOUT, 0);
}

static inline int il_curl_forget(il_curl *c, struct il_curl_socket *s)
{
	if (s) {
		curl_multi_assign(c->multi, s->fd, NULL);
		il_fd_watch_close(s->watch);
		free(s);
	}
	return 0;
}

static inline int il_curl_watch(il_curl *c, curl_socket_t fd, unsigned mask)
{
	struct il_curl_socket *s = (struct il_curl_socket *)calloc(1, sizeof(*s));
	int rc = s ? il_fd_watch_open(&s->watch, fd, mask, il_curl_ready, s) : -ENOMEM;

	if (rc < 0) {
		free(s);
		return rc;
	}
	s->curl = c;
	s->fd = fd;
	curl_multi_assign(c->multi, fd, s);
	return 0;
}

/* Neither this function nor the timer's returns -1: libcurl would then run no transfer of the multi handle any more, and
 * tell none of them. Whoever needs what the loop has refused is told here, and takes its transfer back. */
static inline int il_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *curl,
				    void *assigned)
{
	struct il_curl_socket *s = (struct il_curl_socket *)assigned;
	il_curl *c = (il_curl *)curl;
	int rc;
	unsigned mask = (what & CURL_POLL_IN ? (unsigned)IL_READABLE : 0u) |
			(what & CURL_POLL_OUT ? (unsigned)IL_WRITABLE : 0u);

	if (what == CURL_POLL_REMOVE)
		return il_curl_forget(c, s);
	rc = s ? il_fd_watch_set(s->watch, mask) : il_curl_watch(c, fd, mask);
	if (rc < 0)
		il_curl_finish(c, easy, rc);
	return 0;
}

static inline int il_curl_on_timer(CURLM *multi, long milliseconds, void *curl)
{
	il_time deadline = milliseconds < 0 ? IL_FOREVER : il_deadline(IL_MSEC(milliseconds));
	il_curl *c = (il_curl *)curl;
	int rc = 0;

	(void)multi;
	c->is_due = milliseconds == 0;
	if (!c->is_due || !c->adding)
		rc = il_timer_set(c->timer, deadline);
	if (rc < 0)
		il_curl_finish(c, NULL, rc);
	return 0;
}

/* ---- for tasks ---- */

/* Closes it when no transfer is under way. NULL is allowed. */
static inline void il_curl_close(il_curl *c)
{
	if (!c)
		return;
	curl_multi_cleanup(c->multi);
	il_timer_close(c->timer);
	free(c);
}

/* Call curl_global_init() before. The caller closes it. */
static inline int il_curl_open(il_curl **curl)
{
	il_curl *c = (il_curl *)calloc(1, sizeof(*c));
	int rc = c ? il_timer_open(&c->timer, il_curl_due, c) : -ENOMEM;

	if (rc == 0 && !(c->multi = curl_multi_init()))
		rc = -ENOMEM;
	if (rc < 0) {
		if (c)
			il_timer_close(c->timer);
		free(c);
		return rc;
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, il_curl_on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, il_curl_on_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	*curl = c;
	return 0;
}

/* What tasks add in one turn is begun by the first of them, rather than by the timer in the turn after. */
static inline int il_curl_begin(il_curl *c)
{
	int rc = il_yield();

	if (c->is_due) {
		il_timer_set(c->timer, IL_FOREVER);
		il_curl_due(c);
	}
	return rc;
}

static inline void il_curl_unlink(il_curl *c, const struct il_curl_call *call)
{
	for (struct il_curl_call **at = &c->calls; *at; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			return;
		}
}

/*
 * Transfers; waits. A cancellation point, which ends the transfer. 0; above 0: the CURLcode of what went wrong, with
 * libcurl's words in il_error_detail(); -ECANCELED; -ENOMEM; -ESHUTDOWN: the loop is being closed; -EINVAL: libcurl
 * takes no such handle, such as one that is in use.
 */
static inline int il_curl_perform(il_curl *c, CURL *easy)
{
	struct il_curl_call call = {c->calls, easy, NULL, 0};
	CURLMcode added;
	int rc = il_semaphore_create(&call.done, 0, 1);

	if (rc < 0)
		return rc;
	c->calls = &call;
	c->adding = 1;
	added = curl_multi_add_handle(c->multi, easy);
	c->adding = 0;
	if (added == CURLM_OK) {
		rc = il_curl_begin(c);
		if (rc == 0)
			rc = il_semaphore_acquire(call.done);
		curl_multi_remove_handle(c->multi, easy);
	} else {
		rc = il_fail(added == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EINVAL, "libcurl: %s",
			     curl_multi_strerror(added));
	}
	il_curl_unlink(c, &call);
	il_semaphore_destroy(call.done);
	if (rc < 0)
		return rc;
	if (call.result > 0)
		il_fail(-EIO, "libcurl: %s", curl_easy_strerror((CURLcode)call.result));
	else if (call.result < 0)
		il_fail(call.result,
			"libcurl: its socket cannot be watched, or its timer not be set");
	return call.result;
}

#endif
