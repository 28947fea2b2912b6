/*
 * signal_receiver.h: a signal receiver from inside: for the case of a select that receives. Loop's thread only, but
 * for what `arrived` says.
 */
#ifndef IL_CORE_CHILD_SIGNAL_RECEIVER_H
#define IL_CORE_CHILD_SIGNAL_RECEIVER_H

#include "../base/base.h"
#include "../io/fd.h"
#include "../runtime/signal_handler.h"

#include <interloop/signal.h>

struct il__signal {
	struct il__signal_use use;
	int number, wake;
	atomic_ulong arrived; /* 0, or its place in the order of arrival; and UNHEARD */
};

struct il_signal_receiver {
	il_loop *loop;
	bool open;
	int wake[2];
	struct il__fd *fd;
	struct il__fd_owner owner;
	bool *gone; /* of whoever waits: set when it is closed; NULL: nobody does */
	size_t count;
	struct il__signal signals[]; /* each once */
};

/* Takes the one that came first; 0: none has come. */
int il__signal_look(il_signal_receiver *r);

struct il__report;
/* "one of 2 signals: 1, 15". */
void il__signal_receiver_tell(struct il__report *r, const il_signal_receiver *receiver);

#endif
