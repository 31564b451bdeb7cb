import type { Clock } from '../../base/clock.ts';
import type { Source } from '../stage.ts';
import { CoalescingInlet } from './coalesce.ts';
import type { PlanRun } from './plan-run.ts';
import { SwitchingInlet } from './switch.ts';

interface Entrance {
  readonly switching: SwitchingInlet;
  readonly coalescing: CoalescingInlet | undefined;
}

/** The inlets of the sources, for as long as these run: they outlive the plans behind them. */
export class Entrances {
  /** The inlet of `Pipeline.emit`; undefined if all sources of the pipeline are stages. */
  readonly own: SwitchingInlet | undefined;
  readonly #clock: Clock;
  readonly #entrances = new Map<Source, Entrance>();
  #run: PlanRun;

  constructor(run: PlanRun, clock: Clock) {
    this.#run = run;
    this.#clock = clock;
    const own = run.inletOf(undefined);
    this.own = own && new SwitchingInlet(own);
  }

  async start(source: Source, signal: AbortSignal): Promise<void> {
    const switching = new SwitchingInlet(this.#run.inletOf(source)!);
    const { coalesceMs } = source;
    const coalescing =
      coalesceMs === undefined
        ? undefined
        : new CoalescingInlet(switching, coalesceMs, this.#clock);
    this.#entrances.set(source, { switching, coalescing });
    await source.start(coalescing ?? switching, signal);
  }

  /** Leads the sources that stay into the next plan. The others still feed the one before. */
  switchTo(run: PlanRun): void {
    this.flush();
    this.#run = run;
    const own = run.inletOf(undefined);
    if (own !== undefined) this.own?.switchTo(own);
    for (const [source, { switching }] of this.#entrances) {
      const inlet = run.inletOf(source);
      if (inlet !== undefined) switching.switchTo(inlet);
    }
  }

  leave(source: Source): void {
    this.#entrances.delete(source);
  }

  /** Passes on the rows that wait for others. */
  flush(): void {
    for (const { coalescing } of this.#entrances.values()) coalescing?.flush();
  }

  /** Resolves when no batch for an earlier plan is being filled any more. */
  async settled(): Promise<void> {
    this.flush();
    const all = [...this.#entrances.values()].map(({ switching }) => switching.settled());
    await Promise.all([...all, this.own?.settled()]);
  }
}
