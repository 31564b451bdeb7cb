/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Kinds of the descriptors that JavaScript got from the addon. There is one table for the process,
 * as there is for descriptors, indexed by number, so that no search is needed.
 */
static struct {
	pthread_mutex_t lock;
	uint8_t *kinds;
	size_t count;
} given = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Numbers are small, and at most as many as the process may have open. */
static bool note(int fd, enum descriptor kind)
{
	size_t wanted = (size_t)fd + 1;

	if (wanted > given.count) {
		size_t count = wanted * 2;
		uint8_t *kinds = realloc(given.kinds, count);

		if (!kinds)
			return false;
		memset(kinds + given.count, DESCRIPTOR_NONE, count - given.count);
		given.kinds = kinds;
		given.count = count;
	}
	given.kinds[fd] = kind;
	return true;
}

napi_value give_descriptor(napi_env env, int fd, enum descriptor kind)
{
	struct failure failure = { .code = ENOMEM, .call = "keep descriptor" };
	napi_value result;
	bool noted = false;

	if (napi_create_int32(env, fd, &result) == napi_ok) {
		pthread_mutex_lock(&given.lock);
		noted = note(fd, kind);
		pthread_mutex_unlock(&given.lock);
	}
	if (noted)
		return result;
	close(fd);
	throw_failure(env, &failure);
	return NULL;
}

static enum descriptor kind_of(int fd)
{
	enum descriptor kind;

	pthread_mutex_lock(&given.lock);
	kind = (size_t)fd < given.count ? given.kinds[fd] : DESCRIPTOR_NONE;
	pthread_mutex_unlock(&given.lock);
	return kind;
}

bool get_descriptor(napi_env env, napi_value value, const char *name, enum descriptor kind,
		    int *into)
{
	struct failure failure = { .code = EBADF, .call = "use of a descriptor of another kind" };

	if (!get_fd(env, value, name, into))
		return false;
	if (kind_of(*into) == kind)
		return true;
	throw_failure(env, &failure);
	return false;
}

napi_value close_fd(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1];
	int fd;

	if (!get_arguments(env, info, 1, arguments) || !get_fd(env, arguments[0], "fd", &fd))
		return NULL;
	pthread_mutex_lock(&given.lock);
	/* Close under the lock: another thread may get the number as soon as it is free. */
	if ((size_t)fd >= given.count || given.kinds[fd] == DESCRIPTOR_NONE) {
		fail(&failure, EBADF, "close of a descriptor that is not open");
	} else {
		given.kinds[fd] = DESCRIPTOR_NONE;
		if (close(fd))
			fail(&failure, errno, "close");
	}
	pthread_mutex_unlock(&given.lock);
	if (failure.code)
		throw_failure(env, &failure);
	return NULL;
}
