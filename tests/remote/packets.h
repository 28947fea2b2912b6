/*
 * packets.h: what a job server that lies is made of: a listener on this machine, and packets on bare connections.
 */
#ifndef IL_TESTS_REMOTE_PACKETS_H
#define IL_TESTS_REMOTE_PACKETS_H

#include "gearman.h"
#include "support.h"

/* Of the listener. */
extern char address[64];

void listen_here(void);
void listen_no_more(void);
int accept_one(void);
void send_all(int fd, const void *data, size_t size);
/* False: the peer has left, as one may that has got what it waits for. */
bool try_packet(int fd, unsigned type, const char *data, size_t size);
void send_packet(int fd, unsigned type, const char *data, size_t size);
void send_text(int fd, unsigned type, const char *text);
/* Its type; 0: the connection has ended. */
unsigned receive_packet(int fd, char *data, size_t room, size_t *size);
/* Greets whoever connects, and replies to beats until a packet of the type is there. */
bool await(int fd, unsigned type, char *data, size_t room, size_t *size);
/* Little-endian. */
void put(char *to, uint64_t value, int bytes);
/* A job behind the handle H:1, with an argument of so many zeros. */
size_t make_call(char *to, const char *name, size_t argument);
/* An answer of a worker's to the call with this payload, behind the handle H:1. */
size_t make_answer(char *to, const char *payload, int kind, int rc, size_t out);

#endif
