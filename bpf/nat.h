/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Address translation, as connection tracking knows it. A connection has two tuples, each as the
 * packets of one direction look before they are translated; its packets appear under four keys:
 *
 *	original             request before translation
 *	reply, turned round  request after it
 *	reply                answer before translation
 *	original, turned     answer after it
 *
 * Each of the four flows records what it is on the other side of the translation.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "keys.h"
#include "maps.h"
#include "netns.h"
#include "parse.h"

/* Packets of a flow, per entry, for which a connection is looked up. */
#define NAT_LOOKUPS_MAX 3

/* enum ip_conntrack_status */
#define IPS_CONFIRMED (1 << 3) /* final: in the table, and translated if it is to be */
#define IPS_TRANSLATED (1 << 4 | 1 << 5)
#define IPS_TEMPLATE (1 << 11) /* a holder of settings, not a connection */
/* The low bits of sk_buff._nfct are enum ip_conntrack_info. */
#define NFCT_POINTER (~7UL)

#define CT_ORIGINAL 0
#define CT_REPLY 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sk_buff___nfct {
	unsigned long _nfct;
};

union nf_inet_addr {
	__u32 all[4];
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union {
		__be16 all;
	} u;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
		__u8 protonum;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conntrack_zone {
	__u16 id;
};

struct nf_conn {
	struct nf_conntrack_zone zone;
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
};

#pragma clang attribute pop

/* Ends with `dir`, a size that every kernel takes; later ones also take a zone behind it. */
struct bpf_ct_opts___nat {
	__s32 netns_id; /* -1: of the packet's device */
	__s32 error;
	__u8 protocol;
	__u8 direction; /* of the tuple that was found */
	__u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u32 tuple__sz, struct bpf_ct_opts___nat *opts,
					 __u32 opts__sz) __ksym __weak;
extern void bpf_ct_release(struct nf_conn *connection) __ksym __weak;

static __always_inline bool nat_has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

/* Addresses and ports, which come first in keys as in nat_metrics. */
#define NAT_ENDS_BYTES __builtin_offsetof(struct flow_key, protocol)

_Static_assert(NAT_ENDS_BYTES == __builtin_offsetof(struct nat_metrics, zone), "copied as one");

/* Connection tracking keeps an IPv4 address in the first word; the rest is 0. */
static __always_inline void read_address(__u8 into[16], const union nf_inet_addr *address,
					 bool is_ipv4)
{
	__u32 ipv4;

	if (is_ipv4) {
		bpf_core_read(&ipv4, sizeof(ipv4), address);
		map_ipv4(into, ipv4);
	} else {
		bpf_core_read(into, 16, address);
	}
}

/* Makes the key of packets like the tuple; the rest of `into` is already there. */
static __always_inline void tuple_key(const struct nf_conntrack_tuple *tuple, bool is_ipv4,
				      struct flow_key *into)
{
	read_address(into->src_ip, &tuple->src.u3, is_ipv4);
	read_address(into->dst_ip, &tuple->dst.u3, is_ipv4);
	/* For ICMP and the like these are identifiers, which keys do not have. */
	if (nat_has_ports(into->protocol)) {
		into->src_port = bpf_ntohs(BPF_CORE_READ(tuple, src.u.all));
		into->dst_port = bpf_ntohs(BPF_CORE_READ(tuple, dst.u.all));
	}
}

/*
 * Data that would not fit on the stack: all functions that a hook is inside of share 512 bytes. For
 * the same reason functions are called one after another rather than nested. Only hooks use this,
 * and no other hook interrupts them.
 */
struct nat_work {
	struct flow_key key; /* of the packet */
	struct flow_key here; /* the connection's key on this side */
	struct flow_key there; /* and on the other */
	struct bpf_sock_tuple tuple;
	struct bpf_ct_opts___nat options;
	__u16 zone;
	bool is_ipv4;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_work);
} nat_works SEC(".maps");

/* Not inlined: the compiler would keep all words of all keys, and so fill the stack. */
static noinline int is_same(const struct flow_key *a, const struct flow_key *b)
{
	return same_key(a, b);
}

static noinline int turn(struct flow_key *key)
{
	turn_round(key, key);
	return 0;
}

/* Reads the connection's state and, if it is translated, its tuples. */
static noinline int read_connection(const struct nf_conn *connection, struct nat_work *work)
{
	unsigned long status = BPF_CORE_READ(connection, status);

	if (!(status & IPS_CONFIRMED) || status & IPS_TEMPLATE)
		return NAT_UNKNOWN;
	if (BPF_CORE_READ(connection, tuplehash[0].tuple.dst.protonum) != work->key.protocol)
		return NAT_UNKNOWN;
	if (!(status & IPS_TRANSLATED))
		return NAT_NONE;
	tuple_key(&connection->tuplehash[CT_ORIGINAL].tuple, work->is_ipv4, &work->here);
	tuple_key(&connection->tuplehash[CT_REPLY].tuple, work->is_ipv4, &work->there);
	if (bpf_core_field_exists(connection->zone))
		work->zone = BPF_CORE_READ(connection, zone.id);
	return NAT_TRANSLATED;
}

/* Looks up the connection of packets like `here` in the table of the device's namespace, zone 0. */
static noinline int look_up_connection(struct __sk_buff *skb, struct nat_work *work)
{
	const struct flow_key *key = &work->here;
	struct bpf_sock_tuple *tuple = &work->tuple;
	struct nf_conn *connection;
	__u32 size;
	int state;

	work->options = (struct bpf_ct_opts___nat){ .netns_id = -1, .protocol = key->protocol };
	if (work->is_ipv4) {
		tuple->ipv4.saddr = ((const __u32 *)key->src_ip)[3];
		tuple->ipv4.daddr = ((const __u32 *)key->dst_ip)[3];
		tuple->ipv4.sport = bpf_htons(key->src_port);
		tuple->ipv4.dport = bpf_htons(key->dst_port);
		size = sizeof(tuple->ipv4);
	} else {
		__builtin_memcpy(tuple->ipv6.saddr, key->src_ip, sizeof(tuple->ipv6.saddr));
		__builtin_memcpy(tuple->ipv6.daddr, key->dst_ip, sizeof(tuple->ipv6.daddr));
		tuple->ipv6.sport = bpf_htons(key->src_port);
		tuple->ipv6.dport = bpf_htons(key->dst_port);
		size = sizeof(tuple->ipv6);
	}
	connection = bpf_skb_ct_lookup(skb, tuple, size, &work->options, sizeof(work->options));
	if (!connection)
		return NAT_UNKNOWN;
	state = read_connection(connection, work);
	bpf_ct_release(connection);
	return state;
}

/*
 * Packets on their way out carry their connection, of any protocol and zone. Packets on their way
 * in do not carry it yet, so it is looked up in the table, by their key and by that of their
 * answers, which is possible for TCP and UDP only. A tunnel's packet carries the connection of its
 * outer flow.
 */
static __always_inline int find_connection(struct __sk_buff *skb, const struct packet *packet,
					   struct nat_work *work)
{
	unsigned long own = 0;
	int state;

	if (config.has_netns_cookie && !packet->tunnel_type) {
		struct sk_buff___nfct *kernel_skb = bpf_cast_to_kern_ctx(skb);

		own = kernel_skb->_nfct & NFCT_POINTER;
	}
	if (own)
		return read_connection((const struct nf_conn *)own, work);
	if (work->key.protocol != IPPROTO_TCP && work->key.protocol != IPPROTO_UDP)
		return NAT_UNKNOWN;
	state = look_up_connection(skb, work);
	if (state != NAT_UNKNOWN)
		return state;
	turn(&work->here);
	return look_up_connection(skb, work);
}

/*
 * Finds which of the connection's four flows the packet is of; afterwards `there` is its other
 * side.
 */
static __always_inline int match_sides(struct nat_work *work)
{
	turn(&work->there);
	/*
	 * Requests before and after; any other packet should be an answer, that is, their reverse.
	 */
	if (!is_same(&work->key, &work->here) && !is_same(&work->key, &work->there)) {
		turn(&work->here);
		turn(&work->there);
	}
	if (is_same(&work->key, &work->here))
		return NAT_TRANSLATED;
	if (!is_same(&work->key, &work->there))
		return NAT_UNKNOWN;
	copy_key(&work->there, &work->here);
	return NAT_TRANSLATED;
}

/*
 * Records in another flow what it is on the other side. That flow may have been seen where this was
 * unknown: in another namespace, or as a connection's first packet, before there was a connection.
 */
static noinline int tell_flow(const struct flow_key *whom, const struct flow_key *other, __u16 zone)
{
	struct flow_metrics *flow = find_flow(whom);
	struct nat_metrics *nat;

	if (!flow)
		return 0;
	nat = extension(flow, config.nat_at);
	if (nat->state == NAT_TRANSLATED)
		return 1;
	__builtin_memcpy(nat, other, NAT_ENDS_BYTES);
	nat->zone = zone;
	nat->state = NAT_TRANSLATED;
	return 1;
}

/* The result means nothing: BPF functions may not return whatever happens to be in R0. */
static noinline int find_translation(struct __sk_buff *skb, const struct packet *packet,
				     struct flow_metrics *flow)
{
	struct nat_metrics *nat = extension(flow, config.nat_at);
	__u32 zero = 0;
	struct nat_work *work = bpf_map_lookup_elem(&nat_works, &zero);
	int state;

	if (!work)
		return 0;
	copy_key(&work->key, &packet->key);
	copy_key(&work->here, &packet->key);
	copy_key(&work->there, &packet->key);
	work->is_ipv4 = packet->eth_protocol == ETH_P_IP;
	nat->lookups++;
	if (nat->state == NAT_TRANSLATED) {
		__builtin_memcpy(&work->there, nat, NAT_ENDS_BYTES);
	} else {
		state = find_connection(skb, packet, work);
		if (state == NAT_TRANSLATED)
			state = match_sides(work);
		if (state == NAT_NONE) {
			nat->state = state;
			nat->lookups = NAT_LOOKUPS_MAX;
		}
		/* Unknown so far: the connection may be about to be created. */
		if (state != NAT_TRANSLATED)
			return 0;
		__builtin_memcpy(nat, &work->there, NAT_ENDS_BYTES);
		nat->zone = work->zone;
		nat->state = state;
	}
	/*
	 * Retried later if it is not there: a drain may have come between its entry and this one.
	 */
	if (tell_flow(&work->there, &work->key, nat->zone))
		nat->lookups = NAT_LOOKUPS_MAX;
	turn(&work->key);
	turn(&work->there);
	tell_flow(&work->key, &work->there, nat->zone);
	return 0;
}

static __always_inline void inspect_nat(struct __sk_buff *skb, const struct packet *packet,
					struct flow_metrics *flow)
{
	const struct nat_metrics *nat = extension(flow, config.nat_at);

	if (unlikely(nat->lookups < NAT_LOOKUPS_MAX))
		find_translation(skb, packet, flow);
}
