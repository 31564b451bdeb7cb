/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the length before each record; a record's length is rounded up to a multiple. */
#define RECORD_ALIGN 8

static size_t padded(size_t size)
{
	return (size + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

/* Stops while the longest record still fits, since libbpf consumes each record that it passes. */
static int copy_record(void *context, void *data, size_t size)
{
	struct ring *ring = context;
	uint64_t length = size;
	size_t room;

	/* Longer than the caller said: only the head has room. */
	if (size > ring->records.reserve)
		size = ring->records.reserve;
	memcpy(ring->records.into + ring->used, &length, sizeof(length));
	memcpy(ring->records.into + ring->used + RECORD_ALIGN, data, size);
	ring->used += RECORD_ALIGN + padded(size);
	room = ring->records.size - ring->used;
	return room < RECORD_ALIGN + padded(ring->records.reserve) ? -ENOSPC : 0;
}

static struct ring *find_ring(struct object *object, int map)
{
	struct ring *ring;

	for (ring = object->rings; ring; ring = ring->next) {
		if (ring->map == map)
			return ring;
	}
	return NULL;
}

static struct ring *add_ring(struct object *object, int map, struct failure *failure)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring) {
		fail(failure, ENOMEM, "map ring buffer");
		return NULL;
	}
	ring->map = map;
	ring->next = object->rings;
	object->rings = ring;
	return ring;
}

bool claim_ring(struct object *object, int map, struct failure *failure)
{
	if (find_ring(object, map))
		return fail(failure, EBUSY, "watch: the ring buffer has a reader");
	return add_ring(object, map, failure);
}

static struct ring *open_ring(struct object *object, int map, struct failure *failure)
{
	struct ring *ring = find_ring(object, map);

	if (!ring)
		ring = add_ring(object, map, failure);
	else if (!ring->buffer) {
		fail(failure, EBUSY, "read ring buffer: it is watched");
		return NULL;
	}
	if (!ring || ring->buffer)
		return ring;
	ring->buffer = ring_buffer__new(map, copy_record, ring, NULL);
	if (ring->buffer)
		return ring;
	fail(failure, errno, "map ring buffer");
	object->rings = ring->next;
	free(ring);
	return NULL;
}

void free_rings(struct object *object)
{
	while (object->rings) {
		struct ring *first = object->rings;

		object->rings = first->next;
		ring_buffer__free(first->buffer);
		free(first);
	}
}

bool consume_ring(struct object *object, int map, const struct records *into, size_t *used,
		  struct failure *failure)
{
	struct ring *ring = open_ring(object, map, failure);
	int error;

	if (!ring)
		return false;
	if (into->size < RECORD_ALIGN + padded(into->reserve))
		return fail(failure, ENOSPC, "read ring buffer");
	ring->records = *into;
	ring->used = 0;
	error = ring_buffer__consume(ring->buffer);
	if (error < 0 && error != -ENOSPC)
		return fail(failure, error, "read ring buffer");
	*used = ring->used;
	return true;
}
