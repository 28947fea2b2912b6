/*
 * b_own_room.c: callers that wait for room in a full executor of the user's own: they cost nothing meanwhile, and are served in
 * their order. The executor of these tests takes what there is room for and notes who came.
 */
#include "workers.h"

enum { MANY = 1000 };

struct full {
	il_executor *ex;
	pthread_mutex_t lock;
	il_call *calls[MANY];
	size_t taken;
	int room, refuse; /* under lock: refuse: with this code */
	atomic_int asked;
	il_time deadline;  /* under lock: of the last that came */
	bool tells_within; /* under lock: it has room as soon as it has said that there is none */
	struct gate *in_submit, *at_end; /* of submit: it stays there */
	il_group runners;
};

static void make_room(struct full *f, int room)
{
	pthread_mutex_lock(&f->lock);
	f->room += room;
	pthread_mutex_unlock(&f->lock);
	il_executor_room(f->ex);
}

static int take_if_room(void *self, il_call *call)
{
	struct full *f = self;
	int rc;

	atomic_fetch_add(&f->asked, 1);
	if (f->in_submit)
		stay(f->in_submit);
	pthread_mutex_lock(&f->lock);
	f->deadline = il_call_deadline(call);
	rc = f->refuse ? f->refuse : f->room > 0 ? 0 : -EAGAIN;
	if (rc == 0) {
		f->room--;
		f->calls[f->taken++] = call;
	}
	bool tells = rc == -EAGAIN && f->tells_within;
	f->tells_within &= !tells;
	pthread_mutex_unlock(&f->lock);
	if (tells)
		make_room(f, 1);
	if (f->at_end)
		stay(f->at_end);
	return rc < 0 ? il_fail(rc, "refused by the test") : 0;
}

static bool give_up(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return true;
}

static void open_full_as(struct full *f, int room, bool in_loop)
{
	const il_executor_ops ops = {
	    .submit = take_if_room, .withdraw = give_up, .in_loop = in_loop};

	*f = (struct full){.lock = PTHREAD_MUTEX_INITIALIZER, .room = room};
	CHECK_RC(il_executor_create(&f->ex, &ops, f), 0);
}

static void open_full(struct full *f, int room)
{
	open_full_as(f, room, false);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

struct runner {
	struct full *full;
	il_scope scope;
	int id, rc;
	bool begun;
};

static int run_here(void *arg)
{
	struct runner *r = arg;

	CHECK_RC(il_scope_enter(&r->scope, IL_FOREVER, 0), 0);
	r->begun = true;
	r->rc = il_executor_run(r->full->ex, nothing, &r->id, sizeof r->id);
	return il_scope_exit(&r->scope, r->rc == -ECANCELED ? r->rc : 0);
}

static void start_runners(struct full *f, struct runner *r, int count)
{
	CHECK_RC(il_group_open(&f->runners), 0);
	for (int i = 0; i < count; i++) {
		r[i] = (struct runner){.full = f, .scope = IL_SCOPE_INIT, .id = i, .rc = 1};
		CHECK_RC(il_group_start_soon(&f->runners, NULL, run_here, &r[i]), 0);
		while (!r[i].begun)
			CHECK_RC(il_yield(), 0);
	}
}

/* A full executor, and so many tasks that wait for room in it. */
static void open_awaited(struct full *f, struct runner *r, int count)
{
	open_full(f, 0);
	start_runners(f, r, count);
}

static int id_of(il_call *call)
{
	il_call_info info;

	il_call_get_info(call, &info);
	return *(const int *)info.in;
}

static void answer_from(struct full *f, size_t first)
{
	for (size_t i = first; i < f->taken; i++)
		il_call_finish(f->calls[i], (int)i, NULL, 0, NULL);
}

IL_TEST_FIFO(B, a_thousand_tasks_wait_for_room_and_are_served_in_order)
{
	struct runner *r = calloc(MANY, sizeof *r);
	struct full *f = malloc(sizeof *f);
	int asked;

	open_awaited(f, r, MANY);
	asked = f->asked;
	CHECK_EQ(asked, 1); /* the first; the others see that it waits */
	for (int i = 0; i < 20; i++)
		il_test_pause_really();
	CHECK_EQ(f->asked, asked);
	make_room(f, 1);
	CHECK_EQ(f->taken, 1);
	make_room(f, 9);
	CHECK_EQ(f->taken, 10); /* each found room until there was none */
	for (int i = 10; i < MANY; i++)
		make_room(f, 1);
	CHECK_EQ(f->taken, MANY);
	CHECK(f->asked <= 3 * MANY);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(id_of(f->calls[i]), i);
	answer_from(f, 0);
	CHECK_RC(il_group_close(&f->runners, 0), 0);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(r[i].rc, i);
	il_executor_destroy(f->ex);
	free(f);
	free(r);
}

IL_TEST_FIFO(B, nobody_overtakes_those_who_wait_for_room)
{
	struct runner r[2];
	struct full f;
	il_future *late = NULL;

	open_awaited(&f, r, 1);
	f.room = 1; /* and nobody has been told yet */
	CHECK_RC(il_executor_submit(f.ex, &late, nothing, NULL, 0), -EAGAIN);
	CHECK_DETAIL("wait for room");
	CHECK(late == NULL);
	make_room(&f, 0);
	CHECK_EQ(f.taken, 1);
	CHECK_EQ(id_of(f.calls[0]), 0);
	answer_from(&f, 0);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	f.room = 1;
	CHECK_RC(il_executor_submit(f.ex, &late, nothing, NULL, 0), 0);
	answer_from(&f, 1);
	CHECK_RC(finished(late), 1);
	il_executor_destroy(f.ex);
}

static void check_reason(struct full *f, bool map)
{
	il_scope late = IL_SCOPE_INIT;
	char why[200];
	int item = 0, rc;

	CHECK_RC(il_scope_enter(&late, il_deadline(IL_MSEC(1)), 0), 0);
	CHECK_RC(il_sleep_forever(), -ECANCELED);
	snprintf(why, sizeof why, "%s", il_error_detail());
	CHECK_RC(il_scope_exit(&late, -ECANCELED), 0);
	late = (il_scope)IL_SCOPE_INIT;
	CHECK_RC(il_scope_enter(&late, il_deadline(IL_MSEC(1)), 0), 0);
	rc = map ? il_executor_map(f->ex, nothing, &item, 1, sizeof item, NULL, IL_FOREVER)
		 : il_executor_run(f->ex, nothing, &item, sizeof item);
	CHECK_RC(rc, -ECANCELED);
	CHECK_STR(il_error_detail(), why);
	CHECK_RC(il_scope_exit(&late, -ECANCELED), 0);
}

IL_TEST_FIFO(B, who_is_cancelled_while_it_waits_for_room_is_told_the_reason)
{
	struct full f;

	open_full(&f, 0);
	check_reason(&f, false);
	check_reason(&f, true);
	il_executor_destroy(f.ex);
}

IL_TEST_FIFO(B, who_is_cancelled_waits_for_room_no_more)
{
	struct runner r[3];
	struct full f;

	open_awaited(&f, r, 3);
	CHECK_RC(il_scope_cancel(&r[1].scope), 0);
	while (r[1].rc == 1)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(r[1].rc, -ECANCELED);
	make_room(&f, 5);
	CHECK_EQ(f.taken, 2);
	CHECK_EQ(id_of(f.calls[0]), 0);
	CHECK_EQ(id_of(f.calls[1]), 2);
	answer_from(&f, 0);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, 0);
	CHECK_RC(r[2].rc, 1);
	il_executor_destroy(f.ex);
}

/* Taken and cancelled in the same turn: the call is withdrawn as any other. */
IL_TEST_FIFO(B, who_is_cancelled_when_there_is_room_has_the_call_withdrawn)
{
	struct runner r[1];
	struct full f;

	open_awaited(&f, r, 1);
	make_room(&f, 1);
	CHECK_EQ(f.taken, 1);
	CHECK_RC(il_scope_cancel(&r[0].scope), 0);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, -ECANCELED);
	il_executor_destroy(f.ex);
}

static int say_that_there_is_room(void *arg)
{
	make_room(arg, 1);
	return 0;
}

/* Cancelled while another thread is in `submit` with its call. */
static void cancel_while_offered(int refuse, int room, int expected, size_t taken)
{
	struct gate gate = {.result = 0};
	struct il_test_thread t;
	struct runner r[1];
	struct full f;

	open_awaited(&f, r, 1);
	f.in_submit = &gate;
	f.refuse = refuse;
	f.room = room;
	il_test_thread_start(&t, say_that_there_is_room, &f);
	UNTIL_THREAD(atomic_load(&gate.begun) == 1);
	CHECK_RC(il_scope_cancel(&r[0].scope), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(r[0].rc, 1); /* awaited: the call is in the other thread's hands */
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, expected);
	CHECK_EQ(f.taken, taken);
	CHECK_RC(il_test_thread_join(&t), 0);
	il_executor_destroy(f.ex);
}

IL_TEST(B, who_is_cancelled_while_the_call_is_submitted_awaits_what_comes_of_it)
{
	cancel_while_offered(0, 0, -ECANCELED, 1);    /* taken, then withdrawn */
	cancel_while_offered(0, -1, -ECANCELED, 0);   /* there is no room after all */
	cancel_while_offered(-ENOENT, 0, -ENOENT, 0); /* refused */
}

/* The call is answered while the thread that submits it is still there: nobody leaves before it has said so. */
IL_TEST(B, a_call_may_end_before_it_is_known_to_be_taken)
{
	struct gate gate = {.result = 0};
	struct il_test_thread t;
	struct runner r[1];
	struct full f;

	open_awaited(&f, r, 1);
	f.at_end = &gate;
	il_test_thread_start(&t, say_that_there_is_room, &f);
	UNTIL_THREAD(atomic_load(&gate.begun) == 1);
	il_call_finish(f.calls[0], 8, NULL, 0, NULL);
	for (int i = 0; i < 5; i++)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(r[0].rc, 1);
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, 8);
	CHECK_RC(il_test_thread_join(&t), 0);
	il_executor_destroy(f.ex);
}

IL_TEST_FIFO(B, who_is_refused_once_there_is_room_learns_why)
{
	struct runner r[2];
	struct full f;

	open_awaited(&f, r, 2);
	f.refuse = -ENOENT;
	make_room(&f, 0);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, -ENOENT);
	CHECK_RC(r[1].rc, -ENOENT);
	il_executor_destroy(f.ex);
}

IL_TEST_FIFO(B, a_shutdown_ends_waiting_for_room)
{
	struct runner r[2];
	struct full f;

	open_awaited(&f, r, 2);
	CHECK_RC(il_executor_shutdown(f.ex, 0), 0);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, -ESHUTDOWN);
	CHECK_RC(r[1].rc, -ESHUTDOWN);
	make_room(&f, 3);
	CHECK_EQ(f.taken, 0);
	il_executor_destroy(f.ex);
}

/* The shutdown comes while another thread is in `submit` with a call for which there is no room. */
IL_TEST(B, a_shutdown_ends_waiting_for_room_also_while_the_call_is_submitted)
{
	struct gate gate = {.result = 0};
	struct il_test_thread t;
	struct runner r[1];
	struct full f;

	open_awaited(&f, r, 1);
	f.in_submit = &gate;
	f.room = -1;
	il_test_thread_start(&t, say_that_there_is_room, &f);
	UNTIL_THREAD(atomic_load(&gate.begun) == 1);
	CHECK_RC(il_executor_shutdown(f.ex, 0), 0);
	atomic_store(&gate.open, true);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	CHECK_RC(r[0].rc, -ESHUTDOWN);
	CHECK_EQ(f.taken, 0);
	CHECK_RC(il_test_thread_join(&t), 0);
	il_executor_destroy(f.ex);
}

static void map_without_room(void)
{
	struct full f;
	int ids[3] = {0, 1, 2}, results[3];
	il_time begin = il_now(), limit = IL_MSEC(5);

	open_full(&f, 2);
	CHECK_RC(il_executor_map(f.ex, nothing, ids, 3, sizeof *ids, results, limit), -ETIMEDOUT);
	if (il_loop_current() && il_test_virtual())
		CHECK_EQ(f.deadline, IL_FOREVER);
	else
		CHECK(f.deadline >= begin + limit && f.deadline <= il_now() + limit);
	for (int i = 0; i < 3; i++)
		CHECK_RC(results[i], -ECANCELED);
	CHECK_EQ(f.taken, 2);
	CHECK_EQ(f.asked, 3);
	il_executor_destroy(f.ex);
}

IL_TEST_CORE(B, a_map_waits_for_room_no_longer_than_it_may)
{
	map_without_room();
}

/* Nobody owes anything: in virtual time the clock goes on. */
IL_TEST(B, a_tasks_map_waits_for_room_no_longer_than_it_may)
{
	map_without_room();
}

/* The word comes while the answer "full" is on its way. */
IL_TEST_FIFO(B, room_that_comes_while_the_executor_says_that_it_is_full_is_used)
{
	struct runner r[2];
	struct full f;

	open_full(&f, 0);
	f.tells_within = true;
	start_runners(&f, r, 2);
	CHECK_EQ(f.taken, 1);
	f.tells_within = true;
	make_room(&f, 0);
	CHECK_EQ(f.taken, 2);
	answer_from(&f, 0);
	CHECK_RC(il_group_close(&f.runners, 0), 0);
	il_executor_destroy(f.ex);
}

/* ---- how long they wait ---- */

struct dated {
	struct full *full;
	il_time until;
	int rc;
};

static int run_until(void *arg)
{
	struct dated *d = arg;
	il_scope scope = IL_SCOPE_INIT;

	CHECK_RC(il_scope_enter(&scope, d->until, 0), 0);
	d->rc = il_executor_run(d->full->ex, nothing, NULL, 0);
	return il_scope_exit(&scope, d->rc);
}

/* Of one that finds room, of one that waits for it, and of one for which nobody waits. */
static void check_deadlines(bool in_loop)
{
	const il_time until = il_deadline(IL_SEC(3600));
	const il_time seen = il_test_virtual() && !in_loop ? IL_FOREVER : until;
	struct full f;
	struct dated d = {&f, until, 1};
	il_future *future = NULL;
	il_group g;

	open_full_as(&f, 1, in_loop);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, run_until, &d), 0);
	while (f.asked < 1)
		CHECK_RC(il_yield(), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, run_until, &d), 0);
	while (f.asked < 2)
		CHECK_RC(il_yield(), 0);
	make_room(&f, 2);
	CHECK_EQ(f.taken, 2);
	CHECK_EQ(il_call_deadline(f.calls[0]), seen);
	CHECK_EQ(il_call_deadline(f.calls[1]), seen);
	CHECK_RC(il_executor_submit(f.ex, &future, nothing, NULL, 0), 0);
	CHECK_EQ(il_call_deadline(f.calls[2]), IL_FOREVER);
	answer_from(&f, 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(finished(future), 2);
	il_executor_destroy(f.ex);
}

IL_TEST_FIFO(B, a_call_has_its_callers_deadline_also_after_a_wait_for_room)
{
	check_deadlines(true);
}

/* Virtual time stands while such a call is out. */
IL_TEST_FIFO(B, a_call_elsewhere_has_no_deadline_in_virtual_time)
{
	check_deadlines(false);
}

/* ---- threads that wait, threads that say so ---- */

enum { CALLERS = 6, TURNS = 40 };

static int run_many(void *arg)
{
	struct full *f = arg;
	int id = 0;

	for (int i = 0; i < TURNS; i++)
		CHECK_RC(il_executor_run(f->ex, nothing, &id, sizeof id), 3);
	return 0;
}

/* Ends what was taken, and says that there is room, from two threads at once. */
static int serve(void *arg)
{
	struct full *f = arg;

	for (;;) {
		il_call *call = NULL;
		pthread_mutex_lock(&f->lock);
		if (f->taken > 0)
			call = f->calls[--f->taken];
		f->room += call != NULL;
		bool over = f->refuse;
		pthread_mutex_unlock(&f->lock);
		if (call) {
			il_executor_room(f->ex);
			il_call_finish(call, 3, NULL, 0, NULL);
		} else if (over) {
			return 0;
		} else {
			il_test_pause_really();
		}
	}
}

IL_TEST_CORE(B, no_word_of_room_is_lost_between_threads)
{
	struct il_test_thread callers[CALLERS], servers[2];
	struct full *f = malloc(sizeof *f);

	open_full(f, 2);
	for (int i = 0; i < 2; i++)
		il_test_thread_start(&servers[i], serve, f);
	for (int i = 0; i < CALLERS; i++)
		il_test_thread_start(&callers[i], run_many, f);
	for (int i = 0; i < CALLERS; i++)
		CHECK_RC(il_test_thread_join(&callers[i]), 0);
	pthread_mutex_lock(&f->lock);
	f->refuse = -ESHUTDOWN;
	pthread_mutex_unlock(&f->lock);
	for (int i = 0; i < 2; i++)
		CHECK_RC(il_test_thread_join(&servers[i]), 0);
	CHECK_EQ(f->room, 2);
	il_executor_destroy(f->ex);
	free(f);
}
