import { systemClock } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { startAgent } from './agent-host.ts';

const PERIOD_MS = 100;
const LOOKS = 3;

/**
 * Runs an agent until it has looked for containers several times. The first argument has its
 * options, as JSON. Prints the watched interfaces; warnings go to standard error.
 */
const looked = Promise.withResolvers<void>();
let looks = 0;
const host = await startAgent(
  { LISTEN_CONTAINERS_PERIOD: `${PERIOD_MS}ms`, ...JSON.parse(process.argv[2] ?? '{}') },
  {
    log: createLog('warn'),
    clock: {
      ...systemClock,
      sleep(ms, signal) {
        // The pause between two looks.
        if (ms === PERIOD_MS && ++looks > LOOKS) looked.resolve();
        return systemClock.sleep(ms, signal);
      },
    },
  },
);
await looked.promise;
const { interfaces } = host.agent.status();
await host[Symbol.asyncDispose]();
process.stdout.write(JSON.stringify(interfaces.map(({ namespace, name }) => [namespace, name])));
