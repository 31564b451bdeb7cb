/**
 * Owns every long-running task of a process.
 *
 * The first task that fails cancels the others; a task that ends without failing does not. The
 * group's signal is what sources listen to in order to stop; draining happens in `stop()` of each
 * component after the group has been cancelled.
 */
export class TaskGroup {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #failure: unknown;
  #failed = false;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts a task. Its rejection after cancellation is taken for obedience, not for failure. */
  run(task: (signal: AbortSignal) => Promise<void>): void {
    const running = this.#supervise(task);
    this.#tasks.add(running);
    void running.finally(() => this.#tasks.delete(running));
  }

  cancel(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Resolves when all tasks have ended; rejects with the failure of the one that failed first. */
  async wait(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    if (this.#failed) throw this.#failure;
  }

  async #supervise(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(this.#controller.signal);
    } catch (error) {
      if (this.#controller.signal.aborted) return;
      this.#failed = true;
      this.#failure = error;
      this.#controller.abort(error);
    }
  }
}
