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
#include "rules.h"

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

/* `maybe` was found before `found`; it stands unless the packet is wanted anyway. */
static __always_inline __u64 settle(__u64 found, __u64 maybe)
{
	if (!maybe || (found & DECISION_ACCEPTED && !(found & DECISION_ONLY_IF_DROPPED)))
		return found;
	return maybe;
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
		found = settle(decision_of_unmatched(), subject->to_maybe);
	return settle(found, subject->from_maybe);
}

/* What all rules decide. */
static noinline __u64 decide(const struct flow_key *key, __u32 tcp_flags, __u32 context)
{
	bool is_hook = !(context & FILTER_OF_PROBE);
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
 * For probes, which learn of a packet otherwise than hooks. `tcp_flags` are as in struct packet;
 * `directions` those of hooks that it passes, of which one that accepts is enough, as it is with
 * hooks. Without rules everything is accepted, and so it is where too many probes are under way at
 * once.
 */
static __always_inline struct filter_verdict filter(const struct flow_key *key, __u16 tcp_flags,
						    __u32 directions)
{
	__u32 first = directions & FILTER_OF_INGRESS ? FILTER_OF_INGRESS : FILTER_OF_EGRESS;
	__u64 found;

	if (!config.filter_rules)
		return verdict_of(DECISION_ACCEPTED);
	found = decide(key, tcp_flags, FILTER_OF_PROBE | first);
	if (!(found & DECISION_ACCEPTED) && directions == FILTER_OF_BOTH &&
	    has_rules_of_direction())
		found = decide(key, tcp_flags, FILTER_OF_PROBE | FILTER_OF_EGRESS);
	return verdict_of(found);
}

/*
 * The same for a drop. It belongs to one of its directions, `own`, and what a rule on drops says of
 * that is the last word. By another one the packet may be wanted, and then its end is, too.
 */
static __always_inline struct filter_verdict filter_drop(const struct flow_key *key,
							 __u16 tcp_flags, __u32 own,
							 __u32 directions)
{
	__u32 other = directions & ~own;
	__u64 found;

	if (!config.filter_rules)
		return verdict_of(DECISION_ACCEPTED);
	found = decide(key, tcp_flags, FILTER_OF_PROBE | FILTER_OF_DROP | own);
	if (!(found & (DECISION_ACCEPTED | DECISION_ON_DROPS)) && other && has_rules_of_direction())
		found = decide(key, tcp_flags, FILTER_OF_PROBE | other);
	return verdict_of(found);
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
