/*
 * interloop_worker.c: a ready worker program: serves the functions that shared objects register when they are loaded, until
 * SIGTERM or SIGINT, and then finishes what it has taken.
 *
 *     interloop-worker --server 127.0.0.1:4730 --prefix app. ./functions.so
 */
#include <interloop/function.h>
#include <interloop/remote.h>

#include <dlfcn.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVERS = 64, NAMES = 1024 };

struct arguments {
	il_remote_worker_options options;
	const char *servers[SERVERS], *names[NAMES];
	bool threads;
};

static const char usage[] =
    "usage: interloop-worker --server SERVER... [OPTION...] MODULE.so...\n"
    "Serves the functions that the modules register when they are loaded (il_function_register\n"
    "in a constructor), for remote pools (il_remote_pool_create), until SIGTERM or SIGINT; then\n"
    "finishes what it has taken.\n"
    "\n"
    "  --server HOST:PORT   a Gearman job server, or unix:/PATH; up to 64 of them\n"
    "  --prefix TEXT        before each name on the servers; that of the pools\n"
    "  --name NAME          serve this function only; may be given again\n"
    "  --slots N            calls at once; default: the number of processors\n"
    "  --prefetch N         calls taken beyond; default: 0\n"
    "  --threads            run them in threads, not in processes: a crash ends the program\n"
    "  --heartbeat SECONDS  how often it gives a sign of life; default: 5\n"
    "  --drain SECONDS      what runs may take so long to end; default: no limit\n"
    "  --insecure           servers beyond this machine: whoever reads along can call\n"
    "  --help, --version\n"
    "\n"
    "Whoever can reach a server can call every function that is served, with any bytes.\n";

static const struct option known[] = {
    {"server", required_argument, NULL, 's'},    {"prefix", required_argument, NULL, 'p'},
    {"name", required_argument, NULL, 'n'},      {"slots", required_argument, NULL, 'c'},
    {"prefetch", required_argument, NULL, 'f'},  {"threads", no_argument, NULL, 't'},
    {"heartbeat", required_argument, NULL, 'b'}, {"drain", required_argument, NULL, 'd'},
    {"insecure", no_argument, NULL, 'i'},        {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},         {NULL, 0, NULL, 0}};

static void __attribute__((noreturn)) wrong(const char *what, const char *which)
{
	fprintf(stderr, "interloop-worker: %s%s; interloop-worker --help lists the options\n", what,
		which);
	exit(2);
}

static long number(const char *option, const char *text, long most)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || end == text || value < 1 || value > most) {
		fprintf(stderr, "interloop-worker: --%s is \"%s\"; it must be 1 to %ld\n", option,
			text, most);
		exit(2);
	}
	return value;
}

static void add(const char **list, size_t *count, size_t most, const char *value)
{
	if (*count == most)
		wrong("too many of the option with ", value);
	list[(*count)++] = value;
}

static void set_option(struct arguments *a, int option)
{
	il_remote_worker_options *o = &a->options;

	switch (option) {
	case 's':
		add(a->servers, &o->server_count, SERVERS, optarg);
		break;
	case 'p':
		o->prefix = optarg;
		break;
	case 'n':
		add(a->names, &o->name_count, NAMES, optarg);
		break;
	case 'c':
		o->slots = (int)number("slots", optarg, 100000);
		break;
	case 'f':
		o->prefetch = (int)number("prefetch", optarg, 100000);
		break;
	case 't':
		a->threads = true;
		break;
	case 'b':
		o->heartbeat = IL_SEC(number("heartbeat", optarg, 86400));
		break;
	case 'd':
		o->drain_timeout = IL_SEC(number("drain", optarg, 86400));
		break;
	case 'i':
		o->insecure = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'v':
		printf("interloop-worker %s\n", il_version());
		exit(0);
	default:
		exit(2); /* getopt has said what is wrong */
	}
}

static void read_options(struct arguments *a, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		set_option(a, option);
	if (a->options.server_count == 0)
		wrong("no --server", "");
	if (optind == argc)
		wrong("no module", "");
	if (!a->options.slots) /* of a pool of threads, too, which by default has 32 at most */
		a->options.slots = il_processor_count();
	a->options.servers = a->servers;
	a->options.names = a->options.name_count ? a->names : NULL;
}

/* A name without a folder is a file here, not one of the system's libraries. */
static void load(const char *module)
{
	char path[4096];
	const char *newest = il_function_next(NULL);

	snprintf(path, sizeof path, "%s%s", strchr(module, '/') ? "" : "./", module);
	if (!dlopen(path, RTLD_NOW)) {
		fprintf(stderr, "interloop-worker: %s\n", dlerror());
		exit(1);
	}
	if (il_function_next(NULL) == newest) {
		fprintf(
		    stderr,
		    "interloop-worker: %s registers no function: call il_function_register in a "
		    "constructor of it\n",
		    module);
		exit(1);
	}
}

static int serve(void *arg)
{
	return il_remote_worker_serve(arg);
}

static int serve_until_stopped(void *arg)
{
	il_signal_receiver *r;
	il_group g;
	int rc = il_signal_receiver_open(&r, (int[]){SIGTERM, SIGINT}, 2);

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

int main(int argc, char **argv)
{
	struct arguments a = {.threads = false};
	int rc = 0;

	il_process_worker_main_if_needed();
	read_options(&a, argc, argv);
	for (int i = optind; i < argc; i++)
		load(argv[i]);
	if (a.threads)
		rc = il_thread_pool_create(
		    &a.options.executor, &(il_thread_pool_options){.max_workers = a.options.slots});
	if (rc == 0)
		rc = il_run(il_backend_find(NULL), serve_until_stopped, &a.options);
	if (rc < 0)
		fprintf(stderr, "interloop-worker: %s: %s\n", il_error_name(rc), il_error_detail());
	il_executor_destroy(a.options.executor);
	return rc < 0;
}
