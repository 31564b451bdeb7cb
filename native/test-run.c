/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any frame that the kernel accepts for a test run. */
#define TEST_FRAME_BYTES (128 * 1024)
/* A run takes some hundred nanoseconds; the thread does nothing else meanwhile. */
#define REPEAT_MAX 100000000

static bool read_context(napi_env env, napi_value options, struct __sk_buff *context,
			 uint32_t *repeat)
{
	/*
	 * The kernel neither accepts nor returns tc_index in a test run, so test programs move it
	 * from and to cb[0].
	 */
	return get_optional_u32(env, options, "repeat", repeat) &&
	       get_optional_u32(env, options, "ifindex", &context->ifindex) &&
	       get_optional_u32(env, options, "ingressIfindex", &context->ingress_ifindex) &&
	       get_optional_u32(env, options, "tcIndex", &context->cb[0]) &&
	       get_optional_u32(env, options, "gsoSegs", &context->gso_segs) &&
	       get_optional_u32(env, options, "gsoSize", &context->gso_size);
}

static napi_value result_of(napi_env env, const struct bpf_test_run_opts *run,
			    const struct __sk_buff *context)
{
	napi_value result, buffer, data;
	void *copy;

	if (napi_create_object(env, &result) != napi_ok ||
	    napi_create_arraybuffer(env, run->data_size_out, &copy, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, run->data_size_out, buffer, 0, &data) !=
		    napi_ok)
		return NULL;
	memcpy(copy, run->data_out, run->data_size_out);
	set_number(env, result, "retval", (int)run->retval);
	set_number(env, result, "durationNs", run->duration);
	set_value(env, result, "data", data);
	set_number(env, result, "tcIndex", context->cb[0]);
	return result;
}

napi_value test_run(napi_env env, napi_callback_info info)
{
	struct __sk_buff context = {}, after = {};
	struct failure failure = {};
	napi_value arguments[2], value, result = NULL;
	struct object *object;
	char name[NAME_BYTES];
	uint32_t repeat = 1;
	uint8_t *frame;
	void *out;
	size_t size;
	int fd;

	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_property(env, arguments[1], "program", &value) ||
	    !get_string(env, value, "program", name, sizeof(name)) ||
	    !read_context(env, arguments[1], &context, &repeat) ||
	    !get_property(env, arguments[1], "frame", &value) ||
	    !get_bytes(env, value, "frame", &frame, &size))
		return NULL;
	if (repeat > REPEAT_MAX || size > TEST_FRAME_BYTES) {
		reject(env, repeat > REPEAT_MAX ? "repeat" : "frame", "smaller");
		return NULL;
	}
	fd = program_fd(env, object, name);
	if (fd < 0)
		return NULL;
	out = malloc(TEST_FRAME_BYTES);
	if (!out) {
		fail(&failure, ENOMEM, "test run");
		throw_failure(env, &failure);
		return NULL;
	}

	LIBBPF_OPTS(bpf_test_run_opts, run, .repeat = repeat, .data_in = frame,
		    .data_size_in = size, .data_out = out, .data_size_out = TEST_FRAME_BYTES,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));
	if (bpf_prog_test_run_opts(fd, &run)) {
		fail(&failure, errno, "bpf(BPF_PROG_TEST_RUN)");
		throw_failure(env, &failure);
	} else {
		result = result_of(env, &run, &after);
	}
	free(out);
	return result;
}
