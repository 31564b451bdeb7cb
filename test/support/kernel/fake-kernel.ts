import {
  flowKey,
  flowMetrics,
  ifindexSeen,
  stat,
  statValue,
} from '../../../src/agent/drain/layout.gen.ts';
import type {
  AttachOptions,
  BpfObject,
  LoadOptions,
  Native,
  ProbeOptions,
  TestRunResult,
  Watcher,
} from '../../../src/agent/loader/native.ts';
import { parseAddress, parseMac } from '../../../src/base/ip.ts';
import { FakeHooks } from './fake-hooks.ts';
import { doneMessage, linkMessage } from './netlink-messages.ts';
import { writeU64 } from './words.ts';

/** A flow as the datapath would have written it. */
export interface FakeFlow {
  readonly src: string;
  readonly dst: string;
  readonly srcPort?: number;
  readonly dstPort?: number;
  readonly protocol?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
  readonly bytes: number;
  readonly packets: number;
  readonly startNs?: number;
  readonly endNs?: number;
  readonly tcpFlags?: number;
  readonly dscp?: number;
  readonly vlanId?: number;
  readonly egressFirst?: boolean;
  readonly srcMac?: string;
  readonly dstMac?: string;
  readonly sampling?: number;
  readonly observed?: readonly {
    readonly netns: number;
    readonly index: number;
    readonly ingress?: boolean;
    readonly egress?: boolean;
  }[];
}

export interface FakeLink {
  readonly index: number;
  readonly name: string;
  readonly type?: number;
  readonly up?: boolean;
}

export interface FakeError {
  readonly code: string;
  readonly verifierLog?: string;
}

type OnEvent = Parameters<Native['watch']>[0];

/**
 * The kernel's side of the addon's contract, in memory: two flow maps that are swapped and drained,
 * statistics, interfaces of one namespace in real netlink messages, attachments by id.
 */
export class FakeKernel extends FakeHooks implements Native {
  readonly calls: string[] = [];
  readonly loads: LoadOptions[] = [];
  readonly links = new Map<number, FakeLink>();
  readonly openFds = new Set<number>();
  readonly stats = new Map<number, { packets: number; bytes: number }>();
  /** Instead of `stats`: every statistic's values on each of the two CPUs. */
  perCpu: readonly { packets: number; bytes: number }[] | undefined;
  /** Errors that `load`, `attach`, `drain` … throw as long as the function returns one. */
  refuse: {
    load?: (options: LoadOptions) => FakeError | undefined;
    attach?: (options: AttachOptions) => FakeError | undefined;
    attachProbe?: (options: ProbeOptions) => FakeError | undefined;
    adoptPinned?: (map: string) => FakeError | undefined;
    drain?: () => FakeError | undefined;
  } = {};
  /** The size that `describeMap` returns instead of the real one. */
  valueSize: number | undefined;
  /** Misses of every program. */
  misses = 0;
  /** Maximum number of entries that one call of `drain` moves. */
  drainLimit = Number.POSITIVE_INFINITY;
  #valueBytes: number = flowMetrics.sizeBytes;
  #active: 0 | 1 = 0;
  #swapping = false;
  #maps: [FakeFlow[], FakeFlow[]] = [[], []];
  #nextFd = 10;
  #nextAttachment = 1;
  #onEvent: OnEvent | undefined;
  #sockets = new Set<number>();
  #ring: number | undefined;

  /** The hooks see packets. */
  record(...flows: readonly FakeFlow[]): void {
    this.#maps[this.#active].push(...flows);
  }

  /** The map fills up. */
  wakeUp(): void {
    if (this.#ring !== undefined) this.#onEvent?.(this.#ring, undefined, 0);
  }

  /** Sends a netlink datagram to all listening sockets. */
  notify(bytes: Uint8Array): void {
    for (const fd of this.#sockets) this.#onEvent?.(fd, bytes, 0);
  }

  setLink(link: FakeLink): void {
    this.links.set(link.index, link);
    this.notify(linkMessage({ type: 1, up: true, ...link }));
  }

  removeLink(index: number): void {
    const link = this.links.get(index);
    if (link === undefined) return;
    this.links.delete(index);
    for (const [id, options] of this.attached) {
      if (options.ifindex === index) this.attached.delete(id);
    }
    this.notify(linkMessage({ type: 1, up: false, ...link, gone: true }));
  }

  get watching(): boolean {
    return this.#onEvent !== undefined;
  }

  load(_object: Uint8Array, options: LoadOptions): BpfObject {
    this.#check(this.refuse.load?.(options));
    this.loads.push(options);
    this.#valueBytes = options.valueBytes?.flows_a ?? flowMetrics.sizeBytes;
    this.calls.push('load');
    return {} as BpfObject;
  }

  openUnloaded(): BpfObject {
    this.calls.push('open');
    return {} as BpfObject;
  }

  adoptPinned(_object: BpfObject, map: string, path: string): void {
    this.#check(this.refuse.adoptPinned?.(map));
    this.calls.push(`adopt ${map} ${path}`);
  }

  close(): void {
    this.calls.push('close');
  }

  listMaps() {
    return ['flows_a', 'flows_b', 'stats'].map((name, at) => ({ name, fd: 3 + at }));
  }

  dropCapabilities(keep: readonly number[]): void {
    this.calls.push(`keep ${keep.join()}`);
  }

  async attach(_object: BpfObject, options: AttachOptions): Promise<number> {
    await Promise.resolve();
    this.#check(this.refuse.attach?.(options));
    const id = this.#nextAttachment++;
    this.attached.set(id, options);
    this.calls.push(`attach ${options.ifindex} ${options.direction} ${options.mode}`);
    return id;
  }

  attachProbe(_object: BpfObject, options: ProbeOptions): number {
    this.#check(this.refuse.attachProbe?.(options));
    this.calls.push(`probe ${options.program}`);
    return this.#nextAttachment++;
  }

  updateMap(_object: BpfObject, map: string): void {
    this.calls.push(`update ${map}`);
  }

  /** The ring is empty. */
  readRing(_object: BpfObject, _map: string, _into: Uint8Array): number {
    return 0;
  }

  async readEntries(
    _object: BpfObject,
    _map: string,
    _keys: Uint8Array,
    _values: Uint8Array,
  ): Promise<number> {
    return 0;
  }

  async removeEntries(_object: BpfObject, _map: string, _keys: Uint8Array): Promise<number> {
    return 0;
  }

  async detach(_object: BpfObject, attachment: number): Promise<void> {
    this.attached.delete(attachment);
    this.calls.push('detach');
  }

  async swap(): Promise<0 | 1> {
    if (this.#swapping) throw this.#error({ code: 'EBUSY' });
    this.#swapping = true;
    this.calls.push('swap');
    await Promise.resolve();
    const still = this.#active;
    this.#active = still === 0 ? 1 : 0;
    this.#swapping = false;
    return still;
  }

  async drain(
    _object: BpfObject,
    map: string,
    keys: Uint8Array,
    values: Uint8Array,
  ): Promise<number> {
    await Promise.resolve();
    this.#check(this.refuse.drain?.());
    const flows = this.#maps[map === 'flows_a' ? 0 : 1];
    const count = Math.min(flows.length, keys.length / flowKey.sizeBytes, this.drainLimit);
    const moved = flows.splice(0, count);
    for (const [row, flow] of moved.entries()) {
      writeFlow(flow, row, keys, values, this.#valueBytes);
    }
    this.calls.push(`drain ${map} ${count}`);
    return count;
  }

  readMap(_object: BpfObject, _map: string, index: number, into: Uint8Array): number {
    const { packets, bytes } = this.stats.get(index) ?? { packets: 0, bytes: 0 };
    const view = new DataView(into.buffer, into.byteOffset);
    into.fill(0);
    // Spread over CPUs, so that a reader who forgets to add up fails.
    const half = { packets: Math.floor(packets / 2), bytes: Math.floor(bytes / 2) };
    const rest = { packets: packets - half.packets, bytes: bytes - half.bytes };
    for (const [cpu, amount] of (this.perCpu ?? [half, rest]).entries()) {
      writeU64(view, cpu * statValue.sizeBytes + statValue.packets, amount.packets);
      writeU64(view, cpu * statValue.sizeBytes + statValue.bytes, amount.bytes);
    }
    return into.length;
  }

  describeMap(_object: BpfObject, map: string) {
    const isStats = map === 'stats';
    return {
      keySize: isStats ? 4 : flowKey.sizeBytes,
      valueSize: isStats ? statValue.sizeBytes : (this.valueSize ?? this.#valueBytes),
      maxEntries: isStats ? stat.count : 5000,
      fd: 3,
    };
  }

  possibleCpus(): number {
    return 2;
  }

  testRun(): TestRunResult {
    throw this.#error({ code: 'ENOSYS' });
  }

  programStats() {
    return { runs: 0, ns: 0, misses: this.misses };
  }

  openNamespace() {
    const fd = this.#nextFd++;
    this.openFds.add(fd);
    // More than 32 bits; the datapath keeps the low half.
    return { fd, inode: 4026531840, cookie: '4294967303' };
  }

  namespaceOwner(): number {
    return 0;
  }

  openProcess(): number {
    const fd = this.#nextFd++;
    this.openFds.add(fd);
    return fd;
  }

  openNetlink(): number {
    const fd = this.#nextFd++;
    this.openFds.add(fd);
    return fd;
  }

  send(fd: number, message: Uint8Array): void {
    const sequence = new DataView(message.buffer, message.byteOffset).getUint32(8, true);
    const answers = this.answer(message, sequence);
    if (answers !== undefined) {
      queueMicrotask(() => {
        for (const answer of [...answers, doneMessage(sequence)]) this.#onEvent?.(fd, answer, 0);
      });
      return;
    }
    const links = [...this.links.values()];
    queueMicrotask(() => {
      for (const link of links) {
        this.#onEvent?.(fd, linkMessage({ type: 1, up: true, ...link, sequence }), 0);
      }
      this.#onEvent?.(fd, doneMessage(sequence), 0);
    });
  }

  closeFd(fd: number): void {
    if (!this.openFds.delete(fd)) throw this.#error({ code: 'EBADF' });
  }

  releasePages(): void {
    this.calls.push('release');
  }

  endProcess(code: number): never {
    throw new Error(`ended with ${code}`);
  }

  trimHeap(): void {
    this.calls.push('trim');
  }

  watch(onEvent: OnEvent): Watcher {
    this.#onEvent = onEvent;
    return {
      addSocket: (fd) => {
        this.#sockets.add(fd);
      },
      addProcess: () => undefined,
      addRing: () => {
        const fd = this.#nextFd++;
        // Flows come first; the fake does not simulate the agent's other wake-ups.
        this.#ring ??= fd;
        return fd;
      },
      remove: (fd) => {
        this.#sockets.delete(fd);
      },
      close: () => {
        this.#onEvent = undefined;
      },
    };
  }

  #check(error: FakeError | undefined): void {
    if (error !== undefined) throw this.#error(error);
  }

  #error(error: FakeError): Error {
    return Object.assign(new Error(error.code), error);
  }
}

/** Writes an entry like the native drain. */
export function writeFlow(
  flow: FakeFlow,
  row: number,
  keys: Uint8Array,
  values: Uint8Array,
  valueBytes: number = flowMetrics.sizeBytes,
): void {
  const key = keys.subarray(row * flowKey.sizeBytes, (row + 1) * flowKey.sizeBytes);
  const value = values.subarray(row * valueBytes, (row + 1) * valueBytes);
  key.fill(0);
  value.fill(0);
  const keyView = new DataView(key.buffer, key.byteOffset);
  key.set(parseAddress(flow.src) ?? [], flowKey.srcIp);
  key.set(parseAddress(flow.dst) ?? [], flowKey.dstIp);
  keyView.setUint16(flowKey.srcPort, flow.srcPort ?? 0, true);
  keyView.setUint16(flowKey.dstPort, flow.dstPort ?? 0, true);
  key[flowKey.protocol] = flow.protocol ?? 17;
  key[flowKey.icmpType] = flow.icmpType ?? 0;
  key[flowKey.icmpCode] = flow.icmpCode ?? 0;

  const view = new DataView(value.buffer, value.byteOffset);
  writeU64(view, flowMetrics.bytes, flow.bytes);
  writeU64(view, flowMetrics.packets, flow.packets);
  writeU64(view, flowMetrics.startNs, flow.startNs ?? 0);
  writeU64(view, flowMetrics.endNs, flow.endNs ?? 0);
  view.setUint16(flowMetrics.tcpFlags, flow.tcpFlags ?? 0, true);
  view.setUint16(flowMetrics.vlanId, flow.vlanId ?? 0, true);
  view.setUint16(flowMetrics.ethProtocol, flow.src.includes(':') ? 0x86dd : 0x0800, true);
  view.setUint32(flowMetrics.sampling, flow.sampling ?? 0, true);
  value[flowMetrics.dscp] = flow.dscp ?? 0;
  value.set((parseMac(flow.srcMac ?? '') ?? new Uint8Array(6)).subarray(0, 6), flowMetrics.srcMac);
  value.set((parseMac(flow.dstMac ?? '') ?? new Uint8Array(6)).subarray(0, 6), flowMetrics.dstMac);
  for (const [slot, seen] of (flow.observed ?? []).entries()) {
    const at = flowMetrics.observed + slot * 8;
    const ingress = seen.ingress === true ? ifindexSeen.seenIngress : 0;
    const egress = seen.egress === true ? ifindexSeen.seenEgress : 0;
    const first = slot === 0 && flow.egressFirst === true ? ifindexSeen.firstEgress : 0;
    view.setUint32(at, seen.netns, true);
    view.setUint32(at + 4, (seen.index | first | ingress | egress) >>> 0, true);
  }
}
