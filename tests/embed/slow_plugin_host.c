/*
 * slow_plugin_host.c: while another thread is in a dlopen, whose constructors may take long and may call the loop, the
 * loop goes on: tasks begin, of functions too that it has not seen before, a dump and a trace name them, and a plugin may
 * bring a backend. A loader holds its lock until the constructors have returned, so each of these would be a deadlock if
 * it asked for that, or held a lock of its own meanwhile.
 * Exception: a plugin that brings the first C++ runtime along. Once that is loaded the loop asks the loader for it, and waits
 * for the constructors, so these must not wait for the loop; here the runtime comes beforehand.
 *
 *     embed-slow_plugin_host PLUGIN [LOOP]
 */
#include "../core/check.h"

#include <interloop.h>
#include <interloop/backend.h>
#include <interloop/inspect.h>
#include <interloop/trace.h>
#include <interloop/virtual.h>

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

int asleep_in_the_host(void *arg); /* for a dump: these are exported */
int loads_the_plugin(void *path);
void plugin_constructs(void);

static int loading[2]; /* a byte comes when the constructor runs */
static sem_t proceed;
static void (*constructs)(void);
static il_portal *portal;

void plugin_constructs(void)
{
	constructs();
}

int loads_the_plugin(void *path)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!plugin) {
		fprintf(stderr, "%s\n", dlerror());
		return -ENOENT;
	}
	return dlclose(plugin) ? -EINVAL : 0;
}

static int load_in_thread(void *path)
{
	return il_run_in_thread(loads_the_plugin, path);
}

static void wait_until_loading(void)
{
	char byte;

	CHECK(il_wait_readable(loading[0]) == 0);
	CHECK(read(loading[0], &byte, 1) == 1);
}

/* ---- a constructor that waits for what a new task does ---- */

static void construct_slowly(void)
{
	CHECK(write(loading[1], "x", 1) == 1);
	while (sem_wait(&proceed) < 0)
		;
}

static int let_it_proceed(void *arg)
{
	(void)arg;
	return sem_post(&proceed);
}

static int start_meanwhile(void *path)
{
	il_group group;

	constructs = construct_slowly;
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, load_in_thread, path) == 0);
	wait_until_loading();
	CHECK(il_group_start_soon(&group, NULL, let_it_proceed, NULL) == 0);
	return il_group_close(&group, 0);
}

/* ---- one that calls the loop ---- */

static int registers(void *arg)
{
	return *(const int *)arg;
}

static void construct_by_portal(void)
{
	int seven = 7;

	CHECK(il_portal_run_coroutine(portal, registers, &seven) == 7);
}

static int serve_constructor(void *path)
{
	constructs = construct_by_portal;
	CHECK(il_loop_create_threads_portal(il_loop_current(), &portal) == 0);
	CHECK(load_in_thread(path) == 0);
	return il_portal_close(portal);
}

/* ---- a dump ---- */

int asleep_in_the_host(void *arg)
{
	(void)arg;
	return il_sleep_forever();
}

static void check_dump(void)
{
	static char text[1 << 16];
	FILE *file = tmpfile();
	size_t size;

	CHECK(file);
	CHECK(il_dump(fileno(file)) == 0);
	rewind(file);
	size = fread(text, 1, sizeof text - 1, file);
	text[size] = 0;
	CHECK(strstr(text, "(asleep_in_the_host)"));
	CHECK(strstr(text, "runs loads_the_plugin for "));
	CHECK(strstr(text, "slow_plugin_host+0x")); /* load_in_thread, which has no symbol */
	fclose(file);
}

static int dump_meanwhile(void *path)
{
	il_group group;
	FILE *trace = tmpfile();

	CHECK(trace && il_trace_start(fileno(trace), NULL) == 0);
	constructs = construct_slowly;
	CHECK(il_group_open(&group) == 0);
	CHECK(il_group_start_soon(&group, NULL, asleep_in_the_host, NULL) == 0);
	CHECK(il_group_start_soon(&group, NULL, load_in_thread, path) == 0);
	wait_until_loading();
	check_dump();
	CHECK(il_trace_stop() == 0); /* it names them, too */
	fclose(trace);
	CHECK(sem_post(&proceed) == 0);
	CHECK(il_scope_cancel(il_group_scope(&group)) == 0);
	return il_group_close(&group, 0);
}

/* ---- a backend that a plugin brings along ---- */

static il_backend brought;

/* Late, so that the other thread is in il_backend_find meanwhile. */
static void construct_backend(void)
{
	CHECK(write(loading[1], "x", 1) == 1);
	usleep(200000);
	CHECK(il_backend_register(&brought) == 0);
}

static void *load_beside(void *path)
{
	CHECK(loads_the_plugin(path) == 0);
	return NULL;
}

/* The backend of that name, which has not been asked for yet, is in an object that may have to be loaded. */
static void find_meanwhile(const char *name, char *path)
{
	pthread_t thread;
	char byte;

	constructs = construct_backend;
	brought = *il_virtual();
	brought.name = "brought";
	CHECK(pthread_create(&thread, NULL, load_beside, path) == 0);
	CHECK(read(loading[0], &byte, 1) == 1);
	il_backend_find(name); /* a static program has none of that name */
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(il_backend_find("brought") == &brought);
}

static void run_all(const il_backend *backend, char *path)
{
	CHECK(il_run(backend, start_meanwhile, path) == 0);
	CHECK(il_run(backend, serve_constructor, path) == 0);
	CHECK(il_run(backend, dump_meanwhile, path) == 0);
}

int main(int argc, char **argv)
{
	const il_backend *backend = argc > 2 ? il_backend_find(argv[2]) : il_virtual();

	if (argc < 2)
		return 2;
	alarm(90); /* for a deadlock */
	CHECK(backend && pipe(loading) == 0 && sem_init(&proceed, 0, 0) == 0);
	run_all(backend, argv[1]);
	/* Once more with a C++ runtime, where there is one: it is asked for once, not by each new function. */
	if (dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL))
		run_all(backend, argv[1]);
	find_meanwhile("virtual", argv[1]);
	sem_destroy(&proceed);
	return close(loading[0]) || close(loading[1]);
}
