/*
 * refuse.c: stands between the subject and the system. It counts when accept(2) fails, and refuses memory,
 * mappings and threads to the library when the scenario says so: to the library only, for libuv and libev
 * stop the program when they get no memory. Not in a sanitizer, which owns these functions.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "abuse.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OURS __attribute__((visibility("default")))

struct state *refusing;

/* ---- accept ---- */

int counting_accept4(int fd, void *address, void *length, int flags) __asm__("accept4");

OURS int counting_accept4(int fd, void *address, void *length, int flags)
{
	int got = (int)syscall(SYS_accept4, fd, address, length, flags);
	long long never = 0;

	if (got < 0 && errno == EMFILE) {
		atomic_store(&refusing->last_failure, now_ns());
		atomic_compare_exchange_strong(&refusing->first_failure, &never,
					       atomic_load(&refusing->last_failure));
		atomic_fetch_add(&refusing->accepts_failed, 1);
		errno = EMFILE;
	}
	return got;
}

int counting_accept(int fd, void *address, void *length) __asm__("accept");

OURS int counting_accept(int fd, void *address, void *length)
{
	return counting_accept4(fd, address, length, 0);
}

#if TOOL

void refuse_begin(void)
{
}

#else

/* ---- whether the library asks ---- */

static uintptr_t library, library_end;

static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (!strstr(info->dlpi_name, "/libinterloop.so"))
		return 0;
	library = info->dlpi_addr;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			library_end =
			    library + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	return 1;
}

void refuse_begin(void)
{
	dl_iterate_phdr(find_library, NULL);
}

/* Memory is refused at every thirteenth asking, so that things get half done, or always. */
static bool refuses(enum refusal what, const void *caller)
{
	static atomic_uint asked;
	uintptr_t from = (uintptr_t)caller;

	if (from < library || from >= library_end ||
	    !(atomic_load(&refusing->refuse) & (int)what) ||
	    (what == REFUSE_MEMORY && !(atomic_load(&refusing->refuse) & REFUSE_ALL) &&
	     atomic_fetch_add(&asked, 1) % 13))
		return false;
	atomic_fetch_add(&refusing->refused, 1);
	errno = ENOMEM;
	return true;
}

#define CALLER __builtin_return_address(0)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

OURS void *malloc(size_t size)
{
	return refuses(REFUSE_MEMORY, CALLER) ? NULL : __libc_malloc(size);
}

OURS void *calloc(size_t count, size_t size)
{
	return refuses(REFUSE_MEMORY, CALLER) ? NULL : __libc_calloc(count, size);
}

OURS void *realloc(void *memory, size_t size)
{
	return refuses(REFUSE_MEMORY, CALLER) ? NULL : __libc_realloc(memory, size);
}

OURS void *aligned_alloc(size_t alignment, size_t size)
{
	return refuses(REFUSE_MEMORY, CALLER) ? NULL : __libc_memalign(alignment, size);
}

OURS void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	return refuses(REFUSE_STACKS, CALLER)
		   ? MAP_FAILED
		   : (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int refusing_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			    void *arg) __asm__("pthread_create");

OURS int refusing_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
				 void *arg)
{
	static create_fn *next;
	void *found;

	if (refuses(REFUSE_THREADS, CALLER))
		return EAGAIN;
	if (!next) {
		found = dlsym(RTLD_NEXT, "pthread_create");
		memcpy(&next, &found, sizeof next);
	}
	return next(thread, attr, fn, arg);
}

#endif
