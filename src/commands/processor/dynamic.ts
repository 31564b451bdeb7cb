import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import { type ConfigDocument, composedDocument, parseDocument } from '../../config/document.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import { validate } from '../../config/validate.ts';
import { findAccess } from '../../kube/access.ts';
import type { KubeClient } from '../../kube/client.ts';
import { readConfigMap } from '../../kube/config-map.ts';
import { type DynamicParameters, programKeys } from '../../pipeline/options/program.ts';
import type { Log } from '../../telemetry/log.ts';

/** Time between two looks at the ConfigMap. */
const POLL_MS = 15_000;
/** Time for the first look. */
const FIRST_MS = 30_000;

export interface DynamicDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The parameters in a ConfigMap, beside those of the file. */
export class DynamicFile implements Component {
  readonly #file: ConfigDocument;
  readonly #options: DynamicParameters;
  readonly #deps: DynamicDeps;
  readonly #client: KubeClient;
  readonly #stopping = new AbortController();
  readonly #changed = Promise.withResolvers<void>();
  #text = '';
  #watching: Promise<void> | undefined;
  #isAway = false;
  /** Whether the pipeline with the new parameters is right; throws if it is not. */
  check: (file: ConfigDocument) => void = () => undefined;

  private constructor(
    file: ConfigDocument,
    options: DynamicParameters,
    client: KubeClient,
    deps: DynamicDeps,
  ) {
    this.#file = file;
    this.#options = options;
    this.#client = client;
    this.#deps = deps;
  }

  /** Reads the ConfigMap that a file names; undefined: it names none. */
  static async read(file: ConfigDocument, deps: DynamicDeps): Promise<DynamicFile | undefined> {
    const given = (file.value as Readonly<Record<string, unknown>>).dynamicParameters;
    const { value, problems } = validate(programKeys.dynamicParameters, given ?? {});
    // The file is checked as a whole later, and these problems with it.
    if (problems.length > 0 || value === undefined || value.name === '') return undefined;
    const silent = { renewed: () => undefined, refused: () => undefined };
    const access = await findAccess(value.kubeConfigPath, deps.env, silent);
    const { KubeClient: Client } = await import('../../kube/client.ts');
    const dynamic = new DynamicFile(file, value, new Client(access), deps);
    try {
      dynamic.#text = await dynamic.#read(AbortSignal.timeout(FIRST_MS));
    } catch (error) {
      await dynamic.#client.close();
      throw error;
    }
    return dynamic;
  }

  /** The file with the parameters of the ConfigMap. */
  get document(): ConfigDocument {
    return this.#with(this.#text);
  }

  /** Resolves when the parameters have changed, and are right. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  async start(): Promise<void> {
    this.#watching = this.#watch(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    await this.#client.close();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(POLL_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#look(signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    const fields = { component: 'dynamicParameters' };
    let text: string;
    try {
      text = await this.#read(signal);
    } catch (error) {
      if (signal.aborted || this.#isAway) return;
      this.#isAway = true;
      log.warn({ ...fields, error: explain(error) }, 'cannot be read; the old ones stay in use');
      return;
    }
    this.#isAway = false;
    if (text === this.#text) return;
    this.#text = text;
    try {
      this.check(this.document);
    } catch (error) {
      log.warn({ ...fields, error: explain(error) }, 'are wrong; the old ones stay in use');
      return;
    }
    log.info(fields, 'have changed: the processor ends, to be started with them');
    this.#changed.resolve();
  }

  #read(signal: AbortSignal): Promise<string> {
    const { namespace, name, fileName } = this.#options;
    return readConfigMap(this.#client, { namespace, name, key: fileName }, signal);
  }

  #with(text: string): ConfigDocument {
    const { namespace, name, fileName } = this.#options;
    const more = parseDocument(`ConfigMap ${namespace}/${name} ${fileName}`, text);
    const parameters = (more.value as { readonly parameters?: unknown } | undefined)?.parameters;
    if (!Array.isArray(parameters)) {
      const problem = `${more.place('').text}: expected the list "parameters"`;
      throw new NetobservError(CONFIG_ERRORS.file, problem);
    }
    return joined(this.#file, more, parameters);
  }
}

/** The parameters of two documents, one after the other; each has its places. */
function joined(
  file: ConfigDocument,
  more: ConfigDocument,
  further: readonly unknown[],
): ConfigDocument {
  const value = file.value as Readonly<Record<string, unknown>>;
  const own = Array.isArray(value.parameters) ? value.parameters : [];
  /** The document that a path is in, and the path there. */
  const inside = (path: string): readonly [ConfigDocument, string] => {
    const [, index, rest] = /^parameters\[(\d+)\](.*)$/s.exec(path) ?? [];
    const at = Number(index) - own.length;
    return at >= 0 ? [more, `parameters[${at}]${rest}`] : [file, path];
  };
  return composedDocument(file.name, { ...value, parameters: [...own, ...further] }, inside);
}
