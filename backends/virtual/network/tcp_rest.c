/*
 * tcp_rest.c: probes that rest, and keepalive. Loop's thread only.
 */
#include "tcp_rest.h"
#include "hosts.h"

/* ---- windows ---- */

void il__sim_rest(struct il__sim_tcp *t)
{
	t->tries = 0;
	t->rests = true;
	il__timer_disarm(t->host->network->loop, &t->timer);
}

void il__sim_rest_end(struct il__sim_tcp *t)
{
	if (!t->host || !t->rests)
		return;
	t->rests = false;
	il__sim_tcp_arm(t);
}

/* ---- keepalive ---- */

static void keepalive_arm(struct il__sim_tcp *t, il_time at)
{
	struct il_virtual_network *n = t->host->network;

	if (il__timer_arm(n->loop, &t->keepalive_timer, at) < 0)
		il__sim_tcp_end(t, -ENOBUFS);
}

void il__sim_keepalive_due(struct il__timer *timer)
{
	struct il__sim_tcp *t = il__container_of(timer, struct il__sim_tcp, keepalive_timer);
	const il_time now = il__sim_now(t->host->network);

	/* As Linux does it: `give_up` in the place of so many probes. */
	if (t->give_up ? t->probes && now - t->heard >= t->give_up
		       : t->probes >= t->keepalive_probes) {
		il__sim_tcp_end(t, -ETIMEDOUT);
		return;
	}
	if (now < t->heard + t->keepalive_idle) {
		keepalive_arm(t, t->heard + t->keepalive_idle);
		return;
	}
	t->probes++;
	il__sim_tcp_send(t, IL__SIM_PROBE);
	keepalive_arm(t, now + t->keepalive_interval);
}

/* The answer to a probe lets it rest; anything else lets it begin anew. */
void il__sim_keepalive_heard(struct il__sim_tcp *t)
{
	t->heard = il__sim_now(t->host->network);
	if (!t->keepalive)
		return;
	if (t->probes)
		il__timer_disarm(t->host->network->loop, &t->keepalive_timer);
	else if (!t->keepalive_timer.index)
		keepalive_arm(t, t->heard + t->keepalive_idle);
	t->probes = 0;
}

void il__sim_keepalive_set(struct il__sim_tcp *t)
{
	t->probes = 0;
	if (!t->keepalive || t->state != IL__SIM_OPEN)
		il__timer_disarm(t->host->network->loop, &t->keepalive_timer);
	else
		keepalive_arm(t, t->heard + t->keepalive_idle);
}

/* As if its probes had gone on in time since it was heard last. */
static void keepalive_resume(struct il__sim_tcp *t)
{
	const il_time idle = t->keepalive_idle, since = il__sim_now(t->host->network) - t->heard;

	if (t->keepalive && t->state == IL__SIM_OPEN && !t->keepalive_timer.index)
		keepalive_arm(t, t->heard + (since / idle + 1) * idle);
}

/* ---- both ---- */

void il__sim_rouse(struct il__sim_tcp *t)
{
	if (!t || !t->host)
		return;
	il__sim_tcp_ref(t);
	il__sim_rest_end(t);
	if (t->host)
		keepalive_resume(t);
	il__sim_tcp_unref(t);
}

void il__sim_changed(struct il_virtual_network *n)
{
	for (size_t i = 0; i < n->count; i++)
		il__list_each_safe (node, &n->hosts[i]->connections)
			il__sim_rouse(il__container_of(node, struct il__sim_tcp, link));
}
