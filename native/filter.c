/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * TC filters, made with the addon's own messages: libbpf names a filter after the program, but
 * these names must show who made the filter.
 */

/* Room for the message, its attributes, and a name of OWNER_BYTES. */
#define REQUEST_BYTES 512
#define ANSWER_BYTES 1024

struct filter_request {
	struct nlmsghdr header;
	struct tcmsg tc;
	uint8_t attributes[REQUEST_BYTES];
};

static struct rtattr *add_attribute(struct filter_request *request, int type, const void *data,
				    size_t size)
{
	struct rtattr *attribute =
		(void *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attribute), data, size);
	request->header.nlmsg_len =
		NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
	return attribute;
}

/* Returns 0, or the negative errno in the kernel's answer. */
static int ask(struct nlmsghdr *request)
{
	uint8_t buffer[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *answer = (void *)buffer;
	struct sockaddr_nl from = {};
	socklen_t size = sizeof(from);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int error = 0;
	ssize_t length = -1;

	if (fd < 0)
		return -errno;
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, request, request->nlmsg_len, 0) >= 0) {
		/* Any process in the namespace may send to the socket; the kernel is port 0. */
		do {
			size = sizeof(from);
			length = recvfrom(fd, buffer, sizeof(buffer), 0, (void *)&from, &size);
		} while (length >= 0 && from.nl_pid != 0);
	}
	if (length < 0)
		error = -errno;
	close(fd);
	if (error)
		return error;
	if (!NLMSG_OK(answer, (size_t)length) || answer->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return ((struct nlmsgerr *)NLMSG_DATA(answer))->error;
}

static uint32_t parent_of(bool egress)
{
	return TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

static struct filter_request request_for(const struct filter_place *place, uint16_t type,
					 uint16_t flags)
{
	return (struct filter_request){
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
			    .nlmsg_type = type,
			    .nlmsg_flags = flags },
		.tc = { .tcm_family = AF_UNSPEC,
			.tcm_ifindex = place->ifindex,
			.tcm_parent = parent_of(place->egress),
			.tcm_handle = place->handle,
			/* The kernel expects the priority in the upper half. */
			.tcm_info = TC_H_MAKE(place->priority << 16, htons(ETH_P_ALL)) },
	};
}

int add_filter_at(const struct filter_place *place, int program, const char *owner)
{
	struct filter_request request =
		request_for(place, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL);
	uint32_t flags = TCA_BPF_FLAG_ACT_DIRECT;
	struct rtattr *options;

	add_attribute(&request, TCA_KIND, "bpf", sizeof("bpf"));
	options = add_attribute(&request, TCA_OPTIONS, NULL, 0);
	add_attribute(&request, TCA_BPF_FD, &program, sizeof(program));
	add_attribute(&request, TCA_BPF_NAME, owner, strlen(owner) + 1);
	add_attribute(&request, TCA_BPF_FLAGS, &flags, sizeof(flags));
	options->rta_len = (uint8_t *)&request + request.header.nlmsg_len - (uint8_t *)options;
	return ask(&request.header);
}

bool remove_qdisc(int ifindex, struct failure *failure)
{
	/* Both directions at once mean the qdisc itself. */
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook),
		.ifindex = ifindex,
		.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS,
	};
	int error = bpf_tc_hook_destroy(&hook);

	return error ? fail(failure, error, "remove clsact qdisc") : true;
}

static bool remove_one(const struct filter_place *place, bool with_qdisc, struct failure *failure)
{
	struct filter_request request = request_for(place, RTM_DELTFILTER, 0);
	bool in_use;
	int error;

	add_attribute(&request, TCA_KIND, "bpf", sizeof("bpf"));
	error = ask(&request.header);
	if (error)
		return fail(failure, error, "remove TC filter");
	if (!with_qdisc)
		return true;
	return has_tc_filters(place->ifindex, &in_use, failure) &&
	       (in_use || remove_qdisc(place->ifindex, failure));
}

napi_value remove_filter(napi_env env, napi_callback_info info)
{
	uint32_t netns = UINT32_MAX, ifindex, egress, with_qdisc = 0;
	struct filter_place place = {};
	struct failure failure = {};
	napi_value arguments[1], value;
	struct visit visit;

	if (!get_arguments(env, info, 1, arguments) ||
	    !get_optional_u32(env, arguments[0], "netns", &netns) ||
	    !get_property(env, arguments[0], "ifindex", &value) ||
	    !get_u32(env, value, "ifindex", &ifindex) ||
	    !get_property(env, arguments[0], "isEgress", &value) ||
	    !get_u32(env, value, "isEgress", &egress) ||
	    !get_property(env, arguments[0], "priority", &value) ||
	    !get_u32(env, value, "priority", &place.priority) ||
	    !get_property(env, arguments[0], "handle", &value) ||
	    !get_u32(env, value, "handle", &place.handle) ||
	    !get_optional_u32(env, arguments[0], "withQdisc", &with_qdisc))
		return NULL;
	place.ifindex = (int)ifindex;
	place.egress = egress;
	if (enter_netns((int)netns, &visit, &failure)) {
		remove_one(&place, with_qdisc, &failure);
		leave_netns(&visit);
	}
	if (failure.code)
		throw_failure(env, &failure);
	return NULL;
}
