/*
 * event.h: what the rest of the library does with an event that no program may. Loop's thread only.
 */
#ifndef IL_CORE_SYNC_EVENT_H
#define IL_CORE_SYNC_EVENT_H

#include <interloop/event.h>

/* It can be set again; nobody waits for one that is set. */
void il__event_clear(il_event *event);

#endif
