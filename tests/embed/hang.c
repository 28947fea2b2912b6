/*
 * hang.c: a program that hangs in the way that it is told to, for hang.sh, which has a signal bring its dump and looks for
 * the cause there. docs/troubleshooting.md shows these dumps.
 *
 *     INTERLOOP_DUMP_SIGNAL=QUIT embed-hang lock & kill -QUIT $!
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <interloop.h>

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static il_group tasks;

/* A task of the program. */
static void start(const char *name, il_fn *fn, void *arg)
{
	if (il_group_start_soon_with(&tasks, NULL, fn, arg, &(il_task_options){.name = name}) < 0)
		fprintf(stderr, "%s: %s\n", name, il_error_detail());
}

/* ---- a lock: its owner waits for a reply that never comes ---- */

static il_lock *accounts;
static il_stream *bank, *peer;

static int transfer(void *unused)
{
	char reply[8];
	int rc = il_lock_acquire(accounts);

	(void)unused;
	if (rc == 0)
		rc = il_stream_read(bank, reply, sizeof reply);
	return rc;
}

static int audit(void *unused)
{
	(void)unused;
	return il_lock_acquire(accounts);
}

static int hang_in_lock(void *unused)
{
	int rc = il_stream_pair(&bank, &peer);

	(void)unused;
	if (rc == 0)
		rc = il_lock_create(&accounts);
	start("transfer", transfer, NULL);
	start("audit", audit, NULL);
	return rc;
}

/* ---- a channel: its sender is open, and has nothing to send any more ---- */

static int consume(void *jobs)
{
	int job, rc;

	while ((rc = il_channel_receive(jobs, &job)) == 1)
		;
	return rc;
}

static int hang_in_channel(void *unused)
{
	il_sender *sender;
	il_receiver *jobs;
	int job = 1, rc = il_channel_create(&sender, &jobs, sizeof job, 4);

	(void)unused;
	start("consumer", consume, jobs);
	return rc < 0 ? rc : il_channel_send(sender, &job);
}

/* ---- a child: it reads its input, which is never closed ---- */

static int sort(void *unused)
{
	char *argv[] = {"sort", NULL};
	il_process *process;
	int rc = il_process_spawn(&process, argv, &(il_process_options){.input = IL_STDIO_PIPE});

	(void)unused;
	return rc < 0 ? rc : il_process_wait(process);
}

static int hang_in_child(void *unused)
{
	(void)unused;
	start("sorter", sort, NULL);
	return 0;
}

/* ---- a worker: one call is stuck, the other waits behind it ---- */

static pthread_mutex_t database = PTHREAD_MUTEX_INITIALIZER;
static il_executor *pool;

int save_to_database(void *unused)
{
	(void)unused;
	return pthread_mutex_lock(&database) || pthread_mutex_lock(&database);
}

static int save(void *unused)
{
	(void)unused;
	return il_executor_run(pool, save_to_database, NULL, 0);
}

static int hang_in_worker(void *unused)
{
	(void)unused;
	start("save 1", save, NULL);
	start("save 2", save, NULL);
	return il_thread_pool_create(
	    &pool, &(il_thread_pool_options){.max_workers = 1, .name = "database"});
}

/* ---- a portal: a thread called into the loop, and what it called does not end ---- */

static il_event *confirmed;

static int confirm(void *unused)
{
	(void)unused;
	il_task_set_name("confirm");
	return il_event_wait(confirmed);
}

int ask_for_confirmation(void *unused)
{
	return il_from_thread_run(confirm, unused);
}

static int order(void *unused)
{
	return il_run_in_thread(ask_for_confirmation, unused);
}

static int hang_in_portal(void *unused)
{
	(void)unused;
	start("order", order, NULL);
	return il_event_create(&confirmed);
}

/* ---- a lookup: the name server does not answer ---- */

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
		struct addrinfo **list)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	while (strcmp(host, "db.example.net") == 0 && !(hints->ai_flags & AI_NUMERICHOST))
		pause();
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(host, port, hints, list);
}

static int fetch(void *unused)
{
	il_stream *stream;

	(void)unused;
	return il_stream_connect_tcp(&stream, "db.example.net", "5432", NULL);
}

static int hang_in_lookup(void *unused)
{
	(void)unused;
	start("fetch", fetch, NULL);
	return 0;
}

/* ---- a semaphore: its permits were never released ---- */

static int upload(void *slots)
{
	return il_semaphore_acquire(slots);
}

static int hang_in_semaphore(void *unused)
{
	il_semaphore *slots;
	int rc = il_semaphore_create(&slots, 2, 2);

	(void)unused;
	for (int i = 0; i < 3; i++)
		start("upload", upload, slots);
	return rc;
}

/* ---- an event, a future: nobody sets them ---- */

static int wait_for_configuration(void *event)
{
	return il_event_wait(event);
}

static int hang_in_event(void *unused)
{
	il_event *event;
	int rc = il_event_create(&event);

	(void)unused;
	start("worker", wait_for_configuration, event);
	return rc;
}

static int wait_for_reply(void *future)
{
	return il_future_result(future, IL_FOREVER);
}

static int hang_in_future(void *unused)
{
	il_future *future;
	int rc = il_future_create(&future);

	(void)unused;
	start("requester", wait_for_reply, future);
	return rc;
}

/* ---- a client: the server does not answer ---- */

static int say_nothing(il_client *client, void *data)
{
	il_packet request;
	int rc = il_client_receive(client, &request, IL_FOREVER);

	(void)data;
	return rc <= 0 ? rc : il_sleep_forever();
}

static il_server *server;

static int serve(void *unused)
{
	(void)unused;
	return il_server_serve(server);
}

static int ask(void *unused)
{
	il_client *client;
	il_packet reply;
	char port[8];
	int rc;

	(void)unused;
	snprintf(port, sizeof port, "%u", (unsigned)il_server_port(server));
	rc = il_client_connect_tcp(&client, "127.0.0.1", port, il_protocol_lines(), NULL);
	if (rc == 0)
		rc = il_client_send(client, "hello", 5);
	return rc < 0 ? rc : il_client_receive(client, &reply, IL_FOREVER);
}

static int hang_in_client(void *unused)
{
	static const il_handler handler = {.handle = say_nothing};
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &handler, NULL,
				    NULL);

	(void)unused;
	if (rc < 0)
		return rc;
	start("server", serve, NULL);
	start("asker", ask, NULL);
	return 0;
}

/* ---- a select: none of its cases happens ---- */

static int dispatch(void *jobs)
{
	int job, fd[2];
	il_case cases[2];

	if (pipe(fd) < 0)
		return -EMFILE;
	cases[0] = il_case_receive(jobs, &job);
	cases[1] = il_case_fd(fd[0], IL_READABLE);
	return il_select(cases, 2, IL_FOREVER);
}

static int hang_in_select(void *unused)
{
	il_sender *sender;
	il_receiver *jobs;
	int rc = il_channel_create(&sender, &jobs, sizeof(int), 4);

	(void)unused;
	start("dispatcher", dispatch, jobs);
	return rc;
}

/* ---- a loop that is blocked: a task waits as a thread does ---- */

static int read_blocking(void *unused)
{
	char byte;
	int fd[2];

	(void)unused;
	return pipe(fd) < 0 ? -EMFILE : (int)read(fd[0], &byte, 1);
}

static int hang_in_loop(void *unused)
{
	(void)unused;
	start("reader", read_blocking, NULL);
	return 0;
}

static const struct {
	const char *name;
	il_fn *hang;
} ways[] = {
    {"lock", hang_in_lock},           {"channel", hang_in_channel}, {"child", hang_in_child},
    {"worker", hang_in_worker},       {"portal", hang_in_portal},   {"lookup", hang_in_lookup},
    {"semaphore", hang_in_semaphore}, {"event", hang_in_event},     {"future", hang_in_future},
    {"client", hang_in_client},       {"select", hang_in_select},   {"loop", hang_in_loop},
};

/* The signal is caught from here on. */
static int hang(void *fn)
{
	int rc = il_group_open(&tasks);

	if (rc < 0)
		return rc;
	rc = (*(il_fn **)fn)(NULL);
	printf("hangs\n");
	fflush(stdout);
	return il_group_close(&tasks, rc);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof ways / sizeof ways[0]; i++)
		if (strcmp(argv[1], ways[i].name) == 0) {
			il_fn *fn = ways[i].hang;
			int rc = il_run(il_backend_find(NULL), hang, &fn);
			fprintf(stderr, "%s did not hang: %s: %s\n", argv[1], il_error_name(rc),
				il_error_detail());
			return 1;
		}
	fprintf(stderr, "usage: hang lock|channel|child|worker|portal|lookup|semaphore|event|"
			"future|client|select|loop\n");
	return 2;
}
