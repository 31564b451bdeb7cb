// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The datapath: counts every packet that passes a hook into its flow and touches nothing else.
 * Every program always returns HOOK_NEXT, so that no verdict is ours.
 */

#include "kernel.h"
#include "types.h"
#include "capture.h"
#include "choose.h"
#include "record.h"
#include "drops.h"
#include "events.h"
#include "ipsec.h"
#include "openssl.h"
#include "rtt.h"

static __always_inline int flow(struct __sk_buff *skb, bool egress, bool has_l2)
{
	struct packet packet = {};

	if (choose(skb, &packet, egress, has_l2, true) == PACKET_WANTED)
		record(skb, &packet, egress, has_l2);
	return HOOK_NEXT;
}

SEC("tc")
int flow_ingress_l2(struct __sk_buff *skb)
{
	return flow(skb, false, true);
}

SEC("tc")
int flow_egress_l2(struct __sk_buff *skb)
{
	return flow(skb, true, true);
}

SEC("tc")
int flow_ingress_l3(struct __sk_buff *skb)
{
	return flow(skb, false, false);
}

SEC("tc")
int flow_egress_l3(struct __sk_buff *skb)
{
	return flow(skb, true, false);
}

SEC("tc")
int capture_ingress_l2(struct __sk_buff *skb)
{
	return capture(skb, false, true);
}

SEC("tc")
int capture_egress_l2(struct __sk_buff *skb)
{
	return capture(skb, true, true);
}

SEC("tc")
int capture_ingress_l3(struct __sk_buff *skb)
{
	return capture(skb, false, false);
}

SEC("tc")
int capture_egress_l3(struct __sk_buff *skb)
{
	return capture(skb, true, false);
}

/*
 * Does nothing: shows whether a hook can be attached, without touching a packet; and, while it is
 * not attached, whether the process that loaded it still exists.
 */
SEC("tc")
int hook_check(struct __sk_buff *skb)
{
	return HOOK_NEXT;
}

/* Helpers such as bpf_ktime_get_coarse_ns() are available to programs under the GPL. */
char _license[] SEC("license") = "Dual BSD/GPL";
