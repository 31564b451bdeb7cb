import { expect, test } from 'vitest';
import type { Inlet } from '../../../../src/pipeline/graph/inlet.ts';
import { Intake, type MessageReader } from '../../../../src/pipeline/ingest/intake.ts';
import type { Refusals } from '../../../../src/pipeline/ingest/refusals.ts';
import type { StageContext } from '../../../../src/pipeline/stage.ts';

const MIB = 2 ** 20;

/** An intake whose branches have no room until `open`. */
function bed() {
  const counted: string[][] = [];
  let room: PromiseWithResolvers<void> | undefined = Promise.withResolvers();
  const inlet = {
    whenReady: () => room?.promise,
    take: () => ({ length: 0 }),
    recycle: () => undefined,
  };
  const context = {
    counts: { ingestError: (...labels: string[]) => counted.push(labels) },
    deps: { clock: { nowMs: () => 0 } },
  };
  const intake = new Intake(
    inlet as unknown as Inlet,
    context as unknown as StageContext,
    {} as Refusals,
    { bufferLength: 100 },
  );
  const reader: MessageReader = {
    open: () => undefined,
    next: () => false,
    count: () => undefined,
  };
  return {
    counted,
    take: (mib: number) => intake.take(() => reader, new Uint8Array(mib * MIB)),
    open(): void {
      const full = room;
      room = undefined;
      full?.resolve();
    },
    fill(): void {
      room = Promise.withResolvers();
    },
  };
}

test('messages that wait have 64 MiB at most; further ones are refused, and counted', async () => {
  const { take, open, fill, counted } = bed();
  const waiting = [20, 20, 20].map(take);
  await expect(take(5)).rejects.toMatchObject({
    ...{
      code: 'ERR_PIPELINE_BUSY',
      message: 'calls of 62914560 bytes are waiting for room: try again',
    },
    details: { retryAfterMs: 1000 },
  });
  const last = take(4);
  expect(counted).toEqual([['full', 'ERR_PIPELINE_BUSY']]);
  open();
  await Promise.all([...waiting, last]);
  // Messages that wait no longer leave their room to others.
  fill();
  const next = take(64);
  await expect(take(1)).rejects.toMatchObject({ code: 'ERR_PIPELINE_BUSY' });
  open();
  await next;
  expect(counted).toHaveLength(2);
});

test('a message of more waits alone', async () => {
  const { take, open, counted } = bed();
  const large = take(65);
  await expect(take(1)).rejects.toMatchObject({ code: 'ERR_PIPELINE_BUSY' });
  open();
  await large;
  expect(counted).toHaveLength(1);
});
