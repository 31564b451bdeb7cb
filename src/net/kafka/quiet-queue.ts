import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

/**
 * Keeps kafkajs 2.2.4 from waking up a thousand times a second for every idle connection.
 *
 * Its request queue checks for waiting requests in a timer that restarts itself with the time left
 * of the broker's throttling. Without throttling that time is negative; Node warns and uses one
 * millisecond. Waiting requests start the timer themselves, so it is not needed when none wait.
 */
export function quietRequestQueue(): void {
  const { prototype } = RequestQueue;
  const schedule = prototype.scheduleCheckPendingRequests;
  if (schedule.name === quietly.name) return;
  prototype.scheduleCheckPendingRequests = quietly;

  function quietly(this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  }
}
