/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * DNS over TCP (RFC 7766): messages follow one another, each preceded by its length, regardless of
 * segment boundaries. For each direction we remember where the next message begins. After a gap
 * that is unknown until a segment begins with something that is most likely a message.
 */

#include "kernel.h"
#include "types.h"
#include "copy.h"
#include "dns.h"
#include "parse.h"
#include "side-tables.h"
#include "stats.h"

/* Messages that are inspected in one segment; offloads join many segments. */
#define DNS_MESSAGES_MAX 32
/* Bytes that a message may end ahead of a segment at most, retransmissions included. */
#define DNS_AHEAD_MAX (1 << 20)

struct dns_prefix {
	__be16 length;
	struct dns_header header;
};

struct dns_stream {
	__u32 next; /* sequence number of the first byte to look at */
	__u8 have; /* bytes of a prefix that have arrived */
	__u8 is_sure; /* that a message begins there */
	__u8 prefix[2 * sizeof(struct dns_prefix)]; /* with room for the verifier's worst case */
	__u8 pad[2];
};

struct dns_stream_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* Replaced at load. */
	__type(key, struct flow_key);
	__type(value, struct dns_stream);
};

struct dns_stream_map dns_streams SEC(".maps");
struct dns_stream_map busy_dns_streams SEC(".maps");

static __always_inline bool is_dns_header(const struct dns_header *header)
{
	return header->questions == bpf_htons(1) &&
	       ((bpf_ntohs(header->flags) >> DNS_OPCODE_SHIFT) & DNS_OPCODE_MASK) <= DNS_OPCODE_MAX;
}

/*
 * Whether a message really begins here: it looks like one, and it ends with the segment, or another
 * one follows it, or its query is known. `rest`: bytes of it and of what follows.
 */
static __always_inline bool is_message(struct __sk_buff *skb, const struct packet *packet,
				       struct dns_scratch *scratch, __u32 bytes, __u32 rest)
{
	const struct dns_place *place = &scratch->place;
	__u16 flags = bpf_ntohs(place->header.flags);
	struct dns_prefix following;

	if (!is_dns_header(&place->header))
		return false;
	if (bytes == rest)
		return true;
	if (bytes < rest)
		return rest - bytes >= sizeof(following) &&
		       !bpf_skb_load_bytes(skb, place->body + bytes, &following,
					   sizeof(following)) &&
		       is_dns_header(&following.header);
	if (!(flags & DNS_RESPONSE))
		return false;
	query_key(&scratch->key, &packet->key, bpf_ntohs(place->header.id), true);
	return find_query(&scratch->key);
}

/* The position is lost; the next segment may begin with a message. */
static __always_inline void lose_stream(struct dns_stream *stream, __u32 next)
{
	stream->next = next;
	stream->have = 0;
	stream->is_sure = 0;
	count(STAT_DNS_UNFOLLOWED, 1, 0);
}

/*
 * Takes the message at `at`, or the part of its prefix that is there. Returns where the next one
 * begins; 0: in another segment. A global function, like inspect_dns_message().
 */
noinline __u32 follow_dns(struct __sk_buff *skb, const struct packet *packet,
			  struct dns_metrics *dns, struct dns_stream *stream, __u32 at)
{
	const __u32 whole = sizeof(struct dns_prefix);
	const struct dns_prefix *prefix;
	__u32 have, take, bytes, rest;
	struct dns_scratch *scratch;
	struct dns_place *place;

	if (!config.dns_at || !packet || !dns || !stream || at >= packet->end)
		return 0;
	scratch = dns_scratch();
	if (!scratch)
		return 0;
	place = &scratch->place;
	have = stream->have;
	if (have >= whole)
		return 0;
	take = whole - have;
	if (take > packet->end - at)
		take = packet->end - at;
	if (copy_bytes(skb, at, stream->prefix + have, take, sizeof(struct dns_prefix)))
		return 0;
	at += take;
	stream->next += take;
	stream->have = have + take;
	if (have + take < whole)
		return 0;
	stream->have = 0;
	prefix = (const struct dns_prefix *)stream->prefix;
	bytes = bpf_ntohs(prefix->length);
	rest = packet->end - at;
	__builtin_memcpy(&place->header, &prefix->header, sizeof(place->header));
	place->at = take >= sizeof(place->header) ? at - sizeof(place->header) : 0;
	place->body = at;
	if (bytes < sizeof(place->header) ||
	    (!stream->is_sure &&
	     !is_message(skb, packet, scratch, bytes - sizeof(place->header), rest))) {
		lose_stream(stream, stream->next + rest);
		return 0;
	}
	bytes -= sizeof(place->header);
	stream->is_sure = 1;
	stream->next += bytes;
	place->end = at + (bytes < rest ? bytes : rest);
	inspect_dns_message(skb, packet, dns, place);
	return bytes < rest ? place->end : 0;
}

static __always_inline struct dns_stream *stream_of(struct __sk_buff *skb,
						    const struct packet *packet, __u32 next,
						    bool is_sure)
{
	struct dns_stream *stream = find_beside(&dns_streams, &busy_dns_streams, SIDE_DNS_STREAMS,
						&packet->key);
	struct dns_stream fresh = { .next = next, .is_sure = is_sure };
	void *streams;

	if (stream) {
		if (is_sure)
			*stream = fresh;
		return stream;
	}
	streams = is_busy(skb, SIDE_DNS_STREAMS) ? &busy_dns_streams : &dns_streams;
	bpf_map_update_elem(streams, &packet->key, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(streams, &packet->key);
}

static noinline void inspect_dns_stream(struct __sk_buff *skb, const struct packet *packet,
					struct dns_metrics *dns)
{
	__u32 sequence, offset, at;
	struct dns_stream *stream;

	if (packet->is_later_fragment || packet->end < packet->headers ||
	    bpf_skb_load_bytes(skb, packet->l4 + __builtin_offsetof(struct tcphdr, seq), &sequence,
			       sizeof(sequence)))
		return;
	sequence = bpf_ntohl(sequence);
	if (packet->tcp_flags & TCP_SYN) {
		stream_of(skb, packet, sequence + 1, true);
		return;
	}
	if (packet->end == packet->headers)
		return;
	stream = stream_of(skb, packet, sequence, false);
	if (!stream) {
		count(STAT_FEATURE_LOST, 1, 0);
		return;
	}
	offset = stream->next - sequence;
	/* Something is missing, or another connection has the same ports. */
	if (offset > DNS_AHEAD_MAX) {
		lose_stream(stream, sequence);
		offset = 0;
	}
	at = packet->headers + offset;
	for (int i = 0; i < DNS_MESSAGES_MAX && at; i++)
		at = follow_dns(skb, packet, dns, stream, at);
	if (at && at < packet->end)
		lose_stream(stream, stream->next + packet->end - at);
}
