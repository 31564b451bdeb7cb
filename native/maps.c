/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The kernel pads each CPU's value to this. */
#define VALUE_ALIGN 8

static bool is_per_cpu(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
		return true;
	default:
		return false;
	}
}

size_t element_bytes(const struct bpf_map *map)
{
	size_t each = bpf_map__value_size(map);

	if (!is_per_cpu(map))
		return each;
	each = (each + VALUE_ALIGN - 1) & ~(size_t)(VALUE_ALIGN - 1);
	return each * libbpf_num_possible_cpus();
}

bool get_keyed_map(napi_env env, napi_value name, struct object *object, struct bpf_map **into)
{
	char text[NAME_BYTES];

	if (!get_string(env, name, "map", text, sizeof(text)) || map_fd(env, object, text) < 0)
		return false;
	*into = bpf_object__find_map_by_name(object->bpf, text);
	return bpf_map__key_size(*into) > 0 || reject(env, "map", "a map with keys");
}

bool get_hash_map(napi_env env, napi_value name, struct object *object, struct bpf_map **into)
{
	if (!get_keyed_map(env, name, object, into))
		return false;
	/* Of other maps the kernel goes on by a key, for which a cursor has no room. */
	switch (bpf_map__type(*into)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return true;
	default:
		return reject(env, "map", "a hash map");
	}
}

napi_value update_map(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[4];
	uint8_t *key, *value;
	size_t key_size, value_size;
	struct object *object;
	struct bpf_map *map;

	if (!get_arguments(env, info, 4, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_keyed_map(env, arguments[1], object, &map) ||
	    !get_bytes(env, arguments[2], "key", &key, &key_size) ||
	    !get_bytes(env, arguments[3], "value", &value, &value_size))
		return NULL;
	if (bpf_map__key_size(map) != key_size)
		reject(env, "key", "as long as the map's");
	else if (element_bytes(map) != value_size)
		reject(env, "value", "as long as the map's, for all possible CPUs of a per-CPU map");
	else if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		fail(&failure, errno, "bpf(BPF_MAP_UPDATE_ELEM)");
	if (failure.code)
		throw_failure(env, &failure);
	return NULL;
}

/* --- Ring buffers --------------------------------------------------------------------------- */

/* Before each record, and what its length is rounded up to. */
#define RECORD_ALIGN 8

static size_t padded(size_t size)
{
	return (size + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

/* Ends the reading while the longest record still fits: libbpf consumes what it hands over. */
static int copy_record(void *context, void *data, size_t size)
{
	struct ring *ring = context;
	uint64_t length = size;

	/* Longer than the caller said: its head is as much as there is room for. */
	if (size > ring->reserve)
		size = ring->reserve;
	memcpy(ring->into + ring->used, &length, sizeof(length));
	memcpy(ring->into + ring->used + RECORD_ALIGN, data, size);
	ring->used += RECORD_ALIGN + padded(size);
	return ring->size - ring->used < RECORD_ALIGN + padded(ring->reserve) ? -ENOSPC : 0;
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

napi_value read_ring(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[4], result;
	struct object *object;
	struct ring *ring;
	char name[NAME_BYTES];
	uint32_t reserve;
	int map, error;

	if (!get_arguments(env, info, 4, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "map", name, sizeof(name)) ||
	    !get_u32(env, arguments[3], "recordBytesMax", &reserve))
		return NULL;
	map = map_fd(env, object, name);
	if (map < 0)
		return NULL;
	ring = open_ring(object, map, &failure);
	if (!ring) {
		throw_failure(env, &failure);
		return NULL;
	}
	if (!get_bytes(env, arguments[2], "into", &ring->into, &ring->size))
		return NULL;
	ring->used = 0;
	ring->reserve = reserve;
	if (ring->size < RECORD_ALIGN + padded(reserve)) {
		fail(&failure, ENOSPC, "read ring buffer");
		throw_failure(env, &failure);
		return NULL;
	}
	error = ring_buffer__consume(ring->buffer);
	if (error < 0 && error != -ENOSPC) {
		fail(&failure, error, "read ring buffer");
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_double(env, ring->used, &result) == napi_ok ? result : NULL;
}
