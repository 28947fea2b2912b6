/*
 * endpoint.h: where a server listens. Loop's thread only.
 */
#ifndef IL_CORE_SERVER_ENDPOINT_H
#define IL_CORE_SERVER_ENDPOINT_H

#include "../base/list.h"

#include <interloop/server.h>

/* One place to listen on; keeps its port when it is opened again. */
struct il__endpoint {
	struct il__list link;
	il_server *server;
	il_listener *listener; /* NULL: not listening now */
	char *host, *port;     /* of TCP; a Unix socket has its path in host and no port */
	char *path;            /* what that path meant when it was given */
	uint16_t bound;        /* the TCP port that it got; 0: none yet */
};

/* An address, not listening and not linked yet; port NULL: a Unix path. */
int il__endpoint_make(il_server *s, const char *host, const char *port, struct il__endpoint **made);
/* Listens if it does not yet. May wait. */
int il__endpoint_open(struct il__endpoint *e);
void il__endpoint_free(struct il__endpoint *e);
void il__endpoints_close(il_server *s);
/* Starts a task for each that accepts clients. */
int il__endpoints_accept(il_server *s);

#endif
