/*
 * slow.c: a job server that takes its time: it says late that it is full. Whoever waits is not held up by that.
 */
#include "packets.h"

/* ---- it is full ---- */

enum { REFUSALS = 10 };

/* Each time that it is sent, and late; then it leaves, lest a caller waits for ever. */
static void *refuse_late(void *arg)
{
	char data[4096];
	int fd = accept_one();
	size_t size;

	(void)arg;
	for (int i = 0; i < REFUSALS && await(fd, SUBMIT_JOB, data, sizeof data, &size); i++) {
		usleep(300000);
		send_packet(fd, ERROR, "QUEUE_ERROR\0it is full", 22);
	}
	close(fd);
	return NULL;
}

static int run_add(void *ex)
{
	struct sum s = {1, 2, 0};

	return il_executor_run(ex, add, &s, sizeof s);
}

static int run_limited(void *ex)
{
	return il_fail_after(IL_MSEC(100), run_add, ex);
}

static void *run_in_thread(void *ex)
{
	CHECK_EQ(run_add(ex), -ECANCELED);
	return NULL;
}

/* Its caller's time is up, or the pool is shut down, while the server has not said yet that it does not take the call: it is not sent
 * again. */
static void cancel_before_a_refusal(bool by_shutdown)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	pthread_t server, caller;
	double begin;

	pthread_create(&server, NULL, refuse_late, NULL);
	UNTIL(statistics_of(ex, 0).connected);
	begin = seconds();
	if (by_shutdown) {
		pthread_create(&caller, NULL, run_in_thread, ex);
		UNTIL(statistics_of(ex, 0).sent == 1);
		CHECK_EQ(il_executor_shutdown(ex, IL_CANCEL_FUTURES), 0);
		pthread_join(caller, NULL);
	} else {
		CHECK_EQ(il_run(il_backend_find(NULL), run_limited, ex), -ETIMEDOUT);
	}
	CHECK(seconds() - begin < 1.5);
	CHECK_EQ((long)statistics_of(ex, 0).sent, 1);
	il_executor_destroy(ex);
	pthread_join(server, NULL);
	printf("cancelled before a refusal\n");
}

void test_all(void)
{
	signal(SIGPIPE, SIG_IGN);
	listen_here();
	cancel_before_a_refusal(false);
	cancel_before_a_refusal(true);
	listen_no_more();
}
