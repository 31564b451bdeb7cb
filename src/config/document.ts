import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { NetobservError } from '../base/errors.ts';
import { listed, shown } from '../base/shown.ts';
import { CONFIG_ERRORS } from './errors.ts';
import { CONFIG_FILE_MAX_BYTES } from './load.ts';

/** Maps and lists inside each other. */
export const DOCUMENT_DEPTH_MAX = 64;
/** Values, counted again for each repeat by an alias: this stops alias bombs. */
export const DOCUMENT_VALUES_MAX = 100_000;
/**
 * Lexical tokens. A large configuration has some 10,000; parsing up to the limit takes half a
 * second.
 */
const TOKENS_MAX = 100_000;
/** The parser also keeps the document and the current scalar on its stack. */
const STACK_MAX = DOCUMENT_DEPTH_MAX + 2;
const ISSUES_MAX = 100;
/**
 * Control characters, which no text file contains. YAML forbids them, but the parser lets them
 * pass.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** A place in a document; lines and columns count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
  /** `file:line:column`, for messages. */
  readonly text: string;
}

/** A YAML or JSON text: its value, and where each part of the value is written. */
export interface ConfigDocument {
  /** The file's path, or the name of the variable that holds the text. */
  readonly name: string;
  /** Plain data; keys keep their case. Undefined for a text without any value. */
  readonly value: unknown;
  /**
   * The place of a path such as `parameters[2].write.type`: that of its key (or list item), or of
   * its value. A path that does not exist gets the place of its nearest existing parent.
   */
  place(path: string, part?: 'key' | 'value'): Place;
  /** An unquoted scalar as written (`0755`, `1e3`); undefined for any other value. */
  written(path: string): string | undefined;
}

/**
 * Parses one document of YAML 1.2, of which JSON is a subset. Throws `CONFIG_ERRORS.file`, with the
 * place, for a text that is too large, too deep or not YAML, has a second document, the same key
 * twice, an unknown tag, or an alias without its anchor.
 */
export function parseDocument(name: string, source: string): ConfigDocument {
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col, text: `${name}:${line}:${col}` };
  };
  const refuse = (offset: number, problem: string): NetobservError =>
    new NetobservError(CONFIG_ERRORS.file, `${at(offset).text}: ${problem}`);

  if (source.length > CONFIG_FILE_MAX_BYTES) {
    const problem = `is larger than ${CONFIG_FILE_MAX_BYTES} bytes: is it a configuration file?`;
    throw new NetobservError(CONFIG_ERRORS.file, `${name} ${problem}`);
  }
  const tokens = tokenize(source, lines, refuse);
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false });
  const [document, second] = [...composer.compose(tokens, false, source.length)];
  const root = document === undefined ? null : checked(document, second, refuse);
  const reader = new Reader(refuse);
  const value = reader.read(root);
  if (reader.issues.length > 0) {
    const { issues } = reader;
    throw new NetobservError(CONFIG_ERRORS.file, listed(name, issues), { details: { issues } });
  }
  const finder = new Finder(root, reader.targets);
  return {
    name,
    value,
    place(path, part = 'key') {
      const found = finder.find(path);
      return at((part === 'key' ? found.key : found.value)?.range?.[0] ?? 0);
    },
    written(path) {
      const { value: node, rest } = finder.find(path);
      return rest === '' && isScalar(node) && node.type === 'PLAIN' ? node.source : undefined;
    },
  };
}

/**
 * Runs `work`; an error whose `details.path` is a path in the document gets its place, as does each
 * of its `details.errors`.
 */
export function withPlaces<T>(document: ConfigDocument, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw placed(document, error);
  }
}

/** The error with the places in the document, if it names a path there. */
export function placed(document: ConfigDocument, error: unknown): unknown {
  const path = error instanceof NetobservError ? error.details.path : undefined;
  if (!(error instanceof NetobservError) || typeof path !== 'string') return error;
  const { row, cause, retryable, details } = error;
  const errors = details.errors as readonly NetobservError[] | undefined;
  if (errors === undefined) {
    const message = `${document.place(path, 'value').text} ${error.message}`;
    return new NetobservError(row, message, { cause, retryable, details });
  }
  const lines = errors.map((one) => {
    const place = document.place(String(one.details.path), 'value');
    return { ...place, text: `${place.text} ${one.message}` };
  });
  lines.sort((a, b) => a.line - b.line || a.column - b.column);
  const issues = lines.map(({ text }) => text);
  const [heading] = error.message.split(':\n');
  return new NetobservError(row, listed(heading!, issues), {
    cause,
    retryable,
    details: { path, issues },
  });
}

type Refuse = (offset: number, problem: string) => NetobservError;

/** Bounds the work before any recursive code reads the text. */
function tokenize(source: string, lines: LineCounter, refuse: Refuse): readonly CST.Token[] {
  lines.addNewLine(0);
  for (let end = source.indexOf('\n'); end !== -1; end = source.indexOf('\n', end + 1)) {
    lines.addNewLine(end + 1);
  }
  const control = CONTROL.exec(source);
  if (control !== null) throw refuse(control.index, 'a control character: is it a text file?');
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let count = 0;
  for (const lexeme of new Lexer().lex(source)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > STACK_MAX) {
      const problem = `maps and lists may be ${DOCUMENT_DEPTH_MAX} levels deep, not more`;
      throw refuse(parser.offset, problem);
    }
    if (++count > TOKENS_MAX) throw refuse(parser.offset, `a file may have ${TOKENS_MAX} tokens`);
  }
  tokens.push(...parser.end());
  return tokens;
}

function checked(document: Document, second: Document | undefined, refuse: Refuse): Node | null {
  const error = document.errors[0] ?? document.warnings[0];
  if (error !== undefined) throw refuse(error.pos[0], `neither YAML nor JSON: ${error.message}`);
  if (second !== undefined)
    throw refuse(second.range?.[0] ?? 0, 'a second document; one is allowed');
  return document.contents as Node | null;
}

/** A node's value and the number of values in it. */
interface Done {
  readonly value: unknown;
  readonly size: number;
}

/** Turns nodes into values, in the order of the text, so that an alias finds its anchor. */
class Reader {
  readonly issues: string[] = [];
  readonly targets = new Map<Alias, Node>();
  readonly #problem: Refuse;
  readonly #anchors = new Map<string, Node>();
  readonly #done = new Map<Node, Done>();

  constructor(problem: Refuse) {
    this.#problem = problem;
  }

  read(root: Node | null): unknown {
    const { value } = this.#read(root);
    return value === null ? undefined : value;
  }

  #read(node: Node | null): Done {
    if (node === null) return { value: null, size: 1 };
    if (isAlias(node)) return this.#alias(node);
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node);
    const done = isMap(node) ? this.#map(node) : isSeq(node) ? this.#list(node) : scalar(node);
    this.#done.set(node, done);
    return done;
  }

  #alias(node: Alias): Done {
    const target = this.#anchors.get(node.source);
    const done = target === undefined ? undefined : this.#done.get(target);
    if (target !== undefined && done !== undefined) {
      this.targets.set(node, target);
      return done;
    }
    const problem =
      target === undefined ? 'refers to no anchor before it' : 'is inside of its own anchor';
    this.#refuse(node, `alias *${shown(node.source)} ${problem}`);
    return { value: null, size: 1 };
  }

  #map(node: YAMLMap): Done {
    const entries = new Map<string, unknown>();
    let size = 1;
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? keyText(pair.key) : undefined;
      if (key === undefined) this.#refuse(pair.key as Node, 'a key must be a text');
      else if (entries.has(key)) {
        this.#refuse(pair.key as Node, `key "${shown(key)}" is there twice`);
      }
      if (isScalar(pair.key)) this.#read(pair.key);
      const done = this.#read(pair.value as Node | null);
      if (key !== undefined) entries.set(key, done.value);
      size = this.#add(size, done, node);
    }
    // Defines properties instead of setting them, so that "__proto__" is an ordinary key.
    return { value: Object.fromEntries(entries), size };
  }

  #list(node: YAMLSeq): Done {
    const items: unknown[] = [];
    let size = 1;
    for (const item of node.items) {
      const done = this.#read(item as Node | null);
      items.push(done.value);
      size = this.#add(size, done, node);
    }
    return { value: items, size };
  }

  #add(size: number, done: Done, node: Node): number {
    const sum = size + done.size;
    if (sum <= DOCUMENT_VALUES_MAX) return sum;
    const problem = `a file may have ${DOCUMENT_VALUES_MAX} values, counting those of aliases`;
    throw this.#problem(node.range?.[0] ?? 0, problem);
  }

  #refuse(node: Node | null, problem: string): void {
    if (this.issues.length >= ISSUES_MAX) return;
    this.issues.push(this.#problem(node?.range?.[0] ?? 0, problem).message);
  }
}

function scalar(node: Node): Done {
  return { value: isScalar(node) ? node.value : null, size: 1 };
}

/** The text of `8080:` and `true:` is the key. */
function keyText({ value, source, type }: Scalar): string | undefined {
  if (value === null) return undefined;
  return type === 'PLAIN' && source !== undefined ? source : String(value);
}

interface Found {
  readonly key: Node | null;
  readonly value: Node | null;
  /** The part of the path that does not exist. */
  readonly rest: string;
}

/** Follows paths through the nodes. Used for messages only, so it may search. */
class Finder {
  readonly #root: Node | null;
  readonly #targets: ReadonlyMap<Alias, Node>;

  constructor(root: Node | null, targets: ReadonlyMap<Alias, Node>) {
    this.#root = root;
    this.#targets = targets;
  }

  find(path: string): Found {
    let found: Found = { key: this.#root, value: this.#root, rest: path };
    for (;;) {
      const next = found.rest === '' ? undefined : this.#step(found);
      if (next === undefined) return found;
      found = next;
    }
  }

  #step({ value, rest }: Found): Found | undefined {
    const node = isAlias(value) ? this.#targets.get(value) : value;
    if (isSeq(node)) {
      const [whole, index] = /^\[(\d+)\]/.exec(rest) ?? [];
      const item = index === undefined ? undefined : (node.items[Number(index)] as Node | null);
      if (whole === undefined || item === undefined) return undefined;
      return { key: item, value: item, rest: rest.slice(whole.length) };
    }
    if (!isMap(node)) return undefined;
    const path = rest.replace(/^\./, '');
    let best: Found | undefined;
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? keyText(pair.key) : undefined;
      if (key === undefined || !path.startsWith(key)) continue;
      const after = path.slice(key.length);
      // Keys may contain dots: the longest one that fits wins.
      if (!/^([.[]|$)/.test(after) || (best !== undefined && best.rest.length <= after.length)) {
        continue;
      }
      best = { key: pair.key as Node, value: pair.value as Node | null, rest: after };
    }
    return best;
  }
}

/** A document made of others: `inside` gives the one that a path is in, and the path there. */
export function composedDocument(
  name: string,
  value: unknown,
  inside: (path: string) => readonly [ConfigDocument, string],
): ConfigDocument {
  return {
    name,
    value,
    place(path, part) {
      const [document, rest] = inside(path);
      return document.place(rest, part);
    },
    written(path) {
      const [document, rest] = inside(path);
      return document.written(rest);
    },
  };
}
