/*
 * wordcount.c: counts lines, words and bytes of real text, and how often each word occurs, in a
 * thread pool, while a task of the loop shows the progress on stderr.
 *
 *     wordcount [--backend NAME] [--text FILE]
 *
 * The text is split at white space; each piece is counted in a worker thread and touches no
 * other. The first line of output is that of `wc`, the others are those of `sort | uniq -c` in
 * the C locale.
 */
#include "example.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_SIZE = 64 * 1024 };

struct word {
	const char *text;
	size_t length, count;
};

struct words {
	struct word *items; /* owned */
	size_t count, capacity;
};

struct text {
	const char *file;
	char *bytes; /* owned */
	size_t size;
	struct piece *pieces; /* owned */
	size_t count;
	atomic_size_t done; /* pieces that were counted */
	struct words all;
};

struct piece {
	struct text *text;
	size_t begin, end, lines;
	struct words words;
};

/* ---- counting, in a worker thread ---- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int words_add(struct words *words, struct word word)
{
	if (words->count == words->capacity) {
		size_t capacity = words->capacity ? words->capacity * 2 : 1024;
		struct word *items = realloc(words->items, capacity * sizeof(*items));
		if (!items)
			return -ENOMEM;
		words->items = items;
		words->capacity = capacity;
	}
	words->items[words->count++] = word;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct word *x = a, *y = b;
	size_t shorter = x->length < y->length ? x->length : y->length;
	int order = memcmp(x->text, y->text, shorter);
	return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Sorts the words, and makes one of those that are the same. */
static void words_fold(struct words *words)
{
	size_t kept = 0;
	if (words->count == 0)
		return;
	qsort(words->items, words->count, sizeof(words->items[0]), compare);
	for (size_t i = 1; i < words->count; i++) {
		if (compare(&words->items[kept], &words->items[i]) == 0)
			words->items[kept].count += words->items[i].count;
		else
			words->items[++kept] = words->items[i];
	}
	words->count = kept + 1;
}

/* [count] */
static int count_piece(void *arg)
{
	struct piece *piece = arg;
	const char *p = piece->text->bytes + piece->begin, *end = piece->text->bytes + piece->end;
	while (p < end) {
		const char *begin = p;
		while (p < end && !is_space(*p))
			p++;
		if (p > begin) {
			int rc =
			    words_add(&piece->words, (struct word){begin, (size_t)(p - begin), 1});
			if (rc < 0)
				return rc;
		}
		for (; p < end && is_space(*p); p++)
			piece->lines += *p == '\n';
	}
	words_fold(&piece->words);
	atomic_fetch_add(&piece->text->done, 1);
	return 0;
}
/* [count] */

/* ---- before and after, each a blocking function too ---- */

static int read_text(void *arg)
{
	struct text *text = arg;
	FILE *file = fopen(text->file, "rb");
	if (!file)
		return -errno;
	int rc = 0;
	size_t got = 0;
	do {
		char *bytes = realloc(text->bytes, text->size + PIECE_SIZE);
		if (!bytes) {
			rc = -ENOMEM;
			break;
		}
		text->bytes = bytes;
		got = fread(bytes + text->size, 1, PIECE_SIZE, file);
		text->size += got;
	} while (got > 0);
	if (ferror(file))
		rc = -EIO;
	fclose(file);
	return rc;
}

static int split_text(struct text *text)
{
	text->pieces = calloc(text->size / PIECE_SIZE + 1, sizeof(text->pieces[0]));
	if (!text->pieces)
		return -ENOMEM;
	for (size_t at = 0; at < text->size;) {
		struct piece *piece = &text->pieces[text->count++];
		piece->text = text;
		piece->begin = at;
		at = text->size - at > PIECE_SIZE ? at + PIECE_SIZE : text->size;
		while (at < text->size && !is_space(text->bytes[at]))
			at++;
		piece->end = at;
	}
	return 0;
}

static int merge(void *arg)
{
	struct text *text = arg;
	for (size_t i = 0; i < text->count; i++) {
		struct words *words = &text->pieces[i].words;
		for (size_t w = 0; w < words->count; w++) {
			int rc = words_add(&text->all, words->items[w]);
			if (rc < 0)
				return rc;
		}
	}
	words_fold(&text->all);
	return 0;
}

static int print(void *arg)
{
	const struct text *text = arg;
	size_t lines = 0, words = 0;
	for (size_t i = 0; i < text->count; i++)
		lines += text->pieces[i].lines;
	for (size_t i = 0; i < text->all.count; i++)
		words += text->all.items[i].count;
	setvbuf(stdout, NULL, _IOFBF, PIECE_SIZE);
	printf("%zu %zu %zu\n", lines, words, text->size);
	for (size_t i = 0; i < text->all.count; i++) {
		const struct word *word = &text->all.items[i];
		printf("%7zu ", word->count);
		fwrite(word->text, 1, word->length, stdout);
		putchar('\n');
	}
	return ferror(stdout) || fflush(stdout) == EOF ? -EIO : 0;
}

static void free_text(struct text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->pieces[i].words.items);
	free(text->pieces);
	free(text->all.items);
	free(text->bytes);
}

/* ---- the tasks ---- */

/* [progress] */
static int show_progress(void *arg)
{
	struct text *text = arg;
	int rc;
	do {
		fprintf(stderr, "%zu of %zu pieces\n", atomic_load(&text->done), text->count);
		rc = il_sleep(IL_MSEC(50));
	} while (rc == 0);
	return rc;
}
/* [progress] */

/* [map] */
static int count_words(struct text *text, il_executor *pool)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, show_progress, text);
	if (rc == 0)
		rc = il_executor_map(pool, count_piece, text->pieces, text->count,
				     sizeof(text->pieces[0]), NULL, IL_FOREVER);
	il_scope_cancel(il_group_scope(&group)); /* ends show_progress */
	return il_group_close(&group, rc);
}
/* [map] */

/* [run] */
static int run(void *arg)
{
	struct text *text = arg;
	il_executor *pool;
	int rc = il_thread_pool_create(&pool, NULL);
	if (rc < 0)
		return rc;
	rc = il_executor_run(pool, read_text, text, 0);
	if (rc == 0)
		rc = split_text(text);
	if (rc == 0)
		rc = count_words(text, pool);
	if (rc == 0)
		rc = il_executor_run(pool, merge, text, 0);
	if (rc == 0)
		rc = il_executor_run(pool, print, text, 0);
	il_executor_destroy(pool);
	return rc;
}
/* [run] */

int main(int argc, char **argv)
{
	struct text text = {.file = example_option(argc, argv, "--text", "/dev/stdin")};
	int status = example_main(argc, argv, run, &text);
	free_text(&text);
	return status;
}
