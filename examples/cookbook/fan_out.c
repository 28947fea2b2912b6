/*
 * fan_out.c: many questions at once, a few of them at a time; and several sources, of which the first answer counts.
 */
#include "../usage.h"

#include <interloop.h>

/* [bounded] */
struct question {
	il_semaphore *places;
	int number, answer;
};

static int ask(void *arg) /* a task of its own for each */
{
	struct question *q = arg;
	int rc = il_semaphore_acquire(q->places);
	if (rc < 0)
		return rc;
	rc = il_sleep(IL_MSEC(5)); /* what takes its time: a request to another server */
	q->answer = q->number * q->number;
	il_semaphore_release(q->places);
	return rc;
}

/* Every question has its answer, or the first failure has cancelled the others. */
static int ask_all(struct question *questions, size_t count)
{
	il_semaphore *places;
	int rc = il_semaphore_create(&places, 4, 4);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		questions[i].places = places;
	rc = il_gather(ask, questions, count, sizeof(*questions), NULL);
	il_semaphore_destroy(places);
	return rc;
}
/* [bounded] */

/* [first] */
struct source {
	il_group *group;
	il_time delay;
	const char *name, **winner;
};

static int ask_source(void *arg)
{
	struct source *s = arg;
	int rc = il_sleep(s->delay);
	if (rc < 0)
		return rc; /* another one was first */
	*s->winner = s->name;
	return il_scope_cancel(il_group_scope(s->group));
}

static int first_of(struct source *sources, size_t count, const char **winner)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count && rc == 0; i++) {
		sources[i].group = &group;
		sources[i].winner = winner;
		rc = il_group_start_soon(&group, NULL, ask_source, &sources[i]);
	}
	return il_group_close(&group, rc); /* all of them have ended */
}
/* [first] */

static int run(void *arg)
{
	(void)arg;
	struct question questions[20] = {{.number = 0}};
	for (int i = 0; i < 20; i++)
		questions[i].number = i;
	int sum = 0, rc = ask_all(questions, 20);
	for (int i = 0; i < 20; i++)
		sum += questions[i].answer;
	printf("sum of 20 answers: %d\n", sum);
	struct source sources[] = {{.name = "slow", .delay = IL_SEC(60)},
				   {.name = "fast", .delay = IL_MSEC(5)}};
	const char *winner = "nobody";
	if (rc == 0)
		rc = first_of(sources, 2, &winner);
	printf("first: %s\n", winner);
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	return il_run(il_backend_find(NULL), run, NULL) < 0;
}
