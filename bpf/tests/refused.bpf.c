// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A program that the verifier must refuse: it reads the frame without checking its end. */

#include "kernel.h"

SEC("tc")
int refused(struct __sk_buff *skb)
{
	return *(const __u8 *)(long)skb->data;
}

char _license[] SEC("license") = "Dual BSD/GPL";
