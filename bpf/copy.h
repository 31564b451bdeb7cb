/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Copies bytes of a packet whose number is known only at run time. */

#include "kernel.h"

/*
 * Copies 1 to `most` bytes, a constant; otherwise copies nothing and does not return 0. The
 * compiler would merge "not 0" and "not more" into one comparison of a register that the verifier
 * can no longer relate to the length (before Linux 7.0: "invalid zero-sized read"). So length - 1
 * is compared, between barriers: the very register that was compared becomes the length.
 */
static __always_inline long copy_bytes(struct __sk_buff *skb, __u32 offset, void *into,
				       __u32 length, const __u32 most)
{
	__u32 last = length - 1;

	asm volatile("" : "+r"(last));
	if (last >= most)
		return -EINVAL;
	asm volatile("" : "+r"(last));
	return bpf_skb_load_bytes(skb, offset, into, last + 1);
}
