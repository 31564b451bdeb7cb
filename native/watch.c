/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * One thread waits on all descriptors and passes events to the main thread. The lock guards the
 * list of sources: the thread holds it while it reads from a source, so that no source is closed
 * meanwhile, and never while it waits.
 */

/* Larger than any message that the kernel sends on a routing socket. */
#define MESSAGE_BYTES (64 * 1024)
/* Messages on their way to JavaScript; beyond that the kernel's socket buffer holds them back. */
#define QUEUE_MAX 1024
#define QUEUE_RETRY_MS 5
#define EVENTS_MAX 16
/* Instead of a source's id: a request to end the thread, or the report that it has ended. */
#define STOP_ID 0

enum source_kind { SOURCE_SOCKET, SOURCE_RING, SOURCE_PROCESS };

struct source {
	struct source *next;
	uint64_t id;
	enum source_kind kind;
	int fd; /* the caller's socket or process, or the ring's own epoll descriptor */
	struct ring_buffer *ring;
};

struct event {
	uint64_t source;
	int fd;
	bool has_bytes;
	uint32_t refused; /* dropped messages of senders other than the kernel; or errno */
	size_t size;
	uint8_t bytes[];
};

struct watcher {
	int epoll;
	int stop;
	pthread_t thread;
	pthread_mutex_t lock;
	struct source *sources;
	uint64_t next_id;
	bool closed;
	bool has_thread;
	napi_threadsafe_function deliver;
	uint8_t buffer[MESSAGE_BYTES];
};

static const napi_type_tag watcher_tag = { 0x6e65746f62736572, 0x762d776174636865 };

static struct source *find_source(struct watcher *watcher, uint64_t id)
{
	struct source *source;

	for (source = watcher->sources; source; source = source->next) {
		if (source->id == id)
			return source;
	}
	return NULL;
}

/* --- The thread ----------------------------------------------------------------------------- */

static int ignore_record(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

/* Fills `event`, except for the bytes; returns false when there is nothing to report. */
static bool read_socket(struct watcher *watcher, int fd, struct event *event)
{
	ssize_t length = receive_from_kernel(fd, watcher->buffer, sizeof(watcher->buffer),
					     MSG_DONTWAIT, &event->refused);

	/* ENOBUFS becomes an empty message: the caller has to read everything again. */
	event->has_bytes = length >= 0 || errno == ENOBUFS;
	event->size = length < 0 ? 0 : length;
	return event->has_bytes || event->refused > 0;
}

/* Returns NULL when there is nothing to read. */
static struct event *read_source(struct watcher *watcher, struct source *source)
{
	struct event head = { .source = source->id, .fd = source->fd };
	struct event *event;

	if (source->kind == SOURCE_RING && ring_buffer__consume(source->ring) <= 0)
		return NULL;
	if (source->kind == SOURCE_SOCKET && !read_socket(watcher, source->fd, &head))
		return NULL;
	event = malloc(sizeof(*event) + head.size);
	if (!event)
		return NULL;
	*event = head;
	memcpy(event->bytes, watcher->buffer, head.size);
	return event;
}

/* Returns false when the watcher is being closed. */
static bool wait_for_queue(struct watcher *watcher)
{
	struct epoll_event event;
	int only_stop = epoll_create1(EPOLL_CLOEXEC);
	int ready = 1;

	if (only_stop < 0)
		return false;
	event = (struct epoll_event){ .events = EPOLLIN };
	if (epoll_ctl(only_stop, EPOLL_CTL_ADD, watcher->stop, &event) == 0)
		ready = epoll_wait(only_stop, &event, 1, QUEUE_RETRY_MS);
	close(only_stop);
	return ready == 0;
}

static void deliver(struct watcher *watcher, struct event *event)
{
	napi_status status;

	do {
		status = napi_call_threadsafe_function(watcher->deliver, event,
						       napi_tsfn_nonblocking);
	} while (status == napi_queue_full && wait_for_queue(watcher));
	if (status != napi_ok)
		free(event);
}

/* Without memory for the event, the end is not reported. */
static void deliver_end(struct watcher *watcher, int error)
{
	struct event *event = malloc(sizeof(*event));

	if (!event)
		return;
	*event = (struct event){ .source = STOP_ID, .fd = -1, .refused = error };
	deliver(watcher, event);
}

static void *run(void *data)
{
	struct watcher *watcher = data;
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int count = epoll_wait(watcher->epoll, events, EVENTS_MAX, -1);

		if (count < 0 && errno != EINTR) {
			deliver_end(watcher, errno);
			return NULL;
		}
		for (int i = 0; i < count; i++) {
			struct event *event = NULL;
			struct source *source;

			if (events[i].data.u64 == STOP_ID)
				return NULL;
			pthread_mutex_lock(&watcher->lock);
			source = find_source(watcher, events[i].data.u64);
			if (source)
				event = read_source(watcher, source);
			pthread_mutex_unlock(&watcher->lock);
			if (event)
				deliver(watcher, event);
		}
	}
}

/* --- The main thread ------------------------------------------------------------------------ */

static napi_value bytes_of(napi_env env, const struct event *event)
{
	napi_value buffer, value;
	void *copy;

	if (!event->has_bytes) {
		napi_get_undefined(env, &value);
		return value;
	}
	if (napi_create_arraybuffer(env, event->size, &copy, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, event->size, buffer, 0, &value) !=
		    napi_ok)
		return NULL;
	memcpy(copy, event->bytes, event->size);
	return value;
}

static void call_listener(napi_env env, napi_value listener, void *context, void *data)
{
	struct watcher *watcher = context;
	struct event *event = data;
	napi_value arguments[3], receiver;

	/* Events of a source that has been removed meanwhile are dropped. */
	bool is_current = event->source == STOP_ID || find_source(watcher, event->source);

	if (env && !watcher->closed && is_current &&
	    napi_create_int32(env, event->fd, &arguments[0]) == napi_ok &&
	    napi_create_uint32(env, event->refused, &arguments[2]) == napi_ok &&
	    napi_get_undefined(env, &receiver) == napi_ok) {
		arguments[1] = bytes_of(env, event);
		if (arguments[1])
			napi_call_function(env, receiver, listener, 3, arguments, NULL);
	}
	free(event);
}

static bool get_watcher(napi_env env, napi_callback_info info, size_t count, napi_value *arguments,
			struct watcher **into)
{
	struct failure failure = { .code = EBADF, .call = "use of a closed watcher" };
	napi_value self;
	size_t given = count;
	bool is_ours = false;
	void *data;

	if (napi_get_cb_info(env, info, &given, arguments, &self, NULL) != napi_ok ||
	    given < count || !is_type(env, self, napi_object) ||
	    napi_check_object_type_tag(env, self, &watcher_tag, &is_ours) != napi_ok || !is_ours) {
		throw_type(env, "not called on a watcher, or too few arguments");
		return false;
	}
	if (napi_unwrap(env, self, &data) != napi_ok) {
		throw_failure(env, &failure);
		return false;
	}
	*into = data;
	return true;
}

static bool add_source(struct watcher *watcher, const struct source *wanted,
		       struct failure *failure)
{
	struct source *source = calloc(1, sizeof(*source));
	/* A process ends once, and stays readable from then on. */
	struct epoll_event event = {
		.events = wanted->kind == SOURCE_PROCESS ? EPOLLIN | EPOLLONESHOT : EPOLLIN,
	};
	bool added;

	if (!source)
		return fail(failure, ENOMEM, "watch");
	*source = *wanted;
	pthread_mutex_lock(&watcher->lock);
	source->id = watcher->next_id++;
	event.data.u64 = source->id;
	added = epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
	if (added) {
		source->next = watcher->sources;
		watcher->sources = source;
	} else {
		fail(failure, errno, "epoll_ctl");
		free(source);
	}
	pthread_mutex_unlock(&watcher->lock);
	return added;
}

static napi_value add_descriptor(napi_env env, napi_callback_info info, enum source_kind kind,
				 enum descriptor descriptor)
{
	struct source source = { .kind = kind };
	struct failure failure = {};
	struct watcher *watcher;
	napi_value arguments[1];

	if (!get_watcher(env, info, 1, arguments, &watcher) ||
	    !get_descriptor(env, arguments[0], "fd", descriptor, &source.fd))
		return NULL;
	if (!add_source(watcher, &source, &failure))
		throw_failure(env, &failure);
	return NULL;
}

static napi_value add_socket(napi_env env, napi_callback_info info)
{
	return add_descriptor(env, info, SOURCE_SOCKET, DESCRIPTOR_NETLINK);
}

static napi_value add_process(napi_env env, napi_callback_info info)
{
	return add_descriptor(env, info, SOURCE_PROCESS, DESCRIPTOR_PROCESS);
}

static napi_value add_ring(napi_env env, napi_callback_info info)
{
	struct source source = { .kind = SOURCE_RING };
	struct failure failure = {};
	struct watcher *watcher;
	napi_value arguments[2], result;
	struct object *object;
	char name[NAME_BYTES];
	int map;

	if (!get_watcher(env, info, 2, arguments, &watcher) ||
	    !get_object(env, arguments[0], &object) ||
	    !get_string(env, arguments[1], "ringMap", name, sizeof(name)))
		return NULL;
	map = map_fd(env, object, name);
	if (map < 0)
		return NULL;
	/* The ring maps the kernel's pages and so outlives the object. */
	source.ring = ring_buffer__new(map, ignore_record, NULL, NULL);
	if (!source.ring) {
		fail(&failure, errno, "map ring buffer");
		throw_failure(env, &failure);
		return NULL;
	}
	source.fd = ring_buffer__epoll_fd(source.ring);
	if (!claim_ring(object, map, &failure) || !add_source(watcher, &source, &failure)) {
		ring_buffer__free(source.ring);
		throw_failure(env, &failure);
		return NULL;
	}
	return napi_create_int32(env, source.fd, &result) == napi_ok ? result : NULL;
}

static void free_source(struct watcher *watcher, struct source *source)
{
	/* The caller may have closed the socket already, which also removed it from the set. */
	epoll_ctl(watcher->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->ring)
		ring_buffer__free(source->ring);
	free(source);
}

static napi_value remove_source(napi_env env, napi_callback_info info)
{
	struct source **place, *found;
	struct watcher *watcher;
	napi_value arguments[1];
	int fd;

	if (!get_watcher(env, info, 1, arguments, &watcher) ||
	    !get_fd(env, arguments[0], "fd", &fd))
		return NULL;
	pthread_mutex_lock(&watcher->lock);
	for (place = &watcher->sources; *place; place = &(*place)->next) {
		if ((*place)->fd == fd)
			break;
	}
	found = *place;
	if (found) {
		*place = found->next;
		free_source(watcher, found);
	}
	pthread_mutex_unlock(&watcher->lock);
	return NULL;
}

/* Safe to call twice; the memory is kept until the queue of events is discarded. */
static void stop_watcher(struct watcher *watcher)
{
	uint64_t one = 1;

	if (watcher->closed)
		return;
	watcher->closed = true;
	if (watcher->has_thread && write(watcher->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(watcher->thread, NULL);
	while (watcher->sources) {
		struct source *first = watcher->sources;

		watcher->sources = first->next;
		free_source(watcher, first);
	}
	if (watcher->epoll >= 0)
		close(watcher->epoll);
	if (watcher->stop >= 0)
		close(watcher->stop);
}

static napi_value close_watcher(napi_env env, napi_callback_info info)
{
	struct watcher *watcher;
	napi_value self;

	if (!get_watcher(env, info, 0, NULL, &watcher))
		return NULL;
	/* The memory is freed with the queue of events, so the handle must not refer to it. */
	if (napi_get_cb_info(env, info, NULL, NULL, &self, NULL) == napi_ok)
		napi_remove_wrap(env, self, NULL);
	stop_watcher(watcher);
	napi_release_threadsafe_function(watcher->deliver, napi_tsfn_abort);
	return NULL;
}

/* Runs once, after close() or with the environment: no more calls of the listener. */
static void finalize_watcher(napi_env env, void *data, void *hint)
{
	struct watcher *watcher = data;

	(void)env;
	(void)hint;
	stop_watcher(watcher);
	pthread_mutex_destroy(&watcher->lock);
	free(watcher);
}

static bool start_thread(struct watcher *watcher, struct failure *failure)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = STOP_ID };
	int error;

	watcher->epoll = epoll_create1(EPOLL_CLOEXEC);
	watcher->stop = eventfd(0, EFD_CLOEXEC);
	if (watcher->epoll < 0 || watcher->stop < 0 ||
	    epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, watcher->stop, &event))
		return fail(failure, errno, "epoll");
	error = pthread_create(&watcher->thread, NULL, run, watcher);
	if (error)
		return fail(failure, error, "pthread_create");
	watcher->has_thread = true;
	return true;
}

static napi_value methods_of(napi_env env, struct watcher *watcher)
{
	static const napi_property_descriptor methods[] = {
		{ .utf8name = "addSocket", .method = add_socket },
		{ .utf8name = "addRing", .method = add_ring },
		{ .utf8name = "addProcess", .method = add_process },
		{ .utf8name = "remove", .method = remove_source },
		{ .utf8name = "close", .method = close_watcher },
	};
	napi_value self;

	if (napi_create_object(env, &self) != napi_ok ||
	    napi_define_properties(env, self, sizeof(methods) / sizeof(methods[0]), methods) !=
		    napi_ok ||
	    napi_type_tag_object(env, self, &watcher_tag) != napi_ok ||
	    napi_wrap(env, self, watcher, NULL, NULL, NULL) != napi_ok)
		return NULL;
	return self;
}

napi_value watch(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	struct watcher *watcher;
	napi_value arguments[1], name, self;

	if (!get_arguments(env, info, 1, arguments))
		return NULL;
	watcher = calloc(1, sizeof(*watcher));
	if (!watcher) {
		fail(&failure, ENOMEM, "watch");
		throw_failure(env, &failure);
		return NULL;
	}
	watcher->epoll = -1;
	watcher->stop = -1;
	watcher->next_id = STOP_ID + 1;
	pthread_mutex_init(&watcher->lock, NULL);
	if (napi_create_string_utf8(env, "netobserv", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_threadsafe_function(env, arguments[0], NULL, name, QUEUE_MAX, 1, watcher,
					    finalize_watcher, watcher, call_listener,
					    &watcher->deliver) != napi_ok) {
		pthread_mutex_destroy(&watcher->lock);
		free(watcher);
		throw_type(env, "onEvent must be a function");
		return NULL;
	}
	self = methods_of(env, watcher);
	if (self && start_thread(watcher, &failure))
		return self;
	stop_watcher(watcher);
	napi_release_threadsafe_function(watcher->deliver, napi_tsfn_abort);
	if (failure.code)
		throw_failure(env, &failure);
	return NULL;
}
