/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * One packet, many hooks: the tag says what became of it at the hook before.
 *
 * It lives in skb->tc_index, which TC programs may write and which the kernel copies with clones
 * and segments and keeps across bridges, veth pairs and namespaces (skb_scrub_packet() leaves it
 * alone). The five low bits stay as they are: sch_gred reads four of them, Cilium has flags in
 * five. What else touches the field: when somebody else's program or filter ends the chain with
 * TCX_PASS or TC_ACT_OK, the kernel stores that verdict's class id in it. The tag is then lost and
 * the packet counts again at its next hook. Ours never do that.
 */

#include "kernel.h"
#include "types.h"

#define TAG_SHIFT 5
#define TAG_OTHERS ((1 << TAG_SHIFT) - 1)

#define TAG_NONE 0 /* no hook has seen it */
/* Counted as not wanted, by STAT_UNMATCHED or STAT_REJECTED: for another hook it may be. */
#define TAG_UNMATCHED 0x7fc
#define TAG_REJECTED 0x7fd
#define TAG_NOT_FLOW 0x7fe /* counted as not IP or malformed; once encapsulated it may be a flow */
#define TAG_SAMPLED_OUT 0x7ff /* the die has been cast, whatever the packet turns into */
/* Everything else: the hash of the flow for which the packet is accounted for. */
#define TAG_FLOWS 0x7fb

static __always_inline __u32 get_tag(const struct __sk_buff *skb)
{
	return (skb->tc_index & 0xffff) >> TAG_SHIFT;
}

static __always_inline void set_tag(struct __sk_buff *skb, __u32 tag)
{
	skb->tc_index = (skb->tc_index & TAG_OTHERS) | tag << TAG_SHIFT;
}

static __always_inline bool is_filtered_tag(__u32 tag)
{
	return tag == TAG_UNMATCHED || tag == TAG_REJECTED;
}

/*
 * 1..TAG_FLOWS. A packet that becomes another flow under way (address translation, a tunnel) has
 * a chance of one in 2043 per pair of flows to be taken for the same one.
 */
static __always_inline __u32 flow_tag(const struct flow_key *key)
{
	const __u64 *words = (const __u64 *)key;
	__u64 hash;

	/* Multilinear: the products do not wait for one another, and the high half is well mixed. */
	hash = words[0] * 0x9e3779b97f4a7c15 + words[1] * 0xc2b2ae3d27d4eb4f +
	       words[2] * 0x165667b19e3779f9 + words[3] * 0xd6e8feb86659fd93 +
	       words[4] * 0xa0761d6478bd642f;
	return (__u32)(((hash >> 32) * TAG_FLOWS) >> 32) + 1;
}
