import type { Framing } from '../interfaces/link.ts';

export type Direction = 'ingress' | 'egress';
export type AttachMode = 'tcx' | 'tc';
/** `managed`: attached by another program, EBPF_PROGRAM_MANAGER_MODE. */
export type HookMode = AttachMode | 'managed';

/** An interface that will get hooks. */
export interface HookTarget {
  readonly netns: number | undefined;
  /** Name of the namespace, empty for the host's. */
  readonly namespace: string;
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly framing: Framing;
}

export interface Hook {
  readonly id: number;
  readonly direction: Direction;
  readonly mode: HookMode;
}
