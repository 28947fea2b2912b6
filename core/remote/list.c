/*
 * list.c: see list.h.
 */
#include "list.h"

#include <stddef.h>

void il__remote_list_init(struct il__remote_list *list)
{
	list->first = list->put = NULL;
	list->last = &list->first;
}

void il__remote_list_push(struct il__remote_list *list, struct il__remote_node *node)
{
	node->next = NULL;
	node->list = list;
	node->at = list->last;
	*list->last = node;
	list->last = &node->next;
}

void il__remote_list_push_front(struct il__remote_list *list, struct il__remote_node *node)
{
	node->next = list->first;
	node->list = list;
	node->at = &list->first;
	list->first = node;
	if (node->next)
		node->next->at = &node->next;
	else
		list->last = &node->next;
}

void il__remote_list_insert(struct il__remote_node *before, struct il__remote_node *node)
{
	node->next = before;
	node->at = before->at;
	*before->at = node;
	before->at = &node->next;
	node->list = before->list;
	node->list->put = node;
}

struct il__remote_node *il__remote_list_last(const struct il__remote_list *list)
{
	return list->first ? (struct il__remote_node *)(void *)list->last : NULL; /* its `next` */
}

struct il__remote_node *il__remote_list_before(const struct il__remote_node *node)
{
	return node->at == &node->list->first ? NULL : (struct il__remote_node *)(void *)node->at;
}

void il__remote_list_remove(struct il__remote_node *node)
{
	*node->at = node->next;
	if (node->next)
		node->next->at = node->at;
	else
		node->list->last = node->at;
	if (node->list->put == node)
		node->list->put = NULL;
	node->list = NULL;
}
