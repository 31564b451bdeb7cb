/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* A packet as hooks and probes see it, and how its bytes are read. */

#include "kernel.h"
#include "types.h"

/*
 * Shows the verifier that an offset is small. Headers that reach further than HEADERS_MAX are
 * counted as malformed, so that the ones behind them still end before the mask.
 */
#define OFFSET_MASK 0x7fff
#define HEADERS_MAX 0x7c00

enum verdict {
	PARSE_FLOW,
	PARSE_NOT_IP,
	PARSE_MALFORMED,
	PARSE_NOT_LOOKED_INTO, /* it may have IP inside */
};

struct packet {
	struct flow_key key;
	__u32 l3; /* offsets from the start of the frame */
	__u32 l4;
	__u32 end; /* end of the IP packet, as its header says */
	__u32 headers; /* start of the transport's payload; each segment repeats what is before */
	__u16 inner_headers; /* inner headers of an offloaded tunnel, which each segment repeats */
	__u16 eth_protocol;
	__u16 tcp_flags;
	__u16 vlan_id;
	__u8 dscp;
	__u8 jumbo; /* bytes of `headers` that segments do not have */
	__u8 ip_protocol; /* from the IP header; the key has the one behind extensions */
	bool is_fragment;
	bool is_later_fragment;
	bool tcp_trouble; /* a reset or a closed window; only looked for if it is counted */
	bool only_if_dropped; /* wanted only if its flow has drops */
	bool is_tagged, is_left_out, is_rejected; /* see choose.h */
	bool leaves_in_fragments; /* see fragments_on_wire() */
	/*
	 * If the flow is that of a tunnel's inner packet: offsets of the headers around it, 0:
	 * none.
	 */
	__u8 tunnel_type;
	__u16 outer_l3;
	__u16 tunnel_header;
	__u16 inner_l2;
	__u32 fragment_id;
	__u32 sampling; /* one in this many, by the rule that wants it; 0: as in `config` */
};

/* Tests clear it so that every access takes the rarer path, a copy. */
#ifndef READ_IN_PLACE
#define READ_IN_PLACE 1
#endif

/*
 * Returns `size` bytes at `offset`: in place if linear, else copied into `copy`; NULL: not that
 * many. The compiler would let callers test the helper's result a second time instead of the
 * pointer; before Linux 6.8 the verifier does not remember that it was not 0.
 */
static __always_inline const void *peek(struct __sk_buff *skb, __u32 offset, void *copy, __u32 size)
{
	const void *at;

	offset &= OFFSET_MASK;
	at = (const void *)(long)skb->data + offset;
	if (unlikely(!READ_IN_PLACE || at + size > (const void *)(long)skb->data_end)) {
		at = bpf_skb_load_bytes(skb, offset, copy, size) ? NULL : copy;
		asm volatile("" : "+r"(at));
	}
	return at;
}
