// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Someone else's TCX programs. This one lets packets pass without calling later programs. */

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

/* This one decides by the field that holds marks. */
SEC("tc")
int reader(struct __sk_buff *skb)
{
	return skb->tc_index ? TCX_DROP : HOOK_NEXT;
}

/* The interface to which the next two programs send IPv4. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

static __always_inline __u32 target_of(const struct __sk_buff *skb)
{
	__u32 zero = 0;
	const __u32 *ifindex = bpf_map_lookup_elem(&target, &zero);

	return ifindex && skb->protocol == bpf_htons(ETH_P_IP) ? *ifindex : 0;
}

SEC("tc")
int sender_on(struct __sk_buff *skb)
{
	__u32 ifindex = target_of(skb);

	return ifindex ? bpf_redirect(ifindex, 0) : HOOK_NEXT;
}

SEC("tc")
int copier(struct __sk_buff *skb)
{
	__u32 ifindex = target_of(skb);

	if (ifindex)
		bpf_clone_redirect(skb, ifindex, 0);
	return HOOK_NEXT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
