/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * QUIC, by the properties of all of its versions (RFC 8999). Much else looks like it: a datagram
 * counts only if it has a long header of a version that is in use, or if its connection had one. So
 * connections are remembered beyond the entries of their flows.
 */

#include "kernel.h"
#include "types.h"
#include "dns.h"
#include "keys.h"
#include "maps.h"
#include "parse.h"
#include "side-tables.h"

#define QUIC_PORT 443
#define QUIC_MODE_PORT 1

#define QUIC_LONG_HEADER 0x80
/* Set in versions 1 and 2 (RFC 9000 §17), unless both ends agree to send any value (RFC 9287). */
#define QUIC_FIXED_BIT 0x40
/* The longest connection ids that versions 1 and 2 allow. */
#define QUIC_ID_BYTES_MAX 20
/* Shorter packets could not be protected: one byte, four of packet number, sixteen to sample. */
#define QUIC_PACKET_BYTES_MIN 21
/* RFC 9000 §14.1: the minimum size of a client's first datagram. */
#define QUIC_FIRST_BYTES_MIN 1200
/* Packets without signs of QUIC after which an entry is given up. */
#define QUIC_MISSES_MAX 8

#define QUIC_V1 1
#define QUIC_V2 0x6b3343cf /* RFC 9369 */
#define QUIC_V2_DRAFT 0x709a50c4
#define QUIC_DRAFTS 0xff000000 /* and the draft's number */
#define QUIC_DRAFT_MAX 34
/* Up to here, the lengths of both ids are in one byte. */
#define QUIC_DRAFT_NIBBLES_MAX 21
#define QUIC_GOOGLE_Q046 0x51303436
#define QUIC_GOOGLE_Q050 0x51303530
#define QUIC_GOOGLE_T050 0x54303530
#define QUIC_GOOGLE_T051 0x54303531
#define QUIC_MVFST 0xfaceb000 /* and a number up to 15, of Facebook */
#define QUIC_MSQUIC 0xabcd0000 /* likewise, of Microsoft */
#define QUIC_PICOQUIC 0x50435130 /* likewise */
/* RFC 9000 §15: versions that make a server name those that it has. */
#define QUIC_GREASE_MASK 0x0f0f0f0f
#define QUIC_GREASE 0x0a0a0a0a

struct quic_long_header {
	__u8 first;
	__u8 version[4];
	__u8 id_length;
};

/*
 * Connections in which a long header was seen, by the flow of one direction: ordered_key(). A flood
 * pushes unused entries out of the busy table (side-tables.h).
 */
struct quic_flow_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* Replaced at load. */
	__type(key, struct flow_key);
	__type(value, __u8);
};

struct quic_flow_map quic_flows SEC(".maps");
struct quic_flow_map busy_quic_flows SEC(".maps");

static __always_inline bool has_quic_port(const struct packet *packet)
{
	return packet->key.src_port == QUIC_PORT || packet->key.dst_port == QUIC_PORT;
}

static __always_inline bool is_quic_version(__u32 version)
{
	if (version - QUIC_DRAFTS - 1 < QUIC_DRAFT_MAX)
		return true;
	switch (version & ~0xf) {
	case QUIC_MVFST:
	case QUIC_MSQUIC:
	case QUIC_PICOQUIC:
		return true;
	}
	switch (version) {
	case QUIC_V1:
	case QUIC_V2:
	case QUIC_V2_DRAFT:
	case QUIC_GOOGLE_Q046:
	case QUIC_GOOGLE_Q050:
	case QUIC_GOOGLE_T050:
	case QUIC_GOOGLE_T051:
		return true;
	}
	return false;
}

static __always_inline bool is_greased(__u32 version)
{
	return (version & QUIC_GREASE_MASK) == QUIC_GREASE;
}

static __always_inline bool has_nibbles(__u32 version)
{
	return version == QUIC_GOOGLE_Q046 ||
	       version - QUIC_DRAFTS - 1 < QUIC_DRAFT_NIBBLES_MAX;
}

static __always_inline __u32 id_bytes(__u8 nibble)
{
	return nibble ? nibble + 3 : 0;
}

/* Returns the offset behind both ids, if it is in the packet; 0: these are not ids. */
static __always_inline __u32 behind_ids(struct __sk_buff *skb, const struct packet *packet,
					__u32 version, __u8 length)
{
	__u32 at = packet->headers + sizeof(struct quic_long_header);
	__u8 second;

	if (has_nibbles(version)) {
		at += id_bytes(length >> 4) + id_bytes(length & 0xf);
		return at < packet->end ? at : 0;
	}
	if (length > QUIC_ID_BYTES_MAX)
		return 0;
	at += length;
	if (at >= packet->end || bpf_skb_load_bytes(skb, at, &second, sizeof(second)) ||
	    second > QUIC_ID_BYTES_MAX)
		return 0;
	at += sizeof(second) + second;
	return at <= packet->end ? at : 0;
}

/* RFC 9000 §17.2.1: a list of versions, and nothing else. */
static __always_inline bool is_negotiation(struct __sk_buff *skb, const struct packet *packet,
					   __u32 at)
{
	__u32 length = packet->end - at, version;

	if (length < sizeof(version) || length % sizeof(version) ||
	    bpf_skb_load_bytes(skb, at, &version, sizeof(version)))
		return false;
	version = bpf_ntohl(version);
	return is_quic_version(version) || is_greased(version);
}

/* Whether the packet has a long header of QUIC. */
static __always_inline bool note_long_header(struct __sk_buff *skb, const struct packet *packet,
					     struct quic_metrics *quic)
{
	struct quic_long_header header;
	__u32 version, at;

	if (bpf_skb_load_bytes(skb, packet->headers, &header, sizeof(header)))
		return false;
	version = header.version[0] << 24 | header.version[1] << 16 | header.version[2] << 8 |
		  header.version[3];
	at = behind_ids(skb, packet, version, header.id_length);
	if (!at)
		return false;
	if (!version)
		return is_negotiation(skb, packet, at);
	if (!(header.first & QUIC_FIXED_BIT) && !quic->is_known)
		return false;
	if (is_greased(version))
		return packet->end - packet->headers >= QUIC_FIRST_BYTES_MIN;
	if (!is_quic_version(version))
		return false;
	if (quic->version != version)
		quic->version = version;
	return true;
}

/* Whether the connection is known to be QUIC, from this direction or from the other. */
static __always_inline bool is_quic_connection(const struct packet *packet)
{
	struct flow_key key;

	ordered_key(&key, &packet->key);
	return find_beside(&quic_flows, &busy_quic_flows, SIDE_QUIC_FLOWS, &key);
}

static __always_inline void note_quic_connection(struct __sk_buff *skb, const struct packet *packet)
{
	void *flows = is_busy(skb, SIDE_QUIC_FLOWS) ? &busy_quic_flows : &quic_flows;
	struct flow_key key;
	__u8 one = 1;

	ordered_key(&key, &packet->key);
	bpf_map_update_elem(flows, &key, &one, BPF_ANY);
}

static noinline void inspect_quic(struct __sk_buff *skb, const struct packet *packet,
				  struct quic_metrics *quic)
{
	__u8 first;

	if (packet->is_later_fragment)
		return;
	/* Looked up until it is known: long headers of the other side come first. */
	if (!quic->is_known)
		quic->is_known = is_quic_connection(packet);
	if (packet->end < packet->headers + QUIC_PACKET_BYTES_MIN ||
	    bpf_skb_load_bytes(skb, packet->headers, &first, sizeof(first))) {
		quic->misses++;
		return;
	}
	if (first & QUIC_LONG_HEADER && note_long_header(skb, packet, quic)) {
		if (!quic->is_known)
			note_quic_connection(skb, packet);
		if (!quic->seen_long_header)
			quic->seen_long_header = quic->is_known = 1;
	} else if (!(first & QUIC_LONG_HEADER) && quic->is_known) {
		quic->seen_short_header = 1;
	} else {
		quic->misses++;
	}
}

/* After both headers there is nothing more to learn, after enough misses nothing at all. */
static __always_inline bool may_be_quic(const struct packet *packet,
					const struct quic_metrics *quic)
{
	if (packet->key.protocol != IPPROTO_UDP)
		return false;
	if (config.quic_mode == QUIC_MODE_PORT && !has_quic_port(packet))
		return false;
	if (is_dns_port(packet->key.src_port) || is_dns_port(packet->key.dst_port))
		return false;
	return quic->misses < QUIC_MISSES_MAX &&
	       (!quic->seen_long_header || !quic->seen_short_header);
}
