import type { ReactNode } from 'react';

/** Two crossing flows: outgoing and incoming. The same drawing as `logo.svg`. */
export function Logo(): ReactNode {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect className="logo-ground" width="32" height="32" rx="7" />
      <g className="logo-line">
        <path d="M6 20.5c4.5 0 4.5-9 10-9s5.5 9 10 9" opacity=".55" />
        <path d="M6 11.5c4.5 0 4.5 9 10 9s5.5-9 10-9" />
      </g>
      <circle className="logo-dot" cx="6" cy="11.5" r="2.4" />
      <circle className="logo-dot" cx="26" cy="11.5" r="2.4" />
    </svg>
  );
}
