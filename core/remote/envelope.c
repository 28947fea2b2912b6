/*
 * envelope.c: envelopes written and read. What comes from the network may be anything: every length is held against what is
 * there.
 */
#include "envelope.h"

#include <errno.h>
#include <string.h>

static void put(char *to, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		to[i] = (char)(unsigned char)(value >> 8 * i);
}

static uint64_t get(const char *from, int bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < bytes; i++)
		value |= (uint64_t)(unsigned char)from[i] << 8 * i;
	return value;
}

static int check_start(const char *data, size_t size, const char *magic, const char *what)
{
	if (size < IL__REMOTE_ENVELOPE || memcmp(data, magic, 4) != 0)
		return il_fail(-EBADMSG, "%s of %zu bytes is no envelope of interloop", what, size);
	if (data[4] != IL__REMOTE_VERSION)
		return il_fail(-EPROTO, "%s of version %d; this program speaks version %d", what,
			       (unsigned char)data[4], IL__REMOTE_VERSION);
	return 0;
}

/* magic 4, version 1, form 1, attempt 2, id 8, limit 4, build 2, zero 2, left 8 */
void il__remote_write_call(char to[IL__REMOTE_ENVELOPE], const struct il__remote_call *call)
{
	memset(to, 0, IL__REMOTE_ENVELOPE);
	memcpy(to, "ILRC", 4);
	to[4] = IL__REMOTE_VERSION;
	to[5] = (char)call->form;
	put(to + 16, call->limit, 4);
	put(to + 20, call->build_size, 2);
	il__remote_address_call(to, call->id, call->attempt, call->left);
}

void il__remote_address_call(char envelope[IL__REMOTE_ENVELOPE], uint64_t id, uint16_t attempt,
			     int64_t left)
{
	put(envelope + 6, attempt, 2);
	put(envelope + 8, id, 8);
	put(envelope + 24, (uint64_t)left, 8);
}

int il__remote_read_call(struct il__remote_call *call, const char *data, size_t size)
{
	int rc = check_start(data, size, "ILRC", "a call");
	size_t build, left = size - IL__REMOTE_ENVELOPE;

	if (rc < 0)
		return rc;
	build = (size_t)get(data + 20, 2);
	if (build > left)
		return il_fail(-EBADMSG, "a call of %zu bytes whose lengths do not match", size);
	if (data[5] != IL_CALL_FLAT && data[5] != IL_CALL_BYTES)
		return il_fail(-EBADMSG, "a call of the unknown form %d", (unsigned char)data[5]);
	*call = (struct il__remote_call){.form = (il_call_form)data[5],
					 .attempt = (uint16_t)get(data + 6, 2),
					 .id = get(data + 8, 8),
					 .limit = (uint32_t)get(data + 16, 4),
					 .left = (int64_t)get(data + 24, 8),
					 .build = data + IL__REMOTE_ENVELOPE,
					 .build_size = build,
					 .in = data + IL__REMOTE_ENVELOPE + build,
					 .in_size = left - build};
	return 0;
}

/* magic 4, version 1, kind 1, detail 2, rc 4, build 2, zero 2, id 8, out 8 */
void il__remote_write_answer(char to[IL__REMOTE_ENVELOPE], const struct il__remote_answer *answer)
{
	memset(to, 0, IL__REMOTE_ENVELOPE);
	memcpy(to, "ILRA", 4);
	to[4] = IL__REMOTE_VERSION;
	to[5] = (char)answer->kind;
	put(to + 6, answer->detail_size, 2);
	put(to + 8, (uint32_t)answer->rc, 4);
	put(to + 12, answer->build_size, 2);
	put(to + 16, answer->id, 8);
	put(to + 24, answer->out_size, 8);
}

int il__remote_read_answer(struct il__remote_answer *answer, const char *data, size_t size)
{
	int rc = check_start(data, size, "ILRA", "an answer");
	size_t detail, build, left = size - IL__REMOTE_ENVELOPE;

	if (rc < 0)
		return rc;
	detail = (size_t)get(data + 6, 2);
	build = (size_t)get(data + 12, 2);
	if ((unsigned char)data[5] > IL__REMOTE_REFUSED || detail + build > left ||
	    get(data + 24, 8) != left - detail - build)
		return il_fail(-EBADMSG, "an answer of %zu bytes whose lengths do not match", size);
	*answer = (struct il__remote_answer){.kind = (enum il__remote_kind)data[5],
					     .rc = (int32_t)(uint32_t)get(data + 8, 4),
					     .id = get(data + 16, 8),
					     .detail = data + IL__REMOTE_ENVELOPE,
					     .detail_size = detail,
					     .build = data + IL__REMOTE_ENVELOPE + detail,
					     .build_size = build,
					     .out = data + IL__REMOTE_ENVELOPE + detail + build,
					     .out_size = left - detail - build};
	if (answer->kind == IL__REMOTE_REFUSED && answer->rc >= 0)
		return il_fail(-EBADMSG, "a refusal with the result %d", answer->rc);
	return 0;
}
