import { NetobservError } from '../base/errors.ts';
import { type ConfigDocument, parseDocument } from './document.ts';
import { CONFIG_ERRORS } from './errors.ts';
import type { FileEntry } from './load.ts';

/**
 * Reads the keys of a YAML (or JSON) mapping for an option table. Throws `CONFIG_ERRORS.file`.
 *
 * Each option has one parser, which takes a text, so that a value means the same in a file, in the
 * environment and on the command line. Hence scalars keep their text from the file (`0755`, `1e3`),
 * a list becomes comma-separated text, and a mapping, which few options take, becomes JSON.
 */
export function readConfigFile(path: string, source: string): readonly FileEntry[] {
  const document = parseDocument(path, source);
  const { value } = document;
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const where = document.place('').text;
    throw new NetobservError(CONFIG_ERRORS.file, `${where}: expected lines such as "sampling: 50"`);
  }
  return Object.entries(value).map(([key, item]) => ({
    key,
    where: document.place(key).text,
    ...textOf(item, key, document),
  }));
}

function textOf(
  value: unknown,
  key: string,
  document: ConfigDocument,
): Pick<FileEntry, 'text' | 'problem'> {
  if (value === null) return { text: '', problem: undefined };
  if (typeof value !== 'object') {
    return { text: document.written(key) ?? String(value), problem: undefined };
  }
  if (!Array.isArray(value) || value.some((item) => typeof item === 'object' && item !== null)) {
    return { text: JSON.stringify(value), problem: undefined };
  }
  const items = value.map((item) => String(item ?? ''));
  if (items.some((item) => item.includes(','))) {
    return { text: undefined, problem: 'an item of a list must not contain a comma' };
  }
  return { text: items.join(','), problem: undefined };
}
