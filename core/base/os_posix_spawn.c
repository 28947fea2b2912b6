/*
 * os_posix_spawn.c: starting a child process by posix_spawn, where it cannot be cloned (os_clone.c). What older
 * C libraries lack a shell does. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memory.h"
#include "os_process.h"
#include "os_spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The program's other descriptors that are not close-on-exec. */
static int close_others(posix_spawn_file_actions_t *actions, int count)
{
#if IL__GLIBC(2, 34)
	return posix_spawn_file_actions_addclosefrom_np(actions, count);
#else
	DIR *dir = opendir("/dev/fd");
	int rc = dir ? 0 : errno;

	for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
		int fd = atoi(e->d_name), flags = fcntl(fd, F_GETFD);
		if (fd >= count && flags >= 0 && !(flags & FD_CLOEXEC))
			rc = posix_spawn_file_actions_addclose(actions, fd);
	}
	if (dir)
		closedir(dir);
	return rc;
#endif
}

static int change_directory(posix_spawn_file_actions_t *actions, const char *directory)
{
#if IL__GLIBC(2, 29)
	return posix_spawn_file_actions_addchdir_np(actions, directory);
#else
	(void)actions;
	(void)directory;
	return 0; /* through_shell() has seen to it */
#endif
}

/* The leader of a session that has none gets the first that it opens: where another descriptor will come. */
static int add_terminal(posix_spawn_file_actions_t *actions, const struct il__os_spawn *s)
{
	int at = 0;

	if (!s->terminal)
		return 0;
	while (s->fds[at] == IL__OS_INHERIT)
		at++;
	return posix_spawn_file_actions_addopen(actions, at, s->terminal, O_RDWR, 0);
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct il__os_spawn *s)
{
	int rc = add_terminal(actions, s);

	for (int i = 0; i < s->count && rc == 0; i++) {
		if (s->fds[i] == IL__OS_NULL)
			rc = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
		else if (s->fds[i] != IL__OS_INHERIT)
			rc = posix_spawn_file_actions_adddup2(actions, s->fds[i], i);
	}
	if (rc == 0 && !s->keep_others)
		rc = close_others(actions, s->count);
	if (rc == 0 && s->directory)
		rc = change_directory(actions, s->directory);
	return -rc;
}

static int set_attributes(posix_spawnattr_t *attr, const struct il__os_spawn *s)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	if (s->group)
		flags |= POSIX_SPAWN_SETPGROUP; /* its own: the attribute is 0 from the start */
#ifdef POSIX_SPAWN_SETSID
	if (s->session)
		flags |= POSIX_SPAWN_SETSID;
#else
	if (s->session)
		return -ENOTSUP;
#endif
	if ((rc = posix_spawnattr_setsigmask(attr, &none)) ||
	    (rc = posix_spawnattr_setsigdefault(attr, &all)) ||
	    (rc = posix_spawnattr_setflags(attr, flags)))
		return -rc;
	return 0;
}

static int posix_spawn_spawn(pid_t *pid, const struct il__os_spawn *s)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc = -posix_spawn_file_actions_init(&actions);

	if (rc < 0)
		return rc;
	rc = -posix_spawnattr_init(&attr);
	if (rc == 0) {
		if ((rc = add_actions(&actions, s)) == 0 && (rc = set_attributes(&attr, s)) == 0)
			rc = -posix_spawn(pid, s->file, &actions, &attr, s->argv, s->environment);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

#if !IL__GLIBC(2, 29)

/* There is no action that changes the directory: a shell does it, and becomes the program, which it gives
 * its file for a name. */
static int through_shell(pid_t *pid, const struct il__os_spawn *s)
{
	static char sh[] = "sh", flag[] = "-c", script[] = "cd \"$0\" && exec \"$@\"";
	struct il__os_spawn shell = *s;
	size_t count = 0, size = strlen(s->directory) + sizeof "./";
	struct stat st;
	char **argv, *directory;
	int rc;

	if (stat(s->directory, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (access(s->directory, X_OK) < 0)
		return -errno;
	while (s->argv[count])
		count++;
	argv = il__malloc((count + 5) * sizeof *argv + size);
	if (!argv)
		return -ENOMEM;
	/* With a dot in front it is no option, and nothing that $CDPATH is asked for. */
	directory = (char *)(argv + count + 5);
	snprintf(directory, size, "%s%s", s->directory[0] == '/' ? "" : "./", s->directory);
	argv[0] = sh;
	argv[1] = flag;
	argv[2] = script;
	argv[3] = directory;
	memcpy(argv + 4, s->argv, (count + 1) * sizeof *argv);
	argv[4] = (char *)(uintptr_t)s->file;
	shell.file = "/bin/sh";
	shell.argv = argv;
	shell.directory = NULL;
	rc = posix_spawn_spawn(pid, &shell);
	il__free(argv);
	return rc;
}

#endif

/* Whether it is a program there, where the child will be: posix_spawn does not tell everywhere. */
static int posix_spawn_look(const char *name, const char *directory)
{
	const char *prefix = directory && *name != '/' ? directory : "";
	size_t size = strlen(prefix) + strlen(name) + 2;
	char *path = il__malloc(size);
	struct stat st;
	int rc = 0;

	if (!path)
		return -ENOMEM;
	snprintf(path, size, "%s%s%s", prefix, *prefix ? "/" : "", name);
	if (access(path, X_OK) < 0 || stat(path, &st) < 0)
		rc = -errno;
	else if (S_ISDIR(st.st_mode))
		rc = -EACCES;
	il__free(path);
	return rc;
}

int il__os_posix_spawn(pid_t *pid, const struct il__os_spawn *s, char *const *names)
{
	struct il__os_spawn named = *s;
	int rc = -ENOENT;

	for (; *names; names++) {
		int why = posix_spawn_look(*names, s->directory);
		named.file = *names;
#if !IL__GLIBC(2, 29)
		if (why == 0 && s->directory)
			return through_shell(pid, &named);
#endif
		if (why == 0)
			return posix_spawn_spawn(pid, &named);
		if (rc != -EACCES)
			rc = why;
	}
	return rc;
}
