/*
 * host.c: the hosts of a loop: whose a task is, and when the last of them has ended. Loop's thread only.
 */
#include "host.h"
#include "../base/base.h"
#include "loop.h"
#include "task.h"

struct il__host *il__host_of(const struct il__cancel_scope *scope)
{
	while (scope && !scope->of_host)
		scope = scope->parent;
	return scope ? il__container_of((struct il__cancel_scope *)(uintptr_t)scope,
					struct il__host, scope)
		     : NULL;
}

struct il__host *il__host_here(const il_loop *loop)
{
	const bool plain = !loop->current || il__self.no_wait >= IL__PLAIN_CALL;

	return il__host_of(plain ? il__self.scope : loop->current->scope);
}

struct il__cancel_scope *il__host_scope(il_loop *loop)
{
	struct il__host *host = loop->network ? il__host_here(loop) : NULL;

	return host ? &host->scope : &loop->scope;
}

void il__host_joined(struct il__cancel_scope *scope)
{
	if (scope->of_host)
		il__host_of(scope)->roots++;
}

void il__host_left(struct il__cancel_scope *scope)
{
	struct il__host *host = scope->of_host ? il__host_of(scope) : NULL;

	if (host && --host->roots == 0 && host->left)
		host->left(host);
}

void il__host_task_left(il_task *root, int rc)
{
	(void)rc;
	il__host_left(root->base->parent_scope);
}
