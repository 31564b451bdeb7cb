/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* One filter rule: which packets it matches, and its decision on them. */

#include "kernel.h"
#include "types.h"
#include "config.h"
#include "maps.h"

/* A section, and so a map, of its own: objects without rules carry zeros. */
const volatile struct filter_rule filter_rules[FILTER_RULES_MAX] SEC(".rodata.filters");

/* Properties of a packet besides its key. */
enum filter_context {
	FILTER_OF_INGRESS = 1,
	FILTER_OF_EGRESS = 2,
	FILTER_OF_DROP = 4,
	FILTER_OF_PROBE = 8, /* asked by a probe, not a hook */
};

#define FILTER_OF_BOTH (FILTER_OF_INGRESS | FILTER_OF_EGRESS)

/* A decision as one number: the rate in the low half, and these flags. */
#define DECISION_MATCHED (1ULL << 32)
#define DECISION_ACCEPTED (1ULL << 33)
#define DECISION_ONLY_IF_DROPPED (1ULL << 34)
/* Set if nothing else is: no rule has matched, and such packets are not wanted. */
#define DECISION_NONE (1ULL << 35)
/* Decided by a rule that is about drops only. */
#define DECISION_ON_DROPS (1ULL << 36)

static __always_inline bool has_rules_of_direction(void)
{
	return config.filter_conditions & (FILTER_INGRESS | FILTER_EGRESS);
}

/* The decision on packets that no rule matches. */
static __always_inline __u64 decision_of_unmatched(void)
{
	return config.filter_unmatched ? DECISION_ACCEPTED : DECISION_NONE;
}

/* A combination replaces its parts: `SYN` means the first segment, not its answer. */
static __always_inline __u32 flag_names(__u32 flags)
{
	if (flags & TCP_SYN_ACK)
		flags &= ~(TCP_SYN | TCP_ACK);
	if (flags & TCP_FIN_ACK)
		flags &= ~(TCP_FIN | TCP_ACK);
	if (flags & TCP_RST_ACK)
		flags &= ~(TCP_RST | TCP_ACK);
	return flags;
}

/* Compares the half in which IPv4 addresses differ first. */
static __always_inline bool in_network(const __u64 *mask, const __u64 *network, const __u8 *ip)
{
	const __u64 *address = (const __u64 *)ip;

	return (address[1] & mask[1]) == network[1] && (address[0] & mask[0]) == network[0];
}

/* One comparison: a port below the first one, as an unsigned difference, is far above the last. */
static __always_inline bool in_ranges(const struct filter_rule *rule, __u32 from, __u32 to,
				      __u16 port)
{
	for (__u32 i = from; i < to && i < FILTER_RANGES_MAX; i++) {
		__u32 index = i;
		__u16 first, last;

		/*
		 * Otherwise the compiler moves a pointer, whose bounds the verifier cannot
		 * determine.
		 */
		asm volatile("" : "+r"(index));
		index &= FILTER_RANGES_MAX - 1;
		first = rule->ports[index].first;
		last = rule->ports[index].last;
		if ((__u16)(port - first) <= (__u16)(last - first))
			return true;
	}
	return false;
}

/* Whether a rule has a condition. Conditions that no rule has leave no instructions behind. */
static __always_inline bool has(__u32 conditions, __u32 which)
{
	return config.filter_conditions & which && conditions & which;
}

static __always_inline bool ports_match(const struct filter_rule *rule, __u32 conditions,
					const struct flow_key *key)
{
	__u32 source_end = rule->source_end, destination_end = rule->destination_end;
	__u32 either_end = rule->either_end;

	if (has(conditions, FILTER_SOURCE_PORT) && !in_ranges(rule, 0, source_end, key->src_port))
		return false;
	if (has(conditions, FILTER_DESTINATION_PORT) &&
	    !in_ranges(rule, source_end, destination_end, key->dst_port))
		return false;
	return !has(conditions, FILTER_EITHER_PORT) ||
	       in_ranges(rule, destination_end, either_end, key->src_port) ||
	       in_ranges(rule, destination_end, either_end, key->dst_port);
}

static __always_inline bool direction_matches(__u32 conditions, __u32 context)
{
	return conditions & FILTER_INGRESS ? context & FILTER_OF_INGRESS :
					     context & FILTER_OF_EGRESS;
}

static __always_inline bool is_ipv4(const struct flow_key *key)
{
	const __u32 *words = (const __u32 *)key->src_ip;

	return !key->mapped && !(words[0] | words[1] | (words[2] ^ bpf_htonl(0xffff)));
}

static __always_inline bool is_icmp(const struct flow_key *key)
{
	return key->protocol == IPPROTO_ICMP || key->protocol == IPPROTO_ICMPV6;
}

/*
 * Checks all conditions except those on addresses and on drops. Separate from fit(), where most
 * rules fail: the packet's other properties are then not fetched.
 */
static __always_inline bool conditions_match(const struct filter_rule *rule,
					     const struct flow_key *key, __u32 tcp_flags,
					     __u32 context)
{
	__u32 conditions = rule->conditions;

	if (has(conditions, FILTER_NOT_IPV4) && is_ipv4(key))
		return false;
	if (has(conditions, FILTER_NOT_IPV6) && key->mapped)
		return false;
	if (has(conditions, FILTER_INGRESS | FILTER_EGRESS) &&
	    !direction_matches(conditions, context))
		return false;
	if (has(conditions, FILTER_PROTOCOL) && key->protocol != rule->protocol)
		return false;
	if (has(conditions, FILTER_TCP_FLAGS) && !(flag_names(tcp_flags) & rule->tcp_flags))
		return false;
	if (has(conditions, FILTER_ICMP_TYPE | FILTER_ICMP_CODE) && !is_icmp(key))
		return false;
	if (has(conditions, FILTER_ICMP_TYPE) && key->icmp_type != rule->icmp_type)
		return false;
	if (has(conditions, FILTER_ICMP_CODE) && key->icmp_code != rule->icmp_code)
		return false;
	return ports_match(rule, conditions, key);
}

/* The ends by which a packet is in a rule's networks; 0: it is not. */
enum fit {
	FITS_BY_SOURCE = 1,
	FITS_BY_DESTINATION = 2,
};

/* Rules do not change while this runs, but they are not the zeros that the compiler sees. */
static __always_inline const struct filter_rule *rule_at(__u32 index)
{
	const struct filter_rule *rule =
		(const struct filter_rule *)&filter_rules[index % FILTER_RULES_MAX];

	asm volatile("" : "+r"(rule));
	return rule;
}

/* IPv4 addresses differ in this half only: a rule about other addresses fails here. */
static __always_inline bool misses(__u64 mask, __u64 network, const __u8 *from, const __u8 *to)
{
	const __u64 *source = (const __u64 *)from, *destination = (const __u64 *)to;

	return (source[1] & mask) != network && (destination[1] & mask) != network;
}

static __always_inline __u32 fit(const struct filter_rule *rule, const struct flow_key *key)
{
	bool from, to;

	if (misses(rule->mask[1], rule->network[1], key->src_ip, key->dst_ip))
		return 0;
	from = in_network(rule->mask, rule->network, key->src_ip);
	to = in_network(rule->mask, rule->network, key->dst_ip);
	if (has(rule->conditions, FILTER_PEER)) {
		from = from && in_network(rule->peer_mask, rule->peer_network, key->dst_ip);
		to = to && in_network(rule->peer_mask, rule->peer_network, key->src_ip);
	}
	return (from ? FITS_BY_SOURCE : 0) | (to ? FITS_BY_DESTINATION : 0);
}

/* A rule's decision on packets that it matches. */
static __always_inline __u64 decision_of(const struct filter_rule *rule)
{
	return DECISION_MATCHED | rule->sample |
	       (rule->conditions & FILTER_ACCEPT ? DECISION_ACCEPTED : 0) |
	       (has(rule->conditions, FILTER_DROPS) ? DECISION_ON_DROPS : 0);
}

/* Whether a rule is about flows with drops, and the packet is not known to be of one. */
static __always_inline bool waits_for_drop(const struct filter_rule *rule, __u32 context)
{
	return has(rule->conditions, FILTER_DROPS) && !(context & FILTER_OF_DROP);
}

/* The decision of the first rule by itself, or 0 if all are to be tried. */
static __always_inline __u64 try_first(const struct flow_key *key, __u32 tcp_flags, __u32 context)
{
	const struct filter_rule *rule = rule_at(0);
	__u32 fits = fit(rule, key);

	if (fits && !conditions_match(rule, key, tcp_flags, context))
		fits = 0;
	if (!fits && config.filter_rules == 1)
		return decision_of_unmatched();
	if (!(fits & FITS_BY_SOURCE) || waits_for_drop(rule, context))
		return 0;
	return decision_of(rule);
}
