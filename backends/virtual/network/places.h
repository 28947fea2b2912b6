/*
 * places.h: addresses and ports on a simulated network. An address is one of IPv6; those of IPv4 are mapped into it, so
 * that whatever compares addresses need not ask for a family. No state.
 */
#ifndef IL_VIRTUAL_NETWORK_PLACES_H
#define IL_VIRTUAL_NETWORK_PLACES_H

#include <stdbool.h>
#include <stdint.h>

struct il__sim_ip {
	uint64_t high, low; /* in the host's byte order */
};

/* Whose address and port; in the host's byte order. */
struct il__sim_place {
	struct il__sim_ip ip;
	uint16_t port;
};

#define IL__SIM_IPV4_MAPPED UINT64_C(0xffff00000000)

static inline struct il__sim_ip il__sim_ipv4(uint32_t number)
{
	return (struct il__sim_ip){0, IL__SIM_IPV4_MAPPED | number};
}

static inline bool il__sim_is_ipv4(struct il__sim_ip ip)
{
	return !ip.high && ip.low >> 32 == IL__SIM_IPV4_MAPPED >> 32;
}

static inline bool il__sim_is_same(struct il__sim_ip a, struct il__sim_ip b)
{
	return a.high == b.high && a.low == b.low;
}

/* Any address of a family, and what such a host calls itself. */
static inline struct il__sim_ip il__sim_any(bool ipv4)
{
	return ipv4 ? il__sim_ipv4(0) : (struct il__sim_ip){0, 0};
}

static inline struct il__sim_ip il__sim_loopback(bool ipv4)
{
	return ipv4 ? il__sim_ipv4(0x7f000001) : (struct il__sim_ip){0, 1};
}

static inline bool il__sim_is_any(struct il__sim_ip ip)
{
	return il__sim_is_same(ip, il__sim_any(il__sim_is_ipv4(ip)));
}

static inline bool il__sim_is_loopback(struct il__sim_ip ip)
{
	return il__sim_is_ipv4(ip) ? (uint32_t)ip.low >> 24 == 127
				   : il__sim_is_same(ip, il__sim_loopback(false));
}

static inline bool il__sim_is_broadcast(struct il__sim_ip ip)
{
	return il__sim_is_same(ip, il__sim_ipv4(UINT32_MAX));
}

/* Multicast. */
static inline bool il__sim_is_group(struct il__sim_ip ip)
{
	return il__sim_is_ipv4(ip) ? (uint32_t)ip.low >> 28 == 14 : ip.high >> 56 == 0xff;
}

/* Whether it means any number of hosts. */
static inline bool il__sim_is_many(struct il__sim_ip ip)
{
	return il__sim_is_group(ip) || il__sim_is_broadcast(ip);
}

#endif
