// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Probes whose attach points not every kernel has, attached to one that all have: a dropped packet
 * stands for one that was sampled, or that IPsec was given.
 */

#include "../flows.bpf.c"

struct sk_buff___mark {
	__u32 mark;
} __attribute__((preserve_access_index));

/* Firewall rules of the test mark the packets that they drop. */
static __always_inline __u32 mark_of(const struct sk_buff *skb)
{
	return ((const struct sk_buff___mark *)skb)->mark;
}

/* A cookie like OVN's: of new connections, with the mark as its point. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(test_sampled, struct sk_buff *skb, void *location, __u32 reason)
{
	__u32 mark = mark_of(skb);

	if (mark)
		count_event(sampled(skb, bpf_cpu_to_be64(0x0200000000000000 | mark)));
	return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(test_ipsec, struct sk_buff *skb, void *location, __u32 reason)
{
	__u32 mark = mark_of(skb);

	if (!mark)
		return 0;
	input_begins(skb);
	/* All succeed except one. */
	return input_ends(skb, mark == 2 ? -1 : 0);
}
