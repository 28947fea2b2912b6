/*
 * listener.h: listeners: sockets that accept streams. Loop's thread only.
 */
#ifndef IL_CORE_IO_LISTENER_H
#define IL_CORE_IO_LISTENER_H

#include "../sync/case.h"
#include "network.h"
#include "unix_path.h"

#include <interloop/stream.h>

struct il__listening {
	struct il__fd *fd;
	struct il__fd_wait wait;   /* of the accepting task */
	struct il__fd_share share; /* of a case, which is `waiter` */
	struct il__waiter *waiter;
	struct il__place place; /* of a case that is checked */
};

/* The accepting call, on its task's stack; or who stands in its place for a case of a select. */
struct il__accepting {
	struct il__waiter *waiter; /* the task's; a case's */
	il_task *task;
	il_time retry; /* sleeps until then instead of waiting for the sockets */
	bool gone;     /* closed meanwhile: touch the listener no more */
	bool parked;
	bool starved; /* in this call */
};

struct il_listener {
	struct il__fd_owner owner; /* first */
	il_loop *loop;
	const struct il__network *network;
	struct il__accepting *accepting;
	bool starved; /* out of descriptors or memory, and it was logged; until nobody waits */
	struct il__socket_file file; /* Unix: to remove */
	uint16_t port;
	int count; /* 0: closed */
	int next;  /* socket to try first, so that none is starved */
	struct il__listening sockets[];
};

/* Takes over ends that listen, and the file of a Unix socket (NULL: there is none); on failure all stay the
 * caller's. */
int il__listener_create(il_listener **listener, il_loop *loop, const struct il__network *network,
			struct il__fd *const *ends, int count, struct il__socket_file *file);
/* Of listen(2). */
static inline int il__listener_backlog(const il_listen_options *o)
{
	return o->backlog > 0 ? o->backlog : SOMAXCONN;
}
/* What a task waits for that accepts. */
void il__listener_tell(struct il__report *r, const il_listener *listener);
/* A task that accepts gets -EBADF; the listener stays open. */
void il__listener_stop(il_listener *listener);
/* il_listener_open_unix, where the path may have meant another place: `absolute` is what it means. */
int il__listener_open_unix(il_listener **listener, const char *path, const char *absolute,
			   const il_listen_options *options);

#endif
