/*
 * stop_signals.h: SIGTERM and SIGINT, for the servers that end by them (il_server_options.stop_at_signals).
 */
#ifndef IL_CORE_SERVER_STOP_SIGNALS_H
#define IL_CORE_SERVER_STOP_SIGNALS_H

/* A server's part from join to leave: its own two descriptors, -1 before and after. */
struct il__stop_signals {
	int first;  /* readable from the first signal on; nobody reads it */
	int second; /* likewise, from the second one on */
};

#define IL__STOP_SIGNALS_NONE ((struct il__stop_signals){-1, -1})

/* In the loop's thread. 0; -EBUSY: a receiver has one of the signals; -EMFILE, -ENFILE: nothing was done. */
int il__stop_signals_join(struct il__stop_signals *s);
/* Of a server that has joined: it has seen the first signal, which so is nobody else's any more. */
void il__stop_signals_heed(void);
/* In the same thread, where nobody waits for its descriptors; nothing if it has not joined. After the last one what
 * handled the signals before does so again. */
void il__stop_signals_leave(struct il__stop_signals *s);
/* In a forked child: closes the child's descriptors. */
void il__stop_signals_drop(struct il__stop_signals *s);

#endif
