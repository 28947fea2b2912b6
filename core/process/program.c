/*
 * program.c: what the workers of a pool are started with, taken once, in the thread that
 * makes the pool: POSIX lets the only thread of a program change its environment, its directory and
 * its umask without a lock, so no thread of ours may read them later.
 *
 * A worker is the file that runs, whatever its name means by now: an upgrade may have put another
 * build there, or its folder may be closed to us by now.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/memory.h"
#include "../base/os_origin.h"
#include "../base/os_program.h"
#include "pool.h"
#include "wire.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if __has_include(<sys/auxv.h>)
#include <link.h>
#include <sys/auxv.h>
#endif

extern char **environ;

bool il__process_is_secure(void)
{
#ifdef AT_SECURE
	return getauxval(AT_SECURE) != 0;
#else
	return getuid() != geteuid() || getgid() != getegid();
#endif
}

/* ---- a program that was started by its loader's name ---- */

/* As in "ld.so --library-path DIRECTORY PROGRAM": the file that runs is the loader then. Written
 * when the library is loaded, while the words are what they were, and a relative path leads to the
 * program. */
static struct {
	char *word[IL__PROGRAM_WORDS]; /* the loader's, and the path last */
	size_t words;                  /* 0: the kernel has found the loader */
	dev_t device;
	ino_t inode;
	bool lost; /* the path leads to no file, or there are too many words */
} by_loader;

#ifdef AT_BASE
static int needs_loader(struct dl_phdr_info *program, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (size_t i = 0; i < program->dlpi_phnum; i++)
		if (program->dlpi_phdr[i].p_type == PT_INTERP)
			return 1;
	return -1; /* look at no other module */
}

/* All of this process, one after the other, each with its end. NULL: they cannot be read. Before main there is no
 * allocator of the program's yet. */
static char *read_words(size_t *size)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char *words = NULL, *more;
	ssize_t n = fd < 0 ? -1 : 1;

	for (*size = 0; n > 0; *size += n > 0 ? (size_t)n : 0) {
		more = realloc(words, *size + 4096);
		words = more ? more : words;
		n = more ? read(fd, words + *size, 4096) : -1;
	}
	if (fd >= 0)
		close(fd);
	if (n == 0)
		return words;
	free(words);
	return NULL;
}

/* The program's own words, of which it knows how many there are, come last. */
static void split_words(char *words, size_t size, size_t own)
{
	size_t all = 0, count = 0;
	struct stat st;

	for (size_t i = 0; i < size; i++)
		all += words[i] == 0;
	by_loader.lost = all <= own || all - own >= IL__PROGRAM_WORDS;
	for (char *at = words; !by_loader.lost && count <= all - own; at += strlen(at) + 1)
		by_loader.word[count++] = at;
	by_loader.words = count ? count : 1;
	if (by_loader.lost || stat(by_loader.word[count - 1], &st) < 0 ||
	    !(by_loader.word[count - 1] = realpath(by_loader.word[count - 1], NULL))) {
		by_loader.lost = true;
		return;
	}
	by_loader.device = st.st_dev;
	by_loader.inode = st.st_ino;
}

/* Never freed: workers need them, and those are few bytes. */
void il__program_note(int argc)
{
	size_t size;
	char *words;

	if (getauxval(AT_BASE) || dl_iterate_phdr(needs_loader, NULL) < 0)
		return;
	words = read_words(&size);
	by_loader.lost = !words;
	by_loader.words = 1;
	if (words)
		split_words(words, size, (size_t)argc);
}
#else
void il__program_note(int argc)
{
	(void)argc;
}
#endif

int il__program_check(const struct il__program *program)
{
	struct stat st;

	if (!program->words || (stat(program->word[program->words - 1], &st) == 0 &&
				st.st_dev == by_loader.device && st.st_ino == by_loader.inode))
		return 0;
	return il__refuse(
	    -ENOENT,
	    "process pool: %.*s was removed or replaced while it runs, and its "
	    "loader, which was called by name, would load another; start it by its own name",
	    il__text_within(program->word[program->words - 1], 80),
	    program->word[program->words - 1]);
}

/* ---- what is taken ---- */

static int take_file(struct il__program *program)
{
	int rc;

	if (il__process_is_secure())
		return il__refuse(
		    -ENOTSUP, "il_process_pool_create: the program has rights of its file "
			      "(set-user-ID, set-group-ID or setcap), so anybody could pretend to "
			      "be its pool; give it these rights another way (systemd: "
			      "AmbientCapabilities)");
	rc = il__os_program(program->file, sizeof program->file);
	if (rc < 0)
		return il__refuse(
		    -ENOTSUP,
		    "il_process_pool_create: the file of the running program cannot be found by "
		    "/proc/self/exe: %s; mount /proc",
		    il__system_words(rc));
	if (by_loader.lost)
		return il__refuse(-ENOTSUP,
				  "il_process_pool_create: the program was started by the name of "
				  "its loader, and its own file cannot be found; start it by its "
				  "own name");
	program->word = by_loader.word;
	program->words = by_loader.words;
	return il__program_check(program);
}

/* One block: the pointers, then what they point to. `more` may be NULL, or one that takes the place
 * of those of its name. */
static char **copy_environment(const char *more)
{
	size_t count = 0, size = more ? strlen(more) + 1 : 0,
	       name = more ? strcspn(more, "=") + 1 : 0;
	char **copy, **entry, *text;

	for (; environ && environ[count]; count++)
		size += strlen(environ[count]) + 1;
	copy = entry = il__malloc((count + 2) * sizeof *copy + size);
	if (!copy)
		return NULL;
	text = (char *)(copy + count + 2);
	for (size_t i = 0; i < count; i++) {
		if (more && strncmp(environ[i], more, name) == 0)
			continue;
		*entry++ = text;
		text = stpcpy(text, environ[i]) + 1;
	}
	if (more) {
		*entry++ = text;
		memcpy(text, more, strlen(more) + 1);
	}
	*entry = NULL;
	return copy;
}

static int take_environment(struct il__program *program)
{
	char *preload;
	int rc = il__preload_take(&preload);

	if (rc < 0)
		return rc;
	program->environment = copy_environment(preload);
	il__free(preload);
	if (!program->environment)
		return il__refuse(-ENOMEM, "il_process_pool_create: out of memory");
	return 0;
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

int il__program_pin(struct il__program *program, const int *cpus, size_t count)
{
	int rc;

	if (!cpus)
		return 0;
	program->cpus = il__malloc(count ? count * sizeof *cpus : 1);
	if (!program->cpus)
		return il__refuse(-ENOMEM, "il_process_pool_create: out of memory");
	memcpy(program->cpus, cpus, count * sizeof *cpus);
	program->cpu_count = count;
	rc = il__os_apart(do_nothing, NULL, cpus, count);
	if (rc == 0 || il__has_refused(rc))
		return rc;
	return il__refuse(rc,
			  "il_process_pool_create: cpus: %zu processors, of which this program may "
			  "use none: %s",
			  count, il__system_words(rc));
}

void il__program_close(struct il__program *program)
{
	if (program->directory >= 0)
		close(program->directory);
	program->directory = -1;
}

void il__program_free(struct il__program *program)
{
	il__program_close(program);
	il__free(program->cpus);
	il__free(program->environment);
}

int il__program_take(struct il__program *program)
{
	int rc = take_environment(program);

	if (rc < 0)
		return rc;
	rc = il__os_directory_open();
	/* One that may be stayed in, but not be looked up, is inherited. */
	if (rc < 0 && rc != -EACCES)
		return il__refuse(
		    rc, "il_process_pool_create: the working directory cannot be kept open: %s",
		    il__system_words(rc));
	if (rc >= 0)
		program->directory = rc;
	program->umask = il__os_umask();
	return take_file(program);
}
