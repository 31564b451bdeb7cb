/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <unistd.h>

/* Reads the kernel's data on the program that two arguments name: object and program. */
static bool get_program(napi_env env, napi_callback_info info, struct bpf_prog_info *program)
{
	uint32_t size = sizeof(*program);
	struct failure failure = {};
	napi_value arguments[2];
	struct object *object;
	char name[NAME_BYTES];
	int fd;

	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "program", name, sizeof(name)))
		return false;
	fd = program_fd(env, object, name);
	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, program, &size))
		return true;
	fail(&failure, errno, "bpf(BPF_OBJ_GET_INFO_BY_FD)");
	throw_failure(env, &failure);
	return false;
}

napi_value program_stats(napi_env env, napi_callback_info info)
{
	struct bpf_prog_info stats = {};
	napi_value result;

	if (!get_program(env, info, &stats))
		return NULL;
	if (napi_create_object(env, &result) != napi_ok)
		return NULL;
	set_number(env, result, "runs", stats.run_cnt);
	set_number(env, result, "ns", stats.run_time_ns);
	set_number(env, result, "misses", stats.recursion_misses);
	return result;
}

napi_value program_id(napi_env env, napi_callback_info info)
{
	struct bpf_prog_info program = {};
	napi_value result;

	if (!get_program(env, info, &program))
		return NULL;
	return napi_create_uint32(env, program.id, &result) == napi_ok ? result : NULL;
}

napi_value program_name(napi_env env, napi_callback_info info)
{
	struct bpf_prog_info program = {};
	uint32_t size = sizeof(program), id;
	napi_value arguments[1], result;
	int fd;

	if (!get_arguments(env, info, 1, arguments) || !get_u32(env, arguments[0], "id", &id))
		return NULL;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &program, &size))
			program.name[0] = '\0';
		close(fd);
	}
	return napi_create_string_utf8(env, program.name, NAPI_AUTO_LENGTH, &result) == napi_ok ?
		       result :
		       NULL;
}
