/** A running agent stays as it was: memory, descriptors, accounting. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { GrpcCollector } from '../../support/net/grpc-collector.ts';
import { startProgram } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

/** Twenty seconds find a leak of every flow; continuous integration takes five minutes. */
const SOAK_SECONDS = Number(process.env.NETOBSERV_SOAK_SECONDS ?? 20);
const FLOWS_PER_SECOND = 20_000;
const WARM_UP_SECONDS = 20;
const SAMPLES = 8;
/** Share of the earlier mean: variation by garbage collection from sample to sample. */
const GROWTH_MAX = 1.1;

describe.skipIf(requireRoot())('soak', () => {
  test('20,000 flows a second: flat memory and descriptors, and nothing unaccounted for', {
    timeout: (SOAK_SECONDS + WARM_UP_SECONDS + 120) * 1000,
  }, async () => {
    await using lab = new Lab();
    await using collector = new GrpcCollector();
    let packets = 0;
    // The flows themselves would fill the test's own memory.
    collector.behaviour = (answer) => {
      for (const { packets: count } of collector.calls.pop() ?? []) packets += count;
      collector.sizes.length = 0;
      answer();
    };
    await collector.start();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [sender, watched] = lab.pair({ namespace: left }, { namespace: right });
    const program = startProgram(['agent'], {
      env: {
        ...process.env,
        TARGET_HOST: '127.0.0.1',
        TARGET_PORT: String(collector.port),
        INTERFACES: watched,
        CACHE_MAX_FLOWS: '100000',
        CACHE_ACTIVE_TIMEOUT: '1s',
      },
    });
    await program.waitFor(/agent is up/);
    const pid = program.child.pid!;
    const seconds = SOAK_SECONDS + WARM_UP_SECONDS;
    const traffic = lab.sweep(left, sender, {
      flows: FLOWS_PER_SECOND * 10,
      rounds: seconds / 10,
      perSecond: FLOWS_PER_SECOND,
    });
    await sleep(WARM_UP_SECONDS * 1000);
    const samples: { memory: number; descriptors: number }[] = [];
    for (let sample = 0; sample < SAMPLES; sample++) {
      samples.push({ memory: anonymousBytes(pid), descriptors: descriptorsOf(pid) });
      await sleep((SOAK_SECONDS * 1000) / SAMPLES);
    }
    const sent = await traffic;
    expect(await program.stop()).toBe(0);

    const half = SAMPLES / 2;
    const mean = (part: typeof samples): number =>
      part.reduce((sum, { memory }) => sum + memory, 0) / part.length;
    expect(mean(samples.slice(half))).toBeLessThan(GROWTH_MAX * mean(samples.slice(0, half)));
    // Connections, and namespaces of other programs, come and go; what leaks only grows.
    const counts = samples.map(({ descriptors }) => descriptors);
    expect(Math.min(...counts.slice(half))).toBeLessThanOrEqual(Math.max(...counts.slice(0, half)));
    expect(packets).toBe(sent);
  });
});

function anonymousBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+)/m.exec(text)?.[1]) * 1024;
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
