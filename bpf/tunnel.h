/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * VXLAN (RFC 7348) and Geneve (RFC 8926): the flow is that of the packet inside; its packets and
 * bytes are still those on the wire. A packet that cannot be decoded, such as ARP inside or a
 * fragment outside, is of the outer flow, as it would be without this feature.
 */

#include "kernel.h"
#include "maps.h"
#include "parse.h"

#define VXLAN_HAS_ID 0x08 /* in the first byte */
#define GENEVE_VERSION 0xc0
#define GENEVE_OPTION_WORDS 0x3f

/* Header of both kinds: the network's identifier is in three bytes, from offset 4 on. */
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
 * Moves `at` from the header of a tunnel over UDP to the packet inside and returns its protocol. 0:
 * there is none.
 */
static __always_inline __u32 enter_udp_tunnel(struct __sk_buff *skb, __u32 *at, __u8 type)
{
	struct tunnel_header copy;
	const struct tunnel_header *header = peek(skb, *at, &copy, sizeof(copy));

	if (!header)
		return 0;
	*at += sizeof(*header);
	if (type == TUNNEL_GENEVE) {
		if (header->flags & GENEVE_VERSION)
			return 0;
		*at += (header->flags & GENEVE_OPTION_WORDS) * 4;
		return bpf_ntohs(header->protocol);
	}
	return header->flags & VXLAN_HAS_ID ? ETH_P_TEB : 0;
}

/* Replaces the outer packet with the inner one. False: there is none. */
static noinline bool look_into_tunnel(struct __sk_buff *skb, struct packet *packet)
{
	struct packet inner = {};
	__u32 at = packet->l4 + sizeof(struct udphdr);
	__u32 protocol;

	inner.tunnel_type = tunnel_type_of(packet->key.dst_port);
	if (!inner.tunnel_type || packet->is_fragment)
		return false;
	inner.outer_l3 = packet->l3;
	inner.tunnel_header = at;
	protocol = enter_udp_tunnel(skb, &at, inner.tunnel_type);
	if (!protocol || at > HEADERS_MAX)
		return false;
	inner.l3 = at;
	/* The tag around the tunnel is the outermost. */
	inner.vlan_id = packet->vlan_id;
	if (protocol == ETH_P_TEB) {
		inner.inner_l2 = at;
		protocol = parse_ethernet(skb, &inner, at);
	}
	if (parse_l3(skb, &inner, protocol) != PARSE_FLOW)
		return false;
	*packet = inner;
	return true;
}

/* Once for each flow: all of its packets are assumed to be in the same tunnel. */
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
