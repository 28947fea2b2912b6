/*
 * tls.c: TLS against the bytes of a stranger, from both sides. The end under test and an honest
 * peer shake hands over a wire in memory, on which the input changes, drops, adds and delays what
 * the peer says; or there is no peer, and the input is all that is said. However it goes: what is
 * handed out is what the peer has sent, in order; nobody waits forever; nothing is left.
 *
 * Input: flags, room on the wire, then operations.
 */
#include "fuzz.h"

#include <interloop.h>
#include <interloop/layer.h>
#include <interloop/tls.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <unistd.h>

enum flags {
	IS_CLIENT = 1, /* the end under test */
	IS_ALONE = 2,
	IS_OLD = 4,     /* TLS 1.2 */
	IS_LENIENT = 8, /* allow_truncation */
	VERIFIES = 16,
	WRITES = 32
};

enum { WIRE = 1 << 16, US = 0, PEER = 1 };

/* One end's side of the wire: what it says waits in `said` until an operation hands it on. */
struct end {
	struct end *other;
	il_stream *under, *over;
	unsigned char said[WIRE], heard[WIRE];
	size_t said_size, heard_size, room;
	bool closed, deaf; /* it says no more; it hears no more than is there */
	il_tls *tls;
	bool client;
	size_t sent, received;
};

/* ---- the wire: a transport ---- */

static int wire_receive(void *self, void *data, size_t max)
{
	struct end *e = self;
	size_t n = e->heard_size < max ? e->heard_size : max;

	if (!n)
		return e->deaf ? 0 : -EAGAIN;
	memcpy(data, e->heard, n);
	e->heard_size -= n;
	memmove(e->heard, e->heard + n, e->heard_size);
	return (int)n;
}

static int wire_send(void *self, const struct iovec *pieces, int count)
{
	struct end *e = self;
	size_t room = e->room > e->said_size ? e->room - e->said_size : 0, n;

	if (!room)
		return -EAGAIN;
	if (!count)
		return 0;
	n = pieces->iov_len < room ? pieces->iov_len : room;
	memcpy(e->said + e->said_size, pieces->iov_base, n);
	e->said_size += n;
	return (int)n;
}

static int wire_want(void *self, unsigned direction, int *fd, unsigned *mask)
{
	(void)self, (void)direction, (void)fd, (void)mask;
	return -ENOENT;
}

static void wire_close(void *self)
{
	struct end *e = self;

	e->closed = true;
}

static const struct il_transport wire = {.name = "wire",
					 .receive = wire_receive,
					 .send = wire_send,
					 .want = wire_want,
					 .close = wire_close};

/* ---- the two ends ---- */

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i * 7 + i / 251);
}

static void say_more(struct end *e, size_t size)
{
	unsigned char data[512];

	for (size_t i = 0; i < size; i++)
		data[i] = byte_at(e->sent + i);
	e->sent += size; /* before: a part of it may arrive while it waits */
	(void)!il_stream_write_all(e->over, data, size);
}

static int converse(void *arg)
{
	struct end *e = arg;
	unsigned char data[300];
	int rc = e->client ? il_tls_connect(&e->over, e->under, e->tls, "localhost")
			   : il_tls_accept(&e->over, e->under, e->tls);

	CHECK((rc == 0) == (e->over != NULL));
	if (rc < 0) {
		CHECK(rc == -EPROTO || rc == -EACCES || rc == -EPIPE || rc == -ETIMEDOUT ||
		      rc == -ECANCELED);
		CHECK(rc == -ECANCELED || il_error_detail()[0]);
		il_stream_destroy(e->under);
		e->under = NULL;
		return 0;
	}
	while ((rc = il_stream_read(e->over, data, sizeof data)) > 0) {
		CHECK(e->received + (size_t)rc <= e->other->sent);
		for (int i = 0; i < rc; i++)
			CHECK(data[i] == byte_at(e->received + (size_t)i));
		e->received += (size_t)rc;
	}
	CHECK(rc == 0 || rc == -EPROTO || rc == -EPIPE || rc == -ECANCELED || rc == -EBADF);
	if (rc < 0 && rc != -ECANCELED && rc != -EBADF)
		CHECK(il_stream_read(e->over, data, 1) == rc);
	return 0;
}

/* ---- operations ---- */

static void hear(struct end *e, const unsigned char *data, size_t size)
{
	if (size > WIRE - e->heard_size)
		size = WIRE - e->heard_size;
	memcpy(e->heard + e->heard_size, data, size);
	e->heard_size += size;
	if (e->under)
		il_transport_ready(e->under, IL_READABLE);
}

/* Hands on, or drops, what an end has said. */
static void move(struct end *from, size_t size, bool drop)
{
	if (size > from->said_size)
		size = from->said_size;
	if (!drop)
		hear(from->other, from->said, size);
	from->said_size -= size;
	memmove(from->said, from->said + size, from->said_size);
	if (from->under)
		il_transport_ready(from->under, IL_WRITABLE);
}

static void end_hearing(struct end *e)
{
	e->deaf = true;
	if (e->under)
		il_transport_ready(e->under, IL_READABLE);
}

static void settle(void)
{
	for (int i = 0; i < 4; i++)
		CHECK(il_sleep(0) == 0);
}

static void operate(struct end ends[2], struct input *in)
{
	unsigned op = take_byte(in), argument = op >> 3;
	struct end *peer = &ends[PEER];
	size_t count = argument;
	const uint8_t *bytes;

	switch (op & 7) {
	case 0: /* all that was said, a few times: a handshake goes through */
		for (unsigned i = 0; i <= (argument & 3); i++) {
			move(&ends[US], WIRE, false);
			move(peer, WIRE, false);
			settle();
		}
		break;
	case 1:
		move(peer, argument * argument, false);
		break;
	case 2:
		if (peer->said_size)
			peer->said[take_byte(in) % peer->said_size] ^=
			    (unsigned char)(1u << (op >> 3 & 7));
		break;
	case 3:
		move(peer, argument, true);
		break;
	case 4:
		bytes = take_bytes(in, &count);
		hear(&ends[US], bytes, count);
		break;
	case 5:
		if (peer->over && peer->said_size < WIRE / 2)
			say_more(peer, 1 + argument * 16);
		break;
	case 6:
		if (peer->over && argument & 1)
			SSL_key_update(il_tls_native(peer->over), SSL_KEY_UPDATE_REQUESTED);
		else if (peer->over)
			(void)!il_stream_shutdown_write(peer->over);
		break;
	default:
		if (argument & 1)
			end_hearing(&ends[US]);
		else
			CHECK(il_sleep(IL_SEC(argument)) == 0);
	}
	settle();
}

/* A write may wait for room: it has a task of its own. */
static int write_some(void *arg)
{
	struct end *e = arg;

	for (int i = 0; i < 40 && !e->over; i++)
		if (il_sleep(IL_MSEC(1)) < 0)
			return 0;
	if (e->over)
		say_more(e, 500);
	return 0;
}

static void play(struct end ends[2], unsigned flags, struct input *in)
{
	il_future *f[3] = {NULL, NULL, NULL};

	CHECK(il_loop_spawn(il_loop_current(), &f[0], converse, &ends[US]) == 0);
	if (!(flags & IS_ALONE))
		CHECK(il_loop_spawn(il_loop_current(), &f[1], converse, &ends[PEER]) == 0);
	if (flags & WRITES)
		CHECK(il_loop_spawn(il_loop_current(), &f[2], write_some, &ends[US]) == 0);
	settle();
	while (in->size) {
		ends[PEER].room = WIRE; /* operations of the peer's do not wait */
		operate(ends, in);
	}
	for (int i = 0; i < 2; i++) {
		if (ends[i].over)
			CHECK(il_stream_close(ends[i].over) == 0);
		end_hearing(&ends[i]);
	}
	for (int i = 0; i < 3; i++)
		if (f[i])
			CHECK(il_future_join(f[i]) == 0);
}

/* ---- the target ---- */

static il_tls *context[2][2][2][2]; /* by side, lenient, old, verifying */

static int at_most_12(void *ctx, void *arg)
{
	(void)arg;
	return SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ? 0 : -EINVAL;
}

/* A certificate that signs itself, as PEM. */
static void make_certificate(BIO *certificate, BIO *key)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	CHECK(pair && x);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, pair);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	X509_set_issuer_name(x, name);
	CHECK(X509_sign(x, pair, EVP_sha256()) > 0);
	CHECK(PEM_write_bio_X509(certificate, x) &&
	      PEM_write_bio_PrivateKey(key, pair, NULL, NULL, 0, NULL, NULL));
	BIO_write(certificate, "", 1);
	BIO_write(key, "", 1);
	X509_free(x);
	EVP_PKEY_free(pair);
}

static void make_contexts(void)
{
	BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	char path[] = "/tmp/il-fuzz-tls-XXXXXX", *text, *key_text;
	int fd = mkstemp(path);

	make_certificate(certificate, key);
	BIO_get_mem_data(certificate, &text);
	BIO_get_mem_data(key, &key_text);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	for (unsigned i = 0; i < 16; i++) {
		il_tls_options o = {.certificate = text, .key = key_text, .ca_file = path};
		o.allow_truncation = i >> 1 & 1;
		o.configure = i >> 2 & 1 ? at_most_12 : NULL;
		o.verify = i >> 3 & 1 ? IL_TLS_VERIFY_REQUIRED : IL_TLS_VERIFY_NONE;
		CHECK(il_tls_create(&context[i & 1][i >> 1 & 1][i >> 2 & 1][i >> 3], &o) == 0);
	}
	close(fd);
	unlink(path);
	BIO_free(certificate);
	BIO_free(key);
}

static struct end ends[2];

static int run(void *arg)
{
	struct input *in = arg;
	unsigned flags = take_byte(in), room = 1 + take_byte(in) * 64;

	memset(ends, 0, sizeof ends);
	for (int i = 0; i < 2; i++) {
		struct end *e = &ends[i];
		e->other = &ends[!i];
		e->room = i == US ? room : WIRE;
		e->client = (i == US) == (flags & IS_CLIENT);
		e->tls = context[e->client][!!(flags & IS_LENIENT)][!!(flags & IS_OLD)]
				[!!(flags & VERIFIES)];
		CHECK(il_stream_open_transport(&e->under, &wire, e) == 0);
	}
	play(ends, flags, in);
	for (int i = 0; i < 2; i++)
		il_stream_destroy(ends[i].over ? ends[i].over : ends[i].under);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static il_loop *loop; /* the same for all: making one takes longer than a run */
	struct input in = {data, size};

	if (!loop) {
		make_contexts();
		CHECK(il_loop_open(&loop, il_virtual(), NULL) == 0);
	}
	CHECK(il_loop_run(loop, run, &in) == 0);
	return 0;
}
