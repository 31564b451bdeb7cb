/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * A packet counts where it is born: at the first hook of ours that it can pass. That does not
 * depend on what others do with packets, but on how interfaces hang together, which user space
 * finds out and writes to `hook_facts` before it attaches a hook. What it does not know is not
 * there, and no packet is born there: then a flow counts at the place where it was seen first.
 */

#include "kernel.h"
#include "types.h"
#include "hook-facts.h"
#include "maps.h"
#include "netns.h"
#include "tag.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, HOOK_FACTS_MAX);
	__type(key, __u64);
	__type(value, __u32);
} hook_facts SEC(".maps");

/* All of a slot that is not the interface itself. */
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

/* This interface as a slot without anything else, comparable in one go; never 0. */
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

/* Where packets are born that come in here, a tag is somebody else's. */
static __always_inline bool is_born_at_ingress(struct __sk_buff *skb)
{
	return facts_of(place_of(skb)) & HOOK_BORN_INGRESS;
}

/* Out of the way: what is left out, or finds no room, while there are no marks. */
static noinline bool was_met_unmarked(struct __sk_buff *skb, __u32 egress, __u32 is_inner)
{
	__u64 place = place_of(skb);
	const __u32 *facts = bpf_map_lookup_elem(&hook_facts, &place);

	/* Nobody knows: better twice than never. */
	if (!facts)
		return false;
	if (!egress)
		return !(*facts & HOOK_BORN_INGRESS);
	if (!(*facts & HOOK_BORN_EGRESS) || is_inner)
		return true;
	return skb->ingress_ifindex &&
	       facts_of(place_at(skb, skb->ingress_ifindex)) & HOOK_INGRESS;
}

/*
 * Whether an earlier hook has had the packet, whatever it was then. `is_inner`: it may have been
 * counted before it was wrapped.
 */
static __always_inline bool was_met(struct __sk_buff *skb, __u32 tag, bool egress, bool is_inner)
{
	if (unlikely(!marks_on))
		return was_met_unmarked(skb, egress, is_inner);
	return tag != TAG_NONE && (egress || !is_born_at_ingress(skb));
}
