/*
 * inbox.c: how other threads reach a loop: a stack of messages that the loop takes whole, and a
 * descriptor that wakes it once a burst. Outlives its loop, by references.
 *
 * head     any thread pushes (release), the loop takes (acquire); CLOSED refuses forever.
 * asleep   the loop sets it before it goes to poll and then looks at head once more; a poster pushes and
 *          then looks at asleep. Both in the one order of seq_cst, so at least one sees the other. Who
 *          turns it to AWAKE writes the descriptor: one system call a burst. Only the poster that found
 *          the stack empty looks: the others follow one who does.
 *
 * GUARDED is asleep too, but the loop will look by itself after a moment (errand.c). A worker that has more calls to
 * finish may put its look off then, to the end of its burst; so everybody else looks while it is GUARDED.
 */
#include "inbox.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/sanitizer.h"

#define CLOSED ((struct il__message *)1)

enum { AWAKE, ASLEEP, GUARDED };

/* Has messages of this thread that its loop was not told of; a reference. */
static IL__THREAD_LOCAL struct il__inbox *inbox_unsent;

struct il__inbox {
	/* What is only read, or seldom written. */
	size_t limit;
	atomic_uint refs;
	unsigned generation;
	int fd[2];
	bool own_clock; /* its loop's */
	/* Lines of their own, for different threads write them all the time. */
	_Alignas(IL__LINE) _Atomic(struct il__message *) head;
	atomic_int asleep;
	_Alignas(IL__LINE) atomic_size_t reserved; /* places taken */
	_Alignas(IL__LINE) size_t handled; /* of those, not given back yet; the loop's thread's */
};

int il__inbox_create(struct il__inbox **out, size_t limit, bool own_clock)
{
	struct il__inbox *inbox = il__alloc_lines(sizeof *inbox);
	int rc;

	if (!inbox)
		return il__refuse(-ENOMEM, "il_loop: out of memory");
	atomic_init(&inbox->head, NULL);
	atomic_init(&inbox->asleep, ASLEEP); /* an adopted loop may poll before its first turn */
	atomic_init(&inbox->reserved, 0);
	atomic_init(&inbox->refs, 1);
	inbox->limit = limit;
	inbox->own_clock = own_clock;
	inbox->handled = 0;
	inbox->generation = il__generation;
	rc = il__os_wake_open(inbox->fd);
	if (rc < 0) {
		il__free_lines(inbox);
		return il__refuse(rc, "il_loop: no descriptor for wake-ups: %s",
				  il__lack_words(rc));
	}
	*out = inbox;
	return 0;
}

struct il__inbox *il__inbox_ref(struct il__inbox *inbox)
{
	atomic_fetch_add_explicit(&inbox->refs, 1, memory_order_relaxed);
	return inbox;
}

void il__inbox_unref(struct il__inbox *inbox)
{
	if (!il__drop_reference(&inbox->refs))
		return;
	il__os_wake_close(inbox->fd);
	il__free_lines(inbox);
}

bool il__inbox_own_clock(const struct il__inbox *inbox)
{
	return inbox->own_clock;
}

static bool someone_may_put_off(struct il__inbox *inbox)
{
	return atomic_load_explicit(&inbox->asleep, memory_order_relaxed) == GUARDED;
}

static void inbox_wake(struct il__inbox *inbox)
{
	if (atomic_load(&inbox->asleep) && atomic_exchange(&inbox->asleep, AWAKE))
		il__os_wake_write(inbox->fd[1]);
}

/* Gives a reference, whose holder is to look at `asleep`; NULL: another does. */
static int inbox_push(struct il__inbox *inbox, struct il__message *m, struct il__inbox **looks)
{
	struct il__message *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
	bool always = someone_may_put_off(inbox);
	int rc = 0;

	*looks = NULL;
	if (il__inherited(inbox->generation))
		return -ESHUTDOWN;
	il__released(inbox);
	do {
		if (head == CLOSED) {
			rc = -ESHUTDOWN;
			break;
		}
		/* Once the message is in, it may end whatever kept the inbox for us. */
		if ((!head || always) && !*looks)
			*looks = il__inbox_ref(inbox);
		m->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    &inbox->head, &head, m, memory_order_seq_cst, memory_order_relaxed));
	return rc;
}

int il__inbox_post(struct il__inbox *inbox, struct il__message *m)
{
	struct il__inbox *looks;
	int rc = inbox_push(inbox, m, &looks);

	if (looks) {
		if (rc == 0)
			inbox_wake(inbox);
		il__inbox_unref(looks);
	}
	return rc;
}

int il__inbox_post_soon(struct il__inbox *inbox, struct il__message *m)
{
	struct il__inbox *looks;
	int rc = inbox_push(inbox, m, &looks);

	if (!looks)
		return rc;
	if (rc == 0 && atomic_load(&inbox->asleep) == GUARDED) {
		if (inbox_unsent != inbox)
			il__inbox_send();
		if (!inbox_unsent) {
			inbox_unsent = looks;
			return 0;
		}
	} else if (rc == 0) {
		inbox_wake(inbox);
	}
	il__inbox_unref(looks);
	return rc;
}

void il__inbox_send(void)
{
	struct il__inbox *inbox = inbox_unsent;

	inbox_unsent = NULL;
	if (!inbox || il__inherited(inbox->generation))
		return;
	if (atomic_load_explicit(&inbox->head, memory_order_relaxed))
		inbox_wake(inbox);
	il__inbox_unref(inbox);
}

static void inbox_release_places(struct il__inbox *inbox)
{
	atomic_fetch_sub_explicit(&inbox->reserved, inbox->handled, memory_order_relaxed);
	inbox->handled = 0;
}

static int refuse_full(const struct il__inbox *inbox)
{
	return il__refuse(-EAGAIN,
			  "the loop's queue is full: %zu calls have not begun; slow down, use a "
			  "waiting call, or raise il_loop_options.queue_limit",
			  inbox->limit);
}

int il__inbox_reserve(struct il__inbox *inbox)
{
	if (inbox->limit == SIZE_MAX)
		return 0;
	if (atomic_load_explicit(&inbox->reserved, memory_order_relaxed) >= inbox->limit)
		return refuse_full(inbox);
	if (atomic_fetch_add_explicit(&inbox->reserved, 1, memory_order_relaxed) < inbox->limit)
		return 0;
	il__inbox_unreserve(inbox);
	return refuse_full(inbox);
}

void il__inbox_unreserve(struct il__inbox *inbox)
{
	if (inbox->limit != SIZE_MAX)
		atomic_fetch_sub_explicit(&inbox->reserved, 1, memory_order_relaxed);
}

/* A large bound needs not be exact at any moment: one write for many calls. */
void il__inbox_handled(struct il__inbox *inbox)
{
	if (inbox->limit != SIZE_MAX && ++inbox->handled > inbox->limit / 2048)
		inbox_release_places(inbox);
}

/* ---- the loop's side ---- */

size_t il__inbox_queued(struct il__inbox *inbox)
{
	return atomic_load_explicit(&inbox->reserved, memory_order_relaxed) - inbox->handled;
}

int il__inbox_fd(const struct il__inbox *inbox)
{
	return inbox->fd[0];
}

int il__inbox_wake_fd(const struct il__inbox *inbox)
{
	return inbox->fd[1];
}

void il__inbox_drain_fd(struct il__inbox *inbox)
{
	il__os_wake_drain(inbox->fd[0]);
}

void il__inbox_signal(struct il__inbox *inbox)
{
	il__os_wake_write(inbox->fd[1]);
}

/* Stack to queue: oldest first; *end: where the next one would be linked. */
static struct il__message *inbox_reverse(struct il__message *m, struct il__message ***end)
{
	struct il__message *first = NULL;

	if (m)
		*end = &m->next;

	while (m) {
		struct il__message *next = m->next;
		/* One thread's calls mostly lie one behind the other: soon_memory.c. */
		__builtin_prefetch((char *)m - 6 * IL__LINE);
		m->next = first;
		first = m;
		m = next;
	}
	return first;
}

bool il__inbox_has_mail(void *inbox)
{
	return atomic_load_explicit(&((struct il__inbox *)inbox)->head, memory_order_relaxed) !=
	       NULL;
}

void il__inbox_take(struct il__inbox *inbox, struct il__message ***end)
{
	struct il__message **at = *end;

	if (!atomic_load_explicit(&inbox->head, memory_order_relaxed))
		return;
	*at =
	    inbox_reverse(atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire), end);
	il__acquired(inbox);
}

void il__inbox_awake(struct il__inbox *inbox)
{
	atomic_store_explicit(&inbox->asleep, AWAKE, memory_order_relaxed);
}

bool il__inbox_asleep(struct il__inbox *inbox, bool guarded)
{
	if (inbox->handled)
		inbox_release_places(inbox);
	atomic_store(&inbox->asleep, guarded ? GUARDED : ASLEEP);
	if (!atomic_load(&inbox->head))
		return true;
	atomic_store_explicit(&inbox->asleep, AWAKE, memory_order_relaxed);
	return false;
}

void il__inbox_close(struct il__inbox *inbox, struct il__message ***end)
{
	struct il__message **at = *end;

	*at = inbox_reverse(atomic_exchange_explicit(&inbox->head, CLOSED, memory_order_acquire),
			    end);
	il__acquired(inbox);
}
