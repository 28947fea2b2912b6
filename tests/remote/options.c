/*
 * options.c: options out of range are refused in words, before anything is connected or started.
 */
#define _GNU_SOURCE
#include "packets.h"

#include <interloop/layer.h>
#include <interloop/loop.h>

#include <sys/socket.h>
#include <sys/un.h>

static const char *const here[] = {"127.0.0.1:1"};
static const struct il_layer of_servers = {.self = NULL}; /* no connect */
static char long_prefix[1024];

static void pool_refused(il_remote_pool_options o, int rc, const char *word)
{
	il_executor *ex = NULL;

	if (!o.servers) {
		o.servers = here;
		o.server_count = 1;
	}
	CHECK_EQ(il_remote_pool_create(&ex, &o), rc);
	CHECK(!ex);
	if (!strstr(il_error_detail(), word))
		check_failed(__FILE__, __LINE__, il_error_detail(), 0, 1);
}

static void pools(void)
{
	static const char *const none[] = {NULL}, *const far[] = {"192.0.2.1:4730"};
	static const char *const wrong[] = {
	    "localhost",      "localhost:",           ":4730",
	    "localhost:0",    "localhost:65536",      "unix:",
	    "localhost:473x", "localhost:4294967297", "localhost:-1"};
	static const char *const near[] = {"127.9.8.7:1", "[::1]:1", "localhost:1", "unix:/none:1"};
	static const char *const named[] = {"127.example.org:1", "127.0.0.1.example.org:1",
					    "localhost.example.org:1", "[::1].example.org:1"};
	il_executor *ex = NULL;

	CHECK_EQ(il_remote_pool_create(
		     NULL, &(il_remote_pool_options){.servers = here, .server_count = 1}),
		 -EINVAL);
	CHECK_EQ(il_remote_pool_create(&ex, NULL), -EINVAL);
	pool_refused((il_remote_pool_options){.servers = here, .server_count = 0}, -EINVAL,
		     "give 1 to 64");
	pool_refused((il_remote_pool_options){.servers = here, .server_count = 65}, -EINVAL,
		     "give 1 to 64");
	pool_refused((il_remote_pool_options){.servers = none, .server_count = 1}, -EINVAL,
		     "must be HOST:PORT");
	for (int i = 0; i < 9; i++)
		pool_refused((il_remote_pool_options){.servers = &wrong[i], .server_count = 1},
			     -EINVAL, "must be HOST:PORT");
	pool_refused((il_remote_pool_options){.servers = far, .server_count = 1}, -EACCES,
		     "192.0.2.1");
	for (int i = 0; i < 4; i++)
		pool_refused((il_remote_pool_options){.servers = &named[i], .server_count = 1},
			     -EACCES, named[i]);
	CHECK_EQ(il_remote_pool_create(
		     &ex, &(il_remote_pool_options){.servers = near, .server_count = 4}),
		 0);
	il_executor_destroy(ex);
	pool_refused((il_remote_pool_options){.resubmits = -1}, -EINVAL, "resubmits is -1");
	pool_refused((il_remote_pool_options){.resubmits = 65536}, -EINVAL, "resubmits is 65536");
	pool_refused((il_remote_pool_options){.connect_timeout = -1}, -EINVAL, "timeout");
	pool_refused((il_remote_pool_options){.unserved_timeout = -1}, -EINVAL, "timeout");
	pool_refused((il_remote_pool_options){.heartbeat = -1}, -EINVAL, "heartbeat");
	pool_refused((il_remote_pool_options){.prefix = long_prefix}, -EINVAL, "prefix has more");
	pool_refused((il_remote_pool_options){.prefix = "a\tb."}, -EINVAL, "in the prefix");
	pool_refused((il_remote_pool_options){.max_size = UINT32_MAX}, -EINVAL, "max_size is");
	pool_refused((il_remote_pool_options){.queue_limit = (size_t)-2}, -EINVAL,
		     "queue_limit is -2");
	pool_refused((il_remote_pool_options){.layer = &of_servers}, -EINVAL, "the layer has no");
}

static void worker_refused(il_remote_worker_options o, int rc, const char *word)
{
	if (!o.servers) {
		o.servers = here;
		o.server_count = 1;
	}
	CHECK_EQ(il_remote_worker_serve(&o), rc);
	if (!strstr(il_error_detail(), word))
		check_failed(__FILE__, __LINE__, il_error_detail(), 0, 1);
}

static int workers(void *unused)
{
	static const char *const unknown[] = {"unknown"}, *const nothing[] = {NULL};

	(void)unused;
	CHECK_EQ(il_remote_worker_serve(NULL), -EINVAL);
	worker_refused((il_remote_worker_options){.servers = here, .server_count = 65}, -EINVAL,
		       "give 1 to 64");
	worker_refused((il_remote_worker_options){.names = unknown}, -EINVAL, "name_count is 0");
	worker_refused((il_remote_worker_options){.name_count = 1}, -EINVAL, "names is NULL");
	worker_refused((il_remote_worker_options){.names = unknown, .name_count = (size_t)-2},
		       -EINVAL, "name_count is -2");
	worker_refused((il_remote_worker_options){.layer = &of_servers}, -EINVAL,
		       "the layer has no");
	worker_refused((il_remote_worker_options){.names = unknown, .name_count = 1}, -EINVAL,
		       "registered as \"unknown\"");
	worker_refused((il_remote_worker_options){.names = nothing, .name_count = 1}, -EINVAL,
		       "registered as \"NULL\"");
	worker_refused((il_remote_worker_options){.slots = -1}, -EINVAL, "slots is -1");
	worker_refused((il_remote_worker_options){.slots = 100001}, -EINVAL, "slots is 100001");
	worker_refused((il_remote_worker_options){.prefetch = -1}, -EINVAL, "prefetch -1");
	worker_refused((il_remote_worker_options){.prefetch = 100001}, -EINVAL, "prefetch 100001");
	worker_refused((il_remote_worker_options){.drain_timeout = -1}, -EINVAL, "drain_timeout");
	worker_refused((il_remote_worker_options){.heartbeat = -1}, -EINVAL, "heartbeat");
	worker_refused((il_remote_worker_options){.prefix = long_prefix}, -EINVAL, "prefix has");
	worker_refused((il_remote_worker_options){.prefix = "a\n"}, -EINVAL, "in the prefix");
	return 0;
}

/* ---- names that a job server could not list ---- */

static int two_lines(void *arg)
{
	(void)arg;
	return 0;
}

static int serve_two_lines(void *unused)
{
	static const char *const names[] = {"two\nlines"};

	(void)unused;
	worker_refused((il_remote_worker_options){.names = names, .name_count = 1}, -EINVAL,
		       "in the name");
	worker_refused((il_remote_worker_options){.names = NULL}, -EINVAL, "in the name");
	return 0;
}

/* At last: from then on no worker program here can serve all names. */
static void names_in_lines(void)
{
	il_executor *ex = NULL;

	CHECK_EQ(il_remote_pool_create(
		     &ex, &(il_remote_pool_options){.servers = here, .server_count = 1}),
		 0);
	CHECK_EQ(il_function_register("two\nlines", two_lines), 0);
	CHECK_EQ(il_executor_run(ex, two_lines, NULL, 0), -EINVAL);
	CHECK_EQ(il_run(il_backend_find(getenv("INTERLOOP_BACKEND")), serve_two_lines, NULL), 0);
	il_executor_destroy(ex);
	printf("names in lines\n");
}

/* ---- a layer ---- */

struct layer {
	int refs, tries;
};

static void layer_ref(void *self)
{
	__atomic_fetch_add(&((struct layer *)self)->refs, 1, __ATOMIC_SEQ_CST);
}

static void layer_unref(void *self)
{
	__atomic_fetch_sub(&((struct layer *)self)->refs, 1, __ATOMIC_SEQ_CST);
}

static int layer_refuse(il_stream **s, il_stream *under, const char *host, void *self)
{
	(void)s;
	(void)under;
	(void)host;
	__atomic_fetch_add(&((struct layer *)self)->tries, 1, __ATOMIC_SEQ_CST);
	return -EPROTO;
}

/* It says that it has made one. */
static int layer_forget(il_stream **s, il_stream *under, const char *host, void *self)
{
	layer_refuse(s, under, host, self);
	return 0;
}

/* Any code but a failure is a success. */
static int layer_pass(il_stream **s, il_stream *under, const char *host, void *self)
{
	(void)host;
	(void)self;
	*s = under;
	return 1;
}

static int count(const int *of)
{
	return __atomic_load_n(of, __ATOMIC_SEQ_CST);
}

static bool has_ended(int fd)
{
	const struct timeval limit = {10, 0};
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return recv(fd, &byte, 1, 0) == 0;
}

/* A pool connects again whenever it must: what its layer needs stays until the pool is gone. */
static void keep_a_layer(const char *server)
{
	const char *servers[] = {server};
	struct layer layer = {0, 0};
	struct il_layer l = {
	    .connect = layer_refuse, .self = &layer, .ref = layer_ref, .unref = layer_unref};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex;

	o.layer = &l;
	ex = pool_with(&o);
	l = (struct il_layer){.connect = NULL}; /* copied */
	UNTIL(count(&layer.tries) >= 3);
	CHECK(count(&layer.refs) >= 1);
	CHECK(statistics_of(ex, 0).last_error == -EPROTO);
	il_executor_destroy(ex);
	UNTIL(count(&layer.refs) == 0);
}

/* What a layer gives is greeted. One that gives nothing, whatever it says, costs the connection. */
static void connect_through(int (*connect)(il_stream **, il_stream *, const char *, void *),
			    const char *server, int listener)
{
	const char *servers[] = {server};
	struct layer layer = {0, 0};
	struct il_layer l = {.connect = connect, .self = &layer};
	il_remote_pool_options o = pool_options(servers, 1);
	char text[64] = "";
	il_executor *ex;
	size_t size;
	int fd;

	o.layer = &l;
	ex = pool_with(&o);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (connect == layer_pass) {
		CHECK_EQ(receive_packet(fd, text, sizeof text, &size), ECHO_REQ);
		CHECK(strcmp(text, "hello") == 0);
	} else {
		CHECK(has_ended(fd));
		UNTIL(statistics_of(ex, 0).last_error == -EINVAL);
	}
	il_executor_destroy(ex);
	close(fd);
}

static void keep_layers(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char server[128];

	snprintf(a.sun_path, sizeof a.sun_path, "/tmp/il-options-%d", (int)getpid());
	snprintf(server, sizeof server, "unix:%s", a.sun_path);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 64) == 0);
	connect_through(layer_pass, server, fd);
	connect_through(layer_forget, server, fd);
	listen_here();
	keep_a_layer(address);
	keep_a_layer(server);
	listen_no_more();
	close(fd);
	unlink(a.sun_path);
}

void test_all(void)
{
	memset(long_prefix, 'p', sizeof long_prefix - 1);
	pools();
	keep_layers();
	CHECK_EQ(il_run(il_backend_find(getenv("INTERLOOP_BACKEND")), workers, NULL), 0);
	names_in_lines();
}
