/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * TLS (RFC 5246, 8446): which records a flow has, and its hellos. Segments are not put together, so
 * a record shows where a segment begins with it or with records that end before it. An entry in
 * whose segments data were seen is known; of all others a few segments are looked at. So after each
 * drain a flow is looked at again.
 */

#include "kernel.h"
#include "types.h"
#include "messages.h"
#include "parse.h"

#define TLS_CHANGE_CIPHER_SPEC 20
#define TLS_ALERT 21
#define TLS_HANDSHAKE 22
#define TLS_APPLICATION_DATA 23

#define TLS_CLIENT_HELLO 1
#define TLS_SERVER_HELLO 2

#define TLS_MAJOR 3
#define TLS_MINOR_MAX 4
/* RFC 5246 §6.2.3: what encryption may add. */
#define TLS_RECORD_BYTES_MAX (16384 + 2048)

/* Records of one segment: a server's first flight has up to six of them. */
#define TLS_RECORDS_MAX 8
/* Two of a client whose first guess the server refuses, and some to spare. */
#define TLS_HELLOS_MAX 4
/* SMTP, for one, exchanges a few lines before it goes over to TLS. */
#define TLS_MISSES_MAX 16

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

static __always_inline bool has_payload(const struct packet *packet)
{
	return packet->end > packet->headers;
}

/* The kind of a handshake message, at the place behind its record's head. */
static __always_inline __u8 handshake_type(struct __sk_buff *skb, __u32 at, __u32 end)
{
	struct tls_handshake handshake;

	if (at + sizeof(handshake) > end ||
	    bpf_skb_load_bytes(skb, at, &handshake, sizeof(handshake)) || handshake.length[0] ||
	    handshake.major != TLS_MAJOR || handshake.minor > TLS_MINOR_MAX)
		return TLS_SEEN_OTHER_HANDSHAKE;
	if (handshake.type == TLS_CLIENT_HELLO)
		return TLS_SEEN_CLIENT_HELLO;
	if (handshake.type == TLS_SERVER_HELLO)
		return TLS_SEEN_SERVER_HELLO;
	return TLS_SEEN_OTHER_HANDSHAKE;
}

/* A record's size, head included, and its kind. */
#define TLS_SIZE_SHIFT 8

/*
 * What begins at `at`: 0 when it is no record. Not static: the verifier looks at such a function
 * once and by itself, instead of at every way in which a loop can call it.
 */
noinline __u32 tls_record_at(struct __sk_buff *skb, __u32 at, __u32 end)
{
	struct tls_record record;
	__u32 length, type;

	if (at + sizeof(record) > end || bpf_skb_load_bytes(skb, at, &record, sizeof(record)))
		return 0;
	length = record.length[0] << 8 | record.length[1];
	if (record.major != TLS_MAJOR || record.minor > TLS_MINOR_MAX || !length ||
	    length > TLS_RECORD_BYTES_MAX)
		return 0;
	switch (record.type) {
	case TLS_CHANGE_CIPHER_SPEC:
		type = TLS_SEEN_CHANGE_CIPHER;
		break;
	case TLS_ALERT:
		type = TLS_SEEN_ALERT;
		break;
	case TLS_APPLICATION_DATA:
		type = TLS_SEEN_APP_DATA;
		break;
	case TLS_HANDSHAKE:
		type = handshake_type(skb, at + sizeof(record), end);
		break;
	default:
		return 0;
	}
	return (sizeof(record) + length) << TLS_SIZE_SHIFT | type;
}

static noinline void inspect_tls(struct __sk_buff *skb, const struct packet *packet,
				 struct tls_metrics *tls)
{
	__u32 at = packet->headers, end = packet->end, hello = 0, hello_end = 0, record, next;
	__u8 types = 0;

	for (int i = 0; i < TLS_RECORDS_MAX && at < end; i++) {
		record = tls_record_at(skb, at, end);
		if (!record)
			break;
		types |= record & 0xff;
		next = at + (record >> TLS_SIZE_SHIFT);
		if (record & (TLS_SEEN_CLIENT_HELLO | TLS_SEEN_SERVER_HELLO)) {
			hello = at;
			hello_end = next;
		}
		at = next;
	}
	if (types & ~tls->types)
		tls->types |= types;
	if (!types)
		tls->misses++;
	if (tls->types & TLS_SEEN_APP_DATA || tls->misses >= TLS_MISSES_MAX)
		tls->known = 1;
	if (!hello || tls->hellos >= TLS_HELLOS_MAX)
		return;
	tls->hellos++;
	/* What the record lacks to be whole shows by its own length. */
	if (hello_end > end)
		hello_end = end;
	send_message(skb, &packet->key, MESSAGE_TLS, hello, hello_end - hello);
}
