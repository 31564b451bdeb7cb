/** A file with its intended content; the path is absolute or relative to the root. */
export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}
