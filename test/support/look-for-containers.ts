/** Looks twice for network namespaces, and prints their oldest processes and what is missing. */
import { ContainerWatch } from '../../src/agent/interfaces/containers.ts';
import { systemClock } from '../../src/base/clock.ts';

const lacking: number[] = [];
let pids: readonly number[] = [];
const watch = new ContainerWatch({
  clock: systemClock,
  processDirectory: '/proc',
  periodMs: 60_000,
  onLook: async (residents) => {
    pids = [...residents.values()];
  },
  onDenied(processes, hasCapability) {
    if (!hasCapability) lacking.push(processes);
  },
  onError: (error) => {
    throw error;
  },
});
await watch.start();
await watch.look();
await watch.stop();
process.stdout.write(JSON.stringify({ lacking, pids }));
