import { statSync } from 'node:fs';

/** Whether `output` exists and is newer than all of `inputs`. */
export function isUpToDate(output: string, inputs: readonly string[]): boolean {
  const built = statSync(output, { throwIfNoEntry: false });
  if (built === undefined) return false;
  return inputs.every((input) => statSync(input).mtimeMs <= built.mtimeMs);
}
