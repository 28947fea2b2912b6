/*
 * hiredis_client.c: fifty tasks talk to Redis through one connection, each in straight lines; one of them runs out of
 * time, and the others go on.
 *
 *     hiredis_client [--backend NAME] --port NUMBER
 */
#include "adapters/hiredis.h"
#include "example.h"

enum { TASKS = 50 };

struct job {
	il_redis *redis;
	int number;
	char line[64];
};

/* [converse] */
static int converse(void *arg)
{
	struct job *job = arg;
	redisReply *reply;
	int rc = il_redis_command(job->redis, &reply, "SET square:%d %d", job->number,
				  job->number * job->number);
	if (rc < 0)
		return rc;
	freeReplyObject(reply);
	rc = il_redis_command(job->redis, &reply, "GET square:%d", job->number);
	if (rc < 0)
		return rc;
	if (reply->type == REDIS_REPLY_STRING)
		snprintf(job->line, sizeof(job->line), "the square of %d is %s", job->number,
			 reply->str);
	else /* an error of Redis, or no such key */
		rc = il_fail(-EIO, "GET: %s", reply->str ? reply->str : "nothing there");
	freeReplyObject(reply);
	if (rc == 0)
		rc = il_redis_command(job->redis, &reply, "INCR done");
	if (rc == 0)
		freeReplyObject(reply);
	return rc;
}
/* [converse] */

/* Nothing will ever be in that list: the time limit ends the wait, and a connection of its own the command. */
static int run_out_of_time(const char *port)
{
	il_redis *redis;
	redisReply *reply;
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_redis_connect(&redis, "localhost", port);
	if (rc < 0)
		return rc;
	rc = il_scope_enter(&scope, il_deadline(IL_MSEC(50)), IL_FAIL_AT_DEADLINE);
	if (rc == 0) {
		rc = il_redis_command(redis, &reply, "BLPOP nothing 0");
		rc = il_scope_exit(&scope, rc);
	}
	printf("waiting for nothing: %s\n", il_error_name(rc));
	il_redis_close(redis);
	return rc == -ETIMEDOUT ? 0 : rc;
}

/* Nothing is sent for a task that was cancelled before, and nothing that has more than one reply. */
static int refuse(il_redis *redis)
{
	redisReply *reply;
	il_scope scope = IL_SCOPE_INIT;
	il_scope_cancel(&scope);
	int rc = il_scope_enter(&scope, IL_FOREVER, 0);
	if (rc == 0) {
		rc = il_redis_command(redis, &reply, "INCR done");
		printf("cancelled before: %s\n", il_error_name(rc));
		rc = il_scope_exit(&scope, rc);
	}
	if (rc == 0) {
		rc = il_redis_command(redis, &reply, "%s news", "subscribe");
		printf("replies without end: %s\n", il_error_name(rc));
	}
	return rc == -EINVAL ? 0 : rc;
}

static int converse_all(il_redis *redis, struct job jobs[TASKS])
{
	for (int i = 0; i < TASKS; i++)
		jobs[i] = (struct job){.redis = redis, .number = i};
	return il_gather(converse, jobs, TASKS, sizeof(*jobs), NULL); /* a task each */
}

static int talk(void *arg)
{
	static struct job jobs[TASKS];
	const char *port = arg;
	redisReply *reply;
	il_redis *redis;
	int rc = il_redis_connect(&redis, "127.0.0.1", port);
	if (rc < 0)
		return rc;
	rc = il_redis_command(redis, &reply, "FLUSHALL");
	if (rc == 0) {
		freeReplyObject(reply);
		rc = converse_all(redis, jobs);
	}
	for (int i = 0; i < TASKS && rc == 0; i++)
		puts(jobs[i].line);
	if (rc == 0)
		rc = run_out_of_time(port);
	if (rc == 0)
		rc = refuse(redis);
	if (rc == 0)
		rc = il_redis_command(redis, &reply, "GET done");
	if (rc == 0) {
		printf("done by %s tasks\n", reply->str ? reply->str : "no");
		freeReplyObject(reply);
		rc = il_redis_command(redis, &reply, "INCR square:x y");
	}
	if (rc == 0) {
		printf("Redis says: %s\n", reply->str);
		freeReplyObject(reply);
	}
	il_redis_close(redis);
	if (rc == 0) {
		rc = il_redis_connect(&redis, "127.0.0.1", "1");
		printf("nobody there: %s\n", il_error_name(rc));
	}
	return rc == -ECONNREFUSED ? 0 : rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--port NUMBER]");
	return example_main(argc, argv, talk, (char *)example_option(argc, argv, "--port", "6379"));
}
