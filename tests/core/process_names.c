/*
 * process_names.c: a function that goes to worker processes is looked for once, and again when its module may
 * have become another one. Counts the walks over the modules and the paths resolved (ld's --wrap).
 */
#define _GNU_SOURCE
#include "check.h"

#include <interloop.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

int __real_dl_iterate_phdr(int (*look)(struct dl_phdr_info *, size_t, void *), void *arg);
int __wrap_dl_iterate_phdr(int (*look)(struct dl_phdr_info *, size_t, void *), void *arg);
char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);

static atomic_int walks, modules, paths;

struct walk {
	int (*look)(struct dl_phdr_info *, size_t, void *);
	void *arg;
};

static int count_and_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct walk *w = arg;

	atomic_fetch_add(&modules, 1);
	return w->look(info, size, w->arg);
}

int __wrap_dl_iterate_phdr(int (*look)(struct dl_phdr_info *, size_t, void *), void *arg)
{
	atomic_fetch_add(&walks, 1);
	return __real_dl_iterate_phdr(count_and_look, &(struct walk){look, arg});
}

char *__wrap_realpath(const char *path, char *resolved)
{
	atomic_fetch_add(&paths, 1);
	return __real_realpath(path, resolved);
}

static int increase(void *arg)
{
	++*(int *)arg;
	return 0;
}

static void call(il_executor *ex, il_fn *fn, int expected)
{
	int x = 1;

	CHECK(il_executor_run(ex, fn, &x, sizeof x) == 0);
	CHECK(x == expected);
}

static il_executor *new_pool(int calls)
{
	const il_process_pool_options options = {.max_workers = 1, .max_calls_per_worker = calls};
	il_executor *ex = NULL;

	CHECK(il_process_pool_create(&ex, &options) == 0);
	return ex;
}

/* ---- the program's own ---- */

static void the_programs_own_are_found_once(void)
{
	il_executor *ex = new_pool(0);

	walks = paths = 0;
	for (int i = 0; i < 100; i++)
		call(ex, increase, 2);
	CHECK(walks <= 2);
	CHECK(paths == 0);
	il_executor_destroy(ex);
}

/* ---- a module's ---- */

static void copy(const char *from, const char *to)
{
	char bytes[4096];
	ssize_t n;
	int in = open(from, O_RDONLY), out;

	unlink(to); /* what is mapped stays what it is */
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		CHECK(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

static il_fn *load(const char *path, void **module)
{
	void *symbol;
	il_fn *fn;

	*module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(*module != NULL);
	symbol = dlsym(*module, "add");
	memcpy(&fn, &symbol, sizeof fn);
	CHECK(fn != NULL);
	return fn;
}

static void a_modules_are_found_anew_when_it_is_another(void)
{
	il_executor *ex = new_pool(1); /* a worker keeps what it has loaded */
	char path[] = "/tmp/interloop-names-XXXXXX";
	void *module;
	il_fn *before, *after;

	close(mkstemp(path));
	copy(PLUGIN_2, path);
	before = load(path, &module);
	call(ex, before, 3);
	walks = modules = paths = 0;
	for (int i = 0; i < 20; i++)
		call(ex, before, 3);
	CHECK(modules == walks); /* of each walk the first step, for the counters, */
#if __GLIBC_PREREQ(2, 35) && !IL_TEST_PORTABLE
	CHECK(walks == 0); /* and none where the loader finds it by itself */
#endif
	CHECK(paths == 0);
	dlclose(module);
	copy(PLUGIN_5, path);
	after = load(path, &module); /* mostly at the same place */
	call(ex, after, 6);
	call(ex, after, 6);
	if (after != before)
		printf("not at the same place\n");
	dlclose(module);
	unlink(path);
	il_executor_destroy(ex);
}

int main(void)
{
	the_programs_own_are_found_once();
	a_modules_are_found_anew_when_it_is_another();
	return 0;
}
