/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What the datapath and user space share. User space reads the layout from the object's BTF (see
 * scripts/gen.ts), so a change here shows up as a changed src/agent/drain/layout.gen.ts.
 *
 * All integers are in host order; addresses and MACs are the packet's bytes.
 */

/* A flow is unidirectional. IPv4 addresses are kept as ::ffff:a.b.c.d. */
struct flow_key {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u16 src_port;
	__u16 dst_port;
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 pad;
};

/* Interfaces on which packets of one flow are remembered; more are counted in a statistic. */
#define MAX_OBSERVED_INTERFACES 6

/*
 * Where packets of the flow were seen. ifindex alone says little: every network namespace numbers
 * its interfaces from 1.
 */
struct observed_interface {
	__u32 netns; /* low half of the namespace's cookie; 0 when the kernel does not tell */
	__u32 ifindex;
};

#define SEEN_INGRESS 1
#define SEEN_EGRESS 2

struct flow_metrics {
	__u64 start_ns; /* CLOCK_MONOTONIC, coarse: a few milliseconds of granularity */
	__u64 end_ns;
	__u64 bytes; /* on the wire: L2 header included, every segment's headers counted */
	__u64 packets; /* on the wire: segments, not socket buffers */
	__u32 sampling; /* 1 packet in this many was looked at; 0 and 1: all */
	__u16 eth_protocol;
	__u16 tcp_flags;
	__u8 src_mac[6];
	__u8 dst_mac[6];
	__u16 vlan_id; /* outermost tag found in the frame; 0: none */
	__u8 dscp;
	__u8 observed_count;
	struct observed_interface observed[MAX_OBSERVED_INTERFACES];
	__u8 observed_direction[MAX_OBSERVED_INTERFACES]; /* SEEN_* bits */
	__u8 first_direction; /* 0 ingress, 1 egress: of the hook that counted the first packet */
	__u8 pad;
};

/* One per-CPU counter pair for each way a packet can go unrecorded (and some facts besides). */
enum stat {
	STAT_SAMPLED_OUT,
	STAT_NOT_IP,
	STAT_MALFORMED, /* IP said to be there, but its headers are cut short or contradict themselves */
	STAT_MAP_FULL, /* no room for a new flow */
	STAT_MAP_ERROR, /* any other refusal of the map */
	STAT_INTERFACES_MISSED, /* recorded, but on one interface more than the flow has slots for */
	STAT_COUNT,
};

struct stat_value {
	__u64 packets;
	__u64 bytes;
};

/* Set once before loading: the verifier prunes what is off. */
struct config {
	__u32 sampling;
	__u32 wake_entries; /* new flows in the current map at which user space is woken to drain */
	__u8 has_netns_cookie;
	__u8 pad[7];
};
