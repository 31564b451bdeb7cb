/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Only the first fragment of a datagram says what it carries; the others are completed from it
 * here. Fragments of one datagram share its addresses and identification, in IPv4 also the protocol
 * (RFC 791, RFC 8200 section 4.5), and the namespace, since others may have the same addresses. At
 * the first hook of each namespace that a datagram passes, its first fragment is stored anew. A
 * fragment that overtakes the first one is recorded with ports 0 and with the protocol that it
 * names, which in IPv6 may be that of an extension header.
 *
 * Entries are never deleted, since the datagram may pass more hooks: the next datagram with the
 * same identification overwrites them, and entries that were not used lately make room, as
 * described in side-tables.h. An entry that is older than the time for reassembly belongs to
 * another datagram, and is not used.
 */

#include "kernel.h"
#include "types.h"
#include "packet.h"
#include "side-tables.h"

/* Linux's default time to reassemble a datagram, net.ipv4.ipfrag_time. */
#define FRAGMENT_LIFE_NS (30 * 1000000000ULL)

struct fragment_key {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u32 id;
	__u32 netns; /* as in observed_interface */
	__u16 eth_protocol;
	__u8 protocol; /* of the IP header; IPv6: 0 */
	__u8 pad;
};

struct fragment_payload {
	__u64 time_ns; /* CLOCK_MONOTONIC, of the first fragment */
	__u16 src_port;
	__u16 dst_port;
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 pad;
};

struct fragment_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SIDE_ENTRIES_FRAGMENTS);
	__type(key, struct fragment_key);
	__type(value, struct fragment_payload);
};

struct fragment_map fragments SEC(".maps");
struct fragment_map busy_fragments SEC(".maps");

static __always_inline void fragment_key_of(struct fragment_key *into, const struct packet *packet,
					    __u32 netns)
{
	const struct flow_key *flow = &packet->key;

	__builtin_memset(into, 0, sizeof(*into));
	__builtin_memcpy(into->src_ip, flow->src_ip, sizeof(into->src_ip));
	__builtin_memcpy(into->dst_ip, flow->dst_ip, sizeof(into->dst_ip));
	into->id = packet->fragment_id;
	into->netns = netns;
	into->eth_protocol = packet->eth_protocol;
	if (packet->eth_protocol == ETH_P_IP)
		into->protocol = packet->ip_protocol;
}

static __always_inline struct fragment_payload *find_fragment(const struct fragment_key *key)
{
	return find_beside(&fragments, &busy_fragments, SIDE_FRAGMENTS, key);
}

enum remembering {
	FRAGMENT_IF_KNOWN, /* only if there is an entry with its identification */
	FRAGMENT_NEW,
	FRAGMENT_BUSY,
};

/*
 * Both functions are global, so that the verifier checks them once rather than at every call. If
 * the map refuses the entry, later fragments lack their ports, but are recorded all the same.
 * Returns 0 if the datagram is not known.
 */
noinline __u32 remember_fragment(const struct packet *packet, __u32 netns, __u32 how)
{
	struct fragment_payload payload = {}, *known;
	struct fragment_key key;

	if (!packet)
		return 0;
	payload.time_ns = bpf_ktime_get_ns();
	payload.src_port = packet->key.src_port;
	payload.dst_port = packet->key.dst_port;
	payload.protocol = packet->key.protocol;
	payload.icmp_type = packet->key.icmp_type;
	payload.icmp_code = packet->key.icmp_code;
	fragment_key_of(&key, packet, netns);
	if (how == FRAGMENT_NEW)
		return !bpf_map_update_elem(&fragments, &key, &payload, BPF_ANY);
	if (how == FRAGMENT_BUSY)
		return !bpf_map_update_elem(&busy_fragments, &key, &payload, BPF_ANY);
	known = find_fragment(&key);
	if (known)
		*known = payload;
	return !!known;
}

noinline __u32 recall_fragment(struct packet *packet, __u32 netns)
{
	const struct fragment_payload *payload;
	struct fragment_key key;

	if (!packet)
		return 0;
	fragment_key_of(&key, packet, netns);
	payload = find_fragment(&key);
	if (!payload || bpf_ktime_get_ns() - payload->time_ns > FRAGMENT_LIFE_NS)
		return 0;
	packet->key.src_port = payload->src_port;
	packet->key.dst_port = payload->dst_port;
	packet->key.protocol = payload->protocol;
	packet->key.icmp_type = payload->icmp_type;
	packet->key.icmp_code = payload->icmp_code;
	return 0;
}

/* Stores what a datagram's first fragment says. The calls are not nested, to save stack. */
static __always_inline void note_first_fragment(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 netns = place_of(skb);

	if (!remember_fragment(packet, netns, FRAGMENT_IF_KNOWN))
		remember_fragment(packet, netns,
				  is_busy(skb, SIDE_FRAGMENTS) ? FRAGMENT_BUSY : FRAGMENT_NEW);
}
