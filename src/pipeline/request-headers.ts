import { configError, PIPELINE_ERRORS } from './errors.ts';

/** RFC 9110, section 5.6.2; gRPC accepts these, too. */
const HEADER_NAME = /^[A-Za-z0-9_.-]+$/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;

/** Throws if a header of the options at `path` cannot be sent. */
export function checkHeaders(headers: Readonly<Record<string, string>>, path: string): void {
  for (const [name, value] of Object.entries(headers)) {
    if (HEADER_NAME.test(name) && HEADER_VALUE.test(value)) continue;
    const problem = 'a header has letters, digits, _, - and . in its name, and ASCII in its value';
    throw configError(PIPELINE_ERRORS.option, `${path}.headers.${name}`, problem);
  }
}
