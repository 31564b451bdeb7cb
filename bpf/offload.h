/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * A tunnel's packet that is yet to be cut into segments, or was put together of some: on the wire
 * each segment has the headers inside, too. Kernels count those from Linux 6.17 on, and on the way
 * out only.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "netns.h"
#include "parse.h"
#include "tunnel.h"

/* skb_shared_info.gso_type: these numbers have been the same since Linux 4.9. */
#define GSO_TCP (1 << 0 | 1 << 4)
/* GRE, IP in IP and UDP tunnels, with and without checksums. */
#define GSO_TUNNELS (0x3f << 6)

/* Where tunnels are that are not looked into otherwise: VXLAN, as it was before, and Geneve. */
#define VXLAN_PORT 4789
#define VXLAN_OLD_PORT 8472
#define GENEVE_PORT 6081

#define IPPROTO_IN_IPV4 4
#define GRE_VERSION 0x0007
/* Each of these says that there are four bytes more: checksum, key, sequence number. */
#define GRE_CHECKSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000

/* Most of what has segments is no tunnel. */
static __always_inline bool may_be_tunnel(const struct packet *packet)
{
	__u8 protocol = packet->key.protocol;

	return protocol == IPPROTO_UDP || protocol == IPPROTO_GRE || protocol == IPPROTO_IN_IPV4 ||
	       protocol == IPPROTO_IPV6;
}

/* Where the payload inside begins, from the start of the frame, by what the kernel knows; 0: no. */
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

/* As enter_udp_tunnel(), for GRE (RFC 2784, RFC 2890). */
static __always_inline __u32 enter_gre(struct __sk_buff *skb, __u32 at, struct packet *inner)
{
	struct l4_head copy;
	const struct l4_head *header = peek(skb, at, &copy, sizeof(copy));
	__u32 flags;

	if (!header)
		return 0;
	flags = bpf_ntohs(header->first);
	if (flags & GRE_VERSION)
		return 0;
	inner->l3 = at + sizeof(*header);
	if (flags & GRE_CHECKSUM)
		inner->l3 += 4;
	if (flags & GRE_KEY)
		inner->l3 += 4;
	if (flags & GRE_SEQUENCE)
		inner->l3 += 4;
	return bpf_ntohs(header->second);
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
					  struct packet *inner)
{
	__u8 type;

	inner->l3 = packet->l4;
	switch (packet->key.protocol) {
	case IPPROTO_IN_IPV4:
		return ETH_P_IP;
	case IPPROTO_IPV6:
		return ETH_P_IPV6;
	case IPPROTO_GRE:
		return enter_gre(skb, packet->l4, inner);
	default:
		type = usual_tunnel_type(packet->key.dst_port);
		if (!type)
			return 0;
		return enter_udp_tunnel(skb, packet->l4 + sizeof(struct udphdr), type, inner);
	}
}

/* A packet of several segments: finds what each repeats besides the headers of its flow. */
static noinline void note_inner_headers(struct __sk_buff *skb, struct packet *packet)
{
	struct packet *inner;
	__u32 known = 0, type = 0, protocol;

	if (config.has_netns_cookie) {
		known = inner_payload_known(skb, &type);
		/* Datagrams of a sender that has them cut up are no tunnel, whatever their port. */
		if (!known && type)
			return;
	}
	if (!known) {
		inner = fresh_inner();
		if (!inner)
			return;
		protocol = enter_tunnel(skb, packet, inner);
		if (!protocol || parse_inner(skb, inner, protocol) != PARSE_FLOW)
			return;
		known = inner->headers;
	}
	if (known > packet->headers && known <= HEADERS_MAX)
		packet->inner_headers = known - packet->headers;
}
