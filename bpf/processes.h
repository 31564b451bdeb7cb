/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Finds the process whose socket a flow belongs to. Probes that run in a process, when it connects,
 * listens, sends or receives, store the process at the socket; hooks, which run anywhere, read it
 * there. Accepted sockets inherit it from the listening one. The process of a socket that is older
 * than our programs is known once the socket is used again.
 *
 * The first datagram passes all hooks before its sender's call returns, and is received after all
 * of them. So a hook leaves its flow's key at a socket without an owner, and the probe that stores
 * the owner there completes that flow, too.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "maps.h"
#include "parse.h"
#include "sockets.h"
#include "tcp.h"

#define TCP_LISTEN 10

/* Packets of a flow, between two drains, whose socket is checked: some have no owner. */
#define SOCKET_ATTEMPTS_MAX 16
/* Lookups of the socket that a UDP flow is for: each costs as much as counting a packet. */
#define LOOKUP_ATTEMPTS_MAX 2

struct socket_owner {
	__u64 cgroup;
	__u32 pid; /* 0: none yet */
	__u32 is_awaited; /* by `flow` */
	__u8 comm[16];
	struct flow_key flow;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_owner);
} owners SEC(".maps");

static __always_inline void give_process(struct flow_metrics *flow,
					 const struct socket_owner *owner)
{
	struct process_metrics *process = extension(flow, config.process_at);

	process->cgroup = owner->cgroup;
	__builtin_memcpy(process->comm, owner->comm, sizeof(process->comm));
	process->pid = owner->pid;
}

static __always_inline void ask_socket(struct bpf_sock *sk, const struct packet *packet,
				       struct flow_metrics *flow)
{
	struct process_metrics *process = extension(flow, config.process_at);
	struct socket_owner *owner =
		bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	process->attempts++;
	if (!owner)
		return;
	if (owner->pid) {
		give_process(flow, owner);
	} else if (!owner->is_awaited) {
		owner->flow = packet->key;
		owner->is_awaited = true;
	}
}

/*
 * Sockets without an address of their own are found for any address, also for those of packets that
 * are only passing through. If forwarding is off, no packets pass through.
 */
static noinline bool is_delivered_here(struct __sk_buff *skb, const struct packet *packet)
{
	const struct flow_key *key = &packet->key;
	struct bpf_fib_lookup route = { .ifindex = skb->ifindex };
	long fate;

	if (packet->eth_protocol == ETH_P_IP) {
		route.family = AF_INET;
		__builtin_memcpy(&route.ipv4_src, key->src_ip + 12, sizeof(route.ipv4_src));
		__builtin_memcpy(&route.ipv4_dst, key->dst_ip + 12, sizeof(route.ipv4_dst));
	} else {
		route.family = AF_INET6;
		__builtin_memcpy(route.ipv6_src, key->src_ip, sizeof(route.ipv6_src));
		__builtin_memcpy(route.ipv6_dst, key->dst_ip, sizeof(route.ipv6_dst));
	}
	fate = bpf_fib_lookup(skb, &route, sizeof(route), 0);
	return fate == BPF_FIB_LKUP_RET_NOT_FWDED || fate == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline bool has_no_address(const struct bpf_sock *sk)
{
	return !(sk->src_ip4 | sk->src_ip6[0] | sk->src_ip6[1] | sk->src_ip6[2] | sk->src_ip6[3]);
}

/* Asks the socket that a datagram is for, which may never send one and become known that way. */
static noinline void ask_receiver(struct __sk_buff *skb, const struct packet *packet,
				  struct flow_metrics *flow)
{
	const struct flow_key *key = &packet->key;
	struct bpf_sock_tuple tuple = {};
	__u32 size = sizeof(tuple.ipv6);
	struct bpf_sock *sk;

	if (packet->eth_protocol == ETH_P_IP) {
		size = sizeof(tuple.ipv4);
		__builtin_memcpy(&tuple.ipv4.saddr, key->src_ip + 12, sizeof(tuple.ipv4.saddr));
		__builtin_memcpy(&tuple.ipv4.daddr, key->dst_ip + 12, sizeof(tuple.ipv4.daddr));
		tuple.ipv4.sport = bpf_htons(key->src_port);
		tuple.ipv4.dport = bpf_htons(key->dst_port);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, key->src_ip, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, key->dst_ip, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = bpf_htons(key->src_port);
		tuple.ipv6.dport = bpf_htons(key->dst_port);
	}
	sk = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return;
	if (!has_no_address(sk) || is_delivered_here(skb, packet))
		ask_socket(sk, packet, flow);
	bpf_sk_release(sk);
}

/*
 * A packet keeps its sender's socket until the receiving side's IP layer, through veth pairs and
 * bridges. If no process is found, user space takes that of the other direction.
 */
static __always_inline void note_process(struct __sk_buff *skb, const struct packet *packet,
					 struct flow_metrics *flow)
{
	struct process_metrics *process = extension(flow, config.process_at);
	struct bpf_sock *sk;

	if (process->pid || process->attempts >= SOCKET_ATTEMPTS_MAX)
		return;
	sk = skb->sk;
	if (sk)
		sk = bpf_sk_fullsock(sk);
	/*
	 * A packet of a packet socket, which is of another family, may still be for another socket.
	 */
	if (sk && (sk->family == AF_INET || sk->family == AF_INET6)) {
		ask_socket(sk, packet, flow);
	} else if (packet->key.protocol == IPPROTO_UDP &&
		   process->attempts < LOOKUP_ATTEMPTS_MAX) {
		process->attempts++;
		ask_receiver(skb, packet, flow);
	}
}

/* Stores the running process as the socket's owner. */
static __always_inline void own(struct sock *sk)
{
	const struct task_struct *task;
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u16 family = sk->__sk_common.skc_family;
	struct socket_owner *owner;
	struct flow_metrics *flow;

	if (!pid || (family != AF_INET && family != AF_INET6))
		return;
	owner = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner)
		return;
	if (owner->pid != pid) {
		task = bpf_get_current_task_btf();
		/* The process's name; threads may have names of their own. */
		__builtin_memcpy(owner->comm, task->group_leader->comm, sizeof(owner->comm));
		owner->cgroup = bpf_get_current_cgroup_id();
		owner->pid = pid;
	}
	if (!owner->is_awaited)
		return;
	owner->is_awaited = false;
	flow = find_flow(&owner->flow);
	if (flow)
		give_process(flow, owner);
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(process_sent, struct sock *sk)
{
	own(sk);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(process_received, struct sock *sk)
{
	own(sk);
	return 0;
}

/* Connecting and listening are calls; all other changes may come with a packet. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(process_called, struct sock *sk, int before, int after)
{
	if (after == TCP_SYN_SENT || after == TCP_LISTEN)
		own(sk);
	return 0;
}
