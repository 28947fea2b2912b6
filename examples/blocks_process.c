/*
 * blocks_process.c: blocks.c over three worker processes. Only the line that creates the executor is
 * another one; the log names the processes where it named the threads.
 */
#define _GNU_SOURCE

#include "example.h"

#define il_thread_pool_create  il_process_pool_create
#define il_thread_pool_options il_process_pool_options
#include "blocks.c"
