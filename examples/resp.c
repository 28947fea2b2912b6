/*
 * resp.c: Redis's protocol (RESP2), both ways. `find_command` and `find_reply` look for a whole
 * packet in the bytes received, and at each byte once; `frame_command` makes a command of a line.
 */
#include "resp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INLINE_MAX = 1024 }; /* bytes of a command typed by hand, and of a line with a length */

/* ---- where a command ends: for servers ---- */

/* [protocol] */
enum { LEFT, SKIP }; /* il_parse.state: arguments that are to come; bytes of the one that comes */

/* Reads a line of a type and a number, such as "*3\r\n". 1: read; 0: not all of it is there. */
static int find_number(il_parse *parse, char type, size_t most, size_t *number)
{
	const char *line = (const char *)parse->data + parse->scanned;
	size_t size = parse->size - parse->scanned;
	const char *end = memchr(line, '\n', size < 32 ? size : 32);
	if (!end)
		return size < 32 ? 0 : -EBADMSG;
	char *stop;
	unsigned long value = strtoul(line + 1, &stop, 10);
	if (line[0] != type || line[1] < '0' || line[1] > '9' || *stop != '\r' || stop + 1 != end)
		return -EBADMSG;
	if (value > most)
		return -EMSGSIZE;
	*number = value;
	parse->scanned += (size_t)(end + 1 - line);
	return 1;
}

static int found(il_parse *parse, size_t size)
{
	parse->packet = (il_packet){.data = parse->data, .size = size};
	parse->consumed = size;
	return 1;
}

static int find_inline(il_parse *parse)
{
	const unsigned char *from = parse->data + parse->scanned;
	const unsigned char *end = memchr(from, '\n', parse->size - parse->scanned);
	parse->scanned = parse->size;
	if (end)
		return found(parse, (size_t)(end + 1 - parse->data));
	return parse->size > INLINE_MAX ? -EMSGSIZE : 0;
}

static int find_command(const il_protocol *protocol, il_parse *parse)
{
	(void)protocol;
	uint64_t *left = &parse->state[LEFT], *skip = &parse->state[SKIP];
	size_t number;
	int rc;
	if (parse->data[0] != '*')
		return find_inline(parse);
	if (parse->scanned == 0) {
		if ((rc = find_number(parse, '*', RESP_COMMAND_MAX, &number)) <= 0)
			return rc;
		*left = number;
	}
	while (*left > 0) {
		if (*skip == 0) {
			if ((rc = find_number(parse, '$', parse->limit, &number)) <= 0)
				return rc;
			*skip = number + 2; /* CR LF follows the argument */
		}
		if (parse->size - parse->scanned < *skip)
			return 0;
		parse->scanned += *skip;
		*skip = 0;
		--*left;
	}
	return found(parse, parse->scanned);
}
/* [protocol] */

static int split_inline(const il_packet *packet, struct resp_argument *args, int most)
{
	const char *p = packet->data, *end = p + packet->size;
	int count = 0;
	while (p < end) {
		size_t size = 0;
		while (p + size < end && !strchr(" \t\r\n", p[size]))
			size++;
		if (size > 0 && count < most)
			args[count] = (struct resp_argument){p, size};
		count += size > 0;
		p += size + 1;
	}
	return count;
}

int resp_split(const il_packet *packet, struct resp_argument *args, int most)
{
	const char *p = packet->data;
	char *next;
	if (*p != '*')
		return split_inline(packet, args, most);
	/* find_command has seen that all of it is there */
	int count = (int)strtol(p + 1, &next, 10);
	for (int i = 0; i < count && i < most; i++) {
		size_t size = strtoul(next + 3, &next, 10);
		args[i] = (struct resp_argument){next + 2, size};
		next += 2 + size;
	}
	return count;
}

static const il_protocol commands = {.name = "RESP", .find = find_command};

const il_protocol *resp_commands(void)
{
	return &commands;
}

/* ---- where a reply ends: for clients ---- */

/* [reply] */
/* A line that begins at `scanned`: "+OK", "-ERR ...", ":42", "$5", "*2". 1: it is there, and its number. */
static int find_line(il_parse *parse, long *number)
{
	const char *line = (const char *)parse->data + parse->scanned;
	size_t size = parse->size - parse->scanned;
	const char *end = memchr(line, '\n', size);
	if (!end)
		return size > INLINE_MAX ? -EBADMSG : 0;
	if (!strchr("+-:$*", line[0]) || end == line || end[-1] != '\r')
		return -EBADMSG;
	*number = strtol(line + 1, NULL, 10);
	parse->scanned += (size_t)(end + 1 - line);
	return 1;
}

/* A reply may be an array of replies: LEFT counts those that are to come. */
static int find_reply(const il_protocol *protocol, il_parse *parse)
{
	(void)protocol;
	uint64_t *left = &parse->state[LEFT], *skip = &parse->state[SKIP];
	if (parse->scanned == 0)
		*left = 1;
	while (*left > 0) {
		long number;
		char type;
		int rc;
		if (*skip > 0) {
			if (parse->size - parse->scanned < *skip)
				return 0;
			parse->scanned += *skip;
			*skip = 0;
			--*left;
			continue;
		}
		if (parse->scanned == parse->size)
			return 0;
		type = (char)parse->data[parse->scanned];
		if ((rc = find_line(parse, &number)) <= 0)
			return rc;
		if (number > (long)parse->limit && (type == '$' || type == '*'))
			return -EMSGSIZE;
		if (type == '$' && number >= 0)
			*skip = (uint64_t)number + 2; /* CR LF follows the bytes */
		else if (type == '*' && number >= 0)
			*left += (uint64_t)number - 1;
		else
			--*left; /* a line alone, or one of the two forms of nothing */
	}
	return found(parse, parse->scanned);
}
/* [reply] */

static void release_command(il_frame *frame)
{
	free(frame->pointer);
}

/* [frame] */
/* Makes "SET key value" an array of three strings. */
static int frame_command(const il_protocol *protocol, il_frame *frame)
{
	(void)protocol;
	struct resp_argument args[RESP_ARGUMENTS_MAX];
	char *bytes = NULL;
	size_t size = 0;
	int count = split_inline(&(il_packet){.data = frame->data, .size = frame->size}, args,
				 RESP_ARGUMENTS_MAX);
	if (count == 0 || count > RESP_ARGUMENTS_MAX)
		return il_fail(-EBADMSG, "a command has 1 to %d words", RESP_ARGUMENTS_MAX);
	FILE *out = open_memstream(&bytes, &size);
	if (!out)
		return -ENOMEM;
	fprintf(out, "*%d\r\n", count);
	for (int i = 0; i < count; i++) {
		fprintf(out, "$%zu\r\n", args[i].size);
		fwrite(args[i].text, 1, args[i].size, out);
		fputs("\r\n", out);
	}
	if (fclose(out) == EOF) {
		free(bytes);
		return -ENOMEM;
	}
	frame->data = frame->pointer = bytes;
	frame->size = size;
	frame->release = release_command;
	return 0;
}
/* [frame] */

static const il_protocol replies = {.name = "RESP", .find = find_reply, .frame = frame_command};

const il_protocol *resp_replies(void)
{
	return &replies;
}

/* ---- replies as text ---- */

/* find_reply has seen that all of it is there. */
void resp_print(const il_packet *reply, FILE *out)
{
	const char *p = reply->data, *end = p + reply->size;
	for (long left = 1; left > 0 && p < end; left--) {
		const char *line = p + 1, *stop = memchr(p, '\n', (size_t)(end - p));
		long number = strtol(line, NULL, 10);
		char type = *p;
		p = stop + 1;
		if (type == '*') {
			left += number > 0 ? number : 0;
			continue;
		}
		if (type == '$') {
			fwrite(p, 1, number > 0 ? (size_t)number : 0, out);
			p += number >= 0 ? number + 2 : 0;
		} else {
			fwrite(line, 1, (size_t)(stop - 1 - line), out);
		}
		fputc('\n', out);
	}
}
