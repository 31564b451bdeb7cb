/** The resources that a program uses, as the kernel counts them. */

import { readFileSync } from 'node:fs';
import type { Program } from '../support/processes/program.ts';

/** `RssAnon`: without code and other pages of files; `VmHWM`: the most so far. */
export type MemoryField = 'VmRSS' | 'RssAnon' | 'VmHWM';

export function residentMegabytes(program: Program, field: MemoryField): number {
  const text = readFileSync(`/proc/${program.child.pid}/status`, 'utf8');
  return (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1]) * 1024) / 1e6;
}

/** User and system time so far, which the kernel counts in hundredths of a second. */
export function cpuSeconds(program: Program): number {
  const text = readFileSync(`/proc/${program.child.pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
