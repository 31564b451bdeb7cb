/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <pthread.h>

/*
 * Sets the map that hooks write to first. This takes as long as a swap, a grace period of the
 * kernel, and so does verifying the programs, so both run at the same time.
 */
struct choice {
	struct bpf_map *current;
	struct bpf_map *first;
	pthread_t thread;
	bool under_way;
	int error;
};

/* Belongs to the load under way on this thread. */
static _Thread_local struct choice *choice;

static void *choose(void *data)
{
	struct choice *into = data;
	int fd = bpf_map__fd(into->first);
	uint32_t zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(into->current), &zero, &fd, BPF_ANY))
		into->error = -errno;
	return NULL;
}

/* Runs before each program is loaded: all maps exist by then. */
static int before_program(struct bpf_program *program, struct bpf_prog_load_opts *options,
			  long cookie)
{
	(void)program;
	(void)options;
	(void)cookie;
	if (choice && !choice->under_way)
		choice->under_way = !pthread_create(&choice->thread, NULL, choose, choice);
	return 0;
}

static int watched;

static void watch_all(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = before_program);

	watched = libbpf_register_prog_handler("tc", BPF_PROG_TYPE_SCHED_CLS, 0, &options);
}

int watch_programs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	/* libbpf has one list for all threads that Node may load the addon in. */
	pthread_once(&once, watch_all);
	return watched;
}

static int load_programs(struct bpf_object *bpf, bool *is_unexplained)
{
	return is_unexplained ? load_at_once(bpf, is_unexplained) : bpf_object__load(bpf);
}

int load_and_choose(struct bpf_object *bpf, bool *is_unexplained)
{
	struct choice made = {
		.current = bpf_object__find_map_by_name(bpf, CURRENT_MAP),
		.first = bpf_object__find_map_by_name(bpf, FIRST_MAP),
	};
	int error;

	/* Objects without flows, such as the benchmark's floor. */
	if (!made.current || !made.first)
		return load_programs(bpf, is_unexplained);
	choice = &made;
	error = load_programs(bpf, is_unexplained);
	choice = NULL;
	if (made.under_way)
		pthread_join(made.thread, NULL);
	else if (!error)
		choose(&made);
	return error ? error : made.error;
}
