/*
 * j_words.c: what codes are called. The system's codes are named and worded as the system does,
 * also where the library itself returns the same code with a meaning of its own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrorname_np */
#endif
#include "children.h"
#include "in_child.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#define CHECK_DETAIL(text) CHECK(strstr(il_error_detail(), (text)) != NULL)

IL_TEST_CORE(J, every_code_of_the_system_has_its_name)
{
	CHECK_STR(il_error_name(-ENOTDIR), "ENOTDIR");
	CHECK_STR(il_error_name(-ENOTSUP), "ENOTSUP");
	CHECK_STR(il_error_name(-EAGAIN), "EAGAIN");
	CHECK_STR(il_error_name(0), "OK");
	CHECK_STR(il_error_name(-4000), "unknown");
	CHECK_STR(il_error_name(INT_MIN), "unknown");
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 32)
	for (int code = 1; code < 4000; code++)
		if (strerrorname_np(code) && code != ENOTSUP)
			CHECK_STR(il_error_name(-code), strerrorname_np(code));
#endif
#endif
}

IL_TEST_REAL(J, a_code_of_the_system_is_worded_as_the_systems)
{
	il_process *p = NULL;
	il_stream *s = NULL;

	CHECK_RC(il_process_spawn(&p, ARGV((char *)"./no-such-program"), NULL), -ENOENT);
	CHECK_DETAIL(strerror(ENOENT));
	CHECK_RC(il_stream_connect_unix(&s, "./no-such-socket"), -ENOENT);
	CHECK_DETAIL(strerror(ENOENT));
}

static void check_limit_named(int rc)
{
	CHECK_RC(rc, -EMFILE);
	CHECK_DETAIL(strerror(EMFILE));
	CHECK_DETAIL("; raise RLIMIT_NOFILE");
}

IL_TEST_REAL(J, a_lack_of_descriptors_is_told_with_the_limit)
{
	struct rlimit full, none;
	il_stream *a = NULL, *b = NULL;
	il_listener *l = NULL;
	il_datagram *d = NULL;
	il_file *f = NULL;
	il_signal_receiver *r = NULL;

	if (il_test_valgrind()) /* it keeps descriptors beyond the limit */
		return;
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &full), 0);
	none = full;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	check_limit_named(il_stream_pair(&a, &b));
	check_limit_named(il_stream_connect_tcp(&a, "127.0.0.1", "1", NULL));
	check_limit_named(il_stream_connect_unix(&a, "./no-such-socket"));
	check_limit_named(il_listener_open_tcp(&l, "127.0.0.1", "0", NULL));
	check_limit_named(il_listener_open_unix(&l, "./no-such-socket", NULL));
	check_limit_named(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL));
	check_limit_named(il_datagram_open_unix(&d, NULL, NULL));
	check_limit_named(il_file_open(&f, "/dev/null", O_RDONLY, 0));
	check_limit_named(il_signal_receiver_open(&r, (const int[]){SIGUSR1}, 1));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
	CHECK_STR(il_strerror(-EMFILE), strerror(EMFILE));
}

#if defined(__linux__) && defined(SYS_eventfd2)
/* From now on the system call fails with EPERM, as in a sandbox. */
static bool forbid(unsigned number)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int open_without(void *number)
{
	il_loop *loop = NULL;
	int rc;

	if (!forbid((unsigned)(uintptr_t)number))
		return 0; /* cannot be tried here */
	rc = il_loop_open(&loop, il_test_backend(), NULL);
	if (rc == 0) {
		il_loop_destroy(loop);
		return 0; /* it does without */
	}
	CHILD_CHECK(rc == -EPERM);
	CHILD_CHECK(strstr(il_error_detail(), strerror(EPERM)) != NULL);
	return 0;
}

IL_TEST_OWN(J, a_loop_that_a_sandbox_refuses_says_what_the_system_said)
{
	const unsigned numbers[] = {SYS_eventfd2, SYS_epoll_create1, SYS_timerfd_create, SYS_pipe2};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		CHECK_IN_CHILD(open_without, (void *)(uintptr_t)numbers[i]);
}
#endif
