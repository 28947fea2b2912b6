/*
 * m_server_keepers.c: tasks that keep a client beyond its handler, in the middle of a call when its own task ends.
 */
#include "r_server.h"

/* `data` of the handlers. */
struct keeping {
	il_future *keeper;
	int rc; /* what the keeper's last receive gave */
	bool begun;
	bool ended;
};

static int keep_receiving(void *arg)
{
	il_client *client = arg;
	struct keeping *k = il_client_data(client);
	il_packet p;

	k->begun = true;
	do
		k->rc = il_client_receive(client, &p, IL_FOREVER);
	while (k->rc == 1);
	k->ended = true;
	il_client_unref(client);
	return 0;
}

static void keep(il_client *client, struct keeping *k)
{
	il_client_set_data(client, k);
	CHECK_RC(
	    il_loop_spawn(il_loop_current(), &k->keeper, keep_receiving, il_client_ref(client)), 0);
}

/* After the first packet; not above 0: there is nothing to keep. */
static int receive_and_keep(il_client *client, struct keeping *k)
{
	il_packet p;
	int rc;

	if (k->begun)
		return 0;
	rc = il_client_receive(client, &p, IL_FOREVER);
	if (rc > 0)
		keep(client, k);
	return rc;
}

static int leave_to_a_keeper(il_client *client, void *data)
{
	struct keeping *k = data;
	int rc = receive_and_keep(client, k);

	if (rc <= 0)
		return rc;
	while (!k->begun) /* it receives what is there, and lets others run: this task ends then */
		CHECK_RC(il_yield(), 0);
	return 0;
}

/* More than its buffer holds has come, so a receive need not wait for the loop to say that there is more. */
IL_TEST_REAL(M, a_receive_that_let_others_run_meets_the_end_of_the_clients_task)
{
	enum { MANY = 32 << 10 };
	const il_handler h = {.handle = leave_to_a_keeper};
	struct keeping k = {.rc = 1};
	char *text = malloc(MANY + 1);
	struct service s;
	il_stream *c;

	CHECK(text != NULL);
	memset(text, 'x', MANY);
	memcpy(text, "go\n", 3);
	text[MANY] = 0;
	service_lines(&s, &h, &k);
	c = dial(&s);
	say(c, text);
	UNTIL(k.ended);
	CHECK_RC(k.rc, -EBADF);
	CHECK_RC(il_future_join(k.keeper), 0);
	il_stream_destroy(c);
	service_end(&s);
	free(text);
}

static int leave_at_a_time(il_client *client, void *data)
{
	int rc = receive_and_keep(client, data);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_sleep(IL_MSEC(10)), 0);
	return 0;
}

/* Both are late in the same turn, the client's task first. */
IL_TEST_REAL(M, a_limit_that_passes_meets_the_end_of_the_clients_task)
{
	const il_handler h = {.handle = leave_at_a_time};
	struct keeping k = {.rc = 1};
	struct service s;
	il_datagram *peer;
	il_time until;

	udp_start(&s, &h, &k, il_protocol_lines(),
		  &(il_server_options){.idle_timeout = IL_MSEC(20)});
	peer = udp_peer(&s);
	udp_say(peer, "go\n");
	UNTIL(k.begun);
	until = il_now() + IL_MSEC(30);
	while (il_now() < until)
		;
	UNTIL(k.ended);
	CHECK_RC(k.rc, -EBADF);
	CHECK_RC(il_future_join(k.keeper), 0);
	il_datagram_destroy(peer);
	service_end(&s);
}
