/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * A packet passes many hooks: its tag says what the hook before did with it.
 *
 * It lives in skb->tc_index, which TC programs may write and which the kernel copies with clones
 * and segments and keeps across bridges, veth pairs and namespaces (skb_scrub_packet() leaves it
 * alone). The five low bits are left as they are: sch_gred reads four of them, Cilium has flags
 * there.
 *
 * Anybody may write to the field, so a tag is a hint and never proof (see births.h): it is trusted
 * only where an earlier hook of ours can have left it, and its values are random for each load.
 * While somebody else's program or filter is attached beside ours, the field is neither written nor
 * read: others may look at more of its bits, and their verdicts overwrite it.
 *
 * | tag           | set by the hook that                | at later hooks                          |
 * |---------------|-------------------------------------|-----------------------------------------|
 * | of a flow     | counted or sighted it for that flow | drained meanwhile: not a new flow       |
 * | not_flow      | counted it as not IP or malformed   | not counted as that again               |
 * | unmatched,    | counted it as unwanted by rules     | not counted as that again; taken back   |
 * | rejected      |                                     | where a rule about the direction is met |
 * | sampled_out   | let it lose the draw                | ignored, even in another flow           |
 */

#include "kernel.h"
#include "types.h"
#include "maps.h"

#define TAG_SHIFT 5
#define TAG_OTHERS ((1 << TAG_SHIFT) - 1)

#define TAG_NONE 0 /* no hook has seen it */
#define TAG_MAX 0x7ff
/* Number of tags for flows; the other four are in `config`. */
#define TAG_FLOWS (TAG_MAX - 4)

/* User space sets it while every program and filter at the watched hooks is ours. */
volatile __u32 marks_on SEC(".data.marks") = 0;

static __always_inline __u32 get_tag(const struct __sk_buff *skb)
{
	return (skb->tc_index & 0xffff) >> TAG_SHIFT;
}

static __always_inline void set_tag(struct __sk_buff *skb, __u32 tag)
{
	if (likely(marks_on))
		skb->tc_index = (skb->tc_index & TAG_OTHERS) | tag << TAG_SHIFT;
}

static __always_inline bool is_sampling(void)
{
	return config.sampling > 1 || config.filter_samples;
}

static __always_inline bool is_filtered_tag(__u32 tag)
{
	return config.filter_rules && tag != TAG_NONE &&
	       (tag == config.tag_unmatched || tag == config.tag_rejected);
}

static __always_inline bool is_sampled_out_tag(__u32 tag)
{
	return is_sampling() && tag != TAG_NONE && tag == config.tag_sampled_out;
}

static __always_inline bool is_flow_tag(__u32 tag)
{
	return tag != TAG_NONE && tag != config.tag_not_flow && tag != config.tag_unmatched &&
	       tag != config.tag_rejected && tag != config.tag_sampled_out;
}

/* For probes, which know no hook: the tag in the field of a packet's buffer, if it is ours. */
static __always_inline __u32 probed_tag(__u16 tc_index)
{
	return marks_on ? tc_index >> TAG_SHIFT : TAG_NONE;
}

/* Multilinear: the products do not depend on one another. */
static __always_inline __u64 flow_hash(const struct flow_key *key)
{
	const __u64 *words = (const __u64 *)key;

	return words[0] * 0x9e3779b97f4a7c15 + words[1] * 0xc2b2ae3d27d4eb4f +
	       words[2] * 0x165667b19e3779f9 + words[3] * 0xd6e8feb86659fd93 +
	       words[4] * 0xa0761d6478bd642f;
}

/*
 * A packet that becomes one of another flow on the way (address translation, a tunnel) may by
 * chance, one in 2043, have that flow's tag already.
 */
static __always_inline __u32 flow_tag(const struct flow_key *key)
{
	__u64 hash = flow_hash(key);
	__u32 tag;

	/* Up to here the difference of two tags depends only on the difference of their keys. */
	hash ^= config.tag_seed;
	hash ^= hash >> 32;
	hash *= config.tag_factor;
	tag = (((hash >> 32) * TAG_FLOWS) >> 32) + config.tag_first;
	return tag > TAG_MAX ? tag - TAG_MAX : tag;
}
