/*
 * gearman.h: the types of Gearman's packets by the protocol's own document, for whoever plays a job server in tests.
 */
#ifndef IL_TESTS_REMOTE_GEARMAN_H
#define IL_TESTS_REMOTE_GEARMAN_H

enum {
	CAN_DO = 1,
	PRE_SLEEP = 4,
	NOOP = 6,
	SUBMIT_JOB = 7,
	JOB_CREATED = 8,
	NO_JOB = 10,
	WORK_STATUS = 12,
	WORK_COMPLETE = 13,
	WORK_FAIL = 14,
	GET_STATUS = 15,
	ECHO_REQ = 16,
	ECHO_RES = 17,
	ERROR = 19,
	STATUS_RES = 20,
	WORK_EXCEPTION = 25,
	OPTION_REQ = 26,
	OPTION_RES = 27,
	WORK_DATA = 28,
	GRAB_JOB_UNIQ = 30,
	JOB_ASSIGN_UNIQ = 31
};

#endif
