/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <stdlib.h>

/* Buffers of a job: keys and values. */
#define BUFFERS 2

static void execute(napi_env env, void *data)
{
	struct job *job = data;

	(void)env;
	job->run(job);
}

void free_job(napi_env env, struct job *job)
{
	for (int i = 0; i < BUFFERS; i++) {
		if (job->buffers[i])
			napi_delete_reference(env, job->buffers[i]);
	}
	if (job->work)
		napi_delete_async_work(env, job->work);
	release_object(job->object);
	free(job->data);
	free(job);
}

bool keep_buffers(napi_env env, struct job *job, const napi_value *buffers)
{
	struct failure failure = { .code = ENOMEM, .call = "background work" };

	for (int i = 0; i < BUFFERS; i++) {
		if (napi_create_reference(env, buffers[i], 1, &job->buffers[i]) != napi_ok) {
			throw_failure(env, &failure);
			return false;
		}
	}
	return true;
}

static void complete(napi_env env, napi_status status, void *data)
{
	struct job *job = data;
	napi_value value;

	if (status == napi_cancelled)
		fail(&job->failure, ECANCELED, "background work");
	if (job->done)
		job->done(job);
	if (job->failure.code) {
		value = error_value(env, &job->failure);
		if (value)
			napi_reject_deferred(env, job->deferred, value);
	} else if (napi_create_double(env, job->result, &value) == napi_ok) {
		napi_resolve_deferred(env, job->deferred, value);
	}
	free_job(env, job);
}

struct job *new_job(napi_env env, struct object *object, void (*run)(struct job *job))
{
	struct job *job = calloc(1, sizeof(*job));
	struct failure failure = { .code = ENOMEM, .call = "background work" };

	if (!job) {
		throw_failure(env, &failure);
		return NULL;
	}
	job->object = object;
	job->run = run;
	object->references++;
	return job;
}

napi_value start_job(napi_env env, struct job *job)
{
	struct failure failure = { .code = ENOMEM, .call = "background work" };
	napi_value promise, name;

	if (napi_create_string_utf8(env, "netobserv", NAPI_AUTO_LENGTH, &name) == napi_ok &&
	    napi_create_async_work(env, NULL, name, execute, complete, job, &job->work) ==
		    napi_ok &&
	    napi_create_promise(env, &job->deferred, &promise) == napi_ok &&
	    napi_queue_async_work(env, job->work) == napi_ok)
		return promise;
	if (job->done)
		job->done(job);
	free_job(env, job);
	throw_failure(env, &failure);
	return NULL;
}
