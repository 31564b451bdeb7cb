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
  /** Folder that is written to; undefined: none is. */
  readonly dataDir: string | undefined;
}

/**
 * Gives up, for good and in every thread, what the process may do beyond what it goes on to need.
 * Started after everything else.
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
        // It can do its work all the same.
        log.warn({ error: explain(error) }, 'capabilities could not be given up');
        return;
      }
      const held: readonly Capability[] = [...effectiveCapabilities(readHostFile)];
      log.info({ capabilities: held }, 'all other capabilities are given up');
    },
    async stop() {
      // What was given up is gone.
    },
  };
}

/** Root writes to the folders of others by a capability, not by being their owner. */
function isForeign(folder: string): boolean {
  return statSync(folder).uid !== process.geteuid?.();
}
