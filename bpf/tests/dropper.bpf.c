// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Someone else's TCX program: it drops UDP over IPv4 and lets all else through. */

#include "kernel.h"

#define TCX_NEXT -1
#define TCX_DROP 2
#define PROTOCOL_AT (ETH_HLEN + 9)

SEC("tc")
int dropper(struct __sk_buff *skb)
{
	__u8 protocol = 0;

	if (skb->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes(skb, PROTOCOL_AT, &protocol, sizeof(protocol)))
		return TCX_NEXT;
	return protocol == IPPROTO_UDP ? TCX_DROP : TCX_NEXT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
