/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Packets instead of flows: those that filter rules accept are copied, once each, from the socket
 * buffer to a ring buffer. Nothing else is paid for, so a rule that matches little costs little.
 */

#include "kernel.h"
#include "types.h"
#include "choose.h"
#include "copy.h"
#include "maps.h"
#include "netns.h"
#include "stats.h"
#include "wire.h"

/* Replaced at load, where packets are captured. */
#define CAPTURE_RING_BYTES 4096

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CAPTURE_RING_BYTES);
} captured SEC(".maps");

/*
 * The reader is woken when the ring is filled up to a share; below, it comes by itself. It takes
 * the word out at once and then reads, so one at a time is enough.
 */
static __always_inline void wake_reader(void)
{
	__u32 limit = config.capture_wake_bytes;

	if (bpf_ringbuf_query(&captured, BPF_RB_AVAIL_DATA) >= limit &&
	    !bpf_ringbuf_query(&wake, BPF_RB_AVAIL_DATA))
		bpf_ringbuf_output(&wake, &limit, sizeof(limit), 0);
}

/*
 * Copies the packet into a record with `room`, a constant: the kernel hands out records of sizes
 * that the verifier knows, and a packet goes into the smallest that is large enough.
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

	/* What is to be captured has to be said. */
	if (!config.filter_rules || choose(skb, &packet, egress, has_l2) != PACKET_WANTED)
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
