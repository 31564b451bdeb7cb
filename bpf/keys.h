/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Handles keys as words: the compiler would split them into halves, which is how they are aligned.
 */

#include "kernel.h"
#include "types.h"

static __always_inline void copy_key(struct flow_key *into, const struct flow_key *from)
{
	__u64 *to = (__u64 *)into;
	const __u64 *words = (const __u64 *)from;

	for (int i = 0; i < (int)(sizeof(*from) / sizeof(*words)); i++)
		to[i] = words[i];
}

/* `into` already has the fields that are not turned round. */
static __always_inline void turn_round(struct flow_key *into, const struct flow_key *from)
{
	const __u64 *src = (const __u64 *)from->src_ip, *dst = (const __u64 *)from->dst_ip;
	__u64 first = src[0], second = src[1];
	__u16 port = from->src_port;

	*(__u64 *)&into->src_ip[0] = dst[0];
	*(__u64 *)&into->src_ip[8] = dst[1];
	*(__u64 *)&into->dst_ip[0] = first;
	*(__u64 *)&into->dst_ip[8] = second;
	into->src_port = from->dst_port;
	into->dst_port = port;
}

/* Makes one key for both directions of a connection: that whose source is the lesser end. */
static __always_inline void ordered_key(struct flow_key *into, const struct flow_key *from)
{
	const __u64 *src = (const __u64 *)from->src_ip, *dst = (const __u64 *)from->dst_ip;
	bool is_greater = from->src_port > from->dst_port;

	if (src[1] != dst[1])
		is_greater = src[1] > dst[1];
	if (src[0] != dst[0])
		is_greater = src[0] > dst[0];
	copy_key(into, from);
	if (is_greater)
		turn_round(into, from);
}

static __always_inline bool same_key(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *left = (const __u64 *)a, *right = (const __u64 *)b;
	__u64 differences = 0;

	for (int i = 0; i < (int)(sizeof(*a) / sizeof(*left)); i++)
		differences |= left[i] ^ right[i];
	return !differences;
}
