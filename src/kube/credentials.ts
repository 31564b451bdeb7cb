/** Options of TLS as Node takes them, PEM. */
export interface KubeTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface KubeCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: KubeTls;
}

/** Where the API server is, and who we are there. */
export interface KubeAccess {
  /** `https://host:port`, perhaps with a path. */
  readonly server: string;
  /** For one request: tokens and certificates are renewed while the program runs. */
  credentials(): Promise<KubeCredentials>;
}
