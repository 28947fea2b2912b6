/*
 * inbox.pml: core/runtime/inbox.c: posters push, the loop sleeps. No message stays in the inbox of a loop that sleeps for good.
 *
 * The stack is a count, for which message it is does not matter here. Who finds the stack empty looks at `asleep`, and
 * who turns it to AWAKE writes the descriptor. In GUARDED the loop looks again by itself; then everybody who pushes
 * looks, for one of them may put its look off (il__inbox_post_soon) until il__inbox_send.
 *
 * Orders: spin is sequentially consistent, and so are the four accesses that this rests on. The poster's
 * push of `head` and its look at `asleep`, the loop's store of `asleep` and its look at `head`, are all seq_cst: of two
 * threads that each write one word and then read the other's, at least one reads what the other wrote. With release and
 * acquire both might read the old value. The relaxed load of `asleep` in someone_may_put_off may be stale: read too
 * early as not GUARDED, the poster leaves the look to whoever found the stack empty. He has not looked yet, or has put
 * his look off, and then the stack was not empty when the loop went to sleep, which it therefore did not. The relaxed
 * store of AWAKE by the loop itself can only be seen late: a poster then writes the descriptor once too often.
 * What a message contains is handed over by the push (release) and the exchange that takes it (acquire).
 */
#define AWAKE 0
#define ASLEEP 1
#define GUARDED 2

#ifndef POSTERS
#define POSTERS 3
#endif

byte head = 0;            /* messages on the stack */
byte asleep = AWAKE;
byte descriptor = 0;      /* readable */
byte taken = 0, posted = 0;

inline wake()
{
	if
	:: asleep != AWAKE ->
		atomic { was = asleep; asleep = AWAKE }
		if
		:: was != AWAKE -> descriptor = 1
		:: else
		fi
	:: else
	fi
}

/* soon: it may put its look off, and sends before it ends. */
proctype poster(bool soon)
{
	byte was;
	bool always, looks, unsent = false;

	always = (asleep == GUARDED);
	atomic { looks = (head == 0 || always); head++; posted++ }
	if
	:: looks && soon && asleep == GUARDED -> unsent = true
	:: looks && !(soon && asleep == GUARDED) -> wake()
	:: else
	fi
	/* ... other calls are finished meanwhile */
	if
	:: unsent && head > 0 -> wake()
	:: else
	fi
}

active proctype loop()
{
	bool guarded, sleeps;
	byte guards = 2; /* how often it sleeps with a guard; any number does */

	do
	:: taken < POSTERS ->
		asleep = AWAKE;
		atomic { taken = taken + head; head = 0 }
		if
		:: taken == POSTERS -> break
		:: else
		fi
		if
		:: guards > 0 -> guarded = true; guards--
		:: guarded = false
		fi
		sleeps = true;
		if
		:: guarded -> asleep = GUARDED
		:: else -> asleep = ASLEEP
		fi
#ifndef PLANTED /* planted: it does not look once more */
		if
		:: head != 0 -> asleep = AWAKE; sleeps = false
		:: else
		fi
#endif
		if
		:: !sleeps
		:: sleeps && guarded ->  /* the descriptor, or the guard's time */
			if
			:: descriptor == 1 -> descriptor = 0
			:: true
			fi
		:: sleeps && !guarded -> /* for good */
			atomic { descriptor == 1 -> descriptor = 0 }
		fi
	:: else -> break
	od
	assert(taken == posted)
}

init {
	atomic { run poster(false); run poster(true); run poster(false) }
}
