/*
 * tls.c: P14's TLS rows: a server with a TLS layer echoes 64 and 4096 bytes to 100 connections, against libevent's
 * bufferevent over OpenSSL, with the same certificate and the same TLS. What is measured is the server's processor
 * time; the handshakes are over before.
 */
#include "echo_load.h"
#include "raw.h"

#include <interloop/tls.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { CONNECTIONS = 100, MOST = 4096 };

static size_t bytes; /* of a request; set before a row's processes are forked */

static void tls_must(bool done)
{
	if (!done)
		bench_die("OpenSSL has refused something");
}

/* ---- one certificate for both ---- */

static EVP_PKEY *key;
static X509 *certificate;

static void make_certificate(void)
{
	X509_NAME *name;

	if (certificate)
		return;
	key = EVP_EC_gen("P-256");
	certificate = X509_new();
	tls_must(key && certificate);
	name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	tls_must(X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
		 X509_sign(certificate, key, EVP_sha256()));
}

/* What was written there, as a text that lives as long as the process. */
static const char *text_of(BIO *memory)
{
	char *data;
	long size = BIO_get_mem_data(memory, &data);
	char *text = calloc(1, (size_t)size + 1);

	if (!text)
		bench_die("no memory");
	memcpy(text, data, (size_t)size);
	BIO_free(memory);
	return text;
}

static il_tls *make_context(void)
{
	BIO *chain = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
	il_tls_options options = {.verify = IL_TLS_VERIFY_DEFAULT};
	il_tls *tls;

	tls_must(PEM_write_bio_X509(chain, certificate) &&
		 PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL));
	options.certificate = text_of(chain);
	options.key = text_of(secret);
	bench_must(il_tls_create(&tls, &options));
	return tls;
}

/* ---- the servers ---- */

static int echo_packet(il_client *client, void *data)
{
	il_packet request;
	int rc = il_client_receive(client, &request, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_client_send(client, request.data, request.size);
}

static int serve_secure(void *port)
{
	static const il_handler handler = {.handle = echo_packet};
	const il_server_options options = {
	    .backlog = 4096, .quiet = true, .layer = il_tls_layer(make_context())};
	il_protocol packets;
	il_server *server;

	il_protocol_fixed_with(&packets, bytes);
	bench_must(
	    il_tcp_server_open(&server, "127.0.0.1", "0", &packets, &handler, NULL, &options));
	atomic_store((atomic_int *)port, il_server_port(server));
	return il_server_serve(server);
}

static void serve_ours(atomic_int *port)
{
	bench_run(serve_secure, port);
}

static void serve_bufferevent(atomic_int *port)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	uint16_t number;
	int listener = echo_listen(&number);

	tls_must(SSL_CTX_use_certificate(context, certificate) &&
		 SSL_CTX_use_PrivateKey(context, key));
	atomic_store(port, number);
	raw_bufferevent_tls_echo(listener, context);
}

/* ---- the load: blocking sessions behind one epoll ---- */

static SSL *session(const struct echo_load *load, size_t i)
{
	return ((SSL **)load->more)[i];
}

static void tls_load_open(struct echo_load *load, uint16_t port, const struct bench_case *c)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL **sessions = calloc(c->connections, sizeof(SSL *));

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->count = c->connections;
	load->fds = calloc(c->connections, sizeof *load->fds);
	load->more = sessions;
	if (!sessions || !load->fds)
		bench_die("no memory");
	for (size_t i = 0; i < c->connections; i++) {
		const int fd = echo_connect(port, SOCK_STREAM);
		sessions[i] = SSL_new(context);
		tls_must(sessions[i] && SSL_set_fd(sessions[i], fd) &&
			 SSL_connect(sessions[i]) == 1);
		echo_load_add(load, i, fd);
	}
}

static void tls_ask(const struct echo_load *load, size_t i)
{
	static const char request[MOST] = "bytes";

	tls_must(SSL_write(session(load, i), request, (int)bytes) == (int)bytes);
}

static void tls_hear(const struct echo_load *load, size_t i)
{
	char answer[MOST];

	for (size_t got = 0; got < bytes;) {
		int n = SSL_read(session(load, i), answer, (int)(bytes - got));
		tls_must(n > 0);
		got += (size_t)n;
	}
}

static void tls_load_run(struct echo_load *load, size_t requests)
{
	struct epoll_event events[256];
	size_t asked = 0, answered = 0;

	for (; asked < load->count && asked < requests; asked++)
		tls_ask(load, asked);
	while (answered < requests) {
		int n = epoll_wait(load->epoll, events, 256, 10000);
		if (n <= 0)
			bench_die("the echo server does not answer");
		for (int e = 0; e < n; e++) {
			const size_t i = events[e].data.u64;
			tls_hear(load, i);
			answered++;
			if (asked < requests) {
				asked++;
				tls_ask(load, i);
			}
		}
	}
}

static const struct echo_kind over_tls = {tls_load_open, tls_load_run};

/* ---- the rows ---- */

static void time_ours(const struct bench_case *c, double *values)
{
	echo_time(c, values, serve_ours, true, &over_tls);
}

static void time_bufferevent(const struct bench_case *c, double *values)
{
	echo_time(c, values, serve_bufferevent, true, &over_tls);
}

void bench_tls(void)
{
	struct bench_case c = {.work = "P14", .cores = 2, .connections = CONNECTIONS, .passes = 15};
	const struct bench_side base = {"bufferevent_openssl", time_bufferevent};
	const struct bench_stat stats[] = {{.name = "server_cpu", .limit = 0.9}, {.name = "wall"}};

	make_certificate();
	for (bytes = 64; bytes <= MOST; bytes *= MOST / 64) {
		c.via = bytes == 64 ? "tls_64_bytes" : "tls_4096_bytes";
		c.n = bench_amount(bytes == 64 ? 6000 : 3000);
		bench_compare(&c, stats, 2, time_ours, &base, 1);
	}
}
