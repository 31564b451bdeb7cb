/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/*
 * Maps that another process has made. An object is opened and never loaded; its adopted maps
 * represent pinned ones, so that everything else works as with a loaded object.
 */

napi_value open_unloaded(napi_env env, napi_callback_info info)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "netobserv");
	struct failure failure = {};
	struct bpf_object *bpf;
	napi_value arguments[1];
	uint8_t *data;
	size_t size;

	if (!get_arguments(env, info, 1, arguments) ||
	    !get_bytes(env, arguments[0], "object", &data, &size))
		return NULL;
	silence_libbpf();
	bpf = bpf_object__open_mem(data, size, &options);
	if (!bpf) {
		fail(&failure, errno, "open BPF object");
		throw_failure(env, &failure);
		return NULL;
	}
	return wrap_object(env, bpf, ACTIVE_UNKNOWN);
}

static bool adopt(struct bpf_map *map, const char *path, struct failure *failure)
{
	int fd = bpf_obj_get(path);
	int error;

	if (fd < 0)
		return fail(failure, errno, "bpf(BPF_OBJ_GET)");
	error = bpf_map__reuse_fd(map, fd);
	close(fd);
	return error ? fail(failure, error, "take over map") : true;
}

napi_value adopt_pinned(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	char name[NAME_BYTES], path[PATH_MAX];
	napi_value arguments[3];
	struct object *object;
	struct bpf_map *map;

	if (!get_arguments(env, info, 3, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "map", name, sizeof(name)) ||
	    !get_string(env, arguments[2], "path", path, sizeof(path)))
		return NULL;
	map = bpf_object__find_map_by_name(object->bpf, name);
	if (!map)
		fail(&failure, ENOENT, "find map");
	/* Readers of the map use its descriptor, which would change. */
	else if (bpf_map__fd(map) >= 0)
		fail(&failure, EEXIST, "take over a map that is there already");
	else
		adopt(map, path, &failure);
	if (failure.code)
		throw_failure(env, &failure);
	return NULL;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/* Reading an element of a map of maps returns the id of the inner map. */
bool find_active(struct bpf_map *current, struct bpf_map *const flows[FLOW_MAPS], int *active,
		 struct failure *failure)
{
	uint32_t zero = 0, id = 0;

	/* Empty if the loader does not fill maps of maps: hooks write to neither flow map. */
	if (bpf_map_lookup_elem(bpf_map__fd(current), &zero, &id) && errno != ENOENT)
		return fail(failure, errno, "bpf(BPF_MAP_LOOKUP_ELEM)");
	*active = FLOW_MAPS - 1;
	for (int i = 0; i < FLOW_MAPS; i++) {
		if (id && id == map_id(bpf_map__fd(flows[i])))
			*active = i;
	}
	return true;
}
