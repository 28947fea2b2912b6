/*
 * websocket.h: the server's side of WebSockets (RFC 6455) over il_protocol: the request that opens one, frames, messages.
 *
 * The protocol's first packet is the head of an HTTP request. After that each packet is a frame, unmasked in place: a byte
 * with the opcode and the FIN bit, then the payload. What is sent has that byte in front, too; WEBSOCKET_RAW sends the rest
 * as it is. websocket_receive() makes messages of frames, and answers pings and closes by itself.
 */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <interloop.h>

enum websocket_opcode {
	WEBSOCKET_CONTINUATION = 0,
	WEBSOCKET_TEXT = 1,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PING = 9,
	WEBSOCKET_PONG = 10,
	WEBSOCKET_FIN = 0x80,
	WEBSOCKET_RAW = 0xff
};

/* Codes of a close: RFC 6455, 7.4.1. */
enum {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_GOING_AWAY = 1001,
	WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEBSOCKET_BAD_TEXT = 1007,
	WEBSOCKET_TOO_LARGE = 1009
};

struct websocket { /* zero it, and set the first two */
	il_client *client;
	size_t message_max; /* bytes of a message, all its frames together */
	char *message;      /* the last one, '\0' behind it; freed by websocket_end */
	size_t size;        /* of the message */
	int opcode;         /* of the message: text or binary */
	bool under_way;     /* more frames of the message come */
	bool closing;       /* a close was sent */
};

/* The protocol for a server whose max_packet bounds heads and frames. */
const il_protocol *websocket_protocol(void);

/* The value of a header in a head, without white space around it; false: it is not there. */
bool websocket_header(const char *head, size_t size, const char *name, char *value, size_t max);

/* Answers a request that asks for a WebSocket. 0: it is one now; otherwise it is refused, and the result is as
 * il_client_finish's, or 1. */
int websocket_accept(il_client *client, const char *head, size_t size);

/* A whole HTTP response in the place of a WebSocket; the connection ends then. */
int websocket_respond(il_client *client, const char *status, const char *more, const char *body);

/* The next message. 1: in `message`; 0: the peer has closed, or broke the rules and was told so; negative: as
 * il_client_receive. */
int websocket_receive(struct websocket *ws, il_time timeout);

/* Any task of the client's may send; a message is one frame. */
int websocket_send(struct websocket *ws, int opcode, const void *data, size_t size);

/* Sends a close, once, and lets the connection end. `why`: ASCII, of which 123 bytes at most are sent. */
int websocket_close(struct websocket *ws, int code, const char *why);

void websocket_end(struct websocket *ws);

#endif
