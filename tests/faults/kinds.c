/*
 * kinds.c: which calls fail, and how: only with errors that they have in nature, where the library can meet them. What
 * was left out, and why, is in README.md.
 */
#include "shim.h"

#include <netdb.h>

#define FLEETING_NATIVE(name_, call_, error_)            \
	{                                                \
		{(name_), true, true}, (call_), (error_) \
	}
#define OURS(name_, call_, error_)                         \
	{                                                  \
		{(name_), false, false}, (call_), (error_) \
	}
#define FLEETING(name_, call_, error_)                    \
	{                                                 \
		{(name_), false, true}, (call_), (error_) \
	}
#define NATIVE(name_, call_, error_)                      \
	{                                                 \
		{(name_), true, false}, (call_), (error_) \
	}

const struct fault_entry fault_entries[] = {
    OURS("memory", CALL_MEMORY, ENOMEM),
    NATIVE("memory_native", CALL_MEMORY, ENOMEM),
    OURS("mmap", CALL_MMAP, ENOMEM),
    OURS("mprotect", CALL_MPROTECT, ENOMEM),
    OURS("madvise_EINVAL", CALL_MADVISE, EINVAL),
    OURS("madvise_ENOMEM", CALL_MADVISE, ENOMEM),
    OURS("pthread_create", CALL_THREAD, EAGAIN),
    OURS("pthread_attr_init", CALL_ATTRIBUTES, ENOMEM),

    OURS("eventfd", CALL_EVENTFD, EMFILE),
    NATIVE("eventfd_native", CALL_EVENTFD, EMFILE),
    OURS("timerfd_create_EMFILE", CALL_TIMERFD, EMFILE),
    OURS("timerfd_create_ENOSYS", CALL_TIMERFD, ENOSYS),
    OURS("pipe2", CALL_PIPE, EMFILE),
    NATIVE("pipe2_native", CALL_PIPE, EMFILE),
    OURS("fcntl_F_DUPFD", CALL_FCNTL, EMFILE),
    OURS("memfd_create", CALL_MEMFD, EMFILE),
    OURS("ftruncate", CALL_FTRUNCATE, ENOSPC),

    OURS("socket_EMFILE", CALL_SOCKET, EMFILE),
    OURS("socket_EAFNOSUPPORT", CALL_SOCKET, EAFNOSUPPORT),
    OURS("socketpair", CALL_SOCKETPAIR, EMFILE),
    OURS("accept_EMFILE", CALL_ACCEPT, EMFILE),
    FLEETING("accept_ECONNABORTED", CALL_ACCEPT, ECONNABORTED),
    FLEETING("accept_EAGAIN", CALL_ACCEPT, EAGAIN),
    FLEETING("accept_EINTR", CALL_ACCEPT, EINTR),
    FLEETING("accept_EPERM", CALL_ACCEPT, EPERM),
    OURS("bind_EADDRINUSE", CALL_BIND, EADDRINUSE),
    OURS("bind_EACCES", CALL_BIND, EACCES),
    OURS("listen", CALL_LISTEN, EADDRINUSE),
    OURS("connect_ECONNREFUSED", CALL_CONNECT, ECONNREFUSED),
    FLEETING("connect_EINTR", CALL_CONNECT, EINTR),
    FLEETING("connect_EAGAIN", CALL_CONNECT, EAGAIN),
    OURS("connect_ENETUNREACH", CALL_CONNECT, ENETUNREACH),
    OURS("getsockname", CALL_GETSOCKNAME, ENOBUFS),
    OURS("getpeername", CALL_GETPEERNAME, ENOTCONN),
    OURS("setsockopt", CALL_SETSOCKOPT, ENOBUFS),
    OURS("getsockopt", CALL_GETSOCKOPT, ENOBUFS),
    OURS("shutdown", CALL_SHUTDOWN, ENOTCONN),

    FLEETING("recv_EINTR", CALL_RECV, EINTR),
    FLEETING("recv_EAGAIN", CALL_RECV, EAGAIN),
    OURS("recv_ECONNRESET", CALL_RECV, ECONNRESET),
    OURS("recv_ENOMEM", CALL_RECV, ENOMEM),
    OURS("recv_short", CALL_RECV, FAULT_SHORT),
    FLEETING("send_EINTR", CALL_SEND, EINTR),
    FLEETING("send_EAGAIN", CALL_SEND, EAGAIN),
    OURS("send_EPIPE", CALL_SEND, EPIPE),
    OURS("send_ENOBUFS", CALL_SEND, ENOBUFS),
    OURS("send_short", CALL_SEND, FAULT_SHORT),
    FLEETING("sendmsg_EINTR", CALL_SENDMSG, EINTR),
    FLEETING("sendmsg_EAGAIN", CALL_SENDMSG, EAGAIN),
    OURS("sendmsg_EPIPE", CALL_SENDMSG, EPIPE),
    FLEETING("sendmsg_ENOBUFS", CALL_SENDMSG, ENOBUFS),
    OURS("sendmsg_short", CALL_SENDMSG, FAULT_SHORT),
    FLEETING("recvmsg_EINTR", CALL_RECVMSG, EINTR),
    FLEETING("recvmsg_EAGAIN", CALL_RECVMSG, EAGAIN),
    OURS("recvmsg_ECONNRESET", CALL_RECVMSG, ECONNRESET),
    OURS("recvmsg_EMFILE", CALL_RECVMSG, EMFILE),
    OURS("recvmsg_short", CALL_RECVMSG, FAULT_SHORT),
    FLEETING("recvmmsg_EINTR", CALL_RECVMMSG, EINTR),
    FLEETING("recvmmsg_EAGAIN", CALL_RECVMMSG, EAGAIN),
    OURS("recvmmsg_ECONNREFUSED", CALL_RECVMMSG, ECONNREFUSED),
    OURS("recvmmsg_ENOMEM", CALL_RECVMMSG, ENOMEM),
    FLEETING("sendmmsg_EINTR", CALL_SENDMMSG, EINTR),
    FLEETING("sendmmsg_EAGAIN", CALL_SENDMMSG, EAGAIN),
    OURS("sendmmsg_ENETUNREACH", CALL_SENDMMSG, ENETUNREACH),
    FLEETING("sendmmsg_ENOBUFS", CALL_SENDMMSG, ENOBUFS),
    FLEETING("sendfile_EINTR", CALL_SENDFILE, EINTR),
    FLEETING("sendfile_EAGAIN", CALL_SENDFILE, EAGAIN),
    OURS("sendfile_EIO", CALL_SENDFILE, EIO),
    OURS("sendfile_EINVAL", CALL_SENDFILE, EINVAL),
    OURS("sendfile_short", CALL_SENDFILE, FAULT_SHORT),

    FLEETING("read_EINTR", CALL_READ, EINTR),
    FLEETING("read_EAGAIN", CALL_READ, EAGAIN),
    OURS("read_EIO", CALL_READ, EIO),
    OURS("read_short", CALL_READ, FAULT_SHORT),
    FLEETING("write_EINTR", CALL_WRITE, EINTR),
    FLEETING("write_EAGAIN", CALL_WRITE, EAGAIN),
    OURS("write_EIO", CALL_WRITE, EIO),
    OURS("write_short", CALL_WRITE, FAULT_SHORT),
    FLEETING("writev_EINTR", CALL_WRITEV, EINTR),
    FLEETING("writev_EAGAIN", CALL_WRITEV, EAGAIN),
    OURS("writev_EPIPE", CALL_WRITEV, EPIPE),
    OURS("writev_ENOSPC", CALL_WRITEV, ENOSPC),
    OURS("writev_short", CALL_WRITEV, FAULT_SHORT),
    FLEETING("pread_EINTR", CALL_PREAD, EINTR),
    OURS("pread_EIO", CALL_PREAD, EIO),
    OURS("pread_short", CALL_PREAD, FAULT_SHORT),
    FLEETING("pwrite_EINTR", CALL_PWRITE, EINTR),
    OURS("pwrite_ENOSPC", CALL_PWRITE, ENOSPC),
    OURS("pwrite_short", CALL_PWRITE, FAULT_SHORT),
    FLEETING("poll_EINTR", CALL_POLL, EINTR),
    OURS("poll_ENOMEM", CALL_POLL, ENOMEM),
    FLEETING("futex_EINTR", CALL_FUTEX, EINTR),

    OURS("clone_EAGAIN", CALL_CLONE, EAGAIN),
    OURS("clone_ENOMEM", CALL_CLONE, ENOMEM),
    OURS("posix_spawn_EAGAIN", CALL_SPAWN, EAGAIN),
    OURS("posix_spawn_ENOMEM", CALL_SPAWN, ENOMEM),
    OURS("posix_spawn_file_actions", CALL_SPAWN_ACTIONS, ENOMEM),
    FLEETING("waitid_EINTR", CALL_WAITID, EINTR),
    FLEETING("waitpid_EINTR", CALL_WAITPID, EINTR),
    OURS("pidfd_open_EMFILE", CALL_PIDFD_OPEN, EMFILE),
    OURS("pidfd_open_ENOSYS", CALL_PIDFD_OPEN, ENOSYS),
    FLEETING("sigtimedwait", CALL_SIGTIMEDWAIT, EINTR),

    OURS("getaddrinfo_MEMORY", CALL_GETADDRINFO, EAI_MEMORY),
    OURS("getaddrinfo_AGAIN", CALL_GETADDRINFO, EAI_AGAIN),
    OURS("getaddrinfo_SYSTEM", CALL_GETADDRINFO, EAI_SYSTEM),
    OURS("open", CALL_OPEN, EMFILE),
    OURS("stat", CALL_STAT, ENOMEM),
    OURS("lstat", CALL_LSTAT, EACCES),
    OURS("fstat", CALL_FSTAT, ENOMEM),
    OURS("readlink", CALL_READLINK, ENOENT),
    OURS("realpath", CALL_REALPATH, ENOMEM),
    OURS("chmod", CALL_CHMOD, EPERM),
    OURS("link", CALL_LINK, EMLINK),
    OURS("rename", CALL_RENAME, EACCES),
    OURS("unlink", CALL_UNLINK, EACCES),
    OURS("posix_openpt", CALL_PTY, EMFILE),
    OURS("dlopen", CALL_DLOPEN, ENOMEM),
    OURS("fopen", CALL_FOPEN, EMFILE),

    NATIVE("epoll_create1", CALL_EPOLL_CREATE, EMFILE),
    FLEETING_NATIVE("epoll_ctl_ENOMEM", CALL_EPOLL_CTL, ENOMEM),
    FLEETING_NATIVE("epoll_ctl_ENOSPC", CALL_EPOLL_CTL, ENOSPC),
    FLEETING_NATIVE("epoll_wait_EINTR", CALL_EPOLL_WAIT, EINTR),
};

const int fault_entry_count = sizeof fault_entries / sizeof fault_entries[0];
