/*
 * udp_table.c: a UDP server's peers by their addresses: a hash table of chains that grows with the peers, of which
 * there are as many as the server may have clients. Whoever sends may choose the address that it claims, so the hash
 * is keyed (SipHash-1-3): nobody can fill one chain. Loop's thread only.
 */
#include "../base/memory.h"
#include "../base/os.h"
#include "udp.h"

#include <unistd.h>

enum { FIRST_PLACES = 64 };

/* ---- the hash ---- */

static uint64_t udp_rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void udp_mix(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = udp_rotate(v[1], 13) ^ v[0];
	v[0] = udp_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = udp_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = udp_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = udp_rotate(v[1], 17) ^ v[2];
	v[2] = udp_rotate(v[2], 32);
}

static uint64_t udp_hash(const uint64_t secret[2], const struct il__udp_key *key)
{
	uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
			 secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};

	for (int i = 0; i < 3; i++) {
		v[3] ^= key->words[i];
		udp_mix(v);
		v[0] ^= key->words[i];
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		udp_mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void il__udp_key_of(struct il__udp_key *key, const struct sockaddr *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	if (address->sa_family == AF_INET) {
		memcpy(&ipv4, address, sizeof ipv4);
		*key = (struct il__udp_key){{ipv4.sin_addr.s_addr, 0, ipv4.sin_port}};
	} else {
		memcpy(&ipv6, address, sizeof ipv6);
		memcpy(key->words, &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
		key->words[2] = (uint64_t)ipv6.sin6_scope_id << 16 | ipv6.sin6_port;
	}
}

/* ---- the table ---- */

int il__udp_table_init(struct il__udp *u)
{
	const struct il__udp_key clock = {{(uint64_t)il__os_now(), (uint64_t)getpid(), 0}};
	const uint64_t places[2] = {(uintptr_t)u, (uintptr_t)&clock};

	u->secret[0] = udp_hash(places, &clock);
	u->secret[1] = udp_hash(u->secret, &clock);
	u->places = FIRST_PLACES;
	u->table = il__calloc(u->places, sizeof(struct il__udp_peer *));
	return u->table ? 0 : -ENOMEM;
}

static struct il__udp_peer **udp_place(const struct il__udp *u, const struct il__udp_key *key)
{
	return &u->table[udp_hash(u->secret, key) & (u->places - 1)];
}

struct il__udp_peer *il__udp_find(const struct il__udp *u, const struct il__udp_key *key)
{
	struct il__udp_peer *p = *udp_place(u, key);

	while (p && memcmp(&p->key, key, sizeof *key) != 0)
		p = p->next;
	return p;
}

static void udp_link(struct il__udp *u, struct il__udp_peer *p)
{
	struct il__udp_peer **place = udp_place(u, &p->key);

	p->next = *place;
	*place = p;
}

/* Without memory it stays as it is, with longer chains. */
static void udp_grow(struct il__udp *u)
{
	struct il__udp_peer **before = u->table;
	size_t places = u->places;

	u->table = il__calloc(places * 2, sizeof(struct il__udp_peer *));
	if (!u->table) {
		u->table = before;
		return;
	}
	u->places = places * 2;
	for (size_t i = 0; i < places; i++)
		for (struct il__udp_peer *p = before[i], *next; p; p = next) {
			next = p->next;
			udp_link(u, p);
		}
	il__free(before);
}

void il__udp_insert(struct il__udp *u, struct il__udp_peer *p)
{
	if (++u->peers > u->places)
		udp_grow(u);
	udp_link(u, p);
}

void il__udp_remove(struct il__udp *u, struct il__udp_peer *p)
{
	struct il__udp_peer **place = udp_place(u, &p->key);

	while (*place != p)
		place = &(*place)->next;
	*place = p->next;
	u->peers--;
}
