/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Bursts of link changes wait here until the watching thread reads them. */
#define NETLINK_BUFFER_BYTES (4 * 1024 * 1024)
#define DUMP_BYTES (32 * 1024)
/* The most attempts for a list that changes while it is read. */
#define DUMPS_MAX 8
/* The kernel answers requests before send() returns; this timeout is for one that does not. */
#define ANSWER_TIMEOUT_S 5
/* How many messages of senders other than the kernel are read in a row. */
#define REFUSALS_MAX 64

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
	/* The process cannot continue: with the main thread in a foreign namespace every later call
	 * would be wrong. Only a seccomp policy that changed in between can make this fail. */
	if (setns(visit->home, CLONE_NEWNET)) {
		perror("netobserv: cannot return to the own network namespace");
		abort();
	}
	close(visit->home);
}

int netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

/*
 * A connected socket accepts unicast messages from its peer only (netlink_getsockbyportid()), so
 * that no other sender fills its buffer. Processes with CAP_NET_ADMIN over the namespace can still
 * send to a whole group.
 */
static bool connect_to_kernel(int fd)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	return connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)) == 0;
}

ssize_t receive_from_kernel(int fd, void *buffer, size_t size, int flags, uint32_t *refused)
{
	for (int tries = 0; tries < REFUSALS_MAX; tries++) {
		struct sockaddr_nl sender = {};
		struct iovec part = { .iov_base = buffer, .iov_len = size };
		struct msghdr message = {
			.msg_name = &sender,
			.msg_namelen = sizeof(sender),
			.msg_iov = &part,
			.msg_iovlen = 1,
		};
		ssize_t length = recvmsg(fd, &message, flags);

		if (length < 0)
			return -1;
		if (message.msg_namelen < sizeof(sender) || sender.nl_family != AF_NETLINK ||
		    sender.nl_pid != 0) {
			(*refused)++;
			continue;
		}
		if (!(message.msg_flags & MSG_TRUNC))
			return length;
		errno = ENOBUFS;
		return -1;
	}
	errno = EAGAIN;
	return -1;
}

/* --- Questions that are answered at once ----------------------------------------------------- */

static int question_socket(struct failure *failure)
{
	struct timeval patience = { .tv_sec = ANSWER_TIMEOUT_S };
	int fd = netlink_socket();

	if (fd < 0 || !connect_to_kernel(fd) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		fail(failure, errno, "socket(AF_NETLINK)");
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

struct dump {
	int fd;
	uint32_t sequence;
	bool any; /* it had an entry */
	bool interrupted; /* the list changed meanwhile */
	bool done;
};

/* Reads one datagram of a dump. */
static bool read_part(struct dump *dump, char *buffer, ssize_t length, struct failure *failure)
{
	for (struct nlmsghdr *message = (void *)buffer; NLMSG_OK(message, length);
	     message = NLMSG_NEXT(message, length)) {
		/* The end of a dump that was given up. */
		if (message->nlmsg_seq != dump->sequence)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			dump->interrupted = true;
		if (message->nlmsg_type == NLMSG_ERROR) {
			struct nlmsgerr *error = NLMSG_DATA(message);

			if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*error)))
				return fail(failure, EPROTO, "list TC filters");
			return fail(failure, error->error ? error->error : EPROTO,
				    "list TC filters");
		}
		if (message->nlmsg_type == NLMSG_DONE)
			dump->done = true;
		else if (message->nlmsg_type == RTM_NEWTFILTER)
			dump->any = true;
	}
	return true;
}

static bool dump_filters(struct dump *dump, int ifindex, uint32_t parent, struct failure *failure)
{
	char buffer[DUMP_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETTFILTER,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			    .nlmsg_seq = ++dump->sequence },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent },
	};
	uint32_t refused = 0;

	dump->done = false;
	dump->interrupted = false;
	if (send(dump->fd, &request, sizeof(request), 0) < 0)
		return fail(failure, errno, "send");
	while (!dump->done) {
		ssize_t length =
			receive_from_kernel(dump->fd, buffer, sizeof(buffer), 0, &refused);

		if (length < 0)
			return fail(failure, errno, "list TC filters");
		if (!read_part(dump, buffer, length, failure))
			return false;
	}
	return true;
}

/* Repeats the dump until nothing changes meanwhile. */
static bool list_filters(struct dump *dump, int ifindex, uint32_t parent, struct failure *failure)
{
	for (int tries = 0; tries < DUMPS_MAX; tries++) {
		if (!dump_filters(dump, ifindex, parent, failure))
			return false;
		if (dump->any || !dump->interrupted)
			return true;
	}
	return fail(failure, EAGAIN, "list TC filters");
}

bool has_tc_filters(int ifindex, bool *result, struct failure *failure)
{
	static const uint32_t sides[] = {
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
	};
	struct dump dump = { .fd = question_socket(failure) };
	bool listed = dump.fd >= 0;

	for (size_t i = 0; listed && i < sizeof(sides) / sizeof(sides[0]); i++)
		listed = list_filters(&dump, ifindex, sides[i], failure);
	if (dump.fd >= 0)
		close(dump.fd);
	*result = dump.any;
	return listed;
}

/* The kind of qdisc in a message; NULL when it has none. */
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
		/* Echo: otherwise kernels before 6.0 send the answer to the whole group. */
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = RTM_GETQDISC,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ECHO,
			    .nlmsg_seq = 1 },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex,
			.tcm_parent = TC_H_INGRESS },
	};
	char buffer[DUMP_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *answer = (void *)buffer;
	int fd = question_socket(failure);
	uint32_t refused = 0;
	ssize_t length = -1;
	const char *kind;

	*result = false;
	if (fd < 0)
		return false;
	if (send(fd, &request, sizeof(request), 0) >= 0)
		length = receive_from_kernel(fd, buffer, sizeof(buffer), 0, &refused);
	if (length < 0)
		fail(failure, errno, "ask for qdisc");
	close(fd);
	if (length < 0)
		return false;
	if (!NLMSG_OK(answer, length) || answer->nlmsg_seq != request.header.nlmsg_seq ||
	    answer->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return fail(failure, EPROTO, "ask for qdisc");
	if (answer->nlmsg_type == NLMSG_ERROR)
		return fail(failure, ((struct nlmsgerr *)NLMSG_DATA(answer))->error,
			    "ask for qdisc");
	kind = kind_of(answer);
	*result = kind && strcmp(kind, "clsact") == 0;
	return true;
}

static bool bind_netlink(int fd, uint32_t groups, struct failure *failure)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int size = NETLINK_BUFFER_BYTES;

	/* SO_RCVBUFFORCE exceeds the usual limit, but needs a capability. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)))
		return fail(failure, errno, "setsockopt(SO_RCVBUF)");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return fail(failure, errno, "bind(AF_NETLINK)");
	return connect_to_kernel(fd) || fail(failure, errno, "connect(AF_NETLINK)");
}

napi_value open_netlink(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[2];
	napi_valuetype type;
	struct visit visit;
	uint32_t groups;
	int netns = -1;
	int fd;

	if (!get_arguments(env, info, 2, arguments) ||
	    napi_typeof(env, arguments[0], &type) != napi_ok ||
	    (type != napi_undefined &&
	     !get_descriptor(env, arguments[0], "netns", DESCRIPTOR_NAMESPACE, &netns)) ||
	    !get_u32(env, arguments[1], "groups", &groups))
		return NULL;
	if (!enter_netns(netns, &visit, &failure)) {
		throw_failure(env, &failure);
		return NULL;
	}
	fd = netlink_socket();
	if (fd < 0)
		fail(&failure, errno, "socket(AF_NETLINK)");
	leave_netns(&visit);
	if (fd >= 0 && bind_netlink(fd, groups, &failure))
		return give_descriptor(env, fd, DESCRIPTOR_NETLINK);
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
	int fd;

	if (!get_arguments(env, info, 2, arguments) ||
	    !get_descriptor(env, arguments[0], "fd", DESCRIPTOR_NETLINK, &fd) ||
	    !get_bytes(env, arguments[1], "message", &message, &size))
		return NULL;
	/* A datagram is sent as a whole or not at all. */
	if (send(fd, message, size, MSG_NOSIGNAL) < 0) {
		fail(&failure, errno, "send");
		throw_failure(env, &failure);
	}
	return NULL;
}
