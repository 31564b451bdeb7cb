/**
 * Returned by every `createX(config, deps)`: inert until started, drained by `stop`.
 *
 * `start` resolves once the component does its work (sockets bound, hooks attached); `signal` ends
 * its background work early. `stop` takes no new input, finishes what is in flight and releases
 * every file descriptor, timer and socket; it may be called once, also after a failed `start`.
 */
export interface Component {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /**
   * Rejects with the reason when a started component can never do its work again; the process then
   * stops in order. A component that recovers by itself does not have it: `/readyz` reports it as
   * not ready until it is back.
   */
  readonly failed?: Promise<never>;
}
