/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Probes see the whole machine, users watch some of its interfaces. A probe that sees a flow that
 * no hook has seen adds it only where there are hooks: at a watched interface or, while none is
 * settled, in a namespace with one; and only for packets in the hooks' direction.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "births.h"
#include "rules.h"
#include "types.h"

/* `ifindex` 0: some interface of the namespace. */
static __always_inline bool is_watched_place(const struct net *net, __u32 ifindex)
{
	__u64 place = place_in(BPF_CORE_READ(net, net_cookie), ifindex);

	return bpf_map_lookup_elem(&hook_facts, &place);
}

/*
 * While a socket has a packet, the kernel keeps other data in the field of its device. Kernel
 * addresses are negative as numbers.
 */
static __always_inline bool is_watched_device(const struct net_device *device)
{
	if ((long)device >= 0)
		return false;
	return is_watched_place(BPF_CORE_READ(device, nd_net.net), BPF_CORE_READ(device, ifindex));
}

/* Directions that have hooks: as DIRECTION says, or both if it says nothing. */
static __always_inline __u32 hook_directions(void)
{
	__u32 directions = (config.watches_ingress ? FILTER_OF_INGRESS : 0) |
			   (config.watches_egress ? FILTER_OF_EGRESS : 0);

	return directions ? directions : FILTER_OF_BOTH;
}

/* Whether the interface that the socket sends by is watched, if it has settled on one. */
static __always_inline bool is_watched_socket(const struct sock *sk)
{
	const struct dst_entry *route;

	if (!config.watched_only)
		return true;
	route = BPF_CORE_READ(sk, sk_dst_cache);
	if (route)
		return is_watched_device(BPF_CORE_READ(route, dev));
	return is_watched_place(BPF_CORE_READ(sk, __sk_common.skc_net.net), 0);
}

/*
 * The direction of packets that a socket sends or, if `received`, gets; 0: it is not watched. A
 * flow of the other direction is updated if a hook has recorded it, at the wire's other end.
 */
static __always_inline __u32 socket_direction(const struct sock *sk, bool received)
{
	__u32 direction = received ? FILTER_OF_INGRESS : FILTER_OF_EGRESS;

	if (!(hook_directions() & direction) || !is_watched_socket(sk))
		return 0;
	return direction;
}

static __always_inline const struct dst_entry *route_of(const struct sk_buff *skb)
{
	return (const void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);
}

/* Whether the packet has arrived: then its route has a device, too, loopback's or the address's. */
static __always_inline bool ends_here(const struct sk_buff *skb, const struct dst_entry *route)
{
	const struct rt6_info *route6 = (const void *)route;

	if (BPF_CORE_READ(skb, protocol) == bpf_htons(ETH_P_IP))
		return BPF_CORE_READ((const struct rtable *)route, rt_flags) & ROUTE_LOCAL;
	return bpf_core_field_exists(route6->rt6i_flags) &&
	       BPF_CORE_READ(route6, rt6i_flags) & ROUTE_LOCAL;
}

/*
 * Whether a sent packet is watched: by its device or its route, or by its socket if it has neither
 * yet.
 */
static __always_inline bool is_watched_sent(const struct sk_buff *skb, const struct sock *sk)
{
	const struct net_device *device = BPF_CORE_READ(skb, dev);
	const struct dst_entry *route = route_of(skb);

	if (is_watched_device(device))
		return true;
	if (route && is_watched_device(BPF_CORE_READ(route, dev)))
		return true;
	return sk && !route && !device &&
	       is_watched_place(BPF_CORE_READ(sk, __sk_common.skc_net.net), 0);
}

/* While a socket has the packet, the device's field holds other data. */
static __always_inline bool is_watched_arrival(const struct sk_buff *skb, const struct sock *sk,
					       __u32 came_in)
{
	if (is_watched_device(BPF_CORE_READ(skb, dev)))
		return true;
	return sk && is_watched_place(BPF_CORE_READ(sk, __sk_common.skc_net.net), came_in);
}

static __always_inline bool is_watched_departure(const struct sk_buff *skb)
{
	const struct dst_entry *route = route_of(skb);

	if (!route || ends_here(skb, route))
		return false;
	return !config.watched_only || is_watched_device(BPF_CORE_READ(route, dev));
}

/*
 * The directions in which a packet is watched: a packet that this host sends goes out; one that
 * came in, by the interface `came_in`, also goes out once it is on its way to another one.
 */
static __always_inline __u32 skb_directions(const struct sk_buff *skb, const struct sock *sk,
					    __u32 came_in)
{
	__u32 watched = hook_directions(), found = 0;

	if (!came_in) {
		if (!config.watched_only || is_watched_sent(skb, sk))
			found = FILTER_OF_EGRESS;
		return found & watched;
	}
	if (!config.watched_only || is_watched_arrival(skb, sk, came_in))
		found = FILTER_OF_INGRESS;
	if (watched & FILTER_OF_EGRESS && is_watched_departure(skb))
		found |= FILTER_OF_EGRESS;
	return found & watched;
}
