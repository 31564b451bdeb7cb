import type { ApiError } from '../../api.ts';

/** The server could not be reached, or a proxy in front of it says so. */
export class ServerGoneError extends Error {
  override readonly name = 'ServerGoneError';
}

/** The server wants a token. */
export class UnauthorizedError extends Error {
  override readonly name = 'UnauthorizedError';
}

/** The server's own refusal; `message` says what is wrong and what would be right. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly status: number;
  readonly code: string;
  readonly parameter: string | undefined;

  constructor(status: number, error: ApiError) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.parameter = error.parameter;
  }
}

export type QueryParameters = Readonly<Record<string, string | number | undefined>>;

/** `GET` of a JSON route. The type is the contract of `api.ts`; the server checks what it sends. */
export async function getJson<T>(
  path: string,
  parameters: QueryParameters,
  signal: AbortSignal,
): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  const response = await send(`${path}${text === '' ? '' : `?${text}`}`, { signal });
  return (await response.json()) as T;
}

export async function login(token: string): Promise<void> {
  await send('api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: 'same-origin' });
  } catch (cause) {
    if (init.signal?.aborted === true) throw cause;
    throw new ServerGoneError('The server cannot be reached.', { cause });
  }
  if (response.ok) return response;
  const error = await readError(response);
  if (response.status === 401) throw new UnauthorizedError(error.message);
  // Gateways answer these for a server that is restarting.
  if (response.status === 502 || response.status === 504) {
    throw new ServerGoneError(error.message);
  }
  throw new RefusedError(response.status, error);
}

async function readError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    if (isApiError(body)) return body;
  } catch {
    // Not ours: a proxy's page, say. The status has to do.
  }
  return {
    code: `HTTP_${response.status}`,
    message: response.statusText || `HTTP ${response.status}`,
  };
}

function isApiError(body: unknown): body is ApiError {
  return typeof body === 'object' && body !== null && 'message' in body && 'code' in body;
}
