/*
 * listener_open.c: opening listeners. All the sockets of a listener are bound and listen, or none is left. TCP:
 * one socket an address, the same port for each; Unix: a stale socket file is replaced, anything else
 * under the path is kept. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/loop.h"
#include "address.h"
#include "listener.h"
#include "resolver.h"
#include "stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORT_ATTEMPTS = 16 };

static int listener_backlog(const il_listen_options *o)
{
	return o->backlog > 0 ? o->backlog : SOMAXCONN;
}

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

/* Accepted sockets inherit TCP_NODELAY. */
static int open_one(const il_address *address, const il_listen_options *o)
{
	int family = address->storage.ss_family;
	int fd = il__os_socket(family, SOCK_STREAM);
	int rc = fd < 0 ? fd : il__os_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (rc == 0 && family == AF_INET6)
		rc = il__os_socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc == 0 && o->reuse_port)
#ifdef SO_REUSEPORT
		rc = il__os_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
		rc = -ENOTSUP;
#endif
	if (rc == 0 && !o->delay_small)
		rc = il__os_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0 && (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0 ||
			listen(fd, listener_backlog(o)) < 0))
		rc = -errno;
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* The loopback address is there wherever its family is. */
static bool has_loopback(int family)
{
	const struct sockaddr_in ipv4 = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6,
					  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const void *address = family == AF_INET ? (const void *)&ipv4 : &ipv6;
	int fd = il__os_socket(family, SOCK_STREAM);
	bool has = fd < 0 ||
		   bind(fd, address, family == AF_INET ? sizeof ipv4 : sizeof ipv6) == 0 ||
		   errno != EADDRNOTAVAIL;

	if (fd >= 0)
		close(fd);
	return has;
}

static bool is_loopback(const il_address *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	memcpy(&ipv4, &address->storage, sizeof ipv4);
	memcpy(&ipv6, &address->storage, sizeof ipv6);
	return address->storage.ss_family == AF_INET
		   ? ipv4.sin_addr.s_addr == htonl(INADDR_LOOPBACK)
		   : IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}

/* Whether this family is not there, as IPv6 often is not: another may do. That an address is not available
 * says so only of the loopback; any other may be another machine's. */
static bool family_missing(int rc, const il_address *address)
{
	if (rc == -EAFNOSUPPORT || rc == -EPROTONOSUPPORT)
		return true;
	return rc == -EADDRNOTAVAIL &&
	       (is_loopback(address) || !has_loopback(address->storage.ss_family));
}

struct opening {
	const il_address *list;
	int count;
	int *fds; /* -1: left out */
	const il_listen_options *options;
	int failed; /* the address that could not be used */
};

static void close_all(struct opening *o)
{
	for (int i = 0; i < o->count; i++) {
		if (o->fds[i] >= 0)
			close(o->fds[i]);
		o->fds[i] = -1;
	}
}

/* All addresses; those without a port take the first one's. */
static int open_all(struct opening *o)
{
	uint16_t port = 0;
	int missing = 0, rc = 0;

	for (int i = 0; i < o->count; i++) {
		il_address address = o->list[i];
		bool any = !il_address_port(&address);
		if (any)
			il__address_set_port(&address, port);
		rc = o->fds[i] = open_one(&address, o->options);
		if (rc < 0)
			o->failed = i;
		if (rc < 0 && !family_missing(rc, &address)) {
			close_all(o);
			return rc;
		}
		missing += rc < 0;
		address.length = sizeof address.storage;
		if (rc >= 0 && any && !port &&
		    getsockname(rc, (struct sockaddr *)&address.storage, &address.length) == 0)
			port = il_address_port(&address);
	}
	return missing < o->count ? 0 : rc;
}

static int open_addresses(il_listener **listener, il_loop *loop, struct opening *o)
{
	bool any = il_address_port(&o->list[0]) == 0;
	int rc, count = 0;

	o->fds = il__malloc((size_t)o->count * sizeof *o->fds);
	if (!o->fds)
		return il__refuse(-ENOMEM, "il_listener_open_tcp: out of memory");
	for (int i = 0; i < o->count; i++)
		o->fds[i] = -1;
	/* The port that one family gave may be taken in the other: then another one. */
	for (int i = 0; (rc = open_all(o)) == -EADDRINUSE && any && i < PORT_ATTEMPTS; i++)
		;
	for (int i = 0; rc == 0 && i < o->count; i++)
		if (o->fds[i] >= 0)
			o->fds[count++] = o->fds[i];
	if (rc == 0)
		rc = il__listener_create(listener, loop, o->fds, count, IL__STREAM_INET, NULL);
	il__free(o->fds);
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
	rc = il__resolve(&list, host, port, IL_RESOLVE_PASSIVE, IL_FOREVER, function);
	if (rc < 0)
		return rc;
	opening.list = list;
	opening.count = rc;
	rc = open_addresses(listener, task->loop, &opening);
	if (rc < 0 && opening.failed >= 0) {
		il_address_text(&list[opening.failed], text, sizeof text);
		il__refuse(rc, "%s: %s: %s", function, text, il__system_words(rc));
	}
	il__free(list);
	return rc;
}

/* ---- Unix ---- */

/* Whether somebody listens behind the socket file: 1 or 0, or why that cannot be asked. */
static int in_use(const il_address *address)
{
	int fd = il__os_socket(AF_UNIX, SOCK_STREAM);
	bool answered;

	if (fd < 0)
		return fd;
	answered = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0 ||
		   (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return answered;
}

static int refuse_path(int rc, const char *path)
{
	return il__refuse(rc, "il_listener_open_unix: %s: %s", path, il__system_words(rc));
}

static int clear_path(const il_address *address, const char *path)
{
	struct stat st;
	int rc;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : refuse_path(-errno, path);
	if (!S_ISSOCK(st.st_mode))
		return il__refuse(-EEXIST,
				  "il_listener_open_unix: %s is no socket, so it is kept; choose "
				  "another path, or remove it",
				  path);
	rc = in_use(address);
	if (rc > 0)
		return il__refuse(-EADDRINUSE, "il_listener_open_unix: somebody listens on %s",
				  path);
	if (rc == 0)
		rc = il__path_remove(path, &st);
	return rc < 0 ? refuse_path(rc, path) : 0;
}

static int make_way(const il_address *address, const char *path)
{
	int pin = il__os_pin(path), rc = clear_path(address, path);

	if (pin >= 0)
		close(pin);
	return rc;
}

/* The mode of an unbound socket becomes the file's, less the umask, where the system does that: so nobody finds it
 * with more rights than it is to have. Before it listens nobody can connect. */
static int bind_and_listen(int fd, const il_address *address, const char *path,
			   const il_listen_options *o, struct stat *st)
{
	const mode_t mode = (mode_t)o->mode;
	int rc;

	if (mode && fchmod(fd, mode) < 0)
		errno = 0; /* chmod will do it */
	if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0 ||
	    lstat(path, st) < 0)
		return refuse_path(-errno, path);
	if ((!mode || (st->st_mode & 07777) == mode || chmod(path, mode) == 0) &&
	    listen(fd, listener_backlog(o)) == 0)
		return 0;
	rc = -errno;
	il__path_remove(path, st);
	return refuse_path(rc, path);
}

static int open_path(int fd, const il_address *address, const char *path,
		     const il_listen_options *o, struct stat *st)
{
	struct il__path_lock lock;
	int rc = il__path_lock(&lock, path);

	if (rc < 0)
		return refuse_path(rc, path);
	rc = make_way(address, path);
	if (rc == 0)
		rc = bind_and_listen(fd, address, path, o, st);
	il__path_unlock(&lock);
	return rc;
}

int il__listener_open_unix(il_listener **listener, const char *path, const char *absolute,
			   const il_listen_options *options)
{
	static const char function[] = "il_listener_open_unix";
	il_loop *loop = il_loop_current();
	struct il__socket_file file;
	il_listen_options o;
	il_address address;
	int fd, rc;

	if (!loop)
		return il__refuse(-EPERM, "%s: call it in the thread of a loop that runs",
				  function);
	rc = listener_check_options(&o, options, function);
	if (rc == 0)
		rc = il__address_unix(&address, path, function);
	if (rc < 0)
		return rc;
	file.path = il__strdup(absolute);
	if (!file.path)
		return il__refuse(-ENOMEM, "%s: out of memory", function);
	fd = il__os_socket(AF_UNIX, SOCK_STREAM);
	rc = fd < 0 ? refuse_path(fd, path) : open_path(fd, &address, path, &o, &file.file);
	if (rc < 0) {
		if (fd >= 0)
			close(fd);
		il__free(file.path);
		return rc;
	}
	return il__listener_create(listener, loop, &fd, 1, IL__STREAM_UNIX, &file);
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
