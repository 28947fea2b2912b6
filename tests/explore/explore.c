/*
 * explore.c: runs one of the programs under many seeds:
 *
 *     explore PROGRAM FIRST-SEED COUNT
 *
 * Prints the failing seed, and what was wrong, and exits with 1; with a count of 1 the trace goes to stderr.
 */
#include "explore.h"

static bool traced;

int explore_open(il_virtual_network **network, bool ipv6)
{
	const il_virtual_network_options none = {.ipv6 = ipv6};
	il_virtual_link_options link;
	il_virtual_network *n;
	int rc = il_virtual_network_open(&n, &none);

	if (rc < 0)
		return rc;
	link = (il_virtual_link_options){.latency_min = draw_time(n, 5),
					 .loss = draw(n, 4) ? 0 : draw(n, 10) / 100.0,
					 .reorder = draw(n, 2)};
	link.latency_max = link.latency_min + draw_time(n, 40);
	rc = il_virtual_link(n, NULL, NULL, &link);
	if (rc == 0 && traced)
		rc = il_virtual_network_trace(n, 2);
	*network = n;
	return rc;
}

static int break_link(il_virtual_network *n, const char *a, const char *b)
{
	const il_virtual_link_options slow = {.latency_min = IL_MSEC(50),
					      .latency_max = IL_MSEC(800)};

	switch (draw(n, 6)) {
	case 0:
		return il_virtual_partition(n, a, b);
	case 1:
		return il_virtual_partition_oneway(n, a, b);
	case 2:
		return il_virtual_hold(n, a, b);
	case 3:
		return il_virtual_reset(n, a, b);
	case 4:
		return il_virtual_link(n, a, b, &slow);
	default:
		return il_virtual_repair(n, a, b);
	}
}

int explore_break_links(il_virtual_network *n, const char *const *hosts, unsigned count)
{
	const il_virtual_link_options well = {.latency_min = IL_MSEC(1)};
	const unsigned steps = draw(n, 8);
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < steps; i++) {
		const unsigned a = draw(n, count), b = (a + 1 + draw(n, count - 1)) % count;
		rc = il_sleep(draw_time(n, 1200));
		if (rc == 0)
			rc = break_link(n, hosts[a], hosts[b]);
	}
	if (rc == 0)
		rc = il_sleep(draw_time(n, 1500));
	if (rc == 0)
		rc = il_virtual_link(n, NULL, NULL, &well);
	if (rc == 0)
		rc = il_virtual_repair(n, NULL, NULL);
	return rc < 0 ? rc : il_virtual_release(n, NULL, NULL);
}

bool explore_is_failure(int rc)
{
	return rc == -ETIMEDOUT || rc == -ECONNRESET || rc == -ECONNREFUSED || rc == -EPIPE ||
	       rc == -EHOSTUNREACH || rc == -ENODATA || rc == 0;
}

static const struct {
	const char *name;
	il_fn *main;
} programs[] = {
    {"shutdown", explore_shutdown}, {"timeouts", explore_timeouts}, {"udp", explore_udp},
    {"connects", explore_connects}, {"remote", explore_remote},     {"cancels", explore_cancels},
#if EXPLORE_TLS
    {"starttls", explore_starttls},
#endif
};
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

static void be_silent(int level, const char *message, void *arg)
{
	(void)level;
	(void)message;
	(void)arg;
}

static int usage(void)
{
	printf("usage: explore PROGRAM FIRST-SEED COUNT\nprograms:");
	for (int i = 0; i < PROGRAMS; i++)
		printf(" %s", programs[i].name);
	printf("\n");
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t first, count, failing = 0;
	int which = 0, rc;

	while (argc == 4 && which < PROGRAMS && strcmp(programs[which].name, argv[1]) != 0)
		which++;
	if (argc != 4 || which == PROGRAMS)
		return usage();
	first = strtoull(argv[2], NULL, 10);
	count = strtoull(argv[3], NULL, 10);
	traced = count == 1;
	il_set_log(be_silent, NULL);
	rc = il_virtual_explore(first, count, programs[which].main, NULL, &failing);
	if (rc < 0)
		printf("%s %llu: %s: %s\n", argv[1], (unsigned long long)failing, il_error_name(rc),
		       il_error_detail());
	else
		printf("%s: %llu seeds\n", argv[1], (unsigned long long)count);
	return rc < 0;
}
