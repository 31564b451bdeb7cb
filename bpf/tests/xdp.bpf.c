// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Someone else's XDP programs for UDP over IPv4. They let all else through. */

#include "kernel.h"

struct datagram {
	struct ethhdr ethernet;
	struct iphdr ip; /* without options */
	struct udphdr udp;
} __attribute__((packed));

static __always_inline struct datagram *datagram_of(struct xdp_md *context)
{
	struct datagram *datagram = (void *)(long)context->data;

	if ((void *)(datagram + 1) > (void *)(long)context->data_end)
		return NULL;
	if (datagram->ethernet.h_proto != bpf_htons(ETH_P_IP))
		return NULL;
	return datagram->ip.protocol == IPPROTO_UDP ? datagram : NULL;
}

SEC("xdp")
int passer(struct xdp_md *context)
{
	return XDP_PASS;
}

SEC("xdp")
int dropper(struct xdp_md *context)
{
	return datagram_of(context) ? XDP_DROP : XDP_PASS;
}

/* Sends each datagram back to its sender. Swapping words does not change checksums. */
SEC("xdp")
int reflector(struct xdp_md *context)
{
	struct datagram *datagram = datagram_of(context);
	__u8 mac[ETH_ALEN];
	__be32 address;
	__be16 port;

	if (!datagram)
		return XDP_PASS;
	__builtin_memcpy(mac, datagram->ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(datagram->ethernet.h_dest, datagram->ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(datagram->ethernet.h_source, mac, ETH_ALEN);
	address = datagram->ip.daddr;
	datagram->ip.daddr = datagram->ip.saddr;
	datagram->ip.saddr = address;
	port = datagram->udp.dest;
	datagram->udp.dest = datagram->udp.source;
	datagram->udp.source = port;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
