/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Lists objects in the kernel: the object's maps, and all programs at an interface. */

static napi_value describe(napi_env env, struct bpf_map *map)
{
	napi_value result, name;

	if (napi_create_object(env, &result) != napi_ok ||
	    napi_create_string_utf8(env, bpf_map__name(map), NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    !set_value(env, result, "name", name) ||
	    !set_number(env, result, "fd", bpf_map__fd(map)))
		return NULL;
	return result;
}

napi_value list_maps(napi_env env, napi_callback_info info)
{
	napi_value arguments[1], result;
	struct object *object;
	struct bpf_map *map;
	uint32_t count = 0;

	if (!get_arguments(env, info, 1, arguments) || !get_object(env, arguments[0], &object) ||
	    napi_create_array(env, &result) != napi_ok)
		return NULL;
	bpf_object__for_each_map(map, object->bpf) {
		napi_value one;

		if (bpf_map__fd(map) < 0)
			continue;
		one = describe(env, map);
		if (!one || napi_set_element(env, result, count++, one) != napi_ok)
			return NULL;
	}
	return result;
}

/* The part of union bpf_attr that BPF_PROG_QUERY reads for TCX, as in Linux 6.6. */
struct tcx_query_attr {
	uint32_t target_ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t prog_ids;
	uint32_t count;
	uint32_t pad;
	uint64_t more[4];
};

int query_tcx(uint32_t ifindex, uint32_t type, uint32_t *ids)
{
	struct tcx_query_attr attr = { .target_ifindex = ifindex, .attach_type = type,
				       .prog_ids = (uintptr_t)ids, .count = TCX_PROGRAMS_MAX };

	if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr))) {
		/* Some kernels return ENOENT if nothing is attached, and keep the count. */
		return errno == ENOENT ? 0 : -errno;
	}
	return attr.count < TCX_PROGRAMS_MAX ? (int)attr.count : TCX_PROGRAMS_MAX;
}

/* Reading names needs a separate right; without it they are empty. */
static napi_value describe_program(napi_env env, uint32_t id)
{
	struct bpf_prog_info program = {};
	uint32_t size = sizeof(program);
	int fd = bpf_prog_get_fd_by_id(id);
	napi_value result, name;

	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &program, &size))
			program.name[0] = '\0';
		close(fd);
	}
	if (napi_create_object(env, &result) != napi_ok ||
	    napi_create_string_utf8(env, program.name, NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    !set_value(env, result, "name", name) || !set_number(env, result, "id", id))
		return NULL;
	return result;
}

napi_value list_tcx(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	uint32_t ids[TCX_PROGRAMS_MAX], ifindex, is_egress;
	napi_value arguments[2], result;
	int count;

	if (!get_arguments(env, info, 2, arguments) ||
	    !get_u32(env, arguments[0], "ifindex", &ifindex) ||
	    !get_u32(env, arguments[1], "isEgress", &is_egress) ||
	    napi_create_array(env, &result) != napi_ok)
		return NULL;
	count = query_tcx(ifindex, is_egress ? TCX_EGRESS : TCX_INGRESS, ids);
	if (count < 0) {
		fail(&failure, -count, "bpf(BPF_PROG_QUERY)");
		throw_failure(env, &failure);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		napi_value program = ids[i] ? describe_program(env, ids[i]) : NULL;

		if (!program)
			break;
		if (napi_set_element(env, result, (uint32_t)i, program) != napi_ok)
			return NULL;
	}
	return result;
}

napi_value has_tc(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[1], result;
	bool any = false;
	uint32_t ifindex;

	if (!get_arguments(env, info, 1, arguments) ||
	    !get_u32(env, arguments[0], "ifindex", &ifindex))
		return NULL;
	if (!has_tc_filters((int)ifindex, &any, &failure)) {
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_get_boolean(env, any, &result) == napi_ok ? result : NULL;
}
