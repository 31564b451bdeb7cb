import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import { runAll, runEach } from '../../base/run-all.ts';
import type { Health } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { StopSignal } from './signals.ts';

export interface LifecycleDeps {
  readonly stop: Pick<StopSignal, 'signal' | 'fail'>;
  readonly log: Log;
  readonly health: Health;
}

/**
 * The life of every daemon: starts components in order, runs until `stop.signal`, and stops them in
 * reverse order, so that each one can still hand its last work to those before it.
 *
 * - If a component does not start, those before it are stopped, and its error is thrown.
 * - If a component fails later (`Component.failed`), `/readyz` reports the reason and `stop.fail`
 *   requests the end, as a signal does.
 * - If a component fails to stop, the error is logged, and the others are stopped all the same.
 */
export async function runComponents(
  components: readonly Component[],
  { stop, log, health }: LifecycleDeps,
  whileRunning: () => Promise<void>,
): Promise<void> {
  const onFailure = (error: unknown): void => {
    const reason = explain(error);
    log.error({ component: 'lifecycle', error: reason }, 'a component failed: the program ends');
    health.addReady('components', () => ({ ok: false, reason }));
    stop.fail(error);
  };
  for (const { failed } of components) failed?.catch(onFailure);
  const started: Component[] = [];
  try {
    for (const component of components) {
      started.push(component);
      await component.start(stop.signal);
      if (stop.signal.aborted) return;
    }
    await whileRunning();
  } finally {
    const stops = started.reverse().map((component) => () => component.stop());
    await runEach(stops, (error) => {
      log.error(
        { component: 'lifecycle', error: explain(error) },
        'component did not stop cleanly',
      );
    });
  }
}

/**
 * A source and its sinks as one component. The source starts first, because the kernel keeps the
 * flows until there is a sink. The sinks stop last, because they take the last flows. The whole
 * fails when one part fails.
 */
export function sourceFirst(source: Component, sinks: readonly Component[]): Component {
  const started: Component[] = [];
  const failures = [source, ...sinks].flatMap(({ failed }) => failed ?? []);
  return {
    ...(failures.length === 0 ? {} : { failed: Promise.race(failures) }),
    async start(signal) {
      await source.start(signal);
      for (const sink of sinks) {
        started.push(sink);
        await sink.start(signal);
      }
    },
    async stop() {
      await runAll([source, ...started.reverse()].map((component) => () => component.stop()));
    },
  };
}
