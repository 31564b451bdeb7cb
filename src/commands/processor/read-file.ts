import { NetobservError } from '../../base/errors.ts';
import { type ConfigDocument, composedDocument, parseDocument } from '../../config/document.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import type { FileEntry } from '../../config/load.ts';
import type { Flags } from '../command.ts';
import { readText } from '../options.ts';
import { FILE_KEYS, PART_FLAGS } from './options.ts';

/** A pipeline's file, with the parts that flags replace. Throws `CONFIG_ERRORS.file`. */
export async function readPipelineFile(flags: Flags): Promise<ConfigDocument> {
  const path = pathOf(flags);
  const file =
    path !== undefined
      ? parseDocument(path, await readText(path))
      : parseDocument('the command line', '{}');
  const { value } = file;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const problem = 'expected the keys "pipeline" and "parameters"';
    throw new NetobservError(CONFIG_ERRORS.file, `${file.place('').text}: ${problem}`);
  }
  const parts = new Map(
    PART_FLAGS.flatMap((key) => {
      const text = flags[key];
      return typeof text === 'string' ? [[key, parseDocument(`--${key}`, text)] as const] : [];
    }),
  );
  return parts.size === 0 ? file : withParts(file, parts);
}

/** The path that flags give; undefined: none. */
export function pathOf(flags: Flags): string | undefined {
  const path = flags.config ?? flags.file;
  return typeof path === 'string' ? path : undefined;
}

function withParts(
  file: ConfigDocument,
  parts: ReadonlyMap<string, ConfigDocument>,
): ConfigDocument {
  const own = [...parts].map(([key, part]) => [key, part.value] as const);
  /** The document that a path is in, and the path there. */
  const inside = (path: string): readonly [ConfigDocument, string] => {
    const key = /^[^.[]*/.exec(path)![0];
    const part = parts.get(key);
    return part === undefined ? [file, path] : [part, path.slice(key.length).replace(/^\./, '')];
  };
  const value = { ...(file.value as object), ...Object.fromEntries(own) };
  return composedDocument(file.name, value, inside);
}

/** The file's values of the options around the pipeline; "a: {b: 1}" is "a.b" there. */
export function programEntries(file: ConfigDocument): readonly FileEntry[] {
  const sections = new Set(Object.keys(FILE_KEYS).flatMap((key) => key.split('.').slice(0, -1)));
  return Object.entries(file.value as object).flatMap(([key, value]) => {
    if (!sections.has(key)) return entryOf(file, key, value);
    if (!isMapping(value ?? {})) return wrong(file, key, 'is not a mapping');
    return Object.entries(value ?? {}).flatMap(([inner, one]) => {
      const path = `${key}.${inner}`;
      return path in FILE_KEYS ? entryOf(file, path, one) : wrong(file, path, 'is unknown');
    });
  });
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function entryOf(file: ConfigDocument, key: string, value: unknown): readonly FileEntry[] {
  const option = FILE_KEYS[key];
  if (option === undefined) return [];
  const isText = typeof value !== 'object' || value === null;
  if (!isText) return wrong(file, key, 'is a list or a mapping');
  const text = file.written(key) ?? String(value ?? '');
  return [{ key: option, text, problem: undefined, where: file.place(key).text }];
}

function wrong(file: ConfigDocument, key: string, problem: string): readonly FileEntry[] {
  return [{ key: FILE_KEYS[key] ?? key, text: undefined, problem, where: file.place(key).text }];
}
