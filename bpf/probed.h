/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Finds or adds flows that probes have data on, if they are wanted. */

#include "kernel.h"
#include "types.h"
#include "filter.h"
#include "maps.h"
#include "watched.h"

/* A packet as a probe knows it, or a flow without one: then `tcp_flags` is 0. */
struct probed {
	const struct flow_key *key;
	__u16 eth_protocol;
	__u16 tcp_flags;
	bool is_drawn; /* a hook has seen the packet, and it won the draw */
	__u32 directions; /* in which it is watched, see watched.h; 0: in none */
};

/* Adds the flow if rules want it and it wins their draw, unless it was drawn already. */
static __always_inline struct flow_metrics *add_wanted_flow(const struct probed *probed)
{
	struct filter_verdict verdict;
	struct flow_metrics *flow;

	if (!probed->directions) {
		count_in_probe(STAT_NOT_WATCHED, 1, 0);
		return NULL;
	}
	verdict = filter(probed->key, probed->tcp_flags, probed->directions);
	if (!verdict.accepted || (!probed->is_drawn && loses_draw(rate_of(&verdict))))
		return NULL;
	flow = add_blank_flow(probed->key, probed->eth_protocol, rate_of(&verdict));
	if (flow && config.filter_at && !verdict.only_if_dropped)
		note_wanted(flow);
	return flow;
}

/* For properties of a flow, not for counts: a flow that is there was wanted for its packets. */
static __always_inline struct flow_metrics *find_wanted_flow(const struct probed *probed)
{
	struct flow_metrics *flow = find_flow(probed->key);

	return flow ? flow : add_wanted_flow(probed);
}

/* For counts: also NULL if the draw is lost, at the flow's rate if it is there. */
static __always_inline struct flow_metrics *find_drawn_flow(const struct probed *probed)
{
	struct flow_metrics *flow = find_flow(probed->key);

	if (!flow)
		return add_wanted_flow(probed);
	return probed->is_drawn || !loses_draw(flow->sampling) ? flow : NULL;
}
