/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * QUIC, by what holds for all of its versions (RFC 8999). A short header has next to nothing to
 * tell it by, so it counts only in a flow that is QUIC anyway: by its port, or by a long header.
 */

#include "kernel.h"
#include "types.h"
#include "maps.h"
#include "parse.h"

#define QUIC_PORT 443
#define QUIC_MODE_PORT 1

#define QUIC_LONG_HEADER 0x80
/* Of versions 1 and 2 (RFC 9000 §17); packets of version negotiation need not have it. */
#define QUIC_FIXED_BIT 0x40
/* Versions 1 and 2 allow no longer connection ids. */
#define QUIC_ID_BYTES_MAX 20
/* Shorter ones could not be protected: one byte, four of packet number, sixteen to sample. */
#define QUIC_PACKET_BYTES_MIN 21

struct quic_long_header {
	__u8 first;
	__u8 version[4];
	__u8 id_length;
};

static __always_inline bool has_quic_port(const struct packet *packet)
{
	return packet->key.src_port == QUIC_PORT || packet->key.dst_port == QUIC_PORT;
}

static __always_inline void note_long_header(struct __sk_buff *skb, const struct packet *packet,
					     struct quic_metrics *quic)
{
	struct quic_long_header header;
	__u32 version, at;
	__u8 id_length;

	if (bpf_skb_load_bytes(skb, packet->headers, &header, sizeof(header)) ||
	    header.id_length > QUIC_ID_BYTES_MAX)
		return;
	at = packet->headers + sizeof(header) + header.id_length;
	if (at >= packet->end || bpf_skb_load_bytes(skb, at, &id_length, sizeof(id_length)) ||
	    id_length > QUIC_ID_BYTES_MAX || at + sizeof(id_length) + id_length > packet->end)
		return;
	version = header.version[0] << 24 | header.version[1] << 16 | header.version[2] << 8 |
		  header.version[3];
	if (version && !(header.first & QUIC_FIXED_BIT))
		return;
	if (version && quic->version != version)
		quic->version = version;
	if (!quic->seen_long_header)
		quic->seen_long_header = 1;
}

static noinline void inspect_quic(struct __sk_buff *skb, const struct packet *packet,
				  struct quic_metrics *quic)
{
	__u8 first;

	if (packet->is_later_fragment || packet->end < packet->headers + QUIC_PACKET_BYTES_MIN ||
	    bpf_skb_load_bytes(skb, packet->headers, &first, sizeof(first)))
		return;
	if (first & QUIC_LONG_HEADER)
		note_long_header(skb, packet, quic);
	else if (first & QUIC_FIXED_BIT && (has_quic_port(packet) || quic->seen_long_header) &&
		 !quic->seen_short_header)
		quic->seen_short_header = 1;
}

/* With both seen there is nothing more to learn. */
static __always_inline bool may_be_quic(const struct packet *packet,
					const struct quic_metrics *quic)
{
	if (packet->key.protocol != IPPROTO_UDP)
		return false;
	if (config.quic_mode == QUIC_MODE_PORT && !has_quic_port(packet))
		return false;
	return !quic->seen_long_header || !quic->seen_short_header;
}
