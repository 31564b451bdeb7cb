/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The namespace of the device at the hook. bpf_get_netns_cookie() would not do: it returns the
 * namespace of the packet's socket, which is the sender's wherever the packet has got to, or the
 * initial one for a packet without a socket. So we follow the kernel's own structures, with loads
 * that cost next to nothing; libbpf fills in the running kernel's offsets.
 */

#include "kernel.h"
#include "kernel-structs.h"

/* Linux 6.2. Weak: if it is missing, config.has_netns_cookie is off and no call is left. */
extern void *bpf_cast_to_kern_ctx(void *context) __ksym __weak;
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

static __always_inline struct sk_buff *kernel_skb(struct __sk_buff *skb)
{
	/*
	 * The kernel trusts the first cast's result, and to find out how far, the verifier searches
	 * all of its type names, four times a load. It does not for the result of the second cast.
	 */
	return bpf_rdonly_cast(bpf_cast_to_kern_ctx(skb), bpf_core_type_id_kernel(struct sk_buff));
}

static __always_inline __u32 device_netns(struct __sk_buff *skb)
{
	return kernel_skb(skb)->dev->nd_net.net->net_cookie;
}
