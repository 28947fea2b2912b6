/*
 * os_quota.c: how many processors the control groups of this process allow: version 2's cpu.max,
 * version 1's cpu.cfs_quota_us and cpu.cfs_period_us. Groups lie in one another, and each may have
 * a limit: the smallest counts. A group's folder is where its hierarchy is mounted, plus its path
 * below the part that is mounted there (a container sees a part). Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memory.h"
#include "os_origin.h"

#include <limits.h>
#include <stdio.h>

#ifdef __linux__

enum { LINE = 4096 };

/* One version's hierarchy; too much for a task's stack. */
struct search {
	const char *root; /* what stands before every path */
	bool second;      /* version 2 */
	char path[LINE];  /* this process's group; "": none */
	/* What of it is mounted where; at[0] 0: nothing. */
	char part[LINE], at[LINE];
	char line[LINE], words[3][LINE], folder[2 * LINE], file[3 * LINE];
};

/* NULL: there is no such file. */
static FILE *open_below_root(struct search *s, const char *folder, const char *name)
{
	int n = snprintf(s->file, sizeof s->file, "%s%s/%s", s->root, folder, name);

	return n > 0 && (size_t)n < sizeof s->file ? fopen(s->file, "re") : NULL;
}

/* Whether the word is one of a list "a,b,c". */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",\n") == length && strncmp(list, word, length) == 0)
			return true;
	return false;
}

/* Lines "0::PATH", or "NUMBER:CONTROLLERS:PATH". */
static void find_path(struct search *s)
{
	FILE *file = open_below_root(s, "/proc/self", "cgroup");

	s->path[0] = 0;
	while (file && !s->path[0] && fgets(s->line, sizeof s->line, file)) {
		char *controllers = strchr(s->line, ':'), *path;
		if (!controllers || !(path = strchr(++controllers, ':')))
			continue;
		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		if (s->second ? strncmp(s->line, "0:", 2) == 0 && !*controllers
			      : has_word(controllers, "cpu"))
			memcpy(s->path, path, strlen(path) + 1);
	}
	if (file)
		fclose(file);
}

/* Lines "... PART AT OPTIONS [...] - TYPE SOURCE OPTIONS". The last one counts: it covers the others. */
static void find_mount(struct search *s)
{
	FILE *file = open_below_root(s, "/proc/self", "mountinfo");
	char *part = s->words[0], *at = s->words[1], *options = s->words[2], type[32];

	s->at[0] = 0;
	while (file && fgets(s->line, sizeof s->line, file)) {
		const char *rest = strstr(s->line, " - ");
		if (!rest || sscanf(s->line, "%*s %*s %*s %4095s %4095s", part, at) != 2 ||
		    sscanf(rest, " - %31s %*s %4095s", type, options) != 2)
			continue;
		if (strcmp(type, s->second ? "cgroup2" : "cgroup") != 0 ||
		    (!s->second && !has_word(options, "cpu")))
			continue;
		memcpy(s->part, part, strlen(part) + 1);
		memcpy(s->at, at, strlen(at) + 1);
	}
	if (file)
		fclose(file);
}

/* The number in that place of the file; 0: it is none. */
static long long read_number(struct search *s, const char *name, int place)
{
	FILE *file = open_below_root(s, s->folder, name);
	long long numbers[2];
	int count = file ? fscanf(file, "%lld %lld", &numbers[0], &numbers[1]) : 0;

	if (file)
		fclose(file);
	return count > place ? numbers[place] : 0;
}

/* Of the group in `folder`: its processors, rounded up; INT_MAX: any. */
static int limit_of_group(struct search *s)
{
	long long quota, period;

	quota = read_number(s, s->second ? "cpu.max" : "cpu.cfs_quota_us", 0); /* or "max", or -1 */
	period = s->second ? read_number(s, "cpu.max", 1) : read_number(s, "cpu.cfs_period_us", 0);
	if (quota <= 0 || period <= 0 || quota / period >= INT_MAX)
		return INT_MAX;
	return (int)(quota / period + (quota % period != 0));
}

/* From this process's group up to what is mounted. */
static int smallest_limit(struct search *s)
{
	size_t mounted = strlen(s->at), part = strcmp(s->part, "/") ? strlen(s->part) : 0;
	int smallest = INT_MAX;
	size_t length;

	/* A group outside of the part, or of our namespace ("/.."), cannot be seen: the part itself
	 * can. */
	if (strncmp(s->path, s->part, part) != 0 || (s->path[part] && s->path[part] != '/') ||
	    strstr(s->path, "/.."))
		part = strlen(s->path);
	snprintf(s->folder, sizeof s->folder, "%s%s", s->at, s->path + part);
	do {
		int limit = limit_of_group(s);
		char *last = strrchr(s->folder, '/');
		smallest = limit < smallest ? limit : smallest;
		length = last ? (size_t)(last - s->folder) : 0;
		s->folder[length] = 0;
	} while (length > 0 && length >= mounted);
	return smallest;
}

int il__os_cpu_quota(const char *root)
{
	struct search *s = il__malloc(sizeof *s);
	int smallest = INT_MAX;

	for (int version = 1; s && version <= 2; version++) {
		int limit;
		s->root = root;
		s->second = version == 2;
		find_path(s);
		find_mount(s);
		limit = s->at[0] ? smallest_limit(s) : INT_MAX;
		smallest = limit < smallest ? limit : smallest;
	}
	il__free(s);
	return smallest;
}

#else

int il__os_cpu_quota(const char *root)
{
	(void)root;
	return INT_MAX;
}

#endif
