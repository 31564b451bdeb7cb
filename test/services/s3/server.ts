import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverFolder } from '../../../scripts/servers.ts';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';

export const KEY = 'admin';
export const SECRET = 'correct horse';
const BUCKET = 'flows';

export interface StoredObject {
  readonly name: string;
  readonly bytes: Buffer;
}

/** An S3 server with one bucket; objects are files. */
export class S3Server implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'netobserv-s3-'));
  readonly port: number;
  #program: Program | undefined;

  private constructor(port: number) {
    this.port = port;
    mkdirSync(join(this.folder, BUCKET));
  }

  static async start(): Promise<S3Server> {
    const server = new S3Server(await freePort());
    await server.restart();
    return server;
  }

  /** Options of `encode: s3` for this server. */
  get options() {
    return {
      ...{ account: 'tenant (1)', endpoint: `127.0.0.1:${this.port}`, bucket: BUCKET },
      ...{ accessKeyId: KEY, secretAccessKey: SECRET },
    };
  }

  async restart(): Promise<void> {
    const env = { ...process.env, ROOT_ACCESS_KEY: KEY, ROOT_SECRET_KEY: SECRET };
    const args = ['--port', `127.0.0.1:${this.port}`, 'posix', this.folder];
    const command = [join(serverFolder('s3'), 'versitygw')];
    this.#program = startProgram(args, { command, env });
    await this.#program.waitFor(/service listening on/);
  }

  async kill(): Promise<void> {
    await this.#program?.stop('SIGKILL');
  }

  /** It stands still until `resume`. */
  pause(): void {
    this.#program!.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#program!.child.kill('SIGCONT');
  }

  /** The objects, in the order of their names. */
  objects(): readonly StoredObject[] {
    const root = join(this.folder, BUCKET);
    return readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .toSorted()
      .map((path) => ({ name: path.slice(root.length + 1), bytes: readFileSync(path) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }
}
