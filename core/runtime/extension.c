/*
 * extension.c: what floors above keep with a loop. A loop has a handful of them. Loop's thread only.
 */
#include "extension.h"
#include "../base/base.h"
#include "../base/list.h"
#include "loop.h"

void il__loop_extend(il_loop *loop, struct il__extension *x, const struct il__extension_ops *ops)
{
	x->ops = ops;
	il__list_push(&loop->extensions, &x->link);
}

struct il__extension *il__loop_extension(const il_loop *loop, const struct il__extension_ops *ops)
{
	const struct il__list *list = &loop->extensions;

	for (struct il__list *node = list->next; node != list; node = node->next) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		if (x->ops == ops)
			return x;
	}
	return NULL;
}

void il__extensions_cut(const struct il__cancel_scope *host)
{
	il__list_each (node, &host->loop->extensions) {
		struct il__extension *x = il__container_of(node, struct il__extension, link);
		if (x->ops->cut)
			x->ops->cut(x, host);
	}
}
