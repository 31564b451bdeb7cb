/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Captures packets instead of flows: each packet that filter rules accept is copied once, from the
 * socket buffer to a ring buffer. Nothing else is copied, so a rule that matches little costs
 * little.
 */

#include "kernel.h"
#include "types.h"
#include "births.h"
#include "captured-packet.h"
#include "choose.h"
#include "copy.h"
#include "maps.h"
#include "netns.h"
#include "places.h"
#include "side-tables.h"
#include "stats.h"
#include "wire.h"

/* Replaced at load, if packets are captured. */
#define CAPTURE_RING_BYTES 4096

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CAPTURE_RING_BYTES);
} captured SEC(".maps");

/* A flow's place is forgotten after so long without a packet there, as after a drain. */
#define CAPTURED_PLACE_NS 5000000000ULL

/* The place where packets of a flow are captured: there are no flow entries that would hold it. */
struct captured_flow {
	__u64 slot; /* of the first place, like observed[0] */
	__u64 last_ns; /* CLOCK_MONOTONIC, coarse: when a packet was captured */
	__u32 state; /* enum flow_state */
	__u32 pad;
};

struct captured_flow_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64); /* Replaced at load, too. */
	__type(key, struct flow_key);
	__type(value, struct captured_flow);
};

struct captured_flow_map captured_flows SEC(".maps");
struct captured_flow_map busy_captured_flows SEC(".maps");

static __always_inline struct captured_flow *find_captured(const struct flow_key *key)
{
	return find_beside(&captured_flows, &busy_captured_flows, SIDE_CAPTURED_FLOWS, key);
}

/* `known`: the flow's older entry, if there is one. */
static noinline bool captures_new(struct __sk_buff *skb, const struct flow_key *key,
				  struct captured_flow *known, __u64 slot, __u32 state)
{
	struct captured_flow flow = {
		.slot = slot, .last_ns = bpf_ktime_get_coarse_ns(), .state = state
	};
	void *flows;

	if (known) {
		*known = flow;
		return true;
	}
	/* If there is no room, the next packet is a first one, too: nothing is missed. */
	flows = is_busy(skb, SIDE_CAPTURED_FLOWS) ? &busy_captured_flows : &captured_flows;
	bpf_map_update_elem(flows, key, &flow, BPF_ANY);
	return true;
}

/* Applies the rule by which flows count (add_or_sight()) to packets that are copied. */
static __always_inline bool captures_at(struct __sk_buff *skb, const struct packet *packet,
					bool egress)
{
	struct captured_flow *flow = find_captured(&packet->key);
	__u64 place = place_of(skb);
	__u64 slot = place | (egress ? (__u64)FIRST_EGRESS << 32 : 0);
	__u64 now = bpf_ktime_get_coarse_ns();
	bool is_born = is_born_at((__u64)facts_of(place) << 32, skb, packet, egress);

	if (!flow && unlikely(!marks_on) && is_sampling() && was_met_unmarked(skb, packet, egress))
		return false;
	if (!flow || now > flow->last_ns + CAPTURED_PLACE_NS)
		return captures_new(skb, &packet->key, flow, slot, is_born ? FLOW_HAS_BIRTHS : 0);
	/* Sent on from another egress, see revisit(). */
	if (is_born && egress && packet->is_tagged && flow->slot != slot)
		return false;
	if (is_born)
		flow->state |= FLOW_HAS_BIRTHS;
	else if (flow->state & FLOW_HAS_BIRTHS || flow->slot != slot)
		return false;
	flow->last_ns = now;
	return true;
}

/*
 * Wakes the reader when the ring is filled up to a share; below that, it reads without being woken.
 * It takes the word out at once and then reads, so one word at a time is enough.
 */
static __always_inline void wake_reader(void)
{
	__u32 limit = config.capture_wake_bytes;

	if (bpf_ringbuf_query(&captured, BPF_RB_AVAIL_DATA) >= limit &&
	    !bpf_ringbuf_query(&wake, BPF_RB_AVAIL_DATA))
		bpf_ringbuf_output(&wake, &limit, sizeof(limit), 0);
}

/*
 * Copies the packet into a record with `room` bytes, a constant: the kernel reserves only sizes
 * that the verifier knows. A packet goes into the smallest record that is large enough.
 */
static __always_inline bool copy_into(struct __sk_buff *skb, const struct captured_packet *head,
				      const __u32 room)
{
	struct captured_packet *record = bpf_ringbuf_reserve(&captured, sizeof(*head) + room, 0);

	if (!record)
		return false;
	*record = *head;
	if (copy_bytes(skb, 0, record + 1, head->length, room)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return false;
	}
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	wake_reader();
	return true;
}

static __always_inline bool copy_packet(struct __sk_buff *skb, const struct captured_packet *head)
{
	__u32 length = head->length;

	if (length <= 128)
		return copy_into(skb, head, 128);
	if (length <= 256)
		return copy_into(skb, head, 256);
	if (length <= 512)
		return copy_into(skb, head, 512);
	if (length <= 1024)
		return copy_into(skb, head, 1024);
	if (length <= 1536)
		return copy_into(skb, head, 1536);
	if (length <= 4096)
		return copy_into(skb, head, 4096);
	if (length <= 16384)
		return copy_into(skb, head, 16384);
	return copy_into(skb, head, CAPTURE_BYTES_MAX);
}

static __always_inline int capture(struct __sk_buff *skb, bool egress, bool has_l2)
{
	struct captured_packet head = {};
	struct packet packet = {};
	struct wire wire;
	__u32 snap = config.capture_bytes;

	/* Nothing is captured without filter rules. */
	if (!config.filter_rules)
		return HOOK_NEXT;
	if (choose(skb, &packet, egress, has_l2, false) != PACKET_WANTED ||
	    !captures_at(skb, &packet, egress))
		return HOOK_NEXT;
	wire = wire_of(skb, &packet);
	head.time_ns = bpf_ktime_get_ns();
	head.length = skb->len < snap ? skb->len : snap;
	head.original = skb->len;
	head.wire_packets = wire.packets;
	head.wire_bytes = wire.bytes;
	head.ifindex = skb->ifindex;
	if (config.has_netns_cookie)
		head.netns = device_netns(skb);
	if (skb->vlan_present) {
		head.vlan_tci = skb->vlan_tci;
		head.vlan_protocol = bpf_ntohs(skb->vlan_proto);
	}
	head.egress = egress;
	head.has_l2 = has_l2;
	if (!copy_packet(skb, &head))
		count(STAT_CAPTURE_FULL, wire.packets, wire.bytes);
	return HOOK_NEXT;
}
