/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- Off the main thread: the kernel waits for a grace period with each TCX hook ------------- */

static void run_attach(struct job *job)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct object *object = job->object;

	if (!attachment) {
		fail(&job->failure, ENOMEM, "attach");
		return;
	}
	pthread_mutex_lock(&object->attaching);
	if (object->closed)
		fail(&job->failure, EBADF, "attach: the object was closed");
	else if (begin_attachment(job->data, attachment, &job->failure))
		attachment->id = object->next_attachment++;
	else if (attachment->netns >= 0)
		close(attachment->netns);
	if (attachment->id) {
		job->result = attachment->id;
		attachment->next = object->attachments;
		object->attachments = attachment;
	} else {
		free(attachment);
	}
	pthread_mutex_unlock(&object->attaching);
}

static void end_attach(struct job *job)
{
	struct request *request = job->data;

	if (request->netns >= 0)
		close(request->netns);
}

static void run_detach(struct job *job)
{
	struct object *object = job->object;
	const uint32_t *id = job->data;
	struct attachment **place, *found;

	pthread_mutex_lock(&object->attaching);
	for (place = &object->attachments; *place; place = &(*place)->next) {
		if ((*place)->id == (int)*id)
			break;
	}
	found = *place;
	if (found) {
		end_attachment(object, found, &job->failure);
		*place = found->next;
		free(found);
	} else if (!object->closed) {
		fail(&job->failure, ENOENT, "find attachment");
	}
	pthread_mutex_unlock(&object->attaching);
}

/* --- The main thread ------------------------------------------------------------------------- */

static bool get_choice(napi_env env, napi_value options, const char *name,
		       const char *const *choices, size_t count, uint32_t *chosen)
{
	char text[NAME_BYTES];
	napi_value value;

	if (!get_property(env, options, name, &value) ||
	    !get_string(env, value, name, text, sizeof(text)))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*chosen = i;
			return true;
		}
	}
	throw_type(env, "direction, mode or anchor is none of the known ones");
	return false;
}

static bool get_request(napi_env env, struct object *object, napi_value options,
			struct request *request)
{
	static const char *const directions[] = { "ingress", "egress" };
	static const char *const modes[] = { "tc", "tcx" };
	static const char *const anchors[] = { "none", "head", "tail" };
	uint32_t direction, mode, anchor;
	char program[NAME_BYTES];
	napi_value value;

	if (!get_property(env, options, "program", &value) ||
	    !get_string(env, value, "program", program, sizeof(program)) ||
	    !get_property(env, options, "ifindex", &value) ||
	    !get_u32(env, value, "ifindex", &request->ifindex) ||
	    !get_choice(env, options, "direction", directions, 2, &direction) ||
	    !get_choice(env, options, "mode", modes, 2, &mode) ||
	    !get_choice(env, options, "anchor", anchors, 3, &anchor) ||
	    (has_property(env, options, "netns") &&
	     (!get_property(env, options, "netns", &value) ||
	      !get_fd(env, value, "netns", &request->netns))))
		return false;
	strcpy(request->owner, "netobserv");
	if (has_property(env, options, "owner") &&
	    (!get_property(env, options, "owner", &value) ||
	     !get_string(env, value, "owner", request->owner, sizeof(request->owner))))
		return false;
	request->egress = direction;
	request->tcx = mode;
	request->anchor = anchor;
	request->program = program_fd(env, object, program);
	return request->program >= 0;
}

napi_value keep_attachment(napi_env env, struct object *object, struct attachment *attachment)
{
	napi_value id;

	pthread_mutex_lock(&object->attaching);
	attachment->id = object->next_attachment++;
	attachment->next = object->attachments;
	object->attachments = attachment;
	pthread_mutex_unlock(&object->attaching);
	return napi_create_int32(env, attachment->id, &id) == napi_ok ? id : NULL;
}

/* A job with its own copy of `size` bytes. */
static struct job *new_job_with(napi_env env, struct object *object, void (*run)(struct job *job),
				const void *data, size_t size)
{
	struct failure failure = { .code = ENOMEM, .call = "background work" };
	struct job *job = new_job(env, object, run);

	if (!job)
		return NULL;
	job->data = malloc(size);
	if (!job->data) {
		free_job(env, job);
		throw_failure(env, &failure);
		return NULL;
	}
	memcpy(job->data, data, size);
	return job;
}

napi_value attach(napi_env env, napi_callback_info info)
{
	struct request request = { .netns = -1 };
	struct failure failure = {};
	napi_value arguments[2];
	struct object *object;
	struct job *job;

	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_request(env, object, arguments[1], &request))
		return NULL;
	/* The caller may close its descriptor before the work is done. */
	if (request.netns >= 0) {
		request.netns = fcntl(request.netns, F_DUPFD_CLOEXEC, 0);
		if (request.netns < 0) {
			fail(&failure, errno, "dup network namespace");
			throw_failure(env, &failure);
			return NULL;
		}
	}
	job = new_job_with(env, object, run_attach, &request, sizeof(request));
	if (!job) {
		if (request.netns >= 0)
			close(request.netns);
		return NULL;
	}
	job->done = end_attach;
	return start_job(env, job);
}

napi_value detach(napi_env env, napi_callback_info info)
{
	napi_value arguments[2];
	struct object *object;
	struct job *job;
	uint32_t id;

	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_u32(env, arguments[1], "attachment", &id))
		return NULL;
	job = new_job_with(env, object, run_detach, &id, sizeof(id));
	return job ? start_job(env, job) : NULL;
}
