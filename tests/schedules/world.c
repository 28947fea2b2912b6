/*
 * world.c: the objects, and the rules that hold for them: what is handed over is never kept from somebody who waits,
 * an item comes out once or was refused, no time passes that nobody asked for.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct world world;

void broken(const char *format, ...)
{
	va_list arguments;

	printf("broken: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static void must(int rc, const char *what)
{
	if (rc < 0)
		broken("%s: %s", what, il_error_detail());
}

void world_open(const struct program *p)
{
	unsigned flags = p->fast ? IL_FAST_ACQUIRE : 0;

	memset(&world, 0, sizeof world);
	world.program = p;
	must(il_lock_create_with(&world.lock, flags), "lock");
	must(il_lock_create_with(&world.condition_lock, flags), "condition's lock");
	must(il_condition_create(&world.condition, world.condition_lock), "condition");
	must(il_semaphore_create_with(&world.semaphore, p->permits, p->permits, flags),
	     "semaphore");
	must(il_limiter_create(&world.limiter, p->tokens), "limiter");
	must(il_event_create(&world.event), "event");
	must(il_channel_create(&world.sender, &world.receiver, sizeof(int), p->capacity),
	     "channel");
	must(il_future_create(&world.future), "future");
}

void world_close(void)
{
	il_condition_destroy(world.condition);
	il_lock_destroy(world.condition_lock);
	il_lock_destroy(world.lock);
	il_semaphore_destroy(world.semaphore);
	il_limiter_destroy(world.limiter);
	il_event_destroy(world.event);
	il_sender_destroy(world.sender);
	il_receiver_destroy(world.receiver);
	il_future_unref(world.future);
}

/* ---- rules ---- */

static void check_channel(void)
{
	il_channel_statistics c = il_receiver_get_statistics(world.receiver);

	if (c.waiting_receivers && (c.buffered || c.waiting_senders))
		broken("%zu wait to receive, %zu items are there, %zu wait to send",
		       c.waiting_receivers, c.buffered, c.waiting_senders);
	if (c.waiting_senders && c.buffered < c.max)
		broken("%zu wait to send, there is room for %zu", c.waiting_senders,
		       c.max - c.buffered);
	if (c.buffered > c.max)
		broken("%zu items where %zu have room", c.buffered, c.max);
}

static void check_lock(const il_lock *lock, const char *name)
{
	il_lock_statistics l = il_lock_get_statistics(lock);

	if (l.waiting && !l.locked)
		broken("%zu wait for the %s, which is free", l.waiting, name);
	if (l.broken)
		broken("the owner of the %s ended", name);
}

void world_check(void)
{
	il_semaphore_statistics s = il_semaphore_get_statistics(world.semaphore);
	il_limiter_statistics l = il_limiter_get_statistics(world.limiter);

	check_channel();
	check_lock(world.lock, "lock");
	check_lock(world.condition_lock, "condition's lock");
	if (s.waiting && s.value)
		broken("%zu wait for one of %zu free permits", s.waiting, s.value);
	if (s.value + (size_t)world.permits > s.max)
		broken("%zu permits are free, %d are taken, of %zu", s.value, world.permits, s.max);
	if (l.waiting && l.borrowed < l.total)
		broken("%zu wait for a token, %zu of %zu are borrowed", l.waiting, l.borrowed,
		       l.total);
}

int check_wait(int rc, const char *call)
{
	il_time deadline = il_effective_deadline();

	if (rc == -ECANCELED && il_check_cancelled() != -ECANCELED)
		broken("%s returned -ECANCELED, and nothing is cancelled", call);
	if (rc >= 0 && deadline > 0 && il_now() > deadline)
		broken("%s went on after the deadline", call);
	return rc;
}

/* ---- items ---- */

int item_offer(void)
{
	if (world.items == ITEMS_MAX)
		return -1;
	world.item[world.items] = OFFERED;
	world.item_offered[world.items] = il_now();
	return world.items++;
}

void item_sent(int item, int rc)
{
	world.item[item] |= rc == 0 ? ACCEPTED : REFUSED;
	if ((world.item[item] & (REFUSED | RECEIVED)) == (REFUSED | RECEIVED))
		broken("item %d was received, and its sender was told %s", item, il_error_name(rc));
}

/* since: when the receiver began to wait. */
void item_received(int item, il_time since)
{
	if (item < 0 || item >= world.items)
		broken("an item that nobody sent: %d", item);
	if (world.item[item] & (RECEIVED | REFUSED))
		broken("item %d came %s", item,
		       world.item[item] & RECEIVED ? "twice" : "though it was refused");
	world.item[item] |= RECEIVED;
	if (il_now() != since && il_now() != world.item_offered[item])
		broken("item %d came late", item);
}

static void drain(void)
{
	int item;

	while (il_channel_receive_nowait(world.receiver, &item) == 1)
		item_received(item, il_now());
}

void world_check_end(void)
{
	world_check();
	if (world.tasks_begun != world.tasks_ended)
		broken("%d tasks began, %d ended", world.tasks_begun, world.tasks_ended);
	if (il_lock_locked(world.lock) || il_lock_locked(world.condition_lock))
		broken("a lock is still held");
	if (il_semaphore_value(world.semaphore) != world.program->permits)
		broken("%zu permits are left of %d", il_semaphore_value(world.semaphore),
		       world.program->permits);
	if (il_limiter_borrowed(world.limiter))
		broken("%zu tokens are still borrowed", il_limiter_borrowed(world.limiter));
	drain();
	for (int i = 0; i < world.items; i++)
		if ((world.item[i] & ACCEPTED) && !(world.item[i] & RECEIVED))
			broken("item %d was sent, and never came", i);
}
