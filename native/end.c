/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <unistd.h>

/*
 * exit(3) joins Node's helper threads, and a thread that queries a silent resolver blocks for
 * seconds (resolv.conf(5), timeout and attempts, for each search domain).
 */
napi_value end_process(napi_env env, napi_callback_info info)
{
	napi_value arguments[1];
	int32_t code;

	if (!get_arguments(env, info, 1, arguments))
		return NULL;
	if (napi_get_value_int32(env, arguments[0], &code) != napi_ok) {
		throw_type(env, "code must be a number");
		return NULL;
	}
	_exit(code);
}
