/*
 * unix_path.c: the file of a Unix socket. Between a look at a file and an act upon it the file may become another
 * one. So who opens a listener holds a lock for its path until it listens: a file beside it that is there so long;
 * and a file is removed by way of a name that nobody else knows, under which it is looked at once more. Any
 * thread.
 */
#include "../base/memory.h"
#include "../base/os.h"
#include "listener.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

char *il__path_absolute(const char *path)
{
	char *directory =
	    *path == '/' ? NULL : il__take_text(getcwd(NULL, 0)); /* too large for a task's stack */
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

/* Whether the file that is locked still has the name: who held it before may have removed it. */
static bool still_named(int fd, const char *name)
{
	struct stat locked, named;

	return fstat(fd, &locked) == 0 && lstat(name, &named) == 0 && is_same(&locked, &named);
}

/* Ours are empty: a file with something in it is somebody else's, and stays. */
static bool may_be_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

/* Where there can be no lock, bind tells what is wrong with the place. */
int il__path_lock(struct il__path_lock *lock, const char *path)
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
		if (flock(lock->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
			break;
		if (still_named(lock->fd, lock->name))
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
	if (lstat(aside, &now) < 0 || !is_same(&now, file)) {
		unix_path_put_back(aside, path);
	} else if (unlink(aside) < 0) {
		rc = -errno;
		rename(aside, path);
	}
	return rc;
}

int il__path_remove(const char *path, const struct stat *file)
{
	const size_t size = strlen(path) + 40;
	struct stat now;
	char *aside;
	int rc;

	if (lstat(path, &now) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!is_same(&now, file))
		return 0;
	aside = il__malloc(size);
	if (!aside)
		return -ENOMEM;
	snprintf(aside, size, "%s.%ld-%llx", path, (long)getpid(),
		 (unsigned long long)il__os_now());
	rc = remove_aside(path, aside, file);
	il__free(aside);
	return rc;
}
