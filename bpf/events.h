/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Actions of network policies on packets. OVN makes Open vSwitch hand a sample of each such packet
 * to the kernel's psample module, with a cookie that identifies the rule. User space knows what
 * cookies mean.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "probed.h"
#include "registers.h"
#include "skb.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct psample_group {
	__u32 group_num;
};

/* Has cookies since Linux 6.11. */
struct psample_metadata {
	const __u8 *user_cookie;
	__u32 user_cookie_len;
};

#pragma clang attribute pop

/* Samples by their outcome, enum event_fate. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENT_FATES);
	__type(key, __u32);
	__type(value, __u64);
} event_fates SEC(".maps");

static __always_inline void count_event(enum event_fate fate)
{
	__u32 index = fate;
	__u64 *value = bpf_map_lookup_elem(&event_fates, &index);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Slots fill up in order, as with interfaces; OVN makes no cookie that is 0. */
static __always_inline enum event_fate note_event(struct event_metrics *events, __u64 cookie,
						  struct wire wire)
{
	__u64 found;

	for (int i = 0; i < NETWORK_EVENTS_MAX; i++) {
		found = events->cookies[i];
		if (!found)
			found = __sync_val_compare_and_swap(&events->cookies[i], 0, cookie);
		if (found && found != cookie)
			continue;
		__sync_fetch_and_add(&events->packets[i], wire.packets);
		__sync_fetch_and_add(&events->bytes[i], wire.bytes);
		return EVENT_GOOD;
	}
	return EVENT_OVERFLOW;
}

static __always_inline enum event_fate sampled(const struct sk_buff *skb, __u64 cookie)
{
	struct skb_view view = skb_view_of(skb);
	const struct sock *sk = BPF_CORE_READ(skb, sk);
	__u32 came_in = BPF_CORE_READ(skb, skb_iif);
	struct packet packet = {};
	struct probed probed;
	struct flow_metrics *flow;

	if (!skb_parse(&view, &packet))
		return EVENT_UNREADABLE;
	probed = (struct probed){ &packet.key, packet.eth_protocol, packet.tcp_flags,
				  skb_seen(skb), skb_directions(skb, sk, came_in) };
	flow = find_drawn_flow(&probed);
	if (!flow)
		return EVENT_NO_FLOW;
	return note_event(extension(flow, config.events_at), cookie, skb_wire(&view, &packet));
}

static __always_inline int psample(const struct psample_group *group, const struct sk_buff *skb,
				   const struct psample_metadata *metadata)
{
	const __u8 *from = NULL;
	__u64 cookie = 0;

	if (BPF_CORE_READ(group, group_num) != config.event_group) {
		count_event(EVENT_OTHER_GROUP);
		return 0;
	}
	if (skb_sampled_out(skb))
		return 0;
	if (bpf_core_field_exists(metadata->user_cookie) &&
	    BPF_CORE_READ(metadata, user_cookie_len) == sizeof(cookie))
		from = BPF_CORE_READ(metadata, user_cookie);
	if (!from || bpf_probe_read_kernel(&cookie, sizeof(cookie), from) || !cookie)
		count_event(EVENT_NO_COOKIE);
	else
		count_event(sampled(skb, cookie));
	return 0;
}

SEC("fentry/psample_sample_packet")
int BPF_PROG(events_psample, struct psample_group *group, struct sk_buff *skb, __u32 rate,
	     const struct psample_metadata *metadata)
{
	return psample(group, skb, metadata);
}

SEC("kprobe/psample_sample_packet")
int events_psample_kprobe(struct pt_regs *registers)
{
	return psample((void *)argument(registers, 0), (void *)argument(registers, 1),
		       (void *)argument(registers, 3));
}
