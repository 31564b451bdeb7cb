/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Tables that are kept beside flows, shared out among the interfaces whose packets fill them. They
 * remove the least recently used entries, so a flood would push out the entries of others.
 * Therefore each table is a pair. Once a quarter of the main table is in use, an interface adds at
 * most as much as is left of it in a period, and a namespace a multiple of that, so that some is
 * left for everybody (see room.h) and no entry is removed before it has been there for a period.
 * Entries beyond that are busy: they go to the second table, `busy_…`, where heavy users push out
 * each other's entries. Nothing is refused, and a single user has the room of both.
 *
 * Lookups search both tables; the busy one only after its first use, which most hosts never see.
 * Entries that are there already cost no share.
 */

#include "kernel.h"
#include "types.h"
#include "births.h"
#include "stats.h"

/* Shares cost two lookups, and begin when 1 in so many entries of the main table is in use. */
#define SIDE_UNSHARED_PART 4
/* Multiple of what is free, an interface's limit. A path through a namespace has several hooks. */
#define SIDE_SHARE_OF_NAMESPACE 8

/* Messages take shares, too, see messages.h. */
enum side_table {
	SIDE_FRAGMENTS,
	SIDE_DNS_QUERIES,
	SIDE_DNS_STREAMS,
	SIDE_QUIC_FLOWS,
	SIDE_CAPTURED_FLOWS,
	SIDE_TABLES,
	SIDE_MESSAGES = SIDE_TABLES,
};

struct side_owner {
	__u64 place; /* a namespace has the interface 0 */
	__u32 table; /* enum side_table */
	__u32 pad;
};

/* Entries that were added in a period and in the one before. */
struct side_share {
	__u32 period;
	__u32 now;
	__u32 before;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SIDE_ENTRIES_SHARES);
	__type(key, struct side_owner);
	__type(value, struct side_share);
} side_shares SEC(".maps");

/* Totals of all owners, by table. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SIDE_TABLES);
	__type(key, __u32);
	__type(value, struct side_share);
} side_totals SEC(".maps");

/* Bits, by table: its busy table has been used. */
__u32 busy_used;

static __always_inline void *find_beside(void *entries, void *busy, enum side_table table,
					 const void *key)
{
	void *entry = bpf_map_lookup_elem(entries, key);

	return entry || likely(!(busy_used & 1 << table)) ? entry : bpf_map_lookup_elem(busy, key);
}

/* Not on the stack, which all functions that a hook is inside of share; for hooks only. */
struct side_work {
	struct side_owner owner;
	struct side_share first;
	__u32 free; /* what an interface gets */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct side_work);
} side_works SEC(".maps");

/* Entries of a main table; its busy table has as many. */
static __always_inline __u32 side_entries(__u32 table)
{
	switch (table) {
	case SIDE_FRAGMENTS:
		return SIDE_ENTRIES_FRAGMENTS;
	case SIDE_DNS_QUERIES:
		return SIDE_ENTRIES_DNS_QUERIES;
	case SIDE_DNS_STREAMS:
		return SIDE_ENTRIES_DNS_STREAMS;
	case SIDE_QUIC_FLOWS:
		return SIDE_ENTRIES_QUIC_FLOWS;
	default:
		return SIDE_ENTRIES_CAPTURED_FLOWS;
	}
}

/*
 * Periods are powers of two, 2^33 ns (9 s) or 2^35 ns (34 s): longer than entries are of use or,
 * for connections, than they are silent.
 */
static __always_inline __u32 side_period(__u32 table)
{
	bool is_short = table == SIDE_DNS_QUERIES || table == SIDE_CAPTURED_FLOWS;

	return bpf_ktime_get_coarse_ns() >> (is_short ? 33 : 35);
}

/* CPUs that begin a period at the same time may lose each other's first few additions. */
static __always_inline __u32 added_lately(struct side_share *share, __u32 period)
{
	if (share->period != period) {
		share->before = share->period + 1 == period ? share->now : 0;
		share->now = 0;
		share->period = period;
	}
	return share->now + share->before;
}

/* Whether the owner has added less than `most`; then it adds `first.now`. */
static __always_inline bool take_side_share(struct side_work *work, __u64 most)
{
	struct side_share *share = bpf_map_lookup_elem(&side_shares, &work->owner);

	if (!share)
		return most && !bpf_map_update_elem(&side_shares, &work->owner, &work->first,
						    BPF_ANY);
	if (added_lately(share, work->first.period) >= most)
		return false;
	__sync_fetch_and_add(&share->now, work->first.now);
	return true;
}

/*
 * Takes both shares: the namespace's, if it is known, and the interface's. Not 0: they have
 * `amount` of what is free. A global function, so that the verifier checks it once.
 */
noinline __u32 take_side_shares(struct __sk_buff *skb, __u32 table, __u32 period, __u32 amount,
				__u32 free)
{
	__u32 zero = 0;
	struct side_work *work = bpf_map_lookup_elem(&side_works, &zero);
	__u64 place;

	if (!work)
		return 0;
	work->owner.table = table;
	work->first.period = period;
	work->first.now = amount;
	work->free = free;
	place = place_of(skb);
	if (config.has_netns_cookie) {
		work->owner.place = place & 0xffffffff;
		if (!take_side_share(work, (__u64)work->free * SIDE_SHARE_OF_NAMESPACE))
			return 0;
	}
	work->owner.place = place;
	return take_side_share(work, work->free);
}

/* Which table of a pair a new entry goes to; not 0: the busy one. A global function, too. */
noinline __u32 is_busy(struct __sk_buff *skb, __u32 table)
{
	struct side_share *total = bpf_map_lookup_elem(&side_totals, &table);
	__u32 period = side_period(table), most = side_entries(table), used;

	if (!total)
		return 1;
	used = added_lately(total, period);
	if (used >= most / SIDE_UNSHARED_PART &&
	    (used >= most || !take_side_shares(skb, table, period, 1, most - used))) {
		count(STAT_SIDE_BUSY, 1, 0);
		__sync_fetch_and_or(&busy_used, 1 << table);
		return 1;
	}
	__sync_fetch_and_add(&total->now, 1);
	return 0;
}
