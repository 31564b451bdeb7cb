/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Programs at interfaces, and the namespaces of their peers. Made to be called often. */

/* Words that one interface may need: for each side the number of programs, and their ids. */
#define INTERFACE_WORDS (2 * (1 + TCX_PROGRAMS_MAX))

/* Returns the number of words written, or -1. A removed interface has no programs. */
static int read_side(uint32_t ifindex, uint32_t type, uint32_t *into, struct failure *failure)
{
	int count;

	memset(into, 0, (1 + TCX_PROGRAMS_MAX) * sizeof(*into));
	count = query_tcx(ifindex, type, into + 1);
	if (count == -ENODEV)
		count = 0;
	if (count < 0) {
		fail(failure, -count, "bpf(BPF_PROG_QUERY)");
		return -1;
	}
	into[0] = (uint32_t)count;
	return 1 + count;
}

static size_t read_all(const uint32_t *ifindexes, size_t count, uint32_t *into,
		       struct failure *failure)
{
	static const uint32_t sides[] = { TCX_INGRESS, TCX_EGRESS };
	size_t used = 0;

	for (size_t i = 0; i < 2 * count; i++) {
		int words = read_side(ifindexes[i / 2], sides[i % 2], into + used, failure);

		if (words < 0)
			return 0;
		used += (size_t)words;
	}
	return used;
}

napi_value read_tcx(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	uint8_t *ifindexes, *into;
	size_t size, room, count, used = 0;
	napi_value arguments[3], result;
	uint32_t netns = UINT32_MAX;
	napi_valuetype type;
	struct visit visit;

	if (!get_arguments(env, info, 3, arguments) ||
	    napi_typeof(env, arguments[0], &type) != napi_ok ||
	    (type != napi_undefined && !get_u32(env, arguments[0], "netns", &netns)) ||
	    !get_bytes(env, arguments[1], "ifindexes", &ifindexes, &size) ||
	    !get_bytes(env, arguments[2], "into", &into, &room))
		return NULL;
	count = size / sizeof(uint32_t);
	if ((uintptr_t)ifindexes % sizeof(uint32_t) || (uintptr_t)into % sizeof(uint32_t) ||
	    room / sizeof(uint32_t) / INTERFACE_WORDS < count)
		fail(&failure, EINVAL, "read TCX: alignment or size of the buffers");
	else if (enter_netns((int)netns, &visit, &failure)) {
		used = read_all((const void *)ifindexes, count, (void *)into, &failure);
		leave_netns(&visit);
	}
	if (failure.code) {
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_uint32(env, (uint32_t)used, &result) == napi_ok ? result : NULL;
}

/* --- Namespaces as numbered in other namespaces ---------------------------------------------- */

#define ANSWER_BYTES 1024

/* The number in the answer; -1 without one, or if this is not an answer. */
static int32_t id_in(const struct nlmsghdr *answer, int length)
{
	const struct rtgenmsg *head = NLMSG_DATA(answer);
	const struct rtattr *attribute = (const void *)((const uint8_t *)head +
							NLMSG_ALIGN(sizeof(*head)));
	int left;

	if (!NLMSG_OK(answer, (uint32_t)length) || answer->nlmsg_type != RTM_NEWNSID)
		return -1;
	left = (int)answer->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*head));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == NETNSA_NSID)
			return *(const int32_t *)RTA_DATA(attribute);
	}
	return -1;
}

/* Asks in this thread's namespace. */
static bool ask_namespace_id(int other, int32_t *id, struct failure *failure)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg head;
		uint8_t pad[3];
		struct rtattr attribute;
		uint32_t fd;
	} request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETNSID,
			    .nlmsg_flags = NLM_F_REQUEST },
		.attribute = { .rta_type = NETNSA_FD, .rta_len = RTA_LENGTH(sizeof(uint32_t)) },
		.fd = (uint32_t)other,
	};
	uint8_t buffer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl from = {};
	socklen_t size;
	ssize_t length = -1;

	if (fd < 0)
		return fail(failure, errno, "socket(AF_NETLINK)");
	if (send(fd, &request, sizeof(request), 0) >= 0) {
		do {
			size = sizeof(from);
			length = recvfrom(fd, buffer, sizeof(buffer), 0, (void *)&from, &size);
		} while (length >= 0 && from.nl_pid != 0);
	}
	if (length < 0)
		fail(failure, errno, "ask for the number of a namespace");
	close(fd);
	if (length < 0)
		return false;
	*id = id_in((const void *)buffer, (int)length);
	return true;
}

napi_value namespace_id(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[2], result;
	uint32_t netns = UINT32_MAX, other;
	napi_valuetype type;
	struct visit visit;
	int32_t id = -1;

	if (!get_arguments(env, info, 2, arguments) ||
	    napi_typeof(env, arguments[0], &type) != napi_ok ||
	    (type != napi_undefined && !get_u32(env, arguments[0], "netns", &netns)) ||
	    !get_u32(env, arguments[1], "other", &other))
		return NULL;
	if (enter_netns((int)netns, &visit, &failure)) {
		ask_namespace_id((int)other, &id, &failure);
		leave_netns(&visit);
	}
	if (failure.code) {
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_int32(env, id, &result) == napi_ok ? result : NULL;
}
