/*
 * layer.c: having a layer make a stream over a stream. Invariants: a stream that came through a layer holds one
 * reference of it, through however many layers it came, until it is destroyed; where a layer fails, what is below
 * is closed and the caller's. Loop's thread only, in a task.
 */
#include "layer.h"
#include "../base/error.h"
#include "../base/guard.h"
#include "../base/memory.h"

#include <interloop/scope.h>

void il__layer_hold(struct il_layer *copy, const struct il_layer *layer)
{
	*copy = layer ? *layer : (struct il_layer){.accept = NULL};
	if (copy->ref)
		IL__GUARDED(copy->ref(copy->self));
}

void il__layer_drop(struct il_layer *copy)
{
	if (copy->unref)
		IL__GUARDED(copy->unref(copy->self));
	*copy = (struct il_layer){.accept = NULL};
}

/* What the layer made, or why not. The reference is taken before, so that nothing can fail after it. */
static int layer_end(il_stream **stream, il_stream *made, struct il__layer_ref *ref, int rc)
{
	if (rc >= 0 && !made)
		rc = il__refuse(-EINVAL, "a layer returned %d, but no stream", rc);
	if (rc >= 0) {
		ref->next = made->layers;
		made->layers = ref;
		*stream = made;
		return 0;
	}
	if (ref) {
		il__layer_drop(&ref->layer);
		il__free(ref);
	}
	il__stream_shut(*stream);
	return il__pass_on(rc);
}

static struct il__layer_ref *layer_ref(const struct il_layer *layer)
{
	struct il__layer_ref *ref = il__malloc(sizeof *ref);

	if (ref)
		il__layer_hold(&ref->layer, layer);
	else
		il__refuse(-ENOMEM, "out of memory for a layer");
	return ref;
}

int il__layer_accept(il_stream **stream, const struct il_layer *layer)
{
	struct il__layer_ref *ref = layer_ref(layer);
	il_stream *made = NULL;
	int rc = ref ? 0 : -ENOMEM;

	if (rc == 0) {
		il__clear_refusal();
		IL__GUARDED(rc = layer->accept(&made, *stream, layer->self));
	}
	return layer_end(stream, made, ref, rc);
}

int il__layer_connect(il_stream **stream, const struct il_layer *layer, const char *host,
		      il_time deadline)
{
	struct il__layer_ref *ref = layer_ref(layer);
	il_scope scope = IL_SCOPE_INIT;
	il_stream *made = NULL;
	int rc = ref ? 0 : -ENOMEM;

	if (rc == 0)
		rc = il_scope_enter(&scope, deadline, IL_FAIL_AT_DEADLINE);
	if (rc == 0) {
		il__clear_refusal();
		IL__GUARDED(rc = layer->connect(&made, *stream, host, layer->self));
		rc = il_scope_exit(&scope, rc);
		if (il_scope_caught(&scope))
			il__forget_refusal(); /* the caller knows what has not begun in time */
	}
	return layer_end(stream, made, ref, rc);
}
