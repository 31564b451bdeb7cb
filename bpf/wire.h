/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include "kernel.h"
#include "packet.h"

#define VLAN_TAG_BYTES 4

/* Size of a packet on the wire: offloads have yet to cut it up or have already joined it. */
struct wire {
	__u64 packets;
	__u64 bytes;
};

/* skb_shared_info.gso_type, the same number since Linux 4.14. */
#define GSO_UDP_FRAGMENTS (1 << 16)
#define IPV6_FRAGMENT_HEADER_BYTES 8

/*
 * A datagram of a guest, or of a tun device, that the kernel cuts into IP fragments: only the first
 * has the UDP header, and with IPv6 each gets a header that is not there yet. `bytes` are those of
 * the whole datagram; `headers` are all before UDP, which every fragment has.
 */
static __always_inline struct wire fragments_on_wire(__u64 bytes, __u32 headers, __u32 size,
						     __u16 eth_protocol)
{
	struct wire wire = { .packets = 1, .bytes = bytes };

	if (bytes > headers)
		wire.packets = (bytes - headers + size - 1) / size;
	wire.bytes += (wire.packets - 1) * headers;
	if (eth_protocol == ETH_P_IPV6)
		wire.bytes += wire.packets * IPV6_FRAGMENT_HEADER_BYTES;
	return wire;
}

/* `packet`: as parsed, or zero, which leaves the headers of several segments to the kernel. */
static __always_inline struct wire wire_of(struct __sk_buff *skb, const struct packet *packet)
{
	struct wire wire = { .packets = 1, .bytes = skb->len };
	__u32 size = skb->gso_size, headers;

	/* A tag that the device adds or has removed is not in the buffer, but is on the wire. */
	if (unlikely(skb->vlan_present))
		wire.bytes += VLAN_TAG_BYTES;
	if (!size)
		return wire;
	if (unlikely(packet->leaves_in_fragments))
		return fragments_on_wire(wire.bytes, packet->l4 + (wire.bytes - skb->len), size,
					 packet->eth_protocol);
	headers = packet->headers + packet->inner_headers + (wire.bytes - skb->len);
	wire.packets = skb->gso_segs;
	/* Senders that are not trusted to count (guests, tun) leave it to the receiver. */
	if (!wire.packets)
		wire.packets = skb->len > headers ? (skb->len - headers + size - 1) / size : 1;
	wire.bytes += (wire.packets - 1) * headers;
	/* The kernel's own sum has this header in every segment. */
	if (unlikely(packet->jumbo)) {
		wire.bytes -= wire.packets * packet->jumbo;
		return wire;
	}
	/*
	 * On the way out the kernel has computed the same sum, also for packets without headers
	 * here. On the way in the field is the buffer's length.
	 */
	if (skb->wire_len > wire.bytes)
		wire.bytes = skb->wire_len;
	return wire;
}
