/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The addon moves bytes and file descriptors between JavaScript and the kernel. It holds no policy
 * and parses nothing; src/agent/loader/native.ts is its contract.
 *
 * Every function that can fail returns a struct failure by pointer and says so with `false`; the
 * N-API border turns it into a thrown error or a rejected promise.
 */

#define NAPI_VERSION 9
#include <node_api.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's names have at most 15 characters; the addon's names are shorter than this. */
#define NAME_BYTES 64
/* The end of the verifier's log holds the reason; an error does not need the rest. */
#define LOG_BYTES (64 * 1024)

struct failure {
	int code; /* errno, positive */
	const char *call; /* what was tried: a literal */
	char *log; /* owned; NULL unless the verifier wrote one */
};

bool fail(struct failure *failure, int code, const char *call);

/* --- napi.c: arguments in, values and errors out ------------------------------------------- */

void throw_failure(napi_env env, struct failure *failure);
void throw_type(napi_env env, const char *message);
/* To be called before functions that convert the value to an object and may throw themselves. */
bool is_type(napi_env env, napi_value value, napi_valuetype wanted);
/* Throws an error that says that `name` must be `wanted`; returns false. */
bool reject(napi_env env, const char *name, const char *wanted);
napi_value error_value(napi_env env, struct failure *failure);

/* Each throws and returns false when the argument is not valid. */
bool get_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);
bool get_property(napi_env env, napi_value object, const char *name, napi_value *value);
bool has_property(napi_env env, napi_value object, const char *name);
bool get_u32(napi_env env, napi_value value, const char *name, uint32_t *into);
bool get_string(napi_env env, napi_value value, const char *name, char *into, size_t size);
bool get_fd(napi_env env, napi_value value, const char *name, int *into);
/*
 * The memory is valid until JavaScript runs again, including getters of options: JavaScript may
 * transfer the array's memory.
 */
bool get_bytes(napi_env env, napi_value value, const char *name, uint8_t **data, size_t *size);
/*
 * The same for shared memory. It lives as long as the array, so that another thread may write to
 * it meanwhile: JavaScript can neither free nor give it away, as it can other memory (transfer()).
 */
bool get_shared_bytes(napi_env env, napi_value value, const char *name, uint8_t **data,
		      size_t *size);
/* Missing or undefined leaves `into` as it is. */
bool get_optional_u32(napi_env env, napi_value object, const char *name, uint32_t *into);

bool set_number(napi_env env, napi_value object, const char *name, double number);
bool set_value(napi_env env, napi_value object, const char *name, napi_value value);

/* --- object.c ------------------------------------------------------------------------------- */

#define FLOW_MAPS 2
/* Ids of attachments start here, so that 0 is never one. */
#define FIRST_ATTACHMENT 1

struct attachment {
	struct attachment *next;
	int id;
	int link; /* TCX: attached while it is open; -1 for TC */
	struct bpf_link *probe; /* of a program without an interface; NULL for TC and TCX */
	/* TC only. */
	int netns; /* own descriptor; -1: the process's namespace */
	uint64_t netns_inode;
	int ifindex;
	int point; /* enum bpf_tc_attach_point */
	uint32_t handle;
	uint32_t priority;
	bool owns_qdisc;
};

/* The place where the next batch of a map starts; one caller at a time drains a map. */
struct cursor {
	struct cursor *next;
	int map;
	bool busy;
	bool started;
	uint32_t token;
};

/* The caller's memory for the records of a ring buffer. */
struct records {
	uint8_t *into;
	size_t size;
	size_t reserve; /* bytes that the longest record takes */
};

/* A ring buffer always has one reader: consume_ring() or the thread that watches it. */
struct ring {
	struct ring *next;
	int map;
	struct ring_buffer *buffer; /* NULL when it is watched */
	/* During a read. */
	struct records records;
	size_t used;
};

/*
 * Kept alive by JavaScript's handle and by every operation under way off the main thread; the last
 * one frees it. `references` is only used on the main thread.
 */
struct object {
	struct bpf_object *bpf;
	int references;
	_Atomic bool closed; /* also read off the main thread: no more attachments */
	bool swapping;
	int active; /* which flow map hooks write to, or ACTIVE_UNKNOWN */
	struct cursor *cursors;
	struct ring *rings;
	/*
	 * Held while an attachment is made or removed: the kernel does one at a time anyway, and
	 * the owner of a qdisc must not change meanwhile. Guards the members below.
	 */
	pthread_mutex_t attaching;
	int next_attachment;
	struct attachment *attachments;
};

/* For maps that another program has made, until the first swap. */
#define ACTIVE_UNKNOWN (-1)

/* The map of maps that holds the flow map that hooks write to, and the first such flow map. */
#define CURRENT_MAP "current"
#define FIRST_MAP "flows_a"

/* Applies the options of load() to an opened object; false: an exception is pending. */
bool configure(napi_env env, struct bpf_object *bpf, napi_value options);

/* To be called before any object is opened; returns 0 or a negative errno. */
int watch_programs(void);
/*
 * Loads the object and makes hooks start with FIRST_MAP; returns 0 or a negative errno. With
 * `is_unexplained`, hooks are verified at once: if the kernel refuses one of them, the log may lack
 * the reason, and this is set.
 */
int load_and_choose(struct bpf_object *bpf, bool *is_unexplained);
/* Like bpf_object__load(), as above. */
int load_at_once(struct bpf_object *bpf, bool *is_unexplained);

/* While no object is being loaded, libbpf prints nothing. */
void silence_libbpf(void);
/* Takes the libbpf object over. */
napi_value wrap_object(napi_env env, struct bpf_object *bpf, int active);
bool get_object(napi_env env, napi_value value, struct object **into);
void release_object(struct object *object);
/* Returns -1 and throws when there is no such map or program. */
int map_fd(napi_env env, struct object *object, const char *name);
int program_fd(napi_env env, struct object *object, const char *name);

/* The most that the kernel allows at one place (BPF_MPROG_MAX). */
#define TCX_PROGRAMS_MAX 64

/* Reads ids of programs at one side of an interface of this namespace: their number or -errno. */
int query_tcx(uint32_t ifindex, uint32_t type, uint32_t *ids);

napi_value load(napi_env env, napi_callback_info info);
napi_value close_object(napi_env env, napi_callback_info info);
napi_value test_run(napi_env env, napi_callback_info info);

/* TCX came with Linux 6.6; the headers and libbpf of the build may be older. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/* --- job.c: work off the main thread --------------------------------------------------------- */

/* Filled in on the main thread, run once on a pool thread, settled and freed on the main thread. */
struct job {
	napi_async_work work;
	napi_deferred deferred;
	/* The caller's arrays that the work writes to; NULL where there are none. */
	napi_ref buffers[2];
	struct object *object;
	void (*run)(struct job *job);
	void (*done)(struct job *job);
	struct failure failure;
	double result;

	void *data; /* owned: other data for the work */

	/*
	 * For drains and entries; only drains have a cursor. Keys and values are in the caller's
	 * shared memory, and keys to be removed in `data`.
	 */
	int map;
	struct cursor *cursor;
	uint8_t *keys;
	uint8_t *values;
	uint32_t capacity;
	size_t key_size;
	size_t value_size;
};

/* Returns NULL and throws when there is no memory. */
struct job *new_job(napi_env env, struct object *object, void (*run)(struct job *job));
void free_job(napi_env env, struct job *job);
/* Returns the promise; on failure frees the job and throws. */
napi_value start_job(napi_env env, struct job *job);
/* Keeps the arrays of keys and values until the job is done. */
bool keep_buffers(napi_env env, struct job *job, const napi_value *buffers);

/* --- hook.c: attachments in the kernel ------------------------------------------------------- */

/* With additions, less than the kernel's CLS_BPF_NAME_LEN, 256. */
#define OWNER_BYTES 250

enum anchor { ANCHOR_NONE, ANCHOR_HEAD, ANCHOR_TAIL };

/* The program to attach, and the place. */
struct request {
	int program;
	int netns; /* own descriptor; -1: the process's */
	uint32_t ifindex;
	bool egress;
	bool tcx;
	enum anchor anchor;
	char owner[OWNER_BYTES]; /* TC: the filter's name, which shows who made it */
};

/* The caller sets `into` to zeros, and closes its `netns` after a failure. */
bool begin_attachment(const struct request *request, struct attachment *into,
		      struct failure *failure);
/* Removes only what was attached there; the caller keeps the memory. */
bool end_attachment(struct object *object, struct attachment *attachment, struct failure *failure);
/* Ends all and allows no new ones; waits for those that are being made or removed. */
void end_attachments(struct object *object);

/* --- filter.c ------------------------------------------------------------------------------- */

/* A filter's place on an interface of this thread's namespace. */
struct filter_place {
	int ifindex;
	bool egress;
	uint32_t priority;
	uint32_t handle;
};
/* Returns 0 or a negative errno; replaces no filter. */
int add_filter_at(const struct filter_place *place, int program, const char *owner);
/* Removes the clsact qdisc with all its filters. */
bool remove_qdisc(int ifindex, struct failure *failure);
napi_value remove_filter(napi_env env, napi_callback_info info);

/* --- chains.c ------------------------------------------------------------------------------- */

napi_value read_tcx(napi_env env, napi_callback_info info);
napi_value namespace_id(napi_env env, napi_callback_info info);

/* --- programs.c ----------------------------------------------------------------------------- */

napi_value program_id(napi_env env, napi_callback_info info);
napi_value program_name(napi_env env, napi_callback_info info);
napi_value program_stats(napi_env env, napi_callback_info info);

/* --- attach.c ------------------------------------------------------------------------------- */

/* Takes over the attachment under a new id, which it returns as a number. */
napi_value keep_attachment(napi_env env, struct object *object, struct attachment *attachment);
napi_value attach(napi_env env, napi_callback_info info);
napi_value detach(napi_env env, napi_callback_info info);

/* --- pinned.c ------------------------------------------------------------------------------- */

/* Finds the flow map that hooks write to; the last one when it is neither. */
bool find_active(struct bpf_map *current, struct bpf_map *const flows[FLOW_MAPS], int *active,
		 struct failure *failure);
napi_value open_unloaded(napi_env env, napi_callback_info info);
napi_value adopt_pinned(napi_env env, napi_callback_info info);

/* --- inspect.c ------------------------------------------------------------------------------ */

napi_value list_maps(napi_env env, napi_callback_info info);
napi_value list_tcx(napi_env env, napi_callback_info info);
napi_value has_tc(napi_env env, napi_callback_info info);

/* --- privileges.c --------------------------------------------------------------------------- */

napi_value drop_capabilities(napi_env env, napi_callback_info info);

/* --- probe.c -------------------------------------------------------------------------------- */

napi_value attach_probe(napi_env env, napi_callback_info info);

/* --- rings.c -------------------------------------------------------------------------------- */

/* False if the ring has a reader already. */
bool claim_ring(struct object *object, int map, struct failure *failure);
/* Reads records, each after its length, until the ring is empty or another might not fit. */
bool consume_ring(struct object *object, int map, const struct records *into, size_t *used,
		  struct failure *failure);
void free_rings(struct object *object);

/* --- maps.c --------------------------------------------------------------------------------- */

/* Bytes of an element as the kernel copies it; per-CPU maps: the values of all possible CPUs. */
size_t element_bytes(const struct bpf_map *map);
/* Finds the map of that name with its descriptor; throws when it is missing or has no keys. */
bool get_keyed_map(napi_env env, napi_value name, struct object *object, struct bpf_map **into);
/* The same for hash maps, whose entries can be read in batches. */
bool get_hash_map(napi_env env, napi_value name, struct object *object, struct bpf_map **into);
napi_value read_map(napi_env env, napi_callback_info info);
napi_value describe_map(napi_env env, napi_callback_info info);
napi_value possible_cpus(napi_env env, napi_callback_info info);
napi_value update_map(napi_env env, napi_callback_info info);
napi_value read_ring(napi_env env, napi_callback_info info);

/* --- drain.c -------------------------------------------------------------------------------- */

napi_value swap(napi_env env, napi_callback_info info);
napi_value drain(napi_env env, napi_callback_info info);

/* --- entries.c ------------------------------------------------------------------------------ */

/* Reads map, keys and values of a job; sets how many entries have room, at least one. */
bool get_capacity(napi_env env, napi_value *arguments, struct job *job);
napi_value read_entries(napi_env env, napi_callback_info info);
napi_value remove_entries(napi_env env, napi_callback_info info);

/* --- netlink.c ------------------------------------------------------------------------------ */

/* Moves this thread into a namespace (-1: none) and back; nothing else may run in between. */
struct visit {
	int home;
};
bool enter_netns(int netns, struct visit *visit, struct failure *failure);
void leave_netns(struct visit *visit);
/* Whether either side of an interface's clsact qdisc, in this namespace, has a filter. */
bool has_tc_filters(int ifindex, bool *result, struct failure *failure);
/* Whether the qdisc at an interface's ingress is clsact, which has an egress side as well. */
bool is_clsact(int ifindex, bool *result, struct failure *failure);

/* Opens a routing socket in this thread's namespace; returns -1 and sets errno on failure. */
int netlink_socket(void);
/*
 * Returns the kernel's next message on a routing socket, or -1 and errno: EAGAIN as for recv(), or
 * when other senders have sent so many that other work should get a turn; ENOBUFS when messages
 * were lost because there was no room or one did not fit. `refused` counts other senders' messages.
 */
ssize_t receive_from_kernel(int fd, void *buffer, size_t size, int flags, uint32_t *refused);

napi_value open_netlink(napi_env env, napi_callback_info info);
napi_value send_message(napi_env env, napi_callback_info info);

/* --- namespace.c ----------------------------------------------------------------------------- */

napi_value open_namespace(napi_env env, napi_callback_info info);
napi_value namespace_owner(napi_env env, napi_callback_info info);
napi_value open_process(napi_env env, napi_callback_info info);

/* --- descriptors.c --------------------------------------------------------------------------- */

/* Descriptors that JavaScript holds by number. Other numbers belong to others, such as Node. */
enum descriptor { DESCRIPTOR_NONE, DESCRIPTOR_NAMESPACE, DESCRIPTOR_NETLINK, DESCRIPTOR_PROCESS };

/* Gives it to JavaScript as a number; closes it and throws when that fails. */
napi_value give_descriptor(napi_env env, int fd, enum descriptor kind);
/* Throws unless it is one of this kind. */
bool get_descriptor(napi_env env, napi_value value, const char *name, enum descriptor kind,
		    int *into);
napi_value close_fd(napi_env env, napi_callback_info info);

/* --- memory.c -------------------------------------------------------------------------------- */

napi_value release_pages(napi_env env, napi_callback_info info);
napi_value trim_heap(napi_env env, napi_callback_info info);

/* --- end.c ----------------------------------------------------------------------------------- */

napi_value end_process(napi_env env, napi_callback_info info);

/* --- watch.c -------------------------------------------------------------------------------- */

napi_value watch(napi_env env, napi_callback_info info);
