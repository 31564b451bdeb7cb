import { Lab } from '../../support/lab/netns.ts';
import { startUp } from '../../support/processes/up-host.ts';

/** A console to look at, and traffic for it. */
export interface StartedConsole extends AsyncDisposable {
  readonly url: string;
  /** Sends some TCP and UDP traffic between two namespaces that the agent watches. */
  generate(): Promise<void>;
}

export const CLIENT = '10.123.45.1';
export const SERVER = '10.123.45.2';
export const CLIENT_V6 = 'fd00:123:45::1';
export const SERVER_V6 = 'fd00:123:45::2';
export const TCP_PORT = 8443;
export const UDP_PORT = 5353;

/**
 * `netobserv up` on a veth pair between two namespaces; or, with `NETOBSERV_URL`, a running console
 * that watches the interfaces made here.
 */
export async function startConsole(): Promise<StartedConsole> {
  const lab = new Lab();
  const client = lab.namespace('client');
  const server = lab.namespace('server');
  const links = lab.pair(
    { namespace: client, addresses: [`${CLIENT}/24`] },
    { namespace: server, addresses: [`${SERVER}/24`] },
  );
  const stack = await startStack(links[0]).catch(async (error: unknown) => {
    await lab[Symbol.asyncDispose]();
    throw error;
  });
  return {
    url: stack.url,
    async generate() {
      // Not before: IPv6 sends packets unasked, and the console is first viewed without traffic.
      lab.address(client, links[0], `${CLIENT_V6}/64`);
      lab.address(server, links[1], `${SERVER_V6}/64`);
      await lab.tcp(client, server, {
        address: SERVER,
        port: TCP_PORT,
        sendBytes: 200_000,
        replyBytes: 50_000,
      });
      const datagrams = { port: UDP_PORT, count: 40, sizeBytes: 300 };
      await lab.udp(client, server, { address: SERVER_V6, ...datagrams });
    },
    async [Symbol.asyncDispose]() {
      await stack.stop();
      await lab[Symbol.asyncDispose]();
    },
  };
}

async function startStack(link: string): Promise<{ url: string; stop(): Promise<void> }> {
  const given = process.env.NETOBSERV_URL;
  if (given !== undefined) return { url: given, stop: async () => undefined };
  const up = await startUp(['--interfaces', link, '--cache-active-timeout', '500ms']);
  return { url: up.url, stop: async () => up[Symbol.asyncDispose]() };
}
