// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A program that the verifier must refuse, since it reads the frame without checking its end. */

#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} counts SEC(".maps");

SEC("tc")
int refused(struct __sk_buff *skb)
{
	return *(const __u8 *)(long)skb->data;
}

SEC("tc")
int accepted(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&counts, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return -1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
