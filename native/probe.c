/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* Programs that hang on a place in the kernel, in a control group or in a program's code. */

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
	/* -1: of every process that has the file mapped, now or later. */
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

/* False when an argument is wrong, which has been thrown; a failure to attach is told by `link`. */
static bool attach_by(napi_env env, napi_value options, struct bpf_program *program,
		      struct bpf_link **link, struct failure *failure)
{
	char path[PATH_MAX], symbol[NAME_BYTES];
	uint32_t is_return = 0;

	if (has_property(env, options, "cgroup")) {
		if (!get_text(env, options, "cgroup", path, sizeof(path)))
			return false;
		*link = attach_cgroup(program, path, failure);
	} else if (has_property(env, options, "file")) {
		if (!get_text(env, options, "file", path, sizeof(path)) ||
		    !get_text(env, options, "symbol", symbol, sizeof(symbol)) ||
		    !get_optional_u32(env, options, "isReturn", &is_return))
			return false;
		*link = attach_code(program, path, symbol, is_return, failure);
	} else {
		*link = attach_place(program, failure);
	}
	return true;
}

napi_value attach_probe(napi_env env, napi_callback_info info)
{
	struct attachment *attachment;
	struct failure failure = {};
	struct bpf_link *link = NULL;
	napi_value arguments[2];
	struct object *object;
	char name[NAME_BYTES];

	if (!get_arguments(env, info, 2, arguments) || !get_object(env, arguments[0], &object) ||
	    !get_text(env, arguments[1], "program", name, sizeof(name)) ||
	    program_fd(env, object, name) < 0 ||
	    !attach_by(env, arguments[1], bpf_object__find_program_by_name(object->bpf, name),
		       &link, &failure))
		return NULL;
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
