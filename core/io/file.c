/*
 * file.c: files whose calls run in the loop's worker threads, one hand-over each: the arguments lie on the stack
 * of the waiting task. `calls` counts those under way, and keeps the descriptor from being closed under them.
 * Loop's thread only, but for the functions that a worker runs.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "fd.h"

#include <interloop/file.h>
#include <interloop/scope.h>
#include <interloop/thread.h>

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

struct il_file {
	il_loop *loop;
	int fd;       /* -1: closed */
	size_t calls; /* under way */
	struct il__fd_owner owner;
};

/* What a worker is given. */
struct file_call {
	const char *path;
	int fd, flags;
	mode_t mode;
	void *to;
	const void *from;
	size_t size;
	int64_t offset;
	int rc;    /* what the system has said, without words */
	bool done; /* by a worker: rc counts, whatever became of the call's token */
};

/* ---- in a worker thread ---- */

static int file_done(struct file_call *c, int rc)
{
	c->rc = rc;
	c->done = true;
	return 0;
}

static int file_do_open(void *arg)
{
	struct file_call *c = arg;
	int fd;

	do
		fd = open(c->path, c->flags | O_CLOEXEC, c->mode);
	while (fd < 0 && errno == EINTR);
	return file_done(c, il__os_made(fd));
}

static int file_do_read(void *arg)
{
	struct file_call *c = arg;
	ssize_t n;

	do
		n = c->offset < 0 ? read(c->fd, c->to, c->size)
				  : pread(c->fd, c->to, c->size, (off_t)c->offset);
	while (n < 0 && errno == EINTR);
	return file_done(c, n < 0 ? -errno : (int)n);
}

static ssize_t file_write_at(const struct file_call *c, size_t done)
{
	const char *from = (const char *)c->from + done;
	size_t left = c->size - done;

	return c->offset < 0 ? write(c->fd, from, left)
			     : pwrite(c->fd, from, left, (off_t)(c->offset + (int64_t)done));
}

static int file_do_write(void *arg)
{
	struct file_call *c = arg;
	size_t done = 0;

	while (done < c->size) {
		ssize_t n = file_write_at(c, done);
		if (n < 0 && errno != EINTR)
			return file_done(c, -errno);
		done += n > 0 ? (size_t)n : 0;
	}
	return file_done(c, (int)done);
}

static int file_do_sync(void *arg)
{
	struct file_call *c = arg;
	int rc;

	do
		rc = fsync(c->fd);
	while (rc < 0 && errno == EINTR);
	return file_done(c, rc < 0 ? -errno : 0);
}

/* Never again after EINTR: the descriptor is gone by then. */
static int file_do_close(void *arg)
{
	struct file_call *c = arg;

	return file_done(c, close(c->fd) < 0 && errno != EINTR ? -errno : 0);
}

/* ---- in a dump ---- */

static void file_call_tell(struct il__report *r, const void *arg)
{
	const struct file_call *c = arg;

	if (c->path) {
		il__report(r, " of %s", c->path);
		return;
	}
	il__report(r, " of descriptor %d", c->fd);
	il__fd_tell_peer(r, c->fd);
}

static struct il__report_name file_names[] = {
    {.fn = file_do_open, .name = "il_file_open", .tell = file_call_tell},
    {.fn = file_do_read, .name = "il_file_read", .tell = file_call_tell},
    {.fn = file_do_write, .name = "il_file_write", .tell = file_call_tell},
    {.fn = file_do_sync, .name = "il_file_sync", .tell = file_call_tell},
    {.fn = file_do_close, .name = "il_file_close", .tell = file_call_tell},
};

/* ---- a call ---- */

/* 0: a worker has done it. */
static int file_hand_over(il_fn *fn, struct file_call *c)
{
	int rc = il_run_in_thread(fn, c);

	return c->done ? 0 : rc;
}

static int file_result(const struct file_call *c, const char *function)
{
	return c->rc >= 0 ? c->rc
			  : il__refuse(c->rc, "%s: %s%s%s", function, c->path ? c->path : "",
				       c->path ? ": " : "", il__system_words(c->rc));
}

static int file_check(const il_file *f, const char *function)
{
	if (!f)
		return il__refuse(-EINVAL, "%s: the file is NULL", function);
	if (f->fd < 0)
		return il__refuse(-EBADF, "%s: the file is closed", function);
	return il__loop_check_thread(f->loop, function);
}

static int file_run(il_file *f, il_fn *fn, struct file_call *call, const char *function)
{
	int rc = file_check(f, function);

	if (rc < 0 || !il__task_current(function, &rc))
		return rc;
	call->fd = f->fd;
	f->calls++;
	rc = file_hand_over(fn, call);
	f->calls--;
	return rc < 0 ? rc : file_result(call, function);
}

/* ---- open and close ---- */

static void file_orphan(struct il__fd_owner *owner)
{
	il_file *f = il__container_of(owner, il_file, owner);

	il__list_remove(&f->owner.link);
	close(f->fd);
	f->fd = -1;
}

int il_file_open(il_file **file, const char *path, int flags, unsigned mode)
{
	struct file_call call = {.path = path, .flags = flags, .mode = (mode_t)mode};
	il_task *task;
	il_file *f;
	int rc;

	if (!file || !path)
		return il__refuse(-EINVAL, "il_file_open: %s is NULL", path ? "file" : "the path");
	task = il__task_current("il_file_open", &rc);
	if (!task)
		return rc;
	f = il__calloc(1, sizeof *f);
	if (!f)
		return il__refuse(-ENOMEM, "il_file_open: out of memory");
	il__report_know(file_names, sizeof file_names / sizeof *file_names);
	rc = il__fd_prepare(task->loop);
	if (rc == 0)
		rc = file_hand_over(file_do_open, &call);
	if (rc == 0)
		rc = file_result(&call, "il_file_open");
	if (rc < 0) {
		il__free(f);
		return rc;
	}
	f->loop = task->loop;
	f->fd = rc;
	f->owner.orphan = file_orphan;
	il__fd_adopt(f->loop, &f->owner);
	*file = f;
	return 0;
}

static int file_close_shielded(struct file_call *call)
{
	il_scope shield = IL_SCOPE_INIT;
	int rc = il_scope_enter(&shield, IL_FOREVER, IL_SHIELD);

	if (rc == 0)
		rc = il_scope_exit(&shield, file_hand_over(file_do_close, call));
	if (rc < 0) /* there is no thread: this one does it */
		file_do_close(call);
	return file_result(call, "il_file_close");
}

int il_file_close(il_file *file)
{
	struct file_call call = {.fd = -1};
	int rc;

	if (file && file->fd < 0)
		return 0;
	rc = file_check(file, "il_file_close");
	if (rc < 0 || !il__task_current("il_file_close", &rc))
		return rc;
	if (file->calls)
		return il__refuse(-EBUSY, "il_file_close: another task uses the file; let it end");
	call.fd = file->fd;
	file->fd = -1;
	il__list_remove(&file->owner.link);
	return file_close_shielded(&call);
}

void il_file_destroy(il_file *file)
{
	if (!file)
		return;
	if (file->fd >= 0 && il__inherited(file->loop->generation)) {
		close(file->fd); /* the lists are the parent's */
	} else if (file->fd >= 0) {
		if (il__loop_check_thread(file->loop, "il_file_destroy") < 0)
			il__fatal("il_file_destroy: called in another thread than its loop's");
		if (file->calls)
			il__fatal("il_file_destroy: a task uses the file; let it end");
		file_orphan(&file->owner);
	}
	il__free(file);
}

/* ---- reading and writing ---- */

static int file_check_offset(int64_t offset, const char *function)
{
	return offset < -1
		   ? il__refuse(-EINVAL, "%s: the offset is negative; -1: where the file stands",
				function)
		   : 0;
}

int il_file_read(il_file *file, void *data, size_t max, int64_t offset)
{
	struct file_call call = {
	    .to = data, .size = max > INT_MAX ? INT_MAX : max, .offset = offset};

	if (!il__is_room(data, max))
		return il__refuse(-EINVAL,
				  "il_file_read: there must be room for at least one byte");
	if (file_check_offset(offset, "il_file_read") < 0)
		return -EINVAL;
	return file_run(file, file_do_read, &call, "il_file_read");
}

int il_file_write(il_file *file, const void *data, size_t size, int64_t offset)
{
	struct file_call call = {.from = data, .size = size, .offset = offset};

	if ((!data && size) || size > INT_MAX)
		return il__refuse(-EINVAL, "il_file_write: %s",
				  data ? "more than INT_MAX bytes" : "the data is NULL");
	if (file_check_offset(offset, "il_file_write") < 0)
		return -EINVAL;
	return file_run(file, file_do_write, &call, "il_file_write");
}

int il_file_sync(il_file *file)
{
	struct file_call call = {.fd = -1};

	return file_run(file, file_do_sync, &call, "il_file_sync");
}

int il_file_fd(const il_file *file)
{
	if (!file)
		return il__refuse(-EINVAL, "il_file_fd: the file is NULL");
	return file->fd < 0 ? il__refuse(-EBADF, "il_file_fd: the file is closed") : file->fd;
}
