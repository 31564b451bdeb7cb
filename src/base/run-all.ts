type Step = () => unknown;

/** Runs all steps, one after the other. A failure is reported and does not stop the others. */
export async function runEach(
  steps: readonly Step[],
  onFailure: (error: unknown) => void,
): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      onFailure(error);
    }
  }
}

/** Does the same, and throws the first failure when all have run. */
export async function runAll(steps: readonly Step[]): Promise<void> {
  const failures: unknown[] = [];
  await runEach(steps, (error) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
