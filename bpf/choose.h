/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Which packets hooks have to do with, each once: sampling, filter rules, and what earlier hooks
 * have decided. What is left out is counted here.
 */

#include "kernel.h"
#include "types.h"
#include "tag.h"
#include "filter.h"
#include "offload.h"
#include "parse.h"
#include "stats.h"
#include "tunnel.h"
#include "wire.h"

enum choice {
	PACKET_WANTED,
	PACKET_SEEN, /* wanted, and dealt with at an earlier hook */
	PACKET_UNWANTED,
};

static __always_inline enum choice leave_out(struct __sk_buff *skb, const struct packet *packet,
					     enum stat which, __u32 tag)
{
	struct wire wire = wire_of(skb, packet);

	count(which, wire.packets, wire.bytes);
	set_tag(skb, tag);
	return PACKET_UNWANTED;
}

/*
 * Of one packet, hooks find different things only where rules are about their direction. Without
 * such rules, what is wanted after it was not has turned into a packet of another flow.
 */
static __always_inline bool is_taken_back(__u32 tag)
{
	return config.filter_conditions & (FILTER_INGRESS | FILTER_EGRESS) &&
	       is_filtered_tag(tag);
}

/*
 * Every hook judges by itself, since rules may be about its direction; one that accepts is enough.
 * A packet is counted as left out by the first hook and taken back from the count by the one that
 * wants it. A packet of a flow that turns into one of another, which nobody wants, stays counted
 * where it is; one that turns into one of a flow that is wanted counts for that, too. With rules
 * about the direction the two cannot be told apart, and of a packet that a bridge copies, each copy
 * that is wanted is taken back: there, what is left out is counted too low.
 */
static __always_inline enum choice judge(struct __sk_buff *skb, struct packet *packet, __u32 tag,
					 bool egress)
{
	struct filter_verdict verdict =
		filter(&packet->key, packet->tcp_flags, true, egress, false);
	struct wire wire;

	if (!verdict.accepted) {
		if (tag != TAG_NONE)
			return PACKET_UNWANTED;
		return verdict.matched ? leave_out(skb, packet, STAT_REJECTED, TAG_REJECTED) :
					 leave_out(skb, packet, STAT_UNMATCHED, TAG_UNMATCHED);
	}
	if (unlikely(is_taken_back(tag))) {
		wire = wire_of(skb, packet);
		count(tag == TAG_REJECTED ? STAT_REJECTED : STAT_UNMATCHED, -wire.packets,
		      -wire.bytes);
	}
	packet->only_if_dropped = verdict.only_if_dropped;
	if (config.filter_samples) {
		if (verdict.sample)
			packet->sampling = verdict.sample;
		/* A packet of another flow has won its draw as that. */
		if ((tag == TAG_NONE || tag > TAG_FLOWS) &&
		    loses_draw(packet->sampling ? packet->sampling : config.sampling))
			return leave_out(skb, packet, STAT_SAMPLED_OUT, TAG_SAMPLED_OUT);
	}
	return PACKET_WANTED;
}

/*
 * Of multicast and broadcast that listeners on this host want, too, the kernel hands the device a
 * copy, without its link layer (dev_loopback_xmit()). It was never on the wire.
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

/* `packet` must be zero; it is filled in where the packet is not unwanted. */
static __always_inline enum choice choose(struct __sk_buff *skb, struct packet *packet, bool egress,
					  bool has_l2)
{
	__u32 tag = get_tag(skb);
	enum verdict verdict;
	bool is_left_out, is_inner = false;

	if (unlikely(tag == TAG_SAMPLED_OUT || is_own_copy(skb, egress)))
		return PACKET_UNWANTED;
	/* Rules with rates of their own come first. */
	is_left_out = !config.filter_samples && tag == TAG_NONE && loses_draw(config.sampling);
	/* Only the wire size of several segments takes parsing. */
	if (unlikely(is_left_out && !skb->gso_size))
		return leave_out(skb, packet, STAT_SAMPLED_OUT, TAG_SAMPLED_OUT);

	verdict = parse(skb, packet, has_l2);
	if (config.tunnel_at && verdict == PARSE_FLOW && packet->key.protocol == IPPROTO_UDP)
		is_inner = look_into_tunnel(skb, packet);
	if (unlikely(skb->gso_size && verdict == PARSE_FLOW && !is_inner && may_be_tunnel(packet)))
		note_inner_headers(skb, packet);
	if (unlikely(is_left_out))
		return leave_out(skb, packet, STAT_SAMPLED_OUT, TAG_SAMPLED_OUT);
	if (unlikely(verdict != PARSE_FLOW)) {
		if (tag != TAG_NONE)
			return PACKET_UNWANTED;
		return leave_out(skb, packet, not_flow(verdict), TAG_NOT_FLOW);
	}
	if (tag == flow_tag(&packet->key))
		return PACKET_SEEN;
	if (config.filter_rules && judge(skb, packet, tag, egress) != PACKET_WANTED)
		return PACKET_UNWANTED;
	set_tag(skb, flow_tag(&packet->key));
	return PACKET_WANTED;
}
