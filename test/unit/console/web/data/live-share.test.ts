import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LiveTick } from '../../../../../src/console/api.ts';
import {
  BEAT_MS,
  followLive,
  JITTER_MS,
  JOIN_MS,
  LEASE_MS,
  type LiveChannel,
  type LiveState,
} from '../../../../../src/console/web/data/live-share.ts';

const tickAt = (nowMs: number): LiveTick => ({
  ...{ nowMs, flows: 1, bytes: 2, packets: 3, elapsedMs: 1000, rows: 4 },
});

/** A tab: its place among the others by id, and the states that it has received. */
class Tab implements Disposable {
  state: LiveState | undefined;
  /** Sends to the tab's stream, while it has one. */
  emit: ((state: LiveState) => void) | undefined;
  channel!: LiveChannel;
  readonly #follower: Disposable;

  constructor(browser: string, random: number) {
    this.#follower = followLive(
      {
        openChannel: () => {
          // Node's types lack message events.
          this.channel = new BroadcastChannel(browser) as unknown as LiveChannel;
          return this.channel;
        },
        openStream: (onState) => {
          this.emit = onState;
          return { [Symbol.dispose]: () => (this.emit = undefined) };
        },
        random: () => random,
      },
      (state) => {
        this.state = state;
      },
    );
  }

  hear(nowMs: number): void {
    this.emit?.({ status: 'open', tick: tickAt(nowMs) });
  }

  [Symbol.dispose](): void {
    this.#follower[Symbol.dispose]();
  }

  /** Ends silently, like a killed process. */
  crash(): void {
    this.channel.close();
    this.channel.postMessage = () => undefined;
    this.emit = undefined;
  }
}

let browsers = 0;
let browser = '';
const tabs: Tab[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  browser = `browser ${browsers++}`;
});

afterEach(() => {
  for (const tab of tabs.splice(0)) tab[Symbol.dispose]();
  vi.useRealTimers();
});

function openTab(random: number): Tab {
  const tab = new Tab(browser, random);
  tabs.push(tab);
  return tab;
}

/** Advances time in small steps; messages are delivered in each. */
async function pass(ms: number): Promise<void> {
  const STEP_MS = 50;
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    vi.advanceTimersByTime(STEP_MS);
    // A message between real channels takes a few turns of the event loop.
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

const leaders = () => tabs.filter((tab) => tab.emit !== undefined);

test('twelve tabs that are opened at once end up with one stream, and all hear it', async () => {
  for (let i = 0; i < 12; i++) openTab((i + 1) / 13);
  await pass(JOIN_MS + JITTER_MS + 2 * BEAT_MS);
  expect(leaders()).toHaveLength(1);
  leaders()[0]?.hear(1000);
  await pass(50);
  expect(tabs.map((tab) => tab.state?.tick?.nowMs)).toEqual(Array(12).fill(1000));
  expect(tabs.map((tab) => tab.state?.status)).toEqual(Array(12).fill('open'));
});

test('tabs that lead at the same moment notice, and the smaller id stays', async () => {
  openTab(0.5);
  openTab(0.5000001);
  await pass(JOIN_MS + JITTER_MS + 2 * BEAT_MS);
  expect(leaders()).toEqual([tabs[0]]);
});

test('a tab that comes later hears at once what the leader heard last', async () => {
  openTab(0.9);
  await pass(JOIN_MS + JITTER_MS);
  tabs[0]?.hear(7);
  const late = openTab(0.1);
  await pass(50);
  expect(late.state?.tick?.nowMs).toBe(7);
  await pass(3 * LEASE_MS);
  expect(leaders()).toEqual([tabs[0]]);
});

test('when the leader is closed, another one follows within moments', async () => {
  for (const random of [0.2, 0.4, 0.6]) openTab(random);
  await pass(JOIN_MS + JITTER_MS + BEAT_MS);
  const [leader] = leaders();
  leader?.[Symbol.dispose]();
  await pass(JITTER_MS + 50);
  expect(leaders()).toHaveLength(1);
  expect(leaders()[0]).not.toBe(leader);
});

test('when the leader crashes, another one follows once its lease has ended', async () => {
  for (const random of [0.2, 0.4, 0.6]) openTab(random);
  await pass(JOIN_MS + JITTER_MS + BEAT_MS);
  const [leader] = leaders();
  leader?.crash();
  await pass(LEASE_MS - 2 * BEAT_MS);
  expect(leaders()).toHaveLength(0);
  await pass(3 * BEAT_MS + JOIN_MS + 2 * JITTER_MS);
  expect(leaders()).toHaveLength(1);
  leaders()[0]?.hear(9);
  await pass(50);
  const others = tabs.filter((tab) => tab !== leader);
  expect(others.map((tab) => tab.state?.tick?.nowMs)).toEqual([9, 9]);
});

test('the last tab that goes takes the stream along', async () => {
  const tab = openTab(0.3);
  await pass(JOIN_MS + JITTER_MS);
  expect(leaders()).toEqual([tab]);
  tab[Symbol.dispose]();
  await pass(2 * LEASE_MS);
  expect(leaders()).toEqual([]);
});

test('a leader that was only late with its beats stays the only one', async () => {
  openTab(0.5);
  await pass(JOIN_MS + JITTER_MS);
  const late = openTab(0.3);
  await pass(BEAT_MS);
  tabs[0]?.hear(1);
  await pass(50);
  // The page was busy: its timers are due, and so are the other page's messages.
  vi.advanceTimersByTime(LEASE_MS + JITTER_MS);
  await pass(2 * BEAT_MS);
  expect(late.emit).toBeUndefined();
  expect(leaders()).toEqual([tabs[0]]);
});
