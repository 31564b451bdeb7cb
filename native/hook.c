/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* TCX came with Linux 6.6; the headers and libbpf of the build may be older. */
#define TCX_BEFORE (1U << 3)
#define TCX_AFTER (1U << 4)

/* The part of union bpf_attr that BPF_LINK_CREATE reads for TCX, as in Linux 6.6. */
struct tcx_link_attr {
	uint32_t prog_fd;
	uint32_t target_ifindex;
	uint32_t attach_type;
	uint32_t flags;
	uint32_t relative_fd;
	uint32_t pad;
	uint64_t expected_revision;
};

/*
 * Priorities of netobserv's filters: rarely used ones, since a priority holds filters of one kind
 * only and others must not be blocked. Earlier filters hide the packets whose fate they decide.
 */
#define TC_FIRST_PRIORITY 1
#define TC_USUAL_PRIORITY 5
#define TC_LAST_PRIORITY 0xffff
/* How many neighbours to try if filters of another kind use a priority. */
#define TC_TRIES_MAX 16
/*
 * "nob": the handle within a priority, so that `replace handle 1` of others does not hit the
 * filter. Other captures use the same one; each takes the next free handle.
 */
#define TC_HANDLE 0x6e6f62
#define TC_HANDLES 16

static bool attach_tcx(const struct request *request, struct attachment *into,
		       struct failure *failure)
{
	static const uint32_t flags[] = { 0, TCX_BEFORE, TCX_AFTER };
	struct tcx_link_attr attr = {
		.prog_fd = request->program,
		.target_ifindex = request->ifindex,
		.attach_type = request->egress ? TCX_EGRESS : TCX_INGRESS,
		/* Relative to no program: at the very start or the very end. */
		.flags = flags[request->anchor],
	};

	/* The kernel makes the descriptor close-on-exec. */
	into->link = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (into->link < 0)
		return fail(failure, errno, "bpf(BPF_LINK_CREATE)");
	return true;
}

static struct bpf_tc_hook hook_of(const struct attachment *attachment)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = attachment->ifindex,
		.attach_point = attachment->point,
	};
}

/* Adds a filter next to those of other captures, and of an earlier run that did not end well. */
static int add_beside(const struct request *request, bool owns_qdisc, struct filter_place *place)
{
	char owner[OWNER_BYTES + 2];
	int error = -EEXIST;

	/* A later start that finds the leftover filter then knows who made the qdisc. */
	snprintf(owner, sizeof(owner), "%s%s", request->owner, owns_qdisc ? ":q" : "");

	for (uint32_t i = 0; i < TC_HANDLES && error == -EEXIST; i++) {
		place->handle = TC_HANDLE + i;
		error = add_filter_at(place, request->program, owner);
	}
	return error;
}

static int add_filter(const struct request *request, struct attachment *into)
{
	static const int priorities[] = { TC_USUAL_PRIORITY, TC_FIRST_PRIORITY, TC_LAST_PRIORITY };
	struct filter_place place = { .ifindex = into->ifindex, .egress = request->egress };
	int step = request->anchor == ANCHOR_TAIL ? -1 : 1;
	int error = -EINVAL;

	/* The kernel refuses a priority with filters of another kind as invalid. */
	for (int i = 0; i < TC_TRIES_MAX && error == -EINVAL; i++) {
		place.priority = priorities[request->anchor] + i * step;
		error = add_beside(request, into->owns_qdisc, &place);
	}
	into->handle = place.handle;
	into->priority = place.priority;
	return error;
}

static bool attach_tc(const struct request *request, struct attachment *into,
		      struct failure *failure)
{
	struct bpf_tc_hook hook = hook_of(into);
	struct failure ignored = {};
	int error = bpf_tc_hook_create(&hook);
	bool has_egress = true;

	if (error && error != -EEXIST)
		return fail(failure, error, "create clsact qdisc");
	/* The kernel would silently put a filter for egress on the ingress of an ingress qdisc. */
	if (error && request->egress && !is_clsact(into->ifindex, &has_egress, failure))
		return false;
	if (!has_egress)
		return fail(failure, EBUSY, "use the qdisc that is there, which has no egress");
	into->owns_qdisc = !error;
	error = add_filter(request, into);
	if (!error)
		return true;
	if (into->owns_qdisc)
		remove_qdisc(into->ifindex, &ignored);
	return fail(failure, error, "add TC filter");
}

/* A TC filter must be removed from inside its namespace, so the namespace is kept open. */
static bool keep_netns(const struct request *request, struct attachment *into,
		       struct failure *failure)
{
	struct stat status;
	int error;

	if (request->netns >= 0) {
		into->netns = fcntl(request->netns, F_DUPFD_CLOEXEC, 0);
		if (into->netns < 0)
			return fail(failure, errno, "dup network namespace");
		error = fstat(into->netns, &status);
	} else {
		error = stat("/proc/thread-self/ns/net", &status);
	}
	if (error)
		return fail(failure, errno, "stat network namespace");
	into->netns_inode = status.st_ino;
	return true;
}

bool begin_attachment(const struct request *request, struct attachment *into,
		      struct failure *failure)
{
	struct visit visit;
	bool attached;

	into->link = -1;
	into->netns = -1;
	into->ifindex = request->ifindex;
	into->point = request->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
	if (!request->tcx && !keep_netns(request, into, failure))
		return false;
	if (!enter_netns(request->netns, &visit, failure))
		return false;
	attached = request->tcx ? attach_tcx(request, into, failure) :
				  attach_tc(request, into, failure);
	leave_netns(&visit);
	return attached;
}

static bool is_gone(int code)
{
	return code == ENODEV || code == ENOENT || code == EINVAL;
}

/* Makes another of the object's filters on the qdisc its owner; else removes the qdisc. */
static bool drop_qdisc(struct object *object, const struct attachment *attachment,
		       struct failure *failure)
{
	struct attachment *other;
	bool in_use;

	for (other = object->attachments; other; other = other->next) {
		if (other != attachment && other->link < 0 && !other->probe &&
		    other->ifindex == attachment->ifindex &&
		    other->netns_inode == attachment->netns_inode) {
			other->owns_qdisc = true;
			return true;
		}
	}
	if (!has_tc_filters(attachment->ifindex, &in_use, failure))
		return false;
	return in_use || remove_qdisc(attachment->ifindex, failure);
}

static bool detach_tc(struct object *object, struct attachment *attachment, struct failure *failure)
{
	struct bpf_tc_hook hook = hook_of(attachment);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = attachment->handle,
		    .priority = attachment->priority);
	struct visit visit;
	bool detached = true;
	int error;

	if (!enter_netns(attachment->netns, &visit, failure))
		return false;
	error = bpf_tc_detach(&hook, &options);
	if (error && !is_gone(-error)) {
		detached = fail(failure, error, "remove TC filter");
	} else if (attachment->owns_qdisc && !drop_qdisc(object, attachment, failure)) {
		detached = is_gone(failure->code);
		if (detached)
			failure->code = 0;
	}
	leave_netns(&visit);
	return detached;
}

bool end_attachment(struct object *object, struct attachment *attachment,
		    struct failure *failure)
{
	bool ended = true;

	/* No one else holds the link, so closing it detaches, even if the interface is gone. */
	if (attachment->probe)
		bpf_link__destroy(attachment->probe);
	else if (attachment->link >= 0)
		close(attachment->link);
	else
		ended = detach_tc(object, attachment, failure);
	if (attachment->netns >= 0)
		close(attachment->netns);
	return ended;
}

void end_attachments(struct object *object)
{
	struct failure ignored = {};

	/* Before the lock: waiting work may get the lock first, and then ends at once. */
	object->closed = true;
	pthread_mutex_lock(&object->attaching);
	while (object->attachments) {
		struct attachment *first = object->attachments;

		end_attachment(object, first, &ignored);
		object->attachments = first->next;
		free(first);
	}
	pthread_mutex_unlock(&object->attaching);
}
