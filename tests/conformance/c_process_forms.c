/*
 * c_process_forms.c: what an argument may be besides a flat struct: bytes of a size that nobody knows before,
 * and memory that both sides share. Each test runs the same calls on threads, on threads that copy, and on
 * processes: the function cannot tell.
 */
#define _GNU_SOURCE
#include "processes.h"

enum { LIMIT = 1 << 20 };

static il_executor *new_pool(int kind)
{
	il_thread_pool_options threads = {.max_workers = 2, .copy_args = kind == 1};
	il_process_pool_options processes = {.max_workers = 2, .max_size = LIMIT};
	il_executor *ex = NULL;

	if (kind < 2)
		CHECK_RC(il_thread_pool_create(&ex, &threads), 0);
	else
		CHECK_RC(il_process_pool_create(&ex, &processes), 0);
	return ex;
}

static void on_each_pool(void (*test)(il_executor *ex, bool processes))
{
	for (int kind = 0; kind < 3; kind++) {
		il_executor *ex = new_pool(kind);
		test(ex, kind == 2);
		il_executor_destroy(ex);
	}
}

/* ---- bytes ---- */

/* Each byte as often as its value says; the result is how many there were. */
static int unroll(void *arg)
{
	il_bytes *b = arg;
	const unsigned char *in = b->in;

	for (size_t i = 0; i < b->in_size; i++)
		for (int n = 0; n < in[i]; n++) {
			int rc = il_bytes_append(b, &in[i], 1);
			if (rc < 0)
				return rc;
		}
	return (int)b->in_size;
}

static void check_unrolled(const il_bytes *b)
{
	const unsigned char *in = b->in, *out = b->out;
	size_t at = 0;

	for (size_t i = 0; i < b->in_size; i++)
		for (int n = 0; n < in[i]; n++, at++)
			CHECK(at < b->out_size && out[at] == in[i]);
	CHECK_EQ(at, b->out_size);
}

static int pid_as_bytes(void *arg)
{
	int pid = getpid();

	return il_bytes_append(arg, &pid, sizeof pid);
}

static void bytes_of_all_sizes(il_executor *ex, bool processes)
{
	il_bytes b = {.in = "", .in_size = 0};
	unsigned char in[3000];
	int pid = 0;

	CHECK_RC(il_executor_run(ex, unroll, &b, IL_BYTES), 0);
	CHECK_EQ(b.out_size, 0);
	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (unsigned char)i;
	b.in = in;
	for (size_t n = 1; n <= sizeof in; n = n * 3 + 1) { /* `out` of the last one is freed */
		b.in_size = n;
		CHECK_RC(il_executor_run(ex, unroll, &b, IL_BYTES), (int)n);
		check_unrolled(&b);
	}
	CHECK_RC(il_executor_run(ex, pid_as_bytes, &b, IL_BYTES), 0);
	CHECK_EQ(b.out_size, sizeof pid);
	memcpy(&pid, b.out, sizeof pid);
	CHECK_EQ(pid != getpid(), processes);
	il_bytes_free(&b);
	CHECK(!b.out && b.out_size == 0);
}

static int make_room_only(void *arg)
{
	il_bytes *b = arg;

	bool was_empty = !b->out && b->out_size == 0; /* the last call's is not seen */

	return was_empty && il_bytes_resize(b, 100) && il_bytes_resize(b, 0) ? -ERANGE : -EIO;
}

static void nothing_comes_out(il_executor *ex, bool processes)
{
	il_bytes b = {.in = "\2", .in_size = 1};
	il_future *f;

	(void)processes;
	for (int i = 0; i < 2; i++) {
		CHECK_RC(il_executor_run(ex, unroll, &b, IL_BYTES), 1);
		CHECK(b.out && b.out_size > 0);
		CHECK_RC(il_executor_run(ex, make_room_only, &b, IL_BYTES), -ERANGE);
		CHECK(!b.out && b.out_size == 0);
	}
	CHECK_RC(il_executor_run(ex, unroll, &b, IL_BYTES), 1);
	CHECK_RC(il_executor_submit(ex, &f, make_room_only, &b, IL_BYTES), 0);
	CHECK_RC(end_of(f), -ERANGE);
	CHECK(!b.out && b.out_size == 0);
	CHECK_RC(il_executor_run(ex, unroll, &b, IL_BYTES), 1);
	b.in_size = 0;
	CHECK_RC(il_executor_map(ex, unroll, &b, 1, IL_BYTES, NULL, IL_FOREVER), 0);
	CHECK(!b.out && b.out_size == 0);
}

/* Also where it moves: the last blocks have a mapping of their own. */
IL_TEST_CORE(C, a_part_of_the_result_is_appended_to_it)
{
	enum { DOUBLINGS = 21 };
	il_bytes b = {.in = NULL};
	const char *out;

	CHECK_RC(il_bytes_append(&b, "ab", 2), 0);
	for (int i = 0; i < DOUBLINGS; i++)
		CHECK_RC(il_bytes_append(&b, b.out, b.out_size), 0);
	CHECK_RC(il_bytes_append(&b, (char *)b.out + 1, 1), 0);
	CHECK_EQ(b.out_size, ((size_t)2 << DOUBLINGS) + 1);
	out = b.out;
	for (size_t i = 0; i < b.out_size - 1; i++)
		if (out[i] != "ab"[i % 2])
			CHECK_EQ(i, b.out_size);
	CHECK_EQ(out[b.out_size - 1], 'b');
	il_bytes_free(&b);
}

IL_TEST_CORE(C, an_empty_result_is_null_and_what_was_there_is_freed)
{
	on_each_pool(nothing_comes_out);
}

IL_TEST(C, a_tasks_empty_result_is_null_and_what_was_there_is_freed)
{
	on_each_pool(nothing_comes_out);
}

IL_TEST_CORE(C, n56_bytes_go_in_and_others_come_out)
{
	on_each_pool(bytes_of_all_sizes);
}

IL_TEST(C, n56_a_tasks_bytes_go_in_and_others_come_out)
{
	on_each_pool(bytes_of_all_sizes);
}

static void bytes_of_many(il_executor *ex, bool processes)
{
	enum { COUNT = 40 };
	il_bytes items[COUNT] = {{.in = NULL}};
	il_future *fs[COUNT];
	int results[COUNT];

	(void)processes;
	for (int i = 0; i < COUNT; i++) {
		items[i].in = "\1\2\3\4\5";
		items[i].in_size = (size_t)i % 6;
	}
	CHECK_RC(il_executor_map(ex, unroll, items, COUNT, IL_BYTES, results, IL_FOREVER), 0);
	for (int i = 0; i < COUNT; i++) {
		CHECK_RC(results[i], i % 6);
		check_unrolled(&items[i]);
	}
	for (int i = 0; i < COUNT; i++)
		CHECK_RC(il_executor_submit(ex, &fs[i], unroll, &items[i], IL_BYTES), 0);
	for (int i = 0; i < COUNT; i++) {
		CHECK_RC(end_of(fs[i]), i % 6);
		check_unrolled(&items[i]);
		il_bytes_free(&items[i]);
	}
}

IL_TEST_CORE(C, n56_bytes_of_many_calls_at_once)
{
	on_each_pool(bytes_of_many);
}

IL_TEST(C, n56_bytes_of_a_tasks_many_calls_at_once)
{
	on_each_pool(bytes_of_many);
}

static int zeros(void *arg)
{
	il_bytes *b = arg;
	size_t size;

	memcpy(&size, b->in, sizeof size);
	if (!il_bytes_resize(b, size))
		return -ENOMEM;
	memset(b->out, 0, size);
	return 0;
}

static void too_many_bytes(void)
{
	il_process_pool_options options = {.max_workers = 1, .max_size = LIMIT};
	il_executor *ex = new_processes(options);
	int pid = pid_of_next(ex);
	size_t size = LIMIT;
	il_bytes b = {.in = &size, .in_size = sizeof size};
	il_bytes large = {.in = &size, .in_size = LIMIT + 1};

	CHECK_RC(il_executor_run(ex, zeros, &b, IL_BYTES), 0);
	CHECK_EQ(b.out_size, LIMIT);
	il_bytes_free(&b);
	size++;
	CHECK_RC(il_executor_run(ex, zeros, &b, IL_BYTES), -EMSGSIZE);
	CHECK(strstr(il_error_detail(), "1048577"));
	CHECK(!b.out);
	CHECK_RC(il_executor_run(ex, zeros, &large, IL_BYTES), -EMSGSIZE);
	CHECK_RC(il_executor_run(ex, zeros, NULL, IL_BYTES), -EINVAL);
	CHECK_RC(il_executor_submit(ex, NULL, zeros, &b, IL_BYTES), -EINVAL);
	CHECK_EQ(pid_of_next(ex), pid); /* it lives on */
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n66_bytes_over_the_limit_fail_their_own_call)
{
	too_many_bytes();
}

IL_TEST(C, n66_a_tasks_bytes_over_the_limit_fail_their_own_call)
{
	too_many_bytes();
}

static int die_with_bytes(void *arg)
{
	CHECK_RC(il_bytes_append(arg, "half", 4), 0);
	raise(SIGKILL);
	return 0;
}

static void bytes_of_the_dead(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	il_bytes b = {.in = "\2", .in_size = 1};

	CHECK_RC(il_executor_run(ex, unroll, &b, IL_BYTES), 1);
	CHECK_RC(il_executor_run(ex, die_with_bytes, &b, IL_BYTES), -EOWNERDEAD);
	check_unrolled(&b); /* untouched */
	il_bytes_free(&b);
	CHECK_LOGGED(IL_LOG_WARNING, "signal 9", 1);
	il_executor_destroy(ex);
}

IL_TEST_CORE(C, n67_a_dead_process_gives_no_bytes)
{
	bytes_of_the_dead();
}

/* ---- shared memory ---- */

/* Adds args[2] to each byte from args[0] to args[1], and tells in args[3] which process did it. */
static int add_to_part(void *arg)
{
	il_shared *s = arg;
	unsigned char *bytes = s->data;

	for (uint64_t i = s->args[0]; i < s->args[1]; i++)
		bytes[i] = (unsigned char)(bytes[i] + s->args[2]);
	s->args[3] = (uint64_t)getpid();
	return 7;
}

static void shared_parts(il_executor *ex, bool processes)
{
	enum { SIZE = 1000003, PARTS = 8 };
	il_shared whole = {.size = 0}, parts[PARTS];
	const unsigned char *bytes;

	CHECK_RC(il_shared_create(&whole, SIZE), 0);
	CHECK_EQ(whole.size, SIZE);
	bytes = whole.data;
	memset(whole.data, 1, SIZE);
	for (uint64_t i = 0; i < PARTS; i++) {
		parts[i] = whole;
		parts[i].args[0] = SIZE * i / PARTS;
		parts[i].args[1] = SIZE * (i + 1) / PARTS;
		parts[i].args[2] = i;
	}
	CHECK_RC(il_executor_map(ex, add_to_part, parts, PARTS, IL_SHARED, NULL, IL_FOREVER), 0);
	for (uint64_t i = 0; i < PARTS; i++) {
		CHECK_EQ(bytes[parts[i].args[0]], 1 + i);
		CHECK_EQ(bytes[parts[i].args[1] - 1], 1 + i);
		CHECK_EQ(parts[i].args[3] != (uint64_t)getpid(), processes);
		CHECK(parts[i].data == whole.data);
	}
	CHECK_RC(il_executor_run(ex, add_to_part, &parts[0], IL_SHARED), 7);
	il_shared_destroy(&whole);
	CHECK(!whole.data);
}

IL_TEST_CORE(C, n56_memory_is_shared_with_the_process)
{
	on_each_pool(shared_parts);
}

IL_TEST(C, n56_memory_is_shared_with_the_process_of_a_task)
{
	on_each_pool(shared_parts);
}

static int cut_it(void *arg)
{
	il_shared *s = arg;

	return ftruncate(s->fd, 0) < 0 ? -errno : 0;
}

static int write_and_die(void *arg)
{
	il_shared *s = arg;

	memcpy(s->data, "as far as it got", 17);
	s->args[0] = 1;
	raise(SIGKILL);
	return 0;
}

/* The system says no to the descriptor: then the call must end all the same. */
static void share_what_cannot_be_sent(void)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	il_shared s = {.size = 0}, wrong;

	CHECK_RC(il_shared_create(&s, 100), 0);
	wrong = s;
	wrong.fd = 1 << 20;
	CHECK_RC(il_executor_run(ex, add_to_part, &wrong, IL_SHARED), -EBADF);
	CHECK(strstr(il_error_detail(), "could not be sent"));
	CHECK_EQ(wrong.args[3], 0);
	s.args[1] = 100;
	CHECK_RC(il_executor_run(ex, add_to_part, &s, IL_SHARED), 7);
	CHECK(s.args[3] != 0);
	il_executor_destroy(ex);
	il_shared_destroy(&s);
}

IL_TEST_CORE(C, n66_memory_that_cannot_be_sent_fails_its_own_call)
{
	share_what_cannot_be_sent();
}

IL_TEST(C, n66_memory_that_cannot_be_sent_fails_a_tasks_own_call)
{
	share_what_cannot_be_sent();
}

IL_TEST_CORE(C, n67_what_a_dead_process_shared_stays)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	il_shared s = {.size = 0}, none = {.size = 0};

	CHECK_RC(il_shared_create(&none, 0), -EINVAL);
	CHECK_RC(il_executor_run(ex, write_and_die, &none, IL_SHARED), -EINVAL);
	CHECK_RC(il_shared_create(&s, 100), 0);
	CHECK_RC(il_executor_submit(ex, NULL, write_and_die, &s, IL_SHARED), -EINVAL);
	CHECK_RC(il_executor_run(ex, write_and_die, &s, IL_SHARED), -EOWNERDEAD);
	CHECK(strcmp(s.data, "as far as it got") == 0);
	CHECK_EQ(s.args[0], 0);
	int rc = il_executor_run(ex, cut_it, &s, IL_SHARED);
	CHECK(rc == 0 || rc == -EPERM); /* only a sealed file can refuse that */
	il_shared_destroy(&s);
	CHECK_LOGGED(IL_LOG_WARNING, "signal 9", 1);
	il_executor_destroy(ex);
}

/* ---- by name ---- */

static int named(void *arg)
{
	*(int *)arg = getpid();
	return 11;
}

static int named_at_length(void *arg)
{
	(void)arg;
	return 0;
}

IL_TEST_CORE(C, n66_a_registered_function_is_found_by_its_name)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	char long_name[IL_FUNCTION_NAME_MAX + 2];
	int pid = 0;

	memset(long_name, 'n', sizeof long_name);
	long_name[sizeof long_name - 1] = 0;
	CHECK(!il_function_find("test.named") && !il_function_name(named));
	CHECK_RC(il_function_register("test.named", named), 0);
	CHECK_RC(il_function_register("test.named", named), 0);
	CHECK_RC(il_function_register("test.named", unroll), -EALREADY);
	CHECK_RC(il_function_register("test.another", named), -EALREADY);
	CHECK_RC(il_function_register(long_name, unroll), -EINVAL);
	long_name[IL_FUNCTION_NAME_MAX] = 0;
	CHECK_RC(il_function_register(long_name, named_at_length), 0);
	CHECK(il_function_find(long_name) == named_at_length);
	CHECK_RC(il_function_register("", unroll), -EINVAL);
	CHECK_RC(il_function_register("test.null", NULL), -EINVAL);
	CHECK(strcmp(il_function_name(named), "test.named") == 0);
	/* The worker does not know the name, but the place. */
	CHECK_RC(il_executor_run(ex, il_function_find("test.named"), &pid, sizeof pid), 11);
	CHECK(pid > 0 && pid != getpid());
	il_executor_destroy(ex);
}

/* ---- details ---- */

/* The library refuses it something there. */
static int refused(void *arg)
{
	(void)arg;
	return il_sleep(-7);
}

static int refused_flat(void *arg)
{
	((struct job *)arg)->square = 49;
	return il_sleep(-7);
}

/* Its own failure, after a refusal. */
static int failing(void *arg)
{
	(void)arg;
	il_sleep(-7);
	return -EIO;
}

static void check_details(il_executor *ex, bool processes)
{
	static const char why[] = "il_sleep: the delay is negative";
	il_bytes b = {.in = "x", .in_size = 1};
	struct job j = {.value = 1};
	int result;

	(void)processes;
	CHECK_RC(il_task_set_name(NULL) < 0, 1);
	CHECK_RC(il_executor_run(ex, refused_flat, &j, sizeof j), -EINVAL);
	CHECK_STR(il_error_detail(), why);
	CHECK_EQ(j.square, 49); /* what it wrote has come back all the same */
	CHECK_RC(il_executor_run(ex, refused, &b, IL_BYTES), -EINVAL);
	CHECK_STR(il_error_detail(), why);
	CHECK_RC(end_of(submit_job(ex, refused, &j)), -EINVAL);
	CHECK_STR(il_error_detail(), why);
	CHECK_RC(il_executor_map(ex, refused, &j, 1, sizeof j, &result, IL_FOREVER), -EINVAL);
	CHECK_STR(il_error_detail(), why);
	CHECK_RC(il_executor_run(ex, failing, &j, sizeof j), -EIO);
	CHECK_STR(il_error_detail(), "");
	CHECK_RC(end_of(submit_job(ex, failing, &j)), -EIO);
	CHECK_STR(il_error_detail(), "");
	il_bytes_free(&b);
}

IL_TEST(C, what_a_function_was_refused_is_told_with_its_code)
{
	on_each_pool(check_details);
}

IL_TEST_CORE(C, what_a_function_was_refused_is_told_to_a_thread)
{
	on_each_pool(check_details);
}
