/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Where flows are kept. */

#include "kernel.h"
#include "types.h"
#include "config.h"
#include "stats.h"

/* Replaced at load. */
#define FLOWS_MAX 5000

/*
 * Preallocated: an insert takes an element from a list instead of the allocator, and the memory
 * that a configuration needs is known at start.
 */
struct flow_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOWS_MAX);
	__type(key, struct flow_key);
	/* Replaced at load, too: features that are on add to it. No type, which would fix it. */
	__uint(value_size, sizeof(struct flow_metrics));
};

struct flow_map flows_a SEC(".maps");
struct flow_map flows_b SEC(".maps");

/*
 * The map that hooks write to, put here by user space when they are loaded: a value here would have
 * libbpf wait for that. To drain it, the other one is put in its place: the kernel returns from an
 * update of a map of maps when every program that may have seen the old choice has ended, so that
 * nobody holds a pointer into a map that is being drained.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct flow_map);
} current SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} wake SEC(".maps");

/* New flows since the last swap, which sets it to 0. A map with a name that it can be pinned by. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} inserted SEC(".maps");

const volatile struct config config SEC(".rodata.config");

/* Of maps that filled up to where user space is woken: tells one from the next. */
__u32 rushes;

static __always_inline __u32 flows_inserted(void)
{
	__u32 zero = 0;
	const __u32 *slot = bpf_map_lookup_elem(&inserted, &zero);

	return slot ? *slot : 0;
}

/* User space has been woken, and has not swapped yet. */
static __always_inline bool is_rush(__u32 entries)
{
	return config.wake_entries && entries >= config.wake_entries;
}

/* For probes, which do not know whose room they take: all of them together get half of it. */
static __always_inline bool leaves_room(void)
{
	__u32 used = flows_inserted();

	return !is_rush(used) || used < (config.wake_entries + config.flow_entries) / 2;
}

static __always_inline void wake_when_filled(void)
{
	__u32 zero = 0, entries;
	__u32 *slot;

	if (!config.wake_entries)
		return;
	slot = bpf_map_lookup_elem(&inserted, &zero);
	if (!slot)
		return;
	entries = __sync_fetch_and_add(slot, 1) + 1;
	/* The counter passes the limit once per swap. A full ring: user space is awake already. */
	if (entries == config.wake_entries) {
		rushes++;
		bpf_ringbuf_output(&wake, &entries, sizeof(entries), 0);
	}
}

/* The map that is written to at the moment. */
static __always_inline void *current_flows(void)
{
	__u32 zero = 0;

	/* NULL only where somebody else has loaded this, and no agent has filled it in yet. */
	return bpf_map_lookup_elem(&current, &zero);
}

/* Whether some feature is on: else one look is all that features cost. */
static __always_inline bool has_extensions(void)
{
	return config.value_bytes > sizeof(struct flow_metrics);
}

/* What a feature has added to an entry; `at` must be of `config`, and not 0. */
static __always_inline void *extension(struct flow_metrics *flow, __u16 at)
{
	return (void *)flow + at;
}

/*
 * A flow that is being made up, longer than a stack. Only hooks have one per CPU: nothing of theirs
 * comes in between, whereas a probe that runs in a process may be interrupted by any other.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, FLOW_VALUE_BYTES_MAX);
} hook_fresh SEC(".maps");

/* All zeros, for ever: what probes add flows with. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__uint(value_size, FLOW_VALUE_BYTES_MAX);
} blank SEC(".maps");

static __always_inline struct flow_metrics *fresh_flow(void)
{
	__u32 zero = 0;
	struct flow_metrics *flow = bpf_map_lookup_elem(&hook_fresh, &zero);

	if (!flow)
		return NULL;
	__builtin_memset(flow, 0, sizeof(*flow));
	if (config.value_bytes > sizeof(*flow))
		__builtin_memset(flow + 1, 0, FLOW_VALUE_BYTES_MAX - sizeof(*flow));
	return flow;
}

/* For probes: the flow if it is there. */
static __always_inline struct flow_metrics *find_flow(const struct flow_key *key)
{
	void *flows = current_flows();

	return flows ? bpf_map_lookup_elem(flows, key) : NULL;
}

#define LOOPBACK_NET 127

/* Between a host and itself: 127.0.0.0/8, ::1, or an address of its own to that same one. */
static __always_inline bool is_to_itself(const struct flow_key *key)
{
	const __u64 *src = (const __u64 *)key->src_ip;
	const __u64 *dst = (const __u64 *)key->dst_ip;
	const __u32 *words = (const __u32 *)key->dst_ip;

	return (src[0] == dst[0] && src[1] == dst[1]) ||
	       (words[2] == bpf_htonl(0xffff) && key->dst_ip[12] == LOOPBACK_NET);
}

/*
 * For probes that have something to tell of a flow that no hook has seen yet, or will: adds it with
 * no packets. The hook that sees its first packet completes it. Probes hear of loopback, too, which
 * is seldom watched: there, only flows that a hook has seen are told of. `sampling`: one in this
 * many of what is counted of the flow. NULL: there is no such flow, or no room for it.
 */
static __always_inline struct flow_metrics *add_blank_flow(const struct flow_key *key,
							   __u16 eth_protocol, __u32 sampling)
{
	void *flows = current_flows();
	struct flow_metrics *flow;
	const void *zeros;
	__u32 zero = 0;
	int error;

	zeros = bpf_map_lookup_elem(&blank, &zero);
	if (!flows || !zeros || is_to_itself(key))
		return NULL;
	error = leaves_room() ? bpf_map_update_elem(flows, key, zeros, BPF_NOEXIST) : -E2BIG;
	flow = bpf_map_lookup_elem(flows, key);
	if (!flow) {
		count_in_probe(STAT_PROBE_LOST, 1, 0);
		return NULL;
	}
	if (!error) {
		/*
		 * A hook that has come in between has put the same there, but for milliseconds:
		 * the coarse clock is not for probes.
		 */
		flow->start_ns = flow->end_ns = bpf_ktime_get_ns();
		flow->eth_protocol = eth_protocol;
		flow->sampling = sampling;
		wake_when_filled();
	}
	return flow;
}
