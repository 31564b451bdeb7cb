/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Shares out room for new flows while there is little. Anybody may fill a map faster than it is
 * drained, from inside a namespace or from a remote host. So once user space has been woken, each
 * interface takes at most a multiple of what is still free, and so does each namespace. The more of
 * them flood a map, the less each gets, and something is left for those that do not ("dynamic
 * thresholds", Choudhury and Hahne, IEEE/ACM Transactions on Networking, 1998).
 */

#include "kernel.h"
#include "types.h"
#include "births.h"
#include "maps.h"
#include "packet.h"

/* Entries for each free one: one interface alone fills 96 % of the map. */
#define SHARE_OF_INTERFACE 16
/* One namespace with many interfaces fills 98 %. */
#define SHARE_OF_NAMESPACE 32

/* Flows that were added since user space was woken. */
struct share {
	__u32 rush;
	__u32 flows;
};

/* By place; a namespace has the interface 0. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SIDE_ENTRIES_SHARES);
	__type(key, __u64);
	__type(value, struct share);
} shares SEC(".maps");

static __always_inline bool take_share(__u64 whose, __u32 most)
{
	struct share *share = bpf_map_lookup_elem(&shares, &whose);
	struct share first = { .rush = rushes, .flows = 1 };

	if (!share) {
		bpf_map_update_elem(&shares, &whose, &first, BPF_ANY);
		return true;
	}
	if (share->rush != first.rush)
		*share = first;
	else if (share->flows >= most)
		return false;
	else
		__sync_fetch_and_add(&share->flows, 1);
	return true;
}

/* Whether an earlier hook has met the packet as one of this flow. */
static __always_inline bool was_met_as_such(struct __sk_buff *skb, const struct packet *packet,
					    bool egress)
{
	return was_met(skb, packet, packet->is_tagged ? flow_tag(&packet->key) : TAG_NONE, egress);
}

/*
 * Whether there is room left for this interface and namespace. Off the hot path, and off
 * add_flow()'s stack.
 */
static noinline bool take_shares(struct __sk_buff *skb, __u32 used)
{
	__u64 place = place_of(skb);
	__u32 free = config.flow_entries > used ? config.flow_entries - used : 0;

	if (config.has_netns_cookie &&
	    !take_share(place & 0xffffffff, free * SHARE_OF_NAMESPACE))
		return false;
	return take_share(place, free * SHARE_OF_INTERFACE);
}

/* Whether the map has room for a new flow that turns up here. */
static __always_inline bool has_room(struct __sk_buff *skb, const struct packet *packet,
				     bool egress)
{
	__u32 used = flows_inserted();

	if (likely(!is_rush(used)))
		return true;
	/* If a hook has met it before, there was no room there, and it was counted for that. */
	return !was_met_as_such(skb, packet, egress) && take_shares(skb, used);
}
