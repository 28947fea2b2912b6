/*
 * list.h: lists of which any node can be taken out: calls of a pool (pool.h), jobs of a worker program (worker.h). Whoever owns the
 * list.
 */
#ifndef IL_CORE_REMOTE_LIST_H
#define IL_CORE_REMOTE_LIST_H

/* In what is listed. */
struct il__remote_node {
	struct il__remote_node *next, **at; /* at: what points to it */
	struct il__remote_list *list;       /* NULL: none */
};

struct il__remote_list {
	struct il__remote_node *first, **last;
	struct il__remote_node *put; /* what was put before another one last, while it is here */
};

void il__remote_list_init(struct il__remote_list *list);
void il__remote_list_push(struct il__remote_list *list, struct il__remote_node *node);
void il__remote_list_push_front(struct il__remote_list *list, struct il__remote_node *node);
void il__remote_list_insert(struct il__remote_node *before, struct il__remote_node *node);
void il__remote_list_remove(struct il__remote_node *node);
/* NULL: it is empty. */
struct il__remote_node *il__remote_list_last(const struct il__remote_list *list);
/* NULL: it is the first. */
struct il__remote_node *il__remote_list_before(const struct il__remote_node *node);

#endif
