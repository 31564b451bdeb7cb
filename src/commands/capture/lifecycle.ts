import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import { runAll, runEach } from '../../base/run-all.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * Starts components in order, runs until the signal, and stops them in reverse order, so that each
 * finds those that it hands its last work to still running. When one does not start, those before
 * it are stopped and its error is thrown; a component that fails to stop does not keep the others.
 */
export async function runComponents(
  components: readonly Component[],
  signal: AbortSignal,
  log: Log,
  whileRunning: () => Promise<void>,
): Promise<void> {
  const started: Component[] = [];
  try {
    for (const component of components) {
      started.push(component);
      await component.start(signal);
      if (signal.aborted) return;
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
 * A source and its sinks as one: the source starts first, since what it finds waits where it is
 * found and nothing before it should; the sinks stop last, as they take the last of it.
 */
export function sourceFirst(source: Component, sinks: readonly Component[]): Component {
  const started: Component[] = [];
  return {
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
