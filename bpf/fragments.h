/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Only the first fragment of a datagram says what it carries; the others borrow that here. Pieces
 * of one datagram have its addresses and identification in common, in IPv4 the protocol, too
 * (RFC 791, RFC 8200 section 4.5). A fragment that overtakes the first one is recorded with ports 0
 * and with the protocol that it names, which in IPv6 may be that of an extension header.
 *
 * Entries are never deleted, since the datagram may pass more hooks: the next datagram with the
 * same identification overwrites them, and the least recently used ones make room. One that is
 * older than datagrams get to be put together is of another datagram, and lends nothing.
 */

#include "kernel.h"
#include "types.h"
#include "packet.h"

/* User space makes it more where there are many CPUs, each of which keeps some to itself. */
#define FRAGMENTS_MAX 4096

/* What Linux gives a datagram by default, net.ipv4.ipfrag_time. */
#define FRAGMENT_LIFE_NS (30 * 1000000000ULL)

struct fragment_key {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u32 id;
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

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAGMENTS_MAX);
	__type(key, struct fragment_key);
	__type(value, struct fragment_payload);
} fragments SEC(".maps");

static __always_inline void fragment_key_of(struct fragment_key *into, const struct packet *packet)
{
	const struct flow_key *flow = &packet->key;

	__builtin_memset(into, 0, sizeof(*into));
	__builtin_memcpy(into->src_ip, flow->src_ip, sizeof(into->src_ip));
	__builtin_memcpy(into->dst_ip, flow->dst_ip, sizeof(into->dst_ip));
	into->id = packet->fragment_id;
	into->eth_protocol = packet->eth_protocol;
	if (packet->eth_protocol == ETH_P_IP)
		into->protocol = packet->ip_protocol;
}

/*
 * Both are global functions, which the verifier looks at once rather than wherever they are called.
 * A refusal costs later fragments their ports, nothing else: they are recorded all the same.
 */
noinline __u32 remember_fragment(const struct packet *packet)
{
	struct fragment_payload payload = {};
	struct fragment_key key;

	if (!packet)
		return 0;
	payload.time_ns = bpf_ktime_get_ns();
	payload.src_port = packet->key.src_port;
	payload.dst_port = packet->key.dst_port;
	payload.protocol = packet->key.protocol;
	payload.icmp_type = packet->key.icmp_type;
	payload.icmp_code = packet->key.icmp_code;
	fragment_key_of(&key, packet);
	bpf_map_update_elem(&fragments, &key, &payload, BPF_ANY);
	return 0;
}

noinline __u32 recall_fragment(struct packet *packet)
{
	const struct fragment_payload *payload;
	struct fragment_key key;

	if (!packet)
		return 0;
	fragment_key_of(&key, packet);
	payload = bpf_map_lookup_elem(&fragments, &key);
	if (!payload || bpf_ktime_get_ns() - payload->time_ns > FRAGMENT_LIFE_NS)
		return 0;
	packet->key.src_port = payload->src_port;
	packet->key.dst_port = payload->dst_port;
	packet->key.protocol = payload->protocol;
	packet->key.icmp_type = payload->icmp_type;
	packet->key.icmp_code = payload->icmp_code;
	return 0;
}
