import { run, runStep, type Step } from './steps.ts';

/** Everything that is compiled; each part only if its sources have changed. */
const BPF: Step = {
  name: 'bpf',
  inputs: ['bpf', 'scripts/build-bpf.ts'],
  outputs: ['build/bpf/flows.bpf.o'],
  run: () => run('node', ['scripts/build-bpf.ts']),
};
const STEPS: readonly Step[] = [
  BPF,
  {
    name: 'native',
    inputs: ['native', 'scripts/build-native.ts'],
    outputs: ['build/native/netobserv.node'],
    run: () => run('node', ['scripts/build-native.ts']),
  },
  {
    name: 'web',
    inputs: [
      'package-lock.json',
      'scripts/build-web.ts',
      'src/base',
      'src/console/api.ts',
      'src/console/web',
      'src/flow',
      'src/query',
    ],
    outputs: ['build/web/index.html'],
    run: () => run('node', ['scripts/build-web.ts']),
  },
];

/** Only the eBPF objects. */
export async function buildDatapath(): Promise<void> {
  await runStep(BPF);
}

export async function buildAll(): Promise<void> {
  for (const step of STEPS) await runStep(step);
}

if (import.meta.main) await buildAll();
