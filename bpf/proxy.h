/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The PROXY protocol of HAProxy, versions 1 (a line of text) and 2: a header that load balancers
 * put in front of a connection's first bytes.
 */

#include "kernel.h"
#include "copy.h"
#include "maps.h"

/* Longest line of version 1, its end included; version 2 has its length within 16 bytes. */
#define PROXY_LINE_BYTES_MAX 107
#define PROXY_LINE_BYTES_MIN 15
#define PROXY_HEAD_BYTES 16
#define PROXY_V2_BYTES_MAX 4096

struct proxy_line {
	__u8 bytes[PROXY_LINE_BYTES_MAX];
};

/* The line of one packet at a time: too long for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct proxy_line);
} proxy_lines SEC(".maps");

/* Compares bytes in memory; compilers for BPF have no memcmp(). */
static __always_inline bool begins_with(const __u8 *bytes, const char *text, __u32 length)
{
	for (__u32 i = 0; i < length; i++)
		if (bytes[i] != (__u8)text[i])
			return false;
	return true;
}

/* Returns the offset behind the header at `at`, or `at` itself if there is no whole header. */
noinline __u32 skip_proxy_header(struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u32 zero = 0, length = end - at, bytes;
	struct proxy_line *line = bpf_map_lookup_elem(&proxy_lines, &zero);

	if (!config.tls_at || !line || at >= end || length < PROXY_HEAD_BYTES)
		return at;
	if (length > PROXY_LINE_BYTES_MAX)
		length = PROXY_LINE_BYTES_MAX;
	if (copy_bytes(skb, at, line->bytes, length, PROXY_LINE_BYTES_MAX))
		return at;
	if (begins_with(line->bytes, "\r\n\r\n\0\r\nQUIT\n", 12)) {
		bytes = PROXY_HEAD_BYTES + (line->bytes[14] << 8 | line->bytes[15]);
		return line->bytes[12] >> 4 == 2 && bytes <= PROXY_V2_BYTES_MAX ? at + bytes : at;
	}
	if (!begins_with(line->bytes, "PROXY ", 6))
		return at;
	for (__u32 i = PROXY_LINE_BYTES_MIN - 1; i < PROXY_LINE_BYTES_MAX; i++) {
		if (i >= length)
			break;
		if (line->bytes[i] == '\n')
			return line->bytes[i - 1] == '\r' ? at + i + 1 : at;
	}
	return at;
}
