import { NetobservError } from '../../base/errors.ts';
import { type ConfigDocument, composedDocument, parseDocument } from '../../config/document.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import { validate } from '../../config/validate.ts';
import { findAccess } from '../../kube/access.ts';
import type { KubeClient } from '../../kube/client.ts';
import { readConfigMap } from '../../kube/config-map.ts';
import {
  type DynamicParameters as DynamicOptions,
  programKeys,
} from '../../pipeline/options/program.ts';

/** Time for the first look. */
const FIRST_MS = 30_000;

/** The parameters in a ConfigMap, beside those of the file. */
export class DynamicParameters {
  readonly #options: DynamicOptions;
  readonly #client: KubeClient;
  #text = '';

  private constructor(options: DynamicOptions, client: KubeClient) {
    this.#options = options;
    this.#client = client;
  }

  /** Reads the ConfigMap that a file names; undefined: it names none. */
  static async read(
    file: ConfigDocument,
    env: Readonly<Record<string, string | undefined>>,
  ): Promise<DynamicParameters | undefined> {
    const given = (file.value as Readonly<Record<string, unknown>>).dynamicParameters;
    const { value, problems } = validate(programKeys.dynamicParameters, given ?? {});
    // The file is checked as a whole later, and these problems with it.
    if (problems.length > 0 || value === undefined || value.name === '') return undefined;
    const silent = { renewed: () => undefined, refused: () => undefined };
    const access = await findAccess(value.kubeConfigPath, env, silent);
    const { KubeClient: Client } = await import('../../kube/client.ts');
    const dynamic = new DynamicParameters(value, new Client(access));
    try {
      await dynamic.look(AbortSignal.timeout(FIRST_MS));
    } catch (error) {
      await dynamic.close();
      throw error;
    }
    return dynamic;
  }

  /** Reads the ConfigMap again; whether it has changed. */
  async look(signal: AbortSignal): Promise<boolean> {
    const { namespace, name, fileName } = this.#options;
    const text = await readConfigMap(this.#client, { namespace, name, key: fileName }, signal);
    const hasChanged = text !== this.#text;
    this.#text = text;
    return hasChanged;
  }

  /** A file with the parameters of the ConfigMap behind its own. Throws `CONFIG_ERRORS.file`. */
  with(file: ConfigDocument): ConfigDocument {
    const { namespace, name, fileName } = this.#options;
    const more = parseDocument(`ConfigMap ${namespace}/${name} ${fileName}`, this.#text);
    const parameters = (more.value as { readonly parameters?: unknown } | undefined)?.parameters;
    if (!Array.isArray(parameters)) {
      const problem = `${more.place('').text}: expected the list "parameters"`;
      throw new NetobservError(CONFIG_ERRORS.file, problem);
    }
    return joined(file, more, parameters);
  }

  async close(): Promise<void> {
    await this.#client.close();
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
