/*
 * connects.c: happy eyeballs: a name with several addresses of both families, of which some do not reply, refuse, or are
 * slow. A connect succeeds where one of them can be reached, within the time that the race takes; of the others nothing
 * is left.
 */
#include "explore.h"

enum { SERVERS = 4 };

#define DELAY   IL_MSEC(100)
#define TIMEOUT IL_SEC(20)

struct race {
	il_virtual_network *n;
	bool good;            /* a server listens, and can be reached */
	int open;             /* connections that a server has now */
	il_time begins, most; /* at the latest: the next attempt, and the end */
	il_time took;
	int rc;
};

/* Until the peer ends. */
static int keep(void *arg)
{
	il_stream *s = arg;
	char data[8];

	while (il_stream_read(s, data, sizeof data) > 0)
		;
	il_stream_destroy(s);
	return 0;
}

struct kept {
	struct race *race;
	il_stream *stream;
};

static int keep_counted(void *arg)
{
	struct kept *kept = arg;

	kept->race->open++;
	keep(kept->stream);
	kept->race->open--;
	free(kept);
	return 0;
}

static int serve(void *arg)
{
	il_listener *l;
	il_group group;
	int rc;

	MUST_DO(il_listener_open_tcp(&l, NULL, "7", NULL));
	MUST_DO(il_group_open(&group));
	for (;;) {
		struct kept *kept = malloc(sizeof *kept);
		if (!kept)
			abort();
		kept->race = arg;
		rc = il_listener_accept(l, &kept->stream);
		if (rc == 0)
			rc = il_group_start_soon(&group, NULL, keep_counted, kept);
		if (rc < 0) {
			free(kept);
			break;
		}
	}
	rc = il_group_close(&group, rc);
	il_listener_destroy(l);
	return rc;
}

static int idle(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static int use(void *arg)
{
	struct race *r = arg;
	il_stream *s = NULL;
	il_time begun;
	int rc;

	MUST_DO(il_sleep(IL_SEC(1)));
	begun = il_now();
	rc = il_stream_connect_tcp(
	    &s, "db", "7", &(il_connect_options){.timeout = TIMEOUT, .attempt_delay = DELAY});
	r->took = il_now() - begun;
	r->rc = rc;
	if (rc == 0) {
		MUST_DO(il_stream_write_all(s, "x", 1));
		MUST_DO(il_sleep(IL_SEC(30)));
		MUST(r->open == 1);
		il_stream_destroy(s);
	}
	return 0;
}

/* The next address: tried as soon as the one before it has refused, and not later than after the delay. */
static void expect(struct race *r, il_time reply, bool accepts)
{
	if (accepts && reply < r->most - r->begins)
		r->most = r->begins + reply;
	r->begins += !accepts && reply < DELAY ? reply : DELAY;
}

/* GOOD may lose segments; of the others the time is known. */
enum kind { GOOD, BOTH, IPV6_ONLY, IPV4_ONLY, SLOW, REFUSES, CRASHED, CUT, KINDS };

static int prepare(struct race *r, const char *name)
{
	const enum kind kind = (enum kind)draw(r->n, KINDS);
	const bool accepts = kind < REFUSES;
	const bool known = kind > GOOD && kind < CRASHED;
	const il_virtual_link_options link = {.latency_min = kind == SLOW ? IL_SEC(3) : IL_MSEC(1),
					      .loss_ipv6 = kind == IPV4_ONLY,
					      .loss_ipv4 = kind == IPV6_ONLY};
	const il_time reply = known ? 2 * link.latency_min : IL_FOREVER;

	r->good |= accepts;
	expect(r, kind == IPV4_ONLY ? IL_FOREVER : reply, accepts);
	expect(r, kind == IPV6_ONLY ? IL_FOREVER : reply, accepts);
	MUST_DO(il_virtual_host_start(r->n, name, accepts ? serve : idle, r));
	if (kind == CRASHED)
		return il_virtual_host_crash(r->n, name);
	if (kind == CUT)
		return il_virtual_partition(r->n, name, NULL);
	return known ? il_virtual_link(r->n, name, NULL, &link) : 0;
}

static int run(struct race *r)
{
	static const char *const names[SERVERS] = {"1.db", "2.db", "3.db", "4.db"};

	/* First: what befalls a link befalls hosts that are there. */
	MUST_DO(il_virtual_host_start(r->n, "client", use, r));
	for (int i = 0; i < SERVERS; i++)
		MUST_DO(prepare(r, names[i]));
	MUST_DO(il_virtual_host_wait(r->n, "client", IL_SEC(600)));
	MUST(r->rc == 0 || explore_is_failure(r->rc));
	MUST(!r->good || r->rc == 0); /* a SYN or two may be lost: each costs seconds */
	MUST(r->took <= r->most);
	MUST_DO(il_sleep(IL_SEC(30)));
	MUST(r->open == 0);
	return 0;
}

int explore_connects(void *arg)
{
	struct race r = {.most = TIMEOUT};
	int rc = explore_open(&r.n, true);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = run(&r);
	il_virtual_network_close(r.n);
	return rc;
}
