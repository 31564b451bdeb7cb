/** The addon itself: errors, lifetimes, and watching of descriptors. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { flowKey, flowMetrics, statValue } from '../../../src/agent/drain/layout.gen.ts';
import { openDescriptors } from '../../support/kernel/descriptors.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, shared, TEST_HOOKS } from './datapath.ts';

const RTMGRP_LINK = 1;
const RTM_NEWLINK = 16;

/** The error of a call, for inspecting its fields. */
function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe.skipIf(requireRoot())('addon', () => {
  const labs: Lab[] = [];
  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab[Symbol.asyncDispose]();
  });

  test('the kernel’s map sizes are those of the generated layout', () => {
    const datapath = loadDatapath({ entries: 77 });
    const flows = { keySize: flowKey.sizeBytes, valueSize: flowMetrics.sizeBytes, maxEntries: 77 };
    expect(native.describeMap(datapath, 'flows_a')).toMatchObject(flows);
    expect(native.describeMap(datapath, 'flows_b')).toMatchObject(flows);
    expect(native.describeMap(datapath, 'stats').valueSize).toBe(statValue.sizeBytes);
    native.close(datapath);
  });

  test.each([
    ['alone', ['refused']],
    ['beside one that is accepted', ['refused', 'accepted']],
  ])('a refused program, %s, throws what the verifier said', (_which, programs) => {
    const object = readFileSync(join(ROOT, 'build/bpf/refused.bpf.o'));
    const before = openDescriptors();
    const options = { config: new Uint8Array(0), maxEntries: {}, programs };
    expect(errorOf(() => native.load(object, options))).toMatchObject({
      code: 'EACCES',
      syscall: 'load BPF object',
      verifierLog: expect.stringMatching(/prog 'refused'.*invalid access to packet/s),
    });
    expect(openDescriptors()).toEqual(before);
  });

  test('programs that are not asked for stay out of the kernel', () => {
    const datapath = loadDatapath({ programs: ['flow_ingress_l2'] });
    expect(errorOf(() => native.programStats(datapath, 'flow_egress_l2'))).toMatchObject({
      code: 'ENOENT',
    });
    expect(native.programStats(datapath, 'flow_ingress_l2').runs).toBeGreaterThanOrEqual(0);
    native.close(datapath);
  });

  test.each([
    ['an interface that is not there', { ifindex: 2 ** 30 }, 'ENODEV'],
    ['a program that is not loaded', { program: 'flow_sideways' }, 'ENOENT'],
    ['a descriptor that is no namespace', { netns: 0 }, 'EINVAL'],
  ])('attach to %s', async (_why, wrong, code) => {
    const datapath = loadDatapath();
    const options = {
      program: 'flow_ingress_l2',
      ifindex: 1,
      direction: 'ingress',
      mode: 'tcx',
      anchor: 'none',
      ...wrong,
    } as const;
    await expect(async () => native.attach(datapath, options)).rejects.toMatchObject({ code });
    native.close(datapath);
  });

  test('an object can be closed while hooks come and go', async () => {
    const lab = new Lab();
    labs.push(lab);
    const name = lab.namespace('closing');
    // More than the pool has threads: some have not begun when the object is closed.
    const taps = Array.from({ length: 12 }, (_, at) => `nbt-tap${at}`);
    for (const tap of taps) ip('-n', name, 'tuntap', 'add', 'dev', tap, 'mode', 'tap');
    const found = JSON.parse(ip('-n', name, '-j', 'link', 'show')) as {
      readonly ifname: string;
      readonly ifindex: number;
    }[];
    const [first, ...others] = found.filter(({ ifname }) => taps.includes(ifname));
    const space = native.openNamespace(`/var/run/netns/${name}`);
    const datapath = loadDatapath();
    const links = (): number => openDescriptors()['anon_inode:bpf_link'] ?? 0;
    const attach = (ifindex: number): Promise<number> =>
      native.attach(datapath, {
        program: 'flow_ingress_l2',
        ifindex,
        direction: 'ingress',
        mode: 'tcx',
        anchor: 'none',
        netns: space.fd,
      });
    const before = links();
    const id = await attach(first!.ifindex);
    expect(links()).toBe(before + 1);
    const coming = others.map(({ ifindex }) => attach(ifindex));
    const going = native.detach(datapath, id);
    native.closeFd(space.fd);
    native.close(datapath);
    const ends = await Promise.allSettled([...coming, going]);
    expect(ends.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    for (const end of ends) {
      if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'EBADF' });
    }
    expect(links()).toBe(before);
  });

  test('arguments of the wrong kind are type errors', () => {
    const datapath = loadDatapath();
    const call = native.readMap as unknown as (...values: unknown[]) => unknown;
    expect(() => call(datapath, 'stats', -1, new Uint8Array(64))).toThrow(TypeError);
    expect(() => call(datapath, 'stats', 0, [1, 2])).toThrow(TypeError);
    expect(() => call({}, 'stats', 0, new Uint8Array(64))).toThrow(TypeError);
    expect(() => call(datapath)).toThrow(TypeError);
    native.close(datapath);
    expect(errorOf(() => native.describeMap(datapath, 'stats'))).toMatchObject({ code: 'EBADF' });
  });

  test('an object can be closed while it is being drained', async () => {
    const datapath = loadDatapath({ object: 'flows_test', programs: TEST_HOOKS });
    const keys = shared(64 * flowKey.sizeBytes);
    const values = shared(64 * flowMetrics.sizeBytes);
    const swapped = native.swap(datapath);
    const drained = native.drain(datapath, 'flows_a', keys, values);
    expect(errorOf(() => native.swap(datapath))).toMatchObject({ code: 'EBUSY' });
    expect(errorOf(() => native.drain(datapath, 'flows_a', keys, values))).toMatchObject({
      code: 'EBUSY',
    });
    native.close(datapath);
    expect([await swapped, await drained]).toEqual([0, 0]);
  });

  test('link messages of a namespace arrive until the socket is removed', async () => {
    const lab = new Lab();
    labs.push(lab);
    const name = lab.namespace('links');
    const space = native.openNamespace(`/var/run/netns/${name}`);
    const socket = native.openNetlink(space.fd, RTMGRP_LINK);
    const types: number[] = [];
    let heard = (): void => {};
    const watcher = native.watch((fd, bytes) => {
      expect(fd).toBe(socket);
      types.push(Buffer.from(bytes!).readUInt16LE(4));
      heard();
    });
    watcher.addSocket(socket);

    const message = new Promise<void>((resolve) => (heard = resolve));
    ip('-n', name, 'tuntap', 'add', 'dev', 'nbt-tap', 'mode', 'tap');
    await message;
    expect(types[0]).toBe(RTM_NEWLINK);

    watcher.remove(socket);
    const count = types.length;
    ip('-n', name, 'link', 'del', 'nbt-tap');
    await new Promise(setImmediate);
    expect(types).toHaveLength(count);
    watcher.close();
    expect(errorOf(() => watcher.close())).toMatchObject({ code: 'EBADF' });
    native.closeFd(socket);
    native.closeFd(space.fd);
  });

  test('the namespace’s cookie and inode tell namespaces apart', () => {
    const lab = new Lab();
    labs.push(lab);
    const own = native.openNamespace('/proc/self/ns/net');
    const again = native.openNamespace('/proc/self/ns/net');
    const other = native.openNamespace(`/var/run/netns/${lab.namespace('other')}`);
    expect([again.cookie, again.inode]).toEqual([own.cookie, own.inode]);
    expect(other.cookie).not.toBe(own.cookie);
    expect(other.inode).not.toBe(own.inode);
    for (const { fd } of [own, again, other]) native.closeFd(fd);
    expect(errorOf(() => native.openNamespace('/var/run/netns/none'))).toMatchObject({
      code: 'ENOENT',
      errno: 2,
    });
  });

  test.each([
    ['drain of a map without keys', 'drain', ['wake', 64, 64]],
    ['drain of an array', 'drain', ['inserted', 64, 64]],
    ['drain into no room', 'drain', ['flows_a', 39, 4096]],
    ['drain of more keys than values', 'drain', ['flows_a', 400, 200]],
    ['entries of a map without keys', 'readEntries', ['messages', 64, 64]],
    ['entries of a per-CPU array', 'readEntries', ['stats', 64, 4096]],
    ['entries of a map of maps', 'readEntries', ['current', 4, 4]],
    ['removal from a map without keys', 'removeEntries', ['wake', 64]],
    ['removal of half a key', 'removeEntries', ['flows_a', 50]],
    ['update of a map without keys', 'updateMap', ['wake', 0, 0]],
    ['update of a per-CPU map with one value', 'updateMap', ['stats', 4, statValue.sizeBytes]],
    ['update with a key that is too long', 'updateMap', ['inserted', 8, 4]],
    ['records of a hash map', 'readRing', ['flows_a', 4096]],
  ] as const)('%s is refused', async (_why, name, [map, ...sizes]) => {
    const datapath = loadDatapath();
    const call = native[name] as unknown as (...values: unknown[]) => unknown;
    const isShared = name === 'drain' || name === 'readEntries';
    const bytes = sizes.map((size) => (isShared ? shared(size) : new Uint8Array(size)));
    const given = name === 'readRing' ? [...bytes, 8] : bytes;
    expect(errorOf(() => call(datapath, map, ...given))).toMatchObject({ code: 'EINVAL' });
    native.close(datapath);
  });

  test('a per-CPU map is read and written as a whole, and nothing behind it', () => {
    const datapath = loadDatapath();
    const bytes = statValue.sizeBytes * native.possibleCpus();
    const given = new Uint8Array(bytes).map((_, at) => at + 1);
    native.updateMap(datapath, 'stats', new Uint8Array(4), given);
    const memory = new Uint8Array(bytes + 256).fill(0xee);
    expect(native.readMap(datapath, 'stats', 0, memory)).toBe(bytes);
    expect(memory.subarray(0, bytes)).toEqual(given);
    expect(memory.subarray(bytes).every((byte) => byte === 0xee)).toBe(true);
    native.close(datapath);
  });

  test.each([
    ['detached', () => transferred(new Uint8Array(4))],
    ['shared', () => new Uint8Array(new SharedArrayBuffer(4))],
    ['of 16 bits', () => new Uint16Array(2)],
    ['a view', () => new DataView(new ArrayBuffer(4))],
  ])('bytes that are %s are refused by name', (_why, make) => {
    const datapath = loadDatapath();
    const call = native.updateMap as unknown as (...values: unknown[]) => unknown;
    const error = errorOf(() => call(datapath, 'inserted', make(), new Uint8Array(4)));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'EINVAL', message: expect.stringMatching(/^key must be/) });
    native.close(datapath);
  });

  test.each([Number.NaN, -1, 0.5, 2 ** 31, 2 ** 32, 1e300, '3', 3n, {}, null])(
    'a descriptor cannot be %s',
    (fd) => {
      const call = native.closeFd as unknown as (fd: unknown) => void;
      expect(errorOf(() => call(fd))).toMatchObject({
        code: 'EINVAL',
        message: expect.stringMatching(/^fd must be/),
      });
    },
  );

  test('descriptors of others are left alone, and ours are closed once', () => {
    const { fd } = native.openNamespace('/proc/self/ns/net');
    const pid = native.openProcess(process.pid);
    const before = openDescriptors();
    for (const foreign of [0, 1, 2]) {
      expect(errorOf(() => native.closeFd(foreign))).toMatchObject({ code: 'EBADF' });
    }
    expect(openDescriptors()).toEqual(before);
    expect(errorOf(() => native.send(fd, new Uint8Array(16)))).toMatchObject({ code: 'EBADF' });
    expect(errorOf(() => native.openNetlink(pid, 0))).toMatchObject({ code: 'EBADF' });
    native.closeFd(fd);
    native.closeFd(pid);
    expect(errorOf(() => native.closeFd(fd))).toMatchObject({ code: 'EBADF' });
  });

  test('memory that could be given away under a drain is refused', () => {
    const datapath = loadDatapath({ object: 'flows_test', programs: TEST_HOOKS });
    const keys = shared(64 * flowKey.sizeBytes);
    const values = new Uint8Array(64 * flowMetrics.sizeBytes);
    expect(errorOf(() => native.drain(datapath, 'flows_a', keys, values as never))).toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('shared memory'),
    });
    native.close(datapath);
  });

  test('an object that a getter closes is not used any more', () => {
    const datapath = loadDatapath({ object: 'flows_test', programs: TEST_HOOKS });
    const options = {
      program: 'test_ingress_l2',
      frame: new Uint8Array(64),
      get repeat() {
        native.close(datapath);
        return 1;
      },
    };
    expect(errorOf(() => native.testRun(datapath, options))).toMatchObject({ code: 'EBADF' });
  });

  test('a ring buffer has one reader', () => {
    const datapath = loadDatapath();
    const watcher = native.watch(() => undefined);
    watcher.addRing(datapath, 'wake');
    const busy = { code: 'EBUSY' };
    expect(errorOf(() => native.readRing(datapath, 'wake', new Uint8Array(64), 8))).toMatchObject(
      busy,
    );
    native.readRing(datapath, 'messages', new Uint8Array(64), 8);
    expect(errorOf(() => watcher.addRing(datapath, 'messages'))).toMatchObject(busy);
    watcher.close();
    native.close(datapath);
  });

  test('pages are released only where nothing is lost', () => {
    const maps = readFileSync('/proc/self/maps', 'utf8');
    const heap = /^([0-9a-f]+)-([0-9a-f]+) rw-p .*\[heap\]$/m.exec(maps)!;
    const [from, to] = heap.slice(1).map((text) => Number.parseInt(text, 16));
    for (const range of [
      [from, to],
      [0, 2 ** 47],
      [Number.NaN, 0],
      [4096, 0],
    ] as const) {
      const error = errorOf(() => native.releasePages(range[0]!, range[1]!));
      expect(error).toMatchObject({ code: 'EINVAL' });
    }
  });

  test('a pipe is no namespace, and is not waited for', () => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-namespace-'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [pipe, '/dev/null', '/proc/self/ns/user']) {
      expect(errorOf(() => native.openNamespace(path))).toMatchObject({ code: 'EINVAL' });
    }
    rmSync(folder, { recursive: true });
  });

  test('the end of a process is told, once', async () => {
    const child = spawn('sleep', ['1000']);
    const fd = native.openProcess(child.pid!);
    const ended = Promise.withResolvers<number>();
    let told = 0;
    const watcher = native.watch((which, bytes) => {
      told++;
      expect(bytes).toBeUndefined();
      ended.resolve(which);
    });
    watcher.addProcess(fd);
    child.kill('SIGKILL');
    expect(await ended.promise).toBe(fd);
    await new Promise(setImmediate);
    expect(told).toBe(1);
    watcher.close();
    native.closeFd(fd);
    expect(errorOf(() => native.openProcess(2 ** 22 + 1))).toMatchObject({ code: 'ESRCH' });
  });

  test('the owner of a namespace is who made the outermost user namespace it is in', () => {
    expect(native.namespaceOwner('/proc/self/ns/net')).toBe(0);
    const nested = ['unshare', '-Ur', 'unshare', '-Urn', '--kill-child', 'sleep', '1000'];
    const child = spawn('setpriv', ['--reuid=65534', '--clear-groups', ...nested]);
    return expect
      .poll(() => native.namespaceOwner(`/proc/${lastChild(child.pid!)}/ns/net`))
      .toBe(65534)
      .finally(() => child.kill('SIGKILL'));
  });
});

function transferred(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  bytes.buffer.transfer();
  return bytes;
}

/** The innermost descendant of a process; the process itself if it has none. */
function lastChild(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? pid : lastChild(Number(children.split(' ')[0]));
}
