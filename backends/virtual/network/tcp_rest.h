/*
 * tcp_rest.h: probes, of windows that are closed and of peers that are silent (keepalive). A probe that was answered is
 * the last one until something changes that could make the next one end otherwise: so probes alone do not let virtual
 * time go on forever where every task waits. Loop's thread only.
 */
#ifndef IL_VIRTUAL_NETWORK_TCP_REST_H
#define IL_VIRTUAL_NETWORK_TCP_REST_H

#include "tcp.h"

/* A probe for a window was answered, and that is still closed; or the last resend went over a link that is held. */
void il__sim_rest(struct il__sim_tcp *t);
/* The peer's window has opened: should the word of it be lost, there is a probe. */
void il__sim_rest_end(struct il__sim_tcp *t);
/* Of t->keepalive_timer. */
void il__sim_keepalive_due(struct il__timer *timer);
/* Something was heard of the peer, or an option was set. */
void il__sim_keepalive_heard(struct il__sim_tcp *t);
void il__sim_keepalive_set(struct il__sim_tcp *t);
/* What rests, for nothing would change, goes on: its peer has ended. */
void il__sim_rouse(struct il__sim_tcp *t);
/* Likewise, after a change of what lies between hosts. */
void il__sim_changed(struct il_virtual_network *n);

#endif
