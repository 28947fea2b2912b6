/*
 * starttls.c: clients that start TLS in the middle of a conversation while links fail, and others that slip a packet in
 * before it: what is secret is never taken in the clear, no reply is cut or another one's, and nobody waits for longer than his limits
 * say.
 */
#include "explore.h"

#include <interloop/tls.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

struct service {
	struct explore_clients clients; /* first */
	il_virtual_network *n;
	il_server *server;
	il_tls *serves, *asks;
	int secrets, slipped;
};

#define CONNECT   IL_SEC(3)
#define HANDSHAKE IL_SEC(6)
#define REPLY     IL_SEC(5)

/* ---- a certificate ---- */

static char *text_of(BIO *bio)
{
	char *data, *text;
	long size = BIO_get_mem_data(bio, &data);

	text = strndup(data, (size_t)size);
	BIO_free(bio);
	return text;
}

/* Made once a process; nobody verifies it. */
static void make_certificate(char **certificate, char **key)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *one = BIO_new(BIO_s_mem()), *other = BIO_new(BIO_s_mem());

	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, pair);
	X509_sign(x, pair, EVP_sha256());
	PEM_write_bio_X509(one, x);
	PEM_write_bio_PrivateKey(other, pair, NULL, NULL, 0, NULL, NULL);
	*certificate = text_of(one);
	*key = text_of(other);
	X509_free(x);
	EVP_PKEY_free(pair);
}

static int contexts_open(struct service *s)
{
	static char *certificate, *key;

	if (!certificate)
		make_certificate(&certificate, &key);
	MUST_DO(il_tls_create(&s->serves, &(il_tls_options){.certificate = certificate,
							    .key = key,
							    .handshake_timeout = HANDSHAKE}));
	return il_tls_create(&s->asks, &(il_tls_options){.verify = IL_TLS_VERIFY_NONE,
							 .handshake_timeout = HANDSHAKE});
}

/* ---- the server ---- */

static bool is_secure(il_client *client)
{
	il_tls_info info;

	return il_tls_information(il_client_stream(client), &info) == 0;
}

/* Bytes behind the request are never for the layer. */
static int service_start(struct service *s, il_client *client, bool slips)
{
	int rc = il_client_send(client, "go", 2);
	il_time begun;

	if (rc < 0)
		return rc;
	begun = il_now();
	rc = il_client_start_layer(client, il_tls_layer(s->serves));
	explore_note_late(&s->clients, begun, HANDSHAKE, "handshake_timeout");
	s->slipped += slips && rc != -EPROTO;
	return rc;
}

static int service_answer(il_client *client, void *data)
{
	struct service *s = data;
	il_packet p;
	int rc = explore_receive(client, s, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (strcmp(p.data, "STARTTLS") == 0 || strcmp(p.data, "STARTTLS!") == 0)
		return service_start(s, client, p.size == 9);
	s->slipped += !is_secure(client);
	s->secrets++;
	return il_client_printf(client, "%.*s!", (int)p.size, (const char *)p.data);
}

static int serve(void *arg)
{
	static const il_handler handler = {.on_connection = explore_connected,
					   .handle = service_answer,
					   .on_disconnection = explore_disconnected};
	static const il_server_options o = {.idle_timeout = IL_SEC(6), .send_timeout = IL_SEC(5)};
	struct service *s = arg;
	int rc;

	s->clients.limits = &o;
	MUST_DO(il_tcp_server_open(&s->server, NULL, "7", il_protocol_lines(), &handler, s, &o));
	rc = il_server_serve(s->server);
	il_server_destroy(s->server);
	s->server = NULL;
	return rc;
}

/* ---- clients ---- */

static int start(struct service *s, il_client *c)
{
	il_packet p;
	int rc = il_client_send(c, "STARTTLS", 8);

	if (rc == 0)
		MUST_END_IN(REPLY, rc = il_client_receive(c, &p, REPLY));
	if (rc <= 0)
		return rc;
	MUST(strcmp(p.data, "go") == 0);
	MUST_END_IN(HANDSHAKE, rc = il_client_start_layer(c, il_tls_layer(s->asks)));
	return rc < 0 ? rc : 1;
}

static int tell(struct service *s, il_client *c, const char *name)
{
	int rc = start(s, c);

	for (int i = 0; rc == 1 && i < 5; i++) {
		char expected[32];
		il_packet p;
		rc = il_client_printf(c, "%s %d", name, i);
		if (rc == 0)
			MUST_END_IN(REPLY, rc = il_client_receive(c, &p, REPLY));
		if (rc <= 0)
			return rc;
		snprintf(expected, sizeof expected, "%s %d!", name, i);
		MUST(strcmp(p.data, expected) == 0);
		MUST(is_secure(c));
	}
	return rc;
}

/* A packet behind the request, in the same segment, which must not be taken. */
static int slip(il_client *c)
{
	static const char both[] = "STARTTLS!\r\nslipped in\r\n";
	int rc = il_stream_write_all(il_client_stream(c), both, sizeof both - 1);

	return rc < 0 ? rc : il_sleep(IL_SEC(15));
}

struct user {
	struct service *s;
	const char *name;
};

static int use(void *arg)
{
	const il_client_options o = {.connect = {.timeout = CONNECT}};
	const struct user *u = arg;

	for (int i = 0; i < 2; i++) {
		il_client *c = NULL;
		int rc;
		MUST_END_IN(CONNECT,
			    rc = il_client_connect_tcp(&c, "server", "7", il_protocol_lines(), &o));
		if (rc == 0)
			rc = draw(u->s->n, 4) ? tell(u->s, c, u->name) : slip(c);
		if (rc < 0 && !explore_is_failure(rc))
			return rc; /* before the client's end has words of its own */
		il_client_destroy(c);
		MUST_DO(il_sleep(draw_time(u->s->n, 300)));
	}
	return 0;
}

/* ---- a run ---- */

static int run(struct service *s)
{
	static const char *const hosts[] = {"server", "a", "b"};
	struct user users[] = {{s, "a"}, {s, "b"}};

	MUST_DO(il_virtual_host_start(s->n, "server", serve, s));
	MUST_DO(il_sleep(IL_MSEC(1)));
	for (int i = 0; i < 2; i++)
		MUST_DO(il_virtual_host_start(s->n, users[i].name, use, &users[i]));
	MUST_DO(explore_break_links(s->n, hosts, 3));
	for (int i = 0; i < 2; i++)
		MUST_DO(il_virtual_host_wait(s->n, users[i].name, IL_SEC(600)));
	MUST_DO(il_sleep(IL_SEC(60)));
	MUST(s->slipped == 0);
	MUST(il_server_clients(s->server) == 0);
	return explore_check_clients(&s->clients);
}

int explore_starttls(void *arg)
{
	struct service s = {.n = NULL};
	int rc = explore_open(&s.n, false);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = contexts_open(&s);
	if (rc == 0)
		rc = run(&s);
	il_virtual_network_close(s.n);
	il_tls_unref(s.serves);
	il_tls_unref(s.asks);
	return rc;
}
