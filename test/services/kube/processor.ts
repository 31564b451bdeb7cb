import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';

export type Row = Readonly<Record<string, string | number | undefined>>;

/** `netobserv processor` with names for both ends of the flows that a test sends. */
export class Processor implements AsyncDisposable {
  readonly #program: Program;
  readonly #health: string;
  readonly #metrics: string;
  readonly #waiting = new Map<number, (row: Row) => void>();
  #sent = 0;

  private constructor(program: Program, health: string, metrics: string) {
    this.#program = program;
    this.#health = health;
    this.#metrics = metrics;
    createInterface({ input: program.child.stdout! }).on('line', (line) => {
      if (!line.startsWith('{"')) return;
      const row = JSON.parse(line) as Row;
      this.#waiting.get(Number(row.Number))?.(row);
      this.#waiting.delete(Number(row.Number));
    });
  }

  static async start(folder: string, kubeconfig: string): Promise<Processor> {
    const [health, metrics] = [await freePort(), await freePort()];
    const config = `${folder}/processor.json`;
    const rule = (end: string, more: object = {}) => {
      const kubernetes = { ipField: `${end}Addr`, output: `${end}K8S`, add_zone: true, ...more };
      return { type: 'add_kubernetes', kubernetes };
    };
    const rules = [rule('Src'), rule('Dst', { portField: 'DstPort' })];
    const network = { kubeConfig: { configPath: kubeconfig }, rules };
    const text = JSON.stringify({
      healthAddr: `127.0.0.1:${health}`,
      metricsSettings: { address: '127.0.0.1', port: metrics },
      pipeline: [
        { name: 'in' },
        { name: 'names', follows: 'in' },
        { name: 'out', follows: 'names' },
      ],
      parameters: [
        { name: 'in', ingest: { type: 'stdin', stdin: {} } },
        { name: 'names', transform: { type: 'network', network } },
        { name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } },
      ],
    });
    writeFileSync(config, text);
    const program = startProgram(['processor', '--config', config], { stdin: 'pipe' });
    const processor = new Processor(
      program,
      `http://127.0.0.1:${health}`,
      `http://127.0.0.1:${metrics}`,
    );
    await program.waitFor(/processor is up/);
    return processor;
  }

  /** What becomes of flows, in their order. */
  async named(flows: readonly Row[]): Promise<readonly Row[]> {
    const answers = flows.map(
      (flow) =>
        new Promise<Row>((resolve) => {
          const number = ++this.#sent;
          this.#waiting.set(number, resolve);
          this.#program.child.stdin!.write(`${JSON.stringify({ Number: number, ...flow })}\n`);
        }),
    );
    return await Promise.all(answers);
  }

  /** The status of the probe, and what it says of Kubernetes. */
  async ready(): Promise<{ readonly status: number; readonly about: string }> {
    const answer = await fetch(`${this.#health}/ready?full=1`);
    const { kubernetes } = (await answer.json()) as { kubernetes: object };
    return { status: answer.status, about: JSON.stringify(kubernetes) };
  }

  /** Sum of a counter by one of its labels. */
  async counts(name: string, label: string): Promise<Readonly<Record<string, number>>> {
    const text = await (await fetch(`${this.#metrics}/metrics`)).text();
    const sums: Record<string, number> = {};
    for (const [, labels, value] of text.matchAll(new RegExp(`^${name}{(.*)} (\\S+)$`, 'gm'))) {
      const key = new RegExp(`${label}="([^"]*)"`).exec(labels!)?.[1] ?? '';
      sums[key] = (sums[key] ?? 0) + Number(value);
    }
    return sums;
  }

  get residentMegabytes(): number {
    const status = readFileSync(`/proc/${this.#program.child.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop();
  }
}
