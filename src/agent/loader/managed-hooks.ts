import type { AgentConfig } from '../config.ts';
import type { Direction, Hook, HookTarget } from './hook.ts';
import { directionsOf } from './hooks.ts';

/**
 * Replaces the attaching of hooks when another program attaches them: every interface that the
 * rules select is assumed to be watched, so that its name is known.
 */
export class ManagedHooks {
  readonly directions: readonly Direction[];
  readonly isManaged = true;

  constructor(config: Pick<AgentConfig, 'direction'>) {
    this.directions = directionsOf(config);
  }

  async attach(_target: HookTarget, _signal: AbortSignal, hooks: Hook[]): Promise<boolean> {
    for (const direction of this.directions) hooks.push({ id: 0, direction, mode: 'managed' });
    return true;
  }

  async detach(): Promise<void> {
    // The hooks are not ours.
  }
}
