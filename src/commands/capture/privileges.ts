import { statSync } from 'node:fs';
import type { Agent } from '../../agent/agent.ts';
import type { Native } from '../../agent/loader/native.ts';
import { CAPABILITIES, type Capability } from '../../agent/privileges.ts';
import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { effectiveCapabilities, readHostFile } from '../capabilities.ts';

export interface PrivilegesDeps {
  readonly native: Pick<Native, 'dropCapabilities'>;
  readonly agent: Pick<Agent, 'capabilities'>;
  readonly log: Log;
  /** Folder to write to; undefined if nothing is written. */
  readonly dataDir: string | undefined;
}

/**
 * Gives up, for good and in every thread, the privileges that the process no longer needs. Started
 * after everything else.
 */
export function givePrivilegesUp(deps: PrivilegesDeps): Component {
  return {
    async start() {
      const { native, agent, log, dataDir } = deps;
      const keep = new Set(agent.capabilities());
      if (dataDir !== undefined && isForeign(dataDir)) keep.add('CAP_DAC_OVERRIDE');
      try {
        native.dropCapabilities([...keep].map((name) => CAPABILITIES[name]));
      } catch (error) {
        // The process can work all the same.
        log.warn({ error: explain(error) }, 'capabilities could not be given up');
        return;
      }
      const held: readonly Capability[] = [...effectiveCapabilities(readHostFile)];
      log.info({ capabilities: held }, 'all other capabilities are given up');
    },
    async stop() {
      // Dropped privileges cannot be restored.
    },
  };
}

/** Root writes to folders of other users by a capability, not by owning them. */
function isForeign(folder: string): boolean {
  return statSync(folder).uid !== process.geteuid?.();
}
