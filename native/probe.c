/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* Programs attached to a place in the kernel, to a control group or to a program's code. */

static struct bpf_link *attach_cgroup(struct bpf_program *program, const char *path,
				      struct failure *failure)
{
	struct bpf_link *link = NULL;
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0) {
		fail(failure, errno, "open control group");
		return NULL;
	}
	link = bpf_program__attach_cgroup(program, folder);
	if (!link)
		fail(failure, errno, "attach to control group");
	close(folder);
	return link;
}

static struct bpf_link *attach_code(struct bpf_program *program, const char *path,
				    const char *symbol, bool is_return, struct failure *failure)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = symbol, .retprobe = is_return);
	/* -1: every process that maps the file, now or later. */
	struct bpf_link *link = bpf_program__attach_uprobe_opts(program, -1, path, 0, &options);

	if (!link)
		fail(failure, errno, "attach to a function of a file");
	return link;
}

static struct bpf_link *attach_place(struct bpf_program *program, struct failure *failure)
{
	struct bpf_link *link = bpf_program__attach(program);

	if (!link)
		fail(failure, errno, "attach to the kernel");
	return link;
}

static bool get_text(napi_env env, napi_value options, const char *name, char *into, size_t size)
{
	napi_value value;

	return get_property(env, options, name, &value) &&
	       get_string(env, value, name, into, size);
}

enum place { PLACE_KERNEL, PLACE_CGROUP, PLACE_FILE };

struct place_options {
	enum place place;
	char program[NAME_BYTES];
	char path[PATH_MAX];
	char symbol[NAME_BYTES];
	uint32_t is_return;
};

static bool get_place(napi_env env, napi_value options, struct place_options *into)
{
	if (!get_text(env, options, "program", into->program, sizeof(into->program)))
		return false;
	if (has_property(env, options, "cgroup")) {
		into->place = PLACE_CGROUP;
		return get_text(env, options, "cgroup", into->path, sizeof(into->path));
	}
	if (!has_property(env, options, "file"))
		return true;
	into->place = PLACE_FILE;
	return get_text(env, options, "file", into->path, sizeof(into->path)) &&
	       get_text(env, options, "symbol", into->symbol, sizeof(into->symbol)) &&
	       get_optional_u32(env, options, "isReturn", &into->is_return);
}

static struct bpf_link *attach_by(const struct place_options *options, struct bpf_program *program,
				  struct failure *failure)
{
	switch (options->place) {
	case PLACE_CGROUP:
		return attach_cgroup(program, options->path, failure);
	case PLACE_FILE:
		return attach_code(program, options->path, options->symbol, options->is_return,
				   failure);
	default:
		return attach_place(program, failure);
	}
}

napi_value attach_probe(napi_env env, napi_callback_info info)
{
	struct place_options options = {};
	struct attachment *attachment;
	struct failure failure = {};
	struct bpf_link *link;
	napi_value arguments[2];
	struct object *object;

	/* The program is looked up after the options, when no getter of theirs can run any more. */
	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_place(env, arguments[1], &options) ||
	    program_fd(env, object, options.program) < 0)
		return NULL;
	link = attach_by(&options, bpf_object__find_program_by_name(object->bpf, options.program),
			 &failure);
	attachment = link ? calloc(1, sizeof(*attachment)) : NULL;
	if (!attachment) {
		if (link) {
			bpf_link__destroy(link);
			fail(&failure, ENOMEM, "attach");
		}
		throw_failure(env, &failure);
		return NULL;
	}
	attachment->link = -1;
	attachment->netns = -1;
	attachment->probe = link;
	return keep_attachment(env, object, attachment);
}
