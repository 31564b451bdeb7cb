import { constants } from 'node:fs';
import { access, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { explain, hasCode } from '../../base/errors.ts';
import type { FlowReader } from '../../codec/netflow/flow-reader.ts';
import { strictObject } from '../../config/schema.ts';
import { problemLines, validate } from '../../config/validate.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { StageContext } from '../stage.ts';

/** The bounds of templates leave it below 8 MB. */
const FILE_BYTES_MAX = 32 * 2 ** 20;
/** Without changes, the file is written this often: it says when templates were seen last. */
const REFRESH_MS = 10 * 60 * 1000;

const amount = () => Type.Number({ minimum: 0 });

const SavedTemplate = strictObject(
  { isOptions: Type.Boolean(), octets: Type.String(), seenMs: amount() },
  { description: 'A template.' },
);

const SavedDomain = strictObject(
  {
    ...{ key: Type.String(), uptimeMs: amount(), systemInitMs: amount(), rate: amount() },
    samplers: Type.Array(
      strictObject({ id: amount(), rate: amount() }, { description: 'A sampler.' }),
    ),
    templates: Type.Array(SavedTemplate),
  },
  { description: 'An observation domain.' },
);

const Saved = strictObject(
  { format: Type.Literal(1), domains: Type.Array(SavedDomain) },
  { description: 'Templates of exporters.' },
);

/** Keeps the templates of a stage in a file, so that they survive a restart. */
export class TemplateFile {
  readonly #path: string;
  readonly #folder: string;
  readonly #context: StageContext;
  /** Templates that the last run left, until a reader takes them. */
  #saved: Static<typeof Saved> | undefined;
  #reader: FlowReader | undefined;
  #changes = 0;
  #writtenMs: number;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(folder: string, context: StageContext) {
    this.#folder = folder;
    this.#path = join(folder, `${encodeURIComponent(context.name)}.templates.json`);
    this.#context = context;
    this.#writtenMs = context.deps.clock.monotonicMs();
  }

  /** Reads the file, if it is there. A wrong one is left out; rejects for a wrong folder. */
  async load(): Promise<void> {
    try {
      await access(this.#folder, constants.W_OK | constants.X_OK);
    } catch (cause) {
      const place = `${this.#context.path}.templateFolder`;
      const problem = `cannot write to the folder ${this.#folder}: ${explain(cause)}`;
      throw configError(PIPELINE_ERRORS.option, place, problem, cause);
    }
    try {
      this.#saved = await this.#read();
    } catch (error) {
      const message = 'the templates of the last run cannot be used: new ones are waited for';
      this.#context.deps.log.warn({ ...this.#fields(), error: explain(error) }, message);
    }
  }

  /** Gives the reader what was loaded, or saves the one that takes the place of another. */
  serve(reader: FlowReader): void {
    const saved = this.#saved;
    this.#saved = undefined;
    this.#reader = reader;
    if (saved === undefined) return;
    const refused = reader.restore(saved.domains, this.#times());
    this.#changes = reader.changes;
    if (refused === 0) return;
    const message = 'some templates are not usable';
    this.#context.deps.log.warn({ ...this.#fields(), refused }, message);
  }

  /** Writes the file if the templates have changed, or after a while. */
  save(): void {
    const nowMs = this.#context.deps.clock.monotonicMs();
    const hasChanged = this.#reader?.changes !== this.#changes;
    const isDue = hasChanged || nowMs - this.#writtenMs >= REFRESH_MS;
    if (!isDue || this.#writing !== undefined) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** The last write. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#write();
  }

  async #read(): Promise<Static<typeof Saved> | undefined> {
    let text: string;
    try {
      const { size } = await stat(this.#path);
      if (size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
    const { value, problems } = validate(Saved, JSON.parse(text));
    const [first] = problemLines(problems);
    if (first !== undefined) throw new Error(first);
    return value;
  }

  /** Does not reject: flows go on without the file. */
  async #write(): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined) return;
    const { clock, log } = this.#context.deps;
    const { changes } = reader;
    this.#writtenMs = clock.monotonicMs();
    const text = JSON.stringify({ format: 1, domains: reader.save(this.#times()) });
    const next = `${this.#path}.new`;
    try {
      const file = await open(next, 'w', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      // The old file stays whole until the new one is.
      await rename(next, this.#path);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) {
        log.warn({ ...this.#fields(), error: explain(error) }, 'templates cannot be saved');
      }
      this.#hasFailed = true;
    }
    this.#changes = changes;
  }

  #times() {
    const { clock } = this.#context.deps;
    return { wallMs: clock.nowMs(), nowMs: clock.monotonicMs() };
  }

  #fields() {
    return { component: 'pipeline', stage: this.#context.name, path: this.#path };
  }
}
