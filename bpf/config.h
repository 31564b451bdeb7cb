/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Configuration that user space sets before it loads the datapath. For the layout, see types.h. */

#include "types.h"

/*
 * Set once before loading: the verifier knows the values and prunes features that are off. Offsets
 * are those of features in a flow's entry; 0: the feature is off.
 */
struct config {
	__u32 sampling;
	__u32 wake_entries; /* new flows in the current map that wake user space; 0: never */
	__u16 rtt_at;
	__u16 drops_at;
	__u16 dns_at;
	__u16 tls_at;
	__u16 quic_at;
	__u16 nat_at;
	__u16 tcp_at;
	__u16 process_at;
	__u16 tunnel_at;
	__u16 ipsec_at;
	__u16 events_at;
	__u16 openssl_at;
	__u16 filter_at;
	__u16 dns_port; /* besides 53 */
	__u16 value_bytes; /* of an entry, with what features add */
	__u16 vxlan_ports[TUNNEL_PORTS_MAX]; /* 0: none */
	__u16 geneve_ports[TUNNEL_PORTS_MAX];
	__u8 has_netns_cookie; /* the kernel lets programs see the device's namespace (Linux 6.2) */
	__u8 quic_mode; /* 1: port 443, 2: any */
	__u8 event_group; /* of psample */
	__u8 filter_rules; /* how many there are; 0: everything is recorded */
	__u8 filter_samples; /* some rule has a rate of its own */
	__u8 filter_unmatched; /* packets that no rule matches are recorded */
	__u16 filter_conditions; /* enum filter_condition of all rules, ORed */
	__u32 capture_bytes; /* bytes that are kept of a packet */
	__u32 capture_wake_bytes; /* bytes of records in the ring buffer that wake user space */
	/* How marks are made, random for each load: see tag.h. */
	__u16 tag_first; /* first tag of flows: TAG_FLOWS from here on, TAG_MAX is followed by 1 */
	__u16 tag_not_flow;
	__u16 tag_unmatched;
	__u16 tag_rejected;
	__u64 tag_seed;
	__u64 tag_factor; /* odd */
	__u16 tag_sampled_out;
	__u8 watched_only; /* probes keep to the places in `hook_facts` */
	__u8 drops_of_others; /* discarded frames for other hosts are drops, too */
	__u32 flow_entries; /* in one map */
	/* Directions in which there are hooks: DIRECTION. */
	__u8 watches_ingress;
	__u8 watches_egress;
	__u8 pad[6];
};
