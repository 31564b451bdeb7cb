import { expect, test } from 'vitest';
import { FlowLimit } from '../../../../src/codec/exporters/flow-limit.ts';

/** Numbers from 0 to below 1, the same in each run (Park and Miller, 1988). */
function seeded(): () => number {
  let state = 20_261_130;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state - 1) / 2_147_483_646;
  };
}

interface Second {
  readonly passed: number;
  /** The amount that the flows that passed stand for. */
  readonly estimate: number;
  /** Variance of the estimate: each flow adds k - 1, if 1 in k passes. */
  readonly variance: number;
}

/** Sends flows in datagrams of 20, evenly over a second; returns what passed. */
function send(limit: FlowLimit, flows: number, fromMs: number): Second {
  const datagrams = flows / 20;
  let passed = 0;
  let estimate = 0;
  let variance = 0;
  for (let datagram = 0; datagram < datagrams; datagram++) {
    limit.begin(fromMs + (1000 * datagram) / datagrams);
    let kept = 0;
    for (let flow = 0; flow < 20; flow++) if (limit.passes()) kept++;
    limit.note(20, kept);
    passed += kept;
    estimate += kept * limit.thinning;
    variance += 20 * (limit.thinning - 1);
  }
  return { passed, estimate, variance };
}

test('below the limit, all flows pass and stand for themselves', () => {
  const limit = new FlowLimit(1000, () => expect.unreachable('nothing is drawn'));
  for (let second = 0; second < 5; second++) {
    expect(send(limit, 1000, second * 1000)).toMatchObject({ passed: 1000, estimate: 1000 });
  }
});

test.each([2, 10, 100])(
  '%d times the limit: the estimate is right, and the limit is kept',
  (factor) => {
    const limit = new FlowLimit(1000, seeded());
    const flows = factor * 1000;
    for (let second = 0; second < 20; second++) {
      const { passed, estimate, variance } = send(limit, flows, second * 1000);
      // Five standard deviations: a fair draw leaves them once in a million.
      expect(Math.abs(estimate - flows)).toBeLessThan(5 * Math.sqrt(variance));
      // Doubled n times, a sixteenth of the limit stands for 2^n/16 limits: their sum is the burst.
      const burstMax = 1000 * (1 + (Math.log2(factor) + 4) / 16) + 40;
      expect(passed).toBeLessThanOrEqual(second === 0 ? burstMax : 1160);
      if (second > 0) expect(passed).toBeGreaterThan(800);
    }
  },
);

test('a thousandfold flood after silence exceeds the limit by 90 % at most', () => {
  const limit = new FlowLimit(1000, seeded());
  send(limit, 100, 0);
  const flood = send(limit, 1_000_000, 1000);
  expect(flood.passed).toBeLessThan(1900);
  expect(Math.abs(flood.estimate - 1_000_000)).toBeLessThan(5 * Math.sqrt(flood.variance));
  expect(send(limit, 1_000_000, 2000).passed).toBeLessThan(1200);
  // And back: the second after the flood still thins, the next one does not.
  send(limit, 500, 3000);
  expect(send(limit, 500, 4000)).toMatchObject({ passed: 500, estimate: 500 });
});
