/*
 * q_simulated.c: TLS on the simulated network, unchanged; and the same trace again, where OpenSSL's chance is the
 * test's and its calendar stands still.
 */
#include "q_tls.h"
#include "u_network.h"

#include <openssl/rand.h>

struct secret {
	il_virtual_network *n;
	il_tls *serves, *asks;
};

static int serve_secretly(void *arg)
{
	const struct secret *s = arg;
	il_server_options o = {.layer = il_tls_layer(s->serves)};

	return echo_server(&o);
}

static int ask_secretly(void *arg)
{
	const struct secret *s = arg;
	const il_client_options o = {.connect = {.layer = il_tls_layer(s->asks)},
				     .host = "localhost"};
	il_client *client;
	il_packet p;
	il_tls_info info;

	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_RC(il_client_connect_tcp(&client, "server", "7", il_protocol_lines(), &o), 0);
	CHECK_RC(il_tls_information(il_client_stream(client), &info), 0);
	CHECK_STR(info.version, "TLSv1.3");
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_client_send(client, "secret", 6), 0);
		CHECK_RC(il_client_receive(client, &p, IL_FOREVER), 1);
		CHECK_EQ(p.size, 6);
	}
	CHECK_RC(il_stream_fd(il_client_stream(client)), -ENOTSUP);
	CHECK_RC(il_stream_set_keepalive(il_client_stream(client), true), 0);
	CHECK_RC(il_client_finish(client, IL_SEC(5)), 0);
	il_client_destroy(client);
	return 0;
}

static int keep_secret(const il_virtual_network_options *o, int trace, const struct secret *with)
{
	struct secret s = *with;
	int rc;

	s.n = network_with(o);
	CHECK_RC(il_virtual_network_trace(s.n, trace), 0);
	host(s.n, "server", serve_secretly, &s);
	host(s.n, "client", ask_secretly, &s);
	rc = ended(s.n, "client");
	CHECK_RC(il_sleep(IL_SEC(1)), 0);
	CHECK_RC(il_virtual_network_close(s.n), 0);
	return rc;
}

IL_TEST_VIRTUAL(U, n394_tls_runs_on_it_unchanged)
{
	const struct secret s = {.serves = server_of(SERVER), .asks = client_of(CA)};

	CHECK_RC(keep_secret(NULL, -1, &s), 0);
	CHECK_RC(keep_secret(&(il_virtual_network_options){.latency_min = IL_MSEC(2),
							   .latency_max = IL_MSEC(30),
							   .loss = 0.1},
			     -1, &s),
		 0);
	il_tls_unref(s.serves);
	il_tls_unref(s.asks);
}

/* ---- the same trace ---- */

static uint64_t chance;

static int chance_bytes(unsigned char *bytes, int count)
{
	for (int i = 0; i < count; i++) {
		chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		bytes[i] = (unsigned char)(chance >> 56);
	}
	return 1;
}

static int chance_is_seeded(void)
{
	return 1;
}

#pragma GCC diagnostic ignored \
    "-Wdeprecated-declarations" /* it has no successor that is as short */
static void seed_openssl(bool seeded)
{
	static const RAND_METHOD method = {
	    .bytes = chance_bytes, .pseudorand = chance_bytes, .status = chance_is_seeded};

	chance = 1;
	CHECK_EQ(RAND_set_rand_method(seeded ? &method : NULL), 1);
}

static int fix_time(void *ctx, void *arg)
{
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), *(time_t *)arg);
	return 0;
}

static int traced_main(void *arg)
{
	const il_virtual_network_options o = {.latency_max = IL_MSEC(9)};
	time_t now = time(NULL);
	il_tls_options serving_options = serving(SERVER);
	struct secret s;
	int rc;

	serving_options.configure = fix_time;
	serving_options.arg = &now;
	s.serves = context_of(&serving_options);
	s.asks = trusting(CA, (il_tls_options){.configure = fix_time, .arg = &now});
	rc = keep_secret(&o, *(int *)arg, &s);
	il_tls_unref(s.serves);
	il_tls_unref(s.asks);
	return rc;
}

static size_t traced(char *text, size_t size)
{
	FILE *f = tmpfile();
	il_loop *loop;
	int fd;

	CHECK(f);
	fd = fileno(f);
	seed_openssl(true);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), &(il_loop_options){.seed = 9}), 0);
	CHECK_RC(il_loop_run(loop, traced_main, &fd), 0);
	il_loop_destroy(loop);
	seed_openssl(false);
	rewind(f);
	size = fread(text, 1, size, f);
	fclose(f);
	return size;
}

IL_TEST_OWN_VIRTUAL(U, n395_with_a_seeded_openssl_the_trace_of_tls_is_the_same)
{
	enum { ROOM = 1 << 16 };
	char *first, *second;
	size_t size;

	certificate_of(SERVER); /* made once, by real chance */
	first = malloc(ROOM);
	second = malloc(ROOM);
	CHECK(first && second);
	size = traced(first, ROOM);
	CHECK(size > 1000);
	CHECK_EQ(traced(second, ROOM), size);
	CHECK(memcmp(first, second, size) == 0);
	free(first);
	free(second);
}
