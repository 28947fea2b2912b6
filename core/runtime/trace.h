/*
 * trace.h: the trace that the environment asks for. Any thread.
 */
#ifndef IL_CORE_RUNTIME_TRACE_H
#define IL_CORE_RUNTIME_TRACE_H

/* When a loop opens: the first one starts the trace that $INTERLOOP_TRACE names. */
void il__trace_from_environment(void);
/* In a worker process, or a forked child: the variable was meant for who set it. */
void il__trace_not_from_environment(void);

#endif
