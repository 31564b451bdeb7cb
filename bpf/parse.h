/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Parses a packet's bytes into a flow key and the other fields that are recorded. The packet is not
 * changed: headers outside the linear area are copied instead of pulled in.
 */

#include "kernel.h"
#include "types.h"
#include "fragments.h"
#include "link.h"
#include "maps.h"
#include "packet.h"

/* RFC 8200 orders at most seven; a longer chain is counted as malformed. */
#define IPV6_EXTENSIONS_MAX 8

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16
/* Combinations that the exported flags show as bits of their own. */
#define TCP_SYN_ACK 256
#define TCP_FIN_ACK 512
#define TCP_RST_ACK 1024

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff
#define IPV6_MORE_FRAGMENTS 1
#define IPV6_FRAGMENT_OFFSET 0xfff8
/* Hop-by-hop options with the length, before the packet is cut into segments (Linux "BIG TCP"). */
#define JUMBO_BYTES 8

struct ipv6_extension {
	__u8 next;
	__u8 length;
	__be16 fragment_offset;
	__be32 fragment_id;
};

struct l4_head {
	__be16 first;
	__be16 second;
};

/* Sizes below which a transport's header is cut short. */
static __always_inline __u32 l4_minimum(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return 12;
	default:
		return 0;
	}
}

/* The header's bits have the exported values already: FIN 1, SYN 2 … CWR 128. */
static __always_inline __u16 tcp_flags_of(__u8 bits)
{
	__u16 flags = bits;

	if (flags & TCP_ACK) {
		if (flags & TCP_SYN)
			flags |= TCP_SYN_ACK;
		if (flags & TCP_FIN)
			flags |= TCP_FIN_ACK;
		if (flags & TCP_RST)
			flags |= TCP_RST_ACK;
	}
	return flags;
}

static __always_inline enum verdict parse_tcp(struct __sk_buff *skb, struct packet *packet,
					      __u32 room)
{
	__u8 copy[16];
	const __u8 *head;
	__u32 length;

	/*
	 * A first fragment may hold as little as eight bytes of the header; padding may follow.
	 * Nothing in it is payload.
	 */
	if (unlikely(room < sizeof(copy))) {
		packet->headers = packet->end;
		return PARSE_FLOW;
	}
	head = peek(skb, packet->l4, copy, sizeof(copy));
	if (unlikely(!head))
		return PARSE_MALFORMED;
	length = (head[12] >> 4) * 4;
	if (unlikely(length < sizeof(struct tcphdr) || (length > room && !packet->is_fragment)))
		return PARSE_MALFORMED;
	packet->headers += length;
	packet->tcp_flags = tcp_flags_of(head[13]);
	/* The window of a SYN or a FIN says nothing about a receiver that cannot keep up. */
	if (config.tcp_at)
		packet->tcp_trouble = (head[13] & TCP_RST) || (!head[14] && !head[15] &&
							       !(head[13] & (TCP_SYN | TCP_FIN)));
	return PARSE_FLOW;
}

static __always_inline enum verdict parse_l4(struct __sk_buff *skb, struct packet *packet)
{
	struct flow_key *key = &packet->key;
	struct l4_head copy;
	const struct l4_head *head;
	__u32 minimum = l4_minimum(key->protocol);
	__u32 room = packet->end - packet->l4;

	packet->headers = packet->l4;
	if (unlikely(packet->is_later_fragment)) {
		recall_fragment(packet, place_of(skb));
		return PARSE_FLOW;
	}
	if (!minimum)
		return PARSE_FLOW;
	if (unlikely(room < (packet->is_fragment ? sizeof(*head) : minimum)))
		return PARSE_MALFORMED;
	head = peek(skb, packet->l4, &copy, sizeof(copy));
	if (unlikely(!head))
		return PARSE_MALFORMED;

	if (key->protocol == IPPROTO_ICMP || key->protocol == IPPROTO_ICMPV6) {
		key->icmp_type = ((const __u8 *)head)[0];
		key->icmp_code = ((const __u8 *)head)[1];
	} else {
		key->src_port = bpf_ntohs(head->first);
		key->dst_port = bpf_ntohs(head->second);
	}
	if (key->protocol == IPPROTO_TCP)
		return parse_tcp(skb, packet, room);
	packet->headers += minimum;
	return PARSE_FLOW;
}

static __always_inline void map_ipv4(__u8 into[16], __be32 address)
{
	__u32 *words = (__u32 *)into;

	words[0] = 0;
	words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = address;
}

/* Whether a header comes between the IP header and the payload: in IPv4, only AH does. */
static __always_inline bool is_extension(const struct packet *packet, __u8 next)
{
	if (next == IPPROTO_AH)
		return true;
	return packet->eth_protocol == ETH_P_IPV6 &&
	       (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
		next == IPPROTO_FRAGMENT);
}

/* False: it is a second fragment header, which receivers refuse (as Linux does). */
static __always_inline bool note_fragment(struct packet *packet,
					  const struct ipv6_extension *extension)
{
	__u16 fragment = bpf_ntohs(extension->fragment_offset);

	if (packet->is_fragment)
		return false;
	/* No offset and no more fragments: an atomic fragment (RFC 6946), which is whole. */
	packet->is_fragment = fragment & (IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS);
	packet->is_later_fragment = fragment & IPV6_FRAGMENT_OFFSET;
	packet->fragment_id = extension->fragment_id;
	return true;
}

/* Greater than any header's number: no header follows. */
#define EXTENSION_MALFORMED 0x100

/*
 * Skips the extension `next` and returns the number of what follows. A global function, so that the
 * verifier follows its many paths once, not for each extension.
 */
noinline __u32 leave_extension(struct __sk_buff *skb, struct packet *packet, __u32 next)
{
	struct ipv6_extension copy;
	const struct ipv6_extension *extension;
	__u32 length;

	if (!packet)
		return EXTENSION_MALFORMED;
	extension = peek(skb, packet->l4, &copy, sizeof(copy));
	if (!extension)
		return EXTENSION_MALFORMED;
	length = (extension->length + 1) * 8;
	if (next == IPPROTO_AH)
		length = (extension->length + 2) * 4;
	if (next == IPPROTO_FRAGMENT)
		length = sizeof(*extension);
	if (packet->l4 + length > packet->end)
		return EXTENSION_MALFORMED;
	packet->l4 += length;
	if (next == IPPROTO_FRAGMENT && !note_fragment(packet, extension))
		return EXTENSION_MALFORMED;
	return extension->next;
}

/*
 * Walks from header to header, up to one that is not an extension, or to a later fragment's data. A
 * global function, too.
 */
noinline __u32 parse_extensions(struct __sk_buff *skb, struct packet *packet)
{
	__u32 next;

	if (!packet)
		return PARSE_MALFORMED;
	next = packet->key.protocol;
	for (int i = 0; i < IPV6_EXTENSIONS_MAX && is_extension(packet, next); i++) {
		next = leave_extension(skb, packet, next);
		if (next >= EXTENSION_MALFORMED)
			return PARSE_MALFORMED;
		if (unlikely(packet->is_later_fragment)) {
			packet->key.protocol = next;
			return PARSE_FLOW;
		}
	}
	if (is_extension(packet, next) || packet->l4 > HEADERS_MAX)
		return PARSE_MALFORMED;
	packet->key.protocol = next;
	return PARSE_FLOW;
}

static __always_inline enum verdict parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr copy;
	const struct iphdr *ip = peek(skb, packet->l3, &copy, sizeof(copy));
	__u32 header, total, fragment;
	enum verdict verdict;

	if (unlikely(!ip || ip->version != 4))
		return PARSE_MALFORMED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	/* Packets over 64 KiB, yet to be cut into segments, have no length in their header. */
	if (unlikely(!total && skb->gso_size))
		total = skb->len - packet->l3;
	if (unlikely(header < sizeof(*ip) || total < header || packet->l3 + total > skb->len))
		return PARSE_MALFORMED;

	packet->eth_protocol = ETH_P_IP;
	packet->dscp = ip->tos >> 2;
	packet->l4 = packet->l3 + header;
	packet->end = packet->l3 + total;
	map_ipv4(packet->key.src_ip, ip->saddr);
	map_ipv4(packet->key.dst_ip, ip->daddr);
	packet->key.protocol = packet->ip_protocol = ip->protocol;
	fragment = bpf_ntohs(ip->frag_off);
	if (unlikely(fragment & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))) {
		packet->is_fragment = true;
		packet->is_later_fragment = fragment & IP_FRAGMENT_OFFSET;
		packet->fragment_id = ip->id;
	}
	if (unlikely(ip->protocol == IPPROTO_AH && !packet->is_later_fragment)) {
		verdict = parse_extensions(skb, packet);
		if (verdict != PARSE_FLOW)
			return verdict;
	}
	return parse_l4(skb, packet);
}

/*
 * Whether an IPv6 header has addresses of IPv4: nobody should send them (RFC 4291, section 2.5.5.2,
 * has them for software), but anybody can. Such packets do not belong to flows of IPv4.
 */
static __always_inline bool has_mapped(const struct flow_key *key)
{
	const __u32 *src = (const __u32 *)key->src_ip, *dst = (const __u32 *)key->dst_ip;
	__u32 prefix = bpf_htonl(0xffff);

	return !(src[0] | src[1] | (src[2] ^ prefix)) || !(dst[0] | dst[1] | (dst[2] ^ prefix));
}

static __always_inline enum verdict parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr copy;
	const struct ipv6hdr *ip = peek(skb, packet->l3, &copy, sizeof(copy));
	enum verdict verdict;
	__u32 total;

	if (unlikely(!ip || ip->version != 6))
		return PARSE_MALFORMED;
	total = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	/* As with IPv4, and for real jumbograms (RFC 2675): the length is elsewhere. */
	if (!ip->payload_len && (skb->gso_size || ip->nexthdr == IPPROTO_HOPOPTS)) {
		total = skb->len - packet->l3;
		if (ip->nexthdr == IPPROTO_HOPOPTS)
			packet->jumbo = JUMBO_BYTES;
	}
	if (unlikely(packet->l3 + total > skb->len))
		return PARSE_MALFORMED;

	packet->eth_protocol = ETH_P_IPV6;
	packet->dscp = (ip->priority << 4 | ip->flow_lbl[0] >> 4) >> 2;
	packet->l4 = packet->l3 + sizeof(*ip);
	packet->end = packet->l3 + total;
	__builtin_memcpy(packet->key.src_ip, &ip->saddr, sizeof(packet->key.src_ip));
	__builtin_memcpy(packet->key.dst_ip, &ip->daddr, sizeof(packet->key.dst_ip));
	packet->key.protocol = packet->ip_protocol = ip->nexthdr;
	packet->key.mapped = has_mapped(&packet->key);
	if (unlikely(is_extension(packet, ip->nexthdr))) {
		verdict = parse_extensions(skb, packet);
		if (verdict != PARSE_FLOW)
			return verdict;
	}
	return parse_l4(skb, packet);
}

static __always_inline enum verdict parse_l3(struct __sk_buff *skb, struct packet *packet,
					     __u32 protocol)
{
	if (protocol == ETH_P_IP)
		return parse_ipv4(skb, packet);
	if (protocol == ETH_P_IPV6)
		return parse_ipv6(skb, packet);
	return protocol == LINK_NOT_LOOKED_INTO ? PARSE_NOT_LOOKED_INTO : PARSE_NOT_IP;
}

/* `packet` must be zero. */
static __always_inline enum verdict parse(struct __sk_buff *skb, struct packet *packet, bool has_l2)
{
	__u32 protocol;

	/* A tag that the kernel has taken out is the outermost. */
	if (unlikely(skb->vlan_present))
		packet->vlan_id = skb->vlan_tci & VLAN_VID_MASK;
	protocol = has_l2 ? parse_ethernet(skb, packet, 0) : parse_version(skb, packet);
	return parse_l3(skb, packet, protocol);
}
