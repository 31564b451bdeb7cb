/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What has no fixed size goes to user space as it is on the wire, by a ring buffer that is read
 * when a map is drained: a message is complete before the program that counted its packet ends, so
 * that a drained flow's messages are all there.
 */

#include "kernel.h"
#include "types.h"
#include "maps.h"
#include "stats.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* Replaced at load when a feature sends messages. */
} messages SEC(".maps");

/* The ring is drained with the maps, so that it may ask for that before the period is over, too. */
static __always_inline void wake_when_half_full(void)
{
	__u64 used = bpf_ringbuf_query(&messages, BPF_RB_AVAIL_DATA);
	__u32 zero = 0;

	/* User space takes the word out at once and then drains: one at a time is enough. */
	if (used > bpf_ringbuf_query(&messages, BPF_RB_RING_SIZE) / 2 &&
	    !bpf_ringbuf_query(&wake, BPF_RB_AVAIL_DATA))
		bpf_ringbuf_output(&wake, &zero, sizeof(zero), 0);
}

/*
 * The kernel wants sizes that it knows beforehand: `room` must be constant. What is longer is cut.
 * False: the ring is full.
 */
static __always_inline bool send_sized(struct __sk_buff *skb, const struct flow_key *key,
				       enum message_kind kind, __u32 offset, __u32 length,
				       const __u32 room)
{
	struct message *message = bpf_ringbuf_reserve(&messages, sizeof(*message) + room, 0);

	if (!message)
		return false;
	message->key = *key;
	message->time_ns = bpf_ktime_get_coarse_ns();
	message->kind = kind;
	message->missing = length > room ? length - room : 0;
	if (length > room)
		length = room;
	message->length = length;
	/* What the compiler knows is checked again for the verifier, which has lost sight of it. */
	asm volatile("" : "+r"(length));
	if (!length || length > room || bpf_skb_load_bytes(skb, offset, message + 1, length))
		bpf_ringbuf_discard(message, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(message, BPF_RB_NO_WAKEUP);
	return true;
}

/* Sends `length` bytes of the packet from `offset` on, or as many of them as a message holds. */
static noinline void send_message(struct __sk_buff *skb, const struct flow_key *key,
				  enum message_kind kind, __u32 offset, __u32 length)
{
	bool sent;

	if (length <= MESSAGE_ROOM_SMALL)
		sent = send_sized(skb, key, kind, offset, length, MESSAGE_ROOM_SMALL);
	else if (length <= MESSAGE_ROOM_MEDIUM)
		sent = send_sized(skb, key, kind, offset, length, MESSAGE_ROOM_MEDIUM);
	else
		sent = send_sized(skb, key, kind, offset, length, MESSAGE_ROOM_LARGE);
	if (!sent)
		count(STAT_MESSAGES_LOST, 1, length);
	wake_when_half_full();
}
