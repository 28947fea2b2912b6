/*
 * work_tls.c: TLS over a pair of streams. OpenSSL's own calls never fail: what it does without memory is not ours.
 */
#include "../conformance/q_tls.h"
#include "work.h"

#include <string.h>

static struct {
	il_stream *under[2], *over[2];
	il_tls *tls[2];
} w;

/* Ends with the stream that it has then. */
static int accept_one(void *arg)
{
	int rc = TRY(il_tls_accept(&w.over[1], w.under[1], w.tls[1]));

	(void)arg;
	if (rc < 0) {
		il_stream_close(w.under[1]); /* the other side shall not wait */
		return 0;
	}
	TRY(il_stream_write_all(w.over[1], "hello\n", 6));
	TRY(il_stream_shutdown_write(w.over[1]));
	il_stream_close(w.over[1]);
	return 0;
}

static int connect_one(void *arg)
{
	char line[16];
	int rc = TRY(il_tls_connect(&w.over[0], w.under[0], w.tls[0], "localhost"));

	(void)arg;
	if (rc < 0) {
		il_stream_close(w.under[0]);
		return 0;
	}
	rc = TRY(il_stream_receive_until(w.over[0], line, sizeof line, "\n", 1));
	if (rc >= 0 && (rc != 5 || memcmp(line, "hello", 5) != 0))
		work_odd("TLS gave other bytes than were sent");
	TRY(il_stream_read(w.over[0], line, sizeof line));
	return 0;
}

/* A handshake takes the stream below it over; one that failed leaves it. */
static void drop_side(int side)
{
	il_stream_destroy(w.over[side] ? w.over[side] : w.under[side]);
}

static int tls_main(void *arg)
{
	const il_tls_options server = {.certificate = certificate_of(SERVER),
				       .key = key_of(SERVER)},
			     client = {.verify = IL_TLS_VERIFY_NONE};

	(void)arg;
	if (TRY(il_tls_create(&w.tls[1], &server)) == 0 &&
	    TRY(il_tls_create(&w.tls[0], &client)) == 0 &&
	    TRY(il_stream_pair(&w.under[0], &w.under[1])) == 0) {
		work_together((il_fn *[]){accept_one, connect_one}, 2, NULL);
		drop_side(0);
		drop_side(1);
		TRY(il_tls_reload(w.tls[1]));
	}
	il_tls_unref(w.tls[0]);
	il_tls_unref(w.tls[1]);
	return 0;
}

void work_tls(void)
{
	memset(&w, 0, sizeof w); /* it may run many times */
	work_in_loop(tls_main);
}
