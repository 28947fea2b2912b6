/*
 * os_search.c: where a program may lie: the names to try, one after the other, in the PATH that the child
 * will have. Any thread.
 */
#include "memory.h"
#include "os_spawn.h"

static const char default_path[] = "/bin:/usr/bin"; /* as execvp, where there is no PATH */

static const char *path_of(char *const *environment)
{
	for (; environment && *environment; environment++)
		if (strncmp(*environment, "PATH=", 5) == 0)
			return *environment + 5;
	return default_path;
}

/* The list, NULL at its end, and behind it room for its names, of that many bytes. */
static char **new_list(size_t count, size_t bytes)
{
	return il__malloc((count + 1) * sizeof(char *) + bytes);
}

/* An empty element is the current directory. */
static size_t add_name(char *at, const char *element, size_t length, const char *file)
{
	size_t rest = strlen(file) + 1;

	if (!length) {
		element = ".";
		length = 1;
	}
	memcpy(at, element, length);
	at[length] = '/';
	memcpy(at + length + 1, file, rest);
	return length + 1 + rest;
}

static char **search(const char *path, const char *file)
{
	size_t count = 1, n = 0, size;
	char **names, *at;

	for (const char *p = path; *p; p++)
		count += *p == ':';
	size = strlen(path) + count * (strlen(file) + 3); /* each: a dot, a slash and a NUL */
	names = new_list(count, size);
	if (!names)
		return NULL;
	at = (char *)(names + count + 1);
	for (;; path++) {
		size_t length = strcspn(path, ":");
		names[n++] = at;
		at += add_name(at, path, length, file);
		path += length;
		if (!*path)
			break;
	}
	names[n] = NULL;
	return names;
}

char **il__os_program_names(const struct il__os_spawn *s)
{
	char **names;

	if (s->search && *s->file && !strchr(s->file, '/'))
		return search(path_of(s->environment), s->file);
	names = new_list(1, strlen(s->file) + 1);
	if (names) {
		names[0] = strcpy((char *)(names + 2), s->file);
		names[1] = NULL;
	}
	return names;
}
