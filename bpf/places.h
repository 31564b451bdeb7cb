/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The places where packets of a flow were seen, and the one where they count. */

#include "kernel.h"
#include "types.h"
#include "births.h"
#include "parse.h"
#include "stats.h"
#include "wire.h"

/*
 * Describes what a hook is to a flow: facts as in a slot and, in place of a namespace, this one:
 * packets of the flow were seen here first, in this direction.
 */
#define PLACE_IS_FIRST 1ULL

static __always_inline __u64 describe_place(__u64 slot, bool is_first_slot, bool egress)
{
	__u64 facts = slot & SLOT_FACTS;

	if (is_first_slot && !(slot & (__u64)FIRST_EGRESS << 32) == !egress)
		facts |= PLACE_IS_FIRST;
	return facts;
}

/* Makes the slot of a hook that sees a packet of the flow. */
static __always_inline __u64 new_slot(__u64 place, bool is_first_slot, bool egress)
{
	__u64 slot = place | seen_in(egress) | ((__u64)facts_of(place) << 32 & SLOT_FACTS);

	return is_first_slot && egress ? slot | (__u64)FIRST_EGRESS << 32 : slot;
}

/*
 * For a flow that turns up at another place: its other slots may hold facts from a time when there
 * was no hook here, and its packets were born elsewhere.
 */
static __always_inline void refresh_facts(__u64 *slots)
{
	for (int i = 0; i < MAX_OBSERVED_INTERFACES; i++) {
		__u64 slot = slots[i], now;

		if (!slot)
			return;
		now = (slot & ~SLOT_FACTS) |
		      ((__u64)facts_of(slot & SLOT_PLACE) << 32 & SLOT_FACTS);
		if (now != slot)
			__sync_val_compare_and_swap(&slots[i], slot, now);
	}
}

/*
 * note_place() beyond the first slot. Slots fill up in order and are never emptied, so CPUs race
 * for them one atomic instruction at a time. A global function, so that the verifier follows its
 * many paths once.
 */
noinline __u64 note_further_place(struct flow_metrics *flow, struct __sk_buff *skb, __u32 egress,
				  const struct packet *packet)
{
	__u64 *slots = (__u64 *)flow->observed;
	__u64 place = place_of(skb);
	__u64 wanted = 0;
	struct wire wire;

	if (!flow || !packet)
		return 0;
	for (int i = 0; i < MAX_OBSERVED_INTERFACES; i++) {
		__u64 slot = slots[i];

		if (!slot) {
			wanted = new_slot(place, i == 0, egress);
			slot = __sync_val_compare_and_swap(&slots[i], 0, wanted);
			if (!slot) {
				if (i > 0)
					refresh_facts(slots);
				return describe_place(wanted, i == 0, egress);
			}
		}
		if (!((slot ^ place) & SLOT_PLACE)) {
			if (!(slot & seen_in(egress)))
				__sync_fetch_and_or(&slots[i], seen_in(egress));
			return describe_place(slot, i == 0, egress);
		}
	}
	wire = wire_of(skb, packet);
	count(STAT_INTERFACES_MISSED, wire.packets, wire.bytes);
	return (__u64)facts_of(place) << 32 & SLOT_FACTS;
}

/* Notes that a packet of the flow was seen here; returns what this place is to the flow. */
static __always_inline __u64 note_place(struct flow_metrics *flow, struct __sk_buff *skb,
					bool egress, const struct packet *packet)
{
	__u64 slot = *(__u64 *)flow->observed;

	if (likely(!((slot ^ place_of(skb)) & SLOT_PLACE) && slot & seen_in(egress)))
		return describe_place(slot, true, egress);
	return note_further_place(flow, skb, egress, packet);
}

static __always_inline bool is_born_at(__u64 place, struct __sk_buff *skb,
				       const struct packet *packet, bool egress)
{
	/* It came in by another interface, or may have been counted before it was wrapped. */
	bool is_older = egress && (skb->ingress_ifindex ||
				   (config.tunnel_at && packet->tunnel_type));

	if (!(place & born_in(egress)) || is_older)
		return false;
	return likely(marks_on) || !egress || !has_just_left(skb, packet);
}

/* Whether packets of the flow are born at another egress of the same namespace. */
static noinline bool leaves_elsewhere(const struct flow_metrics *flow, struct __sk_buff *skb)
{
	const __u64 *slots = (const __u64 *)flow->observed;
	__u64 place = place_of(skb), left = seen_in(true) | born_in(true);

	for (int i = 0; i < MAX_OBSERVED_INTERFACES; i++) {
		__u64 slot = slots[i], other = (slot ^ place) & SLOT_PLACE;

		if ((slot & left) == left && other && !(__u32)other)
			return true;
	}
	return false;
}

/*
 * Whether a packet that is not born here counts here. If packets of its flow are born somewhere,
 * this one was counted there, too. If none are, since the flow is another one translated or came
 * out of a tunnel, packets count where the first one was seen. A tag of a known flow adds nothing
 * to that.
 */
static __always_inline bool is_counted_at(__u64 place, bool has_births)
{
	return !has_births && place & PLACE_IS_FIRST;
}
