import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

/**
 * Keeps kafkajs 2.2.4 from waking up a thousand times a second for every idle connection.
 *
 * Its queue of requests looks for requests that wait, in a timer that sets itself again with the
 * time left of the broker's throttling. When there is no throttling that time is negative, which
 * Node takes for one millisecond, and warns of. Requests that do wait start the timer themselves,
 * so it has nothing to look for when there are none.
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
