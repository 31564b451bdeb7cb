/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Parses what comes between the start of a frame and its IP header: tags, labels, sessions.
 * deploy/reference/limits.md lists which headers are skipped to find IP and which are not.
 */

#include "kernel.h"
#include "copy.h"
#include "packet.h"

/* Limit of tags, labels and other headers before IP, with the tag that the kernel has taken out. */
#define LINK_HEADERS_MAX 8

/* Not in the kernel's headers, or not in all versions that we are built with. */
#define ETH_P_QINQ4 0x9400
#define ETH_P_FABRICPATH 0x8903
#define ETH_P_PBB 0x88e7
#define ETH_P_CMD 0x8909 /* Cisco MetaData: security group tags */
#define ETH_P_VNTAG 0x8926
#define ETH_P_ETAG 0x893f /* IEEE 802.1BR */
#define ETH_P_RTAG 0xf1c1 /* IEEE 802.1CB */
#define ETH_P_TRILL 0x22f3
/* Values below are lengths: an LLC header follows (IEEE 802.3). */
#define ETHERTYPE_MIN 0x0600

#define LINK_NOT_IP 0
/* Above all EtherTypes: there may be IP inside, but it is not parsed. */
#define LINK_NOT_LOOKED_INTO 0x10000

#define MPLS_BOTTOM 0x100 /* of the label's second half */

#define LLC_SNAP 0xaaaa
#define LLC_UNNUMBERED 0x0300 /* and the first byte of three zeros: types are EtherTypes */

#define PPPOE_DATA 0x1100 /* version, type and code */

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define PPP_MPLS 0x0281
#define PPP_COMPRESSED 1 /* one byte instead of two: the last bit of a protocol is set */
#define PPP_CONTROL 0x8000

static __always_inline bool is_ip(__u32 protocol)
{
	return protocol == ETH_P_IP || protocol == ETH_P_IPV6;
}

/* 802.1Q, 802.1ad, and types that switches gave outer tags before that. */
static __always_inline bool is_tag(__u32 protocol)
{
	return protocol == ETH_P_8021Q || protocol == ETH_P_8021AD || protocol == ETH_P_QINQ1 ||
	       protocol == ETH_P_QINQ2 || protocol == ETH_P_QINQ3 || protocol == ETH_P_QINQ4;
}

/* The longest header before IP of fixed length: a service instance tag and a frame's header. */
#define LINK_HEADER_BYTES 18

/* The current header, in network order; zeros, and so no protocol, if the frame ends within it. */
struct link_header {
	__be16 half[LINK_HEADER_BYTES / 2];
};

/* Copies even if it could be read in place: that is rare, and this halves the paths to verify. */
static __always_inline bool read_link_header(struct __sk_buff *skb, const struct packet *packet,
					     struct link_header *into)
{
	__u32 bytes = skb->len - packet->l3;

	__builtin_memset(into, 0, sizeof(*into));
	if (packet->l3 + sizeof(into->half[0]) > skb->len)
		return false;
	if (bytes > sizeof(*into))
		bytes = sizeof(*into);
	return !copy_bytes(skb, packet->l3, into, bytes & ~1u, sizeof(*into));
}

/* Skips a header of `size` bytes, whose last two say what follows. */
static __always_inline __u32 leave_header(struct packet *packet, const struct link_header *header,
					  const __u32 size)
{
	packet->l3 += size;
	return bpf_ntohs(header->half[size / 2 - 1]);
}

/* Finds IP that no type announces: the first four bits are the version (RFC 4928). */
static __always_inline __u32 ip_by_version(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 first;

	if (bpf_skb_load_bytes(skb, packet->l3, &first, sizeof(first)))
		return LINK_NOT_LOOKED_INTO;
	if (first >> 4 == 4)
		return ETH_P_IP;
	return first >> 4 == 6 ? ETH_P_IPV6 : LINK_NOT_LOOKED_INTO;
}

static __always_inline __u32 leave_tag(struct packet *packet, const struct link_header *header)
{
	/* The outermost id is the frame's; id 0 is only a priority. */
	if (!packet->vlan_id)
		packet->vlan_id = bpf_ntohs(header->half[0]) & VLAN_VID_MASK;
	return leave_header(packet, header, 4);
}

/* RFC 3032. */
static __always_inline __u32 leave_label(struct __sk_buff *skb, struct packet *packet,
					 const struct link_header *header, __u32 protocol)
{
	packet->l3 += 4;
	if (bpf_ntohs(header->half[1]) & MPLS_BOTTOM)
		return ip_by_version(skb, packet);
	return protocol;
}

/* RFC 2516: six bytes, then PPP's protocol. Code 0 is data. */
static __always_inline __u32 leave_session(struct packet *packet, const struct link_header *header)
{
	__u32 ppp = bpf_ntohs(header->half[3]);

	if (header->half[0] != bpf_htons(PPPOE_DATA))
		return LINK_NOT_IP;
	packet->l3 += 8;
	if (ppp >> 8 & PPP_COMPRESSED) {
		ppp >>= 8;
		packet->l3 -= 1;
	}
	if (ppp == PPP_IPV4)
		return ETH_P_IP;
	if (ppp == PPP_IPV6)
		return ETH_P_IPV6;
	if (ppp == PPP_MPLS)
		return ETH_P_MPLS_UC;
	return !ppp || ppp >= PPP_CONTROL ? LINK_NOT_IP : LINK_NOT_LOOKED_INTO;
}

/* One byte of version, one with the number of four-byte options; a type follows them. */
static __always_inline __u32 leave_metadata(struct __sk_buff *skb, struct packet *packet,
					    const struct link_header *header)
{
	__be16 protocol;

	packet->l3 += 2 + (bpf_ntohs(header->half[0]) & 0xff) * 4;
	if (bpf_skb_load_bytes(skb, packet->l3, &protocol, sizeof(protocol)))
		return LINK_NOT_IP;
	packet->l3 += sizeof(protocol);
	return bpf_ntohs(protocol);
}

/* RFC 8300: six bits of the first half count words; the fourth byte says what follows. */
static __always_inline __u32 leave_service_header(struct packet *packet,
						  const struct link_header *header)
{
	packet->l3 += (bpf_ntohs(header->half[0]) & 0x3f) * 4;
	switch (bpf_ntohs(header->half[1]) & 0xff) {
	case 1:
		return ETH_P_IP;
	case 2:
		return ETH_P_IPV6;
	case 3:
		return ETH_P_TEB;
	case 5:
		return ETH_P_MPLS_UC;
	default:
		return LINK_NOT_LOOKED_INTO;
	}
}

/* LLC with the SNAP extension (RFC 1042), whose last half is an EtherType; other LLC has no IP. */
static __always_inline __u32 leave_llc(struct packet *packet, const struct link_header *header)
{
	if (header->half[0] != bpf_htons(LLC_SNAP) || header->half[1] != bpf_htons(LLC_UNNUMBERED) ||
	    header->half[2] || bpf_ntohs(header->half[3]) < ETHERTYPE_MIN)
		return LINK_NOT_IP;
	return leave_header(packet, header, 8);
}

/*
 * Skips one header and returns the protocol of the next. A global function, so that the verifier
 * follows its many paths once, not for each header.
 */
noinline __u32 leave_link_header(struct __sk_buff *skb, struct packet *packet, __u32 protocol)
{
	struct link_header header;

	if (!packet || !read_link_header(skb, packet, &header))
		return LINK_NOT_IP;
	if (is_tag(protocol))
		return leave_tag(packet, &header);
	if (protocol < ETHERTYPE_MIN)
		return leave_llc(packet, &header);
	switch (protocol) {
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
		return leave_label(skb, packet, &header, protocol);
	case ETH_P_PPP_SES:
		return leave_session(packet, &header);
	case ETH_P_CMD:
		return leave_metadata(skb, packet, &header);
	case ETH_P_NSH:
		return leave_service_header(packet, &header);
	case ETH_P_TEB:
		return leave_header(packet, &header, ETH_HLEN);
	case ETH_P_FABRICPATH:
		return leave_header(packet, &header, 2 + ETH_HLEN);
	case ETH_P_PBB:
		return leave_header(packet, &header, 4 + ETH_HLEN);
	case ETH_P_HSR:
	case ETH_P_VNTAG:
	case ETH_P_RTAG:
		return leave_header(packet, &header, 6);
	case ETH_P_ETAG:
		return leave_header(packet, &header, 8);
	default:
		return LINK_NOT_IP;
	}
}

/* Protocols that are known to carry other frames or packets, and are not parsed. */
static __always_inline bool is_opaque(__u32 protocol)
{
	return protocol == ETH_P_MACSEC || protocol == ETH_P_TRILL ||
	       protocol == ETH_P_BATMAN || protocol == LINK_NOT_LOOKED_INTO;
}

/*
 * Walks from header to header, from a protocol other than IP, until IP, and returns the protocol
 * that it has reached. A global function, too.
 */
noinline __u32 parse_link(struct __sk_buff *skb, struct packet *packet, __u32 protocol)
{
	if (!packet)
		return LINK_NOT_IP;
	for (__u32 i = 0; i < LINK_HEADERS_MAX; i++) {
		if (is_opaque(protocol))
			return LINK_NOT_LOOKED_INTO;
		/* Keeps the limit the same as at the hook before a device takes its tag out. */
		if (i == LINK_HEADERS_MAX - 1 && skb->vlan_present)
			break;
		protocol = leave_link_header(skb, packet, protocol);
		if (is_ip(protocol) || protocol == LINK_NOT_IP)
			return protocol;
		if (packet->l3 > HEADERS_MAX)
			break;
	}
	return LINK_NOT_LOOKED_INTO;
}

/* Finds the network header of a frame that begins at `base`. */
static __always_inline __u32 parse_ethernet(struct __sk_buff *skb, struct packet *packet,
					    __u32 base)
{
	__be16 copy;
	const __be16 *at = peek(skb, base + 2 * ETH_ALEN, &copy, sizeof(copy));
	__u32 protocol;

	if (!at)
		return LINK_NOT_IP;
	protocol = bpf_ntohs(*at);
	packet->l3 = base + ETH_HLEN;
	return unlikely(!is_ip(protocol)) ? parse_link(skb, packet, protocol) : protocol;
}

/* Devices without a link layer hand over bare IP. */
static __always_inline __u32 parse_version(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 protocol = ip_by_version(skb, packet);

	return is_ip(protocol) ? protocol : LINK_NOT_IP;
}
