/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * A tunnel's packet that is yet to be cut into segments, or was joined from some: on the wire each
 * segment has the inner headers, too. Kernels count those from Linux 6.17 on, and on the way out
 * only.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "netns.h"
#include "parse.h"
#include "tunnel.h"
#include "wire.h"

/* skb_shared_info.gso_type: these numbers have been the same since Linux 4.9. */
#define GSO_TCP (1 << 0 | 1 << 4)
/* GRE, IP in IP and UDP tunnels, with and without checksums. */
#define GSO_TUNNELS (0x3f << 6)

/* Ports of tunnels that are not decoded otherwise: VXLAN, its old port, and Geneve. */
#define VXLAN_PORT 4789
#define VXLAN_OLD_PORT 8472
#define GENEVE_PORT 6081

#define IPPROTO_IN_IPV4 4
#define GRE_VERSION 0x0007
/* Each of these flags adds four bytes: checksum, key, sequence number. */
#define GRE_CHECKSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000

/* Most packets of several segments are not tunnels. */
static __always_inline bool may_be_tunnel(const struct packet *packet)
{
	__u8 protocol = packet->key.protocol;

	return protocol == IPPROTO_UDP || protocol == IPPROTO_GRE || protocol == IPPROTO_IN_IPV4 ||
	       protocol == IPPROTO_IPV6;
}

/* Offset of the inner payload from the start of the frame, as the kernel knows it; 0: none. */
static __always_inline __u32 inner_payload_known(struct __sk_buff *skb, __u32 *gso_type)
{
	struct sk_buff *kernel_skb = bpf_cast_to_kern_ctx(skb);
	const unsigned char *head = BPF_CORE_READ(kernel_skb, head);
	const struct skb_shared_info *shared =
		(const void *)(head + BPF_CORE_READ(kernel_skb, end));
	__u32 at;
	__u8 length = 0;

	*gso_type = BPF_CORE_READ(shared, gso_type);
	if (!(*gso_type & GSO_TUNNELS))
		return 0;
	at = BPF_CORE_READ(kernel_skb, inner_transport_header);
	if (!(*gso_type & GSO_TCP)) {
		length = sizeof(struct udphdr);
	} else {
		bpf_probe_read_kernel(&length, sizeof(length), head + at + 12);
		length = (length >> 4) * 4;
	}
	return at + length - (BPF_CORE_READ(kernel_skb, data) - head);
}

/* Like enter_udp_tunnel(), for GRE (RFC 2784, RFC 2890). */
static __always_inline __u32 enter_gre(struct __sk_buff *skb, __u32 *at)
{
	struct l4_head header;
	__u32 flags;

	if (bpf_skb_load_bytes(skb, *at, &header, sizeof(header)))
		return 0;
	flags = bpf_ntohs(header.first);
	if (flags & GRE_VERSION)
		return 0;
	*at += sizeof(header);
	if (flags & GRE_CHECKSUM)
		*at += 4;
	if (flags & GRE_KEY)
		*at += 4;
	if (flags & GRE_SEQUENCE)
		*at += 4;
	return bpf_ntohs(header.second);
}

static __always_inline __u8 usual_tunnel_type(__u16 port)
{
	if (port == VXLAN_PORT || port == VXLAN_OLD_PORT)
		return TUNNEL_VXLAN;
	if (port == GENEVE_PORT)
		return TUNNEL_GENEVE;
	return tunnel_type_of(port);
}

static __always_inline __u32 enter_tunnel(struct __sk_buff *skb, const struct packet *packet,
					  __u32 *at)
{
	__u8 type;

	switch (packet->key.protocol) {
	case IPPROTO_IN_IPV4:
		return ETH_P_IP;
	case IPPROTO_IPV6:
		return ETH_P_IPV6;
	case IPPROTO_GRE:
		return enter_gre(skb, at);
	default:
		type = usual_tunnel_type(packet->key.dst_port);
		*at += sizeof(struct udphdr);
		return type ? enter_udp_tunnel(skb, at, type) : 0;
	}
}

/* Enters the frame inside, which may have a tag of its own. */
static __always_inline __u32 enter_frame(struct __sk_buff *skb, __u32 *at)
{
	struct l4_head tag;
	__be16 protocol;

	*at += ETH_HLEN;
	if (bpf_skb_load_bytes(skb, *at - sizeof(protocol), &protocol, sizeof(protocol)))
		return 0;
	if (!is_tag(bpf_ntohs(protocol)))
		return bpf_ntohs(protocol);
	if (bpf_skb_load_bytes(skb, *at, &tag, sizeof(tag)))
		return 0;
	*at += sizeof(tag);
	return bpf_ntohs(tag.second);
}

/* Offset of the payload of the packet at `at` from the start of the frame; 0: unknown. */
static __always_inline __u32 inner_payload(struct __sk_buff *skb, __u32 at, __u32 protocol)
{
	struct iphdr v4;
	struct ipv6hdr v6;
	__u8 next, length;

	if (protocol == ETH_P_TEB)
		protocol = enter_frame(skb, &at);
	if (protocol == ETH_P_IP) {
		if (bpf_skb_load_bytes(skb, at, &v4, sizeof(v4)))
			return 0;
		next = v4.protocol;
		at += v4.ihl * 4;
	} else if (protocol == ETH_P_IPV6) {
		if (bpf_skb_load_bytes(skb, at, &v6, sizeof(v6)))
			return 0;
		next = v6.nexthdr;
		at += sizeof(v6);
	} else {
		return 0;
	}
	if (next == IPPROTO_UDP)
		return at + sizeof(struct udphdr);
	if (next != IPPROTO_TCP || bpf_skb_load_bytes(skb, at + 12, &length, sizeof(length)))
		return 0;
	return at + (length >> 4) * 4;
}

/*
 * For a packet of several segments: finds the headers that each repeats besides those of its flow.
 * A global function, see parse_link(); the result means nothing.
 */
noinline __u32 note_inner_headers(struct __sk_buff *skb, struct packet *packet)
{
	__u32 payload = 0, type = 0, at, protocol;

	if (!packet)
		return 0;
	if (config.has_netns_cookie)
		payload = inner_payload_known(skb, &type);
	/* Datagrams that their sender has cut up are not tunnels, on any port. */
	if (!payload && !type) {
		at = packet->l4;
		protocol = enter_tunnel(skb, packet, &at);
		if (protocol)
			payload = inner_payload(skb, at, protocol);
	}
	packet->leaves_in_fragments = type & GSO_UDP_FRAGMENTS;
	if (payload > packet->headers && payload <= HEADERS_MAX)
		packet->inner_headers = payload - packet->headers;
	return 0;
}
