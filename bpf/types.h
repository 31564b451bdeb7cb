/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What the datapath and user space share. User space reads the layout from the object's BTF (see
 * scripts/gen-layout.ts), so a change here shows up as a changed src/agent/drain/layout.gen.ts.
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

/* The parts of ifindex_seen: the number and, on top, the directions in which the flow was seen. */
enum ifindex_seen {
	IFINDEX_MASK = 0x3fffffff,
	SEEN_INGRESS = 0x40000000,
	SEEN_EGRESS = 0x80000000,
};

/*
 * Where packets of the flow were seen, in order of appearance; the first empty slot ends the list.
 * ifindex alone says little: every network namespace numbers its interfaces from 1. Directions sit
 * in the same word, so that a slot is claimed, compared and extended by one atomic instruction.
 */
struct observed_interface {
	__u32 netns; /* low half of the namespace's cookie; 0 when the kernel does not tell */
	enum ifindex_seen ifindex_seen; /* 0: slot is empty */
};

/*
 * 104 bytes: with the kernel's 48-byte element header and the key, an entry of a preallocated hash
 * map is exactly three cache lines, of which the second holds the end of the key and the 40 bytes
 * up to observed[0], all that a packet of a known flow touches.
 */
struct flow_metrics {
	__u64 bytes; /* on the wire: L2 header included, every segment's headers counted */
	__u64 packets; /* on the wire: segments, not socket buffers */
	__u64 end_ns; /* CLOCK_MONOTONIC, coarse: a few milliseconds of granularity */
	union {
		struct {
			__u16 tcp_flags;
			__u16 vlan_id; /* outermost tag; 0: none */
		};
		__u32 tcp_flags_word; /* BPF has no 16-bit atomics: flags are ORed through this */
	};
	__u8 dscp;
	__u8 first_direction; /* 0 ingress, 1 egress: of the hook that counted the first packet */
	__u16 eth_protocol;
	struct observed_interface observed[MAX_OBSERVED_INTERFACES];
	__u64 start_ns;
	__u32 sampling; /* 1 packet in this many was looked at; 0 and 1: all */
	__u8 src_mac[6];
	__u8 dst_mac[6];
};

_Static_assert(sizeof(struct flow_key) == 40, "see above");
_Static_assert(sizeof(struct flow_metrics) == 104, "see above");

/* One per-CPU counter pair for each way a packet can go unrecorded (and some facts besides). */
enum stat {
	STAT_SAMPLED_OUT,
	STAT_NOT_IP,
	STAT_MALFORMED, /* said to be IP, but its headers are cut short or contradict themselves */
	STAT_MAP_FULL, /* no room for a new flow */
	STAT_MAP_ERROR, /* any other refusal of the map */
	STAT_INTERFACES_MISSED, /* recorded, but on an interface for which no slot was left */
	STAT_COUNT,
};

struct stat_value {
	__u64 packets;
	__u64 bytes;
};

/* Set once before loading: the verifier prunes what is off. */
struct config {
	__u32 sampling;
	__u32 wake_entries; /* new flows in the current map that wake user space; 0: never */
	__u8 has_netns_cookie; /* the kernel lets programs see the device's namespace (Linux 6.2) */
	__u8 pad[7];
};
