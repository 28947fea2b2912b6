/*
 * pub_sub.c: one publisher, many subscribers, each at its own pace. A subscriber that is too slow loses messages, not
 * the others' time.
 */
#include "../usage.h"

#include <interloop.h>

/* [topic] */
enum { SUBSCRIBERS = 3, BACKLOG = 4 };

struct topic {
	il_sender *to[SUBSCRIBERS];
	int lost[SUBSCRIBERS];
};

static int subscribe(struct topic *t, int i, il_receiver **from)
{
	return il_channel_create(&t->to[i], from, sizeof(int), BACKLOG);
}

static void publish(struct topic *t, int message)
{
	for (int i = 0; i < SUBSCRIBERS; i++)
		t->lost[i] += t->to[i] && il_channel_send_nowait(t->to[i], &message) < 0;
}

static void end(struct topic *t) /* subscribers get what is on its way, then the end */
{
	for (int i = 0; i < SUBSCRIBERS; i++)
		il_sender_destroy(t->to[i]);
}
/* [topic] */

struct subscriber {
	il_receiver *from;
	il_time pace;
	int got;
};

static int read_all(void *arg)
{
	struct subscriber *s = arg;
	int message, rc;
	while ((rc = il_channel_receive(s->from, &message)) == 1) {
		s->got++;
		rc = il_sleep(s->pace);
		if (rc < 0)
			break;
	}
	il_receiver_destroy(s->from);
	return rc;
}

static int run(void *arg)
{
	struct topic topic = {.lost = {0}};
	struct subscriber subscribers[SUBSCRIBERS] = {
	    {.pace = 0}, {.pace = 0}, {.pace = IL_SEC(60)}};
	il_group group;
	int rc = il_group_open(&group);
	(void)arg;
	if (rc < 0)
		return rc;
	for (int i = 0; i < SUBSCRIBERS && rc == 0; i++) {
		rc = subscribe(&topic, i, &subscribers[i].from);
		if (rc < 0)
			break;
		rc = il_group_start_soon(&group, NULL, read_all, &subscribers[i]);
		if (rc < 0)
			il_receiver_destroy(subscribers[i].from);
	}
	for (int message = 0; message < 20 && rc == 0; message++) {
		publish(&topic, message);
		rc = il_sleep(IL_MSEC(1));
	}
	end(&topic);
	if (rc == 0)
		rc = il_sleep(IL_MSEC(10));
	il_scope_cancel(il_group_scope(&group)); /* the slow one has slept enough */
	rc = il_group_close(&group, rc);
	for (int i = 0; i < SUBSCRIBERS; i++)
		printf("subscriber %d: %d messages, %d lost\n", i, subscribers[i].got,
		       topic.lost[i]);
	return rc;
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	return il_run(il_backend_find(NULL), run, NULL) < 0;
}
