/*
 * librdkafka.c: a task that consumes messages of Kafka. librdkafka has threads of its own; it tells by an eventfd
 * that its queue has got something. Link -lrdkafka.
 */
#include <interloop.h>

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A consumer that does not look for MOST_MS leaves its group; by default these are five minutes. */
enum { LOOK_MS = 500, MOST_MS = 3000, LAST_AFTER_MS = 4000 };

/* Negative: no more of them. */
static int handle(const rd_kafka_message_t *message)
{
	printf("%.*s\n", (int)message->len, (char *)message->payload);
	return -ECANCELED;
}

/* [librdkafka] */
static int consume(void *consumer)
{
	static const uint64_t one = 1;
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
	int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC), rc = fd < 0 ? -errno : 0;
	if (rc == 0) /* not of what is there already: hence the 1 */
		rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof(one));
	while (rc == 0) {
		rd_kafka_message_t *message;
		uint64_t count;
		il_scope scope = IL_SCOPE_INIT; /* well below max.poll.interval.ms */
		rc = il_scope_enter(&scope, il_deadline(IL_MSEC(LOOK_MS)), 0);
		if (rc == 0)
			rc = il_scope_exit(&scope, il_wait_readable(fd));
		(void)!read(fd, &count, sizeof(count)); /* before the look: nothing is missed */
		while (rc == 0 && (message = rd_kafka_consumer_poll(consumer, 0))) {
			if (!message->err)
				rc = handle(message);
			rd_kafka_message_destroy(message);
			rc = rc < 0 ? rc : il_yield(); /* others run though messages keep coming */
		}
	}
	rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
	rd_kafka_queue_destroy(queue);
	if (fd >= 0)
		close(fd);
	return rc;
}
/* [librdkafka] */

static void produce(rd_kafka_t *producer, const char *word)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, "recipe", NULL);
	if (!topic)
		return;
	rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, (char *)(uintptr_t)word, strlen(word), NULL,
			 0, NULL);
	rd_kafka_flush(producer, 10000);
	rd_kafka_topic_destroy(topic);
}

/* A cluster in this process, with messages for "recipe": librdkafka has one for tests. */
static rd_kafka_t *open_producer(void)
{
	char words[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", NULL, 0);
	rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
	if (producer) {
		produce(producer, "hello");
		produce(producer, "again");
	}
	return producer;
}

static void log_line(const rd_kafka_t *rk, int level, const char *kind, const char *line)
{
	(void)rk, (void)level;
	if (strcmp(kind, "MAXPOLL") == 0)
		printf("%s\n", line);
}

/* A member of a group that it leaves soon. */
static void be_impatient(rd_kafka_conf_t *conf)
{
	char most[16];
	snprintf(most, sizeof(most), "%d", MOST_MS);
	rd_kafka_conf_set(conf, "max.poll.interval.ms", most, NULL, 0);
	rd_kafka_conf_set(conf, "session.timeout.ms", "2500", NULL, 0);
	rd_kafka_conf_set(conf, "heartbeat.interval.ms", "500", NULL, 0);
	rd_kafka_conf_set_log_cb(conf, log_line); /* which says that it has left */
}

static rd_kafka_t *open_consumer(const char *servers, bool tested)
{
	char words[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", servers, NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "recipe", NULL, 0);
	rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
	if (tested)
		be_impatient(conf);
	rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, "recipe", RD_KAFKA_PARTITION_UA);
	if (consumer) {
		rd_kafka_poll_set_consumer(consumer);
		rd_kafka_subscribe(consumer, topics);
	}
	rd_kafka_topic_partition_list_destroy(topics);
	return consumer;
}

static void *produce_later(void *producer)
{
	usleep(LAST_AFTER_MS * 1000);
	produce(producer, "last");
	return NULL;
}

/* What came before consume() is not missed, and the group not left when nothing comes for long. */
static int consume_more(const il_backend *backend, rd_kafka_t *consumer, rd_kafka_t *producer)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
	pthread_t thread;
	while (rd_kafka_queue_length(queue) == 0)
		usleep(10000);
	rd_kafka_queue_destroy(queue);
	int rc = il_run(backend, consume, consumer);
	if (pthread_create(&thread, NULL, produce_later, producer) != 0)
		return -ENOMEM;
	if (rc == -ECANCELED)
		rc = il_run(backend, consume, consumer);
	pthread_join(thread, NULL);
	return rc;
}

int main(int argc, char **argv)
{
	const il_backend *backend = il_backend_find(NULL);
	rd_kafka_t *producer = argc > 1 ? NULL : open_producer();
	rd_kafka_t *consumer = open_consumer(
	    argc > 1 ? argv[1]
		     : rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(producer)),
	    argc == 1);
	if (!backend || !consumer)
		return 1;
	int rc = il_run(backend, consume, consumer);
	if (rc == -ECANCELED && producer)
		rc = consume_more(backend, consumer, producer);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
	if (producer)
		rd_kafka_destroy(producer);
	return rc != -ECANCELED;
}
