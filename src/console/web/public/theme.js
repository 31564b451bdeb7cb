// Runs before the first paint, so that a dark console never flashes white. A separate classic
// script, because the content security policy forbids inline scripts.
(() => {
  let theme = 'system';
  try {
    theme = JSON.parse(localStorage.getItem('netobserv') ?? '{}').theme ?? theme;
  } catch {
    // Storage may be off or hold something else: follow the system.
  }
  const dark =
    theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.classList.toggle('pf-v6-theme-dark', dark);
})();
