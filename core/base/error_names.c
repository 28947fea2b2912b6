/*
 * error_names.c: what the system's codes are called. Codes come unchanged from the system, so all
 * of its names are here, and not those alone that the library returns itself. Any thread.
 */
#include <interloop/base.h>

#include <errno.h>

#define NAME(code)          \
	{                   \
		code, #code \
	}

/* Of two names of one code the first counts. */
static const struct {
	int code;
	const char *name;
} names[] = {
    /* POSIX.1-2008 */
    NAME(E2BIG),
    NAME(EACCES),
    NAME(EADDRINUSE),
    NAME(EADDRNOTAVAIL),
    NAME(EAFNOSUPPORT),
    NAME(EAGAIN),
    NAME(EALREADY),
    NAME(EBADF),
    NAME(EBADMSG),
    NAME(EBUSY),
    NAME(ECANCELED),
    NAME(ECHILD),
    NAME(ECONNABORTED),
    NAME(ECONNREFUSED),
    NAME(ECONNRESET),
    NAME(EDEADLK),
    NAME(EDESTADDRREQ),
    NAME(EDOM),
    NAME(EDQUOT),
    NAME(EEXIST),
    NAME(EFAULT),
    NAME(EFBIG),
    NAME(EHOSTUNREACH),
    NAME(EIDRM),
    NAME(EILSEQ),
    NAME(EINPROGRESS),
    NAME(EINTR),
    NAME(EINVAL),
    NAME(EIO),
    NAME(EISCONN),
    NAME(EISDIR),
    NAME(ELOOP),
    NAME(EMFILE),
    NAME(EMLINK),
    NAME(EMSGSIZE),
    NAME(EMULTIHOP),
    NAME(ENAMETOOLONG),
    NAME(ENETDOWN),
    NAME(ENETRESET),
    NAME(ENETUNREACH),
    NAME(ENFILE),
    NAME(ENOBUFS),
    NAME(ENODATA),
    NAME(ENODEV),
    NAME(ENOENT),
    NAME(ENOEXEC),
    NAME(ENOLCK),
    NAME(ENOLINK),
    NAME(ENOMEM),
    NAME(ENOMSG),
    NAME(ENOPROTOOPT),
    NAME(ENOSPC),
    NAME(ENOSYS),
    NAME(ENOTCONN),
    NAME(ENOTDIR),
    NAME(ENOTEMPTY),
    NAME(ENOTRECOVERABLE),
    NAME(ENOTSOCK),
    NAME(ENOTSUP),
    NAME(ENOTTY),
    NAME(ENXIO),
    NAME(EOPNOTSUPP),
    NAME(EOVERFLOW),
    NAME(EOWNERDEAD),
    NAME(EPERM),
    NAME(EPIPE),
    NAME(EPROTO),
    NAME(EPROTONOSUPPORT),
    NAME(EPROTOTYPE),
    NAME(ERANGE),
    NAME(EROFS),
    NAME(ESPIPE),
    NAME(ESRCH),
    NAME(ESTALE),
    NAME(ETIMEDOUT),
    NAME(ETXTBSY),
    NAME(EWOULDBLOCK),
    NAME(EXDEV),
    /* what every system with sockets has besides */
    NAME(EHOSTDOWN),
    NAME(ENOTBLK),
    NAME(EPFNOSUPPORT),
    NAME(EREMOTE),
    NAME(ESHUTDOWN),
    NAME(ESOCKTNOSUPPORT),
    NAME(ETOOMANYREFS),
    NAME(EUSERS),
#ifdef __linux__
    NAME(EADV),
    NAME(EBADE),
    NAME(EBADFD),
    NAME(EBADR),
    NAME(EBADRQC),
    NAME(EBADSLT),
    NAME(EBFONT),
    NAME(ECHRNG),
    NAME(ECOMM),
    NAME(EDOTDOT),
    NAME(EHWPOISON),
    NAME(EISNAM),
    NAME(EKEYEXPIRED),
    NAME(EKEYREJECTED),
    NAME(EKEYREVOKED),
    NAME(EL2HLT),
    NAME(EL2NSYNC),
    NAME(EL3HLT),
    NAME(EL3RST),
    NAME(ELIBACC),
    NAME(ELIBBAD),
    NAME(ELIBEXEC),
    NAME(ELIBMAX),
    NAME(ELIBSCN),
    NAME(ELNRNG),
    NAME(EMEDIUMTYPE),
    NAME(ENAVAIL),
    NAME(ENOANO),
    NAME(ENOCSI),
    NAME(ENOKEY),
    NAME(ENOMEDIUM),
    NAME(ENONET),
    NAME(ENOPKG),
    NAME(ENOSR),
    NAME(ENOSTR),
    NAME(ENOTNAM),
    NAME(ENOTUNIQ),
    NAME(EREMCHG),
    NAME(EREMOTEIO),
    NAME(ERESTART),
    NAME(ERFKILL),
    NAME(ESRMNT),
    NAME(ESTRPIPE),
    NAME(ETIME),
    NAME(EUCLEAN),
    NAME(EUNATCH),
    NAME(EXFULL),
#ifdef EDEADLOCK /* on few processors a code of its own */
    NAME(EDEADLOCK),
#endif
#endif
};

const char *il_error_name(int rc)
{
	if (rc >= 0)
		return "OK";
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].code == -(int64_t)rc)
			return names[i].name;
	return "unknown";
}
