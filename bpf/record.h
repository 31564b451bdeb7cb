/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* How a packet is added to its flow. */

#include "kernel.h"
#include "types.h"
#include "maps.h"
#include "features.h"
#include "filter.h"
#include "netns.h"
#include "parse.h"
#include "stats.h"
#include "wire.h"

/* This interface and direction as a slot, comparable in one go. */
static __always_inline __u64 interface_slot(struct __sk_buff *skb, bool egress)
{
	__u32 netns = 0;
	__u32 seen = (skb->ifindex & IFINDEX_MASK) | (egress ? SEEN_EGRESS : SEEN_INGRESS);

	if (config.has_netns_cookie)
		netns = device_netns(skb);
	return (__u64)seen << 32 | netns;
}

#define SLOT_DIRECTIONS ((__u64)(SEEN_INGRESS | SEEN_EGRESS) << 32)

/* Slots fill up in order and are never emptied, so CPUs race for them one atomic at a time. */
static __always_inline void note_interface(struct flow_metrics *flow, __u64 wanted,
					   struct wire wire)
{
	__u64 *slots = (__u64 *)flow->observed;
	__u64 slot;

	for (int i = 0; i < MAX_OBSERVED_INTERFACES; i++) {
		slot = slots[i];
		if (slot == wanted)
			return;
		if (!slot) {
			slot = __sync_val_compare_and_swap(&slots[i], 0, wanted);
			if (!slot || slot == wanted)
				return;
		}
		if (!((slot ^ wanted) & ~SLOT_DIRECTIONS)) {
			if (wanted & ~slot)
				__sync_fetch_and_or(&slots[i], wanted);
			return;
		}
	}
	count(STAT_INTERFACES_MISSED, wire.packets, wire.bytes);
}

/* Where a hook is, in one argument. */
enum hook {
	HOOK_EGRESS = 1,
	HOOK_L2 = 2, /* frames have an Ethernet header */
};

/*
 * What the first packet tells of the whole flow, counters apart. By itself, as the rest that only
 * new flows take: known ones then have no argument of it to keep at hand.
 */
static noinline void describe(struct flow_metrics *flow, struct __sk_buff *skb,
			      const struct packet *packet, __u32 hook)
{
	__u32 link = config.tunnel_at ? packet->inner_l2 : 0;

	flow->start_ns = bpf_ktime_get_coarse_ns();
	flow->vlan_id = packet->vlan_id;
	flow->first_direction = hook & HOOK_EGRESS ? 1 : 0;
	flow->eth_protocol = packet->eth_protocol;
	*(__u64 *)&flow->observed[0] = interface_slot(skb, hook & HOOK_EGRESS);
	flow->sampling = packet->sampling ? packet->sampling : config.sampling;
	if (hook & HOOK_L2 || link) {
		__u8 copy[2 * ETH_ALEN];
		const __u8 *macs = peek(skb, link, copy, sizeof(copy));

		if (macs) {
			__builtin_memcpy(flow->dst_mac, macs, ETH_ALEN);
			__builtin_memcpy(flow->src_mac, macs + ETH_ALEN, ETH_ALEN);
		}
	}
}

/*
 * Writes only what changes: a long flow's cache line then travels between CPUs for its counters
 * alone. Both counters are atomic, since any CPU may be adding to the same flow.
 */
static __always_inline void add_packet(struct flow_metrics *flow, struct __sk_buff *skb,
				       const struct packet *packet, __u32 hook)
{
	struct wire wire = wire_of(skb, packet);
	__u64 now = bpf_ktime_get_coarse_ns();

	/* It is new, or a probe came first and has added a flow without packets. */
	if (unlikely(!__sync_fetch_and_add(&flow->packets, wire.packets)))
		describe(flow, skb, packet, hook);
	__sync_fetch_and_add(&flow->bytes, wire.bytes);
	if (flow->end_ns < now)
		flow->end_ns = now;
	if (packet->tcp_flags & ~flow->tcp_flags)
		__sync_fetch_and_or(&flow->tcp_flags_word, packet->tcp_flags);
	if (flow->dscp != packet->dscp)
		flow->dscp = packet->dscp;
	note_interface(flow, interface_slot(skb, hook & HOOK_EGRESS), wire);
	if (!has_extensions())
		return;
	if (config.filter_at && !packet->only_if_dropped)
		note_wanted(flow);
	inspect(skb, packet, flow, wire, now);
}

/* Returns the map that has the flow now; NULL: none has. */
static noinline void *add_flow(struct __sk_buff *skb, const struct packet *packet, __u32 hook)
{
	void *flows = current_flows();
	struct flow_metrics *flow = fresh_flow();
	long error = -ENOENT;
	struct wire wire;

	if (!flow || !flows)
		goto unrecorded;
	add_packet(flow, skb, packet, hook);
	/* Exactly: the coarse clock would not tell which end of a conversation spoke first. */
	flow->start_ns = flow->end_ns = bpf_ktime_get_ns();
	error = bpf_map_update_elem(flows, &packet->key, flow, BPF_NOEXIST);
	if (!error) {
		wake_when_filled();
		return flows;
	}
	if (error == -EEXIST) {
		/* Another CPU came first; nothing removes entries from the current map. */
		flow = bpf_map_lookup_elem(flows, &packet->key);
		if (flow) {
			add_packet(flow, skb, packet, hook);
			return flows;
		}
	}
unrecorded:
	wire = wire_of(skb, packet);
	count(error == -E2BIG ? STAT_MAP_FULL : STAT_MAP_ERROR, wire.packets, wire.bytes);
	return NULL;
}

/* Counts a packet into its flow, or, when that cannot be, into a statistic. */
static __always_inline void record(struct __sk_buff *skb, const struct packet *packet, bool egress,
				   bool has_l2)
{
	__u32 hook = (egress ? HOOK_EGRESS : 0) | (has_l2 ? HOOK_L2 : 0);
	struct flow_metrics *flow = find_flow(&packet->key);
	void *flows = NULL;

	if (likely(flow))
		add_packet(flow, skb, packet, hook);
	else
		flows = add_flow(skb, packet, hook);
	if (has_extensions())
		inspect_once(skb, packet, flows, flow);
}

/*
 * A packet counted at an earlier hook: its flow learns of one more interface. A flow whose entry
 * has been drained in between gets none for a mere sighting.
 */
static __always_inline void sight(struct __sk_buff *skb, const struct packet *packet, bool egress)
{
	struct flow_metrics *flow = find_flow(&packet->key);

	if (!flow)
		return;
	note_interface(flow, interface_slot(skb, egress), wire_of(skb, packet));
	/* It may have been counted before it was wrapped. */
	if (config.tunnel_at)
		note_tunnel(skb, packet, flow);
}
