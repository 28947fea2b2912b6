/*
 * v_dump.h: what the tests of dumps share: the text of one, and a look for a line in it.
 */
#ifndef IL_TESTS_V_DUMP_H
#define IL_TESTS_V_DUMP_H

#include "harness.h"

#include <interloop/inspect.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DUMP_MOST = 1 << 20 };

/* The text of a dump, to be freed. */
static inline char *dump_text(int fd)
{
	char *text = calloc(1, DUMP_MOST);
	ssize_t n;

	CHECK(text != NULL);
	n = text ? pread(fd, text, DUMP_MOST - 1, 0) : -1;
	CHECK(n >= 0);
	close(fd);
	return text;
}

static inline int dump_file(void)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static inline char *dump_loop(void)
{
	int fd = dump_file();

	CHECK_RC(il_loop_dump(il_loop_current(), fd), 0);
	return dump_text(fd);
}

static inline char *dump_all(void)
{
	int fd = dump_file();

	CHECK_RC(il_dump(fd), 0);
	return dump_text(fd);
}

/* Whether a line has all of these words, NULL at their end, in that order. */
static inline bool dump_has(const char *text, const char *const words[])
{
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		const char *end, *at;
		line += *line == '\n';
		end = strchr(line, '\n');
		at = line;
		for (int i = 0; at && words[i]; i++) {
			at = strstr(at, words[i]);
			if (at && end && at > end)
				at = NULL;
		}
		if (at && *line)
			return true;
	}
	return false;
}

#define DUMP_HAS(text, ...) dump_has((text), (const char *const[]){__VA_ARGS__, NULL})
#define CHECK_DUMPED(text, ...)      \
	(DUMP_HAS(text, __VA_ARGS__) \
	     ? (void)0               \
	     : il_test_fail(__FILE__, __LINE__, "no line with %s in\n%s", #__VA_ARGS__, (text)))

/* ---- one child that waits, and what is said of it ---- */

struct child {
	il_group group;
	il_future *future;
};

static inline void child_start(struct child *c, const char *name, il_fn *fn, void *arg)
{
	CHECK_RC(il_group_open(&c->group), 0);
	CHECK_RC(il_group_start_soon_with(&c->group, &c->future, fn, arg,
					  &(il_task_options){.name = name}),
		 0);
	for (int i = 0; i < 20; i++)
		CHECK_RC(il_yield(), 0);
}

static inline void child_end(struct child *c)
{
	il_future_cancel(c->future);
	CHECK_RC(il_group_close(&c->group, 0), 0);
	il_future_unref(c->future);
}

#define CHECK_WAITS(fn, arg, ...)                            \
	do {                                                 \
		struct child child_;                         \
		char *text_;                                 \
		child_start(&child_, "child", (fn), (arg));  \
		text_ = dump_loop();                         \
		CHECK_DUMPED(text_, "child: ", __VA_ARGS__); \
		free(text_);                                 \
		child_end(&child_);                          \
	} while (0)

#endif
