/*
 * q_tls_peers.c: the same with other people's programs at the other end: openssl s_client and
 * s_server, curl, nginx. Each listens on a port that the system has chosen, or on a Unix socket of
 * the test's own.
 */
#include "q_tls.h"

#include <ctype.h>

/* ---- our server ---- */

struct answering {
	il_listener *listener;
	il_tls *tls;
	const char *until, *answer; /* what ends a request */
	int rc;                     /* of the handshake */
	char port[8], name[24];     /* "127.0.0.1:4711" */
};

/* One client: a request, the answer, the end. */
static int answer_one(void *arg)
{
	struct side *s = arg;
	struct answering *a = s->object;
	il_stream *under, *over;
	char request[1024];
	int n;

	CHECK_RC(il_listener_accept(a->listener, &under), 0);
	a->rc = il_tls_accept(&over, under, a->tls);
	if (a->rc < 0) {
		il_stream_destroy(under);
		return a->rc;
	}
	n = il_stream_receive_until(over, request, sizeof request, a->until, strlen(a->until));
	if (n >= 0)
		n = il_stream_write_all(over, a->answer, strlen(a->answer));
	if (n == 0)
		n = il_stream_shutdown_write(over);
	while (n == 0 && (n = il_stream_read(over, request, sizeof request)) > 0)
		n = 0;
	il_stream_destroy(over);
	return n;
}

static void answering_start(struct answering *a, struct side *s, const char *until,
			    const char *answer)
{
	*a = (struct answering){.listener = listen_here(), .tls = server_of(SERVER)};
	a->until = until;
	a->answer = answer;
	port_text(il_listener_port(a->listener), a->port);
	snprintf(a->name, sizeof a->name, "127.0.0.1:%s", a->port);
	side_start(s, answer_one, a);
}

static int answering_end(struct answering *a, struct side *s)
{
	int rc = side_join(s);

	il_listener_destroy(a->listener);
	il_tls_unref(a->tls);
	return rc;
}

static void check_runs(char *const *argv, const char *input, int status, const char *output)
{
	il_process_result result;

	CHECK_RC(il_process_run(&result, argv, input, input ? strlen(input) : 0, NULL), status);
	if (status == 0)
		CHECK_STR(result.output, output);
	il_process_result_clear(&result);
}

IL_TEST_REAL(Q, n299_openssl_s_client_speaks_with_our_server)
{
	struct file ca = file_with(certificate_of(CA));

	for (int version = 0; version < 2; version++) {
		struct answering a;
		struct side s;

		answering_start(&a, &s, "\n", "hello yourself\n");
		check_runs((char *[]){"openssl", "s_client", "-connect", a.name, "-CAfile", ca.path,
				      "-servername", "localhost", "-verify_hostname", "localhost",
				      "-verify_return_error", "-verify_quiet", "-quiet",
				      version ? "-tls1_2" : "-tls1_3", NULL},
			   "hello\n", 0, "hello yourself\n");
		CHECK_RC(answering_end(&a, &s), 0);
	}
	file_drop(&ca);
}

IL_TEST_REAL(Q, n299_curl_asks_our_server_if_it_trusts_the_ca)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
	struct file ca = file_with(certificate_of(CA)), other = file_with(certificate_of(OTHER_CA));

	for (int trusts = 0; trusts < 2; trusts++) {
		struct answering a;
		struct side s;
		char url[64], resolve[64];
		int rc;

		answering_start(&a, &s, "\r\n\r\n", answer);
		snprintf(url, sizeof url, "https://localhost:%s/", a.port);
		snprintf(resolve, sizeof resolve, "localhost:%s:127.0.0.1", a.port);
		check_runs((char *[]){"curl", "-sS", "-m", "20", "--noproxy", "*", "--resolve",
				      resolve, "--cacert", trusts ? ca.path : other.path, url,
				      NULL},
			   NULL, trusts ? 0 : 60, "hello\n");
		rc = answering_end(&a, &s);
		CHECK_RC(a.rc, trusts ? 0 : -EPROTO);
		CHECK(trusts ? rc == 0 || rc == -EPIPE || rc == -ECONNRESET : rc < 0);
	}
	file_drop(&ca);
	file_drop(&other);
}

/* ---- their servers ---- */

static int process_end(il_process *p)
{
	int rc = il_process_terminate(p);

	if (rc == 0)
		rc = il_process_close(p);
	il_process_destroy(p);
	return rc;
}

IL_TEST_REAL(Q, n299_we_speak_with_openssl_s_server)
{
	struct file c = file_with(certificate_of(SERVER)), key = file_with(key_of(SERVER));
	il_process *p;
	il_stream *under, *over;
	il_tls *tls = client_of(CA);
	char line[256], *port;
	int n;

	CHECK_RC(il_process_spawn(&p,
				  (char *[]){"openssl", "s_server", "-accept", "127.0.0.1:0",
					     "-cert", c.path, "-key", key.path, "-rev", NULL},
				  &(il_process_options){.input = IL_STDIO_PIPE,
							.output = IL_STDIO_PIPE,
							.errors = IL_STDIO_NULL}),
		 0);
	do {
		n = il_stream_receive_until(il_process_stdout(p), line, sizeof line - 1, "\n", 1);
		CHECK(n >= 0 && (size_t)n < sizeof line);
		line[n] = '\0';
	} while (strncmp(line, "ACCEPT ", 7) != 0);
	port = strrchr(line, ':');
	CHECK(port && isdigit((unsigned char)port[1]));
	CHECK_RC(il_stream_connect_tcp(&under, "127.0.0.1", port + 1, NULL), 0);
	CHECK_RC(il_tls_connect(&over, under, tls, "localhost"), 0);
	CHECK_STR(information(over).version, "TLSv1.3");
	say(over, "hello\n");
	CHECK_RC(il_stream_receive_until(over, line, sizeof line, "\n", 1), 5);
	CHECK(memcmp(line, "olleh", 5) == 0);
	il_stream_destroy(over);
	CHECK(process_end(p) >= 0);
	il_tls_unref(tls);
	file_drop(&c);
	file_drop(&key);
}

/* A folder with nginx's configuration; it listens on a socket in it. */
struct nginx {
	char folder[32], path[64], configuration[64];
	struct file certificate, key;
	il_process *process;
};

static void nginx_start(struct nginx *x)
{
	FILE *f;

	*x = (struct nginx){.folder = "/tmp/il-nginx-XXXXXX"};
	CHECK(mkdtemp(x->folder) != NULL);
	x->certificate = file_with(certificate_of(SERVER));
	x->key = file_with(key_of(SERVER));
	snprintf(x->path, sizeof x->path, "%s/socket", x->folder);
	snprintf(x->configuration, sizeof x->configuration, "%s/conf", x->folder);
	f = fopen(x->configuration, "we");
	CHECK(f != NULL);
	fprintf(f,
		"daemon off; master_process off; pid pid; error_log stderr;\n"
		"events {}\n"
		"http { access_log off; client_body_temp_path body; proxy_temp_path proxy;\n"
		"fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"
		"server { listen unix:%s ssl; ssl_certificate %s; ssl_certificate_key %s;\n"
		"location / { return 200 \"hello from nginx\"; } } }\n",
		x->path, x->certificate.path, x->key.path);
	fclose(f);
	CHECK_RC(il_process_spawn(
		     &x->process,
		     (char *[]){"/usr/sbin/nginx", "-p", x->folder, "-c", x->configuration, "-e",
				"stderr", NULL},
		     &(il_process_options){.output = IL_STDIO_NULL, .errors = IL_STDIO_NULL}),
		 0);
}

static void nginx_end(struct nginx *x)
{
	il_process_result result;

	CHECK(process_end(x->process) >= 0);
	CHECK_RC(il_process_run(&result, (char *[]){"rm", "-r", x->folder, NULL}, NULL, 0, NULL),
		 0);
	il_process_result_clear(&result);
	file_drop(&x->certificate);
	file_drop(&x->key);
}

IL_TEST_REAL(Q, n299_we_ask_nginx_twice_and_the_second_time_by_a_short_handshake)
{
	struct nginx x;
	il_tls *tls = client_of(CA);

	nginx_start(&x);
	for (int i = 0; i < 2; i++) {
		il_stream *under = NULL, *over;
		char answer[1024];
		size_t got = 0;
		int n;

		UNTIL(il_process_returncode(x.process) != -EAGAIN ||
		      il_stream_connect_unix(&under, x.path) == 0);
		CHECK(under != NULL);
		CHECK_RC(il_tls_connect(&over, under, tls, "localhost"), 0);
		say(over, "GET / HTTP/1.0\r\n\r\n");
		while ((n = il_stream_read(over, answer + got, sizeof answer - 1 - got)) > 0)
			got += (size_t)n;
		CHECK_RC(n, 0); /* it has said close_notify */
		answer[got] = '\0';
		CHECK(strstr(answer, "\r\n\r\nhello from nginx") != NULL);
		CHECK_EQ(information(over).resumed, i == 1);
		il_stream_destroy(over);
	}
	nginx_end(&x);
	il_tls_unref(tls);
}
