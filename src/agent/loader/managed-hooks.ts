import type { AgentConfig } from '../config.ts';
import type { Direction, Hook, HookTarget } from './hooks.ts';

/**
 * Stands where hooks are attached, when somebody else attaches them: every interface that the rules
 * want is taken to be watched, so that its name is known.
 */
export class ManagedHooks {
  readonly #directions: readonly Direction[];

  constructor({ direction }: Pick<AgentConfig, 'direction'>) {
    this.#directions = direction === 'both' ? ['ingress', 'egress'] : [direction];
  }

  async attach(
    _target: HookTarget,
    _signal: AbortSignal,
    onHook: (hook: Hook) => void,
  ): Promise<void> {
    for (const direction of this.#directions) onHook({ id: 0, direction, mode: 'managed' });
  }

  async detach(): Promise<void> {
    // Not ours.
  }
}
