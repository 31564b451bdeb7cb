/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * TLS (RFC 5246, 8446): which records a flow has, and its hellos. Segments are not put together
 * here, so a record shows where a segment begins with it, with records that end before it, or with
 * the header of a proxy in front. A hello that is longer than its segment is sent in parts, which
 * user space joins. An entry in whose segments data were seen is known; of all others a few
 * segments are looked at. So after each drain a flow is looked at again.
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
/* Servers spoke drafts of TLS 1.3 as 0x7f and the draft's number. */
#define TLS_DRAFT_MAJOR 0x7f
/* RFC 5246 §6.2.3: what encryption may add. */
#define TLS_RECORD_BYTES_MAX (16384 + 2048)

/* Records of one segment: a server's first flight has up to six of them. */
#define TLS_RECORDS_MAX 8
/* Two of a client whose first guess the server refuses, and some to spare. */
#define TLS_HELLOS_MAX 4
/* SMTP, for one, exchanges a few lines before it goes over to TLS. */
#define TLS_MISSES_MAX 16
/* Bytes of one hello that are sent; those with keys of every kind are half as long. */
#define TLS_HELLO_BYTES_MAX 8192
/* And of its parts, with some to spare for those that are sent again. */
#define TLS_PARTS_BYTES_MAX (2 * TLS_HELLO_BYTES_MAX)
/* Heads of the records that a hello may be spread over, but for the first. */
#define TLS_MORE_HEADS_BYTES (8 * sizeof(struct tls_record))

struct tls_record {
	__u8 type;
	__u8 major;
	__u8 minor;
	__u8 length[2];
};

/* Behind a record's head; encrypted ones look like anything. */
struct tls_handshake {
	__u8 type;
	__u8 length[3];
	__u8 major;
	__u8 minor;
};

/* Up to the version. */
#define TLS_MESSAGE_HEAD_BYTES 4

/* RFC 5246 appendix E.2: how clients begin that also know SSL 2. */
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

/* What begins somewhere in a segment. */
struct tls_found {
	__u32 next; /* behind it; 0: there is nothing */
	__u32 hello; /* bytes of a hello, or of what may be one */
	__u8 type; /* enum tls_seen; 0: too little of it to say */
	__u8 pad[3];
};

#define TLS_SEEN_AFTER_HELLO (TLS_SEEN_CHANGE_CIPHER | TLS_SEEN_ALERT | TLS_SEEN_APP_DATA)

/* A later fragment has some, too, but no header that would say which part of a stream it is. */
static __always_inline bool has_payload(const struct packet *packet)
{
	return packet->end > packet->headers && !packet->is_later_fragment;
}

/* The record at `at`, of which `found->next` is filled in, holds a handshake message. */
static __always_inline void find_handshake(struct __sk_buff *skb, __u32 at, __u32 end,
					   struct tls_found *found)
{
	__u32 body = at + sizeof(struct tls_record), record = found->next - at, bytes;
	struct tls_handshake handshake;
	bool is_version;

	/* So little in one record is a short message, or the beginning of one in many records. */
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
 * What begins at `at`. Not static: the verifier looks at such a function once and by itself,
 * instead of at every way in which a loop can call it.
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
	/* The first bytes of a head: of a hello, it may turn out. */
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

/* Lengths that add up tell it from anything else that begins with the same bytes. */
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

/* TCP's number of the segment's first byte. */
static __always_inline __u32 sequence_of(struct __sk_buff *skb, const struct packet *packet)
{
	__be32 sequence = 0;

	bpf_skb_load_bytes(skb, packet->l4 + __builtin_offsetof(struct tcphdr, seq), &sequence,
			   sizeof(sequence));
	return bpf_ntohl(sequence);
}

/* Sends what the segment has of the `bytes` from `at` on. */
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
	/* Several parts for what is longer than a message; offloads put segments together. */
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
 * How much of what begins with the segment may be of the last hello: segments come in any order,
 * and again. Halves of sequence numbers do, since no hello is as long as they go.
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

	/* It may not be known how much is wanted; what cannot be part of a hello ends it. */
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
		/* What the next records hold is the rest of it. */
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
