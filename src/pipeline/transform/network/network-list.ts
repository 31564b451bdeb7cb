import { readFileSync, statSync } from 'node:fs';
import { type Cidr, parseCidr } from '../../../base/ip.ts';
import { fileStamp } from '../../../telemetry/file-stamp.ts';

const FILE_BYTES_MAX = 64 * 2 ** 20;
const NETWORKS_MAX = 1_000_000;
/** Anything that may be a network; `parseCidr` decides. */
const CANDIDATE = /[0-9A-Fa-f:.]+\/\d{1,3}/g;

/** A file of networks, which others renew while the program runs. */
export class NetworkList {
  readonly #path: string;
  #stamp = '';

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The networks in the file: all that stand in its text, in whatever form, such as one in a line,
   * or in the JSON that cloud providers publish. Throws if it cannot be read or has none.
   */
  read(): readonly Cidr[] {
    const { size } = statSync(this.#path);
    if (size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
    this.#stamp = fileStamp(this.#path);
    const text = readFileSync(this.#path, 'utf8');
    const networks: Cidr[] = [];
    for (const [found] of text.matchAll(CANDIDATE)) {
      const cidr = parseCidr(found);
      if (cidr === undefined) continue;
      networks.push(cidr);
      if (networks.length > NETWORKS_MAX)
        throw new Error(`it has more than ${NETWORKS_MAX} networks`);
    }
    if (networks.length === 0) throw new Error('it has no networks such as 10.0.0.0/8');
    return networks;
  }

  /** Whether the file is another than the one that was read. */
  hasChanged(): boolean {
    try {
      return fileStamp(this.#path) !== this.#stamp;
    } catch {
      // Some tools remove the file before they write the new one.
      return false;
    }
  }
}
