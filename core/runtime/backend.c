/*
 * backend.c: backends by name: registered ones, then modules beside libinterloop, then modules in
 * $INTERLOOP_MODULE_PATH. Any thread. Modules are loaded RTLD_LOCAL, because libev and libevent export
 * the same names, and are never unloaded.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "backend.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/fork.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKENDS_MAX = 32 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const il_backend *known[BACKENDS_MAX]; /* under lock */
static size_t known_count;                    /* under lock */

IL__AT_FORK(&lock, NULL);

static const char *const modules[] = {"libuv", "libev", "libevent", "virtual"};
enum { MODULES = sizeof modules / sizeof modules[0] };

/* ---- the registry ---- */

const char *il__backend_flaw(const il_backend *b)
{
	if (!b || b->abi != IL_BACKEND_ABI)
		return b ? "its abi is not this library's" : "it is NULL";
	if (!b->name || !b->name[0])
		return "it has no name";
	if (!b->driver.open || !b->driver.close || !b->driver.run || !b->driver.stop ||
	    !b->driver.timer || !b->driver.watch)
		return "a primitive of its driver is missing";
	if (!b->sleep || !b->create_event || !b->run_in_thread || !b->create_threads_portal)
		return "a service is missing; name the core's, il_core_sleep and so on";
	return NULL;
}

static const il_backend *find_known(const char *name)
{
	for (size_t i = 0; i < known_count; i++)
		if (strcmp(known[i]->name, name) == 0)
			return known[i];
	return NULL;
}

static int backend_add(const il_backend *backend)
{
	const char *why = il__backend_flaw(backend);
	const il_backend *same;

	if (why)
		return il__refuse(-EINVAL, "il_backend_register: %s", why);
	same = find_known(backend->name);
	if (same == backend)
		return 0;
	if (same)
		return il__refuse(-EALREADY, "il_backend_register: another backend is called %s",
				  backend->name);
	if (known_count == BACKENDS_MAX)
		return il__refuse(-ENOMEM,
				  "il_backend_register: %d backends are registered, no more fit",
				  BACKENDS_MAX);
	known[known_count++] = backend;
	return 0;
}

int il_backend_register(const il_backend *backend)
{
	int rc;

	il__watch_fork();
	pthread_mutex_lock(&lock);
	rc = backend_add(backend);
	pthread_mutex_unlock(&lock);
	return rc;
}

const char *il_backend_name(const il_backend *backend)
{
	return backend ? backend->name : NULL;
}

int il_driver_refuse(int rc, const char *format, ...)
{
	char text[240];
	va_list args;

	va_start(args, format);
	il__text_format(text, sizeof text, format, args);
	va_end(args);
	return il__refuse(rc, "%s", text);
}

/* ---- modules ---- */

#ifdef IL_STATIC

/* A module would bring a second copy of the core along. */
static const il_backend *backend_load(const char *name, char *why, size_t size)
{
	snprintf(why, size,
		 "%s is not registered; a static program links its backend and calls "
		 "il_backend_register",
		 name);
	return NULL;
}

#else

static const il_backend *load_file(const char *path, const char *name, char *why, size_t size)
{
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const il_backend *(*accessor)(void);
	char symbol[32];
	void *address;

	if (!module) {
		const char *error = dlerror();
		if (!why[0] || !strstr(error, "No such file"))
			snprintf(why, size, "%s", error);
		return NULL;
	}
	snprintf(symbol, sizeof symbol, "il_%s", name);
	address = dlsym(module, symbol);
	if (!address) {
		snprintf(why, size, "%s has no %s", path, symbol);
		dlclose(module);
		return NULL;
	}
	memcpy(&accessor, &address, sizeof accessor);
	return accessor();
}

/* The directory that libinterloop itself was loaded from. Asked of an object: a program that takes a
 * function's address may give it one of its own. */
static bool own_directory(char *path, size_t size)
{
	Dl_info info;
	char *slash;

	if (!dladdr(known, &info) || !info.dli_fname)
		return false;
	snprintf(path, size, "%s", info.dli_fname);
	slash = strrchr(path, '/');
	if (!slash)
		return false;
	*slash = 0;
	return true;
}

static const il_backend *backend_load(const char *name, char *why, size_t size)
{
	const char *search = secure_getenv("INTERLOOP_MODULE_PATH");
	const il_backend *backend = NULL;
	char directory[PATH_MAX], path[PATH_MAX + 64];

	why[0] = 0;
	if (own_directory(directory, sizeof directory)) {
		snprintf(path, sizeof path, "%s/libinterloop-%s.so." IL_SOVERSION, directory, name);
		backend = load_file(path, name, why, size);
	}
	while (!backend && search && *search) {
		size_t length = strcspn(search, ":");
		snprintf(path, sizeof path, "%.*s/libinterloop-%s.so." IL_SOVERSION,
			 length < PATH_MAX ? (int)length : PATH_MAX, search, name);
		backend = load_file(path, name, why, size);
		search += length + (search[length] == ':');
	}
	return backend;
}

#endif

/* No lock is held while an object is loaded: constructors run then, perhaps in another thread that is in the loader
 * already, and may register a backend. If two threads load the same one they add the same object. */
static const il_backend *backend_find(const char *name, char *why, size_t size)
{
	const il_backend *backend;
	size_t i = 0;

	pthread_mutex_lock(&lock);
	backend = find_known(name);
	pthread_mutex_unlock(&lock);
	if (backend)
		return backend;
	while (i < MODULES && strcmp(modules[i], name) != 0)
		i++;
	if (i == MODULES)
		snprintf(why, size, "no backend of that name");
	else
		backend = backend_load(name, why, size);
	if (backend && il_backend_register(backend) < 0) {
		snprintf(why, size, "%s", il_error_detail());
		return NULL;
	}
	return backend;
}

/* Of this thread's last il_backend_find: il_run(il_backend_find(name), ...) tells what it said. */
static IL__THREAD_LOCAL char not_found[240];

int il__refuse_no_backend(const char *function)
{
	return il__refuse(-ENOENT, "%s: no backend: %s", function,
			  not_found[0] ? not_found : "it is NULL; ask il_backend_find");
}

static void refuse_name(const char *name, const char *origin, const char *why)
{
	char names[160] = "";
	size_t used = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < known_count && used + 1 < sizeof names; i++) {
		bool module = false;
		for (size_t m = 0; m < MODULES; m++)
			module |= strcmp(modules[m], known[i]->name) == 0;
		if (!module)
			used += (size_t)snprintf(names + used, sizeof names - used, ", %s",
						 known[i]->name);
	}
	pthread_mutex_unlock(&lock);
	il__refuse(-ENOENT, "backend \"%s\"%s: %s. Names: libuv, libev, libevent, virtual%s", name,
		   origin, why, names);
}

const il_backend *il_backend_find(const char *name)
{
	const il_backend *backend = NULL;
	const char *origin = name ? "" : ", which $INTERLOOP_BACKEND names";
	char why[160] = "";

	if (!name && (name = secure_getenv("INTERLOOP_BACKEND")) && !*name)
		name = NULL; /* as if it were not set */
	il__watch_fork();
	if (name) {
		backend = backend_find(name, why, sizeof why);
		if (!backend)
			refuse_name(name, origin, why);
	} else {
		for (size_t i = 0; !backend && i < MODULES - 1; i++)
			backend = backend_find(modules[i], why, sizeof why);
		if (!backend)
			refuse_name("libuv, libev or libevent", "", why);
	}
	snprintf(not_found, sizeof not_found, "%s", backend ? "" : il_error_detail());
	return backend;
}
