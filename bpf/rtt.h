/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Round-trip times. The kernel reports every segment that an established connection receives, after
 * the hooks have counted it: a flow that is not there was not wanted.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "sockets.h"

/* tcp_sock.srtt_us holds eighths. */
#define SRTT_SHIFT 3

SEC("tp_btf/tcp_probe")
int BPF_PROG(rtt_tcp_probe, struct sock *sk, struct sk_buff *skb)
{
	struct flow_key key = {};
	struct flow_metrics *flow;
	struct rtt_metrics *rtt;
	struct tcp_sock *tcp;
	__u32 smoothed, min;

	if (was_sampled_out(skb))
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp || !socket_flow(sk, IPPROTO_TCP, true, &key))
		return 0;
	flow = find_flow(&key);
	if (!flow)
		return 0;
	rtt = extension(flow, config.rtt_at);
	smoothed = tcp->srtt_us >> SRTT_SHIFT;
	min = tcp->rtt_min.s[0].v;
	/* If CPUs race, the value that is lost is as good as the one that is kept. */
	if (smoothed > rtt->smoothed_us)
		rtt->smoothed_us = smoothed;
	/* All ones: TCP has measured none. */
	if (min && min != (__u32)-1 && (!rtt->min_us || min < rtt->min_us))
		rtt->min_us = min;
	return 0;
}
