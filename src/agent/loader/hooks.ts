import type { Clock } from '../../base/clock.ts';
import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { Framing } from '../interfaces/link.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { BpfObject, Native } from './native.ts';
import { hookKind, programOf } from './object.ts';

const RETRY_STEP_MS = 300;

export type Direction = 'ingress' | 'egress';
export type AttachMode = 'tcx' | 'tc';

/** An interface that hooks are to be put on. */
export interface HookTarget {
  readonly netns: number | undefined;
  /** Name of the namespace, empty for the host's. */
  readonly namespace: string;
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly framing: Framing;
}

export interface Hook {
  readonly id: number;
  readonly direction: Direction;
  readonly mode: AttachMode;
}

export type HooksConfig = Pick<
  AgentConfig,
  | 'enablePca'
  | 'direction'
  | 'tcAttachMode'
  | 'tcAttachRetries'
  | 'tcxAttachAnchorIngress'
  | 'tcxAttachAnchorEgress'
>;

export interface HooksDeps {
  readonly native: Native;
  readonly object: BpfObject;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** Attaches and detaches by the policy of TC_ATTACH_MODE. */
export class Hooks {
  readonly #config: HooksConfig;
  readonly #deps: HooksDeps;
  // Until the kernel has said that it knows no TCX, or has shown that it does.
  #tcx: 'untried' | 'works' | 'unknown-to-kernel' = 'untried';

  constructor(config: HooksConfig, deps: HooksDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /**
   * Hooks for each wanted direction that could be attached. Failures are counted and logged here:
   * other interfaces go on. Hooks are handed over one by one, so that none is lost when `signal`
   * ends the attempts.
   */
  async attach(
    target: HookTarget,
    signal: AbortSignal,
    onHook: (hook: Hook) => void,
  ): Promise<void> {
    const { direction } = this.#config;
    const wanted: readonly Direction[] = direction === 'both' ? ['ingress', 'egress'] : [direction];
    for (const one of wanted) {
      const hook = await this.#attachOne(target, one, signal);
      if (hook !== undefined) onHook(hook);
    }
  }

  detach(target: HookTarget, hook: Hook): void {
    const { native, object, metrics, log } = this.#deps;
    try {
      native.detach(object, hook.id);
      metrics.interfaceEvent(`detach_${hook.mode}`, target, 0);
    } catch (error) {
      metrics.attachError('Detach', hook.direction, hook.mode);
      log.warn({ ...describe(target), error: explain(error) }, 'hook could not be detached');
    }
  }

  async #attachOne(
    target: HookTarget,
    direction: Direction,
    signal: AbortSignal,
  ): Promise<Hook | undefined> {
    const { clock, log, metrics } = this.#deps;
    const attempts = this.#config.tcAttachMode === 'any' ? 1 : this.#config.tcAttachRetries;
    for (let attempt = 1; ; attempt++) {
      // The kernel makes each attachment wait some 20 ms, so that drains get their turn in between.
      await clock.sleep(0, signal).catch(() => undefined);
      if (signal.aborted) return undefined;
      try {
        const hook = this.#try(target, direction);
        metrics.interfaceEvent(`attach_${hook.mode}`, target, attempt - 1);
        return hook;
      } catch (error) {
        // It went away between the news of it and now.
        if (hasCode(causeOf(error), 'ENODEV')) return undefined;
        const fields = { ...describe(target), direction, attempt, error: explain(error) };
        if (attempt >= attempts) {
          metrics.interfaceEvent('attach_fail', target, attempt);
          log.error(fields, 'hook could not be attached: traffic there is not seen');
          return undefined;
        }
        log.debug(fields, 'hook could not be attached, trying again');
        await clock.sleep(RETRY_STEP_MS * attempt, signal).catch(() => undefined);
      }
    }
  }

  /** One attempt, in the modes that the policy allows. */
  #try(target: HookTarget, direction: Direction): Hook {
    const { tcAttachMode } = this.#config;
    if (tcAttachMode === 'tc' || this.#tcx === 'unknown-to-kernel') {
      return this.#tryMode(target, direction, 'tc');
    }
    try {
      const hook = this.#tryMode(target, direction, 'tcx');
      this.#tcx = 'works';
      return hook;
    } catch (error) {
      if (!this.#fallsBack(error)) throw error;
      return this.#tryMode(target, direction, 'tc');
    }
  }

  #fallsBack(error: unknown): boolean {
    if (this.#config.tcAttachMode === 'any') return !hasCode(causeOf(error), 'ENODEV');
    if (this.#tcx === 'works' || !isUnknownToKernel(causeOf(error))) return false;
    this.#tcx = 'unknown-to-kernel';
    this.#deps.log.info('the kernel has no TCX (Linux 6.6 and later have): attaching by TC');
    return true;
  }

  #tryMode(target: HookTarget, direction: Direction, mode: AttachMode): Hook {
    const { native, object, metrics } = this.#deps;
    const { tcxAttachAnchorIngress, tcxAttachAnchorEgress } = this.#config;
    try {
      const id = native.attach(object, {
        program: programOf(hookKind(this.#config), direction, target.framing),
        ifindex: target.index,
        direction,
        mode,
        anchor: direction === 'ingress' ? tcxAttachAnchorIngress : tcxAttachAnchorEgress,
        ...(target.netns === undefined ? {} : { netns: target.netns }),
      });
      return { id, direction, mode };
    } catch (cause) {
      metrics.attachError('Attach', direction, mode);
      throw new NetobservError(
        AGENT_ERRORS.attach,
        `cannot attach to ${target.name} ${direction} by ${mode}`,
        { cause, retryable: true, details: { ...describe(target), direction, mode } },
      );
    }
  }
}

/** Link creation with an attach type that the kernel does not know is an invalid argument. */
function isUnknownToKernel(error: unknown): boolean {
  return ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'].some((code) => hasCode(error, code));
}

function causeOf(error: unknown): unknown {
  return error instanceof NetobservError ? error.cause : error;
}

function describe(target: HookTarget): Readonly<Record<string, unknown>> {
  return { interface: target.name, index: target.index, namespace: target.namespace };
}
