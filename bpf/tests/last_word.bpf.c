// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Someone else's TCX program: it lets packets pass and asks no program after it. */

#include "kernel.h"

#define TCX_PASS 0
#define TCX_DROP 2

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("tc")
int last_word(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&packets, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return TCX_PASS;
}

/* And one that decides by what it finds in the field that marks are in. */
SEC("tc")
int reader(struct __sk_buff *skb)
{
	return skb->tc_index ? TCX_DROP : HOOK_NEXT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
