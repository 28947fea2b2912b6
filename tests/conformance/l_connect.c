/*
 * l_connect.c: making connections and accepting them: happy eyeballs, listeners that are whole or not there, Unix
 * paths, and the resolver. The names *.test are answered here, by a getaddrinfo in front of the system's, and
 * bind can be told to fail; both live in this executable only. Everything stays on the loopback interface.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "l_net.h"
#include "slow_names.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* ---- the names of this test ---- */

sem_t slow_begun, slow_go;
static atomic_bool quiet_go;

/* One node as the system's freeaddrinfo frees it: the address behind it. */
static struct addrinfo *node(int family, const char *port, struct addrinfo *next)
{
	struct {
		struct addrinfo info;
		struct sockaddr_storage address;
	} *n = calloc(1, sizeof *n);
	struct sockaddr_in *v4 = (struct sockaddr_in *)&n->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&n->address;

	n->info.ai_family = family;
	n->info.ai_socktype = SOCK_STREAM;
	n->info.ai_protocol = IPPROTO_TCP;
	n->info.ai_addr = (struct sockaddr *)&n->address;
	n->info.ai_addrlen = family == AF_INET ? sizeof *v4 : sizeof *v6;
	n->info.ai_next = next;
	n->address.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons((uint16_t)atoi(port));
	} else {
		v6->sin6_addr = in6addr_loopback;
		v6->sin6_port = htons((uint16_t)atoi(port));
	}
	return &n->info;
}

static int answer(const char *host, const char *port, struct addrinfo **list)
{
	if (strcmp(host, "none.test") == 0)
		return EAI_NONAME;
	if (strcmp(host, "silent.test") == 0)
		return EAI_AGAIN;
	if (strcmp(host, "failing.test") == 0)
		return EAI_FAIL;
	if (strcmp(host, "broken.test") == 0) {
		errno = EMFILE;
		return EAI_SYSTEM;
	}
	if (strncmp(host, "slow", 4) == 0) {
		sem_post(&slow_begun);
		while (sem_wait(&slow_go) < 0)
			;
	}
	if (strcmp(host, "quiet.test") == 0) {
		sem_post(&slow_begun);
		while (!atomic_load_explicit(&quiet_go, memory_order_relaxed))
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	/* both.test: IPv6 first; twice.test: the same address two times; foreign.test and mixed.test: also
	 * another machine's (TEST-NET-1), after one of the loopback's. */
	*list = node(AF_INET, port, NULL);
	if (strcmp(host, "foreign.test") == 0 || strcmp(host, "mixed.test") == 0) {
		((struct sockaddr_in *)(*list)->ai_addr)->sin_addr.s_addr = htonl(0xc0000201);
		*list = node(host[0] == 'm' ? AF_INET6 : AF_INET, port, *list);
	}
	if (strcmp(host, "both.test") == 0)
		*list = node(AF_INET6, port, *list);
	if (strcmp(host, "twice.test") == 0)
		*list = node(AF_INET, port, *list);
	return 0;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **list)
{
	static const char end[] = ".test";
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	size_t length = host ? strlen(host) : 0;

	if (length < sizeof end || strcmp(host + length - (sizeof end - 1), end) != 0) {
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
		return real(host, port, hints, list);
	}
	if (hints && hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	return answer(host, port, list);
}

/* ---- a bind that fails ---- */

static atomic_int failing_binds, bind_error;

/* Under the system's name; glibc declares that with a type of its own. */
int failing_bind(int fd, const struct sockaddr *address, socklen_t length) __asm__("bind");

int failing_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	if (address->sa_family == AF_INET && atomic_load(&failing_binds) > 0) {
		atomic_fetch_sub(&failing_binds, 1);
		errno = atomic_load(&bind_error);
		return -1;
	}
	return (int)syscall(SYS_bind, fd, address, length);
}

static void fail_binds(int count, int error)
{
	atomic_store(&bind_error, error);
	atomic_store(&failing_binds, count);
}

/* ---- addresses nobody answers at ---- */

static struct sockaddr_in6 ipv6(uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};

	a.sin6_port = htons(port);
	return a;
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 a = ipv6(0);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

	if (fd >= 0)
		close(fd);
	if (!has)
		SKIP("IPv6");
	return has;
}

/* An address of both.test is dead: its queue is full, so the system drops what comes. */
struct dead {
	int listening, queued;
	uint16_t port;
};

static void dead_open(struct dead *d, int family, uint16_t port)
{
	struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
	struct sockaddr_in6 v6 = ipv6(port);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t length = family == AF_INET ? sizeof v4 : sizeof v6;
	il_address address;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memcpy(&a, family == AF_INET ? (void *)&v4 : (void *)&v6, length);
	d->listening = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	d->queued = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(d->listening, (struct sockaddr *)&a, length), 0);
	CHECK_EQ(listen(d->listening, 0), 0);
	CHECK_EQ(getsockname(d->listening, (struct sockaddr *)&a, &length), 0);
	CHECK_EQ(connect(d->queued, (struct sockaddr *)&a, length), 0);
	address.length = length;
	address.storage = a;
	d->port = il_address_port(&address);
}

static void dead_close(struct dead *d)
{
	close(d->listening);
	close(d->queued);
}

/* A port of 127.0.0.1 that is bound and refuses. */
static int refusing_port(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t length = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int connect_port(il_stream **s, const char *host, uint16_t port,
			const il_connect_options *options)
{
	char text[8];

	return il_stream_connect_tcp(s, host, port_text(port, text), options);
}

void slow_names(void)
{
	CHECK_EQ(sem_init(&slow_begun, 0, 0), 0);
	CHECK_EQ(sem_init(&slow_go, 0, 0), 0);
}

/* Starts what the loop starts with the first lookup, so that descriptors can be counted. */
static void warm_up_resolver(void)
{
	il_address address;

	CHECK_RC(il_resolve("one.test", "1", 0, &address, 1), 1);
}

/* ---- 221: connecting ---- */

IL_TEST_REAL(L, n221_a_refused_connection_tells_the_systems_error)
{
	il_stream *s = NULL;
	uint16_t port;
	int holder = refusing_port(&port), before = open_descriptors();

	CHECK_RC(connect_port(&s, "127.0.0.1", port, NULL), -ECONNREFUSED);
	CHECK(strstr(il_error_detail(), "127.0.0.1") != NULL);
	CHECK(s == NULL);
	CHECK_EQ(open_descriptors(), before);
	close(holder);
}

IL_TEST_REAL(L, n221_a_dead_address_is_passed_over_after_a_quarter_of_a_second)
{
	il_listener *listener = listen_here();
	il_stream *s = NULL;
	struct dead d;
	il_address peer;
	il_time begin;
	int before;

	if (has_ipv6()) {
		dead_open(&d, AF_INET6, il_listener_port(listener));
		warm_up_resolver();
		before = open_descriptors();
		begin = il_now();
		CHECK_RC(connect_port(&s, "both.test", d.port, NULL), 0);
		CHECK(il_now() - begin >= IL_MSEC(250));
		CHECK(il_now() - begin < IL_MSEC(250) + il_test_patience());
		CHECK_EQ(open_descriptors(), before + 1); /* the loser is closed */
		CHECK_RC(il_stream_peer_address(s, &peer), 0);
		CHECK_EQ(peer.storage.ss_family, AF_INET);
		il_stream_destroy(s);
		dead_close(&d);
	}
	il_listener_destroy(listener);
}

/* The delay before the next address ends with a failure, so it may be endless. */
IL_TEST_REAL(L, n221_a_refused_address_is_passed_over_at_once)
{
	const il_connect_options patient = {.attempt_delay = IL_FOREVER / 2};
	il_listener *listener = listen_here();
	il_stream *s = NULL;
	il_address peer;

	CHECK_RC(connect_port(&s, "both.test", il_listener_port(listener), &patient), 0);
	CHECK_RC(il_stream_peer_address(s, &peer), 0);
	CHECK_EQ(peer.storage.ss_family, AF_INET);
	il_stream_destroy(s);
	il_listener_destroy(listener);
}

IL_TEST_REAL(L, n221_when_every_address_fails_the_error_is_the_systems)
{
	const il_connect_options patient = {.attempt_delay = IL_FOREVER / 2};
	il_stream *s = NULL;
	uint16_t port;
	int holder = refusing_port(&port);

	CHECK_RC(connect_port(&s, "both.test", port, &patient), -ECONNREFUSED);
	CHECK_RC(connect_port(&s, "none.test", port, NULL), -ENOENT);
	CHECK(s == NULL);
	close(holder);
}

struct dialling {
	il_stream *stream;
	uint16_t port;
	il_connect_options options;
};

static int side_dial(void *arg)
{
	struct side *s = arg;
	struct dialling *d = s->object;

	return connect_port(&d->stream, "127.0.0.1", d->port, &d->options);
}

IL_TEST_REAL(L, n221_a_connection_that_nobody_answers_is_left_in_time)
{
	struct dead dead;
	struct side s = {.size = 0};
	struct dialling d = {.options = {.timeout = IL_MSEC(20)}};
	il_time begin = il_now();

	dead_open(&dead, AF_INET, 0);
	d.port = dead.port;
	int before = open_descriptors();
	side_start(&s, side_dial, &d);
	CHECK_RC(side_join(&s), -ETIMEDOUT);
	CHECK(il_now() - begin >= IL_MSEC(20));
	CHECK_EQ(open_descriptors(), before);
	d.options.timeout = 0;
	side_start(&s, side_dial, &d);
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!s.ended);
	CHECK_RC(il_scope_cancel(&s.scope), 0);
	CHECK_RC(side_join(&s), -ECANCELED);
	CHECK_EQ(open_descriptors(), before);
	CHECK(d.stream == NULL);
	dead_close(&dead);
}

IL_TEST_REAL(L, a_connection_that_is_not_made_in_time_says_to_whom_and_why)
{
	const il_connect_options options = {.timeout = IL_MSEC(5)};
	il_stream *s = NULL;
	struct dead dead;
	char port[8];

	dead_open(&dead, AF_INET, 0);
	CHECK_RC(connect_port(&s, "127.0.0.1", dead.port, &options), -ETIMEDOUT);
	CHECK(strstr(il_error_detail(), "127.0.0.1") != NULL);
	CHECK(strstr(il_error_detail(), port_text(dead.port, port)) != NULL);
	CHECK(strstr(il_error_detail(), "of 1 addresses tried") != NULL);
	dead_close(&dead);
	slow_names();
	CHECK_RC(connect_port(&s, "slow.test", dead.port, &options), -ETIMEDOUT);
	CHECK(strstr(il_error_detail(), "slow.test") != NULL);
	CHECK(strstr(il_error_detail(), port) != NULL);
	CHECK(strstr(il_error_detail(), "name servers") != NULL);
	sem_post(&slow_go);
	CHECK(s == NULL);
}

/* Both ends are the same: TCP opens it simultaneously, with itself. */
IL_TEST_REAL(L, a_socket_that_is_connected_to_itself_is_no_connection)
{
	il_stream *s = NULL;
	uint16_t port;
	char text[8];
	int holder = refusing_port(&port), before = open_descriptors() - 1;
	const il_connect_options options = {.local_host = "127.0.0.1",
					    .local_port = port_text(port, text)};

	close(holder);
	CHECK_RC(connect_port(&s, "127.0.0.1", port, &options), -ECONNREFUSED);
	CHECK(strstr(il_error_detail(), "127.0.0.1") != NULL);
	CHECK(s == NULL);
	CHECK_EQ(open_descriptors(), before);
	/* The port is free again, also for a server that shares nothing. */
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(server, (struct sockaddr *)&a, sizeof a), 0);
	close(server);
}

IL_TEST_REAL(L, connecting_refuses_what_makes_no_sense)
{
	const il_connect_options late = {.timeout = -1}, early = {.attempt_delay = -1};
	il_stream *s = NULL;

	CHECK_RC(il_stream_connect_tcp(NULL, "127.0.0.1", "1", NULL), -EINVAL);
	CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", NULL, NULL), -EINVAL);
	CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", "65536", NULL), -EINVAL);
	CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", "1", &late), -EINVAL);
	CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", "1", &early), -EINVAL);
	CHECK_RC(il_stream_connect_unix(NULL, "/"), -EINVAL);
	CHECK_RC(il_stream_connect_unix(&s, NULL), -EINVAL);
	CHECK_RC(il_stream_connect_unix(&s, ""), -EINVAL);
	CHECK(s == NULL);
}

IL_TEST_REAL(L, a_connection_knows_its_addresses)
{
	il_listener *listener = listen_here();
	struct ends e = connect_to(listener);
	il_address here, there;
	char a[IL_ADDRESS_TEXT_MAX], b[IL_ADDRESS_TEXT_MAX];

	CHECK_RC(il_stream_local_address(e.a, &here), 0);
	CHECK_RC(il_stream_peer_address(e.b, &there), 0);
	il_address_text(&here, a, sizeof a);
	il_address_text(&there, b, sizeof b);
	CHECK_STR(a, b);
	CHECK_RC(il_stream_peer_address(e.a, &there), 0);
	CHECK_EQ(il_address_port(&there), il_listener_port(listener));
	drop(&e);
	il_listener_destroy(listener);
}

/* ---- 222: listening on several addresses ---- */

static void check_answers(il_listener *listener, size_t index)
{
	il_address address;
	char host[IL_ADDRESS_TEXT_MAX];
	il_stream *a = NULL, *b = NULL;

	CHECK_RC(il_listener_address(listener, index, &address), 0);
	CHECK_EQ(il_address_port(&address), il_listener_port(listener));
	snprintf(host, sizeof host, "%s",
		 address.storage.ss_family == AF_INET6 ? "::1" : "127.0.0.1");
	CHECK_RC(connect_port(&a, host, il_listener_port(listener), NULL), 0);
	CHECK_RC(il_listener_accept(listener, &b), 0);
	say(a, host);
	check_hears(b, host);
	il_stream_destroy(a);
	il_stream_destroy(b);
}

static void check_same_port(const char *host)
{
	il_listener *listener = NULL;
	il_address address;
	size_t count = has_ipv6() ? 2 : 1;

	CHECK_RC(il_listener_open_tcp(&listener, host, "0", NULL), 0);
	CHECK(il_listener_port(listener) > 0);
	for (size_t i = 0; i < count; i++)
		check_answers(listener, i);
	CHECK_RC(il_listener_address(listener, count, &address), -ENOENT);
	il_listener_destroy(listener);
}

IL_TEST_REAL(L, n222_every_address_has_the_same_port)
{
	check_same_port("both.test");
}

IL_TEST_REAL(L, n222_every_interface_has_the_same_port)
{
	if (has_ipv6())
		check_same_port(NULL);
}

IL_TEST_REAL(L, n222_all_interfaces_are_one_address_a_family)
{
	il_address list[4];
	char text[IL_ADDRESS_TEXT_MAX];
	int n = il_resolve(NULL, "7", IL_RESOLVE_PASSIVE, list, 4);

	CHECK(n == 1 || n == 2);
	for (int i = 0; i < n; i++) {
		il_address_text(&list[i], text, sizeof text);
		CHECK_STR(text, list[i].storage.ss_family == AF_INET ? "0.0.0.0:7" : "[::]:7");
	}
	CHECK(n == 1 || list[0].storage.ss_family != list[1].storage.ss_family);
}

IL_TEST_REAL(L, n222_a_port_that_is_taken_in_one_family_is_chosen_again)
{
	il_listener *listener = NULL;
	size_t count = has_ipv6() ? 2 : 1;

	warm_up_resolver();
	int before = open_descriptors();
	fail_binds(3, EADDRINUSE);
	CHECK_RC(il_listener_open_tcp(&listener, "both.test", "0", NULL), 0);
	CHECK_EQ(atomic_load(&failing_binds), 0);
	CHECK_EQ(open_descriptors(), before + (int)count);
	for (size_t i = 0; i < count; i++)
		check_answers(listener, i);
	il_listener_destroy(listener);
	CHECK_EQ(open_descriptors(), before);
}

IL_TEST_REAL(L, n222_half_a_listener_is_cleaned_up)
{
	const int errors[] = {EADDRINUSE, EACCES, ENOBUFS};
	il_listener *listener = NULL;

	warm_up_resolver();
	int before = open_descriptors();
	for (size_t i = 0; i < 3; i++) {
		fail_binds(1000, errors[i]);
		CHECK_RC(il_listener_open_tcp(&listener, "both.test", "0", NULL), -errors[i]);
		CHECK(listener == NULL);
		CHECK_EQ(open_descriptors(), before);
	}
	fail_binds(0, 0);
	/* A port asked for is not exchanged for another. */
	il_listener *holder = listen_here();
	char port[8];
	CHECK_RC(il_listener_open_tcp(&listener, "both.test",
				      port_text(il_listener_port(holder), port), NULL),
		 -EADDRINUSE);
	CHECK_EQ(open_descriptors(), before + 1);
	il_listener_destroy(holder);
}

IL_TEST_REAL(L, n222_a_family_that_the_system_lacks_is_left_out)
{
	il_listener *listener = NULL;

	if (has_ipv6()) {
		fail_binds(1, EADDRNOTAVAIL);
		CHECK_RC(il_listener_open_tcp(&listener, "both.test", "0", NULL), 0);
		check_answers(listener, 0);
		il_listener_destroy(listener);
		listener = NULL;
	}
	fail_binds(1, EADDRNOTAVAIL);
	CHECK_RC(il_listener_open_tcp(&listener, "one.test", "0", NULL), -EADDRNOTAVAIL);
	CHECK(listener == NULL);
}

IL_TEST_REAL(L, an_address_of_another_machine_is_no_missing_family)
{
	il_listener *listener = NULL;

	warm_up_resolver();
	int before = open_descriptors();
	CHECK_RC(il_listener_open_tcp(&listener, "foreign.test", "0", NULL), -EADDRNOTAVAIL);
	CHECK(strstr(il_error_detail(), "192.0.2.1") != NULL);
	if (has_ipv6())
		CHECK_RC(il_listener_open_tcp(&listener, "mixed.test", "0", NULL), -EADDRNOTAVAIL);
	CHECK(listener == NULL);
	CHECK_EQ(open_descriptors(), before);
}

/* ---- accepting ---- */

struct accepted {
	il_listener *listener;
	il_stream *stream;
};

static int side_accept(void *arg)
{
	struct side *s = arg;
	struct accepted *a = s->object;

	return il_listener_accept(a->listener, &a->stream);
}

IL_TEST_REAL(L, one_task_accepts_and_closing_wakes_it)
{
	for (int destroy = 0; destroy < 2; destroy++) {
		struct accepted a = {.listener = listen_here()};
		struct side s = {.size = 0};
		il_stream *other = NULL;

		side_start(&s, side_accept, &a);
		CHECK_RC(il_listener_accept(a.listener, &other), -EBUSY);
		if (destroy) {
			il_listener_destroy(a.listener);
		} else {
			CHECK_RC(il_listener_close(a.listener), 0);
			CHECK_RC(il_listener_close(a.listener), 0);
		}
		CHECK_RC(side_join(&s), -EBADF);
		if (!destroy) {
			CHECK_RC(il_listener_accept(a.listener, &other), -EBADF);
			CHECK_EQ(il_listener_port(a.listener), 0);
			il_listener_destroy(a.listener);
		}
		CHECK(a.stream == NULL && other == NULL);
	}
}

IL_TEST_REAL(L, a_cancelled_accept_loses_no_connection)
{
	for (size_t i = 0; i < il_test_rounds(40); i++) {
		struct accepted a = {.listener = listen_here()};
		struct side s = {.size = 0};
		il_stream *client = NULL;

		side_start(&s, side_accept, &a);
		CHECK_RC(connect_port(&client, "127.0.0.1", il_listener_port(a.listener), NULL), 0);
		for (size_t turns = i % 4; turns; turns--)
			CHECK_RC(il_yield(), 0);
		CHECK_RC(il_scope_cancel(&s.scope), 0);
		int rc = side_join(&s);
		CHECK(rc == 0 || rc == -ECANCELED);
		CHECK_EQ(a.stream != NULL, rc == 0);
		if (rc < 0)
			CHECK_RC(il_listener_accept(a.listener, &a.stream), 0);
		say(client, "hello");
		check_hears(a.stream, "hello");
		il_stream_destroy(client);
		il_stream_destroy(a.stream);
		il_listener_destroy(a.listener);
	}
}

IL_TEST_REAL(L, accepting_goes_on_when_descriptors_are_there_again)
{
	struct accepted a = {.listener = listen_here()};
	struct side s = {.size = 0};
	struct rlimit full, none;
	il_stream *client = NULL;

	if (il_test_valgrind()) { /* it closes the connections that it refuses for the limit */
		il_listener_destroy(a.listener);
		return;
	}
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &full), 0);
	CHECK_RC(connect_port(&client, "127.0.0.1", il_listener_port(a.listener), NULL), 0);
	none = full;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	side_start(&s, side_accept, &a);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
	CHECK(!s.ended);
	CHECK_LOGGED(IL_LOG_WARNING, "il_listener_accept", 1);
	CHECK_RC(side_join(&s), 0);
	say(client, "hello");
	check_hears(a.stream, "hello");
	il_stream_destroy(client);
	il_stream_destroy(a.stream);
	il_listener_destroy(a.listener);
}

/* ---- 224: Unix sockets ---- */

struct place {
	char directory[32], path[64];
};

static void place_make(struct place *p)
{
	snprintf(p->directory, sizeof p->directory, "/tmp/il-test-XXXXXX");
	CHECK(mkdtemp(p->directory) != NULL);
	snprintf(p->path, sizeof p->path, "%s/socket", p->directory);
}

static void place_remove(struct place *p)
{
	unlink(p->path);
	CHECK_EQ(rmdir(p->directory), 0);
}

/* A socket file whose socket is gone. */
static void leave_stale(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, path, strlen(path) + 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_EQ(listen(fd, 1), 0);
	close(fd);
}

static void check_unix_answers(il_listener *listener, const char *path)
{
	il_stream *a = NULL, *b = NULL;

	CHECK_RC(il_stream_connect_unix(&a, path), 0);
	CHECK_RC(il_listener_accept(listener, &b), 0);
	say(a, "hello");
	check_hears(b, "hello");
	il_stream_destroy(a);
	il_stream_destroy(b);
}

IL_TEST_REAL(L, n224_a_stale_socket_is_replaced)
{
	struct place p;
	il_listener *listener = NULL;
	il_stream *s = NULL;

	place_make(&p);
	leave_stale(p.path);
	CHECK_RC(il_stream_connect_unix(&s, p.path), -ECONNREFUSED);
	for (int again = 0; again < 2; again++) {
		CHECK_RC(il_listener_open_unix(&listener, p.path, NULL), 0);
		check_unix_answers(listener, p.path);
		CHECK_EQ(il_listener_port(listener), 0);
		CHECK_RC(il_listener_close(listener), 0);
		CHECK(!exists(p.path));
		il_listener_destroy(listener);
	}
	CHECK_RC(il_stream_connect_unix(&s, p.path), -ENOENT);
	place_remove(&p);
}

IL_TEST_REAL(L, n224_a_path_in_use_stays_in_use)
{
	struct place p;
	il_listener *first = NULL, *second = NULL;

	place_make(&p);
	CHECK_RC(il_listener_open_unix(&first, p.path, NULL), 0);
	CHECK_RC(il_listener_open_unix(&second, p.path, NULL), -EADDRINUSE);
	CHECK(second == NULL);
	check_unix_answers(first, p.path); /* its first client is this one */
	il_listener_destroy(first);
	place_remove(&p);
}

IL_TEST_REAL(L, n224_any_other_file_is_kept)
{
	struct place p;
	il_listener *listener = NULL;
	struct stat st;
	int fd;

	place_make(&p);
	fd = open(p.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(write(fd, "precious", 8), 8);
	close(fd);
	CHECK_RC(il_listener_open_unix(&listener, p.path, NULL), -EEXIST);
	CHECK(lstat(p.path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 8);
	unlink(p.path);
	CHECK_EQ(symlink("nowhere", p.path), 0);
	CHECK(il_listener_open_unix(&listener, p.path, NULL) < 0);
	CHECK(exists(p.path));
	CHECK_RC(il_listener_open_unix(&listener, p.directory, NULL), -EEXIST);
	CHECK(exists(p.directory));
	CHECK(listener == NULL);
	place_remove(&p);
}

IL_TEST_REAL(L, n224_closing_leaves_a_path_that_is_another_file_now)
{
	struct place p;
	il_listener *listener = NULL;

	place_make(&p);
	CHECK_RC(il_listener_open_unix(&listener, p.path, NULL), 0);
	CHECK_EQ(unlink(p.path), 0);
	close(open(p.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	il_listener_destroy(listener);
	CHECK(exists(p.path));
	place_remove(&p);
}

IL_TEST_REAL(L, a_layer_that_cannot_connect_is_refused_before_the_connection)
{
	const struct il_layer layer = {.self = NULL};
	il_stream *s = NULL;

	CHECK_RC(
	    il_stream_connect_tcp(&s, "127.0.0.1", "1", &(il_connect_options){.layer = &layer}),
	    -EINVAL);
	CHECK(!s);
}

IL_TEST_REAL(L, n224_a_bad_path_is_told_and_the_mode_is_set)
{
	const il_listen_options options = {.mode = 0600}, wrong = {.mode = 010000};
	const il_listen_options negative = {.backlog = -1};
	il_listener *listener = NULL;
	struct place p;
	struct stat st;
	char path[128], much[200];

	place_make(&p);
	memset(much, 'x', sizeof much - 1);
	much[sizeof much - 1] = '\0';
	snprintf(path, sizeof path, "%s/none/socket", p.directory);
	CHECK_RC(il_listener_open_unix(&listener, path, NULL), -ENOENT);
	CHECK_RC(il_listener_open_unix(&listener, much, NULL), -ENAMETOOLONG);
	CHECK_RC(il_listener_open_unix(&listener, "", NULL), -EINVAL);
	CHECK_RC(il_listener_open_unix(&listener, NULL, NULL), -EINVAL);
	CHECK_RC(il_listener_open_unix(NULL, p.path, NULL), -EINVAL);
	CHECK_RC(il_listener_open_unix(&listener, p.path, &wrong), -EINVAL);
	CHECK_RC(il_listener_open_unix(&listener, p.path, &negative), -EINVAL);
	CHECK(!exists(p.path));
	CHECK_RC(il_listener_open_unix(&listener, p.path, &options), 0);
	CHECK(stat(p.path, &st) == 0 && (st.st_mode & 07777) == 0600);
	il_listener_destroy(listener);
	place_remove(&p);
}

struct unix_dialling {
	const char *path;
	il_stream *stream;
};

static int side_dial_unix(void *arg)
{
	struct side *s = arg;
	struct unix_dialling *d = s->object;

	return il_stream_connect_unix(&d->stream, d->path);
}

IL_TEST_REAL(L, connecting_waits_while_the_queue_of_a_unix_socket_is_full)
{
	const il_listen_options short_queue = {.backlog = 1};
	il_listener *listener = NULL;
	struct place p;
	struct unix_dialling d[4];
	struct side s[4];
	int waiting = 0;

	place_make(&p);
	CHECK_RC(il_listener_open_unix(&listener, p.path, &short_queue), 0);
	for (int i = 0; i < 4; i++) {
		d[i] = (struct unix_dialling){.path = p.path};
		side_start(&s[i], side_dial_unix, &d[i]);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		waiting += !s[i].ended;
	}
	CHECK(waiting > 0 && waiting < 4 && !s[3].ended);
	CHECK_RC(il_scope_cancel(&s[3].scope), 0);
	CHECK_RC(side_join(&s[3]), -ECANCELED);
	for (int i = 0; i < 3; i++) {
		il_stream *stream = NULL;
		CHECK_RC(il_listener_accept(listener, &stream), 0);
		il_stream_destroy(stream);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_RC(side_join(&s[i]), 0);
		il_stream_destroy(d[i].stream);
	}
	il_listener_destroy(listener);
	place_remove(&p);
}

/* ---- the resolver ---- */

IL_TEST_REAL(L, the_resolvers_errors_have_names)
{
	il_address a;

	CHECK_RC(il_resolve("none.test", "1", 0, &a, 1), -ENOENT);
	CHECK_RC(il_resolve("silent.test", "1", 0, &a, 1), -EAGAIN);
	CHECK_RC(il_resolve("failing.test", "1", 0, &a, 1), -EIO);
	CHECK_RC(il_resolve("broken.test", "1", 0, &a, 1), -EMFILE);
	CHECK_RC(il_resolve("one.test", "1", IL_RESOLVE_NUMERIC, &a, 1), -ENOENT);
	CHECK_RC(il_resolve("127.0.0.1", "65536", 0, &a, 1), -EINVAL);
	CHECK_RC(il_resolve("127.0.0.1", "1", 1u << 9, &a, 1), -EINVAL);
	CHECK_RC(il_resolve("127.0.0.1", "1", 0, NULL, 1), -EINVAL);
	CHECK_RC(il_resolve("127.0.0.1", "no-such-service", 0, &a, 1), -ENOENT);
	CHECK(strstr(il_error_detail(), "port \"no-such-service\"") != NULL);
	CHECK(strstr(il_error_detail(), "give its number") != NULL);
}

IL_TEST_REAL(L, a_port_is_digits_or_the_name_of_a_service)
{
	static const char *const wrong[] = {"65536",  "+65616", "-65456", "4294967376", "+80",
					    "-1",     " 80",    "80 ",    "\t80",       "80\n",
					    " 65616", "",       "*",      "8 0",        " http"};
	il_listener *listener = NULL;
	il_stream *s = NULL;
	il_address a;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const il_connect_options local = {.local_port = wrong[i]};
		CHECK_RC(il_resolve("127.0.0.1", wrong[i], 0, &a, 1), -EINVAL);
		CHECK(strstr(il_error_detail(), "port") != NULL);
		CHECK_RC(il_resolve("one.test", wrong[i], 0, &a, 1), -EINVAL);
		CHECK_RC(il_listener_open_tcp(&listener, "127.0.0.1", wrong[i], NULL), -EINVAL);
		CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", wrong[i], NULL), -EINVAL);
		CHECK_RC(il_stream_connect_tcp(&s, "127.0.0.1", "1", &local), -EINVAL);
	}
	CHECK(listener == NULL && s == NULL);
	CHECK_RC(il_resolve("127.0.0.1", "65535", 0, &a, 1), 1);
	CHECK_EQ(il_address_port(&a), 65535);
	CHECK_RC(il_resolve("127.0.0.1", "00000000000080", 0, &a, 1), 1);
	CHECK_EQ(il_address_port(&a), 80);
}

IL_TEST_REAL(L, a_lack_of_descriptors_is_no_missing_host)
{
	struct rlimit full, none;
	il_address a;

	if (il_test_valgrind()) /* it keeps descriptors beyond the limit */
		return;
	warm_up_resolver();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &full), 0);
	none = full;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	int rc = il_resolve("none.test", "1", 0, &a, 1);
	bool told = strstr(il_error_detail(), "none.test") != NULL;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
	CHECK_RC(rc, -EMFILE);
	CHECK(told);
	CHECK_RC(il_resolve("none.test", "1", 0, &a, 1), -ENOENT);
}

IL_TEST_REAL(L, the_resolver_tells_how_many_and_each_once)
{
	il_address list[2];
	char text[IL_ADDRESS_TEXT_MAX];

	CHECK_RC(il_resolve("both.test", "80", 0, NULL, 0), 2);
	CHECK_RC(il_resolve("both.test", "80", 0, list, 1), 2);
	il_address_text(&list[0], text, sizeof text);
	CHECK_STR(text, "[::1]:80");
	CHECK_RC(il_resolve("twice.test", "80", 0, list, 2), 1);
	CHECK_RC(il_resolve("127.0.0.1", "80", 0, list, 2), 1);
	il_address_text(&list[0], text, sizeof text);
	CHECK_STR(text, "127.0.0.1:80");
	CHECK_EQ(il_address_port(&list[0]), 80);
}

static int side_resolve(void *arg)
{
	struct side *s = arg;
	il_address a;

	return il_resolve(s->object, "1", 0, &a, 1);
}

IL_TEST_REAL(L, a_lookup_holds_up_nobody_and_is_abandoned_at_once)
{
	struct side kept = {.size = 0}, left = {.size = 0};
	il_address a;

	slow_names();
	side_start(&kept, side_resolve, "slow.test");
	side_start(&left, side_resolve, "slow.test");
	UNTIL_THREAD(sem_trywait(&slow_begun) == 0);
	UNTIL_THREAD(sem_trywait(&slow_begun) == 0);
	CHECK_RC(il_resolve("one.test", "1", 0, &a, 1), 1);
	CHECK_RC(il_scope_cancel(&left.scope), 0);
	CHECK_RC(side_join(&left), -ECANCELED); /* while its thread still asks */
	CHECK(!kept.ended);
	sem_post(&slow_go);
	sem_post(&slow_go);
	CHECK_RC(side_join(&kept), 1);
}

/* That it was given up its thread learns under the lock: nothing else of the test comes between, as TSan would see. */
IL_TEST_REAL(L, a_lookup_that_was_given_up_ends_by_itself)
{
	struct side left = {.size = 0};

	slow_names();
	atomic_store(&quiet_go, false);
	side_start(&left, side_resolve, "quiet.test");
	UNTIL_THREAD(sem_trywait(&slow_begun) == 0);
	CHECK_RC(il_scope_cancel(&left.scope), 0);
	CHECK_RC(side_join(&left), -ECANCELED);
	atomic_store_explicit(&quiet_go, true, memory_order_relaxed);
}

/* As many as nobody waits for are asked at a time; those that wait keep their turn. */
IL_TEST_REAL(L, a_lookup_that_was_given_up_holds_up_nobody)
{
	enum { DEAD = 12, PLACES = 4 };
	struct side dead[DEAD] = {{.size = 0}}, next = {.size = 0};
	il_address a;

	slow_names();
	for (int i = 0; i < DEAD; i++) {
		if (i >= PLACES)
			CHECK_RC(il_scope_cancel(&dead[i - PLACES].scope), 0);
		side_start(&dead[i], side_resolve, "slow.test");
		UNTIL_THREAD(sem_trywait(&slow_begun) == 0);
	}
	side_start(&next, side_resolve, "one.test"); /* every place is taken */
	CHECK_RC(il_sleep(IL_MSEC(2)), 0);
	CHECK(!next.ended);
	CHECK_RC(il_scope_cancel(&dead[DEAD - 1].scope), 0);
	CHECK_RC(side_join(&next), 1);
	for (int i = 0; i < DEAD; i++) {
		CHECK_RC(il_scope_cancel(&dead[i].scope), 0);
		CHECK_RC(side_join(&dead[i]), -ECANCELED);
	}
	CHECK_RC(il_resolve("one.test", "1", 0, &a, 1), 1);
	for (int i = 0; i < DEAD; i++)
		sem_post(&slow_go);
}

static int give_up_too_many(void *arg)
{
	struct side dead = {.size = 0};
	il_address a;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		side_start(&dead, side_resolve, "slow.test");
		UNTIL_THREAD(sem_trywait(&slow_begun) == 0);
		CHECK_RC(il_scope_cancel(&dead.scope), 0);
		CHECK_RC(side_join(&dead), -ECANCELED);
	}
	CHECK_RC(il_resolve("one.test", "1", 0, &a, 1), -EAGAIN);
	CHECK(strstr(il_error_detail(), "lookup_limit is 3") != NULL);
	CHECK_RC(il_resolve("127.0.0.1", "1", 0, &a, 1), 1); /* a number needs no thread */
	for (int i = 0; i < 3; i++)
		sem_post(&slow_go);
	UNTIL(il_resolve("one.test", "1", 0, &a, 1) == 1);
	return 0;
}

IL_TEST_OWN_REAL(L, lookups_that_were_given_up_are_bounded)
{
	const il_loop_options options = {.lookup_limit = 3};
	il_loop *loop;

	slow_names();
	CHECK_RC(il_loop_open(&loop, il_test_backend(), &options), 0);
	CHECK_RC(il_loop_run(loop, give_up_too_many, NULL), 0);
	il_loop_destroy(loop);
}
