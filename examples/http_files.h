/*
 * http_files.h: files of a folder for an HTTP server: finds one without ever leaving the folder, and decides what
 * the conditions and the range of a request ask for (RFC 9110, 13 and 14).
 */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include "http_request.h"

#include <sys/types.h>

struct http_file {
	int fd; /* the caller's to close; -1: none */
	off_t size;
	time_t modified;
	char date[32], tag[48]; /* Last-Modified, ETag */
	const char *type;       /* Content-Type */
	off_t from, length;     /* what is to be sent */
};

/* The folder's descriptor; -1: errno. */
int http_folder_open(const char *folder);

/* Blocks: call it in a worker thread. A status: 200, 206, 304, 412, 416 with the file open, 400, 404;
 * negative: the system lacks something. */
int http_file_find(struct http_file *file, int folder, const struct http_request *request);

#endif
