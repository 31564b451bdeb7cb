/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Counts how much plain text goes through OpenSSL, and in which flow. The text itself is not read,
 * only its length.
 *
 * A thread that calls a socket inside SSL_read or SSL_write shows which flow the SSL object belongs
 * to. That is remembered, since a read may be answered from data that an earlier one fetched. If a
 * program handles its sockets itself, and OpenSSL reads and writes memory only, the text is
 * counted, but belongs to no flow. A flow that no hook sees has its plain text and no packets; if
 * both ends are on this host, the text counts at each of them.
 */

#include "kernel.h"
#include "kernel-structs.h"
#include "keys.h"
#include "maps.h"
#include "probed.h"
#include "registers.h"
#include "sockets.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock___openssl {
	__u16 sk_protocol;
};

#pragma clang attribute pop

enum ssl_direction { SSL_READ, SSL_WRITE };

/* A call in progress. */
struct ssl_call {
	__u64 ssl; /* address of the object */
	__u64 length_at; /* where an _ex function puts the length; 0: its result is the length */
	__u8 direction; /* enum ssl_direction */
	__u8 pad[7];
};

/*
 * By thread: pid_tgid. The least recently used are removed first, so that killed threads leave
 * nothing behind.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct ssl_call);
} ssl_calls SEC(".maps");

struct ssl_object {
	__u64 address;
	__u32 process;
	__u32 direction; /* each direction has a flow of its own */
};

struct ssl_flow {
	struct flow_key key;
	__u64 directions; /* as in struct probed */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct ssl_object);
	__type(value, struct ssl_flow);
} ssl_flows SEC(".maps");

/* Totals, by enum ssl_direction. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct openssl_totals);
} ssl_totals SEC(".maps");

static __always_inline struct ssl_object ssl_object_of(__u64 address, __u64 thread,
						       __u32 direction)
{
	return (struct ssl_object){ address, thread >> 32, direction };
}

static __always_inline int ssl_begin(const void *registers, __u8 direction, bool has_length_at)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct ssl_call call = { .direction = direction };

	call.ssl = argument(registers, 0);
	if (has_length_at)
		call.length_at = argument(registers, 3);
	/* In nested calls, the inner one counts, and the outer one finds its entry gone. */
	if (bpf_map_update_elem(&ssl_calls, &thread, &call, BPF_ANY))
		count_in_probe(STAT_FEATURE_LOST, 1, 0);
	return 0;
}

SEC("uprobe")
int openssl_read(struct pt_regs *registers)
{
	return ssl_begin(registers, SSL_READ, false);
}

SEC("uprobe")
int openssl_read_ex(struct pt_regs *registers)
{
	return ssl_begin(registers, SSL_READ, true);
}

SEC("uprobe")
int openssl_write(struct pt_regs *registers)
{
	return ssl_begin(registers, SSL_WRITE, false);
}

SEC("uprobe")
int openssl_write_ex(struct pt_regs *registers)
{
	return ssl_begin(registers, SSL_WRITE, true);
}

/* Bytes of plain text that the call has moved. */
static __always_inline __u64 ssl_length(const struct ssl_call *call, int result)
{
	__u64 length = 0;

	if (result <= 0)
		return 0;
	if (!call->length_at)
		return result;
	if (bpf_probe_read_user(&length, sizeof(length), (const void *)call->length_at))
		return 0;
	return length;
}

static __always_inline struct flow_metrics *ssl_flow(const struct ssl_flow *known)
{
	const struct flow_key *key = &known->key;
	struct probed probed = { .key = key,
				 .eth_protocol = eth_protocol_of(key),
				 .directions = known->directions };

	/* With sampling, a flow that no hook has recorded was not wanted. */
	if (config.sampling > 1 || config.filter_samples)
		return find_flow(key);
	return find_wanted_flow(&probed);
}

SEC("uretprobe")
int openssl_return(struct pt_regs *registers)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct ssl_call *found = bpf_map_lookup_elem(&ssl_calls, &thread);
	struct openssl_metrics *metrics;
	struct openssl_totals *totals;
	struct flow_metrics *flow;
	struct ssl_object object;
	struct ssl_flow *known;
	struct ssl_call call;
	__u32 direction;
	__u64 length;

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&ssl_calls, &thread);
	length = ssl_length(&call, result(registers));
	direction = call.direction;
	totals = bpf_map_lookup_elem(&ssl_totals, &direction);
	if (!length || !totals)
		return 0;
	__sync_fetch_and_add(&totals->calls, 1);
	__sync_fetch_and_add(&totals->bytes, length);

	object = ssl_object_of(call.ssl, thread, direction);
	known = bpf_map_lookup_elem(&ssl_flows, &object);
	flow = known ? ssl_flow(known) : NULL;
	if (!flow) {
		__sync_fetch_and_add(&totals->unlinked_bytes, length);
		return 0;
	}
	metrics = extension(flow, config.openssl_at);
	__sync_fetch_and_add(&metrics->bytes, length);
	return 0;
}

/* The next object at this address has another socket. */
SEC("uprobe")
int openssl_free(struct pt_regs *registers)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct ssl_object object = ssl_object_of(argument(registers, 0), thread, SSL_READ);

	bpf_map_delete_elem(&ssl_flows, &object);
	object.direction = SSL_WRITE;
	bpf_map_delete_elem(&ssl_flows, &object);
	return 0;
}

/* Inside a call, in either direction: a write may have to read first, and the reverse. */
static __always_inline int ssl_socket(struct sock *sk, enum sock_access access)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct ssl_call *call = bpf_map_lookup_elem(&ssl_calls, &thread);
	struct ssl_flow flow = {}, *known;
	struct ssl_object object;
	__u8 protocol;

	if (!call || !sk)
		return 0;
	protocol = SOCK_FIELD((struct sock___openssl *)sk, access, sk_protocol);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return 0;
	if (!common_flow(&sk->__sk_common, access, protocol, call->direction == SSL_READ,
			 &flow.key))
		return 0;
	object = ssl_object_of(call->ssl, thread, call->direction);
	known = bpf_map_lookup_elem(&ssl_flows, &object);
	if (known && same_key(&known->key, &flow.key))
		return 0;
	flow.directions = socket_direction(sk, call->direction == SSL_READ);
	bpf_map_update_elem(&ssl_flows, &object, &flow, BPF_ANY);
	return 0;
}

/* Linux 6.3 */
SEC("tp_btf/sock_send_length")
int BPF_PROG(openssl_sent, struct sock *sk)
{
	return ssl_socket(sk, SOCK_TYPED);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(openssl_received, struct sock *sk)
{
	return ssl_socket(sk, SOCK_TYPED);
}

SEC("fentry/tcp_sendmsg")
int BPF_PROG(openssl_tcp_send, struct sock *sk)
{
	return ssl_socket(sk, SOCK_TYPED);
}

SEC("fentry/tcp_recvmsg")
int BPF_PROG(openssl_tcp_receive, struct sock *sk)
{
	return ssl_socket(sk, SOCK_TYPED);
}

/* arm64 has fentry since Linux 6.4. The socket is read only during calls, which are few. */
SEC("kprobe/tcp_sendmsg")
int openssl_tcp_send_kprobe(struct pt_regs *registers)
{
	return ssl_socket((struct sock *)argument(registers, 0), SOCK_BY_ADDRESS);
}

SEC("kprobe/tcp_recvmsg")
int openssl_tcp_receive_kprobe(struct pt_regs *registers)
{
	return ssl_socket((struct sock *)argument(registers, 0), SOCK_BY_ADDRESS);
}
