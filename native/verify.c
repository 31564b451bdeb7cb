/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

/*
 * The kernel verifies a program on the thread that loads it, which takes tens of milliseconds for a
 * hook, and libbpf loads one program after the other. So libbpf's calls of bpf_prog_load() come
 * here (ld --wrap): hooks wait for the last of them, and then each is loaded by its own thread.
 *
 * libbpf keeps the descriptor that the call returns. For a hook that waits this is a copy of a
 * map's, which dup3() replaces with the program's.
 */
#define HOOKS_MAX 8

struct hook {
	const char *name;
	const char *license;
	const struct bpf_insn *insns;
	size_t insn_count;
	struct bpf_prog_load_opts options;
	int place;
	int error;
	bool under_way;
	pthread_t thread;
};

/* The load that is under way on this thread. */
struct verification {
	struct bpf_object *bpf;
	int hooks; /* that will be loaded */
	int waiting;
	bool started;
	struct hook hook[HOOKS_MAX];
};

static _Thread_local struct verification *verification;

extern __typeof__(bpf_prog_load) __real_bpf_prog_load;
int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t insn_count,
			 struct bpf_prog_load_opts *options);

static bool is_hook(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_SCHED_CLS &&
	       bpf_program__autoload(program);
}

static int count_hooks(const struct bpf_object *bpf)
{
	struct bpf_program *program;
	int count = 0;

	bpf_object__for_each_program(program, bpf)
		count += is_hook(program);
	return count;
}

/* libbpf loads programs of its own, too, to find out what the kernel can do. */
static bool has_hook(const struct bpf_object *bpf, const struct bpf_insn *insns)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf) {
		if (is_hook(program) && bpf_program__insns(program) == insns)
			return true;
	}
	return false;
}

static void *load_hook(void *data)
{
	struct hook *hook = data;
	int fd = __real_bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, hook->name, hook->license,
				      hook->insns, hook->insn_count, &hook->options);

	if (fd < 0) {
		hook->error = fd;
		return NULL;
	}
	if (dup3(fd, hook->place, O_CLOEXEC) < 0)
		hook->error = -errno;
	close(fd);
	return NULL;
}

static void start_hooks(struct verification *all)
{
	all->started = true;
	for (int i = 0; i < all->waiting; i++) {
		struct hook *hook = &all->hook[i];

		hook->under_way = !pthread_create(&hook->thread, NULL, load_hook, hook);
		if (!hook->under_way)
			load_hook(hook);
	}
}

static void join_hooks(struct verification *all)
{
	for (int i = 0; i < all->waiting; i++) {
		if (all->hook[i].under_way)
			pthread_join(all->hook[i].thread, NULL);
		all->hook[i].under_way = false;
	}
}

/* False: there is no descriptor for it. */
static bool let_wait(struct verification *all, const struct hook *hook)
{
	struct bpf_map *map = bpf_object__next_map(all->bpf, NULL);
	int place = map ? fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3) : -1;

	if (place < 0)
		return false;
	all->hook[all->waiting] = *hook;
	all->hook[all->waiting].place = place;
	all->waiting++;
	return true;
}

int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t insn_count,
			 struct bpf_prog_load_opts *options)
{
	struct hook hook = {
		.name = name, .license = license, .insns = insns, .insn_count = insn_count
	};
	struct verification *all = verification;
	int result;

	if (!all || all->started || !options || options->sz > sizeof(hook.options) ||
	    !has_hook(all->bpf, insns))
		return __real_bpf_prog_load(type, name, license, insns, insn_count, options);
	hook.options = *options;
	if (all->waiting + 1 < all->hooks && let_wait(all, &hook))
		return all->hook[all->waiting - 1].place;
	start_hooks(all);
	result = __real_bpf_prog_load(type, name, license, insns, insn_count, options);
	join_hooks(all);
	return result;
}

int load_at_once(struct bpf_object *bpf, bool *is_unexplained)
{
	struct verification all = { .bpf = bpf, .hooks = count_hooks(bpf) };
	int error;

	if (all.hooks > HOOKS_MAX)
		return bpf_object__load(bpf);
	verification = &all;
	error = bpf_object__load(bpf);
	verification = NULL;
	/* libbpf has read the log of the last one; of those that had waited there is none. */
	for (int i = 0; i < all.waiting && !error; i++) {
		error = all.hook[i].error;
		*is_unexplained = error != 0;
	}
	return error;
}
