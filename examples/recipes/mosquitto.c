/*
 * mosquitto.c: a task that drives an MQTT client. Its callbacks are plain calls in the loop's thread. Link -lmosquitto.
 */
#include <interloop.h>

#include <errno.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>

/* Once it is subscribed it hears of what it publishes itself. */
static void on_subscribe(struct mosquitto *m, void *arg, int id, int count, const int *granted)
{
	(void)arg, (void)id, (void)count, (void)granted;
	mosquitto_publish(m, NULL, "recipe", 5, "hello", 1, false);
}

static void on_message(struct mosquitto *m, void *arg, const struct mosquitto_message *message)
{
	(void)arg;
	mosquitto_disconnect(m);
	printf("%s: %.*s\n", message->topic, message->payloadlen, (char *)message->payload);
}

/* [mosquitto] */
static int drive(void *client)
{
	int rc = MOSQ_ERR_SUCCESS;
	while (rc == MOSQ_ERR_SUCCESS) {
		unsigned mask = IL_READABLE | (mosquitto_want_write(client) ? IL_WRITABLE : 0u);
		il_scope scope = IL_SCOPE_INIT; /* its keep-alive wants to be looked after */
		int ready = il_scope_enter(&scope, il_deadline(IL_SEC(1)), IL_FAIL_AT_DEADLINE);
		if (ready == 0)
			ready = il_scope_exit(&scope, il_wait_fd(mosquitto_socket(client), mask));
		if (ready < 0 && ready != -ETIMEDOUT)
			return ready;
		if (ready > 0 && (ready & (int)IL_READABLE))
			rc = mosquitto_loop_read(client, 1);
		if (rc == MOSQ_ERR_SUCCESS && mosquitto_want_write(client))
			rc = mosquitto_loop_write(client, 1);
		if (rc == MOSQ_ERR_SUCCESS)
			rc = mosquitto_loop_misc(client);
	}
	if (rc == MOSQ_ERR_NO_CONN) /* mosquitto_disconnect was called */
		return 0;
	return il_fail(-EIO, "mosquitto: %s", mosquitto_strerror(rc));
}
/* [mosquitto] */

int main(int argc, char **argv)
{
	const il_backend *backend = il_backend_find(NULL);
	mosquitto_lib_init();
	struct mosquitto *client = mosquitto_new(NULL, true, NULL);
	mosquitto_message_callback_set(client, on_message);
	mosquitto_subscribe_callback_set(client, on_subscribe);
	if (!backend ||
	    mosquitto_connect(client, "127.0.0.1", argc > 1 ? atoi(argv[1]) : 1883, 60) != 0)
		return 1;
	mosquitto_subscribe(client, NULL, "recipe", 1);
	int rc = il_run(backend, drive, client);
	mosquitto_destroy(client);
	return rc < 0;
}
