/**
 * The addon's contract (native/). It moves bytes and file descriptors: no policy, no parsing. Every
 * function throws an `Error` with `code` = the errno name (`EPERM`, `ENOENT` …), `errno`, `syscall`
 * (what was tried) and, where the verifier spoke, `verifierLog`. An argument of the wrong kind is a
 * `TypeError` with the code `EINVAL` that names it: numbers are whole and in range, texts have no
 * zeros, bytes are `Uint8Array`s of memory that is there and not shared.
 */

declare const kind: unique symbol;
/** A loaded BPF object; freed by `close` or when garbage-collected. */
export interface BpfObject {
  readonly [kind]: 'bpf-object';
}

export interface LoadOptions {
  /** Bytes of the `config` variable (`struct config`, section .rodata.config). */
  readonly config: Uint8Array;
  /** Bytes of other sections of data, whole, by name: `.rodata.filters`. */
  readonly data?: Readonly<Record<string, Uint8Array>>;
  /** Entries of maps whose size is configurable, by map name. */
  readonly maxEntries: Readonly<Record<string, number>>;
  /** Bytes of a value, by map name; of a map of maps those of the maps in it. */
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
   * left as it is.
   */
  readonly mode: 'tcx' | 'tc';
  readonly anchor: 'none' | 'head' | 'tail';
  /** Name of the filter that `tc` makes, and `:q` if it makes the qdisc; at most 249 bytes. */
  readonly owner?: string;
  /** File descriptor of the network namespace that holds the interface; absent: the process's. */
  readonly netns?: number;
}

/** A program that hangs on no interface; where, unless it is said here, its section tells. */
export interface ProbeOptions {
  readonly program: string;
  /** Folder of a control group whose processes the program sees. */
  readonly cgroup?: string;
  /** Executable or library, with the function on whose entry, or return, the program runs. */
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
  /** The qdisc goes, too, unless another filter is on it. */
  readonly withQdisc?: 0 | 1;
}

export interface TestRunResult {
  readonly retval: number;
  /** Mean over `repeat` runs, nanoseconds. */
  readonly durationNs: number;
  /** The frame after the run. */
  readonly data: Uint8Array;
  /**
   * How a hook marks a packet as seen. The kernel takes no tc_index in a test run: the programs of
   * bpf/tests move it from and to cb[0], which is what is meant here and in the options.
   */
  readonly tcIndex: number;
}

export interface TestRunOptions {
  readonly program: string;
  readonly frame: Uint8Array;
  readonly repeat?: number;
  readonly ifindex?: number;
  /** Where the packet has come in; 0, the default: nowhere. */
  readonly ingressIfindex?: number;
  readonly tcIndex?: number;
  readonly gsoSegs?: number;
  readonly gsoSize?: number;
}

export interface Native {
  /** Opens, configures and loads an object file's bytes. Throws with `verifierLog` when refused. */
  load(object: Uint8Array, options: LoadOptions): BpfObject;
  /**
   * An object whose maps are made by somebody else: `adoptPinned` takes them over one by one, and
   * what works on maps then works on them. Its programs are not loaded.
   */
  openUnloaded(object: Uint8Array): BpfObject;
  /** Takes the map pinned at `path` of a BPF file system over as the object's map of that name. */
  adoptPinned(object: BpfObject, map: string, path: string): void;
  close(object: BpfObject): void;

  /**
   * Resolves to an attachment id for `detach`. Off the main thread, since the kernel waits for a
   * grace period (some 15 ms) with each TCX hook that comes or goes, one at a time. The descriptor
   * of the namespace may be closed as soon as this returns.
   */
  attach(object: BpfObject, options: AttachOptions): Promise<number>;
  /** As `attach`, but at once, for programs that hang on no interface. */
  attachProbe(object: BpfObject, options: ProbeOptions): number;
  /** Removes only what `attach` put there. An interface or namespace that is gone is no error. */
  detach(object: BpfObject, attachment: number): Promise<void>;

  /**
   * Makes the hooks write to the other flow map and waits, off the main thread, until no program
   * that saw the old choice still runs (an RCU grace period). Returns the index, 0 or 1, of the map
   * that is now still and complete.
   */
  swap(object: BpfObject): Promise<0 | 1>;
  /**
   * Moves up to `keys.length / keySize` entries out of a map, off the main thread, by batch calls.
   * Returns how many; 0 when the map is empty. The buffers are filled when it resolves: `EINVAL`
   * when their memory was given away meanwhile, and the entries are lost. They should hold some
   * hundred entries: `ENOSPC` when they cannot hold one bucket of the map. A map is drained by one
   * caller at a time, else `EBUSY`. Of a per-CPU map a value is that of all possible CPUs.
   */
  drain(object: BpfObject, map: string, keys: Uint8Array, values: Uint8Array): Promise<number>;
  /**
   * Copies entries of a hash map, off the main thread, until its end or until the buffers are full,
   * and returns how many. The map may change meanwhile: what is added or removed is copied or not.
   */
  readEntries(
    object: BpfObject,
    map: string,
    keys: Uint8Array,
    values: Uint8Array,
  ): Promise<number>;
  /** Removes the entries of all these keys, off the main thread; returns how many there were. */
  removeEntries(object: BpfObject, map: string, keys: Uint8Array): Promise<number>;
  /** Copies one array entry; of a per-CPU map all possible CPUs' values, each padded to 8 bytes. */
  readMap(object: BpfObject, map: string, index: number, into: Uint8Array): number;
  /** Sets one entry; of a per-CPU map for all possible CPUs. `EINVAL`: sizes are not the map's. */
  updateMap(object: BpfObject, map: string, key: Uint8Array, value: Uint8Array): void;
  /**
   * Moves records out of a ring buffer that nobody watches, as many as fit, and returns the bytes
   * used: of each record its length as 64 bits, then its bytes, padded to 8. None of the records
   * may be longer than `recordBytesMax`; `into` must hold one of those. `EBUSY` for a ring that is,
   * or was, watched: it has one reader for good.
   */
  readRing(object: BpfObject, map: string, into: Uint8Array, recordBytesMax: number): number;
  /** Sizes for layout checks and buffers. */
  describeMap(
    object: BpfObject,
    map: string,
  ): {
    readonly keySize: number;
    readonly valueSize: number;
    readonly maxEntries: number;
    readonly fd: number;
  };
  /** Every map that is there; of the descriptor, /proc/self/fdinfo tells the memory. */
  listMaps(object: BpfObject): readonly { readonly name: string; readonly fd: number }[];
  /**
   * Programs on one side of an interface by TCX, anybody's, in their order. Without CAP_SYS_ADMIN
   * the kernel does not tell their names, which are empty then.
   */
  listTcx(
    ifindex: number,
    isEgress: 0 | 1,
  ): readonly { readonly id: number; readonly name: string }[];
  /**
   * Ids of the programs by TCX on each of these interfaces (32 bits each): into 32-bit words, first
   * for its ingress, then for its egress, their number and the ids in their order. Returns the
   * words used; `into` must have room for 130 for each interface. `EINVAL` before Linux 6.6.
   */
  readTcx(netns: number | undefined, ifindexes: Uint8Array, into: Uint8Array): number;
  /** Id of a loaded program, by which the kernel tells it from all others. */
  programId(object: BpfObject, program: string): number;
  /** Of anybody's program; empty when it is gone, or without CAP_SYS_ADMIN. */
  programName(id: number): string;
  /**
   * The number by which the namespace `netns` knows the one behind the descriptor `other`, which
   * may differ in every namespace; -1: it has none for it.
   */
  namespaceId(netns: number | undefined, other: number): number;
  /** Takes a filter off that this process has not attached. */
  removeFilter(place: FilterPlace): void;
  /** Whether any TC filter, anybody's, hangs on the interface's clsact qdisc. */
  hasTc(ifindex: number): boolean;
  possibleCpus(): number;
  /** Runs a loaded program on a frame in the kernel (BPF_PROG_TEST_RUN). */
  testRun(object: BpfObject, options: TestRunOptions): TestRunResult;
  /**
   * Run-time statistics of a loaded program: runs and nanoseconds, zeros unless
   * kernel.bpf_stats_enabled is on; and how often it was left out because it was running already.
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
   * The user who made the outermost user namespace, below this process's own, that the network
   * namespace of this file belongs to; 0 where there is none: it is the host's.
   */
  namespaceOwner(path: string): number;
  /** A descriptor of the process, to be told of its end. */
  openProcess(pid: number): number;
  /** A bound NETLINK_ROUTE socket with the given RTMGRP_* bits, made inside the namespace. */
  openNetlink(netns: number | undefined, groups: number): number;
  send(fd: number, message: Uint8Array): void;
  /** Of what was opened here; `EBADF` for any other number. */
  closeFd(fd: number): void;
  /**
   * Takes the pages of a range of addresses out of this process; those of a file are read again
   * when they are touched. `EINVAL` unless they are of one mapping of a file that is only read.
   */
  releasePages(from: number, to: number): void;
  /** Gives memory that the C library holds in reserve back to the kernel. */
  trimHeap(): void;
  /**
   * Watches descriptors from one background thread. For a netlink socket `onEvent(fd, bytes,
   * refused)` gets each of the kernel's datagrams, empty `bytes` when some were lost (ENOBUFS), and
   * how many messages of others came before it, with undefined bytes when only such came. For the
   * ring buffer of `ringMap` it is called with undefined bytes after records came, which are
   * consumed; for a process, once, when it has ended. `onEvent(-1, undefined, errno)` reports that
   * the thread has ended because it cannot wait any more; no event follows.
   */
  watch(onEvent: (fd: number, bytes: Uint8Array | undefined, refused: number) => void): Watcher;

  /**
   * Gives up all capabilities but those of `keep` (numbers of linux/capability.h) for good: every
   * thread of the process, Node's included, loses them from its permitted, effective, inheritable,
   * ambient and, given CAP_SETPCAP, bounding set, and gets no_new_privs.
   */
  dropCapabilities(keep: readonly number[]): void;
  /** Ends the process at once, without waiting for the threads of those who ask for names. */
  endProcess(code: number): never;
}

export interface Watcher {
  addSocket(fd: number): void;
  addRing(object: BpfObject, ringMap: string): number;
  addProcess(fd: number): void;
  remove(fd: number): void;
  /** Ends the thread; no event comes after it returns. */
  close(): void;
}
