/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include "kernel.h"
#include "types.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STAT_COUNT);
	__type(key, __u32);
	__type(value, struct stat_value);
} stats SEC(".maps");

static __always_inline struct stat_value *stat_of(enum stat which)
{
	__u32 index = which;

	return bpf_map_lookup_elem(&stats, &index);
}

/*
 * A TC program runs with soft interrupts off, so nobody else uses this CPU's slot meanwhile. A
 * function of its own, off the hot path; this also puts the enum into the object's BTF.
 */
static noinline void count(enum stat which, __u64 packets, __u64 bytes)
{
	struct stat_value *value = stat_of(which);

	if (!value)
		return;
	value->packets += packets;
	value->bytes += bytes;
}

/* For probes, which a hook may interrupt on the same CPU. */
static noinline void count_in_probe(enum stat which, __u64 packets, __u64 bytes)
{
	struct stat_value *value = stat_of(which);

	if (!value)
		return;
	__sync_fetch_and_add(&value->packets, packets);
	__sync_fetch_and_add(&value->bytes, bytes);
}
