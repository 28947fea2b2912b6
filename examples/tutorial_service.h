/*
 * tutorial_service.h: the service of docs/tutorial.md, apart from any address and any loop, so that a
 * server and a test can both run it.
 */
#ifndef TUTORIAL_SERVICE_H
#define TUTORIAL_SERVICE_H

#include <interloop.h>

#include <stdio.h>

/* [service] */
struct service {
	FILE *log;
	il_sender *questions; /* from every handler ... */
	il_receiver *to_log;  /* ... to the one task that writes the log */
};

extern const il_handler service_handler; /* its data: a struct service */

/* Serves until it is cancelled, and writes the log meanwhile. */
int service_serve(struct service *service, il_server *server);
/* [service] */

#endif
