/*
 * resp.h: Redis's protocol (RESP2), as redis_server.c and redis_client.c share it.
 */
#ifndef RESP_H
#define RESP_H

#include <interloop.h>

#include <stdio.h>

enum {
	RESP_COMMAND_MAX = 1 << 20, /* bytes of a command */
	RESP_ARGUMENTS_MAX = 64     /* of a command that a client sends */
};

/* A server's: each packet is a command; replies are sent as they are. */
const il_protocol *resp_commands(void);

/* A client's: each packet is a reply; a line of words is sent as a command. */
const il_protocol *resp_replies(void);

struct resp_argument {
	const char *text;
	size_t size;
};

/* Gives how many arguments a command has; args has the first of them. */
int resp_split(const il_packet *command, struct resp_argument *args, int most);

/* Writes a reply as redis-cli does into a pipe: a line for each value. */
void resp_print(const il_packet *reply, FILE *out);

#endif
