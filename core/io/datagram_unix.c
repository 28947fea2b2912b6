/*
 * datagram_unix.c: opening Unix datagram sockets, and the files that they have. A socket is usable from the moment it
 * is bound, so the path's lock is held no longer than that. Loop's thread only; never waits.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/loop.h"
#include "../runtime/thread_state.h"
#include "address.h"
#include "datagram.h"
#include "datagram_options.h"
#include "sockets.h"
#include "unix_path.h"

#include <unistd.h>

struct unix_opening {
	const char *function, *path, *local_path; /* NULL: not connected; nameless */
	int fd;
	struct il__socket_file file;
};

static int datagram_unix_refuse(const struct unix_opening *o, int rc, const char *path)
{
	return il__refuse(rc, "%s: %s: %s", o->function, path, il__system_words(rc));
}

static int datagram_unix_bind_file(struct unix_opening *o, const il_address *address)
{
	struct il__path_lock lock;
	char *absolute = il__path_absolute(o->local_path);
	int rc = absolute ? il__socket_file_name(&o->file, absolute) : -ENOMEM;

	il__free(absolute);
	if (rc < 0)
		return il__refuse(rc, "%s: out of memory", o->function);
	rc = il__path_claim(&lock, address, o->local_path, o->function);
	if (rc == 0) {
		rc = il__socket_file_bind(&o->file, o->fd, address, o->local_path, o->function);
		if (rc < 0)
			datagram_unix_refuse(o, rc, o->local_path);
		il__path_unlock(&lock);
	}
	if (rc < 0) {
		il__free(o->file.path);
		o->file.path = NULL;
	}
	return rc;
}

static int datagram_unix_bind(struct unix_opening *o)
{
	il_address address;
	int rc;

	if (!o->local_path)
		return 0;
	rc = il__address_unix(&address, o->local_path, o->function);
	if (rc < 0)
		return rc;
	if (!il__path_is_abstract(o->local_path))
		return datagram_unix_bind_file(o, &address);
	if (bind(o->fd, (const struct sockaddr *)&address.storage, address.length) < 0)
		return datagram_unix_refuse(o, -errno, o->local_path);
	return 0;
}

static int datagram_unix_connect(const struct unix_opening *o)
{
	il_address address;
	int rc;

	if (!o->path)
		return 0;
	rc = il__address_unix(&address, o->path, o->function);
	if (rc < 0)
		return rc;
	if (connect(o->fd, (const struct sockaddr *)&address.storage, address.length) < 0)
		return datagram_unix_refuse(o, -errno, o->path);
	return 0;
}

static int datagram_unix_open(il_datagram **d, struct unix_opening *o,
			      const il_datagram_options *options)
{
	struct il__fd *end;
	il_loop *loop;
	int rc;

	if (!d)
		return il__refuse(-EINVAL, "%s: NULL where the socket is to be stored",
				  o->function);
	rc = il__loop_here(&loop, o->function);
	if (rc == 0)
		rc = il__datagram_check_options(options, AF_UNIX, o->function);
	if (rc < 0)
		return rc;
	o->fd = il__os_socket(AF_UNIX, SOCK_DGRAM);
	if (o->fd < 0)
		return il__refuse(o->fd, "%s: %s", o->function, il__system_words(o->fd));
	rc = il__datagram_set_options(o->fd, AF_UNIX, options, o->function);
	if (rc == 0)
		rc = datagram_unix_bind(o);
	if (rc == 0)
		rc = datagram_unix_connect(o);
	if (rc == 0)
		rc = il__socket_own(loop, o->fd, &end);
	if (rc < 0)
		close(o->fd);
	if (rc == 0) {
		rc = il__datagram_create(d, loop, &il__sockets, end, AF_UNIX, &o->file);
		if (rc < 0)
			il__sockets.close(end, false);
	}
	if (rc < 0)
		il__socket_file_remove(&o->file, o->function);
	return rc;
}

int il_datagram_open_unix(il_datagram **d, const char *path, const il_datagram_options *options)
{
	struct unix_opening o = {.function = "il_datagram_open_unix", .local_path = path};

	return datagram_unix_open(d, &o, options);
}

int il_datagram_connect_unix(il_datagram **d, const char *path, const char *local_path,
			     const il_datagram_options *options)
{
	struct unix_opening o = {
	    .function = "il_datagram_connect_unix", .path = path, .local_path = local_path};

	if (!path)
		return il__refuse(-EINVAL, "%s: the path is NULL", o.function);
	return datagram_unix_open(d, &o, options);
}
