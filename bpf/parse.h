/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * From bytes to a flow key and to what else is recorded of a packet. Nothing of the packet is
 * changed: where headers lie outside the linear area they are copied instead of pulled in.
 */

#include "kernel.h"
#include "types.h"
#include "fragments.h"
#include "maps.h"

/* 802.1ad service tag plus customer tag, and one to spare. Frames with more are not IP to us. */
#define VLAN_TAGS_MAX 3
/* RFC 8200 orders at most seven; a longer chain is counted as malformed. */
#define IPV6_EXTENSIONS_MAX 8

/* Tells the verifier that an offset is small; eight of the longest extensions end before it. */
#define OFFSET_MASK 0x7fff

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

enum verdict { PARSE_FLOW, PARSE_NOT_IP, PARSE_MALFORMED };

struct packet {
	struct flow_key key;
	__u32 l3; /* offsets from the start of the frame */
	__u32 l4;
	__u32 end; /* where the IP packet ends, as its header says */
	__u32 headers; /* bytes that each segment of an offloaded packet repeats */
	__u16 eth_protocol;
	__u16 tcp_flags;
	__u16 vlan_id;
	__u8 dscp;
	bool is_fragment;
	bool is_later_fragment;
	bool tcp_trouble; /* a reset, or no room for more; only looked for when somebody counts it */
	__u32 fragment_id;
	/* Where a tunnel's inner packet is the flow's; offsets of what is around it, 0: nothing. */
	__u16 outer_l3;
	__u16 tunnel_header;
	__u16 inner_l2;
	__u8 tunnel_type;
	__u32 sampling; /* one in this many, by the rule that wants it; 0: as `config` says */
	bool only_if_dropped; /* wanted, provided that its flow has drops */
	bool is_tagged, is_left_out, is_rejected; /* see choose.h */
};

struct vlan_header {
	__be16 tci;
	__be16 protocol;
};

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

/* Tests clear it to send every access the rarer way, by a copy. */
#ifndef READ_IN_PLACE
#define READ_IN_PLACE 1
#endif

/* `size` bytes at `offset`: in place when linear, else copied into `copy`; NULL: not that many. */
static __always_inline const void *peek(struct __sk_buff *skb, __u32 offset, void *copy, __u32 size)
{
	const void *at;

	offset &= OFFSET_MASK;
	at = (const void *)(long)skb->data + offset;
	if (unlikely(!READ_IN_PLACE || at + size > (const void *)(long)skb->data_end))
		return bpf_skb_load_bytes(skb, offset, copy, size) ? NULL : copy;
	return at;
}

/* Headers sizes below which a transport's header is cut short. */
static __always_inline __u32 l4_minimum(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	case IPPROTO_SCTP:
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

	/* A first fragment may hold as little as eight bytes of the header; padding may follow. */
	if (unlikely(room < sizeof(copy)))
		return PARSE_FLOW;
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
		recall_fragment(key, packet->fragment_id);
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
	if (unlikely(packet->is_fragment))
		remember_fragment(key, packet->fragment_id);

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

static __always_inline enum verdict parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr copy;
	const struct iphdr *ip = peek(skb, packet->l3, &copy, sizeof(copy));
	__u32 header, total, fragment;

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
	packet->key.protocol = ip->protocol;
	fragment = bpf_ntohs(ip->frag_off);
	if (unlikely(fragment & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))) {
		packet->is_fragment = true;
		packet->is_later_fragment = fragment & IP_FRAGMENT_OFFSET;
		packet->fragment_id = ip->id;
	}
	return parse_l4(skb, packet);
}

static __always_inline bool is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

/*
 * Walks from header to header until one that is not an extension, or is a later fragment's data.
 * A global function, so that the verifier goes its many ways once rather than with each caller's.
 */
noinline __u32 parse_ipv6_extensions(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_extension copy;
	const struct ipv6_extension *extension;
	__u16 fragment;
	__u32 length;
	__u8 next;

	if (!packet)
		return PARSE_MALFORMED;
	next = packet->key.protocol;
	for (int i = 0; i <= IPV6_EXTENSIONS_MAX; i++) {
		if (!is_extension(next)) {
			packet->key.protocol = next;
			return PARSE_FLOW;
		}
		if (i == IPV6_EXTENSIONS_MAX)
			break;
		extension = peek(skb, packet->l4, &copy, sizeof(copy));
		if (!extension)
			return PARSE_MALFORMED;
		length = (extension->length + 1) * 8;
		if (next == IPPROTO_AH)
			length = (extension->length + 2) * 4;
		if (next == IPPROTO_FRAGMENT)
			length = sizeof(*extension);
		if (packet->l4 + length > packet->end)
			return PARSE_MALFORMED;
		packet->l4 += length;

		if (next == IPPROTO_FRAGMENT) {
			fragment = bpf_ntohs(extension->fragment_offset);
			/* Neither offset nor more to come: an atomic fragment (RFC 6946), whole. */
			packet->is_fragment =
				fragment & (IPV6_FRAGMENT_OFFSET | IPV6_MORE_FRAGMENTS);
			packet->is_later_fragment = fragment & IPV6_FRAGMENT_OFFSET;
			packet->fragment_id = extension->fragment_id;
		}
		next = extension->next;
		if (unlikely(packet->is_later_fragment)) {
			packet->key.protocol = next;
			return PARSE_FLOW;
		}
	}
	return PARSE_MALFORMED;
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
	if (!ip->payload_len && (skb->gso_size || ip->nexthdr == IPPROTO_HOPOPTS))
		total = skb->len - packet->l3;
	if (unlikely(packet->l3 + total > skb->len))
		return PARSE_MALFORMED;

	packet->eth_protocol = ETH_P_IPV6;
	packet->dscp = (ip->priority << 4 | ip->flow_lbl[0] >> 4) >> 2;
	packet->l4 = packet->l3 + sizeof(*ip);
	packet->end = packet->l3 + total;
	__builtin_memcpy(packet->key.src_ip, &ip->saddr, sizeof(packet->key.src_ip));
	__builtin_memcpy(packet->key.dst_ip, &ip->daddr, sizeof(packet->key.dst_ip));
	packet->key.protocol = ip->nexthdr;
	if (unlikely(is_extension(ip->nexthdr))) {
		verdict = parse_ipv6_extensions(skb, packet);
		if (verdict != PARSE_FLOW)
			return verdict;
	}
	return parse_l4(skb, packet);
}

static __always_inline bool is_tag(__u16 protocol)
{
	return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

/*
 * Walks from tag to tag, of which the first has been found to be one, and returns the protocol
 * behind them; the outermost id wins. A global function as parse_ipv6_extensions() is.
 */
noinline __u32 parse_vlan_tags(struct __sk_buff *skb, struct packet *packet)
{
	const struct vlan_header *tag;
	struct vlan_header copy;
	__u16 protocol = ETH_P_8021Q;

	if (!packet)
		return 0;
	for (int i = 0; i < VLAN_TAGS_MAX && is_tag(protocol); i++) {
		tag = peek(skb, packet->l3, &copy, sizeof(copy));
		if (!tag)
			return 0;
		if (!packet->vlan_id)
			packet->vlan_id = bpf_ntohs(tag->tci) & VLAN_VID_MASK;
		protocol = bpf_ntohs(tag->protocol);
		packet->l3 += sizeof(*tag);
	}
	return protocol;
}

/* Finds the network header of a frame that begins at `base`. */
static __always_inline __u16 parse_ethernet(struct __sk_buff *skb, struct packet *packet,
					    __u32 base)
{
	__be16 copy;
	const __be16 *at = peek(skb, base + 2 * ETH_ALEN, &copy, sizeof(copy));
	__u16 protocol;

	if (!at)
		return 0;
	protocol = bpf_ntohs(*at);
	packet->l3 = base + ETH_HLEN;
	return unlikely(is_tag(protocol)) ? parse_vlan_tags(skb, packet) : protocol;
}

static __always_inline enum verdict parse_l3(struct __sk_buff *skb, struct packet *packet,
					     __u16 protocol)
{
	if (protocol == ETH_P_IP)
		return parse_ipv4(skb, packet);
	if (protocol == ETH_P_IPV6)
		return parse_ipv6(skb, packet);
	return PARSE_NOT_IP;
}

/* Devices without a link layer hand over bare IP: its first nibble is the version. */
static __always_inline __u16 parse_version(struct __sk_buff *skb)
{
	__u8 copy;
	const __u8 *first = peek(skb, 0, &copy, sizeof(copy));

	if (!first)
		return 0;
	if (*first >> 4 == 4)
		return ETH_P_IP;
	if (*first >> 4 == 6)
		return ETH_P_IPV6;
	return 0;
}

/* `packet` must be zero. */
static __always_inline enum verdict parse(struct __sk_buff *skb, struct packet *packet, bool has_l2)
{
	__u16 protocol;

	/* A tag that the kernel has taken out is the outermost. */
	if (unlikely(skb->vlan_present))
		packet->vlan_id = skb->vlan_tci & VLAN_VID_MASK;
	protocol = has_l2 ? parse_ethernet(skb, packet, 0) : parse_version(skb);
	return parse_l3(skb, packet, protocol);
}
