/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Chooses the packets that hooks record, each once, by sampling, filter rules, and the decisions of
 * earlier hooks. Packets that are left out are counted here.
 */

#include "kernel.h"
#include "types.h"
#include "births.h"
#include "filter.h"
#include "fragments.h"
#include "offload.h"
#include "parse.h"
#include "sightings.h"
#include "stats.h"
#include "tunnel.h"
#include "wire.h"

enum choice {
	PACKET_WANTED,
	PACKET_UNWANTED, /* or already handled */
};

static __always_inline __u32 tag_of(enum stat which)
{
	switch (which) {
	case STAT_SAMPLED_OUT:
		return config.tag_sampled_out;
	case STAT_REJECTED:
		return config.tag_rejected;
	case STAT_UNMATCHED:
		return config.tag_unmatched;
	default:
		return config.tag_not_flow;
	}
}

/*
 * Counts the packet as left out, unless an earlier hook has done so. `tag` is TAG_NONE also if no
 * earlier hook can have left one. A global function, like others that are called in several places,
 * so that the verifier checks it only once. The result is always PACKET_UNWANTED.
 */
noinline __u32 leave_out(struct __sk_buff *skb, const struct packet *packet, __u32 tag,
			 __u32 egress, __u32 which)
{
	struct wire wire;

	if (!packet || was_met(skb, packet, tag, egress))
		return PACKET_UNWANTED;
	wire = wire_of(skb, packet);
	count(which, wire.packets, wire.bytes);
	set_tag(skb, tag_of(which));
	return PACKET_UNWANTED;
}

/*
 * Hooks judge one packet differently only if rules are about their direction. Without such rules, a
 * packet that is wanted after it was not has become a packet of another flow.
 */
static __always_inline bool is_taken_back(__u32 tag)
{
	return has_rules_of_direction() && is_filtered_tag(tag);
}

static __always_inline void take_back(struct __sk_buff *skb, const struct packet *packet,
				      enum stat which)
{
	struct wire wire = wire_of(skb, packet);

	count(which, -wire.packets, -wire.bytes);
}

static __always_inline __u32 context_of(bool egress)
{
	return egress ? FILTER_OF_EGRESS : FILTER_OF_INGRESS;
}

/*
 * Without marks: notes how the hook where the packet was born judged it, which is what the rules
 * say for the other direction. The hook where the packet counts after all takes that back.
 */
static __always_inline void note_left_out(struct packet *packet, bool egress)
{
	__u64 other = decide(&packet->key, packet->tcp_flags, context_of(!egress));

	packet->is_left_out = !(other & DECISION_ACCEPTED);
	packet->is_rejected = other & DECISION_MATCHED;
}

static __always_inline void take_back_unmarked(struct __sk_buff *skb, const struct packet *packet,
					       bool egress)
{
	if (packet->is_left_out && was_met_unmarked(skb, packet, egress))
		take_back(skb, packet, packet->is_rejected ? STAT_REJECTED : STAT_UNMATCHED);
}

/*
 * Every hook judges by itself, since rules may be about its direction; it is enough if one accepts.
 * The first hook counts a packet as left out, and the hook that wants it takes it back from the
 * count. If a packet becomes one of another flow that nobody wants, it stays counted where it is;
 * if it becomes one of a flow that is wanted, it counts for that flow, too. With rules about the
 * direction, it cannot be distinguished from a packet that hooks judge differently; and if a bridge
 * copies a packet, each copy that is wanted is taken back. The count of packets left out is then
 * too low.
 */
noinline __u32 judge(struct __sk_buff *skb, struct packet *packet, __u32 tag, __u32 egress,
		     __u64 found)
{
	struct filter_verdict verdict;

	if (!packet)
		return PACKET_UNWANTED;
	if (!found)
		found = decide(&packet->key, packet->tcp_flags, context_of(egress));
	verdict = verdict_of(found);
	if (!verdict.accepted)
		return leave_out(skb, packet, tag, egress,
				 verdict.matched ? STAT_REJECTED : STAT_UNMATCHED);
	if (unlikely(is_taken_back(tag)))
		take_back(skb, packet,
			  tag == config.tag_rejected ? STAT_REJECTED : STAT_UNMATCHED);
	if (has_rules_of_direction() && !marks_on)
		note_left_out(packet, egress);
	packet->only_if_dropped = verdict.only_if_dropped;
	if (config.filter_samples) {
		if (verdict.sample)
			packet->sampling = verdict.sample;
		/* A packet with the tag of another flow has already won its draw. */
		if (!is_flow_tag(tag) &&
		    loses_draw(packet->sampling ? packet->sampling : config.sampling))
			/* The count that the tag stood for has been taken back. */
			return leave_out(skb, packet, TAG_NONE, egress, STAT_SAMPLED_OUT);
	}
	return PACKET_WANTED;
}

/* Usually the first rule decides, and nothing else has to be fetched or called. */
static __always_inline bool is_unwanted(struct __sk_buff *skb, struct packet *packet, __u32 tag,
					bool egress)
{
	__u64 found = try_first(&packet->key, packet->tcp_flags, context_of(egress));

	if (found == (DECISION_MATCHED | DECISION_ACCEPTED) && tag == TAG_NONE &&
	    !config.filter_samples && !has_rules_of_direction())
		return false;
	return judge(skb, packet, tag, egress, found) != PACKET_WANTED;
}

/*
 * The kernel hands the device a copy of multicast and broadcast that listeners on this host want,
 * too, without its link layer (dev_loopback_xmit()). The copy was never on the wire.
 */
static __always_inline bool is_own_copy(const struct __sk_buff *skb, bool egress)
{
	return !egress && skb->pkt_type == PACKET_LOOPBACK;
}

static __always_inline enum stat not_flow(enum verdict verdict)
{
	if (verdict == PARSE_NOT_IP)
		return STAT_NOT_IP;
	return verdict == PARSE_MALFORMED ? STAT_MALFORMED : STAT_NOT_LOOKED_INTO;
}

/*
 * Returns the tag if it can be ours. A flow's tag is accepted unchecked: the flow's slots show
 * whether a hook can have left it. While packets are sampled out, no tag is accepted unchecked.
 */
static __always_inline __u32 believed_tag(struct __sk_buff *skb, bool egress)
{
	__u32 tag = marks_on ? get_tag(skb) : TAG_NONE;

	if (likely(tag == TAG_NONE || (is_flow_tag(tag) && !is_sampling())))
		return tag;
	return !egress && is_born_at_ingress(skb) ? TAG_NONE : tag;
}

/*
 * `packet` must be zero; it is filled in if the packet is wanted. `has_flows`: tags are compared
 * with the map of flows.
 */
static __always_inline enum choice choose(struct __sk_buff *skb, struct packet *packet, bool egress,
					  bool has_l2, bool has_flows)
{
	__u32 tag = believed_tag(skb, egress), own;
	enum verdict verdict;
	bool is_left_out, is_inner = false;

	if (unlikely(is_sampled_out_tag(tag) || is_own_copy(skb, egress)))
		return PACKET_UNWANTED;
	/* Rules with rates of their own come first. */
	is_left_out = !config.filter_samples && tag == TAG_NONE && loses_draw(config.sampling);
	/* Parsing is needed only for the wire size of several segments. */
	if (unlikely(is_left_out && !skb->gso_size))
		return leave_out(skb, packet, tag, egress, STAT_SAMPLED_OUT);

	verdict = parse(skb, packet, has_l2);
	if (config.tunnel_at && verdict == PARSE_FLOW && packet->key.protocol == IPPROTO_UDP)
		is_inner = look_into_tunnel(skb, packet);
	if (unlikely(skb->gso_size && verdict == PARSE_FLOW && !is_inner && may_be_tunnel(packet)))
		note_inner_headers(skb, packet);
	if (unlikely(packet->is_fragment && verdict == PARSE_FLOW && !packet->is_later_fragment))
		note_first_fragment(skb, packet);
	if (unlikely(is_left_out))
		return leave_out(skb, packet, tag, egress, STAT_SAMPLED_OUT);
	if (unlikely(verdict != PARSE_FLOW))
		return leave_out(skb, packet, tag, egress, not_flow(verdict));
	own = flow_tag(&packet->key);
	if (tag == own) {
		if (has_flows && likely(revisit(skb, packet, egress)))
			return PACKET_UNWANTED;
		/* The tag shows nothing: the packet is handled as one without. */
		packet->is_tagged = true;
		tag = TAG_NONE;
	}
	if (config.filter_rules && is_unwanted(skb, packet, tag, egress))
		return PACKET_UNWANTED;
	set_tag(skb, own);
	return PACKET_WANTED;
}
