import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ContainerWatch, nameOfResident } from '../../../../src/agent/interfaces/containers.ts';
import { ROOT, USER_RESIDENTS_MAX } from '../../../../src/agent/interfaces/residents.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const PERIOD_MS = 1000;

let proc = '';
let clock: ManualClock;
let watch: ContainerWatch;
let looks: (readonly (readonly [inode: number, pid: number])[])[];
let heard: PromiseWithResolvers<void>;
/** Users by their process, and the function to call when a process ends. */
let owners: Map<number, number>;
let followed: Map<number, () => void>;
let leftOut: ReadonlyMap<number, number>;

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'netobserv-proc-'));
  mkdirSync(join(proc, 'sys'));
  clock = new ManualClock();
  looks = [];
  owners = new Map();
  followed = new Map();
  heard = Promise.withResolvers();
  watch = new ContainerWatch({
    clock,
    processDirectory: proc,
    periodMs: PERIOD_MS,
    ownerOf: (pid) => owners.get(pid) ?? ROOT,
    named: () => new Set(),
    watchProcess: (pid, onEnd) => {
      followed.set(pid, onEnd);
      return { [Symbol.dispose]: () => followed.delete(pid) };
    },
    onLook: async (look) => {
      looks.push([...look.residents]);
      leftOut = look.leftOut;
      heard.resolve();
    },
    onDenied: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
});

afterEach(async () => {
  await watch.stop();
  rmSync(proc, { recursive: true });
});

function run(pid: number, inode: number, files: Readonly<Record<string, string>> = {}): void {
  mkdirSync(join(proc, String(pid), 'ns'), { recursive: true });
  symlinkSync(`net:[${inode}]`, join(proc, String(pid), 'ns/net'));
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(proc, `${pid}/${name}`), text);
}

function end(pid: number): void {
  rmSync(join(proc, String(pid)), { recursive: true });
}

/** Lets time pass until the next look is reported. */
async function nextLook(ms = PERIOD_MS): Promise<(typeof looks)[number] | undefined> {
  heard = Promise.withResolvers();
  await clock.advance(ms);
  await heard.promise;
  return looks.at(-1);
}

test('each namespace is found by its oldest process', async () => {
  run(1, 11);
  run(300, 22);
  run(29, 22);
  run(4, 11);
  await watch.start();
  expect(looks).toEqual([
    [
      [11, 1],
      [22, 29],
    ],
  ]);
});

test('namespaces come and go with their processes', async () => {
  run(1, 11);
  await watch.start();
  run(7, 33);
  expect(await nextLook()).toEqual([
    [11, 1],
    [33, 7],
  ]);
  run(8, 33);
  end(7);
  expect(await nextLook()).toEqual([
    [11, 1],
    [33, 8],
  ]);
  end(8);
  expect(await nextLook()).toEqual([[11, 1]]);
});

test('a process that ends while it is looked at is left out', async () => {
  run(1, 11);
  mkdirSync(join(proc, '2'));
  await watch.start();
  expect(looks).toEqual([[[11, 1]]]);
});

test('whoever asks gets a look soon, however often', async () => {
  run(1, 11);
  await watch.start();
  watch.ask();
  watch.ask();
  expect(clock.waiting).toBe(2);
  run(2, 22);
  expect(await nextLook(250)).toEqual([
    [11, 1],
    [22, 2],
  ]);
  expect(looks).toHaveLength(2);
});

test('the end of the oldest process of a namespace is looked at at once', async () => {
  run(1, 11);
  run(7, 33);
  run(8, 33);
  await watch.start();
  expect([...followed.keys()]).toEqual([1, 7]);
  await clock.advance(PERIOD_MS / 2);
  end(7);
  followed.get(7)?.();
  expect(await nextLook(20)).toEqual([
    [11, 1],
    [33, 8],
  ]);
  expect([...followed.keys()]).toEqual([1, 8]);
  end(8);
  followed.get(8)?.();
  expect(await nextLook(250)).toEqual([[11, 1]]);
  await watch.stop();
  expect(followed.size).toBe(0);
});

test('what others do does not make it look all the time', async () => {
  run(1, 11);
  await watch.start();
  const period = clock.monotonicMs() + PERIOD_MS;
  for (; clock.monotonicMs() < period - 10; await clock.advance(10)) watch.ask();
  expect(looks.length).toBeLessThanOrEqual(2 + PERIOD_MS / 250);
});

test('the namespaces of one user leave room for others', async () => {
  const user = 1000;
  const count = USER_RESIDENTS_MAX + 7;
  run(1, 11);
  for (let pid = 100; pid < 100 + count; pid++) {
    run(pid, pid);
    owners.set(pid, user);
  }
  run(90_000, 22);
  await watch.start();
  const found = new Map(looks.at(-1));
  expect(found.size).toBe(USER_RESIDENTS_MAX + 2);
  expect([found.get(11), found.get(22), found.get(100)]).toEqual([1, 90_000, 100]);
  expect(leftOut).toEqual(new Map([[user, 7]]));
});

test('nothing waits once it is stopped', async () => {
  await watch.start();
  watch.ask();
  await watch.stop();
  expect(clock.waiting).toBe(0);
});

const ID = '4f'.repeat(32);
const POD = `kubepods-pod${'0'.repeat(32)}.slice`;

test.each([
  ['an id, shortened', { cgroup: `0::/system.slice/docker-${ID}.scope\n` }, '4f4f4f4f4f4f'],
  ['cgroup v1', { cgroup: `3:cpu:/docker/${ID}\n2:pids:/docker/${ID}\n` }, '4f4f4f4f4f4f'],
  ['in a pod', { cgroup: `0::/${POD}/cri-containerd-${ID}.scope\n` }, '4f4f4f4f4f4f'],
  ['in another container', { cgroup: `0::/${'a'.repeat(64)}/${ID}\n` }, '4f4f4f4f4f4f'],
  ['no container', { cgroup: '0::/user.slice\n', comm: 'nginx\n' }, 'nginx[42]'],
  ['no files', {}, 'process[42]'],
  ['new lines and escapes', { comm: 'a\nb\u001b[2J\n' }, 'a\ufffdb\ufffd[2J[42]'],
])('the name of a namespace: %s', async (_why, files, wanted) => {
  run(42, 99, files as Readonly<Record<string, string>>);
  expect(await nameOfResident(proc, 42)).toBe(wanted);
});
