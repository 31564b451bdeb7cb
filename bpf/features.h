/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Features that hooks look for in a packet, besides what every flow has. Each feature is a header
 * file of its own; features that are off leave no instructions behind.
 */

#include "kernel.h"
#include "types.h"
#include "maps.h"
#include "dns.h"
#include "dns-stream.h"
#include "nat.h"
#include "parse.h"
#include "processes.h"
#include "quic.h"
#include "tcp.h"
#include "tls.h"
#include "tunnel.h"
#include "wire.h"

/*
 * `flow` is the packet's, in the map or about to be put there. A packet that is counted at several
 * hooks is inspected at the first one only. If two CPUs race to add a new flow, one of them
 * inspects its packet twice: everything done here, except to a `flow` that is given up, must
 * tolerate that.
 */
static __always_inline void inspect(struct __sk_buff *skb, const struct packet *packet,
				    struct flow_metrics *flow, struct wire wire, __u64 now)
{
	if (config.tcp_at && unlikely(packet->tcp_trouble))
		note_trouble(flow, packet);
	if (config.process_at)
		note_process(skb, packet, flow);
	if (config.tunnel_at)
		note_tunnel(skb, packet, flow);
	if (config.quic_at && may_be_quic(packet, extension(flow, config.quic_at)))
		inspect_quic(skb, packet, extension(flow, config.quic_at));
}

/* Returns the packet's flow, if it has one; only packets that are inspected pay for the lookup. */
static __always_inline struct flow_metrics *counted(const struct packet *packet, void *flows,
						    struct flow_metrics *flow)
{
	if (flow || !flows)
		return flow;
	return bpf_map_lookup_elem(flows, &packet->key);
}

/*
 * For features that change more than the flow, or call functions, which share 512 bytes of stack
 * with all their callers. Runs once per packet, after it has been counted, in `flow` or, if that
 * was new, in an entry of `flows`; both are NULL if there was no room for it.
 */
static __always_inline void inspect_once(struct __sk_buff *skb, const struct packet *packet,
					 void *flows, struct flow_metrics *flow)
{
	struct tls_metrics *tls;

	if (config.nat_at) {
		flow = counted(packet, flows, flow);
		if (flow)
			inspect_nat(skb, packet, flow);
	}
	if (config.dns_at && has_dns_port(packet)) {
		flow = counted(packet, flows, flow);
		if (flow && packet->key.protocol == IPPROTO_TCP)
			inspect_dns_stream(skb, packet, extension(flow, config.dns_at));
		else if (flow)
			inspect_dns(skb, packet, extension(flow, config.dns_at));
	}
	if (config.tls_at && packet->key.protocol == IPPROTO_TCP && has_payload(packet)) {
		flow = counted(packet, flows, flow);
		if (!flow)
			return;
		tls = extension(flow, config.tls_at);
		if (unlikely(!tls->known))
			inspect_tls(skb, packet, tls);
	}
}
