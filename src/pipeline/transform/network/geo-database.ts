import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Reader, Response } from 'mmdb-lib';
import { explain, NetobservError } from '../../../base/errors.ts';
import { fileStamp } from '../../../telemetry/file-stamp.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext } from '../../stage.ts';

/** Time between two looks at the file, milliseconds. */
const LOOK_PERIOD_MS = 30_000;
/** City databases have some 150 MB. */
const FILE_BYTES_MAX = 1024 ** 3;

/**
 * Facts about networks, from a file in MaxMind's format (MMDB). The file is read when the pipeline
 * starts, and again when it changes; if the new one cannot be read, the old facts stay in use.
 */
export class GeoDatabase {
  readonly #path: string;
  readonly #context: StageContext;
  #reader: Reader<Response> | undefined;
  #stamp = '';
  #lookedMs = 0;
  #loading: Promise<void> | undefined;
  #isReading = false;
  /** Counts the files that were read. */
  version = 0;

  /** `path` is empty for the database that the program brings along. Throws for a missing file. */
  constructor(path: string, context: StageContext, place: string) {
    this.#path = path;
    this.#context = context;
    if (path === '') {
      if (context.deps.countries !== undefined) return;
      throw configError(PIPELINE_ERRORS.option, place, 'a file is needed here');
    }
    try {
      this.#stamp = fileStamp(path);
    } catch (error) {
      throw configError(PIPELINE_ERRORS.option, place, `cannot read ${path}: ${explain(error)}`);
    }
  }

  /** Reads the file, once; rejects if it is not such a database. */
  load(): Promise<void> {
    this.#lookedMs = this.#context.deps.clock.monotonicMs();
    this.#loading ??= this.#read();
    return this.#loading;
  }

  /** The record of the network that an address is in; undefined: there is none. */
  find(address: string): unknown {
    return this.#reader?.get(address) ?? undefined;
  }

  /** Reads the file again if it has changed. Called before each batch. */
  look(): void {
    const { clock, log } = this.#context.deps;
    const nowMs = clock.monotonicMs();
    if (this.#path === '' || this.#isReading || nowMs - this.#lookedMs < LOOK_PERIOD_MS) return;
    this.#lookedMs = nowMs;
    const fields = { component: 'pipeline', stage: this.#context.name, path: this.#path };
    let stamp: string;
    try {
      stamp = fileStamp(this.#path);
    } catch {
      // Some tools remove the file before they write the new one.
      return;
    }
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    this.#isReading = true;
    void this.#read()
      .then(
        () => log.info(fields, 'the database was renewed'),
        (error: unknown) => {
          log.warn({ ...fields, error: explain(error) }, 'the new database cannot be used');
        },
      )
      .finally(() => {
        this.#isReading = false;
      });
  }

  async #read(): Promise<void> {
    // Here and not at the top: few pipelines need it.
    const { Reader: Made } = await import('mmdb-lib');
    const bytes = this.#path === '' ? this.#context.deps.countries!() : await fileOf(this.#path);
    try {
      this.#reader = new Made(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    } catch (cause) {
      const problem = `${this.#path} is not a database in MaxMind’s format (MMDB)`;
      throw new NetobservError(PIPELINE_ERRORS.geo, problem, { cause });
    }
    this.version++;
  }
}

async function fileOf(path: string): Promise<Uint8Array> {
  const { size } = statSync(path);
  if (size <= FILE_BYTES_MAX) return readFile(path);
  const problem = `${path} has ${size} bytes, more than ${FILE_BYTES_MAX}`;
  throw new NetobservError(PIPELINE_ERRORS.geo, problem);
}
