/*
 * subprocess_run.c: a program from start to end: one task feeds it and one collects each of its streams, so
 * that no pipe can fill up while another is waited for. The tasks are there before the program is; they run
 * once it has started. Whatever fails cancels the others; the child is reaped before the call returns. Loop's
 * thread only, in a task.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"

#include <interloop/group.h>
#include <interloop/process.h>

enum { CHUNK = 4096 };

/* Its streams are NULL as long as there is no program. */
struct feed {
	il_stream *stream;
	const void *data;
	size_t size;
};

struct collection {
	il_stream *stream;
	size_t limit;
	char *bytes;
	size_t size, capacity;
};

/* A program that has read enough is no failure (Trio). */
static int process_run_feed(void *arg)
{
	const struct feed *f = arg;
	int rc;

	il_task_set_name("feed_input");
	if (!f->stream)
		return 0;
	rc = il_stream_write_all(f->stream, f->data, f->size);
	il_stream_close(f->stream);
	return rc == -EPIPE || rc == -ECONNRESET ? 0 : rc;
}

/* Room for a chunk, and a NUL. */
static int process_run_grow(struct collection *c)
{
	size_t capacity = c->capacity ? 2 * c->capacity : 2 * CHUNK;
	char *bytes;

	if (c->capacity - c->size > CHUNK)
		return 0;
	bytes = capacity > c->capacity ? il__realloc(c->bytes, capacity) : NULL;
	if (!bytes)
		return il__refuse(-ENOMEM, "il_process_run: out of memory for %zu bytes of output",
				  capacity);
	c->bytes = bytes;
	c->capacity = capacity;
	return 0;
}

static int process_run_collect(void *arg)
{
	struct collection *c = arg;
	int n;

	il_task_set_name("collect_output");
	if (!c->stream)
		return 0;
	for (;;) {
		if ((n = process_run_grow(c)) < 0)
			return n;
		n = il_stream_read(c->stream, c->bytes + c->size, c->capacity - c->size - 1);
		if (n <= 0)
			break;
		c->size += (size_t)n;
		if (c->limit && c->size > c->limit)
			return il__refuse(
			    -EMSGSIZE, "il_process_run: more than %zu bytes of output", c->limit);
	}
	c->bytes[c->size] = '\0';
	return n;
}

struct conversation {
	struct feed input;
	struct collection output, errors;
};

/* The tasks that the child's pipes need. */
static int start_tasks(il_group *group, struct conversation *c, const il_process_options *options)
{
	int rc = 0;

	if (options->input == IL_STDIO_PIPE)
		rc = il_group_start_soon(group, NULL, process_run_feed, &c->input);
	if (rc == 0 && options->output == IL_STDIO_PIPE)
		rc = il_group_start_soon(group, NULL, process_run_collect, &c->output);
	if (rc == 0 && options->errors == IL_STDIO_PIPE)
		rc = il_group_start_soon(group, NULL, process_run_collect, &c->errors);
	return rc;
}

static int process_run_converse(il_process **p, struct conversation *c, char *const *argv,
				const il_process_options *options)
{
	il_group group = IL_GROUP_INIT;
	int status = -ECANCELED, rc = il_group_open(&group);

	if (rc < 0)
		return rc;
	rc = start_tasks(&group, c, options);
	if (rc == 0)
		rc = il_process_spawn(p, argv, options);
	if (rc == 0) {
		c->input.stream = il_process_stdin(*p);
		c->output.stream = il_process_stdout(*p);
		c->errors.stream = il_process_stderr(*p);
		status = rc = il_process_wait(*p);
	}
	rc = il_group_close(&group, rc < 0 ? rc : 0);
	return rc < 0 ? rc : status;
}

static il_process_options process_run_complete(const il_process_options *options, bool feeds,
					       bool collects)
{
	il_process_options full = options ? *options : (il_process_options){0};

	if (full.input == IL_STDIO_DEFAULT)
		full.input = feeds ? IL_STDIO_PIPE : IL_STDIO_NULL;
	if (full.output == IL_STDIO_DEFAULT && collects)
		full.output = IL_STDIO_PIPE;
	if (full.errors == IL_STDIO_DEFAULT && collects)
		full.errors = IL_STDIO_PIPE;
	return full;
}

int il_process_run(il_process_result *result, char *const *argv, const void *input, size_t size,
		   const il_process_options *options)
{
	il_process_options full = process_run_complete(options, size > 0, result != NULL);
	struct conversation c = {.input = {.data = input, .size = size},
				 .output = {.limit = full.output_limit},
				 .errors = {.limit = full.output_limit}};
	il_process *p = NULL;
	il_task *task;
	int rc;

	if (result)
		*result = (il_process_result){0};
	rc = il__check_limit("il_process_run", "output_limit", full.output_limit);
	if (rc < 0)
		return rc;
	if (!il__is_data(input, size))
		return il__refuse_data("il_process_run");
	if (size && full.input != IL_STDIO_PIPE)
		return il__refuse(-EINVAL,
				  "il_process_run: %zu bytes of input, but options.input is no "
				  "pipe",
				  size);
	if (full.terminal_rows || full.terminal_columns)
		return il__refuse(-EINVAL, "il_process_run: it reads no terminal; use "
					   "il_process_spawn and il_process_terminal");
	task = il__task_current("il_process_run", &rc);
	if (!task || (rc = il__task_check(task)) < 0)
		return rc;
	rc = process_run_converse(&p, &c, argv, &full);
	if (rc < 0 && p)
		il_process_kill(p); /* also what is left of its group */
	il_process_destroy(p);
	if (rc < 0 || !result) {
		il__free(c.output.bytes);
		il__free(c.errors.bytes);
		return rc;
	}
	result->output = c.output.bytes;
	result->output_size = c.output.size;
	result->errors = c.errors.bytes;
	result->errors_size = c.errors.size;
	return rc;
}

void il_process_result_clear(il_process_result *result)
{
	if (!result)
		return;
	il__free(result->output);
	il__free(result->errors);
	*result = (il_process_result){0};
}
