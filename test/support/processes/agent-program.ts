import { freePort, type Program, startProgram } from './program.ts';

/** `netobserv agent` as a process, configured by the environment like `netobserv-ebpf-agent`. */
export interface AgentProgram {
  readonly program: Program;
  /** Sum of the metrics with this prefix, which does not include the common one. */
  total(prefix: string): Promise<number>;
  /** Packets that are recorded, or counted as unrecorded. */
  seen(): Promise<number>;
}

/** Resolves when it watches its interfaces. */
export async function startAgentProgram(
  env: Readonly<Record<string, string>>,
): Promise<AgentProgram> {
  const port = await freePort();
  const program = startProgram(['agent'], {
    env: {
      PATH: process.env.PATH,
      CACHE_ACTIVE_TIMEOUT: '200ms',
      AGENT_IP: '192.0.2.9',
      METRICS_ENABLE: 'true',
      METRICS_SERVER_ADDRESS: '127.0.0.1',
      METRICS_SERVER_PORT: `${port}`,
      ...env,
    },
  });
  await program.waitFor(/"msg":"agent is up"/);
  const total = async (prefix: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`ebpf_agent_${prefix}`))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  return {
    program,
    total,
    seen: async () =>
      (await total('recorded_packets_total')) + (await total('unrecorded_packets_total')),
  };
}
