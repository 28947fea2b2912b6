/*
 * greeter.h: a small service for the attach examples, which differ only in the loop that their
 * application runs already.
 */
#ifndef GREETER_H
#define GREETER_H

/* A task (il_fn): greets whoever sends a name, a line each, on port `arg`, until cancelled. */
int greeter_serve(void *arg);

#endif
