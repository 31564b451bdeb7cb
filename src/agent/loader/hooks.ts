import type { Clock } from '../../base/clock.ts';
import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import { Lane } from '../../base/lane.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { AttachMode, Direction, Hook, HookTarget } from './hook.ts';
import type { BpfObject, Native } from './native.ts';
import { hookKind, programOf } from './object.ts';

const RETRY_STEP_MS = 300;

/** More hooks than a host has: the limits of interfaces and namespaces apply earlier. */
const HOOKS_WAITING_MAX = 2 ** 20;
const ONE_AT_A_TIME = { runningMax: 1, waitingMax: HOOKS_WAITING_MAX };

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
  /** Name of TC filters, see owner.ts. */
  readonly owner: string;
}

/** Attaches and detaches by the policy of TC_ATTACH_MODE. */
export class Hooks {
  readonly #config: HooksConfig;
  readonly #deps: HooksDeps;
  // The kernel attaches or detaches one hook at a time, so more at once would only occupy threads
  // that drains need. Hooks being detached do not wait behind all that are being attached.
  readonly #coming = new Lane(ONE_AT_A_TIME);
  readonly #going = new Lane(ONE_AT_A_TIME);
  // Until the kernel has shown that it supports TCX, or that it does not.
  #tcx: 'untried' | 'works' | 'unknown-to-kernel' = 'untried';

  constructor(config: HooksConfig, deps: HooksDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Directions of the hooks that an interface gets. */
  get directions(): readonly Direction[] {
    return directionsOf(this.#config);
  }

  /** Another program attaches the hooks. */
  get isManaged(): boolean {
    return false;
  }

  /**
   * Adds to `hooks` one for each wanted direction that has none there. Failures are counted and
   * logged here: other interfaces continue. Hooks are added one by one, so that none is lost when
   * `signal` ends the attempts. True: none is missing.
   */
  async attach(target: HookTarget, signal: AbortSignal, hooks: Hook[]): Promise<boolean> {
    const wanted = this.directions;
    const missing = wanted.filter((one) => !hooks.some(({ direction }) => direction === one));
    const attaching = missing.map(async (one) => {
      const hook = await this.#attachOne(target, one, signal);
      if (hook !== undefined) hooks.push(hook);
    });
    await Promise.all(attaching);
    return hooks.length === wanted.length;
  }

  /** Failures are counted and logged. */
  async detach(target: HookTarget, hook: Hook): Promise<void> {
    const { native, object, metrics, log } = this.#deps;
    try {
      await this.#going.run(() => native.detach(object, hook.id), { of: target.netns });
      metrics.interfaceEvent(`detach_${hook.mode}`, target, 0);
    } catch (error) {
      metrics.attachError('Detach', hook.direction, hook.mode === 'tc' ? 'tc' : 'tcx');
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
      try {
        const hook = await this.#coming.run(() => this.#try(target, direction, signal), {
          signal,
          of: target.netns,
        });
        if (hook === undefined) return undefined;
        metrics.interfaceEvent(`attach_${hook.mode}`, target, attempt - 1);
        return hook;
      } catch (error) {
        // The interface went away after the news of it, or is about to go.
        if (isGone(error) || signal.aborted) return undefined;
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
  async #try(target: HookTarget, direction: Direction, signal: AbortSignal): Promise<Hook> {
    const { tcAttachMode } = this.#config;
    if (tcAttachMode === 'tc' || this.#tcx === 'unknown-to-kernel') {
      return this.#tryMode(target, direction, 'tc');
    }
    try {
      const hook = await this.#tryMode(target, direction, 'tcx');
      this.#tcx = 'works';
      return hook;
    } catch (error) {
      // The descriptor's number may belong to another namespace by now.
      if (signal.aborted || !this.#fallsBack(error)) throw error;
      return this.#tryMode(target, direction, 'tc');
    }
  }

  #fallsBack(error: unknown): boolean {
    if (this.#config.tcAttachMode === 'any') return !isGone(error);
    if (this.#tcx === 'works' || !isUnknownToKernel(causeOf(error))) return false;
    this.#tcx = 'unknown-to-kernel';
    this.#deps.log.info('the kernel has no TCX (Linux 6.6 and later have): attaching by TC');
    return true;
  }

  async #tryMode(target: HookTarget, direction: Direction, mode: AttachMode): Promise<Hook> {
    const { native, object, metrics } = this.#deps;
    const { tcxAttachAnchorIngress, tcxAttachAnchorEgress } = this.#config;
    try {
      const id = await native.attach(object, {
        program: programOf(hookKind(this.#config), direction, target.framing),
        ifindex: target.index,
        direction,
        mode,
        owner: this.#deps.owner,
        anchor: direction === 'ingress' ? tcxAttachAnchorIngress : tcxAttachAnchorEgress,
        ...(target.netns === undefined ? {} : { netns: target.netns }),
      });
      return { id, direction, mode };
    } catch (cause) {
      if (!hasCode(cause, 'ENODEV')) metrics.attachError('Attach', direction, mode);
      throw new NetobservError(
        AGENT_ERRORS.attach,
        `cannot attach to ${target.name} ${direction} by ${mode}`,
        { cause, retryable: true, details: { ...describe(target), direction, mode } },
      );
    }
  }
}

/** Directions of the hooks that an interface gets. */
export function directionsOf({ direction }: Pick<AgentConfig, 'direction'>): readonly Direction[] {
  return direction === 'both' ? ['ingress', 'egress'] : [direction];
}

/** Link creation with an attach type that the kernel does not know is an invalid argument. */
function isUnknownToKernel(error: unknown): boolean {
  return ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'].some((code) => hasCode(error, code));
}

function isGone(error: unknown): boolean {
  return hasCode(causeOf(error), 'ENODEV');
}

function causeOf(error: unknown): unknown {
  return error instanceof NetobservError ? error.cause : error;
}

function describe(target: HookTarget): Readonly<Record<string, unknown>> {
  return { interface: target.name, index: target.index, namespace: target.namespace };
}
