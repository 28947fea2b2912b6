/*
 * u_trace.c: the same seed gives the same run: the same trace byte for byte, in any process, whatever memory was used
 * before; another seed another one. And the search for a seed that fails.
 */
#include "u_network.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- a program with some of everything ---- */

static int chat(void *arg)
{
	for (int i = 0; i < 5; i++) {
		int rc = ask_when_up("server");
		if (rc < 0 && rc != -ETIMEDOUT && rc != -ECONNRESET)
			return rc;
		rc = il_sleep(IL_MSEC(100));
		if (rc < 0)
			return rc;
	}
	(void)arg;
	return 0;
}

static int shout(void *arg)
{
	il_datagram *d;

	(void)arg;
	CHECK_RC(il_datagram_connect_udp(&d, "server", "9", NULL), 0);
	for (int i = 0; i < 20; i++) {
		int rc = il_datagram_send(d, "abc", 3, NULL);
		CHECK(rc == 0 || rc == -ECONNREFUSED || rc == -ECANCELED);
	}
	il_datagram_destroy(d);
	return 0;
}

/* ---- and one that takes real time, or none ---- */

static int ask_slowly(void *arg)
{
	const struct timespec some = {.tv_nsec = 20000};
	il_datagram *d;

	CHECK_RC(il_datagram_connect_udp(&d, "localhost", "9", NULL), 0);
	for (int i = 0; i < 20; i++) {
		if (*(bool *)arg)
			nanosleep(&some, NULL);
		CHECK(il_datagram_send(d, "abc", 3, NULL) != -EINVAL);
	}
	il_datagram_destroy(d);
	return 0;
}

static int crowd(void *arg)
{
	il_group group;

	CHECK_RC(il_group_open(&group), 0);
	for (int i = 0; i < 40; i++)
		CHECK_RC(il_group_start_soon(&group, NULL, ask_slowly, arg), 0);
	return il_group_close(&group, 0);
}

struct crowded {
	bool slow;
	int fd;
};

static int crowded_main(void *arg)
{
	struct crowded *c = arg;
	il_virtual_network *n;

	CHECK_RC(il_virtual_network_open(&n, NULL), 0);
	CHECK_RC(il_virtual_network_trace(n, c->fd), 0);
	host(n, "crowd", crowd, &c->slow);
	CHECK_RC(ended(n, "crowd"), 0);
	return il_virtual_network_close(n);
}

/* ---- the traces ---- */

static int tell_main(void *arg)
{
	const il_virtual_network_options o = {
	    .latency_min = IL_MSEC(1), .latency_max = IL_MSEC(30), .loss = 0.1};
	const int *fd = arg;
	il_virtual_network *n;

	CHECK_RC(il_virtual_network_open(&n, &o), 0);
	CHECK_RC(il_virtual_network_trace(n, *fd), 0);
	host(n, "server", echo_server, NULL);
	host(n, "one", chat, NULL);
	host(n, "two", chat, NULL);
	host(n, "three", shout, NULL);
	CHECK_RC(il_sleep(IL_MSEC(300)), 0);
	CHECK_RC(il_virtual_partition(n, "one", "server"), 0);
	CHECK_RC(il_sleep(IL_SEC(3)), 0);
	CHECK_RC(il_virtual_repair(n, "one", "server"), 0);
	CHECK_RC(il_virtual_host_crash(n, "two"), 0);
	CHECK_RC(il_virtual_host_restart(n, "two"), 0);
	CHECK_RC(ended(n, "one"), 0);
	CHECK_RC(ended(n, "two"), 0);
	CHECK_RC(il_virtual_network_trace(n, -1), 0);
	return il_virtual_network_close(n);
}

enum { SEED = 7 };

struct text {
	char *bytes;
	size_t size;
};

static struct text read_all(FILE *f)
{
	struct text t = {malloc(1 << 20), 0};

	CHECK(t.bytes);
	rewind(f);
	t.size = fread(t.bytes, 1, 1 << 20, f);
	fclose(f);
	return t;
}

static int run_seed(uint64_t seed, FILE *f)
{
	il_loop *loop;
	int fd = fileno(f), rc;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), &(il_loop_options){.seed = seed}), 0);
	rc = il_loop_run(loop, tell_main, &fd);
	il_loop_destroy(loop);
	return rc;
}

static struct text trace_of(uint64_t seed)
{
	FILE *f = tmpfile();

	CHECK(f);
	CHECK_RC(run_seed(seed, f), 0);
	return read_all(f);
}

/* This program anew: at other addresses, and with nothing drawn before. It writes the trace and comes no further. */
static const char trace_variable[] = "IL_TEST_TRACE_TO";

static __attribute__((constructor)) void trace_and_end(void)
{
	const char *fd = getenv(trace_variable);
	FILE *f = fd ? fdopen(atoi(fd), "w") : NULL;

	if (fd)
		_exit(!f || run_seed(SEED, f) != 0);
}

static void become_another(const char *program, FILE *f)
{
	char variable[40];
	char *argv[] = {"another", NULL}, *envp[] = {variable, NULL};

	snprintf(variable, sizeof variable, "%s=%d", trace_variable, fileno(f));
	fcntl(fileno(f), F_SETFD, 0);
	execve(program, argv, envp);
	_exit(127);
}

static struct text trace_of_another_process(void)
{
	FILE *f = tmpfile();
	char program[PATH_MAX] = "";
	pid_t child;
	int status = -1;

	CHECK(f);
	CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
	child = fork();
	if (child == 0)
		become_another(program, f);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	return read_all(f);
}

static bool is_same(struct text a, struct text b)
{
	return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

IL_TEST_OWN_VIRTUAL(U, n395_the_same_seed_gives_the_same_trace)
{
	struct text first, again, apart, other;
	void *blocks[100];
	int differ = 0;

	first = trace_of(SEED);
	CHECK(first.size > 1000);
	for (size_t i = 0; i < 100; i++)
		blocks[i] = malloc(i * 977 + 1);
	again = trace_of(SEED);
	apart = trace_of_another_process();
	CHECK(is_same(first, again));
	CHECK(is_same(first, apart));
	for (uint64_t seed = 1; seed <= 10; seed++) {
		other = trace_of(seed);
		differ += !is_same(first, other);
		free(other.bytes);
	}
	CHECK_EQ(differ, 9);
	CHECK(!memchr(first.bytes, '\0', first.size));
	first.bytes[first.size - 1] = 0;
	CHECK(!strstr(first.bytes, "hello") && !strstr(first.bytes, "abc"));
	for (size_t i = 0; i < 100; i++)
		free(blocks[i]);
	free(first.bytes);
	free(again.bytes);
	free(apart.bytes);
}

static struct text crowded_trace(bool slow)
{
	FILE *f = tmpfile();
	struct crowded c = {.slow = slow};
	il_loop *loop;

	CHECK(f);
	c.fd = fileno(f);
	CHECK_RC(il_loop_open(&loop, il_test_backend(), &(il_loop_options){.seed = 3}), 0);
	CHECK_RC(il_loop_run(loop, crowded_main, &c), 0);
	il_loop_destroy(loop);
	return read_all(f);
}

struct simple {
	uint64_t seed;
	int fd;
};

static int simple_main(void *arg)
{
	const struct simple *s = arg;
	il_virtual_network *n;

	CHECK_RC(il_virtual_network_open(&n, &(il_virtual_network_options){.seed = s->seed}), 0);
	CHECK_RC(il_virtual_network_trace(n, s->fd), 0);
	host(n, "server", echo_server, NULL);
	host(n, "client", ask_when_up, "server");
	CHECK_RC(ended(n, "client"), 0);
	return il_virtual_network_close(n);
}

static struct text simple_trace(uint64_t seed)
{
	FILE *f = tmpfile();
	struct simple s = {.seed = seed};

	CHECK(f);
	s.fd = fileno(f);
	CHECK_RC(il_run(il_test_backend(), simple_main, &s), 0);
	return read_all(f);
}

IL_TEST_OWN_VIRTUAL(U, n395_however_slow_the_machine_is)
{
	struct text fast, slow;

	fast = crowded_trace(false);
	slow = crowded_trace(true);
	CHECK(fast.size > 10000);
	CHECK(is_same(fast, slow));
	free(fast.bytes);
	free(slow.bytes);
}

/* Where neither latency nor loss is drawn. */
IL_TEST_OWN_VIRTUAL(U, n395_another_seed_gives_another_trace_of_the_simplest_network)
{
	struct text first, other;

	first = simple_trace(1);
	other = simple_trace(2);
	CHECK(!is_same(first, other));
	free(other.bytes);
	other = simple_trace(1);
	CHECK(is_same(first, other));
	free(other.bytes);
	free(first.bytes);
}

static int trace_badly(void *arg)
{
	il_virtual_network *n;

	(void)arg;
	CHECK_RC(il_virtual_network_open(&n, NULL), 0);
	CHECK_RC(il_virtual_network_trace(n, 987), -EBADF);
	CHECK_RC(il_virtual_network_trace(n, -1), 0);
	return il_virtual_network_close(n);
}

IL_TEST_OWN_VIRTUAL(U, n395_a_trace_needs_an_open_descriptor)
{
	CHECK_RC(il_run(il_test_backend(), trace_badly, NULL), 0);
}

/* ---- searching ---- */

struct search {
	uint64_t runs;
	int fails_at; /* by what a seed does: how far a datagram's latency is from the least */
};

static int receive_late(void *arg)
{
	const struct search *s = arg;
	char data[8];
	il_datagram *d;
	il_time start = il_now();

	CHECK_RC(il_datagram_open_udp(&d, NULL, "9", NULL), 0);
	CHECK_RC(il_datagram_receive(d, data, sizeof data, NULL), 1);
	il_datagram_destroy(d);
	return il_now() - start < IL_MSEC(s->fails_at) ? il_fail(-ERANGE, "too early") : 0;
}

static int search_main(void *arg)
{
	struct search *s = arg;
	il_virtual_network *n;
	il_datagram *d;
	int rc;

	s->runs++;
	CHECK_RC(
	    il_virtual_network_open(&n, &(il_virtual_network_options){.latency_max = IL_MSEC(100)}),
	    0);
	host(n, "receiver", receive_late, s);
	CHECK_RC(il_datagram_connect_udp(&d, "receiver", "9", NULL), 0);
	CHECK_RC(il_sleep(IL_NSEC(1)), 0);
	CHECK_RC(il_datagram_send(d, "x", 1, NULL), 0);
	il_datagram_destroy(d);
	rc = ended(n, "receiver");
	CHECK_RC(il_virtual_network_close(n), 0);
	return rc;
}

static int explore_inside(void *arg)
{
	uint64_t seed = 0;

	CHECK_RC(il_virtual_explore(1, 1, search_main, arg, &seed), -EPERM);
	return 0;
}

IL_TEST_OWN_VIRTUAL(U, n413_exploring_finds_the_first_seed_that_fails_and_it_fails_again)
{
	struct search s = {.fails_at = 5};
	uint64_t seed = 0;

	CHECK_RC(il_virtual_explore(1, 100000, search_main, &s, &seed), -ERANGE);
	CHECK_DETAIL("too early");
	CHECK(seed > 0 && s.runs == seed);
	s.runs = 0;
	CHECK_RC(il_virtual_explore(seed, 1, search_main, &s, NULL), -ERANGE);
	CHECK_RC(il_virtual_explore(1, seed - 1, search_main, &s, &seed), 0);
	s.fails_at = 0;
	CHECK_RC(il_virtual_explore(1, 20, search_main, &s, &seed), 0);
	CHECK_RC(il_virtual_explore(1, 20, NULL, &s, &seed), -EINVAL);
	CHECK_RC(il_run(il_test_backend(), explore_inside, &s), 0);
}
