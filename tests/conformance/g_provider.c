/*
 * g_provider.c: a blocking portal that its users share: it starts with the first and ends with the last.
 */
#define _GNU_SOURCE
#include "dies.h"
#include "g_portal.h"
#include "slow_backend.h"

static int tell_thread(void *arg)
{
	*(long *)arg = thread_id();
	return 0;
}

static il_portal_provider *new_provider(const il_backend *backend)
{
	il_portal_provider *provider = NULL;

	CHECK_RC(il_portal_provider_create(&provider, backend, NULL), 0);
	return provider;
}

IL_TEST_OWN(G, n137_each_lease_in_turn_has_a_loop_of_its_own)
{
	il_portal_provider *provider = new_provider(il_test_backend());
	long threads[3] = {0};

	for (int i = 0; i < 3; i++) {
		il_portal *p = NULL;
		CHECK_RC(il_portal_provider_acquire(provider, &p), 0);
		CHECK_RC(il_portal_run_sync(p, tell_thread, &threads[i]), 0);
		CHECK(threads[i] != thread_id());
		CHECK_RC(il_portal_provider_release(provider), 0);
	}
	CHECK(threads[0] != threads[1] && threads[1] != threads[2] && threads[0] != threads[2]);
	CHECK_RC(il_portal_provider_release(provider), -EALREADY);
	il_portal_provider_destroy(provider);
	il_portal_provider_destroy(NULL);
}

IL_TEST_OWN(G, n137_leases_that_overlap_share_one_and_the_last_ends_it)
{
	il_portal_provider *provider = new_provider(il_test_backend());
	il_portal *a = NULL, *b = NULL;
	long first = 0, second = 0;

	CHECK_RC(il_portal_provider_acquire(provider, &a), 0);
	CHECK_RC(il_portal_provider_acquire(provider, &b), 0);
	CHECK(a == b);
	il_portal_ref(a);
	CHECK_RC(il_portal_run_sync(a, tell_thread, &first), 0);
	CHECK_RC(il_portal_provider_release(provider), 0);
	CHECK_RC(il_portal_run_sync(a, tell_thread, &second), 0);
	CHECK_EQ(first, second);
	CHECK_RC(il_portal_provider_release(provider), 0);
	CHECK_RC(il_portal_run_sync(a, tell_thread, &second), -ESHUTDOWN);
	il_portal_unref(a);
	il_portal_provider_destroy(provider);
}

enum { USERS = 3 };

struct sharing {
	il_portal_provider *provider;
	atomic_int arrived;
	long threads[USERS];
	il_portal *portals[USERS];
};

struct user {
	struct sharing *sharing;
	int number;
};

static int share(void *arg)
{
	struct user *u = arg;
	struct sharing *s = u->sharing;
	il_portal **p = &s->portals[u->number];

	CHECK_RC(il_portal_provider_acquire(s->provider, p), 0);
	atomic_fetch_add(&s->arrived, 1);
	UNTIL_THREAD(atomic_load(&s->arrived) == USERS);
	CHECK_RC(il_portal_run_sync(*p, tell_thread, &s->threads[u->number]), 0);
	return il_portal_provider_release(s->provider);
}

static void check_shared(const struct sharing *s)
{
	for (int i = 1; i < USERS; i++)
		CHECK(s->threads[i] == s->threads[0] && s->portals[i] == s->portals[0]);
}

IL_TEST_OWN(G, n137_threads_share_one)
{
	for (size_t round = 0; round < il_test_rounds(30); round++) {
		struct sharing s = {.provider = new_provider(il_test_backend())};
		struct il_test_thread threads[USERS];
		struct user users[USERS];
		for (int i = 0; i < USERS; i++) {
			users[i] = (struct user){&s, i};
			il_test_thread_start(&threads[i], share, &users[i]);
		}
		for (int i = 0; i < USERS; i++)
			CHECK_RC(il_test_thread_join(&threads[i]), 0);
		check_shared(&s);
		il_portal_provider_destroy(s.provider);
	}
}

IL_TEST(G, n137_so_do_tasks)
{
	struct sharing s = {.provider = new_provider(il_test_backend())};
	struct user users[USERS];
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < USERS; i++) {
		users[i] = (struct user){&s, i};
		CHECK_RC(il_group_start_soon(&g, NULL, share, &users[i]), 0);
	}
	CHECK_RC(il_group_close(&g, 0), 0);
	check_shared(&s);
	il_portal_provider_destroy(s.provider);
}

static int come_and_go(void *arg)
{
	struct sharing *s = arg;

	for (size_t i = 0; i < il_test_rounds(40); i++) {
		il_portal *p = NULL;
		int five = 5;
		CHECK_RC(il_portal_provider_acquire(s->provider, &p), 0);
		CHECK_RC(il_portal_run_coroutine(p, give, &five), 5);
		CHECK_RC(il_portal_provider_release(s->provider), 0);
	}
	return 0;
}

IL_TEST_OWN(G, n137_leases_that_come_while_the_last_one_goes)
{
	struct sharing s = {.provider = NULL};
	struct il_test_thread threads[USERS];

	/* libuv closes behind TSan's back: to it the next loop's descriptors are still the last one's. */
	if (IL_TEST_TSAN && strcmp(il_backend_name(il_test_backend()), "libuv") == 0)
		return;
	s.provider = new_provider(il_test_backend());
	for (int i = 0; i < USERS; i++)
		il_test_thread_start(&threads[i], come_and_go, &s);
	for (int i = 0; i < USERS; i++)
		CHECK_RC(il_test_thread_join(&threads[i]), 0);
	il_portal_provider_destroy(s.provider);
}

struct leasing {
	il_portal_provider *provider;
	il_scope scope;
	il_portal *p;
	int rc;
};

static int lease_in_scope(void *arg)
{
	struct leasing *l = arg;

	CHECK_RC(il_scope_enter(&l->scope, IL_FOREVER, 0), 0);
	l->rc = il_portal_provider_acquire(l->provider, &l->p);
	return il_scope_exit(&l->scope, l->rc);
}

IL_TEST_FIFO(G, n137_a_first_user_who_gives_up_does_not_fail_the_others)
{
	il_backend backend = slow_backend();
	struct leasing a = {.provider = new_provider(&backend), .scope = IL_SCOPE_INIT}, b = a;
	int five = 5;
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, lease_in_scope, &a), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, lease_in_scope, &b), 0);
	UNTIL_THREAD(atomic_load(&slow.opening));
	CHECK_RC(il_scope_cancel(&a.scope), 0);
	CHECK_RC(il_yield(), 0);
	atomic_store(&slow.go, true);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(a.rc, -ECANCELED);
	CHECK_RC(b.rc, 0);
	CHECK(!a.p && b.p);
	CHECK_RC(il_portal_run_coroutine(b.p, give, &five), 5);
	CHECK_RC(il_portal_provider_release(b.provider), 0);
	il_portal_provider_destroy(b.provider);
}

static int release_from_within(void *arg)
{
	il_portal *p = NULL;

	CHECK_RC(il_portal_provider_acquire(arg, &p), 0); /* nothing to wait for */
	CHECK_RC(il_portal_provider_release(arg), 0);
	return il_portal_provider_release(arg);
}

static int lease_in_a_callback(il_future *f, void *arg)
{
	il_portal *p = NULL;

	(void)f;
	CHECK_RC(il_portal_provider_acquire(arg, &p), 0);
	CHECK_RC(il_portal_provider_release(arg), 0);
	CHECK_RC(il_portal_provider_release(arg), -EPERM);
	return 0;
}

IL_TEST_OWN(G, n137_the_last_lease_is_kept_where_it_cannot_end)
{
	il_portal_provider *provider = new_provider(il_test_backend());
	il_portal *p = NULL;
	il_future *f = NULL;

	CHECK_RC(il_portal_provider_acquire(provider, &p), 0);
	CHECK_RC(il_portal_run_coroutine(p, release_from_within, provider), -EDEADLK);
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	CHECK_RC(il_future_on_done(f, lease_in_a_callback, provider), 0);
	il_future_unref(f);
	CHECK_RC(il_portal_provider_release(provider), 0);
	CHECK_RC(il_portal_provider_release(provider), -EALREADY);
	CHECK_RC(il_portal_provider_acquire(NULL, &p), -EINVAL);
	CHECK_RC(il_portal_provider_acquire(provider, NULL), -EINVAL);
	CHECK_RC(il_portal_provider_release(NULL), -EINVAL);
	CHECK_RC(il_portal_provider_create(NULL, il_test_backend(), NULL), -EINVAL);
	il_portal_provider_destroy(provider);
}

static int destroy_a_lease(void *arg)
{
	il_portal_provider *provider = new_provider(arg);
	il_portal *p = NULL;

	if (il_portal_provider_acquire(provider, &p) < 0)
		return -EIO;
	il_portal_provider_destroy(provider);
	return 0;
}

IL_TEST_OWN(G, n137_a_provider_that_is_in_use_is_not_destroyed)
{
	if (IL_TEST_TSAN) /* it forbids threads in the child of a process with threads */
		return;
	il_test_dies(destroy_a_lease, (void *)(uintptr_t)il_test_backend(),
		     "il_portal_provider_destroy");
}

/* In the child. */
static bool is_refused(il_portal_provider *provider)
{
	il_portal *p = NULL;
	bool refused = il_portal_provider_acquire(provider, &p) == -ESHUTDOWN &&
		       il_portal_provider_release(provider) == -ESHUTDOWN;

	il_portal_provider_destroy(provider); /* its users stayed with the parent */
	return refused && !p;
}

IL_TEST_OWN(G, a_provider_is_refused_in_a_forked_child)
{
	il_portal_provider *provider = new_provider(il_test_backend());
	il_portal *p = NULL;
	int status = 0, five = 5;
	pid_t child;

	CHECK_RC(il_portal_provider_acquire(provider, &p), 0);
	child = fork();
	if (child == 0)
		_exit(is_refused(provider) ? 0 : 1);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_RC(il_portal_run_coroutine(p, give, &five), 5);
	CHECK_RC(il_portal_provider_release(provider), 0);
	il_portal_provider_destroy(provider);
}

static int get_name(void *name)
{
	return pthread_getname_np(pthread_self(), name, 16) == 0 ? 0 : -EIO;
}

IL_TEST_OWN(G, a_provider_copies_the_name_of_its_portals)
{
	char name[] = "first", there[16];
	const il_blocking_portal_options options = {.name = name};
	il_portal_provider *provider = NULL;
	il_portal *p = NULL;

	CHECK_RC(il_portal_provider_create(&provider, il_test_backend(), &options), 0);
	memset(name, 'x', sizeof name - 1);
	CHECK_RC(il_portal_provider_acquire(provider, &p), 0);
	CHECK_RC(il_portal_run_sync(p, get_name, there), 0);
	CHECK_STR(there, "first");
	CHECK_RC(il_portal_provider_release(provider), 0);
	il_portal_provider_destroy(provider);
}
