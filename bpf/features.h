/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What hooks look for in a packet besides what every flow has. Each feature is a header of its own;
 * those that are off leave no instruction behind.
 */

#include "kernel.h"
#include "types.h"
#include "maps.h"
#include "nat.h"
#include "parse.h"
#include "processes.h"
#include "tcp.h"
#include "tunnel.h"
#include "wire.h"

/*
 * `flow` is the packet's, in the map or about to be put there. A packet that is counted at several
 * hooks is inspected at the first one only.
 */
static __always_inline void inspect(struct __sk_buff *skb, const struct packet *packet,
				    struct flow_metrics *flow, struct wire wire, __u64 now)
{
	if (config.nat_at)
		inspect_nat(skb, packet, flow);
	if (config.tcp_at && unlikely(packet->tcp_trouble))
		note_trouble(flow, packet);
	if (config.process_at)
		note_process(skb, packet, flow);
	if (config.tunnel_at)
		note_tunnel(skb, packet, flow);
}
