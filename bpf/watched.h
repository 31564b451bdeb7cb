/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Probes hear of the whole machine, users ask for some of its interfaces. A probe that knows of a
 * flow that no hook has seen adds it only where there are hooks: at a watched interface, or, while
 * none is settled, in a namespace with one.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "births.h"
#include "types.h"

/* `ifindex` 0: some interface of the namespace. */
static __always_inline bool is_watched_place(const struct net *net, __u32 ifindex)
{
	__u64 place = place_in(BPF_CORE_READ(net, net_cookie), ifindex);

	return bpf_map_lookup_elem(&hook_facts, &place);
}

/*
 * Where the kernel keeps the device of a packet, it keeps other things, too, while a socket has the
 * packet. Addresses of the kernel are negative as numbers.
 */
static __always_inline bool is_watched_device(const struct net_device *device)
{
	if ((long)device >= 0)
		return false;
	return is_watched_place(BPF_CORE_READ(device, nd_net.net), BPF_CORE_READ(device, ifindex));
}

/* The interface that the socket sends by, if it has settled on one. */
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
 * Of packets that come in the interface is known, of others their route is, or their socket. Where
 * hooks are in one direction, so is what is watched: what this host sends goes out, and what comes
 * in goes out only by a route to another interface.
 */
static __always_inline bool is_watched_skb(const struct sk_buff *skb, const struct sock *sk)
{
	const struct net_device *device = BPF_CORE_READ(skb, dev);
	const struct dst_entry *route = (const void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);
	__u32 came_in = BPF_CORE_READ(skb, skb_iif);

	if (!config.watched_only)
		return true;
	if (came_in ? !config.watches_ingress : !config.watches_egress)
		return came_in && route && is_watched_device(BPF_CORE_READ(route, dev));
	if (is_watched_device(device))
		return true;
	if (route && is_watched_device(BPF_CORE_READ(route, dev)))
		return true;
	/* Without any of them the packet has not got to an interface. */
	if (!sk || (!came_in && (route || device)))
		return false;
	return is_watched_place(BPF_CORE_READ(sk, __sk_common.skc_net.net), came_in);
}
