/*
 * support.c: see support.h. A worker program here serves with options that its words give: "slots=2 prefetch=8".
 */
#define _GNU_SOURCE
#include "support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

unsigned test_seconds = 100;
long test_count;

enum { SKIPPED = 77 }; /* for CTest */

static int failures;
static bool skipped;
char *test_self;

void check_failed(const char *file, int line, const char *what, long value, long expected)
{
	printf("%s:%d: %s: %ld, not %ld (%s)\n", file, line, what, value, expected,
	       il_error_detail());
	__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
}

void check_eq(const char *file, int line, const char *what, long value, long expected)
{
	if (value != expected)
		check_failed(file, line, what, value, expected);
}

void test_skipped(const char *why)
{
	printf("not tested: %s\n", why);
	skipped = true;
}

/* ---- the functions ---- */

int add(void *arg)
{
	struct sum *s = arg;

	s->sum = s->a + s->b;
	return s->sum;
}

int twice(void *arg)
{
	il_bytes *b = arg;
	int rc = il_bytes_append(b, b->in, b->in_size);

	return rc < 0 ? rc : il_bytes_append(b, b->in, b->in_size);
}

int refuse(void *arg)
{
	(void)arg;
	return il_fail(-EDOM, "no such number");
}

int crash(void *arg)
{
	(void)arg;
	fputs("my last words\n", stderr);
	abort();
}

int slow(void *arg)
{
	usleep(*(unsigned *)arg * 1000);
	return 5;
}

/* Which worker program: the parent of the process that runs this. */
int program(void *arg)
{
	(void)arg;
	return getppid();
}

/* Beside the journal. */
static const char *gate(void)
{
	static char path[64];

	snprintf(path, sizeof path, "%s.open", getenv("IL_JOURNAL"));
	return path;
}

int note(void *arg)
{
	const struct note *n = arg;
	int fd = open(getenv("IL_JOURNAL"), O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, &n->id, sizeof n->id) != sizeof n->id)
		return -EIO;
	close(fd);
	while (n->ms == UNTIL_OPENED && access(gate(), F_OK) < 0)
		usleep(10000);
	usleep((n->ms == UNTIL_OPENED ? 100 : n->ms) * 1000);
	return n->id;
}

int nameless(void *arg)
{
	(void)arg;
	return 0;
}

/* A worker takes calls of the name that it offered first before others. */
static const char *const names[] = {"t.program", "t.add",  "t.twice", "t.refuse",
				    "t.crash",   "t.slow", "t.note"};
enum { NAMES = sizeof names / sizeof names[0] };

static void __attribute__((constructor)) register_all(void)
{
	il_fn *const fns[NAMES] = {program, add, twice, refuse, crash, slow, note};

	for (int i = 0; i < NAMES; i++)
		if (il_function_register(names[i], fns[i]) < 0)
			abort();
}

/* ---- the journal ---- */

static char journal[] = "/tmp/il-journal-XXXXXX";

void journal_open(void)
{
	static bool made;
	int fd = made ? open(journal, O_TRUNC | O_WRONLY) : mkstemp(journal);

	made = true;
	CHECK(fd >= 0);
	close(fd);
	setenv("IL_JOURNAL", journal, 1);
	unlink(gate());
}

void gate_open(void)
{
	int fd = open(gate(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static void journal_remove(void)
{
	if (getenv("IL_JOURNAL")) {
		unlink(gate());
		unlink(journal);
	}
}

static int *journal_read(size_t *count)
{
	FILE *f = fopen(journal, "r");
	struct stat st;
	int *ids;

	if (!f || fstat(fileno(f), &st) < 0)
		abort();
	ids = malloc((size_t)st.st_size + 1);
	*count = ids ? fread(ids, sizeof *ids, (size_t)st.st_size / sizeof *ids, f) : 0;
	fclose(f);
	return ids;
}

int journal_count(int id)
{
	size_t count;
	int *ids = journal_read(&count), found = 0;

	for (size_t i = 0; i < count; i++)
		found += id < 0 || ids[i] == id;
	free(ids);
	return found;
}

int journal_twice(int count)
{
	size_t ran;
	int *ids = journal_read(&ran), *times = calloc((size_t)count, sizeof *times), found = 0;

	for (size_t i = 0; i < ran; i++)
		found += ids[i] >= 0 && ids[i] < count && ++times[ids[i]] == 2;
	free(times);
	free(ids);
	return found;
}

/* ---- programs ---- */

/* In a program of its own, for a fork of a program with threads is not for what follows. It ends with the thread that has
 * started it, however that ends. */
static int run(char *const argv[])
{
	if (geteuid() == 0 && strcmp(argv[0], GEARMAND) == 0 &&
	    (setgid(65534) < 0 || setuid(65534) < 0))
		return 126;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of the user resets it */
	execvp(argv[0], argv);
	return 127;
}

pid_t program_spawn(char *const argv[])
{
	char *words[32] = {test_self, "run"};
	int n = 2;
	pid_t pid = -1;

	while (argv[n - 2] && n < 31) {
		words[n] = argv[n - 2];
		n++;
	}
	CHECK_EQ(posix_spawn(&pid, test_self, NULL, NULL, words, environ), 0);
	return pid;
}

static struct sockaddr_in address_of(const char *host, int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = inet_addr(host)};
}

/* Below those that the system gives to connections: none of these takes it before the server does. */
static int free_port(const char *host)
{
	enum { FIRST = 10000, COUNT = 20000 };
	static int tried;
	int port, rc;

	do {
		port = FIRST + (getpid() * 16 + tried++) % COUNT;
		struct sockaddr_in a = address_of(host, port);
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		rc = bind(fd, (struct sockaddr *)&a, sizeof a);
		close(fd);
	} while (rc < 0 && tried < COUNT);
	CHECK_EQ(rc, 0);
	return port;
}

int server_connect(const struct server *s)
{
	struct sockaddr_in a = address_of(s->host, atoi(s->port));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool listens(const struct server *s)
{
	int fd = server_connect(s);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void server_again(struct server *s, int retries)
{
	char option[32];
	char *const there[] = {"ip",
			       "netns",
			       "exec",
			       s->space,
			       "setpriv",
			       "--reuid=65534",
			       "--regid=65534",
			       "--clear-groups",
			       "--pdeathsig=KILL"};
	char *const words[] = {GEARMAND,
			       "-L",
			       s->host,
			       "-p",
			       s->port,
			       "--worker-wakeup=2",
			       "--hashtable-buckets=200003",
			       option,
			       "-l",
			       "stderr",
			       "--verbose=CRITICAL",
			       NULL};
	char *all[32];
	size_t skip = s->space ? sizeof there : 0;

	snprintf(option, sizeof option, "--job-retries=%d", retries);
	memcpy(all, there, skip);
	memcpy((char *)all + skip, words, sizeof words);
	s->pid = program_spawn(all);
	UNTIL(listens(s));
}

void server_start_at(struct server *s, const char *host, int retries)
{
	s->space = NULL;
	snprintf(s->host, sizeof s->host, "%s", host);
	snprintf(s->port, sizeof s->port, "%d", free_port(host));
	snprintf(s->address, sizeof s->address, "%s:%s", host, s->port);
	server_again(s, retries);
}

void server_start(struct server *s, int retries)
{
	server_start_at(s, "127.0.0.1", retries);
}

struct status server_status(const struct server *s, const char *name)
{
	struct status status = {0, 0, 0};
	char text[4096] = "", wanted[64], *line;
	size_t size = 0;
	int fd = server_connect(s);
	ssize_t n = write(fd, "status\n", 7);

	while (n > 0 && !strstr(text, ".\n") && size < sizeof text - 1) {
		n = read(fd, text + size, sizeof text - 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	snprintf(wanted, sizeof wanted, "test.%s\t", name);
	line = strstr(text, wanted);
	CHECK(!line || sscanf(line + strlen(wanted), "%d %d %d", &status.jobs, &status.taken,
			      &status.workers) == 3);
	return status;
}

bool has_jobs(const struct server *s, const char *name, int jobs, int taken)
{
	struct status status = server_status(s, name);

	return status.jobs == jobs && status.taken == taken;
}

void server_kill(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}

void server_stop(struct server *s)
{
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
}

/* Whether SIGTERM does not end it any more. */
static bool takes_sigterm(pid_t pid)
{
	char path[64], line[160];
	unsigned long long mask, all = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "SigBlk: %llx", &mask) == 1 ||
		    sscanf(line, "SigCgt: %llx", &mask) == 1)
			all |= mask;
	if (f)
		fclose(f);
	return all >> (SIGTERM - 1) & 1;
}

pid_t program_start(char *const argv[])
{
	pid_t pid = program_spawn(argv);

	UNTIL(takes_sigterm(pid));
	return pid;
}

pid_t worker_spawn(const char *servers, const char *options)
{
	return program_spawn((char *[]){test_self, "worker", (char *)(uintptr_t)servers,
					(char *)(uintptr_t)options, NULL});
}

pid_t worker_start(const char *servers, const char *options)
{
	return program_start((char *[]){test_self, "worker", (char *)(uintptr_t)servers,
					(char *)(uintptr_t)options, NULL});
}

pid_t client_start(const char *server, const char *options)
{
	return program_spawn((char *[]){test_self, "client", (char *)(uintptr_t)server,
					(char *)(uintptr_t)options, NULL});
}

int program_output(const char *command, char *text, size_t size)
{
	FILE *f = popen(command, "r");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;
	int status = f ? pclose(f) : -1;

	text[n] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int worker_stop(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void worker_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- a worker program ---- */

/* [worker] */
static int serve(void *arg)
{
	return il_remote_worker_serve(arg);
}

static int run_worker(void *arg)
{
	il_signal_receiver *r;
	il_group g;
	int rc = il_signal_receiver_open(&r, (int[]){SIGTERM}, 1);

	if (rc == 0)
		rc = il_group_open(&g);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&g, NULL, serve, arg);
	if (rc == 0)
		rc = il_signal_receiver_next(r, IL_FOREVER);
	il_scope_cancel(il_group_scope(&g));
	rc = il_group_close(&g, rc < 0 ? rc : 0);
	il_signal_receiver_destroy(r);
	return rc;
}
/* [worker] */

static long option(const char *options, const char *name, long other)
{
	const char *at = options ? strstr(options, name) : NULL;

	return at ? strtol(at + strlen(name), NULL, 10) : other;
}

static int worker_main(char *servers, const char *options)
{
	const char *list[8];
	il_remote_worker_options o = {.servers = list,
				      .prefix = "test.",
				      .slots = (int)option(options, "slots=", 2),
				      .prefetch = (int)option(options, "prefetch=", 0),
				      .heartbeat = IL_MSEC(option(options, "beat=", 0)),
				      .drain_timeout = IL_MSEC(option(options, "drain=", 0)),
				      .insecure = option(options, "insecure=", 0) != 0};
	int rc;

	if (!option(options, "all=", 0)) {
		o.names = names;
		o.name_count = NAMES;
	}
	for (char *s = strtok(servers, ","); s; s = strtok(NULL, ","))
		list[o.server_count++] = s;
	if (option(options, "threads=", 0) && il_thread_pool_create(&o.executor, NULL) < 0)
		return 1;
	rc = il_run(il_backend_find(NULL), run_worker, &o);
	if (rc < 0)
		fprintf(stderr, "worker: %s: %s\n", il_error_name(rc), il_error_detail());
	il_executor_destroy(o.executor);
	return rc < 0;
}

/* ---- a client program ---- */

/* Has so many calls of `note` out, and says nothing of what becomes of them. */
static int client_main(const char *server, const char *options)
{
	static struct note notes[16];
	const char *servers[] = {server};
	il_remote_pool_options o = pool_options(servers, 1);
	const int calls = (int)option(options, "calls=", 1);
	il_executor *ex;
	il_future *f;

	o.heartbeat = IL_MSEC(option(options, "beat=", 0));
	o.resubmits = (int)option(options, "resubmits=", 0);
	if (il_remote_pool_create(&ex, &o) < 0)
		return 1;
	for (int i = 0; i < calls; i++) {
		notes[i] = (struct note){i, (unsigned)option(options, "ms=", 0)};
		if (il_executor_submit(ex, &f, note, &notes[i], sizeof notes[i]) < 0)
			return 1;
	}
	for (;;)
		pause();
}

double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- pools ---- */

il_remote_pool_options pool_options(const char *const *servers, size_t count)
{
	return (il_remote_pool_options){
	    .servers = servers, .server_count = count, .prefix = "test."};
}

il_executor *pool_with(const il_remote_pool_options *options)
{
	il_executor *ex = NULL;

	CHECK_EQ(il_remote_pool_create(&ex, options), 0);
	return ex;
}

int until_done(il_future *f)
{
	int rc = il_future_result(f, IL_SEC(20));

	il_future_unref(f);
	return rc;
}

il_remote_server_statistics statistics_of(il_executor *ex, size_t server)
{
	il_remote_statistics s;

	CHECK_EQ(il_remote_pool_get_statistics(ex, &s), 0);
	CHECK(server < s.server_count);
	return s.servers[server];
}

/* ---- */

int main(int argc, char **argv)
{
	test_self = argv[0];
	if (argc > 2 && strcmp(argv[1], "run") == 0)
		return run(argv + 2);
	if (argc == 4 && strcmp(argv[1], "worker") == 0)
		return worker_main(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "client") == 0)
		return client_main(argv[2], argv[3]);
	if (argc == 2) {
		test_count = atol(argv[1]);
		test_seconds = 1000;
	}
	alarm(test_seconds);
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_all();
	journal_remove();
	printf("%d failures\n", failures);
	return failures ? 1 : skipped ? SKIPPED : 0;
}
