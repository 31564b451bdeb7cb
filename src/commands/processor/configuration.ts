import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import type { ConfigDocument } from '../../config/document.ts';
import { fileStamp } from '../../telemetry/file-stamp.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { DynamicParameters } from './dynamic.ts';

/** Time between two looks at the file and the ConfigMap. */
const POLL_MS = 15_000;
/** Keys of the file that a running pipeline can go over to. */
const RELOADED: ReadonlySet<string> = new Set(['pipeline', 'parameters']);

export interface ConfigurationSource {
  /** The file, with the parts that flags replace. */
  read(): Promise<ConfigDocument>;
  /** The file's path; undefined: flags give everything. */
  readonly path: string | undefined;
}

export interface ReloadDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly counts: Metrics;
  /** Goes over to another configuration; rejects if it is wrong. */
  reload(file: ConfigDocument): Promise<void>;
}

/** The configuration of a processor: its file, and the ConfigMap that the file names. */
export class Configuration {
  readonly #dynamic: DynamicParameters | undefined;
  readonly #source: ConfigurationSource;
  #file: ConfigDocument;
  #stamp: string | undefined;

  private constructor(
    source: ConfigurationSource,
    file: ConfigDocument,
    dynamic: DynamicParameters | undefined,
    stamp: string | undefined,
  ) {
    this.#source = source;
    this.#file = file;
    this.#dynamic = dynamic;
    this.#stamp = stamp;
  }

  static async open(
    source: ConfigurationSource,
    file: ConfigDocument,
    env: Readonly<Record<string, string | undefined>>,
  ): Promise<Configuration> {
    const stamp = stampOf(source);
    return new Configuration(source, file, await DynamicParameters.read(file, env), stamp);
  }

  get document(): ConfigDocument {
    return this.#dynamic === undefined ? this.#file : this.#dynamic.with(this.#file);
  }

  /** Looks whether either has changed. Rejects if one cannot be read. */
  async look(signal: AbortSignal): Promise<boolean> {
    const hasMoved = await this.#dynamic?.look(signal);
    const stamp = stampOf(this.#source);
    // Some tools remove a file before they write the new one.
    if (stamp === undefined || stamp === this.#stamp) return hasMoved === true;
    this.#stamp = stamp;
    this.#file = await this.#source.read();
    return true;
  }

  async close(): Promise<void> {
    await this.#dynamic?.close();
  }
}

function stampOf({ path }: ConfigurationSource): string | undefined {
  if (path === undefined) return undefined;
  try {
    return fileStamp(path);
  } catch {
    return undefined;
  }
}

/** Looks at the configuration from time to time, and has the pipeline go over to a new one. */
export class Reloads implements Component {
  readonly #configuration: Configuration;
  readonly #deps: ReloadDeps;
  readonly #started: ConfigDocument;
  readonly #stopping = new AbortController();
  readonly #outcomes: ReturnType<typeof createReloadMetrics>;
  #watching: Promise<void> | undefined;
  #isAway = false;

  constructor(configuration: Configuration, deps: ReloadDeps) {
    this.#configuration = configuration;
    this.#started = configuration.document;
    this.#deps = deps;
    this.#outcomes = createReloadMetrics(deps.counts);
  }

  async start(): Promise<void> {
    this.#watching = this.#watch(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await this.#configuration.close();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(POLL_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (await this.#hasChanged(signal)) await this.#reload();
    }
  }

  async #hasChanged(signal: AbortSignal): Promise<boolean> {
    try {
      const hasChanged = await this.#configuration.look(signal);
      this.#isAway = false;
      return hasChanged;
    } catch (error) {
      if (!signal.aborted && !this.#isAway) {
        this.#isAway = true;
        this.#warn(error, 'cannot be read; the old one stays in use');
      }
      return false;
    }
  }

  async #reload(): Promise<void> {
    const { log, reload } = this.#deps;
    try {
      const document = this.#configuration.document;
      await reload(document);
      this.#outcomes.inc({ outcome: 'used' });
      log.info({ component: 'configuration' }, 'has changed and is in use');
      const later = otherKeys(this.#started.value, document.value);
      if (later.length === 0) return;
      log.warn({ component: 'configuration', keys: later }, 'keys that count from the next start');
    } catch (error) {
      this.#outcomes.inc({ outcome: 'refused' });
      this.#warn(error, 'is wrong; the old one stays in use');
    }
  }

  #warn(error: unknown, message: string): void {
    this.#deps.log.warn({ component: 'configuration', error: explain(error) }, message);
  }
}

/** Keys that differ and that only a start reads. */
function otherKeys(one: unknown, other: unknown): readonly string[] {
  const [before, after] = [one, other] as readonly Readonly<Record<string, unknown>>[];
  const keys = new Set([...Object.keys(before!), ...Object.keys(after!)]);
  return [...keys].filter(
    (key) => !RELOADED.has(key) && !isDeepStrictEqual(before![key], after![key]),
  );
}

export function createReloadMetrics(metrics: Metrics) {
  return metrics.counter<'outcome'>(
    'config_reloads_total',
    'Times that a changed configuration was used, or refused',
    ['outcome'],
  );
}
