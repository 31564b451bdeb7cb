/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Structures that a capture shares with user space, like those in types.h. */

#include "kernel.h"

/* The most bytes captured of a packet: the largest that offloads make, and its link layer. */
#define CAPTURE_BYTES_MAX 65664

/* The head of a record in the ring buffer `captured`; the packet and some room follow. */
struct captured_packet {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 length; /* bytes that follow */
	__u32 original; /* bytes of the packet, without a VLAN tag that the device keeps apart */
	__u32 wire_packets; /* packets on the wire, as in flow_metrics */
	__u32 wire_bytes;
	__u32 ifindex;
	__u32 netns; /* as in observed_interface */
	__u16 vlan_tci; /* the tag that the device keeps apart */
	__u16 vlan_protocol; /* its EtherType; 0: none */
	__u8 egress;
	__u8 has_l2; /* it begins with an Ethernet header */
	__u8 pad[2];
};
