import type { Clock } from '../../base/clock.ts';
import type { SubscribeRows, WrittenRows } from '../../console/server/live.ts';
import type { CommandContext } from '../command.ts';

const REDRAW_INTERVAL_MS = 1000;
/** Without a terminal to redraw a line on, one line a minute says that all is well. */
const REPORT_INTERVAL_MS = 60_000;
/** Width for a terminal that does not report its own, or reports 0. */
const COLUMNS = 100;

export interface StatusLineDeps {
  readonly clock: Clock;
  readonly stderr: CommandContext['stderr'];
  readonly subscribe: SubscribeRows;
  readonly interfaces: () => number;
  /** Packets that a hook saw and that are in no flow. */
  readonly unrecordedPackets: () => number;
}

/** Shows the host's current state: a line that redraws itself on a terminal, else a report. */
export function showStatus(deps: StatusLineDeps): Disposable {
  const { clock, stderr } = deps;
  const isTerminal = stderr.isTTY === true;
  const intervalMs = isTerminal ? REDRAW_INTERVAL_MS : REPORT_INTERVAL_MS;
  let seen: WrittenRows = { flows: 0, bytes: 0, packets: 0 };
  let lastMs = clock.monotonicMs();
  const subscription = deps.subscribe((written) => {
    seen = {
      flows: seen.flows + written.flows,
      bytes: seen.bytes + written.bytes,
      packets: seen.packets + written.packets,
    };
  });
  const timer = clock.every(intervalMs, () => {
    const nowMs = clock.monotonicMs();
    const text = statusText(seen, (nowMs - lastMs) / 1000, deps);
    seen = { flows: 0, bytes: 0, packets: 0 };
    lastMs = nowMs;
    // Goes back to the first column and erases the old text (ECMA-48 EL).
    stderr.write(
      isTerminal ? `\r${text.slice(0, (stderr.columns || COLUMNS) - 1)}\x1b[K` : `${text}\n`,
    );
  });
  return {
    [Symbol.dispose]() {
      timer[Symbol.dispose]();
      subscription[Symbol.dispose]();
      if (isTerminal) stderr.write('\n');
    },
  };
}

function statusText(seen: WrittenRows, seconds: number, deps: StatusLineDeps): string {
  const interfaces = deps.interfaces();
  const unrecorded = deps.unrecordedPackets();
  const parts = [
    interfaces === 1 ? '1 interface' : `${interfaces} interfaces`,
    `${short(seen.flows / seconds)} flows/s`,
    `${short(seen.packets / seconds)} packets/s`,
    `${short((seen.bytes / seconds) * 8)}bit/s`,
  ];
  if (unrecorded > 0) parts.push(`${short(unrecorded)} packets unrecorded`);
  return parts.join(' · ');
}

const PREFIXES = ['', 'k', 'M', 'G', 'T'] as const;

/** Three digits and a decimal prefix: 0, 12, 3.4k, 120M. */
export function short(value: number): string {
  let scaled = value;
  let step = 0;
  while (scaled >= 999.5 && step < PREFIXES.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = step > 0 && scaled < 9.95 ? scaled.toFixed(1) : scaled.toFixed(0);
  return `${digits}${PREFIXES[step]}`;
}
