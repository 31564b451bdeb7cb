/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Distinguishes the addon's handles from other external values. */
static const napi_type_tag object_tag = { 0x6e65746f62736572, 0x762d6270662d6f62 };

/*
 * libbpf prints through one callback for the whole process. While an object is being loaded its
 * warnings, including the verifier's log, go to the end of this thread's buffer; at any other
 * time they are dropped, since every failure is also returned.
 */
static _Thread_local char *log_buffer;

static int collect_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t used, room, length;
	char *text = NULL;
	int printed;

	if (!log_buffer || level == LIBBPF_DEBUG)
		return 0;
	printed = vasprintf(&text, format, arguments);
	if (printed < 0)
		return 0;
	length = printed;
	used = strlen(log_buffer);
	room = LOG_BYTES - 1 - used;
	if (length >= LOG_BYTES) {
		memcpy(log_buffer, text + length - (LOG_BYTES - 1), LOG_BYTES);
	} else {
		if (length > room) {
			used -= length - room;
			memmove(log_buffer, log_buffer + (length - room), used + 1);
		}
		memcpy(log_buffer + used, text, length + 1);
	}
	free(text);
	return 0;
}

void silence_libbpf(void)
{
	libbpf_set_print(collect_log);
}

static void close_bpf(struct object *object)
{
	if (object->bpf)
		bpf_object__close(object->bpf);
	object->bpf = NULL;
}

static void free_object(struct object *object)
{
	end_attachments(object);
	pthread_mutex_destroy(&object->attaching);
	free_rings(object);
	while (object->cursors) {
		struct cursor *cursor = object->cursors;

		object->cursors = cursor->next;
		free(cursor);
	}
	close_bpf(object);
	free(object);
}

void release_object(struct object *object)
{
	object->references--;
	if (object->references == 0)
		free_object(object);
	else if (object->references == 1 && object->closed)
		close_bpf(object);
}

static void finalize_object(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	release_object(data);
}

/* A getter of the options may have closed the object while they were read. */
static bool is_open(napi_env env, const struct object *object)
{
	struct failure failure = { .code = EBADF, .call = "use of a closed object" };

	if (object->closed)
		throw_failure(env, &failure);
	return !object->closed;
}

bool get_object(napi_env env, napi_value value, struct object **into)
{
	bool is_ours = false;
	void *data;

	if (!is_type(env, value, napi_external) ||
	    napi_check_object_type_tag(env, value, &object_tag, &is_ours) != napi_ok || !is_ours ||
	    napi_get_value_external(env, value, &data) != napi_ok) {
		throw_type(env, "object must come from load()");
		return false;
	}
	*into = data;
	return is_open(env, *into);
}

int map_fd(napi_env env, struct object *object, const char *name)
{
	struct failure failure = { .code = ENOENT, .call = "find map" };
	struct bpf_map *map;
	int fd;

	if (!is_open(env, object))
		return -1;
	map = bpf_object__find_map_by_name(object->bpf, name);
	fd = map ? bpf_map__fd(map) : -1;
	if (map)
		failure.call = "map is not pinned";
	if (fd < 0)
		throw_failure(env, &failure);
	return fd;
}

int program_fd(napi_env env, struct object *object, const char *name)
{
	struct bpf_program *program =
		is_open(env, object) ? bpf_object__find_program_by_name(object->bpf, name) : NULL;
	int fd = program ? bpf_program__fd(program) : -1;
	struct failure failure = { .code = ENOENT, .call = "find loaded program" };

	if (fd < 0)
		throw_failure(env, &failure);
	return fd;
}

/*
 * A signal makes the kernel stop verifying (EAGAIN). libbpf tries five times, which is not enough
 * with a profiler's timer, so signals are blocked.
 */
static int load_undisturbed(struct bpf_object *bpf, bool *is_unexplained)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = load_and_choose(bpf, is_unexplained);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static bool try_to_load(napi_env env, uint8_t *data, size_t size, napi_value options,
			struct bpf_object **into, struct failure *failure, bool *is_unexplained)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_options, .object_name = "netobserv");
	struct bpf_object *bpf = bpf_object__open_mem(data, size, &open_options);
	int error;

	if (!bpf)
		return fail(failure, errno, "open BPF object");
	if (!configure(env, bpf, options)) {
		bpf_object__close(bpf);
		return false;
	}
	error = load_undisturbed(bpf, is_unexplained);
	if (error) {
		bpf_object__close(bpf);
		return fail(failure, error, "load BPF object");
	}
	*into = bpf;
	return true;
}

/* A refusal that the log does not explain is repeated, one program after the other. */
static bool open_and_load(napi_env env, uint8_t *data, size_t size, napi_value options,
			  struct bpf_object **into, struct failure *failure)
{
	bool is_unexplained = false;

	if (try_to_load(env, data, size, options, into, failure, &is_unexplained))
		return true;
	if (!is_unexplained)
		return false;
	*failure = (struct failure){};
	if (log_buffer)
		log_buffer[0] = '\0';
	return try_to_load(env, data, size, options, into, failure, NULL);
}

napi_value wrap_object(napi_env env, struct bpf_object *bpf, int active)
{
	struct object *object = calloc(1, sizeof(*object));
	struct failure failure = { .code = ENOMEM, .call = "wrap BPF object" };
	napi_value value;

	if (!object) {
		bpf_object__close(bpf);
		throw_failure(env, &failure);
		return NULL;
	}
	object->bpf = bpf;
	object->active = active;
	object->references = 1;
	object->next_attachment = FIRST_ATTACHMENT;
	pthread_mutex_init(&object->attaching, NULL);
	if (napi_create_external(env, object, finalize_object, NULL, &value) != napi_ok) {
		free_object(object);
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_type_tag_object(env, value, &object_tag) == napi_ok ? value : NULL;
}

napi_value load(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	struct bpf_object *bpf = NULL;
	napi_value arguments[2];
	bool loaded, pending;
	char *outer_log;
	uint8_t *data;
	size_t size;

	if (!get_arguments(env, info, 2, arguments) ||
	    !get_bytes(env, arguments[0], "object", &data, &size))
		return NULL;
	silence_libbpf();
	/* A getter of the options may load another object. */
	outer_log = log_buffer;
	log_buffer = calloc(1, LOG_BYTES);
	loaded = open_and_load(env, data, size, arguments[1], &bpf, &failure);
	if (!loaded && log_buffer && log_buffer[0])
		failure.log = log_buffer;
	else
		free(log_buffer);
	log_buffer = outer_log;
	if (loaded)
		return wrap_object(env, bpf, 0);
	if (napi_is_exception_pending(env, &pending) == napi_ok && !pending)
		throw_failure(env, &failure);
	free(failure.log);
	return NULL;
}

/* Removes attachments now; the maps remain until operations under way have ended. */
napi_value close_object(napi_env env, napi_callback_info info)
{
	napi_value arguments[1];
	struct object *object;

	if (!get_arguments(env, info, 1, arguments) || !get_object(env, arguments[0], &object))
		return NULL;
	end_attachments(object);
	if (object->references == 1)
		close_bpf(object);
	return NULL;
}
