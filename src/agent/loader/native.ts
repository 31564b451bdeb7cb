/**
 * The addon's contract (native/). It moves bytes and file descriptors: no policy, no parsing. Every
 * function throws an `Error` with `code` = the errno name (`EPERM`, `ENOENT` …), `errno`, `syscall`
 * (the failed operation) and, if the verifier refused, `verifierLog`. An argument of the wrong kind
 * is a `TypeError` with the code `EINVAL` that names it: numbers are whole and in range, texts have
 * no zeros, bytes are `Uint8Array`s of memory that is neither detached nor, unless said, shared.
 */

/**
 * Bytes that the kernel writes off the main thread: shared memory cannot be freed or given away
 * meanwhile. They are valid when the call resolves.
 */
export type SharedBytes = Uint8Array<SharedArrayBuffer>;

declare const kind: unique symbol;
/** A loaded BPF object; freed by `close` or when garbage-collected. */
export interface BpfObject {
  readonly [kind]: 'bpf-object';
}

export interface LoadOptions {
  /** Bytes of the `config` variable (`struct config`, section .rodata.config). */
  readonly config: Uint8Array;
  /** Complete bytes of other data sections, by name: `.rodata.filters`. */
  readonly data?: Readonly<Record<string, Uint8Array>>;
  /** Entries of maps whose size is configurable, by map name. */
  readonly maxEntries: Readonly<Record<string, number>>;
  /** Bytes of a value, by map name; for a map of maps, those of the inner maps. */
  readonly valueBytes?: Readonly<Record<string, number>>;
  /** Programs to load; all others are left out of the kernel. */
  readonly programs: readonly string[];
}

export interface AttachOptions {
  readonly program: string;
  readonly ifindex: number;
  readonly direction: 'ingress' | 'egress';
  /**
   * `tcx`: BPF link. `tc`: own filter on a clsact qdisc, which is created if missing and otherwise
   * left unchanged.
   */
  readonly mode: 'tcx' | 'tc';
  readonly anchor: 'none' | 'head' | 'tail';
  /** Name of the filter in mode `tc`, plus `:q` if it made the qdisc; at most 249 bytes. */
  readonly owner?: string;
  /** File descriptor of the network namespace that holds the interface; absent: the process's. */
  readonly netns?: number;
}

/** A program without an interface; its section names the target, unless given here. */
export interface ProbeOptions {
  readonly program: string;
  /** Folder of a control group whose processes the program sees. */
  readonly cgroup?: string;
  /** Executable or library, and the function on whose entry or return the program runs. */
  readonly file?: string;
  readonly symbol?: string;
  readonly isReturn?: 0 | 1;
}

/** A TC filter of kind bpf on the clsact qdisc of an interface. */
export interface FilterPlace {
  /** As for `attach`. */
  readonly netns?: number;
  readonly ifindex: number;
  readonly isEgress: 0 | 1;
  readonly priority: number;
  readonly handle: number;
  /** Also removes the qdisc, unless another filter is on it. */
  readonly withQdisc?: 0 | 1;
}

export interface TestRunResult {
  readonly retval: number;
  /** Mean over `repeat` runs, nanoseconds. */
  readonly durationNs: number;
  /** The frame after the run. */
  readonly data: Uint8Array;
  /**
   * A hook's mark on a seen packet. The kernel takes no tc_index in a test run: the programs of
   * bpf/tests move it from and to cb[0], which this and the options mean.
   */
  readonly tcIndex: number;
}

export interface TestRunOptions {
  readonly program: string;
  readonly frame: Uint8Array;
  readonly repeat?: number;
  readonly ifindex?: number;
  /** The interface that received the packet; 0, the default: none. */
  readonly ingressIfindex?: number;
  readonly tcIndex?: number;
  readonly gsoSegs?: number;
  readonly gsoSize?: number;
}

export interface Native {
  /** Opens, configures and loads an object file's bytes. Throws with `verifierLog` when refused. */
  load(object: Uint8Array, options: LoadOptions): BpfObject;
  /**
   * An object whose maps another program creates: `adoptPinned` takes them over one by one, and the
   * functions for maps then work on them. Its programs are not loaded.
   */
  openUnloaded(object: Uint8Array): BpfObject;
  /** Takes over the map pinned at `path` of a BPF file system as the object's map of that name. */
  adoptPinned(object: BpfObject, map: string, path: string): void;
  close(object: BpfObject): void;

  /**
   * Resolves to an attachment id for `detach`. Off the main thread, since the kernel waits for a
   * grace period (some 15 ms) whenever a TCX hook is attached or detached, one at a time. The
   * descriptor of the namespace may be closed as soon as this returns.
   */
  attach(object: BpfObject, options: AttachOptions): Promise<number>;
  /** Like `attach`, but synchronous, for programs that are not attached to an interface. */
  attachProbe(object: BpfObject, options: ProbeOptions): number;
  /** Removes only what `attach` added. A missing interface or namespace is not an error. */
  detach(object: BpfObject, attachment: number): Promise<void>;

  /**
   * Makes the hooks write to the other flow map and waits, off the main thread, until no program
   * that saw the old choice still runs (an RCU grace period). Returns the index, 0 or 1, of the map
   * that is now unchanging and complete.
   */
  swap(object: BpfObject): Promise<0 | 1>;
  /**
   * Moves up to `keys.length / keySize` entries out of a map, off the main thread, by batch calls.
   * Returns how many; 0 when the map is empty. The buffers should hold some hundred entries:
   * `ENOSPC` if they cannot hold one bucket of the map. Only one caller at a time may drain a map,
   * else `EBUSY`. The value of a per-CPU map has those of all possible CPUs.
   */
  drain(object: BpfObject, map: string, keys: SharedBytes, values: SharedBytes): Promise<number>;
  /**
   * Copies entries of a hash map, off the main thread, until its end or until the buffers are full,
   * and returns how many. The map may change meanwhile: entries added or removed then may or may
   * not be copied.
   */
  readEntries(
    object: BpfObject,
    map: string,
    keys: SharedBytes,
    values: SharedBytes,
  ): Promise<number>;
  /** Removes the entries of all these keys, off the main thread; returns how many existed. */
  removeEntries(object: BpfObject, map: string, keys: Uint8Array): Promise<number>;
  /** Copies one array entry; per-CPU: all possible CPUs' values, each padded to 8 bytes. */
  readMap(object: BpfObject, map: string, index: number, into: Uint8Array): number;
  /** Sets one entry; in a per-CPU map for all possible CPUs. `EINVAL`: sizes are not the map's. */
  updateMap(object: BpfObject, map: string, key: Uint8Array, value: Uint8Array): void;
  /**
   * Moves records out of a ring buffer that nobody watches, as many as fit, and returns the bytes
   * used: for each record its length as 64 bits, then its bytes, padded to 8. No record may be
   * longer than `recordBytesMax`; `into` must hold one of that size. `EBUSY` for a ring that is, or
   * was, watched: its watcher stays its only reader.
   */
  readRing(object: BpfObject, map: string, into: Uint8Array, recordBytesMax: number): number;
  /** Sizes for checks of layouts and for buffers. */
  describeMap(
    object: BpfObject,
    map: string,
  ): {
    readonly keySize: number;
    readonly valueSize: number;
    readonly maxEntries: number;
    readonly fd: number;
  };
  /** All existing maps; /proc/self/fdinfo shows the memory of each descriptor. */
  listMaps(object: BpfObject): readonly { readonly name: string; readonly fd: number }[];
  /**
   * All TCX programs on one side of an interface, ours or not, in their order. Without
   * CAP_SYS_ADMIN the kernel does not show their names, which are empty then.
   */
  listTcx(
    ifindex: number,
    isEgress: 0 | 1,
  ): readonly { readonly id: number; readonly name: string }[];
  /**
   * Ids of the TCX programs on each of these interfaces (32 bits each), as 32-bit words: first for
   * its ingress, then for its egress, their number and the ids in their order. Returns the words
   * used; `into` must have room for 130 per interface. `EINVAL` before Linux 6.6.
   */
  readTcx(netns: number | undefined, ifindexes: Uint8Array, into: Uint8Array): number;
  /** Id of a loaded program, unique in the kernel. */
  programId(object: BpfObject, program: string): number;
  /** Name of any program; empty when it is gone, or without CAP_SYS_ADMIN. */
  programName(id: number): string;
  /**
   * The number by which the namespace `netns` knows the one behind the descriptor `other`, which
   * may differ in every namespace; -1: none.
   */
  namespaceId(netns: number | undefined, other: number): number;
  /** Removes a filter that this process has not attached. */
  removeFilter(place: FilterPlace): void;
  /** Whether any TC filter, ours or not, is attached to the interface's clsact qdisc. */
  hasTc(ifindex: number): boolean;
  possibleCpus(): number;
  /** Runs a loaded program on a frame in the kernel (BPF_PROG_TEST_RUN). */
  testRun(object: BpfObject, options: TestRunOptions): TestRunResult;
  /**
   * Run-time statistics of a loaded program: runs and nanoseconds, zeros unless
   * kernel.bpf_stats_enabled is on; and how often it was skipped because it was already running.
   */
  programStats(
    object: BpfObject,
    program: string,
  ): { readonly runs: number; readonly ns: number; readonly misses: number };

  /**
   * Opens a namespace file (/var/run/netns/NAME, /proc/PID/ns/net); cookie as SO_NETNS_COOKIE,
   * decimal, "0" where the kernel has none.
   */
  openNamespace(path: string): {
    readonly fd: number;
    readonly inode: number;
    readonly cookie: string;
  };
  /**
   * The user who created the outermost user namespace, below this process's own, that owns the
   * network namespace of this file; 0 where there is none: it is the host's.
   */
  namespaceOwner(path: string): number;
  /** A descriptor of the process, which reports its end. */
  openProcess(pid: number): number;
  /** A bound NETLINK_ROUTE socket with the given RTMGRP_* bits, made inside the namespace. */
  openNetlink(netns: number | undefined, groups: number): number;
  send(fd: number, message: Uint8Array): void;
  /** Closes a descriptor that was opened here; `EBADF` for any other number. */
  closeFd(fd: number): void;
  /**
   * Removes the pages of a range of addresses from this process; pages of a file are read again on
   * access. `EINVAL` unless they belong to one read-only mapping of a file.
   */
  releasePages(from: number, to: number): void;
  /** Returns memory that the C library holds in reserve to the kernel. */
  trimHeap(): void;
  /**
   * Watches descriptors from one background thread. For a netlink socket `onEvent(fd, bytes,
   * refused)` gets each of the kernel's datagrams, empty `bytes` when some were lost (ENOBUFS), and
   * how many messages from other senders came before it, with undefined bytes when only such came.
   * For the ring buffer of `ringMap` it is called with undefined bytes after records came, which
   * are consumed; for a process, once, when it has ended. `onEvent(-1, undefined, errno)` reports
   * that the thread has ended because it can no longer wait; no event follows.
   */
  watch(onEvent: (fd: number, bytes: Uint8Array | undefined, refused: number) => void): Watcher;

  /**
   * Permanently gives up all capabilities except those of `keep` (numbers of linux/capability.h):
   * every thread of the process, including Node's, loses them from its permitted, effective,
   * inheritable, ambient and, given CAP_SETPCAP, bounding set, and gets no_new_privs.
   */
  dropCapabilities(keep: readonly number[]): void;
  /** Ends the process at once, without waiting for threads that resolve names. */
  endProcess(code: number): never;
}

export interface Watcher {
  addSocket(fd: number): void;
  addRing(object: BpfObject, ringMap: string): number;
  addProcess(fd: number): void;
  remove(fd: number): void;
  /** Ends the thread; no event comes after this returns. */
  close(): void;
}
