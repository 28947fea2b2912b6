/*
 * v_dump_lookups.c: a task that waits for the address of a name says which one, whatever call it is in, and one that waits
 * for its turn says so.
 */
#define _GNU_SOURCE
#include "slow_names.h"
#include "v_dump.h"

/* As many lookups as are under way at a time: one more waits for a place. */
enum { PLACES = 4 };

static int resolve(void *host)
{
	il_address a;
	int rc = il_resolve(host, "7", 0, &a, 1);

	return rc < 0 ? rc : 0;
}

static int connect_there(void *host)
{
	il_stream *stream = NULL;

	return il_stream_connect_tcp(&stream, host, "8", NULL);
}

static int send_there(void *host)
{
	il_datagram *d = NULL;

	return il_datagram_connect_udp(&d, host, "9", NULL);
}

IL_TEST_REAL(V, n416_lookups_say_the_name_or_that_they_wait_for_their_turn)
{
	struct child c[PLACES];
	il_fn *const calls[PLACES] = {resolve, connect_there, send_there, resolve};
	char *text;

	slow_names();
	for (int i = 0; i < PLACES; i++) {
		const char *const names[PLACES] = {"first", "second", "third", "fourth"};
		child_start(&c[i], names[i], calls[i], "slow.test");
		UNTIL_THREAD(sem_trywait(&slow_begun) == 0);
	}
	text = dump_loop();
	CHECK_DUMPED(text, "first: il_resolve for ", ": the addresses of slow.test, port 7");
	CHECK_DUMPED(text, "second: il_stream_connect_tcp for ", "slow.test, port 8");
	CHECK_DUMPED(text, "third: il_datagram_connect_udp for ", "slow.test, port 9");
	free(text);
	CHECK_WAITS(resolve, "one.test", "il_resolve", "a thread for the lookup: all 4 are taken");
	for (int i = PLACES - 1; i >= 0; i--)
		child_end(&c[i]);
	for (int i = 0; i < PLACES; i++)
		sem_post(&slow_go);
}
