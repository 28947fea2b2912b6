/*
 * http_files.c: see http_files.h. A path is walked one name at a time, from descriptor to descriptor and without
 * following links, so neither `..` nor a link leads out of the folder, whoever moves what meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strptime, timegm */
#endif
#include "http_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DATE "%a, %d %b %Y %H:%M:%S GMT"

/* ---- from a path to a file ---- */

int http_folder_open(const char *folder)
{
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

/* Takes the %XX out; false: that is no path. */
static bool decode(const char *path, char *out)
{
	for (; *path; path++) {
		int high = 0, low = 0;
		if (*path == '%') {
			high = digit_of(path[1]);
			low = high < 0 ? -1 : digit_of(path[2]);
			if (low < 0 || (high == 0 && low == 0))
				return false;
			path += 2;
		}
		*out++ = high || low ? (char)(high * 16 + low) : *path;
	}
	*out = '\0';
	return true;
}

static int step_into(int at, int folder, const char *name)
{
	int next = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int error = errno;
	if (at != folder)
		close(at);
	errno = error;
	return next;
}

/* Names that begin with a point are not there. Of a folder it is the index. */
static int walk(int folder, char *path, bool *is_index)
{
	char *rest, *name = strtok_r(path, "/", &rest);
	int at = folder;
	struct stat s;
	for (; name; name = strtok_r(NULL, "/", &rest)) {
		if (*name == '.') {
			if (at != folder)
				close(at);
			errno = ENOENT;
			return -1;
		}
		at = step_into(at, folder, name);
		if (at < 0)
			return -1;
	}
	*is_index = fstat(at, &s) == 0 && S_ISDIR(s.st_mode);
	if (*is_index)
		at = step_into(at, folder, "index.html");
	return at;
}

static const char *type_of(const char *path)
{
	static const struct {
		const char *ending, *type;
	} all[] = {
	    {".html", "text/html"},        {".css", "text/css"},   {".js", "text/javascript"},
	    {".json", "application/json"}, {".txt", "text/plain"}, {".svg", "image/svg+xml"},
	    {".png", "image/png"},         {".jpg", "image/jpeg"},
	};
	const char *ending = strrchr(path, '.');
	for (size_t i = 0; ending && i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i].ending, ending) == 0)
			return all[i].type;
	return "application/octet-stream";
}

/* ---- what is asked of it ---- */

static time_t time_of(const char *date) /* -1: that is no date */
{
	struct tm tm = {0};
	const char *end = strptime(date, DATE, &tm);
	return end && !*end ? timegm(&tm) : -1;
}

/* Whether a list has its tag. One behind W/ is not the file to the byte. */
static bool lists_tag(const struct http_file *f, const char *tags)
{
	const char *at = strstr(tags, f->tag);
	return strcmp(tags, "*") == 0 || (at && (at == tags || at[-1] != '/'));
}

/* Whether it is what the client takes it for: else nothing of it is sent. */
static bool is_as_expected(const struct http_file *f, const struct http_request *r)
{
	const char *tags = r->kept[HTTP_IF_MATCH], *since = r->kept[HTTP_IF_UNMODIFIED_SINCE];
	if (*tags)
		return lists_tag(f, tags);
	return time_of(since) < 0 || time_of(since) >= f->modified;
}

static bool is_unchanged(const struct http_file *f, const struct http_request *r)
{
	const char *tags = r->kept[HTTP_IF_NONE_MATCH], *since = r->kept[HTTP_IF_MODIFIED_SINCE];
	if (*tags)
		return strcmp(tags, "*") == 0 || strstr(tags, f->tag);
	return *since && time_of(since) >= f->modified;
}

/* One range; several, and what is no range, are ignored: then all is sent. 200, 206 or 416. */
static int take_range(struct http_file *f, const struct http_request *r)
{
	const char *range = r->kept[HTTP_RANGE], *only = r->kept[HTTP_IF_RANGE];
	char *end;
	if (strncmp(range, "bytes=", 6) != 0 || strchr(range, ',') || strpbrk(range, " +") ||
	    (*only && strcmp(only, f->tag) != 0 && strcmp(only, f->date) != 0))
		return 200;
	range += 6;
	long long first = strtoll(range, &end, 10), last = f->size - 1;
	if (*range == '-') { /* the last so many bytes */
		if (*end || end == range + 1)
			return 200;
		first = first < -f->size ? 0 : f->size + first;
	} else {
		if (end == range || *end++ != '-')
			return 200;
		if (*end && (*end == '-' || (last = strtoll(end, &end, 10)) < first || *end))
			return 200;
	}
	if (first >= f->size)
		return 416;
	f->from = first;
	f->length = (last < f->size ? last + 1 : f->size) - first;
	return 206;
}

int http_file_find(struct http_file *f, int folder, const struct http_request *r)
{
	char path[HTTP_TARGET_MAX + 1];
	struct stat s;
	struct tm tm;
	f->fd = -1;
	if (!decode(r->path, path))
		return 400;
	bool names_folder = path[strlen(path) - 1] == '/', is_index = false;
	const char *type = type_of(path);
	int fd = walk(folder, path, &is_index);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 404;
	if (fd == folder || fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) ||
	    (names_folder && !is_index)) {
		if (fd != folder)
			close(fd);
		return 404;
	}
	f->fd = fd;
	f->type = is_index ? "text/html" : type;
	f->size = f->length = s.st_size;
	f->from = 0;
	f->modified = s.st_mtime;
	strftime(f->date, sizeof(f->date), DATE, gmtime_r(&s.st_mtime, &tm));
	snprintf(f->tag, sizeof(f->tag), "\"%llx-%llx-%lx\"", (long long)s.st_size,
		 (long long)s.st_mtime, (long)s.st_mtim.tv_nsec);
	return !is_as_expected(f, r)       ? 412
	       : is_unchanged(f, r)        ? 304
	       : http_request_is(r, "GET") ? take_range(f, r)
					   : 200;
}
