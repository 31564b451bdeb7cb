/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * DNS (RFC 1035): how long answers take, and which queries get none. Of a TCP segment the first
 * message is looked at, where one begins there.
 */

#include "kernel.h"
#include "types.h"
#include "keys.h"
#include "maps.h"
#include "messages.h"
#include "parse.h"
#include "stats.h"

#define DNS_PORT 53
#define DNS_RESPONSE 0x8000
#define DNS_OPCODE_SHIFT 11
#define DNS_OPCODE_MASK 0xf
/* RFC 8490: the highest one assigned. */
#define DNS_OPCODE_MAX 6

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* Before each message on TCP. */
struct dns_prefix {
	__be16 length;
	struct dns_header header;
};

/*
 * Queries that wait for their answer, each by its flow and id. An answer removes its query, user
 * space those that have waited too long. In between, a flood pushes out the oldest: their answers
 * have no latency.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* Replaced at load. */
	__type(key, struct flow_key);
	__type(value, struct dns_query);
} dns_queries SEC(".maps");

static __always_inline bool has_dns_port(const struct packet *packet)
{
	const struct flow_key *key = &packet->key;

	if (key->protocol != IPPROTO_UDP && key->protocol != IPPROTO_TCP)
		return false;
	return key->dst_port == DNS_PORT || key->src_port == DNS_PORT ||
	       key->dst_port == config.dns_port || key->src_port == config.dns_port;
}

/* Turns a flow's key into a query's: the id is where ICMP has its type and code. */
static __always_inline void set_id(struct flow_key *key, __u16 id)
{
	key->icmp_type = id >> 8;
	key->icmp_code = id & 0xff;
}

static __always_inline void note_query(const struct flow_key *key, struct dns_metrics *dns)
{
	struct dns_query query = {};
	long error = -EEXIST;

	/* Asked again, it still waits since the first time. Looking costs less than a vain insert. */
	if (!bpf_map_lookup_elem(&dns_queries, key)) {
		query.time_ns = bpf_ktime_get_ns();
		error = bpf_map_update_elem(&dns_queries, key, &query, BPF_NOEXIST);
	}
	__sync_fetch_and_add(&dns->queries, 1);
	if (error == -EEXIST)
		__sync_fetch_and_add(&dns->repeated, 1);
	else if (error)
		count(STAT_FEATURE_LOST, 1, 0);
}

/* `key`: of the query. */
static __always_inline void note_latency(const struct flow_key *key, struct dns_metrics *dns)
{
	struct dns_query *query = bpf_map_lookup_elem(&dns_queries, key);
	__u64 latency;

	if (!query)
		return;
	latency = bpf_ktime_get_ns() - query->time_ns;
	if (latency > dns->latency_ns)
		dns->latency_ns = latency;
	bpf_map_delete_elem(&dns_queries, key);
}

/*
 * On TCP anything may be in front: the middle of a long message begins like a header once in some
 * hundred thousand times.
 */
static __always_inline bool is_dns_header(const struct dns_header *header)
{
	return header->questions == bpf_htons(1) &&
	       ((bpf_ntohs(header->flags) >> DNS_OPCODE_SHIFT) & DNS_OPCODE_MASK) <= DNS_OPCODE_MAX;
}

static __always_inline void note_unreadable(struct dns_metrics *dns, __u16 error)
{
	dns->error = error;
	dns->seen |= DNS_SEEN_UNREADABLE;
}

static noinline void inspect_dns(struct __sk_buff *skb, const struct packet *packet,
				 struct dns_metrics *dns)
{
	__u32 at = packet->headers, length = packet->end - packet->headers, whole;
	struct dns_prefix prefix;
	/* One for all purposes: the stack is short. */
	struct flow_key key;
	__u16 id, flags;

	/* The rest of a datagram in fragments, and segments that only acknowledge. */
	if (packet->is_later_fragment || packet->end < packet->headers)
		return;
	if (packet->key.protocol == IPPROTO_TCP) {
		if (length < sizeof(prefix) ||
		    bpf_skb_load_bytes(skb, at, &prefix, sizeof(prefix)) ||
		    !is_dns_header(&prefix.header))
			return;
		at += sizeof(prefix.length);
		length -= sizeof(prefix.length);
		whole = bpf_ntohs(prefix.length);
		/* More messages may follow. */
		if (length > whole)
			length = whole;
	} else {
		if (length < sizeof(prefix.header)) {
			note_unreadable(dns, EINVAL);
			return;
		}
		if (bpf_skb_load_bytes(skb, at, &prefix.header, sizeof(prefix.header))) {
			note_unreadable(dns, EFAULT);
			return;
		}
	}
	dns->error = 0;
	id = bpf_ntohs(prefix.header.id);
	flags = bpf_ntohs(prefix.header.flags);
	key = packet->key;
	set_id(&key, id);
	if (!(flags & DNS_RESPONSE)) {
		note_query(&key, dns);
		return;
	}
	turn_round(&key, &packet->key);
	note_latency(&key, dns);
	dns->id = id;
	dns->flags |= flags;
	dns->seen |= DNS_SEEN_RESPONSE;
	key = packet->key;
	set_id(&key, id);
	send_message(skb, &key, MESSAGE_DNS, at, length);
}
