/** The addon itself: errors, lifetimes, and watching descriptors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { flowKey, flowMetrics, statValue } from '../../../src/agent/drain/layout.gen.ts';
import { openDescriptors } from '../../support/descriptors.ts';
import { ip, Lab } from '../../support/netns.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, TEST_HOOKS } from './datapath.ts';

const RTMGRP_LINK = 1;
const RTM_NEWLINK = 16;

/** What a call has thrown, for a look at its fields. */
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

  test('a refused program throws what the verifier said', () => {
    const object = readFileSync(join(ROOT, 'build/bpf/refused.bpf.o'));
    const options = { config: new Uint8Array(0), maxEntries: {}, programs: ['refused'] };
    expect(errorOf(() => native.load(object, options))).toMatchObject({
      code: 'EACCES',
      syscall: 'load BPF object',
      verifierLog: expect.stringContaining('invalid access to packet'),
    });
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
    const keys = new Uint8Array(64 * flowKey.sizeBytes);
    const values = new Uint8Array(64 * flowMetrics.sizeBytes);
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
});
