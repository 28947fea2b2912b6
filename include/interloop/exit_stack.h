/**
 * @file exit_stack.h
 * @brief What is undone when a server ends, last in, first out.
 *
 * References are dropped once the whole stack is undone: what was registered earlier, and is undone later, hears
 * -ESHUTDOWN from what is closed already.
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
 * @brief Has fn(arg) called when the server ends; it may wait, and runs shielded from cancellation. A
 * negative result is logged, and il_server_serve() answers the first one if nothing else failed.
 * @return 0; -ESHUTDOWN: the server is ending; -ENOMEM. Refused, nothing was registered.
 */
IL_API int il_exit_stack_push(il_exit_stack *stack, il_fn *fn, void *arg);

/**
 * @brief Hands the caller's reference over: when the server ends the executor is shut down, waiting
 * for its calls even in a cancelled scope, and the reference is dropped.
 */
IL_API int il_exit_stack_executor(il_exit_stack *stack, il_executor *executor);

/** @brief Hands the creator's reference over: il_portal_close(), in a cancelled scope if the server was
 * shut down. */
IL_API int il_exit_stack_portal(il_exit_stack *stack, il_portal *portal);

/**
 * @brief Hands an open group over, opened by service_init: its children are cancelled and joined. If
 * one fails before that the server ends, and il_server_serve() answers its error.
 */
IL_API int il_exit_stack_group(il_exit_stack *stack, il_group *group);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
