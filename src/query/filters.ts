import {
  ANY,
  type Filter,
  MATCH_OPERATORS,
  type Match,
  type MatchOperator,
  type MatchValue,
} from './ast.ts';
import { QUERY_ERRORS, queryError } from './errors.ts';
import { requireFields } from './keys.ts';
import { readMatch } from './values.ts';

/**
 * The `filters` text: groups separated by `|`, one of which must match; terms separated by `&`, all
 * of which must match. A term is a key, an operator and a comma list of values, one of which must
 * match. A quoted value is exact; a bare one matches anywhere in a text, or all of it when it has
 * `*` wildcards; `""` is an absent or empty field. Numbers and addresses may be ranges that include
 * both ends (`8000-8080`, `10ms-2s`). There is no escape character: a quoted value contains
 * anything except a quote.
 */

/** Longest filter text, in characters: that of a request line, far more than people type. */
export const FILTERS_MAX_CHARS = 8192;

/** Most terms of one filter; each may become a sub-query of the store. */
export const FILTER_TERMS_MAX = 64;

/** Most values of one comma list. */
export const FILTER_VALUES_MAX = 256;

/** Anything that may be meant as an operator, such as `==` and `=>`. */
const OPERATOR = /[!<>=~]+/y;
const KEY = /[A-Za-z_][A-Za-z0-9_.]*/y;
const BARE = /[\w\-.*:/@+]+/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
const QUOTED = /"([^"\u0000-\u001f]*)"/y;

/** Reads and checks a filter text; every error gives the position and the correction. */
export function parseFilters(text: string): Filter {
  if (text.length > FILTERS_MAX_CHARS) {
    throw queryError(
      QUERY_ERRORS.tooLong,
      `the filter has ${text.length} characters; at most ${FILTERS_MAX_CHARS} are read`,
    );
  }
  return text.trim() === '' ? ANY : new Parser(text).filter();
}

/**
 * Undoes the URL encoding that may be left in a `filters` parameter:
 * `network-observability-console-plugin` encodes it twice and a server decodes it once.
 */
export function decodeFilters(text: string): string {
  if (!/%[0-9A-Fa-f]{2}/.test(text)) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw queryError(QUERY_ERRORS.syntax, 'the filter is not valid URL encoding');
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  #terms = 0;

  constructor(text: string) {
    this.#text = text;
  }

  filter(): Filter {
    const groups = [this.#group()];
    while (this.#take('|')) groups.push(this.#group());
    if (this.#at < this.#text.length) throw this.#unexpected('expected &, |, a comma or the end');
    return groups.length === 1 ? groups[0]! : { kind: 'or', terms: groups };
  }

  #group(): Filter {
    const terms = [this.#term()];
    while (this.#take('&')) terms.push(this.#term());
    return terms.length === 1 ? terms[0]! : { kind: 'and', terms };
  }

  #term(): Match {
    if (++this.#terms > FILTER_TERMS_MAX) {
      throw queryError(
        QUERY_ERRORS.tooLong,
        `the filter has more than ${FILTER_TERMS_MAX} terms; use comma lists or wildcards`,
      );
    }
    const position = this.#at;
    const key = this.#match(KEY)?.[0];
    if (key === undefined) throw this.#unexpected('expected a field name');
    requireFields(key, position);
    const operator = this.#operator(key);
    const places = [this.#at];
    const values = [this.#value(key)];
    while (this.#take(',')) {
      if (values.length === FILTER_VALUES_MAX) {
        throw queryError(
          QUERY_ERRORS.tooLong,
          `${key} has more than ${FILTER_VALUES_MAX} values; use wildcards or a range`,
        );
      }
      places.push(this.#at);
      values.push(this.#value(key));
    }
    const match: Match = { kind: 'match', key, operator, values };
    readMatch(match, { key: position, values: places });
    return match;
  }

  #operator(key: string): MatchOperator {
    const start = this.#at;
    const written = this.#match(OPERATOR)?.[0];
    const operator = MATCH_OPERATORS.find((candidate) => candidate === written);
    if (operator !== undefined) return operator;
    this.#at = start;
    throw this.#unexpected(`expected one of ${MATCH_OPERATORS.join(' ')} after ${key}`, written);
  }

  #value(key: string): MatchValue {
    const quoted = this.#match(QUOTED);
    if (quoted !== undefined) {
      const text = quoted[1] ?? '';
      return text === '' ? { kind: 'empty' } : { kind: 'exact', text };
    }
    if (this.#text[this.#at] === '"') throw this.#unexpected('the quote is not closed');
    const bare = this.#match(BARE)?.[0];
    if (bare !== undefined) return { kind: 'pattern', text: bare };
    throw this.#unexpected(`expected a value of ${key}; "" stands for an absent one`);
  }

  #take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }

  #unexpected(wanted: string, written = this.#text[this.#at]) {
    const found = written === undefined ? 'the end' : `"${written}"`;
    return queryError(
      QUERY_ERRORS.syntax,
      `the filter cannot be read at position ${this.#at + 1}, at ${found}: ${wanted}`,
      { position: this.#at },
    );
  }
}
