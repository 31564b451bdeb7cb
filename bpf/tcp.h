/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * How TCP fares. Hooks see resets and closed windows in the packets themselves; only the sender's
 * TCP knows about retransmissions and about the outcome of attempts to connect.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "parse.h"
#include "probed.h"
#include "sockets.h"

/* From the kernel's include/net/tcp_states.h. */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_CLOSE 7

/* The time when a socket began to connect, CLOCK_MONOTONIC. Freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} connecting SEC(".maps");

/* For hooks: counts what `packet` shows, see tcp_trouble. */
static __always_inline void note_trouble(struct flow_metrics *flow, const struct packet *packet)
{
	struct tcp_metrics *tcp = extension(flow, config.tcp_at);

	if (packet->tcp_flags & TCP_RST)
		__sync_fetch_and_add(&tcp->resets, 1);
	else
		__sync_fetch_and_add(&tcp->zero_windows, 1);
}

/* Describes a flow by its socket; the packet sent is a clone of TCP's own, and has its own mark. */
static __always_inline struct probed probed_socket(const struct flow_key *key, __u32 directions)
{
	return (struct probed){ .key = key,
				.eth_protocol = eth_protocol_of(key),
				.directions = directions };
}

/* For counting an event; NULL: the flow is not wanted, or the draw is lost. */
static __always_inline struct tcp_metrics *drawn_tcp(const struct flow_key *key, __u32 directions)
{
	struct probed probed = probed_socket(key, directions);
	struct flow_metrics *flow = find_drawn_flow(&probed);

	return flow ? extension(flow, config.tcp_at) : NULL;
}

/* Since Linux 6.17 attempts that fail are traced, too, with their error as a third argument. */
static __always_inline bool has_failed(const unsigned long long *arguments)
{
	return bpf_core_field_exists(struct trace_event_raw_tcp_retransmit_skb, err) &&
	       (int)arguments[2];
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcp_sent_again, const struct sock *sk, const struct sk_buff *skb)
{
	const struct tcp_skb_cb *segments = (const void *)skb->cb;
	struct flow_key key = {};
	struct tcp_metrics *tcp;
	__u16 count = 0;

	if (has_failed(ctx) || !socket_flow(sk, IPPROTO_TCP, false, &key))
		return 0;
	tcp = drawn_tcp(&key, socket_direction(sk, false));
	if (!tcp)
		return 0;
	bpf_core_read(&count, sizeof(count), &segments->tcp_gso_segs);
	__sync_fetch_and_add(&tcp->retransmissions, count ? count : 1);
	return 0;
}

/* The answer to a SYN, sent by a request that is not a socket yet. */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(tcp_accepted_again, const struct sock *sk, const struct request_sock *request)
{
	struct flow_key key = {};
	struct tcp_metrics *tcp;
	__u32 directions;

	if (!common_flow(&request->__req_common, SOCK_TYPED, IPPROTO_TCP, false, &key))
		return 0;
	/*
	 * Its interface is unknown, but the answer has been sent by now: a hook there has seen it.
	 */
	directions = config.watched_only ? 0 : hook_directions() & FILTER_OF_EGRESS;
	tcp = drawn_tcp(&key, directions);
	if (tcp)
		__sync_fetch_and_add(&tcp->retransmissions, 1);
	return 0;
}

static __always_inline bool connecting_flow(struct sock *sk, struct flow_key *key)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	/*
	 * The kernel gives the port back before it reports the change; inet_sport keeps the number.
	 */
	if (!tcp || !socket_flow(sk, IPPROTO_TCP, false, key))
		return false;
	key->src_port = bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport);
	return true;
}

static __always_inline void note_failed_connect(const struct sock *sk, const struct flow_key *key)
{
	struct tcp_metrics *tcp = drawn_tcp(key, socket_direction(sk, false));

	if (tcp)
		__sync_fetch_and_add(&tcp->failed_connects, 1);
}

static __always_inline void note_handshake(const struct sock *sk, const struct flow_key *key,
					   __u64 duration_ns)
{
	struct probed probed = probed_socket(key, socket_direction(sk, false));
	struct flow_metrics *flow = find_wanted_flow(&probed);
	struct tcp_metrics *tcp;

	if (!flow)
		return;
	tcp = extension(flow, config.tcp_at);
	if (duration_ns > tcp->handshake_ns)
		tcp->handshake_ns = duration_ns;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcp_connected, struct sock *sk, int before, int after)
{
	struct flow_key key = {};
	__u64 now = bpf_ktime_get_ns();
	__u64 *since;

	if (after == TCP_SYN_SENT) {
		since = bpf_sk_storage_get(&connecting, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
		if (since)
			*since = now;
		return 0;
	}
	if (before != TCP_SYN_SENT || (after != TCP_ESTABLISHED && after != TCP_CLOSE))
		return 0;
	if (!connecting_flow(sk, &key))
		return 0;
	if (after == TCP_CLOSE) {
		note_failed_connect(sk, &key);
		return 0;
	}
	since = bpf_sk_storage_get(&connecting, sk, NULL, 0);
	if (!since)
		return 0;
	note_handshake(sk, &key, now - *since);
	bpf_sk_storage_delete(&connecting, sk);
	return 0;
}
