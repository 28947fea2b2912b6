/*
 * websocket.c: see websocket.h.
 */
#define _GNU_SOURCE /* memmem */
#include "websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINGER_TIME IL_SEC(2)

enum { CONTROL_MAX = 125, KEY_SIZE = 24 };

/* ---- the protocol ---- */

static int find_head(il_parse *parse)
{
	unsigned char *end = memmem(parse->data, parse->size, "\r\n\r\n", 4);
	if (!end)
		return parse->size > parse->limit ? -EMSGSIZE : 0;
	parse->packet.data = parse->data;
	parse->packet.size = (size_t)(end - parse->data) + 4;
	parse->consumed = parse->packet.size;
	parse->state[0] = 1; /* frames follow */
	return 1;
}

/* How many bytes the length takes, beyond the second byte of a frame. */
static size_t length_bytes(unsigned char second)
{
	unsigned length = second & 0x7f;
	return length < 126 ? 0 : length == 126 ? 2 : 8;
}

static uint64_t payload_length(const unsigned char *frame)
{
	uint64_t length = 0;
	size_t bytes = length_bytes(frame[1]);
	for (size_t i = 0; i < bytes; i++)
		length = length << 8 | frame[2 + i];
	return bytes == 0 ? frame[1] & 0x7f : length;
}

/* What RFC 6455 allows a client to send; the shortest form of a length only. */
static int check_header(const unsigned char *frame, uint64_t length)
{
	int opcode = frame[0] & 0x0f;
	size_t bytes = length_bytes(frame[1]);
	bool known =
	    opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
	bool control = opcode >= WEBSOCKET_CLOSE;
	if (frame[0] & 0x70 || !known || !(frame[1] & 0x80))
		return -EPROTO; /* an extension, an unknown opcode, no mask */
	if (control && (length > CONTROL_MAX || !(frame[0] & WEBSOCKET_FIN)))
		return -EPROTO;
	if ((bytes == 2 && length < 126) || (bytes == 8 && (length <= UINT16_MAX || length >> 63)))
		return -EPROTO;
	return 0;
}

static int find_frame(il_parse *parse)
{
	unsigned char *frame = parse->data;
	if (parse->size < 2 || parse->size < 2 + length_bytes(frame[1]))
		return 0;
	uint64_t length = payload_length(frame);
	size_t head = 2 + length_bytes(frame[1]) + 4;
	int rc = check_header(frame, length);
	if (rc < 0)
		return rc;
	if (length > parse->limit - 1)
		return -EMSGSIZE;
	if (parse->size < head + length)
		return 0;
	unsigned char *payload = frame + head, first = frame[0];
	unsigned char mask[4];
	memcpy(mask, payload - 4, 4);
	for (size_t i = 0; i < length; i++)
		payload[i] ^= mask[i % 4];
	payload[-1] = first;
	parse->packet.data = payload - 1;
	parse->packet.size = (size_t)length + 1;
	parse->consumed = head + (size_t)length;
	return 1;
}

static int find(const il_protocol *protocol, il_parse *parse)
{
	(void)protocol;
	return parse->state[0] == 0 ? find_head(parse) : find_frame(parse);
}

static int frame(const il_protocol *protocol, il_frame *f)
{
	(void)protocol;
	const unsigned char *data = f->data;
	size_t size = f->size - 1;
	f->data = data + 1;
	f->size = size;
	if (data[0] == WEBSOCKET_RAW)
		return 0;
	size_t bytes = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;
	f->head[0] = data[0];
	f->head[1] = (unsigned char)(bytes == 0 ? size : bytes == 2 ? 126 : 127);
	for (size_t i = 0; i < bytes; i++)
		f->head[2 + i] = (unsigned char)((uint64_t)size >> 8 * (bytes - 1 - i));
	f->head_size = 2 + bytes;
	return 0;
}

const il_protocol *websocket_protocol(void)
{
	static const il_protocol protocol = {.name = "WebSocket", .find = find, .frame = frame};
	return &protocol;
}

/* ---- sending ---- */

static int send_with(il_client *client, int first, const void *data, size_t size)
{
	char small[256], *packet = size < sizeof(small) ? small : malloc(size + 1);
	if (!packet)
		return -ENOMEM;
	packet[0] = (char)first;
	memcpy(packet + 1, data, size);
	int rc = il_client_send(client, packet, size + 1);
	if (packet != small)
		free(packet);
	return rc;
}

int websocket_send(struct websocket *ws, int opcode, const void *data, size_t size)
{
	return ws->closing ? -EPIPE : send_with(ws->client, WEBSOCKET_FIN | opcode, data, size);
}

int websocket_close(struct websocket *ws, int code, const char *why)
{
	char payload[CONTROL_MAX] = {(char)(code >> 8), (char)code};
	size_t size = strnlen(why, sizeof(payload) - 2); /* the rest of a longer one is left out */
	int rc = 0;
	memcpy(payload + 2, why, size);
	if (!ws->closing)
		rc = websocket_send(ws, WEBSOCKET_CLOSE, payload, 2 + size);
	ws->closing = true;
	return rc < 0 ? rc : il_client_finish(ws->client, LINGER_TIME);
}

/* ---- the request that opens it ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool websocket_header(const char *head, size_t size, const char *name, char *value, size_t max)
{
	size_t length = strlen(name);
	for (const char *line = head, *end; (end = memmem(line, size, "\r\n", 2)); line = end + 2) {
		size -= (size_t)(end - line) + 2;
		if ((size_t)(end - line) <= length || strncasecmp(line, name, length) != 0 ||
		    line[length] != ':')
			continue;
		const char *from = line + length + 1, *to = end;
		while (from < to && is_blank(*from))
			from++;
		while (to > from && is_blank(to[-1]))
			to--;
		snprintf(value, max, "%.*s", (int)(to - from), from);
		return true;
	}
	return false;
}

/* Whether a header is a list with that word in it. */
static bool has_word(const char *head, size_t size, const char *name, const char *word)
{
	char value[256], *rest = value, *item;
	if (!websocket_header(head, size, name, value, sizeof(value)))
		return false;
	while ((item = strsep(&rest, ", \t")))
		if (strcasecmp(item, word) == 0)
			return true;
	return false;
}

int websocket_respond(il_client *client, const char *status, const char *more, const char *body)
{
	char head[512];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
			 status, more, strlen(body));
	int rc = send_with(client, WEBSOCKET_RAW, head, (size_t)n);
	if (rc == 0)
		rc = send_with(client, WEBSOCKET_RAW, body, strlen(body));
	return rc < 0 ? rc : il_client_finish(client, LINGER_TIME);
}

/* RFC 6455, 4.2.2: the key with a fixed text behind it, hashed. */
static void accept_value(const char *key, char value[32])
{
	unsigned char text[KEY_SIZE + 36 + 1], hash[SHA_DIGEST_LENGTH];
	int n = snprintf((char *)text, sizeof(text), "%s%s", key,
			 "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
	SHA1(text, (size_t)n, hash);
	EVP_EncodeBlock((unsigned char *)value, hash, sizeof(hash));
}

int websocket_accept(il_client *client, const char *head, size_t size)
{
	char key[64] = "", version[16] = "", value[32], text[256];
	websocket_header(head, size, "Sec-WebSocket-Version", version, sizeof(version));
	websocket_header(head, size, "Sec-WebSocket-Key", key, sizeof(key));
	bool asks = strncmp(head, "GET ", 4) == 0 && memmem(head, size, " HTTP/1.1\r\n", 11) &&
		    has_word(head, size, "Connection", "upgrade") &&
		    has_word(head, size, "Upgrade", "websocket");
	int rc;
	if (asks && strcmp(version, "13") != 0)
		rc = websocket_respond(client, "426 Upgrade Required",
				       "Sec-WebSocket-Version: 13\r\n", "");
	else if (!asks || strlen(key) != KEY_SIZE)
		rc = websocket_respond(client, "400 Bad Request", "", "This is a WebSocket.\n");
	else {
		accept_value(key, value);
		int n = snprintf(text, sizeof(text),
				 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
				 value);
		return send_with(client, WEBSOCKET_RAW, text, (size_t)n);
	}
	return rc < 0 ? rc : 1;
}

/* ---- receiving ---- */

/* Well-formed by RFC 3629: no overlong form, no surrogate, nothing beyond U+10FFFF. */
static bool is_utf8(const unsigned char *s, size_t size)
{
	for (size_t i = 0, more; i < size; i += more + 1) {
		unsigned char c = s[i], least = 0x80, most = 0xbf;
		more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : 3;
		if (more == 3 && (c < 0xf0 || c > 0xf4))
			return false;
		if (c == 0xe0)
			least = 0xa0;
		else if (c == 0xed)
			most = 0x9f;
		else if (c == 0xf0)
			least = 0x90;
		else if (c == 0xf4)
			most = 0x8f;
		for (size_t k = 1; k <= more; k++, least = 0x80, most = 0xbf)
			if (i + k >= size || s[i + k] < least || s[i + k] > most)
				return false;
	}
	return true;
}

static bool is_close_code(int code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

/* The peer closes: with the same code back, or with what was wrong about it. */
static int answer_close(struct websocket *ws, const unsigned char *payload, size_t size)
{
	int code = size >= 2 ? payload[0] << 8 | payload[1] : WEBSOCKET_NORMAL;
	if (size == 1 || !is_close_code(code))
		code = WEBSOCKET_PROTOCOL_ERROR;
	else if (size > 2 && !is_utf8(payload + 2, size - 2))
		code = WEBSOCKET_BAD_TEXT;
	int rc = websocket_close(ws, code, "");
	return rc < 0 ? rc : 0;
}

/* 1: the message is whole; 0: more frames come; negative: the code to close with. */
static int add_frame(struct websocket *ws, int first, const void *payload, size_t size)
{
	int opcode = first & 0x0f;
	if ((opcode == WEBSOCKET_CONTINUATION) != ws->under_way)
		return -WEBSOCKET_PROTOCOL_ERROR;
	if (!ws->under_way)
		ws->size = 0;
	if (size > ws->message_max - ws->size)
		return -WEBSOCKET_TOO_LARGE;
	char *message = realloc(ws->message, ws->size + size + 1);
	if (!message)
		return -WEBSOCKET_TOO_LARGE;
	ws->message = message;
	memcpy(message + ws->size, payload, size);
	ws->size += size;
	message[ws->size] = '\0';
	if (opcode != WEBSOCKET_CONTINUATION)
		ws->opcode = opcode;
	ws->under_way = !(first & WEBSOCKET_FIN);
	if (ws->under_way)
		return 0;
	bool bad = ws->opcode == WEBSOCKET_TEXT && !is_utf8((unsigned char *)message, ws->size);
	return bad ? -WEBSOCKET_BAD_TEXT : 1;
}

static int take_frame(struct websocket *ws, const il_packet *packet, bool *whole)
{
	const unsigned char *data = packet->data;
	size_t size = packet->size - 1;
	int rc = 1;
	switch (data[0] & 0x0f) {
	case WEBSOCKET_PONG:
		break;
	case WEBSOCKET_PING:
		rc = websocket_send(ws, WEBSOCKET_PONG, data + 1, size);
		rc = rc < 0 ? rc : 1;
		break;
	case WEBSOCKET_CLOSE:
		return answer_close(ws, data + 1, size);
	default:
		rc = add_frame(ws, data[0], data + 1, size);
		*whole = rc == 1;
		if (rc < 0) {
			rc = websocket_close(ws, -rc, "");
			return rc < 0 ? rc : 0;
		}
		rc = 1;
	}
	return rc;
}

int websocket_receive(struct websocket *ws, il_time timeout)
{
	bool whole = false;
	il_packet packet;
	int rc = 1;
	while (rc == 1 && !whole) {
		rc = il_client_receive(ws->client, &packet, timeout);
		if (rc == 1)
			rc = take_frame(ws, &packet, &whole);
		else if (rc == -EPROTO || rc == -EMSGSIZE) {
			int code = rc == -EPROTO ? WEBSOCKET_PROTOCOL_ERROR : WEBSOCKET_TOO_LARGE;
			rc = websocket_close(ws, code, "");
			return rc < 0 ? rc : 0;
		}
	}
	return rc;
}

void websocket_end(struct websocket *ws)
{
	free(ws->message);
}
