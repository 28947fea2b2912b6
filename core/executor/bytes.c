/*
 * bytes.c: the result of a call of the bytes form. Whoever runs the call, alone.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "call.h"

void *il_bytes_resize(il_bytes *bytes, size_t size)
{
	size_t room;

	if (!bytes) {
		il__refuse(-EINVAL, "il_bytes_resize: bytes is NULL");
		return NULL;
	}
	room = bytes->room;
	if (!bytes->out || size > room) {
		void *out;
		room = room > SIZE_MAX / 2 || size > 2 * room ? size : 2 * room;
		out = il__is_array(room, 1) ? il__realloc(bytes->out, room ? room : 1) : NULL;
		if (!out) {
			il__refuse(-ENOMEM, "il_bytes_resize: no memory for %zu bytes", size);
			return NULL;
		}
		il__os_memory_is_large(out, room);
		bytes->out = out;
		bytes->room = room;
	}
	bytes->out_size = size;
	return bytes->out;
}

/* Where in `out` the data begins; SIZE_MAX: elsewhere. */
static size_t place_in_out(const il_bytes *bytes, const void *data)
{
	const uintptr_t at = (uintptr_t)data - (uintptr_t)bytes->out;

	return bytes->out && at < bytes->out_size ? at : SIZE_MAX;
}

int il_bytes_append(il_bytes *bytes, const void *data, size_t size)
{
	size_t before, own;

	if (!bytes || (!data && size))
		return il__refuse(-EINVAL, "il_bytes_append: %s is NULL", bytes ? "data" : "bytes");
	before = bytes->out_size;
	own = place_in_out(bytes, data);
	if (size > SIZE_MAX - before || !il_bytes_resize(bytes, before + size))
		return il__refuse(-ENOMEM, "il_bytes_append: no memory for %zu bytes more", size);
	if (own != SIZE_MAX) /* it may have moved */
		data = (char *)bytes->out + own;
	if (size > 0)
		memcpy((char *)bytes->out + before, data, size);
	return 0;
}

void il__bytes_end(il_bytes *bytes)
{
	if (!bytes->out_size)
		il_bytes_free(bytes);
}

void il_bytes_free(il_bytes *bytes)
{
	if (!bytes)
		return;
	il__free(bytes->out);
	bytes->out = NULL;
	bytes->out_size = bytes->room = 0;
}
