/*
 * example.h: what the examples share, so that each of them shows one thing only: the options of
 * the command line and what the process exits with. Nothing here is needed to use interloop.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <interloop.h>

#include <pthread.h>

/* First in main, for a program that has other options than --backend: all of them, such as
 * "[--backend NAME] [--port NUMBER]". Prints that for --help, and for whatever else there is on the
 * command line, and ends the program then. */
void example_options(int argc, char **argv, const char *usage);

/* The backend that `--backend NAME` names, or the default one; ends the program without one. */
const il_backend *example_backend(int argc, char **argv);

/* What follows `name` on the command line: as many values as its usage says; NULL: it is not there. */
char **example_values(int argc, char **argv, const char *name);

/* The only value of `name`, or `fallback`. */
const char *example_option(int argc, char **argv, const char *name, const char *fallback);

/* Likewise a number from 0 to `most`; ends the program if it is none. */
long example_number(int argc, char **argv, const char *name, long fallback, long most);

/* Runs fn on that backend; gives what main() returns. */
int example_main(int argc, char **argv, il_fn *fn, void *arg);

/* What main() returns for a result; says on stderr why, if it is an error. SIGINT is a good end. */
int example_exit(int rc);

/* What `--tls CERTIFICATE KEY` asks for: the layer for the server's options; NULL: no TLS. Ends the program if
 * the files are no good, or the library was built without TLS. (example_tls.c) */
const struct il_layer *example_layer(int argc, char **argv);

/* Whether a line is text to its end: C's functions would not see what follows a zero byte. */
bool example_is_text(const il_packet *line);

/* Says where the server listens, serves until it is stopped, and destroys it. */
int example_serve(il_server *server);

/* Serves while visit(server), which shuts it down, runs in a task beside, and destroys it. */
int example_serve_beside(il_server *server, il_fn *visit);

/* A task of a server: shuts it down at SIGTERM, so that handlers have its grace period. */
int example_stop_on_sigterm(void *server);

/* Stands for any blocking call: a disk, a database, a library that knows no loop. */
void example_block(int milliseconds);

/* Whether this is the thread that called example_backend or example_main: there, the loop's. */
bool example_in_main_thread(void);

#endif
