import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type NamedNamespaces,
  NamespaceWatch,
} from '../../../../src/agent/interfaces/namespaces.ts';
import { systemClock } from '../../../../src/base/clock.ts';

let parent = '';
let watch: NamespaceWatch;
let names: string[];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'netobserv-namespaces-'));
  names = [];
});

afterEach(async () => {
  await watch.stop();
  rmSync(parent, { recursive: true });
});

/** Ordinary files replace namespaces: only their device matters. */
async function start(device = statSync(parent).dev, follow = true): Promise<void> {
  watch = new NamespaceWatch({
    clock: systemClock,
    directory: join(parent, 'netns'),
    namespaceDevice: device,
    onChange: async (found: NamedNamespaces) => {
      names = [...found.keys()].sort();
    },
    onError: (error) => {
      throw error;
    },
  });
  await watch.start(follow);
}

function add(name: string): void {
  writeFileSync(join(parent, 'netns', name), '');
}

test('reports what is there at the start', async () => {
  mkdirSync(join(parent, 'netns'));
  add('a');
  await start();
  expect(names).toEqual(['a']);
});

test('follows names that come and go', async () => {
  mkdirSync(join(parent, 'netns'));
  await start();
  add('a');
  add('b');
  await expect.poll(() => names).toEqual(['a', 'b']);
  rmSync(join(parent, 'netns', 'a'));
  await expect.poll(() => names).toEqual(['b']);
});

test('the folder may come later, go, and come again', async () => {
  await start();
  expect(names).toEqual([]);
  for (const name of ['a', 'b']) {
    mkdirSync(join(parent, 'netns'));
    add(name);
    await expect.poll(() => names).toEqual([name]);
    rmSync(join(parent, 'netns'), { recursive: true });
    await expect.poll(() => names).toEqual([]);
  }
});

test('a file that is no namespace is left out', async () => {
  mkdirSync(join(parent, 'netns'));
  add('plain');
  await start(-1);
  expect(names).toEqual([]);
});

test('without following, only a look finds news', async () => {
  mkdirSync(join(parent, 'netns'));
  await start(undefined, false);
  add('a');
  await watch.scan();
  expect(names).toEqual(['a']);
});
