/*
 * address.h: socket addresses.
 */
#ifndef IL_CORE_IO_ADDRESS_H
#define IL_CORE_IO_ADDRESS_H

#include <interloop/stream.h>

/* Fills in a Unix address; -EINVAL or -ENAMETOOLONG. */
int il__address_unix(il_address *address, const char *path, const char *function);
/* "@name": a socket without a file. */
bool il__path_is_abstract(const char *path);
/* Makes ::ffff:1.2.3.4 1.2.3.4; leaves others alone. */
void il__address_unmap(il_address *address);
bool il__address_equal(const il_address *a, const il_address *b);
/* port.c: 0 for a number up to 65535, for what may be a service's name, and for NULL. */
int il__port_check(const char *port, const char *function);
void il__address_set_port(il_address *address, uint16_t port);

#endif
