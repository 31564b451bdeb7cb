import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { expect, test } from 'vitest';
import { quietRequestQueue } from '../../../../src/net/kafka/quiet-queue.ts';

interface Timed extends RequestQueue {
  throttleCheckTimeoutId?: NodeJS.Timeout | null;
}

/** A queue without a connection; only its timer is checked. */
function queue(pending: readonly unknown[]): Timed {
  const made: Timed = Object.create(RequestQueue.prototype);
  return Object.assign(made, { pending, throttledUntil: -1, throttleCheckTimeoutId: null });
}

test('an idle queue has no timer, one with requests has', () => {
  quietRequestQueue();
  const idle = queue([]);
  idle.scheduleCheckPendingRequests();
  expect(idle.throttleCheckTimeoutId).toBeNull();

  const busy = queue([{}]);
  busy.scheduleCheckPendingRequests();
  expect(busy.throttleCheckTimeoutId).not.toBeNull();
  clearTimeout(busy.throttleCheckTimeoutId!);
});

test('doing it twice changes nothing', () => {
  quietRequestQueue();
  const once = RequestQueue.prototype.scheduleCheckPendingRequests;
  quietRequestQueue();
  expect(RequestQueue.prototype.scheduleCheckPendingRequests).toBe(once);
});
