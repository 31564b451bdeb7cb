/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The parts of the kernel's own structures that programs read. Only names and types matter here:
 * libbpf fills in the running kernel's offsets.
 */

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct net {
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	possible_net_t nd_net;
	int ifindex;
};

struct xfrm_state;

struct dst_entry {
	struct net_device *dev;
	struct xfrm_state *xfrm;
};

/* The value of both RTCF_LOCAL and RTF_LOCAL. */
#define ROUTE_LOCAL 0x80000000

/* Both begin with a struct dst_entry. */
struct rtable {
	unsigned int rt_flags;
};

struct rt6_info {
	__u32 rt6i_flags;
};

/* A route through IPsec begins like any other. */
struct xfrm_dst {
	struct dst_entry *child;
};

typedef union {
	__be32 a4;
	__be32 a6[4];
} xfrm_address_t;

struct xfrm_id {
	xfrm_address_t daddr;
	__u8 proto;
};

struct xfrm_encap_tmpl {
	__u16 encap_type;
	__be16 encap_sport;
	__be16 encap_dport;
};

struct xfrm_state {
	struct xfrm_id id;
	struct {
		__u8 mode;
		__u16 family;
		xfrm_address_t saddr;
	} props;
	struct xfrm_encap_tmpl *encap;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	__u8 cb[48];
	unsigned long _skb_refdst;
	__u32 len;
	int skb_iif;
	__u32 vlan_all; /* Linux 6.1 */
	__be16 protocol;
	__u16 tc_index;
	__u16 inner_transport_header;
	__u16 network_header;
	__u16 mac_header;
	__u32 tail;
	__u32 end;
	unsigned char *head;
	unsigned char *data;
};

struct skb_shared_info {
	__u16 gso_size;
	__u16 gso_segs;
	unsigned int gso_type;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	__u8 skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	struct sock_common __sk_common;
	struct dst_entry *sk_dst_cache;
};

struct minmax_sample {
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct request_sock {
	struct sock_common __req_common;
};

struct inet_sock {
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_skb_cb {
	__u16 tcp_gso_segs;
};

/* Shows whether the tracepoint of this name has a third argument. */
struct trace_event_raw_tcp_retransmit_skb {
	int err; /* Linux 6.17 */
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 srtt_us;
	struct minmax rtt_min;
};

struct task_struct {
	struct task_struct *group_leader;
	char comm[16];
};

/* Only names matter; the values are the running kernel's. */
enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED = 2,
	SKB_DROP_REASON_OTHERHOST = 6, /* Linux 5.18 */
	SKB_DROP_REASON_CPU_BACKLOG = 47, /* Linux 5.18 */
};

#pragma clang attribute pop
