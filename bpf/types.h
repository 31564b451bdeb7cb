/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Types that the datapath and user space share. User space reads the layout from the object's BTF
 * (see scripts/gen-layout.ts), so a change here shows up as a changed
 * src/agent/drain/layout.gen.ts.
 *
 * All integers are in host order; addresses and MACs are the packet's bytes.
 */

/* A flow is unidirectional. IPv4 addresses are kept as ::ffff:a.b.c.d. */
struct flow_key {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u16 src_port;
	__u16 dst_port;
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 mapped; /* 1: IPv6, though addresses look like that; separate from IPv4's flow */
};

/* Interfaces that a flow remembers; packets on others are counted in a statistic. */
#define MAX_OBSERVED_INTERFACES 6

/*
 * The parts of ifindex_seen: the number and, on top, facts about the hooks there and the directions
 * in which the flow was seen.
 */
enum ifindex_seen {
	IFINDEX_MASK = 0x07ffffff,
	FIRST_EGRESS = 0x08000000, /* first slot only: its first packet left there, else came in */
	BORN_INGRESS = 0x10000000, /* enum hook_fact, as it was when the slot was filled */
	BORN_EGRESS = 0x20000000,
	SEEN_INGRESS = 0x40000000,
	SEEN_EGRESS = 0x80000000,
};

/*
 * A place where packets of the flow were seen, in order of appearance; the first empty slot ends
 * the list. ifindex alone says little: every network namespace numbers its interfaces from 1. The
 * rest is in the same word, so that one atomic instruction claims, compares and extends a slot.
 */
struct observed_interface {
	__u32 netns; /* low half of the namespace's cookie; 0: the kernel does not report it */
	enum ifindex_seen ifindex_seen; /* 0: slot is empty */
};

/* Bits of flow_metrics.state. */
enum flow_state {
	FLOW_HAS_BIRTHS = 1, /* packets were counted where they are born */
};
/* Shift of these bits in state_word. */
#define STATE_SHIFT 8

/*
 * 104 bytes: with the kernel's 48-byte element header and the key, an entry of a preallocated hash
 * map is exactly three cache lines. The second holds the end of the key and the 40 bytes up to
 * observed[0], which are all that a packet of a known flow touches.
 */
struct flow_metrics {
	__u64 bytes; /* on the wire: L2 header included, every segment's headers counted */
	__u64 packets; /* on the wire: segments, not socket buffers */
	__u64 end_ns; /* CLOCK_MONOTONIC, coarse, a few milliseconds, after the first packet */
	union {
		struct {
			__u16 tcp_flags;
			__u16 vlan_id; /* outermost tag; 0: none */
		};
		__u32 tcp_flags_word; /* BPF has no 16-bit atomics: flags are ORed through this */
	};
	union {
		struct {
			__u8 dscp;
			__u8 state; /* enum flow_state; bits are only added, through the word */
			__u16 eth_protocol;
		};
		__u32 state_word;
	};
	struct observed_interface observed[MAX_OBSERVED_INTERFACES];
	__u64 start_ns;
	__u32 sampling; /* 1 packet in this many was looked at; 0 and 1: all */
	__u8 src_mac[6];
	__u8 dst_mac[6];
};

_Static_assert(sizeof(struct flow_key) == 40, "see above");
_Static_assert(sizeof(struct flow_metrics) == 104, "see above");

/*
 * Structures that features add to a flow. After flow_metrics, an entry has those of the features
 * that are on and no others, each at its offset in `config` (see extension()).
 */

/* From tcp_probe: microseconds, as TCP keeps them. */
struct rtt_metrics {
	__u32 smoothed_us; /* the longest of the smoothed ones */
	__u32 min_us; /* the shortest that TCP knows; 0: none */
};

/* From kfree_skb. Counters are atomic; the other fields are of the last drop. */
struct drop_metrics {
	__u64 bytes;
	__u64 packets;
	__u64 location; /* address in the kernel's code */
	__u32 reason; /* enum skb_drop_reason, subsystem on top */
	__u16 tcp_flags;
	__u8 tcp_state;
	__u8 pad;
};

/*
 * From DNS messages in the flow. All fields except the counts are of responses, whose other
 * contents are sent as messages.
 */
struct dns_metrics {
	__u64 latency_ns; /* the longest */
	__u32 queries;
	__u32 repeated; /* queries that had been asked before and not answered */
	__u32 lost; /* queries that nobody answered in time; user space counts them */
	__u16 id; /* of the last response */
	__u16 flags; /* host order: bits of all responses, ORed; codes of the last one */
	__u16 error; /* errno: why the last message could not be read */
	__u8 seen; /* enum dns_seen */
	__u8 pad[5];
};

enum dns_seen {
	DNS_SEEN_RESPONSE = 1,
	DNS_SEEN_UNREADABLE = 2,
};

/* From TLS records in the flow. Hellos are sent as messages. */
struct tls_metrics {
	__u8 types; /* enum tls_seen */
	__u8 known; /* 1: there is nothing more to look for */
	__u8 hellos; /* that were sent as messages */
	__u8 misses; /* segments with payload that do not begin with a record */
	__u16 wanted; /* bytes that may still be sent as parts of the last hello */
	__u16 until; /* where it ends: lower half of the sequence number */
};

/* Kinds of records; user space has the same bits. */
enum tls_seen {
	TLS_SEEN_CLIENT_HELLO = 1,
	TLS_SEEN_SERVER_HELLO = 2,
	TLS_SEEN_OTHER_HANDSHAKE = 4,
	TLS_SEEN_CHANGE_CIPHER = 8,
	TLS_SEEN_ALERT = 16,
	TLS_SEEN_APP_DATA = 32,
};

/* From QUIC packets, by what RFC 8999 says of all versions. */
struct quic_metrics {
	__u32 version; /* of the last long header; 0: no meaningful one was seen */
	__u8 seen_long_header;
	__u8 seen_short_header;
	__u8 is_known; /* long headers of the connection were seen, perhaps before this entry */
	__u8 misses; /* packets without signs of QUIC */
};

enum nat_state {
	NAT_UNKNOWN,
	NAT_NONE, /* tracked, and not translated */
	NAT_TRANSLATED,
};

/* The same packets on the other side of the address translation; begins as flow_key does. */
struct nat_metrics {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u16 src_port;
	__u16 dst_port;
	__u16 zone; /* of connection tracking */
	__u8 state; /* enum nat_state */
	__u8 lookups; /* packets for which connections were looked up; at the limit it is settled */
};

/* How TCP fares. Counters are atomic. */
struct tcp_metrics {
	__u64 handshake_ns;
	__u32 retransmissions;
	__u32 resets;
	__u32 failed_connects;
	__u32 zero_windows;
};

/* The process that owns the socket. */
struct process_metrics {
	__u64 cgroup; /* id of the control group, cgroup v2 */
	__u32 pid; /* thread group, initial namespace; 0: unknown */
	__u8 comm[16];
	__u8 attempts; /* failed attempts to find out */
	__u8 pad[3];
};

enum tunnel_type {
	TUNNEL_VXLAN = 1,
	TUNNEL_GENEVE = 2,
};

/* UDP ports that a kind of tunnel may have. */
#define TUNNEL_PORTS_MAX 4

/* The tunnel that packets of the flow, an inner one, were wrapped in. */
struct tunnel_metrics {
	__u8 src_ip[16];
	__u8 dst_ip[16];
	__u32 id; /* VNI */
	__u8 type; /* enum tunnel_type */
	__u8 pad[3];
};

struct ipsec_metrics {
	__s32 result; /* 0, or a negative errno; an error wins over success */
	__u8 seen;
	__u8 pad[3];
};

#define NETWORK_EVENTS_MAX 4

/* Cookies of psample in order of appearance; user space knows what they mean. Atomic. */
struct event_metrics {
	__u64 cookies[NETWORK_EVENTS_MAX]; /* as bytes; 0: the slot is free */
	__u64 bytes[NETWORK_EVENTS_MAX];
	__u32 packets[NETWORK_EVENTS_MAX];
};

enum event_fate {
	EVENT_GOOD,
	EVENT_OTHER_GROUP,
	EVENT_NO_COOKIE, /* or one that is not as long as OVN's */
	EVENT_UNREADABLE, /* the packet is not IP, or its headers are out of reach */
	EVENT_NO_FLOW, /* no room for one, or it is not wanted, or not drawn */
	EVENT_OVERFLOW, /* the flow has NETWORK_EVENTS_MAX other ones */
	EVENT_FATES,
};

/* Plain text that went through OpenSSL, both ways. Atomic. */
struct openssl_metrics {
	__u64 bytes;
};

/* All plain text of one direction, whether or not its flow is known. */
struct openssl_totals {
	__u64 calls;
	__u64 bytes;
	__u64 unlinked_bytes; /* of those, the part whose flow is not known */
};

#define FILTER_RULES_MAX 64
/* Port ranges in one rule. */
#define FILTER_RANGES_MAX 16

struct port_range {
	__u16 first; /* inclusive, as is the last */
	__u16 last;
};

enum filter_condition {
	FILTER_ACCEPT = 1, /* the action; else it rejects */
	FILTER_PEER = 2,
	FILTER_NOT_IPV4 = 4, /* ::/0 includes the addresses that stand for IPv4 */
	FILTER_INGRESS = 8,
	FILTER_EGRESS = 16,
	FILTER_PROTOCOL = 32,
	FILTER_SOURCE_PORT = 64,
	FILTER_DESTINATION_PORT = 128,
	FILTER_EITHER_PORT = 256,
	FILTER_TCP_FLAGS = 512,
	FILTER_ICMP_TYPE = 1024,
	FILTER_ICMP_CODE = 2048,
	FILTER_DROPS = 4096,
	FILTER_NOT_IPV6 = 8192, /* packets of IPv6 can have the addresses that stand for IPv4 */
};

/* Networks have the form of addresses in keys, masked; all zeros: any address. */
struct filter_rule {
	__u64 mask[2];
	__u64 network[2];
	__u64 peer_mask[2];
	__u64 peer_network[2];
	struct port_range ports[FILTER_RANGES_MAX]; /* of the source, the destination, either */
	enum filter_condition conditions; /* those to be checked */
	__u32 sample; /* one packet in this many; 0: like all others */
	__u16 tcp_flags; /* any of these, see flag_names() */
	__u8 source_end; /* where the source's ranges in `ports` end */
	__u8 destination_end;
	__u8 either_end;
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
};

/* Filter decisions that wait until the flow is complete. */
struct filter_metrics {
	__u8 wanted; /* accepted unconditionally, for a packet or by a probe */
	__u8 pad[7];
};

/* An entry with every feature on is not longer than this. */
#define FLOW_VALUE_BYTES_MAX 512

/* Kinds of messages. */
enum message_kind {
	MESSAGE_DNS = 1,
	MESSAGE_TLS = 2,
	MESSAGE_TLS_MORE = 3, /* the stream's next bytes of a hello that was cut */
};

/* The head of a record in the ring buffer `messages`; the packet's payload follows. */
struct message {
	struct flow_key key; /* in DNS, the id takes the place of ICMP's type and code: set_id() */
	__u64 time_ns; /* as in flow_metrics */
	__u32 length; /* bytes of payload that follow */
	__u32 missing; /* bytes of the packet's payload that do not follow */
	__u32 sequence; /* in TCP, of the first byte that follows */
	__u16 asked; /* DNS: bytes of the question that equal the waiting query's; 0: none */
	__u8 kind;
	__u8 pad;
	struct observed_interface place; /* where it was seen; the bits of ifindex_seen are 0 */
};

/* Room for payload in a message, in bytes: the smallest of these that suffices. */
enum message_room {
	MESSAGE_ROOM_SMALL = 192, /* most DNS responses */
	MESSAGE_ROOM_MEDIUM = 576, /* a ClientHello as OpenSSL pads it; DNS without extensions */
	MESSAGE_ROOM_LARGE = 2048, /* a hello with a post-quantum key share */
};

/* RFC 1035: the longest name, and the type and class behind it. */
#define DNS_QUESTION_BYTES_MAX 259

/* A query that has not been answered, in the map `dns_queries`. */
struct dns_query {
	__u64 time_ns; /* CLOCK_MONOTONIC, precise */
	__u16 length;
	__u8 question[DNS_QUESTION_BYTES_MAX]; /* the first `length` bytes after the header */
	__u8 pad[3];
};

/*
 * Entries of each table of a pair, see side-tables.h. User space adds the entries that each CPU
 * keeps free for itself.
 */
enum side_entries {
	SIDE_ENTRIES_FRAGMENTS = 4096, /* datagrams in pieces */
	SIDE_ENTRIES_DNS_QUERIES = 8192, /* waiting for their answers */
	SIDE_ENTRIES_DNS_STREAMS = 4096, /* directions of DNS over TCP that are followed */
	SIDE_ENTRIES_QUIC_FLOWS = 8192, /* connections */
	SIDE_ENTRIES_CAPTURED_FLOWS = 8192, /* flows whose place is known during a capture */
	SIDE_ENTRIES_SHARES = 2048, /* interfaces and namespaces with shares */
};

/* One per-CPU counter pair for each way a packet can go unrecorded (and a few other facts). */
enum stat {
	STAT_SAMPLED_OUT,
	STAT_NOT_IP,
	STAT_MALFORMED, /* said to be IP, but its headers are cut short or contradict themselves */
	STAT_MAP_FULL, /* no room for a new flow */
	STAT_MAP_ERROR, /* any other refusal of the map */
	STAT_REJECTED, /* a filter rule rejects it, at every hook so far */
	STAT_UNMATCHED, /* there are filter rules, and none accepts it at any hook so far */
	STAT_INTERFACES_MISSED, /* recorded, but on an interface for which no slot was left */
	STAT_MESSAGES_LOST, /* recorded, but the ring buffer had no room for what they say */
	STAT_FEATURE_LOST, /* recorded, but a feature's own table had no room for what it noted */
	/* A probe had data on a flow that it could not identify, or that had no room. */
	STAT_PROBE_LOST,
	STAT_CAPTURE_FULL, /* wanted, but the ring buffer had no room for the packet */
	STAT_NOT_WATCHED, /* by a probe: where no hook is, in a flow that no hook has seen */
	STAT_OTHER_HOST, /* dropped, and was never meant for this host */
	STAT_UNEXPLAINED, /* freed as dropped, without a reason */
	STAT_NOT_LOOKED_INTO, /* may have IP inside a header that is not parsed */
	/* Recorded, but it is unknown where DNS messages begin in a TCP segment. */
	STAT_DNS_UNFOLLOWED,
	/* Recorded, but the query of a DNS answer was unknown, so it has no latency. */
	STAT_DNS_UNASKED,
	/* Recorded, but what is remembered of them exceeds their sender's share. */
	STAT_SIDE_BUSY,
	STAT_COUNT,
};

struct stat_value {
	__u64 packets;
	__u64 bytes;
};
