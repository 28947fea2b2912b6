/**
 * @file exit_stack.h
 * @brief What is undone when a server or a block of a task ends, last in, first out.
 *
 * A server gives one to service_init and closes it when it ends. Any task opens one of its own:
 *
 *     il_exit_stack *stack;
 *     int rc = il_exit_stack_open(&stack);
 *
 *     if (rc < 0)
 *             return rc;
 *     for (size_t i = 0; rc >= 0 && i < count; i++)
 *             rc = take(stack, &things[i]);      // pushes what gives it back
 *     return il_exit_stack_close(stack, rc < 0 ? rc : work(things));
 *
 * So a function that takes several things needs one exit path, however far it got.
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
 * @brief Opens a stack for the calling task. Never waits, so it works in a cancelled scope too.
 * @param stack  receives it; the same task closes it before it ends.
 * @return 0; -EINVAL: NULL; -EPERM: not in a task; -ESHUTDOWN: this is a forked child of the loop's
 *         process; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_exit_stack_open(il_exit_stack **stack);

/**
 * @brief Undoes what is on the stack, the last entry first, and frees it. Entries may wait, and run
 * shielded from cancellation, each once, also after one of them has failed. Typical use: `return
 * il_exit_stack_close(stack, work());`
 * @param rc  the body's result.
 * @return rc. Exception: the first error of an entry if rc is no error or -ECANCELED; errors that
 *         are not returned are logged. An entry's -ECANCELED is neither. -EPERM: not the task that
 *         opened it, or a server's stack; -EALREADY: an entry calls it; -EINVAL: NULL; -ESHUTDOWN: this
 *         is a forked child of the loop's process; nothing changed.
 */
IL_API int il_exit_stack_close(il_exit_stack *stack, int rc);

/**
 * @brief Calls fn(arg) at the end; it may wait, and runs shielded from cancellation. A negative
 * result is returned or logged, see il_exit_stack_close(); il_server_serve() does the same. In any
 * task of the loop, or outside one.
 * @return 0; -EINVAL: NULL for the stack or fn; -EPERM: another thread; -ESHUTDOWN: the stack is
 *         being closed; -ENOMEM. Refused, nothing was registered.
 */
IL_MUST_CHECK IL_API int il_exit_stack_push(il_exit_stack *stack, il_fn *fn, void *arg);

/**
 * @brief Takes over the caller's reference: at the end the executor is shut down, waiting for its
 * calls even in a cancelled scope, and the reference is dropped. Errors of il_exit_stack_push().
 */
IL_MUST_CHECK IL_API int il_exit_stack_executor(il_exit_stack *stack, il_executor *executor);

/**
 * @brief Takes over the creator's reference: at the end the portal is closed, in the scope as it
 * is: cancelled if the server was shut down, or the task's scope was cancelled. Errors of
 * il_exit_stack_push().
 */
IL_MUST_CHECK IL_API int il_exit_stack_portal(il_exit_stack *stack, il_portal *portal);

/**
 * @brief Takes over an open group of the same task, opened since (by service_init): at the end its
 * children are cancelled and joined. If one fails before that, the task inside the group is
 * cancelled (a server ends), and the close returns the child's error. Errors of
 * il_exit_stack_push().
 */
IL_MUST_CHECK IL_API int il_exit_stack_group(il_exit_stack *stack, il_group *group);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
