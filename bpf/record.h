/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Adds packets to their flows. */

#include "kernel.h"
#include "types.h"
#include "choose.h"
#include "features.h"
#include "filter.h"
#include "maps.h"
#include "parse.h"
#include "room.h"
#include "sightings.h"
#include "stats.h"
#include "wire.h"

/* The place of a hook, in one argument. */
enum hook {
	HOOK_EGRESS = 1,
	HOOK_L2 = 2, /* frames have an Ethernet header */
};

/*
 * Sets what the first packet shows of the whole flow, except counters. A function of its own, like
 * the rest that only new flows need: known flows then need not keep its arguments at hand.
 */
static noinline void describe(struct flow_metrics *flow, struct __sk_buff *skb,
			      const struct packet *packet, __u32 hook)
{
	__u32 link = config.tunnel_at ? packet->inner_l2 : 0;

	flow->vlan_id = packet->vlan_id;
	flow->eth_protocol = packet->eth_protocol;
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
 * Writes only what changes: a long flow's cache line then travels between CPUs only for its
 * counters. Both counters are atomic, since any CPU may be adding to the same flow.
 */
static __always_inline void add_packet(struct flow_metrics *flow, struct __sk_buff *skb,
				       const struct packet *packet, __u32 hook)
{
	struct wire wire = wire_of(skb, packet);
	__u64 now = bpf_ktime_get_coarse_ns();

	/* The flow is new, or a probe came first and added it without packets. */
	if (unlikely(!__sync_fetch_and_add(&flow->packets, wire.packets))) {
		flow->start_ns = now;
		describe(flow, skb, packet, hook);
	}
	__sync_fetch_and_add(&flow->bytes, wire.bytes);
	if (flow->end_ns < now)
		flow->end_ns = now;
	if (packet->tcp_flags & ~flow->tcp_flags)
		__sync_fetch_and_or(&flow->tcp_flags_word, packet->tcp_flags);
	if (flow->dscp != packet->dscp)
		flow->dscp = packet->dscp;
	if (!has_extensions())
		return;
	if (config.filter_at && !packet->only_if_dropped)
		note_wanted(flow);
	inspect(skb, packet, flow, wire, now);
}

/*
 * The same for the first packet of a flow that nobody else can see yet and that is zero: nothing is
 * atomic. The packet counts here, where its flow is seen first, born here or not.
 */
static __always_inline void begin_flow(struct flow_metrics *flow, struct __sk_buff *skb,
				       const struct packet *packet, __u32 hook)
{
	bool egress = hook & HOOK_EGRESS;
	struct wire wire = wire_of(skb, packet);
	/* Precise: the coarse clock would not show which end of a conversation spoke first. */
	__u64 now = bpf_ktime_get_ns();
	__u64 slot = new_slot(place_of(skb), true, egress);

	*(__u64 *)flow->observed = slot;
	if (is_born_at(slot, skb, packet, egress))
		flow->state = FLOW_HAS_BIRTHS;
	else if (has_rules_of_direction() && !marks_on)
		take_back_unmarked(skb, packet, egress);
	flow->start_ns = flow->end_ns = now;
	flow->packets = wire.packets;
	flow->bytes = wire.bytes;
	flow->tcp_flags = packet->tcp_flags;
	flow->dscp = packet->dscp;
	describe(flow, skb, packet, hook);
	if (!has_extensions())
		return;
	if (config.filter_at && !packet->only_if_dropped)
		note_wanted(flow);
	inspect(skb, packet, flow, wire, now);
}

/* Adds the packet to a flow that is in the map; false: a sighting. */
static __always_inline bool add_or_sight(struct flow_metrics *flow, struct __sk_buff *skb,
					 const struct packet *packet, __u32 hook)
{
	bool egress = hook & HOOK_EGRESS;
	__u64 place = note_place(flow, skb, egress, packet);
	bool has_births = flow->state & FLOW_HAS_BIRTHS;

	if (is_born_at(place, skb, packet, egress)) {
		if (unlikely(!has_births))
			__sync_fetch_and_or(&flow->state_word, FLOW_HAS_BIRTHS << STATE_SHIFT);
	} else if (!is_counted_at(place, has_births)) {
		sight(skb, packet, flow);
		/* Rules have judged this packet here; they do not judge one with its flow's tag. */
		if (config.filter_at && !packet->only_if_dropped)
			note_wanted(flow);
		return false;
	} else if (has_rules_of_direction() && !marks_on) {
		take_back_unmarked(skb, packet, egress);
	}
	add_packet(flow, skb, packet, hook);
	return true;
}

enum addition {
	FLOW_IS_NEW,
	FLOW_WAS_THERE, /* another CPU came first */
	FLOW_IS_LEFT_OUT, /* counted, if it was not before */
};

/*
 * Adds a flow with its first packet to `flows`. Without marks each hook makes a draw of its own;
 * that of the hook where the packet is born decides.
 */
static noinline enum addition add_flow(struct __sk_buff *skb, const struct packet *packet,
				       __u32 hook, void *flows)
{
	struct flow_metrics *flow = fresh_flow();
	bool egress = hook & HOOK_EGRESS;
	/* Before Linux 6.4 the upper half of an update's result is not the sign. */
	int error = -ENOENT;
	struct wire wire;

	if (unlikely(!marks_on) && is_sampling() && was_met_unmarked(skb, packet, egress))
		return FLOW_IS_LEFT_OUT;
	if (!flow || !flows)
		goto unrecorded;
	if (unlikely(!has_room(skb, packet, egress))) {
		error = -E2BIG;
		goto unrecorded;
	}
	begin_flow(flow, skb, packet, hook);
	error = bpf_map_update_elem(flows, &packet->key, flow, BPF_NOEXIST);
	if (!error) {
		wake_when_filled();
		return FLOW_IS_NEW;
	}
	if (error == -EEXIST)
		return FLOW_WAS_THERE;
unrecorded:
	/* Most likely it was left out at an earlier hook, too. */
	if (was_met_as_such(skb, packet, egress))
		return FLOW_IS_LEFT_OUT;
	wire = wire_of(skb, packet);
	count(error == -E2BIG ? STAT_MAP_FULL : STAT_MAP_ERROR, wire.packets, wire.bytes);
	return FLOW_IS_LEFT_OUT;
}

/* Counts a packet into its flow or, if that is not possible, into a statistic. */
static __always_inline void record(struct __sk_buff *skb, const struct packet *packet, bool egress,
				   bool has_l2)
{
	__u32 hook = (egress ? HOOK_EGRESS : 0) | (has_l2 ? HOOK_L2 : 0);
	void *flows = current_flows();
	struct flow_metrics *flow = flows ? bpf_map_lookup_elem(flows, &packet->key) : NULL;

	if (unlikely(!flow)) {
		enum addition addition = add_flow(skb, packet, hook, flows);

		if (addition == FLOW_IS_LEFT_OUT)
			return;
		/* Nothing removes entries from the current map. */
		if (addition == FLOW_WAS_THERE && flows)
			flow = bpf_map_lookup_elem(flows, &packet->key);
	}
	if (flow && !add_or_sight(flow, skb, packet, hook))
		return;
	if (has_extensions())
		inspect_once(skb, packet, flows, flow);
}
