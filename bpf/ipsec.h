/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Records whether the kernel could encrypt and decrypt. The result goes to the flow of the packet
 * as IPsec takes it: plain on the way out, encrypted on the way in. If the packet has become ESP on
 * its way out, the flow of ESP gets the result, too, since hooks see no other: a plain flow that no
 * hook has seen has no packets.
 *
 * On the way out, only an error that xfrm_output() returns is certain. It returns 0 for success,
 * but also when a cipher works in the background and may yet fail. On the way in, xfrm_input()
 * returns 0 for packets that it drops, too, so its result is not used: in either case it calls the
 * protocol's callback with 0 or -1.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "probed.h"
#include "registers.h"
#include "skb.h"

#define XFRM_MODE_TRANSPORT 0
#define XFRM_MAX_DEPTH 6

struct ipsec_packet {
	struct flow_key key;
	struct flow_key outer; /* on the way out, what it becomes; protocol 0: unknown */
	__u64 address; /* of its buffer */
	__u16 eth_protocol;
	__u16 tcp_flags;
	__u8 is_drawn; /* as in struct probed */
	__u8 directions;
	__u8 is_told; /* its result is to be recorded */
	__u8 pad;
};

/*
 * Packets that IPsec is processing: incoming ones by the address of their buffer, which is theirs
 * until their end is reported; outgoing ones by the call. Packets whose end is never seen are
 * removed first.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct ipsec_packet);
} ipsec_packets SEC(".maps");

#define IDLE_THREAD (1ULL << 63)

/*
 * A packet sent to this host itself may arrive and be answered, and its buffer be used again,
 * before xfrm_output() returns. Each of these calls is nested in the one before, in the same
 * thread.
 */
#define CALLS_NESTED_MAX 4
#define CALL_SHIFT 54 /* above process ids, which have 22 bits */

static __always_inline __u64 running_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	/* The idle threads of all CPUs share one id. */
	return thread ? thread : IDLE_THREAD | bpf_get_smp_processor_id();
}

static __always_inline __u64 nested_call(__u64 thread, __u32 depth)
{
	return thread | (__u64)depth << CALL_SHIFT;
}

static __always_inline void describe_ipsec(const struct sk_buff *skb, struct ipsec_packet *begun)
{
	struct skb_view view = skb_view_of(skb);
	struct packet packet = {};

	begun->address = (__u64)skb;
	if (skb_sampled_out(skb) || !skb_parse(&view, &packet))
		return;
	begun->key = packet.key;
	begun->eth_protocol = packet.eth_protocol;
	begun->tcp_flags = packet.tcp_flags;
	begun->is_drawn = skb_seen(skb);
	begun->directions =
		skb_directions(skb, BPF_CORE_READ(skb, sk), BPF_CORE_READ(skb, skb_iif));
	begun->is_told = true;
}

static __always_inline void take_address(__u8 into[16], const xfrm_address_t *address, __u16 family)
{
	if (family == AF_INET)
		map_ipv4(into, address->a4);
	else
		__builtin_memcpy(into, address->a6, sizeof(address->a6));
}

/* A tunnel's packets have addresses of their own. */
static __always_inline void enter_state(const struct xfrm_state *state, struct flow_key *outer)
{
	__u16 family = BPF_CORE_READ(state, props.family);
	xfrm_address_t from, to;

	if (BPF_CORE_READ(state, props.mode) == XFRM_MODE_TRANSPORT)
		return;
	BPF_CORE_READ_INTO(&from, state, props.saddr);
	BPF_CORE_READ_INTO(&to, state, id.daddr);
	take_address(outer->src_ip, &from, family);
	take_address(outer->dst_ip, &to, family);
	outer->mapped = family != AF_INET && has_mapped(outer);
}

/* Sets what hooks see of a packet that has become ESP, with or without a UDP header. */
static __always_inline void name_outer(const struct xfrm_state *last, struct flow_key *outer)
{
	const struct xfrm_encap_tmpl *encap = BPF_CORE_READ(last, encap);

	if (BPF_CORE_READ(last, id.proto) != IPPROTO_ESP)
		return;
	if (!encap) {
		outer->protocol = IPPROTO_ESP;
	} else if (BPF_CORE_READ(encap, encap_type) == UDP_ENCAP_ESPINUDP) {
		outer->protocol = IPPROTO_UDP;
		outer->src_port = bpf_ntohs(BPF_CORE_READ(encap, encap_sport));
		outer->dst_port = bpf_ntohs(BPF_CORE_READ(encap, encap_dport));
	}
}

/* Goes through the transformations that the packet's route has for it, the outermost last. */
static __always_inline void describe_outer(const struct sk_buff *skb, struct ipsec_packet *begun)
{
	const struct dst_entry *route = (const void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);
	const struct xfrm_state *last = NULL, *state;
	struct flow_key *outer = &begun->outer;

	__builtin_memcpy(outer->src_ip, begun->key.src_ip, sizeof(outer->src_ip));
	__builtin_memcpy(outer->dst_ip, begun->key.dst_ip, sizeof(outer->dst_ip));
	outer->mapped = begun->key.mapped;
	for (int i = 0; i < XFRM_MAX_DEPTH && route; i++) {
		state = BPF_CORE_READ(route, xfrm);
		if (!state)
			break;
		enter_state(state, outer);
		last = state;
		route = BPF_CORE_READ((const struct xfrm_dst *)route, child);
	}
	if (last)
		name_outer(last, outer);
}

static __always_inline void note_result(struct flow_metrics *flow, int result)
{
	struct ipsec_metrics *metrics = extension(flow, config.ipsec_at);

	/* An error stays, even if later packets succeed. */
	if (result < 0)
		metrics->result = result;
	metrics->seen = 1;
}

static __always_inline void tell_result(const struct ipsec_packet *begun, int result)
{
	struct probed probed = { &begun->key, begun->eth_protocol, begun->tcp_flags,
				 begun->is_drawn, begun->directions };
	struct flow_metrics *flow;

	if (!begun->is_told)
		return;
	flow = find_wanted_flow(&probed);
	if (flow)
		note_result(flow, result);
	/* Hooks have seen the encrypted packet already, if it was sent at once. */
	flow = result >= 0 && begun->outer.protocol ? find_flow(&begun->outer) : NULL;
	if (flow)
		note_result(flow, 0);
}

static __always_inline int input_begins(const struct sk_buff *skb)
{
	struct ipsec_packet begun = {};

	describe_ipsec(skb, &begun);
	if (begun.is_told &&
	    bpf_map_update_elem(&ipsec_packets, &begun.address, &begun, BPF_ANY))
		count_in_probe(STAT_FEATURE_LOST, 1, 0);
	return 0;
}

static __always_inline int input_ends(const struct sk_buff *skb, int result)
{
	__u64 address = (__u64)skb;
	struct ipsec_packet *begun = bpf_map_lookup_elem(&ipsec_packets, &address);

	if (!begun)
		return 0;
	tell_result(begun, result);
	bpf_map_delete_elem(&ipsec_packets, &address);
	return 0;
}

/* A packet without a result to record is noted, too, so that its end is matched to this call. */
static __always_inline int output_begins(const struct sk_buff *skb)
{
	struct ipsec_packet begun = {};
	__u64 thread = running_thread(), call;

	describe_ipsec(skb, &begun);
	if (begun.is_told)
		describe_outer(skb, &begun);
	for (__u32 depth = 0; depth < CALLS_NESTED_MAX; depth++) {
		call = nested_call(thread, depth);
		if (!bpf_map_update_elem(&ipsec_packets, &call, &begun, BPF_NOEXIST))
			return 0;
	}
	/* Ends were missed, or the map is full: the last entry is replaced. */
	count_in_probe(STAT_FEATURE_LOST, 1, 0);
	bpf_map_update_elem(&ipsec_packets, &call, &begun, BPF_ANY);
	return 0;
}

/* `address`: of the packet's buffer; 0, if it is not known: takes the call that began last. */
static __always_inline int output_ends(__u64 address, int result)
{
	__u64 thread = running_thread(), call;
	struct ipsec_packet *begun;

	for (__u32 depth = CALLS_NESTED_MAX; depth-- > 0;) {
		call = nested_call(thread, depth);
		begun = bpf_map_lookup_elem(&ipsec_packets, &call);
		if (!begun || (address && begun->address != address))
			continue;
		tell_result(begun, result);
		bpf_map_delete_elem(&ipsec_packets, &call);
		break;
	}
	return 0;
}

SEC("fentry/xfrm_input")
int BPF_PROG(ipsec_input, struct sk_buff *skb)
{
	return input_begins(skb);
}

/* Static in the kernel, but called only by address, so they exist as functions to trace. */
SEC("fentry/xfrm4_rcv_cb")
int BPF_PROG(ipsec_input4_end, struct sk_buff *skb, __u8 protocol, int error)
{
	return input_ends(skb, error);
}

SEC("fentry/xfrm6_rcv_cb")
int BPF_PROG(ipsec_input6_end, struct sk_buff *skb, __u8 protocol, int error)
{
	return input_ends(skb, error);
}

SEC("fentry/xfrm_output")
int BPF_PROG(ipsec_output, struct sock *sk, struct sk_buff *skb)
{
	return output_begins(skb);
}

SEC("fexit/xfrm_output")
int BPF_PROG(ipsec_output_end, struct sock *sk, struct sk_buff *skb, int result)
{
	return output_ends((__u64)skb, result);
}

SEC("kprobe/xfrm_input")
int ipsec_input_kprobe(struct pt_regs *registers)
{
	return input_begins((void *)argument(registers, 0));
}

SEC("kprobe/xfrm4_rcv_cb")
int ipsec_input4_end_kprobe(struct pt_regs *registers)
{
	return input_ends((void *)argument(registers, 0), argument(registers, 2));
}

SEC("kprobe/xfrm6_rcv_cb")
int ipsec_input6_end_kprobe(struct pt_regs *registers)
{
	return input_ends((void *)argument(registers, 0), argument(registers, 2));
}

SEC("kprobe/xfrm_output")
int ipsec_output_kprobe(struct pt_regs *registers)
{
	return output_begins((void *)argument(registers, 1));
}

/* A kretprobe does not get the arguments. */
SEC("kretprobe/xfrm_output")
int ipsec_output_end_kprobe(struct pt_regs *registers)
{
	return output_ends(0, result(registers));
}
