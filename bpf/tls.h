/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * TLS (RFC 5246, 8446): finds which records a flow has, and its hellos. Segments are not
 * reassembled here, so a record is found only if a segment begins with it, with records that end
 * before it, or with the header of a proxy in front. A hello that is longer than its segment is
 * sent in parts, which user space joins. An entry is settled once application data was seen; until
 * then a few segments are inspected. So each flow is inspected again after a drain.
 */

#include "kernel.h"
#include "types.h"
#include "messages.h"
#include "parse.h"
#include "proxy.h"

#define TLS_CHANGE_CIPHER_SPEC 20
#define TLS_ALERT 21
#define TLS_HANDSHAKE 22
#define TLS_APPLICATION_DATA 23

#define TLS_CLIENT_HELLO 1
#define TLS_SERVER_HELLO 2

#define TLS_MAJOR 3
#define TLS_MINOR_MAX 4
/* Servers named drafts of TLS 1.3 by 0x7f and the draft's number. */
#define TLS_DRAFT_MAJOR 0x7f
/* RFC 5246 §6.2.3: the longest text, and what encryption may add. */
#define TLS_RECORD_BYTES_MAX (16384 + 2048)

/* Records of one segment: a server's first flight has up to six of them. */
#define TLS_RECORDS_MAX 8
/* Two from a client whose first guess the server refuses, and some to spare. */
#define TLS_HELLOS_MAX 4
/* SMTP, for one, exchanges a few lines before it switches to TLS. */
#define TLS_MISSES_MAX 16
/* Bytes of one hello that are sent; hellos with keys of every kind are half as long. */
#define TLS_HELLO_BYTES_MAX 8192
/* Bytes of its parts that are sent, with some to spare for retransmissions. */
#define TLS_PARTS_BYTES_MAX (2 * TLS_HELLO_BYTES_MAX)
/* Heads of the records that a hello may be spread over, except the first. */
#define TLS_MORE_HEADS_BYTES (8 * sizeof(struct tls_record))

struct tls_record {
	__u8 type;
	__u8 major;
	__u8 minor;
	__u8 length[2];
};

/* Follows a record's head; encrypted handshakes look like anything. */
struct tls_handshake {
	__u8 type;
	__u8 length[3];
	__u8 major;
	__u8 minor;
};

/* Bytes up to the version. */
#define TLS_MESSAGE_HEAD_BYTES 4

/* RFC 5246 appendix E.2: the hello of clients that also support SSL 2. */
struct ssl2_hello {
	__u8 length[2];
	__u8 type;
	__u8 major;
	__u8 minor;
	__be16 ciphers_bytes;
	__be16 session_bytes;
	__be16 challenge_bytes;
} __attribute__((packed));

#define SSL2_LENGTH_FLAG 0x80
#define SSL2_CIPHER_BYTES 3
#define SSL2_CHALLENGE_BYTES_MIN 16
#define SSL2_CHALLENGE_BYTES_MAX 32

/* A record, or the beginning of one, found in a segment. */
struct tls_found {
	__u32 next; /* where it ends; 0: nothing was found */
	__u32 hello; /* bytes of a hello, or of what may be one */
	__u8 type; /* enum tls_seen; 0: too little of it to say */
	__u8 pad[3];
};

#define TLS_SEEN_AFTER_HELLO (TLS_SEEN_CHANGE_CIPHER | TLS_SEEN_ALERT | TLS_SEEN_APP_DATA)

/* A later fragment has payload, too, but no header that says which part of a stream it is. */
static __always_inline bool has_payload(const struct packet *packet)
{
	return packet->end > packet->headers && !packet->is_later_fragment;
}

/* Reads the handshake message in the record at `at`; `found->next` is filled in already. */
static __always_inline void find_handshake(struct __sk_buff *skb, __u32 at, __u32 end,
					   struct tls_found *found)
{
	__u32 body = at + sizeof(struct tls_record), record = found->next - at, bytes;
	struct tls_handshake handshake;
	bool is_version;

	/* So short a record has a short message, or the beginning of one in many records. */
	if (body + sizeof(handshake) > found->next) {
		if (bpf_skb_load_bytes(skb, body, &handshake.type, sizeof(handshake.type)) ||
		    handshake.type == TLS_CLIENT_HELLO || handshake.type == TLS_SERVER_HELLO)
			found->hello = MESSAGE_ROOM_LARGE;
		else
			found->type = TLS_SEEN_OTHER_HANDSHAKE;
		return;
	}
	if (body + sizeof(handshake) > end ||
	    bpf_skb_load_bytes(skb, body, &handshake, sizeof(handshake))) {
		found->hello = record;
		return;
	}
	is_version = handshake.major == TLS_MAJOR && handshake.minor <= TLS_MINOR_MAX;
	if (handshake.type == TLS_SERVER_HELLO && handshake.major == TLS_DRAFT_MAJOR)
		is_version = true;
	found->type = TLS_SEEN_OTHER_HANDSHAKE;
	if (!is_version || handshake.length[0])
		return;
	if (handshake.type == TLS_CLIENT_HELLO)
		found->type = TLS_SEEN_CLIENT_HELLO;
	else if (handshake.type == TLS_SERVER_HELLO)
		found->type = TLS_SEEN_SERVER_HELLO;
	else
		return;
	bytes = sizeof(struct tls_record) + TLS_MESSAGE_HEAD_BYTES +
		(handshake.length[1] << 8 | handshake.length[2]);
	found->hello = bytes > record ? bytes + TLS_MORE_HEADS_BYTES : bytes;
}

/*
 * Finds what begins at `at`. Not static: the verifier checks such a function once and by itself,
 * instead of on every path on which a loop can call it.
 */
noinline __u32 find_tls(struct __sk_buff *skb, __u32 at, __u32 end, struct tls_found *found)
{
	struct tls_record record = {};
	__u32 length, have = end - at;

	if (!config.tls_at || !found)
		return 0;
	found->next = found->hello = found->type = 0;
	if (at >= end)
		return 0;
	if (have > sizeof(record))
		have = sizeof(record);
	if (copy_bytes(skb, at, &record, have, sizeof(record)))
		return 0;
	/* The first bytes of a head, which may turn out to be a hello's. */
	if (have < sizeof(record)) {
		if (record.type == TLS_HANDSHAKE && (have < 2 || record.major == TLS_MAJOR) &&
		    record.minor <= TLS_MINOR_MAX) {
			found->next = end;
			found->hello = MESSAGE_ROOM_LARGE;
		}
		return 0;
	}
	length = record.length[0] << 8 | record.length[1];
	if (record.major != TLS_MAJOR || record.minor > TLS_MINOR_MAX || !length ||
	    length > TLS_RECORD_BYTES_MAX)
		return 0;
	found->next = at + sizeof(record) + length;
	switch (record.type) {
	case TLS_CHANGE_CIPHER_SPEC:
		/* RFC 5246 §7.1: a single byte. */
		if (length != 1)
			found->next = 0;
		else
			found->type = TLS_SEEN_CHANGE_CIPHER;
		break;
	case TLS_ALERT:
		found->type = TLS_SEEN_ALERT;
		break;
	case TLS_APPLICATION_DATA:
		found->type = TLS_SEEN_APP_DATA;
		break;
	case TLS_HANDSHAKE:
		find_handshake(skb, at, end, found);
		break;
	default:
		found->next = 0;
	}
	return 0;
}

/* Lengths that add up distinguish it from anything else that begins with the same bytes. */
static __always_inline void find_ssl2_hello(struct __sk_buff *skb, __u32 at, __u32 end,
					    struct tls_found *found)
{
	struct ssl2_hello hello;
	__u32 bytes, ciphers, session, challenge;

	if (at + sizeof(hello) > end || bpf_skb_load_bytes(skb, at, &hello, sizeof(hello)))
		return;
	bytes = (hello.length[0] & ~SSL2_LENGTH_FLAG) << 8 | hello.length[1];
	ciphers = bpf_ntohs(hello.ciphers_bytes);
	session = bpf_ntohs(hello.session_bytes);
	challenge = bpf_ntohs(hello.challenge_bytes);
	if (!(hello.length[0] & SSL2_LENGTH_FLAG) || hello.type != TLS_CLIENT_HELLO ||
	    hello.major != TLS_MAJOR || hello.minor > TLS_MINOR_MAX || !ciphers ||
	    ciphers % SSL2_CIPHER_BYTES || challenge < SSL2_CHALLENGE_BYTES_MIN ||
	    challenge > SSL2_CHALLENGE_BYTES_MAX ||
	    sizeof(hello) - sizeof(hello.length) + ciphers + session + challenge != bytes)
		return;
	found->type = TLS_SEEN_CLIENT_HELLO;
	found->hello = sizeof(hello.length) + bytes;
	found->next = at + found->hello;
}

/* The sequence number of the segment's first byte. */
static __always_inline __u32 sequence_of(struct __sk_buff *skb, const struct packet *packet)
{
	__be32 sequence = 0;

	bpf_skb_load_bytes(skb, packet->l4 + __builtin_offsetof(struct tcphdr, seq), &sequence,
			   sizeof(sequence));
	return bpf_ntohl(sequence);
}

/* Sends those of the `bytes` from `at` on that the segment has. */
static __always_inline void send_hello(struct __sk_buff *skb, const struct packet *packet,
				       __u8 kind, __u32 at, __u32 bytes, struct tls_metrics *tls)
{
	struct message *head = fresh_head(skb, kind);
	__u32 have = packet->end - at;

	if (!head)
		return;
	if (bytes > TLS_HELLO_BYTES_MAX)
		bytes = TLS_HELLO_BYTES_MAX;
	if (have > bytes)
		have = bytes;
	copy_key(&head->key, &packet->key);
	head->sequence = sequence_of(skb, packet) + at - packet->headers;
	if (kind == MESSAGE_TLS_MORE) {
		tls->wanted -= have < tls->wanted ? have : tls->wanted;
	} else {
		tls->wanted = bytes > have ? TLS_PARTS_BYTES_MAX : 0;
		tls->until = head->sequence + bytes;
	}
	/* Sends several parts if the hello is longer than a message; offloads join segments. */
	for (int i = 0; i < TLS_HELLO_BYTES_MAX / MESSAGE_ROOM_LARGE && have; i++) {
		bytes = send_message(skb, head, at, have);
		if (bytes > have)
			break;
		head->kind = MESSAGE_TLS_MORE;
		head->sequence += bytes;
		at += bytes;
		have -= bytes;
	}
}

/*
 * How many bytes at the segment's start may belong to the last hello: segments come in any order,
 * and repeatedly. Half of the sequence number is enough, since no hello is that long.
 */
static __always_inline __u32 bytes_of_last_hello(struct __sk_buff *skb, const struct packet *packet,
						 const struct tls_metrics *tls)
{
	__u16 bytes = tls->until - sequence_of(skb, packet);

	return bytes <= TLS_HELLO_BYTES_MAX ? bytes : 0;
}

static noinline void inspect_tls(struct __sk_buff *skb, const struct packet *packet,
				 struct tls_metrics *tls)
{
	__u32 at = packet->headers, end = packet->end, hello = 0, bytes = 0;
	struct tls_found found = {};
	__u8 types = 0;

	/* The hello's length may be unknown; a record that cannot be part of it ends it. */
	if (tls->wanted) {
		bytes = bytes_of_last_hello(skb, packet, tls);
		find_tls(skb, at, end, &found);
		if (bytes && found.type & TLS_SEEN_AFTER_HELLO)
			bytes = tls->wanted = 0;
	}
	if (bytes) {
		send_hello(skb, packet, MESSAGE_TLS_MORE, at, bytes, tls);
		at += bytes;
		if (at >= end)
			return;
		bytes = 0;
	}
	for (int i = 0; i < TLS_RECORDS_MAX && at < end; i++) {
		find_tls(skb, at, end, &found);
		if (!found.next && !i) {
			find_ssl2_hello(skb, at, end, &found);
			if (!found.next) {
				at = skip_proxy_header(skb, at, end);
				find_tls(skb, at, end, &found);
			}
		}
		if (!found.next)
			break;
		types |= found.type;
		if (found.hello) {
			hello = at;
			bytes = found.hello;
		}
		/* The next records hold the rest of the hello. */
		if (at + found.hello > found.next)
			break;
		at = found.next;
	}
	if (types & ~tls->types)
		tls->types |= types;
	if (!types && !bytes)
		tls->misses++;
	if (tls->types & TLS_SEEN_APP_DATA || tls->misses >= TLS_MISSES_MAX)
		tls->known = 1;
	if (!bytes || tls->hellos >= TLS_HELLOS_MAX)
		return;
	tls->hellos++;
	send_hello(skb, packet, MESSAGE_TLS, hello, bytes, tls);
}
