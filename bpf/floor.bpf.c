// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A hook that does nothing, and one that only counts: their cost is the floor of every benchmark.
 */

#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("tc")
int floor_empty(struct __sk_buff *skb)
{
	return HOOK_NEXT;
}

SEC("tc")
int floor_count(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&packets, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return HOOK_NEXT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
