/*
 * exception_leaves.cpp: an exception that leaves a function of the program's that the library has called ends the
 * program where it is thrown, also if a frame further up would catch it. One that the function catches itself is its
 * own affair.
 *
 *     embed-exception_leaves
 */
#include <interloop.h>
#include <interloop/virtual.h>

#include <signal.h>
#include <stdexcept>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{

int throws(void *)
{
	throw std::runtime_error("left");
}

int catches(void *)
{
	try {
		return throws(nullptr);
	} catch (const std::runtime_error &) {
		return 7;
	}
}

int throw_in_find(const il_protocol *, il_parse *)
{
	return throws(nullptr);
}

int throw_in_frame(const il_protocol *, il_frame *)
{
	return throws(nullptr);
}

int throw_in_a_callback(il_future *, void *)
{
	return throws(nullptr);
}

/* ---- the calls that call it ---- */

int fail_after(il_fn *fn)
{
	return il_fail_after(IL_SEC(1), fn, nullptr);
}

int move_on_after(il_fn *fn)
{
	return il_move_on_after(IL_SEC(1), fn, nullptr);
}

int close_exit_stack(il_fn *fn)
{
	il_exit_stack *stack;
	int rc = il_exit_stack_open(&stack);

	if (rc < 0)
		return rc;
	rc = il_exit_stack_push(stack, fn, nullptr);
	return il_exit_stack_close(stack, rc);
}

int wait_for_predicate(il_fn *fn)
{
	il_condition *condition;
	int rc = il_condition_create(&condition, nullptr);

	if (rc == 0)
		rc = il_condition_acquire(condition);
	if (rc < 0)
		return rc;
	rc = il_condition_wait_for(condition, fn, nullptr);
	il_condition_release(condition);
	il_condition_destroy(condition);
	return rc;
}

int use_a_client(il_fn *fn)
{
	il_protocol protocol = {};
	il_stream *a, *b;
	il_client *client;
	int rc = il_stream_pair(&a, &b);

	protocol.find = throw_in_find;
	if (fn == throws)
		protocol.frame = throw_in_frame;
	if (rc == 0)
		rc = il_client_open(&client, a, &protocol, nullptr);
	if (rc < 0)
		return rc;
	if (fn == throws)
		return il_client_send(client, "x", 1);
	rc = il_stream_write(b, "x", 1);
	if (rc < 0)
		return rc;
	il_packet packet;
	return il_client_receive(client, &packet, IL_SEC(1));
}

int call_back(il_fn *)
{
	il_group group;
	il_future *f;
	int rc = il_group_open(&group);

	if (rc == 0)
		rc = il_group_start_soon(&group, &f, catches, nullptr);
	if (rc < 0)
		return rc;
	rc = il_group_close(&group, 0);
	if (rc == 0)
		rc = il_future_on_done(f, throw_in_a_callback, nullptr);
	il_future_unref(f);
	return rc;
}

/* ---- the rule ---- */

struct scene {
	int (*call)(il_fn *fn);
	il_fn *fn;
	bool ends;
};

int play(void *arg)
{
	const scene *s = static_cast<const scene *>(arg);

	try {
		return s->call(s->fn);
	} catch (const std::runtime_error &) {
		fputs("it was caught above the library", stderr);
		return -EPROTO;
	}
}

/* In a child: its status, and what it has said. */
int status_of(const scene *s, char *said, size_t size)
{
	int ends[2], status = -1;
	ssize_t n, length = 0;

	said[0] = 0;
	if (pipe(ends) < 0)
		return -1;
	const pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		const int rc = il_run(il_virtual(), play, const_cast<scene *>(s));
		_exit(rc == 7 || (rc == 0 && !s->ends) ? 0 : 1);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + length, size - 1 - static_cast<size_t>(length))) > 0)
		said[length += n] = 0;
	close(ends[0]);
	if (child > 0)
		waitpid(child, &status, 0);
	return status;
}

} // namespace

int main()
{
	const scene scenes[] = {
	    {fail_after, throws, true},           {fail_after, catches, false},
	    {move_on_after, throws, true},        {close_exit_stack, throws, true},
	    {close_exit_stack, catches, false},   {wait_for_predicate, throws, true},
	    {wait_for_predicate, catches, false}, {use_a_client, throws, true},
	    {use_a_client, nullptr, true},        {call_back, nullptr, true},
	};
	int failed = 0;

	for (const scene &s : scenes) {
		char said[1024];
		const int status = status_of(&s, said, sizeof said);
		const bool ended = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
		if (s.ends ? ended && strstr(said, "left") && !strstr(said, "caught") : status == 0)
			continue;
		fprintf(stderr, "scene %d: status %#x, and it said \"%s\"\n",
			static_cast<int>(&s - scenes), static_cast<unsigned>(status), said);
		failed++;
	}
	return failed != 0;
}
