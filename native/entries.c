/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>

/* Entries of hash maps that stay in use: read where they are, and removed by key. */

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
		/* The next bucket is longer than what is left of the buffers. */
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

	/* One by one: the kernel's batch ends at the first key that is gone. */
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

/* The map, keys and, where they are wanted, values, of which there must be as many. */
static bool get_entries(napi_env env, napi_value *arguments, bool has_values, struct job *job)
{
	struct failure failure = {};
	char name[NAME_BYTES];
	struct bpf_map *map;
	size_t keys, values = 0;

	if (!get_string(env, arguments[1], "map", name, sizeof(name)) ||
	    !get_bytes(env, arguments[2], "keys", &job->keys, &keys) ||
	    (has_values && !get_bytes(env, arguments[3], "values", &job->values, &values)))
		return false;
	job->map = map_fd(env, job->object, name);
	if (job->map < 0)
		return false;
	map = bpf_object__find_map_by_name(job->object->bpf, name);
	job->key_size = bpf_map__key_size(map);
	job->value_size = bpf_map__value_size(map);
	job->capacity = keys / job->key_size;
	if (has_values && values / job->value_size < job->capacity) {
		fail(&failure, EINVAL, "entries: buffers do not hold equally many");
		throw_failure(env, &failure);
		return false;
	}
	return true;
}

static napi_value start_entries(napi_env env, napi_callback_info info, bool has_values)
{
	struct failure failure = { .code = ENOMEM, .call = "entries" };
	size_t count = has_values ? 4 : 3;
	napi_value arguments[4];
	struct object *object;
	struct job *job;

	if (!get_arguments(env, info, count, arguments) ||
	    !get_object(env, arguments[0], &object))
		return NULL;
	job = new_job(env, object, has_values ? run_read : run_remove);
	if (!job)
		return NULL;
	if (!get_entries(env, arguments, has_values, job)) {
		free_job(env, job);
		return NULL;
	}
	for (size_t i = 0; i < count - 2; i++) {
		if (napi_create_reference(env, arguments[2 + i], 1, &job->buffers[i]) != napi_ok) {
			free_job(env, job);
			throw_failure(env, &failure);
			return NULL;
		}
	}
	return start_job(env, job);
}

napi_value read_entries(napi_env env, napi_callback_info info)
{
	return start_entries(env, info, true);
}

napi_value remove_entries(napi_env env, napi_callback_info info)
{
	return start_entries(env, info, false);
}
