/**
 * What every `createX(config, deps)` returns: inert until started, drained by `stop`.
 *
 * `start` resolves once the component does its work (sockets bound, hooks attached); `signal` ends
 * its background work early. `stop` takes no new input, finishes what is in flight and releases
 * every file descriptor, timer and socket; it may be called once, also after a failed `start`.
 */
export interface Component {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
