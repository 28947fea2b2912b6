/*
 * u_layers.c: a server whose clients have a layer, on the simulated network, where a wait shows in the time.
 */
#include "u_network.h"

#include <interloop/layer.h>

enum { ROUNDS = 24 };

static int begin_never(il_stream **stream, il_stream *under, void *self)
{
	(void)stream;
	(void)under;
	(void)self;
	return il_sleep_forever();
}

static int serve(void *server)
{
	return il_server_serve(server);
}

/* In the turn in which somebody has been accepted. */
static int shut_down_at_once(void *server)
{
	while (il_server_clients(server) == 0)
		CHECK_RC(il_yield(), 0);
	return il_server_shutdown(server);
}

/* Whoever has been accepted, and has not begun its layer yet, has no part in the grace period. */
static void shut_down_with_a_newcomer(void)
{
	const struct il_layer layer = {.accept = begin_never};
	const il_server_options options = {.layer = &layer, .grace_period = IL_SEC(60)};
	il_server *server = NULL;
	il_future *serving = NULL, *stopping = NULL;
	il_stream *newcomer = NULL;
	il_time start = il_now();

	CHECK_RC(il_tcp_server_open(&server, NULL, "7", il_protocol_lines(), &echo_handler, NULL,
				    &options),
		 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &serving, serve, server), 0);
	UNTIL(il_server_is_serving(server));
	CHECK_RC(il_loop_spawn(il_loop_current(), &stopping, shut_down_at_once, server), 0);
	CHECK_RC(stream_to(&newcomer, "127.0.0.1"), 0);
	CHECK_RC(il_future_result(stopping, IL_FOREVER), 0);
	CHECK_RC(il_future_result(serving, IL_FOREVER), 0);
	CHECK(il_now() - start < IL_SEC(60));
	il_future_unref(serving);
	il_future_unref(stopping);
	il_stream_destroy(newcomer);
	il_server_destroy(server);
}

static int shut_down_again_and_again(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++)
		shut_down_with_a_newcomer();
	return 0;
}

IL_TEST_VIRTUAL(U, n284_a_shutdown_does_not_wait_for_a_layer_that_has_not_begun)
{
	in_host(NULL, shut_down_again_and_again);
}
