/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Whether the kernel could encrypt and decrypt. On the way out the flow is that of the plain
 * packets, on the way in that of the encrypted ones: what the packet is when IPsec takes it.
 *
 * What is certain: on the way out, an error that xfrm_output() returns. It returns 0 for success,
 * but also when a cipher works in the background and may yet fail. On the way in xfrm_input()
 * returns 0 for packets that it drops, too, so its result is not asked: it tells the protocol's
 * callback, in either case, with 0 or -1.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "probed.h"
#include "registers.h"
#include "skb.h"

struct ipsec_packet {
	struct flow_key key;
	__u16 eth_protocol;
	__u16 tcp_flags;
	__u16 is_drawn; /* as in struct probed */
	__u16 is_watched;
};

/*
 * Packets that IPsec is at work on, by the address of their buffer. Those of which no end is seen
 * are the first to go.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct ipsec_packet);
} ipsec_packets SEC(".maps");

/* For kretprobes, which are not told the arguments: the buffer that a thread is at work on. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u64);
} ipsec_threads SEC(".maps");

#define IDLE_THREAD (1ULL << 63)

static __always_inline __u64 running_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	/* The idle threads of all CPUs have one id. */
	return thread ? thread : IDLE_THREAD | bpf_get_smp_processor_id();
}

static __always_inline int ipsec_begin(const struct sk_buff *skb)
{
	struct skb_view view = skb_view_of(skb);
	struct ipsec_packet begun = {};
	struct packet packet = {};
	__u64 address = (__u64)skb;

	if (skb_sampled_out(skb))
		return 0;
	if (!skb_parse(&view, &packet))
		return 0;
	begun.key = packet.key;
	begun.eth_protocol = packet.eth_protocol;
	begun.tcp_flags = packet.tcp_flags;
	begun.is_drawn = skb_seen(skb);
	begun.is_watched = is_watched_skb(skb, BPF_CORE_READ(skb, sk));
	if (bpf_map_update_elem(&ipsec_packets, &address, &begun, BPF_ANY))
		count_in_probe(STAT_FEATURE_LOST, 1, 0);
	return 0;
}

/* An error stays, whatever succeeds after it. */
static __always_inline int ipsec_end(const struct sk_buff *skb, int result)
{
	__u64 address = (__u64)skb;
	struct ipsec_packet *begun = bpf_map_lookup_elem(&ipsec_packets, &address);
	struct ipsec_metrics *metrics;
	struct flow_metrics *flow;
	struct probed probed;

	if (!begun)
		return 0;
	probed = (struct probed){ &begun->key, begun->eth_protocol, begun->tcp_flags,
				  begun->is_drawn, begun->is_watched };
	flow = find_wanted_flow(&probed);
	if (flow) {
		metrics = extension(flow, config.ipsec_at);
		if (result < 0)
			metrics->result = result;
		metrics->seen = 1;
	}
	bpf_map_delete_elem(&ipsec_packets, &address);
	return 0;
}

SEC("fentry/xfrm_input")
int BPF_PROG(ipsec_input, struct sk_buff *skb)
{
	return ipsec_begin(skb);
}

/* Static in the kernel, but called by address only, so that they are there to be traced. */
SEC("fentry/xfrm4_rcv_cb")
int BPF_PROG(ipsec_input4_end, struct sk_buff *skb, __u8 protocol, int error)
{
	return ipsec_end(skb, error);
}

SEC("fentry/xfrm6_rcv_cb")
int BPF_PROG(ipsec_input6_end, struct sk_buff *skb, __u8 protocol, int error)
{
	return ipsec_end(skb, error);
}

SEC("fentry/xfrm_output")
int BPF_PROG(ipsec_output, struct sock *sk, struct sk_buff *skb)
{
	return ipsec_begin(skb);
}

SEC("fexit/xfrm_output")
int BPF_PROG(ipsec_output_end, struct sock *sk, struct sk_buff *skb, int result)
{
	return ipsec_end(skb, result);
}

SEC("kprobe/xfrm_input")
int ipsec_input_kprobe(struct pt_regs *registers)
{
	return ipsec_begin((void *)argument(registers, 0));
}

SEC("kprobe/xfrm4_rcv_cb")
int ipsec_input4_end_kprobe(struct pt_regs *registers)
{
	return ipsec_end((void *)argument(registers, 0), argument(registers, 2));
}

SEC("kprobe/xfrm6_rcv_cb")
int ipsec_input6_end_kprobe(struct pt_regs *registers)
{
	return ipsec_end((void *)argument(registers, 0), argument(registers, 2));
}

SEC("kprobe/xfrm_output")
int ipsec_output_kprobe(struct pt_regs *registers)
{
	__u64 thread = running_thread();
	__u64 address = argument(registers, 1);

	if (bpf_map_update_elem(&ipsec_threads, &thread, &address, BPF_ANY))
		count_in_probe(STAT_FEATURE_LOST, 1, 0);
	return ipsec_begin((void *)address);
}

SEC("kretprobe/xfrm_output")
int ipsec_output_end_kprobe(struct pt_regs *registers)
{
	__u64 thread = running_thread();
	const __u64 *address = bpf_map_lookup_elem(&ipsec_threads, &thread);

	if (!address)
		return 0;
	ipsec_end((void *)*address, result(registers));
	bpf_map_delete_elem(&ipsec_threads, &thread);
	return 0;
}
