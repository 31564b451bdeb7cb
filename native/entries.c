/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Reads entries of hash maps without removing them, and removes entries by key. */

static void run_read(struct job *job)
{
	size_t key_size = job->key_size, value_size = job->value_size;
	uint32_t token = 0, count, done = 0;
	int error = 0;

	/* At the end of the map, ENOENT comes with the last entries. */
	while (!error && done < job->capacity) {
		count = job->capacity - done;
		error = bpf_map_lookup_batch(job->map, done ? &token : NULL, &token,
					     job->keys + done * key_size,
					     job->values + done * value_size, &count, NULL) ?
				errno :
				0;
		/* The next bucket is longer than the rest of the buffers. */
		if (error == ENOSPC && done)
			break;
		if (error && error != ENOENT) {
			fail(&job->failure, error, "bpf(BPF_MAP_LOOKUP_BATCH)");
			return;
		}
		done += count;
	}
	job->result = done;
}

static void run_remove(struct job *job)
{
	uint32_t removed = 0;

	/* One by one: the kernel's batch ends at the first missing key. */
	for (uint32_t i = 0; i < job->capacity; i++) {
		if (!bpf_map_delete_elem(job->map, job->keys + i * job->key_size)) {
			removed++;
		} else if (errno != ENOENT) {
			fail(&job->failure, errno, "bpf(BPF_MAP_DELETE_ELEM)");
			return;
		}
	}
	job->result = removed;
}

bool get_capacity(napi_env env, napi_value *arguments, struct job *job)
{
	size_t keys_bytes, values_bytes, count;
	struct bpf_map *map;

	if (!get_hash_map(env, arguments[1], job->object, &map) ||
	    !get_shared_bytes(env, arguments[2], "keys", &job->keys, &keys_bytes) ||
	    !get_shared_bytes(env, arguments[3], "values", &job->values, &values_bytes))
		return false;
	job->map = bpf_map__fd(map);
	job->key_size = bpf_map__key_size(map);
	job->value_size = element_bytes(map);
	count = keys_bytes / job->key_size;
	if (count == 0 || count > UINT32_MAX)
		return reject(env, "keys", "room for one entry at least, and for less than 2^32");
	if (values_bytes / job->value_size < count)
		return reject(env, "values", "room for as many entries as keys");
	job->capacity = (uint32_t)count;
	return true;
}

napi_value read_entries(napi_env env, napi_callback_info info)
{
	napi_value arguments[4];
	struct object *object;
	struct job *job;

	if (!get_arguments(env, info, 4, arguments) || !get_object(env, arguments[0], &object))
		return NULL;
	job = new_job(env, object, run_read);
	if (!job)
		return NULL;
	if (!get_capacity(env, arguments, job) || !keep_buffers(env, job, arguments + 2)) {
		free_job(env, job);
		return NULL;
	}
	return start_job(env, job);
}

/* Copies the keys, which the caller may change as soon as this returns. */
static bool get_removals(napi_env env, napi_value *arguments, struct job *job)
{
	struct failure failure = { .code = ENOMEM, .call = "entries" };
	struct bpf_map *map;
	uint8_t *keys;
	size_t size;

	if (!get_keyed_map(env, arguments[1], job->object, &map) ||
	    !get_bytes(env, arguments[2], "keys", &keys, &size))
		return false;
	job->map = bpf_map__fd(map);
	job->key_size = bpf_map__key_size(map);
	job->capacity = (uint32_t)(size / job->key_size);
	if (size != job->capacity * job->key_size)
		return reject(env, "keys", "whole keys");
	if (size == 0)
		return true;
	job->keys = job->data = malloc(size);
	if (!job->keys) {
		throw_failure(env, &failure);
		return false;
	}
	memcpy(job->keys, keys, size);
	return true;
}

napi_value remove_entries(napi_env env, napi_callback_info info)
{
	napi_value arguments[3];
	struct object *object;
	struct job *job;

	if (!get_arguments(env, info, 3, arguments) || !get_object(env, arguments[0], &object))
		return NULL;
	job = new_job(env, object, run_remove);
	if (!job)
		return NULL;
	if (!get_removals(env, arguments, job)) {
		free_job(env, job);
		return NULL;
	}
	return start_job(env, job);
}
