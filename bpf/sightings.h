/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Notes packets that were counted elsewhere: their flows record that they are here, too. */

#include "kernel.h"
#include "types.h"
#include "filter.h"
#include "maps.h"
#include "parse.h"
#include "places.h"
#include "tunnel.h"

/* For a packet that is or was counted elsewhere: its flow records that it is here, too. */
static __always_inline void sight(struct __sk_buff *skb, const struct packet *packet,
				  struct flow_metrics *flow)
{
	/* It may have been counted before it was wrapped. */
	if (config.tunnel_at)
		note_tunnel(skb, packet, flow);
}

/* Whether the flow is in the map that was written to before the last swap, to be drained. */
static noinline bool was_just_recorded(const struct flow_key *key)
{
	return bpf_map_lookup_elem(&flows_a, key) || bpf_map_lookup_elem(&flows_b, key);
}

/*
 * Handles a packet with the tag of its flow; false: it is handled as one without. The tag may be
 * somebody else's, or that of another flow that the packet was of before, by chance the same. So it
 * shows only that a flow that is no longer there was counted, if it has been there.
 */
static __always_inline bool revisit(struct __sk_buff *skb, const struct packet *packet, bool egress)
{
	struct flow_metrics *flow = find_flow(&packet->key);
	__u64 place;

	if (unlikely(!flow || !flow->packets))
		return was_just_recorded(&packet->key) && (egress || !is_born_at_ingress(skb));
	place = note_place(flow, skb, egress, packet);
	if (unlikely(is_born_at(place, skb, packet, egress))) {
		/*
		 * Another program has sent it on from one egress to another, where it would be
		 * born.
		 */
		if (!egress || !leaves_elsewhere(flow, skb))
			return false;
	} else if (unlikely(is_counted_at(place, flow->state & FLOW_HAS_BIRTHS))) {
		return false;
	}
	sight(skb, packet, flow);
	return true;
}
