/*
 * layer.h: streams that come through a layer (include/interloop/layer.h). Loop's thread only, in a task.
 */
#ifndef IL_CORE_IO_LAYER_H
#define IL_CORE_IO_LAYER_H

#include "stream.h"

#include <interloop/layer.h>

/* A copy that counts as one reference, for what has a layer for as long as it lives (a server). A NULL layer, and
 * one that holds nothing, are allowed. */
void il__layer_hold(struct il_layer *copy, const struct il_layer *layer);
void il__layer_drop(struct il_layer *copy);

/*
 * Have the layer make one end over *stream. 0: *stream is the stream to use, holds a reference of the layer and owns the
 * one that was there. Else the layer's code, or -EINVAL: *stream is as it was, closed, and still the caller's to
 * destroy. The caller bounds the first one; the second one returns -ETIMEDOUT, without words, at the
 * deadline.
 */
int il__layer_accept(il_stream **stream, const struct il_layer *layer);
int il__layer_connect(il_stream **stream, const struct il_layer *layer, const char *host,
		      il_time deadline);

#endif
