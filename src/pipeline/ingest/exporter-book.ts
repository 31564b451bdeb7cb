import { explain, NetobservError } from '../../base/errors.ts';
import { formatAddress, parseAddress } from '../../base/ip.ts';
import { listed } from '../../base/shown.ts';
import { parseDocument } from '../../config/document.ts';
import { type Problem, problemLines, validate } from '../../config/validate.ts';
import { createRenewalMetrics } from '../../telemetry/renewals.ts';
import { RenewedFiles } from '../../telemetry/renewed-files.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { type ExporterOptions, Exporters } from '../options/ingest/exporters.ts';
import type { StageContext } from '../stage.ts';

/** Time between two looks at the file, milliseconds. */
const LOOK_PERIOD_MS = 5000;
const INDEX_MAX = 2 ** 32 - 1;

export type ExporterFacts = Exporters[string];
type Book = ReadonlyMap<string, ExporterFacts>;

/** What the configuration and its file say about exporters, by their address. */
export class ExporterBook {
  readonly #own: Book;
  readonly #file: RenewedFiles<Book> | undefined;
  readonly #clock: StageContext['deps']['clock'];
  #listed: Book;
  #lookedMs: number;
  /** Counts the files that were read. */
  version = 0;

  /** Throws for a wrong address or index, and for a file that cannot be used. */
  constructor({ exporters, exportersFile: path }: ExporterOptions, context: StageContext) {
    const { clock } = context.deps;
    this.#clock = clock;
    this.#lookedMs = clock.monotonicMs();
    const [book, [problem]] = bookOf(exporters);
    if (problem !== undefined) {
      const place = `${context.path}.exporters.${problem.path}`;
      throw configError(PIPELINE_ERRORS.option, place, problem.text);
    }
    this.#own = book;
    this.#file = path === '' ? undefined : openFile(path, context);
    this.#listed = this.#file?.current() ?? new Map();
  }

  get size(): number {
    return this.#own.size + this.#listed.size;
  }

  of(address: string): ExporterFacts | undefined {
    return this.#listed.get(address) ?? this.#own.get(address);
  }

  /** Reads the file again if it has changed. Called before each batch. */
  look(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#file === undefined || nowMs - this.#lookedMs < LOOK_PERIOD_MS) return;
    this.#lookedMs = nowMs;
    const listed = this.#file.current();
    if (listed === this.#listed) return;
    this.#listed = listed;
    this.version++;
  }
}

function openFile(path: string, context: StageContext): RenewedFiles<Book> {
  const { log, metrics } = context.deps;
  const renewals = createRenewalMetrics(metrics);
  const fields = { component: 'pipeline', stage: context.name, path };
  const report = {
    renewed() {
      renewals.inc({ what: 'exporters', outcome: 'used' });
      log.info(fields, 'the file of exporters was renewed');
    },
    refused(error: unknown) {
      renewals.inc({ what: 'exporters', outcome: 'refused' });
      log.warn(
        { ...fields, error: explain(error) },
        'the new file of exporters cannot be used: the old one stays',
      );
    },
  };
  try {
    return new RenewedFiles([path], ([text = '']) => readBook(path, text), report);
  } catch (cause) {
    if (cause instanceof NetobservError) throw cause;
    const place = `${context.path}.exportersFile`;
    throw configError(PIPELINE_ERRORS.exporters, place, `cannot read ${path}`, cause);
  }
}

function readBook(path: string, text: string): Book {
  const document = parseDocument(path, text);
  const { value, problems } = validate(Exporters, document.value ?? {});
  const [book, wrong] = problems.length > 0 ? [new Map(), problems] : bookOf(value);
  if (wrong.length === 0) return book;
  const issues = problemLines(wrong, document);
  throw new NetobservError(PIPELINE_ERRORS.exporters, listed(`wrong file ${path}`, issues), {
    details: { issues },
  });
}

/** The exporters by their address in its usual form, and what is wrong with the keys. */
function bookOf(exporters: Exporters): readonly [Book, readonly Problem[]] {
  const book = new Map<string, ExporterFacts>();
  const problems: Problem[] = [];
  const refuse = (path: string, text: string) => problems.push({ path, kind: 'key', text });
  for (const [key, facts] of Object.entries(exporters)) {
    const bytes = parseAddress(key);
    if (bytes === undefined) {
      refuse(key, 'is not an address, such as 192.0.2.1 or 2001:db8::1');
      continue;
    }
    const address = formatAddress(bytes);
    if (book.has(address)) refuse(key, `is ${address}, which is there already`);
    book.set(address, facts);
    for (const index of Object.keys(facts.interfaces)) {
      if (/^\d{1,10}$/.test(index) && Number(index) <= INDEX_MAX) continue;
      refuse(`${key}.interfaces.${index}`, `is not an SNMP index, a number up to ${INDEX_MAX}`);
    }
  }
  return [book, problems];
}
