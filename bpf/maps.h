/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Maps that hold flows. */

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
	/* Replaced at load, too: features that are on add to it. Not a type, which would fix it. */
	__uint(value_size, sizeof(struct flow_metrics));
};

struct flow_map flows_a SEC(".maps");
struct flow_map flows_b SEC(".maps");

/*
 * The map that hooks write to. User space puts it here when it loads them: with an initial value,
 * libbpf would wait for that update. To drain the map, user space puts the other one in its place:
 * the kernel returns from an update of a map of maps when every program that may have seen the old
 * choice has ended, so that nobody holds a pointer into a map that is being drained.
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

/* New flows since the last swap, which sets this to 0. A map, so that it can be pinned by name. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} inserted SEC(".maps");

const volatile struct config config SEC(".rodata.config");

/* Counts the times that a map filled up so far that user space was woken, to distinguish them. */
__u32 rushes;

static __always_inline __u32 flows_inserted(void)
{
	__u32 zero = 0;
	const __u32 *slot = bpf_map_lookup_elem(&inserted, &zero);

	return slot ? *slot : 0;
}

/* Whether user space has been woken and has not swapped yet. */
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
	/*
	 * The counter passes the limit once per swap. If the ring is full, user space is awake
	 * already.
	 */
	if (entries == config.wake_entries) {
		rushes++;
		bpf_ringbuf_output(&wake, &entries, sizeof(entries), 0);
	}
}

/* Returns the map that is written to at the moment. */
static __always_inline void *current_flows(void)
{
	__u32 zero = 0;

	/* NULL only if somebody else has loaded this, and no agent has filled it in yet. */
	return bpf_map_lookup_elem(&current, &zero);
}

/* Whether any feature is on; if none is, this check is all that features cost. */
static __always_inline bool has_extensions(void)
{
	return config.value_bytes > sizeof(struct flow_metrics);
}

/* Returns what a feature adds to an entry; `at` must be from `config`, and not 0. */
static __always_inline void *extension(struct flow_metrics *flow, __u16 at)
{
	return (void *)flow + at;
}

/*
 * A flow that is being built; too long for the stack. One per CPU is enough only for hooks: no
 * other hook interrupts them, whereas any other probe may interrupt a probe that runs in a process.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, FLOW_VALUE_BYTES_MAX);
} hook_fresh SEC(".maps");

/* Always all zeros: probes add flows with it. */
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

/* For probes: returns the flow if it is there. */
static __always_inline struct flow_metrics *find_flow(const struct flow_key *key)
{
	void *flows = current_flows();

	return flows ? bpf_map_lookup_elem(flows, key) : NULL;
}

#define LOOPBACK_NET 127

/*
 * Whether a flow is between a host and itself: 127.0.0.0/8, ::1, or an address of its own to that
 * same one.
 */
static __always_inline bool is_to_itself(const struct flow_key *key)
{
	const __u64 *src = (const __u64 *)key->src_ip;
	const __u64 *dst = (const __u64 *)key->dst_ip;
	const __u32 *words = (const __u32 *)key->dst_ip;

	return (src[0] == dst[0] && src[1] == dst[1]) ||
	       (words[2] == bpf_htonl(0xffff) && key->dst_ip[12] == LOOPBACK_NET);
}

/*
 * For probes that have data on a flow that no hook has seen yet, or ever will: adds it with no
 * packets. The hook that sees its first packet completes it. Probes see loopback, too, which is
 * seldom watched: there, they add only to flows that a hook has seen. `sampling`: one in this many
 * of what is counted of the flow. NULL: there is no such flow, or no room for it.
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
		 * A hook that came in between has stored the same, but for milliseconds: the coarse
		 * clock is not for probes.
		 */
		flow->start_ns = flow->end_ns = bpf_ktime_get_ns();
		flow->eth_protocol = eth_protocol;
		flow->sampling = sampling;
		wake_when_filled();
	}
	return flow;
}
