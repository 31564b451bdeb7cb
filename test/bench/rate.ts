import type { Figure } from './figure.ts';

const RUNS = 9;
const RUN_CPU_US = 150_000;

/**
 * Flows per second of CPU time, in the kernel and outside, of all threads: the best of some runs,
 * which other programs on the machine have disturbed least. `run` returns the number of its flows;
 * it is repeated until a run is long enough to be measured.
 */
export async function flowsPerCpuSecond(run: () => number | Promise<number>): Promise<number> {
  const rates: number[] = [];
  while (rates.length < RUNS) {
    const start = process.cpuUsage();
    let flows = 0;
    let spentUs = 0;
    do {
      flows += await run();
      const { user, system } = process.cpuUsage(start);
      spentUs = user + system;
    } while (spentUs < RUN_CPU_US);
    rates.push((flows / spentUs) * 1e6);
  }
  return Math.max(...rates);
}

/** The same as a figure, with the CPU time of a flow; `min` is the target. */
export async function rateFigure(
  name: string,
  min: number | undefined,
  run: () => number | Promise<number>,
  note = '',
): Promise<Figure> {
  const value = Math.round(await flowsPerCpuSecond(run));
  const cost = `${(1e6 / value).toFixed(3)} µs per flow`;
  return {
    name,
    value,
    unit: 'flows/CPU-s',
    ...(min === undefined ? {} : { target: { min } }),
    note: note === '' ? cost : `${cost}; ${note}`,
  };
}
