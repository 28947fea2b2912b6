/*
 * unix_path.c: the file of a Unix socket. Between a look at a file and an act upon it the file may become another
 * one. So who opens a listener holds a lock for its path until it listens: a file beside it that is there so long;
 * and a file is removed by way of a name that nobody else knows, under which it is looked at once more. Any
 * thread.
 */
#include "unix_path.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "address.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

char *il__path_absolute(const char *path)
{
	bool complete = *path == '/' || il__path_is_abstract(path);
	char *directory =
	    complete ? NULL : il__take_text(getcwd(NULL, 0)); /* too large for a task's stack */
	char *absolute;
	size_t size;

	if (!directory)
		return il__strdup(path);
	size = strlen(directory) + strlen(path) + 2;
	absolute = il__malloc(size);
	if (absolute)
		snprintf(absolute, size, "%s/%s", directory, path);
	il__free(directory);
	return absolute;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* ---- the lock ---- */

/* Whether the file that is locked has lost its name: who held the lock before may have removed it. What cannot be looked
 * at counts as there, or this would be asked forever. */
static bool lost_name(int fd, const char *name)
{
	struct stat locked, named;

	if (lstat(name, &named) < 0)
		return errno == ENOENT;
	return fstat(fd, &locked) == 0 && !is_same(&locked, &named);
}

/* Ours are empty: a file with something in it is somebody else's, and stays. */
static bool may_be_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

/* Where there can be no lock, bind tells what is wrong with the place. */
static int unix_path_lock(struct il__path_lock *lock, const char *path)
{
	const size_t size = strlen(path) + sizeof ".lock";

	lock->name = il__malloc(size);
	if (!lock->name)
		return -ENOMEM;
	snprintf(lock->name, size, "%s.lock", path);
	for (;;) {
		lock->fd = il__os_made(
		    open(lock->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
		if (lock->fd < 0)
			return 0;
		if (!may_be_ours(lock->fd)) {
			close(lock->fd);
			lock->fd = -1;
			return 0;
		}
		if (flock(lock->fd, LOCK_EX | LOCK_NB) < 0 && errno == EAGAIN)
			break;
		if (!lost_name(lock->fd, lock->name))
			return 0;
		close(lock->fd);
	}
	close(lock->fd);
	il__free(lock->name);
	return -EADDRINUSE;
}

void il__path_unlock(struct il__path_lock *lock)
{
	if (lock->fd >= 0) {
		unlink(lock->name);
		close(lock->fd);
	}
	il__free(lock->name);
}

/* ---- removing ---- */

/* It was another file, or cannot be removed: it gets its name back, unless that is taken. */
static void unix_path_put_back(const char *aside, const char *path)
{
	if (link(aside, path) == 0 || errno == EEXIST)
		unlink(aside);
	else
		rename(aside, path);
}

static int remove_aside(const char *path, const char *aside, const struct stat *file)
{
	struct stat now;
	int rc = 0;

	if (rename(path, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (lstat(aside, &now) < 0) {
		rc = -errno;
		unix_path_put_back(aside, path);
	} else if (!is_same(&now, file)) {
		unix_path_put_back(aside, path);
	} else if (unlink(aside) < 0) {
		rc = -errno;
		rename(aside, path);
	}
	return rc;
}

/* Room for a name beside the path. */
static size_t aside_size(const char *path)
{
	return strlen(path) + 40;
}

static int path_remove_by(const char *path, char *aside, const struct stat *file)
{
	struct stat now;

	if (lstat(path, &now) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_same(&now, file))
		return 0;
	snprintf(aside, aside_size(path), "%s.%ld-%llx", path, (long)getpid(),
		 (unsigned long long)il__os_now());
	return remove_aside(path, aside, file);
}

static int path_remove(const char *path, const struct stat *file)
{
	char *aside = il__malloc(aside_size(path));
	int rc = aside ? path_remove_by(path, aside, file) : -ENOMEM;

	il__free(aside);
	return rc;
}

int il__socket_file_name(struct il__socket_file *f, const char *absolute)
{
	const size_t size = strlen(absolute) + 1;

	f->path = il__malloc(size + aside_size(absolute));
	if (!f->path)
		return -ENOMEM;
	memcpy(f->path, absolute, size);
	return 0;
}

/* Whoever finds it shall know whose it was. */
static void unix_path_left(const char *path, int rc, const char *function)
{
	il__log(IL_LOG_WARNING, "%s: the socket file %s cannot be removed: %s; remove it by hand",
		function, path, il__system_words(rc));
}

void il__socket_file_remove(struct il__socket_file *f, const char *function)
{
	int rc = f->path ? path_remove_by(f->path, f->path + strlen(f->path) + 1, &f->file) : 0;

	if (rc < 0)
		unix_path_left(f->path, rc, function);
	il__free(f->path);
	f->path = NULL;
}

int il__socket_file_bind(struct il__socket_file *f, int fd, const il_address *address,
			 const char *path, const char *function)
{
	int rc;

	if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0)
		return -errno;
	if (lstat(path, &f->file) == 0)
		return 0;
	rc = -errno;
	if (unlink(path) < 0 && errno != ENOENT) /* who holds its lock has made it */
		unix_path_left(path, -errno, function);
	return rc;
}

/* ---- making way ---- */

/* Whether a socket is behind the file: 1 or 0, or why that cannot be asked. A datagram socket asks, of which a listener
 * hears nothing: it refuses the type. */
static int unix_path_in_use(const il_address *address)
{
	int fd = il__os_socket(AF_UNIX, SOCK_DGRAM);
	bool taken;

	if (fd < 0)
		return fd;
	taken = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0 ||
		(errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return taken;
}

static int unix_path_refuse(int rc, const char *path, const char *function)
{
	return il__refuse(rc, "%s: %s: %s", function, path, il__system_words(rc));
}

static int unix_path_clear(const il_address *address, const char *path, const char *function)
{
	struct stat st;
	int rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : unix_path_refuse(-errno, path, function);
	if (!S_ISSOCK(st.st_mode))
		return il__refuse(-EEXIST,
				  "%s: %s is no socket, so it is kept; choose another path, or "
				  "remove it",
				  function, path);
	rc = unix_path_in_use(address);
	if (rc > 0)
		return il__refuse(-EADDRINUSE, "%s: somebody has bound a socket to %s", function,
				  path);
	if (rc == 0)
		rc = path_remove(path, &st);
	return rc < 0 ? unix_path_refuse(rc, path, function) : 0;
}

int il__path_claim(struct il__path_lock *lock, const il_address *address, const char *path,
		   const char *function)
{
	int pin, rc = unix_path_lock(lock, path);

	if (rc < 0)
		return unix_path_refuse(rc, path, function);
	pin = il__os_pin(path);
	rc = unix_path_clear(address, path, function);
	if (pin >= 0)
		close(pin);
	if (rc < 0)
		il__path_unlock(lock);
	return rc;
}
