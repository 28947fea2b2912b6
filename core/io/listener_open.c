/*
 * listener_open.c: opening listeners. All the sockets of a listener are bound and listen, or none is left. TCP:
 * one socket an address, the same port for each; Unix: a stale socket file is replaced, anything else
 * under the path is kept. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/loop.h"
#include "../runtime/thread_state.h"
#include "address.h"
#include "listener.h"
#include "network.h"
#include "resolve.h"
#include "sockets.h"
#include "unix_path.h"

#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT_ATTEMPTS = 16 };

static int listener_check_options(il_listen_options *to, const il_listen_options *from,
				  const char *function)
{
	*to = from ? *from : (il_listen_options){0};
	if (to->backlog < 0 || to->mode > 07777)
		return il__refuse(-EINVAL, "%s: the backlog is negative or the mode out of range",
				  function);
	return 0;
}

/* ---- TCP ---- */

/* All interfaces of a family. */
static bool is_any(const il_address *address, int family)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	memcpy(&ipv4, &address->storage, sizeof ipv4);
	memcpy(&ipv6, &address->storage, sizeof ipv6);
	if (address->storage.ss_family != family)
		return false;
	return family == AF_INET ? ipv4.sin_addr.s_addr == htonl(INADDR_ANY)
				 : IN6_IS_ADDR_UNSPECIFIED(&ipv6.sin6_addr);
}

/* With dual_stack the socket that serves both families comes first. */
static void put_dual_first(il_address *list, int count)
{
	for (int i = 1; i < count; i++)
		if (is_any(&list[i], AF_INET6)) {
			il_address first = list[0];
			list[0] = list[i];
			list[i] = first;
		}
}

struct opening {
	il_loop *loop;
	const struct il__network *network;
	const il_address *list;
	int count;
	struct il__fd **ends; /* NULL: left out */
	const il_listen_options *options;
	int failed; /* the address that could not be used */
};

static void close_all(struct opening *o)
{
	for (int i = 0; i < o->count; i++) {
		if (o->ends[i])
			o->network->close(o->ends[i], false);
		o->ends[i] = NULL;
	}
}

/* One address; what takes any port takes *port, and if that is 0 says which one it got. */
static int open_one(struct opening *o, int i, uint16_t *port)
{
	il_address address = o->list[i];
	const bool any = !il_address_port(&address);
	int rc;

	if (any)
		il__address_set_port(&address, *port);
	rc = o->network->listen(o->loop, &address, o->options, &o->ends[i]);
	if (rc < 0) {
		o->ends[i] = NULL;
		o->failed = i;
	} else if (any && !*port && o->network->address(o->ends[i], false, &address) == 0) {
		*port = il_address_port(&address);
	}
	return rc;
}

/* All addresses; those without a port take the first one's. */
static int open_all(struct opening *o)
{
	uint16_t port = 0;
	int missing = 0, rc = 0;
	bool serves_both = false;

	for (int i = 0; i < o->count; i++) {
		if (serves_both && is_any(&o->list[i], AF_INET))
			continue;
		rc = open_one(o, i, &port);
		if (rc < 0 && !o->network->lacks(rc, &o->list[i])) {
			close_all(o);
			return rc;
		}
		missing += rc < 0;
		serves_both |= rc >= 0 && o->options->dual_stack && is_any(&o->list[i], AF_INET6);
	}
	return missing < o->count ? 0 : rc;
}

static int open_addresses(il_listener **listener, struct opening *o)
{
	bool any = il_address_port(&o->list[0]) == 0;
	int rc, count = 0;

	o->ends = il__calloc((size_t)o->count, sizeof(struct il__fd *));
	if (!o->ends)
		return il__refuse(-ENOMEM, "il_listener_open_tcp: out of memory");
	/* The port that one family gave may be taken in the other: then another one. */
	for (int i = 0; (rc = open_all(o)) == -EADDRINUSE && any && i < PORT_ATTEMPTS; i++)
		;
	for (int i = 0; rc == 0 && i < o->count; i++)
		if (o->ends[i]) {
			struct il__fd *end = o->ends[i];
			o->ends[i] = NULL;
			o->ends[count++] = end;
		}
	if (rc == 0) {
		rc = il__listener_create(listener, o->loop, o->network, o->ends, count, NULL);
		if (rc < 0)
			close_all(o);
	}
	il__free(o->ends);
	return rc;
}

int il_listener_open_tcp(il_listener **listener, const char *host, const char *port,
			 const il_listen_options *options)
{
	static const char function[] = "il_listener_open_tcp";
	char text[IL_ADDRESS_TEXT_MAX];
	il_listen_options o;
	struct opening opening = {.options = &o, .failed = -1};
	il_address *list = NULL;
	il_task *task;
	int rc;

	if (!listener || !port)
		return il__refuse(-EINVAL, "%s: the listener or the port is NULL", function);
	rc = listener_check_options(&o, options, function);
	if (rc < 0)
		return rc;
	task = il__task_current(function, &rc);
	if (!task)
		return rc;
	opening.loop = task->loop;
	opening.network = il__network_of(task->loop); /* also if it is closed meanwhile */
	rc = il__resolve(&list, host, port, IL_RESOLVE_PASSIVE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	opening.list = list;
	opening.count = rc;
	if (o.dual_stack)
		put_dual_first(list, rc);
	rc = open_addresses(listener, &opening);
	if (rc < 0 && opening.failed >= 0) {
		il_address_text(&list[opening.failed], text, sizeof text);
		il__refuse(rc, "%s: %s: %s", function, text, il__system_words(rc));
	}
	il__free(list);
	return rc;
}

/* ---- Unix ---- */

static int refuse_path(int rc, const char *path)
{
	return il__refuse(rc, "il_listener_open_unix: %s: %s", path, il__system_words(rc));
}

/* The mode of an unbound socket becomes the file's, less the umask, where the system does that: so nobody finds it
 * with more rights than it is to have. Before it listens nobody can connect. */
static int bind_and_listen(int fd, const il_address *address, const char *path,
			   const il_listen_options *o, struct il__socket_file *file)
{
	const mode_t mode = (mode_t)o->mode;
	int rc;

	if (mode && fchmod(fd, mode) < 0)
		errno = 0; /* chmod will do it */
	rc = il__socket_file_bind(file, fd, address, path, "il_listener_open_unix");
	if (rc < 0)
		return refuse_path(rc, path);
	if ((!mode || (file->file.st_mode & 07777) == mode || chmod(path, mode) == 0) &&
	    listen(fd, il__listener_backlog(o)) == 0)
		return 0;
	rc = -errno;
	il__socket_file_remove(file, "il_listener_open_unix");
	return refuse_path(rc, path);
}

static int open_abstract(int fd, const il_address *address, const char *path,
			 const il_listen_options *o)
{
	if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0 ||
	    listen(fd, il__listener_backlog(o)) < 0)
		return refuse_path(-errno, path);
	return 0;
}

static int open_path(int fd, const il_address *address, const char *path,
		     const il_listen_options *o, struct il__socket_file *file)
{
	struct il__path_lock lock;
	int rc;

	if (il__path_is_abstract(path))
		return open_abstract(fd, address, path, o);
	rc = il__path_claim(&lock, address, path, "il_listener_open_unix");
	if (rc < 0)
		return rc;
	rc = bind_and_listen(fd, address, path, o, file);
	il__path_unlock(&lock);
	return rc;
}

/* On failure the socket is closed, and its file removed. */
static int open_listener(il_listener **listener, il_loop *loop, int fd,
			 struct il__socket_file *file)
{
	struct il__fd *end;
	int rc = il__socket_own(loop, fd, &end);

	if (rc < 0)
		close(fd);
	if (rc == 0) {
		rc = il__listener_create(listener, loop, &il__sockets, &end, 1, file);
		if (rc < 0)
			il__sockets.close(end, false);
	}
	if (rc < 0)
		il__socket_file_remove(file, "il_listener_open_unix");
	return rc;
}

int il__listener_open_unix(il_listener **listener, const char *path, const char *absolute,
			   const il_listen_options *options)
{
	static const char function[] = "il_listener_open_unix";
	struct il__socket_file file = {.path = NULL};
	il_listen_options o;
	il_address address;
	il_loop *loop;
	int fd, rc;

	rc = listener_check_options(&o, options, function);
	if (rc == 0)
		rc = il__loop_here(&loop, function);
	if (rc == 0)
		rc = il__address_unix(&address, path, function);
	if (rc < 0)
		return rc;
	if (!il__path_is_abstract(path) && il__socket_file_name(&file, absolute) < 0)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	fd = il__os_socket(AF_UNIX, SOCK_STREAM);
	rc = fd < 0 ? refuse_path(fd, path) : open_path(fd, &address, path, &o, &file);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		il__free(file.path);
		return rc;
	}
	return open_listener(listener, loop, fd, &file);
}

int il_listener_open_unix(il_listener **listener, const char *path,
			  const il_listen_options *options)
{
	static const char function[] = "il_listener_open_unix";
	char *absolute;
	int rc;

	if (!listener || !path)
		return il__refuse(-EINVAL, "%s: %s", function,
				  listener ? "the path is NULL"
					   : "NULL where the listener is to be stored");
	absolute = il__path_absolute(path);
	if (!absolute)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	rc = il__listener_open_unix(listener, path, absolute, options);
	il__free(absolute);
	return rc;
}
