/*
 * datagram_options.h: what il_datagram_options ask for. Any thread.
 */
#ifndef IL_CORE_IO_DATAGRAM_OPTIONS_H
#define IL_CORE_IO_DATAGRAM_OPTIONS_H

#include <interloop/datagram.h>

/* 0, or what is wrong with them; NULL is the defaults. Before anything is made; the family AF_UNSPEC: of IP. */
int il__datagram_check_options(const il_datagram_options *o, int family, const char *function);
/* Sets them on a socket that is not bound yet. */
int il__datagram_set_options(int fd, int family, const il_datagram_options *o,
			     const char *function);

#endif
