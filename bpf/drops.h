/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Packets that the kernel drops, with its reason and the place in its code. Most of them have
 * passed a hook, or would have passed one. A flow that no hook sees has an entry with nothing but
 * its drops.
 */

#include "kernel.h"
#include "filter.h"
#include "kernel-structs.h"
#include "maps.h"
#include "skb.h"
#include "sockets.h"
#include "watched.h"

/* The same in every network namespace. */
#define LOOPBACK_IFINDEX 1

static __always_inline void note_drop(struct flow_metrics *flow, const struct packet *packet,
				      struct wire wire, __u64 location, __u32 reason, __u8 state)
{
	struct drop_metrics *drop = extension(flow, config.drops_at);

	__sync_fetch_and_add(&drop->packets, wire.packets);
	__sync_fetch_and_add(&drop->bytes, wire.bytes);
	drop->location = location;
	drop->reason = reason;
	drop->tcp_flags = packet->tcp_flags;
	if (state)
		drop->tcp_state = state;
}

static __always_inline bool is_ip_packet(const struct sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6);
}

/*
 * Returns the interface by which the packet came in, or 0. The kernel sets it when it takes a
 * packet out of the CPU's queue.
 */
static __always_inline __u32 came_in_by(const struct sk_buff *skb, __u32 reason)
{
	if (!skb->skb_iif &&
	    bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_CPU_BACKLOG) &&
	    reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_CPU_BACKLOG))
		return BPF_CORE_READ(skb, dev, ifindex);
	return skb->skb_iif;
}

/*
 * The directions in which a drop is watched. A known flow was recorded by hooks of either
 * direction, here or at the other end of the wire. A new flow is added only where hooks are, or
 * where the packet would have met them. Traffic within the host is ignored unless its interface is
 * watched.
 */
static __always_inline __u32 drop_directions(const struct sk_buff *skb, const struct sock *sk,
					     const struct flow_metrics *flow, __u32 came_in)
{
	__u32 directions;

	if (flow)
		return FILTER_OF_BOTH;
	if (came_in == LOOPBACK_IFINDEX)
		return 0;
	directions = skb_directions(skb, sk, came_in);
	if (!directions)
		count_in_probe(STAT_NOT_WATCHED, 1, skb->len);
	return directions;
}

/* A forwarded packet was lost on its way in, if that direction is watched. */
static __always_inline __u32 drop_direction(__u32 came_in, __u32 directions)
{
	return came_in && directions & FILTER_OF_INGRESS ? FILTER_OF_INGRESS : FILTER_OF_EGRESS;
}

/* `receiver`: the socket that the packet was for, if the kernel reports it. */
static __always_inline void drop(struct sk_buff *skb, __u64 location, __u32 reason,
				 struct sock *receiver)
{
	struct filter_verdict verdict;
	struct skb_view view;
	struct packet packet = {};
	struct flow_metrics *flow;
	struct sock *sk = receiver ? receiver : skb->sk;
	__u32 came_in = came_in_by(skb, reason), directions;
	__u8 state = 0;

	if (was_sampled_out(skb))
		return;
	/* As in hooks: rules with rates of their own come first. */
	if (!config.filter_samples && !was_seen(skb) && loses_draw(config.sampling))
		return;
	view = skb_view_typed(skb);
	if (!skb_parse(&view, &packet)) {
		/* Headers are broken, or in pages that cannot be read from here. */
		if (is_ip_packet(skb))
			count_in_probe(STAT_PROBE_LOST, 1, skb->len);
		return;
	}
	flow = find_flow(&packet.key);
	directions = drop_directions(skb, sk, flow, came_in);
	if (!directions)
		return;
	verdict = filter_drop(&packet.key, packet.tcp_flags, drop_direction(came_in, directions),
			      directions);
	if (!verdict.accepted)
		return;
	if (config.filter_samples && !was_seen(skb) && loses_draw(rate_of(&verdict)))
		return;
	if (!flow)
		flow = add_blank_flow(&packet.key, packet.eth_protocol, rate_of(&verdict));
	if (!flow)
		return;
	if (sk && packet.key.protocol == IPPROTO_TCP)
		state = sk->__sk_common.skc_state;
	note_drop(flow, &packet, skb_wire(&view, &packet), location, reason, state);
}

/* A promiscuous interface passes up frames for other hosts, too. */
static __always_inline bool is_of_others(__u32 reason)
{
	return !config.drops_of_others &&
	       bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_OTHERHOST) &&
	       reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_OTHERHOST);
}

/* Whether it is a drop with a reason; other packets that the kernel discarded are counted. */
static __always_inline bool is_drop(const struct sk_buff *skb, __u32 reason)
{
	__u32 unspecified =
		bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED);

	/* Lower values mean that nothing was dropped. */
	if (reason < unspecified)
		return false;
	if (reason != unspecified && !is_of_others(reason))
		return true;
	if (is_ip_packet(skb))
		count_in_probe(reason == unspecified ? STAT_UNEXPLAINED : STAT_OTHER_HOST, 1,
			       skb->len);
	return false;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(drops_kfree_skb, struct sk_buff *skb, void *location, __u32 reason,
	     struct sock *receiver)
{
	if (is_drop(skb, reason))
		drop(skb, (__u64)location, reason, receiver);
	return 0;
}

/* Before Linux 6.11 the kernel does not report the receiver. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drops_kfree_skb_reason, struct sk_buff *skb, void *location, __u32 reason)
{
	if (is_drop(skb, reason))
		drop(skb, (__u64)location, reason, NULL);
	return 0;
}

/* Before Linux 5.17 there are no reasons. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drops_kfree_skb_location, struct sk_buff *skb, void *location)
{
	drop(skb, (__u64)location, 0, NULL);
	return 0;
}
