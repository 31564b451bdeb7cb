/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Data without a fixed size goes to user space as it is on the wire, through a ring buffer that is
 * read when a map is drained: a message is complete before the program that counted its packet
 * ends, so all messages of a drained flow are there. In between, the ring is also read when it
 * fills up, without a drain of flows: each message names its flow.
 */

#include "kernel.h"
#include "types.h"
#include "copy.h"
#include "keys.h"
#include "maps.h"
#include "side-tables.h"
#include "stats.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* Replaced at load when a feature sends messages. */
} messages SEC(".maps");

/* A word in it asks user space to read the ring. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} messages_wake SEC(".maps");

/* How far the ring had been read when that was last requested. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} messages_asked SEC(".maps");

/* How much of the ring has been read, plus 1: 0 means that nothing was asked for. */
static __always_inline __u64 messages_read(void)
{
	return bpf_ringbuf_query(&messages, BPF_RB_CONS_POS) + 1;
}

/* Bytes of the ring that a message with `length` bytes of payload takes. */
static __always_inline __u32 message_bytes(__u32 length)
{
	__u32 room = MESSAGE_ROOM_LARGE;

	if (length <= MESSAGE_ROOM_SMALL)
		room = MESSAGE_ROOM_SMALL;
	else if (length <= MESSAGE_ROOM_MEDIUM)
		room = MESSAGE_ROOM_MEDIUM;
	return sizeof(struct message) + room + BPF_RINGBUF_HDR_SZ;
}

/* Multiple of what is left of the ring, as with flows: there is no second ring for the busy. */
#define MESSAGE_SHARE 16

/*
 * Whether there is room for a message from this interface: once the ring is half full, each
 * interface gets a multiple of what is left, until the ring is read, and each namespace gets more
 * (side-tables.h).
 */
static __always_inline bool has_message_room(struct __sk_buff *skb, __u32 length)
{
	__u64 used = bpf_ringbuf_query(&messages, BPF_RB_AVAIL_DATA);
	__u64 size = bpf_ringbuf_query(&messages, BPF_RB_RING_SIZE);

	if (likely(used <= size / 2))
		return true;
	return used < size && take_side_shares(skb, SIDE_MESSAGES, messages_read(),
					       message_bytes(length), (size - used) * MESSAGE_SHARE);
}

/* Asks once: until something has been read, user space is on its way. */
static __always_inline void wake_when_half_full(void)
{
	__u64 used = bpf_ringbuf_query(&messages, BPF_RB_AVAIL_DATA), *asked, read;
	__u32 zero = 0;

	if (used <= bpf_ringbuf_query(&messages, BPF_RB_RING_SIZE) / 2)
		return;
	read = messages_read();
	asked = bpf_map_lookup_elem(&messages_asked, &zero);
	if (!asked || *asked == read)
		return;
	*asked = read;
	bpf_ringbuf_output(&messages_wake, &zero, sizeof(zero), 0);
}

/*
 * The head of the message that is being built: functions called on the way share 512 bytes of stack
 * with the hook's own. For hooks only, like hook_fresh.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct message);
} message_heads SEC(".maps");

static __always_inline struct message *fresh_head(struct __sk_buff *skb,
						  enum message_kind kind)
{
	__u32 zero = 0;
	struct message *head = bpf_map_lookup_elem(&message_heads, &zero);

	if (!head)
		return NULL;
	__builtin_memset(head, 0, sizeof(*head));
	head->kind = kind;
	*(__u64 *)&head->place = place_of(skb);
	return head;
}

/*
 * The kernel requires sizes that it knows beforehand: `room` must be constant. Longer payloads are
 * cut. False: the ring is full.
 */
static __always_inline bool send_sized(struct __sk_buff *skb, const struct message *head,
				       __u32 offset, __u32 length, const __u32 room)
{
	struct message *message = bpf_ringbuf_reserve(&messages, sizeof(*message) + room, 0);

	if (!message)
		return false;
	copy_key(&message->key, &head->key);
	message->time_ns = bpf_ktime_get_coarse_ns();
	message->missing = length > room ? length - room : 0;
	if (length > room)
		length = room;
	message->length = length;
	message->sequence = head->sequence;
	message->asked = head->asked;
	message->kind = head->kind;
	*(__u64 *)&message->place = *(const __u64 *)&head->place;
	message->pad = 0;
	if (copy_bytes(skb, offset, message + 1, length, room))
		bpf_ringbuf_discard(message, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(message, BPF_RB_NO_WAKEUP);
	return true;
}

/*
 * Sends `length` bytes of the packet from `offset` on, or as many of them as a message holds,
 * behind a head in which the key, the kind and the fields of that kind are filled in. Returns how
 * many bytes were sent, or lost and counted. A global function, so that the verifier checks it
 * once. It checks such functions even if nobody calls them, hence the first condition, here and
 * elsewhere.
 */
noinline __u32 send_message(struct __sk_buff *skb, const struct message *head, __u32 offset,
			    __u32 length)
{
	bool sent;

	if ((!config.dns_at && !config.tls_at) || !head)
		return 0;
	if (!has_message_room(skb, length))
		sent = false;
	else if (length <= MESSAGE_ROOM_SMALL)
		sent = send_sized(skb, head, offset, length, MESSAGE_ROOM_SMALL);
	else if (length <= MESSAGE_ROOM_MEDIUM)
		sent = send_sized(skb, head, offset, length, MESSAGE_ROOM_MEDIUM);
	else
		sent = send_sized(skb, head, offset, length, MESSAGE_ROOM_LARGE);
	if (!sent)
		count(STAT_MESSAGES_LOST, 1, length);
	wake_when_half_full();
	return length > MESSAGE_ROOM_LARGE ? MESSAGE_ROOM_LARGE : length;
}
