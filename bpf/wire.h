/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include "kernel.h"

/* What a packet is on the wire, where offloads have yet to cut it up or have joined it already. */
struct wire {
	__u64 packets;
	__u64 bytes;
};

/* `headers`: what every segment repeats; only looked at for packets of several segments. */
static __always_inline struct wire wire_of(struct __sk_buff *skb, __u32 headers)
{
	struct wire wire = { .packets = 1, .bytes = skb->len };
	__u32 size = skb->gso_size;

	/* A tag that the device adds or has removed is not in the buffer, but on the wire. */
	if (unlikely(skb->vlan_present)) {
		wire.bytes += 4;
		headers += 4;
	}
	if (!size)
		return wire;
	wire.packets = skb->gso_segs;
	/* Senders that are not trusted to count (guests, tun) leave it to the receiver. */
	if (!wire.packets)
		wire.packets = skb->len > headers ? (skb->len - headers + size - 1) / size : 1;
	wire.bytes += (wire.packets - 1) * headers;
	/*
	 * On its way out the kernel has worked out the same sum, with all headers of a tunnel, of
	 * which the flow's are only the outer ones. On its way in the field is the buffer's length.
	 */
	if (skb->wire_len > wire.bytes)
		wire.bytes = skb->wire_len;
	return wire;
}
