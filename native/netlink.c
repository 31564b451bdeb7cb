/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE /* Linux 5.14 */
#define SO_NETNS_COOKIE 71
#endif

/* Bursts of link changes wait here until the watching thread reads them. */
#define NETLINK_BUFFER_BYTES (4 * 1024 * 1024)
#define DUMP_BYTES (32 * 1024)

bool enter_netns(int netns, struct visit *visit, struct failure *failure)
{
	visit->home = -1;
	if (netns < 0)
		return true;
	visit->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (visit->home < 0)
		return fail(failure, errno, "open own network namespace");
	if (setns(netns, CLONE_NEWNET)) {
		fail(failure, errno, "setns");
		close(visit->home);
		visit->home = -1;
		return false;
	}
	return true;
}

void leave_netns(struct visit *visit)
{
	if (visit->home < 0)
		return;
	/* The main thread in a foreign namespace would make every later call wrong: there is no
	 * way on. It cannot fail short of a seccomp policy that changed in between. */
	if (setns(visit->home, CLONE_NEWNET)) {
		perror("netobserv: cannot return to the own network namespace");
		abort();
	}
	close(visit->home);
}

static int netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/* Reads a dump to its end; whether it had any entry. */
static bool read_dump(int fd, bool *any, struct failure *failure)
{
	char buffer[DUMP_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (;;) {
		ssize_t length = recv(fd, buffer, sizeof(buffer), 0);

		if (length < 0)
			return fail(failure, errno, "recv");
		for (struct nlmsghdr *message = (void *)buffer; NLMSG_OK(message, length);
		     message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return true;
			if (message->nlmsg_type == NLMSG_ERROR) {
				struct nlmsgerr *error = NLMSG_DATA(message);

				return fail(failure, error->error, "list TC filters");
			}
			*any = true;
		}
	}
}

static bool dump_filters(int fd, int ifindex, uint32_t parent, bool *any, struct failure *failure)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETTFILTER,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent },
	};

	if (send(fd, &request, sizeof(request), 0) < 0)
		return fail(failure, errno, "send");
	return read_dump(fd, any, failure);
}

bool has_tc_filters(int ifindex, bool *result, struct failure *failure)
{
	int fd = netlink_socket();
	bool listed;

	*result = false;
	if (fd < 0)
		return fail(failure, errno, "socket(AF_NETLINK)");
	listed = dump_filters(fd, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), result,
			      failure) &&
		 dump_filters(fd, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), result,
			      failure);
	close(fd);
	return listed;
}

/* The kind of qdisc that a message tells of; NULL when it has none. */
static const char *kind_of(struct nlmsghdr *message)
{
	struct tcmsg *tc = NLMSG_DATA(message);
	int length = (int)message->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*tc));
	struct rtattr *attribute = (void *)((char *)tc + NLMSG_ALIGN(sizeof(*tc)));

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		size_t size = RTA_PAYLOAD(attribute);
		const char *kind = RTA_DATA(attribute);

		if (attribute->rta_type == TCA_KIND && size > 0 && kind[size - 1] == '\0')
			return kind;
	}
	return NULL;
}

bool is_clsact(int ifindex, bool *result, struct failure *failure)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		/* Echo: kernels before 6.0 answer to the whole group otherwise. */
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETQDISC,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ECHO },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex,
			.tcm_parent = TC_H_INGRESS },
	};
	char buffer[DUMP_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *answer = (void *)buffer;
	int fd = netlink_socket();
	ssize_t length = -1;
	const char *kind;

	*result = false;
	if (fd < 0)
		return fail(failure, errno, "socket(AF_NETLINK)");
	if (send(fd, &request, sizeof(request), 0) >= 0)
		length = recv(fd, buffer, sizeof(buffer), 0);
	if (length < 0)
		fail(failure, errno, "ask for qdisc");
	close(fd);
	if (length < 0)
		return false;
	if (!NLMSG_OK(answer, length))
		return fail(failure, EPROTO, "ask for qdisc");
	if (answer->nlmsg_type == NLMSG_ERROR)
		return fail(failure, ((struct nlmsgerr *)NLMSG_DATA(answer))->error,
			    "ask for qdisc");
	kind = kind_of(answer);
	*result = kind && strcmp(kind, "clsact") == 0;
	return true;
}

static bool cookie_of(int netns, const struct stat *status, uint64_t *cookie,
		      struct failure *failure)
{
	socklen_t size = sizeof(*cookie);
	struct visit visit;
	struct stat own;
	int fd, error = 0;

	/* Entering takes CAP_SYS_ADMIN, even if one is there already. */
	if (stat("/proc/thread-self/ns/net", &own))
		return fail(failure, errno, "stat own network namespace");
	if (own.st_dev == status->st_dev && own.st_ino == status->st_ino)
		netns = -1;
	if (!enter_netns(netns, &visit, failure))
		return false;
	fd = netlink_socket();
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size))
		error = errno;
	/* An older kernel: there is no cookie, neither here nor at the hooks. */
	if (fd >= 0 && error == ENOPROTOOPT)
		error = 0;
	if (fd >= 0)
		close(fd);
	leave_netns(&visit);
	return error ? fail(failure, error, "getsockopt(SO_NETNS_COOKIE)") : true;
}

napi_value open_namespace(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1], result, text;
	char path[4096], digits[24];
	uint64_t cookie = 0;
	struct stat status;
	int fd;

	if (!get_arguments(env, info, 1, arguments) ||
	    !get_string(env, arguments[0], "path", path, sizeof(path)))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(&failure, errno, "open network namespace");
	else if (fstat(fd, &status))
		fail(&failure, errno, "fstat");
	else
		cookie_of(fd, &status, &cookie, &failure);
	if (failure.code) {
		if (fd >= 0)
			close(fd);
		throw_failure(env, &failure);
		return NULL;
	}
	snprintf(digits, sizeof(digits), "%" PRIu64, cookie);
	if (napi_create_object(env, &result) != napi_ok ||
	    napi_create_string_utf8(env, digits, NAPI_AUTO_LENGTH, &text) != napi_ok ||
	    !set_number(env, result, "fd", fd) ||
	    !set_number(env, result, "inode", status.st_ino) ||
	    !set_value(env, result, "cookie", text)) {
		close(fd);
		return NULL;
	}
	return result;
}

static bool bind_netlink(int fd, uint32_t groups, struct failure *failure)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int size = NETLINK_BUFFER_BYTES;

	/* Beyond the limit for the unprivileged; without the capability the usual limit holds. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)))
		return fail(failure, errno, "setsockopt(SO_RCVBUF)");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fail(failure, errno, "bind(AF_NETLINK)");
	return true;
}

napi_value open_netlink(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[2], result;
	napi_valuetype type;
	struct visit visit;
	uint32_t netns = UINT32_MAX, groups;
	int fd;

	if (!get_arguments(env, info, 2, arguments) ||
	    napi_typeof(env, arguments[0], &type) != napi_ok ||
	    (type != napi_undefined && !get_u32(env, arguments[0], "netns", &netns)) ||
	    !get_u32(env, arguments[1], "groups", &groups))
		return NULL;
	if (!enter_netns((int)netns, &visit, &failure)) {
		throw_failure(env, &failure);
		return NULL;
	}
	fd = netlink_socket();
	if (fd < 0)
		fail(&failure, errno, "socket(AF_NETLINK)");
	leave_netns(&visit);
	if (fd >= 0 && bind_netlink(fd, groups, &failure))
		return napi_create_int32(env, fd, &result) == napi_ok ? result : NULL;
	if (fd >= 0)
		close(fd);
	throw_failure(env, &failure);
	return NULL;
}

napi_value send_message(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[2];
	uint8_t *message;
	size_t size;
	uint32_t fd;

	if (!get_arguments(env, info, 2, arguments) || !get_u32(env, arguments[0], "fd", &fd) ||
	    !get_bytes(env, arguments[1], "message", &message, &size))
		return NULL;
	/* A datagram goes as a whole or not at all. */
	if (send((int)fd, message, size, MSG_NOSIGNAL) < 0) {
		fail(&failure, errno, "send");
		throw_failure(env, &failure);
	}
	return NULL;
}

napi_value close_fd(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1];
	uint32_t fd;

	if (!get_arguments(env, info, 1, arguments) || !get_u32(env, arguments[0], "fd", &fd))
		return NULL;
	if (close((int)fd)) {
		fail(&failure, errno, "close");
		throw_failure(env, &failure);
	}
	return NULL;
}
