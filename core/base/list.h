/*
 * list.h: intrusive doubly linked lists; an unlinked node points to itself.
 */
#ifndef IL_CORE_BASE_LIST_H
#define IL_CORE_BASE_LIST_H

#include "base.h"

struct il__list {
	struct il__list *prev, *next;
};

#define il__list_each(node, list) \
	for (struct il__list *node = (list)->next; node != (list); node = node->next)
#define il__list_each_safe(node, list)                                                        \
	for (struct il__list *node = (list)->next, *node##_next = node->next; node != (list); \
	     node = node##_next, node##_next = node->next)

static inline void il__list_init(struct il__list *l)
{
	l->prev = l->next = l;
}

static inline bool il__list_empty(const struct il__list *l)
{
	return l->next == l;
}

static inline size_t il__list_length(const struct il__list *l)
{
	size_t n = 0;

	il__list_each (node, l)
		n++;
	return n;
}

/* Before `at`: the end of the list when `at` is its head. */
static inline void il__list_push(struct il__list *at, struct il__list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

/* After `at`: the front of the list when `at` is its head. */
static inline void il__list_push_front(struct il__list *at, struct il__list *node)
{
	il__list_push(at->next, node);
}

static inline void il__list_remove(struct il__list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->prev = node->next = node;
}

static inline struct il__list *il__list_pop(struct il__list *l)
{
	struct il__list *node = l->next;

	if (node == l)
		return NULL;
	il__list_remove(node);
	return node;
}

/* Moves all of `from` to the end of `to`. */
static inline void il__list_splice(struct il__list *to, struct il__list *from)
{
	if (il__list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	il__list_init(from);
}

#endif
