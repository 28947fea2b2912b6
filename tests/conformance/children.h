/*
 * children.h: what the tests of child processes share. The children are the system's own small programs.
 */
#ifndef IL_TESTS_CHILDREN_H
#define IL_TESTS_CHILDREN_H

#include "handlers.h"
#include "waiter.h"
#include "waits.h"

#define ARGV(...)  ((char *[]){__VA_ARGS__, NULL})
#define SH(script) ARGV((char *)"sh", (char *)"-c", (char *)(script))

__attribute__((unused)) static const il_process_options piped = {
    .input = IL_STDIO_PIPE, .output = IL_STDIO_PIPE, .errors = IL_STDIO_PIPE};

static inline il_process *spawned(char *const *argv, const il_process_options *options)
{
	il_process *p = NULL;

	CHECK_RC(il_process_spawn(&p, argv, options), 0);
	return p;
}

/* Reads one line, without its end. */
static inline void read_line(il_process *p, char *line, size_t size)
{
	int n = il_stream_receive_until(il_process_stdout(p), line, size - 1, "\n", 1);

	CHECK(n >= 0);
	line[n > 0 ? n : 0] = '\0';
}

static inline bool is_gone(int pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

#endif
