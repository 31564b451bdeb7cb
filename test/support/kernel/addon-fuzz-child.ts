/**
 * Calls every function of the addon with random arguments, for a limited time: in a separate
 * process, which they may end. Arguments: path of the addon, seed, milliseconds. Prints how many
 * calls of each function succeeded, and the codes of the others.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { config, flowKey, flowMetrics } from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject, Native, Watcher } from '../../../src/agent/loader/native.ts';
import {
  Dice,
  isWhole,
  type Stock,
  someBytes,
  someNumber,
  someShared,
  someText,
  something,
  spoiled,
  THROWN_BY_GETTER,
} from './addon-arguments.ts';

const ROOT = join(import.meta.dirname, '../../..');
const [addon = '', seed = '1', lengthMs = '1000'] = process.argv.slice(2);
const native: Native = createRequire(import.meta.url)(addon);
const OBJECT = readFileSync(join(ROOT, 'build/bpf/flows_test.bpf.o'));
const FLOW_BYTES = flowMetrics.sizeBytes;
const ENTRIES = 64;
const PROGRAMS = ['test_ingress_l2', 'test_egress_l2'];
/** Bytes of keys and values that fit one of the maps, or many. */
const KEYS = [4, 8, flowKey.sizeBytes, ENTRIES * flowKey.sizeBytes, ENTRIES * 8];
const VALUES = [4, 8, 16, 16, 16, FLOW_BYTES, ENTRIES * FLOW_BYTES, 16 * native.possibleCpus()];
/** One of each kind. */
const MAPS = [
  'flows_a',
  'flows_b',
  'current',
  'inserted',
  'stats',
  'wake',
  'messages',
  'fragments',
];
/** Limit of simultaneous promises, objects and descriptors. */
const PENDING_MAX = 64;
const OBJECTS_MAX = 6;
const DESCRIPTORS_MAX = 64;
/** Rounds of calls for which an object is used, unless it is closed. */
const WHOLE_FOR = 20;

const dice = new Dice(Number(seed));
const objects: BpfObject[] = [];
const descriptors: number[] = [0, 1, 2, 3];
const watchers: Watcher[] = [];
const pending = new Set<Promise<unknown>>();
const tally = new Map<string, Map<string, number>>();
const buffers: ArrayBuffer[] = [];
const guarded: Uint8Array[] = [];

function loadOptions(): Readonly<Record<string, unknown>> {
  const bytes = Buffer.alloc(config.sizeBytes);
  bytes.writeUInt16LE(FLOW_BYTES, config.valueBytes);
  const sizes = { flows_a: FLOW_BYTES, flows_b: FLOW_BYTES, current: FLOW_BYTES };
  const maxEntries = { flows_a: ENTRIES, flows_b: ENTRIES };
  return { config: bytes, maxEntries, valueBytes: sizes, programs: PROGRAMS };
}

function loadRight(): BpfObject {
  return native.load(OBJECT, loadOptions() as never);
}

let whole = loadRight();
objects.push(whole, native.openUnloaded(OBJECT));
const names = [...native.listMaps(objects[0]!).map(({ name }) => name), ...PROGRAMS];

const stock: Stock = {
  dice,
  names,
  descriptors,
  objects: () => objects,
  guarded,
  mischief: () => {
    if (dice.chance(400)) attempt('close', () => native.close(dice.pick(objects)));
    const buffer = buffers.pop();
    if (buffer?.detached === false) buffer.transfer(dice.below(8));
  },
};

/** Usually an intact one that is still open. */
function object(): unknown {
  if (dice.chance(12)) return something(stock);
  return dice.chance(4) ? dice.pick(objects) : whole;
}

const text = (): unknown => (dice.chance(12) ? something(stock) : someText(stock));
const map = (): unknown => (dice.chance(2) ? text() : dice.pick(MAPS));
const path = (): unknown => (dice.chance(2) ? text() : '/proc/self/ns/net');
const number = (): unknown => (dice.chance(12) ? something(stock) : someNumber(stock));
const keys = (): unknown => someBytes(stock, KEYS);
const values = (): unknown => someBytes(stock, VALUES);
const sharedKeys = (): unknown => someShared(stock, KEYS);
const sharedValues = (): unknown => someShared(stock, VALUES);

/** Sometimes its memory is transferred while the work is under way. */
function lent(bytes: unknown): unknown {
  const buffer = bytes instanceof Uint8Array ? bytes.buffer : undefined;
  if (buffer instanceof ArrayBuffer) buffers.push(buffer);
  if (buffers.length > PENDING_MAX) buffers.shift();
  return bytes;
}

const attachOptions = (): Readonly<Record<string, unknown>> => ({
  program: dice.pick(PROGRAMS),
  ifindex: dice.chance(3) ? someNumber(stock) : 1,
  direction: dice.pick(['ingress', 'egress']),
  mode: dice.pick(['tcx', 'tc']),
  anchor: dice.pick(['none', 'head', 'tail']),
  netns: dice.chance(2) ? someNumber(stock) : undefined,
});
const probeOptions = (): Readonly<Record<string, unknown>> => ({
  program: dice.pick(names),
  cgroup: dice.chance(2) ? someText(stock) : undefined,
  file: dice.chance(2) ? someText(stock) : undefined,
  symbol: someText(stock),
  isReturn: dice.below(2),
});
const runOptions = (): Readonly<Record<string, unknown>> => ({
  program: dice.pick(PROGRAMS),
  frame: someBytes(stock, [60, 1514, 64_000]),
  repeat: dice.chance(4) ? dice.pick([0, -1, 2 ** 32 - 1, 1e9]) : dice.below(100),
  ifindex: someNumber(stock),
  tcIndex: dice.below(2 ** 16),
});

function watcher(): Watcher {
  if (watchers.length === 0 || dice.chance(16)) {
    watchers.push(native.watch(dice.chance(8) ? (something(stock) as never) : () => undefined));
  }
  if (watchers.length > 4) watchers.shift()?.close();
  return dice.pick(watchers);
}

const filterPlace = () => ({
  ifindex: dice.chance(2) ? 1 : number(),
  isEgress: dice.below(2),
  priority: dice.below(2 ** 16),
  handle: number(),
  withQdisc: dice.below(2),
});

/** Random arguments for each function. */
const ARGUMENTS: Readonly<Record<Exclude<keyof Native, 'watch' | 'endProcess'>, () => unknown[]>> =
  {
    load: () => [dice.chance(3) ? values() : OBJECT, spoiled(stock, loadOptions())],
    openUnloaded: () => [dice.chance(3) ? values() : OBJECT],
    adoptPinned: () => [object(), map(), path()],
    close: () => [dice.chance(32) ? object() : something(stock)],
    attach: () => [object(), spoiled(stock, attachOptions())],
    attachProbe: () => [object(), spoiled(stock, probeOptions())],
    detach: () => [object(), number()],
    swap: () => [object()],
    drain: () => [object(), map(), sharedKeys(), sharedValues()],
    readEntries: () => [object(), map(), sharedKeys(), sharedValues()],
    removeEntries: () => [object(), map(), lent(keys())],
    readMap: () => [object(), map(), dice.chance(3) ? number() : 0, values()],
    updateMap: () => [object(), map(), keys(), values()],
    readRing: () => [object(), map(), values(), number()],
    describeMap: () => [object(), map()],
    listMaps: () => [object()],
    listTcx: () => [number(), number()],
    hasTc: () => [number()],
    readTcx: () => [dice.chance(2) ? undefined : number(), values(), lent(values())],
    programId: () => [object(), text()],
    programName: () => [number()],
    namespaceId: () => [dice.chance(2) ? undefined : number(), number()],
    removeFilter: () => [spoiled(stock, filterPlace())],
    possibleCpus: () => [],
    testRun: () => [object(), spoiled(stock, runOptions())],
    programStats: () => [object(), text()],
    openNamespace: () => [path()],
    namespaceOwner: () => [path()],
    openProcess: () => [dice.chance(2) ? process.pid : number()],
    openNetlink: () => [dice.chance(2) ? undefined : number(), number()],
    send: () => [number(), values()],
    closeFd: () => [number()],
    releasePages: () => [number(), number()],
    trimHeap: () => [],
    // Valid arguments would end the rest of the run.
    dropCapabilities: () => [
      dice.pick([undefined, null, 7, {}, [64], [-1], ['1'], [0.5], [1, {}]]),
    ],
  };

const ON_WATCHER: Readonly<Record<Exclude<keyof Watcher, 'close'>, () => unknown[]>> = {
  addSocket: () => [number()],
  addRing: () => [object(), map()],
  addProcess: () => [number()],
  remove: () => [number()],
};

function count(name: string, outcome: string): void {
  const outcomes = tally.get(name) ?? new Map<string, number>();
  tally.set(name, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
}

/** Every error has a code, except those thrown by a getter. */
function check(name: string, error: unknown): void {
  if (error === THROWN_BY_GETTER) return;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) {
    throw new Error(`${name}: an error without a code`, { cause: error });
  }
  count(name, code);
}

function attempt(name: string, task: () => void): void {
  try {
    task();
  } catch (error) {
    check(name, error);
  }
}

function keep(name: string, result: unknown): void {
  count(name, 'ok');
  if (result instanceof Promise) {
    const settled = result.then(
      () => undefined,
      (error) => check(name, error),
    );
    pending.add(settled);
    void settled.finally(() => pending.delete(settled)).catch(() => undefined);
  } else if (name === 'load' || name === 'openUnloaded') {
    objects.push(result as BpfObject);
  } else if (/^open/.test(name)) {
    const { fd } = typeof result === 'number' ? { fd: result } : (result as { fd: number });
    descriptors.push(fd);
  }
}

function call(target: object, name: string, given: unknown[]): void {
  if (dice.chance(20)) given.splice(dice.below(given.length + 1));
  if (dice.chance(20) && given.length > 0) given[dice.below(given.length)] = something(stock);
  // The only call that is not allowed here.
  if (name === 'dropCapabilities' && Array.isArray(given[0]) && given[0].length === 0) return;
  attempt(name, () => {
    const method = Reflect.get(target, name) as (...values: unknown[]) => unknown;
    keep(name, method.apply(dice.chance(200) ? {} : target, given));
  });
}

function callOne(): void {
  if (dice.chance(8)) {
    const [name, given] = dice.pick(Object.entries(ON_WATCHER));
    attempt('watch', () => call(watcher(), name, given()));
    return;
  }
  const [name, given] = dice.pick(Object.entries(ARGUMENTS));
  // The verifier takes as long as a thousand other calls.
  if (/^load|openUnloaded/.test(name) && !dice.chance(16)) return;
  call(native, name, given());
}

function isOpen(one: BpfObject): boolean {
  try {
    return native.listMaps(one).length > 0;
  } catch {
    return false;
  }
}

/** Few objects at a time, and occasionally a new one, or there would soon be only errors. */
function tidyUp(): void {
  if (!guarded.splice(0).every(isWhole)) throw new Error('somebody wrote behind the bytes given');
  while (objects.length > OBJECTS_MAX) {
    const oldest = objects.shift()!;
    attempt('close', () => native.close(oldest));
  }
  while (descriptors.length > DESCRIPTORS_MAX) {
    const [oldest] = descriptors.splice(4, 1);
    attempt('closeFd', () => native.closeFd(oldest!));
  }
  if (isOpen(whole) && !dice.chance(WHOLE_FOR)) return;
  whole = loadRight();
  objects.push(whole);
}

const until = performance.now() + Number(lengthMs);
for (let calls = 0; performance.now() < until; calls++) {
  callOne();
  if (dice.chance(4)) stock.mischief();
  if (calls % 50 === 0) tidyUp();
  if (pending.size > PENDING_MAX || dice.chance(20)) await Promise.all(pending);
}
await Promise.all(pending);
for (const one of watchers) one.close();
for (const one of objects) attempt('close', () => native.close(one));
const outcomes = [...tally].map(([name, by]) => [name, Object.fromEntries(by)] as const);
console.log(JSON.stringify(Object.fromEntries(outcomes)));
