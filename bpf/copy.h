/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Copies of a packet's bytes whose length only the packet knows. */

#include "kernel.h"

/*
 * 1 to `most` bytes, a constant; else nothing is copied, and the result is not 0. The compiler
 * would make one comparison of "not 0" and "not more", of a register that the verifier cannot
 * relate to the length any more (before Linux 7.0: "invalid zero-sized read"). So the number before
 * the length is compared, behind barriers: the very register that was compared becomes the length.
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
