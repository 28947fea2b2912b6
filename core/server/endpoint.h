/*
 * endpoint.h: where a server listens. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_ENDPOINT_H
#define IL_CORE_SERVER_ENDPOINT_H

#include "../base/list.h"

#include <interloop/server.h>

/* One place to listen on; keeps its port when it is opened again. A socket that was handed over cannot be opened
 * again, so it stays open from round to round. */
struct il__endpoint {
	struct il__list link;
	il_server *server;     /* NULL: destroyed before this was open */
	il_listener *listener; /* NULL: not listening now */
	char *host, *port;     /* of TCP; a Unix socket has its path in host and no port */
	char *path;            /* what that path meant when it was given */
	uint16_t bound;        /* the TCP port that it got; 0: none yet */
	bool handed;           /* host is its address, for people only */
};

/* An address, not listening and not linked yet; port NULL: a Unix path. */
int il__endpoint_make(il_server *s, const char *host, const char *port, struct il__endpoint **made);
/* Likewise, of a socket that listens, which is the endpoint's from then on. */
int il__endpoint_adopt(il_server *s, int fd, struct il__endpoint **made);
/* Listens if it does not yet. May wait. */
int il__endpoint_open(struct il__endpoint *e);
void il__endpoint_free(struct il__endpoint *e);
void il__endpoints_close(il_server *s);
/* At the end of a round: nobody accepts any more, and what can be opened again is closed. */
void il__endpoints_rest(il_server *s);
/* The descriptor of the server's socket number index: -ENOENT: it listens on fewer now. */
int il__endpoints_fd(const il_server *s, size_t index);
/* Starts a task for each that accepts clients. */
int il__endpoints_accept(il_server *s);

#endif
