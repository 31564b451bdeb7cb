/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Makes a flow key from the kernel's own packet buffer, wherever in the kernel the packet is:
 * before or after its network header was found, with or without a link layer, sent or received.
 * Headers are read from the linear part of the buffer, where they are once the IP layer has seen
 * them.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "fragments.h"
#include "parse.h"
#include "tag.h"
#include "wire.h"

/* The kernel's value for a header that has not been located. */
#define NO_HEADER 0xffff
/* Longer than any link-layer header with VLAN tags: a header further ahead is of another layer. */
#define LINK_HEADER_MAX 64

/* A packet buffer's place in memory; offsets are from its head. */
struct skb_view {
	const struct sk_buff *skb;
	bool is_typed; /* the verifier knows its type, and its fields are plain loads */
	const unsigned char *head;
	__u32 tail; /* where the linear part ends */
	__u32 data; /* where the layer that has the packet begins */
};

/* A kprobe has only the buffer's address: reading a field is a copy by a helper, some 20 ns. */
#define SKB_FIELD(view, field)                                                                \
	({                                                                                    \
		const struct sk_buff *at = (view)->skb;                                       \
		(view)->is_typed ? at->field : BPF_CORE_READ(at, field);                      \
	})

static __always_inline void skb_view_fill(struct skb_view *view)
{
	view->head = SKB_FIELD(view, head);
	view->tail = SKB_FIELD(view, tail);
	view->data = SKB_FIELD(view, data) - view->head;
}

/* Makes a view of a buffer from its address. */
static __always_inline struct skb_view skb_view_of(const struct sk_buff *skb)
{
	struct skb_view view = { .skb = skb };

	skb_view_fill(&view);
	return view;
}

/* Makes a view of a buffer whose type the verifier knows. */
static __always_inline struct skb_view skb_view_typed(const struct sk_buff *skb)
{
	struct skb_view view = { .skb = skb, .is_typed = true };

	skb_view_fill(&view);
	return view;
}

/* Like was_sampled_out(), for a buffer's address. */
static __always_inline bool skb_sampled_out(const struct sk_buff *skb)
{
	return is_sampled_out_tag(probed_tag(BPF_CORE_READ(skb, tc_index)));
}

/* Like was_seen(), for a buffer's address. */
static __always_inline bool skb_seen(const struct sk_buff *skb)
{
	return probed_tag(BPF_CORE_READ(skb, tc_index)) != TAG_NONE;
}

/*
 * The linear part of a buffer, by address: headers are read in global functions, which the verifier
 * checks once and which get no pointers that it would have to know.
 */
struct skb_bytes {
	__u64 head;
	__u64 skb; /* its own address */
	__u32 tail;
};

/*
 * The namespace that the packet is in, as in observed_interface. In queues, the device's field
 * holds other data, but there is a route. Kernel addresses are negative as numbers.
 */
static __always_inline __u32 skb_netns(const struct sk_buff *skb)
{
	const struct dst_entry *route = (const void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1UL);
	const struct net_device *device = route ? BPF_CORE_READ(route, dev) : NULL;

	if (!config.has_netns_cookie)
		return 0;
	if (!device)
		device = BPF_CORE_READ(skb, dev);
	return (long)device < 0 ? BPF_CORE_READ(device, nd_net.net, net_cookie) : 0;
}

static __always_inline bool skb_read(const struct skb_bytes *bytes, __u32 at, void *into,
				     __u32 size)
{
	if (at + size > bytes->tail)
		return false;
	return !bpf_probe_read_kernel(into, size, (const void *)(bytes->head + at));
}

static __always_inline bool skb_read_l4(const struct skb_bytes *bytes, struct packet *packet)
{
	struct flow_key *key = &packet->key;
	__u8 head[14];
	bool is_tcp = key->protocol == IPPROTO_TCP;
	__u32 minimum = l4_minimum(key->protocol);

	packet->headers = packet->l4;
	if (packet->is_later_fragment) {
		recall_fragment(packet, skb_netns((const struct sk_buff *)bytes->skb));
		return true;
	}
	if (!minimum)
		return true;
	packet->headers += minimum;
	if (!is_tcp || !skb_read(bytes, packet->l4, head, sizeof(head))) {
		/* A first fragment of TCP may have no more than this. */
		if (!skb_read(bytes, packet->l4, head, sizeof(struct l4_head)))
			return false;
		is_tcp = false;
	}
	if (key->protocol == IPPROTO_ICMP || key->protocol == IPPROTO_ICMPV6) {
		key->icmp_type = head[0];
		key->icmp_code = head[1];
		return true;
	}
	key->src_port = head[0] << 8 | head[1];
	key->dst_port = head[2] << 8 | head[3];
	if (is_tcp) {
		packet->headers = packet->l4 + (head[12] >> 4) * 4;
		packet->tcp_flags = tcp_flags_of(head[13]);
	}
	return true;
}

/* Like parse_extensions(): also false for more extensions than hooks follow. */
static __always_inline bool skb_read_extensions(const struct skb_bytes *bytes,
						struct packet *packet)
{
	struct ipv6_extension extension;
	__u8 next = packet->key.protocol;

	for (int i = 0; i < IPV6_EXTENSIONS_MAX && is_extension(packet, next); i++) {
		if (!skb_read(bytes, packet->l4, &extension, sizeof(extension)))
			return false;
		if (next == IPPROTO_FRAGMENT) {
			if (!note_fragment(packet, &extension))
				return false;
			packet->l4 += sizeof(extension);
		} else if (next == IPPROTO_AH) {
			packet->l4 += (extension.length + 2) * 4;
		} else {
			packet->l4 += (extension.length + 1) * 8;
		}
		next = extension.next;
		if (packet->is_later_fragment)
			break;
	}
	packet->key.protocol = next;
	return packet->is_later_fragment || !is_extension(packet, next);
}

static __always_inline bool skb_read_ipv4(const struct skb_bytes *bytes, struct packet *packet)
{
	struct iphdr ip;
	__u32 fragment;

	if (!skb_read(bytes, packet->l3, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return false;
	packet->eth_protocol = ETH_P_IP;
	packet->l4 = packet->l3 + ip.ihl * 4;
	map_ipv4(packet->key.src_ip, ip.saddr);
	map_ipv4(packet->key.dst_ip, ip.daddr);
	packet->key.protocol = packet->ip_protocol = ip.protocol;
	fragment = bpf_ntohs(ip.frag_off);
	packet->is_fragment = fragment & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET);
	packet->is_later_fragment = fragment & IP_FRAGMENT_OFFSET;
	packet->fragment_id = ip.id;
	return true;
}

static __always_inline bool skb_read_ipv6(const struct skb_bytes *bytes, struct packet *packet)
{
	struct ipv6hdr ip;

	if (!skb_read(bytes, packet->l3, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	packet->eth_protocol = ETH_P_IPV6;
	packet->l4 = packet->l3 + sizeof(ip);
	__builtin_memcpy(packet->key.src_ip, &ip.saddr, sizeof(packet->key.src_ip));
	__builtin_memcpy(packet->key.dst_ip, &ip.daddr, sizeof(packet->key.dst_ip));
	packet->key.mapped = has_mapped(&packet->key);
	packet->key.protocol = packet->ip_protocol = ip.nexthdr;
	if (!ip.payload_len && ip.nexthdr == IPPROTO_HOPOPTS)
		packet->jumbo = JUMBO_BYTES;
	return true;
}

struct vlan_header {
	__be16 tci;
	__be16 protocol;
};

/*
 * Moves packet->l3 behind the VLAN tags that are still in the buffer and returns the EtherType of
 * what follows; 0: nothing does.
 */
noinline __u32 skb_skip_tags(const struct skb_bytes *bytes, struct packet *packet, __u32 protocol)
{
	struct vlan_header tag;

	if (!bytes || !packet)
		return 0;
	for (int i = 0; i < LINK_HEADERS_MAX; i++) {
		if (!is_tag(protocol))
			break;
		if (!skb_read(bytes, packet->l3, &tag, sizeof(tag)))
			return 0;
		protocol = bpf_ntohs(tag.protocol);
		packet->l3 += sizeof(tag);
	}
	return protocol;
}

static __always_inline bool skb_read_l3(const struct skb_bytes *bytes, struct packet *packet,
					__u32 protocol)
{
	bool is_read = false;

	if (protocol == ETH_P_IP)
		is_read = skb_read_ipv4(bytes, packet);
	else if (protocol == ETH_P_IPV6)
		is_read = skb_read_ipv6(bytes, packet);
	if (!is_read || packet->is_later_fragment)
		return is_read;
	return skb_read_extensions(bytes, packet);
}

enum skb_headers {
	SKB_NOT_IP,
	SKB_CUT_SHORT,
	SKB_READ,
};

/* Reads the headers from packet->l3 on. */
noinline __u32 skb_headers(const struct skb_bytes *bytes, struct packet *packet, __u32 protocol)
{
	if (!bytes || !packet || !skb_read_l3(bytes, packet, protocol))
		return SKB_NOT_IP;
	return skb_read_l4(bytes, packet) ? SKB_READ : SKB_CUT_SHORT;
}

/*
 * `packet` must be zero; afterwards l3, l4 and headers are offsets from the buffer's head. False:
 * the packet is not IP, or its headers are not there yet or out of reach.
 */
static __always_inline bool skb_parse(const struct skb_view *view, struct packet *packet)
{
	struct skb_bytes bytes = {
		.head = (__u64)view->head, .skb = (__u64)view->skb, .tail = view->tail
	};
	__u32 protocol = bpf_ntohs(SKB_FIELD(view, protocol));
	__u32 mac = SKB_FIELD(view, mac_header);
	__u32 found = SKB_NOT_IP;

	packet->l3 = SKB_FIELD(view, network_header);
	/* 0: received, and only the driver has looked at it. */
	if (packet->l3)
		found = skb_headers(&bytes, packet, protocol);
	if (found != SKB_NOT_IP)
		return found == SKB_READ;
	packet->l3 = mac == NO_HEADER ? view->data : mac + ETH_HLEN;
	protocol = skb_skip_tags(&bytes, packet, protocol);
	return skb_headers(&bytes, packet, protocol) == SKB_READ;
}

/* Like wire_of() for hooks: the link layer's header counts if the packet has one. */
static __always_inline struct wire skb_wire(const struct skb_view *view,
					    const struct packet *packet)
{
	const struct sk_buff *skb = view->skb;
	__u32 mac = SKB_FIELD(view, mac_header);
	__u32 link = 0, payload;
	__u32 headers = packet->headers - packet->l3;
	const struct skb_shared_info *shared = (const void *)(view->head + SKB_FIELD(view, end));
	__u16 gso_size = 0, gso_segs = 0;
	__u32 gso_type = 0;
	struct wire wire = { .packets = 1 };

	if (mac != NO_HEADER && packet->l3 > mac && packet->l3 - mac <= LINK_HEADER_MAX)
		link = packet->l3 - mac;
	if (bpf_core_field_exists(skb->vlan_all) && SKB_FIELD(view, vlan_all))
		link += VLAN_TAG_BYTES;
	headers += link;
	/*
	 * Layers above IP move the start of the data behind the headers that they have processed.
	 */
	wire.bytes = SKB_FIELD(view, len) + view->data - packet->l3 + link;
	bpf_core_read(&gso_size, sizeof(gso_size), &shared->gso_size);
	if (!gso_size)
		return wire;
	bpf_core_read(&gso_type, sizeof(gso_type), &shared->gso_type);
	if (gso_type & GSO_UDP_FRAGMENTS)
		return fragments_on_wire(wire.bytes, packet->l4 - packet->l3 + link, gso_size,
					 packet->eth_protocol);
	bpf_core_read(&gso_segs, sizeof(gso_segs), &shared->gso_segs);
	payload = wire.bytes > headers ? wire.bytes - headers : 0;
	wire.packets = gso_segs ? gso_segs : (payload + gso_size - 1) / gso_size;
	if (!wire.packets)
		wire.packets = 1;
	wire.bytes += (wire.packets - 1) * headers;
	wire.bytes -= wire.packets * packet->jumbo;
	return wire;
}
