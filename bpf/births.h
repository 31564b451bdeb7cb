/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * A packet counts where it is born: at the first of our hooks that it can pass. That place depends
 * on how interfaces are connected, not on what other programs do with packets. User space works it
 * out and writes it to `hook_facts` before it attaches a hook. No packet is born at an interface
 * that is not in the map: its flow then counts at the place where it was seen first.
 */

#include "kernel.h"
#include "types.h"
#include "hook-facts.h"
#include "maps.h"
#include "netns.h"
#include "packet.h"
#include "tag.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HOOK_FACTS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} hook_facts SEC(".maps");

/* Two parts of a slot: facts about its hooks, and its interface. */
#define SLOT_FACTS ((__u64)(BORN_INGRESS | BORN_EGRESS) << 32)
#define SLOT_PLACE ((__u64)IFINDEX_MASK << 32 | 0xffffffff)

static __always_inline __u64 place_in(__u32 netns, __u32 ifindex)
{
	return (__u64)(ifindex & IFINDEX_MASK) << 32 | netns;
}

static __always_inline __u64 place_at(struct __sk_buff *skb, __u32 ifindex)
{
	return place_in(config.has_netns_cookie ? device_netns(skb) : 0, ifindex);
}

/* This interface as a slot with nothing else in it, to compare in one step; never 0. */
static __always_inline __u64 place_of(struct __sk_buff *skb)
{
	return place_at(skb, skb->ifindex);
}

static __always_inline __u64 seen_in(bool egress)
{
	return (__u64)(egress ? SEEN_EGRESS : SEEN_INGRESS) << 32;
}

static __always_inline __u64 born_in(bool egress)
{
	return (__u64)(egress ? BORN_EGRESS : BORN_INGRESS) << 32;
}

static noinline __u32 facts_of(__u64 place)
{
	const __u32 *facts = bpf_map_lookup_elem(&hook_facts, &place);

	return facts ? *facts : 0;
}

/* If packets that arrive here are born here, any tag on them is from somebody else. */
static __always_inline bool is_born_at_ingress(struct __sk_buff *skb)
{
	return facts_of(place_of(skb)) & HOOK_BORN_INGRESS;
}

/* The last packet that this host sent on this CPU, and where a hook first met it on its way out. */
struct departure {
	__u64 buffer; /* its address in memory, which clones share */
	__u64 packet; /* by packet_hash() */
	__u64 place;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct departure);
} departures SEC(".maps");

static __always_inline __u64 buffer_of(struct __sk_buff *skb)
{
	if (config.has_netns_cookie)
		return (__u64)kernel_skb(skb)->head;
	return (__u64)skb;
}

/*
 * Hashes what distinguishes a packet from the next one of its flow: the identification of IPv4,
 * TCP's sequence and acknowledgement numbers, length and checksum of UDP, type, identifier and
 * sequence number of ICMP.
 */
static __always_inline __u64 packet_hash(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 numbers = packet->l4 + (packet->key.protocol == IPPROTO_TCP ? 4 : 0);
	__u64 hash = flow_hash(&packet->key) + skb->len, copy;
	const void *at = peek(skb, numbers, &copy, sizeof(copy));

	if (at)
		hash = hash * 0x9e3779b97f4a7c15 + *(const __u64 *)at;
	at = packet->eth_protocol == ETH_P_IP ? peek(skb, packet->l3 + 4, &copy, 2) : NULL;
	return at ? hash * 0xc2b2ae3d27d4eb4f + *(const __u16 *)at : hash;
}

/*
 * Without marks: whether somebody else's program or filter has sent the packet, or a copy, on to
 * this egress from another one. Such a packet follows before the CPU handles another, and is the
 * same in memory. Repeated calls at one place give the same answer. A global function, so that the
 * verifier follows its paths only once.
 */
noinline __u32 has_just_left(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 zero = 0;
	struct departure *last = bpf_map_lookup_elem(&departures, &zero);
	__u64 buffer = buffer_of(skb), place = place_of(skb), hash;

	/*
	 * It lost its draw before it was parsed; or the next one may be the same, at another port.
	 */
	if (!last || !packet || !packet->eth_protocol || facts_of(place) & HOOK_SHARES_FLOWS)
		return false;
	hash = packet_hash(skb, packet);
	if (last->buffer == buffer && last->packet == hash)
		return last->place != place;
	last->buffer = buffer;
	last->packet = hash;
	last->place = place;
	return false;
}

/*
 * Whether an earlier hook has met the packet, while there are no marks. Off the hot path: needed
 * for packets that are left out or find no room.
 */
noinline __u32 was_met_unmarked(struct __sk_buff *skb, const struct packet *packet, __u32 egress)
{
	__u64 place = place_of(skb);
	const __u32 *facts = bpf_map_lookup_elem(&hook_facts, &place);

	/* Unknown: counting a packet twice is better than never. */
	if (!facts || !packet)
		return false;
	if (!egress)
		return !(*facts & HOOK_BORN_INGRESS);
	/* A packet in a tunnel may have been counted before it was wrapped. */
	if (!(*facts & HOOK_BORN_EGRESS) || packet->tunnel_type)
		return true;
	if (!skb->ingress_ifindex)
		return has_just_left(skb, packet);
	return !!(facts_of(place_at(skb, skb->ingress_ifindex)) & HOOK_INGRESS);
}

/* Whether an earlier hook has met the packet, as a packet of any flow. */
static __always_inline bool was_met(struct __sk_buff *skb, const struct packet *packet, __u32 tag,
				    bool egress)
{
	if (unlikely(!marks_on))
		return was_met_unmarked(skb, packet, egress);
	return tag != TAG_NONE && (egress || !is_born_at_ingress(skb));
}
