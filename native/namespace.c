/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE /* Linux 5.14 */
#define SO_NETNS_COOKIE 71
#endif
#ifndef SYS_pidfd_open /* Linux 5.3 */
#define SYS_pidfd_open 434
#endif
/* The kernel allows this many nested user namespaces. */
#define USER_NAMESPACES_DEEP 33

/* Opens without blocking: opening a pipe that has no writer would block for ever. */
static int open_namespace_file(const char *path, int kind, struct failure *failure)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		fail(failure, errno, "open namespace");
		return -1;
	}
	if (ioctl(fd, NS_GET_NSTYPE) == kind)
		return fd;
	close(fd);
	fail(failure, EINVAL, "open namespace: the file is none of the wanted kind");
	return -1;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool cookie_of(int netns, const struct stat *status, uint64_t *cookie,
		      struct failure *failure)
{
	socklen_t size = sizeof(*cookie);
	struct visit visit;
	struct stat own;
	int fd, error = 0;

	/* Entering needs CAP_SYS_ADMIN, even for the current namespace. */
	if (stat("/proc/thread-self/ns/net", &own))
		return fail(failure, errno, "stat own network namespace");
	if (is_same(&own, status))
		netns = -1;
	if (!enter_netns(netns, &visit, failure))
		return false;
	fd = netlink_socket();
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size))
		error = errno;
	/* Older kernels have no cookie, neither here nor at the hooks. */
	if (fd >= 0 && error == ENOPROTOOPT)
		error = 0;
	if (fd >= 0)
		close(fd);
	leave_netns(&visit);
	return error ? fail(failure, error, "getsockopt(SO_NETNS_COOKIE)") : true;
}

static napi_value describe(napi_env env, int fd, const struct stat *status, uint64_t cookie)
{
	napi_value descriptor = give_descriptor(env, fd, DESCRIPTOR_NAMESPACE);
	napi_value result, text;
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, cookie);
	if (!descriptor || napi_create_object(env, &result) != napi_ok ||
	    napi_create_string_utf8(env, digits, NAPI_AUTO_LENGTH, &text) != napi_ok ||
	    !set_value(env, result, "fd", descriptor) ||
	    !set_number(env, result, "inode", status->st_ino) ||
	    !set_value(env, result, "cookie", text))
		return NULL;
	return result;
}

napi_value open_namespace(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1];
	char path[PATH_MAX];
	uint64_t cookie = 0;
	struct stat status;
	int fd;

	if (!get_arguments(env, info, 1, arguments) ||
	    !get_string(env, arguments[0], "path", path, sizeof(path)))
		return NULL;
	fd = open_namespace_file(path, CLONE_NEWNET, &failure);
	if (fd >= 0 && fstat(fd, &status))
		fail(&failure, errno, "fstat");
	else if (fd >= 0)
		cookie_of(fd, &status, &cookie, &failure);
	if (!failure.code)
		return describe(env, fd, &status, cookie);
	if (fd >= 0)
		close(fd);
	throw_failure(env, &failure);
	return NULL;
}

/* --- Owners of namespaces -------------------------------------------------------------------- */

/*
 * Finds the user who made the outermost user namespace of `netns` below that of the process: inner
 * ones can have as many owners as that user has subordinate ids. 0 if there is none.
 */
static bool find_owner(int netns, const struct stat *own, uid_t *owner, struct failure *failure)
{
	int fd = ioctl(netns, NS_GET_USERNS);
	bool ok = true;

	*owner = 0;
	if (fd < 0)
		return fail(failure, errno, "ioctl(NS_GET_USERNS)");
	for (int depth = 0; ok && fd >= 0 && depth < USER_NAMESPACES_DEEP; depth++) {
		struct stat status;
		int parent = -1;

		if (fstat(fd, &status))
			ok = fail(failure, errno, "fstat");
		else if (!is_same(&status, own)) {
			if (ioctl(fd, NS_GET_OWNER_UID, owner))
				ok = fail(failure, errno, "ioctl(NS_GET_OWNER_UID)");
			/* EPERM: the parent is the process's own namespace, or further out. */
			parent = ioctl(fd, NS_GET_PARENT);
		}
		close(fd);
		fd = parent;
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

napi_value namespace_owner(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1], result;
	char path[PATH_MAX];
	struct stat own;
	uid_t owner = 0;
	int fd;

	if (!get_arguments(env, info, 1, arguments) ||
	    !get_string(env, arguments[0], "path", path, sizeof(path)))
		return NULL;
	fd = open_namespace_file(path, CLONE_NEWNET, &failure);
	if (fd >= 0) {
		if (stat("/proc/self/ns/user", &own))
			fail(&failure, errno, "stat own user namespace");
		else
			find_owner(fd, &own, &owner, &failure);
		close(fd);
	}
	if (!failure.code)
		return napi_create_uint32(env, owner, &result) == napi_ok ? result : NULL;
	throw_failure(env, &failure);
	return NULL;
}

/* --- Processes ------------------------------------------------------------------------------- */

napi_value open_process(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1];
	int pid, fd;

	if (!get_arguments(env, info, 1, arguments) || !get_fd(env, arguments[0], "pid", &pid))
		return NULL;
	fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0)
		return give_descriptor(env, fd, DESCRIPTOR_PROCESS);
	fail(&failure, errno, "pidfd_open");
	throw_failure(env, &failure);
	return NULL;
}
