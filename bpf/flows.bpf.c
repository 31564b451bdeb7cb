// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The datapath: counts every packet that passes a hook into its flow and touches nothing else.
 * Every program returns HOOK_NEXT, whatever happens, so that no verdict is ours.
 */

#include "kernel.h"
#include "types.h"
#include "tag.h"
#include "parse.h"
#include "record.h"
#include "drops.h"
#include "events.h"
#include "ipsec.h"
#include "openssl.h"
#include "rtt.h"

static __always_inline bool is_sampled_out(void)
{
	return config.sampling > 1 && bpf_get_prandom_u32() % config.sampling != 0;
}

static __always_inline int flow(struct __sk_buff *skb, bool egress, bool has_l2)
{
	struct packet packet = {};
	enum verdict verdict;
	struct wire wire;
	__u32 tag = get_tag(skb);
	bool sampled_out;

	if (unlikely(tag == TAG_SAMPLED_OUT))
		return HOOK_NEXT;
	sampled_out = tag == TAG_NONE && is_sampled_out();
	/* Only the wire size of several segments takes parsing. */
	if (unlikely(sampled_out && !skb->gso_size)) {
		wire = wire_of(skb, 0);
		count(STAT_SAMPLED_OUT, wire.packets, wire.bytes);
		set_tag(skb, TAG_SAMPLED_OUT);
		return HOOK_NEXT;
	}

	verdict = parse(skb, &packet, has_l2);
	if (config.tunnel_at && verdict == PARSE_FLOW && packet.key.protocol == IPPROTO_UDP)
		look_into_tunnel(skb, &packet);
	if (unlikely(sampled_out)) {
		wire = wire_of(skb, packet.headers);
		count(STAT_SAMPLED_OUT, wire.packets, wire.bytes);
		set_tag(skb, TAG_SAMPLED_OUT);
		return HOOK_NEXT;
	}
	if (unlikely(verdict != PARSE_FLOW)) {
		if (tag != TAG_NONE)
			return HOOK_NEXT;
		wire = wire_of(skb, packet.headers);
		count(verdict == PARSE_NOT_IP ? STAT_NOT_IP : STAT_MALFORMED, wire.packets,
		      wire.bytes);
		set_tag(skb, TAG_NOT_FLOW);
		return HOOK_NEXT;
	}

	if (tag == flow_tag(&packet.key)) {
		sight(skb, &packet, egress);
		return HOOK_NEXT;
	}
	set_tag(skb, flow_tag(&packet.key));
	record(skb, &packet, egress, has_l2);
	return HOOK_NEXT;
}

SEC("tc")
int flow_ingress_l2(struct __sk_buff *skb)
{
	return flow(skb, false, true);
}

SEC("tc")
int flow_egress_l2(struct __sk_buff *skb)
{
	return flow(skb, true, true);
}

SEC("tc")
int flow_ingress_l3(struct __sk_buff *skb)
{
	return flow(skb, false, false);
}

SEC("tc")
int flow_egress_l3(struct __sk_buff *skb)
{
	return flow(skb, true, false);
}

/* Does nothing: shows whether a hook can be attached, without touching a packet. */
SEC("tc")
int hook_check(struct __sk_buff *skb)
{
	return HOOK_NEXT;
}

/* Helpers such as bpf_ktime_get_coarse_ns() are open to programs under the GPL. */
char _license[] SEC("license") = "Dual BSD/GPL";
