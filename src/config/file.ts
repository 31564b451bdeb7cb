import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import { NetobservError } from '../base/errors.ts';
import { ConfigError } from './errors.ts';
import { CONFIG_FILE_MAX_BYTES, type FileEntry } from './load.ts';

/**
 * Reads the keys of a YAML (or JSON, its subset) mapping with their positions.
 *
 * Scalars keep the text of the file, so that `0755` or `1e3` mean what they mean in the
 * environment. A sequence is the same as the comma-separated list; a nested mapping is JSON.
 */
export function readConfigFile(path: string, source: string): readonly FileEntry[] {
  if (source.length > CONFIG_FILE_MAX_BYTES) {
    throw new NetobservError(
      ConfigError.file,
      `${path} is larger than ${CONFIG_FILE_MAX_BYTES} bytes: is it a configuration file?`,
    );
  }
  const lines = new LineCounter();
  const documents = parseAllDocuments(source, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const [document, second] = documents;
  if (document === undefined) return [];
  const error = document.errors[0];
  if (error !== undefined) {
    throw new NetobservError(ConfigError.file, `${place(error.pos[0])}: ${error.message}`);
  }
  if (second !== undefined) {
    const where = place(second.range[0]);
    throw new NetobservError(ConfigError.file, `${where}: a second document; one is allowed`);
  }
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return [];
  if (!isMap(root)) {
    const where = place(root.range[0]);
    throw new NetobservError(ConfigError.file, `${where}: expected lines such as "sampling: 50"`);
  }
  return root.items.map((pair) => {
    const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
    const where = place(pair.key.range[0]);
    const value = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
    return { key, where, ...textOf(value) };
  });
}

function textOf(node: unknown): Pick<FileEntry, 'text' | 'problem'> {
  if (node === null || node === undefined) return { text: '', problem: undefined };
  if (isScalar(node)) {
    if (node.value === null) return { text: '', problem: undefined };
    const plain = node.type === 'PLAIN' ? node.source : undefined;
    return { text: plain ?? String(node.value), problem: undefined };
  }
  if (isSeq(node) && node.items.every((item) => isScalar(item))) {
    const items = node.items.map((item) => (isScalar(item) ? String(item.value) : ''));
    if (items.some((item) => item.includes(','))) {
      return { text: undefined, problem: 'an item of a list must not contain a comma' };
    }
    return { text: items.join(','), problem: undefined };
  }
  if (isSeq(node) || isMap(node)) {
    return { text: JSON.stringify(node.toJSON()), problem: undefined };
  }
  return { text: undefined, problem: 'expected a text, a number, a list or a mapping' };
}
