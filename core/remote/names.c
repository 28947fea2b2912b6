/*
 * names.c: the names that a pool's calls have on the servers, and which of them a worker of a server has. Entries are added under
 * the pool's lock and stay.
 */
#include "pool.h"

#include <interloop/function.h>

#include <stdlib.h>
#include <string.h>

static struct il__remote_name *name_find(struct il__remote_name *n, const char *text, size_t size)
{
	while (n && (n->size != size || memcmp(n->text, text, size) != 0))
		n = n->next;
	return n;
}

static struct il__remote_name *name_add(struct il__remote_pool *pool, const char *text)
{
	size_t size = strlen(text), servers = pool->server_count * sizeof(struct il__remote_at);
	struct il__remote_name *n = calloc(1, sizeof *n + servers + size + 1);

	if (!n)
		return NULL;
	for (size_t i = 0; i < pool->server_count; i++)
		il__remote_list_init(&n->at[i].put_off);
	n->text = memcpy((char *)n->at + servers, text, size);
	n->size = size;
	n->next = pool->names;
	pool->names = n;
	return n;
}

struct il__remote_name *il__remote_name_of(struct il__remote_pool *pool, const char *function)
{
	const char *prefix = pool->prefix ? pool->prefix : "";
	char text[IL__REMOTE_PREFIX_MAX + IL_FUNCTION_NAME_MAX + 1];
	size_t skip = strlen(prefix), size = strlen(function);
	struct il__remote_name *n;

	memcpy(text, prefix, skip);
	memcpy(text + skip, function, size + 1);
	n = name_find(pool->names, text, skip + size);
	return n ? n : name_add(pool, text);
}

/* The name, how many jobs, how many run, how many workers, with tabs between them. */
void il__remote_name_seen(struct il__remote_pool *pool, size_t server, const char *line)
{
	const char *tab = strchr(line, '\t'), *workers = strrchr(line, '\t');
	struct il__remote_name *n;

	if (!tab || strtol(workers + 1, NULL, 10) <= 0)
		return;
	pthread_mutex_lock(&pool->lock);
	n = name_find(pool->names, line, (size_t)(tab - line));
	pthread_mutex_unlock(&pool->lock);
	if (n)
		n->at[server].served = il__remote_clock(&pool->servers[server].connection);
}
