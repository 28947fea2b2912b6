/**
 * @file exit_stack.h
 * @brief What is undone when a server ends, last in, first out.
 *
 * Entries are undone in reverse order, but references are dropped only after the last one. So an
 * earlier entry may still use a later one; it gets -ESHUTDOWN.
 */
#ifndef INTERLOOP_EXIT_STACK_H
#define INTERLOOP_EXIT_STACK_H

#include <interloop/group.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup exit_stack Exit stacks
 * @{
 */

/**
 * @brief Calls fn(arg) when the server ends; it may wait, and runs shielded from cancellation. A
 * negative result is logged, and il_server_serve() returns the first one if nothing else failed.
 * @return 0; -ESHUTDOWN: the server is ending; -ENOMEM. Refused, nothing was registered.
 */
IL_API int il_exit_stack_push(il_exit_stack *stack, il_fn *fn, void *arg);

/**
 * @brief Takes over the caller's reference: when the server ends the executor is shut down, waiting
 * for its calls even in a cancelled scope, and the reference is dropped.
 */
IL_API int il_exit_stack_executor(il_exit_stack *stack, il_executor *executor);

/** @brief Takes over the creator's reference: when the server ends the portal is closed, in a
 * cancelled scope if the server was shut down. */
IL_API int il_exit_stack_portal(il_exit_stack *stack, il_portal *portal);

/**
 * @brief Takes over an open group, opened by service_init: its children are cancelled and joined.
 * If one fails before that the server ends, and il_server_serve() returns its error.
 */
IL_API int il_exit_stack_group(il_exit_stack *stack, il_group *group);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
