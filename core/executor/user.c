/*
 * user.c: the life of an executor of the user's own. Its memory stays while there are calls without an answer; the user's
 * `destroy` is called when the executor is gone, and no thread is in `withdraw` or `kill`. Any thread.
 */
#include "user.h"
#include "../base/guard.h"
#include "../base/memory.h"
#include "../base/sanitizer.h"

void il__user_unref(struct il__user *user)
{
	if (!il__drop_reference(&user->refs))
		return;
	pthread_mutex_destroy(&user->lock);
	il__free(user->spare);
	il__free(user->executor);
	il__free(user);
}

void il__user_enter(struct il__user *user)
{
	user->visits++;
	atomic_fetch_add_explicit(&user->refs, 1, memory_order_relaxed);
}

static void user_destroy_self(struct il__user *user)
{
	if (user->ops.destroy)
		IL__GUARDED(user->ops.destroy(user->self));
}

void il__user_leave(struct il__user *user)
{
	bool last;

	pthread_mutex_lock(&user->lock);
	last = --user->visits == 0 && user->released;
	pthread_mutex_unlock(&user->lock);
	if (last)
		user_destroy_self(user);
	il__user_unref(user);
}

void il__user_release(struct il__user *user)
{
	bool last;

	pthread_mutex_lock(&user->lock);
	user->released = true;
	last = user->visits == 0;
	pthread_mutex_unlock(&user->lock);
	if (last)
		user_destroy_self(user);
	il__user_unref(user);
}
