/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>

/* --- swap ----------------------------------------------------------------------------------- */

static const char *const flow_maps[FLOW_MAPS] = { FIRST_MAP, "flows_b" };

static void run_swap(struct job *job)
{
	struct object *object = job->object;
	struct bpf_map *current = bpf_object__find_map_by_name(object->bpf, CURRENT_MAP);
	struct bpf_map *inserted = bpf_object__find_map_by_name(object->bpf, "inserted");
	struct bpf_map *flows[FLOW_MAPS];
	uint32_t zero = 0;
	int next, fd;

	for (int i = 0; i < FLOW_MAPS; i++)
		flows[i] = bpf_object__find_map_by_name(object->bpf, flow_maps[i]);
	if (!current || !inserted || !flows[0] || !flows[1]) {
		fail(&job->failure, ENOENT, "find flow maps");
		return;
	}
	if (object->active == ACTIVE_UNKNOWN &&
	    !find_active(current, flows, &object->active, &job->failure))
		return;
	next = (object->active + 1) % FLOW_MAPS;
	/*
	 * Reset the count of new flows before the swap, so that the few inserts in between wake
	 * user space a little early and none is missed.
	 *
	 * The kernel waits for a grace period before it returns from an update of a map of maps
	 * (maybe_wait_bpf_programs(), Linux 4.20): no program still uses the old choice then.
	 */
	fd = bpf_map__fd(flows[next]);
	if (bpf_map_update_elem(bpf_map__fd(inserted), &zero, &zero, BPF_ANY) ||
	    bpf_map_update_elem(bpf_map__fd(current), &zero, &fd, BPF_ANY)) {
		fail(&job->failure, errno, "bpf(BPF_MAP_UPDATE_ELEM)");
		return;
	}
	job->result = object->active;
	object->active = next;
}

static void end_swap(struct job *job)
{
	job->object->swapping = false;
}

napi_value swap(napi_env env, napi_callback_info info)
{
	struct failure failure = { .code = EBUSY, .call = "swap: one is under way" };
	napi_value arguments[1];
	struct object *object;
	struct job *job;

	if (!get_arguments(env, info, 1, arguments) || !get_object(env, arguments[0], &object))
		return NULL;
	if (object->swapping) {
		throw_failure(env, &failure);
		return NULL;
	}
	job = new_job(env, object, run_swap);
	if (!job)
		return NULL;
	object->swapping = true;
	job->done = end_swap;
	return start_job(env, job);
}

/* --- drain ---------------------------------------------------------------------------------- */

/* Drains one batch; returns false at the end of the map or on failure. */
static bool drain_batch(struct job *job, uint32_t *count)
{
	struct cursor *cursor = job->cursor;
	uint32_t next;
	int error;

	*count = job->capacity;
	error = bpf_map_lookup_and_delete_batch(job->map, cursor->started ? &cursor->token : NULL,
						&next, job->keys, job->values, count, NULL) ?
			errno :
			0;
	if (error && error != ENOENT) {
		*count = 0;
		cursor->started = false;
		return fail(&job->failure, error, "bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH)");
	}
	cursor->started = !error;
	cursor->token = next;
	return !error;
}

static void run_drain(struct job *job)
{
	bool resumed = job->cursor->started;
	uint32_t count;

	if (!drain_batch(job, &count) && !job->failure.code && count == 0 && resumed)
		/* Nothing after the place reached last time: try once more from the start. */
		drain_batch(job, &count);
	job->result = count;
}

static void end_drain(struct job *job)
{
	job->cursor->busy = false;
}

/* Finds the cursor of a map; makes it on first use. */
static struct cursor *find_cursor(struct object *object, int map, struct failure *failure)
{
	struct cursor *cursor;

	for (cursor = object->cursors; cursor; cursor = cursor->next) {
		if (cursor->map != map)
			continue;
		if (!cursor->busy)
			return cursor;
		fail(failure, EBUSY, "drain: one is under way");
		return NULL;
	}
	cursor = calloc(1, sizeof(*cursor));
	if (!cursor) {
		fail(failure, ENOMEM, "drain");
		return NULL;
	}
	cursor->map = map;
	cursor->next = object->cursors;
	object->cursors = cursor;
	return cursor;
}

static bool get_drain(napi_env env, napi_value *arguments, struct job *job)
{
	struct failure failure = {};

	if (!get_capacity(env, arguments, job))
		return false;
	job->cursor = find_cursor(job->object, job->map, &failure);
	if (!job->cursor)
		throw_failure(env, &failure);
	return job->cursor;
}

napi_value drain(napi_env env, napi_callback_info info)
{
	napi_value arguments[4];
	struct object *object;
	struct job *job;

	if (!get_arguments(env, info, 4, arguments) || !get_object(env, arguments[0], &object))
		return NULL;
	job = new_job(env, object, run_drain);
	if (!job)
		return NULL;
	if (!get_drain(env, arguments, job) || !keep_buffers(env, job, arguments + 2)) {
		free_job(env, job);
		return NULL;
	}
	job->cursor->busy = true;
	job->done = end_drain;
	return start_job(env, job);
}
