/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Capabilities belong to a thread, and Node has a dozen threads before any of our code runs. As
 * glibc does for setuid() and libpsx for capset(), each thread is interrupted by a signal whose
 * handler makes the calls there.
 *
 * The signal is the one that glibc reserves for setuid(). It is the only one that no thread can
 * block, since pthread_sigmask() leaves it out. glibc's handler is restored afterwards; setuid()
 * must not be called meanwhile, and Node calls it only on the main thread, which runs this code.
 */
#define SIGNAL_OF_SETXID 33
/* A thread that does not answer is stuck in the kernel, or stopped. */
#define ANSWER_TIMEOUT_S 2
/* A thread that was interrupted late may have created another one meanwhile. */
#define ROUNDS_MAX 16
#define THREADS_MAX 4096
/* The number of bits in a mask. */
#define CAPABILITIES 64

/* The kernel's layout, on every architecture with a restorer; it is only copied. */
struct raw_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static struct {
	uint64_t keep;
	sem_t answered;
	int error; /* of the last thread that failed */
} order;

static int drop_bounding(uint64_t keep)
{
	/* Above the last capability that the kernel knows, this is an invalid argument. */
	for (unsigned long cap = 0; cap < CAPABILITIES; cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return errno == EINVAL ? 0 : errno;
	}
	return 0;
}

/* Drops capabilities of this thread. Async-signal-safe: system calls only. */
static int drop_here(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	int error;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errno;
	if (syscall(SYS_capget, &header, data))
		return errno;
	/* EPERM is not a failure: without the right to do this, nothing can be regained anyway. */
	error = drop_bounding(keep);
	if (error && error != EPERM)
		return error;
	for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; word++) {
		uint32_t mask = keep >> (32 * word);

		data[word].permitted &= mask;
		data[word].effective &= mask;
		data[word].inheritable &= mask;
	}
	/* The ambient set shrinks with the permitted one. */
	return syscall(SYS_capset, &header, data) ? errno : 0;
}

static void on_signal(int signal)
{
	int saved = errno;
	int error = drop_here(order.keep);

	(void)signal;
	if (error)
		__atomic_store_n(&order.error, error, __ATOMIC_RELAXED);
	sem_post(&order.answered);
	errno = saved;
}

/* libc refuses to install a handler for its signal, so it is installed for another signal, and the
 * kernel's form of it is copied. */
static bool install(struct raw_action *before, struct failure *failure)
{
	struct sigaction wanted = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction spare;
	struct raw_action ours;

	sigfillset(&wanted.sa_mask);
	if (sigaction(SIGRTMAX, &wanted, &spare))
		return fail(failure, errno, "sigaction");
	if (syscall(SYS_rt_sigaction, SIGRTMAX, NULL, &ours, sizeof(ours.mask)) ||
	    syscall(SYS_rt_sigaction, SIGNAL_OF_SETXID, &ours, before, sizeof(ours.mask)))
		fail(failure, errno, "rt_sigaction");
	sigaction(SIGRTMAX, &spare, NULL);
	return !failure->code;
}

/* False when the thread exists and does not answer. */
static bool interrupt(pid_t thread, struct failure *failure)
{
	struct timespec until;

	if (syscall(SYS_tgkill, getpid(), thread, SIGNAL_OF_SETXID))
		return errno == ESRCH ? true : fail(failure, errno, "tgkill");
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ANSWER_TIMEOUT_S;
	while (sem_timedwait(&order.answered, &until)) {
		if (errno == EINTR)
			continue;
		/* The thread ended before the signal reached it. */
		if (syscall(SYS_tgkill, getpid(), thread, 0) && errno == ESRCH)
			return true;
		return fail(failure, ETIMEDOUT, "wait for a thread to drop capabilities");
	}
	return true;
}

struct threads {
	pid_t done[THREADS_MAX];
	size_t count;
};

static bool is_done(const struct threads *threads, pid_t thread)
{
	for (size_t i = 0; i < threads->count; i++) {
		if (threads->done[i] == thread)
			return true;
	}
	return false;
}

/* Interrupts the threads that are new since the last round; sets `any` if there were some. */
static bool interrupt_new(struct threads *threads, bool *any, struct failure *failure)
{
	DIR *folder = opendir("/proc/self/task");
	pid_t self = syscall(SYS_gettid);
	struct dirent *entry;
	bool ok = true;

	*any = false;
	if (!folder)
		return fail(failure, errno, "open /proc/self/task");
	while (ok && (entry = readdir(folder))) {
		pid_t thread = atoi(entry->d_name);

		if (thread <= 0 || thread == self || is_done(threads, thread))
			continue;
		*any = true;
		if (threads->count == THREADS_MAX)
			ok = fail(failure, E2BIG, "list threads");
		else
			ok = interrupt(thread, failure);
		threads->done[threads->count++ % THREADS_MAX] = thread;
	}
	closedir(folder);
	return ok;
}

static bool drop_everywhere(struct failure *failure)
{
	struct threads *threads = calloc(1, sizeof(*threads));
	bool any = true;
	bool ok = true;

	if (!threads)
		return fail(failure, ENOMEM, "list threads");
	for (int round = 0; ok && any && round < ROUNDS_MAX; round++)
		ok = interrupt_new(threads, &any, failure);
	free(threads);
	if (ok && any)
		return fail(failure, EAGAIN, "list threads");
	return ok && order.error ? fail(failure, order.error, "capset") : ok;
}

static bool get_mask(napi_env env, napi_value list, uint64_t *mask)
{
	uint32_t count;

	*mask = 0;
	if (napi_get_array_length(env, list, &count) != napi_ok) {
		throw_type(env, "keep must be an array");
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		napi_value value;
		uint32_t cap;

		if (napi_get_element(env, list, i, &value) != napi_ok ||
		    !get_u32(env, value, "keep", &cap))
			return false;
		if (cap >= CAPABILITIES)
			return reject(env, "keep", "numbers of capabilities, below 64");
		*mask |= 1ULL << cap;
	}
	return true;
}

napi_value drop_capabilities(napi_env env, napi_callback_info info)
{
	/* One order at a time: a worker thread of Node may run another. */
	static pthread_mutex_t ordering = PTHREAD_MUTEX_INITIALIZER;
	struct failure failure = {};
	struct raw_action before;
	napi_value arguments[1];
	uint64_t keep;
	int error;

	if (!get_arguments(env, info, 1, arguments) || !get_mask(env, arguments[0], &keep))
		return NULL;
	if (pthread_mutex_trylock(&ordering)) {
		fail(&failure, EBUSY, "drop capabilities: another thread does");
		throw_failure(env, &failure);
		return NULL;
	}
	order.keep = keep;
	order.error = 0;
	sem_init(&order.answered, 0, 0);
	if (install(&before, &failure)) {
		drop_everywhere(&failure);
		/* A late thread still gets the signal, which glibc's handler does not expect. */
		if (failure.code != ETIMEDOUT)
			syscall(SYS_rt_sigaction, SIGNAL_OF_SETXID, &before, NULL,
				sizeof(before.mask));
	}
	/* This thread comes last: it creates no threads while it runs this code. */
	error = drop_here(order.keep);
	pthread_mutex_unlock(&ordering);
	if (error && !failure.code)
		fail(&failure, error, "capset");
	if (failure.code)
		throw_failure(env, &failure);
	return NULL;
}
