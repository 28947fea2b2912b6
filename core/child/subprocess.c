/*
 * subprocess.c: starting a child process. Everything that can fail is made before the child is: after an
 * error there was none. Loop's thread only.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "subprocess.h"
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/os_process.h"
#include "../io/fd.h"
#include "../io/stream.h"
#include "../runtime/thread_state.h"

#include <fcntl.h>
#include <unistd.h>

extern char **environ;

/* ---- standard descriptors ---- */

/* What the child gets, and which of it is ours to close once it has it. */
struct stdio {
	int fds[3], ends[IL__SUBPROCESS_STREAMS];
	int terminal; /* its side of it; -1: none */
	char terminal_name[IL__OS_TERMINAL_NAME];
};

static int make_terminal(il_process *p, struct stdio *io, il_loop *loop,
			 const il_process_options *options)
{
	int ours, rc;

	if (!options->terminal_rows && !options->terminal_columns)
		return 0;
	if (!options->terminal_rows || !options->terminal_columns)
		return il__refuse(-EINVAL,
				  "il_process_spawn: options.terminal_rows is %u and "
				  "terminal_columns %u: both or none",
				  options->terminal_rows, options->terminal_columns);
	if (options->input == IL_STDIO_INHERIT && options->output == IL_STDIO_INHERIT &&
	    options->errors == IL_STDIO_INHERIT)
		return il__refuse(-EINVAL, "il_process_spawn: a terminal, but input, output and "
					   "errors are all IL_STDIO_INHERIT");
	rc = il__os_terminal_open(&ours, &io->terminal, io->terminal_name, options->terminal_rows,
				  options->terminal_columns);
	if (rc < 0)
		return il__refuse(rc, "il_process_spawn: no terminal: %s", il__lack_words(rc));
	io->ends[IL__SUBPROCESS_TERMINAL] = io->terminal;
	return il__stream_create(&p->streams[IL__SUBPROCESS_TERMINAL], loop, ours, IL__STREAM_FILE,
				 NULL);
}

static int make_pipe(il_process *p, struct stdio *io, int which, il_loop *loop)
{
	int fd[2], rc = il__os_pipe(fd), theirs = which == 0 ? 0 : 1;

	if (rc < 0)
		return rc;
	rc = il__os_cloexec_nonblock(fd[!theirs]);
	if (rc < 0)
		close(fd[!theirs]);
	else
		rc =
		    il__stream_create(&p->streams[which], loop, fd[!theirs], IL__STREAM_FILE, NULL);
	if (rc < 0)
		close(fd[theirs]);
	else
		io->fds[which] = io->ends[which] = fd[theirs];
	return rc;
}

static int make_stdio(il_process *p, struct stdio *io, il_loop *loop, int which, int kind)
{
	switch (kind) {
	case IL_STDIO_DEFAULT:
		io->fds[which] = io->terminal >= 0 ? io->terminal : IL__OS_INHERIT;
		return 0;
	case IL_STDIO_INHERIT:
		io->fds[which] = IL__OS_INHERIT;
		return 0;
	case IL_STDIO_PIPE:
		return make_pipe(p, io, which, loop);
	case IL_STDIO_NULL:
		io->fds[which] = IL__OS_NULL;
		return 0;
	case IL_STDIO_STDOUT:
		if (which != STDERR_FILENO)
			break;
		io->fds[which] =
		    io->fds[1] == IL__OS_INHERIT ? STDOUT_FILENO : io->fds[STDOUT_FILENO];
		return 0;
	default:
		if (kind < 0)
			break;
		io->fds[which] = kind;
		return 0;
	}
	return -EINVAL;
}

static const char *const stdio_names[] = {"input", "output", "errors"};

/* Before there are descriptors of ours, which would have the number of one that is not open. */
static int check_stdio(const int kinds[3])
{
	for (int i = 0; i < 3; i++)
		if (kinds[i] > 0 && fcntl(kinds[i], F_GETFD) < 0)
			return il__refuse(-errno, "il_process_spawn: options.%s is %d: %s",
					  stdio_names[i], kinds[i], il__system_words(-errno));
	return 0;
}

static int make_all_stdio(il_process *p, struct stdio *io, il_loop *loop, const int kinds[3])
{
	for (int i = 0; i < 3; i++) {
		int rc = make_stdio(p, io, loop, i, kinds[i]);
		if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
			return il__refuse(rc, "il_process_spawn: no pipe for the child's %s: %s",
					  stdio_names[i], il__lack_words(rc));
		if (rc < 0)
			return il__refuse(rc, "il_process_spawn: options.%s is %d: %s",
					  stdio_names[i], kinds[i], il__system_words(rc));
	}
	return 0;
}

/* ---- the child ---- */

/* In the system's words, for from here its codes mean what it means by them; or those of the thread that could not be made. */
static int process_refuse(int rc, const struct il__os_spawn *s)
{
	const char *why = il__has_refused(rc) ? il_error_detail() : il__lack_words(rc);

	if (rc == -EAGAIN)
		rc = -ENOMEM;
	if (s->directory && access(s->directory, X_OK) < 0)
		return il__refuse(rc, "il_process_spawn: %.*s in the directory %.*s: %s",
				  il__text_within(s->file, 70), s->file,
				  il__text_within(s->directory, 70), s->directory, why);
	if (rc == -ENOENT && !strchr(s->file, '/'))
		return il__refuse(rc, "il_process_spawn: %.*s, looked for in the child's PATH: %s",
				  il__text_within(s->file, 80), s->file, why);
	return il__refuse(rc, "il_process_spawn: %.*s: %s", il__text_within(s->file, 100), s->file,
			  why);
}

static int process_start(il_process *p, il_loop *loop, const struct stdio *io, char *const *argv,
			 const il_process_options *options)
{
	struct il__os_spawn s = {.file = options->file ? options->file : argv[0],
				 .argv = argv,
				 .environment =
				     options->environment ? options->environment : environ,
				 .directory = options->directory,
				 .fds = {io->fds[0], io->fds[1], io->fds[2]},
				 .count = 3,
				 .search = true,
				 .keep_others = options->keep_descriptors,
				 .session = options->new_session || io->terminal >= 0,
				 .terminal = io->terminal >= 0 ? io->terminal_name : NULL};
	const bool own = il__disown_refusal();
	int rc;

	s.group = options->new_group && !s.session;
	p->kill_group = options->kill_group;
	if (p->kill_group && !s.group && !s.session)
		return il__refuse(-EINVAL,
				  "il_process_spawn: options.kill_group without new_group: "
				  "the group would be your own");
	rc = il__after_refusal(il__os_child_spawn(&p->child, &s), own);
	if (rc < 0)
		return process_refuse(rc, &s);
	il__subprocess_watch(p, loop);
	return 0;
}

static int process_spawn(il_process *p, il_loop *loop, char *const *argv,
			 const il_process_options *options)
{
	const int kinds[] = {options->input, options->output, options->errors};
	struct stdio io = {.ends = {-1, -1, -1, -1}, .terminal = -1};
	int rc = il__fd_prepare(loop);

	if (rc == 0)
		rc = check_stdio(kinds);
	if (rc == 0)
		rc = make_terminal(p, &io, loop, options);
	if (rc == 0)
		rc = make_all_stdio(p, &io, loop, kinds);
	if (rc == 0)
		rc = process_start(p, loop, &io, argv, options);
	for (int i = 0; i < IL__SUBPROCESS_STREAMS; i++)
		if (io.ends[i] >= 0)
			close(io.ends[i]);
	return rc;
}

static const il_process_options defaults;

int il_process_spawn(il_process **process, char *const *argv, const il_process_options *options)
{
	il_loop *loop;
	il_process *p;
	int rc;

	if (!process || !argv || !argv[0])
		return il__refuse(-EINVAL, "il_process_spawn: NULL, or argv has no program");
	rc = il__loop_here(&loop, "il_process_spawn");
	if (rc < 0)
		return rc;
	p = il__calloc(1, sizeof *p);
	if (!p)
		return il__refuse(-ENOMEM, "il_process_spawn: out of memory");
	rc = process_spawn(p, loop, argv, options ? options : &defaults);
	if (rc < 0) {
		for (int i = 0; i < IL__SUBPROCESS_STREAMS; i++)
			il_stream_destroy(p->streams[i]);
		il__free(p);
		return rc;
	}
	*process = p;
	return 0;
}

/* ---- what one may ask ---- */

int il_process_pid(const il_process *process)
{
	return process ? (int)process->child.pid
		       : il__refuse(-EINVAL, "il_process_pid: the process is NULL");
}

il_stream *il_process_stdin(const il_process *process)
{
	return process ? process->streams[STDIN_FILENO] : NULL;
}

il_stream *il_process_stdout(const il_process *process)
{
	return process ? process->streams[STDOUT_FILENO] : NULL;
}

il_stream *il_process_stderr(const il_process *process)
{
	return process ? process->streams[STDERR_FILENO] : NULL;
}

il_stream *il_process_terminal(const il_process *process)
{
	return process ? process->streams[IL__SUBPROCESS_TERMINAL] : NULL;
}
