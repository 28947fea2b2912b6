/*
 * task_name.c: what a task is called, by people and by those who must tell it from others. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/escape.h"
#include "loop.h"
#include "task.h"
#include "thread_state.h"

#include <stdio.h>

const char *il_task_name(void)
{
	il_loop *loop = il__self.loop;

	return loop && loop->current ? loop->current->base->name : NULL;
}

void il__task_set_name(il_task *task, const char *name)
{
	struct il__task_base *base = task->base;

	snprintf(base->name, sizeof base->name, "%.*s",
		 il__text_within(name, sizeof base->name - 1), name);
}

const char *il__task_title(const il_task *task, char room[IL__TASK_TITLE])
{
	if (task->base->name[0])
		return task->base->name;
	if (task->base->is_main)
		return "main";
	snprintf(room, IL__TASK_TITLE, "task %u", task->stack.number);
	return room;
}

const void *il__identity_new(void)
{
	static atomic_uintptr_t last = UINTPTR_MAX / 2;
	uintptr_t identity;

	do
		identity = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	while (!identity); /* NULL is nobody's */
	return (const void *)identity;
}

const void *il__task_identity(il_task *task)
{
	if (!task->base->identity)
		task->base->identity = il__identity_new();
	return task->base->identity;
}

int il_task_set_name(const char *name)
{
	int rc;
	il_task *task = il__task_current("il_task_set_name", &rc);

	if (!task)
		return rc;
	if (!name)
		return il__refuse(-EINVAL, "il_task_set_name: name is NULL");
	il__task_set_name(task, name);
	task->base->traced = 0;
	return 0;
}
