/*
 * load.h: what the library does when it is loaded. In a static program the linker sorts these functions among
 * the program's constructors, whose numbers begin at 101, and so do C++'s init_priority; they must come before
 * those, for the last of ours takes a worker process over and does not return. The numbers up to 100 are the
 * languages' and the tools' own (streams of C++, counters of coverage, sanitizers), which a worker needs.
 *
 *     static void function(void) or (int argc, char **argv)
 *     IL__AT_LOAD(function, IL__LOADED);
 */
#ifndef IL_CORE_BASE_LOAD_H
#define IL_CORE_BASE_LOAD_H

#define IL__LOADED ".init_array.00099"
#ifndef IL__LOADED_LAST /* tests/coverage/dump.h: after the counters of the library itself */
#define IL__LOADED_LAST ".init_array.00100"
#endif
#ifdef __ELF__
#define IL__AT_LOAD(function, section_name)                                                    \
	__attribute__((used, section(section_name))) static void (*function##_at_load)(void) = \
	    (void (*)(void))function
#else
#define IL__AT_LOAD(function, section_name)                                                \
	__attribute__((constructor)) static void function##_at_load(int argc, char **argv) \
	{                                                                                  \
		((void (*)(int, char **))function)(argc, argv);                            \
	}                                                                                  \
	_Static_assert(sizeof section_name > 0, "there is one number for all")
#endif

#endif
