/*
 * gearman.h: the packets of Gearman's binary protocol and a connection that carries them. All that is the engine's own. The
 * loop's thread.
 */
#ifndef IL_CORE_REMOTE_GEARMAN_H
#define IL_CORE_REMOTE_GEARMAN_H

#include <interloop.h>

#include <stdint.h>
#include <sys/uio.h>

enum il__remote_type {
	IL__GEARMAN_CAN_DO = 1,
	IL__GEARMAN_PRE_SLEEP = 4,
	IL__GEARMAN_NOOP = 6,
	IL__GEARMAN_SUBMIT_JOB = 7,
	IL__GEARMAN_JOB_CREATED = 8,
	IL__GEARMAN_NO_JOB = 10,
	IL__GEARMAN_WORK_STATUS = 12,
	IL__GEARMAN_WORK_COMPLETE = 13,
	IL__GEARMAN_WORK_FAIL = 14,
	IL__GEARMAN_GET_STATUS = 15,
	IL__GEARMAN_ECHO_REQ = 16,
	IL__GEARMAN_ECHO_RES = 17,
	IL__GEARMAN_ERROR = 19,
	IL__GEARMAN_STATUS_RES = 20,
	IL__GEARMAN_WORK_EXCEPTION = 25,
	IL__GEARMAN_OPTION_REQ = 26,
	IL__GEARMAN_WORK_DATA = 28,
	IL__GEARMAN_GRAB_JOB_UNIQ = 30,
	IL__GEARMAN_JOB_ASSIGN_UNIQ = 31
};

enum { IL__REMOTE_HANDLE_MAX = 64, IL__REMOTE_PREFIX_MAX = 128 };

/* What both sides tell of their servers and connections. */
struct il__remote_endpoint {
	const char *server; /* "host:port", "unix:/path" */
	const struct il_layer *layer;
	il_time timeout, heartbeat;
};

struct il__remote_connection {
	il_stream *stream;
	il_time heartbeat;
	il_time clock, looked; /* its clock, and when that was looked at: by il_now() */
	il_time heard; /* by its clock: of a reply, or of a part of what is large, either way */
	size_t max;    /* bytes of one that are kept */
	/* out: what tasks have sent in a turn is written at once, by a task of its own */
	char *out;
	size_t out_size, out_room;
	int unwritten; /* packets in it */
	il_semaphore *work,
	    *room; /* work: at most one permit; room: one for each who waits for it */
	int users; /* who wait for room */
	bool closed;
	bool failed; /* a packet has found no memory: without it the connection is of no use */
	/* in: read ahead */
	char in[8192];
	size_t in_begin, in_end;
};

/* A packet that came; `data` ends with a NUL beyond its size. */
struct il__remote_packet {
	uint32_t type;
	size_t size, at; /* at: of the next argument */
	size_t cut;      /* bytes that came after them and were dropped: it was too large */
	bool no_memory;  /* for it as a whole, which is not too large for `max` */
	char *data;
};

/* Of at most one permit: there may be something to do. One that is there already is enough: another would be refused, which costs
 * more than a job does. */
static inline void il__remote_ring(il_semaphore *bell)
{
	if (il_semaphore_value(bell) == 0)
		il_semaphore_release(bell);
}

/* 0; -EINVAL, -EACCES. */
int il__remote_check_servers(const char *function, const char *const *servers, size_t count,
			     const struct il_layer *layer, bool insecure);
/* -EINVAL: no heartbeat. */
int il__remote_check_heartbeat(const char *function, il_time heartbeat);
/* -EINVAL; NULL: none. */
int il__remote_check_prefix(const char *function, const char *prefix);
/* Whether it can stand in a line of an administrator's list. */
bool il__remote_fits_line(const char *name);
/* A bare stream for lines of text, as administrators send them. */
int il__remote_open_stream(il_stream **stream, const struct il__remote_endpoint *to);
/* Connected is what answers as a job server does, within the time. */
int il__remote_connect(struct il__remote_connection *c, const struct il__remote_endpoint *to,
		       size_t max);
void il__remote_close(struct il__remote_connection *c);
/* The pieces follow each other; between arguments the caller has put a NUL. A task of the connection writes them; waits while much is
 * to be written. */
int il__remote_send(struct il__remote_connection *c, uint32_t type, const struct iovec *pieces,
		    int count);
/* Both parts of it: the first waits, and the second does not, for packets that are small and few, or whose sender has waited. */
int il__remote_await_room(struct il__remote_connection *c);
/* Whether that would wait. */
bool il__remote_is_full(const struct il__remote_connection *c);
int il__remote_send_now(struct il__remote_connection *c, uint32_t type, const struct iovec *pieces,
			int count);
int il__remote_send_text(struct il__remote_connection *c, uint32_t type, const char *argument);
/* For the task that writes: until something was sent, or could not be. Then: writes all of it. */
int il__remote_await_output(struct il__remote_connection *c);
int il__remote_flush(struct il__remote_connection *c);
/* 1; negative: -ENODATA: the end. Cancelled, the connection is of no more use. The packet's data is the caller's, to be freed by
 * il__remote_free_packet. */
int il__remote_receive(struct il__remote_connection *c, struct il__remote_packet *packet);
void il__remote_free_packet(struct il__remote_packet *packet);
/* The next argument, ended by a NUL; NULL: there is none. And all that is left. */
const char *il__remote_next(struct il__remote_packet *packet);
const char *il__remote_rest(struct il__remote_packet *packet, size_t *size);
/* By which silence is measured: while this program is stopped, or has no processor, nobody else is silent. So it goes on by a
 * beat at most from one look to the next. */
il_time il__remote_clock(struct il__remote_connection *c);
/* Sends ECHO_REQ each beat; returns -EOWNERDEAD when nothing has come for three beats. A cancellation point. */
int il__remote_beat(struct il__remote_connection *c);

#endif
