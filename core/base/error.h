/*
 * error.h: results in words, and the log. Any thread.
 */
#ifndef IL_CORE_BASE_ERROR_H
#define IL_CORE_BASE_ERROR_H

#include "base.h"

enum { IL__DETAIL = 240 };

/* What il_error_detail() tells; rc 0: nothing. In a loop's thread a task has its own, as it has its own errno: it
 * is set aside while others run. */
struct il__refusal {
	int rc;
	bool own; /* of the task, or the call, that runs */
	char words[IL__DETAIL];
};

extern IL__THREAD_LOCAL struct il__refusal il__refusal;

/* Sets il_error_detail() and gives rc back: every refusal of a public call ends here. */
int il__refuse(int rc, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* -EINVAL, for bytes that cannot be read (il__is_data). */
int il__refuse_data(const char *function) __attribute__((cold));
/* -EINVAL, for an array that cannot be (il__is_items). */
int il__refuse_items(const char *function, const char *name, const void *items,
		     const char *count_name, size_t count) __attribute__((cold));
/* 0; -EINVAL for a limit that was a negative number. SIZE_MAX: no limit. */
int il__check_limit(const char *function, const char *name, size_t limit);

struct il__limit {
	const char *name;
	size_t limit;
};

/* Each of them; after the last comes one without a name. */
int il__check_limits(const char *function, const struct il__limit *limits);
/* For an error that has nothing to say: il_error_detail() must not tell of an older one. */
static inline void il__forget_refusal(void)
{
	il__refusal.words[0] = 0;
	il__refusal.rc = 0;
	il__refusal.own = true;
}

/* Before somebody else's function is called, which may say why it fails. */
static inline void il__clear_refusal(void)
{
	il__forget_refusal();
	il__refusal.own = false;
}

/* Whether il_error_detail() belongs to this code. */
bool il__has_refused(int rc);
/* The same for a code that is handed out as it came: every failure without words of its own ends here. */
static inline int il__no_words(int rc)
{
	if (rc < 0)
		il__forget_refusal();
	return rc;
}

/* And for a code of the caller's, or of a function of the caller's: only its own words stay beside it. */
static inline int il__pass_on(int rc)
{
	return il__refusal.rc == rc ? rc : il__no_words(rc);
}

/* Around a function of somebody else's: whether the words that are there were the caller's; and what it returns, which has words
 * that the function has set for it, or none. A success leaves those that were there. */
static inline bool il__disown_refusal(void)
{
	const bool own = il__refusal.own;

	il__refusal.own = false;
	return own;
}

static inline int il__after_refusal(int rc, bool own)
{
	if (rc < 0)
		return il__has_refused(rc) ? rc : il__no_words(rc);
	il__refusal.own |= own;
	return rc;
}

/* A copy of il_error_detail() if it belongs to this code, else NULL; and tells it again, in this thread or
 * another, and frees it. */
char *il__keep_refusal(int rc);
int il__refuse_again(int rc, char *why);
void il__log(int level, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* A code that came from a system call, in the system's words: il_strerror has the library's meaning
 * of it. Where no descriptor is to be had, with the limit: "Too many open files; raise RLIMIT_NOFILE".
 * It may lie in a buffer of the thread, until the next call. */
const char *il__system_words(int rc);
/* The same, and what to do where memory lacks. Of a fork or a thread, whose -EAGAIN is a lack too. */
const char *il__lack_words(int rc);
/* Misuse that no result can report: says so and aborts. */
_Noreturn void il__fatal(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

#endif
