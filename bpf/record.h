/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Where flows are kept, and how a packet is added to its flow. */

#include "kernel.h"
#include "types.h"
#include "netns.h"
#include "parse.h"
#include "stats.h"

/* Replaced at load. */
#define FLOWS_MAX 5000

/*
 * Preallocated: an insert takes an element from a list instead of the allocator, and the memory
 * that a configuration needs is known at start.
 */
struct flow_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOWS_MAX);
	__type(key, struct flow_key);
	__type(value, struct flow_metrics);
};

struct flow_map flows_a SEC(".maps");
struct flow_map flows_b SEC(".maps");

/*
 * The map that hooks write to. User space puts the other one here to drain this one: the kernel
 * returns from an update of a map of maps when every program that may have seen the old choice has
 * ended, so that nobody holds a pointer into a map that is being drained.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct flow_map);
} current SEC(".maps") = {
	.values = { [0] = &flows_a },
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} wake SEC(".maps");

/* New flows since the last swap, which sets it to 0: in a section, and so a map, of its own. */
__u32 inserted SEC(".data.inserted");

const volatile struct config config SEC(".rodata.config");

static __always_inline void wake_when_filled(void)
{
	__u32 entries;

	if (!config.wake_entries)
		return;
	entries = __sync_fetch_and_add(&inserted, 1) + 1;
	/* The counter passes the limit once per swap. A full ring: user space is awake already. */
	if (entries == config.wake_entries)
		bpf_ringbuf_output(&wake, &entries, sizeof(entries), 0);
}

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

/* What a packet is on the wire, where offloads have yet to cut it up or have joined it already. */
struct wire {
	__u64 packets;
	__u64 bytes;
};

/* `headers`: what every segment repeats; only looked at for packets of several segments. */
static __always_inline struct wire wire_of(struct __sk_buff *skb, __u32 headers)
{
	struct wire wire = { .packets = 1, .bytes = skb->len };
	__u32 size = skb->gso_size;

	/* A tag that the device adds or has removed is not in the buffer, but on the wire. */
	if (unlikely(skb->vlan_present)) {
		wire.bytes += 4;
		headers += 4;
	}
	if (!size)
		return wire;
	wire.packets = skb->gso_segs;
	/* Senders that are not trusted to count (guests, tun) leave it to the receiver. */
	if (!wire.packets)
		wire.packets = skb->len > headers ? (skb->len - headers + size - 1) / size : 1;
	wire.bytes += (wire.packets - 1) * headers;
	/*
	 * On its way out the kernel has worked out the same sum, with all headers of a tunnel, of
	 * which the flow's are only the outer ones. On its way in the field is the buffer's length.
	 */
	if (skb->wire_len > wire.bytes)
		wire.bytes = skb->wire_len;
	return wire;
}

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

/*
 * Writes only what changes: a long flow's cache line then travels between CPUs for its counters
 * alone. Both counters are atomic, since any CPU may be adding to the same flow.
 */
static __always_inline void add_packet(struct flow_metrics *flow, const struct packet *packet,
				       struct wire wire, __u64 slot, __u64 now)
{
	__sync_fetch_and_add(&flow->packets, wire.packets);
	__sync_fetch_and_add(&flow->bytes, wire.bytes);
	if (flow->end_ns < now)
		flow->end_ns = now;
	if (packet->tcp_flags & ~flow->tcp_flags)
		__sync_fetch_and_or(&flow->tcp_flags_word, packet->tcp_flags);
	if (flow->dscp != packet->dscp)
		flow->dscp = packet->dscp;
	note_interface(flow, slot, wire);
}

static __always_inline void start_flow(struct flow_metrics *flow, struct __sk_buff *skb,
				       const struct packet *packet, struct wire wire, __u64 slot,
				       __u64 now, bool egress, bool has_l2)
{
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->bytes = wire.bytes;
	flow->packets = wire.packets;
	flow->start_ns = now;
	flow->end_ns = now;
	flow->tcp_flags = packet->tcp_flags;
	flow->vlan_id = packet->vlan_id;
	flow->dscp = packet->dscp;
	flow->first_direction = egress;
	flow->eth_protocol = packet->eth_protocol;
	*(__u64 *)&flow->observed[0] = slot;
	flow->sampling = config.sampling;
	if (has_l2) {
		__u8 copy[2 * ETH_ALEN];
		const __u8 *macs = peek(skb, 0, copy, sizeof(copy));

		if (macs) {
			__builtin_memcpy(flow->dst_mac, macs, ETH_ALEN);
			__builtin_memcpy(flow->src_mac, macs + ETH_ALEN, ETH_ALEN);
		}
	}
}

/* Counts a packet into its flow, or, when that cannot be, into a statistic. */
static __always_inline void record(struct __sk_buff *skb, const struct packet *packet, bool egress,
				   bool has_l2)
{
	__u32 zero = 0;
	void *flows = bpf_map_lookup_elem(&current, &zero);
	struct wire wire = wire_of(skb, packet->headers);
	__u64 slot = interface_slot(skb, egress);
	__u64 now = bpf_ktime_get_coarse_ns();
	struct flow_metrics *flow, fresh;
	long error;

	/* Never: the element is set at load and only ever replaced. The verifier must be told. */
	if (!flows)
		return;
	flow = bpf_map_lookup_elem(flows, &packet->key);
	if (flow) {
		add_packet(flow, packet, wire, slot, now);
		return;
	}
	start_flow(&fresh, skb, packet, wire, slot, now, egress, has_l2);
	error = bpf_map_update_elem(flows, &packet->key, &fresh, BPF_NOEXIST);
	if (!error) {
		wake_when_filled();
		return;
	}
	if (error == -EEXIST) {
		/* Another CPU came first; nothing removes entries from the current map. */
		flow = bpf_map_lookup_elem(flows, &packet->key);
		if (flow) {
			add_packet(flow, packet, wire, slot, now);
			return;
		}
	}
	count(error == -E2BIG ? STAT_MAP_FULL : STAT_MAP_ERROR, wire.packets, wire.bytes);
}

/*
 * A packet counted at an earlier hook: its flow learns of one more interface. A flow whose entry
 * has been drained in between gets none for a mere sighting.
 */
static __always_inline void sight(struct __sk_buff *skb, const struct packet *packet, bool egress)
{
	__u32 zero = 0;
	void *flows = bpf_map_lookup_elem(&current, &zero);
	struct flow_metrics *flow;

	if (!flows)
		return;
	flow = bpf_map_lookup_elem(flows, &packet->key);
	if (flow)
		note_interface(flow, interface_slot(skb, egress), wire_of(skb, packet->headers));
}
