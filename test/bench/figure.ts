/** One measured figure of a bench, as `npm run bench` prints it and writes it to bench.json. */
export interface Figure {
  /** The measured quantity and its scope: `hook, existing UDP flow, above the empty program`. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Upper or lower bound. */
  readonly target?: { readonly max: number } | { readonly min: number };
  /** How it was measured, if the name does not say. */
  readonly note?: string;
}

/** Runs for seconds, not minutes, on fixed input; throws if it cannot run here. */
export type Bench = () => Promise<readonly Figure[]>;

export function isMet({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return 'max' in target ? value <= target.max : value >= target.min;
}
