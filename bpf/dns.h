/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * DNS (RFC 1035): measures how long answers take, and finds queries that get none. Queries go to a
 * DNS port and answers come from one. Over TCP, dns-stream.h finds where messages begin.
 */

#include "kernel.h"
#include "types.h"
#include "copy.h"
#include "keys.h"
#include "maps.h"
#include "messages.h"
#include "parse.h"
#include "side-tables.h"
#include "stats.h"

#define DNS_PORT 53
#define DNS_RESPONSE 0x8000
#define DNS_OPCODE_SHIFT 11
#define DNS_OPCODE_MASK 0xf
/* RFC 8490: the highest opcode that is assigned. */
#define DNS_OPCODE_MAX 6
/* A name of one byte, type and class; a record also has a time to live and a length. */
#define DNS_QUESTION_BYTES_MIN 5
/* RFC 1035: a name has up to 255 bytes, a label two or more; the last label is empty. */
#define DNS_LABELS_MAX 128
#define DNS_RECORD_BYTES_MIN 11
/* Numbers, not flags: operation and response code. */
#define DNS_CODES 0x780f

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* A message, or the part of one that a packet holds; offsets into the packet. */
struct dns_place {
	struct dns_header header;
	__u32 at; /* where the header begins; 0: in an earlier segment */
	__u32 body; /* behind the header */
	__u32 end;
};

/*
 * Queries that wait for an answer, each by its flow and id. An answer removes its query; user space
 * removes queries that have waited too long. In between, a flood pushes out the oldest queries in
 * the busy table (side-tables.h): their answers have no latency, and are counted.
 */
struct dns_query_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* Replaced at load. */
	__type(key, struct flow_key);
	__type(value, struct dns_query);
};

struct dns_query_map dns_queries SEC(".maps");
struct dns_query_map busy_dns_queries SEC(".maps");

static __always_inline struct dns_query *find_query(const struct flow_key *key)
{
	return find_beside(&dns_queries, &busy_dns_queries, SIDE_DNS_QUERIES, key);
}

static __always_inline void forget_query(const struct flow_key *key)
{
	if (bpf_map_delete_elem(&dns_queries, key))
		bpf_map_delete_elem(&busy_dns_queries, key);
}

/* Data of one message at a time, too long for the rest of the stack. */
struct dns_scratch {
	struct dns_place place;
	struct flow_key key;
	struct dns_query query;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_scratch);
} dns_scratches SEC(".maps");

static __always_inline struct dns_scratch *dns_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&dns_scratches, &zero);
}

static __always_inline bool is_dns_port(__u16 port)
{
	return port == DNS_PORT || port == config.dns_port;
}

static __always_inline bool has_dns_port(const struct packet *packet)
{
	const struct flow_key *key = &packet->key;

	if (key->protocol != IPPROTO_UDP && key->protocol != IPPROTO_TCP)
		return false;
	return is_dns_port(key->dst_port) || is_dns_port(key->src_port);
}

/* Turns a flow's key into a query's: the id takes the place of ICMP's type and code. */
static __always_inline void set_id(struct flow_key *key, __u16 id)
{
	key->icmp_type = id >> 8;
	key->icmp_code = id & 0xff;
}

/* Makes the key of the query with this id that a packet of `key`'s flow asks or answers. */
static __always_inline void query_key(struct flow_key *into, const struct flow_key *key, __u16 id,
				      bool is_response)
{
	copy_key(into, key);
	if (is_response)
		turn_round(into, key);
	set_id(into, id);
}

/*
 * Adds a query that was not waiting yet. What earlier questions have left behind this one in the
 * scratch buffer is beyond its length.
 */
static __always_inline long add_query(struct __sk_buff *skb, struct dns_scratch *scratch,
				      const struct dns_place *place)
{
	__u32 length = place->end - place->body;
	struct dns_query *query = &scratch->query;

	query->length = 0;
	if (length > DNS_QUESTION_BYTES_MAX)
		length = DNS_QUESTION_BYTES_MAX;
	if (!copy_bytes(skb, place->body, query->question, length, DNS_QUESTION_BYTES_MAX))
		query->length = length;
	query->time_ns = bpf_ktime_get_ns();
	if (is_busy(skb, SIDE_DNS_QUERIES))
		return bpf_map_update_elem(&busy_dns_queries, &scratch->key, query, BPF_NOEXIST);
	return bpf_map_update_elem(&dns_queries, &scratch->key, query, BPF_NOEXIST);
}

/*
 * Counts the bytes at `at` that equal those behind the query's header, ignoring the case of
 * letters. A global function: the verifier does not follow the loop's many exits into the caller.
 */
noinline __u32 same_question(struct __sk_buff *skb, const struct dns_query *query, __u32 at,
			     __u32 length)
{
	struct dns_scratch *scratch = dns_scratch();
	__u32 i;

	if (!config.dns_at || !query || !scratch)
		return 0;
	if (length > query->length)
		length = query->length;
	if (copy_bytes(skb, at, scratch->query.question, length, DNS_QUESTION_BYTES_MAX))
		return 0;
	for (i = 0; i < DNS_QUESTION_BYTES_MAX; i++) {
		if (i >= length || (scratch->query.question[i] ^ query->question[i]) & ~0x20)
			break;
	}
	return i;
}

/*
 * Whether the first `bytes` of the question that same_question() has copied are the whole question.
 * A global function, too.
 */
noinline __u32 is_whole_question(__u32 bytes)
{
	struct dns_scratch *scratch = dns_scratch();
	__u32 at = 0;

	if (!config.dns_at || !scratch)
		return 0;
	for (__u32 i = 0; i < DNS_LABELS_MAX; i++) {
		if (at >= DNS_QUESTION_BYTES_MAX || at + DNS_QUESTION_BYTES_MIN > bytes)
			return 0;
		if (!scratch->query.question[at])
			return 1;
		at += scratch->query.question[at] + 1;
	}
	return 0;
}

/* Whether the message asks something other than the query; `same`: bytes that are equal. */
static __always_inline bool differs(const struct dns_query *query, const struct dns_place *place,
				    __u32 same)
{
	__u32 length = place->end - place->body;

	if (!place->header.questions)
		return false;
	/* Nothing else is known of a question that was cut. */
	if (length > query->length)
		length = query->length;
	return same < length && !is_whole_question(same);
}

/* The query's key is in the scratch buffer. */
static __always_inline void note_query(struct __sk_buff *skb, struct dns_scratch *scratch,
				       struct dns_metrics *dns, const struct dns_place *place)
{
	/* A lookup costs less than an insert that fails. */
	struct dns_query *query = find_query(&scratch->key);
	__u32 same;
	int error;

	__sync_fetch_and_add(&dns->queries, 1);
	if (query) {
		same = same_question(skb, query, place->body, place->end - place->body);
		/* A repeated query has been waiting since it was first asked. */
		if (!differs(query, place, same)) {
			__sync_fetch_and_add(&dns->repeated, 1);
			return;
		}
		/* The id is now used for another question: the outcome of this one is unknown. */
		forget_query(&scratch->key);
		count(STAT_FEATURE_LOST, 1, 0);
	}
	error = add_query(skb, scratch, place);
	if (error == -EEXIST)
		__sync_fetch_and_add(&dns->repeated, 1);
	else if (error)
		count(STAT_FEATURE_LOST, 1, 0);
}

/*
 * `key` is the query's. Returns how much of its question the answer repeats; 0: nobody asked. An
 * answer to another question does not count: the one that was asked for may still come.
 */
static __always_inline __u32 note_latency(struct __sk_buff *skb, const struct flow_key *key,
					  struct dns_metrics *dns, const struct dns_place *place)
{
	struct dns_query *query = find_query(key);
	__u64 latency;
	__u32 same;

	if (!query) {
		count(STAT_DNS_UNASKED, 1, 0);
		return 0;
	}
	same = same_question(skb, query, place->body, place->end - place->body);
	if (differs(query, place, same)) {
		count(STAT_DNS_UNASKED, 1, 0);
		return same;
	}
	latency = bpf_ktime_get_ns() - query->time_ns;
	if (latency > dns->latency_ns)
		dns->latency_ns = latency;
	forget_query(key);
	return same;
}

static __always_inline void note_unreadable(struct dns_metrics *dns, __u16 error)
{
	dns->error = error;
	dns->seen |= DNS_SEEN_UNREADABLE;
}

/*
 * Counts the message and sends it to user space if it is a response. A global function: otherwise
 * the verifier would check it again for each message of a segment.
 */
noinline __u32 inspect_dns_message(struct __sk_buff *skb, const struct packet *packet,
				   struct dns_metrics *dns, const struct dns_place *place)
{
	struct dns_scratch *scratch = dns_scratch();
	struct message *message;
	__u16 id, flags, asked;

	if (!config.dns_at || !packet || !dns || !place || !scratch)
		return 0;
	id = bpf_ntohs(place->header.id);
	flags = bpf_ntohs(place->header.flags);
	if (!is_dns_port(flags & DNS_RESPONSE ? packet->key.src_port : packet->key.dst_port))
		return 0;
	dns->error = 0;
	query_key(&scratch->key, &packet->key, id, flags & DNS_RESPONSE);
	if (!(flags & DNS_RESPONSE)) {
		note_query(skb, scratch, dns, place);
		return 0;
	}
	asked = note_latency(skb, &scratch->key, dns, place);
	dns->id = id;
	dns->flags = (dns->flags & ~DNS_CODES) | flags;
	dns->seen |= DNS_SEEN_RESPONSE;
	/* The rest of a header is useless without its beginning. */
	if (!place->at)
		return 0;
	message = fresh_head(skb, MESSAGE_DNS);
	if (!message)
		return 0;
	message->asked = asked;
	query_key(&message->key, &packet->key, id, false);
	return send_message(skb, message, place->at, place->end - place->at);
}

/*
 * Whether the message has room for the entries that its header counts; data that is not DNS hardly
 * ever has. A question may be missing: the reader decides whether a message is too short.
 */
static __always_inline bool may_be_dns(const struct packet *packet, const struct dns_place *place)
{
	const struct dns_header *header = &place->header;
	__u32 records = bpf_ntohs(header->answers) + bpf_ntohs(header->authorities) +
			bpf_ntohs(header->additionals);
	__u32 questions = bpf_ntohs(header->questions);
	__u32 opcode = bpf_ntohs(header->flags) >> DNS_OPCODE_SHIFT & DNS_OPCODE_MASK;

	if (opcode > DNS_OPCODE_MAX)
		return false;
	/* The rest is in other fragments. */
	if (packet->is_fragment)
		return true;
	if (questions <= 1)
		questions = 0;
	return questions * DNS_QUESTION_BYTES_MIN + records * DNS_RECORD_BYTES_MIN <=
	       place->end - place->body;
}

static noinline void inspect_dns(struct __sk_buff *skb, const struct packet *packet,
				 struct dns_metrics *dns)
{
	struct dns_scratch *scratch = dns_scratch();
	struct dns_place *place;

	/* The rest of a datagram in fragments. */
	if (packet->is_later_fragment || packet->end < packet->headers || !scratch)
		return;
	place = &scratch->place;
	if (packet->end - packet->headers < sizeof(place->header)) {
		note_unreadable(dns, EINVAL);
		return;
	}
	if (bpf_skb_load_bytes(skb, packet->headers, &place->header, sizeof(place->header))) {
		note_unreadable(dns, EFAULT);
		return;
	}
	place->at = packet->headers;
	place->body = place->at + sizeof(place->header);
	place->end = packet->end;
	if (!may_be_dns(packet, place)) {
		note_unreadable(dns, EINVAL);
		return;
	}
	inspect_dns_message(skb, packet, dns, place);
}
