/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Decides which packets are wanted. User space has checked the rules and put them in the order in
 * which they are tried; deploy/reference/filters.md explains them to users.
 */

#include "kernel.h"
#include "types.h"
#include "keys.h"
#include "maps.h"
#include "parse.h"
#include "rules.h"

struct filter_verdict {
	bool accepted;
	bool matched; /* by a rule; else `accepted` is the default for packets that none matches */
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
 * A packet that is checked against the rules, and what has been found so far. It is in a map, and a
 * function tries a few rules at a time, so that the verifier checks that function once for all
 * packets and all rules: it gives up if it has to follow every path through dozens of rules. (Such
 * functions take pointers as arguments only since Linux 5.12.)
 */
struct filter_subject {
	struct flow_key key;
	__u32 taken;
	__u32 tcp_flags;
	__u32 context; /* enum filter_context */
	/*
	 * Decisions of the first rules that accept flows with drops, by source and by destination.
	 */
	__u64 from_maybe;
	__u64 to_maybe;
	__u64 to_found; /* of the first rule that has the destination in its network */
};

/*
 * Per CPU: one for hooks, which no other hook interrupts, and some for probes: any other probe may
 * interrupt them, or run in a process that takes over the CPU.
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

/* Takes a slot for a probe. SUBJECTS, which is not a slot: all are taken. */
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

/* `maybe` was found before `found`; it holds unless the packet is wanted anyway. */
static __always_inline __u64 settle(__u64 found, __u64 maybe)
{
	if (!maybe || (found & DECISION_ACCEPTED && !(found & DECISION_ONLY_IF_DROPPED)))
		return found;
	return maybe;
}

/* Tries one rule. Returns its decision, or 0 if others are to be tried. */
static __always_inline __u64 try_rule(__u32 index, struct filter_subject *subject)
{
	const struct filter_rule *rule = rule_at(index);
	__u32 fits = fit(rule, &subject->key);
	__u64 found;

	if (!fits || !conditions_match(rule, &subject->key, subject->tcp_flags, subject->context))
		return 0;
	found = decision_of(rule);
	if (waits_for_drop(rule, subject->context)) {
		/* A rule that rejects drops says nothing about packets that were not dropped. */
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

/* Unrolled: the verifier follows a loop's iterations one after another, in every combination. */
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
 * The first rule decides whose network has the source, whose peer network has the destination, and
 * whose other conditions hold; if there is none, the first that fits the other way round. Both are
 * searched for in one pass. Rules on drops cannot decide before there is a drop; those that accept
 * are noted.
 */
noinline __u64 try_rules(__u32 slot)
{
	struct filter_subject *subject = subject_of(slot);
	__u64 found;

	if (!subject)
		return DECISION_ACCEPTED;
	/*
	 * The verifier knows the contents of these rules and removes all code that does not apply.
	 */
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

/* Returns the decision of all rules. */
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
 * For probes, which see a packet differently from hooks. `tcp_flags` are as in struct packet;
 * `directions` are those of hooks that it passes: it is enough if one accepts, as with hooks.
 * Everything is accepted if there are no rules, or if too many probes run at once.
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
 * The same for a drop. It belongs to one of its directions, `own`, and a rule on drops decides
 * finally for that direction. Otherwise the packet may be wanted in another direction, and then its
 * drop is, too.
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

/* Makes user space keep the flow even if it has no drops. */
static __always_inline void note_wanted(struct flow_metrics *flow)
{
	struct filter_metrics *filter = extension(flow, config.filter_at);

	if (!filter->wanted)
		filter->wanted = 1;
}

/* One in this many packets that rules accept is looked at. */
static __always_inline __u32 rate_of(const struct filter_verdict *verdict)
{
	return verdict->sample ? verdict->sample : config.sampling;
}
