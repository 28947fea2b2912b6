/*
 * dump_signal.h: the dumps that $INTERLOOP_DUMP_SIGNAL asks for. Any thread.
 */
#ifndef IL_CORE_RUNTIME_DUMP_SIGNAL_H
#define IL_CORE_RUNTIME_DUMP_SIGNAL_H

/* In a worker process, before anything else: the signal is the pool's process's, and does not end a worker, which
 * a terminal sends it, too. */
void il__dump_signal_ignore(void);

#endif
