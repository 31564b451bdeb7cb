/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fail(struct failure *failure, int code, const char *call)
{
	failure->code = code < 0 ? -code : code;
	failure->call = call;
	return false;
}

bool set_value(napi_env env, napi_value object, const char *name, napi_value value)
{
	return napi_set_named_property(env, object, name, value) == napi_ok;
}

bool set_number(napi_env env, napi_value object, const char *name, double number)
{
	napi_value value;

	return napi_create_double(env, number, &value) == napi_ok &&
	       set_value(env, object, name, value);
}

static bool set_string(napi_env env, napi_value object, const char *name, const char *text)
{
	napi_value value;

	return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
	       set_value(env, object, name, value);
}

/* Consumes the failure's log. */
napi_value error_value(napi_env env, struct failure *failure)
{
	const char *code = strerrorname_np(failure->code);
	char message[256], reason[128];
	napi_value text, error = NULL;

	/* Knows the kernel's numbers and, above them, libbpf's own. */
	libbpf_strerror(failure->code, reason, sizeof(reason));
	if (!code) {
		code = "EINVAL";
		failure->code = EINVAL;
	}
	snprintf(message, sizeof(message), "%s: %s: %s", failure->call, code, reason);
	if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) == napi_ok &&
	    napi_create_error(env, NULL, text, &error) == napi_ok) {
		set_string(env, error, "code", code);
		set_number(env, error, "errno", failure->code);
		set_string(env, error, "syscall", failure->call);
		if (failure->log)
			set_string(env, error, "verifierLog", failure->log);
	}
	free(failure->log);
	failure->log = NULL;
	return error;
}

void throw_failure(napi_env env, struct failure *failure)
{
	napi_value error = error_value(env, failure);

	if (error)
		napi_throw(env, error);
}

/* A TypeError with the code that system calls return for an invalid argument. */
void throw_type(napi_env env, const char *message)
{
	napi_value text, code, error;

	if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) != napi_ok ||
	    napi_create_string_utf8(env, "EINVAL", NAPI_AUTO_LENGTH, &code) != napi_ok ||
	    napi_create_type_error(env, code, text, &error) != napi_ok)
		return;
	set_number(env, error, "errno", EINVAL);
	set_string(env, error, "syscall", "arguments");
	napi_throw(env, error);
}

bool reject(napi_env env, const char *name, const char *wanted)
{
	char message[128];

	snprintf(message, sizeof(message), "%s must be %s", name, wanted);
	throw_type(env, message);
	return false;
}

bool get_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	size_t given = count;

	if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok || given < count) {
		throw_type(env, "too few arguments");
		return false;
	}
	return true;
}

bool is_type(napi_env env, napi_value value, napi_valuetype wanted)
{
	napi_valuetype type;

	return napi_typeof(env, value, &type) == napi_ok && type == wanted;
}

bool get_property(napi_env env, napi_value object, const char *name, napi_value *value)
{
	if (!is_type(env, object, napi_object))
		return reject(env, "options", "an object");
	if (napi_get_named_property(env, object, name, value) != napi_ok)
		return reject(env, name, "given");
	return true;
}

bool has_property(napi_env env, napi_value object, const char *name)
{
	napi_value value;

	return is_type(env, object, napi_object) &&
	       napi_get_named_property(env, object, name, &value) == napi_ok &&
	       !is_type(env, value, napi_undefined);
}

bool get_u32(napi_env env, napi_value value, const char *name, uint32_t *into)
{
	double number;

	if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0) ||
	    number > UINT32_MAX || number != (double)(uint32_t)number)
		return reject(env, name, "a whole number below 2^32");
	*into = (uint32_t)number;
	return true;
}

bool get_fd(napi_env env, napi_value value, const char *name, int *into)
{
	uint32_t number;

	if (!get_u32(env, value, name, &number))
		return false;
	if (number > INT_MAX)
		return reject(env, name, "a descriptor, below 2^31");
	*into = (int)number;
	return true;
}

bool get_optional_u32(napi_env env, napi_value object, const char *name, uint32_t *into)
{
	napi_value value;

	if (!has_property(env, object, name))
		return true;
	return get_property(env, object, name, &value) && get_u32(env, value, name, into);
}

bool get_string(napi_env env, napi_value value, const char *name, char *into, size_t size)
{
	size_t length;

	/* One byte of slack distinguishes a string that fits from one that was cut. */
	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= size)
		return reject(env, name, "a string that is not too long");
	if (napi_get_value_string_utf8(env, value, into, size, &length) != napi_ok ||
	    strlen(into) != length)
		return reject(env, name, "a string without zeros");
	return true;
}

/* A Uint8Array and its memory. */
struct array {
	napi_value memory;
	uint8_t *data;
	size_t size;
	bool is_shared; /* a SharedArrayBuffer */
};

static bool get_array(napi_env env, napi_value value, const char *name, struct array *array)
{
	bool is_typed_array = false, is_plain = false;
	napi_typedarray_type type;
	void *start;

	if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array ||
	    napi_get_typedarray_info(env, value, &type, &array->size, &start, &array->memory,
				     NULL) != napi_ok ||
	    type != napi_uint8_array ||
	    napi_is_arraybuffer(env, array->memory, &is_plain) != napi_ok)
		return reject(env, name, "a Uint8Array");
	array->data = start;
	array->is_shared = !is_plain;
	return true;
}

bool get_shared_bytes(napi_env env, napi_value value, const char *name, uint8_t **data,
		      size_t *size)
{
	struct array array;

	if (!get_array(env, value, name, &array))
		return false;
	if (!array.is_shared)
		return reject(env, name, "a Uint8Array of shared memory");
	*data = array.data;
	*size = array.size;
	return true;
}

bool get_bytes(napi_env env, napi_value value, const char *name, uint8_t **data, size_t *size)
{
	bool is_detached = true;
	struct array array;

	if (!get_array(env, value, name, &array))
		return false;
	/* Another thread may write to shared memory while it is read here. */
	if (array.is_shared)
		return reject(env, name, "a Uint8Array of memory that is not shared");
	if (napi_is_detached_arraybuffer(env, array.memory, &is_detached) != napi_ok || is_detached)
		return reject(env, name, "a Uint8Array that still has its memory");
	*data = array.data;
	*size = array.size;
	return true;
}
