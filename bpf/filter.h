/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Which packets are wanted. User space has checked the rules and put them in the order in which
 * they are tried; deploy/reference/filters.md tells what they mean to users.
 */

#include "kernel.h"
#include "types.h"
#include "keys.h"
#include "maps.h"
#include "parse.h"

/* A section, and so a map, of its own: objects without rules carry zeros. */
const volatile struct filter_rule filter_rules[FILTER_RULES_MAX] SEC(".rodata.filters");

struct filter_verdict {
	bool accepted;
	bool matched; /* by a rule; else `accepted` is what becomes of packets that none matches */
	bool only_if_dropped; /* accepted, provided that the flow turns out to have drops */
	__u32 sample; /* one in this many, by the rule; 0: the rule does not say */
};

static __always_inline bool loses_draw(__u32 rate)
{
	return rate > 1 && bpf_get_prandom_u32() % rate != 0;
}

/* What is known of a packet besides its key. */
enum filter_context {
	FILTER_OF_INGRESS = 1,
	FILTER_OF_EGRESS = 2, /* neither: the direction is not known */
	FILTER_OF_DROP = 4,
};

/* A decision as one number: the rate in the low half, and these. */
#define DECISION_MATCHED (1ULL << 32)
#define DECISION_ACCEPTED (1ULL << 33)
#define DECISION_ONLY_IF_DROPPED (1ULL << 34)

/* Rules that one call tries: a call costs as much as several rules. */
#define FILTER_GROUP 4

/*
 * A packet on its way to the rules, and what has been found so far. It is in a map, and a function
 * tries a few rules, since the verifier then looks at that once for all packets and all rules:
 * following every way through dozens of rules, it gives up. (Such functions take pointers as
 * arguments only since Linux 5.12.)
 */
struct filter_subject {
	struct flow_key key;
	__u32 taken;
	__u32 tcp_flags;
	__u32 context; /* enum filter_context */
	/* Of the first rules that accept flows with drops, by their network: source, destination. */
	__u64 from_maybe;
	__u64 to_maybe;
	__u64 to_found; /* of the first rule that has the destination in its network */
};

/*
 * Per CPU: one for hooks, which nothing of theirs interrupts, and some for probes, which any other
 * probe may interrupt, or run in a process that takes the CPU.
 */
#define HOOK_SUBJECT 0
#define SUBJECTS 5

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SUBJECTS);
	__type(key, __u32);
	__type(value, struct filter_subject);
} subjects SEC(".maps");

static __always_inline struct filter_subject *subject_of(__u32 slot)
{
	return bpf_map_lookup_elem(&subjects, &slot);
}

/* For a probe; SUBJECTS, which is nobody's: all are taken. */
static __always_inline __u32 take_subject(void)
{
	struct filter_subject *subject;
	__u32 slot;

	for (slot = HOOK_SUBJECT + 1; slot < SUBJECTS; slot++) {
		subject = subject_of(slot);
		if (subject && !__sync_val_compare_and_swap(&subject->taken, 0, 1))
			break;
	}
	return slot;
}

/* A combination stands for its parts: `SYN` means the first segment, not its answer. */
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

/* The half in which IPv4 addresses differ comes first. */
static __always_inline bool in_network(const __u64 *mask, const __u64 *network, const __u8 *ip)
{
	const __u64 *address = (const __u64 *)ip;

	return (address[1] & mask[1]) == network[1] && (address[0] & mask[0]) == network[0];
}

/* One comparison: what is below the first port is, taken as unsigned, far above the last. */
static __always_inline bool in_ranges(const struct filter_rule *rule, __u32 from, __u32 to,
				      __u16 port)
{
	for (__u32 i = from; i < to && i < FILTER_RANGES_MAX; i++) {
		__u32 index = i;
		__u16 first, last;

		/* Else the compiler walks by a pointer, whose bounds the verifier cannot tell. */
		asm volatile("" : "+r"(index));
		index &= FILTER_RANGES_MAX - 1;
		first = rule->ports[index].first;
		last = rule->ports[index].last;
		if ((__u16)(port - first) <= (__u16)(last - first))
			return true;
	}
	return false;
}

/* Whether a rule has a condition. What no rule has leaves no instruction behind. */
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

/*
 * A direction that is not known fits rules that accept and no rule that rejects: better a flow too
 * many than one too few.
 */
static __always_inline bool direction_matches(__u32 conditions, __u32 context)
{
	if (!(context & (FILTER_OF_INGRESS | FILTER_OF_EGRESS)))
		return conditions & FILTER_ACCEPT;
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

/* All conditions but those on addresses and on drops. */
static __always_inline bool conditions_match(const struct filter_rule *rule, __u32 conditions,
					     const struct flow_key *key, __u32 tcp_flags,
					     __u32 context)
{
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

/* `maybe` was found before `found`; it stands unless the packet is wanted anyway. */
static __always_inline __u64 settle(__u64 found, __u64 maybe)
{
	if (!maybe || (found & DECISION_ACCEPTED && !(found & DECISION_ONLY_IF_DROPPED)))
		return found;
	return maybe;
}

/* By which of its ends a packet is in a rule's networks; 0: the rule is not about it. */
enum fit {
	FITS_BY_SOURCE = 1,
	FITS_BY_DESTINATION = 2,
};

/* Rules do not change while this runs, but are not what the compiler takes them for, either. */
static __always_inline const struct filter_rule *rule_at(__u32 index)
{
	const struct filter_rule *rule =
		(const struct filter_rule *)&filter_rules[index % FILTER_RULES_MAX];

	asm volatile("" : "+r"(rule));
	return rule;
}

static __always_inline __u32 fit(const struct filter_rule *rule, const struct flow_key *key,
				 __u32 tcp_flags, __u32 context)
{
	__u32 conditions = rule->conditions;
	bool from = in_network(rule->mask, rule->network, key->src_ip);
	bool to = in_network(rule->mask, rule->network, key->dst_ip);

	if (has(conditions, FILTER_PEER)) {
		from = from && in_network(rule->peer_mask, rule->peer_network, key->dst_ip);
		to = to && in_network(rule->peer_mask, rule->peer_network, key->src_ip);
	}
	if (!(from || to) || !conditions_match(rule, conditions, key, tcp_flags, context))
		return 0;
	return (from ? FITS_BY_SOURCE : 0) | (to ? FITS_BY_DESTINATION : 0);
}

/* What a rule makes of packets that it is about. */
static __always_inline __u64 decision_of(const struct filter_rule *rule)
{
	return DECISION_MATCHED | rule->sample |
	       (rule->conditions & FILTER_ACCEPT ? DECISION_ACCEPTED : 0);
}

/* Whether a rule is about flows with drops, and the packet is not known to be of one. */
static __always_inline bool waits_for_drop(const struct filter_rule *rule, __u32 context)
{
	return has(rule->conditions, FILTER_DROPS) && !(context & FILTER_OF_DROP);
}

/* Tries one rule. What it decides, or 0 if others are to be tried. */
static __always_inline __u64 try_rule(__u32 index, struct filter_subject *subject)
{
	const struct filter_rule *rule = rule_at(index);
	__u32 fits = fit(rule, &subject->key, subject->tcp_flags, subject->context);
	__u64 found;

	if (!fits)
		return 0;
	found = decision_of(rule);
	if (waits_for_drop(rule, subject->context)) {
		/* A rule that rejects drops has nothing to say of what was not dropped. */
		if (!(found & DECISION_ACCEPTED))
			return 0;
		found |= DECISION_ONLY_IF_DROPPED;
		if (fits & FITS_BY_SOURCE && !subject->from_maybe)
			subject->from_maybe = found;
		if (fits & FITS_BY_DESTINATION && !subject->to_maybe && !subject->to_found)
			subject->to_maybe = found;
		return 0;
	}
	if (fits & FITS_BY_SOURCE)
		return settle(found, subject->from_maybe);
	if (!subject->to_found)
		subject->to_found = settle(found, subject->to_maybe);
	return 0;
}

/* What the first rule by itself decides, or 0 if all are to be tried. */
static __always_inline __u64 try_first(const struct flow_key *key, __u32 tcp_flags, __u32 context)
{
	const struct filter_rule *rule = rule_at(0);

	if (!(fit(rule, key, tcp_flags, context) & FITS_BY_SOURCE) ||
	    waits_for_drop(rule, context))
		return 0;
	return decision_of(rule);
}

/* Unrolled: to the verifier, a loop is all its turns one after the other, in every combination. */
static __always_inline __u64 try_unrolled(__u32 first, struct filter_subject *subject)
{
	__u64 found;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < FILTER_GROUP; i++) {
		if (first + i >= config.filter_rules)
			return 0;
		found = try_rule(first + i, subject);
		if (found)
			return found;
	}
	return 0;
}

noinline __u64 try_group(__u32 first, __u32 slot)
{
	struct filter_subject *subject = subject_of(slot);

	return subject ? try_unrolled(first, subject) : DECISION_ACCEPTED;
}

/*
 * The first rule decides whose network has the source, the peer's the destination, and whose other
 * conditions hold; without any, the first of those that fit the other way round. Both are looked
 * for in one go. Rules on drops cannot decide before there is one; those that accept are noted.
 */
noinline __u64 try_rules(__u32 slot)
{
	struct filter_subject *subject = subject_of(slot);
	__u64 found;

	if (!subject)
		return DECISION_ACCEPTED;
	/* Of these the verifier knows what is in them, and leaves nothing of what does not apply. */
	found = try_unrolled(0, subject);
	if (found)
		return found;
	for (__u32 i = FILTER_GROUP; i < FILTER_RULES_MAX && i < config.filter_rules;
	     i += FILTER_GROUP) {
		found = try_group(i, slot);
		if (found)
			return found;
	}
	found = subject->to_found;
	if (!found)
		found = settle(config.filter_unmatched ? DECISION_ACCEPTED : 0, subject->to_maybe);
	return settle(found, subject->from_maybe);
}

/* What all rules decide. */
static noinline __u64 decide(const struct flow_key *key, __u32 tcp_flags, __u32 context)
{
	bool is_hook = context & (FILTER_OF_INGRESS | FILTER_OF_EGRESS);
	__u32 slot = is_hook ? HOOK_SUBJECT : take_subject();
	struct filter_subject *subject = subject_of(slot);
	__u64 found;

	if (!subject)
		return DECISION_ACCEPTED;
	copy_key(&subject->key, key);
	subject->tcp_flags = tcp_flags;
	subject->context = context;
	subject->from_maybe = subject->to_maybe = subject->to_found = 0;
	found = try_rules(slot);
	if (!is_hook)
		*(volatile __u32 *)&subject->taken = 0;
	return found;
}

static __always_inline struct filter_verdict verdict_of(__u64 decision)
{
	return (struct filter_verdict){
		.accepted = decision & DECISION_ACCEPTED,
		.matched = decision & DECISION_MATCHED,
		.only_if_dropped = decision & DECISION_ONLY_IF_DROPPED,
		.sample = decision,
	};
}

/*
 * For probes, which learn of a packet otherwise than hooks and know of no direction. `tcp_flags`
 * are as in struct packet; `context`: FILTER_OF_DROP or 0. Without rules everything is accepted,
 * and so it is where too many probes are under way at once.
 */
static __always_inline struct filter_verdict filter(const struct flow_key *key, __u16 tcp_flags,
						    __u32 context)
{
	return verdict_of(config.filter_rules ? decide(key, tcp_flags, context) :
						DECISION_ACCEPTED);
}

/* Tells user space to keep the flow even if it has no drops. */
static __always_inline void note_wanted(struct flow_metrics *flow)
{
	struct filter_metrics *filter = extension(flow, config.filter_at);

	if (!filter->wanted)
		filter->wanted = 1;
}

/* One packet in this many is looked at, where rules accept it. */
static __always_inline __u32 rate_of(const struct filter_verdict *verdict)
{
	return verdict->sample ? verdict->sample : config.sampling;
}
