// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One of everything that user space decodes, so that the compiler describes it (BTF) even if
 * programs access it only as bytes. Read by scripts/gen-layout.ts, never loaded.
 */

#include "kernel.h"
#include "types.h"
#include "config.h"
#include "captured-packet.h"
#include "hook-facts.h"

struct {
	struct flow_key flow_key;
	struct flow_metrics flow_metrics;
	struct observed_interface observed_interface;
	struct stat_value stat_value;
	struct config config;
	struct rtt_metrics rtt_metrics;
	struct drop_metrics drop_metrics;
	struct dns_metrics dns_metrics;
	struct tls_metrics tls_metrics;
	struct quic_metrics quic_metrics;
	struct nat_metrics nat_metrics;
	struct tcp_metrics tcp_metrics;
	struct process_metrics process_metrics;
	struct tunnel_metrics tunnel_metrics;
	struct ipsec_metrics ipsec_metrics;
	struct event_metrics event_metrics;
	struct openssl_metrics openssl_metrics;
	struct openssl_totals openssl_totals;
	struct filter_metrics filter_metrics;
	struct filter_rule filter_rule;
	struct port_range port_range;
	struct message message;
	struct captured_packet captured_packet;
	enum hook_fact hook_fact;
	enum stat stat;
	enum side_entries side_entries;
	struct dns_query dns_query;
	enum message_kind message_kind;
	enum message_room message_room;
	enum dns_seen dns_seen;
	enum tls_seen tls_type;
	enum filter_condition filter_condition;
	enum nat_state nat_state;
	enum event_fate event_fate;
	enum tunnel_type tunnel_type;
} everything;
