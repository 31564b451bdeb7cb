/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Only the first fragment of a datagram carries ports; the others borrow them here. A fragment
 * that overtakes the first one is recorded with ports 0. Entries are never deleted, since the
 * datagram may pass more hooks: the next datagram with the same identification overwrites them,
 * and the least recently used ones make room.
 */

#include "kernel.h"
#include "types.h"

#define FRAGMENTS_MAX 4096

struct fragment_key {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u32 id;
	__u8 protocol;
	__u8 pad[3];
};

struct fragment_ports {
	__u16 src_port;
	__u16 dst_port;
	__u8 icmp_type;
	__u8 icmp_code;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAGMENTS_MAX);
	__type(key, struct fragment_key);
	__type(value, struct fragment_ports);
} fragments SEC(".maps");

static __always_inline void fragment_key_of(struct fragment_key *into, const struct flow_key *flow,
					    __u32 id)
{
	__builtin_memset(into, 0, sizeof(*into));
	__builtin_memcpy(into->src_ip, flow->src_ip, sizeof(into->src_ip));
	__builtin_memcpy(into->dst_ip, flow->dst_ip, sizeof(into->dst_ip));
	into->id = id;
	into->protocol = flow->protocol;
}

/*
 * Both are global functions, which the verifier looks at once rather than wherever they are called.
 * A refusal costs later fragments their ports, nothing else: they are recorded all the same.
 */
noinline __u32 remember_fragment(const struct flow_key *flow, __u32 id)
{
	struct fragment_ports ports = {};
	struct fragment_key key;

	if (!flow)
		return 0;
	ports.src_port = flow->src_port;
	ports.dst_port = flow->dst_port;
	ports.icmp_type = flow->icmp_type;
	ports.icmp_code = flow->icmp_code;
	fragment_key_of(&key, flow, id);
	bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
	return 0;
}

noinline __u32 recall_fragment(struct flow_key *flow, __u32 id)
{
	const struct fragment_ports *ports;
	struct fragment_key key;

	if (!flow)
		return 0;
	fragment_key_of(&key, flow, id);
	ports = bpf_map_lookup_elem(&fragments, &key);
	if (!ports)
		return 0;
	flow->src_port = ports->src_port;
	flow->dst_port = ports->dst_port;
	flow->icmp_type = ports->icmp_type;
	flow->icmp_code = ports->icmp_code;
	return 0;
}
