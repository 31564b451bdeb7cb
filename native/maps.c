/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>

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
	/* In other maps the kernel resumes at a key, for which a cursor has no room. */
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

static bool read_element(struct bpf_map *map, uint32_t index, uint8_t *into, size_t size,
			 size_t *copied, struct failure *failure)
{
	enum bpf_map_type type = bpf_map__type(map);

	*copied = element_bytes(map);
	if (type != BPF_MAP_TYPE_PERCPU_ARRAY && type != BPF_MAP_TYPE_ARRAY)
		return fail(failure, EINVAL, "read map: not an array");
	if (size < *copied)
		return fail(failure, ENOSPC, "read map: buffer");
	if (bpf_map_lookup_elem(bpf_map__fd(map), &index, into))
		return fail(failure, errno, "bpf(BPF_MAP_LOOKUP_ELEM)");
	return true;
}

napi_value read_map(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[4], result;
	struct object *object;
	char name[NAME_BYTES];
	uint32_t index;
	uint8_t *into;
	size_t size, copied;

	if (!get_arguments(env, info, 4, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "map", name, sizeof(name)) ||
	    !get_u32(env, arguments[2], "index", &index) ||
	    !get_bytes(env, arguments[3], "into", &into, &size) || map_fd(env, object, name) < 0)
		return NULL;
	if (!read_element(bpf_object__find_map_by_name(object->bpf, name), index, into, size,
			  &copied, &failure)) {
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_double(env, copied, &result) == napi_ok ? result : NULL;
}

napi_value describe_map(napi_env env, napi_callback_info info)
{
	napi_value arguments[2], result;
	struct bpf_map *map;
	struct object *object;
	char name[NAME_BYTES];
	int fd;

	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "map", name, sizeof(name)))
		return NULL;
	fd = map_fd(env, object, name);
	if (fd < 0 || napi_create_object(env, &result) != napi_ok)
		return NULL;
	map = bpf_object__find_map_by_name(object->bpf, name);
	set_number(env, result, "keySize", bpf_map__key_size(map));
	set_number(env, result, "valueSize", bpf_map__value_size(map));
	set_number(env, result, "maxEntries", bpf_map__max_entries(map));
	set_number(env, result, "fd", fd);
	return result;
}

napi_value possible_cpus(napi_env env, napi_callback_info info)
{
	int count = libbpf_num_possible_cpus();
	struct failure failure = {};
	napi_value result;

	(void)info;
	if (count < 0) {
		fail(&failure, count, "read possible CPUs");
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_double(env, count, &result) == napi_ok ? result : NULL;
}

napi_value read_ring(napi_env env, napi_callback_info info)
{
	struct records records = {};
	struct failure failure = {};
	napi_value arguments[4], result;
	struct object *object;
	char name[NAME_BYTES];
	uint32_t reserve;
	size_t used;
	int map;

	if (!get_arguments(env, info, 4, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "map", name, sizeof(name)) ||
	    !get_u32(env, arguments[3], "recordBytesMax", &reserve))
		return NULL;
	map = map_fd(env, object, name);
	if (map < 0 || !get_bytes(env, arguments[2], "into", &records.into, &records.size))
		return NULL;
	records.reserve = reserve;
	if (!consume_ring(object, map, &records, &used, &failure)) {
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_double(env, used, &result) == napi_ok ? result : NULL;
}
