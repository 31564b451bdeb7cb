/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * VXLAN (RFC 7348) and Geneve (RFC 8926): the flow is that of the packet inside, its packets and
 * bytes stay those on the wire. What cannot be looked into, such as ARP inside or a fragment
 * outside, is of the outer flow, as it would be without this.
 */

#include "kernel.h"
#include "maps.h"
#include "parse.h"

#define VXLAN_HAS_ID 0x08 /* of the first byte */
#define GENEVE_VERSION 0xc0
#define GENEVE_OPTION_WORDS 0x3f

/* Both kinds: the identifier of the network is in the three bytes from the fourth on. */
struct tunnel_header {
	__u8 flags;
	__u8 reserved;
	__be16 protocol; /* Geneve */
	__u8 id[3];
	__u8 rest;
};

static __always_inline __u8 tunnel_type_of(__u16 port)
{
	__u8 type = 0;

	for (int i = 0; i < TUNNEL_PORTS_MAX; i++) {
		if (config.vxlan_ports[i] && config.vxlan_ports[i] == port)
			type = TUNNEL_VXLAN;
		if (config.geneve_ports[i] && config.geneve_ports[i] == port)
			type = TUNNEL_GENEVE;
	}
	return type;
}

/*
 * Where the packet inside of a datagram to a tunnel's port begins, `at` being the tunnel's header:
 * `inner` is told, and its protocol returned. 0: there is none.
 */
static __always_inline __u32 enter_udp_tunnel(struct __sk_buff *skb, __u32 at, __u8 type,
					      struct packet *inner)
{
	struct tunnel_header copy;
	const struct tunnel_header *header = peek(skb, at, &copy, sizeof(copy));

	if (!header)
		return 0;
	inner->l3 = at + sizeof(*header);
	if (type == TUNNEL_GENEVE) {
		if (header->flags & GENEVE_VERSION)
			return 0;
		inner->l3 += (header->flags & GENEVE_OPTION_WORDS) * 4;
		return bpf_ntohs(header->protocol);
	}
	return header->flags & VXLAN_HAS_ID ? ETH_P_TEB : 0;
}

/* For the packet inside, of hooks, which nothing of theirs interrupts: too long for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} inner_packets SEC(".maps");

static __always_inline struct packet *fresh_inner(void)
{
	__u32 zero = 0;
	struct packet *inner = bpf_map_lookup_elem(&inner_packets, &zero);

	if (inner)
		__builtin_memset(inner, 0, sizeof(*inner));
	return inner;
}

/* Puts the inner packet in the place of the outer one, if there is one. */
static noinline void look_into_tunnel(struct __sk_buff *skb, struct packet *packet)
{
	__u8 type = tunnel_type_of(packet->key.dst_port);
	__u32 at = packet->l4 + sizeof(struct udphdr);
	struct packet *inner;
	__u32 protocol;

	if (!type || packet->is_fragment)
		return;
	inner = fresh_inner();
	if (!inner)
		return;
	protocol = enter_udp_tunnel(skb, at, type, inner);
	if (!protocol)
		return;
	inner->tunnel_type = type;
	inner->outer_l3 = packet->l3;
	inner->tunnel_header = at;
	/* The tag around it is the outermost. */
	inner->vlan_id = packet->vlan_id;
	if (protocol == ETH_P_TEB)
		inner->inner_l2 = inner->l3;
	if (parse_inner(skb, inner, protocol) == PARSE_FLOW)
		*packet = *inner;
}

/* Once for each flow: all packets of it are taken to be in the same tunnel. */
static __always_inline void note_tunnel(struct __sk_buff *skb, const struct packet *packet,
					struct flow_metrics *flow)
{
	struct tunnel_metrics *tunnel = extension(flow, config.tunnel_at);
	union {
		struct iphdr v4;
		struct ipv6hdr v6;
	} ip;
	struct tunnel_header header;

	if (!packet->tunnel_type || tunnel->type)
		return;
	if (bpf_skb_load_bytes(skb, packet->tunnel_header, &header, sizeof(header)) ||
	    bpf_skb_load_bytes(skb, packet->outer_l3, &ip.v4, sizeof(ip.v4)))
		return;
	if (ip.v4.version == 4) {
		map_ipv4(tunnel->src_ip, ip.v4.saddr);
		map_ipv4(tunnel->dst_ip, ip.v4.daddr);
	} else {
		if (bpf_skb_load_bytes(skb, packet->outer_l3, &ip.v6, sizeof(ip.v6)))
			return;
		__builtin_memcpy(tunnel->src_ip, &ip.v6.saddr, sizeof(tunnel->src_ip));
		__builtin_memcpy(tunnel->dst_ip, &ip.v6.daddr, sizeof(tunnel->dst_ip));
	}
	tunnel->id = header.id[0] << 16 | header.id[1] << 8 | header.id[2];
	tunnel->type = packet->tunnel_type;
}
