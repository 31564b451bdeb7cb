/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The namespace of the device at the hook. bpf_get_netns_cookie() would not do: it tells the
 * namespace of the packet's socket, which is the sender's wherever the packet has got to, or the
 * initial one for a packet without socket. So the kernel's own structures are followed, as loads
 * that cost next to nothing; libbpf fills in the running kernel's offsets.
 */

#include "kernel.h"
#include "kernel-structs.h"

/* Linux 6.2. Weak: where it is missing, config.has_netns_cookie is off and no call is left. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;

static __always_inline __u32 device_netns(struct __sk_buff *skb)
{
	struct sk_buff *kernel_skb = bpf_cast_to_kern_ctx(skb);

	return kernel_skb->dev->nd_net.net->net_cookie;
}
