/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Finds the flows of a connected socket's packets. */

#include "kernel.h"
#include "kernel-structs.h"
#include "filter.h"
#include "types.h"
#include "maps.h"
#include "parse.h"
#include "tag.h"

/* A kprobe has only the socket's address; others know its type, and fields are loads. */
enum sock_access { SOCK_TYPED, SOCK_BY_ADDRESS };

#define SOCK_FIELD(from, access, field)                                                       \
	((access) == SOCK_TYPED ? (from)->field : BPF_CORE_READ(from, field))

/* Like socket_flow(), from the part that a socket and a request for one have in common. */
static __always_inline bool common_flow(const struct sock_common *common, enum sock_access access,
					__u8 protocol, bool received, struct flow_key *key)
{
	__u16 family = SOCK_FIELD(common, access, skc_family);
	__u8 *local = received ? key->dst_ip : key->src_ip;
	__u8 *remote = received ? key->src_ip : key->dst_ip;
	__u16 local_port = SOCK_FIELD(common, access, skc_num);
	__u16 remote_port = bpf_ntohs(SOCK_FIELD(common, access, skc_dport));

	if (family == AF_INET) {
		map_ipv4(local, SOCK_FIELD(common, access, skc_rcv_saddr));
		map_ipv4(remote, SOCK_FIELD(common, access, skc_daddr));
	} else if (family == AF_INET6) {
		/* IPv4 through such a socket has the addresses in the form that keys have. */
		struct in6_addr near = SOCK_FIELD(common, access, skc_v6_rcv_saddr);
		struct in6_addr far = SOCK_FIELD(common, access, skc_v6_daddr);

		__builtin_memcpy(local, &near, sizeof(near));
		__builtin_memcpy(remote, &far, sizeof(far));
	} else {
		return false;
	}
	key->src_port = received ? remote_port : local_port;
	key->dst_port = received ? local_port : remote_port;
	key->protocol = protocol;
	return true;
}

/*
 * Makes the key of packets that the socket sends or, if `received`, gets. `key` must be zero.
 * False: neither IPv4 nor IPv6.
 */
static __always_inline bool socket_flow(const struct sock *sk, __u8 protocol, bool received,
					struct flow_key *key)
{
	return common_flow(&sk->__sk_common, SOCK_TYPED, protocol, received, key);
}

static __always_inline __u16 eth_protocol_of(const struct flow_key *key)
{
	return is_ipv4(key) ? ETH_P_IP : ETH_P_IPV6;
}

/* The hook that sampled the packet out, or in, has decided for all later hooks and probes. */
static __always_inline bool was_sampled_out(const struct sk_buff *skb)
{
	return is_sampled_out_tag(probed_tag(skb->tc_index));
}

static __always_inline bool was_seen(const struct sk_buff *skb)
{
	return probed_tag(skb->tc_index) != TAG_NONE;
}
